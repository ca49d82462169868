"""Rebuild: the whole ledger from the journal alone, into a database that has none or an empty one.

The chain of hashes does not depend on batches, so the rebuilt ledger must end with the head of the one that was lost.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import asyncpg
import numpy as np

from exchange.config import Config
from settlement import config
from settlement.batch import State, genesis, prepare
from settlement.connect import POSTER_ROLE, check_durability, connect
from settlement.migrate import migrate
from settlement.posting import post
from settlement.progress import Progress, silent
from settlement.replay import Replay


class NotEmptyError(Exception):
    """The database has a ledger with something in it: a rebuild adds nothing to that."""


class Rebuilt(NamedTuple):
    """What was made."""

    events: int
    batches: int
    trades: int
    entries: int
    journal_head: str  # position and hash of the last journal record
    ledger_head: str  # last event and hash


async def rebuild(
    data_dir: Path,
    dsn: str,
    exchange_config: Config | None = None,
    *,
    at_command: int | None = None,
    progress: Progress = silent,
) -> Rebuilt:
    """Migrate the database and post all that the journal means up to a command, or to its end.

    Works beside a running exchange, whose own ledger stays as it is. Raises NotEmptyError, and Difference where the
    journal or the event log is damaged.
    """
    await migrate(dsn)
    connection = await connect(dsn, POSTER_ROLE)
    try:
        await check_durability(connection)
        cursor = "SELECT last_seq FROM ledger.settle_cursor WHERE shard = 0"
        if await connection.fetchval(cursor):
            raise NotEmptyError("the ledger in this database is not empty: name another database")
        epoch = await connection.fetchval("SELECT ledger.claim(0)")
        replay = Replay(data_dir, exchange_config or Config(), at_command)
        return await _post_all(connection, replay, epoch, progress)
    finally:
        await connection.close()


async def _post_all(connection: asyncpg.Connection, replay: Replay, epoch: int, progress: Progress) -> Rebuilt:
    state, trades, entries = genesis(), 0, 0
    for events in replay.events():
        for part in _parts(state, events):
            batch, state = prepare(state, part)
            await post(connection, batch, epoch)
            trades, entries = trades + batch.trade_count, entries + batch.entry_count
            if state.position % state.period_events == 0:
                await connection.execute("SELECT ledger.create_periods(0, $1)", config.PERIODS_AHEAD)
            progress("events", state.position, replay.log_count)
    head = f"{state.position}:{state.hash.hex()}"
    return Rebuilt(
        state.position, state.batch, trades, entries, f"{replay.record_count}:{replay.head_hash.hex()}", head
    )


def _parts(state: State, events: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the events in pieces that a batch may have."""
    position = state.last_seq
    while len(events):
        taken = min(config.BATCH_EVENTS_MAX, state._replace(last_seq=position).events_left)
        yield events[:taken]
        events = events[taken:]
        position += taken
