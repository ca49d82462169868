"""Binary COPY data: as Postgres reads and writes it."""

import asyncio

import asyncpg
import numpy as np
import pytest

from settlement import copyformat
from settlement.connect import fetch_copy

ROW = np.dtype([("small", "<i2"), ("middle", "<i4"), ("big", "<i8"), ("id", "V16")])


def _rows() -> np.ndarray:
    rows = np.zeros(3, ROW)
    rows["small"] = (1, -2, 32767)
    rows["middle"] = (-1, 0, 2**31 - 1)
    rows["big"] = (-(2**63), 0, 2**63 - 1)
    rows["id"] = np.frombuffer(bytes(range(48)), "V16")
    return rows


def test_one_row_is_spelled_out() -> None:
    row = np.array([(258, -1)], np.dtype([("a", "<i2"), ("b", "<i4")]))
    assert copyformat.encode(row) == (
        b"PGCOPY\n\xff\r\n\0"
        + bytes(8)
        + b"\0\x02"
        + b"\0\0\0\x02\x01\x02"
        + b"\0\0\0\x04\xff\xff\xff\xff"
        + b"\xff\xff"
    )


def test_decode_gives_back_what_was_encoded() -> None:
    assert copyformat.decode(copyformat.encode(_rows()), ROW).tobytes() == _rows().tobytes()


def test_no_rows_are_header_and_trailer() -> None:
    assert copyformat.encode(_rows()[:0]) == copyformat.HEADER + copyformat.TRAILER
    assert len(copyformat.decode(copyformat.HEADER + copyformat.TRAILER, ROW)) == 0


def test_parts_join_to_the_whole() -> None:
    parts = [copyformat.encode(part) for part in (_rows()[:1], _rows()[1:1], _rows()[1:])]
    assert copyformat.join(parts) == copyformat.encode(_rows())
    assert copyformat.join([]) == copyformat.encode(_rows()[:0])


def test_rows_are_counted_without_reading_them() -> None:
    assert [copyformat.count(copyformat.encode(_rows()[:rows]), ROW) for rows in (0, 1, 3)] == [0, 1, 3]


@pytest.mark.parametrize(
    "data", [b"", copyformat.HEADER, copyformat.encode(_rows())[:-1], copyformat.encode(_rows())[5:]]
)
def test_other_data_is_refused(data: bytes) -> None:
    with pytest.raises(AssertionError, match="not the COPY data"):
        copyformat.decode(data, ROW)


def test_a_null_is_refused() -> None:
    data = bytearray(copyformat.encode(_rows()))
    data[21:25] = b"\xff\xff\xff\xff"  # the length of the first field of the first row
    with pytest.raises(AssertionError, match="small holds a null"):
        copyformat.decode(bytes(data), ROW)


def test_postgres_takes_the_bytes_and_gives_them_back(dsn: str) -> None:
    async def there_and_back() -> tuple[list[tuple[object, ...]], bytes]:
        connection = await asyncpg.connect(dsn)
        await connection.execute("CREATE TEMP TABLE t (small smallint, middle integer, big bigint, id uuid)")
        await connection.copy_to_table("t", source=memoryview(copyformat.encode(_rows())), format="binary")
        rows = [tuple(row) for row in await connection.fetch("SELECT small, middle, big, id::text FROM t")]
        data = await fetch_copy(connection, "SELECT * FROM t")
        await connection.close()
        return rows, data

    rows, data = asyncio.run(there_and_back())
    assert rows[0] == (1, -1, -(2**63), "00010203-0405-0607-0809-0a0b0c0d0e0f")
    assert rows[2][:3] == (32767, 2**31 - 1, 2**63 - 1)
    assert data == copyformat.encode(_rows())
