"""Orders answered: from the events of many commands the answers to those who sent them.

Answered is only what most orders meet: accepted, and perhaps traded as the one who came. Whatever else happened is left
to the general way (`api.orders.placed`, `api.binance.replies.placed`), which says of these the same.
"""

import numpy as np

from api.compiled.wording import ACK, FULL, Part, entry
from api.stream.frames import FRAME_HEAD, MEDIUM_MAX, MEDIUM_MIN, TEXT
from exchange.core.jit import Record, int64, kernel, routine
from exchange.core.types import EventKind, OrderType

ORDER_ROOM = 640  # bytes of an answer without what stands in texts, and without trades
TRADE_ROOM = 256  # bytes of a trade without the name of an asset
DIGITS_MAX = 20
_ACCEPTED, _NAMED, _TRADED = int(EventKind.ORDER_ACCEPTED), int(EventKind.ORDER_NAMED), int(EventKind.TRADED)
_LIMIT = int(OrderType.LIMIT)
_ID, _NAME = int(Part.ID), int(Part.NAME)
_ZERO, _POINT = ord("0"), ord(".")


def _text(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("ascii"), np.uint8)


_OWN_NAME = _text("tb-")
_SYMBOL, _ORDER_ID = _text('{"symbol":"'), _text('","orderId":')
_CLIENT_ID, _TRANSACTED = _text(',"orderListId":-1,"clientOrderId":"'), _text('","transactTime":')
_PRICE, _QUANTITY = _text(',"price":"'), _text('","origQty":"')
_EXECUTED, _ASKED = _text('","executedQty":"'), _text('","origQuoteOrderQty":"')
_SPENT, _STATUS, _TERMS = _text('","cummulativeQuoteQty":"'), _text('","status":"'), _text('",')
_NEW, _PARTIALLY_FILLED, _FILLED = _text("NEW"), _text("PARTIALLY_FILLED"), _text("FILLED")
_WORKING, _FILLS, _FILLS_END = _text(',"workingTime":'), _text(',"fills":['), _text("]")
_FILL, _FILL_QUANTITY = _text('{"price":"'), _text('","qty":"')
_FEE, _ASSET, _TRADE = _text('","commission":"'), _text('","commissionAsset":"'), _text('","tradeId":')
_END, _NEXT = _text("}"), _text(",")
_ANSWER, _RESULT, _LIMITS = _text('{"id":'), _text(',"status":200,"result":'), _text(',"rateLimits":')
_HTTP = _text("HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ")
_LINE = _text("\r\n")
_HEAD_ROOM = len(_HTTP) + DIGITS_MAX + 2 * len(_LINE)


@entry
def tell(
    events: np.ndarray,
    text: np.ndarray,
    spans: np.ndarray,
    row_of: np.ndarray,
    units_ns: np.ndarray,
    is_http: bool,
    tail_sizes: np.ndarray,
    tail_text: np.ndarray,
    wordings: np.ndarray,
    letters: np.ndarray,
    rows: np.ndarray,
    out: np.ndarray,
    places: np.ndarray,
) -> bool:
    """Write answers; say of each where it begins and ends and which events it is of; tell whether there was room.

    An answer that is not written begins where it ends. Tails are rate limits, or header lines, one behind the other.
    """
    first, end, place, tail, count = 0, 0, 0, 0, len(events)
    for index in range(len(places)):
        first, end = end, end + 1
        while end < count and events[end].sequence == events[first].sequence:
            end += 1
        row = rows[row_of[index]]
        places[index, 0], places[index, 1], places[index, 2], places[index, 3] = place, place, first, end
        size = tail_sizes[index]
        if place + _room(spans[index], row, size, end - first) > len(out):
            return False
        if _is_usual(events, first, end):
            wording, head = wordings[row.wording], _HEAD_ROOM + size
            begin = place + head if is_http else _put_request(out, place + FRAME_HEAD, text, spans[index])
            found = _put_order(
                out, begin, events, first, end, text, spans[index], wording, letters, row, units_ns[index]
            )
            if is_http:
                places[index, 0] = _put_head(out, begin, found - begin, tail_text, tail, size)
                place = places[index, 1] = found
            else:
                found = _put(out, _copy(out, _put(out, found, _LIMITS), tail_text, tail, size), _END)
                if _frame(out, place, found - place - FRAME_HEAD):
                    place = places[index, 1] = found
        tail += size
    return True


@kernel
def _room(spans: np.ndarray, row: Record, tail_size: int, event_count: int) -> int:
    texts = row.symbol_size + row.terms_size + spans[_ID, 1] + tail_size
    return _HEAD_ROOM + ORDER_ROOM + texts + event_count * (TRADE_ROOM + row.asset_size)


@routine
def _is_usual(events: np.ndarray, first: int, end: int) -> bool:
    """Tell whether an order was accepted, and has done no more than to trade as the one who came."""
    order_id = events[first].order_id
    if events[first].kind != _ACCEPTED:
        return False
    for number in range(first + 1, end):
        event = events[number]
        if event.order_id != order_id or (event.kind != _TRADED and event.kind != _NAMED):
            return False
    return True


@kernel
def _frame(out: np.ndarray, place: int, size: int) -> bool:
    """Write the head of a frame, if it is of the usual kind."""
    if size < MEDIUM_MIN or size > MEDIUM_MAX:
        return False
    out[place], out[place + 1] = TEXT, MEDIUM_MIN
    out[place + 2], out[place + 3] = size >> 8, size & 255
    return True


@kernel
def _put_request(out: np.ndarray, place: int, text: np.ndarray, spans: np.ndarray) -> int:
    """Write what stands before the result of a request of the websocket API."""
    place = _copy(out, _put(out, place, _ANSWER), text, spans[_ID, 0], spans[_ID, 1])
    return _put(out, place, _RESULT)


