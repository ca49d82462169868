"""The basic feature of another exchange, step by step: balances, holds, orders, books, trades, moves.

How its currencies, symbols and reserve prices are put into our terms stands in docs/conformance.md.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.reference import Reference
from exchange.core.state import TEST
from exchange.core.types import AssetKind, EventKind, Side, TimeInForce, TradingState
from exchange.events import Event, rows
from exchange.marketdata.market import MarketData
from exchange.marketdata.orders import OrderHistory, OrderView
from tests.conformance.gherkin import Scenario, Table, scenarios
from tests.conformance.venue import ENGINES

ASSETS = {"USD": 1, "XBT": 2, "ETH": 3, "EUR": 4}
FUNDS = 5  # a currency that clients spend, to the last unit, on what only an issuer can give them
CASH = {"USD", "XBT"}
ISSUER = 1
EUROS_EACH = "1000"
SIDES = {"ASK": Side.SELL, "BID": Side.BUY}

pytestmark = [pytest.mark.real_data, pytest.mark.timeout(600)]  # the first use of a capacity compiles the kernels


class Terms(NamedTuple):
    """A book: its number, what it trades for what, base units a lot, quote units a tick and lot."""

    instrument: int
    base: int
    quote: int
    lot_units: int
    tick_value: int


BOOKS = {
    "EUR_USD": Terms(1, ASSETS["EUR"], ASSETS["USD"], 1, 1),
    "ETH_XBT": Terms(2, ASSETS["ETH"], ASSETS["XBT"], 100_000, 10),
    "ETH": Terms(3, ASSETS["ETH"], FUNDS, 1, 1),
    "EUR": Terms(4, ASSETS["EUR"], FUNDS, 1, 1),
}


class World:
    """The exchange that the steps act on, what they call its clients, and what the last command led to."""

    def __init__(self, engine: Engine | Reference) -> None:
        self.engine = engine
        self.market, self.history = MarketData(), OrderHistory()
        self.accounts: dict[str, int] = {}
        self.events: list[Event] = []
        self.sequence = 0
        self.send(commands.create_account(ISSUER))
        for asset in sorted([*ASSETS.values(), FUNDS]):
            issued = asset in {ASSETS["ETH"], ASSETS["EUR"]}
            self.send(commands.create_asset(asset, AssetKind.ALLOWANCE if issued else AssetKind.CASH, ISSUER))
        for number, base, quote, lot_units, tick_value in BOOKS.values():
            terms = {"lot_units": lot_units, "tick_value": tick_value, "quantity_min": 1, "quantity_max": 1 << 30}
            self.send(commands.list_instrument(number, base, quote, **terms))
            self.send(commands.set_trading_state(number, TradingState.CONTINUOUS))

    def send(self, encoded: bytes) -> None:
        """Apply a command that is not refused."""
        self.sequence += 1
        command = np.frombuffer(encoded, COMMAND).copy()
        command["sequence"] = self.sequence
        self.events = rows(self.engine.apply(command))
        self.market.apply(self.events)
        self.history.apply(self.events)
        assert [event for event in self.events if event.kind == EventKind.COMMAND_REJECTED] == []

    def order(self, number: str) -> OrderView:
        """Return an order by its number, which no two clients share."""
        found = [self.history.by_client_id(account, number) for account in self.accounts.values()]
        return next(order for order in found if order is not None)

    def trades(self) -> list[Event]:
        """Return the trades of the last command."""
        return [event for event in self.events if event.kind == EventKind.TRADED]

    def assert_holds_are_those_of_the_orders(self) -> None:
        """Compare every balance's hold with what the open orders of its account hold of its asset."""
        held: dict[tuple[int, int], int] = {}
        for row in self.engine.open_order_rows():
            terms = next(terms for terms in BOOKS.values() if terms.instrument == row["instrument"])
            key = int(row["account"]), terms.base if row["side"] == Side.SELL else terms.quote
            held[key] = held.get(key, 0) + int(row["held"])
        balances = {(int(row["account"]), int(row["asset"])): int(row["held"]) for row in self.engine.balance_rows()}
        assert {key: lots for key, lots in balances.items() if lots} == held


# --- what the steps do ------------------------------------------------------------------------------------------------


def open_account(world: World, table: Table, client: str) -> None:
    account = world.accounts[client] = ISSUER + 1 + len(world.accounts)
    world.send(commands.create_account(account))
    for currency, amount in [*table, ["EUR", EUROS_EACH]]:
        asset, units = ASSETS[currency], int(amount)
        if currency in CASH:
            world.send(commands.deposit(account, asset, units))
            continue
        world.send(commands.deposit(account, FUNDS, units))
        world.send(commands.issue(ISSUER, asset, units))
        for trader, side in ((ISSUER, Side.SELL), (account, Side.BUY)):
            world.send(commands.new_order(trader, BOOKS[currency].instrument, side, 1, units))
    assert (FUNDS, 0, 0) in world.engine.balances(account)


def place(world: World, table: Table, client: str, *order: str) -> None:
    side, number, price, size, time_in_force, symbol = order
    world.send(
        commands.new_order(
            world.accounts[client],
            BOOKS[symbol].instrument,
            SIDES[side],
            int(price),
            int(size),
            time_in_force=TimeInForce[time_in_force],
            client_order_id=number,
        )
    )


