"""What the operator sets in the readable engine: accounts, assets, instruments, their states, limits and rules."""

from exchange.core.reference_auction import crossed
from exchange.core.reference_book import open_orders
from exchange.core.reference_limits import COLLECTING, lists_only_this
from exchange.core.reference_tables import (
    Account,
    AccountLimits,
    Asset,
    Command,
    Guards,
    Instrument,
    InstrumentLimits,
    Rates,
    Tables,
)
from exchange.core.types import (
    BPS,
    COUNT_MAX,
    EXCHANGE_ACCOUNT,
    FEE_TIERS,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    TICK_VALUE_MAX,
    TURNAROUND_DAYS_MAX,
    AccountState,
    AssetKind,
    EventKind,
    RejectReason,
    TimeInForce,
    TradingMode,
    TradingState,
)

# --- who and what there is --------------------------------------------------------------------------------------------


def create_asset(tables: Tables, command: Command) -> RejectReason:
    """Add the next asset."""
    if command.state not in set(AssetKind) - {AssetKind.UNKNOWN}:
        return RejectReason.MALFORMED_COMMAND
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if command.asset != len(tables.assets) + 1:
        return RejectReason.ID_NOT_NEXT
    if len(tables.assets) >= tables.capacity.assets:
        return RejectReason.ASSETS_FULL
    tables.assets[command.asset] = Asset(AssetKind(command.state), issuer=command.account)
    tables.emit(EventKind.ASSET_CREATED, account=command.account, asset=command.asset, state=command.state)
    return RejectReason.NONE


def create_account(tables: Tables, command: Command) -> RejectReason:
    """Add the next account."""
    if command.account != len(tables.accounts):
        return RejectReason.ID_NOT_NEXT
    if len(tables.accounts) >= tables.capacity.accounts:
        return RejectReason.ACCOUNTS_FULL
    account = Account(group=command.group or command.account)
    tables.accounts.append(account)
    tables.emit(EventKind.ACCOUNT_CREATED, account=command.account, counter_account=account.group, state=account.state)
    return RejectReason.NONE


def set_account_state(tables: Tables, command: Command) -> RejectReason:
    """Change what an account may do."""
    if command.state not in set(AccountState) - {AccountState.UNKNOWN}:
        return RejectReason.MALFORMED_COMMAND
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    tables.accounts[command.account].state = AccountState(command.state)
    tables.emit(EventKind.ACCOUNT_STATE_SET, account=command.account, state=command.state)
    return RejectReason.NONE


def set_account_tier(tables: Tables, command: Command) -> RejectReason:
    """Change which rates an account's later orders pay."""
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if command.state >= FEE_TIERS:
        return RejectReason.INVALID_PARAMETER
    tables.accounts[command.account].tier = command.state
    tables.emit(EventKind.ACCOUNT_TIER_SET, account=command.account, state=command.state)
    return RejectReason.NONE


def refuse_listing(tables: Tables, command: Command) -> RejectReason:
    """Return why an instrument may not be listed."""
    base_asset, quote_asset = command.asset, command.group
    tick_value, quantity_min, quantity_max, _, _ = command.words
    if base_asset not in tables.assets or quote_asset not in tables.assets:
        return RejectReason.UNKNOWN_ASSET
    if command.instrument != len(tables.instruments) + 1:
        return RejectReason.ID_NOT_NEXT
    if tables.assets[base_asset].kind == AssetKind.CASH or tables.assets[quote_asset].kind != AssetKind.CASH:
        return RejectReason.WRONG_ASSET_KIND
    if not (
        1 <= command.amount <= NOTIONAL_MAX
        and 1 <= tick_value <= TICK_VALUE_MAX
        and 1 <= quantity_min <= quantity_max <= NOTIONAL_MAX
    ):
        return RejectReason.INVALID_PARAMETER
    if tables.assets[base_asset].turnaround_days or tables.assets[base_asset].holders_max:
        return RejectReason.INVALID_PARAMETER
    if len(tables.balances) >= tables.capacity.balances:
        return RejectReason.BALANCES_FULL
    if len(tables.instruments) >= tables.capacity.instruments:
        return RejectReason.INSTRUMENTS_FULL
    return RejectReason.NONE


