"""Many orders with one request: batches, cancellations, quotes; and what ends all of them at once."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

from api.errors import DUPLICATE_ORDER, Problem, RequestError, rejection
from api.gate import check_gate
from api.orders import Placed
from api.orders import placed as placed_by
from api.v1.desk import Action, Caller, Desk
from api.v1.orderproblems import BATCH_UNDONE, ORDER_ENDED
from api.v1.orders import count_orders, known, listed, texts_of
from api.v1.orderschemas import (
    BatchAnswer,
    BatchItem,
    BatchRequest,
    CancelBatchAnswer,
    CancelBatchRequest,
    CancelItem,
    MassCancelAnswer,
    MassCancelRequest,
    NewOrder,
    Quote,
    QuoteItem,
    QuotesAnswer,
    QuoteSide,
    QuotesRequest,
    TimerAnswer,
    TimerRequest,
    Which,
)
from api.v1.repeats import Repeat, sent_before
from api.v1.schemas import Nothing
from exchange.core import commands
from exchange.core.types import EventKind, OrderFlag, SelfTradePrevention, Side
from exchange.events import Event
from exchange.marketdata.orders import OrderView
from exchange.registry.documents import Scope
from exchange.registry.entries import Instrument

MILLISECOND_NS = 1_000_000
_REJECTED, _ACCEPTED = EventKind.COMMAND_REJECTED, EventKind.ORDER_ACCEPTED
T = TypeVar("T")


async def place_batch(desk: Desk, caller: Caller, request: BatchRequest) -> BatchAnswer:
    """Place up to 256 orders; each is answered for itself, or all are accepted or none.

    A repeat returns the first answer: of each order by its client_order_id, of all or none if it is the same batch.
    """
    count_orders(desk, caller, len(request.orders))
    repeat = sent_before(desk, caller.account, request.orders) if request.all_or_none else None
    if repeat is not None:
        return _repeated(desk, request, repeat)
    made = [_attempt(partial(_command, desk, caller, order)) for order in request.orders]
    good = [command for command in made if isinstance(command, bytes)]
    if request.all_or_none and len(good) < len(made):
        raise _undone([BatchItem(**_told(BATCH_UNDONE if isinstance(one, bytes) else one)) for one in made])
    begin = [commands.begin_batch(caller.account, len(good))] if request.all_or_none else []
    done = iter((await desk.gateway.send_together([*begin, *good]))[len(begin) :] if good else [])
    results = [
        BatchItem(**_told(one)) if isinstance(one, Problem) else _placed(desk, order, next(done))
        for order, one in zip(request.orders, made, strict=True)
    ]
    return _whole(results) if request.all_or_none else BatchAnswer(results=results)


def _repeated(desk: Desk, request: BatchRequest, repeat: Repeat) -> BatchAnswer:
    """Answer a batch of all or none that was sent before; refuse one that only shares ids with what was sent."""
    if repeat.events is None:
        places = range(len(request.orders))
        raise _undone([BatchItem(**_told(DUPLICATE_ORDER if n in repeat.known else BATCH_UNDONE)) for n in places])
    return _whole([_placed(desk, *one) for one in zip(request.orders, repeat.events, strict=True)])


def _whole(results: list[BatchItem]) -> BatchAnswer:
    """Return the answer to a batch of all or none, or refuse it if one of its orders was refused."""
    if any(item.code for item in results):
        raise _undone([item if item.code else BatchItem(**_told(BATCH_UNDONE)) for item in results])
    return BatchAnswer(results=results)


async def cancel_batch(desk: Desk, caller: Caller, request: CancelBatchRequest) -> CancelBatchAnswer:
    """Cancel up to 256 orders; each is answered for itself."""
    found = [await _found(desk, caller, which) for which in request.orders]
    made = [commands.cancel_order(caller.account, one.order_id) for one in found if isinstance(one, OrderView)]
    done = iter(await desk.gateway.send_together(made) if made else [])
    return CancelBatchAnswer(results=[_canceled(desk, one, done) for one in found])


async def quote(desk: Desk, caller: Caller, request: QuotesRequest) -> QuotesAnswer:
    """Replace the account's quotes on up to 256 instruments; each side is answered for itself."""
    count_orders(desk, caller, sum((one.bid is not None) + (one.ask is not None) for one in request.quotes) or 1)
    made = [_attempt(partial(_quote_command, desk, caller, request, one)) for one in request.quotes]
    good = [command for command in made if isinstance(command, bytes)]
    done = iter(await desk.gateway.send_together(good) if good else [])
    return QuotesAnswer(
        results=[
            QuoteItem(symbol=one.symbol, **_told(command))
            if isinstance(command, Problem)
            else _quoted(desk, one, next(done))
            for one, command in zip(request.quotes, made, strict=True)
        ]
    )


async def mass_cancel(desk: Desk, caller: Caller, request: MassCancelRequest) -> MassCancelAnswer:
    """End all open orders of the account: of one instrument or of all, of one side or both."""
    index = listed(desk, request.symbol).index if request.symbol else 0
    events, still_open = await desk.gateway.mass_cancel(caller.account, index, Side[request.side])
    return MassCancelAnswer(order_ids=[event.order_id for event in events], still_open=still_open)


