"""The talk on a market stream's connection as a value machine: a client's text in, an answer and its effect out.

Method names, answers and error texts are those of the Binance dialect. No sockets, no clock: the shell hands over
texts and times and carries out what the reply says.
"""

from collections.abc import Callable
from typing import NamedTuple

import orjson

from api.stream.config import StreamConfig
from api.stream.frames import POLICY_VIOLATION

UNKNOWN_PROPERTY = 0
INVALID_VALUE = 1
INVALID_REQUEST = 2
INVALID_JSON = 3
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
WIDE = "!"  # begins the name of a stream of many instruments
ID_LENGTH_MAX = 36
ID_MAX = (1 << 63) - 1
NAME_SHOWN_MAX = 100  # of what a client sent, in an error's text
SECOND_NS = 1_000_000_000

Resolve = Callable[[str], str | None]  # a stream as a client names it -> its one name, None if there is none such


class Reply(NamedTuple):
    """What to send, which streams to open and close for this connection, and the close code if it is to end."""

    answer: bytes
    opened: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()
    wrapping_changed: bool = False
    close_code: int = 0


class _Refusal(Exception):  # noqa: N818 - a refusal is no error of ours
    """A request that is answered with an error."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class StreamProtocol:
    """One connection: what it listens to, whether its messages are wrapped, how much it may still ask."""

    def __init__(self, resolve: Resolve, config: StreamConfig, *, combined: bool, now_ns: int) -> None:
        self.subscriptions: dict[str, None] = {}  # in the order they were made
        self.combined = combined
        self._resolve = resolve
        self._config = config
        self._allowance = config.messages_burst * SECOND_NS
        self._asked_ns = now_ns

    def receive(self, text: str | bytes, now_ns: int) -> Reply:
        """Answer one message of the client."""
        if not self._allowed(now_ns):
            rate = self._config.messages_per_second
            return Reply(error(INVALID_REQUEST, f"Too many messages: {rate} a second"), close_code=POLICY_VIOLATION)
        if isinstance(text, bytes):
            return Reply(error(INVALID_REQUEST, "Invalid request: binary messages are not understood here"))
        try:
            request = _request(text)
        except _Refusal as refusal:
            return Reply(error(refusal.code, refusal.text))
        try:
            return self._carry_out(request)
        except _Refusal as refusal:
            return Reply(error(refusal.code, refusal.text, request.get("id")))

    def open(self, names: list[str]) -> Reply:
        """Subscribe to what the connection's address names: no answer but an error."""
        try:
            return Reply(b"", opened=self._subscribe(names))
        except _Refusal as refusal:
            return Reply(error(refusal.code, refusal.text))

    def _carry_out(self, request: dict[str, object]) -> Reply:
        method = request.get("method")
        if method is None:
            raise _Refusal(INVALID_REQUEST, "Invalid request: missing field `method`")
        if method not in METHODS:
            expected = ", ".join(f"`{name}`" for name in METHODS)
            text = f"Invalid request: unknown variant `{_shown(method)}`, expected one of {expected}"
            raise _Refusal(INVALID_REQUEST, text)
        params = request.get("params")
        if not isinstance(params, list | None):
            raise _Refusal(INVALID_REQUEST, "Invalid request: params must be an array")
        params = params or []
        done = _result(None, request.get("id"))
        match method:
            case "SUBSCRIBE":
                return Reply(done, opened=self._subscribe(params))
            case "UNSUBSCRIBE":
                return Reply(done, closed=self._unsubscribe(params))
            case "LIST_SUBSCRIPTIONS":
                _expect(params, 0)
                return Reply(_result(list(self.subscriptions), request.get("id")))
            case "SET_PROPERTY":
                return Reply(done, wrapping_changed=self._set_property(params))
            case _:
                _property(params, 1)
                return Reply(_result(self.combined, request.get("id")))

    def _subscribe(self, names: list[str]) -> tuple[str, ...]:
        if len(names) > self._config.subscriptions_max:
            raise _Refusal(INVALID_REQUEST, "Invalid request: too many parameters")
        fresh = dict.fromkeys(self._resolved(name) for name in names)
        opened = tuple(name for name in fresh if name not in self.subscriptions)
        limit = self._config.subscriptions_max
        if len(self.subscriptions) + len(opened) > limit:
            raise _Refusal(INVALID_REQUEST, f"Invalid request: a connection can listen to at most {limit} streams")
        wide_limit = self._config.wide_subscriptions_max
        if sum(name.startswith(WIDE) for name in (*self.subscriptions, *opened)) > wide_limit:
            text = f"Invalid request: a connection can listen to at most {wide_limit} streams of many instruments"
            raise _Refusal(INVALID_REQUEST, text)
        self.subscriptions.update(dict.fromkeys(opened))
        return opened

    def _unsubscribe(self, names: list[str]) -> tuple[str, ...]:
        found = dict.fromkeys(self._resolve(_text(name)) for name in names)
        closed = tuple(name for name in found if name is not None and name in self.subscriptions)
        for name in closed:
            del self.subscriptions[name]
        return closed

    def _set_property(self, params: list[object]) -> bool:
        _property(params, 2)
        value = params[1] if len(params) == 2 else None
        if not isinstance(value, bool):
            raise _Refusal(INVALID_VALUE, "Invalid value type: expected Boolean")
        changed = self.combined is not value
        self.combined = value
        return changed

    def _resolved(self, name: object) -> str:
        text = _text(name)
        resolved = self._resolve(text)
        if resolved is None:
            raise _Refusal(INVALID_REQUEST, f"Invalid request: invalid stream `{_shown(text)}`")
        return resolved

    def _allowed(self, now_ns: int) -> bool:
        gained = (now_ns - self._asked_ns) * self._config.messages_per_second
        self._asked_ns = now_ns
        self._allowance = min(self._allowance + gained, self._config.messages_burst * SECOND_NS)
        if self._allowance < SECOND_NS:
            return False
        self._allowance -= SECOND_NS
        return True


