"""Orders that end because their sender has gone."""

import asyncio
from typing import Any

import structlog

from api.departures import Departures
from api.errors import OVERLOADED, RequestError
from exchange.core.types import EndReason


class Gateway:
    """In the place of the gateway: notes what is cancelled, or refuses."""

    def __init__(self, problem: Any = None) -> None:
        self.asked: list[tuple[int, EndReason]] = []
        self.problem = problem

    async def mass_cancel(self, account: int, *, reason: EndReason) -> tuple[list[Any], int]:
        self.asked.append((account, reason))
        if self.problem is not None:
            raise RequestError(self.problem)
        return [1, 2], 0


def test_the_reason_is_told_and_a_refusal_is_logged() -> None:
    async def scenario(gateway: Gateway) -> None:
        departures = Departures(gateway)  # type: ignore[arg-type]
        departures.cancel(7)
        await asyncio.gather(*departures._tasks)
        assert gateway.asked == [(7, EndReason.DISCONNECTED)]

    with structlog.testing.capture_logs() as logs:
        asyncio.run(scenario(Gateway()))
        asyncio.run(scenario(Gateway(OVERLOADED)))
    assert [(line["log_level"], line.get("ended")) for line in logs] == [("info", 2), ("warning", None)]
