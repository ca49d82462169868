"""The intervals candles are asked for, and where each of them begins and ends, in milliseconds of UTC."""

from datetime import date
from enum import StrEnum
from typing import NamedTuple

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_MONDAY_MS = 4 * DAY_MS  # 1970-01-05, the first Monday: weeks are counted from it


class Interval(StrEnum):
    """What one candle spans, by the name the streams use (a month is the capital M)."""

    MINUTE_1 = "1m"
    MINUTE_3 = "3m"
    MINUTE_5 = "5m"
    MINUTE_15 = "15m"
    MINUTE_30 = "30m"
    HOUR_1 = "1h"
    HOUR_2 = "2h"
    HOUR_4 = "4h"
    HOUR_6 = "6h"
    HOUR_8 = "8h"
    HOUR_12 = "12h"
    DAY_1 = "1d"
    DAY_3 = "3d"
    WEEK_1 = "1w"
    MONTH_1 = "1M"


class _Grid(NamedTuple):
    width_ms: int
    origin_ms: int = 0


_GRIDS = {
    Interval.MINUTE_1: _Grid(MINUTE_MS),
    Interval.MINUTE_3: _Grid(3 * MINUTE_MS),
    Interval.MINUTE_5: _Grid(5 * MINUTE_MS),
    Interval.MINUTE_15: _Grid(15 * MINUTE_MS),
    Interval.MINUTE_30: _Grid(30 * MINUTE_MS),
    Interval.HOUR_1: _Grid(HOUR_MS),
    Interval.HOUR_2: _Grid(2 * HOUR_MS),
    Interval.HOUR_4: _Grid(4 * HOUR_MS),
    Interval.HOUR_6: _Grid(6 * HOUR_MS),
    Interval.HOUR_8: _Grid(8 * HOUR_MS),
    Interval.HOUR_12: _Grid(12 * HOUR_MS),
    Interval.DAY_1: _Grid(DAY_MS),
    Interval.DAY_3: _Grid(3 * DAY_MS),
    Interval.WEEK_1: _Grid(7 * DAY_MS, _MONDAY_MS),
}


def interval_bounds(interval: Interval, time_ms: int) -> tuple[int, int]:
    """Return the first millisecond of the interval that holds a time, and the first of the next one."""
    if interval is Interval.MONTH_1:
        return _month_bounds(time_ms)
    width, origin = _GRIDS[interval]
    begin = (time_ms - origin) // width * width + origin
    return begin, begin + width


def _month_bounds(time_ms: int) -> tuple[int, int]:
    day = date.fromordinal(_EPOCH_ORDINAL + time_ms // DAY_MS)
    begin = day.replace(day=1)
    end = date(begin.year + begin.month // 12, begin.month % 12 + 1, 1)
    return (begin.toordinal() - _EPOCH_ORDINAL) * DAY_MS, (end.toordinal() - _EPOCH_ORDINAL) * DAY_MS
