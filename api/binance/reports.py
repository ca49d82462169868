"""What the owner of an account is told: execution reports, balances, and money that comes and goes.

Beyond the dialect every message of an event carries `sq`, its number in the account's own sequence.
"""

from collections.abc import Sequence
from typing import Any

from api.binance.replies import PREVENTIONS, SIDES, TIMES_IN_FORCE, shown_ticks, type_name
from api.binance.texts import InstrumentTexts
from api.executions import Entry, Execution
from exchange.core.types import AccountState, EndReason, EventKind, OrderType, RejectReason, Side, TimeInForce
from exchange.marketdata.orders import OrderView

MILLISECOND_NS = 1_000_000
Body = dict[str, Any]

_REPORTED: dict[int, str] = {
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

_ACCEPTED, _TRADED, _EXPIRED = int(EventKind.ORDER_ACCEPTED), int(EventKind.TRADED), int(EventKind.ORDER_EXPIRED)
_PREVENTED, _REJECTED = int(EventKind.MATCH_PREVENTED), int(EventKind.COMMAND_REJECTED)
_OPEN = frozenset(("NEW", "PARTIALLY_FILLED"))
_JSON = ("false", "true")
_PRICED = frozenset((OrderType.LIMIT, OrderType.STOP_LIMIT))
_IMMEDIATE = frozenset((TimeInForce.IOC, TimeInForce.FOK))
_LAST_WORDS = frozenset((EventKind.ORDER_CANCELED, EventKind.COMMAND_REJECTED))
_STOPS = frozenset((OrderType.STOP, OrderType.STOP_LIMIT))


def execution_report(
    execution: Execution,
    name: str,
    texts: InstrumentTexts,
    fee_asset: str,
    unit_ns: int = MILLISECOND_NS,
    amount: int = 0,
) -> str:
    """Return one executionReport as JSON; `name` is what the order goes by, `amount` what a market order was to spend.

    Written as text, for every event of every order is told: its words are of symbols and names that need no escaping.
    """
    event, order = execution.entry.event, execution.order
    kind, status = kind_and_status(execution)
    time, working_ns = event.time_ns // unit_ns, _working_ns(execution)
    working = "" if working_ns is None else f',"W":{working_ns // unit_ns}'
    is_working = working_ns is not None and status in _OPEN and _rests(order)
    canceled = name if kind == "CANCELED" else ""
    reason = _reason(event.reason) if kind == "REJECTED" else "NONE"
    return (
        f'{{"e":"executionReport","E":{time},"s":"{texts.symbol}","c":"{name}",{_terms(execution, texts)}'
        f',"O":{order.time_ns // unit_ns},"Q":"{texts.amount(amount)}"{working},"C":"{canceled}"'
        f',"x":"{kind}","X":"{status}","r":"{reason}","i":{order.order_id}'
        f',"z":"{texts.quantity(execution.filled_lots)}","Z":"{texts.amount(execution.quote_filled)}","T":{time}'
        f',"I":{execution.entry.number},"sq":{execution.entry.sequence},"w":{_JSON[is_working]}'
        f",{_fill(execution, texts, fee_asset)}{_prevention(execution, texts)}}}"
    )


def _reason(reason: int) -> str:
    found = RejectReason(reason)
    return _REASONS.get(found, found.name)


def _rests(order: OrderView) -> bool:
    """Return whether an order that may trade stands on the book while it is open."""
    return order.order_type in _PRICED and order.time_in_force not in _IMMEDIATE


def _terms(execution: Execution, texts: InstrumentTexts) -> str:
    """Return what the order asks for, and the terms of the dialect that no order here has."""
    order = execution.order
    return (
        f'"S":"{SIDES[order.side]}","o":"{type_name(order.order_type, order.flags)}"'
        f',"f":"{TIMES_IN_FORCE[order.time_in_force]}","q":"{texts.quantity(execution.quantity_lots)}"'
        f',"p":"{texts.price(shown_ticks(order.order_type, execution.price_ticks))}"'
        f',"P":"{texts.price(order.stop_ticks)}","F":"{texts.quantity(order.display_lots)}","g":-1,"V":"{PREVENTIONS[order.self_trade_prevention]}"'
    )


def _working_ns(execution: Execution) -> int | None:
    """Return since when an order may trade, None for a stop that is still asleep and for what was refused."""
    order, event = execution.order, execution.entry.event
    if event.kind == _REJECTED:
        return None
    if order.order_type not in _STOPS:
        return order.time_ns
    is_new = event.kind == _ACCEPTED
    if is_new or not order.triggered_ns or event.time_ns < order.triggered_ns:
        return None
    return order.triggered_ns


def _fill(execution: Execution, texts: InstrumentTexts, fee_asset: str) -> str:
    """Return what was traded by this event, all zero if nothing was."""
    event, is_maker = execution.entry.event, execution.entry.is_counter
    if event.kind != _TRADED:
        zero = texts.amount(0)
        return (
            f'"l":"{texts.quantity(0)}","L":"{texts.price(0)}","n":"{zero}","Y":"{zero}","N":null,"t":-1'
            ',"m":false,"M":false'
        )
    return (
        f'"l":"{texts.quantity(event.quantity_lots)}","L":"{texts.price(event.price_ticks)}"'
        f',"n":"{texts.amount(event.counter_fee if is_maker else event.fee)}","N":"{fee_asset}","t":{event.trade_id}'
        f',"m":{_JSON[is_maker]},"M":true,"Y":"{texts.amount(event.amount)}"'
    )


def kind_and_status(execution: Execution) -> tuple[str, str]:
    """Return the dialect's words for what happened, and for how the order stood then."""
    event = execution.entry.event
    kind = _REPORTED[event.kind]
    if event.kind in _LAST_WORDS:
        return kind, kind
    if event.kind == _EXPIRED:
        is_prevented = event.reason == EndReason.SELF_TRADE
        return ("TRADE_PREVENTION", "EXPIRED_IN_MATCH") if is_prevented else (kind, "EXPIRED")
    if not execution.filled_lots:
        return kind, "NEW"
    is_filled = event.kind == _TRADED and execution.filled_lots == execution.quantity_lots
    return kind, "FILLED" if is_filled else "PARTIALLY_FILLED"


def _prevention(execution: Execution, texts: InstrumentTexts) -> str:
    """Return which match was prevented, nothing if none was."""
    entry = execution.entry
    event = entry.event
    if event.kind != _PREVENTED:
        return ""
    counter = event.order_id if entry.is_counter else event.counter_order_id
    return f',"v":{entry.number},"U":{counter},"B":"{texts.quantity(event.quantity_lots)}"'


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
