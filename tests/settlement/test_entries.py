"""From events to rows: every leg by hand, and the law that journal entries sum to zero."""

import numpy as np
import pytest

from exchange.core.types import AssetKind, EventKind, Side, TransferPurpose
from settlement.entries import Rows, rows
from settlement.records import INSTRUMENT, ISSUANCE_ACCOUNT, OUTSIDE_ACCOUNT
from tests.settlement.builders import (
    CASH,
    LOT_UNITS,
    TICK_VALUE,
    event,
    history,
    market,
    postings,
    quiet,
    stream,
    trade,
)

OPENED = len(market())
SEQ = OPENED + 1  # of the first event behind the market
NONE_LISTED = np.empty(0, INSTRUMENT)


def _rows(*events: np.ndarray) -> Rows:
    """Return what the events behind a market mean, those of the market left out."""
    instruments = rows(market(), 1, NONE_LISTED).instruments
    return rows(stream(*events, start=SEQ), SEQ, instruments)


def test_a_taker_who_buys_pays_notional_and_fee() -> None:
    found = _rows(trade(3, 4, Side.BUY, 50, 2, fee=7, counter_fee=5, trade_id=9, order_id=11, counter_order_id=12))
    assert postings(found.movements) == [
        (SEQ * 8 + 0, 3, CASH, -50 * 2 * TICK_VALUE - 7),
        (SEQ * 8 + 1, 4, CASH, 50 * 2 * TICK_VALUE - 5),
        (SEQ * 8 + 2, 0, CASH, 12),
        (SEQ * 8 + 4, 3, 2, 2 * LOT_UNITS),
        (SEQ * 8 + 5, 4, 2, -2 * LOT_UNITS),
    ]
    assert found.trades.tolist() == [(SEQ, SEQ * 1000, 9, 1, 50, 2, 3, 4, 11, 12, 7, 5, Side.BUY)]


def test_a_taker_who_sells_is_the_seller() -> None:
    found = _rows(trade(3, 4, Side.SELL, 50, 2, fee=7, counter_fee=-5, order_id=11, counter_order_id=12))
    assert postings(found.movements) == [
        (SEQ * 8 + 0, 4, CASH, -50 * 2 * TICK_VALUE + 5),
        (SEQ * 8 + 1, 3, CASH, 50 * 2 * TICK_VALUE - 7),
        (SEQ * 8 + 2, 0, CASH, 2),
        (SEQ * 8 + 4, 4, 2, 2 * LOT_UNITS),
        (SEQ * 8 + 5, 3, 2, -2 * LOT_UNITS),
    ]
    assert found.trades.tolist() == [(SEQ, SEQ * 1000, 0, 1, 50, 2, 4, 3, 12, 11, -5, 7, Side.SELL)]


@pytest.mark.parametrize(
    ("kind", "asset", "sign", "contra"),
    [
        (EventKind.DEPOSITED, CASH, 1, OUTSIDE_ACCOUNT),
        (EventKind.WITHDRAWN, CASH, -1, OUTSIDE_ACCOUNT),
        (EventKind.ISSUED, 2, 1, ISSUANCE_ACCOUNT),
        (EventKind.REDEEMED, 2, -1, ISSUANCE_ACCOUNT),
        (EventKind.UNITS_EXPIRED, 2, -1, ISSUANCE_ACCOUNT),
    ],
)
def test_what_enters_or_leaves_has_a_contra_account(kind: EventKind, asset: int, sign: int, contra: int) -> None:
    found = _rows(event(kind, account=3, asset=asset, amount=40))
    assert postings(found.movements) == [(SEQ * 8, 3, asset, sign * 40), (SEQ * 8 + 1, contra, asset, -sign * 40)]
    assert found.entries.tolist() == [(SEQ, SEQ * 1000, kind, 0, 0, 0, bytes(16))]


def test_a_redemption_keeps_its_usage_id() -> None:
    usage_id = bytes(range(200, 216))
    low, high = np.frombuffer(usage_id, "<i8").tolist()
    found = _rows(event(EventKind.REDEEMED, account=1, asset=2, amount=1, order_id=low, counter_order_id=high))
    assert found.entries["reference"][0].tobytes() == usage_id


