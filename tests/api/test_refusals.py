"""What a route may refuse is found in its code."""

import pytest
from pydantic import BaseModel, field_validator

from api import errors
from api.binance.rest import ENDPOINTS
from api.errors import Problem, RequestError
from api.refusals import Walk, of_action, of_endpoint
from api.v1 import problems
from api.v1.orderproblems import NO_SUCH_ORDER
from api.v1.router import ACTIONS
from exchange.core.types import RejectReason

INNER = Problem(400, -1, "inner")
TABLE = {"a": Problem(400, -2, "table")}


def codes(found) -> set[int]:
    return {problem.code for problem in found}


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (("GET", "/api/v3/depth"), {errors.INVALID_SYMBOL, errors.INVALID_TIME_UNIT}),
        (("GET", "/api/v3/klines"), {errors.INVALID_INTERVAL}),
        (("GET", "/api/v3/order"), {errors.ORDER_NOT_FOUND, errors.REJECTED_API_KEY, errors.BAD_SIGNATURE}),
        (("PUT", "/api/v3/userDataStream"), {errors.INVALID_LISTEN_KEY}),
        (("POST", "/api/v3/order"), {errors.rejection(RejectReason.WOULD_TAKE), errors.LOT_SIZE, errors.INVALID_SIDE}),
        (("POST", "/api/v3/order/cancelReplace"), {errors.REPLACE_HALF_FAILED, errors.UNKNOWN_ORDER}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_the_dialect(key, expected) -> None:
    assert expected <= set(of_endpoint(ENDPOINTS[key]))


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        (("GET", "/v1/balances"), {problems.FOREIGN_ACCOUNT}),
        (("GET", "/v1/statement"), {problems.NO_LEDGER, problems.UNKNOWN_ASSET}),
        (("POST", "/v1/deposits"), {problems.NOT_JSON, errors.rejection(RejectReason.ISSUED_TOO_MUCH)}),
        (("POST", "/v1/issues"), {errors.rejection(RejectReason.NOT_ISSUER)}),
        (("POST", "/v1/usage"), {problems.OUTSIDE_TIME, problems.ALLOWANCE_EXHAUSTED}),
        (("GET", "/v1/order"), {NO_SUCH_ORDER}),
        (("POST", "/v1/keys/confirm"), {problems.NOT_JSON, problems.invalid_json("...")}),
        (("POST", "/v1/assets"), {problems.REASON_TOO_LONG}),
        (("POST", "/v1/participants"), {problems.refused_document(problems.DocumentRefusal.NAME_TAKEN)}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_our_own_dialect(key, expected) -> None:
    assert expected <= set(of_action(ACTIONS[key]))


def test_a_public_question_needs_no_key() -> None:
    assert not codes(of_endpoint(ENDPOINTS["GET", "/api/v3/depth"])) & {-2014, -2015, -1021, -1022, -2010}
    assert not codes(of_action(ACTIONS["GET", "/v1/health"])) & {-2014, -2015, -8031}


def test_a_cancellation_is_refused_in_its_own_words() -> None:
    found = codes(of_endpoint(ENDPOINTS["DELETE", "/api/v3/order"]))
    assert -2011 in found
    assert -2010 not in found


def refuse_deeply() -> None:
    if TABLE:
        raise RequestError(TABLE["a"])


def refuse() -> None:
    refuse_deeply()
    raise RequestError(errors.missing("x"))


def closed_over(problem: Problem):
    def inner() -> None:
        raise RequestError(problem)

    return inner


class Model(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def _checked(cls, value: str) -> str:
        return value


def test_functions_tables_and_closures_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.refusals.OURS", "tests.")
    walk = Walk()
    walk.follow((refuse, closed_over(INNER), 7, None))
    walk.model(Model)
    assert codes(walk.problems) == {-2, -1}
