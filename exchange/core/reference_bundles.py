"""Commands of the readable engine that place several orders as one: quotes and all-or-none batches."""

from exchange.core.reference_book import end_early, expire
from exchange.core.reference_ends import own_orders
from exchange.core.reference_limits import TAKING_ORDERS, too_fast
from exchange.core.reference_orders import admit
from exchange.core.reference_stops import wake
from exchange.core.reference_tables import AllOrNone, Command, Tables
from exchange.core.types import (
    BATCH_MAX,
    AccountState,
    CommandKind,
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)

# --- quotes -----------------------------------------------------------------------------------------------------------


def quote(tables: Tables, command: Command) -> RejectReason:
    """Place a bid and an ask in place of the former ones; one side may be refused and the other not."""
    if reason := refuse_quote(tables, command):
        return reason
    instrument = tables.instruments[command.instrument]
    former = [
        order
        for order in own_orders(tables, command.account)
        if order.instrument is instrument and order.flags & OrderFlag.QUOTE
    ]
    for order in former:
        end_early(tables, EventKind.ORDER_CANCELED, order, EndReason.REQUOTED)
    accepted, met = 0, 0
    for side in (Side.BUY, Side.SELL):
        if side_lots(command, side):
            reason, makers = admit(tables, side_order(command, side), OrderFlag.QUOTE)
            met += makers
            accepted += reason == RejectReason.NONE
            if reason:
                refuse_side(tables, side_order(command, side), reason)
    tables.emit(
        EventKind.QUOTED,
        account=command.account,
        instrument=command.instrument,
        quantity_lots=accepted,
        leaves_lots=len(former),
    )
    wake(tables, instrument, met)
    return RejectReason.NONE


def refuse_quote(tables: Tables, command: Command) -> RejectReason:
    """Return why a quote is refused as a whole."""
    lots = side_lots(command, Side.BUY), side_lots(command, Side.SELL)
    if (
        command.self_trade_prevention not in set(SelfTradePrevention)
        or command.flags not in {0, OrderFlag.POST_ONLY}
        or min(lots) < 0
    ):
        return RejectReason.MALFORMED_COMMAND
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    if tables.accounts[command.account].state != AccountState.ACTIVE:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    if too_fast(tables, command.account):
        return RejectReason.TOO_MANY_MESSAGES
    if tables.instruments[command.instrument].state not in TAKING_ORDERS - {TradingState.CALL_NO_CANCEL}:
        return RejectReason.INSTRUMENT_NOT_TRADING
    if all(lots) and command.price_ticks >= command.words[0]:
        return RejectReason.INVALID_PRICE
    return RejectReason.NONE


def side_lots(command: Command, side: Side) -> int:
    """Return the quantity of one side of a quote."""
    return command.quantity_lots if side == Side.BUY else command.words[1]


def side_order(command: Command, side: Side) -> Command:
    """Return one side of a quote as an order of its own."""
    return command._replace(
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        price_ticks=command.price_ticks if side == Side.BUY else command.words[0],
        quantity_lots=side_lots(command, side),
        amount=0,
        words=(0, 0, 0, 0, 0),
        until_ns=0,
        stop_ticks=0,
        display_lots=0,
    )


def refuse_side(tables: Tables, order: Command, reason: RejectReason) -> None:
    """Say why one side of a quote is not there."""
    tables.emit(
        EventKind.COMMAND_REJECTED,
        side=order.side,
        reason=reason,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        self_trade_prevention=order.self_trade_prevention,
        flags=order.flags,
        state=CommandKind.QUOTE,
        account=order.account,
        instrument=order.instrument,
        price_ticks=order.price_ticks,
        quantity_lots=order.quantity_lots,
    )


# --- all-or-none batches ----------------------------------------------------------------------------------------------


def begin_batch(tables: Tables, command: Command) -> RejectReason:
    """Say that of an account's next commands all are accepted or none lasts."""
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if not 1 <= command.quantity_lots <= BATCH_MAX:
        return RejectReason.INVALID_QUANTITY
    tables.all_or_none = AllOrNone(command.account, left=command.quantity_lots)
    tables.emit(EventKind.BATCH_BEGUN, account=command.account, quantity_lots=command.quantity_lots)
    return RejectReason.NONE


def refuse_in_batch(batch: AllOrNone | None, command: Command) -> RejectReason:
    """Return why a command cannot be one of the batch in progress."""
    if batch is None:
        return RejectReason.NONE
    if batch.failed:
        return RejectReason.BATCH_REFUSED
    post_only = command.kind == CommandKind.NEW_ORDER and command.flags & OrderFlag.POST_ONLY
    if not post_only or command.account != batch.account:
        return RejectReason.MALFORMED_COMMAND
    return RejectReason.NONE


def advance_batch(tables: Tables, batch: AllOrNone, reason: RejectReason) -> None:
    """Count a command of a batch; the first that is refused ends all orders accepted before it."""
    batch.left -= 1
    if reason and not batch.failed:
        batch.failed = True
        for order_id in batch.order_ids:
            if order_id in tables.orders:
                expire(tables, tables.orders[order_id], EndReason.BATCH)
    if not batch.left:
        tables.all_or_none = None
