"""Endpoints as OpenAPI: parameters, forms, and who may call."""

from api.binance.rest import ENDPOINTS
from api.openapi import described


def parameters(method, path):
    found = described(ENDPOINTS[method, path])["parameters"]
    return {parameter["name"]: (parameter["in"], parameter["required"]) for parameter in found}


def test_a_public_endpoint_has_its_parameters_alone():
    extra = described(ENDPOINTS["GET", "/api/v3/klines"])
    assert parameters("GET", "/api/v3/klines") == {
        "symbol": ("query", True),
        "interval": ("query", True),
        "startTime": ("query", False),
        "endTime": ("query", False),
        "timeZone": ("query", False),
        "limit": ("query", False),
    }
    assert extra["x-weight"] == 2
    assert "x-scope" not in extra


def test_a_signed_endpoint_asks_for_key_time_and_signature():
    assert parameters("GET", "/api/v3/openOrders") == {
        "X-MBX-APIKEY": ("header", True),
        "symbol": ("query", False),
        "recvWindow": ("query", False),
        "timestamp": ("query", True),
        "signature": ("query", True),
    }
    assert described(ENDPOINTS["GET", "/api/v3/openOrders"])["x-scope"] == "read"


def test_an_order_is_a_form():
    extra = described(ENDPOINTS["POST", "/api/v3/order"])
    form = extra["requestBody"]["content"]["application/x-www-form-urlencoded"]["schema"]
    assert form["required"] == ["symbol", "side", "type", "timestamp", "signature"]
    assert form["properties"]["type"]["enum"] == ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT"]
    assert form["additionalProperties"] is False
    assert parameters("POST", "/api/v3/order") == {"X-MBX-APIKEY": ("header", True)}
