"""An order as text, decoded; and what became of it, read from the events of its command.

`decode` is the hot path's reader of a request: it accepts exactly what the schema `NewOrderRequest` accepts.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from api import parameters
from api.errors import (
    ICEBERG_TIF,
    INVALID_ORDER_TYPE,
    INVALID_SIDE,
    INVALID_TIF,
    TRAILING_STOP,
    UNSUPPORTED_TYPES,
    Problem,
    RequestError,
    invalid,
    missing,
    not_required,
    unread,
)
from exchange.core.types import (
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from exchange.events import Event
from exchange.marketdata.orders import OrderStatus, OrderView

ORDER_NAMES = parameters.AUTHENTICATION | {
    "symbol",
    "side",
    "type",
    "timeInForce",
    "quantity",
    "price",
    "newClientOrderId",
    "selfTradePreventionMode",
    "newOrderRespType",
    "quoteOrderQty",
    "stopPrice",
    "icebergQty",
}
_UNSUPPORTED = {"trailingDelta": TRAILING_STOP}
_SIDES = {side.name: side for side in (Side.BUY, Side.SELL)}
_TERMS: dict[tuple[str, str | None], tuple[OrderType, TimeInForce, int]] = {
    ("LIMIT_MAKER", None): (OrderType.LIMIT, TimeInForce.GTC, OrderFlag.POST_ONLY),
    ("MARKET", None): (OrderType.MARKET, TimeInForce.IOC, 0),
    ("STOP_LOSS", None): (OrderType.STOP, TimeInForce.IOC, 0),
}
_TIMES = (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK)
_TERMS |= {("LIMIT", time.name): (OrderType.LIMIT, time, 0) for time in _TIMES}
_TERMS |= {("STOP_LOSS_LIMIT", time.name): (OrderType.STOP_LIMIT, time, 0) for time in _TIMES}
_MAY_HIDE = (_TERMS["LIMIT", "GTC"], _TERMS["LIMIT_MAKER", None])
_PRICED = frozenset((OrderType.LIMIT, OrderType.STOP_LIMIT))
_STOPS = frozenset((OrderType.STOP, OrderType.STOP_LIMIT))
_PREVENTIONS: dict[str | None, SelfTradePrevention | None] = {None: None}
_PREVENTIONS |= {mode.name: mode for mode in SelfTradePrevention}
_RESPONSES = frozenset(("ACK", "RESULT", "FULL"))
_TERMS_TOLD = int(EventKind.ORDER_TERMS)
_RESTING = frozenset((int(EventKind.ORDER_ACCEPTED), int(EventKind.ORDER_NAMED)))
_RESTING_EVENTS_MAX = 2  # of an order that trades with nobody and has no terms
_new = tuple.__new__  # half the time of a NamedTuple's own constructor
_TRADED, _EXPIRED, _PREVENTED = int(EventKind.TRADED), int(EventKind.ORDER_EXPIRED), int(EventKind.MATCH_PREVENTED)


class OrderTexts(NamedTuple):
    """An order as it was sent: every word known, every number still text."""

    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    flags: int
    price: str  # empty for a market order, and for a stop that becomes one
    quantity: str  # empty where an amount is given
    client_order_id: str
    self_trade_prevention: SelfTradePrevention | None  # None: as the instrument says
    response: str  # ACK, RESULT or FULL
    amount: str = ""  # quote to spend or to earn
    stop_price: str = ""
    iceberg: str = ""  # quantity to show at a time
    until_ns: int = 0  # end of a GTD order


class Fill(NamedTuple):
    """What the answer to an order says of one trade."""

    price_ticks: int
    quantity_lots: int
    fee: int
    trade_id: int
    amount: int = 0  # notional
    is_maker: bool = False
    offset: int = 0  # of its event from that of the order's acceptance


class Placed(NamedTuple):
    """What became of an order by the end of its command."""

    order_id: int
    client_order_id: str
    side: int
    order_type: int
    time_in_force: int
    self_trade_prevention: int
    flags: int
    price_ticks: int
    quantity_lots: int
    filled_lots: int
    quote_filled: int
    status: str
    time_ns: int
    fills: Sequence[Fill]
    stop_ticks: int = 0
    display_lots: int = 0
    until_ns: int = 0
    end_reason: int = 0
    sequence: int = 0  # of its command


def decode(texts: Mapping[str, str]) -> OrderTexts:
    """Return the order that a request asks for; `NewOrderRequest` is the same as a schema.

    The characters of symbol and numbers are left to those who look them up.
    """
    if not texts.keys() <= ORDER_NAMES:
        raise RequestError(_unsupported(texts))
    get = texts.get
    symbol, side, kind, quantity = get("symbol"), get("side"), get("type"), get("quantity")
    if symbol is None or side is None or kind is None:
        raise RequestError(missing("symbol" if symbol is None else "side" if side is None else "type"))
    if side not in _SIDES:
        raise RequestError(INVALID_SIDE)
    terms = _TERMS.get((kind, get("timeInForce")))
    if terms is None:
        raise RequestError(_wrong_terms(kind, get("timeInForce")))
    order_type = terms[0]
    price, amount = get("price"), get("quoteOrderQty")
    stop_price, iceberg = get("stopPrice"), get("icebergQty")
    if quantity is None or amount is not None:
        _check_quantity(order_type, quantity, amount)
    if (price is not None) is not (order_type in _PRICED):
        raise RequestError(missing("price") if price is None else not_required("price"))
    if (stop_price is not None) is not (order_type in _STOPS):
        raise RequestError(missing("stopPrice") if stop_price is None else not_required("stopPrice"))
    if iceberg is not None and terms not in _MAY_HIDE:
        raise RequestError(ICEBERG_TIF if order_type is OrderType.LIMIT else not_required("icebergQty"))
    name = get("newClientOrderId", "")
    if name:
        parameters.new_client_order_id("newClientOrderId", name)
    prevention = get("selfTradePreventionMode")
    if prevention not in _PREVENTIONS:
        raise RequestError(invalid("selfTradePreventionMode"))
    response = get("newOrderRespType", "FULL")
    if response not in _RESPONSES:
        raise RequestError(invalid("newOrderRespType"))
    mode = _PREVENTIONS[prevention]
    return OrderTexts(
        symbol, _SIDES[side], *terms, price or "", quantity or "", name, mode, response,
        amount or "", stop_price or "", iceberg or "",
    )  # fmt: skip


def _check_quantity(order_type: OrderType, quantity: str | None, amount: str | None) -> None:
    """Refuse anything but a quantity, or the amount of a market order in its place."""
    if amount is not None and order_type is not OrderType.MARKET:
        raise RequestError(not_required("quoteOrderQty"))
    if amount is not None and quantity is not None:
        raise RequestError(not_required("quantity"))
    if amount is None and quantity is None:
        raise RequestError(missing("quantity"))


def own_name(order_id: int) -> str:
    """Return the name of an order that was given no client order id."""
    return f"{parameters.OWN_NAME}{order_id}"


def name_of(order: OrderView) -> str:
    """Return the client order id an order goes by."""
    return order.client_order_id or own_name(order.order_id)


def status_of(order: OrderView) -> str:
    """Return where an order stands; one that ended to prevent a self-trade has a word of its own."""
    return _status(order.status, order.end_reason)


def placed(events: Sequence[Event], client_order_id: str) -> Placed:
    """Return what became of the order whose acceptance is the first of its command's events."""
    first = events[0]
    order_id = first.order_id
    if len(events) <= _RESTING_EVENTS_MAX and events[-1].kind in _RESTING:
        return _rested(first, client_order_id or own_name(order_id))
    fills = []
    filled = quote = 0
    quantity = first.quantity_lots
    stop_ticks = display_lots = until_ns = 0
    end: Event | None = None
    for offset, event in enumerate(events):
        kind = event.kind
        is_maker = event.counter_order_id == order_id  # it rested, and a stop that it woke met it
        if not is_maker and event.order_id != order_id:
            continue
        if kind == _TRADED:
            fee = event.counter_fee if is_maker else event.fee
            lots, amount = event.quantity_lots, event.amount
            fills.append(Fill(event.price_ticks, lots, fee, event.trade_id, amount, is_maker, offset))
            filled += lots
            quote += amount
        elif kind == _EXPIRED:
            end = event
            quantity = event.quantity_lots
        elif kind == _PREVENTED and event.self_trade_prevention == SelfTradePrevention.DECREMENT:
            quantity -= event.quantity_lots
        elif kind == _TERMS_TOLD:
            stop_ticks, display_lots, until_ns = event.price_ticks, event.quantity_lots, event.amount
    if end is not None:
        status = _status(OrderStatus.EXPIRED, end.reason)
    elif filled == quantity:
        status = "FILLED"
    else:
        status = "PARTIALLY_FILLED" if filled else "NEW"
    return Placed(
        order_id, client_order_id or own_name(order_id), first.side, first.order_type, first.time_in_force,
        first.self_trade_prevention, first.flags, first.price_ticks, quantity, filled, quote, status, first.time_ns,
        fills, stop_ticks, display_lots, until_ns, end.reason if end is not None else 0, first.sequence,
    )  # fmt: skip


