"""Rows of a pool: taken, given back, and taken again."""

from exchange.core.types import Side
from exchange.marketdata.folds.pool import BLOCK_ROWS
from exchange.marketdata.orders import OrderHistory
from tests.exchange.marketdata.builders import accepted, ended


def one_after_the_other(first, count):
    for order_id in range(first, first + count):
        yield accepted(2 * order_id, order_id, Side.BUY, 100, 5)
        yield ended(2 * order_id + 1, order_id, Side.BUY, 100, 5)


def test_rows_that_are_given_back_are_taken_again() -> None:
    history = OrderHistory(closed_orders_max=3)
    history.apply(one_after_the_other(1, 2 * BLOCK_ROWS))
    orders = history._pools[0]
    assert orders.room == BLOCK_ROWS - 1 - 3
    assert [order.order_id for order in history.all_orders(1)] == [
        2 * BLOCK_ROWS - 2,
        2 * BLOCK_ROWS - 1,
        2 * BLOCK_ROWS,
    ]


def test_a_pool_grows_by_blocks_and_its_rows_stay() -> None:
    history = OrderHistory()
    history.apply(accepted(number, number, Side.BUY, 100, number) for number in range(1, BLOCK_ROWS + 10))
    assert history._pools[0].room == BLOCK_ROWS - 10
    assert [history.order(number).quantity_lots for number in (1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 9)] == [
        1, BLOCK_ROWS - 1, BLOCK_ROWS, BLOCK_ROWS + 9,
    ]  # fmt: skip


def test_a_pool_that_is_cleared_gives_its_rows_anew() -> None:
    history = OrderHistory()
    history.apply(accepted(number, number, Side.BUY, 100, number) for number in range(1, 4))
    pool = history._pools[0]
    pool.clear()
    assert pool.room == BLOCK_ROWS - 1