def error(code: int, text: str, request_id: object = None) -> bytes:
    """Return the answer that says what was wrong with a request."""
    return orjson.dumps({"error": {"code": code, "msg": text}, "id": request_id})


def _result(result: object, request_id: object) -> bytes:
    return orjson.dumps({"result": result, "id": request_id})


def _request(text: str) -> dict[str, object]:
    try:
        request = orjson.loads(text)
    except orjson.JSONDecodeError as problem:
        place = f"{problem.msg.partition(':')[0]} at line {problem.lineno} column {problem.colno}"
        raise _Refusal(INVALID_JSON, f"Invalid JSON: {place}") from None
    if not isinstance(request, dict):
        raise _Refusal(INVALID_REQUEST, "Invalid request: expected an object")
    if not _is_id(request.get("id")):
        raise _Refusal(INVALID_REQUEST, "Invalid request: request ID must be an unsigned integer")
    return request


def _is_id(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= ID_LENGTH_MAX
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and -ID_MAX <= value <= ID_MAX)


def _property(params: list[object], count: int) -> None:
    _expect(params, count)
    if not params or not isinstance(params[0], str):
        raise _Refusal(INVALID_REQUEST, "Invalid request: property name must be a string")
    if params[0] != "combined":
        raise _Refusal(UNKNOWN_PROPERTY, "Unknown property")


def _expect(params: list[object], count: int) -> None:
    if len(params) > count:
        raise _Refusal(INVALID_REQUEST, "Invalid request: too many parameters")


def _text(name: object) -> str:
    if not isinstance(name, str):
        raise _Refusal(INVALID_REQUEST, "Invalid request: a stream's name must be a string")
    return name


def _shown(text: object) -> str:
    return str(text)[:NAME_SHOWN_MAX]
