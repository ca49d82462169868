"""The talk on a stream's connection: text in, answer and effect out."""

import json

import pytest

from api.stream.config import StreamConfig
from api.stream.frames import POLICY_VIOLATION
from api.stream.protocol import METHODS, Reply, StreamProtocol

CONFIG = StreamConfig(subscriptions_max=4, wide_subscriptions_max=2, messages_per_second=10, messages_burst=20)
LISTED = {"a@trade", "b@trade", "c@trade", "d@trade", "e@trade", "!a@arr", "!b@arr", "!c@arr"}


def resolve(name: str) -> str | None:
    lower = name.lower()
    return lower if lower in LISTED else None


@pytest.fixture
def protocol() -> StreamProtocol:
    return StreamProtocol(resolve, CONFIG, combined=False, now_ns=0)


def ask(protocol: StreamProtocol, method: object, params: object = None, request_id: object = 1) -> Reply:
    return protocol.receive(json.dumps({"method": method, "params": params, "id": request_id}), 0)


def error_of(reply: Reply) -> tuple[int, str, object]:
    assert (reply.opened, reply.closed, reply.wrapping_changed) == ((), (), False)
    answer = json.loads(reply.answer)
    return answer["error"]["code"], answer["error"]["msg"], answer["id"]


def test_subscribing_opens_streams_under_their_one_name(protocol: StreamProtocol) -> None:
    reply = ask(protocol, "SUBSCRIBE", ["A@trade", "b@trade"], 312)

    assert reply == Reply(b'{"result":null,"id":312}', opened=("a@trade", "b@trade"))


def test_subscribing_twice_opens_once(protocol: StreamProtocol) -> None:
    ask(protocol, "SUBSCRIBE", ["a@trade"])

    assert ask(protocol, "SUBSCRIBE", ["a@trade", "A@TRADE", "b@trade"]).opened == ("b@trade",)


def test_unsubscribing_closes_what_was_open_and_nothing_else(protocol: StreamProtocol) -> None:
    ask(protocol, "SUBSCRIBE", ["a@trade", "b@trade"])

    reply = ask(protocol, "UNSUBSCRIBE", ["A@trade", "c@trade", "unheard"])

    assert reply == Reply(b'{"result":null,"id":1}', closed=("a@trade",))
    assert list(protocol.subscriptions) == ["b@trade"]


def test_subscriptions_are_listed_in_their_order(protocol: StreamProtocol) -> None:
    ask(protocol, "SUBSCRIBE", ["b@trade", "a@trade"])

    assert ask(protocol, "LIST_SUBSCRIPTIONS", None, 3).answer == b'{"result":["b@trade","a@trade"],"id":3}'


@pytest.mark.parametrize(("before", "after"), [(False, True), (True, True), (True, False)])
def test_wrapping_is_a_property(before: bool, after: bool) -> None:
    protocol = StreamProtocol(resolve, CONFIG, combined=before, now_ns=0)

    reply = ask(protocol, "SET_PROPERTY", ["combined", after], 5)

    assert reply == Reply(b'{"result":null,"id":5}', wrapping_changed=before is not after)
    assert json.loads(ask(protocol, "GET_PROPERTY", ["combined"], 2).answer) == {"result": after, "id": 2}


@pytest.mark.parametrize("request_id", [0, 1, -(2**63) + 1, 2**63 - 1, "e2a85d9f-07a5-4f94-8d5f-789dc3deb097", None])
def test_the_id_comes_back(protocol: StreamProtocol, request_id: object) -> None:
    assert json.loads(ask(protocol, "LIST_SUBSCRIPTIONS", [], request_id).answer)["id"] == request_id


@pytest.mark.parametrize("request_id", [1.5, True, [], {}, "x" * 37])
def test_an_id_of_another_kind_is_refused(protocol: StreamProtocol, request_id: object) -> None:
    code, text, echoed = error_of(ask(protocol, "LIST_SUBSCRIPTIONS", [], request_id))

    assert (code, text, echoed) == (2, "Invalid request: request ID must be an unsigned integer", None)


