"""Messages that are none, over real websockets: each is refused with a code or ends its connection with a reason.

What is sent is a valid message of the published document, changed in some way: types, sizes, nesting, encoding, doubled
names, the wrong kind of frame, frames in parts, broken frames, and binary frames with some bytes changed.
TOKENBOURSE_EXAMPLES sets how many are drawn, for a longer run.
"""

import json
import logging
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.frames import Opcode

from api import asyncapi, examples
from api.batches import REQUEST
from api.errors import UNKNOWN_ERROR
from api.stream.protocol import METHODS as TALK_METHODS
from exchange.core import commands
from exchange.core.types import Side
from tests.api.stream.raw import Raw, frame, request
from tests.api.stream.talk import signed
from tests.api.venue import SYMBOL, TOKENS, Venue, venue

EXAMPLES = int(os.environ.get("TOKENBOURSE_EXAMPLES", "150"))
MESSAGES_MAX = 5  # on one connection
API, STREAMS = "/ws-api/v3", "/ws"
END = "the end"
FATAL = {1002, 1003, 1007, 1008, 1009}  # what a client's message may end a connection with

pytestmark = pytest.mark.system

DOCUMENT = json.loads(asyncapi.document())
ASKED = [one["payload"] for name, one in DOCUMENT["components"]["messages"].items() if name.endswith(".request")]
NAMES = [f"{SYMBOL.lower()}@trade", f"{SYMBOL}@depth@100ms", "!ticker@arr", "!phases", "no@such", "combined"]
RAW = [  # texts of JSON, or of what is none
    *("null", "true", "-1", "0", "-0", "1.5", "1e400", "1e-400", "NaN", "Infinity", "9" * 400, "-" + "9" * 19, "0x1"),
    *('""', '" "', '"\\ud800"', '"\\u0000"', f'"{"x" * 9_000}"', '"\U0001f600"', '"%00"', '"&symbol=x"'),
    *("[]", "{}", "[[]]", "[null]", "[" * 2_000 + "]" * 2_000, '{"a":' * 2_000 + "1" + "}" * 2_000, "[", "}", ""),
]


class Sent(NamedTuple):
    """Bytes for the line, and how many answers they must have; 0: the connection may end."""

    data: bytes
    answers: int = 1


def valid_of(payload: dict[str, Any]) -> dict[str, Any]:
    """Return a request with every parameter that the document knows."""
    properties = payload["properties"]["params"]["properties"]
    params = {name: examples.example(schema, {}, name) for name, schema in properties.items()}
    return {"id": 1, "method": payload["properties"]["method"]["const"], "params": params}


def paths(node: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield here
    for name, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from paths(value, (*here, name))


def changed(node: Any, path: tuple[Any, ...], mark: str | None) -> Any:
    """Return a tree with a mark in the place of one of its parts, or without that part."""
    if not path:
        return mark
    copy = dict(node) if isinstance(node, dict) else dict(enumerate(node))
    if len(path) == 1 and mark is None:
        del copy[path[0]]
    else:
        copy[path[0]] = changed(copy[path[0]], path[1:], mark)
    return copy if isinstance(node, dict) else list(copy.values())


@st.composite
def texts(draw: st.DrawFn, requests: list[dict[str, Any]]) -> bytes:
    """Draw the text of a message: a valid one, changed in some places."""
    tree: Any = draw(st.sampled_from(requests))
    raw: dict[str, str] = {}
    for number in range(draw(st.integers(0, 3))):
        found = list(paths(tree))
        path = draw(st.sampled_from(found))
        mark = draw(st.sampled_from([None, f"@{number}@"])) if path else f"@{number}@"
        raw[f'"@{number}@"'] = draw(st.sampled_from(RAW))
        tree = changed(tree, path, mark)
    text = json.dumps(tree)
    for mark, value in raw.items():
        text = text.replace(mark, value)
    if draw(st.integers(0, 5)) == 0:  # a name twice
        pair = draw(st.sampled_from(re.findall(r'"[a-z]+": (?:\d+|"[^"]*")', text) or ['"id": 1']))
        text = text.replace("{", "{" + pair + ",", 1)
    data = text.encode("utf-8", "surrogatepass")
    if draw(st.integers(0, 5)) == 0:
        begin, end = sorted(draw(st.tuples(*[st.integers(0, len(data))] * 2)))
        data = data[:begin] + draw(st.sampled_from([b"", b"\xff", b"\xc3", b"\x00", b"\xed\xa0\x80"])) + data[end:]
    return data


@st.composite
def framed(draw: st.DrawFn, drawn: st.SearchStrategy[bytes]) -> Sent:
    """Draw a message in a frame, in several, or in one of the wrong kind."""
    data = draw(drawn)
    cuts = sorted(draw(st.lists(st.integers(0, len(data)), max_size=3)))
    kind = draw(st.sampled_from([Opcode.TEXT] * 4 + [Opcode.BINARY]))
    parts = [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    ping = draw(st.sampled_from([b"", frame(Opcode.PING, b"p")]))
    kinds = [kind, *[Opcode.CONT] * len(cuts)]
    return Sent(
        ping.join(frame(one, part, fin=n == len(cuts)) for n, (one, part) in enumerate(zip(kinds, parts, strict=True)))
    )


BROKEN = st.sampled_from(
    [
        frame(Opcode.TEXT, b'{"id":1,"method":"ping"}', mask=False),
        frame(Opcode.CONT, b"of nothing"),
        frame(Opcode.TEXT, b"a", fin=False) + frame(Opcode.TEXT, b"b"),
        b"\x09\x81" + bytes(5),  # a ping in parts
        b"\xc1\x85" + bytes(9),
        b"\x83\x85" + bytes(9),
        b"\x89\xfe\x00\x80" + bytes(132),
        b"\x81\xff" + b"\xff" * 8 + bytes(4),
        b"\x88\x81" + bytes(5),
        b"\x88\x82" + bytes(4) + b"\x00\x01",
    ]
).map(lambda data: Sent(data, 0))


@st.composite
def orders(draw: st.DrawFn) -> bytes:
    """Draw a binary frame of orders, with some bytes changed."""
    made = [commands.new_order(0, TOKENS, Side.BUY, 90_000, 1)] * draw(st.integers(1, 3))
    data = bytearray(REQUEST.itemsize)
    data[:] = b"TBB1" + len(made).to_bytes(4, "little") + bytes(8)
    data += b"".join(made)
    for place in draw(st.lists(st.integers(0, len(data) - 1), max_size=4)):
        data[place] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.one_of(st.just(len(data)), st.integers(0, len(data))))])


