"""The rules of an instrument's market and of an account in it: phases, modes, guards, limits, a regulator's rules."""

from exchange.core.book import is_crossed, is_empty
from exchange.core.jit import Record, int64, routine
from exchange.core.limits import Extra, count_holders, set_extra
from exchange.core.rules import collects, knows_account, knows_instrument, notional_limit
from exchange.core.stops import wake_stops
from exchange.core.telling import reject, say
from exchange.core.types import (
    BPS,
    COUNT_MAX,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    TURNAROUND_DAYS_MAX,
    EventKind,
    RejectReason,
    TradingMode,
    TradingState,
)


@routine
def _is_within(value: int, limit: int) -> bool:
    return 0 <= value <= limit


@routine
def _may_become(instrument: Record, trading_state: int) -> bool:
    """Tell whether an instrument may pass to a trading state without an auction."""
    if instrument.state == TradingState.UNCROSSING or instrument.state == TradingState.EXPIRED:
        return False
    if trading_state == TradingState.UNCROSSING:
        return False
    if trading_state == TradingState.EXPIRED:
        return is_empty(instrument)
    if trading_state == TradingState.CONTINUOUS:
        if instrument.mode == TradingMode.CALL or instrument.auction_orders > 0:
            return False
        return not is_crossed(instrument)
    return not (collects(trading_state) and instrument.mode == TradingMode.LIST)


@routine
def set_trading_state(state: Record, command: Record, output: Record) -> None:
    """Open, close, halt or suspend an instrument, or let it collect orders for an auction."""
    if command.state > TradingState.EXPIRED:
        reject(command, output, RejectReason.MALFORMED_COMMAND)
    elif not knows_instrument(state, command.instrument):
        reject(command, output, RejectReason.UNKNOWN_INSTRUMENT)
    elif not _may_become(state.instruments[command.instrument], int64(command.state)):
        reject(command, output, RejectReason.INVALID_TRANSITION)
    else:
        state.instruments[command.instrument].state = command.state
        event = say(command, output, EventKind.TRADING_STATE_SET)
        event.instrument = command.instrument
        event.state = command.state


@routine
def set_mode(state: Record, command: Record, output: Record) -> None:
    """Change how a closed instrument without orders trades."""
    if command.state > TradingMode.LIST:
        reject(command, output, RejectReason.MALFORMED_COMMAND)
        return
    if not knows_instrument(state, command.instrument):
        reject(command, output, RejectReason.UNKNOWN_INSTRUMENT)
        return
    instrument = state.instruments[command.instrument]
    if instrument.state != TradingState.CLOSED or not is_empty(instrument):
        reject(command, output, RejectReason.INVALID_TRANSITION)
        return
    instrument.mode = command.state
    event = say(command, output, EventKind.MODE_SET)
    event.instrument = command.instrument
    event.state = command.state


@routine
def set_guards(state: Record, command: Record, output: Record) -> None:
    """Set how far from the reference, and from the last trade, a trade may be without an interruption."""
    if not knows_instrument(state, command.instrument):
        reject(command, output, RejectReason.UNKNOWN_INSTRUMENT)
        return
    static, dynamic, reference = command.words[0], command.words[1], command.price_ticks
    if not (_is_within(static, BPS) and _is_within(dynamic, BPS) and _is_within(reference, PRICE_TICKS_MAX)):
        reject(command, output, RejectReason.INVALID_PARAMETER)
        return
    instrument = state.instruments[command.instrument]
    instrument.static_bps = static
    instrument.dynamic_bps = dynamic
    if reference != 0:
        instrument.reference_ticks = reference
    set_extra(instrument, Extra.GUARDS, static != 0 or dynamic != 0)
    event = say(command, output, EventKind.GUARDS_SET)
    event.instrument = command.instrument
    event.price_ticks = instrument.reference_ticks
    event.quantity_lots = static
    event.leaves_lots = dynamic


@routine
def set_price_safe(instrument: Record) -> None:
    """Find the price up to which no permitted quantity is worth too much."""
    instrument.price_safe = 0
    if instrument.quantity_max <= NOTIONAL_MAX // instrument.lot_units:
        instrument.price_safe = notional_limit(instrument) // instrument.tick_value // instrument.quantity_max


