"""Orders: place, test, look up, cancel."""

import asyncio
from collections.abc import Sequence

from msgspec import Raw

from api.binance import replies
from api.binance.requests import CancelRequest, OneSymbol, OpenOrdersRequest, OrderRequest, OrdersRequest
from api.call import Call, encoded
from api.door import Services
from api.errors import ORDER_NOT_FOUND, UNKNOWN_ORDER, RequestError
from api.orders import OrderTexts, Placed, decode, own_name
from api.schemas import validated
from exchange.core.types import OrderType
from exchange.events import rows
from exchange.marketdata.orders import OrderView
from exchange.registry.entries import Instrument

AMOUNTS_AT_ONCE = 32  # looked up before others have their turn


async def place(services: Services, call: Call) -> bytes:
    """Place an order and say what became of it."""
    order, instrument = ordered(services, call)
    result = await services.gateway.place(call.account, order, instrument)
    return told(services, call, order, instrument, result).encode()


def ordered(services: Services, call: Call) -> tuple[OrderTexts, Instrument]:
    """Count an order, and return what is ordered."""
    used = services.limiter.take_orders(call.account, 1, call.now_ns)
    call.headers_out.append((b"x-mbx-order-count-10s", b"%d" % used))
    order = decode(call.texts)
    return order, services.directory.instrument(order.symbol)


async def test(services: Services, call: Call) -> bytes:
    """Say whether an order would be taken, as far as can be known without the engine."""
    order = decode(call.texts)
    services.gateway.check(call.account, order, services.directory.instrument(order.symbol))
    return encoded({})


async def find(services: Services, call: Call) -> bytes:
    """Say how an order stands."""
    request = validated(OrderRequest, call.texts)
    instrument = services.directory.instrument(request.symbol)
    order = services.gateway.find(call.account, instrument, request.order_id, request.orig_client_order_id)
    if order is None:
        raise RequestError(ORDER_NOT_FOUND)
    texts = services.directory.texts(instrument.index)
    return encoded(replies.order_view(order, texts, call.stamp, _amount(services, order)))


async def cancel(services: Services, call: Call) -> bytes:
    """End an open order."""
    request = validated(CancelRequest, call.texts)
    instrument = services.directory.instrument(request.symbol)
    order = services.gateway.find(call.account, instrument, request.order_id, request.orig_client_order_id)
    if order is None:
        raise RequestError(UNKNOWN_ORDER)
    ended = await services.gateway.cancel(call.account, order, request.cancel_restrictions)
    name = request.new_client_order_id or own_name(order.order_id)
    return encoded(replies.canceled(ended, services.directory.texts(instrument.index), call.stamp, name))


async def cancel_all(services: Services, call: Call) -> bytes:
    """End all open orders on one instrument; without any this is refused."""
    request = validated(OneSymbol, call.texts)
    instrument = services.directory.instrument(request.symbol)
    ended = await services.gateway.cancel_all(call.account, instrument)
    if not ended:
        raise RequestError(UNKNOWN_ORDER)
    texts = services.directory.texts(instrument.index)
    return encoded([replies.canceled(order, texts, call.stamp, own_name(order.order_id)) for order in ended])


async def open_orders(services: Services, call: Call) -> bytes:
    """Say how the open orders on one instrument, or on all, stand."""
    request = validated(OpenOrdersRequest, call.texts)
    index = services.directory.instrument(request.symbol).index if request.symbol else 0
    return await _listed(services, call, services.exchange.orders.open_orders(call.account, index))


async def all_orders(services: Services, call: Call) -> bytes:
    """Say how orders, open or ended, stand."""
    request = validated(OrdersRequest, call.texts)
    instrument = services.directory.instrument(request.symbol)
    found = services.exchange.orders.all_orders(
        call.account,
        instrument.index,
        from_id=request.order_id,
        start_ms=request.start_time,
        end_ms=request.end_time,
        limit=request.limit,
    )
    return await _listed(services, call, found)


async def _listed(services: Services, call: Call, found: Sequence[OrderView]) -> bytes:
    texts, amounts = services.directory.texts, dict.fromkeys([order.order_id for order in found], 0)
    market = [order for order in found if order.order_type == OrderType.MARKET]
    for place, order in enumerate(market, 1):
        amounts[order.order_id] = _amount(services, order)
        if place % AMOUNTS_AT_ONCE == 0:
            await asyncio.sleep(0)
    return encoded([
        replies.order_view(order, texts(order.instrument), call.stamp, amounts[order.order_id]) for order in found
    ])  # fmt: skip


def _amount(services: Services, order: OrderView) -> int:
    """Return what a market order named to spend or to earn, which its command alone says."""
    if order.order_type != OrderType.MARKET:
        return 0
    accepted = rows(services.exchange.events.read(order.event_number - 1, 1))[0]
    return services.exchange.asked.of(accepted.sequence).amount


def answered(services: Services, call: Call, order: OrderTexts, instrument: Instrument, result: Placed) -> Raw:
    """Say what became of a new order, as a part of other JSON."""
    return Raw(told(services, call, order, instrument, result))


def told(services: Services, call: Call, order: OrderTexts, instrument: Instrument, result: Placed) -> str:
    """Say what became of a new order, as JSON in the length that was asked for."""
    texts = services.directory.texts(instrument.index)
    amount = services.gateway.amount(order, instrument) if order.amount else 0
    return replies.placed(result, texts, instrument.quote_asset, call.stamp, order.response, amount)
