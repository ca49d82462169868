"""Every reason has its answer, in the words that clients know."""

import pytest

from api import errors
from api.errors import Problem, rejection
from exchange.core.types import CommandKind, RejectReason

REASONS = [reason for reason in RejectReason if reason is not RejectReason.NONE]


@pytest.mark.parametrize("reason", REASONS)
def test_no_reason_is_missing(reason):
    problem = rejection(reason)
    assert 400 <= problem.status < 600
    assert problem.code < -1000
    assert problem.message


def test_a_reason_that_is_none_is_a_bug():
    with pytest.raises(KeyError):
        rejection(RejectReason.NONE)


@pytest.mark.parametrize(
    ("reason", "status", "code", "message"),
    [
        (RejectReason.INSUFFICIENT_BALANCE, 400, -2010, "Account has insufficient balance for requested action."),
        (RejectReason.WOULD_TAKE, 400, -2010, "Order would immediately match and take."),
        (RejectReason.WOULD_TRIGGER, 400, -2010, "Stop price would trigger immediately."),
        (RejectReason.AMOUNT_TOO_SMALL, 400, -1013, "Filter failure: NOTIONAL"),
        (RejectReason.POSITION_LIMIT, 400, -1013, "Filter failure: MAX_POSITION"),
        (RejectReason.UNKNOWN_ORDER, 400, -2011, "Unknown order sent."),
        (RejectReason.UNKNOWN_INSTRUMENT, 400, -1121, "Invalid symbol."),
        (RejectReason.INSTRUMENT_NOT_TRADING, 400, -2010, "Market is closed."),
        (RejectReason.ACCOUNT_NOT_ACTIVE, 400, -2010, "This account may not place or cancel orders."),
        (RejectReason.INVALID_PRICE, 400, -1013, "Filter failure: PRICE_FILTER"),
        (RejectReason.INVALID_QUANTITY, 400, -1013, "Filter failure: LOT_SIZE"),
        (RejectReason.PRICE_OUTSIDE_BAND, 400, -1013, "Filter failure: PERCENT_PRICE"),
        (RejectReason.NOTIONAL_TOO_LARGE, 400, -1013, "Filter failure: NOTIONAL"),
        (RejectReason.TOO_MANY_OPEN_ORDERS, 400, -1013, "Filter failure: MAX_NUM_ORDERS"),
    ],
)
def test_reasons_speak_the_dialect(reason, status, code, message):
    assert rejection(reason) == Problem(status, code, message)


@pytest.mark.parametrize("kind", [CommandKind.CANCEL_ORDER, CommandKind.MASS_CANCEL, CommandKind.REDUCE_ORDER])
def test_a_refused_cancellation_has_a_code_of_its_own(kind):
    assert rejection(RejectReason.INSTRUMENT_NOT_TRADING, kind) == Problem(400, -2011, "Market is closed.")
    assert rejection(RejectReason.UNKNOWN_ORDER, kind) == errors.UNKNOWN_ORDER
    assert rejection(RejectReason.INSTRUMENT_NOT_TRADING, CommandKind.REPLACE_ORDER).code == -2010


def test_a_full_exchange_says_when_to_come_back():
    assert rejection(RejectReason.ORDERS_FULL).status == 503
    assert rejection(RejectReason.ORDERS_FULL).retry_after_s > 0


@pytest.mark.parametrize(
    ("problem", "code", "message"),
    [
        (errors.missing("price"), -1102, "Mandatory parameter 'price' was not sent, was empty/null, or malformed."),
        (
            errors.missing_both("orderId", "origClientOrderId"),
            -1102,
            "Param 'orderId' or 'origClientOrderId' must be sent, but both were empty/null!",
        ),
        (errors.empty("price"), -1105, "Parameter 'price' was empty."),
        (
            errors.illegal("price", "^x$"),
            -1100,
            "Illegal characters found in parameter 'price'; legal range is '^x$'.",
        ),
        (errors.too_many(0, 1), -1101, "Too many parameters; expected '0' and received '1'."),
        (errors.unread(3, 4), -1104, "Not all sent parameters were read; read '3' parameter(s) but was sent '4'."),
        (errors.not_required("price"), -1106, "Parameter 'price' sent when not required."),
        (errors.overflowed("price"), -1108, "Parameter 'price' overflowed."),
        (errors.too_precise("price"), -1111, "Parameter 'price' has too much precision."),
        (errors.invalid_json("symbols"), -1135, "JSON sent for parameter 'symbols' is not valid"),
        (errors.invalid("limit"), -1130, "Data sent for parameter 'limit' is not valid."),
    ],
)
def test_parameters_are_refused_by_name(problem, code, message):
    assert problem == Problem(400, code, message)


def test_limits_say_how_long_to_wait():
    assert errors.weight_exceeded(600, 7)[:2] == (429, -1003)
    assert errors.weight_exceeded(600, 7).retry_after_s == 7
    assert "current limit is 600 request weight per 1 MINUTE" in errors.weight_exceeded(600, 7).message
    assert errors.banned(123, 9)[:2] == (418, -1003)
    assert "IP banned until 123" in errors.banned(123, 9).message
    assert errors.orders_exceeded(100, 3) == Problem(
        429, -1015, "Too many new orders; current limit is 100 orders per 10 SECOND.", 3
    )


def test_codes_of_our_own_are_told_apart():
    named = [value for value in vars(errors).values() if isinstance(value, Problem)]
    own = [value for value in [*named, *(rejection(reason) for reason in REASONS)] if value.code < -8000]
    assert len({problem.code for problem in own}) == len(own)


def test_an_error_carries_its_problem():
    assert errors.RequestError(errors.INVALID_SYMBOL).problem is errors.INVALID_SYMBOL
    assert str(errors.RequestError(errors.INVALID_SYMBOL)) == "Invalid symbol."
