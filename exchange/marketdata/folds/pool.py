"""Rows that are taken and given back one by one. There are ever more of them, in blocks; a row never moves.

Row 0 is nobody's: a link to it ends a list. The first word of a row belongs to the pool.
"""

from typing import Any

import numpy as np

from exchange.core.jit import ROW
from exchange.marketdata.folds.compiled import Record, address, int64, kernel, record_at

BLOCK_BITS = 12
BLOCK_ROWS = 1 << BLOCK_BITS
BLOCKS_MAX = 1 << 16
_MASK = BLOCK_ROWS - 1
POOL = np.dtype(
    (
        ROW,
        [
            ("table", "<i8"),  # where the addresses of the blocks stand
            ("row_bytes", "<i8"),
            ("capacity", "<i8"),  # rows in all blocks
            ("used", "<i8"),  # rows that were ever taken, and row 0
            ("taken", "<i8"),
            ("free", "<i8"),  # the row given back last
        ],
    )
)
WORD = np.dtype((ROW, [("value", "<i8")]))


class Pool:
    """The memory of a pool whose head is a POOL in a fold's state."""

    def __init__(self, head: np.ndarray, row: "np.dtype[Any]") -> None:
        """Begin with one block; `head` is an array of one element, in place."""
        self._head = head
        self._row = row
        self._table = np.zeros(BLOCKS_MAX, "<i8")
        self._blocks: list[np.ndarray] = []
        self._bytes: list[memoryview] = []
        head["table"], head["row_bytes"], head["used"] = address(self._table), row.itemsize, 1
        self.grow()

    @property
    def room(self) -> int:
        """Return how many rows can be taken before it has to grow."""
        return int(self._head["capacity"][0] - self._head["taken"][0]) - 1

    def grow(self) -> None:
        """Add a block."""
        block = np.zeros(BLOCK_ROWS, self._row)
        self._table[len(self._blocks)] = address(block)
        self._blocks.append(block)
        self._bytes.append(memoryview(block.view(np.uint8)))  # type: ignore[arg-type]  # numpy's types do not say so
        self._head["capacity"] = len(self._blocks) * BLOCK_ROWS

    def clear(self) -> None:
        """Take every row back; what stood in them still does."""
        self._head["used"], self._head["taken"], self._head["free"] = 1, 0, 0

    def bytes_of(self, row: int) -> memoryview:
        """Return the bytes of a row, in place."""
        begin = (row & _MASK) * self._row.itemsize
        return self._bytes[row >> BLOCK_BITS][begin : begin + self._row.itemsize]


@kernel
def row_at(pool: Record, row: int) -> int:
    """Return where a row stands."""
    block = record_at(int64(pool.table) + (row >> BLOCK_BITS) * 8, WORD).value
    return int64(block) + (row & _MASK) * int64(pool.row_bytes)


@kernel
def room_of(pool: Record) -> int:
    """Count the rows that may still be taken."""
    return int64(pool.capacity) - int64(pool.taken) - 1


@kernel
def take(pool: Record) -> int:
    """Take the row given back last, or the next one that nobody had."""
    row = int64(pool.free)
    if row != 0:
        pool.free = record_at(row_at(pool, row), WORD).value
    else:
        row = int64(pool.used)
        pool.used += 1
    pool.taken += 1
    return row


@kernel
def give(pool: Record, row: int) -> None:
    """Give a row back."""
    record_at(row_at(pool, row), WORD).value = int64(pool.free)
    pool.free = row
    pool.taken -= 1
