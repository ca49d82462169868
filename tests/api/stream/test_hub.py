"""One write per connection and turn, a backlog for the blocked, and a word to those who are cut."""

from collections.abc import Callable

import orjson
import pytest

from api.stream.backlog import Message, latest
from api.stream.config import StreamConfig
from api.stream.frames import GOING_AWAY, POLICY_VIOLATION, text_frame
from api.stream.hub import Connection, Hub
from exchange.clock import ManualClock

CONFIG = StreamConfig(backlog_messages_max=3, backlog_bytes_max=100, stall_s=3.0, farewell_s=1.0, connections_max=2)
SECOND_NS = 1_000_000_000


class Loop:
    """The end of a loop's turn, at the test's command."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def call_soon(self, callback: Callable[[], None]) -> None:
        self.waiting.append(callback)

    def turn(self) -> None:
        waiting, self.waiting = self.waiting, []
        for callback in waiting:
            callback()


class Wire:
    """A line that remembers what it was given."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.finished: tuple[int, str, float] | None = None

    def write(self, frames: bytes) -> None:
        assert self.finished is None
        self.writes.append(frames)

    def finish(self, code: int, reason: str, within_s: float) -> None:
        self.finished = (code, reason, within_s)


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(7_000_000)


@pytest.fixture
def hub(loop: Loop, clock: ManualClock) -> Hub:
    return Hub(loop.call_soon, clock, CONFIG)


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def connection(hub: Hub, wire: Wire) -> Connection:
    return hub.join(wire)


def frame(body: object) -> bytes:
    return text_frame(orjson.dumps(body))


def test_a_turn_is_one_write(loop: Loop, connection: Connection, wire: Wire) -> None:
    for n in range(3):
        connection.push(Message("a", n))

    assert wire.writes == []
    loop.turn()
    assert wire.writes == [frame(0) + frame(1) + frame(2)]


def test_a_turn_is_flushed_once_for_all(loop: Loop, hub: Hub) -> None:
    wires = [Wire(), Wire()]
    for wire in wires:
        hub.subscribe(hub.join(wire), "a")

    hub.topics["a"].publish(Message("a", 1))
    hub.topics["a"].publish(Message("a", 2))

    assert len(loop.waiting) == 1
    loop.turn()
    assert [wire.writes for wire in wires] == [[frame(1) + frame(2)]] * 2


def test_each_turn_is_flushed(loop: Loop, connection: Connection, wire: Wire) -> None:
    for n in range(2):
        connection.push(Message("a", n))
        loop.turn()

    assert wire.writes == [frame(0), frame(1)]


def test_readers_of_one_topic_have_their_own_prefix(loop: Loop, hub: Hub) -> None:
    bare, wrapped = Wire(), Wire()
    hub.subscribe(hub.join(bare), "a")
    hub.subscribe(hub.join(wrapped), "a", b'{"stream":"a","data":')

    hub.topics["a"].publish(Message("a", 1))
    loop.turn()

    assert (bare.writes, wrapped.writes) == ([frame(1)], [frame({"stream": "a", "data": 1})])


def test_subscribing_again_changes_the_prefix(loop: Loop, hub: Hub, connection: Connection, wire: Wire) -> None:
    hub.subscribe(connection, "a")
    hub.subscribe(connection, "a", b'{"data":')

    hub.topics["a"].publish(Message("a", 1))
    loop.turn()

    assert wire.writes == [frame({"data": 1})]


def test_a_topic_ends_with_its_last_reader(hub: Hub) -> None:
    first, second = hub.join(Wire()), hub.join(Wire())
    hub.subscribe(first, "a")
    hub.subscribe(second, "a")

    assert hub.unsubscribe(first, "a") is False
    assert hub.unsubscribe(first, "a") is False
    assert hub.unsubscribe(second, "a") is True
    assert hub.topics == {}


def test_who_leaves_reads_nothing_and_ends_what_nobody_else_reads(loop: Loop, hub: Hub, wire: Wire) -> None:
    gone, other = hub.join(wire), hub.join(Wire())
    for name in ("a", "b"):
        hub.subscribe(gone, name)
    hub.subscribe(other, "b")
    hub.topics["b"].publish(Message("b", 1))

    assert hub.leave(gone) == ["a"]
    loop.turn()
    assert wire.writes == []
    assert list(hub.connections) == [other]


def test_the_hub_is_full_at_its_limit(hub: Hub) -> None:
    fullness = [hub.full]
    for _ in range(2):
        hub.join(Wire())
        fullness.append(hub.full)

    assert fullness == [False, False, True]


