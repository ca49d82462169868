"""From an application to a trader, and what restriction, suspension and closing do."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from api.v1.desk import NOT_ACTIVE
from api.v1.problems import NO_ACCOUNT_LEFT, NOT_A_BROKER, TOO_MANY_ACCOUNTS
from tests.api.v1.office import SYMBOL, Office, office


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        yield served


def _stand(desk: Office, name: str, standing: str) -> int:
    return desk.operator.put("/v1/standing", participant=name, standing=standing).json().get("code", 0)


def test_who_applies_is_verified_then_activated_and_only_then_has_an_account(desk: Office) -> None:
    body = b'{"name": "newcomer", "role": "trader", "contact": "n@example.org"}'
    headers = {"Content-Type": "application/json"}
    for status in (200, 409):
        answer = desk.operator.http.post("/v1/applications", content=body, headers=headers)
        assert answer.status_code == status
    terms = {"name": "newcomer", "role": "trader"}
    assert desk.operator.post("/v1/participants", **terms).json()["code"] == -8084
    assert _stand(desk, "newcomer", "active") == -8086
    assert [_stand(desk, "newcomer", standing) for standing in ("verified", "active")] == [0, 0]
    made = desk.operator.post("/v1/participants", **terms).json()
    assert [row["name"] for row in made["accounts"]] == ["newcomer"]


def test_who_is_restricted_or_suspended_may_only_cancel(desk: Office) -> None:
    buyer = desk.buyer
    for standing in ("restricted", "suspended"):
        order = buyer.order("BUY", 1, "0.5")
        assert _stand(desk, "alice", standing) == 0
        query = buyer.query(symbol=SYMBOL, side="BUY", type="LIMIT", timeInForce="GTC", quantity=1, price="0.5")
        headers = {"X-MBX-APIKEY": buyer.key}
        assert buyer.http.post(f"/api/v3/order?{query}", headers=headers).status_code >= 400
        query = buyer.query(symbol=SYMBOL, orderId=order["orderId"])
        assert buyer.http.delete(f"/api/v3/order?{query}", headers=headers).status_code == 200
        assert _stand(desk, "alice", "active") == 0
    assert buyer.order("BUY", 1, "0.5")["status"] == "NEW"


def test_who_is_restricted_begins_nothing_that_needs_no_order_either(desk: Office) -> None:
    broker = desk.admit("held", "read", "trade", role="broker")
    own = {"account": broker.account, "scopes": ["read"]}
    assert broker.post("/v1/keys", **own).status_code == 200
    for standing in ("restricted", "suspended"):
        assert _stand(desk, "held", standing) == 0
        for path, body in (("/v1/keys", own), ("/v1/subaccounts", {"name": f"new-{standing}"})):
            refused = broker.post(path, **body)
            assert refused.json()["code"] == NOT_ACTIVE.code, refused.text
        assert _stand(desk, "held", "active") == 0
    assert broker.post("/v1/subaccounts", name="new").status_code == 200


def test_a_tier_and_a_standing_are_shown(desk: Office) -> None:
    told = desk.operator.put("/v1/tier", participant="alice", tier=3).json()
    assert (told["standing"], told["tier"], told["accounts"][0]["name"]) == ("active", 3, "alice")
    assert desk.operator.put("/v1/tier", participant="nobody", tier=3).status_code == 404


def test_accounts_are_named_as_long_as_there_is_room(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = desk.admit("crowd", "trade", role="broker")
    named = desk.exchange.registry.next_account
    with monkeypatch.context() as narrow:
        narrow.setattr("api.v1.desk.ACCOUNTS_OF_ONE_MAX", 1)
        assert crowd.post("/v1/subaccounts", name="second").json()["code"] == TOO_MANY_ACCOUNTS.code
    config = desk.exchange.config
    full = replace(config, capacity=config.capacity._replace(accounts=named))
    with monkeypatch.context() as narrow:
        narrow.setattr(desk.exchange, "config", full)
        assert crowd.post("/v1/subaccounts", name="second").json()["code"] == NO_ACCOUNT_LEFT.code
        made = desk.operator.post("/v1/participants", name="late", role="trader")
        assert (made.status_code, made.json()["code"]) == (503, NO_ACCOUNT_LEFT.code)
    assert desk.exchange.registry.next_account == named
    assert crowd.post("/v1/subaccounts", name="second").json()["account"] == named


def test_a_broker_opens_accounts_and_keys_for_its_clients(desk: Office) -> None:
    broker = desk.admit("broker", "read", "trade", role="broker")
    first = broker.post("/v1/subaccounts", name="client-1").json()
    assert broker.post("/v1/subaccounts", name="client-1").json() == first
    second = broker.post("/v1/subaccounts", name="client-2", grouped=True).json()
    assert (first["group"], second["group"]) == (first["account"], broker.account)
    key = broker.post("/v1/keys", account=first["account"], scopes=["read", "trade"])
    assert key.status_code == 200
    assert broker.post("/v1/keys", account=desk.buyer.account, scopes=["read"]).json()["code"] == NOT_A_BROKER.code
    assert broker.post("/v1/keys", account=first["account"], scopes=["meter"]).json()["code"] == -8085
    assert broker.post("/v1/subaccounts", name="alice").json()["code"] == -8062
    assert desk.buyer.post("/v1/subaccounts", name="client-3").json()["code"] == NOT_A_BROKER.code
