"""Seats whose term is over, or whose dataset was revoked, are burned once, and there is never one more."""

import asyncio
from collections.abc import Iterator

import pytest

from api.burning import burn_seats
from api.v1 import titleproblems as problems
from exchange.core.types import EventKind
from exchange.events import rows
from settlement.reconcile import reconcile
from settlement.seats import Over
from tests.api.v1.office import SMALL, Client, Later, Office
from tests.api.v1.titled import (
    balance,
    buyer_of,
    clear,
    delivered,
    escrow_states,
    move,
    ok,
    order,
    refused,
    registered,
    series_of,
    settled,
    titled,
    vendor_of,
    wait_for,
)

MONTH_NS = 31 * 86_400 * 10**9


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with titled(tmp_path_factory.mktemp("exchange"), clock=Later()) as served:
        served.vendor = vendor_of(served)
        yield served
        settled(served)
        report = asyncio.run(reconcile(served.directory, served.dsn, SMALL))
        assert report.ok, report.difference


@pytest.fixture
def buyer(desk: Office, request: pytest.FixtureRequest) -> Client:
    return buyer_of(desk, f"buyer-{abs(hash(request.node.name))}")


def _pass_a_month(desk: Office) -> None:
    desk.clock.ahead_ns += MONTH_NS


def _seats(desk: Office, symbol: str) -> tuple[int, int]:
    """Return how many seats were issued, and how many are left."""
    index = desk.exchange.registry.asset(symbol).index

    async def ask() -> tuple[int, int]:
        return await desk.exchange.query(lambda engine: tuple(engine.asset_rows()[index - 1][["issued", "burned"]]))

    issued, burned = desk.run(ask)
    return int(issued), int(issued - burned)


def _burnings(desk: Office, symbol: str) -> list[int]:
    asset = desk.exchange.registry.asset(symbol).index
    events = rows(desk.exchange.events.read(0, desk.exchange.events.count))
    return [event.amount for event in events if event.kind == EventKind.UNITS_EXPIRED and event.asset == asset]


def _sold(desk: Office, buyer: Client, lots: int, **terms: object) -> tuple[str, int]:
    """Sell a licence without a time of acceptance."""
    symbol = series_of(desk.vendor, registered(desk, desk.vendor), **terms)
    return symbol, _buy(desk, buyer, symbol, lots)


def _buy(desk: Office, buyer: Client, symbol: str, lots: int) -> int:
    """Buy seats and wait until they are paid; return the trade."""
    ok(clear(buyer, symbol))
    before = len(escrow_states(buyer))
    ok(order(desk.vendor, symbol, "SELL", lots, "100"))
    ok(order(buyer, symbol, "BUY", lots, "100"))
    wait_for(lambda: (len(escrow_states(buyer)), escrow_states(buyer)[:1]), (before + 1, ["released"]))
    trade: int = ok(buyer.get("/v1/escrows"))["escrows"][0]["trade"]
    return trade


def test_seats_whose_term_is_over_are_burned_once_those_offered_too(desk: Office, buyer: Client) -> None:
    terms = {"months": 1, "may_resell": True, "acceptance_hours": 0}
    symbol, _ = _sold(desk, buyer, 3, **terms)
    second = buyer_of(desk, "second")
    ok(clear(second, symbol))
    ok(order(buyer, symbol, "SELL", 1, "150"))
    ok(order(second, symbol, "BUY", 1, "150"))
    wait_for(lambda: escrow_states(second), ["released"])
    ok(order(buyer, symbol, "SELL", 2, "200"))  # rests, and is taken off the book at the end
    assert (_seats(desk, symbol), balance(buyer, symbol), balance(second, symbol)) == ((40, 40), "2", "1")
    _pass_a_month(desk)
    wait_for(lambda: (balance(buyer, symbol), balance(second, symbol)), ("0", "0"))
    assert _seats(desk, symbol) == (40, 37)
    assert refused(desk.vendor.post("/v1/issues", asset=symbol, amount="1")) == problems.SEATS_ISSUED.code
    assert order(desk.vendor, symbol, "SELL", 38, "1").json()["code"] == -2010
    desk.clock.ahead_ns += MONTH_NS
    _buy(desk, buyer, symbol, 1)
    assert sorted(_burnings(desk, symbol)) == [1, 2]
    assert balance(buyer, symbol) == "1"


def test_seats_in_dispute_wait_for_the_decision(desk: Office, buyer: Client) -> None:
    symbol, trade = delivered(desk, desk.vendor, buyer, 2, months=1)
    ok(buyer.post("/v1/escrows", trade=trade, step="dispute"))
    _pass_a_month(desk)
    other, _ = _sold(desk, buyer, 1, months=1, acceptance_hours=0)
    _pass_a_month(desk)
    wait_for(lambda: balance(buyer, other), "0")
    assert balance(buyer, symbol) == "2"
    ok(desk.operator.post("/v1/disputes", trade=trade, decision="refund"))
    wait_for(lambda: (balance(buyer, symbol), balance(desk.vendor, symbol)), ("0", "40"))
    desk.clock.ahead_ns += MONTH_NS
    third, _ = _sold(desk, buyer, 1, months=1, acceptance_hours=0)
    _pass_a_month(desk)
    wait_for(lambda: balance(buyer, third), "0")
    assert _seats(desk, symbol) == (40, 40)


class Pages:
    """In the place of the register's seats: one page an entitlement."""

    def __init__(self, *seats: Over) -> None:
        self.seats = self
        self._seats = seats

    async def over(self, now_ns: int, after: int) -> list[Over]:
        return [one for one in self._seats if one.entitlement > after][:1]

    async def revoked(self) -> list[int]:
        return []


def test_seats_that_cannot_be_burned_yet_hold_up_no_others(desk: Office, buyer: Client) -> None:
    symbol, _ = _sold(desk, buyer, 3, acceptance_hours=0)
    index = desk.exchange.registry.instrument(symbol).index
    holder, nobody = (ok(client.get("/v1/balances"))["account"] for client in (buyer, buyer_of(desk, "without")))
    pages = Pages(Over(1, index, nobody, 1), Over(2, index, holder, 2))
    desk.run(lambda: burn_seats(desk.exchange, pages, 0))
    wait_for(lambda: balance(buyer, symbol), "1")


def test_a_revoked_dataset_has_no_seats_left(desk: Office, buyer: Client) -> None:
    symbol, _ = _sold(desk, buyer, 3, acceptance_hours=0)
    number = symbol.split(".")[1]
    held = buyer_of(desk, "late")
    ok(clear(held, symbol))
    move(desk, buyer, number, "object", note="mine")
    move(desk, desk.operator, number, "revoke", note="stolen")
    desk.clock.ahead_ns += 60 * 10**9
    wait_for(lambda: _seats(desk, symbol), (40, 0))
    assert (balance(buyer, symbol), balance(desk.vendor, symbol)) == ("0", "0")
    assert all(row["revoked"] for row in ok(buyer.get("/v1/entitlements"))["entitlements"])
