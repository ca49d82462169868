"""What traders may ask of their orders in the readable engine: place, cancel, replace.

Every function checks in the order of precedence of `RejectReason`, and acts when nothing is left to refuse.
"""

from dataclasses import replace

from exchange.core.reference_matching import (
    crossing,
    end_early,
    expire,
    fillable,
    market_cost,
    match,
    set_hold,
    trim_hold,
    unrest,
)
from exchange.core.reference_tables import Command, Instrument, Order, Tables, with_worst_fee
from exchange.core.types import (
    NOTIONAL_MAX,
    OPEN_ORDERS_MAX,
    PRICE_TICKS_MAX,
    WORK_MAX,
    AccountState,
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)

# --- new orders -------------------------------------------------------------------------------------------------------


def new_order(tables: Tables, command: Command) -> RejectReason:
    """Accept an order and match it; a client order id seen before yields the original order instead."""
    if malformed(command):
        return RejectReason.MALFORMED_COMMAND
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    name = (command.account, command.words) if any(command.words) else None
    original = tables.client_ids.find(name, command.time_ns) if name else None
    if original is not None:
        tables.emit(
            EventKind.ORDER_DUPLICATED, account=command.account, instrument=command.instrument, order_id=original
        )
        return RejectReason.NONE
    if command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    order = draft(tables.instruments[command.instrument], command)
    reason = refuse_new(tables, order) or refuse_room(tables, named=name is not None)
    if reason == RejectReason.NONE:
        accept(tables, order, command)
        if order.time_in_force == TimeInForce.FOK and not fillable(tables, order):
            expire(tables, order, EndReason.FILL_OR_KILL)
        else:
            match(tables, order)
    return reason


def malformed(command: Command) -> bool:
    """Say whether a new order has a value that no rule gives a meaning to."""
    immediate = command.order_type == OrderType.MARKET or command.time_in_force != TimeInForce.GTC
    return (
        command.side not in {Side.BUY, Side.SELL}
        or command.order_type not in set(OrderType)
        or command.time_in_force not in set(TimeInForce)
        or command.self_trade_prevention not in set(SelfTradePrevention)
        or command.flags not in {0, OrderFlag.POST_ONLY}
        or (command.flags == OrderFlag.POST_ONLY and immediate)
    )


def draft(instrument: Instrument, command: Command) -> Order:
    """Return the order that a command asks for, a market order priced at the band; nothing is held yet."""
    price_ticks = command.price_ticks
    if command.order_type == OrderType.MARKET:
        price_ticks = instrument.band_high if command.side == Side.BUY else instrument.band_low
    return Order(
        account=command.account,
        instrument=instrument,
        side=Side(command.side),
        order_type=OrderType(command.order_type),
        time_in_force=TimeInForce(command.time_in_force),
        self_trade_prevention=SelfTradePrevention(command.self_trade_prevention),
        flags=command.flags,
        price_ticks=price_ticks,
        quantity_lots=command.quantity_lots,
        leaves_lots=command.quantity_lots,
        rates=instrument.rates,
    )


def first_need(tables: Tables, order: Order) -> int:
    """Return the hold of a new order; a market order to buy needs what the book asks, not what the band allows."""
    if order.order_type == OrderType.MARKET and order.side == Side.BUY:
        return with_worst_fee(market_cost(tables, order), order.rates)
    return order.need()


def refuse_new(tables: Tables, order: Order) -> RejectReason:
    """Return why the market's rules refuse a new order."""
    account = tables.accounts[order.account]
    if account.state != AccountState.ACTIVE:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    if order.instrument.state != TradingState.CONTINUOUS:
        return RejectReason.INSTRUMENT_NOT_TRADING
    if reason := refuse_terms(order.instrument, order.order_type, order.price_ticks, order.quantity_lots):
        return reason
    if order.flags & OrderFlag.POST_ONLY and any(crossing(order)):
        return RejectReason.WOULD_TAKE
    if account.open_orders >= OPEN_ORDERS_MAX:
        return RejectReason.TOO_MANY_OPEN_ORDERS
    if first_need(tables, order) > tables.available(order.account, order.held_asset):
        return RejectReason.INSUFFICIENT_BALANCE
    return RejectReason.NONE


