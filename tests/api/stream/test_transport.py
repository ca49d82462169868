"""The short cut to the transport, over real sockets: order, back-pressure, goodbyes that are bounded in time."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import connect
from websockets.frames import Frame, Opcode
from websockets.protocol import State

from api.stream.config import StreamConfig
from api.stream.frames import BINARY, TEXT, text_frame
from api.stream.transport import FrameProtocol, line_of
from tests.api.stream.raw import frame, upgrade
from tests.api.stream.serving import Served, served, until

MANY_HEADERS = upgrade("/")[:-2] + b"".join(b"x-%d: y\r\n" % number for number in range(200)) + b"\r\n"

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class Listener:
    """A reader that remembers what its line told it, and an application that attaches it."""

    def __init__(self) -> None:
        self.line: FrameProtocol | None = None
        self.words: list[str] = []
        self.ended = asyncio.Event()
        self.disconnected: dict[str, Any] = {}

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self.line = line_of(scope)
        assert self.line is not None
        self.line.attach(self, 65_536)
        while True:
            event = await receive()
            if event["type"] == "websocket.disconnect":
                self.disconnected = event
                self.ended.set()
                return
            self.line.write(text_frame(event["text"].encode()))

    def pause(self) -> None:
        self.words.append("pause")

    def resume(self) -> None:
        self.words.append("resume")

    def shutdown(self) -> None:
        assert self.line is not None
        self.line.write(text_frame(b"bye"))
        self.line.finish(1001, "stopping", 1.0)


def address(server: Served) -> str:
    return f"ws://127.0.0.1:{server.port}/ws"


async def closed(client: websockets.asyncio.client.ClientConnection) -> tuple[int, str]:
    with suppress(websockets.ConnectionClosedError):
        async for _ in client:
            continue
    return client.close_code or 0, client.close_reason or ""


def test_frames_written_past_the_server_arrive_in_order() -> None:
    async def scenario() -> list[Any]:
        listener = Listener()
        async with served(listener.app) as server, connect(address(server)) as client:
            for n in range(5):
                await client.send(str(n))
            return [await client.recv() for _ in range(5)]

    assert asyncio.run(scenario()) == ["0", "1", "2", "3", "4"]


@pytest.mark.parametrize(("head", "status"), [(upgrade("/" + "x" * 9_000), b"414"), (MANY_HEADERS, b"431")])
def test_a_handshake_that_is_too_large_is_refused_and_not_kept_open(head: bytes, status: bytes) -> None:
    async def main() -> bytes:
        async with served(Listener().app) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(head)
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
        return answer

    assert asyncio.run(main()).split()[1] == status


def test_a_line_of_another_server_is_none() -> None:
    assert line_of({"type": "websocket", "extensions": {}}) is None
    assert line_of({"type": "websocket"}) is None


def test_the_reader_learns_that_its_line_is_blocked_and_free_again() -> None:
    async def scenario() -> tuple[list[str], int]:
        listener = Listener()
        async with served(listener.app) as server:
            async with connect(address(server), max_queue=1, close_timeout=0.1) as client:
                await client.send("hello")
                await client.recv()
                assert listener.line is not None
                client.transport.pause_reading()
                while "pause" not in listener.words:
                    listener.line.write(text_frame(b"x" * 60_000))
                    await asyncio.sleep(0)
                written = len(listener.words)
                client.transport.resume_reading()
                while "resume" not in listener.words:
                    await asyncio.wait_for(client.recv(), 5)
            return listener.words, written

    words, written = asyncio.run(scenario())
    assert words[:2] == ["pause", "resume"]
    assert written == 1


def test_a_finished_line_says_why_and_takes_nothing_more() -> None:
    async def scenario() -> tuple[int, str]:
        listener = Listener()
        async with served(listener.app) as server, connect(address(server)) as client:
            await client.send("hello")
            await client.recv()
            assert listener.line is not None
            listener.line.finish(1008, "too slow", 1.0)
            listener.line.finish(1000, "again", 1.0)
            listener.line.write(text_frame(b"late"))
            result = await closed(client)
            await asyncio.wait_for(listener.ended.wait(), 5)
            assert listener.disconnected["code"] == 1008
            return result

    assert asyncio.run(scenario()) == (1008, "too slow")


def test_a_client_that_does_not_read_the_goodbye_is_hung_up_on() -> None:
    async def scenario() -> float:
        listener = Listener()
        async with served(listener.app) as server:
            client = await connect(address(server))
            await client.send("hello")
            await client.recv()
            assert listener.line is not None
            client.transport.pause_reading()
            while "pause" not in listener.words:
                listener.line.write(text_frame(b"x" * 60_000))
                await asyncio.sleep(0)
            begin = time.monotonic()
            listener.line.finish(1008, "too slow", 0.2)
            await until(lambda: not server.server_state.connections)
            took = time.monotonic() - begin
            client.transport.abort()
            return took

    assert 0.1 < asyncio.run(scenario()) < 20


def test_a_frame_that_is_too_large_is_answered_with_its_own_code() -> None:
    async def scenario() -> tuple[int, str]:
        listener = Listener()
        async with served(listener.app, StreamConfig()) as server, connect(address(server)) as client:
            with suppress(websockets.ConnectionClosed):
                await client.send("x" * 10_000_000)
            await client.wait_closed()
            return client.close_code or 0, client.close_reason or ""

    code, reason = asyncio.run(scenario())
    assert code == 1009
    assert "exceeds" in reason


def test_a_client_that_answers_no_ping_is_hung_up_on() -> None:
    async def scenario() -> None:
        listener = Listener()
        config = StreamConfig(ping_interval_s=0.1, ping_timeout_s=0.1)
        async with served(listener.app, config) as server:
            client = await connect(address(server))
            await client.send("hello")
            await client.recv()
            client.transport.pause_reading()
            await until(lambda: not server.server_state.connections)
            client.transport.abort()

    asyncio.run(scenario())


def test_a_ping_holds_text_and_its_answer_keeps_the_line_open() -> None:
    async def scenario() -> tuple[list[bytes], bool]:
        listener = Listener()
        config = StreamConfig(ping_interval_s=0.2, ping_timeout_s=1.0)
        async with served(listener.app, config) as server, connect(address(server)) as client:
            pings: list[bytes] = []
            receive = client.protocol.recv_frame

            def note(heard: Frame) -> None:
                pings.extend([bytes(heard.data)] if heard.opcode is Opcode.PING else [])
                receive(heard)

            client.protocol.recv_frame = note  # type: ignore[method-assign]
            await client.send("hello")
            await until(lambda: len(pings) == 8)
            return pings, client.state is State.OPEN

    pings, is_open = asyncio.run(scenario())
    assert [ping.isdigit() for ping in pings] == [True] * 8
    assert (len(set(pings)), is_open) == (8, True)


def test_the_end_of_the_server_lets_the_reader_say_goodbye() -> None:
    async def scenario() -> tuple[Any, tuple[int, str]]:
        listener = Listener()
        async with served(listener.app) as server:
            client = await connect(address(server))
            await client.send("hello")
            await client.recv()
            server.should_exit = True
            return await asyncio.wait_for(client.recv(), 5), await closed(client)

    assert asyncio.run(scenario()) == ("bye", (1001, "stopping"))


def test_a_line_without_a_reader_ends_as_the_server_does() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            continue

    async def scenario() -> int:
        async with served(app) as server:
            client = await connect(address(server))
            server.should_exit = True
            return (await closed(client))[0]

    assert asyncio.run(scenario()) == 1012


def test_the_system_buffers_no_more_for_a_client_than_it_may() -> None:
    async def scenario() -> int:
        listener = Listener()
        async with served(listener.app) as server, connect(address(server)) as client:
            await client.send("hello")
            await client.recv()
            assert listener.line is not None
            line = listener.line.transport.get_extra_info("socket")
            return line.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)

    assert asyncio.run(scenario()) == 65_536


class Taker(Listener):
    """A reader that takes its messages as they come."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[tuple[bytes, int]] = []

    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        self.line = line_of(scope)
        assert self.line is not None
        self.line.attach(self, 65_536)
        self.line.take_with(
            lambda payload, kind: self.taken.append((payload, kind)),
            lambda texts: self.taken.extend((text, TEXT) for text in texts),
        )
        self.disconnected = await receive()
        self.ended.set()


