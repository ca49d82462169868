"""How the order histories stand in memory: orders, fills and accounts as rows of three pools, linked by row numbers.

An order stands in two lists of its account: of all its orders, as they were accepted, and of the open or the closed
ones. A fill stands in its account's list and in its order's, and is given back when neither keeps it.
"""

import numpy as np

from exchange.core.jit import ROW, blend, scatter
from exchange.marketdata.folds.compiled import SLOT_MASK, Record, int64, kernel, record_at
from exchange.marketdata.folds.pool import POOL, row_at

NEW, PARTIALLY_FILLED, FILLED, CANCELED, EXPIRED = range(5)  # status
ORDERS, FILLS, ACCOUNTS = range(3)  # pools
UNNAMED, NAMED, RENAMED = range(3)  # RENAMED: a later order of the account has the same name
OF_ACCOUNT, OF_ORDER = 1, 2  # who keeps a fill
_LINK = "<u4"
_WORD = "<i8"

ORDER = np.dtype(
    (
        ROW,
        [
            ("free", _WORD),
            ("order_id", _WORD),
            ("account", "<u4"),
            ("instrument", "<u4"),
            ("side", "u1"),
            ("order_type", "u1"),
            ("time_in_force", "u1"),
            ("self_trade_prevention", "u1"),
            ("flags", "u1"),
            ("status", "u1"),
            ("end_reason", "u1"),
            ("named", "u1"),
            ("price_ticks", _WORD),
            ("quantity_lots", _WORD),
            ("time_ns", _WORD),
            ("update_ns", _WORD),
            ("filled_lots", _WORD),
            ("quote_filled", _WORD),
            ("fee", _WORD),
            ("stop_ticks", _WORD),
            ("display_lots", _WORD),
            ("until_ns", _WORD),
            ("triggered_ns", _WORD),
            ("event_number", _WORD),
            ("word_0", _WORD),  # the client order id, as the events tell it
            ("word_1", _WORD),
            ("word_2", _WORD),
            ("word_3", _WORD),
            ("word_4", _WORD),
            ("earlier", _LINK),  # in the account's list of orders
            ("later", _LINK),
            ("before", _LINK),  # in its list of open ones, or of closed ones
            ("behind", _LINK),
            ("same_id", _LINK),  # in a list of those whose ids hash alike
            ("same_name", _LINK),
            ("first_fill", _LINK),
            ("last_fill", _LINK),
            ("fill_count", _WORD),
        ],
    )
)
FILL = np.dtype(
    (
        ROW,
        [
            ("free", _WORD),
            ("trade_id", _WORD),
            ("order_id", _WORD),
            ("price_ticks", _WORD),
            ("quantity_lots", _WORD),
            ("amount", _WORD),
            ("fee", _WORD),
            ("time_ns", _WORD),
            ("event_number", _WORD),
            ("account", "<u4"),
            ("instrument", "<u4"),
            ("is_maker", "u1"),
            ("is_buyer", "u1"),
            ("keepers", "u1"),
            ("spare", "u1"),
            ("next_of_account", _LINK),
            ("next_of_order", _LINK),
            ("rest", "<u4"),  # so that every row begins at a word
        ],
    )
)
ACCOUNT = np.dtype(
    (
        ROW,
        [
            ("free", _WORD),
            ("first", _LINK),
            ("last", _LINK),
            ("first_open", _LINK),
            ("last_open", _LINK),
            ("first_closed", _LINK),
            ("last_closed", _LINK),
            ("first_fill", _LINK),
            ("last_fill", _LINK),
            ("order_count", _WORD),
            ("closed_count", _WORD),
            ("fill_count", _WORD),
            ("forgot", _WORD),
        ],
    )
)
STATE = np.dtype(
    (
        ROW,
        [
            ("pools", POOL, (3,)),
            ("slots", _WORD),  # where the latest order of each slot of the engine is told: a row
            ("ids", _WORD),  # where lists of orders begin whose ids hash alike
            ("names", _WORD),
            ("bits", _WORD),  # 1 << bits of them
            ("event_count", _WORD),
            ("incoming_sequence", _WORD),  # of the command whose order came in last: a trade of another is an auction's
            ("closed_max", _WORD),
            ("fills_max", _WORD),
            ("order_fills_max", _WORD),
        ],
    )
)
CHOICE = np.dtype(
    (
        ROW,
        [  # what is asked for of an account
            ("account", _WORD),
            ("instrument", _WORD),  # 0: any
            ("order_id", _WORD),  # negative: any
            ("from_id", _WORD),
            ("first_ns", _WORD),
            ("last_ns", _WORD),
            ("begin", _WORD),  # a row, 0: the first or last
            ("limit", _WORD),
            ("is_open", _WORD),
            ("is_forward", _WORD),
        ],
    )
)
_ROW_NUMBER = np.dtype((ROW, [("value", _LINK)]))


@kernel
def order_row(state: Record, row: int) -> Record:
    """Return an order."""
    return record_at(row_at(state.pools[ORDERS], row), ORDER)


@kernel
def fill_row(state: Record, row: int) -> Record:
    """Return a fill."""
    return record_at(row_at(state.pools[FILLS], row), FILL)


@kernel
def account_row(state: Record, number: int) -> Record:
    """Return an account by its number."""
    return record_at(row_at(state.pools[ACCOUNTS], int64(number) + 1), ACCOUNT)  # row 0 is nobody's


@kernel
def link_at(table: int, index: int) -> Record:
    """Return an element of a table of rows."""
    return record_at(int64(table) + index * 4, _ROW_NUMBER)


@kernel
def latest_row(state: Record, order_id: int) -> int:
    """Return the row of an open order."""
    return int64(link_at(state.slots, int64(order_id) & SLOT_MASK).value)


@kernel
def id_list(state: Record, order_id: int) -> Record:
    """Return where the list begins that an order id would be in."""
    return link_at(state.ids, scatter(order_id, state.bits))


@kernel
def _name_hash(order: Record) -> int:
    hash_ = blend(int64(order.account), int64(order.word_0))
    hash_ = blend(blend(hash_, int64(order.word_1)), int64(order.word_2))
    return blend(blend(hash_, int64(order.word_3)), int64(order.word_4))


@kernel
def name_list(state: Record, order: Record) -> Record:
    """Return where the list begins that the name of an order would be in."""
    return link_at(state.names, scatter(_name_hash(order), state.bits))


@kernel
def is_same_name(one: Record, other: Record) -> bool:
    """Tell whether two orders are one account's and have one name."""
    return (
        one.account == other.account
        and one.word_0 == other.word_0
        and one.word_1 == other.word_1
        and one.word_2 == other.word_2
        and one.word_3 == other.word_3
        and one.word_4 == other.word_4
    )
