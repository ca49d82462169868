"""The compiled folds of the views say what the plain ones say, however the events are cut."""

from itertools import chain

from hypothesis import given, settings
from hypothesis import strategies as st

from exchange.marketdata.candles import merge
from exchange.marketdata.intervals import Interval
from exchange.marketdata.market import MarketData
from exchange.marketdata.orders import OrderHistory
from tests.exchange.marketdata.builders import ALICE, BOB, CAROL, DAVE, INSTRUMENTS, SECOND_NS, Market, candle_of
from tests.exchange.marketdata.plain import PlainOrders
from tests.exchange.marketdata.plain_market import PlainMarket
from tests.properties.test_views import STREAMS, command

ACCOUNTS = (ALICE, BOB, CAROL, DAVE)
LIMITS = st.fixed_dictionaries(
    {name: st.sampled_from((1, 2, 5, 1_000)) for name in ("closed_orders_max", "fills_max", "order_fills_max")}
)


def told(actions, pass_s=0):
    """Return every event that a stream of actions causes, so many seconds apart."""
    market, pass_ns = Market(), pass_s * SECOND_NS
    sent = (market.send(command(market, action), pass_ns=pass_ns) for action in actions)
    return market.setup_events + [row for found in sent for row in chain(*found)]


def assert_same_orders(history, plain):
    assert history.event_count == plain.event_count
    for account in ACCOUNTS:
        owner = plain.accounts[account]
        orders = list(owner.orders.values())
        assert history.all_orders(account, limit=10_000) == orders
        assert history.open_orders(account) == [order for order in orders if order.is_open]
        assert history.fills(account, limit=10_000) == list(owner.fills)
        assert history.has_forgotten(account) == owner.forgot
        for order in orders:
            assert history.order(order.order_id) == order
            assert history.order_fills(order.order_id) == list(plain.fills[order.order_id])
        for name in {f"name-{number}" for number in range(30)}:
            assert history.by_client_id(account, name) == owner.named.get(name)


@settings(max_examples=60)
@given(STREAMS, LIMITS, st.integers(1, 40))
def test_orders_and_fills_are_the_plain_ones_after_every_batch(actions, limits, step):
    events = told(actions)
    history, plain = OrderHistory(**limits), PlainOrders(**limits)
    for begin in range(0, len(events), step):
        history.apply(events[begin : begin + step])
        plain.apply(events[begin : begin + step])
        if begin % 5 == 0:
            assert_same_orders(history, plain)
    assert_same_orders(history, plain)


@settings(max_examples=15)
@given(STREAMS, LIMITS, st.data())
def test_parts_of_a_history_are_the_plain_ones(actions, limits, data):
    events = told(actions)
    history, plain = OrderHistory(**limits), PlainOrders(**limits)
    history.apply(events)
    plain.apply(events)
    for account in ACCOUNTS:
        owner = plain.accounts[account]
        orders, fills = list(owner.orders.values()), list(owner.fills)
        limit = data.draw(st.integers(1, 9))
        assert history.all_orders(account, limit=limit) == orders[-limit:]
        assert history.all_orders(account, 2, limit=limit) == [one for one in orders if one.instrument == 2][-limit:]
        assert history.fills(account, limit=limit) == fills[-limit:]
        if orders and fills:
            place, at = (data.draw(st.integers(0, len(rows) - 1)) for rows in (orders, fills))
            found = history.all_orders(account, from_id=orders[place].order_id, limit=limit)
            assert found == orders[place : place + limit]
            assert (
                history.fills(account, from_id=fills[at].trade_id, limit=limit)
                == [fill for fill in fills if fill.trade_id >= fills[at].trade_id][:limit]
            )
            assert (
                history.fills(account, order_id=fills[at].order_id, limit=limit)
                == [fill for fill in fills if fill.order_id == fills[at].order_id][-limit:]
            )


def minutes_of(trades):
    """Return the candles of trades, each minute summed up by itself."""
    found = {}
    for trade in trades:
        candle = candle_of(trade)
        known = found.get(candle.open_ms)
        found[candle.open_ms] = candle if known is None else merge(known, candle)
    return list(found.values())


def recent(trades, trades_max, since_ns):
    """Return lots and notional since a time, by whole minutes if trades since then are no longer kept."""
    kept = trades[-trades_max:]
    if kept != trades and kept[0].time_ns >= since_ns:
        minutes = [minute for minute in minutes_of(trades) if minute.open_ms * 1_000_000 >= since_ns]
        return sum(minute.volume_lots for minute in minutes), sum(minute.amount for minute in minutes)
    found = [trade for trade in kept if trade.time_ns >= since_ns]
    return sum(trade.quantity_lots for trade in found), sum(trade.amount for trade in found)


def assert_same_market(market, plain, trades_max):
    for instrument in INSTRUMENTS:
        book = plain.books[instrument]
        assert market.depth(instrument, 1_000) == book.depth()
        assert market.orders(instrument, 1_000) == book.resting()
        assert market.depth_changes(instrument) == book.depth_changes()
        assert market.order_changes(instrument) == book.order_changes()
        assert market.trades(instrument, 10_000) == book.trades[-trades_max:]
        assert market.candles(instrument, Interval.MINUTE_1, limit=1_000) == minutes_of(book.trades)
        best = market.book_ticker(instrument)
        assert best[1:] == (*(book.depth().bids or [(0, 0)])[0], *(book.depth().asks or [(0, 0)])[0])


@settings(max_examples=80)
@given(STREAMS, st.integers(1, 40), st.sampled_from((1, 3, 10_000)), st.sampled_from((0, 7, 61)))
def test_the_market_is_the_plain_one_after_every_batch(actions, step, trades_max, pass_s):
    events = told(actions, pass_s)
    market, plain = MarketData(trades_max), PlainMarket()
    for begin in range(0, len(events), step):
        part = events[begin : begin + step]
        assert market.apply(part) == plain.apply(part)
        assert_same_market(market, plain, trades_max)
        assert market.recent(1, part[0].time_ns) == recent(plain.books[1].trades, trades_max, part[0].time_ns)


@settings(max_examples=10)
@given(STREAMS)
def test_a_cut_anywhere_leads_to_the_same(actions):
    events = told(actions)
    whole = PlainMarket()
    whole.apply(events)
    for cut in range(1, len(events), 3):
        market, history = MarketData(), OrderHistory()
        for part in (events[:cut], events[cut:]):
            market.apply(part)
            history.apply(part)
        for instrument in INSTRUMENTS:
            assert market.depth(instrument, 1_000) == whole.books[instrument].depth()
            assert market.orders(instrument, 1_000) == whole.books[instrument].resting()
