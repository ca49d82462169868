"""Commands that end many orders, or one whose time is over: mass cancel, kill switch, dead-man timer, expiry, clearing.

An account's orders end in the order of its lists: by base asset, the one it first had last; of an asset the latest
order first. At most WORK_MAX orders end by one command; the summary says how many are left for the next.
"""

from exchange.core.accounts import find_balance
from exchange.core.book import head_of, next_level, order_slot
from exchange.core.jit import Record, int64, routine
from exchange.core.matching import end_order
from exchange.core.orders import note_message
from exchange.core.rules import knows_account, knows_instrument, may_cancel
from exchange.core.telling import reject, say
from exchange.core.types import (
    NIL,
    WORK_MAX,
    AccountState,
    ClearScope,
    EndReason,
    EventKind,
    RejectReason,
    Side,
    TimeInForce,
)

_QUEUES = 4


@routine
def _is_meant(state: Record, slot: int, instrument: int, side: int, forced: bool) -> bool:
    """Tell whether an order is of the instrument (NIL: any) and side, and may be ended."""
    index = state.details[slot].instrument
    if (instrument != NIL and index != instrument) or (side != Side.BOTH and state.orders[slot].side != side):
        return False
    return True if forced else may_cancel(state.instruments[index].state)


@routine
def _end_listed(
    state: Record, command: Record, output: Record, row: int, instrument: int, reason: int, ended: int
) -> tuple[int, int]:
    """End the orders of one of an account's lists; return how many ended so far, and how many are still open."""
    still_open = 0
    forced = reason == EndReason.KILLED
    side = int64(command.side)
    slot = int64(state.balances[row].first_order)
    while slot != NIL:
        following = int64(state.details[slot].own_next)
        if _is_meant(state, slot, instrument, side, True):
            if ended < WORK_MAX and _is_meant(state, slot, instrument, side, forced):
                end_order(state, command, output, slot, EventKind.ORDER_CANCELED, reason)
                ended += 1
            else:
                still_open += 1
        slot = following
    return ended, still_open


@routine
def _end_all(state: Record, command: Record, output: Record, instrument: int, reason: int) -> None:
    """End an account's orders, on one instrument or all, and say how many."""
    ended = still_open = 0
    if instrument != NIL:
        row = find_balance(state, int64(command.account), int64(state.instruments[instrument].base_asset))
        ended, still_open = _end_listed(state, command, output, row, instrument, reason, 0)
    else:
        row = int64(state.accounts[command.account].first_balance)
        while row != NIL:
            ended, more = _end_listed(state, command, output, row, instrument, reason, ended)
            still_open += more
            row = int64(state.balances[row].next)
    event = say(command, output, EventKind.MASS_CANCELED)
    event.side = command.side
    event.state = command.state
    event.account = command.account
    event.instrument = instrument
    event.quantity_lots = ended
    event.leaves_lots = still_open


@routine
def mass_cancel(state: Record, command: Record, output: Record) -> None:
    """End the open orders of an account on one instrument or all, one side or both."""
    note_message(state, command)
    reason = RejectReason.NONE
    if command.side > Side.BOTH or not (command.state == EndReason.NONE or command.state == EndReason.DISCONNECTED):
        reason = RejectReason.MALFORMED_COMMAND
    elif not knows_account(state, command.account):
        reason = RejectReason.UNKNOWN_ACCOUNT
    elif command.instrument != NIL and not knows_instrument(state, command.instrument):
        reason = RejectReason.UNKNOWN_INSTRUMENT
    elif state.accounts[command.account].state == AccountState.CLOSED:
        reason = RejectReason.ACCOUNT_NOT_ACTIVE
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    disconnected = command.state == EndReason.DISCONNECTED
    end = EndReason.DISCONNECTED if disconnected else EndReason.MASS_CANCEL
    _end_all(state, command, output, int64(command.instrument), end)


@routine
def kill_switch(state: Record, command: Record, output: Record) -> None:
    """Suspend an account and end its orders, whatever their instruments' state."""
    if not knows_account(state, command.account):
        reject(command, output, RejectReason.UNKNOWN_ACCOUNT)
        return
    account = state.accounts[command.account]
    if account.state == AccountState.CLOSED:
        reject(command, output, RejectReason.ACCOUNT_NOT_ACTIVE)
        return
    account.state = AccountState.SUSPENDED
    event = say(command, output, EventKind.ACCOUNT_STATE_SET)
    event.account = command.account
    event.state = AccountState.SUSPENDED
    _everything(command, output)
    _end_all(state, output.side, output, NIL, EndReason.KILLED)


