"""Submitting what must be done, however long it takes."""

import asyncio
from collections.abc import Awaitable, Callable

from exchange.events import Event
from exchange.sequencer import Overloaded

WAIT_S = 0.02  # while the exchange is overloaded
Submit = Callable[[bytes, bytes], Awaitable[list[Event]]]  # commands and a document


async def submit_when_taken(submit: Submit, made: bytes, document: bytes) -> list[Event]:
    """Submit as soon as the exchange takes it; return the events. Raises whatever else `submit` raises."""
    while True:
        try:
            return await submit(made, document)
        except Overloaded:
            await asyncio.sleep(WAIT_S)
