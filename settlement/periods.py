"""Shards and periods, as their owner opens and closes them: partitions of so many events, shut once they are full."""

import asyncpg

from settlement import config


async def open_shard(dsn: str, shard: int, period_events: int = config.PERIOD_EVENTS) -> None:
    """Let a further shard be posted to a migrated ledger; raises UniqueViolationError if it is open already."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute("SELECT ledger.open_shard($1, $2)", shard, period_events)
    finally:
        await connection.close()


async def close_period(dsn: str, period: int, shard: int = 0) -> str:
    """Index, check and seal a period all of whose events are posted; return the chain's head at its end."""
    connection = await asyncpg.connect(dsn)
    try:
        head: bytes = await connection.fetchval("SELECT hash FROM ledger.close_period($1, $2)", shard, period)
        return head.hex()
    finally:
        await connection.close()
