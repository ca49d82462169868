"""Auditing real journals, tapes and ledgers without an engine: what holds, and every planted fault by name."""

import asyncio
import re
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.records import EVENT
from exchange.core.types import EventKind, OrderType, Side, TimeInForce, TradingState, TransferPurpose
from exchange.events import EventReader
from settlement.audit import Tape, audit
from settlement.batch import genesis, prepare
from settlement.comparison import Report
from settlement.differences import Difference
from settlement.ledger import Ledger
from settlement.reconcile import reconcile
from settlement.statements import Statement, statement
from tests.exchange.running import ALICE, BASE, BOB, CASH, INSTRUMENT, market, trading
from tests.settlement.exchanges import CONFIG, event_file, flip, journal_file, read, split, write
from tests.settlement.posting import fetch, forge, post_all


def _audit(
    exchange_dir: Path, dsn: str, at_command: int | None = None, heads: dict[int, bytes] | None = None
) -> Report:
    return asyncio.run(audit(exchange_dir, dsn, CONFIG, at_command=at_command, heads=heads or {}))


def test_an_undamaged_exchange_passes(exchange_dir: Path, settled: str) -> None:
    report = _audit(exchange_dir, settled)
    assert report.difference is None
    assert report.counts["events"] == len(read(exchange_dir))
    assert (report.counts["trades"], report.counts["balances"]) == (50, 0)
    last = asyncio.run(
        fetch(settled, "SELECT last_seq, encode(hash, 'hex') FROM ledger.batches ORDER BY 1 DESC LIMIT 1")
    )
    assert report.ledger_head == "{}:{}".format(*last[0])
    assert re.match(r"[1-9]\d*:[0-9a-f]{64}$", report.journal_head)


@pytest.mark.parametrize("command", [1, 40, 77])
def test_it_can_stop_at_a_command(command: int, exchange_dir: Path, settled: str) -> None:
    report = _audit(exchange_dir, settled, command)
    assert report.difference is None
    assert report.counts["events"] == int((read(exchange_dir)["sequence"] <= command).sum())


def test_a_command_that_was_never_given_is_a_difference(exchange_dir: Path, settled: str) -> None:
    assert "before command 1000000" in str(_audit(exchange_dir, settled, 10**6).difference)


def test_a_head_holds_wherever_the_batches_end(exchange_dir: Path, settled: str) -> None:
    position, digest = _audit(exchange_dir, settled, 60).ledger_head.split(":")
    heads = {int(position): bytes.fromhex(digest)}
    assert _audit(exchange_dir, settled, heads=heads).difference is None
    wrong = {int(position): bytes(32), 7: bytes(32)}
    assert str(_audit(exchange_dir, settled, heads=wrong).difference).startswith("the head at event 7 is ")
    for command in (None, 60):
        late = _audit(exchange_dir, settled, command, heads={10**6: bytes(32)})
        assert "the ledger's end is missing" in str(late.difference)


def test_a_head_within_a_batch_that_goes_beyond_the_stated_command_is_checked(exchange_dir: Path, settled: str) -> None:
    seq = int((read(exchange_dir)["sequence"] <= 60).sum())
    assert seq % 50
    made = prepare(genesis(), read(exchange_dir)[:seq])[0].hash
    assert _audit(exchange_dir, settled, 60, heads={seq: made}).difference is None
    assert f"the head at event {seq} is" in str(_audit(exchange_dir, settled, 60, heads={seq: bytes(32)}).difference)


FORGERIES = {
    "a changed amount": (
        "UPDATE ledger.movements SET amount = amount + 1, contra_amount = contra_amount - 1 WHERE movement_id = {m}",
        r"^movement {m} .*amount is",
    ),
    "a missing movement": ("DELETE FROM ledger.movements WHERE movement_id = {m}", r"^movement {m} .* is missing"),
    "a removed trade": ("DELETE FROM ledger.trades WHERE seq = {s}", r"^the trade of event {s} is missing"),
    "swapped accounts": (
        "UPDATE ledger.trades SET buyer = seller, seller = buyer WHERE seq = {s}",
        "event {s}: buyer is",
    ),
    "a wrong hash": (
        "UPDATE ledger.batches SET hash = sha256(hash) WHERE batch = 3",
        "^batch 3: its hash is stored as",
    ),
    "a removed batch": ("DELETE FROM ledger.batches WHERE batch = 2", "^batch 2, beginning with event 51, is missing"),
    "a changed fee": ("UPDATE ledger.trades SET buyer_fee = buyer_fee + 1 WHERE seq = {s}", "event {s}: buyer_fee is"),
}


@pytest.mark.parametrize("fault", FORGERIES)
def test_a_fault_in_the_ledger_is_found_and_named(fault: str, exchange_dir: Path, damaged: str) -> None:
    statement, words = FORGERIES[fault]
    seq = int(str(asyncio.run(fetch(damaged, "SELECT seq FROM ledger.trades ORDER BY seq OFFSET 20 LIMIT 1"))[0][0]))
    places = {"s": seq, "m": seq * 2}
    asyncio.run(forge(damaged, statement.format(**places)))
    assert re.search(words.format(**places), str(_audit(exchange_dir, damaged).difference))


