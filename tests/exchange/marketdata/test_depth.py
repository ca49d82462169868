"""Levels, their order, their update ids, and the sum of several updates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core.types import Side
from exchange.marketdata.depth import BookTicker, Depth, DepthAccumulator, DepthBook, DepthUpdate
from exchange.marketdata.resting import Cause, OrderChange, OrdersUpdate, RestingDepth, RestingOrder


def change(book, side, price_ticks, lots):
    """Let the one order at a price change."""
    book.change(side, price_ticks, lots, 2 * price_ticks + side, Cause.NEW)


def book_of(*changes):
    book = DepthBook()
    for one in changes:
        change(book, *one)
    return book


def test_levels_stand_best_first_and_no_more_than_asked_for():
    book = book_of((Side.BUY, 99, 1), (Side.BUY, 101, 2), (Side.BUY, 100, 3), (Side.SELL, 104, 4), (Side.SELL, 103, 5))
    assert book.depth(2) == Depth(5, [(101, 2), (100, 3)], [(103, 5), (104, 4)])
    assert book.depth(1) == Depth(5, [(101, 2)], [(103, 5)])
    assert book.depth(0) == Depth(5, [], [])


def test_an_emptied_level_is_gone():
    book = book_of((Side.SELL, 103, 5), (Side.SELL, 104, 1), (Side.SELL, 103, -5))
    assert book.depth(9) == Depth(3, [], [(104, 1)])


def test_the_ticker_is_the_best_level_or_zero():
    assert book_of((Side.BUY, 99, 7), (Side.BUY, 98, 1)).ticker() == BookTicker(2, 99, 7, 0, 0)
    assert book_of((Side.SELL, 99, 7), (Side.SELL, 100, 1)).ticker() == BookTicker(2, 0, 0, 99, 7)


def test_a_level_never_falls_below_nothing():
    with pytest.raises(AssertionError):
        book_of((Side.BUY, 99, 7), (Side.BUY, 99, -8))


def test_changes_are_those_of_the_batch_as_they_stand_now():
    book = book_of((Side.BUY, 99, 7), (Side.SELL, 102, 1))
    book.begin_batch()
    for one in ((Side.BUY, 99, -7), (Side.BUY, 100, 2), (Side.BUY, 100, 1), (Side.SELL, 103, 4)):
        change(book, *one)
    expected = DepthUpdate(3, 6, 2, [(100, 3), (99, 0)], [(103, 4)])
    assert book.changes() == expected
    assert book.changes() == expected
    book.begin_batch()
    assert book.changes() == DepthUpdate(7, 6, 6, [], [])


def test_a_change_taken_back_leaves_neither_lots_nor_an_update_id():
    book = book_of((Side.BUY, 99, 7), (Side.BUY, 100, 2))
    book.take_back(Side.BUY, 100, 2, 2 * 100)
    assert book.depth(9) == Depth(1, [(99, 7)], [])
    assert book.orders(9) == RestingDepth(1, [RestingOrder(2 * 99, 1, 99, 7)], [])
    assert book.order_changes() == OrdersUpdate(1, 1, 0, [OrderChange(2 * 99, 1, Side.BUY, 99, 7, Cause.NEW, 0)])


def test_every_change_of_an_order_has_the_update_id_of_its_level_s():
    book = DepthBook()
    book.change(Side.SELL, 103, 4, 7, Cause.NEW)
    book.begin_batch()
    book.change(Side.SELL, 103, 5, 8, Cause.NEW)
    book.change(Side.SELL, 103, -4, 7, Cause.TRADE, 31)
    expected = [
        OrderChange(8, 2, Side.SELL, 103, 5, Cause.NEW, 0),
        OrderChange(7, 1, Side.SELL, 103, 0, Cause.TRADE, 31),
    ]
    assert book.order_changes() == OrdersUpdate(2, 3, 1, expected)
    assert book.changes()[:3] == book.order_changes()[:3]
    assert book.orders(9) == RestingDepth(3, [], [RestingOrder(8, 2, 103, 5)])


def test_an_accumulator_sums_updates_and_gives_them_once():
    accumulator = DepthAccumulator()
    accumulator.add(DepthUpdate(3, 4, 2, [(100, 3), (99, 0)], []))
    accumulator.add(DepthUpdate(5, 4, 4, [], []))
    accumulator.add(DepthUpdate(5, 9, 4, [(101, 1), (100, 0)], [(103, 4), (102, 2)]))
    assert accumulator.take() == DepthUpdate(3, 9, 2, [(101, 1), (100, 0), (99, 0)], [(102, 2), (103, 4)])
    assert accumulator.take() is None
    accumulator.add(DepthUpdate(20, 21, 19, [(99, 8)], []))
    assert accumulator.take() == DepthUpdate(20, 21, 19, [(99, 8)], [])


def test_an_accumulator_does_not_hide_a_gap():
    accumulator = DepthAccumulator()
    accumulator.add(DepthUpdate(3, 4, 2, [(100, 3)], []))
    with pytest.raises(AssertionError):
        accumulator.add(DepthUpdate(6, 7, 5, [(100, 4)], []))


@given(st.lists(st.tuples(st.sampled_from((Side.BUY, Side.SELL)), st.integers(1, 30), st.integers(-9, 9))))
def test_a_book_is_two_sorted_sums(changes):
    book, sums = DepthBook(), {Side.BUY: {}, Side.SELL: {}}
    count = 0
    for side, price, wanted in changes:
        before = sums[side].get(price, 0)
        lots = max(wanted, -before)
        if lots:
            change(book, side, price, lots)
            count += 1
        sums[side][price] = before + lots
    open_lots = {side: [(price, lots) for price, lots in sorted(sums[side].items()) if lots] for side in sums}
    assert book.depth(99) == Depth(count, open_lots[Side.BUY][::-1], open_lots[Side.SELL])
