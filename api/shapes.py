"""Bodies of orders that are made like one that came before: read by one pattern instead of name by name.

What sends orders sends them all alike: the same names in the same order, the same few words, and only numbers, names
and times that differ. Whether such names and words make an order does not depend on the rest, so what the general
reader (`api.parameters`, `api.orders`) found once need not be found again. A body that does not fit, in whatever way,
is the general reader's: nothing is refused here, and nothing is accepted that it would refuse.
"""

import re
from collections.abc import Mapping

from api.orders import OrderTexts
from api.parameters import NEW_CLIENT_ORDER_ID_PATTERN

SHAPES_MAX = 256  # all are forgotten when there are more
ALIKE_MAX = 8  # shapes that are tried for one length of body
BYTES_MAX = 1024  # of a body; a longer one is read in general
SIGNATURE_BYTES = len("&signature=") + 64  # at the end of a body

# the order, its timestamp, its window (empty if there is none), its signature: words known, numbers still text
Reading = tuple[OrderTexts, str, str, str]

_ANY = "([^&%+=\ufffd]+)"  # the last stands for bytes that are not ASCII
_PATTERNS = {
    "newClientOrderId": f"({NEW_CLIENT_ORDER_ID_PATTERN})",
    "timestamp": "([0-9]{1,17})",
    "signature": "([0-9a-f]{64})",
}
_WORDS = frozenset(("side", "type", "timeInForce", "selfTradePreventionMode", "newOrderRespType"))
_TEXTS = ("symbol", "price", "quantity", "newClientOrderId", "quoteOrderQty", "stopPrice", "icebergQty")
_BESIDES = ("timestamp", "recvWindow", "signature")
_new = tuple.__new__  # half the time of a NamedTuple's own constructor


class _Shape:
    """Names in their order with the words among them, and what those mean."""

    __slots__ = ("begin", "end", "match", "places")

    def __init__(self, texts: Mapping[str, str], order: OrderTexts) -> None:
        groups = [name for name in texts if name not in _WORDS]
        parts = [f"{name}={value if name in _WORDS else _PATTERNS.get(name, _ANY)}" for name, value in texts.items()]
        self.match = re.compile("&".join(parts) + "()").fullmatch  # an absent name has the group that is always empty
        places = {name: place for place, name in enumerate(groups, 1)}
        self.places = [places.get(name, len(groups) + 1) for name in (*_TEXTS, *_BESIDES)]
        self.begin = order[1:5]  # side, type, time in force, flags
        self.end = order.self_trade_prevention, order.response


class Shapes:
    """The shapes of the bodies that came so far."""

    def __init__(self) -> None:
        """Know none."""
        self._shapes: dict[tuple[str, ...], _Shape] = {}
        self._by_length: dict[int, list[_Shape]] = {}  # of a body: of those of one client mostly a single one

    def read(self, body: bytes) -> Reading | None:
        """Return what a body says if it is like one that was learned."""
        alike = self._by_length.get(len(body))
        if alike is None:
            return None
        text = str(body, "ascii", "replace")
        for shape in alike:
            match = shape.match(text)
            if match is not None:
                break
        else:
            return None
        symbol, price, quantity, name, amount, stop, iceberg, timestamp, window, signature = match.group(*shape.places)
        side, order_type, time_in_force, flags = shape.begin
        mode, response = shape.end
        order = (
            symbol, side, order_type, time_in_force, flags, price, quantity, name, mode, response, amount, stop,
            iceberg, 0,
        )  # fmt: skip
        return _new(OrderTexts, order), timestamp, window, signature

    def learn(self, body: bytes, texts: Mapping[str, str], order: OrderTexts) -> None:
        """Remember what the general reader made of a body."""
        names = list(texts)
        if len(body) > BYTES_MAX or names[-1] != "signature":
            return
        key = tuple([f"{name}={text}" if name in _WORDS else name for name, text in texts.items()])
        shape = self._shapes.get(key)
        if shape is None:
            if len(self._shapes) >= SHAPES_MAX:
                self._shapes.clear()
                self._by_length.clear()
            shape = self._shapes[key] = _Shape(texts, order)
        alike = self._by_length.setdefault(len(body), [])
        if shape not in alike and shape.match(str(body, "ascii", "replace")) is not None:
            if len(alike) >= ALIKE_MAX:
                alike.clear()
            alike.append(shape)
