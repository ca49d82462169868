"""The orders that rest at one instrument, one by one: what is shown of each, and its place in the queue of its level.

Every change of one order is one change of one level, so both count with the same update ids. An order's place is the
update id with which it came to the back of its level; while it stays it keeps the place, and what shows nothing more is
gone: the next part of an iceberg, or an order that was replaced and lost its priority, comes again at the back.
"""

from enum import IntEnum
from typing import NamedTuple


class Cause(IntEnum):
    """Why an order's shown lots changed."""

    NEW = 0  # it came to rest
    TRADE = 1
    END = 2  # cancelled or expired
    REDUCE = 3  # a replace that keeps priority, or self-trade prevention, took lots off
    MOVE = 4  # a replace that loses priority took it off
    SHOW = 5  # the next part of an iceberg is shown


class RestingOrder(NamedTuple):
    """What is shown of an order."""

    order_id: int
    place: int
    price_ticks: int
    lots: int


class OrderChange(NamedTuple):
    """How one order stands now (0 lots: gone) and why; `trade_id` is that of the trade, 0 without one."""

    order_id: int
    place: int
    side: int
    price_ticks: int
    lots: int
    cause: int
    trade_id: int


class RestingDepth(NamedTuple):
    """Orders as of an update id: the best price first, at one price in the order in which they trade."""

    last_update_id: int
    bids: list[RestingOrder]
    asks: list[RestingOrder]


class OrdersUpdate(NamedTuple):
    """The changes with the update ids from first to last, one each; they follow the state at `previous_update_id`."""

    first_update_id: int
    last_update_id: int
    previous_update_id: int
    changes: list[OrderChange]
