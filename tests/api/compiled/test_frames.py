"""Frames taken apart in one call are those that are taken apart one by one."""

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from api.compiled.frames import unmasked
from api.stream.frames import MEDIUM_MIN, TEXT, client_frame

LIMIT = 4_096
SIZES = st.one_of(st.integers(0, 300), st.sampled_from((125, 126, LIMIT, LIMIT + 1, 65_535, 65_536)))
FRAMES = st.lists(st.tuples(st.sampled_from((Opcode.TEXT, Opcode.TEXT, Opcode.BINARY, Opcode.PING)), SIZES), max_size=6)


def framed(kinds):
    """Return frames of a client with payloads of some sizes."""
    parts = []
    for opcode, size in kinds:
        payload = bytes(number % 251 for number in range(min(size, 125) if opcode is Opcode.PING else size))
        parts.append(bytes(Frame(opcode, payload).serialize(mask=True)))
    return b"".join(parts)


@given(FRAMES, st.integers(0, 5_000), st.binary(max_size=3))
def test_the_usual_frames_that_come_first_are_taken(kinds, cut, before):
    data = framed(kinds)
    data = before + data[: max(0, len(data) - cut)]
    expected, place = [], len(before)
    while (frame := client_frame(data, place, LIMIT)) is not None and frame.kind == TEXT:
        if len(frame.payload) < MEDIUM_MIN:
            break
        expected.append(frame.payload)
        place = frame.end
    assert unmasked(data, len(before), LIMIT) == (expected, place)


def test_nothing_but_the_usual_is_taken():
    usual = framed([(Opcode.TEXT, 200)])
    assert unmasked(usual, 0, LIMIT)[1] == len(usual)
    for wrong in (
        b"\x01" + usual[1:],
        usual[:1] + b"\x7e" + usual[2:],
        usual[:2] + b"\x00\x10" + usual[4:],
        usual[:-1],
    ):
        assert unmasked(wrong, 0, LIMIT) == ([], 0)
