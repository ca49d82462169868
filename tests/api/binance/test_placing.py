"""An order in two halves: the receiver tells once, whatever comes of the command."""

import time

import pytest

from api import errors
from api.binance.placing import Placing, place
from api.call import Call
from api.errors import RequestError
from api.limits import Limiter, Limits
from tests.api.binance.floor import INSTRUMENT, Floor
from tests.api.binance.test_trading import PRICE
from tests.api.venue import SYMBOL


class Services:
    """As much of the services as a refusal needs."""

    limiter = Limiter(Limits())


def receiver(told):
    instrument = Floor().registry.instrument_at(INSTRUMENT)
    return Placing(Services(), Call("", b"", 0), None, instrument, told.append)


def test_a_refusal_of_the_sequencer_is_told():
    told = []
    waiting = receiver(told)
    assert not waiting.done()
    waiting.set_exception(RequestError(errors.OVERLOADED))
    assert [error.problem for error in told] == [errors.OVERLOADED]


def test_what_goes_wrong_in_the_answer_is_told():
    told = []
    receiver(told).set_result([])
    assert [type(error) for error in told] == [AttributeError]  # these services have no gateway


def test_what_is_no_order_is_refused_at_once():
    told = []
    with pytest.raises(RequestError):
        place(Services(), Call("", b"", 0), told.append)
    assert not told


def order(**more):
    """Return an order's parameters."""
    terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 1, "price": PRICE}
    return terms | more


def test_an_order_like_one_before_is_answered_alike(market):
    alice = market.client("alice")
    first, second = (alice.signed("POST", "/api/v3/order", **order(newClientOrderId=name)) for name in ("a1", "a2"))
    assert (first.status_code, second.status_code) == (200, 200)
    assert [response.json()["clientOrderId"] for response in (first, second)] == ["a1", "a2"]
    assert list(first.headers) == list(second.headers)
    used = [int(response.headers["x-mbx-order-count-10s"]) for response in (first, second)]
    assert min(used) >= 1


def test_an_order_like_one_before_passes_the_same_checks(market):
    alice, bob = market.client("alice"), market.client("bob")
    asked = order(newClientOrderId="b1")
    assert alice.signed("POST", "/api/v3/order", **asked).status_code == 200
    now = time.time_ns() // 1_000_000
    refusals = [
        alice.send("POST", "/api/v3/order", bob.sign(asked | {"newClientOrderId": "b2"})),
        alice.signed("POST", "/api/v3/order", **asked | {"newClientOrderId": "b3", "timestamp": (now - 60_000) * 1000}),
        alice.signed("POST", "/api/v3/order", **asked | {"newClientOrderId": "b4", "price": "0.00001"[: len(PRICE)]}),
        alice.signed("POST", "/api/v3/order", **asked | {"newClientOrderId": "b5", "symbol": "X" * len(SYMBOL)}),
        alice.signed("POST", "/api/v3/order", **asked | {"quantity": 2}),
        alice.send("POST", "/api/v3/order", alice.sign(asked | {"newClientOrderId": "b6"}), **{"X-MBX-APIKEY": "no"}),
    ]
    assert [response.json()["code"] for response in refusals] == [-1022, -1021, -1013, -1121, -2010, -2015]
    assert [sum(name.startswith("x-") for name in response.headers) for response in refusals] == [2, 2, 3, 3, 3, 1]


def test_an_order_without_a_name_is_taken_once_though_it_is_like_one_before(market):
    alice = market.client("alice")
    assert alice.signed("POST", "/api/v3/order", **order()).status_code == 200
    text = alice.sign(order())
    assert [alice.send("POST", "/api/v3/order", text).status_code for _ in range(2)] == [200, 400]
