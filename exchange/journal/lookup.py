"""One command out of the journal by its sequence number, without an index to keep or to lose.

Commands are numbered without a gap and come at an even pace, so where one stands can be guessed, and a look at any
place says on which side of it the command is. Whoever looks may do so while another thread appends: a record that is
not whole is none.
"""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import cycle
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
_COMMANDS, _COMMAND_BYTES = int(RecordKind.COMMANDS), COMMAND_STRUCT.size


class _Place(NamedTuple):
    """A record of commands: where it begins and ends in its segment, and its first command."""

    begin: int
    end: int
    sequence: int


class Lookup:
    """Finds commands in segments, of which it keeps open the one it found the last one in; for one thread."""

    def __init__(self, path_of: Callable[[int], Path]) -> None:
        """Know the file of the segment that begins with a position."""
        self._path_of = path_of
        self._firsts: dict[int, int] = {}  # the first command of each segment that was looked at
        self._open: tuple[int, mmap] | None = None

    def command(self, segments: Sequence[int], sequence: int) -> bytes | None:
        """Return a command out of segments that follow each other, None if they do not have it."""
        place = bisect_right(segments, sequence, key=self._first) - 1
        if place < 0:
            return None
        behind = segments[place + 1 : place + 2]
        return _found(self._data(segments[place]), sequence, self._first(behind[0]) if behind else NOBODY)

    def close(self) -> None:
        """Give up the open segment."""
        if self._open is not None:
            self._open[1].close()
            self._open = None

    def _first(self, segment: int) -> int:
        known = self._firsts.get(segment)
        if known is None:
            data = self._data(segment)
            found = _commands_from(data, 0, len(data))
            if found is None:
                return NOBODY  # as yet
            known = self._firsts[segment] = found.sequence
        return known

    def _data(self, segment: int) -> mmap:
        if self._open is None or self._open[0] != segment:
            self.close()
            with self._path_of(segment).open("rb") as file:
                self._open = segment, mmap(file.fileno(), 0, access=ACCESS_READ)
        return self._open[1]


def _found(data: mmap, sequence: int, behind: int) -> bytes | None:
    """Return a command out of a segment behind which that of number `behind` follows."""
    low = _commands_from(data, 0, len(data))
    high, guesses = len(data), cycle((True, True, False))  # where the pace is uneven, halving is the surer way
    while low is not None and high - low.end > NEAR_BYTES:
        share = (sequence - low.sequence) / (behind - low.sequence) if next(guesses) and behind != NOBODY else 0.5
        middle = low.end + int((high - low.end) * min(max(share, 0.01), 0.99))
        found = _commands_from(data, middle, high)
        if found is None:
            high = middle
        elif found.sequence > sequence:
            high, behind = middle, found.sequence
        else:
            low = found
    while low is not None and low.sequence <= sequence:
        begin = low.begin + HEADER.size + (sequence - low.sequence) * _COMMAND_BYTES
        if begin < low.end:
            return data[begin : begin + _COMMAND_BYTES]
        low = _commands_from(data, low.end, len(data))
    return None


def _commands_from(data: mmap, begin: int, end: int) -> _Place | None:
    """Return the first whole record of commands that begins within a range."""
    offset = begin + -begin % ALIGNMENT
    while offset < end:
        found = data.find(MAGIC, offset, min(end, offset + BLANK_BYTES) + len(MAGIC) - 1)
        if found < 0:
            if not data[offset : offset + BLANK_BYTES].strip(b"\0"):
                return None
            offset += BLANK_BYTES
            continue
        kind, length = _record_at(data, found)
        if kind == _COMMANDS:
            first = found + HEADER.size
            return _Place(found, first + length, int.from_bytes(data[first : first + 8], "little"))
        offset = found + (frame.size(length) if kind else 1)
    return None


def _record_at(data: mmap, offset: int) -> tuple[int, int]:
    """Return kind and length of the record at a place, no kind where no whole one stands."""
    if offset % ALIGNMENT or offset + HEADER.size > len(data):
        return 0, 0
    _, checksum, _, _, _, _, length, kind, _ = HEADER.unpack_from(data, offset)
    end = offset + frame.size(length)
    if end > len(data) or crc32c(data[offset + CHECKED_FROM : end]) != checksum:
        return 0, 0
    return kind, length
