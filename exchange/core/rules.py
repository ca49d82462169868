"""Admission of orders: which are refused, and why.

Each check returns a RejectReason, the first in the enumeration's order that applies; NONE admits. Nothing is
changed here.
"""

from exchange.core.accounts import balances_free, hold_balance, open_lots, rates_of, worst_fee
from exchange.core.book import (
    PAGES_PER_PRICE_MAX,
    UNPRICED_BUY_TICKS,
    UNPRICED_SELL_TICKS,
    crosses,
    nodes_free,
    orders_free,
)
from exchange.core.conditionals import conditions_free
from exchange.core.jit import Record, int64, kernel, routine
from exchange.core.limits import (
    Extra,
    acquisitions_free,
    crosses_own_group,
    exceeds_position,
    has_too_many_orders,
    immature,
    is_dated,
    is_too_fast,
    may_not_hold,
)
from exchange.core.matching import may_rest
from exchange.core.stops import is_triggered
from exchange.core.types import (
    NIL,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    AccountState,
    OrderFlag,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
)


@kernel
def knows_account(state: Record, account: int) -> bool:
    """Tell whether an account exists."""
    return account < state.account_count


@kernel
def knows_asset(state: Record, asset: int) -> bool:
    """Tell whether an asset exists."""
    return asset != NIL and asset < state.asset_count


@kernel
def knows_instrument(state: Record, instrument: int) -> bool:
    """Tell whether an instrument is listed."""
    return instrument != NIL and instrument < state.instrument_count


@kernel
def order_shape(command: Record, special: bool) -> int:
    """Check that the terms of a new order go together."""
    if (
        command.side > Side.SELL
        or command.order_type > OrderType.STOP_LIMIT
        or command.time_in_force > TimeInForce.AT_AUCTION
        or command.self_trade_prevention > SelfTradePrevention.DECREMENT
        or command.flags > OrderFlag.POST_ONLY
    ):
        return RejectReason.MALFORMED_COMMAND
    if command.flags != 0 and (command.order_type != OrderType.LIMIT or not _lasts(command)):
        return RejectReason.MALFORMED_COMMAND
    if special and not _special_terms_agree(command):
        return RejectReason.MALFORMED_COMMAND
    return RejectReason.NONE


@kernel
def is_special(command: Record) -> bool:
    """Tell whether a new order is more than a limit or market order of the plain kinds."""
    if command.order_type > OrderType.MARKET or command.time_in_force > TimeInForce.FOK:
        return True
    return (command.amount | command.until_ns) != 0 or (command.stop_ticks | command.display_lots) != 0


@kernel
def _lasts(command: Record) -> bool:
    return may_rest(OrderType.LIMIT, int64(command.time_in_force))


@kernel
def is_stop(command: Record) -> bool:
    """Tell whether a new order sleeps first."""
    return command.order_type >= OrderType.STOP


@kernel
def is_unpriced(command: Record) -> bool:
    """Tell whether a new order is a market order for an auction."""
    return command.order_type == OrderType.MARKET and command.time_in_force == TimeInForce.AT_AUCTION


@routine
def _special_terms_agree(command: Record) -> bool:
    kind, life = command.order_type, command.time_in_force
    priced = kind == OrderType.LIMIT or kind == OrderType.STOP_LIMIT
    if is_stop(command) != (command.stop_ticks != 0) or (is_stop(command) and life == TimeInForce.AT_AUCTION):
        return False
    if command.display_lots != 0 and (kind != OrderType.LIMIT or not _lasts(command)):
        return False
    if (command.until_ns != 0 and life != TimeInForce.GTD) or (life == TimeInForce.GTD and not priced):
        return False
    if command.amount == 0:
        return True
    immediate = kind == OrderType.MARKET and life != TimeInForce.AT_AUCTION
    return immediate and command.amount > 0 and command.quantity_lots == 0


@kernel
def collects(trading_state: int) -> bool:
    """Tell whether an instrument takes orders for an auction."""
    return TradingState.PRE_OPEN <= trading_state <= TradingState.CALL_CLOSE