# the tape alone


def _trade(events: np.ndarray, number: int = 5) -> int:
    return int(np.flatnonzero(events["kind"] == EventKind.TRADED)[number])


def _other_fee(events: np.ndarray) -> np.ndarray:
    events["fee"][_trade(events)] += 1
    return events


def _lost_trade(events: np.ndarray) -> np.ndarray:
    return np.delete(events, _trade(events))


def _other_time(events: np.ndarray) -> np.ndarray:
    events["time_ns"][30] += 1
    return events


def _other_order(events: np.ndarray) -> np.ndarray:
    events["sequence"][30], events["time_ns"][30] = events["sequence"][10], events["time_ns"][10]
    return events


def _invented(events: np.ndarray) -> np.ndarray:
    more = events[-1:].copy()
    more["sequence"] += 1
    return np.concatenate((events, more))


def _changed(kind: EventKind, field: str, value: int, events: np.ndarray) -> np.ndarray:
    """Return the events with another value in the last one of a kind."""
    events[field][np.flatnonzero(events["kind"] == kind)[-1]] = value
    return events


def _undone(events: np.ndarray, amount: int) -> np.ndarray:
    more = events[[_trade(events)]].copy()
    more["kind"] = EventKind.TRADE_BUSTED
    more["amount"] += amount
    more["sequence"], more["time_ns"] = events["sequence"][-1], events["time_ns"][-1]
    return np.concatenate((events, more))


def _undone_twice(events: np.ndarray) -> np.ndarray:
    once = _undone(events, 0)
    return np.concatenate((once, once[-1:]))


FAULTS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], str]] = {
    "another fee": (_other_fee, r"^the trade of event \d+: the taker's fee is"),
    "a lost trade": (_lost_trade, r"has number \d+, but \d+ is next"),
    "another time": (_other_time, "^event 31 has another time than its command"),
    "another order": (_other_order, "^event 31 is of an earlier command"),
    "an invented event": (_invented, "is of a command that is not in the journal"),
    "another trade undone": (lambda events: _undone(events, 1), "undoes trade 6, which was another one"),
    "a trade undone twice": (_undone_twice, "undoes trade 6, which was another one or is undone already"),
    "another price": (partial(_changed, EventKind.TRADED, "price_ticks", 1), r"^event \d+ has another amount than"),
    "another quantity": (
        partial(_changed, EventKind.TRADED, "quantity_lots", 99),
        r"^event \d+ has another amount than",
    ),
    "another instrument": (
        partial(_changed, EventKind.TRADED, "instrument", 77),
        r"^event \d+ is a trade of an instrument that is not listed",
    ),
    "no instrument": (partial(_changed, EventKind.TRADED, "instrument", 0), "is a trade of an instrument that is not"),
    "another listing": (
        partial(_changed, EventKind.INSTRUMENT_LISTED, "instrument", 2),
        r"^event \d+ lists an instrument under another number",
    ),
    "another tick value": (
        partial(_changed, EventKind.INSTRUMENT_LISTED, "price_ticks", 11),
        r"^event \d+ has another amount than its price and quantity make",
    ),
    "another tier": (
        partial(_changed, EventKind.ACCOUNT_TIER_SET, "state", 200),
        r"^event \d+ names tier 200, but the last one is 7",
    ),
    "another tier of rates": (partial(_changed, EventKind.FEES_SET, "state", 8), r"^event \d+ names tier 8, but"),
    "an unknown order replaced": (
        partial(_changed, EventKind.ORDER_ACCEPTED, "kind", EventKind.ORDER_REPLACED),
        r"^event \d+ replaces order \d+, which is not open",
    ),
}


def _tape(directory: Path) -> list[np.ndarray]:
    return list(Tape(directory, CONFIG, None).events())


@pytest.fixture
def mine(exchange_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(exchange_dir, tmp_path / "data"))


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_on_the_tape_is_found_and_named(fault: str, mine: Path) -> None:
    damage, words = FAULTS[fault]
    event_file(mine).write_bytes(damage(read(mine).copy()).tobytes())
    with pytest.raises(Difference, match=words):
        _tape(mine)


def test_a_fault_on_the_tape_ends_the_audit_with_its_name(mine: Path, settled: str) -> None:
    event_file(mine).write_bytes(_changed(EventKind.TRADED, "price_ticks", 1, read(mine).copy()).tobytes())
    assert "has another amount than its price" in str(_audit(mine, settled).difference)


