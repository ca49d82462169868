"""uvicorn's websocket protocol with a short cut: frames that are already encoded go straight to the transport.

It also does what uvicorn's own leaves out: it tells the application when the client stops and starts reading, lets a
client that sent too much read why, bounds every goodbye in time, and closes with 1001 when the server stops.
"""

import asyncio
import socket
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.protocol import State

from api.compiled.frames import unmasked
from api.stream.frames import BINARY, INVALID_DATA, TEXT, client_frame

Take = Callable[[bytes, int], None]
TakeTexts = Callable[[list[bytes]], None]

EXTENSION = "tokenbourse.line"  # in the scope's extensions: the protocol itself, a Line
MANY_BYTES = 1_024  # of what came together, from which on it is worth a call to take it apart
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
    _take: Take | None = None
    _take_texts: TakeTexts | None = None
    _is_split = True  # all that came is known to end where a frame does, so that the parser can be passed by
    _rest = b""  # the beginning of a frame

    def take_with(self, take: Take, take_texts: TakeTexts) -> None:
        """Hand each message over as it comes, as bytes with its kind (`frames.TEXT` or `BINARY`), past the queue.

        Texts that came together are handed over together.
        """
        self._take = take
        self._take_texts = take_texts

    def hold(self) -> None:
        """Read no more until `release`."""
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

    def release(self) -> None:
        """Read on."""
        if self.read_paused and not self.transport.is_closing():
            self.read_paused = False
            self.transport.resume_reading()

    def attach(self, reader: Reader, send_buffer_bytes: int) -> None:
        """Tell a reader from now on when the line is blocked; bound what the system buffers for the client."""
        self.reader = reader
        bound_buffer(self.transport, send_buffer_bytes)
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
        if self.conn.parser_exc is not None:
            return
        if self._take is None:
            self._is_split = not self.handshake_initiated  # a message may have begun before it could be taken
            super().data_received(data)
            if self.conn.handshake_exc is not None and not self.handshake_initiated:
                self._refuse()
            return
        data = self._rest + data if self._rest else data
        begin = self._split(data, self._take) if self._is_split else 0
        self._rest = data[begin:] if self._is_split else b""
        if not self._is_split and begin < len(data):
            super().data_received(data[begin:])

    def send_receive_event_to_app(self) -> None:
        """Hand over a message that came in parts, or queue it for an application that asks for its messages."""
        if self._take is None or self.close_sent:
            if self.curr_msg_data_type == "text" and not _is_text(b"".join(self.frames)):
                self.finish(INVALID_DATA, "A text message must be UTF-8.", HURRY_S)
            super().send_receive_event_to_app()
            return
        payload, self.frames = b"".join(self.frames), []
        self._take(payload, TEXT if self.curr_msg_data_type == "text" else BINARY)

    def _refuse(self) -> None:
        """Answer a handshake that the parser did not take, such as one whose address is too long, and hang up."""
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.transport.close()

    def _split(self, data: bytes, take: Take) -> int:
        """Hand over the messages in some data; return where the rest begins, which waits or is for the parser."""
        begin, limit = 0, self.conn.max_message_size or len(data)
        if len(data) >= MANY_BYTES and self._take_texts is not None and not self.close_sent:
            texts, begin = unmasked(data, begin, limit)
            self._take_texts(texts)
        while (frame := client_frame(data, begin, limit)) is not None and frame.kind:
            if frame.kind not in (TEXT, BINARY):
                super().data_received(data[begin : frame.end])
            elif not self.close_sent:
                take(frame.payload, frame.kind)
            begin = frame.end
        self._is_split = frame is not None
        return begin

    def handle_parser_exception(self) -> None:
        """Close with the reason; the line stays open for a moment, or what is still coming in would void the reason."""
        close = self.conn.close_sent
        assert close is not None
        self._end(close.code, close.reason, HURRY_S)

    def send_keepalive_ping(self) -> None:
        """Ask whether the client is still there, in digits: some clients take for text what they are to send back."""
        self.ping_timer = None
        if self.close_sent or self.transport.is_closing():
            return
        assert self.ping_timeout is not None, "websockets are served with server_settings()"
        self.ping_sent_at = self.loop.time()
        self.pending_ping_payload = b"%d" % int(self.ping_sent_at * 1_000_000)
        self.conn.send_ping(self.pending_ping_payload)
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.pong_timer = self.loop.call_later(self.ping_timeout, self.keepalive_timeout)

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


def bound_buffer(transport: asyncio.Transport, bytes_max: int) -> None:
    """Let the system keep no more than so much for a client; it would grow to several megabytes."""
    line = transport.get_extra_info("socket")
    line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, bytes_max // 2)  # the system doubles it


def line_of(scope: Mapping[str, Any]) -> FrameProtocol | None:
    """Return the line that a scope belongs to, or None if another server made the scope."""
    line = scope.get("extensions", {}).get(EXTENSION)
    return line if isinstance(line, FrameProtocol) else None


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
