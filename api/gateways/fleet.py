"""The gateway processes of one exchange: started, restarted when they die, stopped when it stops."""

import asyncio
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import structlog

from api.app import Application
from api.gateways.office import Office
from api.gateways.process import GatewayOptions
from api.gateways.tunnel import TunnelEnd
from api.serve import reserve, running

RESTART_S = (0.0, 0.5, 1.0, 2.0, 5.0)  # before a gateway that died is started again, the last repeated
CALM_S = 60.0  # one that lived so long dies for the first time
STOP_S = 15.0  # for a gateway to finish what is in flight
GATEWAYS_MAX = 64
log = structlog.get_logger()


async def serve_behind(
    application: Application,
    options: GatewayOptions,
    count: int,
    *,
    stop: asyncio.Event,
    ready: Callable[[int], None],
    settings: dict[str, Any],
) -> None:
    """Serve through so many gateway processes until told to stop; then stop the exchange as `api.serve.serve` does."""
    folder = Path(tempfile.mkdtemp(prefix="tokenbourse-"))  # for this user alone; a socket's path must be short
    try:
        with reserve(options.host, options.port) as place:
            options.port = place.getsockname()[1]
            options.blocked_s = settings["ws_ping_interval"] + settings["ws_ping_timeout"]
            options.lines, options.tunnels = str(folder / "lines"), str(folder / "tunnels")
            office = Office(application)
            await office.open(options.lines)
            async with (
                _fleet(options, count),
                running(application, None, {**settings, "uds": options.tunnels}, TunnelEnd),
            ):
                await office.wait_ready(count)
                ready(options.port)
                await stop.wait()
            await office.close()
    finally:
        shutil.rmtree(folder)
    await application.services.exchange.stop()


@asynccontextmanager
async def _fleet(options: GatewayOptions, count: int) -> AsyncIterator[None]:
    keeping = [asyncio.create_task(_keep(options, number)) for number in range(count)]
    try:
        yield
    finally:
        for task in keeping:
            task.cancel()
        await asyncio.gather(*keeping, return_exceptions=True)


async def _keep(options: GatewayOptions, number: int) -> None:
    """Keep one gateway alive until cancelled."""
    loop = asyncio.get_running_loop()
    line = [sys.executable, "-m", "api.gateways.process", msgspec.json.encode(options).decode()]
    deaths = 0
    while True:
        born_s = loop.time()
        process = await asyncio.create_subprocess_exec(
            *line, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, start_new_session=True
        )
        try:
            status = await process.wait()
        except asyncio.CancelledError:
            await _end(process)
            raise
        deaths = 0 if loop.time() - born_s > CALM_S else deaths
        pause_s = RESTART_S[min(deaths, len(RESTART_S) - 1)]
        deaths += 1
        log.error("a gateway ended and is started again", number=number, status=status, pause_s=pause_s)
        await asyncio.sleep(pause_s)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Let a gateway finish what is in flight; do not wait for ever."""
    with suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), STOP_S)
    except TimeoutError:
        log.warning("a gateway did not end in time")
        process.kill()
        await process.wait()
