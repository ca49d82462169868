"""The table of endpoints: nothing twice, nothing that changes something without a signature."""

import pytest

from api.binance.rest import ENDPOINTS
from exchange.registry.documents import Scope


def test_endpoints_are_found_by_method_and_path():
    assert all((endpoint.method, endpoint.path) == key for key, endpoint in ENDPOINTS.items())
    assert len(ENDPOINTS) == 38


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_every_endpoint_is_described(endpoint):
    assert endpoint.handler.__doc__
    assert endpoint.request.__doc__
    assert endpoint.weight >= 1


def test_what_changes_something_is_signed():
    open_to_keys = {key for key, endpoint in ENDPOINTS.items() if key[0] != "GET" and not endpoint.is_signed}
    assert open_to_keys == {(method, "/api/v3/userDataStream") for method in ("POST", "PUT", "DELETE")}
    trading = [endpoint for key, endpoint in ENDPOINTS.items() if key[0] != "GET" and "rder" in key[1]]
    assert all(endpoint.scope is Scope.TRADE for endpoint in trading)


def test_what_is_an_account_s_own_needs_its_key():
    own = ("account", "openOrders", "allOrders", "myTrades", "order")
    assert all(endpoint.scope is not None for endpoint in ENDPOINTS.values() if endpoint.path.rpartition("/")[2] in own)
