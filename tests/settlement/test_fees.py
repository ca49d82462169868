"""Fees computed from the tape: by hand, and against a changed one."""

import numpy as np
import pytest

from exchange.core.types import EventKind, OrderFlag, TradingState
from settlement.differences import Difference
from settlement.fees import Fees, Order, fee
from tests.settlement.builders import event

TAKER, MAKER = 11, 12


def _accepted(order_id: int, quantity: int) -> np.ndarray:
    return event(EventKind.ORDER_ACCEPTED, order_id=order_id, instrument=1, quantity_lots=quantity)


def _traded(amount: int, quantity: int, taker_fee: int, maker_fee: int) -> np.ndarray:
    terms = {"order_id": TAKER, "counter_order_id": MAKER, "instrument": 1, "quantity_lots": quantity}
    return event(EventKind.TRADED, **terms, amount=amount, fee=taker_fee, counter_fee=maker_fee)


RATES = event(EventKind.FEES_SET, instrument=1, fee=5, counter_fee=-1)
OPENED = [RATES, _accepted(MAKER, 9), _accepted(TAKER, 9)]


def _check(*events: np.ndarray) -> None:
    Fees().check(np.concatenate(events), 1)


@pytest.mark.parametrize(
    ("rate", "notional", "expected"),
    [(5, 10_000, 5), (5, 1, 1), (5, 2_001, 2), (-1, 10_000, -1), (-1, 9_999, 0), (0, 7, 0)],
)
def test_a_fee_is_rounded_up(rate: int, notional: int, expected: int) -> None:
    assert fee(rate, notional) == expected


def test_an_order_pays_the_growth_of_the_fee_in_each_role() -> None:
    order = Order((-1, 5), 10)
    assert [order.taken(1_000) for _ in range(4)] == [1, 0, 1, 0]
    assert [order.made(5_000) for _ in range(4)] == [0, -1, 0, -1]


def test_right_fees_pass_in_one_go_and_in_pieces() -> None:
    trades = [_traded(1_000, 1, 1, 0), _traded(1_000, 1, 0, 0), _traded(8_000, 1, 4, -1)]
    _check(*OPENED, *trades)
    fees = Fees()
    for number, piece in enumerate([*OPENED, *trades], start=1):
        fees.check(piece, number)


@pytest.mark.parametrize(
    ("fees", "words"), [((2, 0), "taker's fee is 2, but the rates make it 1"), ((1, 1), "maker's")]
)
def test_another_fee_is_named(fees: tuple[int, int], words: str) -> None:
    with pytest.raises(Difference, match=f"^the trade of event 4: the {words}"):
        _check(*OPENED, _traded(1_000, 1, *fees))


def test_new_rates_are_for_orders_that_come_later() -> None:
    later = event(EventKind.FEES_SET, instrument=1, fee=100, counter_fee=0)
    _check(*OPENED, later, _traded(1_000, 1, 1, 0))
    _check(RATES, later, _accepted(MAKER, 9), _accepted(TAKER, 9), _traded(1_000, 1, 10, 0))


@pytest.mark.parametrize(("flags", "taker_fee"), [(0, 10), (OrderFlag.KEPT_PRIORITY, 1)])
def test_a_replace_that_loses_its_place_pays_the_rates_of_its_day(flags: int, taker_fee: int) -> None:
    later = event(EventKind.FEES_SET, instrument=1, fee=100, counter_fee=0)
    replaced = event(EventKind.ORDER_REPLACED, order_id=TAKER, instrument=1, leaves_lots=5, flags=flags)
    _check(*OPENED, later, replaced, _traded(1_000, 1, taker_fee, 0))


def test_an_account_pays_the_rates_of_its_tier() -> None:
    second = event(EventKind.FEES_SET, instrument=1, state=2, fee=3, counter_fee=-3)
    tier = event(EventKind.ACCOUNT_TIER_SET, account=7, state=5)
    maker = event(EventKind.ORDER_ACCEPTED, order_id=MAKER, account=7, instrument=1, quantity_lots=9)
    opened = [RATES, second, tier, maker, _accepted(TAKER, 9)]
    _check(*opened, _traded(10_000, 1, 5, -3))
    with pytest.raises(Difference, match="maker's fee is -1, but the rates make it -3"):
        _check(*opened, _traded(10_000, 1, 5, -1))
    _check(*opened, RATES, _traded(10_000, 1, 5, -3))  # new rates of everybody are for later orders
    _check(RATES, second, RATES, tier, maker, _accepted(TAKER, 9), _traded(10_000, 1, 5, -1))
    lower = event(EventKind.ACCOUNT_TIER_SET, account=7, state=1)
    replaced = event(EventKind.ORDER_REPLACED, order_id=MAKER, account=7, instrument=1, leaves_lots=9)
    _check(*opened, lower, replaced, _traded(10_000, 1, 5, -1))


def test_an_order_that_has_ended_trades_no_more() -> None:
    with pytest.raises(Difference, match="names order 11, which is not open"):
        _check(*OPENED, event(EventKind.ORDER_CANCELED, order_id=TAKER), _traded(1_000, 1, 1, 0))
    with pytest.raises(Difference, match="event 5 names order 11, which is not open"):
        _check(*OPENED, _traded(1_000, 9, 1, 0), _traded(1_000, 1, 0, 0))


def test_what_no_exchange_says_is_a_difference() -> None:
    with pytest.raises(Difference, match=r"^event 4 replaces order 99, which is not open"):
        _check(*OPENED, event(EventKind.ORDER_REPLACED, order_id=99, instrument=1, leaves_lots=9))
    for kind in (EventKind.FEES_SET, EventKind.ACCOUNT_TIER_SET):
        with pytest.raises(Difference, match=r"^event 2 names tier 8, but the last one is 7"):
            _check(RATES, event(kind, account=7, instrument=1, state=8))


def test_in_an_auction_both_pay_as_takers() -> None:
    called = event(EventKind.TRADING_STATE_SET, instrument=1, state=TradingState.CALL_OPEN)
    over = event(EventKind.AUCTION_UNCROSSED, instrument=1, state=TradingState.CONTINUOUS)
    _check(*OPENED, called, _traded(10_000, 1, 5, 5), over, _traded(10_000, 1, 5, -1))
    with pytest.raises(Difference, match="taker's fee is -1, but the rates make it 5"):
        _check(*OPENED, called, _traded(10_000, 1, 5, -1))
