"""The state of a shard as one record: scalars are fields, tables are nested arrays.

Only this file knows the memory layout. Every table starts at 1 (NIL is 0), so zeroed memory is an empty state,
a snapshot is the bytes that are not zero, and two engines are equal when their bytes are. Capacity that is not
used costs nothing: the system hands out zero pages when they are first touched.
"""

import hashlib
from struct import Struct
from typing import Any, NamedTuple

import numpy as np

from exchange.core.jit import ROW
from exchange.core.records import EVENT
from exchange.core.types import EVENTS_PER_COMMAND_MAX, SLOT_BITS, AccountState


class Capacity(NamedTuple):
    """How many rows each table may hold; row 0 of every table but the accounts' is not used."""

    accounts: int
    assets: int
    instruments: int
    orders: int
    nodes: int
    balances: int
    recent_ids: int


PRODUCTION = Capacity(
    accounts=1 << 16,
    assets=1 << 17,
    instruments=1 << 17,
    orders=(1 << SLOT_BITS) - 1,
    nodes=1 << 18,
    balances=1 << 20,
    recent_ids=1 << 22,
)
TEST = Capacity(accounts=64, assets=32, instruments=32, orders=4096, nodes=1024, balances=512, recent_ids=1024)

EVENTS_MAX = 2 * EVENTS_PER_COMMAND_MAX


def _record(fields: list[Any]) -> np.dtype[Any]:
    return np.dtype((ROW, np.dtype(fields)))


ACCOUNT = _record(
    [
        ("group", "<u4"),
        ("open_orders", "<u4"),
        ("first_balance", "<u4"),
        ("state", "<u4"),
        ("last_instrument", "<u4"),  # of its latest order, and the balances that order trades through
        ("last_base", "<u4"),
        ("last_quote", "<u4"),
        ("spare", "<u4"),
    ]
)
ASSET = _record([("issued", "<i8"), ("burned", "<i8"), ("issuer", "<u4"), ("kind", "<u4")])
BALANCE = _record(
    [("available", "<i8"), ("held", "<i8"), ("account", "<u4"), ("asset", "<u4"), ("next", "<u4"), ("spare", "<u4")]
)
ORDER = _record(  # what a sweep touches: half a cache line
    [
        ("leaves", "<i8"),
        ("price_ticks", "<i4"),
        ("account", "<u4"),
        ("prev", "<u4"),
        ("next", "<u4"),  # in the level; in the free list while not in use
        ("node", "<u4"),  # leaf that holds its level, NIL while not on the book
        ("side", "u1"),
        ("order_type", "u1"),
        ("self_trade_prevention", "u1"),
        ("flags", "u1"),
    ]
)
DETAIL = _record(  # what a fill or an end touches besides: one cache line
    [
        ("quantity", "<i8"),
        ("held", "<i8"),
        ("taker_notional", "<i8"),  # of all fills in that role, modulo 10,000: see accounts.charge
        ("maker_notional", "<i8"),
        ("generation", "<u4"),
        ("instrument", "<u4"),
        ("base_balance", "<u4"),
        ("quote_balance", "<u4"),
        ("maker_bps", "<i4"),
        ("taker_bps", "<i4"),
        ("spare", "<i8"),
    ]
)
LEVEL = _record([("head", "<u4"), ("tail", "<u4")])
NODE = _record(  # 64 levels, or 64 children (in `head`), of a trie of prices
    [
        ("mask", "<u8"),  # which of the 64 are in use
        ("prefix", "<u4"),  # price >> 6 * (height + 1): the same for all below
        ("height", "<u4"),  # 0: a leaf of levels
        ("parent", "<u4"),  # in the free list: the next free node
        ("spare", "<u4"),
        ("slots", LEVEL, (64,)),
    ]
)
BOOK_SIDE = _record([("best_price", "<i4"), ("best_node", "<u4"), ("root", "<u4"), ("spare", "<u4")])
INSTRUMENT = _record(
    [
        ("sides", BOOK_SIDE, (2,)),
        ("lot_units", "<i8"),
        ("tick_value", "<i8"),
        ("quantity_min", "<i8"),
        ("quantity_max", "<i8"),
        ("price_safe", "<i8"),  # up to this price no permitted quantity is too large
        ("band_low", "<i4"),
        ("band_high", "<i4"),
        ("base_asset", "<u4"),
        ("quote_asset", "<u4"),
        ("fee_balance", "<u4"),
        ("maker_bps", "<i4"),
        ("taker_bps", "<i4"),
        ("state", "<u4"),
    ]
)
RECENT = _record([("key_low", "<i8"), ("key_high", "<i8"), ("time_ns", "<i8"), ("value", "<i8")])
OUTPUT = _record([("count", "<i8"), ("rows", _record(EVENT.descr), (EVENTS_MAX,))])


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


