"""Every route there is, walked with a trader's key: what is the operator's or an auditor's refuses it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.routing import Route

from api.binance.rest import ENDPOINTS
from api.v1 import router
from api.v1.desk import Action
from exchange.registry.documents import Scope
from tests.api.v1.office import Client, Office, office

TRADERS = {Scope.READ, Scope.TRADE}
DOCUMENTS = {"/openapi.json", "/asyncapi.json", "/docs", "/docs/oauth2-redirect"}
ACTIONS: dict[tuple[str, str], Action] = {
    (action.method, action.path): action for module in router._TAGS for action in module.ACTIONS
}
KEYED = [action for action in ACTIONS.values() if action.scopes]
GUARDED = [action for action in KEYED if not TRADERS & set(action.scopes)]
SAMPLES: dict[str, object] = {"account": 0, "symbol": "NONE", "asset": "CNY", "amount": "1", "key": "k" * 32}

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Client]]:
    with office(tmp_path_factory.mktemp("routes")) as served:
        yield served, served.furnish()[1]


def ask(client: Client, method: str, path: str, **parameters: Any) -> tuple[int, int]:
    """Return status and code of a signed request."""
    if method in {"POST", "PUT"}:
        answer = client.send(method, path, json.dumps(parameters).encode(), "application/json")
    else:
        answer = client.send(method, path, b"", "application/json", **parameters)
    body = answer.json() if "json" in answer.headers.get("content-type", "") and answer.content else {}
    return answer.status_code, body.get("code", 0) if isinstance(body, dict) else 0


def test_the_tables_name_every_route_that_is_served(house: Any) -> None:
    served, _ = house
    routes = [route for route in served.application.fastapi.routes if isinstance(route, Route)]
    found = {(method, route.path) for route in routes for method in (route.methods or ()) if method != "HEAD"}
    unknown = {(method, path) for method, path in found if path not in DOCUMENTS} - ACTIONS.keys() - ENDPOINTS.keys()
    assert unknown == set()
    guarded = {action.path for action in GUARDED}
    assert {"/v1/kill-switch", "/v1/deposits", "/v1/busts", "/v1/clear-book"} <= guarded


@pytest.mark.parametrize("action", GUARDED, ids=lambda action: f"{action.method} {action.path}")
def test_what_is_not_a_trader_s_refuses_a_trader_s_key(house: Any, action: Action) -> None:
    assert ask(house[1], action.method, action.path) == (401, -2015)


@pytest.mark.parametrize("action", KEYED, ids=lambda action: f"{action.method} {action.path}")
def test_nothing_keyed_is_there_for_who_has_no_key(house: Any, action: Action) -> None:
    headers = {"Content-Type": "application/json"}
    answer = house[1].http.request(action.method, action.path, headers=headers, content=b"{}")
    assert (answer.status_code, answer.json()["code"]) == (401, -2014)


@pytest.mark.parametrize("action", KEYED, ids=lambda action: f"{action.method} {action.path}")
def test_another_account_is_not_a_trader_s_to_see_or_to_change(house: Any, action: Action) -> None:
    """Whatever takes an account refuses one that is not the key's own, or never reads that far."""
    fields = action.request.model_fields
    if action.is_raw or "account" not in fields:
        return
    needed = {name: SAMPLES[name] for name, facts in fields.items() if facts.is_required() and name in SAMPLES}
    status, _ = ask(house[1], action.method, action.path, **needed | {"account": 0})
    assert status in {400, 401, 403, 404, 409, 422}


@pytest.mark.parametrize("endpoint", ENDPOINTS.values(), ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_the_dialect_s_routes_answer_a_trader_and_refuse_who_has_no_key(house: Any, endpoint: Any) -> None:
    _, buyer = house
    answer = buyer.http.request(endpoint.method, endpoint.path)
    if endpoint.scope is not None:
        assert (answer.status_code, answer.json()["code"]) == (401, -2014)
    assert endpoint.scope in {None, Scope.READ, Scope.TRADE}
    query = buyer.query()
    signed = buyer.http.request(endpoint.method, f"{endpoint.path}?{query}", headers={"X-MBX-APIKEY": buyer.key})
    assert signed.status_code < 500
