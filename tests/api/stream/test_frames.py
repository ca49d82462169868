"""Frames are those that the websockets library reads back."""

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from api.stream.frames import text_frame


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
