"""Match an incoming order against the book: trades, prevented self-trades, and how each order ends."""

from exchange.core.accounts import charge, earn_fees, set_hold, settle_buy, settle_sell, trim_hold
from exchange.core.book import crosses, free_slot, order_id_of, rest, unlink
from exchange.core.jit import Record, int64, kernel, routine
from exchange.core.types import (
    NIL,
    WORK_MAX,
    EndReason,
    EventKind,
    OrderFlag,
    SelfTradePrevention,
    Side,
)


@kernel
def emit(command: Record, output: Record, kind: int) -> Record:
    """Add an event of a command, all other fields zero, and return it to be filled in."""
    event = output.rows[output.count]
    output.count += 1
    event.sequence = command.sequence
    event.time_ns = command.time_ns
    event.kind = kind
    event.side = event.reason = event.order_type = event.time_in_force = 0
    event.self_trade_prevention = event.flags = event.state = 0
    event.account = event.counter_account = event.instrument = event.asset = 0
    event.order_id = event.counter_order_id = event.trade_id = 0
    event.price_ticks = event.quantity_lots = event.leaves_lots = 0
    event.amount = event.fee = event.counter_fee = 0
    return event


@kernel
def close_order(state: Record, slot: int) -> int:
    """End an order that is off the book: release its hold, free its slot; return what was released."""
    released = set_hold(state, slot, 0)
    state.accounts[state.orders[slot].account].open_orders -= 1
    free_slot(state, slot)
    return released


@routine
def end_order(state: Record, command: Record, output: Record, slot: int, kind: int, reason: int) -> None:
    """Take an order off the book if it rests, say that it was cancelled or expired, and end it."""
    order = state.orders[slot]
    flags = 0
    if order.node != NIL:
        flags = OrderFlag.RESTING
        unlink(state, slot)
    event = emit(command, output, kind)
    event.reason = reason
    event.flags = flags
    event.side = order.side
    event.order_type = order.order_type
    event.account = order.account
    event.instrument = state.details[slot].instrument
    event.order_id = order_id_of(state, slot)
    event.price_ticks = order.price_ticks
    event.quantity_lots = state.details[slot].quantity
    event.leaves_lots = order.leaves
    event.amount = close_order(state, slot)


@kernel
def _trade(state: Record, command: Record, output: Record, slot: int, maker_slot: int) -> None:
    """Fill both orders at the maker's price; a maker filled in full leaves the book."""
    taker, maker = state.orders[slot], state.orders[maker_slot]
    detail, maker_detail = state.details[slot], state.details[maker_slot]
    instrument = state.instruments[detail.instrument]
    lots = min(taker.leaves, maker.leaves)
    notional = maker.price_ticks * lots * instrument.tick_value
    units = lots * instrument.lot_units
    taker.leaves -= lots
    maker.leaves -= lots
    taker_fee = charge(detail, notional, True)
    maker_fee = charge(maker_detail, notional, False)
    if taker.side == Side.BUY:
        settle_buy(state, detail, notional, units, taker_fee)
        settle_sell(state, maker_detail, notional, units, maker_fee)
    else:
        settle_sell(state, detail, notional, units, taker_fee)
        settle_buy(state, maker_detail, notional, units, maker_fee)
    earn_fees(state, instrument, taker_fee + maker_fee)
    state.trade_count += 1
    event = emit(command, output, EventKind.TRADED)
    event.side = taker.side
    event.account = taker.account
    event.counter_account = maker.account
    event.instrument = detail.instrument
    event.asset = instrument.base_asset
    event.order_id = order_id_of(state, slot)
    event.counter_order_id = order_id_of(state, maker_slot)
    event.trade_id = state.trade_count
    event.price_ticks = maker.price_ticks
    event.quantity_lots = lots
    event.leaves_lots = taker.leaves
    event.amount = notional
    event.fee = taker_fee
    event.counter_fee = maker_fee
    if maker.leaves == 0:
        unlink(state, maker_slot)
        close_order(state, maker_slot)


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
    event = emit(command, output, EventKind.MATCH_PREVENTED)
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
    if policy == SelfTradePrevention.DECREMENT and maker.leaves > 0:
        trim_hold(state, maker_slot)
    elif policy != SelfTradePrevention.EXPIRE_TAKER:
        end_order(state, command, output, maker_slot, EventKind.ORDER_EXPIRED, EndReason.SELF_TRADE)
    if policy == SelfTradePrevention.EXPIRE_MAKER or (policy == SelfTradePrevention.DECREMENT and taker.leaves > 0):
        return EndReason.NONE
    return EndReason.SELF_TRADE


@routine
def match(state: Record, command: Record, output: Record, slot: int) -> int:
    """Fill an order from the opposite side in price-time order; return why it ends, NONE if it does not have to.

    Meets at most WORK_MAX makers, so that no command takes unbounded time; what would go on then expires.
    """
    taker = state.orders[slot]
    opposite = state.instruments[state.details[slot].instrument].sides[1 - taker.side]
    group = state.accounts[taker.account].group
    price = int64(taker.price_ticks)
    side = int64(taker.side)
    met = 0
    while taker.leaves > 0 and crosses(side, price, int64(opposite.best_price)):
        if met == WORK_MAX:
            return EndReason.WORK_LIMIT
        met += 1
        maker_slot = int64(state.nodes[opposite.best_node].slots[opposite.best_price & 63].head)
        own = state.accounts[state.orders[maker_slot].account].group == group
        if own and taker.self_trade_prevention != SelfTradePrevention.NONE:
            end = _prevent(state, command, output, slot, maker_slot)
            if end != EndReason.NONE:
                return end
        else:
            _trade(state, command, output, slot, maker_slot)
    return EndReason.NONE


@kernel
def finish(state: Record, command: Record, output: Record, slot: int, end: int, rests: bool) -> None:
    """After matching: end what is done, rest what may rest, expire the remainder of what may not."""
    if end == EndReason.NONE and state.orders[slot].leaves == 0:
        close_order(state, slot)
    elif end == EndReason.NONE and rests:
        trim_hold(state, slot)
        rest(state, slot)
    else:
        if end == EndReason.NONE:
            end = EndReason.IMMEDIATE_REMAINDER
        end_order(state, command, output, slot, EventKind.ORDER_EXPIRED, end)