@kernel
def _put_head(out: np.ndarray, end: int, body_size: int, lines: np.ndarray, at: int, size: int) -> int:
    """Write the head of a response before its body; return where it begins."""
    begin = end - (len(_HTTP) + _digits(body_size) + 2 * len(_LINE) + size)
    place = _put(out, _put_number(out, _put(out, begin, _HTTP), body_size), _LINE)
    _put(out, _copy(out, place, lines, at, size), _LINE)
    return begin


@routine
def _put_order(
    out: np.ndarray,
    place: int,
    events: np.ndarray,
    first: int,
    end: int,
    text: np.ndarray,
    spans: np.ndarray,
    wording: Record,
    letters: np.ndarray,
    row: Record,
    unit_ns: int,
) -> int:
    """Write what became of an order, in the length that was asked for."""
    order = events[first]
    time = order.time_ns // unit_ns
    place = _copy(out, _put(out, place, _SYMBOL), letters, row.symbol_at, row.symbol_size)
    place = _put_number(out, _put(out, place, _ORDER_ID), order.order_id)
    place = _put(out, place, _CLIENT_ID)
    if spans[_NAME, 1] != 0:
        place = _copy(out, place, text, spans[_NAME, 0], spans[_NAME, 1])
    else:
        place = _put_number(out, _put(out, place, _OWN_NAME), order.order_id)
    place = _put_number(out, _put(out, place, _TRANSACTED), time)
    if wording.response == ACK:
        return _put(out, place, _END)
    place = _put_numbers(out, place, events, first, end, row)
    place = _copy(out, _put(out, place, _TERMS), letters, row.terms_at, row.terms_size)
    place = _put_number(out, _put(out, place, _WORKING), time)
    if wording.response == FULL:
        place = _put_fills(out, place, events, first, end, letters, row)
    return _put(out, place, _END)


@routine
def _put_numbers(out: np.ndarray, place: int, events: np.ndarray, first: int, end: int, row: Record) -> int:
    """Write price, quantities, amounts and status."""
    order, lots, amount = events[first], int64(0), int64(0)
    for number in range(first + 1, end):
        if events[number].kind == _TRADED:
            lots += events[number].quantity_lots
            amount += events[number].amount
    ticks = order.price_ticks if order.order_type == _LIMIT else int64(0)
    place = _put_decimal(out, _put(out, place, _PRICE), ticks * row.price_step, row.price_decimals)
    place = _put_lots(out, _put(out, place, _QUANTITY), order.quantity_lots, row)
    place = _put_lots(out, _put(out, place, _EXECUTED), lots, row)
    place = _put_decimal(out, _put(out, place, _ASKED), int64(0), row.quote_decimals)
    place = _put_decimal(out, _put(out, place, _SPENT), amount, row.quote_decimals)
    place = _put(out, place, _STATUS)
    if lots == 0:
        return _put(out, place, _NEW)
    return _put(out, place, _FILLED if lots == order.quantity_lots else _PARTIALLY_FILLED)


@routine
def _put_fills(
    out: np.ndarray, place: int, events: np.ndarray, first: int, end: int, letters: np.ndarray, row: Record
) -> int:
    """Write the list of trades."""
    place, is_first = _put(out, place, _FILLS), True
    for number in range(first + 1, end):
        trade = events[number]
        if trade.kind != _TRADED:
            continue
        place = _put(out, place, _FILL) if is_first else _put(out, _put(out, place, _NEXT), _FILL)
        is_first = False
        place = _put_decimal(out, place, trade.price_ticks * row.price_step, row.price_decimals)
        place = _put_lots(out, _put(out, place, _FILL_QUANTITY), trade.quantity_lots, row)
        place = _put_decimal(out, _put(out, place, _FEE), trade.fee, row.quote_decimals)
        place = _copy(out, _put(out, place, _ASSET), letters, row.asset_at, row.asset_size)
        place = _put(out, _put_number(out, _put(out, place, _TRADE), trade.trade_id), _END)
    return _put(out, place, _FILLS_END)


@kernel
def _put(out: np.ndarray, place: int, text: np.ndarray) -> int:
    for offset in range(len(text)):
        out[place + offset] = text[offset]
    return place + len(text)


@kernel
def _copy(out: np.ndarray, place: int, text: np.ndarray, at: int, size: int) -> int:
    for offset in range(size):
        out[place + offset] = text[at + offset]
    return place + size


@kernel
def _put_lots(out: np.ndarray, place: int, lots: int, row: Record) -> int:
    return _put_decimal(out, place, lots * row.quantity_step, row.quantity_decimals)


@routine
def _put_decimal(out: np.ndarray, place: int, units: int, decimals: int) -> int:
    """Write units / 10**decimals with exactly that many decimals."""
    if decimals == 0:
        return _put_number(out, place, units)
    power = int64(1)
    for _ in range(decimals):
        power *= 10
    place = _put_number(out, place, units // power)
    rest = units % power
    out[place] = _POINT
    for offset in range(decimals):
        out[place + decimals - offset] = _ZERO + rest % 10
        rest //= 10
    return place + decimals + 1


@routine
def _put_number(out: np.ndarray, place: int, number: int) -> int:
    """Write a whole number that is not negative."""
    size = _digits(number)
    for offset in range(size):
        out[place + size - 1 - offset] = _ZERO + number % 10
        number //= 10
    return place + size


@kernel
def _digits(number: int) -> int:
    size = 1
    while number >= 10:
        number //= 10
        size += 1
    return size