def test_a_blocked_line_is_not_written_to_until_it_is_free(loop: Loop, connection: Connection, wire: Wire) -> None:
    connection.pause()
    connection.push(Message("trades", 1))
    connection.push(Message("ticker", 2, latest))
    connection.push(Message("ticker", 3, latest))
    loop.turn()
    assert wire.writes == []

    connection.resume()

    conflated = {"e": "conflated", "E": 7, "streams": {"ticker": 1}}
    assert wire.writes == [frame(1) + frame(3) + frame(conflated)]


def test_answers_that_come_together_wait_like_others(loop: Loop, wire: Wire) -> None:
    connection = Hub(loop.call_soon, ManualClock(0), StreamConfig()).join(wire)
    answers = [frame(letter * 200) for letter in "abc"]
    together = memoryview(b"".join(answers))
    ends = [len(answers[0]) * number for number in (1, 2, 3)]
    connection.send_frames(together, ends)
    loop.turn()
    connection.pause()
    connection.send_frames(together, ends)
    loop.turn()
    assert wire.writes == [bytes(together)]
    connection.resume()
    assert wire.writes == [bytes(together)] * 2


def test_a_line_that_was_free_again_is_written_to_at_the_end_of_the_turn(
    loop: Loop, connection: Connection, wire: Wire
) -> None:
    connection.pause()
    connection.resume()
    connection.push(Message("trades", 1))
    loop.turn()

    assert wire.writes == [frame(1)]


def test_what_was_gathered_before_the_line_was_blocked_comes_before_what_came_after(
    loop: Loop, connection: Connection, wire: Wire
) -> None:
    connection.push(Message("trades", 1))
    connection.pause()
    connection.push(Message("trades", 2))
    connection.resume()
    connection.push(Message("trades", 3))
    loop.turn()

    assert b"".join(wire.writes) == frame(1) + frame(2) + frame(3)


@pytest.mark.parametrize("bodies", [["x"] * 4, ["x" * 60] * 2])
def test_too_much_unread_ends_the_connection_with_a_message(
    loop: Loop, connection: Connection, wire: Wire, bodies: list[str]
) -> None:
    connection.pause()
    for body in bodies:
        connection.push(Message("trades", body))
    loop.turn()

    text = "Too much unread: this connection reads more slowly than its streams speak."
    assert wire.writes == [frame({"error": {"code": -1003, "msg": text}, "id": None})]
    assert wire.finished == (POLICY_VIOLATION, text, 1.0)


def test_a_reader_may_be_cut_while_its_topic_speaks(loop: Loop, hub: Hub) -> None:
    slow, quick = Wire(), Wire()
    for wire in (slow, quick):
        hub.subscribe(hub.join(wire), "trades")
    next(iter(hub.connections)).pause()

    for n in range(5):
        hub.topics["trades"].publish(Message("trades", n))
    loop.turn()

    assert slow.finished is not None
    assert quick.writes == [b"".join(frame(n) for n in range(5))]


def test_what_merges_never_ends_a_connection(
    loop: Loop, hub: Hub, clock: ManualClock, connection: Connection, wire: Wire
) -> None:
    connection.pause()
    for n in range(1000):
        connection.push(Message("depth", n, latest))
    clock.time_ns += 60 * SECOND_NS
    hub.cut_stalled()
    loop.turn()

    assert wire.finished is None


def test_a_stalled_reader_is_cut_when_its_time_is_over(
    hub: Hub, clock: ManualClock, connection: Connection, wire: Wire
) -> None:
    connection.pause()
    connection.push(Message("trades", 1))

    clock.time_ns += 3 * SECOND_NS - 1
    hub.cut_stalled()
    assert wire.finished is None
    clock.time_ns += 1
    hub.cut_stalled()

    assert wire.finished == (POLICY_VIOLATION, "Nothing read for 3 seconds.", 1.0)
    assert wire.writes[-1].endswith(b'{"error":{"code":-1003,"msg":"Nothing read for 3 seconds."},"id":null}')


def test_a_reader_that_goes_on_reading_is_not_cut(
    hub: Hub, clock: ManualClock, connection: Connection, wire: Wire
) -> None:
    connection.pause()
    connection.push(Message("trades", 1))
    clock.time_ns += 2 * SECOND_NS
    connection.resume()
    connection.pause()
    connection.push(Message("trades", 2))
    clock.time_ns += 2 * SECOND_NS
    hub.cut_stalled()

    assert wire.finished is None


def test_nothing_follows_a_goodbye(loop: Loop, connection: Connection, wire: Wire) -> None:
    connection.push(Message("a", 1))
    connection.end(b"last", 1000, "done")
    connection.end(b"more", 1001, "again")
    connection.push(Message("a", 2))
    connection.resume()
    loop.turn()

    assert (wire.writes, wire.finished) == ([b"last"], (1000, "done", 1.0))


