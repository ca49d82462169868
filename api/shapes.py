"""Orders that are written like one that came before: read by one pattern instead of name by name.

What sends orders writes them all alike: the same names in the same order, the same few words, and only numbers, names
and times that differ. Whether such names and words make an order does not depend on the rest, so what the general
readers (`api.parameters`, `api.binance.wsrequest`, `api.orders`) found once need not be found again. What does not fit,
in whatever way, is theirs: nothing is refused here, and nothing is accepted that they would refuse.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from api.orders import OrderTexts
from api.parameters import NEW_CLIENT_ORDER_ID_PATTERN

SHAPES_MAX = 256  # all are forgotten when there are more
ALIKE_MAX = 8  # shapes that are tried for one length
BYTES_MAX = 1024  # of a body or a request; a longer one is read in general
SIGNATURE_SIZE = 64  # in hexadecimal
SIGNATURE_BYTES = len("&signature=") + SIGNATURE_SIZE  # at the end of a body

# the order, its timestamp, its window (empty if there is none), and the signature of a body or the id of a request:
# words known, numbers still text
Reading = tuple[OrderTexts, str, str, str]

Parted = list[tuple[str, int, int]]  # the name of each part that differs, where it begins and ends

# what may stand in a value; bytes are read as Latin-1, of which the first half is ASCII
_IN_BODY, _IN_JSON = "[^&%+=\\x80-\\xff]+", '[^"\\\\\\x00-\\x1f\\x80-\\xff]+'
_NUMBER = "0|[1-9][0-9]{0,17}"  # as JSON writes one without a sign
_ID = '0|[1-9][0-9]{0,17}|"[a-zA-Z0-9_-]{1,64}"'
_PATTERNS = {
    "newClientOrderId": NEW_CLIENT_ORDER_ID_PATTERN,
    "timestamp": "[0-9]{1,17}",
    "signature": "[0-9a-f]{64}",
}
_WORDS = frozenset(("side", "type", "timeInForce", "selfTradePreventionMode", "newOrderRespType"))
_TEXTS = ("symbol", "price", "quantity", "newClientOrderId", "quoteOrderQty", "stopPrice", "icebergQty")
_new = tuple.__new__  # half the time of a NamedTuple's own constructor


class _Shape:
    """A pattern with a group for what differs, and what the words in it mean."""

    __slots__ = ("begin", "end", "match", "names", "places")

    def __init__(self, pattern: str, names: Sequence[str], order: OrderTexts, beside: str) -> None:
        self.match = re.compile(pattern + "()").fullmatch  # an absent name has the group that is always empty
        self.names = tuple(names)
        places = {name: place for place, name in enumerate(names, 1)}
        self.places = [places.get(name, len(names) + 1) for name in (*_TEXTS, "timestamp", "recvWindow", beside)]
        self.begin = order[1:5]  # side, type, time in force, flags
        self.end = order.self_trade_prevention, order.response


class Shapes:
    """The shapes of what came so far."""

    def __init__(self, beside: str) -> None:
        """Know none; `beside` is the name of the last part of a reading."""
        self._beside = beside
        self._shapes: dict[str, _Shape] = {}
        self._by_length: dict[int, list[_Shape]] = {}  # of those of one client mostly a single one

    def read(self, data: bytes) -> Reading | None:
        """Return what a body or a request says if it is like one that was learned."""
        found = self._find(data)
        if found is None:
            return None
        shape, match = found
        symbol, price, quantity, name, amount, stop, iceberg, timestamp, window, beside = match.group(*shape.places)
        side, order_type, time_in_force, flags = shape.begin
        mode, response = shape.end
        order = (
            symbol, side, order_type, time_in_force, flags, price, quantity, name, mode, response, amount, stop,
            iceberg, 0,
        )  # fmt: skip
        return _new(OrderTexts, order), timestamp, window, beside

    def parted(self, data: bytes) -> Parted | None:
        """Return where the parts are that differ between messages like one that was learned."""
        found = self._find(data)
        if found is None:
            return None
        shape, match = found
        return [(name, *match.span(place)) for place, name in enumerate(shape.names, 1)]

    def _find(self, data: bytes) -> tuple[_Shape, re.Match[str]] | None:
        alike = self._by_length.get(len(data))
        if alike is None:
            return None
        text = str(data, "latin-1")
        for shape in alike:
            match = shape.match(text)
            if match is not None:
                return shape, match
        return None

    def learn_body(self, body: bytes, texts: Mapping[str, str], order: OrderTexts) -> None:
        """Remember what the general reader made of a form body whose last parameter is the signature."""
        if list(texts)[-1] != "signature":
            return
        parts = [f"{re.escape(name)}={_part(name, text, _IN_BODY)}" for name, text in texts.items()]
        self._learn(body, "&".join(parts), [name for name in texts if name not in _WORDS], order)

    def learn_request(self, message: bytes, params: Mapping[str, Any], order: OrderTexts) -> None:
        """Remember what the general reader made of a request of the websocket API."""
        parts = []
        for name, value in params.items():
            if type(value) is int:
                parts.append(f'"{re.escape(name)}": ?({_NUMBER})')
            elif type(value) is str:
                parts.append(f'"{re.escape(name)}": ?"{_part(name, value, _IN_JSON)}"')
            else:
                return
        pattern = f'{{"id": ?({_ID}), ?"method": ?"order\\.place", ?"params": ?{{{", ?".join(parts)}}}}}'
        self._learn(message, pattern, ["id", *[name for name in params if name not in _WORDS]], order)

    def _learn(self, data: bytes, pattern: str, names: Sequence[str], order: OrderTexts) -> None:
        if len(data) > BYTES_MAX:
            return
        shape = self._shapes.get(pattern)
        if shape is None:
            if len(self._shapes) >= SHAPES_MAX:
                self._shapes.clear()
                self._by_length.clear()
            shape = self._shapes[pattern] = _Shape(pattern, names, order, self._beside)
        alike = self._by_length.setdefault(len(data), [])
        if shape not in alike and shape.match(str(data, "latin-1")) is not None:
            if len(alike) >= ALIKE_MAX:
                alike.clear()
            alike.append(shape)


def _part(name: str, text: str, pattern: str) -> str:
    """Return what the value of a name must be: the same word, or whatever differs."""
    return re.escape(text) if name in _WORDS else f"({_PATTERNS.get(name, pattern)})"