@kernel
def may_cancel(trading_state: int) -> bool:
    """Tell whether orders may be taken back."""
    return not (
        trading_state == TradingState.SUSPENDED
        or trading_state == TradingState.CALL_NO_CANCEL
        or trading_state == TradingState.UNCROSSING
        or trading_state == TradingState.EXPIRED
    )


@kernel
def order_parties(state: Record, command: Record) -> int:
    """Check that the account may trade, and the instrument, and that it takes such an order now."""
    if not knows_instrument(state, command.instrument):
        return RejectReason.UNKNOWN_INSTRUMENT
    account = state.accounts[command.account]
    if account.state != AccountState.ACTIVE:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    if account.limited and is_too_fast(state, int64(command.account)):
        return RejectReason.TOO_MANY_MESSAGES
    instrument = state.instruments[command.instrument]
    if instrument.state == TradingState.CONTINUOUS and instrument.mode != TradingMode.LIST:
        return RejectReason.NOT_IN_THIS_PHASE if command.time_in_force == TimeInForce.AT_AUCTION else RejectReason.NONE
    return _phase(instrument, command)


@routine
def _phase(instrument: Record, command: Record) -> int:
    """Check that an instrument that does not just trade continuously takes a new order."""
    life = command.time_in_force
    waits = may_rest(int64(command.order_type), int64(life))
    if instrument.state != TradingState.CONTINUOUS and not collects(instrument.state):
        return RejectReason.INSTRUMENT_NOT_TRADING
    if instrument.mode == TradingMode.LIST and command.side == Side.BUY and waits:
        return RejectReason.NOT_IN_THIS_PHASE
    if instrument.state == TradingState.CONTINUOUS:
        return RejectReason.NOT_IN_THIS_PHASE if life == TimeInForce.AT_AUCTION else RejectReason.NONE
    taken = waits or life == TimeInForce.AT_AUCTION or is_stop(command)
    return RejectReason.NONE if taken else RejectReason.NOT_IN_THIS_PHASE


@kernel
def order_terms(state: Record, command: Record, instrument: Record, price: int, quantity: int, special: bool) -> int:
    """Check quantity, price, band and size of a new order; a market order's price is the band's own."""
    if quantity < instrument.quantity_min and command.amount == 0:
        return RejectReason.INVALID_QUANTITY
    if quantity > instrument.quantity_max:
        return RejectReason.INVALID_QUANTITY
    reason = _special_terms(command, instrument, price, quantity) if special else _price(command, instrument, price)
    if reason == RejectReason.NONE:
        reason = _size(state, instrument, int64(command.account), price, quantity)
    if reason == RejectReason.NONE and command.amount != 0:
        if command.amount > NOTIONAL_MAX:
            return RejectReason.NOTIONAL_TOO_LARGE
        if quantity < instrument.quantity_min:
            return RejectReason.AMOUNT_TOO_SMALL
    return reason


@kernel
def _price(command: Record, instrument: Record, price: int) -> int:
    if command.order_type == OrderType.MARKET or command.order_type == OrderType.STOP:
        return RejectReason.NONE
    if price < 1 or price > PRICE_TICKS_MAX:
        return RejectReason.INVALID_PRICE
    if price < instrument.band_low or price > instrument.band_high:
        return RejectReason.PRICE_OUTSIDE_BAND
    return RejectReason.NONE


@routine
def _special_terms(command: Record, instrument: Record, price: int, quantity: int) -> int:
    display = int64(command.display_lots)
    if display != 0 and (display < instrument.quantity_min or display > quantity):
        return RejectReason.INVALID_QUANTITY
    reason = _price(command, instrument, price)
    if reason == RejectReason.INVALID_PRICE or command.stop_ticks > PRICE_TICKS_MAX:
        return RejectReason.INVALID_PRICE
    if command.time_in_force == TimeInForce.GTD and command.until_ns <= command.time_ns:
        return RejectReason.INVALID_EXPIRY
    return reason


@kernel
def _size(state: Record, instrument: Record, account: int, price: int, quantity: int) -> int:
    """Check the notional of an order, exactly where it could be too large or the account has a limit."""
    if price > instrument.price_safe and not _is_small(instrument, price, quantity):
        return RejectReason.NOTIONAL_TOO_LARGE
    if state.accounts[account].limited:
        limit = state.account_limits[account].notional_max
        if limit != 0 and price * quantity * instrument.tick_value > limit:
            return RejectReason.NOTIONAL_TOO_LARGE
    return RejectReason.NONE


