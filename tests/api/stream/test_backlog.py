"""What a slow reader misses is merged where a stream allows it, and never silently."""

import orjson
import pytest

from api.stream.backlog import Backlog, Message, latest
from api.stream.frames import text_frame


def frame(body: object) -> bytes:
    return text_frame(orjson.dumps(body))


def notice(**streams: int) -> bytes:
    return frame({"e": "conflated", "E": 7, "streams": streams})


@pytest.fixture
def backlog() -> Backlog:
    return Backlog()


def test_a_message_is_encoded_once_for_all_its_readers() -> None:
    message = Message("a", {"n": 1})

    assert message.frame(b"") is message.frame(b"")
    assert message.frame(b"") == frame({"n": 1})


def test_a_prefix_wraps_a_message() -> None:
    message = Message("a", {"n": 1})

    assert message.frame(b'{"stream":"a","data":') == text_frame(b'{"stream":"a","data":{"n":1}}')


def test_what_does_not_merge_waits_in_full_and_in_order(backlog: Backlog) -> None:
    for n in range(3):
        backlog.add(Message("trades", n), b"")

    assert backlog.messages_held == 3
    assert backlog.bytes_held == 3
    assert backlog.take(7) == [frame(0), frame(1), frame(2)]


def test_what_merges_waits_as_one_message_and_its_reader_is_told(backlog: Backlog) -> None:
    for n in range(3):
        backlog.add(Message("ticker", n, latest), b"")

    assert backlog.messages_held == 0
    assert backlog.take(7) == [frame(2), notice(ticker=2)]


def test_streams_merge_each_for_itself(backlog: Backlog) -> None:
    for n in range(2):
        backlog.add(Message("a", n, latest), b"")
        backlog.add(Message("b", n + 10, latest), b"")

    assert backlog.take(7) == [frame(1), frame(11), notice(a=1, b=1)]


def test_merging_uses_the_rule_of_the_stream(backlog: Backlog) -> None:
    for n in (1, 2, 4):
        backlog.add(Message("sum", n, lambda older, newer: older + newer), b"")

    assert backlog.take(7)[0] == frame(7)


def test_a_later_message_does_not_overtake_one_of_its_stream_that_must_be_read(backlog: Backlog) -> None:
    backlog.add(Message("candle", "open", latest), b"")
    backlog.add(Message("candle", "closed"), b"")
    backlog.add(Message("candle", "next", latest), b"")

    assert backlog.take(7) == [frame("open"), frame("closed"), frame("next")]


def test_the_prefix_that_came_last_counts(backlog: Backlog) -> None:
    backlog.add(Message("a", 1, latest), b"")
    backlog.add(Message("a", 2, latest), b'{"data":')

    assert backlog.take(7)[0] == text_frame(b'{"data":2}')


def test_a_merged_message_leaves_the_one_that_others_read_alone(backlog: Backlog) -> None:
    first = Message("a", [1], lambda older, newer: older + newer)
    backlog.add(first, b"")
    backlog.add(Message("a", [2], first.merge), b"")

    assert first.frame(b"") == frame([1])


def test_after_taking_all_begins_anew(backlog: Backlog) -> None:
    for n in range(2):
        backlog.add(Message("a", n, latest), b"")
        backlog.add(Message("b", n), b"")
    backlog.take(7)

    assert (len(backlog), backlog.messages_held, backlog.bytes_held) == (0, 0, 0)
    assert backlog.take(7) == []


def test_nothing_joins_what_was_sealed(backlog: Backlog) -> None:
    backlog.add(Message("a", 1, latest), b"")
    backlog.seal()
    backlog.add(Message("a", 2, latest), b"")
    backlog.add(Message("a", 3, latest), b"")

    assert backlog.take(7) == [frame(1), frame(3), notice(a=1)]
