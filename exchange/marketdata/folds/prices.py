"""The compiled part of prices by day: the trades of the open day, summed up by instrument and group.

Sums are kept in two halves, of the lower 32 bits and of the upper ones, so that they are exact however many there are.
What was summed up is taken over by the view when it needs it, at the end of a day or when a trade is undone.
"""

import numpy as np

from exchange.core.jit import ROW
from exchange.core.types import DAY_NS, DAY_OFFSET_NS, EventKind, Side
from exchange.marketdata.folds.books import word_at
from exchange.marketdata.folds.compiled import Record, entry, event_at, int64, kernel, record_at, routine
from exchange.marketdata.folds.pool import POOL, row_at

GROUPS_MAX = 1 << 22  # a group is numbered by an account; one of a higher number counts as none
LAST_MAX = 64  # trades of an instrument that are remembered
LOW_BITS = 32
_LOW = (1 << LOW_BITS) - 1
_WORD = "<i8"

SUM = np.dtype((ROW, [("low", _WORD), ("high", _WORD)]))
PART = np.dtype((ROW, [("bought", SUM, (1,)), ("sold", SUM, (1,)), ("amount", SUM, (1,))]))  # what one group traded
BOUGHT, SOLD, AMOUNT = range(3)  # of a part
UNITS, OWN_UNITS, WINDOW_LOTS, WINDOW_VALUE = range(4)  # of a book
BOOK = np.dtype(
    (
        ROW,
        [
            ("free", _WORD),
            ("is_known", _WORD),
            ("lot_units", _WORD),
            ("has_index", _WORD),  # that its trades count in
            ("parts", _WORD),  # of the index, where they stand, by group; 0: nowhere yet
            ("trade_count", _WORD),
            ("own_count", _WORD),  # trades within a group, which do not count
            ("window_count", _WORD),
            ("window_id", _WORD),  # of the first trade in the window
            ("sums", SUM, (4,)),
            ("last_ids", _WORD, (LAST_MAX,)),
            ("last_ticks", _WORD, (LAST_MAX,)),
        ],
    )
)
STATE = np.dtype(
    (
        ROW,
        [
            ("books", POOL, (1,)),
            ("groups", _WORD),  # where the group of each account stands
            ("group_count", _WORD),
            ("window_ns", _WORD),  # the length of the window at the end of a day
            ("first_trade_id", _WORD),  # since they were taken over, 0: there was none
            ("last_trade_id", _WORD),
        ],
    )
)
_PART_BYTES = PART.itemsize


def total(found: np.void) -> int:
    """Return what a SUM comes to."""
    return (int(found["high"]) << LOW_BITS) + int(found["low"])


def used(parts: np.ndarray) -> np.ndarray:
    """Return the groups that have a part."""
    groups: np.ndarray = np.flatnonzero((parts.view(_WORD).reshape(len(parts), -1) != 0).any(axis=1))
    return groups


@kernel
def _add(sum_: Record, value: int) -> None:
    sum_.low += value & _LOW
    sum_.high += value >> LOW_BITS


@routine
def _add_part(parts: int, group: int, which: int, units: int, amount: int) -> None:
    part = record_at(parts + group * _PART_BYTES, PART)
    if which == BOUGHT:
        _add(part.bought[0], units)
    else:
        _add(part.sold[0], units)
    _add(part.amount[0], amount)


@kernel
def _group(state: Record, account: int) -> int:
    return int64(word_at(state.groups, int64(account)).value)


@routine
def _count(state: Record, book: Record, event: Record) -> None:
    """Count a trade of an instrument that is known."""
    taker, maker = _group(state, event.account), _group(state, event.counter_account)
    buyer, seller = (taker, maker) if event.side == Side.BUY else (maker, taker)
    lots, amount = int64(event.quantity_lots), int64(event.amount)
    units = lots * int64(book.lot_units)
    if buyer == seller:
        book.own_count += 1
        _add(book.sums[OWN_UNITS], units)
        return
    _add(book.sums[UNITS], units)
    if book.parts != 0:
        _add_part(int64(book.parts), buyer, BOUGHT, units, amount)
        _add_part(int64(book.parts), seller, SOLD, units, amount)
    place = int64(book.trade_count) % LAST_MAX
    book.last_ids[place], book.last_ticks[place] = event.trade_id, event.price_ticks
    book.trade_count += 1
    if (int64(event.time_ns) + DAY_OFFSET_NS) % DAY_NS >= DAY_NS - int64(state.window_ns):
        if book.window_id == 0:
            book.window_id = event.trade_id
        book.window_count += 1
        _add(book.sums[WINDOW_LOTS], lots)
        _add(book.sums[WINDOW_VALUE], int64(event.price_ticks) * lots)


@kernel
def _has_room(state: Record, event: Record) -> bool:
    other = int64(event.counter_account)
    if int64(event.account) >= int64(state.group_count) or int64(state.group_count) <= other < GROUPS_MAX:
        return False
    if event.kind != EventKind.TRADED or int64(event.instrument) >= int64(state.books[0].capacity) - 1:
        return True
    book = record_at(row_at(state.books[0], int64(event.instrument) + 1), BOOK)
    return book.has_index == 0 or book.parts != 0


@entry
def fold(state_at: int, events_at: int, start: int, end: int) -> int:
    """Sum up trades from `start` on; return the first event that lacks room or that is not for this fold."""
    state = record_at(state_at, STATE)
    for index in range(start, end):
        event = event_at(events_at, index)
        kind = event.kind
        if kind == EventKind.TRADED or kind == EventKind.ACCOUNT_CREATED:
            if not _has_room(state, event):
                return index
            if kind == EventKind.ACCOUNT_CREATED:
                if int64(event.counter_account) < GROUPS_MAX:
                    word_at(state.groups, int64(event.account)).value = event.counter_account
                continue
            if state.first_trade_id == 0:
                state.first_trade_id = event.trade_id
            state.last_trade_id = event.trade_id
            if int64(event.instrument) < int64(state.books[0].capacity) - 1:
                book = record_at(row_at(state.books[0], int64(event.instrument) + 1), BOOK)
                if book.is_known != 0:
                    _count(state, book, event)
        elif kind == EventKind.TRADE_BUSTED or kind == EventKind.INSTRUMENT_LISTED:
            return index
    return end
