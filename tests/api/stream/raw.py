"""A websocket as bytes on a socket: what is sent need be no websocket's."""

import json
import socket
import struct
from typing import Any, NamedTuple, Self

from websockets.frames import Frame, Opcode

PATIENCE_S = 60
ABRUPT = struct.pack("ii", 1, 0)  # a closed socket sends RST at once
HEAD = (
    "GET {} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


class Heard(NamedTuple):
    """A frame of the server."""

    opcode: int
    payload: bytes

    @property
    def close_code(self) -> int:
        return int.from_bytes(self.payload[:2], "big")


def upgrade(target: str) -> bytes:
    """Return the request that opens a websocket."""
    return HEAD.format(target).encode()


def frame(opcode: Opcode, payload: bytes, *, fin: bool = True, mask: bool = True) -> bytes:
    """Return a frame as a client sends it."""
    return Frame(opcode, payload, fin=fin).serialize(mask=mask)


def request(method: str, params: Any = None, request_id: Any = 1) -> bytes:
    """Return a frame with a request."""
    body = {"id": request_id, "method": method} | ({} if params is None else {"params": params})
    return frame(Opcode.TEXT, json.dumps(body).encode())


class Raw:
    """One connection; closed, it ends without a word."""

    def __init__(self, port: int = 0, target: str = "", room_bytes: int = 0) -> None:
        """Connect unless the port is 0, and open a websocket if there is a target."""
        self._socket = socket.socket()
        self._socket.settimeout(PATIENCE_S)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABRUPT)
        if room_bytes:  # for what is not read
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, room_bytes)
        self._unread = b""
        if port:
            self.open(port, target)

    def open(self, port: int, target: str) -> Self:
        """Connect, and open a websocket if there is a target."""
        self._socket.connect(("127.0.0.1", port))
        if target:
            self.send(upgrade(target))
            status = self._read_to(b"\r\n\r\n")
            assert status.startswith(b"HTTP/1.1 101 "), status
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> Self:
        self._socket.sendall(data)
        return self

    def ask(self, data: bytes) -> Self:
        """Send a request, and wait for the first frame that comes back."""
        self.send(data).hear()
        return self

    def hear(self) -> Heard:
        """Return the next frame; raises ConnectionError at the end."""
        first, second = self._read(2)
        size = second & 0x7F
        if size > 125:
            size = int.from_bytes(self._read(2 if size == 126 else 8), "big")
        return Heard(first & 0x0F, self._read(size))

    def _read(self, size: int) -> bytes:
        while len(self._unread) < size:
            self._receive()
        data, self._unread = self._unread[:size], self._unread[size:]
        return data

    def _read_to(self, end: bytes) -> bytes:
        while end not in self._unread:
            self._receive()
        return self._read(self._unread.index(end) + len(end))

    def _receive(self) -> None:
        data = self._socket.recv(65_536)
        if not data:
            raise ConnectionError("the server hung up without a close frame")
        self._unread += data
