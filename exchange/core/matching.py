"""Match an incoming order against the book: trades, prevented self-trades, and how each order ends."""

from exchange.core.accounts import (
    charge,
    earn_fees,
    list_order,
    open_lots,
    set_hold,
    settle_buy,
    settle_sell,
    trim_hold,
    unlist_order,
)
from exchange.core.book import (
    PAGES_PER_PRICE_MAX,
    crosses,
    free_slot,
    head_of,
    nodes_free,
    order_id_of,
    put,
    unlink,
)
from exchange.core.conditionals import free_condition, hide, replenish, shown_price
from exchange.core.jit import Record, int64, kernel, prefetch, routine
from exchange.core.limits import Extra, crosses_own_group, may_not_hold, note_trade
from exchange.core.telling import emit, say
from exchange.core.types import (
    NIL,
    WORK_MAX,
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)
from exchange.core.walk import gather, is_outside

_LASTING = OrderFlag.ICEBERG | OrderFlag.QUOTE | OrderFlag.UNPRICED  # flags that an order's end repeats


@kernel
def close_order(state: Record, slot: int) -> int:
    """End an order that is off the book: release its hold, free its rows; return what was released."""
    released = set_hold(state, slot, 0)
    unlist_order(state, slot)
    if state.details[slot].condition != NIL:
        free_condition(state, slot)
    free_slot(state, slot)
    return released


@kernel
def leave_book(state: Record, slot: int) -> None:
    """Take an order off its queue."""
    unlink(state, slot)
    detail = state.details[slot]
    if detail.time_in_force == TimeInForce.AT_AUCTION:
        state.instruments[detail.instrument].auction_orders -= 1


@kernel
def rest(state: Record, slot: int) -> None:
    """Put an order on the book, and on its account's list if it is new there."""
    order = state.orders[slot]
    if order.flags & OrderFlag.ICEBERG:
        hide(state, slot)
    if order.flags & OrderFlag.RESTING == 0:
        list_order(state, slot)
    detail = state.details[slot]
    if detail.time_in_force == TimeInForce.AT_AUCTION:
        state.instruments[detail.instrument].auction_orders += 1
    put(state, slot)


@routine
def end_order(state: Record, command: Record, output: Record, slot: int, kind: int, reason: int) -> None:
    """Take an order off the book if it is there, say that it was cancelled or expired, and end it."""
    order = state.orders[slot]
    flags = int64(order.flags) & _LASTING
    if order.flags & OrderFlag.SLEEPING:
        flags |= OrderFlag.SLEEPING
    elif order.node != NIL:
        flags |= OrderFlag.RESTING
    event = emit(command, output, kind)
    event.price_ticks = shown_price(state, slot)
    event.leaves_lots = open_lots(state, slot)
    if order.node != NIL:
        leave_book(state, slot)
    event.reason = reason
    event.flags = flags
    event.side = order.side
    event.order_type = order.order_type
    event.account = order.account
    event.instrument = state.details[slot].instrument
    event.order_id = order_id_of(state, slot)
    event.quantity_lots = state.details[slot].quantity
    event.amount = close_order(state, slot)


@kernel
def trade(state: Record, command: Record, output: Record, slot: int, other: int, price: int, both_take: bool) -> None:
    """Fill the order in `slot` and another at a price; in an auction both pay as takers."""
    order, other_order = state.orders[slot], state.orders[other]
    detail, other_detail = state.details[slot], state.details[other]
    instrument = state.instruments[detail.instrument]
    lots = min(order.leaves, other_order.leaves)
    notional = price * lots * instrument.tick_value
    units = lots * instrument.lot_units
    order.leaves -= lots
    other_order.leaves -= lots
    fee = charge(detail, notional, True)
    other_fee = charge(other_detail, notional, both_take)
    buys = order.side == Side.BUY
    settle_buy(state, state.details[slot if buys else other], notional, units, fee if buys else other_fee)
    settle_sell(state, state.details[other if buys else slot], notional, units, other_fee if buys else fee)
    earn_fees(state, instrument, fee + other_fee)
    instrument.last_ticks = price
    state.trade_count += 1
    if instrument.extras & (Extra.HOLDERS | Extra.TURNAROUND):
        _note(state, command, slot, other, units)
    event = emit(command, output, EventKind.TRADED)
    event.side = order.side
    event.account = order.account
    event.counter_account = other_order.account
    event.instrument = detail.instrument
    event.asset = instrument.base_asset
    event.order_id = order_id_of(state, slot)
    event.counter_order_id = order_id_of(state, other)
    event.trade_id = state.trade_count
    event.price_ticks = price
    event.quantity_lots = lots
    event.leaves_lots = open_lots(state, slot)
    event.amount = notional
    event.fee = fee
    event.counter_fee = other_fee


