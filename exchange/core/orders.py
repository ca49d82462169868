"""Commands that bring an order in or change one: new, replace, reduce."""

from exchange.core.accounts import (
    find_balance,
    limit_price,
    open_balance,
    open_lots,
    rates_of,
    set_hold,
    trim_hold,
    worst_fee,
)
from exchange.core.book import UNPRICED_BUY_TICKS, UNPRICED_SELL_TICKS, order_id_of, order_slot, take_slot
from exchange.core.conditionals import add_condition, show_all, take_off
from exchange.core.jit import Record, blend, int64, kernel, routine
from exchange.core.limits import Extra, count_message, date_balance, is_dated, is_too_fast
from exchange.core.matching import end_order, execute, finish, leave_book, match, rest
from exchange.core.recent import find, has_room, remember
from exchange.core.rules import (
    collects,
    is_special,
    is_stop,
    is_unpriced,
    knows_account,
    may_cancel,
    needs_condition,
    order_parties,
    order_room,
    order_shape,
    order_terms,
    replacement,
)
from exchange.core.stops import sleep, wake_if_any
from exchange.core.telling import emit, reject, say
from exchange.core.types import (
    CLIENT_ID_WINDOW_MIN_NS,
    CLIENT_ID_WINDOW_NS,
    NIL,
    AccountState,
    CommandKind,
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    RejectReason,
    Side,
    TradingState,
)
from exchange.core.walk import buyable, gather

REFUSED = -1  # in place of a number of makers met


@kernel
def note_message(state: Record, command: Record) -> None:
    """Count a message, if its account is known and limited."""
    if knows_account(state, command.account) and state.accounts[command.account].limited:
        count_message(state, command)


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
    event = say(command, output, EventKind.ORDER_DUPLICATED)
    event.account = command.account
    event.instrument = command.instrument
    event.order_id = order_id


@routine
def _market_cost(state: Record, command: Record, instrument: Record, price: int) -> int:
    """Return the quote units that a market buy would pay for what the book holds now."""
    side, prevention = int64(command.side), int64(command.self_trade_prevention)
    group = int64(state.accounts[command.account].group)
    wanted = command.quantity_lots
    _, ticks = gather(state, instrument, side, price, wanted, group, prevention, False, 0)
    return ticks * instrument.tick_value


@kernel
def _needed(state: Record, command: Record, instrument: Record, price: int, quantity: int, spent: int) -> int:
    """Return what a new order must hold: base units, or notional (a market order's cost) and the worst fee."""
    notional = price * quantity * instrument.tick_value
    if command.order_type == OrderType.MARKET and command.side == Side.BUY and not is_unpriced(command):
        notional = spent if command.amount != 0 else _market_cost(state, command, instrument, price)
    rates = rates_of(state, instrument, int64(command.account))
    cost = notional + worst_fee(int64(rates.maker_bps), int64(rates.taker_bps), notional)
    units = quantity * instrument.lot_units
    return cost if command.side == Side.BUY else units


@kernel
def _order_price(command: Record, instrument: Record) -> int:
    if command.order_type == OrderType.LIMIT or command.order_type == OrderType.STOP_LIMIT:
        return command.price_ticks
    if command.side == Side.BUY:
        return int64(instrument.band_high)
    return int64(instrument.band_low)


@routine
def _resolved(state: Record, command: Record, instrument: Record, price: int) -> tuple[int, int]:
    """Return the lots that a market order's amount buys or sells now, and their notional."""
    group = int64(state.accounts[command.account].group)
    rates = rates_of(state, instrument, int64(command.account))
    side, prevention = int64(command.side), int64(command.self_trade_prevention)
    return buyable(state, instrument, rates, side, price, command.amount, group, prevention)


@kernel
def new_order(state: Record, command: Record, output: Record) -> None:
    """Admit an order, hold what it needs, match it, rest or expire what is left; wake the stops it triggers."""
    note_message(state, command)
    special = is_special(command)
    reason = order_shape(command, special)
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
    if named or special:
        met = place_apart(state, command, output, named, special)
    else:
        met = place(state, command, output, False, False)
    if met != REFUSED:
        wake_if_any(state, command, output, int64(command.instrument), met)


@kernel
def place(state: Record, command: Record, output: Record, named: bool, special: bool) -> int:
    """Do what a new order asks whose shape and parties are right; return how many makers it met, or REFUSED."""
    instrument = state.instruments[command.instrument]
    price = _order_price(command, instrument)
    quantity, spent = command.quantity_lots, 0
    if command.amount != 0:
        quantity, spent = _resolved(state, command, instrument, price)
    reason = order_terms(state, command, instrument, price, quantity, special)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return REFUSED
    needed = _needed(state, command, instrument, price, quantity, spent)
    base, quote = _find_balances(state, command, instrument)
    funds = state.balances[quote if command.side == Side.BUY else base].available  # row NIL has nothing
    reason = order_room(state, command, price, quantity, base, funds, needed, special)
    if (
        reason == RejectReason.NONE
        and named
        and not has_room(state.client_ids, command.time_ns, CLIENT_ID_WINDOW_MIN_NS)
    ):
        reason = RejectReason.RECENT_IDS_FULL
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return REFUSED
    slot = _accept(state, command, output, price, quantity, needed, base, quote, special)
    if named:
        _name(state, command, output, slot)
    if special or instrument.extras & Extra.TURNAROUND:
        _add_terms(state, command, output, slot, price)
    return _begin(state, command, output, slot)


