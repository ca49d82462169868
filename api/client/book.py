"""A book kept by its reader: from a snapshot and the changes behind it, and never silently wrong.

Every update says which one it follows, and where the stream gives a checksum of the best levels it is compared. A book
that missed something, or whose connection is gone, is stale and says why; its levels are then what they last were.
"""

import zlib
from collections.abc import Iterable
from decimal import Decimal
from enum import Enum

from sortedcontainers import SortedDict

Level = tuple[Decimal, Decimal]  # price, quantity
CHECKED_LEVELS = 10  # of each side are in the checksum


class Standing(Enum):
    """How far a book can be trusted."""

    EMPTY = "waits for its first snapshot"
    LIVE = "follows the exchange"
    STALE = "has missed something"


class LocalBook:
    """The levels of one instrument."""

    def __init__(self, symbol: str) -> None:
        """Begin without a snapshot."""
        self.symbol = symbol
        self.standing = Standing.EMPTY
        self.reason = ""  # why it is stale
        self.last_update_id = 0
        self.gap_count = 0
        self._bids = SortedDict()  # negated price: level
        self._asks = SortedDict()

    @property
    def is_stale(self) -> bool:
        """Return whether the levels may differ from the exchange's."""
        return self.standing is not Standing.LIVE

    @property
    def best_bid(self) -> Level | None:
        """Return the highest price to buy and what is open there."""
        return self._bids.peekitem(0)[1] if self._bids else None

    @property
    def best_ask(self) -> Level | None:
        """Return the lowest price to sell and what is open there."""
        return self._asks.peekitem(0)[1] if self._asks else None

    def bids(self, limit: int | None = None) -> list[Level]:
        """Return levels to buy, best first."""
        return list(self._bids.values()[:limit])

    def asks(self, limit: int | None = None) -> list[Level]:
        """Return levels to sell, best first."""
        return list(self._asks.values()[:limit])

    def snapshot(
        self, last_update_id: int, bids: Iterable[Level], asks: Iterable[Level], checksum: int | None = None
    ) -> None:
        """Begin anew with how things stand."""
        self._bids.clear()
        self._asks.clear()
        self._apply(bids, asks)
        self.last_update_id = last_update_id
        self.standing, self.reason = Standing.LIVE, ""
        self._check(checksum)

    def update(
        self,
        first_update_id: int,
        last_update_id: int,
        previous_update_id: int,
        bids: Iterable[Level],
        asks: Iterable[Level],
        checksum: int | None = None,
    ) -> bool:
        """Apply changes; return whether they followed. What is older than the book is no gap."""
        if self.is_stale:
            return False
        if last_update_id <= self.last_update_id:
            return True
        first_after_snapshot = first_update_id <= self.last_update_id + 1
        if previous_update_id != self.last_update_id and not first_after_snapshot:
            self.lose(f"update {first_update_id} came, but {self.last_update_id + 1} is next")
            return False
        self._apply(bids, asks)
        self.last_update_id = last_update_id
        self._check(checksum)
        return not self.is_stale

    def lose(self, reason: str) -> None:
        """Stop trusting the levels until the next snapshot."""
        if self.standing is Standing.LIVE:
            self.gap_count += 1
        self.standing, self.reason = Standing.STALE, reason

    def checksum(self) -> int:
        """Return the CRC-32 of the best levels, as the exchange computes it."""
        sides = (self.bids(CHECKED_LEVELS), self.asks(CHECKED_LEVELS))
        text = "|".join([",".join([f"{price:f}:{quantity:f}" for price, quantity in side]) for side in sides])
        return zlib.crc32(text.encode("ascii"))

    def _apply(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        for price, quantity in bids:
            _put(self._bids, -price, (price, quantity))
        for price, quantity in asks:
            _put(self._asks, price, (price, quantity))

    def _check(self, told: int | None) -> None:
        if told is not None and told != self.checksum():
            self.lose(f"the levels at update {self.last_update_id} are not those of the exchange")


def _put(side: SortedDict, key: Decimal, level: Level) -> None:
    if level[1]:
        side[key] = level
    else:
        side.pop(key, None)
