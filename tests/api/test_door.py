"""What every request passes: limits, identity, body, and an answer whatever happens. Over real sockets."""

import asyncio
import hashlib
import hmac
import time
from types import SimpleNamespace

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import door
from api.binance import requests as sent
from api.binance import schema
from api.call import Call
from api.door import Endpoint
from api.errors import OVERLOADED, RequestError
from api.limits import Limiter, Limits
from exchange.core import commands
from exchange.sequencer import Overloaded, Stopped
from tests.api.binance.test_trading import PRICE, refused
from tests.api.venue import ALICE, KEYS, SYMBOL, secret, venue

ORDER = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": 1, "price": PRICE}
MISSING = "Mandatory parameter '{}' was not sent, was empty/null, or malformed."


def account(client, text, **headers):
    return client.send("GET", "/api/v3/account", text, **headers)


def test_a_signature_covers_the_exact_bytes(market):
    alice = market.client("alice")
    text = alice.sign({"omitZeroBalances": "true"})
    assert account(alice, text).status_code == 200
    assert refused(account(alice, text.replace("true", "tru%65"))) == (
        400,
        -1022,
        "Signature for this request is not valid.",
    )
    assert refused(account(alice, text[:-1] + ("0" if text[-1] != "0" else "1")))[1] == -1022
    assert refused(account(alice, text.partition("&signature")[0])) == (400, -1102, MISSING.format("signature"))


def test_a_signature_of_another_s_secret_is_bad(market):
    alice, bob = market.client("alice"), market.client("bob")
    assert refused(account(alice, bob.sign({})))[1] == -1022


def test_a_signature_covers_query_and_body_joined(market):
    alice = market.client("alice")
    query, body = "symbol=" + SYMBOL + "&side=BUY&type=LIMIT", f"timeInForce=GTC&quantity=1&price={PRICE}"
    body += f"&timestamp={int(time.time() * 1000)}"
    signature = hmac.new(secret("alice").encode(), (query + body).encode(), hashlib.sha256).hexdigest()
    response = alice.send("POST", f"/api/v3/order?{query}", f"{body}&signature={signature}")
    assert response.status_code == 200, response.text


def test_a_stale_request_is_refused(market):
    alice = market.client("alice")
    now = int(time.time() * 1000)
    stale = (400, -1021, "Timestamp for this request is outside of the recvWindow.")
    ahead = (400, -1021, "Timestamp for this request was 1000ms ahead of the server's time.")
    assert refused(account(alice, alice.sign({"timestamp": now - 6000}))) == stale
    assert account(alice, alice.sign({"timestamp": now - 6000, "recvWindow": 60000})).status_code == 200
    assert refused(account(alice, alice.sign({"timestamp": now + 10_000}))) == ahead
    assert refused(account(alice, alice.sign({"recvWindow": 60001})))[1] == -1131
    assert refused(account(alice, alice.sign({"timestamp": "soon"})))[1] == -1100


@pytest.mark.parametrize("name", ["expired", "elsewhere"])
def test_a_key_that_is_not_good_here_or_now_is_refused(market, name):
    client = market.client(name)
    expected = (401, -2015, "Invalid API-key, IP, or permissions for action.")
    assert refused(account(client, client.sign({}))) == expected


def test_a_key_without_the_scope_is_refused(market):
    reader = market.client("reader")
    assert account(reader, reader.sign({})).status_code == 200
    assert refused(reader.signed("POST", "/api/v3/order", **ORDER))[:2] == (401, -2015)


def test_an_unknown_key_is_refused(market):
    alice = market.client("alice")
    text = alice.sign({})
    assert refused(account(alice, text, **{"X-MBX-APIKEY": "nobody"}))[:2] == (401, -2015)
    assert refused(account(alice, text, **{"X-MBX-APIKEY": ""})) == (401, -2014, "API-key format invalid.")


def test_a_replayed_order_with_a_name_is_the_first_one_again(market):
    alice = market.client("alice")
    text = alice.sign(ORDER | {"newClientOrderId": f"replay-{time.time_ns()}"})
    first, second = (alice.send("POST", "/api/v3/order", text).json() for _ in range(2))
    assert first == second


def test_a_trial_uses_no_signature_up_but_an_order_does(market):
    alice = market.client("alice")
    text = alice.sign(ORDER)
    paths = ("/api/v3/order/test", "/api/v3/order/test", "/api/v3/order", "/api/v3/order")
    answers = [alice.send("POST", path, text) for path in paths]
    assert [answer.status_code for answer in answers[:3]] == [200, 200, 200]
    assert refused(answers[3])[1] == -8124


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a=1&a=2", -1101),
        ("a=%ff", -1100),
        ("a", -1105),
        ("a=", -1105),
        ("&".join(f"a{n}=1" for n in range(65)), -1101),
    ],
)
def test_text_that_is_no_form_is_refused(market, text, code):
    alice = market.client("alice")
    signature = hmac.new(secret("alice").encode(), text.encode(), hashlib.sha256).hexdigest()
    assert refused(alice.send("POST", "/api/v3/order", f"{text}&signature={signature}"))[:2] == (400, code)