def _rested(first: Event, name: str) -> Placed:
    """Return what became of an order that was accepted, and no more: most have no other event."""
    return _new(
        Placed,
        (first.order_id, name, first.side, first.order_type, first.time_in_force, first.self_trade_prevention,
         first.flags, first.price_ticks, first.quantity_lots, 0, 0, "NEW", first.time_ns, [], 0, 0, 0, 0,
         first.sequence),
    )  # fmt: skip


def _unsupported(texts: Mapping[str, str]) -> Problem:
    for name, problem in _UNSUPPORTED.items():
        if name in texts:
            return problem
    return unread(len(texts.keys() & ORDER_NAMES), len(texts))


def _wrong_terms(kind: str, time_in_force: str | None) -> Problem:
    """Return what is wrong with an order type and a time in force that do not go together."""
    if kind in {"LIMIT", "STOP_LOSS_LIMIT"}:
        return missing("timeInForce") if time_in_force is None else INVALID_TIF
    if (kind, None) in _TERMS:
        return not_required("timeInForce")
    return UNSUPPORTED_TYPES.get(kind, INVALID_ORDER_TYPE)


def _status(status: str, end_reason: int) -> str:
    is_prevented = status == OrderStatus.EXPIRED and end_reason == EndReason.SELF_TRADE
    return "EXPIRED_IN_MATCH" if is_prevented else str(status)
