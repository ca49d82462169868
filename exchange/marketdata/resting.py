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


_Known = tuple[int, int, int, int]  # side, price_ticks, lots, place
_Change = tuple[int, int, int, int, int, int, int]  # an OrderChange, which is made when somebody reads it
_new = tuple.__new__  # half the time of a NamedTuple's own constructor


class RestingOrders:
    """All of one instrument, the one that came last to its place last."""

    __slots__ = ("_changes", "_orders")

    def __init__(self) -> None:
        self._orders: dict[int, _Known] = {}
        self._changes: list[_Change] = []

    def change(
        self, update_id: int, order_id: int, side: int, price_ticks: int, delta_lots: int, cause: int, trade_id: int
    ) -> None:
        """Show more or less of an order, or one that was not there before."""
        known = self._orders.get(order_id)
        if known is None:
            place, lots = update_id, delta_lots
        else:
            place, lots = known[3], known[2] + delta_lots
        if lots:
            self._orders[order_id] = (side, price_ticks, lots, place)
        else:
            del self._orders[order_id]
        self._changes.append((order_id, place, side, price_ticks, lots, cause, trade_id))

    def take_back(self, order_id: int) -> None:
        """Undo the last change, which brought this order."""
        del self._orders[order_id]
        if self._changes:
            self._changes.pop()

    def changes(self) -> list[OrderChange]:
        """Return all changes since they were cleared."""
        return list(map(OrderChange._make, self._changes))

    def clear_changes(self) -> None:
        """Forget the changes."""
        self._changes.clear()

    def side(self, side: int, limit: int) -> list[RestingOrder]:
        """Return at most `limit` orders of a side, those that would trade first."""
        found = [
            _new(RestingOrder, (order_id, place, price, lots))
            for order_id, (of, price, lots, place) in self._orders.items()
            if of == side
        ]
        found.sort(key=_BEST_FIRST[side])
        return found[:limit]


_BEST_FIRST = (lambda order: -order.price_ticks, lambda order: order.price_ticks)  # by Side; the sort is stable
