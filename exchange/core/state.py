"""The state of a shard as one record: scalars are fields, tables are nested arrays.

Only this file knows the memory layout. Every table starts at 1 (NIL is 0), so zeroed memory is an empty state,
a snapshot is the rows that are in use, and two engines are equal when their bytes are. Capacity that is not
used costs nothing: the system hands out zero pages when they are first touched.
"""

import hashlib
import mmap
from collections.abc import Iterator
from struct import Struct
from typing import Any, NamedTuple, cast

import numpy as np

from exchange.core.jit import ROW
from exchange.core.records import COMMAND, EVENT
from exchange.core.types import (
    BATCH_MAX,
    EVENTS_PER_COMMAND_MAX,
    FEE_TIERS,
    SLOT_BITS,
    TURNAROUND_DAYS_MAX,
    AccountState,
)


class Capacity(NamedTuple):
    """How many rows each table may hold; row 0 of every table but the accounts' is not used."""

    accounts: int
    assets: int
    instruments: int
    orders: int
    nodes: int
    balances: int
    client_ids: int
    usage_ids: int
    conditions: int
    acquisitions: int


PRODUCTION = Capacity(
    accounts=1 << 16,
    assets=1 << 20,
    instruments=1 << 20,
    orders=(1 << SLOT_BITS) - 1,
    nodes=1 << 21,
    balances=1 << 22,
    client_ids=1 << 22,
    usage_ids=1 << 23,
    conditions=1 << 20,
    acquisitions=1 << 17,
)
TEST = Capacity(
    accounts=64,
    assets=32,
    instruments=32,
    orders=4096,
    nodes=1024,
    balances=512,
    client_ids=1024,
    usage_ids=1024,
    conditions=64,
    acquisitions=32,
)

LEAF_BITS = 12
EVENTS_MAX = 2 * EVENTS_PER_COMMAND_MAX


def _record(fields: list[Any]) -> np.dtype[Any]:
    return np.dtype((ROW, np.dtype(fields)))


