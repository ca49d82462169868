"""One's own orders: placed, changed, cancelled, looked up; with everything that the engine knows of an order."""

from api.errors import UNKNOWN_ORDER, RequestError
from api.gate import check_gate
from api.orders import OrderTexts
from api.v1.desk import Action, Caller, Desk, ask
from api.v1.orderproblems import FORGOTTEN_ORDER, NO_SUCH_ORDER, ORDER_ENDED
from api.v1.orderschemas import (
    NewOrder,
    OrderAnswer,
    OrdersAnswer,
    OrdersRequest,
    PlacedAnswer,
    ReduceRequest,
    ReplacedAnswer,
    ReplaceRequest,
    Which,
)
from api.v1.problems import UNKNOWN_SYMBOL
from exchange.core import commands
from exchange.core.types import EventKind, OrderFlag, OrderType, SelfTradePrevention, Side, TimeInForce
from exchange.events import Event
from exchange.marketdata.orders import OrderView
from exchange.registry.documents import Scope
from exchange.registry.entries import Instrument

MILLISECOND_NS = 1_000_000


async def place(desk: Desk, caller: Caller, request: NewOrder) -> PlacedAnswer:
    """Place an order and say what became of it. A repeat of its client_order_id returns the first answer."""
    count_orders(desk, caller, 1)
    instrument = listed(desk, request.symbol)
    placed = await desk.gateway.place(caller.account, texts_of(request), instrument)
    return desk.answers.placed(placed, instrument)


async def find(desk: Desk, caller: Caller, request: Which) -> OrderAnswer:
    """Say how an order stands. One that is not there is either none at all, or unknown because it is forgotten."""
    return desk.answers.order(await known(desk, caller, request))


async def listing(desk: Desk, caller: Caller, request: OrdersRequest) -> OrdersAnswer:
    """Say how open orders, or all that are kept, stand."""
    index = listed(desk, request.symbol).index if request.symbol else 0
    history = desk.exchange.orders
    if request.state == "OPEN":
        found = history.open_orders(caller.account, index)
        first = next((i for i, order in enumerate(found) if order.order_id == request.from_id), 0)
        found = found[first : first + request.limit]
    else:
        found = history.all_orders(
            caller.account,
            index,
            from_id=request.from_id,
            start_ms=request.start,
            end_ms=request.end,
            limit=request.limit,
        )
    return OrdersAnswer(orders=[desk.answers.order(order) for order in found])


async def replace(desk: Desk, caller: Caller, request: ReplaceRequest) -> ReplacedAnswer:
    """Change price or total quantity. With the same price and no more quantity the order keeps its place."""
    order = await known(desk, caller, request)
    instrument = desk.directory.at(order.instrument)
    check_gate(desk.exchange.registry, caller.account, Side(order.side), instrument)
    ticks = 0 if request.price is None else desk.gateway.ticks("price", request.price, instrument)
    lots = 0 if request.quantity is None else desk.gateway.lots("quantity", request.quantity, instrument)
    flags = OrderFlag.REQUEUE if request.requeue else 0
    return await _changed(desk, order, commands.replace_order(caller.account, order.order_id, ticks, lots, flags=flags))


async def reduce(desk: Desk, caller: Caller, request: ReduceRequest) -> ReplacedAnswer:
    """Take lots off an open order, which keeps its place. A repeat takes off as much again: replace does not."""
    order = await known(desk, caller, request)
    lots = desk.gateway.lots("quantity", request.quantity, desk.directory.at(order.instrument))
    return await _changed(desk, order, commands.reduce_order(caller.account, order.order_id, lots))


async def cancel(desk: Desk, caller: Caller, request: Which) -> OrderAnswer:
    """End an open order, and say how it ended."""
    order = await known(desk, caller, request)
    await _sent(desk, order, commands.cancel_order(caller.account, order.order_id))
    return desk.answers.order(desk.exchange.orders.now(order))


def listed(desk: Desk, symbol: str) -> Instrument:
    """Return a listed instrument, or refuse the symbol."""
    instrument = desk.exchange.registry.instrument(symbol)
    if instrument is None or not instrument.is_listed:
        raise RequestError(UNKNOWN_SYMBOL)
    return instrument


def count_orders(desk: Desk, caller: Caller, count: int) -> None:
    """Count orders against the account's limit, and announce what is used."""
    used = desk.limiter.take_orders(caller.account, count, caller.call.now_ns)
    caller.call.headers_out.append((b"x-mbx-order-count-10s", b"%d" % used))


def texts_of(order: NewOrder) -> OrderTexts:
    """Return an order as the gateway takes it."""
    has_price = order.type in {"LIMIT", "STOP_LIMIT"}
    time = order.time_in_force or ("GTC" if has_price else "IOC")
    mode = order.self_trade_prevention
    return OrderTexts(
        order.symbol,
        Side[order.side],
        OrderType[order.type],
        TimeInForce[time],
        OrderFlag.POST_ONLY if order.post_only else 0,
        order.price or "",
        order.quantity or "",
        order.client_order_id or "",
        None if mode is None else SelfTradePrevention[mode],
        "FULL",
        order.amount or "",
        order.stop_price or "",
        order.displayed or "",
        (order.expires or 0) * MILLISECOND_NS,
    )


async def known(desk: Desk, caller: Caller, request: Which) -> OrderView:
    """Return the order that is meant, once everything sent before is decided; or say why there is none."""
    found = _find(desk, caller.account, request)
    if found is None:
        await ask(desk, lambda _: None)  # what was sent before this request is decided by then
        found = _find(desk, caller.account, request)
    if found is not None:
        return found
    raise RequestError(FORGOTTEN_ORDER if desk.exchange.orders.has_forgotten(caller.account) else NO_SUCH_ORDER)


def _find(desk: Desk, account: int, request: Which) -> OrderView | None:
    return desk.gateway.find(account, None, request.order_id, request.client_order_id)


async def _changed(desk: Desk, order: OrderView, command: bytes) -> ReplacedAnswer:
    events = await _sent(desk, order, command)
    first = events[0]
    kept = first.kind == EventKind.ORDER_REPLACED and bool(first.flags & OrderFlag.KEPT_PRIORITY)
    fills = desk.answers.fills(order, events)
    return ReplacedAnswer(order=desk.answers.order(desk.exchange.orders.now(order)), kept_priority=kept, fills=fills)


async def _sent(desk: Desk, order: OrderView, command: bytes) -> list[Event]:
    """Submit what needs an open order."""
    try:
        return await desk.gateway.send(command)
    except RequestError as error:
        if error.problem.message == UNKNOWN_ORDER.message and not desk.exchange.orders.now(order).is_open:
            raise RequestError(ORDER_ENDED) from None
        raise


_READ, _TRADE = (Scope.READ,), (Scope.TRADE,)
ACTIONS = (
    Action("POST", "/v1/order", place, NewOrder, PlacedAnswer, _TRADE),
    Action("GET", "/v1/order", find, Which, OrderAnswer, _READ, weight=2),
    Action("PUT", "/v1/order", replace, ReplaceRequest, ReplacedAnswer, _TRADE),
    Action("DELETE", "/v1/order", cancel, Which, OrderAnswer, _TRADE),
    Action("POST", "/v1/order/reduce", reduce, ReduceRequest, ReplacedAnswer, _TRADE),
    Action("GET", "/v1/orders", listing, OrdersRequest, OrdersAnswer, _READ, weight=10),
)
