"""What requests of the dialect may hold, and how parts of them depend on each other."""

import pytest

from api import errors
from api.binance import requests as sent
from api.errors import RequestError
from api.schemas import validated

ORDER = {"symbol": "TA.X", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2.5"}


def problem(model, texts):
    with pytest.raises(RequestError) as caught:
        validated(model, texts)
    return caught.value.problem


@pytest.mark.parametrize(
    ("model", "default"),
    [
        (sent.DepthRequest, 100),
        (sent.TradesRequest, 500),
        (sent.HistoricalTradesRequest, 500),
        (sent.AggregateTradesRequest, 500),
        (sent.OrdersRequest, 500),
        (sent.FillsRequest, 500),
    ],
)
def test_lists_have_a_limit(model, default):
    assert validated(model, {"symbol": "TA.X"}).limit == default
    assert validated(model, {"symbol": "TA.X", "limit": "7"}).limit == 7
    assert problem(model, {"symbol": "TA.X", "limit": "0"}) == errors.invalid("limit")


def test_no_list_is_longer_than_a_thousand():
    assert problem(sent.TradesRequest, {"symbol": "TA.X", "limit": "1001"}) == errors.invalid("limit")
    assert validated(sent.DepthRequest, {"symbol": "TA.X", "limit": "9999"}).limit == 9999  # fewer are given


def test_nothing_is_nothing():
    assert problem(sent.Nothing, {"a": "1"}) == errors.too_many(0, 1)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"price": None}, errors.missing("price")),
        ({"timeInForce": None}, errors.missing("timeInForce")),
        ({"quantity": None}, errors.missing("quantity")),
        ({"type": "MARKET", "timeInForce": None}, errors.not_required("price")),
        ({"type": "LIMIT_MAKER"}, errors.not_required("timeInForce")),
    ],
)
def test_an_order_has_what_its_type_needs_and_no_more(change, expected):
    texts = {name: text for name, text in (ORDER | change).items() if text is not None}
    validated(sent.NewOrderRequest, ORDER)
    assert problem(sent.NewOrderRequest, texts) == expected


@pytest.mark.parametrize("model", [sent.OrderRequest, sent.CancelRequest])
def test_an_order_is_named_by_either_id(model):
    assert validated(model, {"symbol": "TA.X", "orderId": "5"}).order_id == 5
    assert validated(model, {"symbol": "TA.X", "origClientOrderId": "a"}).orig_client_order_id == "a"
    assert problem(model, {"symbol": "TA.X"}) == errors.missing_both("orderId", "origClientOrderId")


def test_a_listen_key_has_a_length():
    assert validated(sent.ListenKeyRequest, {"listenKey": "x"}).listen_key == "x"
    assert problem(sent.ListenKeyRequest, {"listenKey": "x" * 129}) == errors.invalid("listenKey")