ACCOUNT = _record(  # half a cache line
    [
        ("group", "<u4"),
        ("next_in_group", "<u4"),  # a ring of the accounts of a group
        ("open_orders", "<u4"),
        ("first_balance", "<u4"),  # a list, the latest first
        ("state", "u1"),
        ("limited", "u1"),  # whether it has limits of its own
        ("tier", "u1"),  # which of an instrument's fee rates it pays
        ("spare", "u1"),
        ("last_instrument", "<u4"),  # of its latest order, and the balances that order trades through
        ("last_base", "<u4"),
        ("last_quote", "<u4"),
    ]
)
ACCOUNT_LIMITS = _record(
    [
        ("open_orders_max", "<u4"),
        ("order_rate_max", "<u4"),
        ("message_rate_max", "<u4"),
        ("orders", "<u4"),  # in the second
        ("messages", "<u4"),
        ("spare", "<u4"),
        ("second", "<i8"),
        ("notional_max", "<i8"),
        ("deadman_ns", "<i8"),
    ]
)
ASSET = _record(
    [
        ("issued", "<i8"),
        ("burned", "<i8"),
        ("issuer", "<u4"),
        ("instruments", "<u4"),  # that trade it
        ("holders", "<u4"),  # counted while there is a limit
        ("holders_max", "<u4"),
        ("kind", "u1"),
        ("turnaround_days", "u1"),
        ("spare", "<u2", (3,)),
    ]
)
BALANCE = _record(
    [
        ("available", "<i8"),
        ("held", "<i8"),
        ("account", "<u4"),
        ("asset", "<u4"),
        ("first_order", "<u4"),  # of the account's open orders that buy or sell the asset, the latest first
        ("next", "<u4"),
    ]
)
ACQUISITION = _record([("day", "<i8"), ("units", "<i8", (TURNAROUND_DAYS_MAX + 1,))])  # by day modulo their number
ORDER = _record(  # what a sweep touches: half a cache line
    [
        ("leaves", "<i8"),  # what is displayed of it
        ("price_ticks", "<u4"),  # where it stands on the book: a sleeping stop by its stop price
        ("account", "<u4"),
        ("prev", "<u4"),  # in the level; of the first, the last
        ("next", "<u4"),  # in the level; in the free list while not in use
        ("node", "<u4"),  # leaf that holds its level, NIL while not on the book
        ("side", "u1"),
        ("order_type", "u1"),
        ("self_trade_prevention", "u1"),
        ("flags", "u1"),  # OrderFlag; RESTING means that the order is in its account's list
    ]
)
DETAIL = _record(  # what a fill or an end touches besides: one cache line
    [
        ("quantity", "<i8"),
        ("held", "<i8"),
        ("generation", "<u4"),
        ("instrument", "<u4"),
        ("base_balance", "<u4"),
        ("quote_balance", "<u4"),
        ("own_prev", "<u4"),  # in the account's list of orders on the base asset
        ("own_next", "<u4"),
        ("condition", "<u4"),  # NIL for an order that has none
        ("maker_bps", "<i2"),
        ("taker_bps", "<i2"),
        ("taker_part", "<u2"),  # of all notional filled in that role, modulo 10,000: see accounts.charge
        ("maker_part", "<u2"),
        ("time_in_force", "u1"),
        ("spare", "u1", (11,)),
    ]
)
CONDITION = _record(  # what only stops, icebergs and orders with an end have
    [
        ("hidden", "<i8"),
        ("until_ns", "<i8"),
        ("limit_ticks", "<u4"),  # of a stop, for when it wakes
        ("display", "<u4"),
        ("next", "<u4"),  # in the free list
        ("spare", "<u4"),
    ]
)
NODE = _record(  # 64 levels, or 64 children, of a trie of prices
    [
        ("mask", "<u8"),  # which of the 64 are in use
        ("prefix", "<u4"),  # price >> 6 * (height + 1): the same for all below
        ("parent", "<u4"),  # in the free list: the next free node
        ("height", "<u4"),  # 0: a leaf of levels
        ("queue", "<u4"),  # of a leaf: its instrument and which of its queues
        ("heads", "<u4", (64,)),  # first order of a level, or child
    ]
)
RATES = _record([("maker_bps", "<i2"), ("taker_bps", "<i2")])
QUEUE = _record([("best_price", "<u4"), ("best_node", "<u4"), ("root", "<u4")])
INSTRUMENT = _record(
    [
        ("queues", QUEUE, (4,)),  # buys, sells, sleeping sells, sleeping buys: see book.queue_of
        ("lot_units", "<i8"),
        ("tick_value", "<i8"),
        ("quantity_min", "<i8"),
        ("quantity_max", "<i8"),
        ("price_safe", "<i8"),  # up to this price no permitted quantity is too large
        ("notional_max", "<i8"),
        ("band_low", "<u4"),
        ("band_high", "<u4"),
        ("base_asset", "<u4"),
        ("quote_asset", "<u4"),
        ("fee_balance", "<u4"),
        ("state", "u1"),
        ("mode", "u1"),
        ("extras", "u1"),  # which of the rules below are set: see limits.Extra
        ("anonymous", "u1"),
        ("last_ticks", "<u4"),
        ("auction_orders", "<u4"),  # resting ones that end with the next auction
        ("rates", RATES, (FEE_TIERS,)),  # by the account's tier
        ("reference_ticks", "<u4"),
        ("auction_ticks", "<u4"),
        ("open_orders_max", "<u4"),  # of one account
        ("static_bps", "<u2"),
        ("dynamic_bps", "<u2"),
        ("position_bps", "<u2"),
        ("spare", "<u2", (7,)),  # a row is three cache lines
    ]
)
RECENT = _record([("key_low", "<i8"), ("key_high", "<i8"), ("time_ns", "<i8"), ("value", "<i8")])
OUTPUT = _record(
    [
        ("count", "<u4"),
        ("spare", "<u4"),
        ("side", _record(COMMAND.descr)),  # one side of a quote, as an order of its own
        ("rows", _record(EVENT.descr), (EVENTS_MAX,)),
    ]
)


def _index_bits(rows: int) -> int:
    """Return the size, as a power of two, of an open-addressing index: at most half full, some cache lines at least."""
    return max(6, (2 * rows - 1).bit_length())


