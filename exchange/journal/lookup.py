"""One command out of the journal by its sequence number, without an index to keep or to lose.

Commands are numbered without a gap, so a look at any place says on which side of it one stands, and each look halves
what is left. Whoever looks may do so while another thread appends or trims: a record that is not whole is none, and a
segment that is gone holds what is oldest.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from functools import partial
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import NamedTuple

from crc32c import crc32c

from exchange.core.records import COMMAND_STRUCT
from exchange.journal import frame
from exchange.journal.frame import ALIGNMENT, CHECKED_FROM, HEADER, MAGIC, RecordKind

NEAR_BYTES = 2_048  # from here on it is quicker to go from record to record
BLANK_BYTES = 4_096  # of zeros in a row are the end of a segment: every command has its numbers
NOBODY = 1 << 63  # a sequence number that no command has
TRIMMED = 0  # one that is below all
SEARCHED_BYTES = 65_536  # at once, between two looks for the end
_COMMANDS, _COMMAND_BYTES = int(RecordKind.COMMANDS), COMMAND_STRUCT.size


class _Place(NamedTuple):
    """Commands of one record: where they begin and end in its segment, and the number of the first."""

    begin: int
    end: int
    sequence: int

    def offset_of(self, sequence: int) -> int:
        """Return where a command stands if it is one of these, else a place behind their end."""
        return self.begin + (sequence - self.sequence) * _COMMAND_BYTES


class Lookup:
    """Finds commands in segments, of which it keeps open the one it found the last one in; for one thread."""

    def __init__(self, path_of: Callable[[int], Path]) -> None:
        """Know the file of the segment that begins with a position."""
        self._path_of = path_of
        self._firsts: dict[int, int | None] = {}  # the first command of each segment that was looked at, if it has any
        self._open: tuple[int, mmap] | None = None

    def command(self, segments: Sequence[int], sequence: int) -> bytes | None:
        """Return a command out of segments that follow each other, None if they do not have it."""
        segments = tuple(segments)  # as they are now
        first_from = partial(self._first_from, segments)
        place = bisect_right(range(len(segments)), sequence, key=first_from) - 1
        if place < 0:
            return None
        try:
            return _found(self._data(segments[place]), sequence)
        except FileNotFoundError:  # trimmed
            return None

    def close(self) -> None:
        """Give up the open segment."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _first_from(self, segments: Sequence[int], place: int) -> int:
        """Return the first command of a segment, or of the next one that has any: so the numbers ascend."""
        for segment in segments[place:]:
            if segment not in self._firsts:
                try:
                    data = self._data(segment)
                except FileNotFoundError:
                    return TRIMMED
                found = _commands_from(data, 0, len(data))
                if found is None and segment == segments[-1]:
                    return NOBODY  # as yet
                self._firsts[segment] = None if found is None else found.sequence
            first = self._firsts[segment]
            if first is not None:
                return first
        return NOBODY

    def _data(self, segment: int) -> mmap:
        if self._open is None or self._open[0] != segment:
            self.close()
            with self._path_of(segment).open("rb") as file:
                self._open = segment, mmap(file.fileno(), 0, access=ACCESS_READ)
        return self._open[1]


def _found(data: mmap, sequence: int) -> bytes | None:
    """Return a command out of a segment."""
    low, high = _commands_from(data, 0, len(data)), len(data)
    while low is not None and low.sequence <= sequence:
        begin = low.offset_of(sequence)
        if begin < low.end:
            return data[begin : begin + _COMMAND_BYTES]
        if high - low.end <= NEAR_BYTES:
            low = _commands_from(data, low.end, len(data))
            continue
        middle = (low.end + high) // 2
        found = _commands_from(data, middle, high)
        if found is None or found.sequence > sequence:
            high = middle
        else:
            low = found
    return None


def _commands_from(data: mmap, begin: int, end: int) -> _Place | None:
    """Return the first whole record of commands that begins within a range."""
    offset = begin + -begin % ALIGNMENT
    while offset < end:
        found = data.find(MAGIC, offset, min(end, offset + SEARCHED_BYTES) + len(MAGIC) - 1)
        if found < 0:
            if not data[offset : offset + BLANK_BYTES].strip(b"\0"):
                return None
            offset += SEARCHED_BYTES
            continue
        kind, length = _record_at(data, found)
        if kind == _COMMANDS:
            first = found + HEADER.size
            return _Place(first, first + length, int.from_bytes(data[first : first + 8], "little"))
        offset = found + (frame.size(length) if kind else 1)
    return None


def _record_at(data: mmap, offset: int) -> tuple[int, int]:
    """Return kind and length of the record at a place, no kind where no whole one stands."""
    if offset % ALIGNMENT or offset + HEADER.size > len(data):
        return 0, 0
    _, checksum, _, _, _, _, length, kind, _, _ = HEADER.unpack_from(data, offset)
    end = offset + frame.size(length)
    if end > len(data) or crc32c(data[offset + CHECKED_FROM : end]) != checksum:
        return 0, 0
    return kind, length
