"""Many orders at once, against a served exchange; and orders under a private key that it never sees."""

import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from api.client import bundles
from api.client.bundles import NewOrder, Quote, Side
from api.client.rest import Client
from api.client.signing import Key
from tests.api.client.test_signing import pem
from tests.api.v1.office import SYMBOL, Office, office


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("bundles")) as served:
        yield served


@pytest.fixture(scope="module")
def buyer(house: Office) -> Iterator[Client]:
    _, alice = house.furnish()
    with Client(house.base, Key.of(alice.key, alice.secret)) as client:
        yield client


def order(price: str, **more) -> NewOrder:
    return NewOrder(SYMBOL, "BUY", 1, price, **more)


def test_a_batch_is_placed_once_however_often_it_is_sent(buyer: Client) -> None:
    asked = bundles.place_batch([order("0.1"), order("0.12345"), order(Decimal("0.2"), client_order_id="mine")])
    first, refused, last = buyer.run(asked).results
    again = buyer.run(asked).results
    assert (first.order.status, refused.order, last.order.client_order_id) == ("NEW", None, "mine")
    assert refused.code < 0
    assert [one.order and one.order.order_id for one in again] == [first.order.order_id, None, last.order.order_id]
    ended = buyer.cancel_batch([first.order.order_id], ["mine", "none"]).results
    assert [one.order and one.order.status for one in ended] == ["CANCELED", "CANCELED", None]


def test_quotes_replace_each_other_and_all_can_be_ended(buyer: Client) -> None:
    [item] = buyer.quote([Quote(SYMBOL, bid=Side("0.1", 2))]).results
    assert (item.bid.order.status, item.ended) == ("NEW", 0)
    [item] = buyer.quote([Quote(SYMBOL, bid=Side("0.2", 2))], post_only=True).results
    assert item.ended == 1
    assert buyer.mass_cancel(SYMBOL).order_ids == [item.bid.order.order_id]
    assert buyer.cancel_all_after(60_000).trigger > 0
    assert buyer.cancel_all_after(0).trigger == 0


def test_numbers_are_sent_as_plain_texts() -> None:
    body = json.loads(bundles.place_batch([order(Decimal("1E-3"), client_order_id="x")], all_or_none=True).body)
    [sent] = body["orders"]
    assert (sent["price"], sent["quantity"], body["all_or_none"]) == ("0.001", "1", True)
    assert sent.keys() == {"symbol", "side", "quantity", "price", "client_order_id"}


def test_a_private_key_of_ed25519_signs_all_of_it(house: Office, buyer: Client) -> None:
    private = Ed25519PrivateKey.generate()
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    account = buyer.balances().account
    made = house.operator.post("/v1/keys", account=account, scopes=["read", "trade"], public_key=public)
    assert made.status_code == 200, made.text
    key = Key.of(made.json()["key"], pem(private))
    with Client(house.base, key) as client:
        placed = client.buy(SYMBOL, 1, "0.1")
        assert client.cancel(SYMBOL, placed.order_id).status == "CANCELED"
        assert client.place_batch([order("0.1")]).results[0].order.status == "NEW"
        assert len(client.mass_cancel().order_ids) == 1
