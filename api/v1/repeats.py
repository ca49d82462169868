"""A batch of all or none that was sent before, found again by the client order ids of its orders.

What became of it is read from the event log: the batch stood in the journal as one run of commands, so the place of one
known order gives the places of all. A batch whose first order was refused left no id behind; it is simply tried again.
"""

from collections.abc import Sequence

from api.errors import RequestError
from api.v1.desk import Desk
from api.v1.orders import listed, texts_of
from api.v1.orderschemas import NewOrder
from exchange.core.types import EventKind
from exchange.events import Event, EventLog, rows
from exchange.marketdata.orders import OrderView

EVENTS_READ = 1_024  # at once; an order of such a batch has three events or four


class Repeat:
    """What is known of a batch from before: the orders whose ids are taken, and what became of each of all."""

    def __init__(self, known: set[int], events: list[list[Event]] | None) -> None:
        self.known = known  # places in the batch
        self.events = events  # of each order's command; None if these ids were not sent together like this


def sent_before(desk: Desk, account: int, orders: Sequence[NewOrder]) -> Repeat | None:
    """Return what became of a batch when it was first sent, None if no id of it is known."""
    found = {place: order for place, one in enumerate(orders) if (order := _named(desk, account, one)) is not None}
    if not found:
        return None
    place, order = next(iter(found.items()))
    begun = desk.exchange.events.of_command(order.event_number)[0].sequence - place - 1
    commands = _commands(desk.exchange.events, begun, len(orders) + 1)
    head = commands[0][0]
    is_batch = (head.kind, head.account, head.quantity_lots) == (EventKind.BATCH_BEGUN, account, len(orders))
    is_same = is_batch and all(_is_same(desk, one, events[0]) for one, events in zip(orders, commands[1:], strict=True))
    return Repeat(set(found), commands[1:] if is_same else None)


def _named(desk: Desk, account: int, order: NewOrder) -> OrderView | None:
    name = order.client_order_id
    return desk.exchange.orders.by_client_id(account, name) if name else None


def _is_same(desk: Desk, order: NewOrder, first: Event) -> bool:
    """Return whether an order asks what the command asked whose first event this is."""
    if first.kind == EventKind.ORDER_ACCEPTED:
        view = desk.exchange.orders.order(first.order_id)
        if view is None or view.client_order_id != (order.client_order_id or ""):
            return False
    elif first.kind != EventKind.COMMAND_REJECTED:
        return False
    try:
        return desk.gateway.is_same(first, texts_of(order), listed(desk, order.symbol))
    except RequestError:
        return False


def _commands(log: EventLog, sequence: int, count: int) -> list[list[Event]]:
    """Return the events of so many commands from one on, command by command."""
    found: dict[int, list[Event]] = {}
    after = log.first_of(sequence) - 1
    while events := rows(log.read(after, EVENTS_READ)):
        after += len(events)
        for event in events:
            if event.sequence >= sequence + count:
                return list(found.values())
            found.setdefault(event.sequence, []).append(event)
    return list(found.values())
