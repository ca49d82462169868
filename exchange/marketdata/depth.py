"""The depth of one instrument: lots open at each price, and what changed since the last batch of events.

Every change of one level has the next update id of its instrument, so ids are contiguous and depend on the
events alone, not on how they were cut into batches. `DepthBook.changes` is a plain read of what the last batch
changed: any number of readers may ask, and nobody has to, so an instrument without readers gathers nothing.
A stream slower than the batches adds each batch's update to a `DepthAccumulator` of its own and takes the sum.
"""

from bisect import bisect_left, insort
from typing import NamedTuple

from exchange.core.types import Side
from exchange.marketdata.resting import OrdersUpdate, RestingDepth, RestingOrders

Levels = list[tuple[int, int]]  # (price_ticks, quantity_lots)


class Depth(NamedTuple):
    """Open lots by price, best price first, as of an update id."""

    last_update_id: int
    bids: Levels
    asks: Levels


class DepthUpdate(NamedTuple):
    """Levels that changed and what stands there now (0 lots: nothing), best price first.

    It follows the state at `previous_update_id` and leads to that at `last_update_id`: U, u and pu of the streams.
    """

    first_update_id: int
    last_update_id: int
    previous_update_id: int
    bids: Levels
    asks: Levels


class BookTicker(NamedTuple):
    """The best price and what is open there, each way; price 0 and 0 lots where nobody quotes."""

    last_update_id: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int


class _BookSide:
    """One side's levels. Keys rise toward the best price, so most levels come and go near the list's cheap end."""

    __slots__ = ("changed", "keys", "lots", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign  # key = sign * price: bids 1, asks -1
        self.lots: dict[int, int] = {}
        self.keys: list[int] = []
        self.changed: set[int] = set()

    def change(self, price_ticks: int, delta_lots: int) -> None:
        lots = self.lots
        before = lots.get(price_ticks, 0)
        after = before + delta_lots
        assert after >= 0
        self.changed.add(price_ticks)
        if after:
            lots[price_ticks] = after
            if not before:
                insort(self.keys, price_ticks * self.sign)
        elif before:
            del lots[price_ticks]
            del self.keys[bisect_left(self.keys, price_ticks * self.sign)]

    def best(self) -> tuple[int, int]:
        if not self.keys:
            return 0, 0
        price_ticks = self.keys[-1] * self.sign
        return price_ticks, self.lots[price_ticks]

    def levels(self, limit: int) -> Levels:
        keys = self.keys[-limit:] if limit else []
        return [(price, self.lots[price]) for price in (key * self.sign for key in reversed(keys))]

    def changes(self) -> Levels:
        prices = sorted(self.changed, reverse=self.sign > 0)
        return [(price, self.lots.get(price, 0)) for price in prices]


class DepthBook:
    """Both sides of one instrument, aggregated by price."""

    __slots__ = ("_previous_update_id", "_resting", "_sides", "last_update_id")

    def __init__(self) -> None:
        self._sides = (_BookSide(1), _BookSide(-1))  # indexed by Side
        self._resting = RestingOrders()
        self.last_update_id = 0
        self._previous_update_id = 0

    def change(
        self, side: int, price_ticks: int, delta_lots: int, order_id: int, cause: int, trade_id: int = 0
    ) -> None:
        """Add an order's lots to a level, or take them away: one update."""
        self.last_update_id += 1
        self._sides[side].change(price_ticks, delta_lots)
        self._resting.change(self.last_update_id, order_id, side, price_ticks, delta_lots, cause, trade_id)

    def take_back(self, side: int, price_ticks: int, lots: int, order_id: int) -> None:
        """Undo the last `change`, which brought an order with these lots, its update id included."""
        self._sides[side].change(price_ticks, -lots)
        self._resting.take_back(order_id)
        self.last_update_id -= 1

    def begin_batch(self) -> None:
        """Forget what the batch before changed."""
        self._previous_update_id = self.last_update_id
        bids, asks = self._sides
        bids.changed.clear()
        asks.changed.clear()
        self._resting.clear_changes()

    def changes(self) -> DepthUpdate:
        """Return what changed since `begin_batch`; with nothing changed, first is last + 1 and there are no levels."""
        bids, asks = self._sides
        previous = self._previous_update_id
        return DepthUpdate(previous + 1, self.last_update_id, previous, bids.changes(), asks.changes())

    def depth(self, limit: int) -> Depth:
        """Return at most `limit` best levels of each side."""
        bids, asks = self._sides
        return Depth(self.last_update_id, bids.levels(limit), asks.levels(limit))

    def order_changes(self) -> OrdersUpdate:
        """Return how orders changed since `begin_batch`, one change an update id."""
        previous = self._previous_update_id
        return OrdersUpdate(previous + 1, self.last_update_id, previous, self._resting.changes())

    def orders(self, limit: int) -> RestingDepth:
        """Return at most `limit` orders of each side, those that would trade first."""
        bids, asks = self._resting.side(Side.BUY, limit), self._resting.side(Side.SELL, limit)
        return RestingDepth(self.last_update_id, bids, asks)

    def ticker(self) -> BookTicker:
        """Return the best level of each side."""
        bids, asks = self._sides
        return BookTicker(self.last_update_id, *bids.best(), *asks.best())


class DepthAccumulator:
    """The sum of several updates, for a stream that sends less often than the market changes."""

    __slots__ = ("_asks", "_bids", "_first_update_id", "_last_update_id", "_previous_update_id")

    def __init__(self) -> None:
        self._bids: dict[int, int] = {}
        self._asks: dict[int, int] = {}
        self._first_update_id = 0
        self._last_update_id = 0
        self._previous_update_id = 0

    def add(self, update: DepthUpdate) -> None:
        """Put a later update on top; it must follow the one before without a gap while any is held."""
        if not update.bids and not update.asks:
            return
        if not self._first_update_id:
            self._first_update_id = update.first_update_id
            self._previous_update_id = update.previous_update_id
        else:
            assert update.previous_update_id == self._last_update_id
        self._last_update_id = update.last_update_id
        self._bids.update(update.bids)
        self._asks.update(update.asks)

    def take(self) -> DepthUpdate | None:
        """Return the sum of the updates since the last take and forget them; None if there were none."""
        if not self._first_update_id:
            return None
        update = DepthUpdate(
            self._first_update_id,
            self._last_update_id,
            self._previous_update_id,
            sorted(self._bids.items(), reverse=True),
            sorted(self._asks.items()),
        )
        self._first_update_id = 0
        self._bids.clear()
        self._asks.clear()
        return update
