"""The compiled fold of the public market: what each kind of event does to levels, single orders, trades and candles."""

from exchange.core.types import EventKind, OrderFlag, SelfTradePrevention, Side, TradingState
from exchange.marketdata.folds.books import (
    MINUTE_MS,
    MINUTE_NS,
    SHOWN,
    SLEEPING,
    STATE,
    UNPRICED,
    add_trade,
    book_at,
    change,
    change_level,
    resting_at,
    touch,
    unlink,
    word_at,
)
from exchange.marketdata.folds.compiled import Record, entry, event_at, int64, kernel, record_at, routine

NEW, TRADE, END, REDUCE, MOVE, SHOW = range(6)  # Cause
LEVELS_ROOM, CHANGES_ROOM, TOUCHED_ROOM = 4, 6, 3  # more than one event takes, and what rests behind it


# --- the incoming order -----------------------------------------------------------------------------------------------


@routine
def _rest(state: Record) -> None:
    """Put what is left of the taker into the depth: its command seems to be over."""
    if state.has_taker == 0:
        return
    order, lots = resting_at(state, state.taker_id), int64(state.taker_lots)
    if order.display_lots > 0:
        shown = min(int64(order.display_lots), lots)
        order.hidden_lots = lots - shown
        if lots == 0:
            order.display_lots = 0
        lots = shown
    if lots != 0:
        instrument, side = int64(state.taker_instrument), int64(state.taker_side)
        change(state, instrument, side, int64(state.taker_ticks), lots, int64(state.taker_id), NEW, 0)


@routine
def _resume(state: Record) -> None:
    """Take the taker out again: the events were cut within its command."""
    if state.has_taker == 0 or state.taker_lots == 0:
        return
    order, book = resting_at(state, state.taker_id), book_at(state, state.taker_instrument)
    change_level(book, int64(state.taker_side), int64(state.taker_ticks), -int64(order.lots))
    unlink(state, book, order)
    order.lots = 0
    book.update_id -= 1


@routine
def _come_in(state: Record, event: Record, lots: int) -> None:
    """Take the order of an event for the incoming one; what is left of the one before rests."""
    _rest(state)
    state.has_taker, state.taker_id, state.taker_lots = 1, event.order_id, lots
    state.taker_instrument, state.taker_side = event.instrument, event.side
    state.taker_ticks = event.price_ticks


# --- what happens to orders -------------------------------------------------------------------------------------------


@kernel
def _is_unshown(book: Record, order: Record) -> bool:
    return order.state == SLEEPING or (order.state == UNPRICED and order.auction == book.auction)


@routine
def _accept(state: Record, event: Record) -> None:
    order = resting_at(state, event.order_id)
    order.order_id, order.state = event.order_id, SHOWN
    order.lots = order.display_lots = order.hidden_lots = 0
    if int64(event.flags) & (OrderFlag.SLEEPING | OrderFlag.UNPRICED) == 0:
        _come_in(state, event, int64(event.quantity_lots))
        return
    _rest(state)
    state.has_taker = 0
    order.state = SLEEPING if int64(event.flags) & OrderFlag.SLEEPING != 0 else UNPRICED
    order.auction = book_at(state, event.instrument).auction


@routine
def _trade(state: Record, event: Record) -> None:
    instrument, buys = int64(event.instrument), event.side == Side.BUY
    if state.has_taker == 0:
        _take_auctioned(state, event, int64(event.order_id), Side.BUY)
        _take_auctioned(state, event, int64(event.counter_order_id), Side.SELL)
    else:
        state.taker_lots = event.leaves_lots
        _take_off(state, event, int64(event.counter_order_id), 1 - int64(event.side), int64(event.price_ticks))
    add_trade(book_at(state, instrument), event, buys)


@routine
def _take_auctioned(state: Record, event: Record, order_id: int, side: int) -> None:
    touch(state, int64(event.instrument))
    order = resting_at(state, order_id)
    if not _is_unshown(book_at(state, event.instrument), order):
        _take_off(state, event, order_id, side, int64(order.price_ticks))


@routine
def _take_off(state: Record, event: Record, order_id: int, side: int, price_ticks: int) -> None:
    """Take the lots of a trade off an order that rested."""
    order, lots = resting_at(state, order_id), int64(event.quantity_lots)
    change(state, int64(event.instrument), side, price_ticks, -lots, order_id, TRADE, int64(event.trade_id))
    if order.lots == 0 and order.hidden_lots == 0:
        order.display_lots = 0


@routine
def _end(state: Record, event: Record) -> None:
    order, flags, order_id = resting_at(state, event.order_id), int64(event.flags), int64(event.order_id)
    is_iceberg = order.display_lots > 0
    order.display_lots = 0
    is_unshown = _is_unshown(book_at(state, event.instrument), order)
    if flags & OrderFlag.RESTING == 0:
        if flags & OrderFlag.SLEEPING == 0 and state.has_taker != 0 and state.taker_id == order_id:
            state.has_taker = 0
    elif not is_unshown:
        lots = int64(order.lots) if is_iceberg else int64(event.leaves_lots)
        if lots != 0:
            instrument, side = int64(event.instrument), int64(event.side)
            change(state, instrument, side, int64(event.price_ticks), -lots, order_id, END, 0)
    order.state = SHOWN


