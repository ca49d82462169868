"""Orders changed over real sockets: cancelled for another one, or made smaller."""

import asyncio

import pytest

from api.binance import schema
from tests.api.binance.test_trading import PRICE, done, refused
from tests.api.stream.talk import ask, hear_until, joined, signed, talk
from tests.api.venue import SYMBOL, venue

NEW = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 2, "price": "11.0000"}


def replace(client, mode="STOP_ON_FAILURE", **terms):
    return client.signed("POST", "/api/v3/order/cancelReplace", cancelReplaceMode=mode, **(NEW | terms))


def amend(client, **terms):
    return client.signed("PUT", "/api/v3/order/amend/keepPriority", symbol=SYMBOL, **terms)


def open_ids(client):
    return [order["orderId"] for order in client.signed("GET", "/api/v3/openOrders", symbol=SYMBOL).json()]


def test_an_order_takes_the_place_of_another(market):
    alice = market.client("alice")
    old = alice.order("BUY", 1, PRICE, newClientOrderId="old").json()
    both = done(replace(alice, cancelOrigClientOrderId="old", cancelNewClientOrderId="bye"), schema.CancelReplaced)
    assert (both["cancelResult"], both["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert both["cancelResponse"]["orderId"] == old["orderId"]
    assert both["cancelResponse"]["clientOrderId"] == "bye"
    assert open_ids(alice) == [both["newOrderResponse"]["orderId"]]


def test_without_the_old_order_there_is_no_new_one(market):
    alice = market.client("alice")
    response = replace(alice, cancelOrderId=99)
    assert refused_in_parts(response) == (400, -2022, "FAILURE", "NOT_ATTEMPTED")
    assert response.json()["data"]["cancelResponse"] == {"code": -2011, "msg": "Unknown order sent."}
    assert response.json()["data"]["newOrderResponse"] is None
    assert open_ids(alice) == []


def refused_in_parts(response):
    body = response.json()
    return response.status_code, body["code"], body["data"]["cancelResult"], body["data"]["newOrderResult"]


def test_unless_asked_to_go_on(market):
    alice = market.client("alice")
    response = replace(alice, "ALLOW_FAILURE", cancelOrderId=99)
    assert refused_in_parts(response) == (409, -2021, "FAILURE", "SUCCESS")
    assert open_ids(alice) == [response.json()["data"]["newOrderResponse"]["orderId"]]


def test_the_new_order_may_be_refused_alone(market):
    alice = market.client("alice")
    old = alice.order("BUY", 1, PRICE).json()
    response = replace(alice, cancelOrderId=old["orderId"], quantity=10_001)
    assert refused_in_parts(response) == (409, -2021, "SUCCESS", "FAILURE")
    assert open_ids(alice) == []


def test_numbers_that_cannot_be_are_refused_before_anything_ends(market):
    alice = market.client("alice")
    old = alice.order("BUY", 1, PRICE).json()
    response = replace(alice, "ALLOW_FAILURE", cancelOrderId=old["orderId"], price="11.00001")
    assert refused(response) == (400, -1013, "Filter failure: PRICE_FILTER")
    assert open_ids(alice) == [old["orderId"]]


def test_a_refused_replacement_is_reported_on_every_private_stream(market):
    alice = market.client("alice")

    def act():
        """Let one replacement fail after the cancellation, and one before it and after it, as another order may."""
        old = alice.order("BUY", 1, PRICE).json()
        half = replace(alice, "ALLOW_FAILURE", cancelOrderId=old["orderId"], newClientOrderId="mine", quantity=10_001)
        both = replace(alice, "ALLOW_FAILURE", cancelOrderId=99, quantity=10_001)
        alone = alice.order("BUY", 10_001, PRICE)
        alice.order("BUY", 1, PRICE)
        return [response.status_code for response in (half, both, alone)]

    async def reports(client, event_of):
        """Return the reports up to that of the second order that stays, with their numbers."""
        heard = [event_of(await hear_until(client, lambda one: event_of(one).get("i"))) for _ in range(4)]
        return [(one["sq"], one["x"], one["X"], one["r"], one["c"]) for one in heard]

    async def conversation():
        key = alice.send("POST", "/api/v3/userDataStream", "").json()["listenKey"]
        async with joined(market, "/ws-api/v3") as subscribed, joined(market, f"/ws/{key}") as listening:
            await ask(subscribed, "session.logon", signed("alice"))
            begun = await ask(subscribed, "userDataStream.subscribe")
            assert await asyncio.to_thread(act) == [409, 400, 400]
            told = await reports(subscribed, lambda one: one.get("event", one))
            assert await reports(listening, lambda one: one) == told
        async with joined(market, "/ws-api/v3") as again:
            after = signed("alice", fromSequence=begun["result"]["sequence"])
            await ask(again, "userDataStream.subscribe.signature", after)
            assert await reports(again, lambda one: one.get("event", one)) == told
        return begun["result"]["sequence"], told

    first, told = talk(conversation)
    assert [number for number, *_ in told] == list(range(first + 1, first + 5))
    assert [kind for _, kind, *_ in told] == ["NEW", "CANCELED", "REJECTED", "NEW"]
    assert told[2] == (first + 3, "REJECTED", "REJECTED", "INVALID_QUANTITY", "mine")


def test_a_refused_replacement_is_told_again_after_a_restart(tmp_path):
    async def whole(served):
        async with joined(served, "/ws-api/v3") as client:
            await ask(client, "userDataStream.subscribe.signature", signed("alice", fromSequence=0))
            return [await hear_until(client, lambda one: "sq" in one.get("event", {})) for _ in range(4)]

    with venue(tmp_path) as served:
        old = served.client("alice").order("BUY", 1, PRICE).json()
        terms = {"quantity": 10_001, "newClientOrderId": "mine"}
        assert replace(served.client("alice"), cancelOrderId=old["orderId"], **terms).status_code == 409
        before = talk(lambda: whole(served))
    with venue(tmp_path) as served:
        assert talk(lambda: whole(served)) == before
    assert (before[-1]["event"]["x"], before[-1]["event"]["c"]) == ("REJECTED", "mine")


def test_or_both(market):
    response = replace(market.client("alice"), "ALLOW_FAILURE", cancelOrderId=99, quantity=10_001)
    assert refused_in_parts(response) == (400, -2022, "FAILURE", "FAILURE")


def test_an_order_already_filled_is_not_replaced(market):
    alice, bob = market.client("alice"), market.client("bob")
    bob.order("SELL", 1, PRICE)
    filled = alice.order("BUY", 1, PRICE).json()
    assert refused_in_parts(replace(alice, cancelOrderId=filled["orderId"]))[1:3] == (-2022, "FAILURE")


@pytest.mark.parametrize(
    ("terms", "code"),
    [
        ({"mode": "SOMETIMES", "cancelOrderId": 1}, -1130),
        ({}, -1102),
        ({"cancelOrderId": 1, "side": "UP"}, -1117),
        ({"cancelOrderId": 1, "bogus": 1}, -1104),
        ({"cancelOrderId": 1, "symbol": "TA.NONE"}, -1121),
    ],
)
def test_a_malformed_replacement_is_refused_whole(market, terms, code):
    assert refused(replace(market.client("alice"), **terms))[:2] == (400, code)


def test_a_smaller_order_keeps_its_place(market):
    alice, bob = market.client("alice"), market.client("bob")
    first = bob.order("SELL", 5, PRICE).json()
    bob.order("SELL", 5, PRICE)
    amended = done(amend(bob, orderId=first["orderId"], newQty=2), schema.Amended)["amendedOrder"]
    assert (amended["qty"], amended["executedQty"], amended["status"]) == ("2", "0", "NEW")
    alice.order("BUY", 1, PRICE)
    assert bob.signed("GET", "/api/v3/order", symbol=SYMBOL, orderId=first["orderId"]).json()["executedQty"] == "1"


TOO_MUCH = (400, -2038, "newQty must be above zero and below the quantity of the order.")


@pytest.mark.parametrize(
    ("quantity", "expected"),
    [
        ("5", TOO_MUCH),
        ("6", TOO_MUCH),
        ("0", TOO_MUCH),
        ("2.5", (400, -1013, "Filter failure: LOT_SIZE")),
        ("9" * 20, (400, -1108, "Parameter 'newQty' overflowed.")),
        ("1", (400, -2038, "The requested quantity is not above the filled quantity.")),
    ],
)
def test_an_order_becomes_nothing_but_smaller(market, quantity, expected):
    alice, bob = market.client("alice"), market.client("bob")
    order = bob.order("SELL", 5, PRICE).json()
    alice.order("BUY", 2, PRICE)
    assert refused(amend(bob, orderId=order["orderId"], newQty=quantity)) == expected


def test_an_unknown_order_is_not_changed(market):
    assert refused(amend(market.client("bob"), orderId=99, newQty=1)) == (400, -2013, "Order does not exist.")
