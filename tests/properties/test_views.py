"""What the views show, whatever is ordered: the engine's open orders, and diffs that lead from state to state."""

from collections import Counter
from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core import commands
from exchange.core.types import (
    EventKind,
    OrderFlag,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)
from exchange.marketdata.depth import DepthAccumulator
from exchange.marketdata.market import MarketData
from exchange.marketdata.orders import OrderHistory, OrderStatus
from tests.exchange.marketdata.builders import ALICE, BOB, CAROL, DAVE, INSTRUMENTS, Market, new_order

ACCOUNTS = st.sampled_from((ALICE, BOB, CAROL, DAVE))
SIDES = st.sampled_from((Side.BUY, Side.SELL))
PRICES = st.integers(97, 103)
LOTS = st.integers(1, 12)
INSTRUMENT = st.sampled_from(INSTRUMENTS)
NAMES = st.sampled_from(("", "", "a", "b", "order-0123456789-0123456789-012345678"))
NEW = st.fixed_dictionaries(
    {
        "account": ACCOUNTS,
        "side": SIDES,
        "price_ticks": PRICES,
        "quantity_lots": LOTS,
        "instrument": INSTRUMENT,
        "self_trade_prevention": st.sampled_from(SelfTradePrevention),
        "order_type": st.sampled_from((OrderType.LIMIT,) * 5 + (OrderType.MARKET,)),
        "time_in_force": st.sampled_from((TimeInForce.GTC,) * 5 + (TimeInForce.IOC, TimeInForce.FOK)),
        "flags": st.sampled_from((0, 0, 0, OrderFlag.POST_ONLY)),
        "client_order_id": NAMES,
    }
)
ACTIONS = st.one_of(
    NEW,
    NEW,
    st.tuples(st.just("replace"), st.integers(0, 50), st.one_of(st.just(0), PRICES), st.one_of(st.just(0), LOTS)),
    st.tuples(st.just("cancel"), st.integers(0, 50)),
    st.tuples(st.just("mass"), ACCOUNTS, st.sampled_from((0, *INSTRUMENTS)), st.sampled_from(Side)),
    st.tuples(st.just("state"), INSTRUMENT, st.sampled_from(TradingState)),
)


def command(market, action):
    if isinstance(action, dict):
        return new_order(**action)
    name, *values = action
    if name == "mass":
        return commands.mass_cancel(*values)
    if name == "state":
        instrument, state = values
        return commands.set_trading_state(instrument, state)
    found = market.open_orders()
    order = found[values[0] % len(found)] if found else {"account": ALICE, "order_id": 1}
    if name == "cancel":
        return commands.cancel_order(order["account"], order["order_id"])
    return commands.replace_order(order["account"], order["order_id"], *values[1:])


def aggregated(open_orders, instrument, side):
    levels = Counter()
    for order in open_orders:
        if (order["instrument"], order["side"]) == (instrument, side):
            levels[order["price_ticks"]] += order["leaves_lots"]
    return sorted(levels.items(), reverse=side == Side.BUY)


def assert_depth_is_the_engine_s(view, market):
    open_orders = market.open_orders()
    for instrument in INSTRUMENTS:
        depth = view.depth(instrument, 1_000)
        assert depth.bids == aggregated(open_orders, instrument, Side.BUY)
        assert depth.asks == aggregated(open_orders, instrument, Side.SELL)
        best = (*(depth.bids or [(0, 0)])[0], *(depth.asks or [(0, 0)])[0])
        assert view.book_ticker(instrument) == (depth.last_update_id, *best)


