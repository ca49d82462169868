"""Orders read many at a time: exactly as the general readers read each."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.binance.floor import SECOND_SYMBOL, START_MS, SYMBOL
from tests.api.written import LIMIT, STEPS_SYMBOL, WAYS
from tests.api.written import _knows_all_ways as _knows_all_ways
from tests.api.written import desk as desk

NUMBERS = st.one_of(
    st.integers(0, 10**7).map(str),
    st.decimals(0, 1000, places=2).map(str),
    st.sampled_from(
        ("0", "00.1", "0.000", "1.", ".5", "1e3", "-1", "99999999999999999999", "0.001", "1.230", "é", " 1")
    ),
    st.integers(-1, 10**19),
)
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "price": NUMBERS,
        "quantity": NUMBERS,
        "symbol": st.sampled_from((SYMBOL, SECOND_SYMBOL, SYMBOL.lower(), "TA.NONE", "")),
        "side": st.sampled_from(("BUY", "SELL", "BOTH")),
        "newClientOrderId": st.one_of(
            st.from_regex(r"\A[a-zA-Z0-9\-_.:/]{1,37}\Z"),
            st.sampled_from(("tb-1", "tb", "tb_", "a b", '"', 7, 0.5, "")),
        ),
        "recvWindow": st.one_of(st.integers(-1, 70_000), st.sampled_from(("5000", "0", "1.5", "05", "x", 12.25))),
        "timestamp": st.one_of(
            st.integers(START_MS - 70_000, START_MS + 2_000),
            st.integers((START_MS - 6_000) * 1000, (START_MS + 2_000) * 1000),
            st.sampled_from((0, 10**17, 9 * 10**12, str(START_MS), f"0{START_MS}", "now")),
        ),
        "timeInForce": st.sampled_from(("GTC", "IOC", "FOK", "GTX")),
    },
)


def test_orders_written_alike_are_read_whatever_their_numbers(desk):
    messages = [
        desk.written(way | {"quantity": type(way["quantity"])(number)} | more, number)
        for number in (1, 20, 999_999)
        for way in WAYS
        for more in ({}, {"timestamp": START_MS * 1000}, {"price": "12.30"} if "price" in way else {})
    ]
    burst = desk.read(messages)
    assert len(burst.commands) == len(messages) == 45
    for index, message in enumerate(messages):
        assert (burst.commands[index].tobytes(), burst.until_ns[index]) == desk.command(message)


def test_numbers_between_two_steps_are_another_s_business(desk):
    desk.learn(desk.written(LIMIT | {"symbol": STEPS_SYMBOL, "price": "0.20", "quantity": "10"}))
    for price, quantity, is_read in (("0.25", "15", True), ("0.26", "15", False), ("0.25", "16", False)):
        message = desk.written(LIMIT | {"symbol": STEPS_SYMBOL, "price": price, "quantity": quantity})
        burst = desk.read([message])
        assert (burst is not None) is is_read
        assert desk.command(message) == ((burst.commands[0].tobytes(), burst.until_ns[0]) if is_read else None)


@settings(max_examples=300)
@given(way=st.sampled_from(WAYS), changes=CHANGES, number=st.one_of(st.integers(-1, 10**19), st.text(max_size=5)))
def test_what_is_read_is_what_the_general_readers_make_of_it(desk, way, changes, number):
    changes = {name: value for name, value in changes.items() if name in way}
    message = desk.written(way | changes, number)
    burst = desk.read([message])
    if burst is not None:
        assert (burst.commands[0].tobytes(), burst.until_ns[0]) == desk.command(message)


@settings(max_examples=200)
@given(data=st.data(), way=st.sampled_from(WAYS))
def test_a_message_with_any_byte_changed_is_read_alike_or_not_at_all(desk, data, way):
    message = bytearray(desk.written(way))
    place = data.draw(st.integers(0, len(message) - 1))
    message[place] = data.draw(st.integers(0, 255))
    message = bytes(message[: data.draw(st.integers(place, len(message)))])
    burst = desk.read([message])
    if burst is not None:
        assert (burst.commands[0].tobytes(), burst.until_ns[0]) == desk.command(message)
