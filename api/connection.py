"""One HTTP connection: counted, bounded, and with a short cut for the endpoints of the table.

A request of the table is served without ASGI: no task, no scope, no queue of messages, one write. That is most of
what a request costs beside the exchange itself. All other requests take uvicorn's way, and so does a request that
comes before the one ahead of it is answered; a `Pending` stands where uvicorn keeps its own cycle, so that the order
of answers, keep-alive and shutdown are uvicorn's business in both cases.
"""

import asyncio
from collections.abc import Mapping, Sequence, Sized
from functools import partial
from http import HTTPStatus
from typing import Any, Protocol

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.binance.placing import PLACE, Sender, finish, receive
from api.bursts import Order
from api.call import NOT_MODIFIED, USED_LINES, Answer, Call, read_headers, refusal
from api.door import Endpoint, Services, answer, refused
from api.errors import HEAD_TOO_LARGE, INVALID_HTTP, Problem, RequestError
from api.heads import END, Head, Heads
from api.steps import Steps
from exchange.events import Event

_STATUS = {status.value: b"HTTP/1.1 %d %s\r\n" % (status, status.phrase.encode()) for status in HTTPStatus}
_CLOSE = (b"connection", b"close")
_PLACED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n" + USED_LINES


class Served(Protocol):
    """As much of an application as a connection and its server need."""

    connections: Sized  # told by the server

    @property
    def services(self) -> Services:
        """Return what the endpoints work with."""

    @property
    def heads(self) -> Heads:
        """Return what heads are remembered."""

    @property
    def direct(self) -> Mapping[tuple[bytes, bytes], Endpoint]:
        """Return the endpoints that are answered without ASGI, by method and path."""


class _Nobody:
    """In the place of the event that wakes an application: nobody sleeps."""

    def set(self) -> None:
        """Wake nobody."""


_NOBODY = _Nobody()


class Pending(msgspec.Struct, eq=False):
    """A request of the table that is not answered yet; what uvicorn reads of its own cycles has their names."""

    endpoint: Endpoint
    call: Call
    keep_alive: bool
    more_body: bool = True
    size: int = 0
    parts: list[bytes] = []
    response_complete: bool = False
    disconnected: bool = False
    message_event: _Nobody = _NOBODY

    def add(self, part: bytes, limit: int) -> None:
        """Take a part of the body; what is too much is counted and thrown away."""
        self.size += len(part)
        if self.size <= limit:
            self.parts.append(part)