@pytest.mark.parametrize(
    ("method", "params", "code", "text"),
    [
        ("GET_PROPERTY", ["colour"], 0, "Unknown property"),
        ("SET_PROPERTY", ["colour", True], 0, "Unknown property"),
        ("SET_PROPERTY", ["combined", "yes"], 1, "Invalid value type: expected Boolean"),
        ("SET_PROPERTY", ["combined"], 1, "Invalid value type: expected Boolean"),
        ("GET_PROPERTY", [], 2, "Invalid request: property name must be a string"),
        ("GET_PROPERTY", [7], 2, "Invalid request: property name must be a string"),
        ("GET_PROPERTY", ["combined", True], 2, "Invalid request: too many parameters"),
        ("SET_PROPERTY", ["combined", True, 1], 2, "Invalid request: too many parameters"),
        ("LIST_SUBSCRIPTIONS", ["a@trade"], 2, "Invalid request: too many parameters"),
        ("SUBSCRIBE", ["a@trade"] * 5, 2, "Invalid request: too many parameters"),
        ("SUBSCRIBE", "a@trade", 2, "Invalid request: params must be an array"),
        ("SUBSCRIBE", [1], 2, "Invalid request: a stream's name must be a string"),
        ("UNSUBSCRIBE", [None], 2, "Invalid request: a stream's name must be a string"),
        ("SUBSCRIBE", ["a@trade", "z@trade"], 2, "Invalid request: invalid stream `z@trade`"),
        ("SUBSCRIBE", ["z" * 500], 2, "Invalid request: invalid stream `" + "z" * 100 + "`"),
        (None, [], 2, "Invalid request: missing field `method`"),
        (
            "subscribe",
            [],
            2,
            "Invalid request: unknown variant `subscribe`, expected one of "
            + ", ".join(f"`{method}`" for method in METHODS),
        ),
    ],
)
def test_what_is_wrong_is_said(protocol: StreamProtocol, method: str, params: object, code: int, text: str) -> None:
    assert error_of(ask(protocol, method, params, 9)) == (code, text, 9)
    assert not protocol.subscriptions


def test_a_connection_listens_to_no_more_streams_of_many_instruments_than_it_may(protocol: StreamProtocol) -> None:
    ask(protocol, "SUBSCRIBE", ["!a@arr", "b@trade"])

    reply = ask(protocol, "SUBSCRIBE", ["!b@arr", "!c@arr"])

    limit = "Invalid request: a connection can listen to at most 2 streams of many instruments"
    assert error_of(reply)[:2] == (2, limit)
    ask(protocol, "SUBSCRIBE", ["!b@arr", "c@trade"])
    assert list(protocol.subscriptions) == ["!a@arr", "b@trade", "!b@arr", "c@trade"]


def test_a_connection_listens_to_no_more_streams_than_it_may(protocol: StreamProtocol) -> None:
    ask(protocol, "SUBSCRIBE", ["a@trade", "b@trade", "c@trade", "d@trade"])

    reply = ask(protocol, "SUBSCRIBE", ["e@trade"])

    assert error_of(reply)[:2] == (2, "Invalid request: a connection can listen to at most 4 streams")
    assert len(protocol.subscriptions) == 4


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "at line 1 column 1"),
        ('{"method":', "at line 1 column"),
        ('{\n"method": SUBSCRIBE}', "at line 2 column"),
        ("nonsense", "at line 1 column"),
        ("[" * 5000, "at line 1 column"),
    ],
)
def test_text_that_is_no_json_is_refused_with_its_place(protocol: StreamProtocol, text: str, place: str) -> None:
    code, message, request_id = error_of(protocol.receive(text, 0))

    assert (code, request_id) == (3, None)
    assert message.startswith("Invalid JSON: ")
    assert place in message


@pytest.mark.parametrize("text", ["[]", "1", "null", '"SUBSCRIBE"'])
def test_json_that_is_no_object_is_refused(protocol: StreamProtocol, text: str) -> None:
    assert error_of(protocol.receive(text, 0)) == (2, "Invalid request: expected an object", None)


def test_a_binary_message_is_refused(protocol: StreamProtocol) -> None:
    reply = protocol.receive(b'{"method":"LIST_SUBSCRIPTIONS","id":1}', 0)

    assert error_of(reply) == (2, "Invalid request: binary messages are not understood here", None)


def test_who_talks_too_much_is_told_and_cut(protocol: StreamProtocol) -> None:
    replies = [protocol.receive("{}", 0) for _ in range(21)]

    assert [reply.close_code for reply in replies] == [0] * 20 + [POLICY_VIOLATION]
    assert error_of(replies[-1])[:2] == (2, "Too many messages: 10 a second")


def test_time_brings_the_right_to_speak_back(protocol: StreamProtocol) -> None:
    for _ in range(20):
        protocol.receive("{}", 0)

    assert protocol.receive("{}", 100_000_000).close_code == 0
    assert protocol.receive("{}", 199_999_999).close_code == POLICY_VIOLATION


def test_silence_does_not_save_up_beyond_the_burst(protocol: StreamProtocol) -> None:
    hour_ns = 3600 * 10**9

    replies = [protocol.receive("{}", hour_ns) for _ in range(21)]

    assert replies[-1].close_code == POLICY_VIOLATION


def test_the_address_opens_streams_without_an_answer(protocol: StreamProtocol) -> None:
    assert protocol.open(["a@trade", "B@trade"]) == Reply(b"", opened=("a@trade", "b@trade"))


def test_an_address_with_an_unknown_stream_opens_nothing_and_is_told(protocol: StreamProtocol) -> None:
    assert error_of(protocol.open(["a@trade", "z@trade"])) == (2, "Invalid request: invalid stream `z@trade`", None)
