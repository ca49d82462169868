"""A book and nothing else: what the compiled core could reach at most, to read its own figures beside.

One instrument, prices below 2**16, a dense ladder of levels under bitmaps, an order in the row of its number: no
accounts, holds, fees, limits, order ids or events; it tells trades alone.
"""

import statistics
import time

import numpy as np

from benchmarks.peers import Timing
from benchmarks.workload import BUY, CANCEL, IMMEDIATE, MOVE, ROW, TRADE, Workload
from exchange.core.jit import ROW as RECORD
from exchange.core.jit import Record, entry, highest_bit, int64, kernel, lowest_bit

BATCH = 4_096
TRADES_MAX = 1 << 16
PRICES = 1 << 16
WORDS = PRICES >> 6
NONE = 0  # no order
_ONE = np.uint64(1)
_ALL = np.uint64(0xFFFF_FFFF_FFFF_FFFF)

_ORDER = np.dtype(
    [("leaves", "<i4"), ("price", "<u4"), ("prev", "<u4"), ("next", "<u4"), ("side", "u1"), ("spare", "u1", (3,))]
)
_LEVEL = np.dtype([("head", "<u4"), ("tail", "<u4")])
_SIDE = np.dtype(
    [
        ("best", "<u4"),  # 0: none
        ("spare", "<u4"),
        ("pages", "<u8", (WORDS >> 6,)),  # which words have a bit
        ("words", "<u8", (WORDS,)),  # which levels have an order
        ("levels", np.dtype((RECORD, _LEVEL)), (PRICES,)),
    ]
)


def _row(fields: np.dtype) -> np.dtype:
    return np.dtype((RECORD, fields))


def open_book(orders: int) -> np.ndarray:
    """Return an empty book with room for orders numbered up to `orders`."""
    return np.zeros(1, _row(np.dtype([("sides", _row(_SIDE), (2,)), ("orders", _row(_ORDER), (orders + 1,))])))


_OUTPUT = _row(np.dtype([("count", "<i8"), ("rows", _row(TRADE), (TRADES_MAX,))]))


@kernel
def _after(side: Record, which: int, price: int) -> int:
    """Return the best price that is worse than one, 0 when there is none."""
    word = price >> 6
    if which == BUY:
        mask = side.words[word] & ~(_ALL << np.uint64(price & 63))
        if mask != 0:
            return word << 6 | highest_bit(mask)
        page = word >> 6
        above = side.pages[page] & ~(_ALL << np.uint64(word & 63))
        while above == 0 and page > 0:
            page -= 1
            above = side.pages[page]
        if above == 0:
            return 0
        word = page << 6 | highest_bit(above)
        return word << 6 | highest_bit(side.words[word])
    mask = side.words[word] & (_ALL << np.uint64(price & 63)) & ~(_ONE << np.uint64(price & 63))
    if mask != 0:
        return word << 6 | lowest_bit(mask)
    page = word >> 6
    above = side.pages[page] & (_ALL << np.uint64(word & 63)) & ~(_ONE << np.uint64(word & 63))
    while above == 0 and page < (WORDS >> 6) - 1:
        page += 1
        above = side.pages[page]
    if above == 0:
        return 0
    word = page << 6 | lowest_bit(above)
    return word << 6 | lowest_bit(side.words[word])


@kernel
def _rest(book: Record, slot: int) -> None:
    order = book.orders[slot]
    which, price = int64(order.side), int64(order.price)
    side = book.sides[which]
    level = side.levels[price]
    order.next = NONE
    order.prev = level.tail
    if level.tail != NONE:
        book.orders[level.tail].next = slot
    else:
        level.head = slot
        side.words[price >> 6] |= _ONE << np.uint64(price & 63)
        side.pages[price >> 12] |= _ONE << np.uint64((price >> 6) & 63)
        if side.best == 0 or (price > side.best) == (which == BUY):
            side.best = price
    level.tail = slot


@kernel
def _take(book: Record, slot: int) -> None:
    order = book.orders[slot]
    which, price = int64(order.side), int64(order.price)
    side = book.sides[which]
    level = side.levels[price]
    if order.prev != NONE:
        book.orders[order.prev].next = order.next
    else:
        level.head = order.next
    if order.next != NONE:
        book.orders[order.next].prev = order.prev
    else:
        level.tail = order.prev
    if level.head != NONE:
        return
    side.words[price >> 6] &= ~(_ONE << np.uint64(price & 63))
    if side.words[price >> 6] == 0:
        side.pages[price >> 12] &= ~(_ONE << np.uint64((price >> 6) & 63))
    if side.best == price:
        side.best = _after(side, which, price)


@kernel
def _place(book: Record, slot: int, output: Record, operation: int) -> None:
    taker = book.orders[slot]
    which, price = int64(taker.side), int64(taker.price)
    opposite = book.sides[1 - which]
    while taker.leaves > 0 and opposite.best != 0:
        best = int64(opposite.best)
        if (best > price) if which == BUY else (best < price):
            break
        maker_slot = int64(opposite.levels[best].head)
        maker = book.orders[maker_slot]
        lots = min(taker.leaves, maker.leaves)
        taker.leaves -= lots
        maker.leaves -= lots
        told = output.rows[output.count]
        output.count += 1
        told.taker = slot
        told.maker = maker_slot
        told.price = best
        told.qty = lots
        if maker.leaves == 0:
            _take(book, maker_slot)
    if operation == IMMEDIATE:
        taker.leaves = 0
    elif taker.leaves > 0:
        _rest(book, slot)


@entry
def _run(books: Record, rows: Record, outputs: Record) -> None:
    book, output = books[0], outputs[0]
    output.count = 0
    for index in range(len(rows)):
        row = rows[index]
        slot = int64(row.id)
        order = book.orders[slot]
        if row.op <= IMMEDIATE:
            order.side = row.side
            order.price = row.price
            order.leaves = row.qty
            _place(book, slot, output, int64(row.op))
        elif order.leaves > 0:
            _take(book, slot)
            if row.op == CANCEL:
                order.leaves = 0
            else:
                order.price = row.price
                _place(book, slot, output, MOVE)


def measure(workload: Workload, runs: int) -> Timing:
    """Compare the trades of a flow, then time it in batches."""
    rows = workload.commands.view(_row(ROW))
    rows.flags.writeable = False
    outputs = np.zeros(1, _OUTPUT)
    seconds, cpu, deviation = [], [], ""
    for index in range(runs + 1):
        book, told = open_book(int(rows["id"].max())), []
        start, start_cpu = time.perf_counter(), time.thread_time()
        for first in range(0, len(rows), BATCH):
            _run(book, rows[first : first + BATCH], outputs)
            if index == 0:
                told += outputs[0]["rows"][: outputs[0]["count"]].tolist()
        cpu.append(time.thread_time() - start_cpu)
        seconds.append(time.perf_counter() - start)
        if index == 0 and told != workload.trades.tolist():
            deviation = "the trades differ from the oracle's"
    per_command = statistics.median(cpu[1:]) / len(rows) * 1e9
    return Timing(len(rows) / statistics.median(seconds[1:]), per_command, deviation)
