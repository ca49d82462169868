"""The websocket API: every method is an endpoint of the REST API, or about the connection's own session.

Requests of one connection are answered as their results come, many at a time. A session may log on once instead of
signing every request, and may hear what happens on accounts whose keys it holds.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import structlog

from api import auth
from api.binance import frames, wsrequest
from api.binance.placing import Placing, begin, place
from api.binance.rest import ENDPOINTS
from api.binance.wsrequest import Request
from api.bursts import Admitted, Order
from api.call import Call, encoded
from api.departures import Departures
from api.door import Endpoint, Services
from api.errors import (
    OVERLOADED,
    REJECTED_API_KEY,
    STOPPED,
    UNKNOWN_ERROR,
    UNSUPPORTED_OPERATION,
    Problem,
    RequestError,
    invalid,
    missing,
)
from api.orders import decode
from api.parameters import AUTHENTICATION, long, refuse_unknown
from api.private import PrivateStreams
from api.shapes import Reading
from api.steps import Steps
from api.stream.backlog import Message
from api.stream.frames import BINARY, POLICY_VIOLATION, TEXT, text_frame
from api.stream.hub import Connection, Hub
from api.stream.transport import FrameProtocol
from exchange.events import Event
from exchange.registry.documents import Scope
from exchange.sequencer import Overloaded, Stopped

PLACE = "order.place"
SESSION_WEIGHT = 2
BANNED = 418
ALREADY_SUBSCRIBED = Problem(400, -2035, "User Data Stream subscription already active.")
TOO_MANY_SUBSCRIPTIONS = Problem(400, -1011, "Too many subscriptions on one connection.")
log = structlog.get_logger()

_KEY = "/api/v3/userDataStream"
METHODS = {
    "ping": ("GET", "/api/v3/ping"),
    "time": ("GET", "/api/v3/time"),
    "exchangeInfo": ("GET", "/api/v3/exchangeInfo"),
    "depth": ("GET", "/api/v3/depth"),
    "trades.recent": ("GET", "/api/v3/trades"),
    "trades.historical": ("GET", "/api/v3/historicalTrades"),
    "trades.aggregate": ("GET", "/api/v3/aggTrades"),
    "klines": ("GET", "/api/v3/klines"),
    "uiKlines": ("GET", "/api/v3/uiKlines"),
    "avgPrice": ("GET", "/api/v3/avgPrice"),
    "ticker.24hr": ("GET", "/api/v3/ticker/24hr"),
    "ticker.price": ("GET", "/api/v3/ticker/price"),
    "ticker.book": ("GET", "/api/v3/ticker/bookTicker"),
    PLACE: ("POST", "/api/v3/order"),
    "order.test": ("POST", "/api/v3/order/test"),
    "order.status": ("GET", "/api/v3/order"),
    "order.cancel": ("DELETE", "/api/v3/order"),
    "order.cancelReplace": ("POST", "/api/v3/order/cancelReplace"),
    "order.amend.keepPriority": ("PUT", "/api/v3/order/amend/keepPriority"),
    "openOrders.status": ("GET", "/api/v3/openOrders"),
    "openOrders.cancelAll": ("DELETE", "/api/v3/openOrders"),
    "allOrders": ("GET", "/api/v3/allOrders"),
    "myTrades": ("GET", "/api/v3/myTrades"),
    "account.status": ("GET", "/api/v3/account"),
    "account.commission": ("GET", "/api/v3/account/commission"),
    "account.rateLimits.orders": ("GET", "/api/v3/rateLimit/order"),
    "userDataStream.start": ("POST", _KEY),
    "userDataStream.ping": ("PUT", _KEY),
    "userDataStream.stop": ("DELETE", _KEY),
}
OWN_METHODS = (  # about the connection's own session
    "session.logon",
    "session.status",
    "session.logout",
    "session.subscriptions",
    "userDataStream.subscribe",
    "userDataStream.subscribe.signature",
    "userDataStream.unsubscribe",
)
_PLACING = Request(method=PLACE)
_ENDPOINTS: dict[str, Endpoint] = {method: ENDPOINTS[key] for method, key in METHODS.items()}


class _Subscription(NamedTuple):
    account: int
    key: str
    by_session: bool  # it ends when the session logs out
    following: asyncio.Task[None] | None = None  # while it is told what it missed


class ApiSession:
    """One connection of the websocket API."""

    def __init__(
        self,
        services: Services,
        hub: Hub,
        user_data: PrivateStreams,
        departures: Departures,
        connection: Connection,
        line: FrameProtocol,
        address: str,
        unit_ns: int,
    ) -> None:
        self._unit_ns = unit_ns
        self._services = services
        self._bursts = services.bursts.requests
        self._departures = departures
        self._leaving: int | None = None  # the account whose orders go with this connection
        self._hub = hub
        self._user_data = user_data
        self._connection = connection
        self._line = line
        self._address = address
        self._connected_ns = services.exchange.clock.now_ns()
        self._key = ""  # who is logged on
        self._logged_on_ns = 0
        self._subscriptions: dict[int, _Subscription] = {}
        self._next_id = 0
        self._weight_used = 0
        self._in_flight = 0
        served = (
            self._log_on,
            self._status,
            self._log_out,
            self._list,
            self._subscribe,
            self._subscribe_signed,
            self._unsubscribe,
        )
        self._own: dict[str, Callable[[Call], object]] = dict(zip(OWN_METHODS, served, strict=True))

    async def receive(self, message: str | bytes) -> None:
        """Begin to answer a message that came before the session did."""
        if isinstance(message, str):
            self.take(message.encode(), TEXT)
        else:
            self.take(message, BINARY)

    def take(self, message: bytes, kind: int) -> None:
        """Begin to answer a message; read no more while too many are being answered."""
        if kind == TEXT:
            self.take_texts([message])
            return
        self._count_in(1)
        self._bursts.flush()
        frames.take(self._services, self._call(), self._key, message, self._tell_frame)

    def take_texts(self, messages: list[bytes]) -> None:
        """Begin to answer requests that came together."""
        self._count_in(len(messages))
        for number, message in enumerate(messages):
            if self._key:
                self._bursts.add_all(self, self, messages[number:])
                return
            self.serve(message)

    def serve(self, message: bytes) -> None:
        """Begin to answer a request."""
        call = self._call()
        request = Request()
        try:
            reading = self._services.gateway.requests.read(message) if self._key else None
            if reading is not None:
                request = Request(wsrequest.id_of(reading[3]), PLACE)
                self._place_read(request, call, reading)
                self._bursts.learn(message, self._services.gateway.requests, reading[0])
                return
            request = wsrequest.decode(message)
            if request.method == PLACE:
                self._place(request, call, message)
            else:
                steps = self._converse(request, call)
                Steps(steps, self._count_out, asyncio.get_running_loop()).step()
        except Exception as error:  # noqa: BLE001 - nothing is caught here that is not answered
            self._fail(request, call, error)
            self._count_out()

    def admit(self, messages: Sequence[bytes], _: Sequence[int], now_ns: int) -> Admitted | None:
        """Take what `_place_read` takes, of so many orders: none of them is signed."""
        try:
            credential = auth.authorised(self._services.keys, self._key, Scope.TRADE, self._address, now_ns)
        except Exception:  # noqa: BLE001 - whatever it is, the general way meets it again and answers
            return None
        account, count = credential.account, len(messages)
        used = self._services.limiter.take_many(self._address, credential.key, account, count, now_ns)
        if used is None:
            return None
        self._weight_used = used[0]
        call = self._call(now_ns)
        call.account = account
        return Admitted(account, self._unit_ns, [self._rate_limits(_PLACING, call)] * count)

    def answered(self, answers: memoryview, ends: Sequence[int]) -> None:
        """Send answers to orders."""
        self._connection.send_frames(answers, ends)
        self._count_out(len(ends))

    def finish(self, order: Order, now_ns: int, outcome: Sequence[Event] | Exception) -> None:
        """Say what became of an order that was read with others."""
        call = self._call(now_ns)
        call.account, call.key = order.account, self._key
        request = wsrequest.decode(order.message)
        if isinstance(outcome, Exception):
            self._told(request, call, outcome)
            return
        call.texts = wsrequest.texts_of(request.params)
        self._strip(call)
        texts = decode(call.texts)
        instrument = self._services.directory.instrument(texts.symbol)
        Placing(self._services, call, texts, instrument, partial(self._told, request, call)).set_result(list(outcome))

    def _call(self, now_ns: int = 0) -> Call:
        call = Call(self._address, b"", now_ns or self._services.exchange.clock.now_ns())
        call.time_unit_ns = self._unit_ns
        return call

    def _tell(self, request: Request, call: Call, result: bytes) -> None:
        """Answer a request with its result."""
        self._connection.send(wsrequest.answered(request.id, result, self._rate_limits(request, call)))

    def _fail(self, request: Request, call: Call, error: Exception) -> None:
        """Answer a request with what went wrong."""
        if isinstance(error, RequestError):
            self._refuse(request, call, error.problem)
        elif isinstance(error, (Overloaded, Stopped)):
            self._refuse(request, call, OVERLOADED if isinstance(error, Overloaded) else STOPPED)
        else:
            log.error("a method failed", method=request.method, exc_info=error)
            self._refuse(request, call, UNKNOWN_ERROR)

    def _tell_frame(self, payload: bytes) -> None:
        self._connection.send_binary(payload)
        self._count_out()

    def _count_in(self, count: int) -> None:
        self._in_flight += count
        if self._in_flight >= self._hub.config.requests_in_flight_max:
            self._line.hold()

    def _count_out(self, count: int | None = None) -> None:
        self._in_flight -= count or 1
        if self._in_flight < self._hub.config.requests_in_flight_max:
            self._line.release()

    def _place_read(self, request: Request, call: Call, reading: Reading) -> None:
        """Place an order of the session, written like one before it: the same checks in the same order."""
        services, limiter, (order, timestamp, window, _) = self._services, self._services.limiter, reading
        self._weight_used = limiter.take_weight(call.address, _ENDPOINTS[PLACE].weight, call.now_ns)
        credential = auth.authorised(services.keys, self._key, Scope.TRADE, call.address, call.now_ns)
        auth.good_until_ns(int(timestamp), window, call.now_ns)
        call.account, call.key = credential.account, credential.key
        limiter.take_key_weight(call.key, call.address, 1, call.now_ns)
        limiter.take_orders(call.account, 1, call.now_ns)
        instrument = services.directory.instrument(order.symbol)
        begin(services, call, order, instrument, partial(self._told, request, call))

    def _place(self, request: Request, call: Call, message: bytes) -> None:
        """Place an order without a coroutine: the receiver of its events tells what became of it."""
        services, endpoint = self._services, _ENDPOINTS[PLACE]
        self._weight_used = services.limiter.take_weight(call.address, endpoint.weight, call.now_ns)
        call.texts = wsrequest.texts_of(request.params)
        self._authenticate(call, Scope.TRADE, changes=True)
        self._strip(call)
        order = place(services, call, partial(self._told, request, call))
        if "apiKey" not in request.params:
            services.gateway.requests.learn_request(message, request.params, order)

    def _told(self, request: Request, call: Call, outcome: bytes | Exception) -> None:
        if isinstance(outcome, bytes):
            self._tell(request, call, outcome)
        else:
            self._fail(request, call, outcome)
        self._count_out()

    async def _converse(self, request: Request, call: Call) -> None:
        try:
            self._tell(request, call, await self._result(request, call))
        except Exception as error:  # noqa: BLE001 - nothing is caught here that is not answered
            self._fail(request, call, error)

    def check_rights(self, now_ns: int) -> None:
        """End subscriptions whose key is no longer good."""
        for number, subscription in list(self._subscriptions.items()):
            credential = self._services.keys.credential(subscription.key)
            if credential is None or (credential.expires_ns and now_ns >= credential.expires_ns):
                self._end(number)

    def gone(self) -> None:
        """Learn that the client has gone."""
        for subscription in self._subscriptions.values():
            if subscription.following is not None:
                subscription.following.cancel()
        if self._leaving is not None:
            self._departures.cancel(self._leaving)

    async def _result(self, request: Request, call: Call) -> bytes:
        endpoint = _ENDPOINTS.get(request.method)
        own = self._own.get(request.method) if endpoint is None else None
        weight = SESSION_WEIGHT if endpoint is None else endpoint.weight
        self._weight_used = self._services.limiter.take_weight(call.address, weight, call.now_ns)
        if endpoint is None and own is None:
            raise RequestError(missing("method") if not request.method else UNSUPPORTED_OPERATION)
        call.texts = wsrequest.texts_of(request.params)
        if endpoint is None:
            assert own is not None
            return encoded(own(call))
        if endpoint.scope is not None:
            self._authenticate(call, endpoint.scope, is_signed=endpoint.is_signed, changes=endpoint.changes)
        self._strip(call)
        reply = await endpoint.handler(self._services, call)
        assert isinstance(reply, bytes), "only HTTP has conditional requests"
        return reply

    def _authenticate(self, call: Call, scope: Scope, *, is_signed: bool = True, changes: bool = False) -> None:
        """Find out whose request it is: by its own key and signature, or by the session's."""
        keys, texts = self._services.keys, call.texts
        key = texts.get("apiKey", "")
        by_session = not key and bool(self._key)
        if not key and not by_session:
            raise RequestError(missing("apiKey"))
        credential = auth.authorised(keys, key or self._key, scope, call.address, call.now_ns)
        if is_signed and not by_session:
            wsrequest.check_signature(credential, texts)
        if is_signed:
            until_ns = auth.check_time(texts, call.now_ns)
            if changes and not by_session and "newClientOrderId" not in texts:
                keys.replays.take(credential.key, wsrequest.payload_of(texts), until_ns, call.now_ns)
        call.account, call.key = credential.account, credential.key
        self._services.limiter.take_key_weight(call.key, call.address, 1, call.now_ns)

    @staticmethod
    def _strip(call: Call) -> None:
        """Leave what the method itself is asked; all of it was signed."""
        for name in ("apiKey", "signature", "returnRateLimits"):
            call.texts.pop(name, None)

    def _refuse(self, request: Request, call: Call, problem: Problem) -> None:
        answer = wsrequest.refused(request.id, problem, self._rate_limits(request, call))
        if problem.status == BANNED:
            self._connection.end(text_frame(answer), POLICY_VIOLATION, "Banned.")
        else:
            self._connection.send(answer)

    def _rate_limits(self, request: Request, call: Call) -> bytes:
        if request.params.get("returnRateLimits") is False:
            return b""
        limiter = self._services.limiter
        limits = b'[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":%d,"count":%d}' % (
            limiter.limits.weight_per_minute,
            self._weight_used,
        )
        if request.method != PLACE or not call.account:
            return limits + b"]"
        orders = limiter.orders_used(call.account, call.now_ns)
        return limits + (
            b',{"rateLimitType":"ORDERS","interval":"SECOND","intervalNum":10,"limit":%d,"count":%d}]'
            % (limiter.limits.orders_per_10s, orders)
        )

    def _log_on(self, call: Call) -> object:
        credential = self._services.keys.credential(call.texts.get("apiKey", ""))
        trades = credential is not None and Scope.TRADE in credential.scopes
        self._authenticate(call, Scope.TRADE if trades else Scope.READ)
        self._strip(call)
        wanted = call.texts.pop("cancelOnDisconnect", "false")
        refuse_unknown(call.texts, AUTHENTICATION)
        if wanted not in {"true", "false"}:
            raise RequestError(invalid("cancelOnDisconnect"))
        assert credential is not None
        if wanted == "true" and not trades:
            raise RequestError(REJECTED_API_KEY)
        self._leaving = call.account if wanted == "true" or auth.takes_orders_along(credential) else None
        self._key, self._logged_on_ns = call.key, call.now_ns
        return self._described(call)

    def _status(self, call: Call) -> object:
        self._strip(call)
        refuse_unknown(call.texts, frozenset())
        return self._described(call)

    def _log_out(self, call: Call) -> object:
        self._strip(call)
        refuse_unknown(call.texts, frozenset())
        for number in [number for number, one in self._subscriptions.items() if one.by_session]:
            self._end(number)
        self._key, self._logged_on_ns = "", 0
        self._leaving = None
        return self._described(call)

    def _described(self, call: Call) -> dict[str, Any]:
        return {
            "apiKey": self._key or None,
            "authorizedSince": call.stamp(self._logged_on_ns) if self._key else None,
            "connectedSince": call.stamp(self._connected_ns),
            "returnRateLimits": True,
            "serverTime": call.stamp(call.now_ns),
            "userDataStream": bool(self._subscriptions),
            "cancelOnDisconnect": self._leaving is not None,
        }

    def _list(self, call: Call) -> object:
        self._strip(call)
        refuse_unknown(call.texts, frozenset())
        return [{"subscriptionId": number} for number in self._subscriptions]

    def _subscribe(self, call: Call) -> object:
        self._strip(call)
        after = _after(call)
        refuse_unknown(call.texts, frozenset())
        if not self._key:
            raise RequestError(REJECTED_API_KEY)
        self._authenticate(call, Scope.READ, is_signed=False)
        return self._begin(call, after, by_session=True)

    def _subscribe_signed(self, call: Call) -> object:
        if "apiKey" not in call.texts:
            raise RequestError(missing("apiKey"))
        self._authenticate(call, Scope.READ)
        self._strip(call)
        after = _after(call)
        refuse_unknown(call.texts, AUTHENTICATION)
        return self._begin(call, after, by_session=False)

    def _unsubscribe(self, call: Call) -> object:
        self._strip(call)
        refuse_unknown(call.texts, frozenset(("subscriptionId",)))
        text = call.texts.get("subscriptionId")
        numbers = list(self._subscriptions) if text is None else [long("subscriptionId", text)]
        if text is not None and numbers[0] not in self._subscriptions:
            raise RequestError(invalid("subscriptionId"))
        for number in numbers:
            self._end(number)
        return {}

    def _begin(self, call: Call, after: int | None, *, by_session: bool) -> object:
        if any(subscription.account == call.account for subscription in self._subscriptions.values()):
            raise RequestError(ALREADY_SUBSCRIBED)
        if len(self._subscriptions) >= self._hub.config.subscriptions_max:
            raise RequestError(TOO_MANY_SUBSCRIPTIONS)
        problem = None if after is None else self._user_data.problem(call.account, after)
        if problem is not None:
            raise RequestError(problem)
        number, self._next_id = self._next_id, self._next_id + 1
        prefix = b'{"subscriptionId":%d,"event":' % number
        following = None
        if after is None:
            self._user_data.subscribe(self._connection, call.account, prefix)
        else:  # begins when this has been answered
            told = self._user_data.follow(self._connection, call.account, after, prefix)
            following = asyncio.create_task(told)
        self._subscriptions[number] = _Subscription(call.account, call.key, by_session, following)
        return {
            "subscriptionId": number,
            "sequence": self._services.exchange.account_events.latest(call.account),
        }

    def _end(self, number: int) -> None:
        """End a subscription, and say so."""
        event = {"e": "eventStreamTerminated", "E": self._hub.clock.now_ns() // self._unit_ns}
        self._connection.push(Message("terminated", {"subscriptionId": number, "event": event}))
        subscription = self._subscriptions.pop(number)
        if subscription.following is not None:
            subscription.following.cancel()
        name = self._user_data.topic_name(subscription.account)
        if self._hub.unsubscribe(self._connection, name):
            self._user_data.close(name)


def _after(call: Call) -> int | None:
    """Return the number of the last event that the client has, if it wants what came behind it."""
    text = call.texts.pop("fromSequence", None)
    return None if text is None else long("fromSequence", text)
