"""API keys: of both kinds, rotated without a pause, and requests that are taken once."""

import base64
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.v1.problems import KEYLESS_ACCOUNT
from tests.api.v1.office import SYMBOL, Client, Office, office
from tests.api.v1.test_orders import done, order, refused


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Client]]:
    with office(tmp_path_factory.mktemp("keys")) as served:
        _, buyer = served.furnish()
        yield served, buyer


def ed25519(http: httpx.Client, key: str, private: Ed25519PrivateKey, method: str, path: str, body: str = "") -> Any:
    """Send a request signed by Ed25519 over the query and the body."""
    query = urlencode({"timestamp": time.time_ns() // 1000})
    signature = base64.b64encode(private.sign((query + body).encode())).decode()
    headers = {"X-MBX-APIKEY": key, "Content-Type": "application/json"}
    return http.request(method, f"{path}?{query}&signature={quote(signature, safe='')}", content=body, headers=headers)


def test_a_key_may_have_a_public_half_only(house: Any) -> None:
    served, buyer = house
    private = Ed25519PrivateKey.generate()
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    made = done(served.operator.post("/v1/keys", account=buyer.account, scopes=["read", "trade"], public_key=pem))
    assert (made["secret"], made["signs_by"]) == ("", "ED25519")
    body = json.dumps(order("BUY", 1, "0.5000"))
    assert done(ed25519(buyer.http, made["key"], private, "POST", "/v1/order", body))["status"] == "NEW"
    assert done(ed25519(buyer.http, made["key"], private, "GET", "/api/v3/openOrders"))[0]["price"] == "0.5000"
    other = Ed25519PrivateKey.generate()
    assert refused(ed25519(buyer.http, made["key"], other, "GET", "/v1/orders")) == (400, -1022)
    wrong = served.operator.post("/v1/keys", account=buyer.account, scopes=["read"], public_key="AAAA")
    assert refused(wrong) == (400, -8122)


def test_nobody_has_a_key_for_what_stands_behind_a_key(house: Any) -> None:
    served, _ = house
    broker = served.admit("broker", "read", "trade", role="broker")
    done(served.operator.post("/v1/deposits", account=broker.account, amount="5"))
    broker.nominate("3", asset="CNY")
    behind = done(broker.get("/v1/nominations", key=broker.key))["account"]
    for client in (broker, served.operator):
        made = client.post("/v1/keys", account=behind, scopes=["read", "trade"])
        assert refused(made) == (403, KEYLESS_ACCOUNT.code)


def test_a_key_is_rotated_without_a_pause(house: Any) -> None:
    served, buyer = house
    first = served.key(buyer.account, "read")
    assert refused(first.post("/v1/keys/confirm")) == (409, -8123)
    rotated = done(first.post("/v1/keys/rotate"))
    assert (rotated["key"], rotated["rotating"]) == (first.key, True)
    second = served.client(first.key, rotated["secret"], buyer.account)
    for client in (first, second):
        assert done(client.get("/v1/orders"))
    assert refused(first.post("/v1/keys/confirm")) == (409, -8107)
    assert done(second.post("/v1/keys/confirm"))["rotating"] is False
    assert done(second.get("/v1/orders"))
    assert refused(first.get("/v1/orders")) == (400, -1022)


def test_a_lost_answer_is_no_loss(house: Any) -> None:
    served, buyer = house
    first = served.key(buyer.account, "read")
    lost = served.client(first.key, done(first.post("/v1/keys/rotate"))["secret"], buyer.account)
    second = served.client(first.key, done(first.post("/v1/keys/rotate"))["secret"], buyer.account)
    assert refused(lost.get("/v1/orders")) == (400, -1022)
    done(second.post("/v1/keys/confirm"))


def test_signed_bytes_are_taken_once(house: Any) -> None:
    _, buyer = house
    for path, content_type, body in (
        ("/v1/order", "application/json", json.dumps(order("BUY", 1, "0.4000")).encode()),
        ("/v1/mass-cancel", "application/json", b"{}"),
    ):
        query, headers = buyer.query(body), {"X-MBX-APIKEY": buyer.key, "Content-Type": content_type}
        assert buyer.http.post(f"{path}?{query}", content=body, headers=headers).status_code == 200
        assert refused(buyer.http.post(f"{path}?{query}", content=body, headers=headers)) == (400, -8124)
    terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 1, "price": "0.4000"}
    query, headers = buyer.query(**terms), {"X-MBX-APIKEY": buyer.key}
    assert done(buyer.http.post(f"/api/v3/order?{query}", headers=headers))
    assert refused(buyer.http.post(f"/api/v3/order?{query}", headers=headers)) == (400, -8124)
    reading = f"/api/v3/openOrders?{buyer.query()}"
    assert buyer.http.get(reading, headers=headers).json() == buyer.http.get(reading, headers=headers).json()


def test_an_order_with_a_name_may_come_again_byte_for_byte(house: Any) -> None:
    _, buyer = house
    body = json.dumps(order("BUY", 1, "0.4000", client_order_id="again")).encode()
    query, headers = buyer.query(body), {"X-MBX-APIKEY": buyer.key, "Content-Type": "application/json"}
    answers = [buyer.http.post(f"/v1/order?{query}", content=body, headers=headers) for _ in range(2)]
    assert done(answers[0]) == done(answers[1])
    terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 1, "price": "0.4000"}
    query = buyer.query(**terms, newClientOrderId="once-more")
    answers = [buyer.http.post(f"/api/v3/order?{query}", headers=headers) for _ in range(2)]
    assert done(answers[0]) == done(answers[1])


def test_what_a_key_has_used_is_announced(house: Any) -> None:
    _, buyer = house
    for path in ("/v1/orders", "/api/v3/openOrders"):
        used = [int(buyer.get(path).headers["x-tb-key-weight-1m"]) for _ in range(2)]
        assert 0 < used[0] < used[1] + 10_000
