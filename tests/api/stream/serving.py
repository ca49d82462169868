"""A real server on a free port of this machine, on the loop of the test."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from api.stream.config import StreamConfig
from api.stream.transport import FrameProtocol

STEP_S = 0.005


class Served(uvicorn.Server):
    """A server that leaves the signals of the process alone."""

    port: int

    def install_signal_handlers(self) -> None:
        """Leave them."""


async def until(condition: Callable[[], object], within_s: float = 30.0) -> None:
    """Wait until something is so, and fail if it is not in time."""
    for _ in range(int(within_s / STEP_S)):
        if condition():
            return
        await asyncio.sleep(STEP_S)
    raise AssertionError("not in time")


@asynccontextmanager
async def served(app: Any, config: StreamConfig | None = None) -> AsyncIterator[Served]:
    """Serve an ASGI application with the project's websocket protocol; stop gracefully at the end."""
    config = config or StreamConfig()
    listener = socket.create_server(("127.0.0.1", 0))
    settings = uvicorn.Config(
        app,
        interface="asgi3",
        proxy_headers=False,
        ws=FrameProtocol,
        ws_max_size=config.message_bytes_max,
        ws_ping_interval=config.ping_interval_s,
        ws_ping_timeout=config.ping_timeout_s,
        ws_per_message_deflate=False,
        lifespan="off",
        log_level="warning",
        timeout_graceful_shutdown=10,
    )
    server = Served(settings)
    server.port = listener.getsockname()[1]
    running = asyncio.create_task(server.serve(sockets=[listener]))
    await until(lambda: server.started)
    try:
        yield server
    finally:
        server.should_exit = True
        await running
        listener.close()
