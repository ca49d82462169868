"""How the public market stands in memory: levels, single orders, trades and the open minute of every instrument.

Levels are two arrays a side, prices and lots, sorted so that the best is last, for most come and go near it. An order
has a row by its slot, which no other open order shares, and stands in a list of its instrument in the order of places.
"""

import numpy as np

from exchange.core.jit import ROW
from exchange.marketdata.folds.compiled import SLOT_MASK, Record, int64, kernel, record_at, routine
from exchange.marketdata.folds.pool import POOL, WORD, row_at

_WORD = "<i8"
_LINK = "<u4"
SHOWN, SLEEPING, UNPRICED = range(3)  # what a row of an order that has no level says
MINUTE_NS, MINUTE_MS = 60_000_000_000, 60_000
_INT64_MAX = (1 << 63) - 1

LEVELS = np.dtype(
    (
        ROW,
        [
            ("keys", _WORD),  # where they stand: prices of bids, negative prices of asks
            ("lots", _WORD),
            ("count", _WORD),
            ("capacity", _WORD),
        ],
    )
)
BOOK = np.dtype(
    (
        ROW,
        [
            ("free", _WORD),
            ("update_id", _WORD),
            ("previous_id", _WORD),  # before the batch that touched it last
            ("batch", _WORD),  # which one that was
            ("auction", _WORD),  # how many are over
            ("order_count", _WORD),
            ("first", _LINK),  # slot and one of the order whose place is the oldest
            ("last", _LINK),
            ("sides", LEVELS, (2,)),
            ("trades", _WORD),  # where they stand, in a ring once it is as large as it may be
            ("trade_count", _WORD),
            ("trade_capacity", _WORD),
            ("open_ms", _WORD),  # the candle of the open minute
            ("open_ticks", _WORD),
            ("high_ticks", _WORD),
            ("low_ticks", _WORD),
            ("close_ticks", _WORD),
            ("volume_lots", _WORD),
            ("close_ms", _WORD),
            ("amount", _WORD),
            ("trades_in_minute", _WORD),  # 0: there is no open minute
            ("taker_buy_lots", _WORD),
            ("taker_buy_amount", _WORD),
            ("first_trade_id", _WORD),
            ("last_trade_id", _WORD),
        ],
    )
)
RESTING = np.dtype(
    (
        ROW,
        [
            ("order_id", _WORD),
            ("place", _WORD),
            ("price_ticks", _WORD),
            ("lots", _WORD),  # shown on the book; 0: it is not there
            ("display_lots", _WORD),  # of an iceberg, else 0
            ("hidden_lots", _WORD),
            ("auction", _WORD),  # how many were over when it came, if it is UNPRICED
            ("instrument", "<u4"),
            ("earlier", _LINK),  # slot and one
            ("later", _LINK),
            ("side", "u1"),
            ("state", "u1"),
            ("spare", "<u2"),
        ],
    )
)
CHANGE = np.dtype(
    (
        ROW,
        [
            ("order_id", _WORD),
            ("place", _WORD),
            ("price_ticks", _WORD),
            ("lots", _WORD),  # of the order, now
            ("level_lots", _WORD),
            ("trade_id", _WORD),
            ("instrument", "<u4"),
            ("side", "u1"),
            ("cause", "u1"),
            ("spare", "<u2"),
        ],
    )
)
TRADE = np.dtype(
    (
        ROW,
        [
            ("trade_id", _WORD),
            ("time_ns", _WORD),
            ("price_ticks", _WORD),
            ("quantity_lots", _WORD),
            ("amount", _WORD),
            ("is_buyer_maker", _WORD),
        ],
    )
)
STATE = np.dtype(
    (
        ROW,
        [
            ("books", POOL, (1,)),
            ("orders", _WORD),  # where the rows of orders stand, by slot
            ("changes", _WORD),  # where those of the batch stand
            ("change_count", _WORD),
            ("change_capacity", _WORD),
            ("touched", _WORD),  # where the instruments stand that the batch touched
            ("touched_count", _WORD),
            ("touched_capacity", _WORD),
            ("batch", _WORD),
            ("is_begun", _WORD),  # the fold stopped within it, for room
            ("trades_max", _WORD),
            ("sequence", _WORD),  # of the command whose events came last
            ("has_taker", _WORD),  # the incoming order of that command: where it will rest, and what is left of it
            ("taker_id", _WORD),
            ("taker_instrument", _WORD),
            ("taker_side", _WORD),
            ("taker_ticks", _WORD),
            ("taker_lots", _WORD),
        ],
    )
)
_RESTING_BYTES, _CHANGE_BYTES, _TRADE_BYTES = RESTING.itemsize, CHANGE.itemsize, TRADE.itemsize


@kernel
def book_at(state: Record, instrument: int) -> Record:
    """Return an instrument's book by its number."""
    return record_at(row_at(state.books[0], int64(instrument) + 1), BOOK)  # row 0 is nobody's


@kernel
def resting_at(state: Record, order_id: int) -> Record:
    """Return the row of an open order."""
    return record_at(int64(state.orders) + (int64(order_id) & SLOT_MASK) * _RESTING_BYTES, RESTING)


@kernel
def word_at(table: int, index: int) -> Record:
    """Return an element of an array of integers."""
    return record_at(int64(table) + index * 8, WORD)


@kernel
def touch(state: Record, instrument: int) -> None:
    """Note that the batch concerns an instrument."""
    book = book_at(state, instrument)
    if book.batch != state.batch:
        book.batch, book.previous_id = state.batch, book.update_id
        word_at(state.touched, int64(state.touched_count)).value = instrument
        state.touched_count += 1


# --- levels -----------------------------------------------------------------------------------------------------------


