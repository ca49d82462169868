"""Many orders with one request: batches, cancellations, quotes, and what ends all of them at once."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from exchange.core.types import TradingState
from tests.api.v1.office import SYMBOL, Client, Office, office
from tests.api.v1.test_orders import done, order, refused

OTHER = "TA.CTEL.Q3.OUT.GZ.M2701.G80A"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Client, Client]]:
    with office(tmp_path_factory.mktemp("bundles")) as served:
        issuer, buyer = served.furnish()
        served.list(OTHER, issuer.account)
        for symbol in (SYMBOL, OTHER):
            assert issuer.post("/v1/issues", asset=symbol, amount="1000").status_code == 200
        yield served, issuer, buyer


@pytest.fixture
def market(house: tuple[Office, Client, Client]) -> Iterator[tuple[Office, Client, Client]]:
    yield house
    for client in house[1:]:
        client.post("/v1/mass-cancel")


def open_ids(client: Client) -> list[int]:
    return [one["order_id"] for one in done(client.get("/v1/orders"))["orders"]]


def test_each_order_of_a_batch_is_answered_for_itself(market: Any) -> None:
    _, issuer, buyer = market
    done(issuer.post("/v1/order", **order("SELL", 2, "1.0000")))
    orders = [
        order("BUY", 2, "1.0000"),
        order("BUY", 1, "1.00001"),
        order("BUY", 1, "0.5000", client_order_id="in-batch"),
        order("SELL", 9_000, "2.0000"),
    ]
    results = done(buyer.post("/v1/orders/batch", orders=orders))["results"]

    assert [(one["order"] or {}).get("status") or one["code"] for one in results] == ["FILLED", -1013, "NEW", -2010]
    (fill,) = results[0]["order"]["fills"]
    assert fill == done(buyer.get("/v1/fills"))["fills"][-1]
    again = done(buyer.post("/v1/orders/batch", orders=orders[2:3]))["results"]
    assert again == results[2:3]


def test_a_batch_of_all_or_none_is_accepted_whole(market: Any) -> None:
    _, _, buyer = market
    orders = [order("BUY", 1, f"0.{n}000", post_only=True) for n in range(1, 6)]
    results = done(buyer.post("/v1/orders/batch", orders=orders, all_or_none=True))["results"]
    assert open_ids(buyer) == [one["order"]["order_id"] for one in results]


def test_a_batch_of_all_or_none_is_refused_whole(market: Any) -> None:
    _, issuer, buyer = market
    done(issuer.post("/v1/order", **order("SELL", 2, "1.0000")))
    for wrong, code in (
        (order("BUY", 1, "0", post_only=True), -1013),
        (order("BUY", 1, "1.0000", post_only=True), -2010),
    ):
        named = order("BUY", 1, "0.5000", post_only=True, client_order_id="undone")
        answer = buyer.post(
            "/v1/orders/batch", orders=[named, wrong, named | {"client_order_id": "x"}], all_or_none=True
        )
        assert refused(answer) == (409, -8040)
        assert [one["code"] for one in answer.json()["data"]] == [-8040, code, -8040]
        assert open_ids(buyer) == []
    assert refused(buyer.post("/v1/order", **named)) == (409, -8040)
    assert refused(buyer.post("/v1/orders/batch", orders=[order("BUY", 1, "1")], all_or_none=True)) == (400, -1130)


def test_orders_are_cancelled_together(market: Any) -> None:
    _, _, buyer = market
    first, second = [done(buyer.post("/v1/order", **order("BUY", 1, "0.5000")))["order_id"] for _ in range(2)]
    which = [{"order_id": first}, {"client_order_id": "never"}, {"order_id": second}, {"order_id": first}]
    results = done(buyer.post("/v1/orders/cancel", orders=which))["results"]
    assert [(one["order"] or {}).get("status") or one["code"] for one in results] == [
        "CANCELED", -8100, "CANCELED", -8102,
    ]  # fmt: skip


def side(price: str, quantity: object) -> dict[str, str]:
    return {"price": price, "quantity": str(quantity)}


def test_quotes_replace_themselves_on_many_instruments(market: Any) -> None:
    _, issuer, buyer = market
    quotes = [{"symbol": symbol, "bid": None, "ask": side("2.0000", 3)} for symbol in (SYMBOL, OTHER)]
    first = done(issuer.post("/v1/quotes", quotes=quotes))["results"]
    assert [(one["symbol"], one["ended"], one["ask"]["order"]["status"]) for one in first] == [
        (SYMBOL, 0, "NEW"),
        (OTHER, 0, "NEW"),
    ]
    done(buyer.post("/v1/order", **order("BUY", 1, "1.5000")))
    quotes[0]["ask"] = side("1.5000", 4)
    quotes[0]["bid"] = side("1.0000", 100)
    again = done(issuer.post("/v1/quotes", quotes=quotes, post_only=False))["results"]

    assert [one["ended"] for one in again] == [1, 1]
    assert again[0]["ask"]["order"]["status"] == "PARTIALLY_FILLED"
    (fill,) = again[0]["ask"]["order"]["fills"]
    assert fill == done(issuer.get("/v1/fills"))["fills"][-1]
    assert again[0]["bid"]["code"] == -2010  # the issuer has no cash but what it just earned
    pulled = done(issuer.post("/v1/quotes", quotes=[{"symbol": SYMBOL}, {"symbol": OTHER}]))["results"]
    assert [(one["ended"], one["bid"], one["ask"]) for one in pulled] == [(1, None, None)] * 2


def test_a_quote_that_is_wrong_is_refused_alone(market: Any) -> None:
    _, issuer, _ = market
    quotes = [
        {"symbol": SYMBOL, "bid": side("2.0000", 1), "ask": side("1.0000", 1)},
        {"symbol": OTHER, "ask": side("2.00001", 1)},
        {"symbol": "NONE", "ask": side("2.0000", 1)},
        {"symbol": OTHER, "ask": side("2.0000", 1)},
    ]
    results = done(issuer.post("/v1/quotes", quotes=quotes))["results"]
    assert [one["code"] for one in results] == [-1013, -1013, -8034, 0]
    assert len(open_ids(issuer)) == 1


def test_mass_cancel_takes_an_instrument_and_a_side(market: Any) -> None:
    _, issuer, _ = market
    ids = [
        done(issuer.post("/v1/order", **order("SELL", 1, "2.0000", symbol=one)))["order_id"] for one in (SYMBOL, OTHER)
    ]
    assert done(issuer.post("/v1/mass-cancel", symbol=OTHER, side="BUY"))["order_ids"] == []
    assert done(issuer.post("/v1/mass-cancel", symbol=OTHER, side="SELL"))["order_ids"] == ids[1:]
    assert done(issuer.post("/v1/mass-cancel"))["order_ids"] == ids[:1]


def test_mass_cancel_leaves_what_the_phase_protects(market: Any) -> None:
    served, issuer, _ = market
    placed = done(issuer.post("/v1/order", **order("SELL", 1, "2.0000", symbol=OTHER)))["order_id"]
    for state in (TradingState.HALTED, TradingState.CALL_OPEN, TradingState.CALL_NO_CANCEL):
        done(served.operator.put("/v1/trading-state", symbol=OTHER, state=state.name))
    try:
        assert done(issuer.post("/v1/mass-cancel")) == {"order_ids": [], "still_open": 1}
    finally:
        done(served.operator.post("/v1/uncross", symbol=OTHER))
    assert open_ids(issuer) == [placed]


def test_the_timer_ends_all_orders_unless_it_is_set_again(market: Any) -> None:
    _, _, buyer = market
    placed = done(buyer.post("/v1/order", **order("BUY", 1, "0.5000")))["order_id"]
    trigger = done(buyer.post("/v1/cancel-all-after", timeout=60_000))["trigger"]
    assert abs(trigger - 60_000 - time.time() * 1000) < 5_000
    assert done(buyer.get("/v1/cancel-all-after"))["trigger"] == trigger
    assert done(buyer.post("/v1/cancel-all-after", timeout=0)) == {"trigger": 0}
    done(buyer.post("/v1/cancel-all-after", timeout=100))
    for _ in range(100):
        if not open_ids(buyer):
            break
        time.sleep(0.02)
    assert done(buyer.get("/v1/order", order_id=placed))["reason"] == "DEADMAN"
    assert done(buyer.get("/v1/cancel-all-after"))["trigger"] == 0
