"""Websocket frames (RFC 6455, section 5.2), whole and uncompressed: as a server sends them, and as clients do."""

from struct import Struct
from typing import NamedTuple

from websockets.speedups import apply_mask

TEXT = 0x81  # the only and final frame of a text message
BINARY = 0x82  # and of a binary one
_CONTROLS = frozenset((0x88, 0x89, 0x8A))  # close, ping, pong
_MASKED = 0x80
MEDIUM_MIN, MEDIUM_MAX = 126, 0xFFFF  # bytes of a payload whose size takes two of them
FRAME_HEAD, CLIENT_HEAD = 4, 8  # bytes before such a payload: a server's, and a client's, which is masked
_SHORT_MAX = MEDIUM_MIN - 1
_MEDIUM = Struct(">BBH").pack
_LONG = Struct(">BBQ").pack
_SHORT_HEADERS = tuple(bytes((TEXT, size)) for size in range(_SHORT_MAX + 1))
_SIZE_BYTES = {126: 2, 127: 8}
_USUAL = bytes((TEXT, 126 + _MASKED))  # how nearly every request begins
_NOT_WHOLE = (0, b"", 0)
_new = tuple.__new__  # half the time of a NamedTuple's own constructor

GOING_AWAY = 1001
INVALID_DATA = 1007
POLICY_VIOLATION = 1008


def text_frame(payload: bytes) -> bytes:
    """Return the frame that carries a text."""
    size = len(payload)
    if size <= _SHORT_MAX:
        return _SHORT_HEADERS[size] + payload
    if size <= MEDIUM_MAX:
        return _MEDIUM(TEXT, 126, size) + payload
    return _LONG(TEXT, 127, size) + payload


def binary_frame(payload: bytes) -> bytes:
    """Return the frame that carries bytes."""
    frame = bytearray(text_frame(payload))
    frame[0] = BINARY
    return bytes(frame)


class ClientFrame(NamedTuple):
    """A frame that a client sent: a message with its payload, or a control frame; of kind 0 if it is not all there."""

    kind: int
    payload: bytes
    end: int  # where the next one begins


def client_frame(data: bytes, begin: int, bytes_max: int) -> ClientFrame | None:
    """Return the frame that begins at a place; None for what only a whole parser can judge.

    That is a message in parts, one that is too large, one that is not masked, and whatever breaks the rules.
    """
    if data[begin : begin + 2] == _USUAL and len(data) >= begin + 8:
        start = begin + 8
        end = start + (data[begin + 2] << 8 | data[begin + 3])
        if _SHORT_MAX < end - start <= bytes_max and end <= len(data):
            return _new(ClientFrame, (TEXT, apply_mask(data[start:end], data[begin + 4 : start]), end))
    start = begin + 6  # of the payload
    if len(data) < start:
        return _new(ClientFrame, _NOT_WHOLE) if _may_begin(data, begin) else None
    kind, size = data[begin], data[begin + 1] - _MASKED
    if size > _SHORT_MAX and kind not in _CONTROLS:
        width = _SIZE_BYTES[size]
        size = int.from_bytes(data[begin + 2 : begin + 2 + width], "big")
        start += width
    if not 0 <= size <= bytes_max or not (kind in (TEXT, BINARY) or (kind in _CONTROLS and size <= _SHORT_MAX)):
        return None
    end = start + size
    if len(data) < end:
        return _new(ClientFrame, _NOT_WHOLE)
    if kind in _CONTROLS:
        return _new(ClientFrame, (kind, b"", end))
    mask = data[start - 4 : start]
    return _new(ClientFrame, (kind, apply_mask(data[start:end], mask), end))


def _may_begin(data: bytes, begin: int) -> bool:
    """Return whether less than a head may be the beginning of a frame that `client_frame` takes."""
    kind = data[begin : begin + 1]
    second = data[begin + 1 : begin + 2]
    return (not kind or kind[0] in (TEXT, BINARY) or kind[0] in _CONTROLS) and (not second or second[0] >= _MASKED)
