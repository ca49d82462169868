"""Call auctions of the readable engine, by brute force: every candidate price is tried against every order."""

from collections.abc import Iterator
from typing import NamedTuple

from exchange.core.reference_book import crosses, expire, resting
from exchange.core.reference_limits import COLLECTING, too_many_holders
from exchange.core.reference_matching import charge_taker, close, exchange
from exchange.core.reference_stops import wake
from exchange.core.reference_tables import Command, Instrument, Order, Tables, with_worst_fee
from exchange.core.types import (
    WORK_MAX,
    EndReason,
    EventKind,
    RejectReason,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
)

AFTERWARDS = {
    TradingState.CLOSED,
    TradingState.CONTINUOUS,
    TradingState.HALTED,
    TradingState.PRE_OPEN,
    TradingState.CALL_OPEN,
    TradingState.GATE_CLOSED,
}

# --- the price --------------------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What an auction at a price makes: how much trades, and by how much demand exceeds supply."""

    price_ticks: int
    volume_lots: int
    surplus_lots: int


NOTHING = Outcome(0, 0, 0)


def outcome(instrument: Instrument, price_ticks: int) -> Outcome:
    """Return what an auction at a price would make."""
    demand = sum(order.leaves_lots for order in resting(instrument, Side.BUY) if trades_at(order, price_ticks))
    supply = sum(order.leaves_lots for order in resting(instrument, Side.SELL) if trades_at(order, price_ticks))
    return Outcome(price_ticks, min(demand, supply), demand - supply)


def trades_at(order: Order, price_ticks: int) -> bool:
    """Say whether an order accepts a price."""
    if order.unpriced:
        return True
    return order.price_ticks >= price_ticks if order.side == Side.BUY else order.price_ticks <= price_ticks


def reference_in_band(instrument: Instrument) -> set[int]:
    """Return the reference price, if there is one, or the price of the band that is nearest to it."""
    reference_ticks = instrument.reference_ticks
    return {min(max(reference_ticks, instrument.band_low), instrument.band_high)} if reference_ticks else set()


def find_outcome(instrument: Instrument) -> Outcome:
    """Return the price of an auction: most volume, least surplus, where the surplus pushes, reference."""
    orders = [*resting(instrument, Side.BUY), *resting(instrument, Side.SELL)]
    candidates = {order.price_ticks for order in orders if not order.unpriced} or reference_in_band(instrument)
    outcomes = [outcome(instrument, price_ticks) for price_ticks in sorted(candidates)]
    volume_lots = max((found.volume_lots for found in outcomes), default=0)
    if not volume_lots:
        return NOTHING
    most = [found for found in outcomes if found.volume_lots == volume_lots]
    least = min(abs(found.surplus_lots) for found in most)
    best = [found for found in most if abs(found.surplus_lots) == least]
    lowest, highest = best[0].price_ticks, best[-1].price_ticks
    if all(found.surplus_lots > 0 for found in best):
        return outcome(instrument, highest)
    if all(found.surplus_lots < 0 for found in best):
        return outcome(instrument, lowest)
    return outcome(instrument, min(max(instrument.reference_ticks, lowest), highest))


def indicate(tables: Tables, command: Command) -> RejectReason:
    """Tell what an auction would make now."""
    instrument = tables.instruments.get(command.instrument)
    if instrument is None:
        return RejectReason.UNKNOWN_INSTRUMENT
    if instrument.state not in COLLECTING:
        return RejectReason.NOT_IN_THIS_PHASE
    found = find_outcome(instrument)
    tables.emit(
        EventKind.AUCTION_INDICATED,
        instrument=command.instrument,
        price_ticks=found.price_ticks,
        quantity_lots=found.volume_lots,
        leaves_lots=found.surplus_lots,
    )
    return RejectReason.NONE


# --- the trades -------------------------------------------------------------------------------------------------------


def uncross(tables: Tables, command: Command) -> RejectReason:
    """Trade a call at one price and go on in another state; what one command cannot finish, a further one does."""
    if command.state not in set(TradingState):
        return RejectReason.MALFORMED_COMMAND
    instrument = tables.instruments.get(command.instrument)
    if instrument is None:
        return RejectReason.UNKNOWN_INSTRUMENT
    if instrument.state not in COLLECTING | {TradingState.UNCROSSING}:
        return RejectReason.NOT_IN_THIS_PHASE
    continuous = command.state == TradingState.CONTINUOUS
    if command.state not in AFTERWARDS or (continuous and instrument.mode == TradingMode.CALL):
        return RejectReason.INVALID_TRANSITION
    if instrument.state != TradingState.UNCROSSING:
        price_ticks = fix_price(tables, instrument)
        if price_ticks is None:
            tell_uncrossed(tables, instrument, 0, 0)
            return RejectReason.NONE
        instrument.auction_ticks = price_ticks
    traded_lots, work = trade_all(tables, instrument)
    work += end_auction_orders(tables, instrument, work)
    conclude(tables, instrument, TradingState(command.state), traded_lots, work)
    return RejectReason.NONE


