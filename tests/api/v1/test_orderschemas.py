"""What orders under /v1 may hold."""

from typing import Any

import pytest
from pydantic import ValidationError

from api.v1.orderschemas import BatchRequest, NewOrder, ReplaceRequest, Which
from exchange.core.types import BATCH_MAX

LIMIT = {"symbol": "TA.X", "side": "BUY", "quantity": "1", "price": "1"}


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"type": "MARKET", "price": None},
        {"type": "MARKET", "price": None, "quantity": None, "amount": "5"},
        {"type": "STOP", "price": None, "stop_price": "2"},
        {"type": "STOP_LIMIT", "stop_price": "2", "time_in_force": "DAY"},
        {"time_in_force": "GTD", "expires": 1},
        {"client_order_id": "a-Z_0.:/" + "x" * 28},
    ],
)
def test_these_go_together(terms: dict[str, Any]) -> None:
    assert NewOrder.model_validate(LIMIT | terms)


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        ({"type": "MARKET"}, "price is no part of a MARKET order"),
        ({"price": None}, "price is a part of a LIMIT order"),
        ({"stop_price": "2"}, "stop_price is no part"),
        ({"expires": 5}, "expires is no part"),
        ({"quantity": None}, "quantity is a part"),
        ({"quantity": None, "amount": "1"}, "amount is for MARKET orders alone"),
        ({"client_order_id": "tb-5"}, "client_order_id begins with tb-"),
        ({"client_order_id": "x" * 37}, "match pattern"),
        ({"client_order_id": "a b"}, "match pattern"),
    ],
)
def test_these_do_not(terms: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        NewOrder.model_validate(LIMIT | terms)


def test_an_order_is_meant_by_an_id_and_changed_in_something() -> None:
    for model, terms in ((Which, {}), (ReplaceRequest, {"order_id": 1})):
        with pytest.raises(ValidationError):
            model.model_validate(terms)
    assert ReplaceRequest.model_validate({"client_order_id": "a", "requeue": True})


def test_a_batch_is_bounded() -> None:
    for count in (0, BATCH_MAX + 1):
        with pytest.raises(ValidationError):
            BatchRequest.model_validate({"orders": [LIMIT] * count})
