"""Who asks what an auction would make, and when nobody does."""

import asyncio
from collections.abc import Callable, Iterator

import pytest

from api.binance.indicator import Indicator
from exchange.core import commands
from exchange.core.types import TradingState
from exchange.events import Event
from exchange.sequencer import Overloaded
from tests.api.binance.floor import INSTRUMENT, SECOND, Floor, buy


class Asked:
    """A floor whose commands of the indicator are caught."""

    def __init__(self, loop: asyncio.AbstractEventLoop, is_read: Callable[[int], bool] = lambda _: True) -> None:
        self._loop = loop
        self.floor = Floor()
        self.made: list[bytes] = []
        self.is_overloaded = False
        self.indicator = Indicator(self.floor.notices, is_read, self._submit)
        self.floor.listeners.append(self.indicator.on_batch)
        self.floor.act(commands.set_trading_state(INSTRUMENT, TradingState.CALL_OPEN))

    def _submit(self, made: bytes) -> "asyncio.Future[list[Event]]":
        if self.is_overloaded:
            raise Overloaded
        self.made.append(made)
        return self._loop.create_future()

    def beat(self) -> list[bytes]:
        self.indicator.beat()
        made, self.made = self.made, []
        for one in made:
            self.floor.act(one)
        return made


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    yield made
    made.close()


def test_a_call_is_asked_about_once_after_a_change(loop: asyncio.AbstractEventLoop) -> None:
    asked = Asked(loop)
    assert asked.beat() == [commands.indicate(INSTRUMENT)]
    assert asked.beat() == []
    asked.floor.act(buy(100, 1), buy(101, 1), buy(7, 1, instrument=SECOND))
    assert asked.beat() == [commands.indicate(INSTRUMENT)]
    assert asked.beat() == []


def test_what_somebody_else_asked_is_not_asked_again(loop: asyncio.AbstractEventLoop) -> None:
    asked = Asked(loop)
    asked.floor.act(buy(100, 1), commands.indicate(INSTRUMENT))
    assert asked.beat() == []


def test_what_nobody_reads_waits_until_somebody_does_or_the_call_is_over(loop: asyncio.AbstractEventLoop) -> None:
    readers: set[int] = set()
    asked = Asked(loop, readers.__contains__)
    asked.floor.act(buy(100, 1))
    assert asked.beat() == []
    readers.add(INSTRUMENT)
    assert asked.beat() == [commands.indicate(INSTRUMENT)]
    asked.floor.act(buy(100, 1))
    asked.floor.act(commands.uncross(INSTRUMENT, TradingState.CONTINUOUS))
    assert asked.beat() == []


def test_an_exchange_without_time_is_asked_at_the_next_beat(loop: asyncio.AbstractEventLoop) -> None:
    asked = Asked(loop)
    asked.is_overloaded = True
    assert asked.beat() == []
    asked.is_overloaded = False
    assert asked.beat() == [commands.indicate(INSTRUMENT)]


def test_what_changed_before_the_start_is_asked_about(loop: asyncio.AbstractEventLoop) -> None:
    asked = Asked(loop)
    asked.floor.act(buy(100, 1))
    asked.indicator = Indicator(asked.floor.notices, lambda _: True, asked._submit)
    assert asked.beat() == [commands.indicate(INSTRUMENT)]
