"""The server: uvicorn around the application, with limits that hold before a request is complete, and an orderly end.

What a connection may cost before the application sees it is decided here: how many there are, of one address and in
all, and how long a request may take to arrive.
"""

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import msgspec
import structlog
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.app import Application
from api.errors import HEAD_TOO_LARGE, INVALID_HTTP, Problem
from api.limits import Limiter

BACKLOG = 2048
KEEP_ALIVE_S = 75
SHUTDOWN_S = 10
SWEEP_S = 5
log = structlog.get_logger()
_REASONS = {400: b"Bad Request", 431: b"Request Header Fields Too Large", 503: b"Service Unavailable"}


class CountedProtocol(HttpToolsProtocol):
    """One HTTP connection, counted against the limits of its address from its first moment to its last."""

    def __init__(self, limiter: Limiter, **arguments: Any) -> None:  # noqa: ANN401 - whatever uvicorn hands over
        super().__init__(**arguments)
        self._limiter = limiter
        self._counted = ""
        self._is_in_head = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Count the connection; close it at once if there are too many."""
        super().connection_made(transport)
        self._counted = self.client[0] if self.client else "unknown"
        problem = self._limiter.open_connection(self._counted)
        if problem is not None:
            self._end(problem)

    def connection_lost(self, exc: Exception | None) -> None:
        """Count the connection out."""
        super().connection_lost(exc)
        self._uncount()

    def data_received(self, data: bytes) -> None:
        """Take what has come; the parser would take a head without end."""
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._limiter.limits.head_bytes_max and not self.transport.is_closing():
                self._end(HEAD_TOO_LARGE)

    def on_message_begin(self) -> None:
        """Begin to count the bytes of a request's head."""
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0

    def on_headers_complete(self) -> None:
        """Serve a request whose head is complete."""
        self._is_in_head = False
        super().on_headers_complete()

    def handle_websocket_upgrade(self) -> None:
        """Leave the connection, and the counting of it, to the websocket's own protocol."""
        self._uncount()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Say in the words of all other errors that this is no HTTP."""
        self._end(INVALID_HTTP._replace(message=msg))

    def is_waiting(self) -> bool:
        """Return whether the next move is the client's: to send a request, or the rest of one, or to read."""
        cycle = self.cycle
        idle = cycle is None or cycle.response_complete
        return (idle and self.timeout_keep_alive_task is None) or (not idle and cycle.more_body) or self._is_stuck()

    def _is_stuck(self) -> bool:
        return bool(self.flow.write_paused)

    def _uncount(self) -> None:
        if self._counted:
            self._limiter.close_connection(self._counted)
            self._counted = ""

    def _end(self, problem: Problem) -> None:
        body = msgspec.json.encode({"code": problem.code, "msg": problem.message})
        head = b"HTTP/1.1 %d %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
        self.transport.write(head % (problem.status, _REASONS[problem.status], len(body)) + body)
        self.transport.close()


class _Server(uvicorn.Server):
    """A server that says when it accepts, and leaves the signals of the process to others."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.accepting = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.accepting.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Sweeper:
    """Cuts connections whose client has owed the next move for too long."""

    def __init__(self, server: uvicorn.Server, patience_s: float) -> None:
        """Watch the connections of a server."""
        self._server = server
        self._patience_s = patience_s
        self._waiting: dict[CountedProtocol, tuple[object, float]] = {}

    def sweep(self, now_s: float) -> int:
        """Cut those that waited too long; return how many."""
        waiting: dict[CountedProtocol, tuple[object, float]] = {}
        cut = 0
        for connection in list(self._server.server_state.connections):
            if not isinstance(connection, CountedProtocol) or not connection.is_waiting():
                continue
            request, since_s = self._waiting.get(connection, (None, 0.0))
            if request is not connection.cycle or since_s == 0.0:
                since_s = now_s
            if now_s - since_s >= self._patience_s:
                connection.transport.abort()
                cut += 1
            else:
                waiting[connection] = (connection.cycle, since_s)
        self._waiting = waiting
        return cut


async def serve(
    application: Application,
    host: str,
    port: int,
    *,
    stop: asyncio.Event,
    ready: Callable[[int], None] = lambda _: None,
    **settings: Any,  # noqa: ANN401 - uvicorn's own, such as `ws` and `ssl_certfile`
) -> None:
    """Serve until told to stop; then take no more, finish what is in flight, and stop the exchange.

    `ready` is called with the port once connections are accepted; port 0 takes a free one. The exchange must have
    been started. Raises OSError when the address cannot be had.
    """
    with _listen(host, port) as listener:
        async with _running(application, listener, settings):
            ready(listener.getsockname()[1])
            await stop.wait()
    await application.services.exchange.stop()


def stop_on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Let SIGINT and SIGTERM ask for an orderly end; a second one is no ruder than the first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG)


@asynccontextmanager
async def _running(
    application: Application, listener: socket.socket, settings: dict[str, Any]
) -> AsyncIterator[uvicorn.Server]:
    """Run the server in the background; on leaving, wait for its orderly end."""
    limiter = application.services.limiter
    config = uvicorn.Config(
        application,
        interface="asgi3",
        http=partial(CountedProtocol, limiter),  # type: ignore[arg-type] # called like the class it makes
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=SHUTDOWN_S,
        **settings,
    )
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    sweeping = asyncio.create_task(_sweep(Sweeper(server, limiter.limits.receive_s_max)))
    try:
        await server.accepting.wait()
        yield server
    finally:
        sweeping.cancel()
        server.should_exit = True
        await running


async def _sweep(sweeper: Sweeper) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(SWEEP_S)
        cut = sweeper.sweep(loop.time())
        if cut:
            log.warning("connections cut whose clients had stopped", count=cut)