TEXTS = st.text(st.characters(max_codepoint=0x2FF), max_size=12)
NAMES = st.sampled_from(["symbol", "side", "type", "timeInForce", "quantity", "price", "newClientOrderId"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES | TEXTS, TEXTS), st.sampled_from(["POST", "DELETE", "GET"]))
def test_no_text_does_harm(market, texts, method):
    alice = market.client("alice")
    response = alice.signed(method, "/api/v3/order", **{name: text for name, text in texts.items() if name})
    assert response.status_code in range(400, 500)
    assert refused(response)[1] in range(-2100, -1000)


def test_json_is_refused_where_a_form_is_asked_for(market):
    response = market.client("alice").send(
        "POST", "/api/v3/order", '{"symbol": "x"}', **{"Content-Type": "application/json"}
    )
    assert refused(response) == (415, -8002, "Parameters must be sent as application/x-www-form-urlencoded.")


def test_json_under_another_name_is_refused(market):
    assert refused(market.client("alice").send("POST", "/api/v3/order", '{"symbol": '))[:2] == (400, -1102)


def test_ten_megabytes_are_refused_and_the_connection_lives_on(market):
    with httpx.Client(base_url=market.base, headers={"X-MBX-APIKEY": KEYS["alice"][0]}) as client:
        response = client.post("/api/v3/order", content=b"x" * 10_000_000)
        assert refused(response) == (413, -8001, "Request body is larger than 65536 bytes.")
        assert client.get("/api/v3/ping").status_code == 200


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """Return an exchange where little may be asked."""
    limits = Limits(weight_per_minute=600, orders_per_10s=20, refusals_before_ban=3)
    with venue(tmp_path_factory.mktemp("strict"), limits) as running:
        yield running


def test_an_account_may_only_send_so_many_orders(strict):
    alice, bob = strict.client("alice"), strict.client("bob")
    answers = [alice.order("BUY", 1, PRICE) for _ in range(40)]
    refusals = [answer for answer in answers if answer.status_code != 200]
    assert refused(refusals[0]) == (429, -1015, "Too many new orders; current limit is 20 orders per 10 SECOND.")
    assert int(refusals[0].headers["retry-after"]) == 1
    assert bob.order("SELL", 1, PRICE).status_code == 200


def test_an_address_may_only_ask_so_much_and_is_banned_if_it_goes_on(strict):
    alice = strict.client("alice")
    answers = [alice.get("/api/v3/exchangeInfo") for _ in range(40)]
    refusals = [answer for answer in answers if answer.status_code != 200]
    assert refused(refusals[0])[:2] == (429, -1003)
    assert refusals[0].headers["retry-after"]
    assert refused(refusals[-1])[:2] == (418, -1003)
    assert int(refusals[-1].headers["retry-after"]) > 100
    assert alice.get("/elsewhere").status_code == 418


def test_a_long_answer_weighs_more():
    limiter = Limiter(Limits(weight_per_minute=100))
    services, call = SimpleNamespace(limiter=limiter), Call("a", b"", 0)
    door.charge(services, call, 24)
    assert limiter.take_weight("a", 0, 0) == 0
    door.charge(services, call, 2_500)
    assert limiter.take_weight("a", 0, 0) == 100
    with pytest.raises(RequestError):
        door.charge(services, call, 25)


def answered(error):
    """Return what a caller sees when an endpoint raises an error."""

    async def fail(_, __):
        raise error

    class Free:
        limiter = type("Limiter", (), {"take_weight": lambda *_: 1})()

    endpoint = Endpoint("GET", "/x", fail, sent.Nothing, schema.Empty)
    return asyncio.run(door.answer(endpoint, Free(), Call("", b"", 0)))


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (RequestError(OVERLOADED), b"503", -1008),
        (Overloaded("full"), b"503", -1008),
        (Stopped("over"), b"503", -1016),
        (ZeroDivisionError("a bug"), b"500", -1000),
    ],
)
def test_no_error_gets_out(error, status, code):
    answer = answered(error)
    assert (answer.status, answer.body.partition(b",")[0]) == (int(status), b'{"code":%d' % code)


def test_an_overloaded_exchange_says_so_and_recovers(market, monkeypatch):
    def full(*_):
        raise Overloaded("full")

    alice = market.client("alice")
    with monkeypatch.context() as patch:
        patch.setattr(market.exchange.sequencer, "submit", full)
        response = alice.order("BUY", 1, PRICE)
    assert refused(response)[:2] == (503, -1008)
    assert response.headers["retry-after"] == "1"
    assert alice.order("BUY", 1, PRICE).status_code == 200


def test_a_revoked_key_is_refused_at_once(market):
    reader = market.client("reader")
    record = market.exchange.registry.key(reader.key)
    assert account(reader, reader.sign({})).status_code == 200
    record.is_revoked = True
    try:
        assert refused(account(reader, reader.sign({})))[:2] == (401, -2015)
    finally:
        record.is_revoked = False


def test_the_books_are_empty_again(market):
    assert market.submit(commands.mass_cancel(ALICE))[-1].leaves_lots == 0