@routine
def _note(state: Record, command: Record, slot: int, other: int, units: int) -> None:
    """Count holders and acquisitions after a trade of two orders."""
    buyer, seller = slot, other
    if state.orders[slot].side == Side.SELL:
        buyer, seller = other, slot
    bought, sold = int64(state.details[buyer].base_balance), int64(state.details[seller].base_balance)
    note_trade(state, bought, sold, units, command.time_ns)


@kernel
def end_filled(state: Record, command: Record, output: Record, slot: int) -> None:
    """End a resting order whose displayed lots are gone, or show its next part."""
    if state.orders[slot].flags & OrderFlag.ICEBERG == 0 or not replenish(state, command, output, slot):
        leave_book(state, slot)
        close_order(state, slot)


@routine
def _prevent(state: Record, command: Record, output: Record, slot: int, maker_slot: int) -> int:
    """Keep two orders of one group apart as the taker's policy says; return why the taker ends, if it does."""
    taker, maker = state.orders[slot], state.orders[maker_slot]
    policy = taker.self_trade_prevention
    lots = min(taker.leaves, maker.leaves)
    if policy == SelfTradePrevention.DECREMENT:
        taker.leaves -= lots
        maker.leaves -= lots
        state.details[slot].quantity -= lots
        state.details[maker_slot].quantity -= lots
    event = say(command, output, EventKind.MATCH_PREVENTED)
    event.side = taker.side
    event.self_trade_prevention = policy
    event.account = taker.account
    event.counter_account = maker.account
    event.instrument = state.details[slot].instrument
    event.order_id = order_id_of(state, slot)
    event.counter_order_id = order_id_of(state, maker_slot)
    event.price_ticks = maker.price_ticks
    event.quantity_lots = lots
    event.leaves_lots = taker.leaves
    if policy == SelfTradePrevention.DECREMENT and open_lots(state, maker_slot) > 0:
        trim_hold(state, maker_slot)
        if maker.leaves == 0:
            replenish(state, command, output, maker_slot)
    elif policy != SelfTradePrevention.EXPIRE_TAKER:
        end_order(state, command, output, maker_slot, EventKind.ORDER_EXPIRED, EndReason.SELF_TRADE)
    if policy == SelfTradePrevention.EXPIRE_MAKER or (policy == SelfTradePrevention.DECREMENT and taker.leaves > 0):
        return EndReason.NONE
    return EndReason.SELF_TRADE


@routine
def interrupt(command: Record, output: Record, instrument: Record, index: int, price: int) -> None:
    """Stop continuous trading before a trade at a price outside the guards."""
    instrument.state = TradingState.VOLATILITY
    event = say(command, output, EventKind.TRADING_STATE_SET)
    event.instrument = index
    event.state = TradingState.VOLATILITY
    event.price_ticks = price


@routine
def cannot_hold(state: Record, buyer: int) -> bool:
    """Tell whether a trade would make the account of a buying order one holder too many."""
    row = int64(state.details[buyer].base_balance)
    asset = state.assets[state.balances[row].asset]
    return may_not_hold(state, asset, int64(state.orders[buyer].account), row)


@kernel
def fetch_next(state: Record, slot: int) -> None:
    """Ask for the orders beside a maker, which a long sweep or its end will touch."""
    following, detail = state.orders[slot].next, state.details[slot]
    prefetch(state.orders[following])
    prefetch(state.details[following])
    prefetch(state.details[detail.own_prev])
    prefetch(state.details[detail.own_next])


