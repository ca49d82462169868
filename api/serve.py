"""The server: uvicorn around the application, a sweeper for connections that have stopped, and an orderly end."""

import asyncio
import signal
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from types import FrameType
from typing import Any

import structlog
import uvicorn

from api.app import Application
from api.connection import HttpConnection, Served

BACKLOG = 2048
SHUTDOWN_S = 10
SWEEP_S_MAX = 5
CLOSE_S = 0.05
log = structlog.get_logger()


class _LeaveNow(BaseException):
    """Nobody who waits may take it for a failure of what is waited for."""


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

    def __init__(self, server: uvicorn.Server, receive_s: float, rest_s: float) -> None:
        """Watch the connections of a server: so long may a request take to arrive, and so long be no request."""
        self._server = server
        self._receive_s = receive_s
        self._rest_s = rest_s
        self._waiting: dict[HttpConnection, tuple[object, float]] = {}

    def sweep(self, now_s: float) -> int:
        """Cut those that waited too long; return how many."""
        waiting: dict[HttpConnection, tuple[object, float]] = {}
        cut = 0
        for connection in list(self._server.server_state.connections):
            if not isinstance(connection, HttpConnection) or not connection.is_waiting():
                continue
            request, since_s = self._waiting.get(connection, (None, 0.0))
            if request is not connection.cycle or since_s == 0.0:
                since_s = now_s
            patience_s = self._rest_s if connection.is_resting() else self._receive_s
            if now_s - since_s >= patience_s:
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
    with listen(host, port) as listener:
        async with running(application, listener, settings):
            ready(listener.getsockname()[1])
            await stop.wait()
    await application.services.exchange.stop()


@contextmanager
def stoppable() -> Iterator[None]:
    """Leave the block at once when SIGINT or SIGTERM comes, until `stop_on_signals` is there to answer them better."""

    def leave(number: int, _: FrameType | None) -> None:
        raise _LeaveNow(number)

    before = {number: signal.signal(number, leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    except _LeaveNow:
        log.info("stopped before the start was over")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_on_signals(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Let SIGINT and SIGTERM ask for an orderly end; a second one is no ruder than the first."""
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)


def listen(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """Return a listening socket; a shared one lets other processes listen on the same port."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=BACKLOG, reuse_port=shared)


def reserve(host: str, port: int) -> socket.socket:
    """Return a socket that keeps a port for others to listen on, without listening itself; 0 takes a free one."""
    place = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    place.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    place.bind((host, port))
    return place


@asynccontextmanager
async def running(
    application: Served,
    listener: socket.socket | None,
    settings: Mapping[str, Any],
    connection: Callable[..., HttpConnection] = HttpConnection,
) -> AsyncIterator[uvicorn.Server]:
    """Run a server in the background, without a listener on the `uds` of its settings; at the end wait for its own."""
    services, limits = application.services, application.services.limiter.limits
    config = uvicorn.Config(
        services.origins.around(application, services.limiter, services.exchange.clock.now_ns),  # type: ignore[arg-type] # it is called as ASGI says
        interface="asgi3",
        http=partial(connection, application),  # type: ignore[arg-type] # called like the class it makes
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=SHUTDOWN_S,
        ssl_context_factory=_without_tickets if "ssl_certfile" in settings else None,
        **settings,
    )
    server = _Server(config)
    application.connections = server.server_state.connections
    running = asyncio.create_task(server.serve(sockets=None if listener is None else [listener]))
    sweeper = Sweeper(server, limits.receive_s_max, limits.rest_s_max)
    interval_s = min(SWEEP_S_MAX, limits.receive_s_max / 4, limits.rest_s_max / 4)
    sweeping = asyncio.create_task(_sweep(sweeper, interval_s))
    try:
        await _accepting(server, running)
        yield server
    finally:
        sweeping.cancel()
        server.should_exit = True
        closing = asyncio.create_task(_close(server))
        await running
        closing.cancel()


async def _accepting(server: _Server, running: asyncio.Task[None]) -> None:
    """Wait until a server accepts connections, or raise why it ended instead, such as a certificate that is none."""
    accepting = asyncio.create_task(server.accepting.wait())
    await asyncio.wait((running, accepting), return_when=asyncio.FIRST_COMPLETED)
    accepting.cancel()
    if running.done():
        running.result()


def _without_tickets(_: uvicorn.Config, make: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Send nothing behind the handshake: a client of two threads may lose a request over it."""
    context = make()
    context.num_tickets = 0
    return context


async def _close(server: uvicorn.Server) -> None:
    """Close connections as soon as nothing of theirs is in flight, those included that came in at the last moment."""
    while True:
        await asyncio.sleep(CLOSE_S)
        for connection in list(server.server_state.connections):
            if isinstance(connection, HttpConnection):
                connection.shutdown()
                if connection.is_waiting():
                    connection.transport.close()


async def _sweep(sweeper: Sweeper, interval_s: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(interval_s)
        cut = sweeper.sweep(loop.time())
        if cut:
            log.warning("connections cut whose clients had stopped", count=cut)
