"""The poster: reads a shard's event log from the ledger's cursor on and posts what it finds, a batch a transaction.

Exactly once: the batch and the cursor that says so commit together, and only if the cursor stood where this
poster believed it and no other poster has started since. After any failure the state is read from Postgres again, so
a commit whose answer was lost is found there or not, and either is right.
"""

import argparse
import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, Protocol

import asyncpg
import numpy as np
import structlog

from exchange.config import EVENT_FOLDER
from exchange.events import EventReader
from settlement import chain, child, config
from settlement.batch import Batch, State, prepare, resume
from settlement.connect import PASSING_ERRORS, POSTER_ROLE, UnsafeServerError, check_durability, connect
from settlement.posting import CursorMovedError, Loaded, SupersededError, load, post
from settlement.records import shard_base
from settlement.watch import Timer, Waiter, Watch, pause

DSN_VARIABLE = "TOKENBOURSE_DSN"
EXIT_SUPERSEDED = 3  # another poster has taken over: do not start this one again
_CLAIM = "SELECT ledger.claim($1)"
_CREATE_PERIODS = "SELECT ledger.create_periods($1, $2)"
log = structlog.get_logger()


class ForeignLedgerError(Exception):
    """The ledger was made of other events than those of this log: the database belongs to another exchange."""


class EventSource(Protocol):
    """Where events come from: exchange.events.EventReader."""

    @property
    def count(self) -> int:
        """Return the number of events that are there now."""

    def read(self, after: int, limit: int) -> np.ndarray:
        """Return the EVENT records numbered from `after` + 1 that are there now, at most `limit`."""


class Prepared(NamedTuple):
    """The next batch, the state behind it, and whether more waits already."""

    batch: Batch
    state: State
    is_full: bool


class Poster:
    """Posts the events of one source to one shard of one database until told to stop."""

    def __init__(
        self,
        dsn: str,
        source: EventSource,
        batch_events_max: int = config.BATCH_EVENTS_MAX,
        *,
        shard: int = 0,
        waiter: Waiter | None = None,
    ) -> None:
        """Prepare; nothing is read before `run`. Without a waiter the source is looked at again and again."""
        self._dsn = dsn
        self._source = source
        self._batch_events_max = batch_events_max
        self._shard = shard
        self._waiter = waiter or Timer(config.PAUSE_SECONDS)
        self._epoch: int | None = None
        self._posted = 0  # events of the shard that are known to be posted
        self._said = 0.0  # when the lag was logged last

    @property
    def lag(self) -> int:
        """Return how many events wait, as far as is known."""
        return max(0, self._source.count - self._posted)

    async def run(self, stop: asyncio.Event) -> None:
        """Post until `stop` is set and less than a full batch waits; outlast a server that goes away.

        Raises SupersededError, UnsafeServerError, ForeignLedgerError, LookupError where the shard was never opened, or
        what Postgres says of a batch that it refuses.
        """
        failures = 0
        while True:
            try:
                connection = await connect(self._dsn, POSTER_ROLE)
                try:
                    await check_durability(connection)
                    loaded = await self._take_over(connection)
                    failures = 0
                    state = await self._resume(loaded, stop)
                    if state is not None:
                        await self._follow(connection, state, stop)
                    return
                finally:
                    await connection.close(timeout=config.CONNECT_SECONDS_MAX)
            except (*PASSING_ERRORS, CursorMovedError) as error:
                if stop.is_set():
                    return
                seconds = config.RETRY_SECONDS[min(failures, len(config.RETRY_SECONDS) - 1)]
                failures += 1
                log.warning(
                    "ledger out of reach", attempt=failures, retry_seconds=seconds, lag=self.lag, error=repr(error)
                )
                await pause(stop, seconds)

    async def _take_over(self, connection: asyncpg.Connection) -> Loaded:
        """Become the only poster, once, and return where the ledger stands."""
        if self._epoch is None:
            self._epoch = await connection.fetchval(_CLAIM, self._shard)
        loaded = await load(connection, self._shard)
        await connection.execute(_CREATE_PERIODS, self._shard, config.PERIODS_AHEAD)
        self._posted = loaded.state.position
        log.info(
            "posting",
            shard=self._shard,
            after=loaded.state.last_seq,
            batch=loaded.state.batch,
            epoch=self._epoch,
            lag=self.lag,
        )
        return loaded

    async def _resume(self, loaded: Loaded, stop: asyncio.Event) -> State | None:
        """Return the state once the events that the ledger has stand in the log too, which may be in the making.

        None if told to stop before. Raises ForeignLedgerError if they are others.
        """
        state = loaded.state
        start = chain.block_start(state.last_seq) - shard_base(self._shard)
        while self._source.count < state.position:
            if stop.is_set():
                return None
            await self._waiter.wait(stop, config.IDLE_SECONDS)
        resumed = await asyncio.to_thread(lambda: resume(state, self._source.read(start, state.position - start)))
        if resumed.hash != loaded.hash:
            raise ForeignLedgerError(
                f"events {start + 1} to {state.position} of the event log are not those of the ledger, whose hash "
                f"there is {loaded.hash.hex()}, not {resumed.hash.hex()}: this database belongs to another exchange"
            )
        return resumed

    async def _follow(self, connection: asyncpg.Connection, state: State, stop: asyncio.Event) -> None:
        while True:
            stopping = stop.is_set()  # then this is the last round: what is there now is all there will be
            prepared = await self._wait(state, stop)
            if prepared is not None:
                state = await self._post_waiting(connection, prepared)
            if stopping:
                return
            await pause(stop, config.PAUSE_SECONDS)  # small batches cost most of a core if they follow at once

    async def _post_waiting(self, connection: asyncpg.Connection, prepared: Prepared) -> State:
        """Post a batch, and those behind it as long as they are full; encode one while the one before commits."""
        following: Prepared | None = prepared
        while following is not None:
            batch, state, is_full = following
            encoding = asyncio.create_task(self._prepare(state)) if is_full else None
            try:
                await post(connection, batch, self._epoch)
                self._posted = state.position
                if state.position % state.period_events == 0:
                    await connection.execute(_CREATE_PERIODS, self._shard, config.PERIODS_AHEAD)
                self._say_lag()
            finally:
                following = await encoding if encoding is not None else None
        return state

    def _say_lag(self) -> None:
        now = asyncio.get_running_loop().time()
        if self.lag > self._batch_events_max and now - self._said >= config.LAG_LOG_SECONDS:
            self._said = now
            log.warning("ledger behind", lag=self.lag, posted=self._posted)

    async def _wait(self, state: State, stop: asyncio.Event) -> Prepared | None:
        """Return the next batch once it is worth a transaction, and whatever there is, or None, once `stop` is set."""
        pauses = 0
        prepared = await self._prepare(state)
        while not (stop.is_set() or (prepared is not None and _is_worth_it(prepared, pauses))):
            if prepared is None:
                await self._waiter.wait(stop, config.IDLE_SECONDS)
            else:
                await pause(stop, config.PAUSE_SECONDS)
                pauses += 1
            prepared = await self._prepare(state)
        return prepared

    async def _prepare(self, state: State) -> Prepared | None:
        limit = min(self._batch_events_max, state.events_left)
        if self._source.count <= state.position:
            return None
        return await asyncio.to_thread(self._read, state, limit)

    def _read(self, state: State, limit: int) -> Prepared | None:
        events = self._source.read(state.position, limit)
        return Prepared(*prepare(state, events), len(events) == limit) if len(events) else None