def move(world: World, table: Table, client: str, price: str, number: str) -> None:
    world.send(commands.replace_order(world.accounts[client], world.order(number).order_id, int(price)))


def cancel(world: World, table: Table, client: str, size: str, number: str) -> None:
    assert world.order(number).leaves_lots == int(size)
    world.send(commands.cancel_order(world.accounts[client], world.order(number).order_id))


# --- what they look at ------------------------------------------------------------------------------------------------


def book_is(world: World, table: Table, symbol: str) -> None:
    levels = [row for row in table if row[1] != "price"]
    depth = world.market.depth(BOOKS[symbol].instrument, len(levels) + 1)
    assert depth.asks[::-1] == [(int(price), int(ask)) for _, price, ask in levels if ask]
    assert depth.bids == [(int(price), int(bid)) for bid, price, _ in levels if bid]


def nothing_traded(world: World, table: Table) -> None:
    assert world.trades() == []


def matched(world: World, table: Table, *order: str) -> None:
    number, how, price, quantity = order
    (trade,) = world.trades()
    maker = world.order(number)
    assert (trade.counter_order_id, trade.price_ticks, trade.quantity_lots) == (
        maker.order_id,
        int(price),
        int(quantity),
    )
    assert (maker.leaves_lots == 0) is (how == "fully")
    assert maker.is_open is (how == "partially")


def orders_are(world: World, table: Table, client: str) -> None:
    header, *expected = table
    assert header == ["id", "price", "size", "filled", "reservePrice", "side"]
    orders = world.history.open_orders(world.accounts[client])
    assert [
        (order.client_order_id, order.price_ticks, order.quantity_lots, order.filled_lots, order.side)
        for order in orders
    ] == [
        (number, int(price), int(size), int(filled), SIDES[side]) for number, price, size, filled, _, side in expected
    ]
    open_rows = world.engine.open_order_rows()
    own = open_rows[open_rows["account"] == world.accounts[client]]
    assert [(order.order_id, order.leaves_lots) for order in orders] == own[["order_id", "leaves_lots"]].tolist()


def has_no_orders(world: World, table: Table, client: str) -> None:
    assert world.history.open_orders(world.accounts[client]) == []
    assert world.accounts[client] not in world.engine.open_order_rows()["account"]


def balance_is(world: World, table: Table, client: str) -> None:
    available = {asset: available for asset, available, _ in world.engine.balances(world.accounts[client])}
    assert {currency: available.get(ASSETS[currency], 0) for currency, _ in table} == {
        currency: int(amount) for currency, amount in table
    }


STEPS: dict[str, Callable[..., None]] = {
    r"New client (\w+) has a balance:": open_account,
    r"A client (\w+) places an (ASK|BID) order (\d+) at (\d+)@(\d+) "
    r"\(type: (GTC|IOC), symbol: (\w+)(?:, reservePrice: \d+)?\)": place,
    r"A client (\w+) moves a price to (\d+) of the order (\d+)": move,
    r"A client (\w+) cancels the remaining size (\d+) of the order (\d+)": cancel,
    r"An (\w+) order book is:": book_is,
    r"No trade events": nothing_traded,
    r"The order (\d+) is (partially|fully) matched\. LastPx: (\d+), LastQty: (\d+)": matched,
    r"A client (\w+) orders:": orders_are,
    r"A client (\w+) does not have active orders": has_no_orders,
    r"A balance of a client (\w+):": balance_is,
}


def definition(text: str) -> tuple[Callable[..., None], tuple[Any, ...]]:
    """Return what a step means, and its parameters."""
    ((meaning, parameters),) = [
        (meaning, found.groups()) for pattern, meaning in STEPS.items() if (found := re.fullmatch(pattern, text))
    ]
    return meaning, parameters


def play(world: World, scenario: Scenario) -> None:
    for number, step in enumerate(scenario.steps, 1):
        meaning, parameters = definition(step.text)
        try:
            meaning(world, step.table, *parameters)
            world.assert_holds_are_those_of_the_orders()
        except AssertionError as error:
            raise AssertionError(f"{scenario.name}, step {number}: {step.text}") from error


@pytest.fixture(scope="module")
def feature(data_dir):
    return scenarios((data_dir / "conformance/exchange_core_basic.feature").read_text(encoding="utf-8"))


@pytest.mark.parametrize("engine", ENGINES)
def test_the_basic_feature_holds_step_by_step(engine, feature):
    for scenario in feature:
        play(World(engine(TEST)), scenario)


def test_the_feature_is_read_whole_and_uses_every_step(feature):
    names = ["basic full cycle test", "basic full cycle test", "cancel BID order"]
    assert [(scenario.name, len(scenario.steps)) for scenario in feature] == list(zip(names, (16, 16, 10), strict=True))
    meanings = {definition(step.text)[0] for scenario in feature for step in scenario.steps}
    assert meanings == set(STEPS.values())


@pytest.mark.parametrize("engine", ENGINES)
def test_a_step_that_does_not_hold_is_named(engine, feature):
    spoilt = feature[2]._replace(
        steps=[step._replace(table=[["XBT", "1500001"]]) if step.text.startswith("A balance") else step
               for step in feature[2].steps]
    )  # fmt: skip
    with pytest.raises(AssertionError, match="cancel BID order, step 5: A balance of a client Charlie"):
        play(World(engine(TEST)), spoilt)