@routine
def _replace(state: Record, event: Record) -> None:
    order, order_id, lots = resting_at(state, event.order_id), int64(event.order_id), int64(event.fee)
    if _is_unshown(book_at(state, event.instrument), order):
        return
    instrument, side, price_ticks = int64(event.instrument), int64(event.side), int64(event.counter_fee)
    if int64(event.flags) & OrderFlag.KEPT_PRIORITY != 0:
        lots -= int64(event.leaves_lots)
        if order.display_lots > 0:
            hidden = min(lots, int64(order.hidden_lots))
            order.hidden_lots -= hidden
            lots -= hidden
        if lots != 0:
            change(state, instrument, side, price_ticks, -lots, order_id, REDUCE, 0)
        return
    if order.display_lots > 0:
        lots = int64(order.lots)
    change(state, instrument, side, price_ticks, -lots, order_id, MOVE, 0)
    _come_in(state, event, int64(event.leaves_lots))


@routine
def _prevent(state: Record, event: Record) -> None:
    if event.self_trade_prevention == SelfTradePrevention.DECREMENT:
        state.taker_lots = event.leaves_lots
        instrument, side, lots = int64(event.instrument), 1 - int64(event.side), int64(event.quantity_lots)
        price_ticks, order_id = int64(event.price_ticks), int64(event.counter_order_id)
        change(state, instrument, side, price_ticks, -lots, order_id, REDUCE, 0)


@routine
def _change_rarely(state: Record, event: Record) -> None:
    """Apply an event that is neither of a new order, nor a trade, nor an end, nor a replacement."""
    kind, order = event.kind, resting_at(state, event.order_id)
    if kind == EventKind.ORDER_TERMS:
        order.display_lots = event.quantity_lots
    elif kind == EventKind.ORDER_TRIGGERED:
        order.state = SHOWN
        _come_in(state, event, int64(event.leaves_lots))
    elif kind == EventKind.ORDER_REPLENISHED:
        order.hidden_lots = event.leaves_lots
        instrument, side, lots = int64(event.instrument), int64(event.side), int64(event.quantity_lots)
        change(state, instrument, side, int64(event.price_ticks), lots, int64(event.order_id), SHOW, 0)
    elif kind == EventKind.MATCH_PREVENTED:
        _prevent(state, event)
    elif event.state != TradingState.UNCROSSING:
        book_at(state, event.instrument).auction += 1  # its orders without a price have traded or ended


# --- the fold ---------------------------------------------------------------------------------------------------------


@kernel
def _is_handled(kind: int) -> bool:
    return (
        kind == EventKind.ORDER_ACCEPTED
        or (kind >= EventKind.TRADED and kind <= EventKind.MATCH_PREVENTED)
        or (kind >= EventKind.ORDER_TERMS and kind <= EventKind.ORDER_REPLENISHED)
        or kind == EventKind.AUCTION_UNCROSSED
    )


@kernel
def _has_room(state: Record, event: Record) -> bool:
    if int64(event.instrument) >= int64(state.books[0].capacity) - 1:
        return False
    book = book_at(state, event.instrument)
    bids, asks = book.sides[0], book.sides[1]
    if (
        bids.count + LEVELS_ROOM > bids.capacity
        or asks.count + LEVELS_ROOM > asks.capacity
        or state.change_count + CHANGES_ROOM > state.change_capacity
        or state.touched_count + TOUCHED_ROOM > state.touched_capacity
    ):
        return False
    if event.kind != EventKind.TRADED:
        return True
    if book.trade_count == book.trade_capacity and book.trade_capacity < state.trades_max:
        return False
    return book.trades_in_minute == 0 or int64(event.time_ns) // MINUTE_NS * MINUTE_MS == book.open_ms


@kernel
def _begin(state: Record, events_at: int, count: int) -> None:
    """Begin a batch."""
    if count > 0:
        if event_at(events_at, 0).sequence == state.sequence:
            _resume(state)
        else:
            state.has_taker = 0  # it rests already
    state.batch += 1
    state.change_count = state.touched_count = 0


@entry
def fold(state_at: int, events_at: int, start: int, end: int) -> int:
    """Apply a batch from `start` while there is room; return the first event not applied."""
    state = record_at(state_at, STATE)
    if start == 0 and state.is_begun == 0:
        _begin(state, events_at, end)
    for index in range(start, end):
        event = event_at(events_at, index)
        kind = event.kind
        if not _is_handled(kind):
            continue
        if not _has_room(state, event):
            state.is_begun = 1
            return index
        if event.sequence != state.sequence:
            _rest(state)
            state.has_taker, state.sequence = 0, event.sequence
        if kind == EventKind.ORDER_ACCEPTED:
            _accept(state, event)
        elif kind == EventKind.TRADED:
            _trade(state, event)
        elif kind == EventKind.ORDER_CANCELED or kind == EventKind.ORDER_EXPIRED:
            _end(state, event)
        elif kind == EventKind.ORDER_REPLACED:
            _replace(state, event)
        else:
            _change_rarely(state, event)
    state.is_begun = 0
    if end > 0:
        _rest(state)
    return end


@entry
def list_resting(state_at: int, instrument: int, found_at: int) -> int:
    """Write the slots of the orders that rest at an instrument, in the order of their places; return how many."""
    state, count = record_at(state_at, STATE), 0
    link = int64(book_at(state, instrument).first)
    while link != 0:
        word_at(found_at, count).value = link - 1
        link = int64(resting_at(state, link - 1).later)
        count += 1
    return count