async def set_timer(desk: Desk, caller: Caller, request: TimerRequest) -> TimerAnswer:
    """Have all open orders of the account end after a time, unless this is sent again before; 0 turns that off.

    It ends what may be ended when it runs out: orders that nobody may cancel then, in the last minutes of a call or on
    an instrument that is suspended, stay.
    """
    until_ns = caller.call.now_ns + request.timeout * MILLISECOND_NS if request.timeout else 0
    events = await desk.gateway.send(commands.set_deadman(caller.account, until_ns))
    return TimerAnswer(trigger=events[0].amount // MILLISECOND_NS)


async def timer(desk: Desk, caller: Caller, request: object) -> TimerAnswer:
    """Say when the account's dead-man timer runs out."""
    return TimerAnswer(trigger=desk.exchange.timers.deadman_ns(caller.account) // MILLISECOND_NS)


def _attempt(make: Callable[[], T]) -> T | Problem:
    """Return what is made, or why it cannot be."""
    try:
        return make()
    except RequestError as error:
        return error.problem


def _told(problem: Problem) -> dict[str, object]:
    return {"code": problem.code, "msg": problem.message}


def _undone(results: list[BatchItem]) -> RequestError:
    """Return the refusal of a whole batch, which says of each order whether it was the reason."""
    return RequestError(BATCH_UNDONE._replace(data=[item.model_dump(include={"code", "msg"}) for item in results]))


def _command(desk: Desk, caller: Caller, order: NewOrder) -> bytes:
    return desk.gateway.command(caller.account, texts_of(order), listed(desk, order.symbol))


def _placed(desk: Desk, order: NewOrder, events: Sequence[Event]) -> BatchItem:
    instrument = listed(desk, order.symbol)
    placed = _attempt(lambda: desk.gateway.outcome(events, texts_of(order), instrument))
    if isinstance(placed, Placed):
        return BatchItem(order=desk.answers.placed(placed, instrument))
    return BatchItem(**_told(placed))


async def _found(desk: Desk, caller: Caller, which: Which) -> OrderView | Problem:
    try:
        return await known(desk, caller, which)
    except RequestError as error:
        return error.problem


def _canceled(desk: Desk, found: OrderView | Problem, done: Iterator[list[Event]]) -> CancelItem:
    if isinstance(found, Problem):
        return CancelItem(**_told(found))
    first = next(done)[0]
    if first.kind != _REJECTED:
        return CancelItem(order=desk.answers.order(desk.exchange.orders.now(found)))
    is_open = desk.exchange.orders.now(found).is_open
    return CancelItem(**_told(rejection(first.reason, first.state) if is_open else ORDER_ENDED))


def _quote_command(desk: Desk, caller: Caller, request: QuotesRequest, one: Quote) -> bytes:
    instrument = listed(desk, one.symbol)
    mode = request.self_trade_prevention
    return commands.quote(
        caller.account,
        instrument.index,
        _side(desk, caller.account, "bid", one.bid, instrument),
        _side(desk, caller.account, "ask", one.ask, instrument),
        self_trade_prevention=instrument.self_trade_prevention if mode is None else SelfTradePrevention[mode],
        flags=OrderFlag.POST_ONLY if request.post_only else 0,
    )


def _side(desk: Desk, account: int, name: str, side: QuoteSide | None, instrument: Instrument) -> tuple[int, int]:
    if side is None:
        return (0, 0)
    check_gate(desk.exchange.registry, account, Side.BUY if name == "bid" else Side.SELL, instrument)
    ticks = desk.gateway.ticks(f"{name}.price", side.price, instrument)
    return ticks, desk.gateway.lots(f"{name}.quantity", side.quantity, instrument)


def _quoted(desk: Desk, one: Quote, events: Sequence[Event]) -> QuoteItem:
    """Say what became of each side: its order's events begin with its acceptance, its refusal is one event."""
    told = next((event for event in events if event.kind == EventKind.QUOTED), None)
    if told is None:
        return QuoteItem(symbol=one.symbol, **_told(rejection(events[0].reason)))
    instrument = listed(desk, one.symbol)
    item = QuoteItem(symbol=one.symbol, ended=told.leaves_lots)
    for offset, event in enumerate(events):
        if event.kind == _REJECTED:
            side = BatchItem(**_told(rejection(event.reason)))
        elif event.kind == _ACCEPTED:
            side = BatchItem(order=desk.answers.placed(placed_by(events[offset:], ""), instrument, offset))
        else:
            continue
        if event.side == Side.BUY:
            item.bid = side
        else:
            item.ask = side
    return item


_TRADE = (Scope.TRADE,)
ACTIONS = (
    Action("POST", "/v1/orders/batch", place_batch, BatchRequest, BatchAnswer, _TRADE, weight=5),
    Action("POST", "/v1/orders/cancel", cancel_batch, CancelBatchRequest, CancelBatchAnswer, _TRADE, weight=5),
    Action("POST", "/v1/quotes", quote, QuotesRequest, QuotesAnswer, _TRADE, weight=5),
    Action("POST", "/v1/mass-cancel", mass_cancel, MassCancelRequest, MassCancelAnswer, _TRADE),
    Action("POST", "/v1/cancel-all-after", set_timer, TimerRequest, TimerAnswer, _TRADE),
    Action("GET", "/v1/cancel-all-after", timer, Nothing, TimerAnswer, (Scope.READ,)),
)
