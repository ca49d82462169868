"""Frames are those that the websockets library reads back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from api.stream.frames import BINARY, TEXT, binary_frame, client_frame, text_frame
from tests.api.stream.raw import frame as client

LIMIT = 1000


def parsed(data: bytes) -> Frame:
    reader = StreamReader()
    reader.feed_data(data)
    parser = Frame.parse(reader.read_exact, mask=False, max_size=None)
    with pytest.raises(StopIteration) as stop:
        next(parser)
    return stop.value.value


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 200_000])
def test_a_frame_of_every_length_is_read_back(size: int) -> None:
    payload = b"x" * size

    frame = parsed(text_frame(payload))

    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, payload)


def test_the_length_takes_no_more_bytes_than_it_needs() -> None:
    assert [len(text_frame(b"x" * size)) - size for size in (125, 126, 65_535, 65_536)] == [2, 4, 4, 10]


def test_bytes_go_in_a_frame_of_their_own_kind() -> None:
    frame = parsed(binary_frame(b"x" * 70_000))

    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.BINARY, True, b"x" * 70_000)


@given(st.sampled_from([Opcode.TEXT, Opcode.BINARY]), st.binary(max_size=LIMIT), st.binary(max_size=9))
def test_a_client_s_message_is_taken_when_it_is_all_there_and_not_before(
    opcode: Opcode, payload: bytes, more: bytes
) -> None:
    data = client(opcode, payload)
    kind = TEXT if opcode is Opcode.TEXT else BINARY

    assert client_frame(b"before" + data + more, 6, LIMIT) == (kind, payload, 6 + len(data))
    for cut in {0, 1, 2, 5, 6, 7, len(data) - 1} & set(range(len(data))):
        frame = client_frame(data[:cut], 0, LIMIT)
        assert frame is not None
        assert not frame.kind


@pytest.mark.parametrize("opcode", [Opcode.PING, Opcode.PONG, Opcode.CLOSE])
def test_of_a_control_frame_only_the_end_is_told(opcode: Opcode) -> None:
    data = client(opcode, b"\x03\xe8" + b"x" * 100)

    assert client_frame(data, 0, LIMIT) == (data[0], b"", len(data))


@pytest.mark.parametrize(
    "data",
    [
        client(Opcode.TEXT, b"hello", fin=False),
        client(Opcode.CONT, b"hello"),
        client(Opcode.TEXT, b"x" * (LIMIT + 1)),
        client(Opcode.TEXT, b"hello, world", mask=False),
        client(Opcode.BINARY, b"x" * 500, mask=False),
        b"\x89\xfe\x00\x80" + bytes(200),  # a ping that is too long
        b"\xc1\x85" + bytes(20),  # a reserved bit
        b"\x83\x85" + bytes(20),  # a reserved opcode
        b"\x81\x05",
        b"\x83",
    ],
    ids=[f"case {number}" for number in range(10)],  # masks are drawn
)
def test_what_only_the_parser_can_judge_is_left_to_it(data: bytes) -> None:
    assert client_frame(data, 0, LIMIT) is None


@given(st.binary(min_size=1, max_size=40))
def test_no_bytes_break_the_splitter(data: bytes) -> None:
    frame = client_frame(data, 0, LIMIT)

    assert frame is None or frame.end <= len(data)
