"""One HTTP request read from ASGI and one answer written to it: the lines between the sockets and the endpoints."""

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, NamedTuple

import msgspec

from api.errors import (
    INVALID_TIME_UNIT,
    WRONG_CONTENT_TYPE,
    Problem,
    RequestError,
)
from api.limits import Limiter, Limits
from api.packing import takes_gzip

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

MILLISECOND_NS = 1_000_000
MICROSECOND_NS = 1_000
_TIME_UNITS = {b"MILLISECOND": MILLISECOND_NS, b"MICROSECOND": MICROSECOND_NS}
_FORM = b"application/x-www-form-urlencoded"
NOT_MODIFIED = 304
_JSON = (b"content-type", b"application/json")
USED = (b"x-mbx-used-weight-1m", b"x-tb-key-weight-1m", b"x-mbx-order-count-10s")  # in the order of counting
USED_LINES = b"".join([b"%s: %%d\r\n" % name for name in USED])
_encode = msgspec.json.Encoder().encode


class Disconnected(Exception):  # noqa: N818 - not an error: nobody is left to answer
    """The client went away before its request was complete."""


class Call(msgspec.Struct):
    """A request on its way: as received, and what was found out about it since."""

    address: str
    query: bytes
    now_ns: int
    key: str = ""
    content_type: bytes = b""
    if_none_match: bytes = b""
    time_unit_ns: int = MILLISECOND_NS
    takes_gzip: bool = False
    body: bytes = b""
    account: int = 0  # of the key, once authenticated
    texts: dict[str, str] = {}  # the parameters, once parsed
    headers_out: list[tuple[bytes, bytes]] = []
    used: list[int] = []  # of an order's limits, in the order of `USED`, where no headers were made of them

    def again(self, address: str, now_ns: int) -> "Call":
        """Return a call with the same headers."""
        kept = (self.key, self.content_type, self.if_none_match, self.time_unit_ns, self.takes_gzip)
        return Call(address, self.query, now_ns, *kept)

    def tell_used(self) -> None:
        """Make headers of what was used."""
        self.headers_out += [(name, b"%d" % used) for name, used in zip(USED, self.used, strict=False)]
        self.used = []

    def stamp(self, time_ns: int) -> int:
        """Return a time in the unit that the client asked for."""
        return time_ns // self.time_unit_ns


class Answer(NamedTuple):
    """A status and a JSON text."""

    status: int
    body: bytes
    headers: list[tuple[bytes, bytes]]


def call_of(scope: Scope, now_ns: int) -> Call:
    """Return the call that an ASGI scope describes, its body still unread."""
    client = scope.get("client")
    call = Call(client[0] if client else "", scope["query_string"], now_ns)
    read_headers(call, scope["headers"])
    return call


def read_headers(call: Call, headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Take from the headers, whose names are in lower case, what concerns a call."""
    for name, value in headers:
        if name == b"x-mbx-apikey":
            call.key = value.decode("latin-1")
        elif name == b"content-type":
            call.content_type = value
        elif name == b"x-mbx-time-unit":
            call.time_unit_ns = _TIME_UNITS.get(value.upper(), 0)
        elif name == b"if-none-match":
            call.if_none_match = value
        elif name == b"accept-encoding":
            call.takes_gzip = takes_gzip(value)


def unchanged(call: Call, tag: str) -> Answer | None:
    """Give the answer an ETag; return the answer that says so if the client knows what has that tag."""
    call.headers_out.append((b"etag", tag.encode("ascii")))
    known = [one.strip().removeprefix("W/") for one in call.if_none_match.decode("latin-1").split(",")]
    return Answer(NOT_MODIFIED, b"", call.headers_out) if tag.removeprefix("W/") in known or "*" in known else None


def check_headers(call: Call) -> None:
    """Refuse a body that is no form, and a unit of time that is none."""
    if not call.time_unit_ns:
        raise RequestError(INVALID_TIME_UNIT)
    content_type = call.content_type
    if content_type != _FORM and call.body and content_type and not content_type.lower().startswith(_FORM):
        raise RequestError(WRONG_CONTENT_TYPE)


async def read_body(call: Call, receive: Receive, limiter: Limiter) -> None:
    """Read the whole body; one that is too large is read to its end, unless that is far away, and refused."""
    message = await receive()
    if message["type"] != "http.request":
        raise Disconnected
    call.body = message.get("body", b"")
    if message.get("more_body", False):
        await _read_rest(call, receive, limiter.limits)
    limiter.refuse_body(len(call.body))


async def _read_rest(call: Call, receive: Receive, limits: Limits) -> None:
    parts, size, more = [call.body], len(call.body), True
    while more and size <= limits.drain_bytes_max:
        message = await receive()
        if message["type"] != "http.request":
            raise Disconnected
        part = message.get("body", b"")
        size += len(part)
        more = message.get("more_body", False)
        if size <= limits.body_bytes_max + len(part):
            parts.append(part)
    if more:
        call.headers_out.append((b"connection", b"close"))
    call.body = b"".join(parts)


def encoded(value: object) -> bytes:
    """Return a value as JSON."""
    return _encode(value)


def refusal(problem: Problem, headers: list[tuple[bytes, bytes]]) -> Answer:
    """Return the answer that tells a problem."""
    if problem.retry_after_s:
        headers.append((b"retry-after", b"%d" % problem.retry_after_s))
    body = {"code": problem.code, "msg": problem.message}
    return Answer(problem.status, _encode(body if problem.data is None else body | {"data": problem.data}), headers)


async def write(send: Send, answer: Answer) -> None:
    """Send an answer."""
    described = [_JSON, (b"content-length", b"%d" % len(answer.body))] if answer.status != NOT_MODIFIED else []
    headers = [*described, *answer.headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
