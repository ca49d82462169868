"""uvicorn's websocket protocol with a short cut: frames that are already encoded go straight to the transport.

It also does what uvicorn's own leaves out: it tells the application when the client stops and starts reading, lets a
client that sent too much read why, bounds every goodbye in time, and closes with 1001 when the server stops.
"""

import socket
from collections.abc import Mapping
from typing import Any, Protocol

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

EXTENSION = "tokenbourse.line"  # in the scope's extensions: the protocol itself, a Line
HURRY_S = 1.5  # for a goodbye on a line that nobody is attached to


class Reader(Protocol):
    """The connection that a line belongs to."""

    def pause(self) -> None:
        """Learn that the line is blocked."""

    def resume(self) -> None:
        """Learn that the line is free."""

    def shutdown(self) -> None:
        """Learn that the server stops."""


class FrameProtocol(WebSocketsSansIOProtocol):
    """One client's line, from its handshake to its end."""

    reader: Reader | None = None

    def attach(self, reader: Reader, send_buffer_bytes: int) -> None:
        """Tell a reader from now on when the line is blocked; bound what the system buffers for the client."""
        self.reader = reader
        line = self.transport.get_extra_info("socket")
        line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer_bytes // 2)  # the system doubles it
        if not self.writable.is_set():
            reader.pause()

    def write(self, frames: bytes) -> None:
        """Send whole frames."""
        if not self.close_sent and not self.transport.is_closing():
            self.transport.write(frames)

    def finish(self, code: int, reason: str, within_s: float) -> None:
        """Close, and hang up once the client has answered or the time is over."""
        if self.close_sent or self.transport.is_closing() or self.conn.state is not State.OPEN:
            return
        self.conn.send_close(code, reason)
        self._end(code, reason, within_s)

    async def run_asgi(self) -> None:
        """Run the application, with the short cut in its scope."""
        extensions: dict[str, Any] = self.scope["extensions"]
        extensions[EXTENSION] = self
        await super().run_asgi()

    async def send(self, message: ASGISendEvent) -> None:
        """Send a message of the application; a refused handshake is complete, which uvicorn would log as a bug."""
        await super().send(message)
        if self.initial_response is not None and self.close_sent:
            self.handshake_complete = True

    def pause_writing(self) -> None:
        """Learn from the transport that its buffer is full."""
        super().pause_writing()
        if self.reader is not None:
            self.reader.pause()

    def resume_writing(self) -> None:
        """Learn from the transport that its buffer has drained."""
        super().resume_writing()
        if self.reader is not None:
            self.reader.resume()

    def data_received(self, data: bytes) -> None:
        """Read, but not what follows something that broke the rules."""
        if self.conn.parser_exc is None:
            super().data_received(data)

    def handle_parser_exception(self) -> None:
        """Close with the reason; the line stays open for a moment, or what is still coming in would void the reason."""
        close = self.conn.close_sent
        assert close is not None
        self._end(close.code, close.reason, HURRY_S)

    def keepalive_timeout(self) -> None:
        """Hang up on a client that answers no ping, though it never reads what is left."""
        super().keepalive_timeout()
        self.loop.call_later(HURRY_S, self.transport.abort)

    def shutdown(self) -> None:
        """Let the reader say goodbye when the server stops."""
        if self.reader is None:
            super().shutdown()
            return
        self.stop_keepalive()
        self.reader.shutdown()

    def _end(self, code: int, reason: str, within_s: float) -> None:
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self.close_timer = self.loop.call_later(within_s, self.transport.abort)


def line_of(scope: Mapping[str, Any]) -> FrameProtocol | None:
    """Return the line that a scope belongs to, or None if another server made the scope."""
    line = scope.get("extensions", {}).get(EXTENSION)
    return line if isinstance(line, FrameProtocol) else None
