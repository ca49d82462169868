"""The exchange in one piece: what is submitted shows in registry and views, and is there again after a restart."""

import asyncio
import gc
import shutil
import sys
import weakref
from dataclasses import replace

import pytest

from exchange.clock import ManualClock
from exchange.core import commands
from exchange.core.types import AssetKind, EndReason, Side, TimeInForce, TradingState
from exchange.journal.contract import JournalLockedError
from exchange.journal.file import FileJournal
from exchange.journal.file import segment_path as journal_path
from exchange.journal.frame import RecordKind
from exchange.recovery import RecoveryError
from exchange.registry.documents import (
    AccountNamed,
    AssetNamed,
    Document,
    InstrumentNamed,
    ParticipantCreated,
    Role,
    commands_of,
    encode,
)
from exchange.registry.registry import DocumentRefusedError
from exchange.sequencer import Batch
from exchange.server import Exchange
from tests.exchange.running import ALICE, BASE, BOB, CASH, INSTRUMENT, SMALL

HOUR_NS = 3600 * 10**9


@pytest.fixture(autouse=True)
def interpreter_as_before():
    """Undo what an exchange sets in its process."""
    interval, threshold = sys.getswitchinterval(), gc.get_threshold()
    yield
    sys.setswitchinterval(interval)
    gc.set_threshold(*threshold)


def documents() -> list[Document]:
    return [
        ParticipantCreated("alpha", Role.TRADER),
        ParticipantCreated("maker", Role.ISSUER),
        AccountNamed(ALICE, "alice", "alpha", Role.TRADER),
        AccountNamed(BOB, "bob", "maker", Role.ISSUER),
        AssetNamed(CASH, "CNY", AssetKind.CASH, 6),
        AssetNamed(BASE, "TA.X", AssetKind.ALLOWANCE, 6, BOB),
        InstrumentNamed(
            index=INSTRUMENT,
            symbol="TA.X",
            base=BASE,
            quote=CASH,
            tick_value=10_000,
            lot_units=1_000_000,
            price_decimals=2,
            quantity_decimals=0,
            quantity_min=1,
            quantity_max=1000,
            band_low_ticks=1,
            band_high_ticks=10_000,
            maker_bps=-1,
            taker_bps=5,
        ),
    ]


async def open_market(exchange: Exchange) -> None:
    for document in documents():
        await exchange.submit(commands_of(document), encode(document))
    await exchange.submit(
        commands.set_trading_state(INSTRUMENT, TradingState.CONTINUOUS)
        + commands.deposit(ALICE, CASH, 10**12)
        + commands.issue(BOB, BASE, 10**12)
    )


async def trade(exchange: Exchange) -> None:
    await asyncio.gather(
        exchange.submit(commands.new_order(BOB, INSTRUMENT, Side.SELL, 100, 5, client_order_id="ask")),
        exchange.submit(commands.new_order(ALICE, INSTRUMENT, Side.BUY, 100, 2, client_order_id="bid")),
    )


def run(directory, drive, **options):
    """Open, start, drive and stop an exchange; return what `drive` does."""

    async def main():
        exchange = Exchange.open(directory, SMALL, ManualClock(HOUR_NS), **options)
        exchange.start(asyncio.get_running_loop())
        try:
            return await drive(exchange)
        finally:
            await exchange.stop()

    return asyncio.run(main())


def seen(exchange: Exchange) -> tuple:
    """Return a bit of everything that the views and the registry know."""
    instrument = exchange.registry.instrument("TA.X")
    return (
        instrument.index,
        instrument.taker_bps,
        instrument.trading_state,
        exchange.registry.account("alice").index,
        exchange.market.depth(INSTRUMENT, 5).asks,
        [(trade.price_ticks, trade.quantity_lots) for trade in exchange.market.trades(INSTRUMENT, 10)],
        exchange.orders.by_client_id(BOB, "ask").filled_lots,
        exchange.orders.by_client_id(ALICE, "bid").status,
        exchange.orders.event_count,
    )


async def open_and_trade(exchange: Exchange) -> tuple:
    await open_market(exchange)
    await trade(exchange)
    return seen(exchange)


async def look(exchange: Exchange) -> tuple:
    return seen(exchange)


def test_what_is_submitted_shows_in_registry_and_views(tmp_path) -> None:
    assert run(tmp_path, open_and_trade) == (
        INSTRUMENT,
        5,
        TradingState.CONTINUOUS,
        ALICE,
        [(100, 3)],
        [(100, 2)],
        2,
        "FILLED",
        15,
    )


def test_everything_is_there_again_after_a_restart(tmp_path) -> None:
    before = run(tmp_path, open_and_trade)
    assert run(tmp_path, look) == before


def test_everything_is_there_again_without_snapshots_and_event_log(tmp_path) -> None:
    before = run(tmp_path, open_and_trade)
    for folder in ("snapshots", "events"):
        for path in (tmp_path / folder).iterdir():
            path.unlink()
    assert run(tmp_path, look) == before


def test_a_restart_says_how_far_it_is(tmp_path) -> None:
    run(tmp_path, open_and_trade)
    said = []
    run(tmp_path, look, progress=lambda *progress: said.append(progress))
    assert said[-1] == ("rebuild", 15, 15)


def test_listeners_come_after_the_views(tmp_path) -> None:
    heard = []

    async def drive(exchange):
        def listen(batch: Batch) -> None:
            heard.append(
                (exchange.orders.event_count - batch.first_event_number + 1 == len(batch.rows), exchange.touched)
            )

        exchange.add_listener(listen)
        return await open_and_trade(exchange)

    run(tmp_path, drive)
    assert {right for right, _ in heard} == {True}
    assert heard[-1] == (True, {INSTRUMENT})