@routine
def _everything(command: Record, output: Record) -> None:
    """Make a command of the same moment that means all orders of the account, both sides."""
    scratch = output.side
    scratch.sequence = command.sequence
    scratch.time_ns = command.time_ns
    scratch.kind = command.kind
    scratch.account = command.account
    scratch.side = Side.BOTH
    scratch.state = 0


@routine
def set_deadman(state: Record, command: Record, output: Record) -> None:
    """Set or turn off the time at which an account's orders end unless it is set anew."""
    if not knows_account(state, command.account):
        reject(command, output, RejectReason.UNKNOWN_ACCOUNT)
    elif command.until_ns != 0 and command.until_ns <= command.time_ns:
        reject(command, output, RejectReason.INVALID_EXPIRY)
    else:
        state.account_limits[command.account].deadman_ns = command.until_ns
        event = say(command, output, EventKind.DEADMAN_SET)
        event.account = command.account
        event.amount = command.until_ns


@routine
def fire_deadman(state: Record, command: Record, output: Record) -> None:
    """End the orders of an account whose timer has run out."""
    if not knows_account(state, command.account):
        reject(command, output, RejectReason.UNKNOWN_ACCOUNT)
        return
    limits = state.account_limits[command.account]
    if limits.deadman_ns == 0 or command.time_ns < limits.deadman_ns:
        reject(command, output, RejectReason.TIMER_NOT_DUE)
        return
    limits.deadman_ns = 0
    _everything(command, output)
    _end_all(state, output.side, output, NIL, EndReason.DEADMAN)


@routine
def _is_due(state: Record, slot: int, time_ns: int) -> bool:
    detail = state.details[slot]
    if detail.time_in_force != TimeInForce.GTD:
        return False
    return state.conditions[detail.condition].until_ns <= time_ns


@routine
def expire_order(state: Record, command: Record, output: Record) -> None:
    """End a GTD order whose time is over."""
    slot = order_slot(state, command.order_id)
    if slot == NIL:
        reject(command, output, RejectReason.UNKNOWN_ORDER)
    elif not _is_due(state, slot, command.time_ns):
        reject(command, output, RejectReason.TIMER_NOT_DUE)
    else:
        end_order(state, command, output, slot, EventKind.ORDER_EXPIRED, EndReason.TIME_OVER)


@routine
def _following(state: Record, slot: int, queue: int) -> int:
    """Return the order after one on a book, NIL if it is the last."""
    order = state.orders[slot]
    if order.next != NIL:
        return int64(order.next)
    leaf, price = next_level(state, queue, int64(order.node), int64(order.price_ticks))
    return NIL if leaf == NIL else head_of(state, leaf, price)


@routine
def _is_to_be_cleared(state: Record, command: Record, slot: int) -> bool:
    if command.side != Side.BOTH and state.orders[slot].side != command.side:
        return False
    if command.state == ClearScope.ALL:
        return True
    return state.details[slot].time_in_force == TimeInForce.DAY or _is_due(state, slot, command.time_ns)


@routine
def _clear_queue(state: Record, command: Record, output: Record, which: int, ended: int) -> tuple[int, int]:
    """End what is meant of a queue; return how many ended so far, and how many are still open."""
    still_open = 0
    queue = state.instruments[command.instrument].queues[which]
    slot = NIL if queue.best_node == NIL else head_of(state, int64(queue.best_node), int64(queue.best_price))
    while slot != NIL:
        following = _following(state, slot, which)
        if not _is_to_be_cleared(state, command, slot):
            slot = following
            continue
        if ended == WORK_MAX:
            still_open += 1
        else:
            if command.state == ClearScope.ALL:
                end_order(state, command, output, slot, EventKind.ORDER_CANCELED, EndReason.BOOK_CLEARED)
            else:
                end_order(state, command, output, slot, EventKind.ORDER_EXPIRED, EndReason.TIME_OVER)
            ended += 1
        slot = following
    return ended, still_open


@routine
def clear_book(state: Record, command: Record, output: Record) -> None:
    """End the orders of an instrument, whoever's: all, or those whose day or time is over."""
    if command.side > Side.BOTH or command.state > ClearScope.DAY:
        reject(command, output, RejectReason.MALFORMED_COMMAND)
        return
    if not knows_instrument(state, command.instrument):
        reject(command, output, RejectReason.UNKNOWN_INSTRUMENT)
        return
    ended = still_open = 0
    for which in range(_QUEUES):
        ended, more = _clear_queue(state, command, output, which, ended)
        still_open += more
    event = say(command, output, EventKind.BOOK_CLEARED)
    event.side = command.side
    event.state = command.state
    event.instrument = command.instrument
    event.quantity_lots = ended
    event.leaves_lots = still_open
