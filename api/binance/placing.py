"""A new order without a coroutine: the receiver of its command's events makes the answer itself.

It is `trading.place` in two halves with nothing between them but the exchange. An order over REST whose body is like
one that came before passes the same checks in the same order as any request does in `api.door`, in fewer steps.
"""

from collections.abc import Callable, Sequence

from api import auth, door, parameters
from api.binance import trading
from api.binance.rest import ENDPOINTS
from api.bursts import Admitted
from api.call import USED_LINES, Call, check_headers
from api.door import Services
from api.orders import OrderTexts, decode
from api.shapes import SIGNATURE_BYTES, SIGNATURE_SIZE, Reading
from exchange.events import Event
from exchange.registry.documents import Scope
from exchange.registry.entries import Instrument

PLACE = ENDPOINTS["POST", "/api/v3/order"]

_NAMED = b"newClientOrderId="
Tell = Callable[[bytes | Exception], None]  # JSON, or what went wrong


class Placing:
    """An order on its way."""

    __slots__ = ("_call", "_instrument", "_order", "_services", "_tell")

    def __init__(self, services: Services, call: Call, order: OrderTexts, instrument: Instrument, tell: Tell) -> None:
        self._services = services
        self._call = call
        self._order = order
        self._instrument = instrument
        self._tell = tell

    def done(self) -> bool:
        """Return that the client still waits: whether it does is the connection's business."""
        return False

    def set_result(self, events: list[Event], /) -> None:
        """Say what became of the order."""
        services, order, instrument = self._services, self._order, self._instrument
        told: bytes | Exception
        try:
            result = services.gateway.outcome(events, order, instrument)
            told = trading.told(services, self._call, order, instrument, result).encode()
        except Exception as error:  # noqa: BLE001 - nothing is caught here that is not told
            told = error
        self._tell(told)

    def set_exception(self, error: Exception, /) -> None:
        """Say why there is no result."""
        self._tell(error)


def receive(services: Services, call: Call, tell: Tell) -> None:
    """Place the order of a call that came over REST; `tell` is called once, unless this raises."""
    bodies = services.gateway.bodies
    reading = None if call.query else bodies.read(call.body)
    if reading is not None:
        _admit(services, call, reading)
        order = reading[0]
        begin(services, call, order, services.directory.instrument(order.symbol), tell)
        services.bursts.bodies.learn(call.body, bodies, order)
        return
    door.admit(PLACE, services, call)
    order, instrument = trading.ordered(services, call)
    if not call.query:
        bodies.learn_body(call.body, call.texts, order)
    begin(services, call, order, instrument, tell)


class Sender:
    """Who sends orders over REST with the same head from the same address, by whatever connection: an Asker."""

    __slots__ = ("_call", "_services")

    def __init__(self, services: Services, call: Call, address: str) -> None:
        """Send with the head of a call, from an address."""
        self._services = services
        self._call = call.again(address, 0)

    def admit(self, messages: Sequence[bytes], until_ns: Sequence[int], now_ns: int) -> Admitted | None:
        """Take what `receive` takes, of those orders, their bodies read together, that it would not refuse.

        Nothing is taken of what may be refused, or the general way, which then says what is wrong, takes it again.
        """
        services, call = self._services, self._call
        if call.query:
            return None
        call.body = messages[0]  # any of them: the head must be one for a form
        try:
            check_headers(call)
            credential = auth.authorised(services.keys, call.key, Scope.TRADE, call.address, now_ns)
            unnamed: dict[bytes, int] = {}
            good = [self._is_good(credential, *one, unnamed) for one in zip(messages, until_ns, strict=True)]
            used = services.limiter.take_many(call.address, call.key, credential.account, sum(good), now_ns)
            if used is None:
                return None
            for payload, good_ns in unnamed.items():
                services.keys.replays.take(call.key, payload, good_ns, now_ns)
        except Exception:  # noqa: BLE001 - whatever it is, the general way meets it again and answers
            return None
        tails: list[bytes | None] = []
        left = sum(good)
        for is_good in good:
            left -= is_good
            tails.append(USED_LINES % (used[0] - left, used[1] - left, used[2] - left) if is_good else None)
        return Admitted(credential.account, call.time_unit_ns, tails)

    def _is_good(self, credential: auth.Credential, body: bytes, until_ns: int, unnamed: dict[bytes, int]) -> bool:
        """Tell whether an order is signed and did not come before; put one without a name to the others."""
        payload = body[:-SIGNATURE_BYTES]
        if not auth.is_signed(credential, payload, str(body[-SIGNATURE_SIZE:], "ascii")):
            return False
        if _NAMED in payload:
            return True
        replays = self._services.keys.replays
        if payload in unnamed or not replays.has_room_for(credential.key, payload, until_ns, len(unnamed)):
            return False
        unnamed[payload] = until_ns
        return True


def finish(services: Services, call: Call, events: Sequence[Event], tell: Tell) -> None:
    """Say what became of an order whose body was read with others."""
    order = decode(parameters.parse(b"", call.body))
    instrument = services.directory.instrument(order.symbol)
    Placing(services, call, order, instrument, tell).set_result(list(events))


def place(services: Services, call: Call, tell: Tell) -> OrderTexts:
    """Place the order of an authenticated call, and return it; `tell` is called once, unless this raises."""
    order, instrument = trading.ordered(services, call)
    begin(services, call, order, instrument, tell)
    return order


def _admit(services: Services, call: Call, reading: Reading) -> None:
    """Take what `door.admit` and `trading.ordered` take, of a body that needs no more reading."""
    order, timestamp, window, signature = reading
    limiter, now_ns, used = services.limiter, call.now_ns, call.used
    used.append(limiter.take_weight(call.address, PLACE.weight, now_ns))
    check_headers(call)
    credential = auth.authorised(services.keys, call.key, Scope.TRADE, call.address, now_ns)
    call.account = credential.account
    used.append(limiter.take_key_weight(call.key, call.address, PLACE.weight, now_ns))
    payload = call.body[:-SIGNATURE_BYTES]
    auth.check_signature(credential, payload, signature)
    until_ns = auth.good_until_ns(int(timestamp), window, now_ns)
    if not order.client_order_id:
        services.keys.replays.take(call.key, payload, until_ns, now_ns)
    used.append(limiter.take_orders(call.account, 1, now_ns))


def begin(services: Services, call: Call, order: OrderTexts, instrument: Instrument, tell: Tell) -> None:
    """Place an order that has passed all checks but those of its numbers; `tell` is called once, unless this raises."""
    services.gateway.begin(call.account, order, instrument, Placing(services, call, order, instrument, tell))