def test_queries_see_the_engine(tmp_path) -> None:
    async def drive(exchange):
        await open_and_trade(exchange)
        return await exchange.query(lambda engine: engine.balances(ALICE))

    fee = 2 * 100 * 10_000 * 5 // 10_000
    assert run(tmp_path, drive) == [(CASH, 10**12 - 2_000_000 - fee, 0), (BASE, 2_000_000, 0)]


def test_a_document_that_contradicts_the_registry_is_refused_before_it_is_journaled(tmp_path) -> None:
    async def drive(exchange):
        await open_market(exchange)
        position = exchange.journal.position
        with pytest.raises(DocumentRefusedError):
            exchange.submit(b"", encode(documents()[0]))
        with pytest.raises(DocumentRefusedError):
            exchange.submit(b"", b"no document")
        return exchange.journal.position - position

    assert run(tmp_path, drive) == 0


def test_a_data_directory_belongs_to_one_exchange_at_a_time(tmp_path) -> None:
    async def drive(_exchange):
        with pytest.raises(JournalLockedError):
            Exchange.open(tmp_path, SMALL)
        await asyncio.sleep(0)

    run(tmp_path, drive)
    Exchange.open(tmp_path, SMALL).journal.close()


def test_an_exchange_that_does_not_open_lets_go_of_its_directory(tmp_path) -> None:
    run(tmp_path, open_and_trade)
    other = replace(SMALL, capacity=SMALL.capacity._replace(accounts=65))
    before = journal_path(tmp_path / "journal", 1).read_bytes()
    for _ in range(2):
        with pytest.raises(RecoveryError):
            Exchange.open(tmp_path, other)
    assert journal_path(tmp_path / "journal", 1).read_bytes() == before
    assert run(tmp_path, look)[0] == INSTRUMENT


def test_every_opening_is_an_epoch(tmp_path) -> None:
    for _ in range(3):
        run(tmp_path, lambda _: asyncio.sleep(0))
    journal = FileJournal.open(tmp_path / "journal", SMALL.journal_segment_bytes)
    assert [(record.kind, record.epoch) for record in journal.replay(0)] == [(RecordKind.CLAIM, n) for n in (1, 2, 3)]
    journal.close()


def test_threads_give_way_soon_and_the_collector_looks_rarely(tmp_path) -> None:
    async def drive(exchange):
        await asyncio.sleep(0)
        return sys.getswitchinterval(), gc.get_threshold()[0], exchange.config

    interval, threshold, config = run(tmp_path, drive)
    assert interval == pytest.approx(config.thread_switch_us / 1e6)
    assert threshold == config.collector_objects


def test_an_exchange_that_has_stopped_leaves_its_memory(tmp_path) -> None:
    async def drive(exchange):
        await asyncio.sleep(0)
        return weakref.ref(exchange)

    reference = run(tmp_path, drive)
    gc.collect()
    assert reference() is None


def test_the_collector_passes_over_what_was_recovered_unless_another_has_set_it_up(tmp_path) -> None:
    async def drive(_):
        await asyncio.sleep(0)
        return gc.get_freeze_count()

    frozen = gc.get_freeze_count()
    assert run(tmp_path / "in another's", drive) == frozen > 0
    gc.unfreeze()
    try:
        assert run(tmp_path / "alone", drive) > 0
        assert gc.get_freeze_count() == 0
    finally:
        gc.freeze()


async def done(question, *, tries: int = 100):
    """Wait until something is so."""
    for _ in range(tries):
        if question():
            return True
        await asyncio.sleep(0.02)
    return False


def test_what_falls_due_is_done_at_its_time_and_after_a_restart_too(tmp_path) -> None:
    async def leave(exchange):
        await open_market(exchange)
        terms = {"time_in_force": TimeInForce.GTD, "until_ns": HOUR_NS + 10}
        await exchange.submit(
            commands.new_order(ALICE, INSTRUMENT, Side.BUY, 90, 1, client_order_id="timed", **terms)
            + commands.new_order(BOB, INSTRUMENT, Side.SELL, 110, 1, client_order_id="guarded")
            + commands.set_deadman(BOB, HOUR_NS + 20)
        )
        assert not await done(lambda: not exchange.orders.by_client_id(ALICE, "timed").is_open, tries=10)

    async def expire(exchange):
        by_client_id = exchange.orders.by_client_id
        assert by_client_id(ALICE, "timed").is_open
        exchange.clock.time_ns = HOUR_NS + 10
        assert await done(lambda: by_client_id(ALICE, "timed").end_reason == EndReason.TIME_OVER)
        assert by_client_id(BOB, "guarded").is_open
        exchange.clock.time_ns = HOUR_NS + 20
        assert await done(lambda: by_client_id(BOB, "guarded").end_reason == EndReason.DEADMAN)

    run(tmp_path, leave)
    run(tmp_path, expire)


def test_a_document_whose_commands_did_not_reach_the_disk_is_not_there(tmp_path):
    torn = tmp_path / "torn"

    async def name(exchange):
        for document in documents()[:3]:
            await exchange.submit(commands_of(document), encode(document))
        shutil.copytree(tmp_path / "whole", torn)

    run(tmp_path / "whole", name)
    shutil.rmtree(torn / "events")
    path = journal_path(torn / "journal", 1)
    written = path.read_bytes()
    path.write_bytes(written.rstrip(b"\0")[:-8].ljust(len(written), b"\0"))  # in the middle of the last record

    async def look(exchange):
        names = [account.name for account in exchange.registry.accounts]
        return names, len(exchange.registry.participants), await exchange.query(lambda engine: engine.command_sequence)

    for _ in range(2):
        assert run(torn, look) == (["EXCHANGE"], 3, 0)
