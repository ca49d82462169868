"""One batch into Postgres, and back: where a shard's ledger stands.

A batch commits together with the cursor, and only if that stood where the batch begins and no other poster has claimed
the shard since. Few trades go through one call of a stored function, all else by binary COPY into the partitions.
"""

from collections.abc import AsyncIterator
from typing import NamedTuple

import asyncpg
import numpy as np

from settlement import balances, chain, config
from settlement.batch import Batch, State
from settlement.connect import fetch_records
from settlement.records import BALANCE, COLUMNS, INSTRUMENT, PARTITIONED, SHARD_BITS, TABLES, shard_base

_CURSOR = "SELECT batch, sealed_seq, hash, period_events FROM ledger.settle_cursor WHERE shard = $1"
_EPOCH = "SELECT epoch FROM ledger.settle_cursor WHERE shard = $1"
_INSTRUMENTS = f"SELECT {COLUMNS['instruments']} FROM ledger.instruments WHERE shard = $1 ORDER BY instrument"  # noqa: S608
_BALANCES = f"SELECT {COLUMNS['balance_log']} FROM ledger.shard_balances WHERE batch >> {SHARD_BITS} = $1"  # noqa: S608
_BLOCK = "SELECT hash FROM ledger.batches WHERE last_seq = $1 AND first_seq <= $1 ORDER BY first_seq DESC LIMIT 1"
_ADVANCE = "SELECT ledger.advance($1, $2, $3, $4)"
_POST = "SELECT ledger.post($1, $2, $3, $4, $5, $6)"
_SEAL = """
INSERT INTO ledger.batches (batch, first_seq, last_seq, command_sequence, last_time_ns, trade_count, entry_count,
    previous_hash, hash, epoch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


class SupersededError(Exception):
    """Another poster has started since: this one stops."""


class CursorMovedError(Exception):
    """The cursor is this poster's and stands elsewhere: a commit that it never heard of came through after all."""


class Loaded(NamedTuple):
    """What Postgres says: the state with its chain at the beginning of the block, and the hash at its end."""

    state: State
    hash: bytes


async def load(connection: asyncpg.Connection, shard: int = 0) -> Loaded:
    """Return where a shard's ledger stands, all of it at one moment; LookupError if there is no such shard."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await _load(connection, shard)


async def _load(connection: asyncpg.Connection, shard: int) -> Loaded:
    row = await connection.fetchrow(_CURSOR, shard)
    if row is None:
        raise LookupError(f"the ledger has no shard {shard}: open it first")
    batch, last_seq, digest, period_events = row
    start, base = chain.block_start(last_seq), shard_base(shard)
    block_hash = chain.GENESIS_HASH
    if start > base:
        block_hash = digest if start == last_seq else await connection.fetchval(_BLOCK, start)
    instruments = await fetch_records(connection, _INSTRUMENTS, INSTRUMENT, shard)
    latest = await fetch_records(connection, _BALANCES, BALANCE, shard)
    known = balances.load(latest, base)
    state = State(batch, last_seq, chain.begin(block_hash), instruments, known, period_events)
    return Loaded(state, digest)


async def post(connection: asyncpg.Connection, batch: Batch, epoch: int | None) -> None:
    """Commit a batch together with the cursor, or raise SupersededError or CursorMovedError and change nothing."""
    done = await (_post_small if _is_small(batch) else _post_copies)(connection, batch, epoch)
    if not done:
        place = f"the cursor is no longer at event {batch.first_seq - 1}"
        if epoch is not None and await connection.fetchval(_EPOCH, batch.shard) == epoch:
            raise CursorMovedError(place)
        raise SupersededError(f"{place} of epoch {epoch}")


def _is_small(batch: Batch) -> bool:
    trades_alone = set(batch.copies) <= {"trades", "balance_log", "movements"}
    return trades_alone and batch.entry_count == 0 and 0 < batch.trade_count <= config.SMALL_BATCH_TRADES


async def _post_small(connection: asyncpg.Connection, batch: Batch, epoch: int | None) -> bool:
    header = [
        batch.shard,
        epoch,
        batch.batch,
        batch.first_seq,
        batch.last_seq,
        batch.command_sequence,
        batch.last_time_ns,
    ]
    rows = [_flat(batch.tables[table]) for table in ("trades", "movements", "balance_log")]
    done: bool = await connection.fetchval(_POST, header, batch.previous_hash, batch.hash, *rows)
    return done


def _flat(rows: np.ndarray) -> list[int]:
    return [value for row in rows.tolist() for value in row]


async def _post_copies(connection: asyncpg.Connection, batch: Batch, epoch: int | None) -> bool:
    async with connection.transaction():
        if not await connection.fetchval(_ADVANCE, batch.shard, batch.first_seq - 1, batch.last_seq, epoch):
            return False
        for table, data in batch.copies.items():
            columns = list(TABLES[table].names or ())
            name = f"{table}_{batch.shard}_{batch.period}" if table in PARTITIONED else table
            await connection.copy_to_table(
                name, schema_name="ledger", columns=columns, source=_once(data), format="binary"
            )
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
    return True


async def _once(data: bytes) -> AsyncIterator[bytes]:
    """Yield the data: given as it is, asyncpg would take it for the path of a file."""
    yield data
