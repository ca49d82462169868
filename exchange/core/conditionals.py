"""What only some orders have: a limit apart from where they stand, a hidden part, an end in time.

A row of conditions goes with such an order. An iceberg shows a part of its open lots, and the next part at the back of
its level when that is gone.
"""

from exchange.core.book import order_id_of, put, unlink
from exchange.core.jit import Record, int64, kernel, routine
from exchange.core.telling import say
from exchange.core.types import NIL, EventKind, OrderFlag


@kernel
def conditions_free(state: Record) -> int:
    """Count the rows that orders may still take."""
    return len(state.conditions) - state.condition_count + state.free_condition_count


@routine
def add_condition(state: Record, command: Record, slot: int, limit_ticks: int) -> None:
    """Give an order a row of conditions, all of it displayed still; there must be room."""
    number = state.free_condition
    if number == NIL:
        number = state.condition_count
        state.condition_count += 1
    else:
        state.free_condition = int64(state.conditions[number].next)
        state.free_condition_count -= 1
    condition = state.conditions[number]
    condition.hidden = 0
    condition.until_ns = command.until_ns
    condition.limit_ticks = limit_ticks
    condition.display = command.display_lots
    state.details[slot].condition = number


@routine
def free_condition(state: Record, slot: int) -> None:
    """Give an order's row of conditions back."""
    number = int64(state.details[slot].condition)
    state.conditions[number].next = state.free_condition
    state.free_condition = number
    state.free_condition_count += 1
    state.details[slot].condition = NIL


@kernel
def shown_price(state: Record, slot: int) -> int:
    """Return an order's limit as its events tell it: 0 for one without a price."""
    order = state.orders[slot]
    if order.flags & OrderFlag.UNPRICED:
        return 0
    if order.flags & OrderFlag.SLEEPING:
        return int64(state.conditions[state.details[slot].condition].limit_ticks)
    return int64(order.price_ticks)


@routine
def hide(state: Record, slot: int) -> None:
    """Leave only the displayed part of an iceberg that is about to rest."""
    order = state.orders[slot]
    condition = state.conditions[state.details[slot].condition]
    total = order.leaves + condition.hidden
    order.leaves = min(total, int64(condition.display))
    condition.hidden = total - order.leaves


@routine
def show_all(state: Record, slot: int) -> None:
    """Make an iceberg one displayed quantity, as it is when it arrives."""
    condition = state.conditions[state.details[slot].condition]
    state.orders[slot].leaves += condition.hidden
    condition.hidden = 0


@routine
def take_off(state: Record, slot: int, lots: int) -> None:
    """Lower the open lots of an order, hidden ones first."""
    order = state.orders[slot]
    if order.flags & OrderFlag.ICEBERG:
        condition = state.conditions[state.details[slot].condition]
        hidden = min(lots, condition.hidden)
        condition.hidden -= hidden
        lots -= hidden
    order.leaves -= lots
    if order.leaves == 0 and order.flags & OrderFlag.ICEBERG:
        hide(state, slot)


@routine
def replenish(state: Record, command: Record, output: Record, slot: int) -> bool:
    """Show the next part of an iceberg whose displayed lots are gone, behind its level; tell whether there was one."""
    order = state.orders[slot]
    detail = state.details[slot]
    if order.flags & OrderFlag.ICEBERG == 0 or state.conditions[detail.condition].hidden == 0:
        return False
    hide(state, slot)
    if order.next != NIL:
        unlink(state, slot)
        put(state, slot)
    event = say(command, output, EventKind.ORDER_REPLENISHED)
    event.side = order.side
    event.account = order.account
    event.instrument = detail.instrument
    event.order_id = order_id_of(state, slot)
    event.price_ticks = order.price_ticks
    event.quantity_lots = order.leaves
    event.leaves_lots = state.conditions[detail.condition].hidden
    return True
