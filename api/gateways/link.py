"""Messages between a gateway process and the exchange's process, over a unix socket: a head, then bytes.

What is sent in one turn of the loop leaves in one write, and what came together is read together.
"""

import asyncio
from collections.abc import Callable
from enum import IntEnum
from struct import Struct
from typing import cast

import msgspec

from api.call import Answer

HEAD = Struct("<IBQ")  # bytes behind the head, kind, number of the question
MESSAGE_BYTES_MAX = 256 * 1024 * 1024  # a list of all instruments is large


class Kind(IntEnum):
    """What a message says; questions and their answers have the same number."""

    READY = 1  # a gateway accepts connections
    ORDERS = 2  # commands; answered by EVENTS or REFUSED
    REQUEST = 3  # an HTTP request; answered by ANSWER
    REGISTRY = 4  # all names: the first message of the exchange
    DOCUMENT = 5  # one more document
    FACTS = 6  # events that the registry takes facts from
    EVENTS = 7
    REFUSED = 8  # a number of `Refusal`
    ANSWER = 9
    USED = 10  # what was taken of limits: see `usage`


class Refusal(IntEnum):
    """Why commands have no events."""

    OVERLOADED = 1
    STOPPED = 2
    UNKNOWN = 3  # they may have been carried out


class Request(msgspec.Struct, array_like=True):
    """An HTTP request, its body read."""

    method: str
    path: str
    raw_path: bytes
    query: bytes
    headers: list[tuple[bytes, bytes]]
    client: tuple[str, int] | None
    body: bytes


Hear = Callable[["Link", Kind, int, bytes], None]
Told = Callable[["Link"], None]
encode = msgspec.msgpack.Encoder().encode
decode_request = msgspec.msgpack.Decoder(Request).decode
decode_answer = msgspec.msgpack.Decoder(Answer).decode


class Link(asyncio.Protocol):
    """One end of a line between two processes of the same exchange."""

    def __init__(self, made: Told, hear: Hear, lost: Told) -> None:
        """Call `made` when the line is there, `hear` with every message, `lost` when the other process has gone."""
        self._made = made
        self._hear = hear
        self._lost = lost
        self._buffer = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of that class
        self._made(self)

    def data_received(self, data: bytes) -> None:
        """Take messages apart."""
        buffer = self._buffer
        buffer += data
        begin = 0
        while len(buffer) - begin >= HEAD.size:
            size, kind, number = HEAD.unpack_from(buffer, begin)
            if size > MESSAGE_BYTES_MAX:
                self._transport.abort()
                return
            end = begin + HEAD.size + size
            if len(buffer) < end:
                break
            self._hear(self, Kind(kind), number, bytes(buffer[begin + HEAD.size : end]))
            begin = end
        del buffer[:begin]

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        """Tell that the other process has gone."""
        self._lost(self)

    def send(self, kind: Kind, number: int = 0, payload: bytes = b"") -> None:
        """Send a message."""
        self._transport.write(HEAD.pack(len(payload), kind, number) + payload)

    def close(self) -> None:
        """Hang up, once what was sent is on its way."""
        self._transport.close()
