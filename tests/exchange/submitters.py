"""An exchange on a directory, and ways to submit to it that are cut short or told to wait."""

import asyncio
from pathlib import Path
from typing import Any

from exchange.clock import ManualClock
from exchange.sequencer import Overloaded, Stopped
from exchange.server import Exchange
from tests.exchange.running import SMALL


async def opened(folder: Path, time_ns: int = 1) -> Exchange:
    """Open and start an exchange."""
    exchange = Exchange.open(folder, SMALL, ManualClock(time_ns))
    exchange.start(asyncio.get_running_loop())
    return exchange


def cut_at(exchange: Exchange, step: int) -> Any:
    """Return a way to submit that ends before a step."""
    left = iter(range(step))

    async def submit(made: bytes, document: bytes) -> Any:
        if next(left, None) is None:
            raise Stopped("cut here")
        return await exchange.submit(made, document)

    return submit


def busy(exchange: Exchange, times: int) -> Any:
    """Return a way to submit that has no room for commands the first times."""
    left = iter(range(times))

    async def submit(made: bytes, document: bytes) -> Any:
        if made and next(left, None) is not None:
            raise Overloaded("busy")
        return await exchange.submit(made, document)

    return submit
