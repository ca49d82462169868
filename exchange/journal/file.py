"""The journal on a local disk: preallocated segments, one write and one sync a group.

Opening only reads; `claim` is the first write, and cuts a torn tail. A segment is filled with zeros before it is
used, so that a sync never has to write file sizes or block maps, and its end is where the zeros begin.
"""

import fcntl
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Self

from exchange.journal import frame
from exchange.journal.contract import (
    JournalCorruptError,
    JournalFailedError,
    JournalLockedError,
    JournalTrimmedError,
)
from exchange.journal.frame import End, Head, Record, RecordKind
from exchange.journal.lookup import Lookup

SUFFIX = ".journal"
SPARE = "next.spare"
LOCK = "lock"
ZEROS = bytes(1 << 20)


class FileJournal:
    """Segments in a directory, each named by the position of its first record; one process at a time writes."""

    def __init__(self, directory: Path, segment_bytes: int, lock: int) -> None:
        """Use `open`."""
        self._directory = directory
        self._segment_bytes = segment_bytes
        self._lock = lock
        self._segments = segments(directory)
        self._lookup = Lookup(partial(segment_path, directory))
        self._file = -1
        self._claimed = False
        self._workers = ThreadPoolExecutor(1, "journal-spare")
        self._spare: Future[None] | None = None
        self._head, self._offset = self._find_end()

    @classmethod
    def open(cls, directory: Path, segment_bytes: int) -> Self:
        """Open the journal in a directory, made if need be, and find its end.

        Raises JournalLockedError while another process has it open, JournalCorruptError when its end is damaged.
        """
        directory.mkdir(parents=True, exist_ok=True)
        lock = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return cls(directory, segment_bytes, lock)
        except BlockingIOError:
            os.close(lock)
            raise JournalLockedError(f"another process has the journal {directory} open") from None
        except BaseException:
            os.close(lock)
            raise

    @property
    def position(self) -> int:
        """Return the position of the last record."""
        return self._head.position

    @property
    def head_hash(self) -> bytes:
        """Return the hash of the last record."""
        return self._head.hash

    @property
    def first_position(self) -> int:
        """Return the position of the oldest record."""
        return self._segments[0] if self._segments else 1

    def replay(self, after: int) -> Iterator[Record]:
        """Yield every record behind position `after`, all from the start of its segment checked.

        Raises JournalCorruptError where a record is damaged or missing, JournalTrimmedError for trimmed ones.
        """
        if after + 1 < self.first_position:
            raise JournalTrimmedError(f"position {after + 1} was trimmed; the journal begins at {self.first_position}")
        end = self._head
        needed = [first for first, last in _spans(self._segments, end.position) if last > after]
        head: Record | None = None
        for first in needed:
            for record in self._walk(first, head):
                if record.position > end.position:
                    break
                head = record
                if record.position > after:
                    yield record
        if needed and (head is None or head.hash != end.hash):
            path = segment_path(self._directory, needed[-1])
            position = head.position if head else needed[-1]
            raise JournalCorruptError(path.name, 0, position, "the segment changed since the journal was opened")

    def tail(self, after: int) -> Iterator[Record]:
        """Yield the records behind `after` that are there by now."""
        return tail(self._directory, after)

    def command(self, sequence: int) -> bytes | None:
        """Return one command, None if there is none of that number or it was trimmed away."""
        return self._lookup.command(self._segments, sequence)

    def claim(self) -> int:
        """Cut what is torn, begin a new epoch durably, and return it."""
        (self._directory / SPARE).unlink(missing_ok=True)
        if not self._segments:
            self._add_segment()
        if self._file < 0:
            self._file = os.open(segment_path(self._directory, self._segments[-1]), os.O_RDWR)
        self._cut()
        self._claimed = True
        self.append([(RecordKind.CLAIM, b"")])
        return self._head.epoch

    def append(self, entries: Sequence[tuple[RecordKind, bytes]]) -> int:
        """Write one record an entry with one write, wait until the disk has them, and return the last position.

        After an OSError nothing more is accepted: what the disk holds is known only to the next start.
        """
        if not self._claimed:
            raise JournalFailedError("the journal was not claimed, or a write failed before")
        head, parts = self._head, []
        for left, (kind, payload) in zip(range(len(entries) - 1, -1, -1), entries, strict=True):
            part, head = frame.encode(head, kind, payload, self._head.position, has_more=left > 0)
            parts.append(part)
        data = b"".join(parts)
        if len(data) > self._segment_bytes:
            raise ValueError(f"a group of {len(data)} bytes does not fit a segment of {self._segment_bytes}")
        self._claimed = False
        if self._offset + len(data) > self._segment_bytes:
            self._add_segment()
        _write(self._file, data, self._offset)
        os.fdatasync(self._file)
        self._claimed = True
        self._head = head
        self._offset += len(data)
        if self._spare is None and 2 * self._offset > self._segment_bytes:
            self._spare = self._workers.submit(self._make_spare)
        return head.position

    def trim(self, upto: int) -> None:
        """Remove the segments that hold nothing behind position `upto`; never the last."""
        for first, end in list(_spans(self._segments, self.position))[:-1]:
            if end > upto:
                break
            self._segments.remove(first)  # ahead of its file, which others look commands up in
            segment_path(self._directory, first).unlink()

    def close(self) -> None:
        """Close the files and let other processes in."""
        self._workers.shutdown()
        self._lookup.close()
        self._claimed = False
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _find_end(self) -> tuple[Head, int]:
        """Return the journal's head, and the place in the last segment where its next record goes."""
        offset: int | None = None
        for first in reversed(self._segments):
            last, end, place = None, 0, 0
            for record in self._walk(first, None):
                place += frame.size(len(record.payload))
                if not record.has_more:  # the records of a write that was cut short are torn, whole as they may be
                    last, end = record, place
            offset = end if offset is None else offset
            if last is not None:
                return last.head, offset
        if self._segments and self._segments[0] > 1:
            path = segment_path(self._directory, self._segments[0])
            raise JournalCorruptError(path.name, 0, self._segments[0], "no record is left")
        return frame.GENESIS, offset or 0

    def _walk(self, first: int, before: Record | None) -> Iterator[Record]:
        """Yield the records of one segment, the first of which follows `before`, or is taken on trust."""
        path = segment_path(self._directory, first)
        data = path.read_bytes()
        view = memoryview(data)
        head = frame.GENESIS if first == 1 else before
        position, offset = first - 1, 0
        while (record := frame.decode(view, offset)) is not None:
            if not (frame.follows(head, record) if head else record.position == first):
                break
            yield record
            head, position = record, record.position
            offset += frame.size(len(record.payload))
        self._check_end(path, data, offset, position)

    def _check_end(self, path: Path, data: bytes, offset: int, position: int) -> None:
        """Refuse a segment that does not end as one does whose every acknowledged record is there."""
        end = frame.judge(data, offset, position)
        last = path == segment_path(self._directory, self._segments[-1])
        if end is End.CORRUPT:
            raise JournalCorruptError(path.name, offset, position + 1, "no record that follows, but others behind it")
        if end is End.TORN and not last:
            raise JournalCorruptError(
                path.name, offset, position + 1, "no record that follows, but a segment behind it"
            )
        following = self._segments.index(int(path.stem)) + 1
        if not last and self._segments[following] != position + 1:
            reason = f"the segment ends, but the next begins with position {self._segments[following]}"
            raise JournalCorruptError(path.name, offset, position + 1, reason)

    def _cut(self) -> None:
        """Fill what stands behind the last whole record with zeros, durably."""
        size = os.fstat(self._file).st_size
        rest = os.pread(self._file, size - self._offset, self._offset)
        torn = len(rest.rstrip(b"\0"))
        if torn or size < self._segment_bytes:
            _write(self._file, bytes(torn), self._offset)
            _fill(self._file, size, self._segment_bytes)
            os.fsync(self._file)

    def _add_segment(self) -> None:
        """Put a segment filled with zeros behind the last one, durably, and write to it from now on."""
        spare, self._spare = self._spare, None
        if spare is None or spare.exception() is not None:
            self._make_spare()
        first = self._head.position + 1
        (self._directory / SPARE).rename(segment_path(self._directory, first))
        _sync_directory(self._directory)
        if self._file >= 0:
            os.close(self._file)
        self._file = os.open(segment_path(self._directory, first), os.O_RDWR)
        self._segments.append(first)
        self._offset = 0

    def _make_spare(self) -> None:
        path = self._directory / SPARE
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _fill(file, 0, self._segment_bytes)
            os.fsync(file)
        except OSError:
            path.unlink()
            raise
        finally:
            os.close(file)


