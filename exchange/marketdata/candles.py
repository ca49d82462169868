"""Candles of one instrument: kept by the minute, half hour and day, every other interval aggregated when asked for.

Trades are counted in the open minute; one that closes is added to the open half hour and the open day. So each
kept interval goes as far back as its own limit allows, and closed candles are flat integers, 96 bytes each.
A minute without trades has no candle, nor has any interval without one.
"""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from exchange.marketdata.intervals import Interval, interval_bounds

INT64_MAX = (1 << 63) - 1
# what each interval is made of, and of how many at most
_SOURCES = {
    Interval.MINUTE_1: (Interval.MINUTE_1, 1),
    Interval.MINUTE_3: (Interval.MINUTE_1, 3),
    Interval.MINUTE_5: (Interval.MINUTE_1, 5),
    Interval.MINUTE_15: (Interval.MINUTE_1, 15),
    Interval.MINUTE_30: (Interval.MINUTE_30, 1),
    Interval.HOUR_1: (Interval.MINUTE_30, 2),
    Interval.HOUR_2: (Interval.MINUTE_30, 4),
    Interval.HOUR_4: (Interval.MINUTE_30, 8),
    Interval.HOUR_6: (Interval.MINUTE_30, 12),
    Interval.HOUR_8: (Interval.MINUTE_30, 16),
    Interval.HOUR_12: (Interval.MINUTE_30, 24),
    Interval.DAY_1: (Interval.DAY_1, 1),
    Interval.DAY_3: (Interval.DAY_1, 3),
    Interval.WEEK_1: (Interval.DAY_1, 7),
    Interval.MONTH_1: (Interval.DAY_1, 31),
}


class Candle(NamedTuple):
    """What traded in an interval, in the order of the streams' klines; amounts are notionals in quote units."""

    open_ms: int
    open_ticks: int
    high_ticks: int
    low_ticks: int
    close_ticks: int
    volume_lots: int
    close_ms: int  # the interval's last millisecond
    amount: int
    trade_count: int
    taker_buy_lots: int
    taker_buy_amount: int
    first_trade_id: int
    last_trade_id: int


_WIDTH = len(Candle._fields)
_OPEN_MS, _CLOSE_MS, _FIRST_ID, _LAST_ID = (
    Candle._fields.index(name) for name in ("open_ms", "close_ms", "first_trade_id", "last_trade_id")
)
_OPEN, _HIGH, _LOW, _CLOSE = (
    Candle._fields.index(name) for name in ("open_ticks", "high_ticks", "low_ticks", "close_ticks")
)
_SUMS = tuple(
    Candle._fields.index(name)
    for name in ("volume_lots", "amount", "trade_count", "taker_buy_lots", "taker_buy_amount")
)


def merge(earlier: Candle, later: Candle) -> Candle:
    """Return the candle of two that follow each other, over the interval of the earlier one."""
    return Candle(
        open_ms=earlier.open_ms,
        open_ticks=earlier.open_ticks,
        high_ticks=max(earlier.high_ticks, later.high_ticks),
        low_ticks=min(earlier.low_ticks, later.low_ticks),
        close_ticks=later.close_ticks,
        volume_lots=earlier.volume_lots + later.volume_lots,
        close_ms=earlier.close_ms,
        amount=earlier.amount + later.amount,
        trade_count=earlier.trade_count + later.trade_count,
        taker_buy_lots=earlier.taker_buy_lots + later.taker_buy_lots,
        taker_buy_amount=earlier.taker_buy_amount + later.taker_buy_amount,
        first_trade_id=earlier.first_trade_id,
        last_trade_id=later.last_trade_id,
    )


class CandleRows:
    """Candles of one interval in time order as one flat array, the oldest dropped beyond the limit."""

    __slots__ = ("_candles_max", "dropped", "flat")

    def __init__(self, candles_max: int) -> None:
        self._candles_max = candles_max
        self.flat = array("q")
        self.dropped = 0  # rows forgotten so far: row i is the (dropped + i)-th there ever was

    def __len__(self) -> int:
        return len(self.flat) // _WIDTH

    def append(self, candle: Candle) -> None:
        """Add the next candle. Sums beyond an int64 stay at its maximum: statistics, not accounts."""
        self.flat.extend([min(value, INT64_MAX) for value in candle])
        if len(self) > self._candles_max:
            del self.flat[:_WIDTH]
            self.dropped += 1

    def part(self, begin: int, end: int, *behind: Candle | None) -> "CandleRows":
        """Return a copy of some rows and of the candles behind them, as far as there are any."""
        copy = CandleRows(end - begin + len(behind))
        copy.flat = self.flat[begin * _WIDTH : end * _WIDTH]
        for candle in behind:
            if candle is not None:
                copy.append(candle)
        return copy

    def find(self, open_ms: int) -> int:
        """Return the first row whose interval begins at that time or later."""
        flat = self.flat
        return bisect_left(range(len(self)), open_ms, key=lambda row: flat[row * _WIDTH])

    def row(self, row: int) -> Candle:
        """Return one candle."""
        return Candle._make(self.flat[row * _WIDTH : (row + 1) * _WIDTH])

    def merge(self, begin: int, end: int, open_ms: int, close_ms: int) -> Candle:
        """Return the candle that rows `begin` up to `end`, at least one, make together."""
        low, high = begin * _WIDTH, end * _WIDTH
        flat = self.flat
        if end - begin == 1:  # most of what is asked for
            row = flat[low:high]
            row[_OPEN_MS], row[_CLOSE_MS] = open_ms, close_ms
            return tuple.__new__(Candle, row)
        volume, amount, count, buy_lots, buy_amount = (sum(flat[low + field : high : _WIDTH]) for field in _SUMS)
        return Candle(
            open_ms=open_ms,
            open_ticks=flat[low + _OPEN],
            high_ticks=max(flat[low + _HIGH : high : _WIDTH]),
            low_ticks=min(flat[low + _LOW : high : _WIDTH]),
            close_ticks=flat[high - _WIDTH + _CLOSE],
            volume_lots=volume,
            close_ms=close_ms,
            amount=amount,
            trade_count=count,
            taker_buy_lots=buy_lots,
            taker_buy_amount=buy_amount,
            first_trade_id=flat[low + _FIRST_ID],
            last_trade_id=flat[high - _WIDTH + _LAST_ID],
        )


