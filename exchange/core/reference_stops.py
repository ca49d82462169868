"""Stops of the readable engine: trades wake them, they trade and wake others, until none is due or work runs out."""

from exchange.core.reference_book import leave, sleeping
from exchange.core.reference_matching import execute
from exchange.core.reference_tables import Command, Instrument, Order, Tables
from exchange.core.types import WORK_MAX, EventKind, RejectReason, Side, TradingState


def triggered(order: Order) -> bool:
    """Say whether the last trade reached the stop price of an order."""
    last_ticks = order.instrument.last_ticks
    if order.side == Side.BUY:
        return last_ticks >= order.stop_ticks
    return 0 < last_ticks <= order.stop_ticks


def next_due(instrument: Instrument) -> Order | None:
    """Return the stop to wake next: of the buys the lowest stop price, else of the sells the highest, oldest first."""
    for side in (Side.BUY, Side.SELL):
        order = next(sleeping(instrument, side), None)
        if order and triggered(order):
            return order
    return None


def wake(tables: Tables, instrument: Instrument, work: int) -> int:
    """Wake what is due while trading goes on and work is left; return how many stops woke."""
    woken = 0
    while instrument.state == TradingState.CONTINUOUS and (order := next_due(instrument)):
        if work >= WORK_MAX:
            tables.emit(EventKind.STOPS_WAITING, instrument=instrument.index)
            break
        leave(order)
        tables.emit(
            EventKind.ORDER_TRIGGERED,
            side=order.side,
            order_type=order.order_type,
            account=order.account,
            instrument=instrument.index,
            order_id=order.order_id,
            price_ticks=order.price_ticks,
            quantity_lots=order.quantity_lots,
            leaves_lots=order.leaves_lots,
            amount=order.stop_ticks,
        )
        order.stop_ticks = 0
        work += 1 + execute(tables, order)
        woken += 1
    return woken


def wake_stops(tables: Tables, command: Command) -> RejectReason:
    """Go on with stops that an earlier command left waiting."""
    instrument = tables.instruments.get(command.instrument)
    if instrument is None:
        return RejectReason.UNKNOWN_INSTRUMENT
    if instrument.state != TradingState.CONTINUOUS:
        return RejectReason.INSTRUMENT_NOT_TRADING
    woken = wake(tables, instrument, 0)
    tables.emit(EventKind.STOPS_WOKEN, instrument=command.instrument, quantity_lots=woken)
    return RejectReason.NONE
