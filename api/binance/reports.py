"""What the owner of an account is told: execution reports, balances, and money that comes and goes.

The order histories know how an order stands after a whole batch; a report says how it stood after one event of it. So a
batch is walked backwards from there, taking back what each event did: every report is exact, however many fills one
order had in a batch.
"""

from collections.abc import Callable, Container, Sequence
from typing import Any, NamedTuple

from api.binance.replies import PREVENTIONS, SIDES, TIMES_IN_FORCE, shown_ticks, type_name
from api.binance.texts import InstrumentTexts
from exchange.core.types import EndReason, EventKind, OrderFlag, OrderType, SelfTradePrevention, TimeInForce
from exchange.events import Event
from exchange.marketdata.orders import OrderView

MILLISECOND_NS = 1_000_000
Body = dict[str, Any]
FindOrder = Callable[[int], OrderView | None]

_REPORTED = {
    EventKind.ORDER_ACCEPTED: "NEW",
    EventKind.TRADED: "TRADE",
    EventKind.ORDER_CANCELED: "CANCELED",
    EventKind.ORDER_EXPIRED: "EXPIRED",
    EventKind.ORDER_REPLACED: "REPLACED",
    EventKind.MATCH_PREVENTED: "TRADE_PREVENTION",
}
_IN_THE_TWO = (EventKind.TRADED, EventKind.MATCH_PREVENTED)  # events of two orders


class Execution(NamedTuple):
    """One event of one order, and how the order stood right after it."""

    event: Event
    number: int  # of the event
    order: OrderView  # for what does not change
    is_counter: bool  # the order is the maker of a trade or of a prevented match
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
        if event.kind == EventKind.TRADED:
            self.filled_lots -= event.quantity_lots
            self.quote_filled -= event.amount
        elif event.kind == EventKind.ORDER_REPLACED:
            self.quantity_lots = self.filled_lots + event.fee  # leaves before
            self.price_ticks = event.counter_fee  # price before
        elif event.kind == EventKind.MATCH_PREVENTED:
            self.quantity_lots += event.quantity_lots


def executions(rows: Sequence[Event], first_number: int, watched: Container[int], find: FindOrder) -> list[Execution]:
    """Return what happened to orders of watched accounts, in order; `find` knows orders as they stand after it all.

    Raises LookupError if an order is forgotten already.
    """
    standings: dict[int, _Standing] = {}
    found: list[Execution] = []
    for index in range(len(rows) - 1, -1, -1):
        event = rows[index]
        for is_counter in _roles(event, watched):
            order_id = event.counter_order_id if is_counter else event.order_id
            standing = standings.get(order_id)
            if standing is None:
                standing = standings[order_id] = _Standing(_known(find, order_id))
            found.append(_execution(event, first_number + index, standing, is_counter=is_counter))
            standing.take_back(event)
    found.reverse()
    return found


def _roles(event: Event, watched: Container[int]) -> list[bool]:
    """Return whose view of an event to report, last first: the counterparty's, then the order's own."""
    if event.kind not in _REPORTED:
        return []
    if event.kind == EventKind.MATCH_PREVENTED and event.self_trade_prevention != SelfTradePrevention.DECREMENT:
        return []  # the report that the order expired says it
    roles = [True] if event.kind in _IN_THE_TWO and event.counter_account in watched else []
    return [*roles, False] if event.account in watched else roles


def _known(find: FindOrder, order_id: int) -> OrderView:
    order = find(order_id)
    if order is None:
        raise LookupError(f"order {order_id} is forgotten")
    return order


def _execution(event: Event, number: int, standing: _Standing, *, is_counter: bool) -> Execution:
    return Execution(
        event,
        number,
        standing.order,
        is_counter,
        standing.filled_lots,
        standing.quote_filled,
        standing.quantity_lots,
        standing.price_ticks,
    )


