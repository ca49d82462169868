"""The settlement price of an instrument on a day: the mean of a window at the day's end, by quantity, rounded half up.

Without a trade in that time it is the last trade of the day, put between the best bid and ask at the day's end; and
without a trade on the day, what it was before. Trades within an account group and trades that were undone do not count.
"""

from collections import deque
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from exchange.marketdata.folds.prices import LAST_MAX, WINDOW_LOTS, WINDOW_VALUE, total

LAST_TRADES_MAX = LAST_MAX  # remembered of an instrument and day, for when the last one is undone


class Tier(StrEnum):
    """How a settlement price came about."""

    WINDOW = "WINDOW"
    LAST = "LAST"
    PREVIOUS = "PREVIOUS"
    NONE = "NONE"  # all that an earlier version counted was undone, and there was no price before


class SettlementRow(NamedTuple):
    """One version of an instrument's settlement price on a day."""

    day: int  # trading days since 1970
    symbol: str
    version: int
    price_ticks: int
    tier: str
    trade_count: int  # eligible trades of the day
    window_count: int  # those of the window at its end
    window_lots: int
    methodology: int  # version


class Quote(NamedTuple):
    """The best bid and ask when a day ended; 0 where there was none."""

    bid_ticks: int = 0
    ask_ticks: int = 0


class Trading:
    """The eligible trades of an instrument on one day, as far as its settlement price needs them."""

    def __init__(self) -> None:
        self.closing = Quote()
        self.trade_count = 0
        self.window_count = 0
        self.window_lots = 0
        self._window_value = 0
        self._window_id = 0  # of the first trade in the window
        self._last: deque[tuple[int, int]] = deque(maxlen=LAST_TRADES_MAX)  # (trade id, price)

    def add_sums(self, book: np.void) -> None:
        """Count trades that were summed up already, and come behind all that were counted."""
        count = int(book["trade_count"])
        self.trade_count += count
        oldest = count % LAST_MAX if count > LAST_MAX else 0  # the last ones stand in a ring
        for place in range(oldest, oldest + min(count, LAST_MAX)):
            at = place % LAST_MAX
            self._last.append((int(book["last_ids"][at]), int(book["last_ticks"][at])))
        self._window_id = self._window_id or int(book["window_id"])
        self.window_count += int(book["window_count"])
        self.window_lots += total(book["sums"][WINDOW_LOTS])
        self._window_value += total(book["sums"][WINDOW_VALUE])

    def take_back(self, trade_id: int, price_ticks: int, lots: int) -> None:
        """Undo a trade; ids rise with time."""
        self.trade_count -= 1
        if (trade_id, price_ticks) in self._last:
            self._last.remove((trade_id, price_ticks))
        if self._window_id and trade_id >= self._window_id:
            self.window_count -= 1
            self.window_lots -= lots
            self._window_value -= price_ticks * lots

    def row(
        self, symbol: str, day: int, version: int, previous: SettlementRow | None, methodology: int
    ) -> SettlementRow:
        """Return what is published for a day."""
        price, tier = self._price(previous)
        counts = self.trade_count, self.window_count, self.window_lots
        return SettlementRow(day, symbol, version, price, tier.value, *counts, methodology)

    def _price(self, previous: SettlementRow | None) -> tuple[int, Tier]:
        if self.window_lots:
            return (2 * self._window_value + self.window_lots) // (2 * self.window_lots), Tier.WINDOW
        if self._last:
            return clamped(self._last[-1][1], self.closing), Tier.LAST
        if previous is not None and previous.price_ticks:
            return previous.price_ticks, Tier.PREVIOUS
        return 0, Tier.NONE


def clamped(price_ticks: int, quote: Quote) -> int:
    """Return a price put between bid and ask, as far as there are any."""
    raised = max(price_ticks, quote.bid_ticks)
    return min(raised, quote.ask_ticks) if quote.ask_ticks else raised
