"""The exchange as a gateway process sees it: names that follow, commands that are sent, everything else asked for.

It stands where the exchange itself stands in one process. What a gateway cannot know, the order histories above all,
it leaves to the exchange's process: the whole request goes there.
"""

import asyncio
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np

from api.call import Answer
from api.gateway import Gateway
from api.gateways.link import Kind, Link, Refusal, Request, decode_answer, encode
from api.gateways.usage import Usage
from api.limits import Limiter
from api.orders import OrderTexts, Placed
from exchange.clock import SystemClock
from exchange.core.records import COMMAND, EVENT
from exchange.core.types import EventKind
from exchange.events import Event, rows
from exchange.registry.entries import Instrument
from exchange.registry.registry import Registry
from exchange.sequencer import Overloaded, Stopped

COMMANDS_IN_FLIGHT_MAX = 8_192  # of one gateway: sent, not yet answered; beyond that the exchange is overloaded
REQUESTS_IN_FLIGHT_MAX = 1_024  # of one gateway, besides orders
_DUPLICATED = int(EventKind.ORDER_DUPLICATED)
_REFUSALS = {Refusal.OVERLOADED: Overloaded("the exchange is behind"), Refusal.STOPPED: Stopped("the exchange stopped")}


class AskExchange(Exception):  # noqa: N818 - not an error: another answers
    """Only the exchange's own process can answer this."""


class RemoteGateway(Gateway):
    """Places orders from afar; what became of an order that was placed before is the histories' business."""

    def outcome(self, events: Sequence[Event], order: OrderTexts, instrument: Instrument) -> Placed:
        """Say what became of an order by the events of its command."""
        if events[0].kind == _DUPLICATED:
            raise AskExchange
        return super().outcome(events, order, instrument)


class RemoteExchange:
    """One gateway's end of the line, and what it knows by it."""

    def __init__(self, lost: Callable[[], None], limiter: Limiter) -> None:
        """Know nothing until the line is there; call `lost` when the exchange's process has gone.

        The limiter counts along with those of the other processes.
        """
        self.registry = Registry()
        self.clock = SystemClock()
        self.orders = None  # no histories here: whoever needs them asks the exchange
        self.usage = Usage(limiter, self.clock.now_ns, self._tell_used)
        self.known = asyncio.Event()  # the registry is here
        self._lost = lost
        self._is_lost = False
        self._link: Link | None = None
        self._numbers = count(1)
        self._commands: dict[int, tuple[asyncio.Future[Any], int, bool]] = {}  # how many, wanted as an array
        self._requests: dict[int, asyncio.Future[Answer]] = {}
        self._commands_in_flight = 0

    async def connect(self, path: str) -> None:
        """Find the exchange, and wait until its names are here."""
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: Link(self._on_made, self._hear, self._on_lost), path)
        await self.known.wait()

    def ready(self) -> None:
        """Say that clients are served."""
        self._line().send(Kind.READY)

    def submit(self, commands: bytes) -> "asyncio.Future[list[Event]]":
        """Put commands into the one order; the result is their events, once durable, as of `Sequencer.submit`."""
        return self._put(commands, as_array=False)

    def submit_many(self, commands: bytes) -> "asyncio.Future[np.ndarray]":
        """Put commands into the one order like `submit`; the result is their events as an array, EVENT."""
        return self._put(commands, as_array=True)

    def _put(self, commands: bytes, *, as_array: bool) -> "asyncio.Future[Any]":
        size = len(commands) // COMMAND.itemsize
        if self._commands_in_flight + size > COMMANDS_IN_FLIGHT_MAX:
            raise Overloaded(f"{self._commands_in_flight} commands wait already")
        line, number = self._line(), next(self._numbers)
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._commands[number] = future, size, as_array
        self._commands_in_flight += size
        self.usage.tell()  # who waits for the answer finds its order counted everywhere
        line.send(Kind.ORDERS, number, commands)
        return future

    async def ask(self, request: Request) -> Answer:
        """Let the exchange's process answer a request."""
        if len(self._requests) >= REQUESTS_IN_FLIGHT_MAX:
            raise Overloaded(f"{len(self._requests)} requests wait already")
        line, number = self._line(), next(self._numbers)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._requests[number] = future
        line.send(Kind.REQUEST, number, encode(request))
        try:
            return await future
        finally:
            self._requests.pop(number, None)

    async def stop(self) -> None:
        """Leave."""
        if self._link is not None:
            self._link.close()

    def _tell_used(self, payload: bytes) -> None:
        if self._link is not None and not self._is_lost:
            self._link.send(Kind.USED, 0, payload)

    def _line(self) -> Link:
        if self._link is None or self._is_lost:
            raise Stopped("the exchange's process is gone")
        return self._link

    def _hear(self, _: Link, kind: Kind, number: int, payload: bytes) -> None:
        match kind:
            case Kind.EVENTS | Kind.REFUSED:
                self._answer(kind, number, payload)
            case Kind.ANSWER:
                waiting = self._requests.pop(number, None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(decode_answer(payload))
            case Kind.DOCUMENT:
                self.registry.apply(payload)
            case Kind.USED:
                self.usage.hear(payload)
            case Kind.FACTS:
                self.registry.apply_events(rows(np.frombuffer(payload, EVENT)))
            case Kind.REGISTRY:
                self.registry.restore(payload)
                self.known.set()

    def _answer(self, kind: Kind, number: int, payload: bytes) -> None:
        future, size, as_array = self._commands.pop(number)
        self._commands_in_flight -= size
        if future.done():
            return
        if kind is Kind.EVENTS:
            events = np.frombuffer(payload, EVENT)
            future.set_result(events if as_array else rows(events))
        else:
            future.set_exception(_REFUSALS.get(Refusal(payload[0]), Stopped("nobody knows what became of them")))

    def _on_made(self, link: Link) -> None:
        self._link = link

    def _on_lost(self, _: Link) -> None:
        """Tell everybody who waits that nobody knows."""
        self._is_lost = True
        self._lost()
        gone = Stopped("the exchange's process is gone")
        waiting: list[asyncio.Future[Any]] = [future for future, _, _ in self._commands.values()]
        waiting += self._requests.values()
        for future in waiting:
            if not future.done():
                future.set_exception(gone)
        self._commands.clear()
