"""What the owner of an account is told: execution reports, balances, and money that comes and goes.

Beyond the dialect every message of an event carries `sq`, its number in the account's own sequence.
"""

from collections.abc import Sequence
from typing import Any

from api.binance.replies import PREVENTIONS, SIDES, TIMES_IN_FORCE, shown_ticks, type_name
from api.binance.texts import InstrumentTexts
from api.executions import Entry, Execution
from exchange.core.types import AccountState, EndReason, EventKind, OrderType, RejectReason, Side, TimeInForce

MILLISECOND_NS = 1_000_000
Body = dict[str, Any]

_REPORTED = {
    EventKind.ORDER_ACCEPTED: "NEW",
    EventKind.TRADED: "TRADE",
    EventKind.ORDER_CANCELED: "CANCELED",
    EventKind.ORDER_EXPIRED: "EXPIRED",
    EventKind.ORDER_REPLACED: "REPLACED",
    EventKind.MATCH_PREVENTED: "TRADE_PREVENTION",
    EventKind.ORDER_TRIGGERED: "NEW",  # it is on its way to the book now
    EventKind.COMMAND_REJECTED: "REJECTED",
}
# where the dialect has a word for a refusal; others go by ours
_REASONS = {
    RejectReason.INSUFFICIENT_BALANCE: "INSUFFICIENT_BALANCES",
    RejectReason.WOULD_TRIGGER: "STOP_PRICE_WOULD_TRIGGER_IMMEDIATELY",
    RejectReason.WOULD_TAKE: "WOULD_MATCH_IMMEDIATELY",
}
REJECTED_ID = -1  # of an order that never was one

_LAST_WORDS = frozenset((EventKind.ORDER_CANCELED, EventKind.COMMAND_REJECTED))
_STOPS = frozenset((OrderType.STOP, OrderType.STOP_LIMIT))


def execution_report(
    execution: Execution,
    name: str,
    texts: InstrumentTexts,
    fee_asset: str,
    unit_ns: int = MILLISECOND_NS,
    amount: int = 0,
) -> Body:
    """Return one executionReport; `name` is what the order goes by, `amount` what a market order was to spend."""
    event, order = execution.entry.event, execution.order
    kind, status = kind_and_status(execution)
    body = {
        "e": "executionReport",
        "E": event.time_ns // unit_ns,
        "s": texts.symbol,
        "c": name,
        **_terms(execution, texts, unit_ns, amount),
        "C": name if kind == "CANCELED" else "",
        "x": kind,
        "X": status,
        "r": _reason(event.reason) if kind == "REJECTED" else "NONE",
        "i": order.order_id,
        "z": texts.quantity(execution.filled_lots),
        "Z": texts.amount(execution.quote_filled),
        "T": event.time_ns // unit_ns,
        "I": execution.entry.number,
        "sq": execution.entry.sequence,
        "w": status in {"NEW", "PARTIALLY_FILLED"} and _rests(execution),
        **_fill(execution, texts, fee_asset),
    }
    return body | _prevention(execution, texts) if event.kind == EventKind.MATCH_PREVENTED else body


def _reason(reason: int) -> str:
    found = RejectReason(reason)
    return _REASONS.get(found, found.name)


def _rests(execution: Execution) -> bool:
    """Return whether the order is on the book by this event, or on its way there: a sleeping stop is not."""
    order = execution.order
    is_priced = order.order_type in {OrderType.LIMIT, OrderType.STOP_LIMIT}
    is_immediate = order.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}
    return is_priced and not is_immediate and _working_ns(execution) is not None


