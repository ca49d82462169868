"""The short cut to the transport, over real sockets: order, back-pressure, goodbyes that are bounded in time."""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import websockets
from websockets.asyncio.client import connect

from api.stream.config import StreamConfig
from api.stream.frames import text_frame
from api.stream.transport import FrameProtocol, line_of
from tests.api.stream.serving import Served, served, until

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

    assert 0.1 < asyncio.run(scenario()) < 2


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
