"""Recovery: the newest good snapshot, and behind it whatever the journal says, applied again.

Nothing is believed twice: the journal's chain is checked record by record, the engine's hash wherever the journal
holds one, and every event of the replay against the event log, which is completed where it ends too early.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import structlog

from exchange.config import Config
from exchange.core.engine import Engine
from exchange.core.records import COMMAND, EVENT
from exchange.events import EventLog, Events
from exchange.journal.contract import Journal
from exchange.journal.frame import Record, RecordKind
from exchange.registry.registry import Registry
from exchange.sequencer import STATE_HASH
from exchange.snapshots import Snapshot, Snapshots

Progress = Callable[[str, int, int], None]  # what is going on, how much of it is done, of how much in all
log = structlog.get_logger()


class RecoveryError(Exception):
    """What is on disk contradicts itself: the exchange does not start, and nothing was changed."""


class Recovered(NamedTuple):
    """Where the exchange goes on."""

    engine: Engine
    time_ns: int  # of the last command
    snapshot_sequence: int  # the last command of the snapshot that was taken, 0 without one
    replayed: int  # commands


def recover(
    journal: Journal,
    events: EventLog,
    snapshots: Snapshots,
    registry: Registry,
    config: Config,
    progress: Progress,
) -> Recovered:
    """Bring engine, registry and event log to the end of the journal, without writing to the journal.

    Raises RecoveryError or JournalError, naming the position, where any two of them disagree.
    """
    found = _choose(journal, events, snapshots, config)
    if found is None:
        replay = _Replay(Engine(config.capacity), events, registry, config)
        after = 0
    else:
        snapshot, engine = found
        registry.restore(snapshot.registry)
        replay = _Replay(engine, events, registry, config)
        replay.time_ns = snapshot.time_ns
        after = snapshot.position
    begin = replay.engine.command_sequence
    for record in _records(journal, found[0] if found else None, config):
        if replay.take(record):
            progress("replay", record.position - after, journal.position - after)
    replay.flush()
    _drop_rest(events, replay.engine.event_count)
    log.info("recovered", sequence=replay.engine.command_sequence, replayed=replay.engine.command_sequence - begin)
    return Recovered(replay.engine, replay.time_ns, begin, replay.engine.command_sequence - begin)


def rebuild(
    events: EventLog, apply: Callable[[Events], object], chunk_events: int, progress: Progress, after: int = 0
) -> None:
    """Give every event behind number `after` to a view, in order and in chunks."""
    while after < events.count:
        chunk = events.read(after, chunk_events)
        apply(Events(chunk))
        after += len(chunk)
        progress("rebuild", after, events.count)


class _Replay:
    """Applies records; commands are gathered, for the kernel is fastest on large batches."""

    def __init__(self, engine: Engine, events: EventLog, registry: Registry, config: Config) -> None:
        self.engine = engine
        self.time_ns = 0
        self._events = events
        self._registry = registry
        self._bytes_max = config.replay_commands_max * COMMAND.itemsize
        self._gathered: list[bytes] = []
        self._gathered_bytes = 0
        self._position = 0  # of the first record gathered

    def take(self, record: Record) -> bool:
        """Apply one record, or keep it until there are enough; tell whether all taken so far is applied."""
        if record.kind is RecordKind.COMMANDS:
            if not self._gathered:
                self._position = record.position
            self._gathered.append(record.payload)
            self._gathered_bytes += len(record.payload)
            if self._gathered_bytes < self._bytes_max:
                return False
        self.flush()
        if record.kind is RecordKind.DOCUMENT:
            self._registry.apply(record.payload, self.engine.command_sequence)
        elif record.kind is RecordKind.STATE_HASH:
            self._check_hash(record)
        return True

    def flush(self) -> None:
        """Apply the commands gathered, and see to it that the event log holds exactly their events."""
        if not self._gathered:
            return
        commands = np.frombuffer(b"".join(self._gathered), COMMAND)
        self._gathered, self._gathered_bytes = [], 0
        first = self.engine.command_sequence + 1
        if not np.array_equal(commands["sequence"], np.arange(first, first + len(commands))):
            raise RecoveryError(f"the commands from position {self._position} on are not numbered from {first} on")
        after = self.engine.event_count
        events = self.engine.apply(commands)
        self.time_ns = int(commands["time_ns"][-1])
        _bring(self._events, after, events)
        self._registry.apply_events(Events(events))

    def _check_hash(self, record: Record) -> None:
        sequence, event_count, digest = STATE_HASH.unpack(record.payload)
        engine = self.engine
        if (sequence, event_count) != (engine.command_sequence, engine.event_count) or digest != engine.digest():
            raise RecoveryError(
                f"the state after the replay up to position {record.position} (command {sequence}) is not the one that "
                "was hashed there: this version decides otherwise than the one that wrote the journal, or has another "
                "capacity"
            )


def _choose(journal: Journal, events: EventLog, snapshots: Snapshots, config: Config) -> tuple[Snapshot, Engine] | None:
    """Return the newest snapshot from which everything behind it can be had, and its engine."""
    for snapshot in snapshots.newest_first():
        if snapshot.position > journal.position:
            raise RecoveryError(
                f"there is a snapshot at position {snapshot.position}, but the journal ends at {journal.position}: "
                "acknowledged records are missing"
            )
        if snapshot.event_count > events.count:
            log.warning("the event log ends before the snapshot", position=snapshot.position, events=events.count)
            continue
        try:
            engine = Engine.restore(snapshot.engine)
        except ValueError as error:
            log.warning("snapshot does not fit this version", position=snapshot.position, reason=str(error))
            continue
        if engine.capacity != config.capacity:
            raise RecoveryError(f"the exchange was made with {engine.capacity}, not with {config.capacity}")
        if engine.digest() == snapshot.state_hash:
            return snapshot, engine
        log.warning("snapshot has another hash than its state", position=snapshot.position)
    return None


def _records(journal: Journal, snapshot: Snapshot | None, config: Config) -> Iterator[Record]:
    """Yield the records behind the snapshot, once it is certain that it belongs to this journal."""
    if snapshot is None:
        yield from journal.replay(0)
        return
    begin = journal.first_position if config.journal_checked_whole else snapshot.position
    for record in journal.replay(min(begin, snapshot.position) - 1):
        if record.position > snapshot.position:
            yield record
        elif record.position == snapshot.position and record.hash != snapshot.head_hash:
            raise RecoveryError(f"the snapshot at position {snapshot.position} was taken of another journal")


def _bring(event_log: EventLog, after: int, events: np.ndarray) -> None:
    """Make the event log hold these events behind number `after`: check those there, append the others.

    What a crash of the machine left unwritten reads as zeros; those are filled in.
    """
    there = event_log.read(after, len(events))
    known = events[: len(there)]
    if not np.array_equal(_bytes(there, "<i8"), _bytes(known, "<i8")):
        found, wanted = _bytes(there, "u1"), _bytes(known, "u1")
        different = np.flatnonzero((found != wanted).any(axis=1))
        lost = ((found == wanted) | (found == 0)).all(axis=1)[different]
        if not lost.all():
            number = after + 1 + int(different[~lost][0])
            raise RecoveryError(f"event {number} in the event log is not the one that the journal yields")
        log.warning("events were lost from the event log", first=after + 1 + int(different[0]), count=len(different))
        event_log.write(after, known)
    event_log.append(events[len(there) :])


def _drop_rest(event_log: EventLog, count: int) -> None:
    """Cut the event log behind number `count`, where a crash of the machine may have left zeros."""
    if event_log.read(count, event_log.count - count).view("<i8").any():
        raise RecoveryError(
            f"the event log holds {event_log.count} events, the journal yields {count}: "
            "acknowledged records are missing"
        )
    event_log.cut(count)


def _bytes(events: np.ndarray, unit: str) -> np.ndarray:
    """Return the events as rows of bytes or words, in place."""
    return events.view(unit).reshape(len(events), EVENT.itemsize // np.dtype(unit).itemsize)
