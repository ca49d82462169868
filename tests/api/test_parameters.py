"""Bytes to texts and texts to values: nothing guessed, nothing sent twice, nothing left unread."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api import errors, parameters
from api.errors import RequestError


def problem(function, *arguments):
    with pytest.raises(RequestError) as caught:
        function(*arguments)
    return caught.value.problem


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        (b"", b"", {}),
        (b"a=1", b"", {"a": "1"}),
        (b"", b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1", b"b=2", {"a": "1", "b": "2"}),
        (b"a=x%2Fy+z", b"", {"a": "x/y z"}),
        (b"symbols=%5B%22A%22%5D", b"", {"symbols": '["A"]'}),
        (b"a=b=c", b"", {"a": "b=c"}),
    ],
)
def test_a_query_and_a_form_become_texts(query, body, expected):
    assert parameters.parse(query, body) == expected


@pytest.mark.parametrize(
    ("query", "body", "expected"),
    [
        (b"a=1&a=2", b"", errors.DUPLICATE_PARAMETER),
        (b"a=1", b"a=1", errors.DUPLICATE_PARAMETER),
        (b"a%20=1&a%20=2", b"", errors.DUPLICATE_PARAMETER),
        (b"a=", b"", errors.empty("a")),
        (b"a", b"", errors.empty("a")),
        (b"a=1&&b=2", b"", errors.empty("")),
        (b"a=\xff", b"", errors.ILLEGAL_ENCODING),
        (b"a=%ff", b"", errors.ILLEGAL_ENCODING),
        (b"a=%E4%B8%AD", b"", errors.ILLEGAL_ENCODING),
        (b"", b"\x00\x80", errors.ILLEGAL_ENCODING),
        (b"", b'{"symbol":"A"}', errors.empty('{"symbol":"A"}')),
        (b"b=1&a=" + b"x" * 9000, b"", errors.overflowed("a")),
        (b"a=1&" * 70 + b"b=1", b"", errors.too_many(64, 71)),
        (b"a=1&b=&" + b"c=1", b"", errors.empty("b")),
    ],
)
def test_what_is_no_clean_form_is_refused(query, body, expected):
    assert problem(parameters.parse, query, body) == expected


def test_another_encoding_may_be_named() -> None:
    assert parameters.parse(b"q=%E4%B8%AD+a", b"", "utf-8") == {"q": "中 a"}
    assert problem(parameters.parse, b"q=%ff", b"", "utf-8") == errors.ILLEGAL_ENCODING


@given(st.dictionaries(st.text("abcXYZ", min_size=1), st.text("abc 1&=%+.", min_size=1), max_size=8))
def test_what_was_encoded_is_decoded(texts):
    query = "&".join(f"{name}={''.join(f'%{byte:02x}' for byte in text.encode())}" for name, text in texts.items())
    assert parameters.parse(query.encode(), b"") == texts


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_no_bytes_do_harm(query, body):
    try:
        texts = parameters.parse(query, body)
    except RequestError:
        return
    assert all(name.isascii() and text.isascii() for name, text in texts.items())


@pytest.mark.parametrize(
    ("query", "body", "payload", "signature"),
    [
        (b"a=1&signature=ab", b"", b"a=1", "ab"),
        (b"", b"a=1&signature=ab", b"a=1", "ab"),
        (b"a=1", b"b=2&signature=ab", b"a=1b=2", "ab"),
        (b"a=1&signature=ab", b"b=2", b"a=1b=2", "ab"),
        (b"a=1&signature=ab&b=2", b"", b"a=1&b=2", "ab"),
        (b"signature=ab&b=2", b"", b"b=2", "ab"),
        (b"signature=ab", b"", b"", "ab"),
        (b"a=1", b"", b"a=1", ""),
        (b"mysignature=1", b"", b"mysignature=1", ""),
        (b"a=1&signature=\xff", b"", b"a=1", "\xff"),
    ],
)
def test_the_signature_is_split_off(query, body, payload, signature):
    assert parameters.signed(query, body) == (payload, signature)


def test_unknown_parameters_are_refused():
    parameters.refuse_unknown({"a": "1"}, {"a", "b"})
    assert problem(parameters.refuse_unknown, {"a": "1", "c": "2"}, {"a", "b"}) == errors.unread(1, 2)
    assert problem(parameters.refuse_unknown, {"c": "2"}, parameters.AUTHENTICATION) == errors.too_many(0, 1)


@pytest.mark.parametrize(
    ("check", "text", "value"),
    [
        (parameters.symbol, "TA.CTEL.Q3.OUT.GZ.M2701.G80A", "TA.CTEL.Q3.OUT.GZ.M2701.G80A"),
        (parameters.symbols, '["A","B"]', ("A", "B")),
        (parameters.client_order_id, "x-TKT5PX2F_1.2:/", "x-TKT5PX2F_1.2:/"),
        (parameters.new_client_order_id, "tb", "tb"),
        (parameters.long, "0", 0),
        (parameters.long, "9223372036854775807", (1 << 63) - 1),
        (parameters.decimal, "00012.3400", "00012.3400"),
    ],
)
def test_a_well_formed_text_is_taken(check, text, value):
    assert check("name", text) == value


@pytest.mark.parametrize(
    ("check", "text", "expected"),
    [
        (parameters.symbol, "btcusdt", errors.illegal("name", parameters.SYMBOL_RANGE)),
        (parameters.symbol, "A\n", errors.illegal("name", parameters.SYMBOL_RANGE)),
        (parameters.symbol, "A" * 65, errors.illegal("name", parameters.SYMBOL_RANGE)),
        (parameters.symbols, '["A","A"]', errors.SYMBOL_TWICE),
        (parameters.symbols, '["a"]', errors.illegal("name", parameters.SYMBOL_RANGE)),
        (parameters.symbols, "[]", errors.invalid("name")),
        (parameters.symbols, "[1]", errors.invalid_json("name")),
        (parameters.symbols, "[", errors.invalid_json("name")),
        (parameters.client_order_id, "x" * 37, errors.illegal("name", parameters.CLIENT_ORDER_ID_RANGE)),
        (parameters.client_order_id, "a b", errors.illegal("name", parameters.CLIENT_ORDER_ID_RANGE)),
        (parameters.new_client_order_id, "tb-5", errors.invalid("name")),
        (parameters.long, "-1", errors.illegal("name", parameters.LONG_RANGE)),
        (parameters.long, "1.0", errors.illegal("name", parameters.LONG_RANGE)),
        (parameters.long, "1_0", errors.illegal("name", parameters.LONG_RANGE)),
        (parameters.long, "9223372036854775808", errors.overflowed("name")),
        (parameters.decimal, "-1", errors.illegal("name", parameters.DECIMAL_RANGE)),
        (parameters.decimal, "+1", errors.illegal("name", parameters.DECIMAL_RANGE)),
        (parameters.decimal, "NaN", errors.illegal("name", parameters.DECIMAL_RANGE)),
        (parameters.decimal, "Infinity", errors.illegal("name", parameters.DECIMAL_RANGE)),
        (parameters.decimal, "1e5", errors.illegal("name", parameters.DECIMAL_RANGE)),
        (parameters.decimal, "1.", errors.illegal("name", parameters.DECIMAL_RANGE)),
        (parameters.decimal, ".5", errors.illegal("name", parameters.DECIMAL_RANGE)),
        (parameters.decimal, "1,5", errors.illegal("name", parameters.DECIMAL_RANGE)),
        (parameters.decimal, "9" * 21, errors.illegal("name", parameters.DECIMAL_RANGE)),
    ],
)
def test_a_malformed_text_is_refused(check, text, expected):
    assert problem(check, "name", text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0", 0), ("1700000000000", 1_700_000_000_000), ("1700000000000999", 1_700_000_000_000), ("9" * 14, 10**14 - 1)],
)
def test_a_time_may_be_given_in_microseconds(text, expected):
    assert parameters.milliseconds("startTime", text) == expected
