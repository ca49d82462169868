"""A TCP proxy in front of a unix or TCP Postgres that misbehaves when told to: it counts the messages of both sides.

A fault strikes behind a given number of chunks: the connection is reset, or everything is slow from there on. So each
point at which a client waits for the server can be hit, also between a commit and its answer.
"""

import asyncio
import contextlib
import socket
import struct
from typing import Self
from urllib.parse import parse_qs, urlsplit

_CHUNK = 1 << 16


class Proxy:
    """One listening port; `dsn` leads through it."""

    def __init__(self, dsn: str) -> None:
        self._target = urlsplit(dsn)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0
        self.chunks = 0  # that went from the server to clients
        self.reset_at: set[int] = set()  # numbers of chunks that are swallowed, and their connection with them
        self.delay_s = 0.0  # of every chunk from the server

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}{self._target.path}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = asyncio.current_task()
        assert own is not None
        self._tasks.add(own)
        server_reader, server_writer = await self._connect()
        pair = {writer, server_writer}
        self._writers |= pair
        forth = asyncio.create_task(_pump(reader, server_writer))
        back = asyncio.create_task(self._back(server_reader, writer))
        await asyncio.wait((forth, back), return_when=asyncio.FIRST_COMPLETED)
        for end in pair:
            end.transport.abort()
        await asyncio.gather(forth, back, return_exceptions=True)
        self._writers -= pair

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        folder = parse_qs(self._target.query).get("host")
        if folder:
            return await asyncio.open_unix_connection(f"{folder[0]}/.s.PGSQL.{self._target.port or 5432}")
        return await asyncio.open_connection(self._target.hostname, self._target.port or 5432)

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(_CHUNK):
                self.chunks += 1
                if self.chunks in self.reset_at:
                    _reset(writer)
                    return
                await asyncio.sleep(self.delay_s)
                writer.write(data)
                await writer.drain()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close so that the other side gets a reset, not an end."""
    found = writer.get_extra_info("socket")
    found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
