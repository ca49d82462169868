"""What must hold after every command, whatever the commands are: checked on the fast engine from its events alone."""

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.state import TEST
from exchange.core.types import (
    BPS,
    CLIENT_ID_WINDOW_NS,
    EXCHANGE_ACCOUNT,
    PRICE_TICKS_MAX,
    USAGE_ID_WINDOW_NS,
    EventKind,
    OrderFlag,
    SelfTradePrevention,
    Side,
    TradingState,
)
from tests.exchange.core.builders import ALICE, BOB, PLAIN, Market
from tests.properties.streams import STREAMS, TRADING_STREAMS, Run

EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
WORDS = ("price_ticks", "quantity_lots", "leaves_lots", "amount", "fee")  # of ORDER_NAMED
ENDS = {EventKind.ORDER_CANCELED, EventKind.ORDER_EXPIRED}

pytestmark = pytest.mark.timeout(600)  # the first use of a capacity compiles the kernels for it


@dataclass
class Order:
    """An order as its events tell it."""

    account: int
    instrument: int
    side: Side
    policy: SelfTradePrevention
    price_ticks: int
    leaves_lots: int
    place: int  # in time: of two orders at a price, the one with the lower number is first
    band: tuple[int, int]  # when it got its price

    def rank(self) -> tuple[int, int]:
        """Return what orders of one side are sorted by, best first."""
        return (-self.price_ticks if self.side == Side.BUY else self.price_ticks), self.place


@dataclass
class Tape:
    """All that one can know of the market from its events."""

    orders: dict[int, Order] = field(default_factory=dict)  # open ones by id
    groups: dict[int, int] = field(default_factory=lambda: {EXCHANGE_ACCOUNT: EXCHANGE_ACCOUNT})
    bands: dict[int, tuple[int, int]] = field(default_factory=lambda: defaultdict(lambda: (1, PRICE_TICKS_MAX)))
    seen: set[int] = field(default_factory=set)  # order ids ever accepted
    trade_count: int = 0
    event_count: int = 0

    def read(self, event: np.void) -> None:
        """Take in one event, and check what it claims."""
        self.event_count += 1
        kind = EventKind(int(event["kind"]))
        order_id = int(event["order_id"])
        if kind == EventKind.ORDER_ACCEPTED:
            self.accept(event)
        elif kind == EventKind.ORDER_REPLACED:
            self.replace(event)
        elif kind in {EventKind.TRADED, EventKind.MATCH_PREVENTED}:
            self.meet(kind, event)
        elif kind in ENDS:
            assert self.orders.pop(order_id).leaves_lots == event["leaves_lots"]
        elif kind == EventKind.ACCOUNT_CREATED:
            self.groups[int(event["account"])] = int(event["counter_account"])
        elif kind == EventKind.PRICE_BAND_SET:
            self.bands[int(event["instrument"])] = int(event["price_ticks"]), int(event["amount"])

    def accept(self, event: np.void) -> None:
        """Add an order whose id was never given before."""
        order_id, instrument = int(event["order_id"]), int(event["instrument"])
        assert order_id not in self.seen
        self.seen.add(order_id)
        low, high = self.bands[instrument]
        assert low <= event["price_ticks"] <= high
        self.orders[order_id] = Order(
            int(event["account"]),
            instrument,
            Side(int(event["side"])),
            SelfTradePrevention(int(event["self_trade_prevention"])),
            int(event["price_ticks"]),
            int(event["leaves_lots"]),
            self.event_count,
            self.bands[instrument],
        )

    def replace(self, event: np.void) -> None:
        """Change an order's terms; without its place, it is the last to come."""
        order = self.orders[int(event["order_id"])]
        assert (order.leaves_lots, order.price_ticks) == (event["fee"], event["counter_fee"])
        order.leaves_lots, order.price_ticks = int(event["leaves_lots"]), int(event["price_ticks"])
        if not event["flags"] & OrderFlag.KEPT_PRIORITY:
            order.place, order.band = self.event_count, self.bands[order.instrument]
            assert order.band[0] <= order.price_ticks <= order.band[1]

    def meet(self, kind: EventKind, event: np.void) -> None:
        """Let two orders trade, or be kept from it, after checking that they are the ones whose turn it is."""
        taker, maker = self.orders[int(event["order_id"])], self.orders[int(event["counter_order_id"])]
        rivals = [
            order
            for order in self.orders.values()
            if order is not taker and (order.instrument, order.side) == (maker.instrument, maker.side)
        ]
        assert maker is min(rivals, key=Order.rank), "best price first, first in first out"
        assert (taker.instrument, taker.side) == (maker.instrument, 1 - maker.side)
        buyer, seller = (taker, maker) if taker.side == Side.BUY else (maker, taker)
        assert buyer.price_ticks >= seller.price_ticks
        lots = min(taker.leaves_lots, maker.leaves_lots)
        assert (event["price_ticks"], event["quantity_lots"]) == (maker.price_ticks, lots)
        same_group = self.groups[taker.account] == self.groups[maker.account]
        if kind == EventKind.MATCH_PREVENTED:
            assert same_group
            lots = lots if taker.policy == SelfTradePrevention.DECREMENT else 0
        else:
            assert not same_group or taker.policy == SelfTradePrevention.NONE
            assert maker.band[0] <= event["price_ticks"] <= maker.band[1]
            self.trade_count += 1
            assert event["trade_id"] == self.trade_count
        taker.leaves_lots -= lots
        maker.leaves_lots -= lots
        assert event["leaves_lots"] == taker.leaves_lots
        if kind == EventKind.TRADED and maker.leaves_lots == 0:
            del self.orders[int(event["counter_order_id"])]

    def close(self) -> None:
        """Take the filled orders away at the end of a command."""
        for order_id in [order_id for order_id, order in self.orders.items() if order.leaves_lots == 0]:
            del self.orders[order_id]


