"""Single orders: how many lots of each are shown, and who trades before whom."""

from exchange.core.types import EventKind, OrderFlag, Side
from exchange.marketdata.market import MarketData
from exchange.marketdata.resting import Cause, OrderChange, OrdersUpdate, RestingDepth, RestingOrder
from tests.exchange.marketdata.builders import BOB, accepted, event, replaced, traded

BUY, SELL = Side.BUY, Side.SELL


def test_at_one_price_who_came_first_stands_first_whatever_is_taken_off():
    market = MarketData()
    market.apply([accepted(1, 1, BUY, 99, 5), accepted(2, 2, BUY, 100, 5), accepted(3, 3, BUY, 100, 7)])
    market.apply([replaced(4, 2, BUY, 100, 4, 4, previous_ticks=100, previous_lots=5, flags=OrderFlag.KEPT_PRIORITY)])
    best = [RestingOrder(2, 2, 100, 4), RestingOrder(3, 3, 100, 7), RestingOrder(1, 1, 99, 5)]
    assert market.orders(1, 9) == RestingDepth(4, best, [])
    assert market.orders(1, 1) == RestingDepth(4, best[:1], [])
    assert market.order_changes(1) == OrdersUpdate(4, 4, 3, [OrderChange(2, 2, BUY, 100, 4, Cause.REDUCE, 0)])


def test_what_was_gone_comes_again_at_the_back():
    market = MarketData()
    shown = event(EventKind.ORDER_TERMS, 1, instrument=1, order_id=1, quantity_lots=2)
    market.apply([accepted(1, 1, SELL, 100, 5, account=BOB), shown, accepted(2, 2, SELL, 100, 5, account=BOB)])
    assert market.orders(1, 9).asks == [RestingOrder(1, 1, 100, 2), RestingOrder(2, 2, 100, 5)]
    again = event(
        EventKind.ORDER_REPLENISHED, 3, instrument=1, order_id=1, side=SELL, price_ticks=100, quantity_lots=2,
        leaves_lots=1,
    )  # fmt: skip
    market.apply([accepted(3, 3, BUY, 100, 2), traded(3, 31, BUY, 100, 2, taker=(1, 3), maker=(BOB, 1)), again])
    assert market.orders(1, 9) == RestingDepth(4, [], [RestingOrder(2, 2, 100, 5), RestingOrder(1, 4, 100, 2)])
    gone, back = OrderChange(1, 1, SELL, 100, 0, Cause.TRADE, 31), OrderChange(1, 4, SELL, 100, 2, Cause.SHOW, 0)
    assert market.order_changes(1) == OrdersUpdate(3, 4, 2, [gone, back])
    assert market.order_changes(1)[:3] == market.depth_changes(1)[:3]
    market.apply([])
    assert market.order_changes(1) == OrdersUpdate(5, 4, 4, [])
