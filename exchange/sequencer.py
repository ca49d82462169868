"""The sequencer: gives commands their order and their time, makes them durable, and lets the engine decide.

One thread owns the engine. It takes everything that waits as one batch; while the journal thread writes and syncs
the batch, the kernel applies it, both without the interpreter's lock. Nothing leaves before both are done: then one
call into the event loop hands the events to the listeners and answers every caller.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate
from queue import Empty, SimpleQueue
from struct import Struct
from threading import Thread
from typing import Any, NamedTuple, TypeVar

import numpy as np
import structlog

from exchange.clock import Clock
from exchange.config import Config
from exchange.core.engine import Engine
from exchange.core.records import COMMAND, EVENT
from exchange.events import Event, EventLog, Events
from exchange.journal.contract import Journal
from exchange.journal.frame import RecordKind
from exchange.registry.registry import Registry
from exchange.snapshots import Snapshot, Snapshots

T = TypeVar("T")
Entries = list[tuple[RecordKind, bytes]]
# what waits: who waits for it, commands, document, and, alone, what to ask the engine
_Item = tuple["asyncio.Future[Any]", bytes, bytes, Callable[[Engine], Any] | None]

STATE_HASH = Struct("<qq32s")  # payload of that record: last sequence, event count, digest
_COMMAND_BYTES = COMMAND.itemsize
_STAMP = Struct("<qq")  # what a command begins with: sequence number and time
_FEW = 64  # events: up to here it is quicker to look in a list than in the array
_NO_EVENTS = np.empty(0, EVENT)
log = structlog.get_logger()


class Overloaded(Exception):  # noqa: N818 - a state of the exchange, which callers name so
    """Too many commands wait already; nothing was done, and trying again later is safe."""


class Stopped(Exception):  # noqa: N818 - a state of the exchange, which callers name so
    """The sequencer takes no more; what waited may or may not be in the journal."""


class Batch(NamedTuple):
    """Commands that became durable together, and what they caused."""

    commands: np.ndarray  # COMMAND
    events: np.ndarray  # EVENT
    rows: Events  # the same events, for those who read rows
    first_event_number: int
    documents: tuple[bytes, ...]
    places: tuple[int, ...] = ()  # of each document the command that it stands behind


class JournalTime(NamedTuple):
    """What the journal has cost since the start."""

    groups: int  # appended and synced, one after the other
    busy_ns: int


class _Answers(NamedTuple):
    """Who gets which part of a batch's rows: each up to its end, from the end of the one before."""

    futures: list["asyncio.Future[Any]"]
    ends: list[int]
    weight: int  # on the queue's limit


