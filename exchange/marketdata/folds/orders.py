"""The compiled fold of the order histories: what each kind of event does to orders, fills and accounts."""

from exchange.core.types import EventKind, OrderFlag, SelfTradePrevention, Side
from exchange.marketdata.folds.compiled import SLOT_MASK, Record, entry, event_at, int64, kernel, record_at, routine
from exchange.marketdata.folds.ordertables import (
    ACCOUNTS,
    CANCELED,
    EXPIRED,
    FILLED,
    FILLS,
    NAMED,
    NEW,
    OF_ACCOUNT,
    OF_ORDER,
    ORDERS,
    PARTIALLY_FILLED,
    RENAMED,
    STATE,
    UNNAMED,
    account_row,
    fill_row,
    id_list,
    is_same_name,
    latest_row,
    link_at,
    name_list,
    order_row,
)
from exchange.marketdata.folds.pool import give, room_of, take

FILLS_OF_TRADE = 2
_AWAKE = 255 - int(OrderFlag.SLEEPING)


# --- an order comes and goes ------------------------------------------------------------------------------------------


@routine
def _accept(state: Record, event: Record) -> None:
    row = take(state.pools[ORDERS])
    order, account = order_row(state, row), account_row(state, event.account)
    order.order_id = event.order_id
    order.account, order.instrument = event.account, event.instrument
    order.side, order.order_type, order.time_in_force = event.side, event.order_type, event.time_in_force
    order.self_trade_prevention, order.flags = event.self_trade_prevention, event.flags
    order.status, order.end_reason, order.named = NEW, 0, UNNAMED
    order.price_ticks, order.quantity_lots = event.price_ticks, event.quantity_lots
    order.time_ns, order.update_ns = event.time_ns, event.time_ns
    order.filled_lots = order.quote_filled = order.fee = 0
    order.stop_ticks = order.display_lots = order.until_ns = order.triggered_ns = 0
    order.event_number = state.event_count
    order.first_fill = order.last_fill = order.fill_count = 0
    link_at(state.slots, int64(event.order_id) & SLOT_MASK).value = row
    found = id_list(state, event.order_id)
    order.same_id, found.value = found.value, row
    order.earlier, order.later = account.last, 0
    if account.last != 0:
        order_row(state, int64(account.last)).later = row
    else:
        account.first = row
    account.last = row
    order.before, order.behind = account.last_open, 0
    if account.last_open != 0:
        order_row(state, int64(account.last_open)).behind = row
    else:
        account.first_open = row
    account.last_open = row
    account.order_count += 1
    state.incoming_sequence = event.sequence


@routine
def _name(state: Record, event: Record) -> None:
    row = latest_row(state, event.order_id)
    order = order_row(state, row)
    order.word_0, order.word_1, order.word_2 = event.price_ticks, event.quantity_lots, event.leaves_lots
    order.word_3, order.word_4 = event.amount, event.fee
    found = name_list(state, order)
    other = int64(found.value)
    while other != 0:
        named = order_row(state, other)
        if is_same_name(order, named):
            _unname(state, other)
            named.named = RENAMED
            break
        other = int64(named.same_name)
    order.same_name, found.value = found.value, row
    order.named = NAMED


@routine
def _unname(state: Record, row: int) -> None:
    """Take an order out of the list in which its name is found."""
    order = order_row(state, row)
    found = name_list(state, order)
    at = int64(found.value)
    if at == row:
        found.value = order.same_name
        return
    while order_row(state, at).same_name != row:
        at = int64(order_row(state, at).same_name)
    order_row(state, at).same_name = order.same_name


@routine
def _close(state: Record, row: int, status: int) -> None:
    order = order_row(state, row)
    account = account_row(state, order.account)
    order.status = status
    _take_from_open(state, account, order)
    order.before, order.behind = account.last_closed, 0
    if account.last_closed != 0:
        order_row(state, int64(account.last_closed)).behind = row
    else:
        account.first_closed = row
    account.last_closed = row
    account.closed_count += 1
    if account.closed_count > state.closed_max:
        _forget(state, account, int64(account.first_closed))


