"""Binary frames: what may stand in them, and what is told of each command, held against the engine and `placed`."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api import batches, orders
from api.batches import ANSWER, COMMANDS_MAX, REQUEST, RESULT
from api.errors import FRAME_LENGTH, FRAME_MAGIC, FRAME_NAME, FRAME_NOT_YOURS, OVERLOADED, RequestError
from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.state import TEST
from exchange.core.types import CommandKind, EventKind, OrderType, SelfTradePrevention, Side, TimeInForce
from exchange.events import rows
from exchange.sequencer import stamp
from tests.exchange.running import ALICE, BASE, BOB, CASH, INSTRUMENT, market

SERVER_FIELDS = ("sequence", "time_ns", "state", "spare", "asset", "group")  # zero, whatever the kind
FRAME_CODES = {problem.code for problem in (FRAME_MAGIC, FRAME_LENGTH, FRAME_NOT_YOURS, FRAME_NAME)}
ORDER = commands.new_order(0, INSTRUMENT, Side.BUY, 100, 5)


def framed(*made, count=None, magic=b"TBB1", number=7):
    head = np.array([(magic, len(made) if count is None else count, number)], REQUEST)
    return head.tobytes() + b"".join(made)


def code_of(frame):
    with pytest.raises(RequestError) as refused:
        batches.decode(frame, ALICE)
    return refused.value.problem.code


def changed(command, **fields):
    record = np.frombuffer(bytearray(command), COMMAND)
    for name, value in fields.items():
        record[name] = value
    return record.tobytes()


def test_commands_are_read_in_the_name_of_the_account_that_sends_them():
    batch = batches.decode(framed(ORDER, changed(ORDER, account=ALICE)), ALICE)
    assert batch.id == 7
    assert batch.commands["account"].tolist() == [ALICE, ALICE]
    assert batch.commands[0].tobytes() == changed(ORDER, account=ALICE)


@pytest.mark.parametrize(
    "frame",
    [
        b"",
        b"TBB1",
        framed(),
        framed(ORDER, magic=b"TBB2"),
        framed(ORDER, count=2),
        framed(ORDER, count=0),
        framed(ORDER) + b"x",
        framed(ORDER)[:-1],
        framed(*[ORDER] * (COMMANDS_MAX + 1)),
        framed(ORDER, changed(ORDER, account=BOB)),
        framed(ORDER, changed(ORDER, kind=CommandKind.DEPOSIT)),
        framed(ORDER, changed(ORDER, kind=200)),
        *(framed(ORDER, changed(ORDER, **{name: 1})) for name in SERVER_FIELDS),
        framed(changed(ORDER, words=[1, 0, 0, 0, 0])),
        framed(changed(ORDER, words=commands.client_words('a"b'))),
        framed(changed(ORDER, words=commands.client_words("tb-7"))),
        framed(changed(ORDER, words=[ord("a") | ord("b") << 16, 0, 0, 0, 0])),
        framed(changed(ORDER, words=[int.from_bytes(b"aaaaaaaa", "little")] * 5)),
        framed(changed(commands.cancel_order(0, 5), words=commands.client_words("name"))),
    ],
)
def test_what_a_client_may_not_send_is_refused_whole(frame):
    assert code_of(frame) in FRAME_CODES


def test_a_client_order_id_of_any_length_passes():
    names = ["a", "a-b_c.d:/9", "x" * 36]
    frame = framed(*(changed(ORDER, words=commands.client_words(name)) for name in names))
    words = batches.decode(frame, ALICE).commands["words"].tolist()
    assert [commands.client_text(tuple(found)) for found in words] == names


@given(st.binary(max_size=400), st.booleans())
def test_no_bytes_break_the_reader(data, begins_well):
    frame = framed(data[: len(data) // 128 * 128], count=len(data) // 128) if begins_well else data
    assert batches.batch_id(frame) >= 0
    try:
        batch = batches.decode(frame, ALICE)
    except RequestError:
        return
    assert (batch.commands["account"] == ALICE).all()


def test_a_refusal_is_a_frame_with_a_status_and_a_text():
    told = batches.refusal(9, OVERLOADED)
    head = np.frombuffer(told, ANSWER, 1)[0]
    assert head.tolist() == (b"TBA1", 0, 9, 503, 1_000)
    assert told[ANSWER.itemsize :].decode() == OVERLOADED.message


class Floor:
    """An engine with one open instrument and two rich accounts."""

    def __init__(self):
        self.engine = Engine(TEST)
        self.sequence = 0
        self.apply(*market())

    def apply(self, *made):
        stamped = stamp(b"".join(made), self.sequence + 1, 1_000 + self.sequence)
        self.sequence += len(made)
        return self.engine.apply(np.frombuffer(stamped, COMMAND))

    def told(self, *made):
        batch = batches.decode(framed(*made), ALICE)
        return self.results(batch, batch.commands.tobytes())

    def results(self, batch, data):
        events = self.apply(data)
        answer = batches.answer(batch, events)
        assert np.frombuffer(answer, ANSWER, 1)[0].tolist() == (b"TBA1", len(batch.commands), 7, 200, 0)
        return np.frombuffer(answer, RESULT, offset=ANSWER.itemsize), rows(events)


def order(side, ticks, lots, account=0, **terms):
    return commands.new_order(account, INSTRUMENT, side, ticks, lots, **terms)


def test_each_command_is_told_by_itself():
    floor = Floor()
    floor.apply(order(Side.SELL, 100, 3, BOB), order(Side.SELL, 101, 4, BOB))
    found, events = floor.told(
        order(Side.BUY, 101, 5),  # meets both
        order(Side.BUY, 90, 2),
        order(Side.BUY, 90, 0),  # is refused
        order(Side.BUY, 101, 9, time_in_force=TimeInForce.IOC),  # meets what is left, and the rest expires
    )
    assert found["kind"].tolist() == [EventKind.ORDER_ACCEPTED] * 2 + [EventKind.COMMAND_REJECTED, 2]
    assert found["filled_lots"].tolist() == [5, 0, 0, 2]
    assert found["leaves_lots"].tolist() == [0, 2, 0, 0]
    assert found["trades"].tolist() == [2, 0, 0, 1]
    assert found["reason"].tolist()[2] == next(event.reason for event in events if event.kind == 1)
    ids = found["order_id"].tolist()
    found, _ = floor.told(
        commands.replace_order(0, ids[1], quantity_lots=7),
        commands.reduce_order(0, ids[1], 3),
        commands.cancel_order(0, ids[1]),
        commands.cancel_order(0, ids[1]),
        order(Side.BUY, 80, 1),
        order(Side.BUY, 81, 1),
        commands.mass_cancel(0, INSTRUMENT),
    )
    kinds = [EventKind.ORDER_REPLACED] * 2 + [EventKind.ORDER_CANCELED, 1, 2, 2, EventKind.MASS_CANCELED]
    assert found["kind"].tolist() == kinds
    assert found["leaves_lots"].tolist() == [7, 4, 0, 0, 1, 1, 0]
    assert not found["filled_lots"].any()


terms = st.tuples(
    st.sampled_from([ALICE, BOB]),
    st.sampled_from([Side.BUY, Side.SELL]),
    st.integers(95, 105),
    st.integers(1, 9),
    st.sampled_from([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK]),
    st.sampled_from(list(SelfTradePrevention)),
    st.sampled_from([(OrderType.LIMIT, 0), (OrderType.STOP_LIMIT, 100), (OrderType.STOP_LIMIT, 98)]),
)


@settings(max_examples=60)
@given(st.lists(terms, min_size=1, max_size=30))
def test_a_result_says_what_the_answer_to_a_single_order_says(drawn):
    floor = Floor()
    floor.apply(commands.issue(BOB, BASE, 10**6), commands.deposit(BOB, CASH, 10**12))
    made = [
        order(
            side, ticks, lots, account, time_in_force=life, self_trade_prevention=mode, order_type=kind, stop_ticks=at
        )
        for account, side, ticks, lots, life, mode, (kind, at) in drawn
    ]
    data = b"".join(made)
    found, events = floor.results(batches.Batch(7, np.frombuffer(data, COMMAND)), data)
    for result in found:
        own = [event for event in events if event.sequence == result["sequence"]]
        assert result["kind"] == own[0].kind
        if own[0].kind != EventKind.ORDER_ACCEPTED:
            continue
        single = orders.placed(own, "")
        assert result["order_id"] == single.order_id
        assert (result["filled_lots"], result["amount"]) == (single.filled_lots, single.quote_filled)
        assert (result["fee"], result["trades"]) == (sum(fill.fee for fill in single.fills), len(single.fills))
        is_open = single.status in {"NEW", "PARTIALLY_FILLED"}
        assert result["leaves_lots"] == (single.quantity_lots - single.filled_lots if is_open else 0)
