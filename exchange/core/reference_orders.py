"""What traders may ask of single orders in the readable engine: place, cancel, reduce, replace.

Every function checks in the order of precedence of `RejectReason`, and acts when nothing is left to refuse.
"""

from dataclasses import replace

from exchange.core.reference_book import (
    crossing,
    end_early,
    leave,
    rest,
    set_hold,
    sleep,
    take_off,
    trim_hold,
)
from exchange.core.reference_limits import (
    COLLECTING,
    KEEPING_ORDERS,
    TAKING_ORDERS,
    closed,
    crosses_own_group,
    exceeds_position,
    has_maturity,
    lacks_acquisition,
    not_yet_transferable,
    notional_too_large,
    too_fast,
    too_many_holders,
    too_many_open_orders,
    wrong_phase,
)
from exchange.core.reference_matching import execute, lots_for, match, need_of
from exchange.core.reference_stops import triggered, wake
from exchange.core.reference_tables import Command, Instrument, Order, Rates, Tables
from exchange.core.types import (
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
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

SIDES = {Side.BUY, Side.SELL}
ORDER_TYPES = set(OrderType)
TIMES_IN_FORCE = set(TimeInForce)
POLICIES = set(SelfTradePrevention)
LASTING = {TimeInForce.GTC, TimeInForce.GTD, TimeInForce.DAY}
PRICED = {OrderType.LIMIT, OrderType.STOP_LIMIT}
STOPS = {OrderType.STOP, OrderType.STOP_LIMIT}

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
    if tables.accounts[command.account].state != AccountState.ACTIVE:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    if too_fast(tables, command.account):
        return RejectReason.TOO_MANY_MESSAGES
    reason, met = admit(tables, command, 0)
    if reason == RejectReason.NONE:
        wake(tables, tables.instruments[command.instrument], met)
    return reason


def admit(tables: Tables, command: Command, flags: int) -> tuple[RejectReason, int]:
    """Accept an order of a known and active account and let it act; return why not, and how many makers it met."""
    instrument = tables.instruments[command.instrument]
    if instrument.state not in TAKING_ORDERS:
        return RejectReason.INSTRUMENT_NOT_TRADING, 0
    order = draft(tables, instrument, command, flags)
    if wrong_phase(order):
        return RejectReason.NOT_IN_THIS_PHASE, 0
    if command.amount:
        order.quantity_lots = order.leaves_lots = lots_for(tables, order, command.amount)
    reason = (
        refuse_terms(tables, order, command)
        or refuse_effect(tables, order)
        or refuse_new(tables, order)
        or refuse_room(tables, order, named=any(command.words))
    )
    if reason:
        return reason, 0
    accept(tables, order, command)
    return RejectReason.NONE, act(tables, order)


def act(tables: Tables, order: Order) -> int:
    """Let an accepted order sleep, wait for an auction, or trade; return how many makers it met."""
    if order.stop_ticks:
        sleep(order)
        return 0
    if order.instrument.state in COLLECTING:
        rest(order)
        return 0
    return execute(tables, order)


def malformed(command: Command) -> bool:
    """Say whether a new order has a value that no rule gives a meaning to."""
    if (
        command.side not in SIDES
        or command.order_type not in ORDER_TYPES
        or command.time_in_force not in TIMES_IN_FORCE
        or command.self_trade_prevention not in POLICIES
        or command.flags not in {0, OrderFlag.POST_ONLY}
    ):
        return True
    is_stop = command.order_type in STOPS
    may_wait = command.order_type == OrderType.LIMIT and command.time_in_force in LASTING
    by_amount = (
        command.order_type == OrderType.MARKET
        and command.time_in_force != TimeInForce.AT_AUCTION
        and command.amount > 0
        and command.quantity_lots == 0
    )
    has_end = command.time_in_force == TimeInForce.GTD
    return (
        (command.flags == OrderFlag.POST_ONLY and not may_wait)
        or is_stop != (command.stop_ticks != 0)
        or (is_stop and command.time_in_force == TimeInForce.AT_AUCTION)
        or (command.display_lots != 0 and not may_wait)
        or (command.until_ns != 0 and not has_end)
        or (has_end and command.order_type not in PRICED)
        or (command.amount != 0 and not by_amount)
    )


def draft(tables: Tables, instrument: Instrument, command: Command, flags: int) -> Order:
    """Return the order that a command asks for, one without a price priced at the band; nothing is held yet."""
    price_ticks = command.price_ticks
    if command.order_type not in PRICED:
        price_ticks = instrument.band_high if command.side == Side.BUY else instrument.band_low
    if command.display_lots:
        flags |= OrderFlag.ICEBERG
    if command.order_type == OrderType.MARKET and command.time_in_force == TimeInForce.AT_AUCTION:
        flags |= OrderFlag.UNPRICED
    return Order(
        account=command.account,
        instrument=instrument,
        side=Side(command.side),
        order_type=OrderType(command.order_type),
        time_in_force=TimeInForce(command.time_in_force),
        self_trade_prevention=SelfTradePrevention(command.self_trade_prevention),
        flags=command.flags | flags,
        price_ticks=price_ticks,
        quantity_lots=command.quantity_lots,
        leaves_lots=command.quantity_lots,
        rates=instrument.rates[tables.accounts[command.account].tier],
        stop_ticks=command.stop_ticks,
        display_lots=command.display_lots,
        until_ns=command.until_ns,
        conditional=has_terms(command) or flags & OrderFlag.UNPRICED != 0,
    )


def has_terms(command: Command) -> bool:
    """Say whether an order is a stop or an iceberg, or has an end in time."""
    return command.stop_ticks != 0 or command.display_lots != 0 or command.until_ns != 0


def refuse_terms(tables: Tables, order: Order, command: Command) -> RejectReason:
    """Return why an instrument does not admit the terms of a new order."""
    instrument = order.instrument
    quantity_min = 0 if command.amount else instrument.quantity_min
    if not quantity_min <= order.quantity_lots <= instrument.quantity_max:
        return RejectReason.INVALID_QUANTITY
    if order.display_lots and not instrument.quantity_min <= order.display_lots <= order.quantity_lots:
        return RejectReason.INVALID_QUANTITY
    if order.stop_ticks > PRICE_TICKS_MAX:
        return RejectReason.INVALID_PRICE
    if order.order_type in PRICED and not 1 <= order.price_ticks <= PRICE_TICKS_MAX:
        return RejectReason.INVALID_PRICE
    if order.time_in_force == TimeInForce.GTD and order.until_ns <= tables.time_ns:
        return RejectReason.INVALID_EXPIRY
    if order.order_type in PRICED and outside_band(order):
        return RejectReason.PRICE_OUTSIDE_BAND
    if too_large(tables, order) or command.amount > NOTIONAL_MAX:
        return RejectReason.NOTIONAL_TOO_LARGE
    if order.quantity_lots < instrument.quantity_min:
        return RejectReason.AMOUNT_TOO_SMALL
    return RejectReason.NONE


def outside_band(order: Order) -> bool:
    """Say whether an order's limit is a price that its instrument may not have now."""
    return not order.instrument.band_low <= order.price_ticks <= order.instrument.band_high


def too_large(tables: Tables, order: Order) -> bool:
    """Say whether an order is larger than arithmetic or a limit admits."""
    instrument = order.instrument
    size = max(instrument.notional(order.price_ticks, order.quantity_lots), instrument.units(order.quantity_lots))
    return size > NOTIONAL_MAX or notional_too_large(tables, order)


def refuse_effect(tables: Tables, order: Order) -> RejectReason:
    """Return what an order would do at once that it may not do."""
    continuous = order.instrument.state == TradingState.CONTINUOUS
    if order.flags & OrderFlag.POST_ONLY and continuous and any(crossing(order)):
        return RejectReason.WOULD_TAKE
    if order.stop_ticks and triggered(order):
        return RejectReason.WOULD_TRIGGER
    if not continuous and not order.stop_ticks and crosses_own_group(tables, order):
        return RejectReason.WOULD_CROSS_OWN_GROUP
    return RejectReason.NONE


def refuse_new(tables: Tables, order: Order) -> RejectReason:
    """Return why an account may have no further order like this."""
    base_asset = order.instrument.base_asset
    if too_many_open_orders(tables, order):
        return RejectReason.TOO_MANY_OPEN_ORDERS
    if exceeds_position(tables, order):
        return RejectReason.POSITION_LIMIT
    if order.side == Side.BUY and too_many_holders(tables, order.account, base_asset):
        return RejectReason.HOLDER_LIMIT
    needed = need_of(tables, order)
    if needed > tables.available(order.account, order.held_asset):
        return RejectReason.INSUFFICIENT_BALANCE
    if order.side == Side.SELL and not_yet_transferable(tables, order.account, base_asset, needed):
        return RejectReason.NOT_YET_TRANSFERABLE
    return RejectReason.NONE


def refuse_room(tables: Tables, order: Order, *, named: bool) -> RejectReason:
    """Return which table is too full for a new order."""
    if tables.slots.full():
        return RejectReason.ORDERS_FULL
    if tables.capacity.balances - len(tables.balances) < 2:
        return RejectReason.BALANCES_FULL
    if order.conditional and sum(other.conditional for other in tables.orders.values()) >= tables.capacity.conditions:
        return RejectReason.CONDITIONS_FULL
    if lacks_acquisition(tables, order):
        return RejectReason.ACQUISITIONS_FULL
    if named and tables.client_ids.full(tables.time_ns):
        return RejectReason.RECENT_IDS_FULL
    return RejectReason.NONE


def accept(tables: Tables, order: Order, command: Command) -> None:
    """Give an order its id and its hold, and remember its name."""
    needed = need_of(tables, order)
    base_asset = order.instrument.base_asset
    order.order_id = tables.slots.allocate()
    tables.orders[order.order_id] = order
    tables.accounts[order.account].open_orders += 1
    tables.balance(order.account, base_asset)
    tables.balance(order.account, order.instrument.quote_asset)
    if order.side == Side.BUY and has_maturity(tables, order.account, base_asset):
        tables.acquired.setdefault((order.account, base_asset), {})
    if tables.all_or_none:
        tables.all_or_none.order_ids.append(order.order_id)
    set_hold(tables, order, needed)
    tell_accepted(tables, order)
    if any(command.words):
        tables.client_ids.remember((command.account, command.words), command.time_ns, order.order_id)
        names = ("price_ticks", "quantity_lots", "leaves_lots", "amount", "fee")
        words = dict(zip(names, command.words, strict=True))
        tell_of(tables, EventKind.ORDER_NAMED, order, **words)
    if has_terms(command):
        terms = {"price_ticks": order.stop_ticks, "quantity_lots": order.display_lots, "amount": order.until_ns}
        tell_of(tables, EventKind.ORDER_TERMS, order, **terms)


def tell_of(tables: Tables, kind: EventKind, order: Order, **fields: int) -> None:
    """Tell something of an order besides who it is."""
    tables.emit(kind, account=order.account, instrument=order.instrument.index, order_id=order.order_id, **fields)


def tell_accepted(tables: Tables, order: Order) -> None:
    """Tell an order's terms, and what it holds."""
    tell_of(
        tables,
        EventKind.ORDER_ACCEPTED,
        order,
        side=order.side,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        self_trade_prevention=order.self_trade_prevention,
        flags=order.flags | (OrderFlag.SLEEPING if order.stop_ticks else 0),
        asset=order.instrument.base_asset,
        price_ticks=order.told_price_ticks,
        quantity_lots=order.quantity_lots,
        leaves_lots=order.leaves_lots,
        amount=order.held,
    )


# --- cancels and reductions -------------------------------------------------------------------------------------------


def own_order(tables: Tables, command: Command) -> Order | None:
    """Return the open order that a command means, if it is the account's."""
    order = tables.orders.get(command.order_id)
    return order if order and order.account == command.account else None


def cancel_order(tables: Tables, command: Command) -> RejectReason:
    """End an open order of the account."""
    if reason := refuse_cancel(tables, command):
        return reason
    end_early(tables, EventKind.ORDER_CANCELED, tables.orders[command.order_id], EndReason.REQUESTED)
    return RejectReason.NONE


def refuse_cancel(tables: Tables, command: Command) -> RejectReason:
    """Return why an account may not take back, or lower, an order."""
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    order = own_order(tables, command)
    if order is None:
        return RejectReason.UNKNOWN_ORDER
    if closed(tables, command.account):
        return RejectReason.ACCOUNT_NOT_ACTIVE
    if order.instrument.state in KEEPING_ORDERS:
        return RejectReason.INSTRUMENT_NOT_TRADING
    return RejectReason.NONE


def reduce_order(tables: Tables, command: Command) -> RejectReason:
    """Take lots off an open order, which keeps its place; all that are open, or more, cancel it."""
    if reason := refuse_cancel(tables, command):
        return reason
    if command.quantity_lots < 1:
        return RejectReason.INVALID_QUANTITY
    order = tables.orders[command.order_id]
    if command.quantity_lots >= order.leaves_lots:
        end_early(tables, EventKind.ORDER_CANCELED, order, EndReason.REQUESTED)
    else:
        shrink(tables, order, command.quantity_lots)
    return RejectReason.NONE


# --- replaces ---------------------------------------------------------------------------------------------------------


def replace_order(tables: Tables, command: Command) -> RejectReason:
    """Change price or total quantity of an open order; only less of the same price keeps its place in the book."""
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    order = own_order(tables, command)
    if order is None:
        return RejectReason.UNKNOWN_ORDER
    if tables.accounts[command.account].state != AccountState.ACTIVE:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    if too_fast(tables, command.account):
        return RejectReason.TOO_MANY_MESSAGES
    if order.instrument.state not in TAKING_ORDERS - {TradingState.CALL_NO_CANCEL}:
        return RejectReason.INSTRUMENT_NOT_TRADING
    keeps = keeps_priority(order, command)
    if not keeps and (order.asleep or order.unpriced):
        return RejectReason.NOT_REPLACEABLE
    rates = order.rates if keeps else order.instrument.rates[tables.accounts[order.account].tier]
    revised = revise(order, command, rates)
    reason = refuse_revised(tables, revised) or (RejectReason.NONE if keeps else refuse_anew(tables, order, revised))
    if reason == RejectReason.NONE and keeps:
        shrink(tables, order, order.leaves_lots - revised.leaves_lots)
    elif reason == RejectReason.NONE:
        reprice(tables, order, revised)
    return reason


def revise(order: Order, command: Command, rates: Rates) -> Order:
    """Return the order as the command wants it."""
    quantity_lots = command.quantity_lots or order.quantity_lots
    return replace(
        order,
        price_ticks=command.price_ticks or order.price_ticks,
        quantity_lots=quantity_lots,
        leaves_lots=order.leaves_lots + quantity_lots - order.quantity_lots,
        rates=rates,
    )


def keeps_priority(order: Order, command: Command) -> bool:
    """Say whether a replace leaves an order its place: the same price, not more of it, and no wish to requeue."""
    return (
        command.price_ticks in {0, order.told_price_ticks}
        and command.quantity_lots <= order.quantity_lots
        and not command.flags & OrderFlag.REQUEUE
    )


def refuse_revised(tables: Tables, revised: Order) -> RejectReason:
    """Return why an instrument does not admit what a replace would make of an order."""
    instrument = revised.instrument
    if not instrument.quantity_min <= revised.quantity_lots <= instrument.quantity_max:
        return RejectReason.INVALID_QUANTITY
    if not revised.unpriced and not 1 <= revised.price_ticks <= PRICE_TICKS_MAX:
        return RejectReason.INVALID_PRICE
    if not revised.unpriced and outside_band(revised):
        return RejectReason.PRICE_OUTSIDE_BAND
    if too_large(tables, revised):
        return RejectReason.NOTIONAL_TOO_LARGE
    if revised.leaves_lots <= 0:
        return RejectReason.QUANTITY_BELOW_FILLED
    return RejectReason.NONE


def refuse_anew(tables: Tables, order: Order, revised: Order) -> RejectReason:
    """Return why an order may not come anew with other terms."""
    if reason := refuse_effect(tables, revised):
        return reason
    if exceeds_position(tables, revised):
        return RejectReason.POSITION_LIMIT
    needed = revised.need() - order.held
    if needed > tables.available(order.account, order.held_asset):
        return RejectReason.INSUFFICIENT_BALANCE
    if order.side == Side.SELL and not_yet_transferable(tables, order.account, order.held_asset, needed):
        return RejectReason.NOT_YET_TRANSFERABLE
    return RejectReason.NONE


def shrink(tables: Tables, order: Order, lots: int) -> None:
    """Take lots off; the order keeps its place."""
    before = order.leaves_lots, order.told_price_ticks
    take_off(order, lots)
    trim_hold(tables, order)
    emit_replaced(tables, order, *before, OrderFlag.KEPT_PRIORITY)


def reprice(tables: Tables, order: Order, revised: Order) -> None:
    """Take the new terms as if the order came anew."""
    before = order.leaves_lots, order.price_ticks
    leave(order)
    order.price_ticks, order.rates = revised.price_ticks, revised.rates
    order.quantity_lots, order.leaves_lots = revised.quantity_lots, revised.leaves_lots
    set_hold(tables, order, order.need())
    emit_replaced(tables, order, *before, 0)
    if order.instrument.state in COLLECTING:
        rest(order)
    else:
        wake(tables, order.instrument, match(tables, order))


def emit_replaced(tables: Tables, order: Order, old_leaves_lots: int, old_price_ticks: int, flags: int) -> None:
    """Tell an order's new terms, and what they were."""
    tell_of(
        tables,
        EventKind.ORDER_REPLACED,
        order,
        side=order.side,
        flags=flags,
        price_ticks=order.told_price_ticks,
        quantity_lots=order.quantity_lots,
        leaves_lots=order.leaves_lots,
        amount=order.held,
        fee=old_leaves_lots,
        counter_fee=old_price_ticks,
    )
