"""A journal in memory, for tests: the same frames and rules as on disk, nothing durable."""

from collections.abc import Iterator, Sequence

from exchange.core.records import COMMAND_STRUCT
from exchange.journal import frame
from exchange.journal.contract import JournalFailedError, JournalTrimmedError
from exchange.journal.frame import Record, RecordKind


class MemoryJournal:
    """Records in a list; whoever opens another journal on the same list finds them again."""

    def __init__(self, records: list[Record]) -> None:
        """Take over a list of records, empty or another journal's."""
        self._records = records
        self._head = records[-1].head if records else frame.GENESIS
        self._claimed = False

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
        return self._records[0].position if self._records else 1

    def replay(self, after: int) -> Iterator[Record]:
        """Yield every record behind position `after`."""
        if after + 1 < self.first_position:
            raise JournalTrimmedError(f"position {after + 1} was trimmed; the journal begins at {self.first_position}")
        return iter(self._records[after + 1 - self.first_position : self.position + 1 - self.first_position])

    def tail(self, after: int) -> Iterator[Record]:
        """Yield the records behind `after`, those of other writers on the same list included."""
        return iter([record for record in self._records if record.position > after])

    def command(self, sequence: int) -> bytes | None:
        """Return one command, None if there is none of that number or it was trimmed away."""
        size = COMMAND_STRUCT.size
        for record in self._records:
            if record.kind is RecordKind.COMMANDS:
                first = int.from_bytes(record.payload[:8], "little", signed=True)
                begin = (sequence - first) * size
                if 0 <= begin < len(record.payload):
                    return record.payload[begin : begin + size]
        return None

    def claim(self) -> int:
        """Begin a new epoch and return it."""
        self._write([(RecordKind.CLAIM, b"")])
        self._claimed = True
        return self._head.epoch

    def append(self, entries: Sequence[tuple[RecordKind, bytes]]) -> int:
        """Add one record an entry and return the last position."""
        if not self._claimed:
            raise JournalFailedError("the journal was not claimed")
        return self._write(entries)

    def trim(self, upto: int) -> None:
        """Forget records up to position `upto`, but never the last."""
        del self._records[: max(0, min(upto, self.position - 1) + 1 - self.first_position)]

    def close(self) -> None:
        """Give the journal up: the records stay with the list's owner."""
        self._claimed = False

    def _write(self, entries: Sequence[tuple[RecordKind, bytes]]) -> int:
        durable = self._head.position
        for left, (kind, payload) in zip(range(len(entries) - 1, -1, -1), entries, strict=True):
            data, self._head = frame.encode(self._head, kind, payload, durable, has_more=left > 0)
            record = frame.decode(data, 0)
            assert record is not None
            self._records.append(record)
        return self._head.position