def test_a_hole_in_the_tape_is_found(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("settlement.audit.EventReader", partial(EventReader, segment_events=64))
    whole, files = len(read(mine)), split(mine, 64)
    assert sum(map(len, _tape(mine))) == whole
    files[0].write_bytes(files[0].read_bytes()[: EVENT.itemsize * 20])
    with pytest.raises(Difference, match=r"^event 21 is missing in the event log, which goes on behind it"):
        _tape(mine)


def test_an_undone_trade_passes_once(mine: Path) -> None:
    event_file(mine).write_bytes(_undone(read(mine).copy(), 0).tobytes())
    assert len(_tape(mine)[0]) == len(read(mine))


def test_a_day_with_auction_iceberg_stop_transfer_expiry_and_bust_agrees_everywhere(tmp_path: Path, dsn: str) -> None:
    write(tmp_path, [*market(), commands.set_fees(INSTRUMENT, -1, 5), *trading(20), *_auction(), *_afterwards()])
    events = read(tmp_path)
    assert not (events["kind"] == EventKind.COMMAND_REJECTED).any()
    wanted = {EventKind.AUCTION_UNCROSSED, EventKind.ORDER_REPLENISHED, EventKind.ORDER_TRIGGERED}
    assert wanted | {EventKind.TRANSFERRED, EventKind.UNITS_EXPIRED} <= set(events["kind"].tolist())
    write(tmp_path, [_bust(events[events["kind"] == EventKind.TRADED][-1])])
    assert sum(map(len, _tape(tmp_path))) == len(events) + 1
    asyncio.run(post_all(dsn, read(tmp_path), size=37))
    audited, reconciled = _audit(tmp_path, dsn), asyncio.run(reconcile(tmp_path, dsn, CONFIG))
    assert (audited.difference, reconciled.difference) == (None, None)
    assert audited.ledger_head == reconciled.ledger_head
    assert reconciled.counts["entries"] >= 3
    assert reconciled.counts["balances"] > 0
    for account, asset in ((ALICE, CASH), (BOB, CASH), (ALICE, BASE), (BOB, BASE), (0, CASH)):
        told = asyncio.run(_statement(dsn, account, asset, len(events) + 1))
        assert told.lines[-1].balance == told.closing
        assert ("trade_busted" in {line.kind for line in told.lines}) == (account != 0 or _has_fee(events))


def _has_fee(events: np.ndarray) -> bool:
    """Tell whether the trade that is undone has earned the exchange something."""
    last = events[events["kind"] == EventKind.TRADED][-1]
    return int(last["fee"]) + int(last["counter_fee"]) != 0


async def _statement(dsn: str, account: int, asset: int, upto_seq: int) -> Statement:
    ledger = await Ledger.open(dsn)
    try:
        return await statement(ledger, account, asset, 0, upto_seq)
    finally:
        await ledger.close()


def _auction() -> list[bytes]:
    """Return a call with an iceberg, and an order for it alone, traded at one price."""
    life = TimeInForce.AT_AUCTION
    return [
        commands.clear_book(INSTRUMENT),
        commands.set_trading_state(INSTRUMENT, TradingState.CALL_OPEN),
        commands.new_order(ALICE, INSTRUMENT, Side.BUY, 110, 30),
        commands.new_order(BOB, INSTRUMENT, Side.SELL, 90, 20, display_lots=5),
        commands.new_order(BOB, INSTRUMENT, Side.SELL, 100, 5, time_in_force=life),
        commands.uncross(INSTRUMENT, TradingState.CONTINUOUS),
    ]


def _afterwards() -> list[bytes]:
    """Return trading with an iceberg and a stop that it wakes, then what moves without a trade."""
    stop = {"order_type": OrderType.STOP_LIMIT, "stop_ticks": 500}
    return [
        commands.new_order(ALICE, INSTRUMENT, Side.BUY, 510, 3, **stop),
        commands.new_order(BOB, INSTRUMENT, Side.SELL, 500, 12, display_lots=2),
        commands.new_order(ALICE, INSTRUMENT, Side.BUY, 500, 9),
        commands.transfer(ALICE, BOB, CASH, 1_000, TransferPurpose.SUBACCOUNT, b"transfer no. 1.."),
        commands.expire_units(ALICE, BASE, 3),
    ]


def _bust(trade: np.ndarray) -> bytes:
    number, price, lots = int(trade["trade_id"]), int(trade["price_ticks"]), int(trade["quantity_lots"])
    parties = int(trade["account"]), int(trade["counter_account"])
    fees = int(trade["fee"]), int(trade["counter_fee"])
    return commands.bust_trade(number, Side(int(trade["side"])), parties, INSTRUMENT, price, lots, fees)


def test_a_changed_byte_of_the_journal_is_found(mine: Path) -> None:
    flip(journal_file(mine), 700)
    with pytest.raises(Difference, match="is corrupt at offset"):
        _tape(mine)


def test_a_cut_end_of_the_tape_is_found_by_the_ledger(mine: Path, settled: str) -> None:
    event_file(mine).write_bytes(event_file(mine).read_bytes()[: EVENT.itemsize * 60])
    assert "settles up to event" in str(_audit(mine, settled).difference)


def test_no_journal_is_a_difference(tmp_path: Path, mine: Path) -> None:
    shutil.rmtree(mine / "journal")
    with pytest.raises(Difference, match="no journal"):
        _tape(mine)


def test_an_empty_exchange_passes(exchange_dir: Path, tmp_path: Path) -> None:
    shutil.copytree(exchange_dir / "journal", tmp_path / "journal")
    assert _tape(tmp_path) == []
