"""Streams about how markets are run: what each says, and from where a reader goes on."""

from typing import Any

import pytest

from exchange.core import commands
from exchange.core.types import TradingState
from exchange.registry.documents import AnnouncementMade, encode
from tests.api.binance.floor import INSTRUMENT, SECOND, SECOND_SYMBOL, SYMBOL, buy, sell
from tests.api.binance.test_feed import Fed, take


@pytest.fixture
def fed() -> Fed:
    return Fed()


def announce(fed: Fed, title: str) -> None:
    document = encode(AnnouncementMade(fed.registry.next_announcement, "OTHER", title, ""))
    fed.registry.check(document)
    fed.registry.apply(document)
    fed.act()


def words(bodies: list[Any]) -> list[tuple[str, str]]:
    return [(body["e"], body["s"]) for body in bodies]


def test_a_phase_begins_with_how_things_stand_and_goes_on_with_every_change(fed: Fed) -> None:
    fed.act(commands.set_trading_state(INSTRUMENT, TradingState.CALL_OPEN))
    _, wire = fed.subscribe(f"{SYMBOL}@phase")
    fed.act(buy(102, 3), sell(100, 5), commands.set_trading_state(SECOND, TradingState.HALTED))
    fed.act(commands.indicate(INSTRUMENT))
    fed.act(commands.uncross(INSTRUMENT, TradingState.CONTINUOUS))
    status, *rest = take(fed, wire)
    assert (status["e"], status["state"], status["auction"]) == ("phaseStatus", "CALL_OPEN", None)
    assert [body["e"] for body in rest] == ["auctionIndication", "auctionResult", "tradingState"]
    assert (rest[0]["price"], rest[0]["volume"], rest[0]["surplus"]) == ("1.00", "3", "-2")
    assert rest[1]["n"] > status["n"]
    missed = fed.notices.read(status["n"], 99, INSTRUMENT)
    assert [notice.number for notice in missed] == [body["n"] for body in rest[1:]]


def test_the_phases_of_all_are_told_together(fed: Fed) -> None:
    _, wire = fed.subscribe("!phases")
    fed.act(buy(102, 3))
    fed.act(*[commands.set_trading_state(index, TradingState.CALL_OPEN) for index in (INSTRUMENT, SECOND)])
    fed.act(commands.indicate(SECOND))
    assert words(take(fed, wire)) == [
        ("tradingState", SYMBOL), ("tradingState", SECOND_SYMBOL), ("auctionIndication", SECOND_SYMBOL),
    ]  # fmt: skip


def test_an_instrument_that_changed_is_told_with_the_change_before(fed: Fed) -> None:
    _, wire = fed.subscribe("!instruments")
    fed.act(commands.set_fees(INSTRUMENT, 1, 2), buy(102, 3))
    fed.act(commands.set_fees(SECOND, 1, 3), commands.set_fees(SECOND, 1, 4))
    begin, first, second = take(fed, wire)
    assert (first["pq"], first["i"]["symbol"], first["i"]["taker_bps"]) == (begin["q"], SYMBOL, 2)
    assert (second["pq"], second["i"]["symbol"], second["i"]["taker_bps"]) == (first["q"], SECOND_SYMBOL, 4)
    assert second["q"] == second["i"]["sequence"] == fed.registry.instruments_sequence
    changed = fed.registry.instruments_changed(begin["q"])
    assert [found.symbol for found in changed] == [SYMBOL, SECOND_SYMBOL]


def test_announcements_listings_halts_and_their_ends_are_announced(fed: Fed) -> None:
    fed.act(commands.set_trading_state(SECOND, TradingState.HALTED))
    announce(fed, "before")
    _, wire = fed.subscribe("!announcements")
    announce(fed, "now")
    fed.act(commands.set_trading_state(INSTRUMENT, TradingState.CALL_OPEN))
    fed.act(commands.set_trading_state(INSTRUMENT, TradingState.HALTED))
    fed.act(commands.set_trading_state(SECOND, TradingState.CONTINUOUS))
    fed.act(commands.set_trading_state(SECOND, TradingState.CLOSED))
    begin, made, halted, resumed = take(fed, wire)
    assert (begin["e"], begin["id"]) == ("announcements", 1)
    assert (made["title"], made["id"]) == ("now", 2)
    assert (halted["s"], halted["state"]) == (SYMBOL, "HALTED")
    assert (resumed["s"], resumed["state"]) == (SECOND_SYMBOL, "CONTINUOUS")
