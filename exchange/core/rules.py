"""Admission: which commands are refused, and why.

Each check returns a RejectReason, the first in the enumeration's order that applies; NONE admits. Nothing is
changed here.
"""

from exchange.core.accounts import balances_free, find_balance, worst_fee
from exchange.core.book import PAGES_PER_PRICE_MAX, crosses, nodes_free, orders_free
from exchange.core.jit import Record, int64, kernel, routine
from exchange.core.types import (
    AMOUNT_MAX,
    BPS,
    NIL,
    NOTIONAL_MAX,
    OPEN_ORDERS_MAX,
    PRICE_TICKS_MAX,
    TICK_VALUE_MAX,
    AccountState,
    AssetKind,
    OrderFlag,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
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
def order_shape(command: Record) -> int:
    """Check the enumerations of a new order."""
    if (
        command.side > Side.SELL
        or command.order_type > OrderType.MARKET
        or command.time_in_force > TimeInForce.FOK
        or command.self_trade_prevention > SelfTradePrevention.DECREMENT
        or command.flags > OrderFlag.POST_ONLY
    ):
        return RejectReason.MALFORMED_COMMAND
    if command.flags != 0 and (command.order_type != OrderType.LIMIT or command.time_in_force != TimeInForce.GTC):
        return RejectReason.MALFORMED_COMMAND
    return RejectReason.NONE


@kernel
def order_parties(state: Record, command: Record) -> int:
    """Check that the account may trade and the instrument does."""
    if not knows_instrument(state, command.instrument):
        return RejectReason.UNKNOWN_INSTRUMENT
    if state.accounts[command.account].state != AccountState.ACTIVE:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    if state.instruments[command.instrument].state != TradingState.CONTINUOUS:
        return RejectReason.INSTRUMENT_NOT_TRADING
    return RejectReason.NONE


@kernel
def order_terms(instrument: Record, price: int, quantity: int, market: bool) -> int:
    """Check quantity, price, band and size of an order; a market order's price is the band's own."""
    if quantity < instrument.quantity_min or quantity > instrument.quantity_max:
        return RejectReason.INVALID_QUANTITY
    if not market:
        if price < 1 or price > PRICE_TICKS_MAX:
            return RejectReason.INVALID_PRICE
        if price < instrument.band_low or price > instrument.band_high:
            return RejectReason.PRICE_OUTSIDE_BAND
    if price > instrument.price_safe and not _is_small(instrument, price, quantity):
        return RejectReason.NOTIONAL_TOO_LARGE
    return RejectReason.NONE


@routine
def _is_small(instrument: Record, price: int, quantity: int) -> bool:
    return (
        quantity <= NOTIONAL_MAX // (price * instrument.tick_value) and quantity <= NOTIONAL_MAX // instrument.lot_units
    )


@kernel
def order_room(state: Record, command: Record, price: int, funds: int, need: int) -> int:
    """Check post-only, the account's limits and funds, and room in every pool; `funds` is what may be spent."""
    instrument = state.instruments[command.instrument]
    if command.flags != 0 and crosses(command.side, price, int64(instrument.sides[1 - command.side].best_price)):
        return RejectReason.WOULD_TAKE
    if state.accounts[command.account].open_orders >= OPEN_ORDERS_MAX:
        return RejectReason.TOO_MANY_OPEN_ORDERS
    if need > funds:
        return RejectReason.INSUFFICIENT_BALANCE
    if orders_free(state) == 0:
        return RejectReason.ORDERS_FULL
    may_rest = command.order_type == OrderType.LIMIT and command.time_in_force == TimeInForce.GTC
    if may_rest and nodes_free(state) < PAGES_PER_PRICE_MAX:
        return RejectReason.LEVELS_FULL
    if balances_free(state) < 2:
        return RejectReason.BALANCES_FULL
    return RejectReason.NONE


@routine
def replacement(state: Record, slot: int, price: int, total: int, keeps: bool) -> int:
    """Check the new terms of a resting order, after its parties were checked."""
    order = state.orders[slot]
    detail = state.details[slot]
    instrument = state.instruments[detail.instrument]
    reason = order_terms(instrument, price, total, False)
    if reason != RejectReason.NONE:
        return reason
    filled = detail.quantity - order.leaves
    if total <= filled:
        return RejectReason.QUANTITY_BELOW_FILLED
    if keeps:
        return RejectReason.NONE
    if order.flags != 0 and crosses(order.side, price, int64(instrument.sides[1 - order.side].best_price)):
        return RejectReason.WOULD_TAKE
    if order.side == Side.BUY:
        notional = price * (total - filled) * instrument.tick_value
        need = notional + worst_fee(int64(instrument.maker_bps), int64(instrument.taker_bps), notional)
        funds = state.balances[detail.quote_balance].available
    else:
        need = (total - filled) * instrument.lot_units
        funds = state.balances[detail.base_balance].available
    if need - detail.held > funds:
        return RejectReason.INSUFFICIENT_BALANCE
    if nodes_free(state) < PAGES_PER_PRICE_MAX:
        return RejectReason.LEVELS_FULL
    return RejectReason.NONE


@routine
def holding(state: Record, command: Record) -> int:
    """Check account and asset of a deposit, withdrawal, issuance or redemption."""
    if not knows_account(state, command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if not knows_asset(state, command.asset):
        return RejectReason.UNKNOWN_ASSET
    if state.accounts[command.account].state != AccountState.ACTIVE:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    return RejectReason.NONE


@routine
def arrival(state: Record, command: Record) -> int:
    """Check the amount of a deposit or issuance."""
    if command.amount < 1 or command.amount > AMOUNT_MAX:
        return RejectReason.INVALID_PARAMETER
    if command.amount > AMOUNT_MAX - state.assets[command.asset].issued:
        return RejectReason.ISSUED_TOO_MUCH
    known = find_balance(state, int64(command.account), int64(command.asset)) != NIL
    if not known and balances_free(state) == 0:
        return RejectReason.BALANCES_FULL
    return RejectReason.NONE


@routine
def departure(state: Record, command: Record) -> int:
    """Check the amount of a withdrawal or redemption."""
    if command.amount < 1 or command.amount > AMOUNT_MAX:
        return RejectReason.INVALID_PARAMETER
    row = find_balance(state, int64(command.account), int64(command.asset))
    if command.amount > state.balances[row].available:  # row NIL has nothing
        return RejectReason.INSUFFICIENT_BALANCE
    return RejectReason.NONE


@routine
def listing(state: Record, command: Record) -> int:
    """Check a new instrument."""
    if not knows_asset(state, command.asset) or not knows_asset(state, command.group):
        return RejectReason.UNKNOWN_ASSET
    if command.instrument != state.instrument_count:
        return RejectReason.ID_NOT_NEXT
    base_is_cash = state.assets[command.asset].kind == AssetKind.CASH
    if base_is_cash or state.assets[command.group].kind != AssetKind.CASH:
        return RejectReason.WRONG_ASSET_KIND
    tick_value, quantity_min, quantity_max = command.words[0], command.words[1], command.words[2]
    if command.amount < 1 or command.amount > NOTIONAL_MAX or tick_value < 1 or tick_value > TICK_VALUE_MAX:
        return RejectReason.INVALID_PARAMETER
    if quantity_min < 1 or quantity_max < quantity_min or quantity_max > NOTIONAL_MAX:
        return RejectReason.INVALID_PARAMETER
    if balances_free(state) == 0:
        return RejectReason.BALANCES_FULL
    if command.instrument >= len(state.instruments):
        return RejectReason.INSTRUMENTS_FULL
    return RejectReason.NONE


@routine
def fee_rates(maker_bps: int, taker_bps: int) -> int:
    """Check fee rates: a rebate is never more than the taker pays."""
    if taker_bps < 0 or taker_bps > BPS or maker_bps < -taker_bps or maker_bps > BPS:
        return RejectReason.INVALID_PARAMETER
    return RejectReason.NONE


@routine
def price_band(low: int, high: int) -> int:
    """Check a price band."""
    if low < 1 or high < low or high > PRICE_TICKS_MAX:
        return RejectReason.INVALID_PARAMETER
    return RejectReason.NONE