def _recent_dtype(rows: int) -> np.dtype[Any]:
    return _record(
        [
            ("first", "<i8"),  # ring positions: first <= position < last, counted for ever
            ("last", "<i8"),
            ("index_bits", "<i8"),
            ("rows", RECENT, (rows,)),
            ("index", "<u4", (1 << _index_bits(rows),)),
        ]
    )


_RINGS = ("client_ids", "usage_ids")
_COUNTED = {  # tables, and the fields that count their rows
    "accounts": "account_count",
    "account_limits": "account_count",
    "assets": "asset_count",
    "instruments": "instrument_count",
    "balances": "balance_count",
    "balance_acquisitions": "balance_count",
    "acquisitions": "acquisition_count",
    "conditions": "condition_count",
    "orders": "order_count",
    "details": "order_count",
    "nodes": "node_count",
}


_SCALARS = [
    ("sequence", "<i8"),
    ("event_count", "<i8"),
    ("trade_count", "<i8"),
    ("account_count", "<i8"),
    ("asset_count", "<i8"),
    ("instrument_count", "<i8"),
    ("balance_count", "<i8"),
    ("order_count", "<u4"),
    ("node_count", "<u4"),
    ("free_order", "<u4"),
    ("free_order_count", "<u4"),
    ("free_node", "<u4"),
    ("free_node_count", "<u4"),
    ("condition_count", "<i8"),
    ("free_condition", "<i8"),
    ("free_condition_count", "<i8"),
    ("acquisition_count", "<i8"),
    ("balance_index_bits", "<i8"),
    ("batch_left", "<i8"),  # commands of an all-or-none batch still to come
    ("batch_account", "<i8"),
    ("batch_failed", "<i8"),
    ("batch_count", "<i8"),
    ("batch_orders", "<i8", (BATCH_MAX,)),
]