class Sequencer:
    """The one way into the engine; every public method is called on the event loop's thread."""

    def __init__(
        self,
        engine: Engine,
        journal: Journal,
        events: EventLog,
        snapshots: Snapshots,
        registry: Registry,
        clock: Clock,
        config: Config,
        *,
        time_ns: int,
        snapshot_sequence: int,
    ) -> None:
        """Go on behind the engine's last command, which had `time_ns`; the journal is claimed.

        `snapshot_sequence` is the last command of the newest snapshot. The registry is read on the event loop's
        thread alone; a listener keeps it up to date.
        """
        assert events.count == engine.event_count
        self._engine = engine
        self._journal = journal
        self._events = events
        self._snapshots = snapshots
        self._registry = registry
        self._clock = clock
        self._config = config
        self._time_ns = time_ns
        self._sequence = engine.command_sequence
        self._hashed_sequence = snapshot_sequence
        self._listeners: list[Callable[[Batch], None]] = []
        self._queue: SimpleQueue[_Item] = SimpleQueue()
        self._arrays: set[asyncio.Future[np.ndarray]] = set()  # who gets events as an array, not as rows
        self._pending = 0
        self._refusal = "the exchange has not started"
        self._failed = False
        self._finishing = False
        self._journal_thread = _JournalThread(journal, clock)
        self._saver = ThreadPoolExecutor(1, "snapshots")
        self._saving: Future[None] | None = None
        self._thread = Thread(target=self._run, name="engine", daemon=True)

    @property
    def pending(self) -> int:
        """Return how many commands wait for their answer."""
        return self._pending

    @property
    def sequence(self) -> int:
        """Return the number of the last durable command."""
        return self._sequence

    @property
    def journal_time(self) -> JournalTime:
        """Return how many groups the journal has made durable since the start, and how long that took."""
        return self._journal_thread.time

    @property
    def refusal(self) -> str:
        """Return why nothing is accepted, empty while commands are."""
        return self._refusal

    def add_listener(self, listener: Callable[[Batch], None]) -> None:
        """Call `listener` with every durable batch, in order, before those who sent its commands are answered."""
        self._listeners.append(listener)

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to accept, and answer on `loop`."""
        self._loop = loop
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._refusal = ""
        self._journal_thread.start()
        self._thread.start()

    def submit(self, commands: bytes, document: bytes = b"") -> "asyncio.Future[list[Event]]":
        """Put commands, and before them a document, into the one order; the result is their events, once durable.

        Raises Overloaded or Stopped; DocumentRefusedError for a document that contradicts the registry; ValueError
        for what is no whole number of commands or too large at once.
        """
        return self._put(commands, document)

    def submit_many(self, commands: bytes, document: bytes = b"") -> "asyncio.Future[np.ndarray]":
        """Put commands into the one order like `submit`; the result is their events as an array, EVENT."""
        future = self._put(commands, document)
        self._arrays.add(future)
        return future

    def _put(self, commands: bytes, document: bytes) -> "asyncio.Future[Any]":
        length = len(commands)
        weight = length // _COMMAND_BYTES or 1
        pending = self._pending + weight
        if self._refusal or pending > self._config.queue_commands_max:
            raise Stopped(self._refusal) if self._refusal else Overloaded(f"{self._pending} commands wait already")
        if not length or length % _COMMAND_BYTES or weight > self._config.submission_commands_max or document:
            self._check(commands, document)
        self._pending = pending
        future: asyncio.Future[Any] = self._loop.create_future()
        self._queue.put((future, commands, document, None))
        return future

    def query(self, function: Callable[[Engine], T]) -> "asyncio.Future[T]":
        """Call a function with the engine, between batches, when all that was submitted before is durable."""
        if self._refusal:
            raise Stopped(self._refusal)
        future: asyncio.Future[T] = self._loop.create_future()
        self._queue.put((future, b"", b"", function))
        return future

    def _check(self, commands: bytes, document: bytes) -> None:
        """Refuse what cannot be submitted."""
        limit = self._config.submission_commands_max
        if len(commands) % _COMMAND_BYTES or len(commands) > limit * _COMMAND_BYTES:
            raise ValueError(f"{len(commands)} bytes are no whole number of commands, or more than {limit} commands")
        if len(document) > self._config.document_bytes_max or not (commands or document):
            raise ValueError(f"a document of {len(document)} bytes: too large, or nothing at all")
        if document:
            self._registry.check(document)

    async def stop(self) -> None:
        """Answer what waits, accept nothing more, and leave a snapshot of the last state."""
        if not self._refusal:
            self._refusal = "the exchange is stopping"
            finish = self._loop.create_future()
            self._queue.put((finish, b"", b"", self._finish))
            await asyncio.gather(finish, return_exceptions=True)
        if self._thread.ident is not None:
            await self._ended
            self._thread.join()
            self._journal_thread.stop()
        self._saver.shutdown()

    # On the engine's thread.

    def _run(self) -> None:
        taken: list[_Item] = []
        try:
            while not self._finishing:
                taken = self._take()
                self._serve(taken)
            self._take_snapshot()
        except Exception as error:
            reason = f"the sequencer failed: {error!r}"
            self._loop.call_soon_threadsafe(self._abandon, reason, [item[0] for item in taken])
            log.exception("the sequencer failed")
        finally:  # even if what failed was the log
            self._loop.call_soon_threadsafe(self._ended.set_result, None)

    def _take(self) -> list[_Item]:
        """Wait for something to do, and return all there is."""
        get = self._queue.get
        items = [get()]
        items += [get() for _ in range(min(self._queue.qsize(), self._config.batch_submissions_max - 1))]
        return items

    def _serve(self, items: list[_Item]) -> None:
        submissions = [item for item in items if item[3] is None]
        if submissions:
            self._commit(submissions)
        for future, _, _, function in items:
            if function is not None:
                self._answer(future, function)
        if self._sequence - self._hashed_sequence >= self._config.snapshot_commands:
            self._take_snapshot()

    def _commit(self, submissions: list[_Item]) -> None:
        """Make one batch durable and apply it meanwhile, then release its events."""
        data = stamp(b"".join([item[1] for item in submissions]), self._sequence + 1, self._now())
        commands = np.frombuffer(data, COMMAND)
        documents = tuple([item[2] for item in submissions if item[2]])
        self._journal_thread.begin(entries(data, submissions if documents else []))
        events = self._apply(data, commands)
        self._journal_thread.finish()
        first_number = self._events.count + 1
        self._events.append(events)
        behind = places(submissions, self._sequence) if documents else ()
        batch = Batch(commands, events, Events(events), first_number, documents, behind)
        answers = share(submissions, events, self._sequence)
        self._sequence += len(commands)
        self._loop.call_soon_threadsafe(self._release, batch, answers)

    def _apply(self, data: bytes, commands: np.ndarray) -> np.ndarray:
        """Let the engine decide; a lone command goes in as bytes, which is quicker."""
        if len(data) == _COMMAND_BYTES:
            return np.frombuffer(self._engine.apply_bytes(data), EVENT)
        return self._engine.apply(commands) if data else _NO_EVENTS

    def _now(self) -> int:
        """Return the time for the next commands: the clock's, unless that fell."""
        self._time_ns = max(self._time_ns, self._clock.now_ns())
        return self._time_ns

    def _answer(self, future: "asyncio.Future[Any]", function: Callable[[Engine], Any]) -> None:
        try:
            result = function(self._engine)
        except Exception as error:  # noqa: BLE001 - whatever it is, the one who asked hears of it
            self._loop.call_soon_threadsafe(_set_exception, future, error)
        else:
            self._loop.call_soon_threadsafe(_set_result, future, result)

    def _finish(self, _engine: Engine) -> None:
        self._finishing = True

    def _take_snapshot(self) -> None:
        """Put the state's hash into the journal, and hand a snapshot to the thread that stores it."""
        if self._failed or self._sequence == self._hashed_sequence:
            return
        begin = self._clock.monotonic_ns()
        copies = self._begin_copies()  # neither they nor the hash need the interpreter: they go on side by side
        digest = self._engine.digest()
        payload = STATE_HASH.pack(self._sequence, self._engine.event_count, digest)
        self._journal_thread.begin([(RecordKind.STATE_HASH, payload)])
        self._journal_thread.finish()
        self._hashed_sequence = self._sequence
        if copies is None:
            log.warning("the last snapshot is still being written: this one is left out")
            return
        state, registry = copies
        snapshot = Snapshot(
            self._journal.position,
            self._journal.head_hash,
            self._sequence,
            self._time_ns,
            self._engine.event_count,
            digest,
            state.result(),
            registry.result(),
        )
        self._saving = self._saver.submit(self._save, snapshot)
        log.info("snapshot taken", sequence=self._sequence, stall_us=(self._clock.monotonic_ns() - begin) // 1000)

    def _begin_copies(self) -> tuple[Future[memoryview], Future[bytes]] | None:
        """Ask for a copy of the state and one of the registry; None while the last ones are still being stored."""
        if self._saving is not None and not self._saving.done() and not self._finishing:
            return None
        registry: Future[bytes] = Future()
        self._loop.call_soon_threadsafe(self._copy_registry, registry)
        return self._saver.submit(self._engine.snapshot), registry

    # On the thread that stores snapshots.

    def _save(self, snapshot: Snapshot) -> None:
        try:
            self._events.sync()  # so that a start from this snapshot finds all events before it
            self._snapshots.write(snapshot)
            if self._config.journal_trimmed:
                self._journal.trim(self._snapshots.positions[-1] - 1)  # a start looks for that very record
        except OSError:
            log.exception("a snapshot could not be stored")

    # On the event loop's thread again.

    def _release(self, batch: Batch, answers: _Answers) -> None:
        """Tell the listeners, then answer the callers."""
        self._pending -= answers.weight
        if self._failed:
            self._abandon(self._refusal, answers.futures)
            return
        try:
            for listener in self._listeners:
                listener(batch)
        except Exception as error:
            log.exception("a listener failed")
            self._abandon(f"a listener failed: {error!r}", answers.futures)
            return
        _hand_out(batch, answers, self._arrays)

    def _copy_registry(self, copy: Future[bytes]) -> None:
        """Give the engine's thread, which waits, the registry's bytes; they include every batch released so far."""
        if self._failed:
            copy.set_exception(Stopped(self._refusal))
            return
        try:
            copy.set_result(self._registry.snapshot())
        except Exception as error:  # noqa: BLE001 - it is raised in the thread that waits
            copy.set_exception(error)

    def _abandon(self, reason: str, futures: Sequence["asyncio.Future[Any]"]) -> None:
        """Accept nothing more, and tell everybody who waits why."""
        self._failed = True
        self._refusal = reason
        waiting = [*futures, *(item[0] for item in _drain(self._queue))]
        for future in waiting:
            _set_exception(future, Stopped(reason))
        self._queue.put((self._loop.create_future(), b"", b"", self._finish))


class _JournalThread:
    """Appends to the journal while its caller does something else; one group at a time."""

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self.time = JournalTime(0, 0)
        self._journal = journal
        self._clock = clock
        self._groups: SimpleQueue[Entries] = SimpleQueue()
        self._results: SimpleQueue[Exception | None] = SimpleQueue()
        self._thread = Thread(target=self._run, name="journal", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def begin(self, group: Entries) -> None:
        self._groups.put(group)

    def finish(self) -> None:
        """Wait until the group is durable; raise what kept it from being so."""
        error = self._results.get()
        if error is not None:
            raise error

    def stop(self) -> None:
        self._groups.put([])
        self._thread.join()

    def _run(self) -> None:
        while group := self._groups.get():
            began_ns = self._clock.monotonic_ns()
            try:
                self._journal.append(group)
            except Exception as error:  # noqa: BLE001 - it is raised in the thread that waits for this group
                self._results.put(error)
            else:
                spent_ns = self._clock.monotonic_ns() - began_ns
                self.time = JournalTime(self.time.groups + 1, self.time.busy_ns + spent_ns)
                self._results.put(None)


def stamp(data: bytes, first_sequence: int, time_ns: int) -> bytes:
    """Return the commands with their sequence numbers and their time."""
    if len(data) == _COMMAND_BYTES:
        return _STAMP.pack(first_sequence, time_ns) + data[_STAMP.size :]
    commands = np.frombuffer(bytearray(data), COMMAND)
    commands["sequence"] = np.arange(first_sequence, first_sequence + len(commands))
    commands["time_ns"] = time_ns
    return commands.tobytes()


def entries(data: bytes, submissions: list[_Item]) -> Entries:
    """Return the records of a batch: each document before the commands that came with it, else all in one.

    `submissions` is empty when there is no document among them.
    """
    found: Entries = []
    begin = end = 0
    for _, commands, document, _ in submissions:
        if document:
            found += [(RecordKind.COMMANDS, data[begin:end])] * (begin < end)
            found.append((RecordKind.DOCUMENT, document))
            begin = end
        end += len(commands)
    if begin < len(data):
        found.append((RecordKind.COMMANDS, data[begin:]))
    return found


def places(submissions: list[_Item], sequence: int) -> tuple[int, ...]:
    """Return of each document the command that it stands behind; `sequence` is the last before the batch."""
    found = []
    for _, commands, document, _ in submissions:
        if document:
            found.append(sequence)
        sequence += len(commands) // _COMMAND_BYTES
    return tuple(found)


def share(submissions: list[_Item], events: np.ndarray, sequence: int) -> _Answers:
    """Tell which rows are whose; `sequence` is that of the last command before the batch."""
    futures = [item[0] for item in submissions]
    if len(submissions) == 1:
        return _Answers(futures, [len(events)], len(submissions[0][1]) // _COMMAND_BYTES or 1)
    counts = [len(item[1]) // _COMMAND_BYTES for item in submissions]
    last = [sequence + count for count in accumulate(counts)]
    if len(events) <= _FEW:
        told = events["sequence"].tolist()
        ends = [bisect_right(told, number) for number in last]
    else:
        ends = np.searchsorted(events["sequence"], last, side="right").tolist()
    return _Answers(futures, ends, sum(counts) + counts.count(0))


def _hand_out(batch: Batch, answers: _Answers, arrays: "set[asyncio.Future[np.ndarray]]") -> None:
    """Give every caller its events, as rows or, to those in `arrays`, as an array."""
    futures = answers.futures
    found = batch.rows if len(futures) == 1 or arrays.issuperset(futures) else batch.rows.rows  # all at once
    begin = 0
    for future, end in zip(futures, answers.ends, strict=True):
        events = batch.events if future in arrays else found
        arrays.discard(future)
        if not future.done():
            future.set_result(events[begin:end])
        begin = end


def _drain(queue: SimpleQueue[_Item]) -> list[_Item]:
    items: list[_Item] = []
    try:
        while True:
            items.append(queue.get_nowait())
    except Empty:
        return items


def _set_result(future: "asyncio.Future[Any]", result: object) -> None:
    if not future.done():
        future.set_result(result)


def _set_exception(future: "asyncio.Future[Any]", error: Exception) -> None:
    if not future.done():
        future.set_exception(error)
