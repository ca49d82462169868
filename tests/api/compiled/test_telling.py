"""Orders answered many at a time: exactly as the general writers answer each."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.stream.frames import text_frame
from exchange.core import commands
from exchange.core.types import Side
from tests.api.binance.floor import ALICE, BOB, CAROL, buy, sell
from tests.api.written import BRIEF, LIMIT, MARKET, WAYS
from tests.api.written import _knows_all_ways as _knows_all_ways
from tests.api.written import desk as desk


def answered(desk, orders, unit_ns=1_000_000, tail=b'[{"a":1}]'):
    """Let accounts send orders; return of each the answer, what it should be, and how many events it has."""
    messages = [desk.written(order, number) for number, (_, order) in enumerate(orders)]
    burst = desk.read(messages)
    assert len(burst.commands) == len(messages)
    burst.commands["account"] = [account for account, _ in orders]
    desk.floor.are_refusals_failures = False
    events = desk.floor.act(*[command.tobytes() for command in burst.commands]).events
    told = desk.wordings.tell(burst, events, np.full(len(messages), unit_ns), [tail] * len(messages))
    found = []
    for message, (begin, end, first, last) in zip(messages, told.places, strict=True):
        expected = b"" if begin == end else desk.answer(message, events[first:last], unit_ns, tail)
        answer = bytes(told.text[begin:end])
        found.append((answer, expected if desk.is_http or not expected else text_frame(expected), last - first))
    return found


@pytest.mark.parametrize("unit_ns", [1_000_000, 1_000])
def test_answers_are_what_the_general_writers_say(desk, unit_ns):
    desk.floor.act(sell(19, 2), sell(20, 2), buy(10, 500))
    named = [LIMIT | {"newClientOrderId": f"n-{unit_ns}-{number}"} for number in range(4)]
    orders = [(ALICE, named[0]), (ALICE, BRIEF), (BOB, MARKET), (BOB, named[1] | {"side": "SELL"}), (ALICE, BRIEF)]
    found = answered(desk, orders, unit_ns, b"x: 1\r\n")
    assert [answer for answer, _, _ in found] == [expected for _, expected, _ in found]
    assert all(answer for answer, _, _ in found)
    assert max(count for _, _, count in found) > 3


def test_what_is_not_usual_is_left_to_the_general_writers(desk):
    orders = [
        (ALICE, LIMIT | {"newClientOrderId": "unusual"}),
        (ALICE, LIMIT | {"newClientOrderId": "unusual"}),  # it was there before
        (ALICE, BRIEF | {"quantity": "2000000"}),  # too many
        (ALICE, LIMIT | {"newClientOrderId": "usual-again"}),
    ]
    found = answered(desk, orders)
    assert [bool(answer) for answer, _, _ in found] == [True, False, False, True]
    assert all(answer == expected for answer, expected, _ in found)


@settings(max_examples=40)
@given(
    orders=st.lists(
        st.tuples(
            st.sampled_from((ALICE, CAROL)),
            st.sampled_from((WAYS[3], WAYS[3] | {"price": "0.21"}, WAYS[2])),
            st.integers(1, 30),
        ),
        min_size=1,
        max_size=30,
    )
)
def test_whatever_is_answered_is_what_the_general_writers_say(desk, orders):
    desk.floor.act(sell(20, 40), sell(21, 40), commands.new_order(ALICE, 1, Side.BUY, 5, 100))
    sent = [(account, way | {"quantity": type(way["quantity"])(lots)}) for account, way, lots in orders]
    assert all(answer == expected for answer, expected, _ in answered(desk, sent))
