"""Bodies read by their shape: what is read is what the general reader reads, and what it refuses is not read."""

import json
from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api import parameters
from api.binance import wsrequest
from api.errors import RequestError
from api.orders import decode
from api.shapes import ALIKE_MAX, BYTES_MAX, SHAPES_MAX, Shapes

SIGNATURE = "0123456789abcdef" * 4
LIMIT = {
    "symbol": "TA.X", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "1", "price": "2.5",
    "newClientOrderId": "abc", "recvWindow": "5000", "timestamp": "1700000000000", "signature": SIGNATURE,
}  # fmt: skip
MARKET = {
    "symbol": "TA.X", "side": "SELL", "type": "MARKET", "quoteOrderQty": "3", "newOrderRespType": "ACK",
    "timestamp": "1700000000000", "signature": SIGNATURE,
}  # fmt: skip
STOP = LIMIT | {"type": "STOP_LOSS_LIMIT", "stopPrice": "2.4", "selfTradePreventionMode": "DECREMENT"}


def body(texts):
    """Return a form, its signature last."""
    rest = {name: text for name, text in texts.items() if name != "signature"}
    return urlencode(rest | {"signature": texts["signature"]}).encode()


def learned(*bodies):
    """Return shapes that have learned some bodies."""
    shapes = Shapes("signature")
    for one in bodies:
        texts = parameters.parse(b"", one)
        shapes.learn_body(one, texts, decode(texts))
    return shapes


def general(one):
    """Return what the general reader makes of a body, None if it refuses it."""
    try:
        texts = parameters.parse(b"", one)
        return decode(texts), texts["timestamp"], texts.get("recvWindow", ""), texts["signature"]
    except (RequestError, KeyError):
        return None


@pytest.mark.parametrize("texts", [LIMIT, MARKET, STOP])
def test_a_body_like_one_that_came_before_reads_as_in_general(texts):
    shapes = learned(body(texts))
    other = body(texts | {"symbol": "TA.Y", "timestamp": "1700000000001", "signature": SIGNATURE[::-1]})
    assert shapes.read(other) == general(other) is not None


def test_both_sides_of_one_length_are_known():
    bought, sold = body(LIMIT | {"quantity": "10"}), body(LIMIT | {"side": "SELL"})
    assert len(bought) == len(sold)
    shapes = learned(bought, sold)
    assert [shapes.read(one) for one in (bought, sold)] == [general(bought), general(sold)]


@pytest.mark.parametrize(
    "changed",
    [
        {"newClientOrderId": "tb-"},
        {"newClientOrderId": "a c"},
        {"newClientOrderId": "ab="},
        {"timestamp": "170000000000a"},
        {"side": "BUX"},
        {"signature": SIGNATURE.upper()},
        {"quantity": "é"[:1]},
    ],
)
def test_what_may_be_refused_is_left_to_the_general_reader(changed):
    texts = LIMIT | changed
    shapes = learned(body(LIMIT), body(LIMIT | {"quantity": "123456"}))
    raw = "&".join(f"{name}={text}" for name, text in texts.items()).encode("latin-1")
    assert shapes.read(raw) is None


def test_a_signature_must_be_the_last_and_a_body_short():
    early = "&".join(f"{name}={text}" for name, text in {"signature": SIGNATURE, **LIMIT}.items()).encode()
    long = body(LIMIT | {"price": "1" * BYTES_MAX})
    for one in (early, long):
        assert learned(one).read(one) is None


def test_the_memory_is_bounded():
    shapes = Shapes("signature")
    names = list(LIMIT)[:-1]
    for number in range(SHAPES_MAX + 1):
        order = sorted(names, key=lambda name, seed=number: hash((name, seed)))
        one = body({name: LIMIT[name] for name in order} | {"signature": SIGNATURE})
        texts = parameters.parse(b"", one)
        shapes.learn_body(one, texts, decode(texts))
        assert all(len(alike) <= ALIKE_MAX for alike in shapes._by_length.values())
        assert len(shapes._shapes) <= SHAPES_MAX
        assert shapes.read(one) == general(one)


KNOWN = learned(*[body(texts) for texts in (LIMIT, MARKET, STOP)])
VALUES = st.text(alphabet="aZ0129.-&=%+ é\n\0", max_size=8)


@given(st.sampled_from((LIMIT, MARKET, STOP)), st.sampled_from(sorted(STOP | MARKET)), VALUES)
@example(LIMIT, "symbol", "\xff\xff\xff\xff")
@example(LIMIT, "price", "0.5")
def test_whatever_is_read_is_read_as_in_general(texts, name, value):
    raw = "&".join(f"{key}={text}" for key, text in (texts | {name: value}).items()).encode("latin-1")
    found = KNOWN.read(raw)
    assert found is None or found == general(raw)


def asked(params, request_id=7, **options):
    """Return a request of the websocket API."""
    return json.dumps({"id": request_id, "method": "order.place", "params": params}, **options).encode()


def heard(message):
    """Return what the general reader makes of a request, None if it refuses it."""
    try:
        request = wsrequest.decode(message)
        texts = wsrequest.texts_of(request.params)
        shown = json.dumps(request.id)
        return decode(texts), texts["timestamp"], texts.get("recvWindow", ""), shown
    except (RequestError, KeyError):
        return None


def taught(*messages):
    """Return shapes that have learned some requests."""
    shapes = Shapes("id")
    for one in messages:
        params = wsrequest.decode(one).params
        texts = {name: text for name, text in wsrequest.texts_of(params).items() if name != "returnRateLimits"}
        shapes.learn_request(one, params, decode(texts))
    return shapes


OWN = {name: text for name, text in LIMIT.items() if name != "signature"} | {"timestamp": 1_700_000_000_000}


@pytest.mark.parametrize("options", [{}, {"separators": (",", ":")}])
@pytest.mark.parametrize("request_id", [0, 9, "8"])
def test_a_request_like_one_that_came_before_reads_as_in_general(options, request_id):
    shapes = taught(asked(OWN, request_id, **options))
    other = asked(OWN | {"price": "9.5", "timestamp": 1_700_000_000_001}, request_id, **options)
    assert shapes.read(other) == heard(other) is not None


@pytest.mark.parametrize(
    "message",
    [
        asked(OWN | {"returnRateLimits": False}),
        asked(OWN, None),
        b'{"params":' + json.dumps(OWN).encode() + b',"id":1,"method":"order.place"}',
        asked(OWN).replace(b'"id"', b'"id" '),
    ],
)
def test_a_request_written_otherwise_is_read_in_general(message):
    assert taught(message).read(message) is None


TAUGHT = taught(*[asked(OWN | more) for more in ({}, {"quantity": 1}, {"newClientOrderId": "abcdef"})])
JSON_VALUES = st.one_of(st.text(alphabet='aZ019.-"\\é\n ,:}', max_size=8), st.integers(-9, 999), st.booleans())


@given(st.sampled_from(sorted(OWN)), JSON_VALUES, st.one_of(st.integers(-9, 99), st.text(alphabet='a"\\é', max_size=3)))
def test_whatever_request_is_read_is_read_as_in_general(name, value, request_id):
    message = asked(OWN | {name: value}, request_id, ensure_ascii=False)
    found = TAUGHT.read(message)
    assert found is None or found == heard(message)
