"""The book of the readable engine: where orders stand or sleep, what they hold, how they end.

A side is sorted by rank, so that its first orders are the best on either side; within a rank, by time.
"""

from collections import OrderedDict
from collections.abc import Iterator

from exchange.core.reference_tables import Instrument, Order, Tables
from exchange.core.types import (
    PRICE_TICKS_MAX,
    WORK_MAX,
    EndReason,
    EventKind,
    OrderFlag,
    SelfTradePrevention,
    Side,
)

TOLD_FLAGS = OrderFlag.ICEBERG | OrderFlag.QUOTE  # what an end tells of the order itself

# --- where orders stand -----------------------------------------------------------------------------------------------


def rank(side: Side, price_ticks: int) -> int:
    """Return the sort key of a price on its side of the book: lower is better."""
    return -price_ticks if side == Side.BUY else price_ticks


def rank_of(order: Order) -> int:
    """Return the sort key of an order: one without a price is better than any price."""
    if order.unpriced:
        return -(PRICE_TICKS_MAX + 1)
    return rank(order.side, order.price_ticks)


def opposite(side: Side) -> Side:
    """Return the other side."""
    return Side.SELL if side == Side.BUY else Side.BUY


def crosses(order: Order, other: Order) -> bool:
    """Say whether two orders of opposite sides could trade at some price."""
    if order.unpriced or other.unpriced:
        return True
    buy, sell = (order, other) if order.side == Side.BUY else (other, order)
    return buy.price_ticks >= sell.price_ticks


def crossing(order: Order) -> Iterator[Order]:
    """Yield the resting orders that an order could trade with, best price first, oldest first."""
    for makers in order.instrument.sides[opposite(order.side)].values():
        for maker in makers.values():
            if not crosses(order, maker):
                return
            yield maker


def resting(instrument: Instrument, side: Side) -> Iterator[Order]:
    """Yield the orders on one side of the book, best price first, oldest first."""
    for orders in instrument.sides[side].values():
        yield from orders.values()


def sleeping(instrument: Instrument, side: Side) -> Iterator[Order]:
    """Yield the stops of a side: those that wake first come first, buys the lowest price, sells the highest."""
    for orders in instrument.asleep[side].values():
        yield from orders.values()


def open_orders(tables: Tables, instrument: Instrument) -> Iterator[Order]:
    """Yield the open orders of an instrument, sleeping ones too, in order of acceptance."""
    return (order for order in tables.orders.values() if order.instrument is instrument)


def rest(order: Order) -> None:
    """Put an order on the book, last at its price; of an iceberg only a part is displayed."""
    side = order.instrument.sides[order.side]
    side.setdefault(rank_of(order), OrderedDict())[order.order_id] = order
    order.resting = True
    order.hidden_lots = max(0, order.leaves_lots - order.display_lots) if order.display_lots else 0


def sleep(order: Order) -> None:
    """Let a stop wait for a trade at its stop price."""
    side = order.instrument.asleep[order.side]
    side.setdefault(rank(opposite(order.side), order.stop_ticks), OrderedDict())[order.order_id] = order
    order.asleep = True


def leave(order: Order) -> None:
    """Take an order off the book, or wake it; it is one quantity again."""
    side, key = order.instrument.sides[order.side], rank_of(order)
    if order.asleep:
        side, key = order.instrument.asleep[order.side], rank(opposite(order.side), order.stop_ticks)
    del side[key][order.order_id]
    if not side[key]:
        del side[key]
    order.resting = order.asleep = False
    order.hidden_lots = 0


def take_off(order: Order, lots: int) -> None:
    """Lower what is open of an order, hidden lots first."""
    order.leaves_lots -= lots
    order.quantity_lots -= lots
    order.hidden_lots = max(0, order.hidden_lots - lots)


# --- holds and ends ---------------------------------------------------------------------------------------------------


def set_hold(tables: Tables, order: Order, held: int) -> None:
    """Give or take the difference of a hold from the available balance."""
    balance = tables.balance(order.account, order.held_asset)
    balance.available += order.held - held
    balance.held += held - order.held
    order.held = held


def trim_hold(tables: Tables, order: Order) -> None:
    """Release what an order no longer needs."""
    set_hold(tables, order, min(order.held, order.need()))


def end(tables: Tables, order: Order) -> None:
    """Release an order's hold and its slot."""
    if order.resting or order.asleep:
        leave(order)
    set_hold(tables, order, 0)
    tables.accounts[order.account].open_orders -= 1
    del tables.orders[order.order_id]
    tables.slots.release(order.slot)


def end_flags(order: Order) -> int:
    """Return what the end of an order tells of where it stood and what it was."""
    if order.asleep:
        return OrderFlag.SLEEPING
    if order.resting:
        return OrderFlag.RESTING | (order.flags & (TOLD_FLAGS | OrderFlag.UNPRICED))
    return order.flags & TOLD_FLAGS


def end_early(tables: Tables, kind: EventKind, order: Order, reason: EndReason) -> None:
    """End an order that is not filled, and say why."""
    tables.emit(
        kind,
        side=order.side,
        reason=reason,
        order_type=order.order_type,
        flags=end_flags(order),
        account=order.account,
        instrument=order.instrument.index,
        order_id=order.order_id,
        price_ticks=order.told_price_ticks,
        quantity_lots=order.quantity_lots,
        leaves_lots=order.leaves_lots,
        amount=order.held,
    )
    end(tables, order)


def expire(tables: Tables, order: Order, reason: EndReason) -> None:
    """End an order by rule."""
    end_early(tables, EventKind.ORDER_EXPIRED, order, reason)


def replenish(tables: Tables, order: Order) -> None:
    """Display the next part of an iceberg, behind all others at its price."""
    leave(order)
    rest(order)
    tables.emit(
        EventKind.ORDER_REPLENISHED,
        side=order.side,
        account=order.account,
        instrument=order.instrument.index,
        order_id=order.order_id,
        price_ticks=order.price_ticks,
        quantity_lots=order.displayed_lots,
        leaves_lots=order.hidden_lots,
    )


# --- what an order would find -----------------------------------------------------------------------------------------


def may_trade(tables: Tables, taker: Order, maker: Order) -> bool:
    """Say whether two orders may trade with each other: one group only if the taker has no prevention."""
    return taker.self_trade_prevention == SelfTradePrevention.NONE or not tables.same_group(
        taker.account, maker.account
    )


def walk(tables: Tables, taker: Order) -> Iterator[tuple[Order, int]]:
    """Yield the makers and the lots of each that a taker would find, in the order of a match; 0 lots of its own group.

    At a price the displayed lots come first, then what is hidden behind them. The walk has the match's limit of work.
    """
    visits = 0
    levels: dict[int, list[Order]] = {}
    for maker in crossing(taker):
        levels.setdefault(maker.price_ticks, []).append(maker)
    for makers in levels.values():
        for maker in makers:
            if visits >= WORK_MAX:
                return
            visits += 1
            yield maker, maker.displayed_lots if may_trade(tables, taker, maker) else 0
        for maker in makers:
            if not maker.hidden_lots or not may_trade(tables, taker, maker):
                continue
            if visits >= WORK_MAX:
                return
            visits += -(-maker.hidden_lots // maker.display_lots)
            yield maker, maker.hidden_lots
