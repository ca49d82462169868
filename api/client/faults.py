"""What can go wrong, as exceptions: one class for each kind of stable code, so that a caller catches what it can mend.

`Refused` and what derives from it mean that nothing was done; `OutcomeUnknownError` alone means that nobody knows.
"""

from typing import Any

import msgspec


class ClientError(Exception):
    """Anything that this client raises."""


class ConnectionFailedError(ClientError):
    """The exchange could not be reached; the request was not carried out."""


class BadAddressError(ClientError):
    """What should be the address of an exchange is none."""


class OutcomeUnknownError(ClientError):
    """The request may or may not have been carried out: look the order up by its client order id."""


class AnswerError(ClientError):
    """The exchange answered something that this client does not understand."""


class Refused(ClientError):  # noqa: N818 - an answer, not a fault
    """The exchange said no: its HTTP status, its stable code, its sentence that says what to do."""

    def __init__(self, status: int, code: int, message: str, data: object = None, retry_after_s: float = 0.0) -> None:
        super().__init__(f"{message} ({code})")
        self.status = status
        self.code = code
        self.message = message
        self.data = data
        self.retry_after_s = retry_after_s  # 0: it did not say


class RateLimited(Refused):
    """Too much was asked: wait `retry_after_s` seconds."""


class Banned(RateLimited):
    """Asked on in spite of refusals: shut out for `retry_after_s` seconds."""


class Unavailable(Refused):
    """The exchange is overloaded, stopping or full: nothing was done, try again later."""


class NotAuthorised(Refused):
    """The key is unknown, revoked, expired, used from a foreign address or without the right scope; or misspelt."""


class ClockSkew(Refused):
    """The request's time stamp is too old or ahead: this machine's clock differs from the exchange's."""


class UnknownSymbol(Refused):
    """No such instrument."""


class UnknownOrder(Refused):
    """No such order, or it is not open any more."""


class InvalidOrder(Refused):
    """The order's terms do not go together, or violate a filter of the instrument."""


class OrderRejected(Refused):
    """The engine refused the order; the message says why."""


class InsufficientBalance(OrderRejected):
    """The account has too little available."""


class WouldTake(OrderRejected):
    """A post-only order would have matched at once."""


class DuplicateOrder(OrderRejected):
    """The client order id belongs to an order with other terms."""


class MarketClosed(OrderRejected):
    """The instrument does not trade now."""


class _Body(msgspec.Struct):
    code: int
    msg: str
    data: Any = None


_CODES: dict[int, type[Refused]] = {
    -1003: RateLimited,
    -1015: RateLimited,
    -1008: Unavailable,
    -1016: Unavailable,
    -1034: Unavailable,
    -1021: ClockSkew,
    -1022: NotAuthorised,
    -2014: NotAuthorised,
    -2015: NotAuthorised,
    -1121: UnknownSymbol,
    -8034: UnknownSymbol,
    -2011: UnknownOrder,
    -2013: UnknownOrder,
    -1013: InvalidOrder,
    -1014: InvalidOrder,
    -1111: InvalidOrder,
    -1115: InvalidOrder,
    -1116: InvalidOrder,
    -1117: InvalidOrder,
    -2010: OrderRejected,
    -2026: DuplicateOrder,
}
_MESSAGES: dict[str, type[Refused]] = {  # of code -2010, which the dialect gives to many reasons
    "Account has insufficient balance for requested action.": InsufficientBalance,
    "Order would immediately match and take.": WouldTake,
    "Duplicate order sent.": DuplicateOrder,
    "Market is closed.": MarketClosed,
}
_DECODER = msgspec.json.Decoder(_Body)
BANNED = 418
OUTCOME_UNKNOWN = frozenset((-1000, -1006, -1007))


def fault_of(status: int, body: bytes, retry_after_s: float = 0.0) -> ClientError:
    """Return the exception that an answer with an error means."""
    try:
        told = _DECODER.decode(body)
    except msgspec.DecodeError:
        return _unreadable(status, body, retry_after_s)
    if told.code in OUTCOME_UNKNOWN:
        return OutcomeUnknownError(f"{told.msg} ({told.code})")
    kind = Banned if status == BANNED else _CODES.get(told.code)
    if told.code == -2010:
        kind = _MESSAGES.get(told.msg, OrderRejected)
    if kind is None:
        kind = Unavailable if status == 503 else Refused
    return kind(status, told.code, told.msg, told.data, retry_after_s)


def refused_for_now(status: int, body: bytes) -> str:
    """Return why the exchange says no for now, or raise why it always will."""
    fault = fault_of(status, body)
    if isinstance(fault, Refused) and not isinstance(fault, Unavailable) and status != 429:
        raise fault
    return str(fault)


def _unreadable(status: int, body: bytes, retry_after_s: float) -> ClientError:
    """Judge by the status alone what a proxy in between has said in words of its own."""
    text = body[:200].decode("utf-8", "replace")
    kinds: dict[int, type[Refused]] = {429: RateLimited, BANNED: Banned, 503: Unavailable}
    kind = kinds.get(status)
    if kind is not None:
        return kind(status, 0, text, None, retry_after_s)
    return OutcomeUnknownError(f"{status}: {text}") if status >= 500 else AnswerError(f"{status}: {text}")