@routine
def _is_small(instrument: Record, price: int, quantity: int) -> bool:
    limit = notional_limit(instrument)
    return quantity <= limit // (price * instrument.tick_value) and quantity <= NOTIONAL_MAX // instrument.lot_units


@kernel
def notional_limit(instrument: Record) -> int:
    """Return the most quote units that one order may be worth."""
    return instrument.notional_max if instrument.notional_max != 0 else NOTIONAL_MAX


@kernel
def order_room(
    state: Record, command: Record, price: int, quantity: int, base: int, funds: int, need: int, special: bool
) -> int:
    """Check what the book, the account's limits and funds, and every pool let a new order do.

    `base` is the account's row in the base asset, `funds` what may be spent of the asset it holds.
    """
    index, account = int64(command.instrument), int64(command.account)
    instrument = state.instruments[index]
    continuous = instrument.state == TradingState.CONTINUOUS
    best = int64(instrument.queues[1 ^ int64(command.side)].best_price)
    if command.flags != 0 and continuous and crosses(int64(command.side), price, best):
        return RejectReason.WOULD_TAKE
    if special or not continuous:
        reason = _clash(state, command, price)
        if reason != RejectReason.NONE:
            return reason
    if has_too_many_orders(state, account, instrument, index, base):
        return RejectReason.TOO_MANY_OPEN_ORDERS
    reason = RejectReason.NONE
    if instrument.extras != 0:
        reason = _share(state, index, account, int64(command.side), base, quantity)
    if reason != RejectReason.NONE:
        return reason
    if need > funds:
        return RejectReason.INSUFFICIENT_BALANCE
    if instrument.extras & Extra.TURNAROUND and is_locked(
        state, index, int64(command.side), base, need, command.time_ns
    ):
        return RejectReason.NOT_YET_TRANSFERABLE
    return _pools(state, command, base, special)


@routine
def _clash(state: Record, command: Record, price: int) -> int:
    """Check that a stop does not wake at once, and that no auction could make an order meet its own group."""
    instrument = state.instruments[command.instrument]
    side = int64(command.side)
    if is_stop(command):
        if is_triggered(side, int64(command.stop_ticks), int64(instrument.last_ticks)):
            return RejectReason.WOULD_TRIGGER
        return RejectReason.NONE
    if instrument.state == TradingState.CONTINUOUS:
        return RejectReason.NONE
    if is_unpriced(command):
        price = UNPRICED_BUY_TICKS if side == Side.BUY else UNPRICED_SELL_TICKS
    if crosses_own_group(state, int64(command.instrument), int64(command.account), side, price):
        return RejectReason.WOULD_CROSS_OWN_GROUP
    return RejectReason.NONE


@routine
def _share(state: Record, index: int, account: int, side: int, base: int, quantity: int) -> int:
    """Check what a buyer may come to hold."""
    if side == Side.SELL:
        return RejectReason.NONE
    if exceeds_position(state, index, account, base, NIL, quantity):
        return RejectReason.POSITION_LIMIT
    if may_not_hold(state, state.assets[state.instruments[index].base_asset], account, base):
        return RejectReason.HOLDER_LIMIT
    return RejectReason.NONE


@routine
def is_locked(state: Record, index: int, side: int, base: int, need: int, time_ns: int) -> bool:
    """Tell whether units to be sold were bought too lately."""
    asset = state.assets[state.instruments[index].base_asset]
    if side == Side.BUY or not is_dated(asset, int64(state.balances[base].account)):
        return False
    return need > state.balances[base].available - immature(state, base, time_ns)


@kernel
def _pools(state: Record, command: Record, base: int, special: bool) -> int:
    if orders_free(state) == 0:
        return RejectReason.ORDERS_FULL
    if nodes_free(state) < PAGES_PER_PRICE_MAX and _stays(command):
        return RejectReason.LEVELS_FULL
    if balances_free(state) < 2:
        return RejectReason.BALANCES_FULL
    if special and needs_condition(command) and conditions_free(state) == 0:
        return RejectReason.CONDITIONS_FULL
    if state.instruments[command.instrument].extras & Extra.TURNAROUND and _lacks_dates(state, command, base):
        return RejectReason.ACQUISITIONS_FULL
    return RejectReason.NONE


