"""Stops: asleep until the last trade reaches their stop price, then takers like any other.

They wake one after the other: of those triggered the buys first, from the lowest stop price up, then the sells, from
the highest down, first in, first out. What one of them trades may trigger the next.
"""

from exchange.core.accounts import list_order
from exchange.core.book import head_of, order_id_of, put, unlink
from exchange.core.jit import Record, int64, kernel, routine
from exchange.core.matching import execute
from exchange.core.telling import say
from exchange.core.types import NIL, WORK_MAX, EventKind, OrderFlag, Side, TradingState

_SELLS, _BUYS = 2, 3  # queues


@kernel
def is_triggered(side: int, stop_ticks: int, last_ticks: int) -> bool:
    """Tell whether the last trade (0: none) has reached a stop price."""
    if last_ticks == 0:
        return False
    return last_ticks >= stop_ticks if side == Side.BUY else last_ticks <= stop_ticks


@routine
def sleep(state: Record, slot: int, stop_ticks: int) -> None:
    """Put a stop to where it waits."""
    order = state.orders[slot]
    order.price_ticks = stop_ticks
    order.flags |= OrderFlag.SLEEPING
    list_order(state, slot)
    put(state, slot)


@routine
def _next_triggered(state: Record, instrument: Record) -> int:
    """Return the stop that wakes next, NIL if none does."""
    last = int64(instrument.last_ticks)
    buys, sells = instrument.queues[_BUYS], instrument.queues[_SELLS]
    if buys.best_node != NIL and is_triggered(Side.BUY, int64(buys.best_price), last):
        return head_of(state, int64(buys.best_node), int64(buys.best_price))
    if sells.best_node != NIL and is_triggered(Side.SELL, int64(sells.best_price), last):
        return head_of(state, int64(sells.best_node), int64(sells.best_price))
    return NIL


@routine
def _wake(state: Record, command: Record, output: Record, slot: int) -> int:
    """Make a sleeping stop a taker; return how many makers it met."""
    order = state.orders[slot]
    detail = state.details[slot]
    stop_ticks = int64(order.price_ticks)
    unlink(state, slot)
    order.price_ticks = state.conditions[detail.condition].limit_ticks
    order.flags = int64(order.flags) & ~OrderFlag.SLEEPING
    event = say(command, output, EventKind.ORDER_TRIGGERED)
    event.side = order.side
    event.order_type = order.order_type
    event.account = order.account
    event.instrument = detail.instrument
    event.order_id = order_id_of(state, slot)
    event.price_ticks = order.price_ticks
    event.quantity_lots = detail.quantity
    event.leaves_lots = order.leaves
    event.amount = stop_ticks
    return execute(state, command, output, slot)


@routine
def wake_stops(state: Record, command: Record, output: Record, index: int, work: int) -> int:
    """Wake what the last trade has triggered while there is work left; return how many woke.

    `work` is what the command has used of WORK_MAX. A woken stop may meet WORK_MAX makers of its own.
    """
    instrument = state.instruments[index]
    woken = 0
    while instrument.state == TradingState.CONTINUOUS:
        slot = _next_triggered(state, instrument)
        if slot == NIL:
            break
        if work >= WORK_MAX:
            event = say(command, output, EventKind.STOPS_WAITING)
            event.instrument = index
            break
        work += 1 + _wake(state, command, output, slot)
        woken += 1
    return woken


@kernel
def wake_if_any(state: Record, command: Record, output: Record, index: int, work: int) -> None:
    """Wake stops where there are some."""
    queues = state.instruments[index].queues
    if queues[_BUYS].best_node != NIL or queues[_SELLS].best_node != NIL:
        wake_stops(state, command, output, index, work)
