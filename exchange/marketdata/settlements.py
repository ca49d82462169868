"""The settlement price of an instrument on a day: the mean of the day's last half hour, by quantity, rounded half up.

Without a trade in that time it is the last trade of the day, put between the best bid and ask at the day's end; and
without a trade on the day, what it was before. Trades within an account group and trades that were undone do not count.
"""

from collections import deque
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from exchange.core.types import DAY_NS, DAY_OFFSET_NS, SECOND_NS

WINDOW_NS = 30 * 60 * SECOND_NS
LAST_TRADES_MAX = 64  # remembered of an instrument and day, for when the last one is undone


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
    window_count: int  # those of its last half hour
    window_lots: int


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

    def add(self, time_ns: int, trade_id: int, price_ticks: int, lots: int) -> None:
        """Count a trade."""
        self.trade_count += 1
        self._last.append((trade_id, price_ticks))
        if is_in_window(time_ns):
            self._window_id = self._window_id or trade_id
            self._count(price_ticks, lots, 1)

    def add_many(self, times: np.ndarray, trade_ids: np.ndarray, prices: np.ndarray, lots: np.ndarray) -> None:
        """Count many trades of one day, at least one."""
        self.trade_count += len(times)
        last = slice(-LAST_TRADES_MAX, None)
        self._last.extend(zip(trade_ids[last].tolist(), prices[last].tolist(), strict=True))
        if not is_in_window(int(times[-1])):
            return
        inside = (times + DAY_OFFSET_NS) % DAY_NS >= DAY_NS - WINDOW_NS
        self._window_id = self._window_id or int(trade_ids[inside][0])
        for price, count in zip(prices[inside].tolist(), lots[inside].tolist(), strict=True):
            self._count(price, count, 1)

    def take_back(self, trade_id: int, price_ticks: int, lots: int) -> None:
        """Undo a trade; ids rise with time."""
        self.trade_count -= 1
        if (trade_id, price_ticks) in self._last:
            self._last.remove((trade_id, price_ticks))
        if self._window_id and trade_id >= self._window_id:
            self._count(price_ticks, lots, -1)

    def row(self, symbol: str, day: int, version: int, previous: SettlementRow | None) -> SettlementRow:
        """Return what is published for a day."""
        price, tier = self._price(previous)
        return SettlementRow(
            day, symbol, version, price, tier.value, self.trade_count, self.window_count, self.window_lots
        )

    def _count(self, price_ticks: int, lots: int, sign: int) -> None:
        self.window_count += sign
        self.window_lots += sign * lots
        self._window_value += sign * price_ticks * lots

    def _price(self, previous: SettlementRow | None) -> tuple[int, Tier]:
        if self.window_lots:
            return (2 * self._window_value + self.window_lots) // (2 * self.window_lots), Tier.WINDOW
        if self._last:
            return clamped(self._last[-1][1], self.closing), Tier.LAST
        if previous is not None and previous.price_ticks:
            return previous.price_ticks, Tier.PREVIOUS
        return 0, Tier.NONE


def day_of(time_ns: int) -> int:
    """Return the trading day of a time: days of China Standard Time since 1970."""
    return (time_ns + DAY_OFFSET_NS) // DAY_NS


def is_in_window(time_ns: int) -> bool:
    """Tell whether a time is in the last half hour of its trading day."""
    return (time_ns + DAY_OFFSET_NS) % DAY_NS >= DAY_NS - WINDOW_NS


def clamped(price_ticks: int, quote: Quote) -> int:
    """Return a price put between bid and ask, as far as there are any."""
    raised = max(price_ticks, quote.bid_ticks)
    return min(raised, quote.ask_ticks) if quote.ask_ticks else raised
