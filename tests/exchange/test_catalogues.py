"""The plan of a catalogue: cut after any step, the next start lists all of it or nothing of it, and only once."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from exchange import catalogues, submitting
from exchange.catalogues import carry_out
from exchange.core.types import TradingState
from exchange.registry.documents import CataloguePlanned, CatalogueRow, Document, commands_of, encode
from exchange.sequencer import Stopped
from exchange.server import Exchange
from tests.exchange.registry.builders import ACCOUNT, CASH, CATALOGUE, PARTICIPANT
from tests.exchange.submitters import busy, cut_at, opened
from tests.exchange.test_server import interpreter_as_before as interpreter_as_before

SYMBOLS = ["DL.A", "DL.B", "DL.C", "DL.D", "DL.E"]
ROWS = [CatalogueRow(symbol, 1, 1, 1 << 31) for symbol in SYMBOLS]
FIRST = CataloguePlanned("list", 0, False, TradingState.PRE_OPEN, replace(CATALOGUE, rows=tuple(ROWS[:3])))
LAST = CataloguePlanned("list", 1, True, TradingState.PRE_OPEN, replace(CATALOGUE, rows=tuple(ROWS[3:])))
STEPS = 8  # the last one: two parts, three records, three openings, the end


@pytest.fixture(autouse=True)
def two_rows_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogues, "ROWS_AT_ONCE", 2)


async def furnished(folder: Path) -> Exchange:
    exchange = await opened(folder, 10**15)
    for document in (PARTICIPANT, ACCOUNT, CASH):
        await exchange.submit(commands_of(document), encode(document))
    return exchange


async def plan(exchange: Exchange, submit: Any, *documents: Document) -> None:
    for document in documents:
        await submit(b"", encode(document))
    await carry_out(exchange.registry, submit)


def standing(exchange: Exchange) -> list[tuple[str, str]]:
    return [(one.symbol, one.trading_state.name) for one in exchange.registry.instruments if one.is_listed]


WHOLE = [(symbol, "PRE_OPEN") for symbol in SYMBOLS]


@pytest.mark.parametrize("step", range(STEPS + 2))
def test_a_plan_that_is_cut_anywhere_is_listed_whole_or_not_at_all(tmp_path: Path, step: int) -> None:
    async def run() -> None:
        exchange = await furnished(tmp_path)
        try:
            await plan(exchange, cut_at(exchange, step), FIRST, LAST)
            assert step > STEPS
        except Stopped:
            assert step <= STEPS
        meanwhile = standing(exchange)
        assert step >= 2 or meanwhile == []
        await exchange.stop()
        exchange = await opened(tmp_path, 10**15)
        await carry_out(exchange.registry, exchange.submit)
        assert standing(exchange) == (WHOLE if step >= 2 else [])
        assert (exchange.registry.catalogue_plan is None) is (step != 1)
        position = exchange.journal.position
        await carry_out(exchange.registry, exchange.submit)
        assert exchange.journal.position == position
        await plan(exchange, exchange.submit, *[FIRST, LAST][step:])  # the same command goes on
        assert standing(exchange) == WHOLE
        await exchange.stop()

    asyncio.run(run())


def test_what_is_planned_is_closed_until_all_of_it_is_listed(tmp_path: Path) -> None:
    async def run() -> None:
        exchange = await furnished(tmp_path)
        with pytest.raises(Stopped):
            await plan(exchange, cut_at(exchange, 4), FIRST, LAST)
        assert standing(exchange) == [(symbol, "CLOSED") for symbol in SYMBOLS[:3]]
        await exchange.stop()

    asyncio.run(run())


def test_another_plan_takes_the_place_of_one_that_is_not_whole(tmp_path: Path) -> None:
    async def run() -> None:
        exchange = await furnished(tmp_path)
        other = replace(LAST, name="other", part=0)
        await plan(exchange, exchange.submit, FIRST, other)
        assert [symbol for symbol, _ in standing(exchange)] == SYMBOLS[3:]
        await exchange.stop()

    asyncio.run(run())


def test_it_waits_while_the_exchange_is_overloaded_and_passes_over_what_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submitting, "WAIT_S", 0.0)

    async def run() -> None:
        exchange = await furnished(tmp_path)
        bad = replace(FIRST.listed, rows=(*ROWS[:2], CatalogueRow("no symbol", 1, 1, 2)))
        await plan(exchange, busy(exchange, 3), replace(FIRST, listed=bad), LAST)
        assert [symbol for symbol, _ in standing(exchange)] == ["DL.A", "DL.B", "DL.D", "DL.E"]
        assert exchange.registry.catalogue_plan is None
        await exchange.stop()

    asyncio.run(run())
