"""How many orders end at once in the readable engine: by their account, by a timer, by the operator."""

from collections.abc import Callable, Iterator

from exchange.core.reference_book import end_early, expire, resting, sleeping
from exchange.core.reference_limits import KEEPING_ORDERS, closed
from exchange.core.reference_tables import Command, Instrument, Order, Tables
from exchange.core.types import (
    WORK_MAX,
    AccountState,
    ClearScope,
    CommandKind,
    EndReason,
    EventKind,
    RejectReason,
    Side,
    TimeInForce,
)

# --- an account's own orders ------------------------------------------------------------------------------------------


def own_orders(tables: Tables, account: int) -> list[Order]:
    """Return an account's open orders in the order in which they end together.

    The base asset that the account came to last goes first, and of one base asset the order accepted last.
    """
    assets = [asset for owner, asset in tables.balances if owner == account]
    orders = [order for order in reversed(tables.orders.values()) if order.account == account]
    return sorted(orders, key=lambda order: -assets.index(order.instrument.base_asset))


def end_own(
    tables: Tables, command: Command, reason: EndReason, *, instrument: int = 0, side: int = Side.BOTH, force: bool
) -> None:
    """End orders of an account up to the limit of work, and say how many ended and how many are left.

    Where an instrument's state forbids cancels they stay, unless by force.
    """
    meant = [
        order
        for order in own_orders(tables, command.account)
        if instrument in {0, order.instrument.index} and side in {Side.BOTH, order.side}
    ]
    ending = [order for order in meant if force or order.instrument.state not in KEEPING_ORDERS][:WORK_MAX]
    for order in ending:
        end_early(tables, EventKind.ORDER_CANCELED, order, reason)
    tables.emit(
        EventKind.MASS_CANCELED,
        side=side,
        account=command.account,
        instrument=instrument,
        state=command.state if command.kind == CommandKind.MASS_CANCEL else 0,
        quantity_lots=len(ending),
        leaves_lots=len(meant) - len(ending),
    )


def mass_cancel(tables: Tables, command: Command) -> RejectReason:
    """End the open orders of the account that match."""
    if command.side not in set(Side) or command.state not in {0, EndReason.DISCONNECTED}:
        return RejectReason.MALFORMED_COMMAND
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if command.instrument and command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    if closed(tables, command.account):
        return RejectReason.ACCOUNT_NOT_ACTIVE
    reason = EndReason.DISCONNECTED if command.state else EndReason.MASS_CANCEL
    end_own(tables, command, reason, instrument=command.instrument, side=command.side, force=False)
    return RejectReason.NONE


def kill_switch(tables: Tables, command: Command) -> RejectReason:
    """Suspend an account, and end its orders wherever they are."""
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if closed(tables, command.account):
        return RejectReason.ACCOUNT_NOT_ACTIVE
    tables.accounts[command.account].state = AccountState.SUSPENDED
    tables.emit(EventKind.ACCOUNT_STATE_SET, account=command.account, state=AccountState.SUSPENDED)
    end_own(tables, command, EndReason.KILLED, force=True)
    return RejectReason.NONE


def set_deadman(tables: Tables, command: Command) -> RejectReason:
    """Set when an account's orders are to be ended unless it sets a later time, or 0 for never."""
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if command.until_ns and command.until_ns <= command.time_ns:
        return RejectReason.INVALID_EXPIRY
    tables.accounts[command.account].deadman_ns = command.until_ns
    tables.emit(EventKind.DEADMAN_SET, account=command.account, amount=command.until_ns)
    return RejectReason.NONE


def fire_deadman(tables: Tables, command: Command) -> RejectReason:
    """End an account's orders when its timer is due."""
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    account = tables.accounts[command.account]
    if not account.deadman_ns or command.time_ns < account.deadman_ns:
        return RejectReason.TIMER_NOT_DUE
    account.deadman_ns = 0
    end_own(tables, command, EndReason.DEADMAN, force=False)
    return RejectReason.NONE


# --- orders whose time is over ----------------------------------------------------------------------------------------


def time_over(tables: Tables, order: Order) -> bool:
    """Say whether the end in time of an order has come."""
    return order.time_in_force == TimeInForce.GTD and order.until_ns <= tables.time_ns


def expire_order(tables: Tables, command: Command) -> RejectReason:
    """End an order at its time, whatever its instrument does."""
    order = tables.orders.get(command.order_id)
    if order is None:
        return RejectReason.UNKNOWN_ORDER
    if not time_over(tables, order):
        return RejectReason.TIMER_NOT_DUE
    expire(tables, order, EndReason.TIME_OVER)
    return RejectReason.NONE


# --- a whole book -----------------------------------------------------------------------------------------------------


def in_order_of_clearing(instrument: Instrument, side: int) -> Iterator[Order]:
    """Yield the orders of an instrument: buys, sells, sleeping sells, sleeping buys, best or next to wake first."""
    queues: tuple[tuple[Callable[[Instrument, Side], Iterator[Order]], Side], ...] = (
        (resting, Side.BUY),
        (resting, Side.SELL),
        (sleeping, Side.SELL),
        (sleeping, Side.BUY),
    )
    for queue, queue_side in queues:
        if side in {Side.BOTH, queue_side}:
            yield from queue(instrument, queue_side)


def clear_book(tables: Tables, command: Command) -> RejectReason:
    """End the orders of an instrument, whoever's: all, or those whose day or time is over."""
    if command.side not in set(Side) or command.state not in set(ClearScope):
        return RejectReason.MALFORMED_COMMAND
    if command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    whole = command.state == ClearScope.ALL
    meant = [
        order
        for order in in_order_of_clearing(tables.instruments[command.instrument], command.side)
        if whole or order.time_in_force == TimeInForce.DAY or time_over(tables, order)
    ]
    for order in meant[:WORK_MAX]:
        if whole:
            end_early(tables, EventKind.ORDER_CANCELED, order, EndReason.BOOK_CLEARED)
        else:
            expire(tables, order, EndReason.TIME_OVER)
    tables.emit(
        EventKind.BOOK_CLEARED,
        side=command.side,
        instrument=command.instrument,
        state=command.state,
        quantity_lots=len(meant[:WORK_MAX]),
        leaves_lots=len(meant[WORK_MAX:]),
    )
    return RejectReason.NONE