@routine
def place_apart(state: Record, command: Record, output: Record, named: bool, special: bool) -> int:
    """Do what `place` does, apart from the caller."""
    return place(state, command, output, named, special)


@kernel
def _begin(state: Record, command: Record, output: Record, slot: int) -> int:
    """Let an accepted order sleep, wait for an auction, or match."""
    if is_stop(command):
        sleep(state, slot, int64(command.stop_ticks))
        return 0
    if state.instruments[command.instrument].state != TradingState.CONTINUOUS:
        rest(state, slot)
        return 0
    return execute(state, command, output, slot)


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
def _accept(
    state: Record,
    command: Record,
    output: Record,
    price: int,
    quantity: int,
    needed: int,
    base: int,
    quote: int,
    special: bool,
) -> int:
    """Give an admitted order its slot, its balances (`base` and `quote`, as far as they exist) and its hold."""
    instrument = state.instruments[command.instrument]
    slot = take_slot(state)
    order = state.orders[slot]
    detail = state.details[slot]
    order.leaves = quantity
    order.price_ticks = price
    order.account = command.account
    order.node = NIL
    order.side = command.side
    order.order_type = command.order_type
    order.self_trade_prevention = command.self_trade_prevention
    order.flags = command.flags
    detail.quantity = quantity
    detail.instrument = command.instrument
    detail.base_balance, detail.quote_balance = _keep_balances(state, command, instrument, base, quote)
    rates = rates_of(state, instrument, int64(command.account))
    detail.maker_bps = rates.maker_bps
    detail.taker_bps = rates.taker_bps
    detail.taker_part = detail.maker_part = 0
    detail.time_in_force = command.time_in_force
    detail.held = 0
    set_hold(state, slot, needed)
    if special or command.kind == CommandKind.QUOTE:
        order.flags = _flags(command)
    _say_accepted(state, command, output, slot, price, quantity, needed)
    return slot


@kernel
def _say_accepted(
    state: Record, command: Record, output: Record, slot: int, price: int, quantity: int, needed: int
) -> None:
    event = emit(command, output, EventKind.ORDER_ACCEPTED)
    event.side = command.side
    event.order_type = command.order_type
    event.time_in_force = command.time_in_force
    event.self_trade_prevention = command.self_trade_prevention
    event.account = command.account
    event.instrument = command.instrument
    event.asset = state.instruments[command.instrument].base_asset
    event.order_id = order_id_of(state, slot)
    event.price_ticks = 0 if is_unpriced(command) else price
    event.quantity_lots = event.leaves_lots = quantity
    event.amount = needed
    event.flags = int64(state.orders[slot].flags) | (OrderFlag.SLEEPING if is_stop(command) else 0)


@routine
def _flags(command: Record) -> int:
    """Return the flags that an order keeps."""
    flags = int64(command.flags)
    if command.kind == CommandKind.QUOTE:
        flags |= OrderFlag.QUOTE
    if command.display_lots != 0:
        flags |= OrderFlag.ICEBERG
    if is_unpriced(command):
        flags |= OrderFlag.UNPRICED
    return flags


@routine
def _name(state: Record, command: Record, output: Record, slot: int) -> None:
    """Remember an order's client order id, and say it."""
    low, high = _client_key(command)
    order_id = order_id_of(state, slot)
    remember(state.client_ids, low, high, command.time_ns, order_id, CLIENT_ID_WINDOW_NS)
    event = say(command, output, EventKind.ORDER_NAMED)
    event.account = command.account
    event.instrument = command.instrument
    event.order_id = order_id
    event.price_ticks = command.words[0]
    event.quantity_lots = command.words[1]
    event.leaves_lots = command.words[2]
    event.amount = command.words[3]
    event.fee = command.words[4]


@routine
def _add_terms(state: Record, command: Record, output: Record, slot: int, price: int) -> None:
    """Give an order what goes beyond the plain kinds, and say stop price, displayed part and end."""
    asset = state.assets[state.instruments[command.instrument].base_asset]
    if command.side == Side.BUY and is_dated(asset, int64(command.account)):
        date_balance(state, int64(state.details[slot].base_balance))
    if not needs_condition(command):
        return
    add_condition(state, command, slot, price)
    if is_unpriced(command):
        state.orders[slot].price_ticks = UNPRICED_BUY_TICKS if command.side == Side.BUY else UNPRICED_SELL_TICKS
        return
    event = say(command, output, EventKind.ORDER_TERMS)
    event.account = command.account
    event.instrument = command.instrument
    event.order_id = order_id_of(state, slot)
    event.price_ticks = command.stop_ticks
    event.quantity_lots = command.display_lots
    event.amount = command.until_ns