def fix_price(tables: Tables, instrument: Instrument) -> int | None:
    """Return the price at which every buyer without a price can pay; those who cannot expire, and it is found anew.

    There is no price yet, so None, when as many have expired as one command may end.
    """
    ended = 0
    while ended < WORK_MAX:
        price_ticks = find_outcome(instrument).price_ticks
        poor = [
            order for order in resting(instrument, Side.BUY) if order.unpriced and short_of_funds(order, price_ticks)
        ]
        if not poor:
            return price_ticks
        for order in poor[: WORK_MAX - ended]:
            expire(tables, order, EndReason.INSUFFICIENT_HOLD)
        ended += len(poor[: WORK_MAX - ended])
    return None


def short_of_funds(order: Order, price_ticks: int) -> bool:
    """Say whether a buyer's hold does not cover a price."""
    return order.held < with_worst_fee(order.instrument.notional(price_ticks, order.leaves_lots), order.rates)


def next_pair(instrument: Instrument) -> tuple[Order, Order] | None:
    """Return the buyer and the seller whose turn it is, if both accept the price of the auction."""
    buyer, seller = next(resting(instrument, Side.BUY), None), next(resting(instrument, Side.SELL), None)
    price_ticks = instrument.auction_ticks
    if price_ticks and buyer and seller and trades_at(buyer, price_ticks) and trades_at(seller, price_ticks):
        return buyer, seller
    return None


def trade_all(tables: Tables, instrument: Instrument) -> tuple[int, int]:
    """Trade at the price of the auction as far as work goes; return lots and work."""
    traded_lots, work = 0, 0
    while work < WORK_MAX and (pair := next_pair(instrument)):
        work += 1
        buyer, seller = pair
        if too_many_holders(tables, buyer.account, instrument.base_asset):
            expire(tables, buyer, EndReason.HOLDER_LIMIT)
            continue
        lots = min(buyer.displayed_lots, seller.displayed_lots)
        notional = instrument.notional(instrument.auction_ticks, lots)
        fees = charge_taker(buyer, notional), charge_taker(seller, notional)
        exchange(tables, pair, fees, instrument.auction_ticks, lots)
        close(tables, buyer)
        close(tables, seller)
        traded_lots += lots
    return traded_lots, work


def auction_orders(instrument: Instrument) -> Iterator[Order]:
    """Yield the orders that were for this auction only."""
    for side in (Side.BUY, Side.SELL):
        for order in resting(instrument, side):
            if order.time_in_force == TimeInForce.AT_AUCTION:
                yield order


def end_auction_orders(tables: Tables, instrument: Instrument, work: int) -> int:
    """End what was for this auction only, as far as work goes, when its trades are over; return how many ended."""
    ending = [] if next_pair(instrument) else list(auction_orders(instrument))[: WORK_MAX - work]
    for order in ending:
        expire(tables, order, EndReason.AUCTION_OVER)
    return len(ending)


def conclude(tables: Tables, instrument: Instrument, afterwards: TradingState, traded_lots: int, work: int) -> None:
    """Go on in the state that follows, or stay uncrossing while something is left to do."""
    over = not next_pair(instrument) and not any(auction_orders(instrument))
    if not over:
        afterwards = TradingState.UNCROSSING
    elif afterwards == TradingState.CONTINUOUS and crossed(instrument):
        afterwards = TradingState.VOLATILITY
    instrument.state = afterwards
    tell_uncrossed(tables, instrument, instrument.auction_ticks, traded_lots)
    if over:
        instrument.reference_ticks = instrument.auction_ticks or instrument.reference_ticks
        tables.emit(EventKind.TRADING_STATE_SET, instrument=instrument.index, state=afterwards)
        wake(tables, instrument, work)


def tell_uncrossed(tables: Tables, instrument: Instrument, price_ticks: int, traded_lots: int) -> None:
    """Tell what a command made of an auction, and in what state it left the instrument."""
    tables.emit(
        EventKind.AUCTION_UNCROSSED,
        instrument=instrument.index,
        price_ticks=price_ticks,
        quantity_lots=traded_lots,
        state=instrument.state,
    )


def crossed(instrument: Instrument) -> bool:
    """Say whether the best bid reaches the best ask."""
    buyer, seller = next(resting(instrument, Side.BUY), None), next(resting(instrument, Side.SELL), None)
    return buyer is not None and seller is not None and crosses(buyer, seller)