def test_the_end_of_the_server_is_announced_after_what_was_said(hub: Hub, connection: Connection, wire: Wire) -> None:
    connection.push(Message("a", 1))
    hub.shutdown()

    assert wire.writes == [frame(1), frame({"e": "serverShutdown", "E": 7})]
    assert wire.finished == (GOING_AWAY, "The server is shutting down.", 1.0)


def test_a_connection_that_ends_in_silence_writes_no_last_frame(connection: Connection, wire: Wire) -> None:
    connection.end(b"", 1000, "done")

    assert (wire.writes, wire.finished) == ([], (1000, "done", 1.0))


def crowd(hub: Hub, count: int, topic: str = "a") -> list[Wire]:
    wires = [Wire() for _ in range(count)]
    for wire in wires:
        hub.subscribe(hub.join(wire), topic)
    return wires


def test_what_many_readers_hear_alike_is_joined_once(loop: Loop, hub: Hub) -> None:
    wires = crowd(hub, 5)
    for n in range(3):
        hub.topics["a"].publish(Message("a", n))
    assert len(loop.waiting) == 1
    loop.turn()

    assert wires[0].writes == [frame(0) + frame(1) + frame(2)]
    assert all(wire.writes[0] is wires[0].writes[0] for wire in wires)
    hub.topics["a"].publish(Message("a", 3))
    loop.turn()
    assert [wire.writes[1:] for wire in wires] == [[frame(3)]] * 5


def test_a_newcomer_among_many_hears_only_what_is_said_from_then_on(loop: Loop, hub: Hub) -> None:
    wires = crowd(hub, 4)
    hub.topics["a"].publish(Message("a", 1))
    newcomer, leaver = Wire(), next(iter(hub.connections))
    hub.subscribe(hub.join(newcomer), "a")
    hub.topics["a"].publish(Message("a", 2))
    hub.unsubscribe(leaver, "a")
    hub.topics["a"].publish(Message("a", 3))
    loop.turn()

    assert newcomer.writes == [frame(2) + frame(3)]
    assert wires[0].writes == [frame(1) + frame(2)]
    assert [wire.writes for wire in wires[1:]] == [[frame(1) + frame(2) + frame(3)]] * 3


def test_order_holds_when_many_readers_become_few(loop: Loop, hub: Hub) -> None:
    wires = crowd(hub, 3)
    hub.topics["a"].publish(Message("a", 1))
    hub.leave(next(iter(hub.connections)))
    hub.topics["a"].publish(Message("a", 2))
    loop.turn()

    assert [wire.writes for wire in wires[1:]] == [[frame(1) + frame(2)]] * 2


def test_many_readers_may_each_have_a_prefix_and_answers_of_their_own(loop: Loop, hub: Hub) -> None:
    wires = crowd(hub, 3)
    connections = list(hub.connections)
    hub.subscribe(connections[1], "a", b'{"data":')
    hub.topics["a"].publish(Message("a", 1))
    connections[2].send(b'"answer"')
    loop.turn()

    answered = frame("answer") + frame(1)
    assert [wire.writes for wire in wires] == [[frame(1)], [frame({"data": 1})], [answered]]


def test_of_a_thousand_readers_one_that_stalls_is_cut_and_no_other_misses_anything(
    loop: Loop, clock: ManualClock
) -> None:
    hub = Hub(loop.call_soon, clock, StreamConfig(backlog_messages_max=100))
    wires = crowd(hub, 1_000)
    stalled = next(iter(hub.connections))
    stalled.pause()
    for turn in range(10):
        for n in range(5):
            hub.topics["a"].publish(Message("a", 5 * turn + n))
        loop.turn()
        clock.time_ns += SECOND_NS // 2
        hub.cut_stalled()

    assert wires[0].finished == (POLICY_VIOLATION, "Nothing read for 3 seconds.", hub.config.farewell_s)
    told = b"".join(map(frame, range(50)))
    assert all(b"".join(wire.writes) == told and len(wire.writes) == 10 for wire in wires[1:])


def test_what_cannot_be_encoded_fails_at_once_and_harms_nobody(loop: Loop, hub: Hub) -> None:
    wires = crowd(hub, 3)
    with pytest.raises(TypeError):
        hub.topics["a"].publish(Message("a", object()))
    hub.topics["a"].publish(Message("a", 1))
    loop.turn()

    assert [wire.writes for wire in wires] == [[frame(1)]] * 3


def test_the_end_of_the_server_comes_behind_what_many_were_told(hub: Hub) -> None:
    wires = crowd(hub, 3)
    hub.topics["a"].publish(Message("a", 1))
    hub.shutdown()

    assert [wire.writes for wire in wires] == [[frame(1), frame({"e": "serverShutdown", "E": 7})]] * 3
