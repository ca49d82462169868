"""Ids seen lately: client order ids and usage ids, each applied once within its window.

A ring in time order with an open-addressing index over it. Keys are 128 bits; the index probes linearly and closes
gaps on removal, so it never degrades.
"""

from exchange.core.jit import Record, int64, kernel, routine, scatter
from exchange.core.types import NIL


@kernel
def _row(ids: Record, position: int) -> int:
    return position % len(ids.rows)


@kernel
def _home(ids: Record, row: int) -> int:
    return scatter(ids.rows[row].key_low, ids.index_bits)


@routine
def find(ids: Record, key_low: int, key_high: int, time_ns: int, window_ns: int) -> int:
    """Return the value of an id younger than the window, NIL if there is none (no value is NIL)."""
    places = len(ids.index) - 1
    place = scatter(key_low, ids.index_bits)
    while ids.index[place] != 0:
        row = ids.rows[int64(ids.index[place]) - 1]
        if row.key_low == key_low and row.key_high == key_high and time_ns - row.time_ns < window_ns:
            return row.value
        place = (place + 1) & places
    return NIL


@routine
def has_room(ids: Record, time_ns: int, window_ns: int) -> bool:
    """Tell whether one more id fits once the oldest may be forgotten, that is `window_ns` after it came."""
    if ids.last - ids.first < len(ids.rows):
        return True
    return time_ns - ids.rows[_row(ids, ids.first)].time_ns >= window_ns


@routine
def remember(ids: Record, key_low: int, key_high: int, time_ns: int, value: int, window_ns: int) -> None:
    """Add an id that is not there, after dropping those older than the window, and the oldest of a full ring."""
    while ids.first < ids.last and time_ns - ids.rows[_row(ids, ids.first)].time_ns >= window_ns:
        _forget(ids, _row(ids, ids.first))
        ids.first += 1
    if ids.last - ids.first == len(ids.rows):
        _forget(ids, _row(ids, ids.first))
        ids.first += 1
    row = _row(ids, ids.last)
    ids.last += 1
    entry = ids.rows[row]
    entry.key_low = key_low
    entry.key_high = key_high
    entry.time_ns = time_ns
    entry.value = value
    _enter(ids, row)


@kernel
def _enter(ids: Record, row: int) -> None:
    """Put a row into the index."""
    places = len(ids.index) - 1
    place = _home(ids, row)
    while ids.index[place] != 0:
        place = (place + 1) & places
    ids.index[place] = row + 1


@kernel
def enter_all(ids: Record) -> None:
    """Make the index again, which is empty: every id comes to stand where it stood.

    Of two ids that want one place the older has it, however many older ones there were and are forgotten: when one
    goes, the next that wanted its place moves up, and so on, which is how they would stand had it never been there.
    """
    for position in range(ids.first, ids.last):
        _enter(ids, _row(ids, position))


@routine
def _forget(ids: Record, row: int) -> None:
    """Take a row out of the index, moving later ones up so that no probe meets a gap."""
    places = len(ids.index) - 1
    gap = _home(ids, row)
    while ids.index[gap] != row + 1:
        gap = (gap + 1) & places
    place = (gap + 1) & places
    while ids.index[place] != 0:
        home = _home(ids, int64(ids.index[place]) - 1)
        if (place - home) & places >= (place - gap) & places:
            ids.index[gap] = ids.index[place]
            gap = place
        place = (place + 1) & places
    ids.index[gap] = 0
