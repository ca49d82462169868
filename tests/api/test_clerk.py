"""The clerk when things go wrong: a full queue, a lost database, a failing step, a book opened behind its back."""

import asyncio
import gc
from collections.abc import Iterator

import pytest

from api import clerk
from api.clerk import Clerk, _hear_out
from exchange.core import commands
from exchange.core.records import COMMAND_STRUCT
from exchange.core.types import CommandKind, TradingState
from exchange.sequencer import Overloaded, Stopped
from settlement import config
from settlement.register import StaleError
from tests.api.v1.office import Client, Office
from tests.api.v1.titled import (
    TERMS,
    balance,
    buyer_of,
    clear,
    delivered,
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


def test_a_refund_whose_units_were_sold_on_waits_quietly_until_they_are_back(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = buyer_of(desk, "first")
    symbol, trade = delivered(desk, desk.vendor, first, 2, may_resell=True)
    second = buyer_of(desk, "second")
    ok(clear(second, symbol))
    ok(order(first, symbol, "SELL", 2, "150"))
    ok(order(second, symbol, "BUY", 2, "150"))
    wait_for(lambda: escrow_states(second), ["held"])  # for the reseller's own purchase may be undone yet
    monkeypatch.setattr(clerk, "WAIT_NS", 1 << 60)
    ok(first.post("/v1/escrows", trade=trade, step="dispute"))
    ok(desk.operator.post("/v1/disputes", trade=trade, decision="refund"))
    wait_for(lambda: len(desk.clerk._told), 1)
    before = desk.exchange.events.count
    for _ in range(3):
        desk.run(desk.clerk.round)
    assert desk.exchange.events.count == before  # what is asked for stands in the journal, refused or not
    resold = ok(second.get("/v1/escrows"))["escrows"][0]["trade"]
    ok(second.post("/v1/escrows", trade=resold, step="dispute"))
    ok(desk.operator.post("/v1/disputes", trade=resold, decision="refund"))
    wait_for(lambda: escrow_states(second), ["refunded"])
    desk.clerk._told.clear()
    wait_for(lambda: escrow_states(first), ["refunded"] * 2)
    assert (balance(first, symbol), balance(second, symbol), balance(desk.vendor, symbol)) == ("0", "0", "40")


def test_a_buyer_without_clearance_gets_nothing_and_holds_up_nobody(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "ESCROWS_MAX", 1)
    late = buyer_of(desk, "late")
    symbol = series_of(desk.vendor, registered(desk, desk.vendor), mode="CALL")
    ok(clear(late, symbol))
    ok(order(desk.vendor, symbol, "SELL", 1, "100"))
    ok(order(late, symbol, "BUY", 1, "100"))
    ok(desk.operator.put("/v1/trading-state", symbol=symbol, state="CALL_NO_CANCEL"))
    ok(clear(desk.operator, symbol, account=late.account, withdraw=True))  # nobody cancels now, the operator neither
    ok(desk.operator.post("/v1/uncross", symbol=symbol, afterwards="CALL_OPEN"))
    wait_for(lambda: escrow_states(late), ["held"])
    number = _sold(desk)
    wait_for(lambda: _newest(desk.buyer, number), "delivered")
    assert escrow_states(late) == ["held"]
    ok(clear(late, symbol))
    wait_for(lambda: escrow_states(late), ["delivered"])


def _newest(client: Client, number: str) -> str:
    """Return the state of an account's newest trade of a dataset's licences."""
    found = [row["state"] for row in ok(client.get("/v1/escrows"))["escrows"] if row["symbol"].split(".")[1] == number]
    return found[0] if found else ""


def test_a_trade_that_earned_nothing_is_settled(desk: Office) -> None:
    number = registered(desk, desk.vendor)
    terms = {"number": number, "scenario": "FT", "terms": TERMS | {"acceptance_hours": 0}, "mode": "CONTINUOUS"}
    symbol = ok(desk.vendor.post("/v1/licences", **terms, price_high="1", tick_size="0.000001"))["symbol"]
    ok(desk.operator.put("/v1/fees", symbol=symbol, maker_bps=1, taker_bps=1))
    ok(clear(desk.buyer, symbol))
    ok(order(desk.vendor, symbol, "SELL", 1, "0.000001"))
    ok(order(desk.buyer, symbol, "BUY", 1, "0.000001"))
    wait_for(lambda: _newest(desk.buyer, number), "released")
