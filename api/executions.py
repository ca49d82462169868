"""What happened to orders, exactly: each event of an account with how its order stood right after it.

The order histories know how an order stands now; a report says how it stood after one event of it. So an account's
events are walked backwards from now, taking back what each event did: every report is exact, however many fills one
order had since, and however long ago.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from exchange.asked import Asked
from exchange.core.types import CommandKind, EventKind
from exchange.events import Event
from exchange.marketdata.orders import OrderView

FindOrder = Callable[[int], OrderView | None]
OF_ORDERS = frozenset(
    (
        EventKind.ORDER_ACCEPTED,
        EventKind.TRADED,
        EventKind.ORDER_CANCELED,
        EventKind.ORDER_EXPIRED,
        EventKind.ORDER_REPLACED,
        EventKind.ORDER_TRIGGERED,
        EventKind.MATCH_PREVENTED,
    )
)
_TRADED, _REPLACED = int(EventKind.TRADED), int(EventKind.ORDER_REPLACED)
_PREVENTED, _REJECTED = int(EventKind.MATCH_PREVENTED), int(EventKind.COMMAND_REJECTED)


class Entry(NamedTuple):
    """One event of an account's own sequence."""

    sequence: int
    number: int  # of the event
    event: Event
    is_counter: bool  # the account is the event's second party: the maker of a trade, the receiver of a transfer


class Execution(NamedTuple):
    """One event of one order, and how the order stood right after it."""

    entry: Entry
    order: OrderView  # for what does not change
    filled_lots: int
    quote_filled: int
    quantity_lots: int
    price_ticks: int


class _Standing:
    """What may still be taken back of one order."""

    __slots__ = ("filled_lots", "order", "price_ticks", "quantity_lots", "quote_filled")

    def __init__(self, order: OrderView) -> None:
        self.order = order
        self.filled_lots = order.filled_lots
        self.quote_filled = order.quote_filled
        self.quantity_lots = order.quantity_lots
        self.price_ticks = order.price_ticks

    def take_back(self, event: Event) -> None:
        """Go back to before an event."""
        if event.kind == _TRADED:
            self.filled_lots -= event.quantity_lots
            self.quote_filled -= event.amount
        elif event.kind == _REPLACED:
            self.quantity_lots = self.filled_lots + event.fee  # leaves before
            self.price_ticks = event.counter_fee  # price before
        elif event.kind == _PREVENTED:
            self.quantity_lots += event.quantity_lots


def executions(entries: Sequence[Entry], find: FindOrder) -> list[Execution | None]:
    """Return what each of an account's latest entries did to an order, None for what is not about one.

    `find` knows orders as they stand after the last entry. Raises LookupError if an order is forgotten already.
    """
    standings: dict[int, _Standing] = {}
    found: list[Execution | None] = []
    for entry in reversed(entries):
        event = entry.event
        if event.kind not in OF_ORDERS:
            found.append(None)
            continue
        order_id = event.counter_order_id if entry.is_counter else event.order_id
        standing = standings.get(order_id)
        if standing is None:
            standing = standings[order_id] = _Standing(_known(find, order_id))
        found.append(
            Execution(
                entry,
                standing.order,
                standing.filled_lots,
                standing.quote_filled,
                standing.quantity_lots,
                standing.price_ticks,
            )
        )
        standing.take_back(event)
    found.reverse()
    return found


def is_refused_order(event: Event) -> bool:
    """Return whether an account's event is the refusal of an order that was to take another one's place."""
    return event.kind == _REJECTED and event.state == CommandKind.NEW_ORDER


def refused_order(entry: Entry, asked: Asked, order_id: int) -> Execution:
    """Return the refusal of an order, under the id that a dialect has for those that never were one."""
    event = entry.event
    order = OrderView(
        order_id, event.account, event.instrument, event.side, event.order_type, event.time_in_force,
        event.self_trade_prevention, event.flags, event.price_ticks, event.quantity_lots, event.time_ns, event.time_ns,
        asked.client_order_id, stop_ticks=asked.stop_ticks, display_lots=asked.display_lots, until_ns=asked.until_ns,
    )  # fmt: skip
    return Execution(entry, order, 0, 0, event.quantity_lots, event.price_ticks)


def entries_of(account: int, numbered: Sequence[tuple[int, int]], row_of: Callable[[int], Event]) -> list[Entry]:
    """Return an account's events as entries; the second mention of one number is of the event's second party."""
    found: list[Entry] = []
    before = 0
    for sequence, number in numbered:
        event = row_of(number)
        found.append(Entry(sequence, number, event, event.account != account or number == before))
        before = number
    return found


def _known(find: FindOrder, order_id: int) -> OrderView:
    order = find(order_id)
    if order is None:
        raise LookupError(f"order {order_id} is forgotten")
    return order
