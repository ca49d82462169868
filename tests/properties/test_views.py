"""What the views show, whatever is ordered: the engine's open orders, and diffs that lead from state to state."""

from collections import Counter
from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.core import commands
from exchange.core.reference_book import resting
from exchange.core.types import (
    ClearScope,
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
PRICES = st.integers(99, 101)
LOTS = st.integers(1, 9)
INSTRUMENT = st.sampled_from((1, 1, 1, 2))
NAMES = st.sampled_from(("", "", *(f"name-{number}" for number in range(30))))
PREVENTIONS = st.sampled_from(SelfTradePrevention)
KINDS = st.sampled_from(
    ((OrderType.LIMIT, TimeInForce.GTC, 0),) * 6
    + (
        (OrderType.LIMIT, TimeInForce.GTC, OrderFlag.POST_ONLY),
        (OrderType.LIMIT, TimeInForce.IOC, 0),
        (OrderType.LIMIT, TimeInForce.FOK, 0),
        (OrderType.MARKET, TimeInForce.GTC, 0),
        (OrderType.LIMIT, TimeInForce.AT_AUCTION, 0),
        (OrderType.MARKET, TimeInForce.AT_AUCTION, 0),
    )
)
SPECIALS = st.sampled_from(
    (
        (OrderType.STOP, TimeInForce.GTC, {"stop_ticks": 100}),
        (OrderType.STOP_LIMIT, TimeInForce.GTC, {"stop_ticks": 99}),
        (OrderType.STOP_LIMIT, TimeInForce.DAY, {"stop_ticks": 101}),
        (OrderType.LIMIT, TimeInForce.GTC, {"display_lots": 1}),
        (OrderType.LIMIT, TimeInForce.DAY, {"display_lots": 2}),
        (OrderType.LIMIT, TimeInForce.GTD, {"display_lots": 2, "until_ns": 1 << 61}),
    )
)
STATES = st.sampled_from((TradingState.CALL_OPEN, TradingState.CALL_CLOSE, TradingState.CONTINUOUS))


def order(account, side, price_ticks, lots, instrument, prevention, name, kind):
    order_type, time_in_force, flags = kind
    return new_order(
        account, side, price_ticks, lots, instrument=instrument, self_trade_prevention=prevention,
        client_order_id=name, order_type=order_type, time_in_force=time_in_force, flags=flags,
    )  # fmt: skip


def special(account, side, price_ticks, lots, instrument, prevention, terms):
    order_type, time_in_force, options = terms
    return new_order(
        account, side, price_ticks, lots, instrument=instrument, self_trade_prevention=prevention,
        order_type=order_type, time_in_force=time_in_force, **options,
    )  # fmt: skip


def quote(account, instrument, price_ticks, bid_lots, ask_lots, prevention):
    bid, ask = (price_ticks, bid_lots), (price_ticks + 1, ask_lots)
    return commands.quote(account, instrument, bid, ask, self_trade_prevention=prevention)


# an action is a command, or how to make one of an open order: its number, new price, new quantity
ORDERS = st.builds(order, ACCOUNTS, SIDES, PRICES, LOTS, INSTRUMENT, PREVENTIONS, NAMES, KINDS)
REPLACEMENTS = st.tuples(st.integers(0, 9), st.sampled_from((0, 0, 99, 100, 101)), st.sampled_from((0, 1, 2, 3, 9)))
CANCELS = st.tuples(st.integers(0, 9))
MASS_CANCELS = st.builds(
    commands.mass_cancel, ACCOUNTS, st.sampled_from((0, *INSTRUMENTS)), st.sampled_from((Side.BUY, Side.SELL))
)
SPECIAL_ORDERS = st.builds(special, ACCOUNTS, SIDES, PRICES, LOTS, INSTRUMENT, PREVENTIONS, SPECIALS)
QUOTES = st.builds(quote, ACCOUNTS, INSTRUMENT, PRICES, st.integers(0, 9), st.integers(0, 9), PREVENTIONS)
REDUCTIONS = st.tuples(st.integers(0, 9), st.integers(1, 4)).map(lambda pair: (pair[0], None, pair[1]))
PHASES = st.builds(commands.set_trading_state, INSTRUMENT, STATES)
AUCTIONS = st.builds(commands.uncross, INSTRUMENT, STATES)
VENUE = st.one_of(
    st.builds(commands.kill_switch, st.just(DAVE)),
    st.builds(commands.clear_book, INSTRUMENT, st.sampled_from((Side.BUY, Side.SELL)), st.sampled_from(ClearScope)),
    st.builds(commands.set_guards, INSTRUMENT, st.just(0), st.sampled_from((0, 50, 100))),
    st.builds(commands.wake_stops, INSTRUMENT),
    st.builds(commands.indicate, INSTRUMENT),
    st.builds(commands.begin_batch, ACCOUNTS, st.just(2)),
)
# each stands for as many of the numbers as it is given
_WEIGHTED = (
    *(ORDERS,) * 9, *(SPECIAL_ORDERS,) * 5, *(QUOTES,) * 2, *(REPLACEMENTS,) * 4, *(REDUCTIONS,) * 2, CANCELS,
    MASS_CANCELS, PHASES, *(AUCTIONS,) * 2, VENUE,
)  # fmt: skip
ACTIONS = st.integers(0, len(_WEIGHTED) - 1).flatmap(_WEIGHTED.__getitem__)
STREAMS = st.lists(ACTIONS, min_size=15, max_size=80)


def command(market, action):
    if isinstance(action, bytes):
        return action
    number, *changes = action
    found = market.open_orders()
    order = found[number % len(found)] if found else {"account": ALICE, "order_id": 1}
    if changes[:1] == [None]:
        return commands.reduce_order(order["account"], order["order_id"], changes[1])
    build = commands.replace_order if changes else commands.cancel_order
    return build(order["account"], order["order_id"], *changes)


def aggregated(market, instrument, side):
    """What others may see of one side: the shown lots of orders on the book that have a price."""
    levels = Counter()
    for order in market.engine.tables.orders.values():
        if (order.instrument.index, order.side) == (instrument, side) and order.resting and not order.unpriced:
            levels[order.price_ticks] += order.displayed_lots
    return sorted(levels.items(), reverse=side == Side.BUY)


def assert_depth_is_the_engine_s(view, market):
    for instrument in INSTRUMENTS:
        depth = view.depth(instrument, 1_000)
        assert depth.bids == aggregated(market, instrument, Side.BUY)
        assert depth.asks == aggregated(market, instrument, Side.SELL)
        best = (*(depth.bids or [(0, 0)])[0], *(depth.asks or [(0, 0)])[0])
        assert view.book_ticker(instrument) == (depth.last_update_id, *best)


def queued(market, instrument, side):
    """What others may see of each order of one side, in the order in which they trade."""
    book = market.engine.tables.instruments[instrument]
    return [
        (order.order_id, order.price_ticks, order.displayed_lots) for order in resting(book, side) if not order.unpriced
    ]


def assert_orders_are_the_engine_s(depth, market, instrument):
    for side, found in ((Side.BUY, depth.bids), (Side.SELL, depth.asks)):
        assert [(order.order_id, order.price_ticks, order.lots) for order in found] == queued(market, instrument, side)


def followed(orders, update):
    """Return single orders after an update, as a reader of the stream keeps them: by place, who is gone taken out."""
    kept = dict(orders)
    for change in update.changes:
        kept[change.place] = (change.order_id, change.side, change.price_ticks, change.lots)
    return {place: kept[place] for place in sorted(kept) if kept[place][-1]}


def told(depth):
    sides = ((Side.BUY, depth.bids), (Side.SELL, depth.asks))
    rows = {order.place: (order.order_id, side, order.price_ticks, order.lots) for side, of in sides for order in of}
    return {place: rows[place] for place in sorted(rows)}


@settings(max_examples=100)
@given(STREAMS, st.integers(1, 4))
def test_single_orders_and_their_changes_are_the_engine_s_in_the_order_in_which_they_trade(actions, step):
    market, view = Market(), MarketData()
    view.apply(market.setup_events)
    replicas = {instrument: told(view.orders(instrument, 1_000)) for instrument in INSTRUMENTS}
    for begin in range(0, len(actions), step):
        batch = actions[begin : begin + step]
        view.apply([row for action in batch for row in chain(*market.send(command(market, action)))])
        for instrument in INSTRUMENTS:
            update, depth = view.order_changes(instrument), view.orders(instrument, 1_000)
            assert_orders_are_the_engine_s(depth, market, instrument)
            assert update[:3] == view.depth_changes(instrument)[:3]
            assert len(update.changes) == update.last_update_id - update.previous_update_id
            replicas[instrument] = followed(replicas[instrument], update)
            assert replicas[instrument] == told(depth)


def with_update(levels, changes):
    levels = dict(levels) | dict(changes)
    return {price: lots for price, lots in levels.items() if lots}


@settings(max_examples=100)
@given(STREAMS, st.integers(1, 4), st.integers(1, 4))
def test_depth_and_its_diffs_are_the_engine_s_open_orders_after_every_batch(actions, step, slow):
    batches = [actions[begin : begin + step] for begin in range(0, len(actions), step)]
    market, view = Market(), MarketData()
    view.apply(market.setup_events)
    replicas = {instrument: ({}, {}) for instrument in INSTRUMENTS}
    slow_replicas = {instrument: ({}, {}) for instrument in INSTRUMENTS}
    accumulators = {instrument: DepthAccumulator() for instrument in INSTRUMENTS}
    last_ids = {instrument: view.depth(instrument, 1).last_update_id for instrument in INSTRUMENTS}
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


@settings(max_examples=50)
@given(STREAMS, st.integers(1, 7))
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
        assert cut.orders(instrument, 1_000) == whole.orders(instrument, 1_000)
        assert cut.trades(instrument, 1_000) == whole.trades(instrument, 1_000)


@settings(max_examples=100)
@given(STREAMS)
def test_the_order_history_is_what_the_engine_did(actions):
    market, history = Market(), OrderHistory()
    history.apply(market.setup_events)
    accepted, ends, fills, asleep = {}, {}, Counter(), set()
    for action in actions:
        for row in chain(*market.send(command(market, action))):
            history.apply([row])
            if row.kind == EventKind.ORDER_ACCEPTED:
                accepted[row.order_id] = row
                if row.flags & OrderFlag.SLEEPING:
                    asleep.add(row.order_id)
            elif row.kind == EventKind.ORDER_TRIGGERED:
                asleep.remove(row.order_id)
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
        found = history.order_fills(order_id)
        assert order.filled_lots == fills[order_id] == sum(fill.quantity_lots for fill in found)
        assert order.quote_filled == sum(fill.amount for fill in found)
        assert order.fee == sum(fill.fee for fill in found)
        assert order.status == expected_status(order_id, open_ids, ends, fills)
        assert order.time_ns == row.time_ns
        assert bool(order.flags & OrderFlag.SLEEPING) == (order_id in asleep)
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