def list_instrument(tables: Tables, command: Command) -> RejectReason:
    """Add the next instrument."""
    if reason := refuse_listing(tables, command):
        return reason
    tick_value, quantity_min, quantity_max, _, _ = command.words
    tables.balance(EXCHANGE_ACCOUNT, command.group)
    tables.instruments[command.instrument] = Instrument(
        index=command.instrument,
        base_asset=command.asset,
        quote_asset=command.group,
        lot_units=command.amount,
        tick_value=tick_value,
        quantity_min=quantity_min,
        quantity_max=quantity_max,
    )
    tables.emit(
        EventKind.INSTRUMENT_LISTED,
        instrument=command.instrument,
        asset=command.asset,
        counter_account=command.group,
        amount=command.amount,
        price_ticks=tick_value,
        quantity_lots=quantity_min,
        leaves_lots=quantity_max,
    )
    return RejectReason.NONE


def set_fees(tables: Tables, command: Command) -> RejectReason:
    """Change what later orders of a tier and of those above it pay: never more to a maker than any taker pays."""
    maker_bps, taker_bps = command.words[:2]
    if command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    instrument = tables.instruments[command.instrument]
    lower = instrument.rates[: command.state]
    if not (
        command.state < FEE_TIERS
        and 0 <= taker_bps <= BPS
        and -min(taker_bps, *(rates.taker_bps for rates in lower), BPS) <= maker_bps <= BPS
        and all(rates.maker_bps >= -taker_bps for rates in lower)
    ):
        return RejectReason.INVALID_PARAMETER
    instrument.rates = (*lower, *[Rates(maker_bps, taker_bps)] * (FEE_TIERS - len(lower)))
    tables.emit(
        EventKind.FEES_SET, instrument=instrument.index, state=command.state, fee=taker_bps, counter_fee=maker_bps
    )
    return RejectReason.NONE


def set_price_band(tables: Tables, command: Command) -> RejectReason:
    """Change what later orders may cost; resting ones stay."""
    low, high = command.words[:2]
    if command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    if not 1 <= low <= high <= PRICE_TICKS_MAX:
        return RejectReason.INVALID_PARAMETER
    instrument = tables.instruments[command.instrument]
    instrument.band_low, instrument.band_high = low, high
    tables.emit(EventKind.PRICE_BAND_SET, instrument=command.instrument, price_ticks=low, amount=high)
    return RejectReason.NONE


# --- what instruments do ----------------------------------------------------------------------------------------------


def set_trading_state(tables: Tables, command: Command) -> RejectReason:
    """Change what an instrument's market does; resting orders stay."""
    if command.state not in set(TradingState):
        return RejectReason.MALFORMED_COMMAND
    if command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    instrument = tables.instruments[command.instrument]
    if forbids(tables, instrument, TradingState(command.state)):
        return RejectReason.INVALID_TRANSITION
    instrument.state = TradingState(command.state)
    tables.emit(EventKind.TRADING_STATE_SET, instrument=command.instrument, state=command.state)
    return RejectReason.NONE


def forbids(tables: Tables, instrument: Instrument, state: TradingState) -> bool:
    """Say whether an instrument may not pass into a state."""
    final = {TradingState.UNCROSSING, TradingState.EXPIRED}
    if instrument.state in final or state == TradingState.UNCROSSING:
        return True
    if state == TradingState.EXPIRED:
        return any(open_orders(tables, instrument))
    if state == TradingState.CONTINUOUS:
        return (
            instrument.mode == TradingMode.CALL
            or crossed(instrument)
            or any(order.time_in_force == TimeInForce.AT_AUCTION for order in open_orders(tables, instrument))
        )
    return state in COLLECTING and instrument.mode == TradingMode.LIST