def _terms(execution: Execution, texts: InstrumentTexts, unit_ns: int, amount: int) -> Body:
    """Return what the order asks for, and the terms of the dialect that no order here has."""
    order = execution.order
    working_ns = _working_ns(execution)
    body: Body = {
        "S": SIDES[order.side],
        "o": type_name(order.order_type, order.flags),
        "f": TIMES_IN_FORCE[order.time_in_force],
        "q": texts.quantity(execution.quantity_lots),
        "p": texts.price(shown_ticks(order.order_type, execution.price_ticks)),
        "P": texts.price(order.stop_ticks),
        "F": texts.quantity(order.display_lots),
        "g": -1,
        "O": order.time_ns // unit_ns,
        "Q": texts.amount(amount),
        "V": PREVENTIONS[order.self_trade_prevention],
    }
    return body if working_ns is None else body | {"W": working_ns // unit_ns}


def _working_ns(execution: Execution) -> int | None:
    """Return since when an order may trade, None for a stop that is still asleep and for what was refused."""
    order, event = execution.order, execution.entry.event
    if event.kind == EventKind.COMMAND_REJECTED:
        return None
    if order.order_type not in _STOPS:
        return order.time_ns
    is_new = event.kind == EventKind.ORDER_ACCEPTED
    if is_new or not order.triggered_ns or event.time_ns < order.triggered_ns:
        return None
    return order.triggered_ns


def _fill(execution: Execution, texts: InstrumentTexts, fee_asset: str) -> Body:
    """Return what was traded by this event, all zero if nothing was."""
    event = execution.entry.event
    if event.kind != EventKind.TRADED:
        zero = texts.amount(0)
        nothing = {"l": texts.quantity(0), "L": texts.price(0), "n": zero, "Y": zero}
        return nothing | {"N": None, "t": -1, "m": False, "M": False}
    return {
        "l": texts.quantity(event.quantity_lots),
        "L": texts.price(event.price_ticks),
        "n": texts.amount(event.counter_fee if execution.entry.is_counter else event.fee),
        "N": fee_asset,
        "t": event.trade_id,
        "m": execution.entry.is_counter,
        "M": True,
        "Y": texts.amount(event.amount),
    }


def kind_and_status(execution: Execution) -> tuple[str, str]:
    """Return the dialect's words for what happened, and for how the order stood then."""
    event = execution.entry.event
    kind = _REPORTED[EventKind(event.kind)]
    if event.kind in _LAST_WORDS:
        return kind, kind
    if event.kind == EventKind.ORDER_EXPIRED:
        is_prevented = event.reason == EndReason.SELF_TRADE
        return ("TRADE_PREVENTION", "EXPIRED_IN_MATCH") if is_prevented else (kind, "EXPIRED")
    if not execution.filled_lots:
        return kind, "NEW"
    is_filled = event.kind == EventKind.TRADED and execution.filled_lots == execution.quantity_lots
    return kind, "FILLED" if is_filled else "PARTIALLY_FILLED"


def _prevention(execution: Execution, texts: InstrumentTexts) -> Body:
    event = execution.entry.event
    return {
        "v": execution.entry.number,
        "U": event.order_id if execution.entry.is_counter else event.counter_order_id,
        "B": texts.quantity(event.quantity_lots),
    }


def balance_update(entry: Entry, asset: str, amount: str, unit_ns: int = MILLISECOND_NS) -> Body:
    """Return the balanceUpdate of money or rights that came or went."""
    time = entry.event.time_ns // unit_ns
    return {"e": "balanceUpdate", "E": time, "a": asset, "d": amount, "T": time, "sq": entry.sequence}


def trade_busted(entry: Entry, texts: InstrumentTexts, unit_ns: int = MILLISECOND_NS) -> Body:
    """Say that a trade was taken back, which the dialect has no word for."""
    event = entry.event
    is_buyer = (event.side == Side.BUY) is not entry.is_counter
    return {
        "e": "tradeBusted",
        "E": event.time_ns // unit_ns,
        "s": texts.symbol,
        "t": event.trade_id,
        "S": "BUY" if is_buyer else "SELL",
        "p": texts.price(event.price_ticks),
        "q": texts.quantity(event.quantity_lots),
        "n": texts.amount(event.counter_fee if entry.is_counter else event.fee),
        "sq": entry.sequence,
    }


def account_notice(entry: Entry, unit_ns: int = MILLISECOND_NS) -> Body:
    """Say what concerns the account as a whole, which the dialect has no words for."""
    event = entry.event
    body: Body = {"E": event.time_ns // unit_ns, "sq": entry.sequence}
    if event.kind == EventKind.ACCOUNT_STATE_SET:
        return {"e": "accountState", "X": AccountState(event.state).name} | body
    if event.kind == EventKind.DEADMAN_SET:
        return {"e": "deadmanSet", "T": event.amount // unit_ns} | body
    return {"e": "deadmanFired"} | body


def account_position(
    now_ns: int, update_ns: int, balances: Sequence[tuple[str, str, str]], unit_ns: int = MILLISECOND_NS
) -> Body:
    """Return the outboundAccountPosition that says how balances stand: asset, free, locked."""
    return {
        "e": "outboundAccountPosition",
        "E": now_ns // unit_ns,
        "u": update_ns // unit_ns,
        "B": [{"a": asset, "f": free, "l": locked} for asset, free, locked in balances],
    }