@kernel
def match(state: Record, command: Record, output: Record, slot: int) -> tuple[int, int]:
    """Fill an order from the opposite side in price-time order; return why it ends (NONE: it need not) and makers met.

    Meets at most WORK_MAX makers, so that no command takes unbounded time; what would go on then expires.
    """
    taker = state.orders[slot]
    index = int64(state.details[slot].instrument)
    instrument = state.instruments[index]
    opposite = instrument.queues[1 ^ int64(taker.side)]
    group = state.accounts[taker.account].group
    price = int64(taker.price_ticks)
    side = int64(taker.side)
    met = 0
    while taker.leaves > 0 and crosses(side, price, int64(opposite.best_price)):
        if met == WORK_MAX:
            return EndReason.WORK_LIMIT, met
        best = int64(opposite.best_price)
        maker_slot = head_of(state, int64(opposite.best_node), best)
        fetch_next(state, maker_slot)
        same_group = state.accounts[state.orders[maker_slot].account].group == group
        own = same_group and taker.self_trade_prevention != SelfTradePrevention.NONE
        if not own and instrument.extras & Extra.GUARDS and is_outside(instrument, best, int64(instrument.last_ticks)):
            interrupt(command, output, instrument, index, best)
            return EndReason.VOLATILITY_HALT, met
        met += 1
        if own:
            end = _prevent(state, command, output, slot, maker_slot)
            if end != EndReason.NONE:
                return end, met
        elif instrument.extras & Extra.HOLDERS and cannot_hold(state, slot if side == Side.BUY else maker_slot):
            if side == Side.BUY:
                return EndReason.HOLDER_LIMIT, met
            end_order(state, command, output, maker_slot, EventKind.ORDER_EXPIRED, EndReason.HOLDER_LIMIT)
        else:
            trade(state, command, output, slot, maker_slot, best, False)
            if state.orders[maker_slot].leaves == 0:
                end_filled(state, command, output, maker_slot)
    return EndReason.NONE, met


@kernel
def may_rest(order_type: int, time_in_force: int) -> bool:
    """Tell whether what an order leaves unfilled may wait on the book."""
    waits = time_in_force == TimeInForce.GTC or time_in_force == TimeInForce.GTD or time_in_force == TimeInForce.DAY
    return waits and (order_type == OrderType.LIMIT or order_type == OrderType.STOP_LIMIT)


@routine
def _is_fillable(state: Record, slot: int) -> bool:
    """Tell whether a fill-or-kill order finds its whole quantity now."""
    order = state.orders[slot]
    instrument = state.instruments[state.details[slot].instrument]
    prevention = int64(order.self_trade_prevention)
    stop_at_own = prevention != SelfTradePrevention.EXPIRE_MAKER
    group = int64(state.accounts[order.account].group)
    price, side = int64(order.price_ticks), int64(order.side)
    extras = int64(instrument.extras)
    lots, _ = gather(state, instrument, side, price, order.leaves, group, prevention, stop_at_own, extras)
    return lots == order.leaves


@kernel
def finish(state: Record, command: Record, output: Record, slot: int, end: int, met: int, rests: bool) -> None:
    """After matching `met` makers: end what is done, rest what may rest, expire the remainder of what may not."""
    if end == EndReason.VOLATILITY_HALT and rests:
        end = _end_of_interrupted(state, slot)
    if end == EndReason.NONE and rests and nodes_free(state) < PAGES_PER_PRICE_MAX:  # only a stop comes unchecked
        end = EndReason.NONE if state.orders[slot].leaves == 0 else EndReason.BOOK_FULL
    if end == EndReason.NONE and state.orders[slot].leaves == 0:
        close_order(state, slot)
    elif end == EndReason.NONE and rests:
        if met > 0:
            trim_hold(state, slot)
        rest(state, slot)
    else:
        if end == EndReason.NONE:
            end = EndReason.IMMEDIATE_REMAINDER
        end_order(state, command, output, slot, EventKind.ORDER_EXPIRED, end)


@routine
def _end_of_interrupted(state: Record, slot: int) -> int:
    """Return why an interrupted order may not rest for the auction: only because it could meet its own group there."""
    order = state.orders[slot]
    index = int64(state.details[slot].instrument)
    if crosses_own_group(state, index, int64(order.account), int64(order.side), int64(order.price_ticks)):
        return EndReason.SELF_TRADE
    return EndReason.NONE


@kernel
def execute(state: Record, command: Record, output: Record, slot: int) -> int:
    """Match an order that is off the book, and rest or end what is left of it; return how many makers it met."""
    time_in_force = int64(state.details[slot].time_in_force)
    met = 0
    if time_in_force == TimeInForce.FOK and not _is_fillable(state, slot):
        end = int64(EndReason.FILL_OR_KILL)
    else:
        end, met = match(state, command, output, slot)
    finish(state, command, output, slot, end, met, may_rest(int64(state.orders[slot].order_type), time_in_force))
    return met
