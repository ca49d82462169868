"""What every journal offers, and what can go wrong with one."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from exchange.journal.frame import Record, RecordKind


class JournalError(Exception):
    """A journal that cannot be read or written as asked."""


class JournalCorruptError(JournalError):
    """Acknowledged history is damaged: the place is named, and nothing is repaired silently."""

    def __init__(self, segment: str, offset: int, position: int, reason: str) -> None:
        """Name the segment, the byte in it, and the position of the record that should stand there."""
        super().__init__(f"journal segment {segment} is corrupt at offset {offset}, position {position}: {reason}")
        self.segment = segment
        self.offset = offset
        self.position = position
        self.reason = reason


class JournalLockedError(JournalError):
    """Another process writes this journal."""


class JournalTrimmedError(JournalError):
    """The records asked for were trimmed away."""


class JournalFailedError(JournalError):
    """A write failed before: what is on disk is unknown, so nothing more is written until a restart."""


class Journal(Protocol):
    """The durable log of commands, with one writer at a time."""

    @property
    def position(self) -> int:
        """Return the position of the last record, 0 in an empty journal."""

    @property
    def head_hash(self) -> bytes:
        """Return the hash of the last record, zeros in an empty journal."""

    @property
    def first_position(self) -> int:
        """Return the position of the oldest record that was not trimmed."""

    def replay(self, after: int) -> Iterator[Record]:
        """Yield, checked, every record behind position `after` up to the journal's position."""

    def tail(self, after: int) -> Iterator[Record]:
        """Yield the records behind `after` that are there by now, whoever wrote them."""

    def command(self, sequence: int) -> bytes | None:
        """Return one command, None if there is none of that number or it was trimmed away."""

    def claim(self) -> int:
        """Begin a new epoch as the only writer, durably, and return it; needed before the first append."""

    def append(self, entries: Sequence[tuple[RecordKind, bytes]]) -> int:
        """Write one record an entry and return the last position, once all are durable."""

    def trim(self, upto: int) -> None:
        """Forget records up to position `upto`, as far as that is cheap; never the last ones."""

    def close(self) -> None:
        """Give the journal up."""
