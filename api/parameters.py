"""From the bytes of a query string and a form body to named texts, and from texts to checked values.

Nothing is guessed: a name sent twice, a value left empty, a byte that is not ASCII once decoded are each refused.
"""

import re
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

import msgspec

from api.errors import (
    DUPLICATE_PARAMETER,
    ILLEGAL_ENCODING,
    SYMBOL_TWICE,
    RequestError,
    empty,
    illegal,
    invalid,
    invalid_json,
    overflowed,
    too_many,
    unread,
)

PARAMETERS_MAX = 64
TEXT_LENGTH_MAX = 4096  # of one value: a list of symbols is the longest
LONG_RANGE = "^[0-9]{1,20}$"
DECIMAL_RANGE = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
SYMBOL_RANGE = "^[A-Z0-9-_.]{1,64}$"
CLIENT_ORDER_ID_RANGE = "^[a-zA-Z0-9-_.:/]{1,36}$"
SYMBOLS_MAX = 100  # in one list
INT64_MAX = (1 << 63) - 1

_LONG = re.compile(r"[0-9]{1,20}").fullmatch
_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?").fullmatch
_SYMBOL = re.compile(r"[A-Z0-9\-_.]{1,64}").fullmatch
_CLIENT_ORDER_ID = re.compile(r"[a-zA-Z0-9\-_.:/]{1,36}").fullmatch

AUTHENTICATION = frozenset(("timestamp", "recvWindow", "signature"))


class Signed(NamedTuple):
    """A request's text as its sender signed it, and the signature, empty if there is none."""

    payload: bytes
    signature: str


def parse(query: bytes, body: bytes) -> dict[str, str]:
    """Return the parameters of a query string and a form body; refuse doubles, empty values and foreign bytes."""
    source = query + b"&" + body if query and body else query or body
    if not source:
        return {}
    pairs = source.split(b"&")
    if len(pairs) > PARAMETERS_MAX:
        raise RequestError(too_many(PARAMETERS_MAX, len(pairs)))
    try:
        return _plain(pairs) if b"%" not in source and b"+" not in source else _decoded(pairs)
    except UnicodeDecodeError:
        raise RequestError(ILLEGAL_ENCODING) from None


def signed(query: bytes, body: bytes) -> Signed:
    """Split off the signature, wherever it stands; the payload is the rest of the query and the body, joined."""
    rest, signature = _without_signature(body)
    if signature:
        return Signed(query + rest, signature)
    rest, signature = _without_signature(query)
    return Signed(rest + body, signature)


def refuse_unknown(parameters: Mapping[str, str], known: AbstractSet[str]) -> None:
    """Refuse parameters that this request does not have."""
    if parameters.keys() <= known:
        return
    asked = known - AUTHENTICATION
    read = len(parameters.keys() & known)
    raise RequestError(unread(read, len(parameters)) if asked else too_many(0, len(parameters)))


def symbol(name: str, text: str) -> str:
    """Return the text of a symbol, or of a part of one."""
    if _SYMBOL(text) is None:
        raise RequestError(illegal(name, SYMBOL_RANGE))
    return text


def symbols(name: str, text: str) -> tuple[str, ...]:
    """Return the symbols of a JSON list of them, none of them twice."""
    try:
        found = msgspec.json.decode(text, type=tuple[str, ...])
    except msgspec.DecodeError:
        raise RequestError(invalid_json(name)) from None
    if len(found) > SYMBOLS_MAX or not found:
        raise RequestError(invalid(name))
    if len(set(found)) < len(found):
        raise RequestError(SYMBOL_TWICE)
    return tuple(symbol(name, one) for one in found)


def client_order_id(name: str, text: str) -> str:
    """Return a client order id of at most 36 characters."""
    if _CLIENT_ORDER_ID(text) is None:
        raise RequestError(illegal(name, CLIENT_ORDER_ID_RANGE))
    return text


def long(name: str, text: str) -> int:
    """Return a whole number from 0 to 2**63 - 1."""
    if _LONG(text) is None:
        raise RequestError(illegal(name, LONG_RANGE))
    number = int(text)
    if number > INT64_MAX:
        raise RequestError(overflowed(name))
    return number


def decimal(name: str, text: str) -> str:
    """Return the text of a plain decimal number: no sign, no exponent, no NaN."""
    if _DECIMAL(text) is None:
        raise RequestError(illegal(name, DECIMAL_RANGE))
    return text


def _plain(pairs: list[bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.decode("ascii").partition("=")
        _add(found, name, value)
    return found


def _decoded(pairs: list[bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.replace(b"+", b" ").partition(b"=")
        _add(found, unquote_to_bytes(name).decode("ascii"), unquote_to_bytes(value).decode("ascii"))
    return found


def _add(found: dict[str, str], name: str, value: str) -> None:
    if not value or len(value) > TEXT_LENGTH_MAX:
        raise RequestError(empty(name) if not value else overflowed(name))
    if name in found:
        raise RequestError(DUPLICATE_PARAMETER)
    found[name] = value


def _without_signature(text: bytes) -> tuple[bytes, str]:
    start = text.rfind(b"signature=")
    if start < 0 or (start > 0 and text[start - 1] != 38):  # 38 is "&": a name that only ends in "signature" is another
        return text, ""
    end = text.find(b"&", start)
    if end < 0:
        return text[: max(start - 1, 0)], text[start + 10 :].decode("latin-1")
    return text[:start] + text[end + 1 :], text[start + 10 : end].decode("latin-1")
