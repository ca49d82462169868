"""What there is to trade, and who trades it: accounts, assets, instruments, fees, price bands."""

from exchange.core.accounts import balances_free, open_balance
from exchange.core.jit import Record, int64, routine
from exchange.core.rules import knows_account, knows_asset, knows_instrument
from exchange.core.telling import reject, say
from exchange.core.types import (
    BPS,
    EXCHANGE_ACCOUNT,
    FEE_TIERS,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    TICK_VALUE_MAX,
    AccountState,
    AssetKind,
    EventKind,
    RejectReason,
)
from exchange.core.venue import set_price_safe


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
    event = say(command, output, EventKind.ASSET_CREATED)
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
    _join_group(state, int64(command.account))
    event = say(command, output, EventKind.ACCOUNT_CREATED)
    event.account = command.account
    event.counter_account = account.group
    event.state = AccountState.ACTIVE


@routine
def _join_group(state: Record, index: int) -> None:
    """Put a new account into the ring of its group."""
    account = state.accounts[index]
    account.next_in_group = index
    for other in range(index):
        if state.accounts[other].group == account.group:
            account.next_in_group = state.accounts[other].next_in_group
            state.accounts[other].next_in_group = index
            return


@routine
def set_account_state(state: Record, command: Record, output: Record) -> None:
    """Change what an account may do."""
    if command.state == AccountState.UNKNOWN or command.state > AccountState.CLOSED:
        reject(command, output, RejectReason.MALFORMED_COMMAND)
    elif not knows_account(state, command.account):
        reject(command, output, RejectReason.UNKNOWN_ACCOUNT)
    else:
        state.accounts[command.account].state = command.state
        event = say(command, output, EventKind.ACCOUNT_STATE_SET)
        event.account = command.account
        event.state = command.state


@routine
def set_account_tier(state: Record, command: Record, output: Record) -> None:
    """Change which of an instrument's fee rates an account pays, for orders that come after."""
    if not knows_account(state, command.account):
        reject(command, output, RejectReason.UNKNOWN_ACCOUNT)
    elif command.state >= FEE_TIERS:
        reject(command, output, RejectReason.INVALID_PARAMETER)
    else:
        state.accounts[command.account].tier = command.state
        event = say(command, output, EventKind.ACCOUNT_TIER_SET)
        event.account = command.account
        event.state = command.state


@routine
def list_instrument(state: Record, command: Record, output: Record) -> None:
    """Add the next instrument, closed, without fees, with the widest band."""
    reason = _listing(state, command)
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
    set_price_safe(instrument)
    state.assets[command.asset].instruments += 1
    instrument.band_low = 1
    instrument.band_high = PRICE_TICKS_MAX
    instrument.fee_balance = open_balance(state, EXCHANGE_ACCOUNT, int64(command.group))
    event = say(command, output, EventKind.INSTRUMENT_LISTED)
    event.instrument = command.instrument
    event.asset = command.asset
    event.counter_account = command.group
    event.amount = command.amount
    event.price_ticks = tick_value
    event.quantity_lots = instrument.quantity_min
    event.leaves_lots = quantity_max


@routine
def set_fees(state: Record, command: Record, output: Record) -> None:
    """Change the fee rates of a tier and of all above it, for orders that come after."""
    if not knows_instrument(state, command.instrument):
        reject(command, output, RejectReason.UNKNOWN_INSTRUMENT)
        return
    instrument = state.instruments[command.instrument]
    reason = _fee_rates(instrument, int64(command.state), command.words[0], command.words[1])
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    for tier in range(command.state, FEE_TIERS):
        rates = instrument.rates[tier]
        rates.maker_bps = command.words[0]
        rates.taker_bps = command.words[1]
    event = say(command, output, EventKind.FEES_SET)
    event.instrument = command.instrument
    event.state = command.state
    event.fee = command.words[1]
    event.counter_fee = command.words[0]


@routine
def set_price_band(state: Record, command: Record, output: Record) -> None:
    """Change the band, for orders that come after."""
    if not knows_instrument(state, command.instrument):
        reject(command, output, RejectReason.UNKNOWN_INSTRUMENT)
        return
    reason = _price_band(command.words[0], command.words[1])
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    state.instruments[command.instrument].band_low = command.words[0]
    state.instruments[command.instrument].band_high = command.words[1]
    event = say(command, output, EventKind.PRICE_BAND_SET)
    event.instrument = command.instrument
    event.price_ticks = command.words[0]
    event.amount = command.words[1]


@routine
def _listing(state: Record, command: Record) -> int:
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
    if state.assets[command.asset].turnaround_days != 0 or state.assets[command.asset].holders_max != 0:
        return RejectReason.INVALID_PARAMETER
    if balances_free(state) == 0:
        return RejectReason.BALANCES_FULL
    if command.instrument >= len(state.instruments):
        return RejectReason.INSTRUMENTS_FULL
    return RejectReason.NONE


@routine
def _fee_rates(instrument: Record, tier: int, maker_bps: int, taker_bps: int) -> int:
    """Check the fee rates of a tier: a rebate is never more than a taker of any tier pays."""
    if tier >= FEE_TIERS or taker_bps < 0 or taker_bps > BPS or maker_bps < -taker_bps or maker_bps > BPS:
        return RejectReason.INVALID_PARAMETER
    for lower in range(tier):
        rates = instrument.rates[lower]
        if maker_bps < -int64(rates.taker_bps) or rates.maker_bps < -taker_bps:
            return RejectReason.INVALID_PARAMETER
    return RejectReason.NONE


@routine
def _price_band(low: int, high: int) -> int:
    """Check a price band."""
    if low < 1 or high < low or high > PRICE_TICKS_MAX:
        return RejectReason.INVALID_PARAMETER
    return RejectReason.NONE
