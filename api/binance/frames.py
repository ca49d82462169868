"""Binary frames on a connection of the websocket API that has logged on: one answer frame to each."""

import asyncio
from collections.abc import Callable
from functools import partial

import numpy as np
import structlog

from api import auth, batches
from api.batches import Batch
from api.call import Call
from api.door import Services
from api.errors import OVERLOADED, REJECTED_API_KEY, STATUS_UNKNOWN, STOPPED, UNKNOWN_ERROR, Problem, RequestError
from api.gate import check_gate
from exchange.core.types import CommandKind, Side
from exchange.registry.documents import Scope
from exchange.registry.registry import Registry
from exchange.sequencer import Overloaded, Stopped
from exchange.server import Exchange

WEIGHT = 1  # of a frame; orders are counted one by one
Tell = Callable[[bytes], None]
log = structlog.get_logger()


def take(services: Services, call: Call, key: str, frame: bytes, tell: Tell) -> None:
    """Send a frame's commands to the exchange in the name of a key; `tell` gets the answer frame, once."""
    try:
        batch = _admit(services, call, key, frame)
        sent = services.gateway.send_many(batch.commands.tobytes())
    except Exception as error:  # noqa: BLE001 - nothing is caught here that is not answered
        tell(batches.refusal(batches.batch_id(frame), problem_of(error)))
        return
    sent.add_done_callback(partial(_answer, batch, tell))


def _admit(services: Services, call: Call, key: str, frame: bytes) -> Batch:
    services.limiter.take_weight(call.address, WEIGHT, call.now_ns)
    if not key:
        raise RequestError(REJECTED_API_KEY)
    credential = auth.authorised(services.keys, key, Scope.TRADE, call.address, call.now_ns)
    batch = batches.decode(frame, credential.account)
    is_new = batch.commands["kind"] == CommandKind.NEW_ORDER
    services.limiter.take_orders(credential.account, int(np.count_nonzero(is_new)), call.now_ns)
    registry = services.exchange.registry
    if registry.gates:
        _check_gates(registry, credential.account, batch.commands[is_new])
        is_replacing = batch.commands["kind"] == CommandKind.REPLACE_ORDER
        _check_replaced(services.exchange, credential.account, batch.commands["order_id"][is_replacing].tolist())
    return batch


def _check_gates(registry: Registry, account: int, orders: np.ndarray) -> None:
    for index, side in set(zip(orders["instrument"].tolist(), orders["side"].tolist(), strict=True)):
        instrument = registry.instrument_at(index)
        if instrument is not None and side <= Side.SELL:
            check_gate(registry, account, Side(side), instrument)


def _check_replaced(exchange: Exchange, account: int, order_ids: list[int]) -> None:
    for order in filter(None, map(exchange.orders.order, order_ids)):
        instrument = exchange.registry.instrument_at(order.instrument)
        if instrument is not None and order.account == account:
            check_gate(exchange.registry, account, Side(order.side), instrument)


def _answer(batch: Batch, tell: Tell, sent: "asyncio.Future[np.ndarray]") -> None:
    if sent.cancelled() or sent.exception() is not None:
        tell(batches.refusal(batch.id, STATUS_UNKNOWN))
    else:
        tell(batches.answer(batch, sent.result()))


def problem_of(error: Exception) -> Problem:
    """Return what to tell of a frame that was not sent."""
    if isinstance(error, RequestError):
        return error.problem
    if isinstance(error, (Overloaded, Stopped)):
        return OVERLOADED if isinstance(error, Overloaded) else STOPPED
    log.error("a binary frame failed", exc_info=error)
    return UNKNOWN_ERROR
