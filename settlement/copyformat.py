"""Postgres' binary COPY format, for rows of fixed width without nulls: a whole table in a few numpy assignments.

A row is its number of fields, then length and big-endian value of each. The bytes that go in are the bytes
that `COPY ... TO STDOUT` gives back, so equality of rows is equality of bytes.
https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format"
"""

from collections.abc import Iterable
from functools import cache

import numpy as np

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"


def encode(rows: np.ndarray) -> bytes:
    """Return the COPY data of a record array."""
    assert rows.dtype.names is not None
    wire = np.empty(len(rows), _wire_dtype(rows.dtype))
    wire["fields"] = len(rows.dtype.names)
    for index, name in enumerate(rows.dtype.names):
        wire[f"size{index}"] = rows.dtype[index].itemsize
        wire[f"value{index}"] = rows[name]
    return b"".join((HEADER, wire.data, TRAILER))


def decode(data: bytes, dtype: np.dtype) -> np.ndarray:
    """Return the records of COPY data that has exactly this layout."""
    wire_dtype = _wire_dtype(dtype)
    rows_data = body(data)
    framed = data.startswith(HEADER) and data.endswith(TRAILER) and len(rows_data) % wire_dtype.itemsize == 0
    assert framed, "not the COPY data of this layout"
    wire = np.frombuffer(rows_data, wire_dtype)
    rows = np.empty(len(wire), dtype)
    assert dtype.names is not None
    for index, name in enumerate(dtype.names):
        assert (wire[f"size{index}"] == dtype[index].itemsize).all(), f"{name} holds a null or has another width"
        rows[name] = wire[f"value{index}"]
    return rows


def join(parts: Iterable[bytes]) -> bytes:
    """Return the COPY data of the rows of several, one after the other."""
    return b"".join((HEADER, *(memoryview(part)[len(HEADER) : -len(TRAILER)] for part in parts), TRAILER))


def count(data: bytes, dtype: np.dtype) -> int:
    """Return the number of rows in COPY data of this layout."""
    return (len(data) - len(HEADER) - len(TRAILER)) // _wire_dtype(dtype).itemsize


def body(data: bytes) -> memoryview:
    """Return the rows of COPY data without what stands around them."""
    return memoryview(data)[len(HEADER) : -len(TRAILER)]


@cache
def _wire_dtype(dtype: np.dtype) -> np.dtype:
    fields: list[tuple[str, object]] = [("fields", ">i2")]
    for index in range(len(dtype.names or ())):
        fields += [(f"size{index}", ">i4"), (f"value{index}", dtype[index].newbyteorder(">"))]
    return np.dtype(fields)
