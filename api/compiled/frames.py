"""Frames of clients taken apart, many in one call."""

import numpy as np

from api.compiled.wording import entry
from api.stream.frames import CLIENT_HEAD, MEDIUM_MIN, TEXT
from exchange.core.jit import int64

_MASKED_MEDIUM = 126 + 128  # the second byte of a masked frame whose size takes two


def unmasked(data: bytes, begin: int, size_max: int) -> tuple[list[bytes], int]:
    """Return the messages of the usual frames from a place on, one behind the other, and where the rest begins."""
    text = np.empty(len(data) - begin, np.uint8)
    places = np.empty((len(data) // (CLIENT_HEAD + MEDIUM_MIN) + 1, 2), np.int64)
    count = _unmask(np.frombuffer(data, np.uint8), begin, size_max, text, places)
    if not count:
        return [], begin
    ends, joined = places[:count, 0].tolist(), text.tobytes()
    return [joined[start:end] for start, end in zip([0, *ends], ends, strict=False)], int(places[count - 1, 1])


@entry
def _unmask(data: np.ndarray, begin: int, size_max: int, text: np.ndarray, places: np.ndarray) -> int:
    """Take the usual frames from a place on: whole texts of MEDIUM_MIN to MEDIUM_MAX bytes; return how many there are.

    Their messages go into `text` one behind the other; of each, `places` gets its end there, and its frame's end.
    """
    count, done = 0, 0
    while count < len(places) and begin + CLIENT_HEAD <= len(data):
        size = int64(data[begin + 2]) * 256 + int64(data[begin + 3])
        start = begin + CLIENT_HEAD
        is_usual = data[begin] == TEXT and data[begin + 1] == _MASKED_MEDIUM and MEDIUM_MIN <= size <= size_max
        if not is_usual or start + size > len(data):
            break
        for offset in range(size):
            text[done + offset] = data[start + offset] ^ data[begin + 4 + (offset & 3)]
        begin, done = start + size, done + size
        places[count, 0], places[count, 1] = done, begin
        count += 1
    return count
