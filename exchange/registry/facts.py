"""What events say about accounts, assets and instruments, taken down in the registry's entries."""

from exchange.core.types import FEE_TIERS, AccountState, EventKind, TradingMode, TradingState
from exchange.events import Event
from exchange.registry.entries import Instrument, Rates, Tables, schedule_of

FACTS = frozenset({
    int(kind)
    for kind in (
        EventKind.ASSET_CREATED,
        EventKind.ACCOUNT_CREATED,
        EventKind.ACCOUNT_STATE_SET,
        EventKind.ACCOUNT_TIER_SET,
        EventKind.INSTRUMENT_LISTED,
        EventKind.FEES_SET,
        EventKind.PRICE_BAND_SET,
        EventKind.TRADING_STATE_SET,
        EventKind.AUCTION_UNCROSSED,
        EventKind.MODE_SET,
        EventKind.GUARDS_SET,
        EventKind.INSTRUMENT_LIMITS_SET,
        EventKind.VENUE_RULES_SET,
    )
})  # fmt: skip


def apply_fact(tables: Tables, event: Event) -> None:
    """Take down what an event of one of these kinds says, unless it is about something that nobody named."""
    match event.kind:
        case EventKind.ACCOUNT_CREATED | EventKind.ACCOUNT_STATE_SET:
            if (account := tables.account_at(event.account)) is not None:
                account.state = AccountState(event.state)
        case EventKind.ACCOUNT_TIER_SET:
            if (account := tables.account_at(event.account)) is not None:
                account.tier = event.state
        case EventKind.ASSET_CREATED:
            if (asset := tables.asset_at(event.asset)) is not None:
                asset.is_created = True
        case _:
            if (instrument := tables.instrument_at(event.instrument)) is not None:
                before = schedule_of(instrument) if instrument.changed_sequence else None
                _apply(instrument, event)
                _count_schedule(tables, before, schedule_of(instrument))
                _note_change(tables, instrument, event)


def _apply(instrument: Instrument, event: Event) -> None:
    match event.kind:
        case EventKind.INSTRUMENT_LISTED:
            instrument.is_listed = True
        case EventKind.FEES_SET:
            _apply_fees(instrument, event.state, (event.counter_fee, event.fee))
        case EventKind.PRICE_BAND_SET:
            instrument.band_low_ticks, instrument.band_high_ticks = event.price_ticks, event.amount
        case EventKind.TRADING_STATE_SET:
            instrument.trading_state = TradingState(event.state)
        case EventKind.AUCTION_UNCROSSED:
            _apply_auction(instrument, event)
        case EventKind.MODE_SET:
            instrument.mode = TradingMode(event.state)
        case _:
            _apply_rule(instrument, event)


def _apply_fees(instrument: Instrument, tier: int, rates: Rates) -> None:
    """Take down the rates of a tier, which are those of all above it too."""
    if tier == 0:
        (instrument.maker_bps, instrument.taker_bps), instrument.tier_rates = rates, ()
    else:
        kept = instrument.tier_rates or ((instrument.maker_bps, instrument.taker_bps),) * tier
        instrument.tier_rates = kept[:tier] + (rates,) * (FEE_TIERS - tier)


def _count_schedule(tables: Tables, before: tuple[Rates, ...] | None, now: tuple[Rates, ...]) -> None:
    """Keep how many instruments have which rates."""
    if before == now:
        return
    if before is not None:
        tables.schedules[before] -= 1
        if not tables.schedules[before]:
            del tables.schedules[before]
    tables.schedules[now] += 1


def _apply_rule(instrument: Instrument, event: Event) -> None:
    match event.kind:
        case EventKind.GUARDS_SET:
            instrument.static_bps, instrument.dynamic_bps = event.quantity_lots, event.leaves_lots
            instrument.reference_ticks = event.price_ticks
        case EventKind.INSTRUMENT_LIMITS_SET:
            instrument.open_orders_max, instrument.notional_max = event.price_ticks, event.amount
            instrument.position_bps = event.quantity_lots
        case EventKind.VENUE_RULES_SET:
            instrument.anonymous = bool(event.price_ticks)
            instrument.turnaround_days, instrument.holders_max = event.quantity_lots, event.leaves_lots


def _apply_auction(instrument: Instrument, event: Event) -> None:
    """Take down what an auction went on in, and that its price is the reference once it is over."""
    instrument.trading_state = TradingState(event.state)
    if event.price_ticks and event.state != TradingState.UNCROSSING:
        instrument.reference_ticks = event.price_ticks


def _note_change(tables: Tables, instrument: Instrument, event: Event) -> None:
    instrument.changed_sequence, instrument.changed_ns = event.sequence, event.time_ns
    tables.changed.pop(instrument.index, None)
    tables.changed[instrument.index] = instrument
