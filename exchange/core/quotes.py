"""Quotes, which replace themselves, and batches of orders that are accepted together or not at all."""

from exchange.core.accounts import find_balance
from exchange.core.book import order_slot
from exchange.core.jit import Record, int64, routine
from exchange.core.matching import end_order
from exchange.core.orders import REFUSED, new_order, note_message, place_apart
from exchange.core.rules import knows_account, order_parties
from exchange.core.stops import wake_if_any
from exchange.core.telling import reject, say
from exchange.core.types import (
    BATCH_MAX,
    NIL,
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

_LAST_KIND = int(max(CommandKind))


@routine
def _write_side(command: Record, output: Record, side: int, price: int, quantity: int) -> Record:
    """Make one side of a quote an order of its own."""
    order = output.side
    order.sequence = command.sequence
    order.time_ns = command.time_ns
    order.kind = command.kind
    order.side = side
    order.order_type = OrderType.LIMIT
    order.time_in_force = TimeInForce.GTC
    order.self_trade_prevention = command.self_trade_prevention
    order.flags = command.flags
    order.account = command.account
    order.instrument = command.instrument
    order.price_ticks = price
    order.quantity_lots = quantity
    return order


@routine
def _refused(state: Record, command: Record, output: Record) -> int:
    """Return why a quote is refused as a whole."""
    ask_quantity = command.words[1]
    malformed = command.self_trade_prevention > SelfTradePrevention.DECREMENT or command.flags > OrderFlag.POST_ONLY
    if malformed or command.quantity_lots < 0 or ask_quantity < 0:
        return RejectReason.MALFORMED_COMMAND
    if not knows_account(state, command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    reason = order_parties(state, _write_side(command, output, Side.SELL, command.words[0], ask_quantity))
    if reason != RejectReason.NONE:
        return reason
    if state.instruments[command.instrument].state == TradingState.CALL_NO_CANCEL:
        return RejectReason.INSTRUMENT_NOT_TRADING
    if command.quantity_lots > 0 and ask_quantity > 0 and command.price_ticks >= command.words[0]:
        return RejectReason.INVALID_PRICE
    return RejectReason.NONE


@routine
def _end_former(state: Record, command: Record, output: Record) -> int:
    """End the account's former quote on the instrument; return how many orders that were."""
    ended = 0
    base_asset = int64(state.instruments[command.instrument].base_asset)
    slot = int64(state.balances[find_balance(state, int64(command.account), base_asset)].first_order)
    while slot != NIL:
        following = int64(state.details[slot].own_next)
        if state.details[slot].instrument == command.instrument and state.orders[slot].flags & OrderFlag.QUOTE:
            end_order(state, command, output, slot, EventKind.ORDER_CANCELED, EndReason.REQUOTED)
            ended += 1
        slot = following
    return ended


@routine
def _place_side(state: Record, command: Record, output: Record, side: int, price: int, quantity: int) -> int:
    """Place one side; return how many makers it met, or REFUSED."""
    order = _write_side(command, output, side, price, quantity)
    reason = order_parties(state, order)  # the other side may have changed the phase
    if reason != RejectReason.NONE:
        reject(order, output, reason)
        return REFUSED
    return place_apart(state, order, output, False, False)


@routine
def quote(state: Record, command: Record, output: Record) -> None:
    """Replace an account's bid and ask on an instrument."""
    note_message(state, command)
    reason = _refused(state, command, output)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    ended = _end_former(state, command, output)
    placed = work = 0
    for side in range(Side.BOTH):
        price = command.price_ticks if side == Side.BUY else command.words[0]
        quantity = command.quantity_lots if side == Side.BUY else command.words[1]
        if quantity > 0:
            met = _place_side(state, command, output, side, price, quantity)
            if met != REFUSED:
                placed += 1
                work += met
    event = say(command, output, EventKind.QUOTED)
    event.account = command.account
    event.instrument = command.instrument
    event.quantity_lots = placed
    event.leaves_lots = ended
    wake_if_any(state, command, output, int64(command.instrument), work)


@routine
def begin_batch(state: Record, command: Record, output: Record) -> None:
    """Take the next commands as one."""
    if not knows_account(state, command.account):
        reject(command, output, RejectReason.UNKNOWN_ACCOUNT)
        return
    if command.quantity_lots < 1 or command.quantity_lots > BATCH_MAX:
        reject(command, output, RejectReason.INVALID_QUANTITY)
        return
    state.batch_left = command.quantity_lots
    state.batch_account = command.account
    state.batch_failed = state.batch_count = 0
    event = say(command, output, EventKind.BATCH_BEGUN)
    event.account = command.account
    event.quantity_lots = command.quantity_lots


@routine
def continue_batch(state: Record, command: Record, output: Record) -> None:
    """Apply a command of a batch; one that is refused ends those before it, and the rest is refused too."""
    state.batch_left -= 1
    first = output.count
    if command.kind == CommandKind.NONE or command.kind > _LAST_KIND:
        reject(command, output, RejectReason.UNKNOWN_COMMAND)
    elif state.batch_failed:
        reject(command, output, RejectReason.BATCH_REFUSED)
    elif _belongs(state, command):
        new_order(state, command, output)
    else:
        reject(command, output, RejectReason.MALFORMED_COMMAND)
    if state.batch_failed:
        return
    event = output.rows[first]
    if event.kind == EventKind.ORDER_ACCEPTED:
        state.batch_orders[state.batch_count] = event.order_id
        state.batch_count += 1
    elif event.kind == EventKind.COMMAND_REJECTED:
        state.batch_failed = 1
        _roll_back(state, command, output)


@routine
def _belongs(state: Record, command: Record) -> bool:
    new = command.kind == CommandKind.NEW_ORDER and command.account == state.batch_account
    return new and command.flags & OrderFlag.POST_ONLY != 0


@routine
def _roll_back(state: Record, command: Record, output: Record) -> None:
    for index in range(state.batch_count):
        slot = order_slot(state, state.batch_orders[index])
        if slot != NIL:
            end_order(state, command, output, slot, EventKind.ORDER_EXPIRED, EndReason.BATCH)