@pytest.mark.parametrize("purpose", [purpose for purpose in TransferPurpose if purpose])
def test_a_transfer_goes_from_one_account_to_the_other_and_says_why(purpose: TransferPurpose) -> None:
    terms = {"account": 3, "counter_account": 4, "asset": CASH, "amount": 40, "state": purpose}
    found = _rows(event(EventKind.TRANSFERRED, **terms, order_id=5, counter_order_id=6))
    assert postings(found.movements) == [(SEQ * 8, 3, CASH, -40), (SEQ * 8 + 1, 4, CASH, 40)]
    reference = (5).to_bytes(8, "little") + (6).to_bytes(8, "little")
    assert found.entries.tolist() == [(SEQ, SEQ * 1000, EventKind.TRANSFERRED, purpose, 0, 0, reference)]


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_bust_reverses_all_postings_of_its_trade(side: Side) -> None:
    done = trade(3, 4, side, 50, 2, fee=7, counter_fee=-5, trade_id=9)
    undone = done.copy()
    undone["kind"] = EventKind.TRADE_BUSTED
    found = _rows(done, undone)
    before, after = postings(found.movements[:2]), postings(found.movements[2:])
    assert len(before) == 5
    assert after == [(posting_id + 8, account, asset, -amount) for posting_id, account, asset, amount in before]
    assert found.entries.tolist() == [(SEQ + 1, (SEQ + 1) * 1000, EventKind.TRADE_BUSTED, 0, 1, 9, bytes(16))]
    assert len(found.trades) == 1


def test_a_bust_with_another_notional_is_a_fault() -> None:
    wrong = trade(1, 2, Side.BUY, 50, 2)
    wrong["kind"] = EventKind.TRADE_BUSTED
    wrong["amount"] += 1
    with pytest.raises(AssertionError, match="another notional"):
        _rows(wrong)


def test_registers_are_told_by_events() -> None:
    found = rows(market(accounts=1, instruments=1), 1, NONE_LISTED)
    assert found.assets.tolist() == [(CASH, AssetKind.CASH, 0, 1), (2, AssetKind.ALLOWANCE, 1, 3)]
    assert found.accounts.tolist() == [(1, 1, 2)]
    assert found.instruments.tolist() == [(1, 2, CASH, LOT_UNITS, TICK_VALUE, 4)]


def test_an_instrument_listed_in_the_batch_trades_in_it() -> None:
    found = rows(stream(market(), trade(1, 2, Side.BUY, 3, 1, instrument=2)), 1, NONE_LISTED)
    assert found.movements[-2:]["asset"].tolist() == [CASH, 3]


def test_other_events_mean_nothing() -> None:
    assert [len(table) for table in _rows(quiet(5))] == [0, 0, 0, 0, 0, 0]


def test_every_entry_sums_to_zero_per_asset() -> None:
    found = rows(history(500), 1, NONE_LISTED)
    sums: dict[tuple[int, int], int] = {}
    for posting_id, _, asset, amount in postings(found.movements):
        sums[posting_id // 8, asset] = sums.get((posting_id // 8, asset), 0) + amount
    assert len(sums) > 1000
    assert set(sums.values()) == {0}


def test_movements_are_in_order_and_complete() -> None:
    found = rows(history(500), 1, NONE_LISTED)
    ids = found.movements["movement_id"]
    assert (np.diff(ids) > 0).all()
    busts = int(np.count_nonzero(found.entries["kind"] == EventKind.TRADE_BUSTED))
    assert len(ids) == 2 * (500 + busts) + len(found.entries) - busts
    assert np.count_nonzero(ids & 1) == 500 + busts


def test_a_fee_of_nothing_is_not_posted() -> None:
    found = _rows(trade(3, 4, Side.BUY, 50, 2, fee=5, counter_fee=-5))
    assert [posting_id - SEQ * 8 for posting_id, *_ in postings(found.movements)] == [0, 1, 4, 5]


def test_rows_do_not_depend_on_how_events_are_split() -> None:
    events = history(60)
    whole = rows(events, 1, NONE_LISTED)
    for cut in (OPENED, OPENED + 1, OPENED + 31, len(events) - 1):
        head = rows(events[:cut], 1, NONE_LISTED)
        tail = rows(events[cut:], cut + 1, head.instruments)
        for table, (first, second) in zip(whole, zip(head, tail, strict=True), strict=True):
            assert table.tobytes() == np.concatenate((first, second)).tobytes()


def test_an_event_with_another_notional_is_a_fault() -> None:
    wrong = trade(1, 2, Side.BUY, 50, 2)
    wrong["amount"] += 1
    with pytest.raises(AssertionError, match="another notional"):
        _rows(wrong)