def execution_report(execution: Execution, name: str, texts: InstrumentTexts, fee_asset: str) -> Body:
    """Return one executionReport; `name` is the client order id that the order goes by."""
    event, order = execution.event, execution.order
    kind, status = _kind_and_status(execution)
    body = {
        "e": "executionReport",
        "E": event.time_ns // MILLISECOND_NS,
        "s": texts.symbol,
        "c": name,
        **_terms(execution, texts),
        "C": name if kind == "CANCELED" else "",
        "x": kind,
        "X": status,
        "r": "NONE",
        "i": order.order_id,
        "z": texts.quantity(execution.filled_lots),
        "Z": texts.amount(execution.quote_filled),
        "T": event.time_ns // MILLISECOND_NS,
        "I": execution.number,
        "w": status in {"NEW", "PARTIALLY_FILLED"} and _rests(execution),
        **_fill(execution, texts, fee_asset),
    }
    return body | _prevention(execution, texts) if event.kind == EventKind.MATCH_PREVENTED else body


def _rests(execution: Execution) -> bool:
    """Return whether the order is on the book by this event, or on its way there: a sleeping stop is not."""
    order = execution.order
    if execution.event.kind == EventKind.ORDER_ACCEPTED and execution.event.flags & OrderFlag.SLEEPING:
        return False
    is_priced = order.order_type in {OrderType.LIMIT, OrderType.STOP_LIMIT}
    return is_priced and order.time_in_force not in {TimeInForce.IOC, TimeInForce.FOK}


def _terms(execution: Execution, texts: InstrumentTexts) -> Body:
    """Return what the order asks for, and the terms of the dialect that no order here has."""
    order = execution.order
    time_ms = order.time_ns // MILLISECOND_NS
    return {
        "S": SIDES[order.side],
        "o": type_name(order.order_type, order.flags),
        "f": TIMES_IN_FORCE[order.time_in_force],
        "q": texts.quantity(execution.quantity_lots),
        "p": texts.price(shown_ticks(order.order_type, execution.price_ticks)),
        "P": texts.price(order.stop_ticks),
        "F": texts.quantity(order.display_lots),
        "g": -1,
        "O": time_ms,
        "W": time_ms,
        "Q": texts.amount(0),
        "V": PREVENTIONS[order.self_trade_prevention],
    }


def _fill(execution: Execution, texts: InstrumentTexts, fee_asset: str) -> Body:
    """Return what was traded by this event, all zero if nothing was."""
    event = execution.event
    if event.kind != EventKind.TRADED:
        zero = texts.amount(0)
        nothing = {"l": texts.quantity(0), "L": texts.price(0), "n": zero, "Y": zero}
        return nothing | {"N": None, "t": -1, "m": False, "M": False}
    return {
        "l": texts.quantity(event.quantity_lots),
        "L": texts.price(event.price_ticks),
        "n": texts.amount(event.counter_fee if execution.is_counter else event.fee),
        "N": fee_asset,
        "t": event.trade_id,
        "m": execution.is_counter,
        "M": True,
        "Y": texts.amount(event.amount),
    }


def _kind_and_status(execution: Execution) -> tuple[str, str]:
    event = execution.event
    kind = _REPORTED[EventKind(event.kind)]
    if event.kind == EventKind.ORDER_CANCELED:
        return kind, "CANCELED"
    if event.kind == EventKind.ORDER_EXPIRED:
        is_prevented = event.reason == EndReason.SELF_TRADE
        return ("TRADE_PREVENTION", "EXPIRED_IN_MATCH") if is_prevented else (kind, "EXPIRED")
    if not execution.filled_lots:
        return kind, "NEW"
    is_filled = event.kind == EventKind.TRADED and execution.filled_lots == execution.quantity_lots
    return kind, "FILLED" if is_filled else "PARTIALLY_FILLED"


def _prevention(execution: Execution, texts: InstrumentTexts) -> Body:
    event = execution.event
    return {
        "v": execution.number,
        "U": event.order_id if execution.is_counter else event.counter_order_id,
        "B": texts.quantity(event.quantity_lots),
    }


def balance_update(event: Event, asset: str, amount: str) -> Body:
    """Return the balanceUpdate of money or rights that came or went."""
    time_ms = event.time_ns // MILLISECOND_NS
    return {"e": "balanceUpdate", "E": time_ms, "a": asset, "d": amount, "T": time_ms}


def account_position(now_ms: int, update_ns: int, balances: Sequence[tuple[str, str, str]]) -> Body:
    """Return the outboundAccountPosition that says how balances stand: asset, free, locked."""
    return {
        "e": "outboundAccountPosition",
        "E": now_ms,
        "u": update_ns // MILLISECOND_NS,
        "B": [{"a": asset, "f": free, "l": locked} for asset, free, locked in balances],
    }