@routine
def _stays(command: Record) -> bool:
    waits = may_rest(int64(command.order_type), int64(command.time_in_force))
    return waits or is_stop(command) or command.time_in_force == TimeInForce.AT_AUCTION


@kernel
def needs_condition(command: Record) -> bool:
    """Tell whether a new order needs a row of conditions."""
    return is_stop(command) or is_unpriced(command) or command.display_lots != 0 or command.until_ns != 0


@routine
def _lacks_dates(state: Record, command: Record, base: int) -> bool:
    asset = state.assets[state.instruments[command.instrument].base_asset]
    if command.side == Side.SELL or not is_dated(asset, int64(command.account)):
        return False
    return state.balance_acquisitions[base] == NIL and acquisitions_free(state) == 0


@kernel
def replacement(state: Record, command: Record, slot: int, price: int, total: int, keeps: bool) -> tuple[int, int]:
    """Check the new terms of an open order, after its parties were checked; return also what it must hold to move."""
    order = state.orders[slot]
    detail = state.details[slot]
    instrument = state.instruments[detail.instrument]
    if not keeps and order.flags & (OrderFlag.SLEEPING | OrderFlag.UNPRICED):
        return RejectReason.NOT_REPLACEABLE, 0
    if total < instrument.quantity_min or total > instrument.quantity_max:
        return RejectReason.INVALID_QUANTITY, 0
    if order.flags & OrderFlag.UNPRICED == 0:
        if price < 1 or price > PRICE_TICKS_MAX:
            return RejectReason.INVALID_PRICE, 0
        if price < instrument.band_low or price > instrument.band_high:
            return RejectReason.PRICE_OUTSIDE_BAND, 0
    reason = _size(state, instrument, int64(order.account), price, total)
    if reason != RejectReason.NONE:
        return reason, 0
    leaves = total - (detail.quantity - open_lots(state, slot))
    if leaves <= 0:
        return RejectReason.QUANTITY_BELOW_FILLED, 0
    if keeps:
        return RejectReason.NONE, 0
    return _move(state, command, slot, price, leaves)


@kernel
def _move(state: Record, command: Record, slot: int, price: int, leaves: int) -> tuple[int, int]:
    """Check an open order that is to come anew under other terms; return also what it must hold then."""
    order = state.orders[slot]
    detail = state.details[slot]
    index, account, side = int64(detail.instrument), int64(order.account), int64(order.side)
    instrument = state.instruments[index]
    if instrument.state == TradingState.CONTINUOUS:
        best = int64(instrument.queues[1 ^ side].best_price)
        if order.flags & OrderFlag.POST_ONLY and crosses(side, price, best):
            return RejectReason.WOULD_TAKE, 0
    elif crosses_own_group(state, index, account, side, price):
        return RejectReason.WOULD_CROSS_OWN_GROUP, 0
    base = int64(detail.base_balance)
    limited = instrument.extras & Extra.POSITION and side == Side.BUY
    if limited and exceeds_position(state, index, account, base, slot, leaves):
        return RejectReason.POSITION_LIMIT, 0
    notional = price * leaves * instrument.tick_value
    rates = rates_of(state, instrument, account)
    cost = notional + worst_fee(int64(rates.maker_bps), int64(rates.taker_bps), notional)
    need = cost if side == Side.BUY else leaves * instrument.lot_units
    if need - detail.held > hold_balance(state, slot).available:
        return RejectReason.INSUFFICIENT_BALANCE, 0
    if instrument.extras & Extra.TURNAROUND and is_locked(
        state, index, side, base, need - detail.held, command.time_ns
    ):
        return RejectReason.NOT_YET_TRANSFERABLE, 0
    if nodes_free(state) < PAGES_PER_PRICE_MAX:
        return RejectReason.LEVELS_FULL, 0
    return RejectReason.NONE, need