@kernel
def _take_from_open(state: Record, account: Record, order: Record) -> None:
    if order.before != 0:
        order_row(state, int64(order.before)).behind = order.behind
    else:
        account.first_open = order.behind
    if order.behind != 0:
        order_row(state, int64(order.behind)).before = order.before
    else:
        account.last_open = order.before


@routine
def _forget(state: Record, account: Record, row: int) -> None:
    """Give back the order that closed before all others of its account."""
    order = order_row(state, row)
    account.forgot = 1
    account.closed_count -= 1
    account.order_count -= 1
    account.first_closed = order.behind
    if order.behind != 0:
        order_row(state, int64(order.behind)).before = 0
    else:
        account.last_closed = 0
    if order.earlier != 0:
        order_row(state, int64(order.earlier)).later = order.later
    else:
        account.first = order.later
    if order.later != 0:
        order_row(state, int64(order.later)).earlier = order.earlier
    else:
        account.last = order.earlier
    if order.named == NAMED:
        _unname(state, row)
    _lose_id(state, order, row)
    while order.fill_count > 0:
        _drop_of_order(state, order)
    give(state.pools[ORDERS], row)


@kernel
def _lose_id(state: Record, order: Record, row: int) -> None:
    slot = link_at(state.slots, int64(order.order_id) & SLOT_MASK)
    if slot.value == row:
        slot.value = 0
    found = id_list(state, order.order_id)
    at = int64(found.value)
    if at == row:
        found.value = order.same_id
        return
    while order_row(state, at).same_id != row:
        at = int64(order_row(state, at).same_id)
    order_row(state, at).same_id = order.same_id


# --- fills ------------------------------------------------------------------------------------------------------------


@kernel
def _drop_of_order(state: Record, order: Record) -> None:
    row = int64(order.first_fill)
    fill = fill_row(state, row)
    order.first_fill = fill.next_of_order
    order.fill_count -= 1
    fill.keepers -= OF_ORDER
    if fill.keepers == 0:
        give(state.pools[FILLS], row)


@kernel
def _drop_of_account(state: Record, account: Record) -> None:
    row = int64(account.first_fill)
    fill = fill_row(state, row)
    account.first_fill = fill.next_of_account
    account.fill_count -= 1
    fill.keepers -= OF_ACCOUNT
    if fill.keepers == 0:
        give(state.pools[FILLS], row)


@routine
def _add_fill(
    state: Record, event: Record, order_id: int, number: int, fee: int, is_maker: bool, is_buyer: bool
) -> None:
    found, row = latest_row(state, order_id), take(state.pools[FILLS])
    order, account, fill = order_row(state, found), account_row(state, number), fill_row(state, row)
    fill.trade_id, fill.order_id, fill.account, fill.instrument = event.trade_id, order_id, number, event.instrument
    fill.price_ticks, fill.quantity_lots, fill.amount = event.price_ticks, event.quantity_lots, event.amount
    fill.fee, fill.time_ns, fill.event_number = fee, event.time_ns, state.event_count
    fill.is_maker, fill.is_buyer, fill.keepers = is_maker, is_buyer, OF_ACCOUNT + OF_ORDER
    fill.next_of_account = fill.next_of_order = 0
    if account.fill_count != 0:
        fill_row(state, int64(account.last_fill)).next_of_account = row
    else:
        account.first_fill = row
    account.last_fill = row
    account.fill_count += 1
    if account.fill_count > state.fills_max:
        _drop_of_account(state, account)
    if order.fill_count != 0:
        fill_row(state, int64(order.last_fill)).next_of_order = row
    else:
        order.first_fill = row
    order.last_fill = row
    order.fill_count += 1
    if order.fill_count > state.order_fills_max:
        _drop_of_order(state, order)
    order.quote_filled += event.amount
    order.fee += fee
    order.update_ns = event.time_ns
    order.filled_lots += event.quantity_lots
    if order.filled_lots == order.quantity_lots:
        _close(state, found, FILLED)
    else:
        order.status = PARTIALLY_FILLED


