"""From the bytes of a query string and a form body to named texts, and from texts to checked values.

Nothing is guessed: a name sent twice, a value left empty, a byte that is not of the encoding are each refused.
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
    Problem,
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
TEXT_LENGTH_MAX = 8192  # of all together: a list of symbols is the longest value
LONG_RANGE = "^[0-9]{1,20}$"
DECIMAL_RANGE = r"^([0-9]{1,20})(\.[0-9]{1,20})?$"
SYMBOL_RANGE = "^[A-Z0-9-_.]{1,64}$"
CLIENT_ORDER_ID_RANGE = "^[a-zA-Z0-9-_.:/]{1,36}$"
SYMBOLS_MAX = 100  # in one list
OWN_NAME = "tb-"  # begins the names of orders that were given none; the order id follows
INT64_MAX = (1 << 63) - 1
MICROSECONDS_FROM = 10**14  # a larger time is in microseconds: in milliseconds it would be the year 5138

_LONG = re.compile(r"[0-9]{1,20}").fullmatch
_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?").fullmatch
_SYMBOL = re.compile(r"[A-Z0-9\-_.]{1,64}").fullmatch
NEW_CLIENT_ORDER_ID_PATTERN = f"(?!{OWN_NAME})[a-zA-Z0-9\\-_.:/]{{1,36}}"  # the same as `new_client_order_id`
_CLIENT_ORDER_ID = re.compile(r"[a-zA-Z0-9\-_.:/]{1,36}").fullmatch

AUTHENTICATION = frozenset(("timestamp", "recvWindow", "signature"))


class Signed(NamedTuple):
    """A request's text as its sender signed it, and the signature, empty if there is none."""

    payload: bytes
    signature: str


def parse(query: bytes, body: bytes, encoding: str = "ascii") -> dict[str, str]:
    """Return the parameters of a query string and a form body; refuse doubles, empty values and foreign bytes.

    `encoding` is that of what is written with %: ascii as the dialect has it, or utf-8.
    """
    source = query + b"&" + body if query and body else query or body
    if not source:
        return {}
    try:
        if b"%" in source or b"+" in source:
            pairs = [_decoded(pair, encoding) for pair in source.split(b"&")]
        else:
            pairs = [pair.split("=", 1) for pair in source.decode("ascii").split("&")]
    except UnicodeDecodeError:
        raise RequestError(ILLEGAL_ENCODING) from None
    try:
        found: dict[str, str] = dict(pairs)
    except ValueError:  # a pair without "=" has one part
        raise RequestError(empty(next(pair[0] for pair in pairs if len(pair) == 1))) from None
    if len(found) < len(pairs) or len(pairs) > PARAMETERS_MAX or "" in found.values() or len(source) > TEXT_LENGTH_MAX:
        raise RequestError(_fault(pairs))
    return found


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


def new_client_order_id(name: str, text: str) -> str:
    """Return a client order id for a new order, which must not look like a name that the exchange gives."""
    if client_order_id(name, text).startswith(OWN_NAME):
        raise RequestError(invalid(name))
    return text


def long(name: str, text: str) -> int:
    """Return a whole number from 0 to 2**63 - 1."""
    if _LONG(text) is None:
        raise RequestError(illegal(name, LONG_RANGE))
    number = int(text)
    if number > INT64_MAX:
        raise RequestError(overflowed(name))
    return number


def milliseconds(name: str, text: str) -> int:
    """Return a time in milliseconds, which may be given in microseconds."""
    number = long(name, text)
    return number // 1_000 if number >= MICROSECONDS_FROM else number


def decimal(name: str, text: str) -> str:
    """Return the text of a plain decimal number: no sign, no exponent, no NaN."""
    if _DECIMAL(text) is None:
        raise RequestError(illegal(name, DECIMAL_RANGE))
    return text


def _decoded(pair: bytes, encoding: str) -> list[str]:
    return [unquote_to_bytes(part).decode(encoding) for part in pair.replace(b"+", b" ").split(b"=", 1)]


def _fault(pairs: list[list[str]]) -> Problem:
    """Return what is wrong with parameters of which something is."""
    if len(pairs) > PARAMETERS_MAX:
        return too_many(PARAMETERS_MAX, len(pairs))
    for name, value in pairs:
        if not value:
            return empty(name)
    if len(dict(pairs)) < len(pairs):
        return DUPLICATE_PARAMETER
    longest = max(pairs, key=lambda pair: len(pair[1]))
    return overflowed(longest[0])


def _without_signature(text: bytes) -> tuple[bytes, str]:
    head, name, signature = text.rpartition(b"&signature=")
    if name:
        signature, more, rest = signature.partition(b"&")
        return head + more + rest, signature.decode("latin-1")
    if not text.startswith(b"signature="):
        return text, ""
    signature, _, rest = text[10:].partition(b"&")
    return rest, signature.decode("latin-1")
