"""The records are the tables: same columns, same order, same widths."""

import asyncio

import asyncpg
import pytest

from settlement.records import (
    COLUMNS,
    MOVEMENTS_PER_ENTRY_MAX,
    POSTINGS_PER_ENTRY_MAX,
    SHARD_BITS,
    SHARDS_MAX,
    TABLES,
    TRADE_LEGS,
    shard_base,
)

WIDTHS = {"smallint": 2, "integer": 4, "bigint": 8, "uuid": 16}


@pytest.mark.parametrize("table", TABLES)
def test_fields_are_the_columns(table: str, dsn: str) -> None:
    async def columns() -> list[tuple[str, int]]:
        connection = await asyncpg.connect(dsn)
        rows = await connection.fetch(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_schema = 'ledger' AND table_name = $1 AND is_generated = 'NEVER' ORDER BY ordinal_position",
            table,
        )
        await connection.close()
        assert {row["is_nullable"] for row in rows} == {"NO"}
        return [(row["column_name"], WIDTHS[row["data_type"]]) for row in rows]

    dtype = TABLES[table]
    assert asyncio.run(columns()) == [(name, dtype[name].itemsize) for name in dtype.names or ()]


def test_a_trade_has_room_for_its_postings_part_by_part() -> None:
    assert max(TRADE_LEGS) < POSTINGS_PER_ENTRY_MAX
    assert [leg >> 2 for leg in TRADE_LEGS] == [0, 0, 0, 1, 1]
    assert POSTINGS_PER_ENTRY_MAX == 4 * MOVEMENTS_PER_ENTRY_MAX


def test_every_posting_of_every_shard_has_a_number() -> None:
    last = shard_base(SHARDS_MAX) - 1
    assert last >> SHARD_BITS == SHARDS_MAX - 1
    assert last * POSTINGS_PER_ENTRY_MAX + POSTINGS_PER_ENTRY_MAX - 1 == 2**63 - 1


def test_columns_are_the_fields_in_order() -> None:
    assert COLUMNS["balance_log"] == "account, asset, batch, previous_batch, balance"
