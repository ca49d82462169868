"""Replay the journal through a fresh engine, and hold the event log against what comes out."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from exchange.config import EVENT_FOLDER, JOURNAL_FOLDER, Config
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.types import AssetKind
from exchange.events import EventReader
from exchange.journal import frame
from exchange.journal.contract import JournalError, JournalLockedError
from exchange.journal.file import FileJournal, tail
from exchange.journal.frame import Record, RecordKind
from exchange.sequencer import STATE_HASH
from settlement import config as limits
from settlement.differences import Difference
from settlement.records import ISSUANCE_ACCOUNT, OUTSIDE_ACCOUNT


class Replay:
    """One pass over the journal of a data directory, from its first record; the event log is read beside it.

    Works beside a running exchange: the log's length is taken first, and all it held then must be in the journal.
    """

    def __init__(self, data_dir: Path, config: Config, at_command: int | None = None) -> None:
        """Prepare to replay up to a command, or to the end; only the length of the event log is read at once."""
        self._at_command = at_command
        self.engine = Engine(config.capacity)
        self.record_count = 0
        self.head_hash = bytes(frame.HASH_BYTES)
        self._journal = data_dir / JOURNAL_FOLDER
        self._segment_bytes = config.journal_segment_bytes
        self._log = EventReader(data_dir / EVENT_FOLDER)
        self.log_count = self._log.count

    @property
    def event_count(self) -> int:
        """Return the number of events replayed so far."""
        return self.engine.event_count

    def events(self) -> Iterator[np.ndarray]:
        """Yield every event that the journal makes, in order and in pieces; raises Difference."""
        gathered: list[bytes] = []
        try:
            for record in journal_records(self._journal, self._segment_bytes):
                if self._is_reached(gathered):
                    break
                self.record_count, self.head_hash = record.position, record.hash
                if record.kind is RecordKind.COMMANDS:
                    gathered.append(record.payload)
                if len(gathered) == limits.REPLAY_RECORDS_MAX or record.kind is RecordKind.STATE_HASH:
                    yield self._apply(gathered)
                    gathered = []
                if record.kind is RecordKind.STATE_HASH:
                    self._check_hash(record)
            yield self._apply(gathered)
            if self._at_command is not None and self.engine.command_sequence < self._at_command:
                raise Difference(
                    f"the journal ends with command {self.engine.command_sequence}, before command {self._at_command}"
                )
        except JournalError as error:
            raise Difference(str(error)) from error
        finally:
            self._log.close()
        if self._at_command is None and self.log_count > self.engine.event_count:
            raise Difference(
                f"the event log holds {self.log_count} events, but the journal ends with command "
                f"{self.engine.command_sequence}, which makes {self.engine.event_count}: the journal's end is missing"
            )

    def balances(self) -> dict[tuple[int, int], int]:
        """Return what the engine says each account has, and what the contra accounts must have: all not zero."""
        found = {
            (int(row["account"]), int(row["asset"])): int(row["available"]) + int(row["held"])
            for row in self.engine.balance_rows()
        }
        for row in self.engine.asset_rows():
            contra = OUTSIDE_ACCOUNT if row["kind"] == AssetKind.CASH else ISSUANCE_ACCOUNT
            found[contra, int(row["asset"])] = int(row["burned"]) - int(row["issued"])
        return {key: amount for key, amount in found.items() if amount}

    def _is_reached(self, gathered: list[bytes]) -> bool:
        """Tell whether no further record is needed to come to the stated command."""
        if self._at_command is None:
            return False
        known = self.engine.command_sequence + sum(map(len, gathered)) // COMMAND.itemsize
        return known >= self._at_command

    def _apply(self, gathered: list[bytes]) -> np.ndarray:
        """Return the events of the commands, once the event log has shown the same."""
        commands = np.frombuffer(b"".join(gathered), COMMAND)
        first = self.engine.command_sequence + 1
        if self._at_command is not None:
            commands = commands[: max(0, self._at_command - first + 1)]
        if not np.array_equal(commands["sequence"], np.arange(first, first + len(commands))):
            raise Difference(f"the journal's commands from {first} on are not numbered one after the other")
        after = self.engine.event_count
        events = self.engine.apply(commands)
        due = min(len(events), max(0, self.log_count - after))
        there = self._log.read(after, due)
        if there.tobytes() != events[: len(there)].tobytes():
            raise Difference(_first_unequal(events[: len(there)], there, after + 1))
        if len(there) < due:  # a segment before the last one is too short
            raise missing(after + len(there) + 1)
        return events

    def _check_hash(self, record: Record) -> None:
        sequence, event_count, digest = STATE_HASH.unpack(record.payload)
        engine = self.engine
        if (sequence, event_count, digest) != (engine.command_sequence, engine.event_count, engine.digest()):
            raise Difference(
                f"the journal's record {record.position} holds the hash of the state behind command {sequence}, "
                f"but the replay comes to another state"
            )


def journal_records(directory: Path, segment_bytes: int) -> Iterator[Record]:
    """Yield a journal's records, checked one against the other from the first on; raises Difference, JournalError."""
    if not directory.is_dir():
        raise Difference(f"there is no journal at {directory}")
    try:
        journal = FileJournal.open(directory, segment_bytes)
    except JournalLockedError:  # the exchange is running
        yield from _chained(tail(directory, 0))
        return
    try:
        yield from _chained(journal.replay(0))
    finally:
        journal.close()


def _chained(records: Iterator[Record]) -> Iterator[Record]:
    """Yield the records as long as each follows the one before, the first one the empty journal."""
    head = frame.GENESIS
    for record in records:
        if not frame.follows(head, record):
            raise Difference(f"the journal's record {record.position} does not follow record {head.position}")
        head = record.head
        yield record


def missing(number: int) -> Difference:
    """Return what to say of an event before the log's end that cannot be read."""
    return Difference(f"event {number} is missing in the event log, which goes on behind it")


def _first_unequal(replayed: np.ndarray, logged: np.ndarray, first_number: int) -> str:
    names = [name for name in replayed.dtype.names or () if (replayed[name] != logged[name]).any()]
    index = min(int(np.flatnonzero(replayed[name] != logged[name])[0]) for name in names)
    name = next(name for name in names if replayed[name][index] != logged[name][index])
    return (
        f"event {first_number + index}: {name} is {logged[name][index]} in the event log, "
        f"but the journal makes it {replayed[name][index]}"
    )