async def talked(chunks: list[bytes]) -> tuple[list[tuple[bytes, int]], bytes]:
    """Send pieces of frames, each by itself; return what was taken, and what came back after the handshake."""
    taker = Taker()
    async with served(taker.app, StreamConfig(message_bytes_max=5_000)) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(upgrade("/ws"))
        await reader.readuntil(b"\r\n\r\n")
        for chunk in chunks:
            writer.write(chunk)
            await asyncio.sleep(0.002)
        writer.write_eof()
        told = await asyncio.wait_for(reader.read(), 5)
        writer.close()
    return taker.taken, told


def test_messages_are_taken_whole_however_they_were_cut() -> None:
    texts = [bytes([65 + n]) * size for n, size in enumerate((0, 5, 125, 126, 4_000))]
    data = frame(Opcode.PING, b"p").join(frame(Opcode.TEXT, text) for text in texts)
    data += frame(Opcode.BINARY, b"b" * 300)
    in_parts = frame(Opcode.TEXT, b"one ", fin=False) + frame(Opcode.CONT, b"two")
    last = frame(Opcode.TEXT, b"after") + frame(Opcode.CLOSE, b"\x03\xe8") + frame(Opcode.TEXT, b"x")
    whole = data + in_parts + last
    expected = [*((text, TEXT) for text in texts), (b"b" * 300, BINARY), (b"one two", TEXT), (b"after", TEXT)]

    for step in (len(whole), 997, 61):
        taken, told = asyncio.run(talked([whole[n : n + step] for n in range(0, len(whole), step)]))
        assert taken == expected
        assert told.count(b"\x8a\x01p") == len(texts) - 1
        assert told.endswith(b"\x88\x02\x03\xe8")


