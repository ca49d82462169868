"""Call auctions: one price for all, the one at which most trades.

Candidates are the limit prices on the book. The most executable volume decides, then the least absolute surplus; if
all that are left have more demand the highest of them, more supply the lowest, otherwise the reference price clamped
between them. Without any limit price it is the reference, kept within the band. One pass over the levels from the
lowest price up keeps demand and supply as running sums.
"""

from exchange.core.accounts import open_lots, worst_fee
from exchange.core.book import (
    UNPRICED_BUY_TICKS,
    UNPRICED_SELL_TICKS,
    first_level,
    head_of,
    is_crossed,
    next_level,
)
from exchange.core.jit import Record, int64, routine
from exchange.core.limits import Extra
from exchange.core.matching import cannot_hold, end_filled, end_order, trade
from exchange.core.rules import collects, knows_instrument
from exchange.core.stops import wake_if_any
from exchange.core.telling import reject, say
from exchange.core.types import (
    NIL,
    WORK_MAX,
    EndReason,
    EventKind,
    RejectReason,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
)

_UP, _DOWN = 1, 0  # orders in which next_level goes
_BEYOND = UNPRICED_BUY_TICKS + 1  # above everything
_ALL_MORE_SUPPLY, _ALL_MORE_DEMAND = 1, 4  # sets of signs, a bit each for -1, 0 and 1


@routine
def _level_lots(state: Record, leaf: int, price: int) -> int:
    """Return the open lots of a level."""
    lots = 0
    slot = head_of(state, leaf, price)
    while slot != NIL:
        lots += open_lots(state, slot)
        slot = int64(state.orders[slot].next)
    return lots


@routine
def _queue_lots(state: Record, queue: Record) -> int:
    """Return the open lots of a queue."""
    lots = 0
    leaf, price = first_level(state, queue, _UP)
    while leaf != NIL:
        lots += _level_lots(state, leaf, price)
        leaf, price = next_level(state, _UP, leaf, price)
    return lots


@routine
def _sign(value: int) -> int:
    return int(value > 0) - int(value < 0)


@routine
def clearing_price(state: Record, instrument: Record) -> tuple[int, int, int]:
    """Return (price_ticks, volume, surplus) of an auction now; (0, 0, 0) when nothing would trade.

    Surplus is demand less supply at that price.
    """
    buys, sells = instrument.queues[Side.BUY], instrument.queues[Side.SELL]
    demand, supply = _queue_lots(state, buys), 0
    bid_leaf, bid = first_level(state, buys, _UP)
    ask_leaf, ask = first_level(state, sells, _UP)
    if ask_leaf != NIL and ask == UNPRICED_SELL_TICKS:
        supply = _level_lots(state, ask_leaf, ask)
        ask_leaf, ask = next_level(state, _UP, ask_leaf, ask)
    volume = least = lowest = highest = signs = 0
    while True:
        ask_price = ask if ask_leaf != NIL else _BEYOND
        bid_price = bid if bid_leaf != NIL and bid != UNPRICED_BUY_TICKS else _BEYOND
        price = min(ask_price, bid_price)
        if price == _BEYOND:
            return _choose(state, instrument, volume, lowest, highest, signs)
        if ask_price == price:
            supply += _level_lots(state, ask_leaf, ask)
            ask_leaf, ask = next_level(state, _UP, ask_leaf, ask)
        executable, surplus = min(demand, supply), demand - supply
        if executable > volume or (executable == volume and abs(surplus) < least):
            volume, least, lowest, signs = executable, abs(surplus), price, 0
        if executable == volume and abs(surplus) == least:
            highest = price
            signs |= 1 << (1 + _sign(surplus))
        if bid_price == price:
            demand -= _level_lots(state, bid_leaf, bid)
            bid_leaf, bid = next_level(state, _UP, bid_leaf, bid)


@routine
def _within_band(instrument: Record, price: int) -> int:
    return min(max(price, int64(instrument.band_low)), int64(instrument.band_high))