def _is_worth_it(prepared: Prepared, pauses: int) -> bool:
    return bool(prepared.batch.copies) or prepared.is_full or pauses >= config.QUIET_PAUSES_MAX


async def run(data_dir: Path, dsn: str, shard: int = 0) -> None:
    """Post the events of a data directory until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    watch = Watch.open(data_dir / EVENT_FOLDER)
    try:
        await Poster(dsn, EventReader(data_dir / EVENT_FOLDER), shard=shard, waiter=watch).run(stop)
    finally:
        if watch is not None:
            watch.close()


def spawn(data_dir: Path, dsn: str, shard: int = 0) -> subprocess.Popen[bytes]:
    """Start the poster as a child process that ends with its parent: SIGTERM lets it finish what waits.

    It gets that signal when the calling thread ends, so call this from one that lives as long as the process. It has
    a session of its own: what is typed at the terminal of its parent is not for it.
    """
    line = [sys.executable, "-m", "settlement.poster", str(data_dir), "--parent", str(os.getpid())]
    line += ["--shard", str(shard)]
    environment = {**os.environ, DSN_VARIABLE: dsn}
    return subprocess.Popen(line, stdin=subprocess.DEVNULL, env=environment, start_new_session=True)  # noqa: S603


def main() -> int:
    """Run the poster of a data directory over the database that TOKENBOURSE_DSN names."""
    parser = argparse.ArgumentParser(prog="python -m settlement.poster", description=main.__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--parent", type=int, default=None, help="process to end with")
    parser.add_argument("--shard", type=int, default=0, help="shard of the ledger that the events belong to")
    options = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if options.parent is not None:
        child.die_with(options.parent, signal.SIGTERM)
    try:
        asyncio.run(run(options.data_dir, os.environ[DSN_VARIABLE], options.shard))
    except SupersededError as error:
        log.critical("poster superseded", reason=str(error))
        return EXIT_SUPERSEDED
    except (UnsafeServerError, ForeignLedgerError, LookupError) as error:
        log.critical("poster refuses to settle", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
