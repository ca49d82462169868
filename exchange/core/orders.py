"""The four commands on orders: new, cancel, replace, mass cancel."""

from exchange.core.accounts import find_balance, need, open_balance, set_hold, trim_hold, worst_fee
from exchange.core.book import gather, order_id_of, order_slot, take_slot, unlink
from exchange.core.jit import Record, blend, int64, kernel, routine
from exchange.core.matching import emit, end_order, finish, match
from exchange.core.recent import find, has_room, remember
from exchange.core.rules import (
    knows_account,
    knows_instrument,
    order_parties,
    order_room,
    order_shape,
    order_terms,
    replacement,
)
from exchange.core.types import (
    CLIENT_ID_WINDOW_NS,
    NIL,
    WORK_MAX,
    AccountState,
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


@routine
def reject(command: Record, output: Record, reason: int) -> None:
    """Refuse a command: one event that says why and repeats what was asked."""
    event = emit(command, output, EventKind.COMMAND_REJECTED)
    event.reason = reason
    event.state = command.kind
    event.side = command.side
    event.order_type = command.order_type
    event.time_in_force = command.time_in_force
    event.self_trade_prevention = command.self_trade_prevention
    event.flags = command.flags
    event.account = command.account
    event.instrument = command.instrument
    event.asset = command.asset
    event.order_id = command.order_id
    event.price_ticks = command.price_ticks
    event.quantity_lots = command.quantity_lots
    event.amount = command.amount


@kernel
def _is_named(command: Record) -> bool:
    words = command.words
    return (words[0] | words[1] | words[2] | words[3] | words[4]) != 0


@routine
def _client_key(command: Record) -> tuple[int, int]:
    """Return 128 bits that stand for the account and its client order id."""
    low = blend(1, int64(command.account))
    high = blend(2, int64(command.account))
    for index in range(5):
        low = blend(low, command.words[index])
        high = blend(high, command.words[index])
    return low, high


@routine
def _original(state: Record, command: Record) -> int:
    """Return the order that this account's client order id already named, NIL if none."""
    low, high = _client_key(command)
    return find(state.client_ids, low, high, command.time_ns, CLIENT_ID_WINDOW_NS)


@routine
def _repeat(command: Record, output: Record, order_id: int) -> None:
    event = emit(command, output, EventKind.ORDER_DUPLICATED)
    event.account = command.account
    event.instrument = command.instrument
    event.order_id = order_id


@routine
def _market_cost(state: Record, command: Record, instrument: Record, price: int) -> int:
    """Return the quote units that a market buy would pay for what the book holds now."""
    side, prevention = int64(command.side), int64(command.self_trade_prevention)
    group = int64(state.accounts[command.account].group)
    _, ticks = gather(state, instrument, side, price, command.quantity_lots, group, prevention, False)
    return ticks * instrument.tick_value


@kernel
def _initial_need(state: Record, command: Record, instrument: Record, price: int) -> int:
    """Return what a new order must hold: base units, or notional (a market order's cost) and the worst fee."""
    if command.side == Side.SELL:
        return command.quantity_lots * instrument.lot_units
    if command.order_type == OrderType.MARKET:
        notional = _market_cost(state, command, instrument, price)
    else:
        notional = price * command.quantity_lots * instrument.tick_value
    return notional + worst_fee(int64(instrument.maker_bps), int64(instrument.taker_bps), notional)


@kernel
def _order_price(command: Record, instrument: Record) -> int:
    if command.order_type == OrderType.LIMIT:
        return command.price_ticks
    if command.side == Side.BUY:
        return int64(instrument.band_high)
    return int64(instrument.band_low)


@kernel
def new_order(state: Record, command: Record, output: Record) -> None:
    """Admit an order, hold what it needs, match it, and rest or expire what is left."""
    reason = order_shape(command)
    if reason == RejectReason.NONE and not knows_account(state, command.account):
        reason = RejectReason.UNKNOWN_ACCOUNT
    named = _is_named(command)
    if named and reason == RejectReason.NONE:
        original = _original(state, command)
        if original != NIL:
            _repeat(command, output, original)
            return
    if reason == RejectReason.NONE:
        reason = order_parties(state, command)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    instrument = state.instruments[command.instrument]
    price = _order_price(command, instrument)
    reason = order_terms(instrument, price, command.quantity_lots, command.order_type == OrderType.MARKET)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    needed = _initial_need(state, command, instrument, price)
    base, quote = _find_balances(state, command, instrument)
    funds = state.balances[quote if command.side == Side.BUY else base].available  # row NIL has nothing
    reason = order_room(state, command, price, funds, needed)
    if reason == RejectReason.NONE and named and not has_room(state.client_ids, command.time_ns, CLIENT_ID_WINDOW_NS):
        reason = RejectReason.RECENT_IDS_FULL
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    slot = _accept(state, command, output, price, needed, base, quote)
    if named:
        _name(state, command, output, slot)
    _execute(state, command, output, slot)


@kernel
def _find_balances(state: Record, command: Record, instrument: Record) -> tuple[int, int]:
    """Return the account's rows in base and quote, NIL for one that is not there; mostly those of its latest order."""
    account = state.accounts[command.account]
    if account.last_instrument == command.instrument:
        return int64(account.last_base), int64(account.last_quote)
    base = find_balance(state, int64(command.account), int64(instrument.base_asset))
    return base, find_balance(state, int64(command.account), int64(instrument.quote_asset))


@kernel
def _keep_balances(state: Record, command: Record, instrument: Record, base: int, quote: int) -> tuple[int, int]:
    """Make the rows that are not there, base first, and remember both with the account."""
    account = state.accounts[command.account]
    if account.last_instrument != command.instrument:
        if base == NIL:
            base = open_balance(state, int64(command.account), int64(instrument.base_asset))
        if quote == NIL:
            quote = open_balance(state, int64(command.account), int64(instrument.quote_asset))
        account.last_instrument = command.instrument
        account.last_base = base
        account.last_quote = quote
    return base, quote


@kernel
def _accept(state: Record, command: Record, output: Record, price: int, needed: int, base: int, quote: int) -> int:
    """Give an admitted order its slot, its balances (`base` and `quote`, as far as they exist) and its hold."""
    instrument = state.instruments[command.instrument]
    slot = take_slot(state)
    order = state.orders[slot]
    detail = state.details[slot]
    order.leaves = command.quantity_lots
    order.price_ticks = price
    order.account = command.account
    order.node = NIL
    order.side = command.side
    order.order_type = command.order_type
    order.self_trade_prevention = command.self_trade_prevention
    order.flags = command.flags
    detail.quantity = command.quantity_lots
    detail.held = detail.taker_notional = detail.maker_notional = 0
    detail.instrument = command.instrument
    detail.base_balance, detail.quote_balance = _keep_balances(state, command, instrument, base, quote)
    detail.maker_bps = instrument.maker_bps
    detail.taker_bps = instrument.taker_bps
    set_hold(state, slot, needed)
    state.accounts[command.account].open_orders += 1
    event = emit(command, output, EventKind.ORDER_ACCEPTED)
    event.side = command.side
    event.order_type = command.order_type
    event.time_in_force = command.time_in_force
    event.self_trade_prevention = command.self_trade_prevention
    event.flags = command.flags
    event.account = command.account
    event.instrument = command.instrument
    event.asset = instrument.base_asset
    event.order_id = order_id_of(state, slot)
    event.price_ticks = price
    event.quantity_lots = event.leaves_lots = command.quantity_lots
    event.amount = needed
    return slot


@routine
def _name(state: Record, command: Record, output: Record, slot: int) -> None:
    """Remember an order's client order id, and say it."""
    low, high = _client_key(command)
    order_id = order_id_of(state, slot)
    remember(state.client_ids, low, high, command.time_ns, order_id, CLIENT_ID_WINDOW_NS)
    event = emit(command, output, EventKind.ORDER_NAMED)
    event.account = command.account
    event.instrument = command.instrument
    event.order_id = order_id
    event.price_ticks = command.words[0]
    event.quantity_lots = command.words[1]
    event.leaves_lots = command.words[2]
    event.amount = command.words[3]
    event.fee = command.words[4]


@routine
def _is_fillable(state: Record, slot: int) -> bool:
    """Tell whether a fill-or-kill order finds its whole quantity now."""
    order = state.orders[slot]
    instrument = state.instruments[state.details[slot].instrument]
    prevention = int64(order.self_trade_prevention)
    stop_at_own = prevention != SelfTradePrevention.EXPIRE_MAKER
    group = int64(state.accounts[order.account].group)
    price = int64(order.price_ticks)
    side = int64(order.side)
    lots, _ = gather(state, instrument, side, price, order.leaves, group, prevention, stop_at_own)
    return lots == order.leaves


@kernel
def _execute(state: Record, command: Record, output: Record, slot: int) -> None:
    if command.time_in_force == TimeInForce.FOK and not _is_fillable(state, slot):
        end = int64(EndReason.FILL_OR_KILL)
    else:
        end = int64(match(state, command, output, slot))
    rests = command.time_in_force == TimeInForce.GTC and command.order_type == OrderType.LIMIT
    finish(state, command, output, slot, end, rests)


@kernel
def _own_order(state: Record, command: Record) -> int:
    """Return the slot of the resting order that a command names, NIL if there is none or it is another's."""
    slot = order_slot(state, command.order_id)
    if slot != NIL and state.orders[slot].account == command.account:
        return slot
    return NIL


@kernel
def cancel_order(state: Record, command: Record, output: Record) -> None:
    """End an order at its owner's request."""
    slot = _own_order(state, command)
    reason = RejectReason.NONE
    if not knows_account(state, command.account):
        reason = RejectReason.UNKNOWN_ACCOUNT
    elif slot == NIL:
        reason = RejectReason.UNKNOWN_ORDER
    elif state.accounts[command.account].state == AccountState.CLOSED:
        reason = RejectReason.ACCOUNT_NOT_ACTIVE
    elif state.instruments[state.details[slot].instrument].state == TradingState.SUSPENDED:
        reason = RejectReason.INSTRUMENT_NOT_TRADING
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    end_order(state, command, output, slot, EventKind.ORDER_CANCELED, EndReason.REQUESTED)


@kernel
def replace_order(state: Record, command: Record, output: Record) -> None:
    """Change price or quantity: in place if only the quantity falls, else as a new arrival under the same id."""
    slot = _own_order(state, command)
    reason = RejectReason.NONE
    if not knows_account(state, command.account):
        reason = RejectReason.UNKNOWN_ACCOUNT
    elif slot == NIL:
        reason = RejectReason.UNKNOWN_ORDER
    elif state.accounts[command.account].state != AccountState.ACTIVE:
        reason = RejectReason.ACCOUNT_NOT_ACTIVE
    elif state.instruments[state.details[slot].instrument].state != TradingState.CONTINUOUS:
        reason = RejectReason.INSTRUMENT_NOT_TRADING
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    order = state.orders[slot]
    price = command.price_ticks if command.price_ticks != 0 else int64(order.price_ticks)
    total = command.quantity_lots if command.quantity_lots != 0 else state.details[slot].quantity
    in_place = price == order.price_ticks and total <= state.details[slot].quantity
    keeps = in_place and command.flags & OrderFlag.REQUEUE == 0
    reason = replacement(state, slot, price, total, keeps)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    if keeps:
        _shrink(state, command, output, slot, total)
    else:
        _move(state, command, output, slot, price, total)


@kernel
def _say_replaced(
    state: Record, command: Record, output: Record, slot: int, price: int, leaves: int, flags: int
) -> None:
    """Add the event of a replace; `price` and `leaves` are what the order had before."""
    order = state.orders[slot]
    event = emit(command, output, EventKind.ORDER_REPLACED)
    event.flags = flags
    event.side = order.side
    event.account = order.account
    event.instrument = state.details[slot].instrument
    event.order_id = order_id_of(state, slot)
    event.price_ticks = order.price_ticks
    event.quantity_lots = state.details[slot].quantity
    event.leaves_lots = order.leaves
    event.amount = state.details[slot].held
    event.fee = leaves
    event.counter_fee = price


@routine
def _shrink(state: Record, command: Record, output: Record, slot: int, total: int) -> None:
    order = state.orders[slot]
    leaves = order.leaves
    order.leaves -= state.details[slot].quantity - total
    state.details[slot].quantity = total
    trim_hold(state, slot)
    _say_replaced(state, command, output, slot, int64(order.price_ticks), leaves, OrderFlag.KEPT_PRIORITY)


@kernel
def _move(state: Record, command: Record, output: Record, slot: int, price: int, total: int) -> None:
    order = state.orders[slot]
    detail = state.details[slot]
    instrument = state.instruments[detail.instrument]
    old_price, old_leaves = int64(order.price_ticks), order.leaves
    unlink(state, slot)
    order.price_ticks = price
    order.leaves = total - (detail.quantity - old_leaves)
    detail.quantity = total
    detail.maker_bps = instrument.maker_bps
    detail.taker_bps = instrument.taker_bps
    set_hold(state, slot, need(state, slot))
    _say_replaced(state, command, output, slot, old_price, old_leaves, 0)
    finish(state, command, output, slot, int64(match(state, command, output, slot)), True)


@routine
def mass_cancel(state: Record, command: Record, output: Record) -> None:
    """End the open orders of an account on one instrument or all, one side or both, at most WORK_MAX of them."""
    reason = RejectReason.NONE
    if command.side > Side.BOTH:
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
    ended = 0
    still_open = 0
    for slot in range(1, state.order_count):
        if not _is_meant(state, command, slot):
            continue
        if ended == WORK_MAX:
            still_open += 1
        else:
            end_order(state, command, output, slot, EventKind.ORDER_CANCELED, EndReason.MASS_CANCEL)
            ended += 1
    event = emit(command, output, EventKind.MASS_CANCELED)
    event.side = command.side
    event.account = command.account
    event.instrument = command.instrument
    event.quantity_lots = ended
    event.leaves_lots = still_open


@kernel
def _is_meant(state: Record, command: Record, slot: int) -> bool:
    order = state.orders[slot]
    return (
        order.node != NIL
        and order.account == command.account
        and (command.instrument == NIL or state.details[slot].instrument == command.instrument)
        and (command.side == Side.BOTH or order.side == command.side)
    )
