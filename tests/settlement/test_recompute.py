"""Published prices come out of the tape again, bit for bit; a planted change anywhere is found."""

import asyncio
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from api.cli import app
from api.ledgercli import EXIT_DIFFERENCE
from exchange.clock import ManualClock
from exchange.config import Config
from exchange.core import commands
from exchange.core.records import EVENT
from exchange.core.state import TEST
from exchange.core.types import AssetKind, EventKind, Side, TradingState
from exchange.marketdata.prices import Row
from exchange.methodology import Methodology, MethodologySet
from exchange.registry.documents import AssetNamed, InstrumentNamed, commands_of, encode
from exchange.server import Exchange
from settlement import publications
from settlement.connect import POSTER_ROLE, connect
from settlement.recompute import PriceReport, recompute
from tests.settlement.conftest import dsn as dsn
from tests.settlement.conftest import server_dsn as server_dsn
from tests.settlement.conftest import template_dsn as template_dsn
from tests.settlement.exchanges import event_file
from tests.settlement.posting import forge

CONFIG = Config(capacity=TEST, journal_segment_bytes=1 << 20)
DAY_NS = 24 * 3600 * 10**9
SYMBOL = "TA.CTEL.Q3.OUT.GZ.M2701.G80A"
TRADERS = range(1, 7)


async def furnish(exchange: Exchange) -> None:
    cash = AssetNamed(1, "CNY", AssetKind.CASH, 6)
    tokens = AssetNamed(2, SYMBOL, AssetKind.ALLOWANCE, 6, 0)
    listing = InstrumentNamed(
        index=1, symbol=SYMBOL, base=2, quote=1, tick_value=100, lot_units=10**6, price_decimals=4,
        quantity_decimals=0, quantity_min=1, quantity_max=1_000, band_low_ticks=1, band_high_ticks=10**6,
    )  # fmt: skip
    for document in (cash, tokens, listing):
        await exchange.submit(commands_of(document), encode(document))
    made = [commands.set_trading_state(1, TradingState.CONTINUOUS), commands.issue(0, 2, 10**12)]
    for account in TRADERS:
        made += [commands.create_account(account), commands.deposit(account, 1, 10**13)]
        made += [commands.new_order(0, 1, Side.SELL, 100, 50), commands.new_order(account, 1, Side.BUY, 100, 50)]
    await exchange.submit(b"".join(made))


async def trade(exchange: Exchange, seller: int, buyer: int, price: int) -> Any:
    orders = commands.new_order(seller, 1, Side.SELL, price, 1) + commands.new_order(buyer, 1, Side.BUY, price, 1)
    events = await exchange.submit(orders)
    return next(event for event in events if event.kind == EventKind.TRADED)


async def days(directory: Path) -> list[Row]:
    """Run an exchange for some days, change the methodology, undo a trade, and return what it published."""
    clock = ManualClock(20_000 * DAY_NS)
    exchange = Exchange.open(directory, CONFIG, clock)
    exchange.start(asyncio.get_running_loop())
    await furnish(exchange)
    for day in range(1, 4):
        clock.time_ns = (20_000 + day) * DAY_NS
        trades = [await trade(exchange, seller, seller % 6 + 1, 100 + day) for seller in TRADERS]
        if day == 1:
            rules = Methodology(index_cap_bps=10_000, settlement_window_minutes=720)
            await exchange.submit(b"", encode(MethodologySet(2, 20_003, clock.time_ns, "half a day", rules)))
    last = trades[-1]
    clock.time_ns += 2 * DAY_NS
    parties, fees = (last.account, last.counter_account), (last.fee, last.counter_fee)
    await exchange.submit(commands.bust_trade(last.trade_id, Side(last.side), parties, 1, last.price_ticks, 1, fees))
    await exchange.stop()
    return exchange.prices.published_after(0)


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Row]]:
    directory = tmp_path_factory.mktemp("exchange")
    return directory, asyncio.run(days(directory))


@pytest.fixture
def published(venue: tuple[Path, list[Row]], dsn: str) -> Path:
    async def store() -> None:
        connection = await connect(dsn, POSTER_ROLE)
        try:
            await publications.store(connection, venue[1])
        finally:
            await connection.close()

    asyncio.run(store())
    return venue[0]


def compared(directory: Path, dsn: str) -> PriceReport:
    return asyncio.run(recompute(directory, dsn, CONFIG, poll_s=0.0))


def test_every_published_price_comes_out(published: Path, dsn: str, venue: tuple[Path, list[Row]]) -> None:
    report = compared(published, dsn)
    assert (report.ok, report.difference, report.published_count) == (True, "", len(venue[1]))
    assert {row.version for row in venue[1]} == {1, 2}
    assert len(venue[1]) > 8
    made = {(row.day < 20_003, row.methodology) for row in venue[1]}
    assert made == {(True, 1), (False, 2)}


def test_a_start_publishes_the_same(venue: tuple[Path, list[Row]]) -> None:
    async def again() -> list[Row]:
        exchange = Exchange.open(venue[0], CONFIG, ManualClock(0))
        exchange.start(asyncio.get_running_loop())
        await exchange.stop()
        return exchange.prices.published_after(0)

    assert asyncio.run(again()) == venue[1]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE ledger.publications SET body = replace(body, 'FULL', 'THIN')", "but the tape makes"),
        ("DELETE FROM ledger.publications WHERE version = 2 AND kind = 'index'", "was not published"),
        ("INSERT INTO ledger.publications VALUES ('index', 'Q9.OUT.GZ', 1, 20001, 1, '{}')", "does not make it"),
    ],
)
def test_a_change_of_what_was_published_is_found(published: Path, dsn: str, change: str, said: str) -> None:
    asyncio.run(forge(dsn, change))
    report = compared(published, dsn)
    assert not report.ok
    assert said in report.difference


def test_a_removed_tail_of_what_was_published_is_found(
    published: Path, dsn: str, venue: tuple[Path, list[Row]]
) -> None:
    days = sorted({row.day for row in venue[1]})
    for day in reversed(days):  # from the last one to all of them
        asyncio.run(forge(dsn, f"DELETE FROM ledger.publications WHERE day >= {day}"))
        report = compared(published, dsn)
        assert f"of day {day}, version 1: was not published" in report.difference
    assert report.published_count == 0


def test_a_change_of_the_tape_is_found(published: Path, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = event_file(published)
    whole = file.read_bytes()
    events = np.frombuffer(bytearray(whole), EVENT)
    place = int(np.flatnonzero(events["kind"] == EventKind.TRADED)[-1])
    events["amount"][place] += 100
    try:
        file.write_bytes(events.tobytes())
        report = compared(published, dsn)
        assert report.difference.startswith("index Q3.OUT.GZ of day 20003, version")
        monkeypatch.setattr("api.pricescli.Config", lambda: CONFIG)
        words = ["index", "recompute", "--data", str(published), "--dsn", dsn]
        told = CliRunner().invoke(app, words)
        assert (told.exit_code, "DIFFERENCE: index" in told.stdout) == (EXIT_DIFFERENCE, True)
    finally:
        file.write_bytes(whole)
    told = CliRunner().invoke(app, [*words, "--json"])
    assert (told.exit_code, '"ok": true' in told.stdout) == (0, True), told.output
