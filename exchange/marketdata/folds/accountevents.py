"""The compiled fold of the accounts' own sequences: the numbers of the events of each, in leaves that are linked.

A leaf holds the numbers of LEAF events that follow each other, from a multiple of LEAF on: a place follows from a
sequence.
"""

import numpy as np

from exchange.core.jit import ROW
from exchange.core.types import CommandKind, EndReason, EventKind, RejectReason, SelfTradePrevention
from exchange.marketdata.folds.compiled import Record, entry, event_at, int64, kernel, record_at, routine
from exchange.marketdata.folds.pool import POOL, give, room_of, row_at, take

LEAF = 30  # numbers
LEAVES, ACCOUNTS = range(2)  # pools
LEAVES_OF_EVENT = 2
_WORD, _LINK = "<i8", "<u4"

LEAF_ROW = np.dtype((ROW, [("free", _WORD), ("before", _LINK), ("behind", _LINK), ("numbers", _WORD, (LEAF,))]))
ACCOUNT = np.dtype(
    (
        ROW,
        [
            ("free", _WORD),
            ("count", _WORD),  # of its events, the sequence of the latest
            ("leaf_count", _WORD),
            ("deadman_ns", _WORD),  # when its timer runs out, 0: it has none
            ("first", _LINK),
            ("last", _LINK),
        ],
    )
)
STATE = np.dtype((ROW, [("pools", POOL, (2,)), ("event_count", _WORD), ("leaves_max", _WORD)]))


@kernel
def _account(state: Record, number: int) -> Record:
    return record_at(row_at(state.pools[ACCOUNTS], int64(number) + 1), ACCOUNT)  # row 0 is nobody's


@kernel
def _leaf(state: Record, row: int) -> Record:
    return record_at(row_at(state.pools[LEAVES], row), LEAF_ROW)


@routine
def _begin_leaf(state: Record, account: Record) -> None:
    row = take(state.pools[LEAVES])
    leaf = _leaf(state, row)
    leaf.before, leaf.behind = account.last, 0
    if account.leaf_count != 0:
        _leaf(state, int64(account.last)).behind = row
    else:
        account.first = row
    account.last = row
    account.leaf_count += 1
    if account.leaf_count > state.leaves_max:
        oldest = int64(account.first)
        account.first = _leaf(state, oldest).behind
        account.leaf_count -= 1
        give(state.pools[LEAVES], oldest)


@routine
def _note(state: Record, number: int) -> None:
    account = _account(state, number)
    place = int64(account.count) % LEAF
    if place == 0:
        _begin_leaf(state, account)
    _leaf(state, int64(account.last)).numbers[place] = state.event_count
    account.count += 1


@kernel
def _is_of_one(kind: int) -> bool:
    return (
        kind == EventKind.ORDER_ACCEPTED
        or (kind >= EventKind.ORDER_CANCELED and kind <= EventKind.ORDER_REPLACED)
        or kind == EventKind.ORDER_TRIGGERED
        or (kind >= EventKind.DEPOSITED and kind <= EventKind.REDEEMED)
        or kind == EventKind.UNITS_EXPIRED
        or kind == EventKind.ACCOUNT_STATE_SET
        or kind == EventKind.DEADMAN_SET
    )


@kernel
def _is_of_two(event: Record) -> bool:
    kind = event.kind
    if kind == EventKind.MATCH_PREVENTED:
        return event.self_trade_prevention == SelfTradePrevention.DECREMENT
    return kind == EventKind.TRADED or kind == EventKind.TRADE_BUSTED or kind == EventKind.TRANSFERRED


@routine
def _has_fired(state: Record, event: Record) -> bool:
    """Tell whether a timer that can no longer fire had no order to end: its own event there is none of."""
    account = _account(state, event.account)
    due_ns = int64(account.deadman_ns)
    if event.state != CommandKind.FIRE_DEADMAN:
        return False
    if event.reason != RejectReason.TIMER_NOT_DUE or due_ns == 0 or due_ns > event.time_ns:
        return False
    account.deadman_ns = 0
    return True


@kernel
def _is_replacement(event: Record) -> bool:
    """Tell whether what was refused is an order that was to stand in the place of a cancelled one."""
    return event.state == CommandKind.NEW_ORDER and event.order_id != 0


@entry
def fold(state_at: int, events_at: int, start: int, end: int) -> int:
    """Apply events from `start` while there is room; return the first one not applied."""
    state = record_at(state_at, STATE)
    accounts = int64(state.pools[ACCOUNTS].capacity) - 1
    for index in range(start, end):
        event = event_at(events_at, index)
        kind, is_of_two = event.kind, _is_of_two(event)
        is_known = int64(event.account) < accounts
        is_refusal = kind == EventKind.COMMAND_REJECTED and is_known  # it may name nobody
        if is_of_two or is_refusal or _is_of_one(kind):
            has_room = is_known and not (is_of_two and int64(event.counter_account) >= accounts)
            if not has_room or room_of(state.pools[LEAVES]) < LEAVES_OF_EVENT:
                return index
        state.event_count += 1
        if _is_of_one(kind):
            _note(state, int64(event.account))
            if kind == EventKind.DEADMAN_SET:
                _account(state, event.account).deadman_ns = event.amount
            elif kind == EventKind.ORDER_CANCELED and event.reason == EndReason.DEADMAN:
                _account(state, event.account).deadman_ns = 0
        elif is_of_two:
            _note(state, int64(event.account))
            _note(state, int64(event.counter_account))
        elif is_refusal and (_is_replacement(event) or _has_fired(state, event)):
            _note(state, int64(event.account))
    return end
