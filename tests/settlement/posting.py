"""Post events without a poster's loop, and look at what is in the ledger."""

import asyncpg
import numpy as np

from settlement import chain
from settlement.batch import Batch, State, prepare, resume
from settlement.connect import POSTER_ROLE, connect
from settlement.posting import load, post
from settlement.records import COLUMNS, shard_base

TABLES = ("trades", "entries", "movements", "balance_log", "batches", "assets", "accounts", "instruments")


async def stand(connection: asyncpg.Connection, events: np.ndarray, shard: int = 0) -> State:
    """Return where the ledger of these events stands."""
    loaded = await load(connection, shard)
    start = chain.block_start(loaded.state.last_seq) - shard_base(shard)
    state = resume(loaded.state, events[start : loaded.state.position])
    assert state.hash == loaded.hash
    return state


async def post_all(dsn: str, events: np.ndarray, size: int = 1000, epoch: int = 0, shard: int = 0) -> State:
    """Post events behind those that the ledger has, in batches of a size."""
    connection = await connect(dsn, POSTER_ROLE)
    try:
        state = await stand(connection, events, shard)
        while state.position < len(events):
            taken = min(size, state.events_left)
            batch, state = prepare(state, events[state.position : state.position + taken])
            await post(connection, batch, epoch)
        return state
    finally:
        await connection.close()


async def next_batch(dsn: str, events: np.ndarray) -> Batch:
    """Return the batch that would post the events behind those that the ledger has."""
    connection = await connect(dsn, POSTER_ROLE)
    try:
        state = await stand(connection, events)
        return prepare(state, events[state.position :])[0]
    finally:
        await connection.close()


async def execute(dsn: str, *statements: str, role: str | None = None) -> None:
    """Execute statements, as the owner if no role is given."""
    connection = await (connect(dsn, role) if role else asyncpg.connect(dsn))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def fetch(dsn: str, query: str, *arguments: object) -> list[tuple[object, ...]]:
    """Return the rows of a query, as the owner."""
    connection = await asyncpg.connect(dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()


async def contents(dsn: str, *, batches: bool = True) -> dict[str, list[tuple[object, ...]]]:
    """Return every row of the ledger; without what depends on how events were put into batches, if asked."""
    tables = TABLES if batches else tuple(table for table in TABLES if table not in {"balance_log", "batches"})
    columns = {**COLUMNS, "batches": "batch, first_seq, last_seq, trade_count, entry_count, previous_hash, hash"}
    connection = await asyncpg.connect(dsn)
    try:
        return {
            table: [
                tuple(row)
                for row in await connection.fetch(f"SELECT {columns[table]} FROM ledger.{table} ORDER BY 1, 2, 3")
            ]
            for table in tables
        }
    finally:
        await connection.close()


async def forge(dsn: str, *statements: str) -> None:
    """Change the ledger as only a superuser can who switches the triggers off."""
    await execute(dsn, "SET session_replication_role = replica", *statements)
