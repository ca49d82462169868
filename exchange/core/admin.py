"""The commands that are not about orders: money and units in and out, accounts, assets, instruments."""

from exchange.core.accounts import open_balance
from exchange.core.jit import Record, blend, int64, routine
from exchange.core.matching import emit
from exchange.core.orders import reject
from exchange.core.recent import find, has_room, remember
from exchange.core.rules import (
    arrival,
    departure,
    fee_rates,
    holding,
    knows_account,
    knows_instrument,
    listing,
    price_band,
)
from exchange.core.types import (
    EXCHANGE_ACCOUNT,
    NIL,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    USAGE_ID_WINDOW_NS,
    AccountState,
    AssetKind,
    CommandKind,
    EventKind,
    RejectReason,
    TradingState,
)


@routine
def _say_moved(command: Record, output: Record, kind: int) -> None:
    event = emit(command, output, kind)
    event.account = command.account
    event.asset = command.asset
    event.amount = command.amount
    if kind == EventKind.REDEEMED:
        event.order_id = command.words[0]
        event.counter_order_id = command.words[1]


@routine
def bring_in(state: Record, command: Record, output: Record) -> None:
    """Deposit cash, or issue units to their issuer."""
    deposits = command.kind == CommandKind.DEPOSIT
    reason = holding(state, command)
    if reason == RejectReason.NONE and (state.assets[command.asset].kind == AssetKind.CASH) != deposits:
        reason = RejectReason.WRONG_ASSET_KIND
    if reason == RejectReason.NONE and not deposits and state.assets[command.asset].issuer != command.account:
        reason = RejectReason.NOT_ISSUER
    if reason == RejectReason.NONE:
        reason = arrival(state, command)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    slot = open_balance(state, int64(command.account), int64(command.asset))
    state.balances[slot].available += command.amount
    state.assets[command.asset].issued += command.amount
    _say_moved(command, output, EventKind.DEPOSITED if deposits else EventKind.ISSUED)


@routine
def _take(state: Record, command: Record) -> None:
    slot = open_balance(state, int64(command.account), int64(command.asset))
    state.balances[slot].available -= command.amount
    state.assets[command.asset].burned += command.amount


@routine
def withdraw(state: Record, command: Record, output: Record) -> None:
    """Take available cash out."""
    reason = holding(state, command)
    if reason == RejectReason.NONE and state.assets[command.asset].kind != AssetKind.CASH:
        reason = RejectReason.WRONG_ASSET_KIND
    if reason == RejectReason.NONE:
        reason = departure(state, command)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    _take(state, command)
    _say_moved(command, output, EventKind.WITHDRAWN)


@routine
def _usage_key(command: Record) -> tuple[int, int]:
    return blend(3, command.words[0]), blend(blend(4, command.words[0]), command.words[1])


@routine
def redeem(state: Record, command: Record, output: Record) -> None:
    """Burn available units against metered use, once for a usage id."""
    reason = holding(state, command)
    if reason == RejectReason.NONE and state.assets[command.asset].kind == AssetKind.CASH:
        reason = RejectReason.WRONG_ASSET_KIND
    named = command.words[0] != 0 or command.words[1] != 0
    low, high = _usage_key(command)
    seen = named and find(state.usage_ids, low, high, command.time_ns, USAGE_ID_WINDOW_NS) != NIL
    if reason == RejectReason.NONE and seen:
        reason = RejectReason.DUPLICATE_ID
    if reason == RejectReason.NONE:
        reason = departure(state, command)
    if reason == RejectReason.NONE and named and not has_room(state.usage_ids, command.time_ns, USAGE_ID_WINDOW_NS):
        reason = RejectReason.RECENT_IDS_FULL
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    if named:
        remember(state.usage_ids, low, high, command.time_ns, 1, USAGE_ID_WINDOW_NS)
    _take(state, command)
    _say_moved(command, output, EventKind.REDEEMED)


@routine
def create_asset(state: Record, command: Record, output: Record) -> None:
    """Add the next asset."""
    reason = RejectReason.NONE
    if command.state == AssetKind.UNKNOWN or command.state > AssetKind.LICENCE:
        reason = RejectReason.MALFORMED_COMMAND
    elif not knows_account(state, command.account):
        reason = RejectReason.UNKNOWN_ACCOUNT
    elif command.asset != state.asset_count:
        reason = RejectReason.ID_NOT_NEXT
    elif command.asset >= len(state.assets):
        reason = RejectReason.ASSETS_FULL
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    state.asset_count += 1
    state.assets[command.asset].kind = command.state
    state.assets[command.asset].issuer = command.account
    event = emit(command, output, EventKind.ASSET_CREATED)
    event.account = command.account
    event.asset = command.asset
    event.state = command.state