@routine
def _choose(
    state: Record, instrument: Record, volume: int, lowest: int, highest: int, signs: int
) -> tuple[int, int, int]:
    """Return price, volume and surplus when the prices from `lowest` to `highest` are left, with these surpluses."""
    reference = int64(instrument.reference_ticks)
    if lowest == NIL:  # no limit prices at all
        price = NIL if reference == NIL else _within_band(instrument, reference)
    elif volume == 0:
        price = NIL
    elif signs == _ALL_MORE_DEMAND:
        price = highest
    elif signs == _ALL_MORE_SUPPLY or reference == NIL:
        price = lowest
    else:
        price = min(max(reference, lowest), highest)
    if price == NIL:
        return NIL, 0, 0
    demand, supply = _interest(state, instrument, price)
    if min(demand, supply) == 0:
        return NIL, 0, 0
    return price, min(demand, supply), demand - supply


@routine
def _interest(state: Record, instrument: Record, price: int) -> tuple[int, int]:
    """Return the lots that would be bought and sold at a price."""
    demand = supply = 0
    leaf, level = first_level(state, instrument.queues[Side.BUY], _DOWN)
    while leaf != NIL and level >= price:
        demand += _level_lots(state, leaf, level)
        leaf, level = next_level(state, _DOWN, leaf, level)
    leaf, level = first_level(state, instrument.queues[Side.SELL], _UP)
    while leaf != NIL and level <= price:
        supply += _level_lots(state, leaf, level)
        leaf, level = next_level(state, _UP, leaf, level)
    return demand, supply


@routine
def indicate(state: Record, command: Record, output: Record) -> None:
    """Say what an auction would make now."""
    if not knows_instrument(state, command.instrument):
        reject(command, output, RejectReason.UNKNOWN_INSTRUMENT)
        return
    instrument = state.instruments[command.instrument]
    if not collects(instrument.state):
        reject(command, output, RejectReason.NOT_IN_THIS_PHASE)
        return
    price, volume, surplus = clearing_price(state, instrument)
    event = say(command, output, EventKind.AUCTION_INDICATED)
    event.instrument = command.instrument
    event.price_ticks = price
    event.quantity_lots = volume
    event.leaves_lots = surplus


@routine
def _best(state: Record, instrument: Record, side: int) -> int:
    """Return the first order of a side, NIL if there is none."""
    queue = instrument.queues[side]
    if queue.best_node == NIL:
        return NIL
    return head_of(state, int64(queue.best_node), int64(queue.best_price))


@routine
def _end_short_of_funds(state: Record, command: Record, output: Record, price: int, ended: int) -> int:
    """End market orders whose hold, taken at an older band, does not pay this price; return how many ended so far."""
    instrument = state.instruments[command.instrument]
    slot = _best(state, instrument, Side.BUY)
    while slot != NIL and state.orders[slot].price_ticks == UNPRICED_BUY_TICKS and ended < WORK_MAX:
        detail = state.details[slot]
        following = int64(state.orders[slot].next)
        notional = price * state.orders[slot].leaves * instrument.tick_value
        if detail.held < notional + worst_fee(int64(detail.maker_bps), int64(detail.taker_bps), notional):
            end_order(state, command, output, slot, EventKind.ORDER_EXPIRED, EndReason.INSUFFICIENT_HOLD)
            ended += 1
        slot = following
    return ended


@routine
def _set_price(state: Record, command: Record, output: Record) -> bool:
    """Find the price of an auction, without market orders that could not pay it; tell whether it was found."""
    instrument = state.instruments[command.instrument]
    ended = 0
    while ended < WORK_MAX:
        price, _, _ = clearing_price(state, instrument)
        before = ended
        if price != NIL:
            ended = _end_short_of_funds(state, command, output, price, ended)
        if ended == before:
            instrument.auction_ticks = price
            return True
    return False


@routine
def _meets(state: Record, instrument: Record, buyer: int, seller: int) -> bool:
    price = int64(instrument.auction_ticks)
    if buyer == NIL or seller == NIL or price == NIL:
        return False
    return state.orders[buyer].price_ticks >= price and state.orders[seller].price_ticks <= price


@routine
def _trade_all(state: Record, command: Record, output: Record) -> tuple[int, int]:
    """Trade at the price of the auction, at most WORK_MAX times; return (lots, work)."""
    instrument = state.instruments[command.instrument]
    price = int64(instrument.auction_ticks)
    lots = work = 0
    while work < WORK_MAX:
        buyer, seller = _best(state, instrument, Side.BUY), _best(state, instrument, Side.SELL)
        if not _meets(state, instrument, buyer, seller):
            break
        work += 1
        if instrument.extras & Extra.HOLDERS and cannot_hold(state, buyer):
            end_order(state, command, output, buyer, EventKind.ORDER_EXPIRED, EndReason.HOLDER_LIMIT)
            continue
        lots += min(state.orders[buyer].leaves, state.orders[seller].leaves)
        trade(state, command, output, buyer, seller, price, True)
        if state.orders[buyer].leaves == 0:
            end_filled(state, command, output, buyer)
        if state.orders[seller].leaves == 0:
            end_filled(state, command, output, seller)
    return lots, work


