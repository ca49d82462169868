"""Operations as HTTP requests or as messages of the websocket API, and the answers to both; nothing is sent here."""

from typing import Any, NamedTuple
from urllib.parse import urlencode, urlsplit

import msgspec

from api.client.conduct import Answered
from api.client.faults import BadAddressError
from api.client.operations import Access, Operation
from api.client.signing import Key
from api.messages.account import AccountEvent
from api.messages.talk import Fault

KEY_HEADER = "X-MBX-APIKEY"
RECV_WINDOW_MS = 5_000
WEBSOCKET_PATH = "/ws-api/v3"


class NoKeyError(ValueError):
    """A request needs a key and the client has none."""


class HttpRequest(NamedTuple):
    """One HTTP request."""

    verb: str
    target: str  # path and query
    headers: dict[str, str]
    body: bytes


class _Envelope(msgspec.Struct):
    id: int | str | None = None
    status: int = 0
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()


class Reply(NamedTuple):
    """The answer to the request of this id."""

    id: int | str
    answered: Answered


class Cut(NamedTuple):
    """An error that answers no request by its id: of all that is under way nobody knows any more what becomes of it."""

    reason: str


_ENVELOPE = msgspec.json.Decoder(_Envelope)
_EVENT = msgspec.json.Decoder(AccountEvent)
_FAULT = msgspec.json.Decoder(Fault)


def http_request(operation: Operation[Any], key: Key | None, timestamp_ms: int) -> HttpRequest:
    """Return the HTTP request of an operation, signed if it must be: all parameters in the query, JSON as the body."""
    headers = {} if key is None else {KEY_HEADER: key.key}
    if operation.body:
        headers["Content-Type"] = "application/json"
    query = urlencode(operation.texts)
    if operation.access is not Access.PUBLIC and key is None:
        raise NoKeyError(f"{operation.path} needs a key")
    if operation.access is Access.SIGNED:
        assert key is not None
        times = urlencode({"timestamp": timestamp_ms, "recvWindow": RECV_WINDOW_MS})
        query = f"{query}&{times}" if query else times
        query += "&" + urlencode({"signature": key.signer.sign(query.encode() + operation.body)})
    target = f"{operation.path}?{query}" if query else operation.path
    return HttpRequest(operation.verb, target, headers, operation.body)


def http_answer(status: int, body: bytes, retry_after: str | None) -> Answered:
    """Return an HTTP answer as an outcome."""
    seconds = float(retry_after) if retry_after is not None and retry_after.isdecimal() else 0.0
    return Answered(status, body, seconds)


def message(operation: Operation[Any], number: int, timestamp_ms: int) -> str:
    """Return the message that asks for an operation over a websocket whose session has logged on."""
    params: dict[str, object] = dict(operation.texts)
    if operation.access is Access.SIGNED:
        params |= {"timestamp": timestamp_ms, "recvWindow": RECV_WINDOW_MS}
    return _request(number, operation.method, params)


def logon(key: Key, number: int, timestamp_ms: int) -> str:
    """Return the message that logs a session on: signed once, no request after it needs to be."""
    params: dict[str, object] = {"apiKey": key.key, "recvWindow": RECV_WINDOW_MS, "timestamp": timestamp_ms}
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    return _request(number, "session.logon", params | {"signature": key.signer.sign(payload.encode())})


def reply_of(text: str | bytes) -> Reply | Cut | AccountEvent | None:
    """Return what a message of the websocket API says; None for notices that ask for nothing."""
    envelope = _ENVELOPE.decode(text)
    if envelope.status and envelope.id is not None:
        is_good = envelope.status < 400
        body = bytes(envelope.result if is_good else envelope.error)
        return Reply(envelope.id, Answered(envelope.status, body, 0.0 if is_good else _retry_after_s(body)))
    if bytes(envelope.error):
        fault = _FAULT.decode(envelope.error)
        return Cut(f"{fault.message} ({fault.code})")
    return _EVENT.decode(text) if b'"subscriptionId"' in (text if isinstance(text, bytes) else text.encode()) else None


def http_url(base: str) -> str:
    """Return an HTTP address as it is; raise BadAddressError if it is none."""
    try:
        parts = urlsplit(base)
        _ = parts.port  # what the one who connects will look at
    except ValueError as error:
        raise BadAddressError(f"no address of an exchange: {base}: {error}") from None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise BadAddressError(f"no address of an exchange: {base}: it begins with http:// or https://")
    return base


def websocket_url(base: str, path: str = WEBSOCKET_PATH) -> str:
    """Return the websocket address that belongs to an HTTP address; raise BadAddressError if that is none."""
    return http_url(base).rstrip("/").replace("http", "ws", 1) + path


def _request(number: int, method: str, params: dict[str, object]) -> str:
    return msgspec.json.encode({"id": number, "method": method, "params": params}).decode()


def _retry_after_s(body: bytes) -> float:
    """Return the seconds that an error of the websocket API asks to wait."""
    data = _FAULT.decode(body).data or {}
    told = data.get("retryAfter")
    return told / 1000 if isinstance(told, int | float) else 0.0
