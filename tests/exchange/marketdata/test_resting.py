"""Single orders: how many lots of each are shown, and who trades before whom."""

from exchange.core.types import Side
from exchange.marketdata.resting import Cause, OrderChange, RestingOrder, RestingOrders

BUY, SELL = Side.BUY, Side.SELL


def orders_of(*changes):
    orders = RestingOrders()
    for number, change in enumerate(changes, 1):
        orders.change(number, *change, 0)
    return orders


def test_at_one_price_who_came_first_stands_first_whatever_is_taken_off():
    orders = orders_of(
        (1, BUY, 99, 5, Cause.NEW),
        (2, BUY, 100, 5, Cause.NEW),
        (3, BUY, 100, 7, Cause.NEW),
        (2, BUY, 100, -1, Cause.REDUCE),
    )
    assert orders.side(BUY, 9) == [RestingOrder(2, 2, 100, 4), RestingOrder(3, 3, 100, 7), RestingOrder(1, 1, 99, 5)]
    assert orders.side(BUY, 1) == [RestingOrder(2, 2, 100, 4)]
    assert orders.side(SELL, 9) == []


def test_what_was_gone_comes_again_at_the_back():
    orders = orders_of(
        (1, SELL, 100, 2, Cause.NEW),
        (2, SELL, 100, 5, Cause.NEW),
        (1, SELL, 100, -2, Cause.TRADE),
        (1, SELL, 100, 3, Cause.SHOW),
    )
    assert orders.side(SELL, 9) == [RestingOrder(2, 2, 100, 5), RestingOrder(1, 4, 100, 3)]
    assert orders.changes()[2:] == [
        OrderChange(1, 1, SELL, 100, 0, Cause.TRADE, 0),
        OrderChange(1, 4, SELL, 100, 3, Cause.SHOW, 0),
    ]


def test_cleared_changes_are_forgotten_and_the_orders_stay():
    orders = orders_of((1, SELL, 100, 2, Cause.NEW))
    orders.clear_changes()
    assert orders.changes() == []
    assert orders.side(SELL, 9) == [RestingOrder(1, 1, 100, 2)]


def test_an_order_taken_back_never_came():
    orders = orders_of((1, SELL, 100, 2, Cause.NEW), (2, BUY, 99, 1, Cause.NEW))
    orders.take_back(2)
    assert orders.side(BUY, 9) == []
    assert [change.order_id for change in orders.changes()] == [1]
    orders.clear_changes()
    orders.take_back(1)
    assert orders.side(SELL, 9) == []