def state_dtype(capacity: Capacity) -> np.dtype[Any]:
    """Return the layout of the whole state; one layout is one compilation."""
    return _record(
        [
            ("sequence", "<i8"),
            ("event_count", "<i8"),
            ("trade_count", "<i8"),
            ("account_count", "<i8"),
            ("asset_count", "<i8"),
            ("instrument_count", "<i8"),
            ("balance_count", "<i8"),
            ("order_count", "<i8"),
            ("node_count", "<i8"),
            ("free_order", "<i8"),
            ("free_order_count", "<i8"),
            ("free_node", "<i8"),
            ("free_node_count", "<i8"),
            ("balance_index_bits", "<i8"),
            ("accounts", ACCOUNT, (capacity.accounts,)),
            ("assets", ASSET, (capacity.assets + 1,)),
            ("instruments", INSTRUMENT, (capacity.instruments + 1,)),
            ("balances", BALANCE, (capacity.balances + 1,)),
            ("balance_index", "<u4", (1 << _index_bits(capacity.balances),)),
            ("orders", ORDER, (capacity.orders + 1,)),
            ("details", DETAIL, (capacity.orders + 1,)),
            ("nodes", NODE, (capacity.nodes + 1,)),
            ("client_ids", _recent_dtype(capacity.recent_ids)),
            ("usage_ids", _recent_dtype(capacity.recent_ids)),
        ]
    )


def allocate(capacity: Capacity) -> np.ndarray:
    """Return an empty state, shape (1,), with the exchange's own account open.

    Counts start at 1, the first index to give; the accounts' too, as the exchange is 0.
    """
    states = np.zeros(1, state_dtype(capacity))
    state = states[0]
    for name in ("account_count", "asset_count", "instrument_count", "balance_count", "order_count", "node_count"):
        state[name] = 1
    state["accounts"][0]["state"] = AccountState.ACTIVE
    state["balance_index_bits"] = _index_bits(capacity.balances)
    state["client_ids"]["index_bits"] = state["usage_ids"]["index_bits"] = _index_bits(capacity.recent_ids)
    return states


_BLOCK = 1 << 16
_HEADER = Struct("<7qqq")  # capacity, state size, number of blocks that follow


def _blocks_in_use(states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the state as bytes, and the numbers of its 64 KiB blocks that are not all zero."""
    memory = states.view(np.uint8).reshape(-1)
    whole = memory[: len(memory) // _BLOCK * _BLOCK].view(np.uint64).reshape(-1, _BLOCK // 8)
    used = [number for number in range(len(whole)) if whole[number].any()]
    if memory[len(whole) * _BLOCK :].any():
        used.append(len(whole))
    return memory, np.array(used, "<i8")


def digest(states: np.ndarray) -> bytes:
    """Return the SHA-256 of the state: equal for equal states of equal capacity."""
    memory, used = _blocks_in_use(states)
    total = hashlib.sha256(used.tobytes())
    for number in used.tolist():
        total.update(memory[number * _BLOCK : (number + 1) * _BLOCK].data)
    return total.digest()


def snapshot(states: np.ndarray, capacity: Capacity) -> bytes:
    """Return the state as bytes: the blocks in use, and where they belong."""
    memory, used = _blocks_in_use(states)
    parts = [_HEADER.pack(*capacity, len(memory), len(used)), used.tobytes()]
    parts += [memory[number * _BLOCK : (number + 1) * _BLOCK].tobytes() for number in used.tolist()]
    return b"".join(parts)


def restore(data: bytes) -> tuple[np.ndarray, Capacity]:
    """Return the state that `snapshot` wrote, and its capacity.

    Raises ValueError when the bytes are no snapshot or of another layout.
    """
    if len(data) < _HEADER.size:
        raise ValueError("a snapshot of the state must have a header")
    *sizes, size, count = _HEADER.unpack_from(data)
    capacity = Capacity(*sizes)
    states = np.zeros(1, state_dtype(capacity))
    memory = states.view(np.uint8).reshape(-1)
    if size != len(memory):
        raise ValueError(f"the snapshot has {size} bytes of state, this version has {len(memory)}: replay the journal")
    used = np.frombuffer(data, "<i8", count, _HEADER.size)
    position = _HEADER.size + used.nbytes
    for number in used.tolist():
        block = memory[number * _BLOCK : (number + 1) * _BLOCK]
        block[:] = np.frombuffer(data, np.uint8, len(block), position)
        position += len(block)
    if position != len(data):
        raise ValueError(f"the snapshot has {len(data)} bytes, its blocks need {position}")
    return states, capacity
