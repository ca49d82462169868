"""Orders changed: cancelled for another one, or made smaller without losing their place."""

from typing import NamedTuple

from api.binance import replies
from api.binance.requests import AmendRequest, CancelPart
from api.binance.trading import answered
from api.call import Call, encoded
from api.door import Services
from api.errors import (
    AMEND_REJECTED,
    LOT_SIZE,
    ORDER_NOT_FOUND,
    REPLACE_FAILED,
    REPLACE_HALF_FAILED,
    UNKNOWN_ORDER,
    Problem,
    RequestError,
    overflowed,
)
from api.orders import decode, own_name
from api.schemas import names, validated
from exchange.registry.entries import Instrument
from exchange.registry.units import NumberRefusal, parse_steps

_CANCEL_NAMES = names(CancelPart) - {"symbol"}


class _Half(NamedTuple):
    """What became of the cancellation, or of the new order: an answer, a problem, or neither where it was not tried."""

    body: object = None
    problem: Problem | None = None
    order_id: int = 0  # that was cancelled

    @property
    def word(self) -> str:
        """Return it in a word."""
        if self.problem is not None:
            return "FAILURE"
        return "NOT_ATTEMPTED" if self.body is None else "SUCCESS"

    @property
    def told(self) -> object:
        """Return it in full."""
        return self.body if self.problem is None else {"code": self.problem.code, "msg": self.problem.message}


async def cancel_replace(services: Services, call: Call) -> bytes:
    """Cancel an order, then place another; stop if the first fails, unless asked to go on."""
    used = services.limiter.take_orders(call.account, 1, call.now_ns)
    call.headers_out.append((b"x-mbx-order-count-10s", b"%d" % used))
    placing = {name: text for name, text in call.texts.items() if name not in _CANCEL_NAMES}
    order = decode(placing)
    cancelling = {name: text for name, text in call.texts.items() if name in _CANCEL_NAMES}
    part = validated(CancelPart, cancelling | {"symbol": order.symbol})
    instrument = services.directory.instrument(order.symbol)
    services.gateway.command(call.account, order, instrument)  # what is refused here ends no order
    canceled = await _canceled(services, call, part, instrument)
    placed = _Half()
    if canceled.problem is None or part.cancel_replace_mode == "ALLOW_FAILURE":
        try:
            replaced = canceled.order_id if canceled.problem is None else 0
            result = await services.gateway.place(call.account, order, instrument, replaced)
            placed = _Half(answered(services, call, order, instrument, result))
        except RequestError as error:
            placed = _Half(problem=error.problem)
    both = {
        "cancelResult": canceled.word,
        "newOrderResult": placed.word,
        "cancelResponse": canceled.told,
        "newOrderResponse": placed.told,
    }
    if canceled.problem is None and placed.problem is None:
        return encoded(both)
    is_half = "SUCCESS" in (canceled.word, placed.word)
    raise RequestError((REPLACE_HALF_FAILED if is_half else REPLACE_FAILED)._replace(data=both))


async def amend(services: Services, call: Call) -> bytes:
    """Lower an order's quantity; it keeps its place at its price."""
    request = validated(AmendRequest, call.texts)
    instrument = services.directory.instrument(request.symbol)
    order = services.gateway.find(call.account, instrument, request.order_id, request.orig_client_order_id)
    if order is None:
        raise RequestError(ORDER_NOT_FOUND)
    lots = parse_steps(request.new_qty, instrument.quantity_step, instrument.quantity_decimals)
    if isinstance(lots, NumberRefusal):
        raise RequestError(overflowed("newQty") if lots is NumberRefusal.TOO_LARGE else LOT_SIZE)
    if not 0 < lots < order.quantity_lots:
        raise RequestError(AMEND_REJECTED)
    event = await services.gateway.shrink(call.account, order, lots)
    texts = services.directory.texts(instrument.index)
    amended = replies.amended(services.exchange.orders.now(order), texts, call.stamp)
    return encoded({
        "transactTime": call.stamp(event.time_ns),
        "executionId": event.sequence,
        "amendedOrder": amended,
    })  # fmt: skip


async def _canceled(services: Services, call: Call, part: CancelPart, instrument: Instrument) -> _Half:
    order = services.gateway.find(call.account, instrument, part.cancel_order_id, part.cancel_orig_client_order_id)
    if order is None:
        return _Half(problem=UNKNOWN_ORDER)
    try:
        ended = await services.gateway.cancel(call.account, order, part.cancel_restrictions)
    except RequestError as error:
        return _Half(problem=error.problem)
    name = part.cancel_new_client_order_id or own_name(order.order_id)
    body = replies.canceled(ended, services.directory.texts(instrument.index), call.stamp, name)
    return _Half(body, order_id=order.order_id)