@kernel
def own_order(state: Record, command: Record) -> int:
    """Return the slot of the open order that a command names, NIL if there is none or it is another's."""
    slot = order_slot(state, command.order_id)
    if slot != NIL and state.orders[slot].account == command.account:
        return slot
    return NIL


@kernel
def cancel_order(state: Record, command: Record, output: Record) -> None:
    """End an order at its owner's request."""
    note_message(state, command)
    slot = own_order(state, command)
    reason = _may_withdraw(state, command, slot)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    end_order(state, command, output, slot, EventKind.ORDER_CANCELED, EndReason.REQUESTED)


@kernel
def _may_withdraw(state: Record, command: Record, slot: int) -> int:
    """Check that an order may be taken back, or a part of it."""
    if not knows_account(state, command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if slot == NIL:
        return RejectReason.UNKNOWN_ORDER
    if state.accounts[command.account].state == AccountState.CLOSED:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    if not may_cancel(state.instruments[state.details[slot].instrument].state):
        return RejectReason.INSTRUMENT_NOT_TRADING
    return RejectReason.NONE


@routine
def reduce_order(state: Record, command: Record, output: Record) -> None:
    """Take lots off an open order, which keeps its priority; cancel it when none would be left."""
    note_message(state, command)
    slot = own_order(state, command)
    reason = _may_withdraw(state, command, slot)
    if reason == RejectReason.NONE and command.quantity_lots < 1:
        reason = RejectReason.INVALID_QUANTITY
    if reason != RejectReason.NONE:
        reject(command, output, reason)
    elif command.quantity_lots >= open_lots(state, slot):
        end_order(state, command, output, slot, EventKind.ORDER_CANCELED, EndReason.REQUESTED)
    else:
        _shrink(state, command, output, slot, state.details[slot].quantity - command.quantity_lots)


@kernel
def _replaceable(state: Record, command: Record, slot: int) -> int:
    """Check that the parties of a replace may trade."""
    if not knows_account(state, command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if slot == NIL:
        return RejectReason.UNKNOWN_ORDER
    account = state.accounts[command.account]
    if account.state != AccountState.ACTIVE:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    if account.limited and is_too_fast(state, int64(command.account)):
        return RejectReason.TOO_MANY_MESSAGES
    trading = state.instruments[state.details[slot].instrument].state
    if trading == TradingState.CONTINUOUS or (collects(trading) and trading != TradingState.CALL_NO_CANCEL):
        return RejectReason.NONE
    return RejectReason.INSTRUMENT_NOT_TRADING


@kernel
def replace_order(state: Record, command: Record, output: Record) -> None:
    """Change price or quantity: in place if only the quantity falls, else as a new arrival under the same id."""
    note_message(state, command)
    slot = own_order(state, command)
    reason = _replaceable(state, command, slot)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    present = limit_price(state, slot)
    price = command.price_ticks if command.price_ticks != 0 else present
    total = command.quantity_lots if command.quantity_lots != 0 else state.details[slot].quantity
    in_place = price == present and total <= state.details[slot].quantity
    keeps = in_place and command.flags & OrderFlag.REQUEUE == 0
    reason, needed = replacement(state, command, slot, price, total, keeps)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
    elif keeps:
        _shrink(state, command, output, slot, total)
    else:
        index = int64(state.details[slot].instrument)
        wake_if_any(state, command, output, index, _move(state, command, output, slot, price, total, needed))


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
    event.price_ticks = 0 if order.flags & OrderFlag.UNPRICED else limit_price(state, slot)
    event.quantity_lots = state.details[slot].quantity
    event.leaves_lots = open_lots(state, slot)
    event.amount = state.details[slot].held
    event.fee = leaves
    event.counter_fee = price


@routine
def _shrink(state: Record, command: Record, output: Record, slot: int, total: int) -> None:
    leaves = open_lots(state, slot)
    take_off(state, slot, state.details[slot].quantity - total)
    state.details[slot].quantity = total
    trim_hold(state, slot)
    price = 0 if state.orders[slot].flags & OrderFlag.UNPRICED else limit_price(state, slot)
    _say_replaced(state, command, output, slot, price, leaves, OrderFlag.KEPT_PRIORITY)


@kernel
def _move(state: Record, command: Record, output: Record, slot: int, price: int, total: int, needed: int) -> int:
    """Let an order come anew under other terms; return how many makers it met."""
    order = state.orders[slot]
    detail = state.details[slot]
    instrument = state.instruments[detail.instrument]
    leave_book(state, slot)
    if order.flags & OrderFlag.ICEBERG:
        show_all(state, slot)
    old_price, old_leaves = int64(order.price_ticks), order.leaves
    order.price_ticks = price
    order.leaves = total - (detail.quantity - old_leaves)
    detail.quantity = total
    rates = rates_of(state, instrument, int64(order.account))
    detail.maker_bps = rates.maker_bps
    detail.taker_bps = rates.taker_bps
    set_hold(state, slot, needed)
    _say_replaced(state, command, output, slot, old_price, old_leaves, 0)
    if instrument.state != TradingState.CONTINUOUS:
        rest(state, slot)
        return 0
    end, met = match(state, command, output, slot)
    finish(state, command, output, slot, end, met, True)
    return met