@routine
def create_account(state: Record, command: Record, output: Record) -> None:
    """Add the next account, active."""
    reason = RejectReason.NONE
    if command.account != state.account_count:
        reason = RejectReason.ID_NOT_NEXT
    elif command.account >= len(state.accounts):
        reason = RejectReason.ACCOUNTS_FULL
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    state.account_count += 1
    account = state.accounts[command.account]
    account.group = command.group if command.group != 0 else command.account
    account.state = AccountState.ACTIVE
    event = emit(command, output, EventKind.ACCOUNT_CREATED)
    event.account = command.account
    event.counter_account = account.group
    event.state = AccountState.ACTIVE


@routine
def set_account_state(state: Record, command: Record, output: Record) -> None:
    """Change what an account may do."""
    if command.state == AccountState.UNKNOWN or command.state > AccountState.CLOSED:
        reject(command, output, RejectReason.MALFORMED_COMMAND)
    elif not knows_account(state, command.account):
        reject(command, output, RejectReason.UNKNOWN_ACCOUNT)
    else:
        state.accounts[command.account].state = command.state
        event = emit(command, output, EventKind.ACCOUNT_STATE_SET)
        event.account = command.account
        event.state = command.state


@routine
def list_instrument(state: Record, command: Record, output: Record) -> None:
    """Add the next instrument, closed, without fees, with the widest band."""
    reason = listing(state, command)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    state.instrument_count += 1
    instrument = state.instruments[command.instrument]
    tick_value, quantity_max = command.words[0], command.words[2]
    instrument.base_asset = command.asset
    instrument.quote_asset = command.group
    instrument.lot_units = command.amount
    instrument.tick_value = tick_value
    instrument.quantity_min = command.words[1]
    instrument.quantity_max = quantity_max
    if quantity_max <= NOTIONAL_MAX // command.amount:
        instrument.price_safe = NOTIONAL_MAX // tick_value // quantity_max
    instrument.band_low = 1
    instrument.band_high = PRICE_TICKS_MAX
    instrument.fee_balance = open_balance(state, EXCHANGE_ACCOUNT, int64(command.group))
    event = emit(command, output, EventKind.INSTRUMENT_LISTED)
    event.instrument = command.instrument
    event.asset = command.asset
    event.counter_account = command.group
    event.amount = command.amount
    event.price_ticks = tick_value
    event.quantity_lots = instrument.quantity_min
    event.leaves_lots = quantity_max


@routine
def set_fees(state: Record, command: Record, output: Record) -> None:
    """Change fee rates, for orders that come after."""
    if not knows_instrument(state, command.instrument):
        reject(command, output, RejectReason.UNKNOWN_INSTRUMENT)
        return
    reason = fee_rates(command.words[0], command.words[1])
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    state.instruments[command.instrument].maker_bps = command.words[0]
    state.instruments[command.instrument].taker_bps = command.words[1]
    event = emit(command, output, EventKind.FEES_SET)
    event.instrument = command.instrument
    event.fee = command.words[1]
    event.counter_fee = command.words[0]


@routine
def set_price_band(state: Record, command: Record, output: Record) -> None:
    """Change the band, for orders that come after."""
    if not knows_instrument(state, command.instrument):
        reject(command, output, RejectReason.UNKNOWN_INSTRUMENT)
        return
    reason = price_band(command.words[0], command.words[1])
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    state.instruments[command.instrument].band_low = command.words[0]
    state.instruments[command.instrument].band_high = command.words[1]
    event = emit(command, output, EventKind.PRICE_BAND_SET)
    event.instrument = command.instrument
    event.price_ticks = command.words[0]
    event.amount = command.words[1]


@routine
def set_trading_state(state: Record, command: Record, output: Record) -> None:
    """Open, close, halt or suspend an instrument."""
    if command.state > TradingState.SUSPENDED:
        reject(command, output, RejectReason.MALFORMED_COMMAND)
    elif not knows_instrument(state, command.instrument):
        reject(command, output, RejectReason.UNKNOWN_INSTRUMENT)
    else:
        state.instruments[command.instrument].state = command.state
        event = emit(command, output, EventKind.TRADING_STATE_SET)
        event.instrument = command.instrument
        event.state = command.state
