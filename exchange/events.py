"""The event log: what happened, numbered from 1, in files that any process may read while they grow.

Event n is row (n - 1) % segment size of its segment, so a reader needs nothing but a number. The log is a cache:
it is not synced as it grows, and a start brings it to exactly what the journal yields.
"""

import os
from collections.abc import Container, Iterable, Iterator, Sequence
from itertools import repeat
from pathlib import Path
from typing import NamedTuple, Self, overload

import numpy as np

from exchange.config import EVENT_SEGMENT_EVENTS
from exchange.core.records import EVENT, EVENT_STRUCT
from exchange.core.types import EventKind

EVENT_BYTES = EVENT.itemsize
SUFFIX = ".events"
COMMAND_CHUNK_EVENTS = 64  # read at once where one command's are wanted: most have fewer
USE_MIN = 64  # redemptions in a row
_USE = frozenset({int(EventKind.REDEEMED)})
_FEW = 64  # up to here it is quicker to look at every row than to choose in the array


class Event(NamedTuple):
    """One row of EVENT as plain integers, field for field."""

    sequence: int
    time_ns: int
    kind: int
    side: int
    reason: int
    order_type: int
    time_in_force: int
    self_trade_prevention: int
    flags: int
    state: int
    account: int
    counter_account: int
    instrument: int
    asset: int
    order_id: int
    counter_order_id: int
    trade_id: int
    price_ticks: int
    quantity_lots: int
    leaves_lots: int
    amount: int
    fee: int
    counter_fee: int


assert Event._fields == EVENT.names


def rows(events: np.ndarray) -> list[Event]:
    """Return the events as tuples of integers, which Python code reads far faster than array rows."""
    # struct and tuple.__new__ take two thirds of the time of tolist() and _make()
    return list(map(tuple.__new__, repeat(Event), EVENT_STRUCT.iter_unpack(events.tobytes())))


class Events(Sequence[Event]):
    """Events that came together: an array, and rows for those who read rows, made when the first one does."""

    __slots__ = ("_address", "_kinds", "_rows", "array")

    def __init__(self, array: np.ndarray) -> None:
        """Take an array of EVENT, which nobody writes any more."""
        self.array = array
        self._rows: list[Event] | None = None
        self._kinds: frozenset[int] | None = None
        self._address = 0

    @classmethod
    def of(cls, events: Iterable[Event]) -> "Events":
        """Return rows as such, if they are not already."""
        if isinstance(events, Events):
            return events
        found = list(events)
        made = cls(np.frombuffer(b"".join([EVENT_STRUCT.pack(*row) for row in found]), EVENT))
        made._rows = found
        return made

    @property
    def address(self) -> int:
        """Return where the first of them stands in memory, for compiled folds."""
        if not self._address:
            self._address = self.array.ctypes.data
        return self._address

    @property
    def kinds(self) -> frozenset[int]:
        """Return which kinds there are among them."""
        if self._kinds is None:
            self._kinds = frozenset(self.array["kind"].tobytes())
        return self._kinds

    @property
    def rows(self) -> list[Event]:
        """Return all of them as rows."""
        if self._rows is None:
            self._rows = rows(self.array)
        return self._rows

    def chosen(self, kinds: frozenset[int]) -> Iterable[tuple[int, Event]]:
        """Return those of some kinds, each behind its place."""
        if kinds.isdisjoint(self.kinds):
            return ()
        if self._rows is not None or len(self.array) <= _FEW:
            return [(place, event) for place, event in enumerate(self.rows) if event.kind in kinds]
        places = np.flatnonzero(np.isin(self.array["kind"], list(kinds)))
        return zip(places.tolist(), rows(self.array[places]), strict=True)

    def about(self, instruments: Container[int]) -> list[Event]:
        """Return those that concern one of some instruments."""
        if self._rows is None and len(self.array) > _FEW:
            present = np.unique(self.array["instrument"])
            wanted = [one for one in present.tolist() if one in instruments]
            if len(wanted) < len(present):
                return rows(self.array[np.isin(self.array["instrument"], wanted)])
        return [event for event in self.rows if event.instrument in instruments]

    @property
    def is_use(self) -> bool:
        """Tell whether they are a run of redemptions, which are many and which hardly anybody reads one by one."""
        return self.kinds == _USE and len(self.array) >= USE_MIN

    def spans(self) -> Iterator["Events"]:
        """Yield them in order: each run of redemptions for itself, and what is between."""
        begin = 0
        for first, last in self._runs():
            if begin < first:
                yield Events(self.array[begin:first])
            yield Events(self.array[first:last])
            begin = last
        if begin == 0:
            yield self
        elif begin < len(self.array):
            yield Events(self.array[begin:])

    def _runs(self) -> list[tuple[int, int]]:
        """Return where runs of redemptions begin and end that are worth being treated as such."""
        if len(self.array) < USE_MIN or not self.kinds & _USE:
            return []
        used = np.concatenate(([False], self.array["kind"] == EventKind.REDEEMED, [False]))
        edges = np.flatnonzero(used[1:] != used[:-1]).reshape(-1, 2)
        return [(first, last) for first, last in edges.tolist() if last - first >= USE_MIN]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(self.array)

    def __iter__(self) -> Iterator[Event]:
        """Yield them as rows."""
        return iter(self.rows)

    @overload
    def __getitem__(self, place: int) -> Event: ...

    @overload
    def __getitem__(self, place: slice) -> list[Event]: ...

    def __getitem__(self, place: int | slice) -> Event | list[Event]:
        """Return one as a row, or some as rows."""
        if self._rows is not None or len(self.array) <= _FEW:
            return self.rows[place]
        if isinstance(place, slice):
            return rows(self.array[place])
        return rows(self.array[place : place + 1 or None])[0]


