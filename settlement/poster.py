"""The poster: reads the event log from the ledger's cursor on and posts what it finds, each batch in one transaction.

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
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

import asyncpg
import numpy as np
import structlog

from exchange.config import EVENT_FOLDER
from exchange.events import EventReader
from settlement import balances, child, config
from settlement.batch import GENESIS_HASH, Batch, State, prepare
from settlement.connect import PASSING_ERRORS, POSTER_ROLE, UnsafeServerError, check_durability, connect, fetch_records
from settlement.records import BALANCE, INSTRUMENT

DSN_VARIABLE = "TOKENBOURSE_DSN"
EXIT_SUPERSEDED = 3  # another poster has taken over: do not start this one again
_CLAIM = "UPDATE ledger.settle_cursor SET epoch = epoch + 1 RETURNING epoch"
_ADVANCE = "UPDATE ledger.settle_cursor SET last_seq = $2 WHERE last_seq = $1 AND epoch = $3"
_INSTRUMENTS = "SELECT instrument, base, quote, lot_units, tick_value, seq FROM ledger.instruments ORDER BY instrument"
_LAST_EVENT = "SELECT command_sequence, last_time_ns FROM ledger.batches ORDER BY batch DESC LIMIT 1"
_SEAL = """
INSERT INTO ledger.batches (batch, first_seq, last_seq, command_sequence, last_time_ns, trade_count, entry_count,
    previous_hash, hash, epoch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""
log = structlog.get_logger()


class SupersededError(Exception):
    """Another poster has moved the cursor or started since: this one stops."""


class ForeignLedgerError(Exception):
    """The ledger was made of other events than those of this log: the database belongs to another exchange."""


class EventSource(Protocol):
    """Where events come from: exchange.events.EventReader."""

    def read(self, after: int, limit: int) -> np.ndarray:
        """Return the EVENT records numbered from `after` + 1 that are there now, at most `limit`."""


class Poster:
    """Posts the events of one source to one database until told to stop."""

    def __init__(self, dsn: str, source: EventSource, batch_events_max: int = config.BATCH_EVENTS_MAX) -> None:
        """Prepare; nothing is read before `run`."""
        self._dsn = dsn
        self._source = source
        self._batch_events_max = batch_events_max
        self._epoch: int | None = None
        self._unmet: tuple[int, int] | None = None  # sequence and time of the last settled event, until it is seen here

    async def run(self, stop: asyncio.Event) -> None:
        """Post until `stop` is set and less than a full batch waits; outlast a server that goes away.

        Raises SupersededError, UnsafeServerError, ForeignLedgerError, or what Postgres says of a batch that it refuses.
        """
        failures = 0
        while True:
            try:
                connection = await connect(self._dsn, POSTER_ROLE)
                try:
                    await check_durability(connection)
                    state = await self._take_over(connection)
                    failures = 0
                    await self._follow(connection, state, stop)
                    return
                finally:
                    await connection.close(timeout=config.CONNECT_SECONDS_MAX)
            except PASSING_ERRORS as error:
                if stop.is_set():
                    return
                seconds = config.RETRY_SECONDS[min(failures, len(config.RETRY_SECONDS) - 1)]
                failures += 1
                log.warning("ledger out of reach", attempt=failures, retry_seconds=seconds, error=repr(error))
                await _pause(stop, seconds)

    async def _take_over(self, connection: asyncpg.Connection) -> State:
        """Become the only poster, once, and return where the ledger stands."""
        if self._epoch is None:
            self._epoch = await connection.fetchval(_CLAIM)
        state = await load(connection)
        last = await connection.fetchrow(_LAST_EVENT)
        self._unmet = (last["command_sequence"], last["last_time_ns"]) if last else None
        log.info("posting", after=state.last_seq, batch=state.batch, epoch=self._epoch)
        return state

    async def _follow(self, connection: asyncpg.Connection, state: State, stop: asyncio.Event) -> None:
        while True:
            stopping = stop.is_set()  # then this is the last round: what is there now is all there will be
            prepared = await self._wait(state, stop)
            if prepared is not None:
                state = await self._post_waiting(connection, prepared)
            if stopping:
                return
            await _pause(stop, config.PAUSE_SECONDS)  # small batches cost most of a core if they follow at once

    async def _post_waiting(self, connection: asyncpg.Connection, prepared: tuple[Batch, State]) -> State:
        """Post a batch, and those behind it as long as they are full; encode one while the one before commits."""
        following: tuple[Batch, State] | None = prepared
        while following is not None:
            batch, state = following
            full = batch.last_seq - batch.first_seq + 1 == self._batch_events_max
            encoding = asyncio.create_task(self._prepare(state)) if full else None
            try:
                await post(connection, batch, self._epoch)
            finally:
                following = await encoding if encoding is not None else None
        return state

    async def _wait(self, state: State, stop: asyncio.Event) -> tuple[Batch, State] | None:
        """Return the next batch once it is worth a transaction, and whatever there is, or None, once `stop` is set."""
        pauses = 0
        prepared = await self._prepare(state)
        while not (stop.is_set() or (prepared is not None and self._is_worth_it(prepared[0], pauses))):
            await _pause(stop, config.PAUSE_SECONDS)
            pauses += 1
            prepared = await self._prepare(state)
        return prepared

    def _is_worth_it(self, batch: Batch, pauses: int) -> bool:
        full = batch.last_seq - batch.first_seq + 1 == self._batch_events_max
        return bool(batch.copies) or full or pauses >= config.QUIET_PAUSES_MAX

    async def _prepare(self, state: State) -> tuple[Batch, State] | None:
        return await asyncio.to_thread(self._read, state)

    def _read(self, state: State) -> tuple[Batch, State] | None:
        if not self._has_met(state):
            return None
        events = self._source.read(state.last_seq, self._batch_events_max)
        return prepare(state, events) if len(events) else None

    def _has_met(self, state: State) -> bool:
        """Tell whether the last settled event stands in the log; a log that is being made again may be shorter."""
        if self._unmet is None:
            return True
        last = self._source.read(state.last_seq - 1, 1)
        if len(last) == 0:
            return False
        found = (int(last["sequence"][0]), int(last["time_ns"][0]))
        if found != self._unmet:
            raise ForeignLedgerError(
                f"event {state.last_seq} is of command {found[0]} at {found[1]} ns in the event log, but of command "
                f"{self._unmet[0]} at {self._unmet[1]} ns in the ledger: this database belongs to another exchange"
            )
        self._unmet = None
        return True


async def load(connection: asyncpg.Connection) -> State:
    """Return where the ledger stands."""
    last = await connection.fetchrow("SELECT batch, last_seq, hash FROM ledger.batches ORDER BY batch DESC LIMIT 1")
    instruments = await fetch_records(connection, _INSTRUMENTS, INSTRUMENT)
    latest = await fetch_records(connection, "SELECT * FROM ledger.balances", BALANCE)
    number, last_seq, digest = last or (0, 0, GENESIS_HASH)
    return State(number, last_seq, digest, instruments, balances.load(latest))


async def post(connection: asyncpg.Connection, batch: Batch, epoch: int | None) -> None:
    """Commit a batch together with the cursor, or raise SupersededError and change nothing."""
    async with connection.transaction():
        moved = await connection.execute(_ADVANCE, batch.first_seq - 1, batch.last_seq, epoch)
        if moved != "UPDATE 1":
            raise SupersededError(f"the cursor is no longer at event {batch.first_seq - 1} of epoch {epoch}")
        for table, data in batch.copies.items():
            await connection.copy_to_table(table, schema_name="ledger", source=_once(data), format="binary")
        await connection.execute(
            _SEAL,
            batch.batch,
            batch.first_seq,
            batch.last_seq,
            batch.command_sequence,
            batch.last_time_ns,
            batch.trade_count,
            batch.entry_count,
            batch.previous_hash,
            batch.hash,
            epoch,
        )


async def _once(data: bytes) -> AsyncIterator[bytes]:
    """Yield the data: given as it is, asyncpg would take it for the path of a file."""
    yield data


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def run(data_dir: Path, dsn: str) -> None:
    """Post the events of a data directory until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await Poster(dsn, EventReader(data_dir / EVENT_FOLDER)).run(stop)


def spawn(data_dir: Path, dsn: str) -> subprocess.Popen[bytes]:
    """Start the poster as a child process that ends with its parent: SIGTERM lets it finish what waits.

    It gets that signal when the calling thread ends, so call this from one that lives as long as the process.
    """
    line = [sys.executable, "-m", "settlement.poster", str(data_dir), "--parent", str(os.getpid())]
    return subprocess.Popen(line, stdin=subprocess.DEVNULL, env={**os.environ, DSN_VARIABLE: dsn})  # noqa: S603


def main() -> int:
    """Run the poster of a data directory over the database that TOKENBOURSE_DSN names."""
    parser = argparse.ArgumentParser(prog="python -m settlement.poster", description=main.__doc__)
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--parent", type=int, default=None, help="process to end with")
    options = parser.parse_args()
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if options.parent is not None:
        child.die_with(options.parent, signal.SIGTERM)
    try:
        asyncio.run(run(options.data_dir, os.environ[DSN_VARIABLE]))
    except SupersededError as error:
        log.critical("poster superseded", reason=str(error))
        return EXIT_SUPERSEDED
    except (UnsafeServerError, ForeignLedgerError) as error:
        log.critical("poster refuses to settle", reason=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