def tail(directory: Path, after: int) -> Iterator[Record]:
    """Yield the records behind position `after` that stand in a directory by now, without a lock or a judgement.

    Ends at the first place where no whole write follows: it may still be under way.
    """
    firsts = segments(directory)
    begin = max((place for place, first in enumerate(firsts) if first <= after + 1), default=0)
    head: Record | None = None
    for first in firsts[begin:]:
        data, offset = memoryview(segment_path(directory, first).read_bytes()), 0
        whole: list[Record] = []  # of one write
        while (record := frame.decode(data, offset)) is not None:
            if head is not None and not frame.follows(head, record):
                return
            whole.append(record)
            if not record.has_more:
                yield from [one for one in whole if one.position > after]
                whole.clear()
            head = record
            offset += frame.size(len(record.payload))


def segment_path(directory: Path, first: int) -> Path:
    """Return the file of the segment whose first record has a position."""
    return directory / f"{first:020d}{SUFFIX}"


def segments(directory: Path) -> list[int]:
    """Return the first positions of the segments in a directory, ascending."""
    return sorted(int(path.stem) for path in directory.glob(f"*{SUFFIX}"))


def _spans(firsts: list[int], position: int) -> Iterator[tuple[int, int]]:
    """Yield first and last position of each segment."""
    return zip(firsts, [*(first - 1 for first in firsts[1:]), position], strict=False)


def _write(file: int, data: bytes, offset: int) -> None:
    written = os.pwrite(file, data, offset)
    if written < len(data):  # the disk is full: the next attempt says so
        _write(file, data[written:], offset + written)


def _fill(file: int, begin: int, end: int) -> None:
    """Write zeros from one offset to another."""
    for offset in range(begin, end, len(ZEROS)):
        _write(file, ZEROS[: end - offset], offset)


def _sync_directory(directory: Path) -> None:
    file = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
