"""The last 24 hours of one instrument, to the minute: the last 1,440 minutes, the running one included.

Closed minutes are summed once when the window moves on, not at every question.
"""

from typing import NamedTuple

from exchange.marketdata.candles import Candle, Candles, merge
from exchange.marketdata.intervals import DAY_MS, MINUTE_MS


class Statistics(NamedTuple):
    """What traded in the window; without a trade in it all prices are the last one and trade ids are -1.

    `average_units` is the volume-weighted price of one lot in quote units, rounded down.
    """

    open_ms: int
    close_ms: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    last_ticks: int
    previous_ticks: int  # last price before the window, 0 if unknown
    volume_lots: int
    amount: int
    average_units: int
    trade_count: int
    first_trade_id: int
    last_trade_id: int


class Window:
    """Answers for one instrument, remembering the sum of the closed minutes."""

    __slots__ = ("_candles", "_closed", "_range")

    def __init__(self, candles: Candles) -> None:
        self._candles = candles
        self._range = (0, 0)
        self._closed: Candle | None = None

    def statistics(self, now_ms: int) -> Statistics:
        """Return the 24 hours up to the end of the minute of `now_ms`, not before the latest trade."""
        minute = self._candles.minute
        assert minute is not None, "a window is made with the first trade"
        end_ms = max(minute.open_ms, now_ms // MINUTE_MS * MINUTE_MS) + MINUTE_MS
        begin_ms = end_ms - DAY_MS
        begin = self._candles.minutes.find(begin_ms)
        traded = _both(self._sum(begin), minute if minute.open_ms >= begin_ms else None)
        previous = self._candles.minutes.row(begin - 1).close_ticks if begin else 0
        if traded is None:
            last = minute.close_ticks
            return Statistics(begin_ms, now_ms, last, last, last, last, last, 0, 0, 0, 0, -1, -1)
        return Statistics(
            open_ms=begin_ms,
            close_ms=now_ms,
            open_ticks=traded.open_ticks,
            high_ticks=traded.high_ticks,
            low_ticks=traded.low_ticks,
            last_ticks=traded.close_ticks,
            previous_ticks=previous,
            volume_lots=traded.volume_lots,
            amount=traded.amount,
            average_units=traded.amount // traded.volume_lots,
            trade_count=traded.trade_count,
            first_trade_id=traded.first_trade_id,
            last_trade_id=traded.last_trade_id,
        )

    def _sum(self, begin: int) -> Candle | None:
        minutes = self._candles.minutes
        count = len(minutes)
        if begin == count:
            return None
        wanted = (minutes.dropped + begin, minutes.dropped + count)
        if wanted != self._range:
            self._range = wanted
            self._closed = minutes.merge(begin, count, 0, 0)
        return self._closed


def empty_statistics(now_ms: int) -> Statistics:
    """Return the statistics of an instrument that never traded."""
    end_ms = now_ms // MINUTE_MS * MINUTE_MS + MINUTE_MS
    return Statistics(end_ms - DAY_MS, now_ms, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1)


def _both(closed: Candle | None, running: Candle | None) -> Candle | None:
    return merge(closed, running) if closed and running else closed or running
