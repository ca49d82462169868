"""Websocket frames as a server sends them: whole, unmasked, uncompressed (RFC 6455, section 5.2)."""

from struct import Struct

_TEXT = 0x81  # the only and final frame of a text message
_SHORT_MAX = 125
_MEDIUM_MAX = 0xFFFF
_MEDIUM = Struct(">BBH").pack
_LONG = Struct(">BBQ").pack
_SHORT_HEADERS = tuple(bytes((_TEXT, size)) for size in range(_SHORT_MAX + 1))

NORMAL = 1000
GOING_AWAY = 1001
UNSUPPORTED_DATA = 1003
POLICY_VIOLATION = 1008
TRY_AGAIN_LATER = 1013


def text_frame(payload: bytes) -> bytes:
    """Return the frame that carries a text."""
    size = len(payload)
    if size <= _SHORT_MAX:
        return _SHORT_HEADERS[size] + payload
    if size <= _MEDIUM_MAX:
        return _MEDIUM(_TEXT, 126, size) + payload
    return _LONG(_TEXT, 127, size) + payload