@kernel
def _trade(state: Record, event: Record) -> None:
    buys = event.side == Side.BUY
    rested = event.sequence == state.incoming_sequence  # nobody is the maker of an auction's trade
    _add_fill(state, event, int64(event.order_id), int64(event.account), int64(event.fee), False, buys)
    number, fee = int64(event.counter_account), int64(event.counter_fee)
    _add_fill(state, event, int64(event.counter_order_id), number, fee, rested, not buys)


# --- the fold ---------------------------------------------------------------------------------------------------------


@routine
def _change(state: Record, event: Record) -> None:
    """Apply an event of an order that neither trades nor ends by it."""
    order, kind = order_row(state, latest_row(state, event.order_id)), event.kind
    if kind == EventKind.ORDER_TERMS:
        order.stop_ticks, order.display_lots, order.until_ns = event.price_ticks, event.quantity_lots, event.amount
    elif kind == EventKind.ORDER_TRIGGERED:
        order.flags &= _AWAKE
        order.triggered_ns, order.update_ns = event.time_ns, event.time_ns
        state.incoming_sequence = event.sequence
    elif kind == EventKind.ORDER_REPLACED:
        order.price_ticks, order.quantity_lots = event.price_ticks, event.quantity_lots
        order.update_ns = event.time_ns
        if event.flags & OrderFlag.KEPT_PRIORITY == 0:
            state.incoming_sequence = event.sequence
    elif event.self_trade_prevention == SelfTradePrevention.DECREMENT:
        maker = order_row(state, latest_row(state, event.counter_order_id))
        order.quantity_lots -= event.quantity_lots
        maker.quantity_lots -= event.quantity_lots
        order.update_ns = maker.update_ns = event.time_ns


@routine
def _end(state: Record, event: Record) -> None:
    row = latest_row(state, event.order_id)
    order = order_row(state, row)
    order.end_reason, order.update_ns = event.reason, event.time_ns
    _close(state, row, CANCELED if event.kind == EventKind.ORDER_CANCELED else EXPIRED)


@kernel
def _has_room(state: Record, event: Record) -> bool:
    """Tell whether an order or a trade can be taken in; what else happens concerns those that are there."""
    if event.kind != EventKind.ORDER_ACCEPTED and event.kind != EventKind.TRADED:
        return True
    accounts, orders = int64(state.pools[ACCOUNTS].capacity) - 1, state.pools[ORDERS]
    return (
        int64(event.account) < accounts
        and int64(event.counter_account) < accounts
        and room_of(orders) > 0
        and room_of(state.pools[FILLS]) >= FILLS_OF_TRADE
        and int64(orders.taken) < int64(1) << int64(state.bits)
    )


@entry
def fold(state_at: int, events_at: int, start: int, end: int) -> int:
    """Apply events from `start` while there is room; return the first one not applied."""
    state = record_at(state_at, STATE)
    for index in range(start, end):
        event = event_at(events_at, index)
        if not _has_room(state, event):
            return index
        state.event_count += 1
        kind = event.kind
        if kind == EventKind.ORDER_ACCEPTED:
            _accept(state, event)
        elif kind == EventKind.TRADED:
            _trade(state, event)
        elif kind == EventKind.ORDER_CANCELED or kind == EventKind.ORDER_EXPIRED:
            _end(state, event)
        elif kind == EventKind.ORDER_NAMED:
            _name(state, event)
        elif (
            kind == EventKind.ORDER_TERMS
            or kind == EventKind.ORDER_TRIGGERED
            or kind == EventKind.ORDER_REPLACED
            or kind == EventKind.MATCH_PREVENTED
        ):
            _change(state, event)
    return end
