"""Bodies read by their shape: what is read is what the general reader reads, and what it refuses is not read."""

from urllib.parse import urlencode

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from api import parameters
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
    shapes = Shapes()
    for one in bodies:
        texts = parameters.parse(b"", one)
        shapes.learn(one, texts, decode(texts))
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
    shapes = Shapes()
    names = list(LIMIT)[:-1]
    for number in range(SHAPES_MAX + 1):
        order = sorted(names, key=lambda name, seed=number: hash((name, seed)))
        one = body({name: LIMIT[name] for name in order} | {"signature": SIGNATURE})
        texts = parameters.parse(b"", one)
        shapes.learn(one, texts, decode(texts))
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
