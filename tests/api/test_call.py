"""Requests read from ASGI and answers written to it, without a server."""

import asyncio

import pytest

from api import errors
from api.call import (
    MICROSECOND_NS,
    MILLISECOND_NS,
    Answer,
    Call,
    Disconnected,
    call_of,
    check_headers,
    encoded,
    read_body,
    read_headers,
    refusal,
    unchanged,
    write,
)
from api.errors import Problem, RequestError
from api.limits import Limiter, Limits

LIMITER = Limiter(Limits(body_bytes_max=10, drain_bytes_max=40))


def scope(*headers, client=("10.0.0.1", 5)):
    return {"type": "http", "query_string": b"a=1", "headers": headers, "client": client}


def receiver(*messages):
    left = list(messages)

    async def receive():
        return left.pop(0)

    return receive


def part(body, *, more=False):
    return {"type": "http.request", "body": body, "more_body": more}


def read(*messages):
    call = Call("", b"", 0)
    asyncio.run(read_body(call, receiver(*messages), LIMITER))
    return call


def problem(function, *arguments):
    with pytest.raises(RequestError) as caught:
        function(*arguments)
    return caught.value.problem


def test_a_scope_becomes_a_call():
    call = call_of(scope((b"x-mbx-apikey", b"key"), (b"content-type", b"text/x"), (b"accept", b"*/*")), 7)
    assert (call.address, call.query, call.now_ns, call.key, call.content_type) == (
        "10.0.0.1",
        b"a=1",
        7,
        "key",
        b"text/x",
    )


def test_an_unknown_client_has_no_address():
    assert call_of(scope(client=None), 7).address == ""


@pytest.mark.parametrize(
    ("value", "unit"),
    [(b"MICROSECOND", MICROSECOND_NS), (b"millisecond", MILLISECOND_NS), (b"SECOND", 0)],
)
def test_the_unit_of_time_is_the_client_s(value, unit):
    assert call_of(scope((b"x-mbx-time-unit", value)), 7).time_unit_ns == unit


def test_times_are_in_milliseconds_unless_asked_otherwise():
    assert call_of(scope(), 7).stamp(5_999_999) == 5


def test_headers_are_checked():
    call = call_of(scope((b"content-type", b"application/json")), 7)
    check_headers(call)
    call.body = b"{}"
    assert problem(check_headers, call) == errors.WRONG_CONTENT_TYPE
    call.content_type = b"Application/X-WWW-form-urlencoded; charset=utf-8"
    check_headers(call)
    call.time_unit_ns = 0
    assert problem(check_headers, call) == errors.INVALID_TIME_UNIT


def test_a_body_may_come_in_parts():
    assert read(part(b"abc")).body == b"abc"
    assert read(part(b"abc", more=True), part(b"", more=True), part(b"def")).body == b"abcdef"


def test_a_body_too_large_is_read_to_its_end_and_refused():
    messages = [part(b"x" * 8, more=True), part(b"x" * 8, more=True), part(b"x")]
    call = Call("", b"", 0)
    refused = problem(lambda: asyncio.run(read_body(call, receiver(*messages), LIMITER)))
    assert refused.code == -8001
    assert call.headers_out == []


def test_what_never_ends_is_cut():
    messages = [part(b"x" * 30, more=True)] * 3
    call = Call("", b"", 0)
    refused = problem(lambda: asyncio.run(read_body(call, receiver(*messages), LIMITER)))
    assert refused.code == -8001
    assert len(call.body) <= 60
    assert call.headers_out == [(b"connection", b"close")]


@pytest.mark.parametrize("messages", [[], [part(b"abc", more=True)]])
def test_a_client_may_go_away(messages):
    with pytest.raises(Disconnected):
        read(*messages, {"type": "http.disconnect"})


def test_a_refusal_is_told_in_json_and_says_when_to_come_back():
    answer = refusal(Problem(429, -1003, "Too much.", 7), [(b"x-a", b"1")])
    assert answer == Answer(429, b'{"code":-1003,"msg":"Too much."}', [(b"x-a", b"1"), (b"retry-after", b"7")])
    assert refusal(errors.INVALID_SYMBOL, []).headers == []


def test_an_answer_is_written_with_its_length():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(write(send, Answer(200, encoded({"a": 1}), [(b"x-a", b"1")])))
    assert sent == [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"application/json"), (b"content-length", b"7"), (b"x-a", b"1")],
        },
        {"type": "http.response.body", "body": b'{"a":1}'},
    ]


@pytest.mark.parametrize(
    ("known", "is_same"),
    [(b"", False), (b'"a"', True), (b'W/"a"', True), (b'"b", W/"a"', True), (b"*", True), (b'"b"', False)],
)
def test_what_a_client_knows_is_not_sent_again(known, is_same):
    for tag in ('"a"', 'W/"a"'):
        call = Call("", b"", 0)
        read_headers(call, [(b"if-none-match", known)])
        same = unchanged(call, tag)
        assert call.headers_out == [(b"etag", tag.encode())]
        assert same == (Answer(304, b"", call.headers_out) if is_same else None)


def test_an_answer_without_a_body_has_no_length():
    sent = []

    async def send(message):
        sent.append(message)

    asyncio.run(write(send, Answer(304, b"", [(b"etag", b"1")])))
    assert sent[0]["headers"] == [(b"etag", b"1")]
