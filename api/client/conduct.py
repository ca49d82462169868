"""The conduct of a request, without any input or output: attempt, judge the answer, wait, attempt again, give up.

`Conduct.steps` is a generator that the four clients drive: it says what to do next, and is told how that went. A
request is repeated only if it certainly was not carried out, or if carrying it out twice is the same as once.
"""

from collections.abc import Callable, Generator
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple, TypeVar

import msgspec

from api.client import operations
from api.client.faults import (
    AnswerError,
    Banned,
    ClientError,
    ClockSkew,
    ConnectionFailedError,
    OutcomeUnknownError,
    RateLimited,
    Unavailable,
    UnknownOrder,
    fault_of,
)
from api.client.operations import Operation

T = TypeVar("T")
DECODERS_MAX = 256


class Patience(NamedTuple):
    """How often and how long to try."""

    attempts: int = 5
    first_s: float = 0.1  # before the second attempt, doubled with each
    longest_s: float = 5.0
    told_s_max: float = 30.0  # the longest Retry-After that is waited for; beyond it the caller hears of it


class Attempt(NamedTuple):
    """Send this now."""

    operation: Operation[Any]


class Wait(NamedTuple):
    """Do nothing for so long."""

    seconds: float


class Answered(NamedTuple):
    """An answer came: its body is the result, or the error."""

    status: int
    body: bytes
    retry_after_s: float = 0.0


class Lost(NamedTuple):
    """No answer came."""

    reason: str
    was_sent: bool  # False: it certainly did not arrive


class Closed(NamedTuple):
    """The caller has closed the client: this attempt was not made, and no other will be."""


Outcome = Answered | Lost | Closed | None
Steps = Generator[Attempt | Wait, Outcome, T]


class Conduct:
    """How one client behaves; it learns how far this machine's clock is off."""

    def __init__(self, patience: Patience, now_ms: Callable[[], int], chance: Callable[[], float]) -> None:
        """Take a clock, and what draws a number between 0 and 1, so that many clients do not come back at once."""
        self.patience = patience
        self.offset_ms = 0
        self._now_ms = now_ms
        self._chance = chance

    def timestamp(self) -> int:
        """Return the time of the exchange, as far as is known here."""
        return self._now_ms() + self.offset_ms

    def steps(self, operation: Operation[T]) -> Steps[T]:
        """Conduct a request to its end: return the answer or raise a ClientError."""
        is_uncertain = is_synchronised = False
        for attempt in count(1):
            outcome = yield Attempt(operation)
            if isinstance(outcome, Answered) and outcome.status < 400:
                return decoded(operation, outcome.body)
            fault = _fault(outcome)
            if isinstance(fault, ClockSkew) and not is_synchronised:
                is_synchronised = True
                yield from self._synchronise()
                continue
            is_uncertain = is_uncertain or isinstance(fault, OutcomeUnknownError)
            delay_s = None if isinstance(outcome, Closed) else self.delay_s(operation, fault, attempt)
            if delay_s is None:
                raise _last_word(operation, fault, is_uncertain=is_uncertain)
            yield Wait(delay_s)
        raise AssertionError("unreachable")  # pragma: no cover

    def delay_s(self, operation: Operation[Any], fault: ClientError, attempt: int) -> float | None:
        """Return how long to wait before the next attempt, None for never."""
        if attempt >= self.patience.attempts or isinstance(fault, Banned):
            return None
        if isinstance(fault, RateLimited | Unavailable):
            told_s = fault.retry_after_s
            return None if told_s > self.patience.told_s_max else told_s + self.backoff_s(attempt)
        if isinstance(fault, ConnectionFailedError):
            return self.backoff_s(attempt)
        if isinstance(fault, OutcomeUnknownError) and operation.is_repeatable:
            return self.backoff_s(attempt)
        return None

    def backoff_s(self, attempt: int) -> float:
        """Return a wait that doubles with each attempt, a part of it left to chance."""
        full_s = min(self.patience.longest_s, self.patience.first_s * 2.0 ** (attempt - 1))
        return full_s * (0.5 + self._chance() / 2)

    def _synchronise(self) -> Steps[None]:
        before_ms = self._now_ms()
        outcome = yield Attempt(operations.server_time())
        if isinstance(outcome, Answered) and outcome.status < 400:
            middle_ms = (before_ms + self._now_ms()) // 2
            self.offset_ms = decoded(operations.server_time(), outcome.body).server_time - middle_ms


def decoded(operation: Operation[T], body: bytes) -> T:
    """Return an answer's body as what the operation answers."""
    kind: Any = operation.answer
    try:
        answer: T = _decoder(kind).decode(body)
    except msgspec.DecodeError as error:
        raise AnswerError(f"{operation.verb} {operation.path}: {error}") from None
    return answer


@lru_cache(DECODERS_MAX)
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:  # noqa: ANN401 - a type of any kind
    return msgspec.json.Decoder(kind)


def _fault(outcome: Outcome) -> ClientError:
    assert outcome is not None, "an attempt has an outcome"
    if isinstance(outcome, Answered):
        return fault_of(outcome.status, outcome.body, outcome.retry_after_s)
    if isinstance(outcome, Closed):
        return ConnectionFailedError("the client was closed")
    if outcome.was_sent:
        return OutcomeUnknownError(f"no answer came: {outcome.reason}")
    return ConnectionFailedError(outcome.reason)


def _last_word(operation: Operation[Any], fault: ClientError, *, is_uncertain: bool) -> ClientError:
    """Return what to raise: after an attempt of unknown outcome, only an answer to the same request is certain."""
    if not is_uncertain or isinstance(fault, OutcomeUnknownError):
        return fault
    if isinstance(fault, UnknownOrder) and operation.verb == "DELETE":
        return OutcomeUnknownError("the order is not open any more: `order` says whether this cancellation ended it")
    if isinstance(fault, ConnectionFailedError | RateLimited | Unavailable):
        return OutcomeUnknownError(f"an earlier attempt may have been carried out; the last one: {fault}")
    return fault
