"""An instrument as our own dialect shows it: its terms, and its state, fees, guards, limits and rules by now."""

from pydantic import BaseModel

from exchange.registry.entries import Instrument
from exchange.registry.registry import Registry
from exchange.registry.units import format_steps, format_units

MILLISECOND_NS = 1_000_000


class InstrumentAnswer(BaseModel):
    """An instrument: its terms, and all that may change, as of command `sequence`. A limit of 0 is none."""

    symbol: str
    base: str
    quote: str
    kind: str
    issuer: int
    tick_size: str
    lot_units: int
    quantity_min: int
    quantity_max: int
    price_low: str
    price_high: str
    maker_bps: int
    taker_bps: int
    self_trade_prevention: str
    state: str
    mode: str
    static_guard_bps: int
    dynamic_guard_bps: int
    reference_price: str
    open_orders_max: int
    notional_max: str
    position_bps: int
    anonymous: bool
    turnaround_days: int
    holders_max: int
    description: str
    sequence: int
    time: int


def instrument_answer(registry: Registry, instrument: Instrument) -> InstrumentAnswer:
    """Return how an instrument stands."""
    base, quote = registry.asset_at(instrument.base), registry.asset_at(instrument.quote)
    assert base is not None
    assert quote is not None

    def price(ticks: int) -> str:
        return format_steps(ticks, instrument.price_step, instrument.price_decimals)

    return InstrumentAnswer(
        symbol=instrument.symbol,
        base=instrument.base_asset,
        quote=instrument.quote_asset,
        kind=base.kind.name,
        issuer=base.issuer_account,
        tick_size=price(1),
        lot_units=instrument.lot_units,
        quantity_min=instrument.quantity_min,
        quantity_max=instrument.quantity_max,
        price_low=price(instrument.band_low_ticks),
        price_high=price(instrument.band_high_ticks),
        maker_bps=instrument.maker_bps,
        taker_bps=instrument.taker_bps,
        self_trade_prevention=instrument.self_trade_prevention.name,
        state=instrument.trading_state.name,
        mode=instrument.mode.name,
        static_guard_bps=instrument.static_bps,
        dynamic_guard_bps=instrument.dynamic_bps,
        reference_price=price(instrument.reference_ticks),
        open_orders_max=instrument.open_orders_max,
        notional_max=format_units(instrument.notional_max, quote.decimals),
        position_bps=instrument.position_bps,
        anonymous=instrument.anonymous,
        turnaround_days=instrument.turnaround_days,
        holders_max=instrument.holders_max,
        description=instrument.description,
        sequence=instrument.changed_sequence,
        time=instrument.changed_ns // MILLISECOND_NS,
    )