def _aligned(fields: list[Any]) -> np.dtype[Any]:
    """Return a record in which every field begins a cache line of its own if it is larger than one."""
    names, formats, offsets, end = [], [], [], 0
    for name, *shape in fields:
        dtype = np.dtype(tuple(shape) if len(shape) > 1 else shape[0])
        start = -(-end // _LINE) * _LINE if dtype.itemsize > _LINE else end
        names.append(name)
        formats.append(dtype)
        offsets.append(start)
        end = start + dtype.itemsize
    whole = {"names": names, "formats": formats, "offsets": offsets, "itemsize": -(-end // _LINE) * _LINE}
    return np.dtype((ROW, np.dtype(whole)))  # type: ignore[call-overload]


def state_dtype(capacity: Capacity) -> np.dtype[Any]:
    """Return the layout of the whole state; one layout is one compilation."""
    return _aligned(
        [
            *_SCALARS,
            ("accounts", ACCOUNT, (capacity.accounts,)),
            ("account_limits", ACCOUNT_LIMITS, (capacity.accounts,)),
            ("assets", ASSET, (capacity.assets + 1,)),
            ("instruments", INSTRUMENT, (capacity.instruments + 1,)),
            ("balances", BALANCE, (capacity.balances + 1,)),
            ("balance_acquisitions", "<u4", (capacity.balances + 1,)),  # NIL for a balance without
            ("balance_index", "<u4", (1 << _index_bits(capacity.balances),)),
            ("acquisitions", ACQUISITION, (capacity.acquisitions + 1,)),
            ("conditions", CONDITION, (capacity.conditions + 1,)),
            ("orders", ORDER, (capacity.orders + 1,)),
            ("details", DETAIL, (capacity.orders + 1,)),
            ("nodes", NODE, (capacity.nodes + 1,)),
            ("leaves", "<u4", (1 << LEAF_BITS,)),  # where some of late were found: see book._find_leaf
            ("client_ids", _recent_dtype(capacity.client_ids)),
            ("usage_ids", _recent_dtype(capacity.usage_ids)),
        ]
    )


def _zeros(dtype: np.dtype[Any]) -> np.ndarray:
    """Return one zero record that begins a cache line; of a large one the tables of orders stand in large pages.

    They are read at random, and the processor finds few places at a time in pages of 4 KiB.
    """
    if dtype.itemsize < _HUGE or not hasattr(mmap, "MADV_HUGEPAGE"):
        memory = np.zeros(dtype.itemsize + _LINE, np.uint8)
        start = -memory.ctypes.data % _LINE
        return memory[start : start + dtype.itemsize].view(dtype)
    pages = mmap.mmap(-1, dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    fields = cast("Any", dtype.fields)
    first, end = (fields[name][1] // mmap.PAGESIZE * mmap.PAGESIZE for name in ("orders", "client_ids"))
    pages.madvise(mmap.MADV_HUGEPAGE, first, end - first)
    return np.frombuffer(pages, np.uint8).view(dtype)


def allocate(capacity: Capacity) -> np.ndarray:
    """Return an empty state, shape (1,), with the exchange's own account open.

    Counts start at 1, the first index to give; the accounts' too, as the exchange is 0.
    """
    states = _zeros(state_dtype(capacity))
    state = states[0]
    for name in dict.fromkeys(_COUNTED.values()):
        state[name] = 1
    state["accounts"][0]["state"] = AccountState.ACTIVE
    state["balance_index_bits"] = _index_bits(capacity.balances)
    for name in _RINGS:
        state[name]["index_bits"] = _index_bits(getattr(capacity, name))
    return states


_LINE = 64
_HUGE = 1 << 26  # bytes from which large pages are worth it
_HEADER = Struct("<10qq")  # capacity, state size


def _extents(states: np.ndarray) -> Iterator[tuple[int, int]]:
    """Yield where what cannot be made again is, (start, end): no table reaches beyond its count, all else is zero.

    The indexes are left out: rows put into an empty one in the order in which they came stand where they stood.
    Each part is found when it is asked for, and so are the counts that say how far it reaches: they are in one before.
    """
    state, fields = states[0], cast("Any", states.dtype.fields)
    yield 0, fields["accounts"][1]
    for name, count in _COUNTED.items():
        dtype, start = fields[name]
        yield start, start + int(state[count]) * dtype.base.itemsize
    dtype, start = fields["leaves"]
    yield start, start + dtype.itemsize
    for name in _RINGS:
        dtype, start = fields[name]
        table, first = dtype.fields["rows"]
        yield start, start + first
        yield start + first, start + first + min(int(state[name]["last"]), table.shape[0]) * table.base.itemsize


def digest(states: np.ndarray) -> bytes:
    """Return the SHA-256 of the state: equal for equal states of equal capacity."""
    memory = states.view(np.uint8).reshape(-1)
    total = hashlib.sha256()
    for start, end in _extents(states):
        total.update(memory[start:end].data)
    return total.digest()


def snapshot(states: np.ndarray, capacity: Capacity) -> memoryview:
    """Return a copy of the state: what is in use of each table, one behind the other."""
    memory = states.view(np.uint8).reshape(-1)
    parts = [np.frombuffer(_HEADER.pack(*capacity, len(memory)), np.uint8)]
    parts += [memory[start:end] for start, end in _extents(states)]
    return np.concatenate(parts).data  # unlike join it copies without the interpreter's lock


def restore(data: bytes | memoryview) -> tuple[np.ndarray, Capacity]:
    """Return the state that `snapshot` wrote, with empty indexes, and its capacity.

    Raises ValueError when the bytes are no snapshot or of another layout.
    """
    if len(data) < _HEADER.size:
        raise ValueError("a snapshot of the state must have a header")
    *sizes, size = _HEADER.unpack_from(data)
    capacity = Capacity(*sizes)
    states = _zeros(state_dtype(capacity))
    memory = states.view(np.uint8).reshape(-1)
    if size != len(memory):
        raise ValueError(f"the snapshot has {size} bytes of state, this version has {len(memory)}: replay the journal")
    position = _HEADER.size
    for start, end in _extents(states):
        memory[start:end] = np.frombuffer(data, np.uint8, end - start, position)
        position += end - start
    if position != len(data):
        raise ValueError(f"the snapshot has {len(data)} bytes, its tables need {position}")
    return states, capacity