class _Kept:
    """One kept interval longer than a minute: closed candles and the open one, fed with closed minutes."""

    __slots__ = ("interval", "opened", "rows")

    def __init__(self, interval: Interval, candles_max: int) -> None:
        self.interval = interval
        self.rows = CandleRows(candles_max)
        self.opened: Candle | None = None

    def add(self, minute: Candle) -> None:
        if self.opened is not None:
            if minute.open_ms <= self.opened.close_ms:
                self.opened = merge(self.opened, minute)
                return
            self.rows.append(self.opened)
        begin, end = interval_bounds(self.interval, minute.open_ms)
        self.opened = minute._replace(open_ms=begin, close_ms=end - 1)


class Candles:
    """All candles of one instrument."""

    __slots__ = ("_days", "_half_hours", "_minute", "minutes")

    def __init__(self, candles_max: int) -> None:
        self.minutes = CandleRows(candles_max)  # closed ones
        self._minute: Candle | None = None
        self._half_hours = _Kept(Interval.MINUTE_30, candles_max)
        self._days = _Kept(Interval.DAY_1, candles_max)

    @property
    def minute(self) -> Candle | None:
        """Return the minute of the latest trade, which may still grow; None before the first trade."""
        return self._minute

    def put(self, minute: Candle) -> None:
        """Say how the minute of the latest trade stands; another one closes the one before."""
        if self._minute is not None and self._minute.open_ms != minute.open_ms:
            self._close(self._minute)
        self._minute = minute

    def read(self, interval: Interval, start_ms: int | None, end_ms: int | None, limit: int) -> list[Candle]:
        """Return candles that begin within [start, end], oldest first.

        The first `limit` of them if a start is given, else the last `limit`; none whose beginning is forgotten.
        """
        first_ms, rows = self._rows(interval, start_ms, end_ms, limit)
        groups = [
            (begin, end, open_ms, next_ms - 1)
            for begin, end, open_ms, next_ms in _groups(rows, interval)
            if open_ms >= first_ms and (end_ms is None or open_ms <= end_ms)
        ]
        wanted = groups[:limit] if start_ms is not None else groups[max(0, len(groups) - limit) :]
        return [rows.merge(*group) for group in wanted]

    def _rows(self, interval: Interval, start_ms: int | None, end_ms: int | None, limit: int) -> tuple[int, CandleRows]:
        """Return a copy of the rows that the wanted candles are made of, and since when they are complete."""
        closed, opened, rows_max = self._source(interval)
        rows_max *= limit + 2  # the outermost candle at either end may be cut
        is_cut = closed.dropped > 0
        if start_ms is not None:
            begin = closed.find(start_ms)
            end = min(len(closed), begin + rows_max)
            is_cut = is_cut and begin == 0
        else:
            end = self._end(interval, closed, end_ms)
            begin = max(0, end - rows_max)
            is_cut = is_cut or begin > 0
        rows = closed.part(begin, end, *(opened if end == len(closed) else ()))
        first_ms = rows.flat[0] if is_cut and rows.flat else 0
        return max(first_ms, start_ms or 0), rows

    def _source(self, interval: Interval) -> tuple[CandleRows, tuple[Candle | None, ...], int]:
        """Return the closed and open candles that an interval is made of, and how many of them at most."""
        source, rows_max = _SOURCES[interval]
        if source is Interval.MINUTE_1:
            return self.minutes, (self.minute,), rows_max
        kept = self._days if source is Interval.DAY_1 else self._half_hours
        return kept.rows, (kept.opened, self.minute), rows_max

    def _end(self, interval: Interval, closed: CandleRows, end_ms: int | None) -> int:
        """Return the row behind those of the interval that holds `end_ms`."""
        if end_ms is None or self._minute is None or end_ms >= self._minute.open_ms:
            return len(closed)
        return closed.find(interval_bounds(interval, max(0, end_ms))[1])

    def _close(self, minute: Candle) -> None:
        self.minutes.append(minute)
        self._half_hours.add(minute)
        self._days.add(minute)


def _groups(rows: CandleRows, interval: Interval) -> Iterator[tuple[int, int, int, int]]:
    """Yield first row, row behind the last, beginning and next beginning of each interval."""
    begin, count = 0, len(rows)
    while begin < count:
        open_ms, next_ms = interval_bounds(interval, rows.flat[begin * _WIDTH])
        end = begin + 1
        while end < count and rows.flat[end * _WIDTH] < next_ms:
            end += 1
        yield begin, end, open_ms, next_ms
        begin = end