@kernel
def _place_of(levels: Record, key: int) -> int:
    """Return the place of the first level whose key is not below one; it is looked for from the best on."""
    low, high, step = int64(0), int64(levels.count), int64(1)
    while high - step >= 0 and word_at(levels.keys, high - step).value >= key:
        high -= step
        step += step
    low = max(low, high - step)
    while low < high:
        middle = (low + high) // 2
        if word_at(levels.keys, middle).value < key:
            low = middle + 1
        else:
            high = middle
    return low


@routine
def _insert(levels: Record, place: int, key: int, lots: int) -> None:
    index = int64(levels.count)
    while index > place:
        word_at(levels.keys, index).value = word_at(levels.keys, index - 1).value
        word_at(levels.lots, index).value = word_at(levels.lots, index - 1).value
        index -= 1
    word_at(levels.keys, place).value = key
    word_at(levels.lots, place).value = lots
    levels.count += 1


@routine
def _remove(levels: Record, place: int) -> None:
    levels.count -= 1
    for index in range(place, int64(levels.count)):
        word_at(levels.keys, index).value = word_at(levels.keys, index + 1).value
        word_at(levels.lots, index).value = word_at(levels.lots, index + 1).value


@routine
def change_level(book: Record, side: int, price_ticks: int, delta_lots: int) -> int:
    """Add lots to a level or take them away; return how many there are now."""
    levels = book.sides[side]
    key = price_ticks if side == 0 else -price_ticks
    place = _place_of(levels, key)
    if place < levels.count and word_at(levels.keys, place).value == key:
        left = int64(word_at(levels.lots, place).value) + delta_lots
        if left == 0:
            _remove(levels, place)
        else:
            word_at(levels.lots, place).value = left
        return left
    if delta_lots != 0:
        _insert(levels, place, key, delta_lots)
    return delta_lots


# --- single orders ----------------------------------------------------------------------------------------------------


@kernel
def link_last(state: Record, book: Record, order: Record) -> None:
    """Put an order behind all others of its instrument."""
    link = (int64(order.order_id) & SLOT_MASK) + 1
    order.earlier, order.later = book.last, 0
    if book.last != 0:
        resting_at(state, int64(book.last) - 1).later = link
    else:
        book.first = link
    book.last = link
    book.order_count += 1


@kernel
def unlink(state: Record, book: Record, order: Record) -> None:
    """Take an order out of the list of its instrument."""
    if order.earlier != 0:
        resting_at(state, int64(order.earlier) - 1).later = order.later
    else:
        book.first = order.later
    if order.later != 0:
        resting_at(state, int64(order.later) - 1).earlier = order.earlier
    else:
        book.last = order.earlier
    book.order_count -= 1


@routine
def change(
    state: Record, instrument: int, side: int, price_ticks: int, delta_lots: int, order_id: int, cause: int, trade: int
) -> None:
    """Show more or less of an order: one update of its instrument."""
    touch(state, instrument)
    book, order = book_at(state, instrument), resting_at(state, order_id)
    book.update_id += 1
    if order.lots == 0:
        order.order_id, order.place = order_id, book.update_id
        order.price_ticks, order.side, order.instrument = price_ticks, side, instrument
        link_last(state, book, order)
    order.lots += delta_lots
    if order.lots == 0:
        unlink(state, book, order)
    told = record_at(int64(state.changes) + int64(state.change_count) * _CHANGE_BYTES, CHANGE)
    state.change_count += 1
    told.order_id, told.place, told.price_ticks, told.lots = order_id, order.place, price_ticks, order.lots
    told.level_lots = change_level(book, side, price_ticks, delta_lots)
    told.trade_id, told.instrument, told.side, told.cause = trade, instrument, side, cause


# --- trades and the open minute ---------------------------------------------------------------------------------------


@kernel
def _sum(one: int, other: int) -> int:
    """Add two amounts; a sum beyond an int64 stays at its maximum: statistics, not accounts."""
    return one + other if one <= _INT64_MAX - other else _INT64_MAX


@routine
def add_trade(book: Record, event: Record, is_taker_buyer: bool) -> None:
    """Keep a trade, and count it in the open minute, which it is of."""
    at = int64(book.trades) + int64(book.trade_count) % int64(book.trade_capacity) * _TRADE_BYTES
    trade = record_at(at, TRADE)
    trade.trade_id, trade.time_ns, trade.price_ticks = event.trade_id, event.time_ns, event.price_ticks
    trade.quantity_lots, trade.amount, trade.is_buyer_maker = event.quantity_lots, event.amount, not is_taker_buyer
    book.trade_count += 1
    price, lots, amount = int64(event.price_ticks), int64(event.quantity_lots), int64(event.amount)
    if book.trades_in_minute == 0:
        book.open_ms = int64(event.time_ns) // MINUTE_NS * MINUTE_MS
        book.close_ms = int64(book.open_ms) + MINUTE_MS - 1
        book.open_ticks, book.high_ticks, book.low_ticks, book.first_trade_id = price, price, price, event.trade_id
        book.volume_lots = book.amount = book.taker_buy_lots = book.taker_buy_amount = 0
    book.high_ticks = max(int64(book.high_ticks), price)
    book.low_ticks = min(int64(book.low_ticks), price)
    book.close_ticks, book.last_trade_id = price, event.trade_id
    book.volume_lots = _sum(int64(book.volume_lots), lots)
    book.amount = _sum(int64(book.amount), amount)
    book.trades_in_minute += 1
    if is_taker_buyer:
        book.taker_buy_lots = _sum(int64(book.taker_buy_lots), lots)
        book.taker_buy_amount = _sum(int64(book.taker_buy_amount), amount)