def refuse_terms(instrument: Instrument, order_type: int, price_ticks: int, quantity_lots: int) -> RejectReason:
    """Return why an instrument does not admit a price and a quantity; a market order's price is its own band's."""
    if not instrument.quantity_min <= quantity_lots <= instrument.quantity_max:
        return RejectReason.INVALID_QUANTITY
    if order_type == OrderType.LIMIT:
        if not 1 <= price_ticks <= PRICE_TICKS_MAX:
            return RejectReason.INVALID_PRICE
        if not instrument.band_low <= price_ticks <= instrument.band_high:
            return RejectReason.PRICE_OUTSIDE_BAND
    if max(instrument.notional(price_ticks, quantity_lots), instrument.units(quantity_lots)) > NOTIONAL_MAX:
        return RejectReason.NOTIONAL_TOO_LARGE
    return RejectReason.NONE


def refuse_room(tables: Tables, *, named: bool) -> RejectReason:
    """Return which table is too full for a new order."""
    if tables.slots.full():
        return RejectReason.ORDERS_FULL
    if tables.capacity.balances - len(tables.balances) < 2:
        return RejectReason.BALANCES_FULL
    if named and tables.client_ids.full(tables.time_ns):
        return RejectReason.RECENT_IDS_FULL
    return RejectReason.NONE


def accept(tables: Tables, order: Order, command: Command) -> None:
    """Give an order its id and its hold, and remember its name."""
    order.order_id = tables.slots.allocate()
    tables.orders[order.order_id] = order
    tables.accounts[order.account].open_orders += 1
    tables.balance(order.account, order.instrument.base_asset)
    tables.balance(order.account, order.instrument.quote_asset)
    set_hold(tables, order, first_need(tables, order))
    tables.emit(
        EventKind.ORDER_ACCEPTED,
        side=order.side,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        self_trade_prevention=order.self_trade_prevention,
        flags=order.flags,
        account=order.account,
        instrument=order.instrument.index,
        asset=order.instrument.base_asset,
        order_id=order.order_id,
        price_ticks=order.price_ticks,
        quantity_lots=order.quantity_lots,
        leaves_lots=order.leaves_lots,
        amount=order.held,
    )
    if any(command.words):
        tables.client_ids.remember((command.account, command.words), command.time_ns, order.order_id)
        names = ("price_ticks", "quantity_lots", "leaves_lots", "amount", "fee")
        tables.emit(
            EventKind.ORDER_NAMED,
            account=order.account,
            instrument=order.instrument.index,
            order_id=order.order_id,
            **dict(zip(names, command.words, strict=True)),
        )


# --- cancels and replaces ---------------------------------------------------------------------------------------------


def cancel_order(tables: Tables, command: Command) -> RejectReason:
    """End an open order of the account."""
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    order = tables.orders.get(command.order_id)
    if order is None or order.account != command.account:
        return RejectReason.UNKNOWN_ORDER
    if tables.accounts[command.account].state == AccountState.CLOSED:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    if order.instrument.state == TradingState.SUSPENDED:
        return RejectReason.INSTRUMENT_NOT_TRADING
    end_early(tables, EventKind.ORDER_CANCELED, order, EndReason.REQUESTED)
    return RejectReason.NONE


def mass_cancel(tables: Tables, command: Command) -> RejectReason:
    """End the open orders of the account that match, by slot, up to the limit of work."""
    if command.side not in set(Side):
        return RejectReason.MALFORMED_COMMAND
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if command.instrument and command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    if tables.accounts[command.account].state == AccountState.CLOSED:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    matching = [
        order
        for order in sorted(tables.orders.values(), key=lambda order: order.slot)
        if order.account == command.account
        and command.instrument in {0, order.instrument.index}
        and command.side in {Side.BOTH, order.side}
    ]
    for order in matching[:WORK_MAX]:
        end_early(tables, EventKind.ORDER_CANCELED, order, EndReason.MASS_CANCEL)
    tables.emit(
        EventKind.MASS_CANCELED,
        side=command.side,
        account=command.account,
        instrument=command.instrument,
        quantity_lots=len(matching[:WORK_MAX]),
        leaves_lots=len(matching[WORK_MAX:]),
    )
    return RejectReason.NONE


