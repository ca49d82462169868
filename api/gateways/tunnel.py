"""Websockets through a gateway: the client's bytes go to the exchange's process and back as they are.

The first line says whose they are; it is believed, for the socket is in a directory of the exchange's own.
"""

import asyncio
from functools import partial
from typing import Any, cast

import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.app import Application
from api.connection import HttpConnection
from api.stream.transport import FrameProtocol

LINE_BYTES_MAX = 256
LAST_S = 1.5  # for the last bytes of a side that has ended to be taken on the other


class Pipe(asyncio.Protocol):
    """One direction of a tunnel: what comes here goes there, no faster than it is taken."""

    def __init__(self, there: asyncio.Transport, blocked_s: float) -> None:
        """Send to a transport; hang up here when nothing is taken for so long.

        While this side is full the other is not read, so its end would not be seen: there has to be a time limit.
        """
        self._there = there
        self._blocked_s = blocked_s
        self._loop = asyncio.get_running_loop()
        self._giving_up: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._here = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Pass bytes on."""
        self._there.write(data)

    def pause_writing(self) -> None:
        """Read no more over there while this side is full."""
        self._giving_up = self._loop.call_later(self._blocked_s, self._here.abort)
        if not self._there.is_closing():
            self._there.pause_reading()

    def resume_writing(self) -> None:
        """Read on."""
        self._give_time()
        if not self._there.is_closing():
            self._there.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - gone is gone
        """End the other side, once it has what was sent, or has not taken it in time."""
        self._give_time()
        self._there.close()
        self._loop.call_later(LAST_S, self._there.abort)

    def _give_time(self) -> None:
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None


def first_line(client: tuple[str, int] | None) -> bytes:
    """Return the line that says whose connection a tunnel carries."""
    return msgspec.json.encode(client) + b"\n"


class TunnelEnd(HttpConnection):
    """A connection at the exchange's process that came through a gateway, which has counted it."""

    def __init__(self, application: Application, **arguments: Any) -> None:  # noqa: ANN401 - whatever uvicorn has
        super().__init__(application, **arguments)
        self._head = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; who it is comes in the first line."""
        HttpToolsProtocol.connection_made(self, transport)

    def data_received(self, data: bytes) -> None:
        """Learn who it is, then go on like any connection."""
        if self.client is None:
            line, end, data = (self._head + data).partition(b"\n")
            self._head = line
            if end:
                self._learn(line)
            elif len(line) > LINE_BYTES_MAX:
                self.transport.abort()
            if self.client is None:
                return
        if data:
            super().data_received(data)

    def _learn(self, line: bytes) -> None:
        try:
            host, port = msgspec.json.decode(line, type=tuple[str, int])
        except msgspec.DecodeError:
            self.transport.abort()
            return
        self.client, self._address = (host, port), host
        self.ws_protocol_class = partial(_TunnelFrames, self.client)  # type: ignore[assignment]


class _TunnelFrames(FrameProtocol):
    """The line of a client behind a gateway."""

    def __init__(self, client: tuple[str, int], **arguments: Any) -> None:  # noqa: ANN401 - whatever uvicorn has
        super().__init__(**arguments)
        self._behind = client

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, as the client that it is."""
        super().connection_made(transport)
        self.client = self._behind
