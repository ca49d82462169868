"""The clerk when things go wrong: a full queue, a lost database, a failing step, a book opened behind its back."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from api.clerk import Clerk, _hear_out
from exchange.core import commands
from exchange.core.records import COMMAND_STRUCT
from exchange.core.types import CommandKind, TradingState
from exchange.sequencer import Overloaded, Stopped
from settlement.register import StaleError
from tests.api.v1.office import Office
from tests.api.v1.titled import (
    buyer_of,
    clear,
    escrow_states,
    move,
    ok,
    order,
    registered,
    series_of,
    titled,
    vendor_of,
    wait_for,
)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with titled(tmp_path_factory.mktemp("exchange")) as served:
        served.vendor = vendor_of(served)
        served.buyer = buyer_of(served, "alice")
        yield served


def _sold(desk: Office) -> str:
    number = registered(desk, desk.vendor)
    symbol = series_of(desk.vendor, number)
    ok(clear(desk.buyer, symbol))
    ok(order(desk.vendor, symbol, "SELL", 1, "100"))
    ok(order(desk.buyer, symbol, "BUY", 1, "100"))
    return number


def test_a_hold_that_did_not_fit_in_the_queue_is_asked_for_again(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    submit = desk.exchange.submit

    def full(command: bytes, document: bytes = b"") -> object:
        if command and COMMAND_STRUCT.unpack(command[: COMMAND_STRUCT.size])[2] == CommandKind.TRANSFER and not asked:
            asked.append(1)
            raise Overloaded("full")
        return submit(command, document)

    monkeypatch.setattr(desk.exchange, "submit", full)
    _sold(desk)
    wait_for(lambda: escrow_states(desk.buyer)[:1], ["delivered"])
    assert asked == [1]


def test_a_book_opened_behind_the_register_is_shut_again(desk: Office) -> None:
    number = _sold(desk)
    move(desk, desk.buyer, number, "object", note="mine")
    series = ok(desk.operator.http.get("/v1/licences", params={"number": number}))["series"][0]
    index = desk.exchange.registry.instrument(series["symbol"]).index

    async def open_it() -> None:
        await desk.exchange.submit(commands.set_trading_state(index, TradingState.CONTINUOUS))

    desk.run(open_it)
    state = lambda: desk.exchange.registry.instrument_at(index).trading_state  # noqa: E731
    wait_for(state, TradingState.HALTED)


class _Titles:
    """In the place of Postgres: fails as told, then stops the clerk."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.licences = self

    async def cursor(self) -> int:
        return 0


class _Exchange:
    def add_listener(self, _listener: object) -> None:
        """Never call."""


def test_the_clerk_goes_on_after_whatever_fails_and_ends_with_the_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [StaleError("x"), OSError("away"), Overloaded("full"), ValueError("a bug"), Stopped("over")]
    monkeypatch.setattr("api.clerk.TICK_S", 0.001)
    clerk = Clerk(_Exchange(), _Titles())

    async def fail() -> None:
        raise failures.pop(0)

    monkeypatch.setattr(clerk, "round", fail)
    asyncio.run(asyncio.wait_for(clerk.run(), 60))
    assert failures == []


def test_a_failure_that_nobody_waits_for_is_taken_note_of() -> None:
    async def act() -> list[str]:
        loop, heard = asyncio.get_running_loop(), list[str]()
        loop.set_exception_handler(lambda _, context: heard.append(context["message"]))
        for outcome in (Stopped("over"), None):
            future = loop.create_future()
            future.cancel() if outcome is None else future.set_exception(outcome)
            _hear_out(future)
            del future
        gc.collect()
        return heard

    assert asyncio.run(act()) == []  # asyncio complains of a failure that nobody has looked at