def replace_order(tables: Tables, command: Command) -> RejectReason:
    """Change price or total quantity of an open order; only less of the same price keeps its place in the book."""
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    order = tables.orders.get(command.order_id)
    if order is None or order.account != command.account:
        return RejectReason.UNKNOWN_ORDER
    if tables.accounts[command.account].state != AccountState.ACTIVE:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    if order.instrument.state != TradingState.CONTINUOUS:
        return RejectReason.INSTRUMENT_NOT_TRADING
    revised = revise(order, command)
    keeps = keeps_priority(order, command)
    reason = refuse_replace(tables, order, revised, keeps=keeps)
    if reason == RejectReason.NONE and keeps:
        shrink(tables, order, revised)
    elif reason == RejectReason.NONE:
        reprice(tables, order, revised)
    return reason


def revise(order: Order, command: Command) -> Order:
    """Return the order as the command wants it; one that loses its place pays the rates of today."""
    quantity_lots = command.quantity_lots or order.quantity_lots
    revised = replace(
        order,
        price_ticks=command.price_ticks or order.price_ticks,
        quantity_lots=quantity_lots,
        leaves_lots=order.leaves_lots + quantity_lots - order.quantity_lots,
    )
    return revised if keeps_priority(order, command) else replace(revised, rates=order.instrument.rates)


def keeps_priority(order: Order, command: Command) -> bool:
    """Say whether a replace leaves an order its place: the same price, not more of it, and no wish to requeue."""
    return (
        command.price_ticks in {0, order.price_ticks}
        and command.quantity_lots <= order.quantity_lots
        and not command.flags & OrderFlag.REQUEUE
    )


def refuse_replace(tables: Tables, order: Order, revised: Order, *, keeps: bool) -> RejectReason:
    """Return why the market's rules refuse what a replace would make of an order."""
    if reason := refuse_terms(order.instrument, OrderType.LIMIT, revised.price_ticks, revised.quantity_lots):
        return reason
    if revised.leaves_lots <= 0:
        return RejectReason.QUANTITY_BELOW_FILLED
    if keeps:
        return RejectReason.NONE
    if order.flags & OrderFlag.POST_ONLY and any(crossing(revised)):
        return RejectReason.WOULD_TAKE
    if revised.need() - order.held > tables.available(order.account, order.held_asset):
        return RejectReason.INSUFFICIENT_BALANCE
    return RejectReason.NONE


def shrink(tables: Tables, order: Order, revised: Order) -> None:
    """Take the lower quantity; the order keeps its place."""
    before = order.leaves_lots
    order.quantity_lots, order.leaves_lots = revised.quantity_lots, revised.leaves_lots
    trim_hold(tables, order)
    emit_replaced(tables, order, before, order.price_ticks, OrderFlag.KEPT_PRIORITY)


def reprice(tables: Tables, order: Order, revised: Order) -> None:
    """Take the new terms as if the order came anew."""
    before = order.leaves_lots, order.price_ticks
    unrest(order)
    order.price_ticks, order.rates = revised.price_ticks, revised.rates
    order.quantity_lots, order.leaves_lots = revised.quantity_lots, revised.leaves_lots
    set_hold(tables, order, order.need())
    emit_replaced(tables, order, *before, 0)
    match(tables, order)


def emit_replaced(tables: Tables, order: Order, old_leaves_lots: int, old_price_ticks: int, flags: int) -> None:
    """Tell an order's new terms, and what they were."""
    tables.emit(
        EventKind.ORDER_REPLACED,
        side=order.side,
        flags=flags,
        account=order.account,
        instrument=order.instrument.index,
        order_id=order.order_id,
        price_ticks=order.price_ticks,
        quantity_lots=order.quantity_lots,
        leaves_lots=order.leaves_lots,
        amount=order.held,
        fee=old_leaves_lots,
        counter_fee=old_price_ticks,
    )