def with_update(levels, changes):
    levels = dict(levels) | dict(changes)
    return {price: lots for price, lots in levels.items() if lots}


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(ACTIONS, max_size=6), max_size=25), st.integers(1, 4))
def test_depth_and_its_diffs_are_the_engine_s_open_orders_after_every_batch(batches, slow):
    market, view = Market(), MarketData()
    view.apply(market.setup_events)
    replicas = {instrument: ({}, {}) for instrument in INSTRUMENTS}
    slow_replicas = {instrument: ({}, {}) for instrument in INSTRUMENTS}
    accumulators = {instrument: DepthAccumulator() for instrument in INSTRUMENTS}
    last_ids = dict.fromkeys(INSTRUMENTS, 0)
    for number, batch in enumerate(batches):
        found = [row for action in batch for row in chain(*market.send(command(market, action)))]
        touched = view.apply(found)
        assert_depth_is_the_engine_s(view, market)
        for instrument in INSTRUMENTS:
            update = view.depth_changes(instrument)
            assert bool(update.bids or update.asks) == (instrument in touched)
            assert (update.previous_update_id, update.first_update_id) == (
                last_ids[instrument],
                last_ids[instrument] + 1,
            )
            last_ids[instrument] = update.last_update_id
            bids, asks = replicas[instrument]
            replicas[instrument] = (with_update(bids, update.bids), with_update(asks, update.asks))
            depth = view.depth(instrument, 1_000)
            assert replicas[instrument] == (dict(depth.bids), dict(depth.asks))
            accumulators[instrument].add(update)
            if number % slow == 0 and (summed := accumulators[instrument].take()):
                bids, asks = slow_replicas[instrument]
                slow_replicas[instrument] = (with_update(bids, summed.bids), with_update(asks, summed.asks))
                assert slow_replicas[instrument] == replicas[instrument]
                assert summed.last_update_id == depth.last_update_id


@settings(max_examples=60, deadline=None)
@given(st.lists(ACTIONS, max_size=60), st.integers(1, 7))
def test_views_do_not_depend_on_how_the_events_are_cut(actions, step):
    market = Market()
    found = market.setup_events + [row for action in actions for row in chain(*market.send(command(market, action)))]
    whole, cut = MarketData(), MarketData()
    whole.apply(found)
    for begin in range(0, len(found), step):
        cut.apply(found[begin : begin + step])
    assert_depth_is_the_engine_s(cut, market)
    for instrument in INSTRUMENTS:
        assert cut.depth(instrument, 1_000) == whole.depth(instrument, 1_000)
        assert cut.trades(instrument, 1_000) == whole.trades(instrument, 1_000)


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTIONS, max_size=60))
def test_the_order_history_is_what_the_engine_did(actions):
    market, history = Market(), OrderHistory()
    history.apply(market.setup_events)
    accepted, ends, fills = {}, {}, Counter()
    for action in actions:
        for row in chain(*market.send(command(market, action))):
            history.apply([row])
            if row.kind == EventKind.ORDER_ACCEPTED:
                accepted[row.order_id] = row
            elif row.kind in {EventKind.ORDER_CANCELED, EventKind.ORDER_EXPIRED}:
                ends[row.order_id] = row
            elif row.kind == EventKind.TRADED:
                fills[row.order_id] += row.quantity_lots
                fills[row.counter_order_id] += row.quantity_lots
            elif row.kind == EventKind.COMMAND_REJECTED:
                assert row.reason != RejectReason.UNKNOWN_COMMAND
        assert_open_orders_are_the_engine_s(history, market)
    open_ids = {order["order_id"] for order in market.open_orders()}
    for order_id, row in accepted.items():
        order = history.order(order_id)
        assert order.filled_lots == fills[order_id] == sum(fill.quantity_lots for fill in order.fills)
        assert order.quote_filled == sum(fill.amount for fill in order.fills)
        assert order.fee == sum(fill.fee for fill in order.fills)
        assert order.status == expected_status(order_id, open_ids, ends, fills)
        assert order.time_ns == row.time_ns
        if order_id in ends:
            assert (order.quantity_lots, order.leaves_lots) == (
                ends[order_id].quantity_lots,
                ends[order_id].leaves_lots,
            )


def assert_open_orders_are_the_engine_s(history, market):
    fields = ("order_id", "account", "instrument", "side", "price_ticks", "quantity_lots", "leaves_lots")
    found = [order for account in (ALICE, BOB, CAROL, DAVE) for order in history.open_orders(account)]
    assert sorted(tuple(getattr(order, name) for name in fields) for order in found) == sorted(
        tuple(order[name] for name in fields) for order in market.open_orders()
    )


def expected_status(order_id, open_ids, ends, fills):
    if order_id in ends:
        canceled = ends[order_id].kind == EventKind.ORDER_CANCELED
        return OrderStatus.CANCELED if canceled else OrderStatus.EXPIRED
    if order_id not in open_ids:
        return OrderStatus.FILLED
    return OrderStatus.PARTIALLY_FILLED if fills[order_id] else OrderStatus.NEW
