"""The records are the tables: same columns, same order, same widths."""

import asyncio

import asyncpg
import pytest

from settlement.records import POSTINGS_PER_ENTRY_MAX, POSTINGS_PER_TRADE, TABLES

WIDTHS = {"smallint": 2, "integer": 4, "bigint": 8, "uuid": 16}


@pytest.mark.parametrize("table", TABLES)
def test_fields_are_the_columns(table: str, dsn: str) -> None:
    async def columns() -> list[tuple[str, int]]:
        connection = await asyncpg.connect(dsn)
        rows = await connection.fetch(
            "SELECT column_name, data_type, is_nullable FROM information_schema.columns"
            " WHERE table_schema = 'ledger' AND table_name = $1 ORDER BY ordinal_position",
            table,
        )
        await connection.close()
        assert {row["is_nullable"] for row in rows} == {"NO"}
        return [(row["column_name"], WIDTHS[row["data_type"]]) for row in rows]

    dtype = TABLES[table]
    assert asyncio.run(columns()) == [(name, dtype[name].itemsize) for name in dtype.names or ()]


def test_a_trade_has_room_for_its_postings() -> None:
    assert POSTINGS_PER_TRADE <= POSTINGS_PER_ENTRY_MAX
