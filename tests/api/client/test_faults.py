"""Codes and sentences of the exchange, and the exceptions they become."""

import msgspec
import pytest

from api import errors
from api.client import faults
from api.client.faults import fault_of
from exchange.core.types import RejectReason


def told(problem: errors.Problem) -> faults.ClientError:
    body = msgspec.json.encode({"code": problem.code, "msg": problem.message})
    return fault_of(problem.status, body, problem.retry_after_s)


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (errors.weight_exceeded(1, 7), faults.RateLimited),
        (errors.orders_exceeded(1, 7), faults.RateLimited),
        (errors.banned(1, 7), faults.Banned),
        (errors.OVERLOADED, faults.Unavailable),
        (errors.STOPPED, faults.Unavailable),
        (errors.TOO_MANY_CONNECTIONS, faults.Unavailable),
        (errors.STATUS_UNKNOWN, faults.OutcomeUnknownError),
        (errors.UNKNOWN_ERROR, faults.OutcomeUnknownError),
        (errors.AHEAD_OF_TIME, faults.ClockSkew),
        (errors.OUTSIDE_RECV_WINDOW, faults.ClockSkew),
        (errors.BAD_SIGNATURE, faults.NotAuthorised),
        (errors.REJECTED_API_KEY, faults.NotAuthorised),
        (errors.NO_API_KEY, faults.NotAuthorised),
        (errors.INVALID_SYMBOL, faults.UnknownSymbol),
        (errors.UNKNOWN_ORDER, faults.UnknownOrder),
        (errors.ORDER_NOT_FOUND, faults.UnknownOrder),
        (errors.LOT_SIZE, faults.InvalidOrder),
        (errors.DUPLICATE_ORDER, faults.DuplicateOrder),
        (errors.rejection(RejectReason.INSUFFICIENT_BALANCE), faults.InsufficientBalance),
        (errors.rejection(RejectReason.WOULD_TAKE), faults.WouldTake),
        (errors.rejection(RejectReason.INSTRUMENT_NOT_TRADING), faults.MarketClosed),
        (errors.rejection(RejectReason.WOULD_TRIGGER), faults.OrderRejected),
        (errors.rejection(RejectReason.ORDERS_FULL), faults.Unavailable),
        (errors.rejection(RejectReason.NOT_ISSUER), faults.Refused),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(value.code),
)
def test_a_problem_becomes_its_exception(problem, kind) -> None:
    fault = told(problem)
    assert type(fault) is kind
    if isinstance(fault, faults.Refused):
        assert (fault.status, fault.code, fault.message) == problem[:3]
        assert fault.retry_after_s == problem.retry_after_s


@pytest.mark.parametrize("reason", RejectReason)
def test_every_rejection_of_the_engine_is_a_refusal(reason: RejectReason) -> None:
    if reason:
        assert isinstance(told(errors.rejection(reason)), faults.Refused)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (502, faults.OutcomeUnknownError),
        (503, faults.Unavailable),
        (429, faults.RateLimited),
        (418, faults.Banned),
        (404, faults.AnswerError),
    ],
)
def test_words_of_somebody_in_between_are_judged_by_their_status(status: int, kind: type) -> None:
    assert type(fault_of(status, b"<html>Bad Gateway</html>")) is kind
