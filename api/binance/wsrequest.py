"""Requests of the websocket API as values: text in, parameters as texts and the bytes that were signed; answers out.

Parameters come as JSON and go on as the texts of a query string, so every endpoint of the REST API serves here too.
What is signed are the parameters in the order of their names, joined as in a query string.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

import msgspec
import orjson

from api import auth
from api.auth import Credential
from api.call import encoded
from api.errors import INVALID_JSON, Problem, RequestError, empty, illegal, overflowed, too_many
from api.parameters import PARAMETERS_MAX, TEXT_LENGTH_MAX

VERSION = "v3/"  # may stand before a method's name
ID_LENGTH_MAX = 256  # of what is echoed
ID_MAX = (1 << 63) - 1


class Request(msgspec.Struct):
    """One request: an id to echo, a method, parameters."""

    id: int | str | None = None
    method: str = ""
    params: dict[str, Any] = {}


_DECODER = msgspec.json.Decoder(Request, float_hook=str)  # a number stays as it was written: it was signed so


def decode(text: bytes) -> Request:
    """Return the request that a text frame holds, or refuse it."""
    try:
        request = _DECODER.decode(text)
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise RequestError(INVALID_JSON._replace(message=f"Invalid JSON Request: {error}")) from None
    if not _is_echoed(request.id):
        request.id = None
        raise RequestError(overflowed("id"))
    request.method = request.method.removeprefix(VERSION)
    return request


def id_of(text: str) -> int | str:
    """Return the id that a request's JSON shows, a whole number or a text without escapes."""
    return text[1:-1] if text.startswith('"') else int(text)


def texts_of(params: Mapping[str, object]) -> dict[str, str]:
    """Return parameters as texts, or refuse what has none."""
    if len(params) > PARAMETERS_MAX:
        raise RequestError(too_many(PARAMETERS_MAX, len(params)))
    return {
        name: value if type(value) is str and 0 < len(value) <= TEXT_LENGTH_MAX else _text(name, value)
        for name, value in params.items()
    }


def payload_of(texts: Mapping[str, str]) -> bytes:
    """Return what is signed."""
    return "&".join([f"{name}={texts[name]}" for name in sorted(texts) if name != "signature"]).encode()


def check_signature(credential: Credential, texts: Mapping[str, str]) -> None:
    """Refuse a wrong signature; some clients sign their parameters percent-encoded, as for a query string."""
    signature = texts.get("signature", "")
    plain = payload_of(texts)
    try:
        auth.check_signature(credential, plain, signature)
    except RequestError:
        percent = urlencode([(name, texts[name]) for name in sorted(texts) if name != "signature"]).encode()
        if percent == plain:
            raise
        auth.check_signature(credential, percent, signature)


def answered(request_id: int | str | None, result: bytes, rate_limits: bytes) -> bytes:
    """Return the answer with a result."""
    tail = b',"rateLimits":' + rate_limits + b"}" if rate_limits else b"}"
    number = b"%d" % request_id if type(request_id) is int else orjson.dumps(request_id)
    return b'{"id":%b,"status":200,"result":%b%b' % (number, result, tail)


def refused(request_id: int | str | None, problem: Problem, rate_limits: bytes) -> bytes:
    """Return the answer with an error."""
    body: dict[str, object] = {"code": problem.code, "msg": problem.message}
    if problem.retry_after_s:
        body["data"] = {"retryAfter": problem.retry_after_s * 1000}
    elif problem.data is not None:
        body["data"] = problem.data
    head = encoded({"id": request_id, "status": problem.status, "error": body})
    return head[:-1] + b',"rateLimits":' + rate_limits + b"}" if rate_limits else head


def _list(name: str, value: list[object]) -> str:
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # too deep, or with a number beyond 64 bits
        raise RequestError(illegal(name, "list of texts or numbers")) from None


def _is_echoed(value: int | str | None) -> bool:
    return len(value) <= ID_LENGTH_MAX if isinstance(value, str) else value is None or abs(value) <= ID_MAX


def _text(name: str, value: object) -> str:
    if isinstance(value, int):
        return str(value) if type(value) is int else "true" if value else "false"
    if isinstance(value, list):
        value = _list(name, value)
    if not isinstance(value, str):
        raise RequestError(illegal(name, "text, number, truth value or list"))
    if not value or len(value) > TEXT_LENGTH_MAX:
        raise RequestError(empty(name) if not value else overflowed(name))
    return value