class EventReader:
    """The log as another process sees it: whatever whole events are there by now."""

    def __init__(self, directory: Path, segment_events: int = EVENT_SEGMENT_EVENTS) -> None:
        """Read the log in a directory, which need not exist yet."""
        self._directory = directory
        self._segment_events = segment_events
        self._last_segment = 0
        self._file: int | None = None
        self._file_segment = -1

    @property
    def count(self) -> int:
        """Return the number of whole events in the log."""
        while segment_path(self._directory, self._last_segment + 1, self._segment_events).exists():
            self._last_segment += 1
        path = segment_path(self._directory, self._last_segment, self._segment_events)
        size = path.stat().st_size if path.exists() else 0
        return self._last_segment * self._segment_events + size // EVENT_BYTES

    def read(self, after: int, limit: int) -> np.ndarray:
        """Return up to `limit` events, those numbered `after` + 1 and up, as far as they are there."""
        parts = []
        while limit > 0:
            segment, row = divmod(after, self._segment_events)
            part = self._read_rows(segment, row, min(limit, self._segment_events - row))
            parts.append(part)
            after += len(part)
            limit -= len(part)
            if row + len(part) < self._segment_events:
                break
        return parts[0] if len(parts) == 1 else np.concatenate([np.empty(0, EVENT), *parts])

    def close(self) -> None:
        """Give up the open file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._file_segment = -1

    def _read_rows(self, segment: int, row: int, limit: int) -> np.ndarray:
        if segment != self._file_segment:
            path = segment_path(self._directory, segment, self._segment_events)
            if not path.exists():
                return np.empty(0, EVENT)
            self.close()
            self._file = os.open(path, os.O_RDONLY)
            self._file_segment = segment
        assert self._file is not None
        data = os.pread(self._file, limit * EVENT_BYTES, row * EVENT_BYTES)
        return np.frombuffer(data, EVENT, len(data) // EVENT_BYTES)


class EventLog:
    """The log as its one writer sees it."""

    def __init__(self, directory: Path, segment_events: int, count: int) -> None:
        """Use `open`."""
        self._directory = directory
        self._segment_events = segment_events
        self._reader = EventReader(directory, segment_events)
        self._files: dict[int, int] = {}
        self.count = count

    @classmethod
    def open(cls, directory: Path, segment_events: int = EVENT_SEGMENT_EVENTS) -> Self:
        """Open the log in a directory, made if need be; the part of an event at the end does not count."""
        directory.mkdir(parents=True, exist_ok=True)
        reader = EventReader(directory, segment_events)
        return cls(directory, segment_events, reader.count)

    def append(self, events: np.ndarray) -> None:
        """Write events behind the last one, visible to readers on return; no sync."""
        self.write(self.count, events)

    def write(self, after: int, events: np.ndarray) -> None:
        """Write events from number `after` + 1 on, over what is there; there is no gap before them."""
        assert after <= self.count
        while count := len(events):
            segment, row = divmod(after, self._segment_events)
            room = self._segment_events - row
            part, events = (events[:room], events[room:]) if count > room else (events, events[:0])
            _write(self._file(segment), part, row * EVENT_BYTES)
            after += len(part)
        self.count = max(self.count, after)

    def read(self, after: int, limit: int) -> np.ndarray:
        """Return up to `limit` events, those numbered `after` + 1 and up."""
        return self._reader.read(after, min(limit, max(0, self.count - after)))

    def first_of(self, sequence: int) -> int:
        """Return the number of the first event of a command that is in the log, or of the next one's."""
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if int(self.read(middle, 1)["sequence"][0]) < sequence:
                low = middle + 1
            else:
                high = middle
        return low + 1

    def of_command(self, number: int) -> list[Event]:
        """Return an event and those behind it that the same command caused."""
        found = rows(self.read(number - 1, COMMAND_CHUNK_EVENTS))
        sequence = found[0].sequence
        while found[-1].sequence == sequence:
            more = rows(self.read(number - 1 + len(found), COMMAND_CHUNK_EVENTS))
            if not more:
                break
            found += more
        return [event for event in found if event.sequence == sequence]

    def cut(self, count: int) -> None:
        """Drop every event behind number `count`, and what there may be of another at the end."""
        segment, row = divmod(count, self._segment_events)
        for number in range(max(0, self.count - 1) // self._segment_events, segment, -1):
            self._drop(number)
        os.ftruncate(self._file(segment), row * EVENT_BYTES)
        self.count = min(self.count, count)

    def sync(self) -> None:
        """Wait until everything appended so far is on disk."""
        last = (self.count - 1) // self._segment_events
        for segment in sorted(self._files):
            os.fsync(self._files[segment])
            if segment < last:
                os.close(self._files.pop(segment))

    def close(self) -> None:
        """Give up the open files."""
        self._reader.close()
        for file in self._files.values():
            os.close(file)
        self._files.clear()

    def _file(self, segment: int) -> int:
        if segment not in self._files:
            path = segment_path(self._directory, segment, self._segment_events)
            self._files[segment] = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        return self._files[segment]

    def _drop(self, segment: int) -> None:
        file = self._files.pop(segment, None)
        if file is not None:
            os.close(file)
        self._reader.close()
        segment_path(self._directory, segment, self._segment_events).unlink(missing_ok=True)


def segment_path(directory: Path, segment: int, segment_events: int = EVENT_SEGMENT_EVENTS) -> Path:
    """Return the file of a segment, named by the number of its first event."""
    return directory / f"{segment * segment_events + 1:020d}{SUFFIX}"


def _write(file: int, data: np.ndarray, offset: int) -> None:
    written = os.pwrite(file, data, offset)  # type: ignore[arg-type]  # a view of its bytes takes as long as the write
    if written < data.nbytes:  # the disk is full: the next attempt says so
        _write(file, data.view(np.uint8)[written:], offset + written)
