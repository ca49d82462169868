"""Requests of the websocket API: what is read of them, what was signed, how they are answered."""

import hashlib
import hmac
import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth import Credential, Signer
from api.binance import wsrequest
from api.binance.wsrequest import Request
from api.errors import BAD_SIGNATURE, INVALID_JSON, Problem, RequestError, weight_exceeded
from api.parameters import TEXT_LENGTH_MAX

SECRET = b"secret"
CREDENTIAL = Credential("key", 1, Signer(SECRET), frozenset(), (), 0)


def problem_of(function: object, *arguments: object) -> Problem:
    assert callable(function)
    with pytest.raises(RequestError) as refused:
        function(*arguments)
    return refused.value.problem


def decoded(text: str | bytes) -> Request:
    return wsrequest.decode(text if isinstance(text, bytes) else text.encode())


def test_a_request_is_read() -> None:
    request = decoded('{"id":"a-1","method":"v3/order.place","params":{"quantity":1,"more":2},"else":0}')

    assert request == Request("a-1", "order.place", {"quantity": 1, "more": 2})


def test_id_and_params_may_be_missing() -> None:
    assert decoded('{"method":"ping"}') == Request(None, "ping", {})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "7",
        '{"id":1.5}',
        '{"id":true}',
        '{"id":[]}',
        '{"method":7}',
        '{"params":[]}',
        "[" * 9999,
        b'{"id":"\xff"}',
    ],
)
def test_what_is_no_request_is_refused(text: str | bytes) -> None:
    problem = problem_of(decoded, text)

    assert (problem.status, problem.code) == (400, INVALID_JSON.code)
    assert problem.message.startswith("Invalid JSON Request: ")


def test_an_id_has_a_length() -> None:
    assert decoded(json.dumps({"id": "x" * 256})).id == "x" * 256
    assert decoded(json.dumps({"id": -(2**63) + 1})).id == -(2**63) + 1
    for long in ("x" * 257, 2**63, -(2**63), 10**30):
        assert problem_of(decoded, json.dumps({"id": long})).code in {-1108, -1135}


@given(st.text().filter(lambda text: not text.rstrip().endswith("}")))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert problem_of(decoded, "{" + text).code == INVALID_JSON.code


def test_numbers_stay_as_they_were_written() -> None:
    request = decoded('{"params":{"price":0.10,"tiny":1e-7,"count":12,"on":true,"off":false,"list":["A"]}}')

    assert wsrequest.texts_of(request.params) == {
        "price": "0.10",
        "tiny": "1e-7",
        "count": "12",
        "on": "true",
        "off": "false",
        "list": '["A"]',
    }


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"a": None}, -1100),
        ({"a": {"b": 1}}, -1100),
        ({"a": ""}, -1105),
        ({"a": [2**64]}, -1100),
        ({"a": json.loads("[" * 400 + "]" * 400)}, -1100),
        ({"a": "x" * (TEXT_LENGTH_MAX + 1)}, -1108),
        ({str(n): 1 for n in range(65)}, -1101),
    ],
)
def test_what_has_no_text_is_refused(params: dict[str, object], code: int) -> None:
    assert problem_of(wsrequest.texts_of, params).code == code


def test_what_is_signed_is_sorted_by_name() -> None:
    texts = {"symbol": "BTCUSDT", "apiKey": "k", "signature": "s", "timestamp": "1"}

    assert wsrequest.payload_of(texts) == b"apiKey=k&symbol=BTCUSDT&timestamp=1"


def test_the_published_example_is_signed_alike() -> None:
    texts = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01000000",
        "price": "52000.00",
        "newOrderRespType": "ACK",
        "recvWindow": "100",
        "timestamp": "1645423376532",
        "apiKey": "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A",
    }
    secret = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"

    wsrequest.check_signature(
        CREDENTIAL._replace(signer=Signer(secret)),
        texts | {"signature": "cc15477742bd704c29492d96c7ead9414dfd8e0ec4a00f947bb5bb454ddbd08a"},
    )


def signature(text: str) -> str:
    return hmac.new(SECRET, text.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("name", ["plain-1", "with:colon/slash", "naïve"])
def test_parameters_may_be_signed_plain_or_percent_encoded(name: str) -> None:
    texts = {"b": name, "a": "1"}

    for text in (f"a=1&b={name}", urlencode({"a": "1", "b": name})):
        wsrequest.check_signature(CREDENTIAL, texts | {"signature": signature(text)})


@pytest.mark.parametrize("name", ["plain-1", "with:colon/slash"])
def test_a_wrong_signature_is_refused(name: str) -> None:
    texts = {"b": name, "signature": signature("b=other")}

    assert problem_of(wsrequest.check_signature, CREDENTIAL, texts) == BAD_SIGNATURE


def test_a_missing_signature_is_refused() -> None:
    assert problem_of(wsrequest.check_signature, CREDENTIAL, {"b": "1"}).code == -1102


@pytest.mark.parametrize("request_id", [None, 7, "a-1", 'a"b'])
def test_the_id_comes_back(request_id: int | str | None) -> None:
    answer = json.loads(wsrequest.answered(request_id, b'{"x":1}', b"[1]"))
    refusal = json.loads(wsrequest.refused(request_id, BAD_SIGNATURE, b"[1]"))

    assert answer == {"id": request_id, "status": 200, "result": {"x": 1}, "rateLimits": [1]}
    assert refusal == {
        "id": request_id,
        "status": 400,
        "error": {"code": -1022, "msg": "Signature for this request is not valid."},
        "rateLimits": [1],
    }


def test_rate_limits_may_be_left_out() -> None:
    assert json.loads(wsrequest.answered(1, b"{}", b"")) == {"id": 1, "status": 200, "result": {}}
    assert "rateLimits" not in json.loads(wsrequest.refused(1, BAD_SIGNATURE, b""))


def test_who_must_wait_is_told_how_long() -> None:
    refusal = json.loads(wsrequest.refused(1, weight_exceeded(10, 3), b""))

    assert (refusal["status"], refusal["error"]["data"]) == (429, {"retryAfter": 3000})
