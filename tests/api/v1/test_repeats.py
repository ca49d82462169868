"""A batch of all or none that is sent again returns what became of it first, whatever has changed since."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.api.v1.office import SYMBOL, Client, Office, office
from tests.api.v1.test_bundles import open_ids
from tests.api.v1.test_orders import done, order, refused

BATCH = "/v1/orders/batch"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Client, Client]]:
    with office(tmp_path_factory.mktemp("repeats")) as served:
        issuer, buyer = served.furnish()
        assert issuer.post("/v1/issues", asset=SYMBOL, amount="1000").status_code == 200
        yield served, issuer, buyer


@pytest.fixture
def traders(house: tuple[Office, Client, Client]) -> Iterator[tuple[Client, Client]]:
    _, issuer, buyer = house
    yield issuer, buyer
    for client in (issuer, buyer):
        client.post("/v1/mass-cancel")


def bid(name: str | None, price: str = "0.5000") -> dict[str, Any]:
    return order("BUY", 1, price, post_only=True) | ({"client_order_id": name} if name else {})


def test_a_batch_that_was_accepted_is_answered_as_before(traders: Any) -> None:
    issuer, buyer = traders
    orders = [bid(None), bid("kept-1"), bid("kept-2", "0.6000"), bid(None)]
    first = done(buyer.post(BATCH, orders=orders, all_or_none=True))
    opened = open_ids(buyer)
    done(issuer.post("/v1/order", **order("SELL", 1, "0.6000")))
    done(buyer.delete("/v1/order", client_order_id="kept-1"))
    assert done(buyer.post(BATCH, orders=orders, all_or_none=True)) == first
    assert [one["order"]["order_id"] for one in first["results"]] == opened
    assert len(open_ids(buyer)) == 2


def test_a_batch_that_was_refused_stays_refused_when_its_reason_is_gone(traders: Any) -> None:
    issuer, buyer = traders
    ask = done(issuer.post("/v1/order", **order("SELL", 1, "1.0000")))
    orders = [bid("undone-1"), bid("undone-2", "1.0000"), bid("undone-3")]
    first = buyer.post(BATCH, orders=orders, all_or_none=True)
    done(issuer.delete("/v1/order", order_id=ask["order_id"]))
    again = buyer.post(BATCH, orders=orders, all_or_none=True)
    assert [one["code"] for one in first.json()["data"]] == [-8040, -2010, -8040]
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert open_ids(buyer) == []


@pytest.mark.parametrize(
    ("change", "codes"),
    [
        (lambda orders: [*orders, bid("fresh")], [-2010, -2010, -8040]),
        (lambda orders: [orders[0], bid("fresh")], [-2010, -8040]),
        (lambda orders: [bid("fresh"), orders[0]], [-8040, -2010]),
        (lambda orders: [orders[0] | {"price": "0.4000"}, orders[1]], [-2010, -2010]),
        (lambda orders: orders[::-1], [-2010, -2010]),
        (lambda orders: [orders[0], orders[1] | {"price": "0.40001"}], [-2010, -2010]),
    ],
)
def test_a_batch_that_only_shares_ids_with_another_places_nothing(
    traders: Any, request: pytest.FixtureRequest, change: Any, codes: list[int]
) -> None:
    _, buyer = traders
    name = request.node.callspec.id[-1]
    orders = [bid(f"shared-{name}-1"), bid(f"shared-{name}-2", "0.6000")]
    done(buyer.post(BATCH, orders=orders, all_or_none=True))
    opened = open_ids(buyer)
    answer = buyer.post(BATCH, orders=change(orders), all_or_none=True)
    assert refused(answer) == (409, -8040)
    assert [one["code"] for one in answer.json()["data"]] == codes
    assert open_ids(buyer) == opened


def test_an_id_of_an_order_alone_is_taken_too(traders: Any) -> None:
    _, buyer = traders
    done(buyer.post("/v1/order", **bid("alone")))
    answer = buyer.post(BATCH, orders=[bid("alone"), bid("beside")], all_or_none=True)
    assert [one["code"] for one in answer.json()["data"]] == [-2010, -8040]
    assert len(open_ids(buyer)) == 1