def set_mode(tables: Tables, command: Command) -> RejectReason:
    """Change how a closed instrument without orders trades."""
    if command.state not in set(TradingMode):
        return RejectReason.MALFORMED_COMMAND
    if command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    instrument = tables.instruments[command.instrument]
    if instrument.state != TradingState.CLOSED or any(open_orders(tables, instrument)):
        return RejectReason.INVALID_TRANSITION
    instrument.mode = TradingMode(command.state)
    tables.emit(EventKind.MODE_SET, instrument=command.instrument, state=command.state)
    return RejectReason.NONE


def set_guards(tables: Tables, command: Command) -> RejectReason:
    """Set how far prices may go before trading is interrupted, and from what reference if one is given."""
    guards = Guards(*command.words[:2])
    if command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    if not all(0 <= bps <= BPS for bps in guards) or not 0 <= command.price_ticks <= PRICE_TICKS_MAX:
        return RejectReason.INVALID_PARAMETER
    instrument = tables.instruments[command.instrument]
    instrument.guards = guards
    instrument.reference_ticks = command.price_ticks or instrument.reference_ticks
    tables.emit(
        EventKind.GUARDS_SET,
        instrument=command.instrument,
        price_ticks=instrument.reference_ticks,
        quantity_lots=guards.static_bps,
        leaves_lots=guards.dynamic_bps,
    )
    return RejectReason.NONE


# --- limits and rules -------------------------------------------------------------------------------------------------


def set_instrument_limits(tables: Tables, command: Command) -> RejectReason:
    """Limit what each account may have on an instrument."""
    limits = InstrumentLimits(*command.words[:3])
    if command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    if not within(limits, (COUNT_MAX, NOTIONAL_MAX, BPS)):
        return RejectReason.INVALID_PARAMETER
    tables.instruments[command.instrument].limits = limits
    tables.emit(
        EventKind.INSTRUMENT_LIMITS_SET,
        instrument=command.instrument,
        price_ticks=limits.open_orders_max,
        amount=limits.notional_max,
        quantity_lots=limits.position_bps,
    )
    return RejectReason.NONE


def set_account_limits(tables: Tables, command: Command) -> RejectReason:
    """Limit what an account may have and send."""
    limits = AccountLimits(*command.words[:4])
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if not within(limits, (COUNT_MAX, COUNT_MAX, COUNT_MAX, NOTIONAL_MAX)):
        return RejectReason.INVALID_PARAMETER
    tables.accounts[command.account].limits = limits
    tables.emit(
        EventKind.ACCOUNT_LIMITS_SET,
        account=command.account,
        price_ticks=limits.open_orders_max,
        quantity_lots=limits.order_rate_max,
        leaves_lots=limits.message_rate_max,
        amount=limits.notional_max,
    )
    return RejectReason.NONE


def set_venue_rules(tables: Tables, command: Command) -> RejectReason:
    """Set a regulator's rules; those on days and holders are the asset's, which then has one instrument only."""
    anonymous, turnaround_days, holders_max = command.words[:3]
    if command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    instrument = tables.instruments[command.instrument]
    if any(open_orders(tables, instrument)):
        return RejectReason.INVALID_TRANSITION
    if not within(command.words[:3], (1, TURNAROUND_DAYS_MAX, COUNT_MAX)):
        return RejectReason.INVALID_PARAMETER
    if (turnaround_days or holders_max) and not lists_only_this(tables, instrument):
        return RejectReason.INVALID_PARAMETER
    instrument.anonymous = anonymous
    asset = tables.assets[instrument.base_asset]
    asset.turnaround_days, asset.holders_max = turnaround_days, holders_max
    tables.emit(
        EventKind.VENUE_RULES_SET,
        instrument=command.instrument,
        price_ticks=anonymous,
        quantity_lots=turnaround_days,
        leaves_lots=holders_max,
    )
    return RejectReason.NONE


def within(values: tuple[int, ...], largest: tuple[int, ...]) -> bool:
    """Say whether no value is negative or larger than it may be."""
    return all(0 <= value <= most for value, most in zip(values, largest, strict=True))
