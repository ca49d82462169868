"""The depth of one instrument: lots open at each price, and what changed since the last batch of events.

Every change of one level has the next update id of its instrument, so ids are contiguous and depend on the
events alone, not on how they were cut into batches. What the last batch changed is a plain read: any number of readers
may ask, and nobody has to, so an instrument without readers gathers nothing.
A stream slower than the batches adds each batch's update to a `DepthAccumulator` of its own and takes the sum.
"""

from typing import NamedTuple

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
