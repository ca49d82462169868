"""A machine that trades on both engines at once, rule by rule, and shrinks to the fewest rules where they part."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.reference import Reference
from exchange.core.state import TEST
from exchange.core.types import EventKind, OrderType, SelfTradePrevention, Side, TimeInForce, TradingState
from tests.exchange.core.builders import PLAIN, batch
from tests.properties.streams import RULED_PROLOGUE
from tests.properties.test_engine_matches_reference import assert_same_events, assert_same_state

ACCOUNTS = st.integers(1, 4)
SIDES = st.sampled_from([Side.BUY, Side.SELL])
PRICES = st.integers(97, 103)
LOTS = st.integers(1, 9)
POLICIES = st.sampled_from(SelfTradePrevention)
WAITING = st.sampled_from([TimeInForce.GTC, TimeInForce.DAY])

pytestmark = pytest.mark.timeout(600)  # the first use of a capacity compiles the kernels for it


class SideBySide(RuleBasedStateMachine):
    """Both engines, the orders that were accepted, and what may be done with them."""

    orders = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.engines = Reference(TEST), Engine(TEST)
        self.sequence = 0
        self.send(*RULED_PROLOGUE)

    def send(self, *encoded: bytes) -> list[tuple[int, int]]:
        """Apply commands to both engines and return the orders they accepted, (account, order id)."""
        sent = batch(*encoded, sequence=self.sequence + 1)
        self.sequence += len(sent)
        expected, found = (engine.apply(sent) for engine in self.engines)
        assert_same_events(expected, found)
        accepted = expected[expected["kind"] == EventKind.ORDER_ACCEPTED]
        return accepted[["account", "order_id"]].tolist()

    @rule(target=orders, account=ACCOUNTS, side=SIDES, price=PRICES, lots=LOTS, life=WAITING, policy=POLICIES)
    def place(self, account, side, price, lots, life, policy):
        order = commands.new_order(account, PLAIN, side, price, lots, time_in_force=life, self_trade_prevention=policy)
        return multiple(*self.send(order))

    @rule(target=orders, account=ACCOUNTS, side=SIDES, price=PRICES, lots=LOTS, shown=st.integers(1, 3))
    def place_an_iceberg(self, account, side, price, lots, shown):
        order = commands.new_order(account, PLAIN, side, price, lots, display_lots=min(shown, lots))
        return multiple(*self.send(order))

    @rule(target=orders, account=ACCOUNTS, side=SIDES, price=PRICES, lots=LOTS, stop=PRICES)
    def place_a_stop(self, account, side, price, lots, stop):
        order = commands.new_order(account, PLAIN, side, price, lots, order_type=OrderType.STOP_LIMIT, stop_ticks=stop)
        return multiple(*self.send(order))

    @rule(target=orders, account=ACCOUNTS, side=SIDES, price=PRICES, lots=LOTS)
    def place_for_the_auction(self, account, side, price, lots):
        order = commands.new_order(account, PLAIN, side, price, lots, time_in_force=TimeInForce.AT_AUCTION)
        return multiple(*self.send(order))

    @rule(account=ACCOUNTS, side=SIDES, lots=LOTS, fok=st.booleans())
    def take(self, account, side, lots, fok):
        life = TimeInForce.FOK if fok else TimeInForce.IOC
        self.send(commands.new_order(account, PLAIN, side, 0, lots, order_type=OrderType.MARKET, time_in_force=life))

    @rule(target=orders, account=ACCOUNTS, bid=st.integers(97, 99), ask=st.integers(101, 103), lots=LOTS)
    def quote(self, account, bid, ask, lots):
        return multiple(*self.send(commands.quote(account, PLAIN, (bid, lots), (ask, lots))))

    @rule(order=consumes(orders))
    def cancel(self, order):
        self.send(commands.cancel_order(*order))

    @rule(order=orders, lots=LOTS)
    def reduce(self, order, lots):
        self.send(commands.reduce_order(*order, lots))

    @rule(order=orders, price=PRICES, lots=LOTS)
    def replace(self, order, price, lots):
        self.send(commands.replace_order(*order, price, lots))

    @rule(state=st.sampled_from([TradingState.CALL_OPEN, TradingState.CONTINUOUS]))
    def pass_on(self, state):
        self.send(commands.set_trading_state(PLAIN, state))

    @rule(state=st.sampled_from([TradingState.CALL_OPEN, TradingState.CONTINUOUS]))
    def uncross(self, state):
        self.send(commands.indicate(PLAIN), commands.uncross(PLAIN, state))

    @rule(static=st.sampled_from([0, 200]), dynamic=st.sampled_from([0, 100]))
    def guard(self, static, dynamic):
        self.send(commands.set_guards(PLAIN, static, dynamic))

    @rule()
    def wake(self):
        self.send(commands.wake_stops(PLAIN))

    @invariant()
    def the_engines_are_alike(self):
        assert_same_state(*self.engines)


SideBySide.TestCase.settings = settings(
    max_examples=40,
    stateful_step_count=40,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestSideBySide = SideBySide.TestCase