@routine
def set_instrument_limits(state: Record, command: Record, output: Record) -> None:
    """Limit what each account may have on an instrument."""
    if not knows_instrument(state, command.instrument):
        reject(command, output, RejectReason.UNKNOWN_INSTRUMENT)
        return
    orders, notional, position = command.words[0], command.words[1], command.words[2]
    if not (_is_within(orders, COUNT_MAX) and _is_within(notional, NOTIONAL_MAX) and _is_within(position, BPS)):
        reject(command, output, RejectReason.INVALID_PARAMETER)
        return
    instrument = state.instruments[command.instrument]
    instrument.open_orders_max = orders
    instrument.notional_max = notional
    instrument.position_bps = position
    set_extra(instrument, Extra.OPEN_ORDERS, orders != 0)
    set_extra(instrument, Extra.POSITION, position != 0)
    set_price_safe(instrument)
    event = say(command, output, EventKind.INSTRUMENT_LIMITS_SET)
    event.instrument = command.instrument
    event.price_ticks = orders
    event.amount = notional
    event.quantity_lots = position


@routine
def set_account_limits(state: Record, command: Record, output: Record) -> None:
    """Limit what an account may send, and have open."""
    if not knows_account(state, command.account):
        reject(command, output, RejectReason.UNKNOWN_ACCOUNT)
        return
    words = command.words
    counts = _is_within(words[0], COUNT_MAX) and _is_within(words[1], COUNT_MAX) and _is_within(words[2], COUNT_MAX)
    if not (counts and _is_within(words[3], NOTIONAL_MAX)):
        reject(command, output, RejectReason.INVALID_PARAMETER)
        return
    limits = state.account_limits[command.account]
    limits.open_orders_max = words[0]
    limits.order_rate_max = words[1]
    limits.message_rate_max = words[2]
    limits.notional_max = words[3]
    state.accounts[command.account].limited = (words[0] | words[1] | words[2] | words[3]) != 0
    event = say(command, output, EventKind.ACCOUNT_LIMITS_SET)
    event.account = command.account
    event.price_ticks = words[0]
    event.quantity_lots = words[1]
    event.leaves_lots = words[2]
    event.amount = words[3]


@routine
def _rules_refused(state: Record, command: Record) -> int:
    if not knows_instrument(state, command.instrument):
        return RejectReason.UNKNOWN_INSTRUMENT
    instrument = state.instruments[command.instrument]
    if not is_empty(instrument):
        return RejectReason.INVALID_TRANSITION
    anonymous, days, holders = command.words[0], command.words[1], command.words[2]
    if not (_is_within(anonymous, 1) and _is_within(days, TURNAROUND_DAYS_MAX) and _is_within(holders, COUNT_MAX)):
        return RejectReason.INVALID_PARAMETER
    if (days != 0 or holders != 0) and state.assets[instrument.base_asset].instruments > 1:
        return RejectReason.INVALID_PARAMETER
    return RejectReason.NONE


@routine
def set_venue_rules(state: Record, command: Record, output: Record) -> None:
    """Set a regulator's rules for an instrument without orders, and for the asset it trades."""
    reason = _rules_refused(state, command)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    anonymous, days, holders = command.words[0], command.words[1], command.words[2]
    instrument = state.instruments[command.instrument]
    instrument.anonymous = anonymous
    asset = state.assets[instrument.base_asset]
    asset.turnaround_days = days
    asset.holders_max = holders
    asset.holders = count_holders(state, int64(instrument.base_asset)) if holders != 0 else 0
    set_extra(instrument, Extra.TURNAROUND, days != 0)
    set_extra(instrument, Extra.HOLDERS, holders != 0)
    event = say(command, output, EventKind.VENUE_RULES_SET)
    event.instrument = command.instrument
    event.price_ticks = anonymous
    event.quantity_lots = days
    event.leaves_lots = holders


@routine
def go_on_waking(state: Record, command: Record, output: Record) -> None:
    """Wake triggered stops that an earlier command had no work left for."""
    if not knows_instrument(state, command.instrument):
        reject(command, output, RejectReason.UNKNOWN_INSTRUMENT)
        return
    if state.instruments[command.instrument].state != TradingState.CONTINUOUS:
        reject(command, output, RejectReason.INSTRUMENT_NOT_TRADING)
        return
    woken = wake_stops(state, command, output, int64(command.instrument), 0)
    event = say(command, output, EventKind.STOPS_WOKEN)
    event.instrument = command.instrument
    event.quantity_lots = woken
