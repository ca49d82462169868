"""One's own orders under /v1: every kind the engine knows, changed, cancelled, looked up, and repeated."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from exchange.core.types import TradingState
from tests.api.v1.office import SYMBOL, Client, Office, office


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Client, Client]]:
    with office(tmp_path_factory.mktemp("orders")) as served:
        issuer, buyer = served.furnish()
        assert issuer.post("/v1/issues", asset=SYMBOL, amount="100000").status_code == 200
        yield served, issuer, buyer


@pytest.fixture
def market(house: tuple[Office, Client, Client]) -> Iterator[tuple[Office, Client, Client]]:
    yield house
    for client in house[1:]:
        client.post("/v1/mass-cancel")


def order(side: str, quantity: object, price: str | None = None, **more: Any) -> dict[str, Any]:
    terms = {"symbol": SYMBOL, "side": side, "quantity": str(quantity), "price": price} | more
    return {name: value for name, value in terms.items() if value is not None}


def done(response: Any) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def refused(response: Any) -> tuple[int, int]:
    return response.status_code, response.json()["code"]


def test_a_limit_order_trades_and_its_fills_name_their_ledger_entry(market: Any) -> None:
    served, issuer, buyer = market
    done(issuer.post("/v1/order", **order("SELL", 5, "1.0000")))
    bought = done(buyer.post("/v1/order", **order("BUY", 2, "1.0000", client_order_id="mine-1")))

    assert (bought["status"], bought["filled"], bought["client_order_id"]) == ("FILLED", "2", "mine-1")
    (fill,) = bought["fills"]
    (listed,) = done(buyer.get("/v1/fills", symbol=SYMBOL))["fills"][-1:]
    assert fill == listed
    assert fill["fee"] == bought["fee"] == "0.001000"
    (event,) = served.exchange.events.of_command(fill["event"])[:1]
    assert event.trade_id == fill["trade_id"]


@pytest.mark.parametrize(
    ("terms", "told"),
    [
        (order("BUY", 3, "0.5000", time_in_force="DAY"), {"time_in_force": "DAY", "status": "NEW"}),
        (order("BUY", 3, "0.5000", post_only=True), {"post_only": True, "price": "0.5000"}),
        (order("BUY", 9, "0.5000", displayed="2"), {"displayed": "2", "quantity": "9"}),
        (order("BUY", 3, "0.5000", time_in_force="IOC"), {"status": "EXPIRED", "reason": "IMMEDIATE_REMAINDER"}),
        (order("BUY", 3, "0.5000", time_in_force="FOK"), {"status": "EXPIRED", "reason": "FILL_OR_KILL"}),
        (order("BUY", 3, "0.5000", self_trade_prevention="EXPIRE_BOTH"), {"self_trade_prevention": "EXPIRE_BOTH"}),
        (
            order("BUY", 3, "3.0000", type="STOP_LIMIT", stop_price="2.5000"),
            {"stop_price": "2.5000", "is_asleep": True},
        ),
        (order("BUY", 3, None, type="STOP", stop_price="2.5000"), {"type": "STOP", "price": None, "is_asleep": True}),
        (order("BUY", 3, None, type="MARKET"), {"type": "MARKET", "status": "EXPIRED", "time_in_force": "IOC"}),
    ],
)
def test_every_kind_of_order_is_taken(market: Any, terms: dict[str, Any], told: dict[str, Any]) -> None:
    _, _, buyer = market
    placed = done(buyer.post("/v1/order", **terms))

    assert {name: placed[name] for name in told} == told
    assert done(buyer.get("/v1/order", order_id=placed["order_id"]))["status"] == placed["status"]


def test_a_gtd_order_ends_at_its_time(market: Any) -> None:
    _, _, buyer = market
    expires = int(time.time() * 1000) + 300
    placed = done(buyer.post("/v1/order", **order("BUY", 3, "0.5000", time_in_force="GTD", expires=expires)))
    assert placed["expires"] == expires
    for _ in range(100):
        stands = done(buyer.get("/v1/order", order_id=placed["order_id"]))
        if stands["status"] == "EXPIRED":
            break
        time.sleep(0.05)
    assert (stands["status"], stands["reason"]) == ("EXPIRED", "TIME_OVER")


def test_a_market_order_spends_an_amount(market: Any) -> None:
    _, issuer, buyer = market
    done(issuer.post("/v1/order", **order("SELL", 5, "2.0000")))
    terms = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "amount": "5"}
    assert done(buyer.post("/v1/order", **terms))["filled"] == "2"


def test_an_order_may_wait_for_the_auction(market: Any) -> None:
    served, _, buyer = market
    terms = order("BUY", 1, "1.0000", time_in_force="AT_AUCTION")
    assert refused(buyer.post("/v1/order", **terms)) == (400, -2010)
    for state in (TradingState.HALTED, TradingState.CALL_OPEN):
        done(served.operator.put("/v1/trading-state", symbol=SYMBOL, state=state.name))
    assert done(buyer.post("/v1/order", **terms))["status"] == "NEW"
    unpriced = {"symbol": SYMBOL, "side": "BUY", "type": "MARKET", "quantity": "1", "time_in_force": "AT_AUCTION"}
    assert done(buyer.post("/v1/order", **unpriced))["price"] is None
    done(served.operator.post("/v1/uncross", symbol=SYMBOL))
    assert done(buyer.get("/v1/orders"))["orders"] == []


def test_a_repeat_returns_the_original_answer_whatever_happened_since(market: Any) -> None:
    _, issuer, buyer = market
    terms = order("BUY", 4, "1.0000", client_order_id="once")
    first = done(buyer.post("/v1/order", **terms))
    done(issuer.post("/v1/order", **order("SELL", 1, "1.0000")))
    done(buyer.put("/v1/order", client_order_id="once", quantity="3"))
    done(buyer.delete("/v1/order", client_order_id="once"))

    assert done(buyer.post("/v1/order", **terms)) == first
    assert done(buyer.get("/v1/order", client_order_id="once"))["status"] == "CANCELED"
    for other in (terms | {"price": "1.0001"}, terms | {"quantity": "5"}, terms | {"side": "SELL"}):
        assert buyer.post("/v1/order", **other).json()["msg"] == "Duplicate order sent."


def test_none_differs_from_unknown(market: Any) -> None:
    served, _, buyer = market
    assert refused(buyer.get("/v1/order", client_order_id="never-sent")) == (404, -8100)
    owner = served.exchange.orders._account(buyer.account)
    owner["forgot"] = 1
    try:
        assert refused(buyer.get("/v1/order", client_order_id="never-sent")) == (404, -8101)
    finally:
        owner["forgot"] = 0


def test_replace_keeps_or_loses_the_place_and_may_trade(market: Any) -> None:
    _, issuer, buyer = market
    asked = done(issuer.post("/v1/order", **order("SELL", 5, "2.0000")))
    kept = done(issuer.put("/v1/order", order_id=asked["order_id"], quantity="3"))
    assert (kept["kept_priority"], kept["order"]["quantity"]) == (True, "3")
    assert not done(issuer.put("/v1/order", order_id=asked["order_id"], requeue=True))["kept_priority"]
    done(buyer.post("/v1/order", **order("BUY", 1, "1.5000")))
    moved = done(issuer.put("/v1/order", order_id=asked["order_id"], price="1.5000"))

    assert (moved["kept_priority"], moved["order"]["filled"]) == (False, "1")
    (fill,) = moved["fills"]
    assert fill == done(issuer.get("/v1/fills"))["fills"][-1]


def test_reduce_takes_off_and_ends(market: Any) -> None:
    _, _, buyer = market
    placed = done(buyer.post("/v1/order", **order("BUY", 5, "0.5000")))["order_id"]
    reduced = done(buyer.post("/v1/order/reduce", order_id=placed, quantity="2"))
    assert (reduced["kept_priority"], reduced["order"]["quantity"]) == (True, "3")
    assert done(buyer.post("/v1/order/reduce", order_id=placed, quantity="9"))["order"]["status"] == "CANCELED"


def test_cancel_says_how_the_order_ended_and_then_that_it_has(market: Any) -> None:
    _, issuer, buyer = market
    placed = done(buyer.post("/v1/order", **order("BUY", 5, "0.5000", client_order_id="to-cancel")))
    assert refused(issuer.delete("/v1/order", order_id=placed["order_id"])) == (404, -8100)
    ended = done(buyer.delete("/v1/order", order_id=placed["order_id"], client_order_id="to-cancel"))
    assert (ended["status"], ended["reason"]) == ("CANCELED", "REQUESTED")
    assert refused(buyer.delete("/v1/order", client_order_id="to-cancel")) == (409, -8102)
    assert refused(buyer.put("/v1/order", client_order_id="to-cancel", quantity="1")) == (409, -8102)


def test_orders_are_listed(market: Any) -> None:
    _, _, buyer = market
    ids = [done(buyer.post("/v1/order", **order("BUY", 1, "0.5000")))["order_id"] for _ in range(3)]
    assert [one["order_id"] for one in done(buyer.get("/v1/orders", symbol=SYMBOL))["orders"]] == ids
    assert [one["order_id"] for one in done(buyer.get("/v1/orders", from_id=ids[1], limit=1))["orders"]] == ids[1:2]
    done(buyer.delete("/v1/order", order_id=ids[0]))
    assert [one["order_id"] for one in done(buyer.get("/v1/orders"))["orders"]] == ids[1:]
    assert [one["order_id"] for one in done(buyer.get("/v1/orders", state="ALL", limit=3))["orders"]] == ids


@pytest.mark.parametrize(
    ("terms", "status", "code"),
    [
        (order("BUY", 1), 400, -1130),
        (order("BUY", 1, "1.0000", amount="5"), 400, -1130),
        (order("BUY", 1, "1.0000", time_in_force="GTD"), 400, -1130),
        (order("BUY", 1, "1.0000", client_order_id="tb-1"), 400, -1130),
        (order("BUY", 1, "1.0000", colour="red"), 400, -1104),
        (order("BUY", 1, "1.00001"), 400, -1013),
        (order("BUY", "0", "1.0000"), 400, -1013),
        (order("BUY", 1, "1.0000", symbol="NONE"), 404, -8034),
        (order("BUY", 1, "1.0000", time_in_force="IOC", post_only=True), 400, -1014),
        (order("SELL", 500_000, "1.0000"), 400, -2010),
        (order("BUY", 1, "1.0000", time_in_force="GTD", expires=1), 400, -8043),
    ],
)
def test_what_is_wrong_is_said(market: Any, terms: dict[str, Any], status: int, code: int) -> None:
    assert refused(market[2].post("/v1/order", **terms)) == (status, code)


def test_orders_need_the_scope_to_trade(market: Any) -> None:
    served, _, buyer = market
    reader = served.key(buyer.account, "read")
    assert refused(reader.post("/v1/order", **order("BUY", 1, "1.0000"))) == (401, -2015)
    assert done(reader.get("/v1/orders"))["orders"] == []
