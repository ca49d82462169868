"""Operations on the line, and answers off it."""

import json
from urllib.parse import parse_qsl

import pytest

from api.auth import Signer
from api.client import operations
from api.client.conduct import Answered
from api.client.signing import Key
from api.client.wire import (
    Cut,
    NoKeyError,
    Reply,
    http_answer,
    http_request,
    logon,
    message,
    reply_of,
    websocket_url,
)

KEY = Key.of("k", "s")


def test_a_public_request_is_bare() -> None:
    request = http_request(operations.depth("A B", 5), None, 1)
    assert request == ("GET", "/api/v3/depth?symbol=A+B&limit=5", {}, b"")
    assert http_request(operations.ping(), None, 1).target == "/api/v3/ping"


def test_a_signed_request_signs_exactly_what_it_sends() -> None:
    request = http_request(operations.cancel("X", 7), KEY, 1_234)
    payload, _, signature = request.target.partition("?")[2].rpartition("&signature=")
    assert payload == "symbol=X&orderId=7&timestamp=1234&recvWindow=5000"
    assert signature == Signer(b"s").sign(payload.encode())
    assert request.headers == {"X-MBX-APIKEY": "k"}


def test_a_body_is_signed_behind_the_query() -> None:
    request = http_request(operations.other("POST", "/v1/deposits", account=1), KEY, 5)
    query = dict(parse_qsl(request.target.partition("?")[2]))
    assert query.pop("signature") == Signer(b"s").sign(b'timestamp=5&recvWindow=5000{"account":1}')
    assert request.headers["Content-Type"] == "application/json"


def test_without_a_key_nothing_private_is_sent() -> None:
    with pytest.raises(NoKeyError):
        http_request(operations.account(), None, 1)


def test_messages_after_the_logon_need_no_signature() -> None:
    assert json.loads(message(operations.cancel("X", 7), 3, 9)) == {
        "id": 3,
        "method": "order.cancel",
        "params": {"symbol": "X", "orderId": "7", "timestamp": 9, "recvWindow": 5000},
    }
    assert "timestamp" not in message(operations.depth("X"), 3, 9)
    params = json.loads(logon(KEY, 0, 9))["params"]
    assert params["signature"] == Signer(b"s").sign(b"apiKey=k&recvWindow=5000&timestamp=9")


def test_answers_are_told_apart() -> None:
    assert reply_of('{"id":3,"status":200,"result":{"a":1},"rateLimits":[]}') == Reply(3, Answered(200, b'{"a":1}'))
    refused = '{"id":3,"status":429,"error":{"code":-1003,"msg":"x","data":{"retryAfter":2500}}}'
    assert reply_of(refused).answered.retry_after_s == 2.5
    plain = '{"id":3,"status":400,"error":{"code":-1,"msg":"x"}}'
    assert reply_of(plain).answered == Answered(400, b'{"code":-1,"msg":"x"}', 0.0)
    assert reply_of('{"error":{"code":-1003,"msg":"slow"},"id":null}') == Cut("slow (-1003)")
    assert reply_of('{"id":null,"status":400,"error":{"code":-1100,"msg":"what?"}}') == Cut("what? (-1100)")
    assert reply_of('{"e":"serverShutdown","E":1}') is None
    event = reply_of('{"subscriptionId":2,"event":{"e":"balanceUpdate","E":1,"a":"CNY","d":"5","T":1,"sq":1}}')
    assert (event.subscription_id, event.event.asset) == (2, "CNY")


def test_a_retry_after_is_in_seconds() -> None:
    assert http_answer(429, b"", "7") == Answered(429, b"", 7.0)
    assert http_answer(429, b"", "Wed, 21 Oct 2015 07:28:00 GMT").retry_after_s == 0.0


def test_websockets_are_where_http_is() -> None:
    assert websocket_url("https://x:1/") == "wss://x:1/ws-api/v3"
    assert websocket_url("http://x:1", "/stream") == "ws://x:1/stream"