VALID = [valid_of(payload) for payload in ASKED]
SUBSCRIBING = [
    {"id": 1, "method": method, "params": params}
    for method in TALK_METHODS
    for params in (NAMES[:3], [NAMES[4]], [NAMES[5], True], [])
]
BINARY = orders().map(lambda data: Sent(frame(Opcode.BINARY, data)))
API_MESSAGES = st.lists(st.one_of(framed(texts(VALID)), framed(texts(VALID)), BINARY, BROKEN), max_size=MESSAGES_MAX)
TALK = st.lists(st.one_of(*[framed(texts(SUBSCRIBING))] * 3, BROKEN), max_size=MESSAGES_MAX)


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with venue(tmp_path_factory.mktemp("fuzzed")) as served:
        yield served


def checked(payload: bytes, opcode: int) -> bool:
    """Check an answer; tell whether it is one, and no event."""
    if opcode == Opcode.BINARY:
        assert int.from_bytes(payload[16:20], "little") < 500, payload
        return True
    word = json.loads(payload)
    error = word.get("error")
    if error is not None:
        assert error["code"] != UNKNOWN_ERROR.code, word
        assert word.get("status", 400) < 500, word
        assert error["msg"]
    return "id" in word


def converse(line: Raw, messages: list[Sent], last: bytes) -> None:
    """Send messages; see that each is answered, or that the connection ends with a reason."""
    for message in (*messages, Sent(last)):
        line.send(message.data)
    wanted = sum(message.answers for message in messages) + 1
    may_end = any(not message.answers for message in messages)
    while wanted:
        heard = line.hear()
        if heard.opcode == Opcode.CLOSE:
            assert heard.close_code in FATAL, heard
            assert len(heard.payload) > 2 or may_end, "closed without a reason"
            return
        if heard.opcode in (Opcode.TEXT, Opcode.BINARY):
            wanted -= checked(heard.payload, heard.opcode)


drawn = settings(max_examples=EXAMPLES, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@pytest.mark.timeout(120 + EXAMPLES)
def test_no_message_to_the_websocket_api_fails_inside(floor: Venue, caplog: pytest.LogCaptureFixture) -> None:
    with structlog.testing.capture_logs() as told:

        @drawn
        @given(API_MESSAGES, st.booleans())
        def run(messages: list[Sent], logs_on: bool) -> None:
            with Raw(floor.port, API) as line, explained(messages, told):
                if logs_on:
                    line.ask(request("session.logon", signed("alice")))
                converse(line, messages, request("ping", None, END))

        run()
    check_quiet(floor, caplog, told)


@pytest.mark.timeout(120 + EXAMPLES)
def test_no_message_to_the_streams_fails_inside(floor: Venue, caplog: pytest.LogCaptureFixture) -> None:
    with structlog.testing.capture_logs() as told:

        @drawn
        @given(TALK)
        def run(messages: list[Sent]) -> None:
            with Raw(floor.port, STREAMS) as line, explained(messages, told):
                converse(line, messages, request("LIST_SUBSCRIPTIONS", None, END))

        run()
    check_quiet(floor, caplog, told)


@contextmanager
def explained(messages: list[Sent], told: Any) -> Iterator[None]:
    """Add to a failure what was sent, and what the server logged last."""
    try:
        yield
    except Exception as error:
        error.add_note(f"sent {[message.data[:300] for message in messages]}\nlogged {told[-1:]}")
        raise


def check_quiet(floor: Venue, caplog: pytest.LogCaptureFixture, told: Any) -> None:
    """Nothing was logged as an error, and the server serves."""
    errors = [(record.getMessage(), record.exc_text) for record in caplog.records if record.levelno >= logging.ERROR]
    assert errors == []
    assert [word for word in told if word["log_level"] in {"error", "critical"}] == []
    assert floor.client("alice").get("/api/v3/ping").status_code == 200