def test_a_line_that_said_goodbye_takes_nothing_more() -> None:
    async def scenario() -> tuple[Taker, bytes]:
        taker = Taker()
        async with served(taker.app, StreamConfig()) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(upgrade("/ws"))
            await reader.readuntil(b"\r\n\r\n")
            writer.write(frame(Opcode.TEXT, b"hello"))
            await until(lambda: bool(taker.taken))
            assert taker.line is not None
            taker.line.finish(1008, "", 5.0)
            writer.write(frame(Opcode.TEXT, b"x" * 200) * 50 + frame(Opcode.CLOSE, b"\x03\xf0"))
            told = await asyncio.wait_for(reader.read(), 5)
            writer.close()
        return taker, told

    taker, told = asyncio.run(scenario())
    assert taker.taken == [(b"hello", TEXT)]
    assert told.endswith(b"\x88\x02\x03\xf0")


def test_what_breaks_the_rules_ends_the_connection_with_a_reason() -> None:
    good = frame(Opcode.TEXT, b"good")
    for bad, code in (
        (frame(Opcode.TEXT, b"x" * 5_001), 1009),
        (b"\x81\x05hello", 1002),
        (frame(Opcode.CONT, b"of nothing"), 1002),
        (frame(Opcode.TEXT, b"a", fin=False) + frame(Opcode.TEXT, b"b"), 1002),
        (b"\xc1\x85" + bytes(9), 1002),
    ):
        taken, told = asyncio.run(talked([good + bad + good]))
        assert taken == [(b"good", TEXT)]
        assert told[:1] == b"\x88"
        assert int.from_bytes(told[2:4], "big") == code


def test_a_text_that_is_none_ends_the_connection_with_a_reason(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario() -> tuple[int, str]:
        async with served(Listener().app) as server, connect(address(server)) as client:
            await client.send(b"\xff", text=True)
            return await closed(client)

    assert asyncio.run(scenario()) == (1007, "A text message must be UTF-8.")
    assert caplog.records == []
