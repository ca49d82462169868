"""Post events without a poster's loop, and look at what is in the ledger."""

import asyncpg
import numpy as np

from settlement.batch import Batch, State, prepare
from settlement.connect import POSTER_ROLE, connect
from settlement.poster import load, post

TABLES = ("trades", "entries", "postings", "balance_log", "batches", "assets", "accounts", "instruments")


async def post_all(dsn: str, events: np.ndarray, size: int = 1000, epoch: int = 0) -> State:
    """Post events behind those that the ledger has, in batches of a size."""
    connection = await connect(dsn, POSTER_ROLE)
    try:
        state = await load(connection)
        while state.last_seq < len(events):
            batch, state = prepare(state, events[state.last_seq : state.last_seq + size])
            await post(connection, batch, epoch)
        return state
    finally:
        await connection.close()


async def next_batch(dsn: str, events: np.ndarray) -> Batch:
    """Return the batch that would post the events behind those that the ledger has."""
    connection = await connect(dsn, POSTER_ROLE)
    try:
        state = await load(connection)
        return prepare(state, events[state.last_seq :])[0]
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
    columns = {"batches": "batch, first_seq, last_seq, trade_count, entry_count, previous_hash, hash"}
    connection = await asyncpg.connect(dsn)
    try:
        return {
            table: [
                tuple(row)
                for row in await connection.fetch(
                    f"SELECT {columns.get(table, '*')} FROM ledger.{table} ORDER BY 1, 2, 3"
                )
            ]
            for table in tables
        }
    finally:
        await connection.close()


async def forge(dsn: str, *statements: str) -> None:
    """Change the ledger as only a superuser can who switches the triggers off."""
    await execute(dsn, "SET session_replication_role = replica", *statements)