class HttpConnection(HttpToolsProtocol):
    """One connection, counted against the limits of its address from its first moment to its last."""

    _is_in_body = False
    _ordered: Pending  # the order that was gathered with others and is not answered yet: requests behind it wait

    def __init__(self, application: Served, **arguments: Any) -> None:  # noqa: ANN401 - whatever uvicorn has
        super().__init__(**arguments)
        self.services = application.services
        self._limiter = application.services.limiter
        self._address = ""
        self._is_counted = False
        self._is_in_head = False
        self._head_bytes = 0
        self._heads = application.heads
        self._direct = application.direct
        self._bursts = application.services.bursts.bodies
        self._asks_origins = bool(application.services.origins.allowed)
        self._whole: Pending | None = None  # the request that all of what came last was, if it was just that

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection; close it at once if there are too many."""
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._is_counted = True
        problem = self._limiter.open_connection(self._address)
        if problem is not None:
            self._end(problem)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection out."""
        super().connection_lost(exc)
        self.uncount()

    def data_received(self, data: bytes) -> None:
        """Take what has come; the parser would take a head without end."""
        is_fresh = not self._is_in_head and (self.cycle is None or self.cycle.response_complete)
        if is_fresh and not self.flow.write_paused:
            end = data.find(END) + len(END)
            head = self._heads.find(data[:end])
            if head is not None and end + head.body_bytes == len(data):
                self._take(head, data[end:])
                return
        self._whole = None
        super().data_received(data)
        whole = self._whole
        if is_fresh and whole is not None and whole is self.cycle:
            self._heads.remember(data, whole.endpoint, whole.call, keep_alive=whole.keep_alive)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._limiter.limits.head_bytes_max and not self.transport.is_closing():
                self._end(HEAD_TOO_LARGE)

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection, and the counting of it, to the websocket's own protocol."""
        self.uncount()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Say in the words of all other errors that this is no HTTP."""
        self._end(INVALID_HTTP._replace(message=msg))

    def on_message_begin(self) -> None:
        """Begin a request; uvicorn's scope is only made if it takes uvicorn's way."""
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._is_in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Choose the way of a request."""
        self._is_in_head, self._is_in_body = False, True
        endpoint = self._endpoint()
        if endpoint is not None:
            call = Call(self._address, self.url.partition(b"?")[2], self.services.exchange.clock.now_ns())
            read_headers(call, self.headers)
            keep_alive = self.parser.get_http_version() != "1.0" and self.parser.should_keep_alive()
            self.cycle = Pending(endpoint, call, keep_alive)  # type: ignore[assignment] # see the top
            return
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers.extend(headers)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        cycle = self.cycle
        if not isinstance(cycle, Pending):
            super().on_body(body)
            return
        limits = self._limiter.limits
        cycle.add(body, limits.body_bytes_max)
        if cycle.size > limits.drain_bytes_max and not cycle.response_complete:
            cycle.keep_alive = False
            self._begin(cycle)

    def on_message_complete(self) -> None:
        """Serve a request that is complete."""
        self._is_in_body = False
        cycle = self.cycle
        if not isinstance(cycle, Pending):
            super().on_message_complete()
        elif not cycle.response_complete:
            self._whole = cycle
            self._begin(cycle)

    def is_waiting(self) -> bool:
        """Return whether the next move is the client's: to send a request, or the rest of one, or to read."""
        cycle = self.cycle
        idle = cycle is None or cycle.response_complete
        return idle or cycle.more_body or bool(self.flow.write_paused)

    def is_resting(self) -> bool:
        """Return whether the client owes nothing but its next request."""
        is_between = not (self._is_in_head or self._is_in_body)  # an answer may come before the request is complete
        return is_between and self.cycle is not None and self.cycle.response_complete

    def _endpoint(self) -> Endpoint | None:
        """Return the endpoint of a request that may take the short cut."""
        if self.cycle is not None and not self.cycle.response_complete:
            return None
        if self.expect_100_continue or self.flow.write_paused or self.parser.should_upgrade():
            return None
        if self._asks_origins and any(name == b"origin" for name, _ in self.headers):
            return None
        return self._direct.get((self.parser.get_method(), self.url.partition(b"?")[0]))

    def _take(self, head: Head, body: bytes) -> None:
        """Serve a request that has come whole and whose head is known."""
        pending = Pending(head.endpoint, head.call, head.keep_alive, False, len(body))
        self.cycle = pending  # type: ignore[assignment] # see the top
        if pending.endpoint is PLACE and pending.keep_alive and self.joins(body):
            self._ordered = pending
            self._bursts.add(head.sender(self.services, self._address), self, body)
            return
        pending.call = head.call.again(self._address, self.services.exchange.clock.now_ns())
        self._serve(pending, body)

    def _begin(self, pending: Pending) -> None:
        pending.more_body = False
        self._serve(pending, b"".join(pending.parts))

    def _serve(self, pending: Pending, body: bytes) -> None:
        if pending.size > self._limiter.limits.body_bytes_max:
            try:
                self._limiter.refuse_body(pending.size)
            except RequestError as error:
                self.finish_call(pending, refusal(error.problem, []))
                return
        call = pending.call
        call.body = body
        if pending.endpoint is not PLACE:
            Steps(answer(pending.endpoint, self.services, call), partial(self.finish_call, pending), self.loop).step()
        elif pending.keep_alive and self.joins(body):
            self._ordered = pending
            self._bursts.add(Sender(self.services, call, self._address), self, body)
        else:
            self.receive(pending)

    def joins(self, _: bytes) -> bool:
        """Tell whether the order in a body is placed at the end of the turn, with those that come until then."""
        return True

    def receive(self, pending: Pending) -> None:
        """Place an order without a coroutine."""
        try:
            receive(self.services, pending.call, partial(self.told, pending))
        except Exception as error:  # noqa: BLE001 - nothing is caught here that is not answered
            self.told(pending, error)

    def serve(self, message: bytes) -> None:
        """Place an order alone that was gathered with others."""
        self.receive(self._gathered(message))

    def answered(self, answers: memoryview, _: Sequence[int]) -> None:
        """Send the response to an order; that the server stops meanwhile is told in its head."""
        data, pending = bytes(answers), self._ordered
        if not pending.keep_alive:
            data = data.replace(b"\r\n\r\n", b"\r\n%s: %s\r\n\r\n" % _CLOSE, 1)
        self.write(pending, data)

    def finish(self, order: Order, _now_ns: int, outcome: Sequence[Event] | Exception) -> None:
        """Say what became of an order the general way."""
        pending = self._gathered(order.message)
        call = pending.call
        call.account = order.account
        lines = order.tail.split(b"\r\n")[:-1]
        call.headers_out = [(name, value) for name, _, value in (line.partition(b": ") for line in lines)]
        told = partial(self.told, pending)
        if isinstance(outcome, Exception):
            told(outcome)
        else:
            finish(self.services, call, outcome, told)

    def _gathered(self, body: bytes) -> Pending:
        """Return the order that was gathered with those of others, with a call of its own."""
        pending = self._ordered
        pending.call = pending.call.again(self._address, self.services.exchange.clock.now_ns())
        pending.call.body = body
        return pending

    def told(self, pending: Pending, outcome: bytes | Exception) -> None:
        """Answer an order with what became of it, or with what went wrong."""
        call = pending.call
        if not isinstance(outcome, bytes):
            call.tell_used()
            self.finish_call(pending, refused(PLACE, outcome, call))
        elif call.used and pending.keep_alive:
            self.write(pending, b"%s\r\n%s" % (_PLACED % (len(outcome), *call.used), outcome))
        else:
            call.tell_used()
            self.finish_call(pending, Answer(200, outcome, call.headers_out))

    def finish_call(self, pending: Pending, result: Answer) -> None:
        """Write an answer, and go on with what comes next."""
        headers = result.headers if pending.keep_alive else [*result.headers, _CLOSE]
        self.write(pending, response(result.status, headers, result.body))

    def write(self, pending: Pending, data: bytes) -> None:
        """Send the answer to a request, and go on with what comes next."""
        pending.response_complete = True
        if pending.disconnected or self.transport.is_closing():
            return
        self.transport.write(data)
        if pending.keep_alive:
            self.on_response_complete()
        else:
            self.transport.close()

    def on_response_complete(self) -> None:
        """Begin the next request that waits; how long a connection may rest is the sweeper's business."""
        if self.pipeline:
            super().on_response_complete()
        elif self.flow.read_paused and not self.transport.is_closing():
            self.flow.resume_reading()

    def uncount(self) -> None:
        """Count the connection out, once."""
        if self._is_counted:
            self._limiter.close_connection(self._address)
            self._is_counted = False

    def _end(self, problem: Problem) -> None:
        told = refusal(problem, [_CLOSE])
        self.transport.write(response(told.status, told.headers, told.body))
        self.transport.close()


def response(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    """Return an answer as it goes over the line."""
    lines = b"".join([b"%s: %s\r\n" % header for header in headers])
    if status == NOT_MODIFIED:
        return b"%s%s\r\n" % (_STATUS[status], lines)
    head = b"%scontent-type: application/json\r\ncontent-length: %d\r\n%s\r\n"
    return head % (_STATUS[status], len(body), lines) + body