def assert_balanced(engine: Engine) -> None:
    """Check conservation and signs."""
    balances, orders, assets = engine.balance_rows().tolist(), engine.open_order_rows().tolist(), engine.asset_rows()
    total: Counter[int] = Counter()
    for account, asset, available, held in balances:
        total[asset] += available + held
        assert held >= 0
        assert available >= 0 or account == EXCHANGE_ACCOUNT
    for asset, _, _, issued, burned in assets.tolist():
        assert total[asset] == issued - burned
    assert all(0 < leaves <= quantity for *_, quantity, leaves, _ in orders)


def held_by_orders(engine: Engine, terms: dict[int, tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Return what open orders hold by account and asset; `terms` are base and quote asset by instrument."""
    held: Counter[tuple[int, int]] = Counter()
    for _, account, instrument, side, _, _, _, hold in engine.open_order_rows().tolist():
        base_asset, quote_asset = terms[instrument]
        held[account, quote_asset if side == Side.BUY else base_asset] += hold
    return {key: value for key, value in held.items() if value}


def assert_not_crossed(engine: Engine) -> None:
    """Check that in no book in continuous trading the best bid reaches the best ask."""
    bids: dict[int, int] = {}
    asks: dict[int, int] = {}
    for _, _, instrument, side, price, _, _, _ in engine.open_order_rows().tolist():
        if side == Side.BUY:
            bids[instrument] = max(price, bids.get(instrument, 0))
        else:
            asks[instrument] = min(price, asks.get(instrument, PRICE_TICKS_MAX + 1))
    states = engine._states[0]["instruments"]["state"]
    open_books = [book for book in bids.keys() & asks.keys() if states[book] == TradingState.CONTINUOUS]
    assert [book for book in open_books if bids[book] >= asks[book]] == []


def state_of(engine: Engine) -> tuple[list[tuple[int, ...]], ...]:
    """Return all that a command may change on balances, orders and assets."""
    return engine.balance_rows().tolist(), engine.open_order_rows().tolist(), engine.asset_rows().tolist()


@EXAMPLES
@given(steps=STREAMS)
def test_the_invariants_hold_after_every_command(steps):
    engine, tape = Engine(TEST), Tape()
    terms: dict[int, tuple[int, int]] = {}
    for command in Run(TEST, steps).commands:
        before = state_of(engine)
        events = engine.apply(command)
        assert len(events) >= 1
        assert set(events["sequence"].tolist()) == {int(command["sequence"][0])}
        for event in events:
            tape.read(event)
            if event["kind"] == EventKind.INSTRUMENT_LISTED:
                terms[int(event["instrument"])] = int(event["asset"]), int(event["counter_account"])
        tape.close()
        assert_balanced(engine)
        assert_not_crossed(engine)
        held = {(account, asset): held for account, asset, _, held in engine.balance_rows().tolist() if held}
        assert held == held_by_orders(engine, terms)
        assert {row[0]: (row[4], row[6]) for row in engine.open_order_rows().tolist()} == {
            order_id: (order.price_ticks, order.leaves_lots) for order_id, order in tape.orders.items()
        }
        if events["kind"][0] in {EventKind.COMMAND_REJECTED, EventKind.ORDER_DUPLICATED}:
            assert len(events) == 1
            assert state_of(engine) == before


@EXAMPLES
@given(steps=TRADING_STREAMS)
def test_what_an_order_pays_in_a_role_is_the_fee_of_all_it_traded_in_it(steps):
    run = Run(TEST, steps)
    events = Engine(TEST).apply(run.all_commands())
    rates: dict[int, tuple[int, int]] = {}  # taker's and maker's by instrument; set once, before the first order
    paid: Counter[tuple[int, int, int]] = Counter()
    traded: Counter[tuple[int, int, int]] = Counter()
    last_setting = int(np.flatnonzero(events["kind"] == EventKind.FEES_SET)[-1])
    for event in events[events["kind"] == EventKind.FEES_SET]:
        rates[int(event["instrument"])] = int(event["fee"]), int(event["counter_fee"])
    for event in events[last_setting:]:
        if event["kind"] == EventKind.TRADED:
            instrument = int(event["instrument"])
            for role, order, charged in ((0, "order_id", "fee"), (1, "counter_order_id", "counter_fee")):
                paid[instrument, role, int(event[order])] += int(event[charged])
                traded[instrument, role, int(event[order])] += int(event["amount"])
    for (instrument, role, order_id), notional in traded.items():
        rate_bps = rates.get(instrument, (0, 0))[role]
        assert paid[instrument, role, order_id] == ceil(Fraction(rate_bps * notional, BPS))


@EXAMPLES
@given(
    rates=st.integers(0, 100).flatmap(lambda taker: st.tuples(st.integers(-taker, 100), st.just(taker))),
    price=st.integers(1, 50),
    parts=st.lists(st.integers(1, 20), min_size=1, max_size=8),
)
def test_fees_do_not_depend_on_how_fills_are_split(rates, price, parts):
    paid = []
    for lots in ([sum(parts)], parts):
        taking, making = Market(Engine(TEST)), Market(Engine(TEST))
        for market in (taking, making):
            market.do(commands.set_fees(PLAIN, *rates))
        for quantity in lots:
            taking.sell(ALICE, quantity, price)
        taking.buy(BOB, sum(parts), price)
        making.buy(BOB, sum(parts), price)
        for quantity in lots:
            making.sell(ALICE, quantity, price)
        paid.append([(market.available(BOB), market.held(BOB)) for market in (taking, making)])
    assert paid[0] == paid[1]


@EXAMPLES
@given(steps=STREAMS)
def test_names_and_usage_ids_are_applied_once_within_their_window(steps):
    events = Engine(TEST).apply(Run(TEST, steps).all_commands())
    latest: dict[tuple[int, ...], int] = {}
    for event in events[np.isin(events["kind"], [EventKind.REDEEMED, EventKind.ORDER_NAMED])]:
        redeemed = event["kind"] == EventKind.REDEEMED
        words = ("order_id", "counter_order_id") if redeemed else WORDS
        key = (0 if redeemed else 1 + int(event["account"]), *(int(event[word]) for word in words))
        if any(key[1:]):
            window_ns = USAGE_ID_WINDOW_NS if redeemed else CLIENT_ID_WINDOW_NS
            assert event["time_ns"] - latest.get(key, -window_ns) >= window_ns
            latest[key] = int(event["time_ns"])