@routine
def _end_auction_orders(state: Record, command: Record, output: Record, work: int) -> int:
    """End what was only for this auction while work is left; return the work done."""
    instrument = state.instruments[command.instrument]
    for side in range(Side.BOTH):
        queue = instrument.queues[side]
        leaf, price = int64(queue.best_node), int64(queue.best_price)
        while leaf != NIL and instrument.auction_orders > 0 and work < WORK_MAX:
            slot = head_of(state, leaf, price)
            after_leaf, after_price = next_level(state, side, leaf, price)
            while slot != NIL and work < WORK_MAX:
                following = int64(state.orders[slot].next)
                if state.details[slot].time_in_force == TimeInForce.AT_AUCTION:
                    end_order(state, command, output, slot, EventKind.ORDER_EXPIRED, EndReason.AUCTION_OVER)
                    work += 1
                slot = following
            leaf, price = after_leaf, after_price
    return work


@routine
def _may_follow(instrument: Record, trading_state: int) -> bool:
    """Tell whether an instrument may go from an auction to a trading state."""
    if trading_state == TradingState.CONTINUOUS:
        return instrument.mode != TradingMode.CALL
    return (
        trading_state == TradingState.CLOSED
        or trading_state == TradingState.HALTED
        or trading_state == TradingState.PRE_OPEN
        or trading_state == TradingState.CALL_OPEN
        or trading_state == TradingState.GATE_CLOSED
    )


@routine
def _refused(state: Record, command: Record) -> int:
    if command.state > TradingState.EXPIRED:
        return RejectReason.MALFORMED_COMMAND
    if not knows_instrument(state, command.instrument):
        return RejectReason.UNKNOWN_INSTRUMENT
    instrument = state.instruments[command.instrument]
    if not (collects(instrument.state) or instrument.state == TradingState.UNCROSSING):
        return RejectReason.NOT_IN_THIS_PHASE
    if not _may_follow(instrument, command.state):
        return RejectReason.INVALID_TRANSITION
    return RejectReason.NONE


@routine
def _say_uncrossed(command: Record, output: Record, instrument: Record, price: int, lots: int) -> None:
    event = say(command, output, EventKind.AUCTION_UNCROSSED)
    event.instrument = command.instrument
    event.price_ticks = price
    event.quantity_lots = lots
    event.state = instrument.state


@routine
def _state_after(instrument: Record, unfinished: bool, afterwards: int) -> int:
    """Return what an instrument goes on as: in another call if buyers too many have left its book crossed."""
    if unfinished:
        return int64(TradingState.UNCROSSING)
    if afterwards == TradingState.CONTINUOUS and is_crossed(instrument):
        return int64(TradingState.VOLATILITY)
    return afterwards


@routine
def uncross(state: Record, command: Record, output: Record) -> None:
    """Trade a call at one price, end what was only for the auction, and go on in another trading state.

    What one command cannot finish leaves the instrument UNCROSSING, for the next one to go on at the same price.
    """
    reason = _refused(state, command)
    if reason != RejectReason.NONE:
        reject(command, output, reason)
        return
    instrument = state.instruments[command.instrument]
    if instrument.state != TradingState.UNCROSSING and not _set_price(state, command, output):
        _say_uncrossed(command, output, instrument, NIL, 0)
        return
    lots, work = _trade_all(state, command, output)
    work = _end_auction_orders(state, command, output, work)
    buyer, seller = _best(state, instrument, Side.BUY), _best(state, instrument, Side.SELL)
    unfinished = _meets(state, instrument, buyer, seller) or instrument.auction_orders > 0
    instrument.state = _state_after(instrument, unfinished, int64(command.state))
    _say_uncrossed(command, output, instrument, int64(instrument.auction_ticks), lots)
    if unfinished:
        return
    if instrument.auction_ticks != NIL:
        instrument.reference_ticks = instrument.auction_ticks
    event = say(command, output, EventKind.TRADING_STATE_SET)
    event.instrument = command.instrument
    event.state = instrument.state
    wake_if_any(state, command, output, int64(command.instrument), work)
