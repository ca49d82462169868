"""Operations name what the exchange serves, and numbers go out as they are."""

import inspect
from decimal import Decimal

import pytest

from api.binance.rest import ENDPOINTS
from api.binance.wsapi import METHODS
from api.client import operations
from api.client.operations import Access, Operation
from api.schemas import names
from api.v1.router import _TAGS

ACTIONS = {(action.method, action.path): action for module in _TAGS for action in module.ACTIONS}
NEEDED = {
    "symbol": "X",
    "side": "BUY",
    "type": "LIMIT",
    "quantity": 1,
    "price": "2",
    "order_id": 7,
    "interval": "1m",
    "from_id": 3,
}
MADE = [
    make(**{name: NEEDED[name] for name, one in inspect.signature(make).parameters.items() if name in NEEDED})
    for name, make in inspect.getmembers(operations, inspect.isfunction)
    if make.__module__ == operations.__name__
    and not name.startswith("_")
    and name not in {"new_order_id", "text_of", "other"}
]


@pytest.mark.parametrize("made", MADE, ids=lambda made: f"{made.verb} {made.path}")
def test_an_operation_is_served_as_it_says(made: Operation) -> None:
    key = made.verb, made.path
    if made.path.startswith("/v1/"):
        action = ACTIONS[key]
        assert (made.access is Access.SIGNED) is bool(action.scopes)
        assert made.texts.keys() <= action.request.model_fields.keys()
        assert not made.method
        return
    endpoint = ENDPOINTS[key]
    assert (made.access is Access.SIGNED) is endpoint.is_signed
    assert made.texts.keys() <= names(endpoint.request)
    assert METHODS.get(made.method, key) == key
    assert made.method or key not in METHODS.values()


@pytest.mark.parametrize(
    ("number", "text"), [(Decimal("1E-7"), "0.0000001"), (Decimal("1.50"), "1.50"), (3, "3"), ("0.1", "0.1")]
)
def test_numbers_are_written_plainly(number, text) -> None:
    assert operations.buy("X", number, 1).texts["quantity"] == text


def test_a_float_is_refused() -> None:
    with pytest.raises(TypeError, match="Decimal"):
        operations.buy("X", 0.1, 1)


def test_the_kind_of_an_order_follows_from_its_terms() -> None:
    assert operations.buy("X", 1).texts["type"] == "MARKET"
    assert "timeInForce" not in operations.buy("X", 1).texts
    assert operations.sell("X", 1, 2, post_only=True).texts["type"] == "LIMIT_MAKER"
    assert operations.sell("X", 1, 2, time_in_force="IOC").texts["timeInForce"] == "IOC"


def test_each_order_has_a_name_of_its_own() -> None:
    assert operations.buy("X", 1).texts["newClientOrderId"] != operations.buy("X", 1).texts["newClientOrderId"]
    assert operations.buy("X", 1, client_order_id="mine").texts["newClientOrderId"] == "mine"


def test_anything_else_is_a_query_or_a_body() -> None:
    asked = operations.other("GET", "/v1/keys", account=3)
    assert (asked.texts, asked.body, asked.is_repeatable) == ({"account": "3"}, b"", True)
    sent = operations.other("POST", "/v1/deposits", account=3, amount="1", note=None)
    assert (sent.texts, sent.body, sent.is_repeatable) == ({}, b'{"account":3,"amount":"1"}', False)
