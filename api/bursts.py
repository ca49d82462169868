"""Orders that come within one turn of the loop, read and answered together.

Under load a turn brings dozens of requests. What they have in common is done once: one compiled call reads them, one
submission takes their commands, one compiled call writes their answers. A message that cannot be read so goes its own,
general way, in its place: behind what came before it, before what came behind.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from itertools import groupby, repeat
from operator import itemgetter
from typing import NamedTuple, Protocol

import numpy as np

from api.binance.directory import Directory
from api.errors import OVERLOADED, STATUS_UNKNOWN, STOPPED, RequestError
from api.gateway import Gateway
from api.orders import OrderTexts
from api.shapes import Shapes
from api.wordings import Burst, Messages, Told, Wordings, compile_orders
from exchange.events import Event, rows
from exchange.sequencer import Overloaded, Stopped

MESSAGES_MAX = 1_024  # that wait; a burst may have as many more as came with the last of them
SubmitMany = Callable[[bytes], "asyncio.Future[np.ndarray]"]


class Admitted(NamedTuple):
    """What is counted and allowed: whose orders they are, and how they are answered."""

    account: int
    unit_ns: int  # of time


class Asker(Protocol):
    """One who sends messages and waits for answers."""

    def admit(self, message: bytes, until_ns: int, count: int, now_ns: int) -> Admitted | None:
        """Take what the general way takes of so many orders; None sends them that way.

        Of the first are given how it is written, and until when it is good.
        """

    def serve(self, message: bytes) -> None:
        """Serve a message the general way."""

    def tail(self, account: int, now_ns: int) -> bytes:
        """Return the end of each answer that is made now."""

    def answered(self, answers: memoryview, ends: Sequence[int]) -> None:
        """Send answers, one behind the other, each up to its end."""

    def finish(self, message: bytes, account: int, now_ns: int, outcome: Sequence[Event] | Exception) -> None:
        """Say what became of an order the general way."""


class OrderBursts(NamedTuple):
    """Those of one door."""

    requests: "Bursts"  # over the websocket API
    bodies: "Bursts"  # over REST

    @classmethod
    def of(cls, gateway: Gateway, directory: Directory, now_ns: Callable[[], int]) -> "OrderBursts":
        """Gather for a gateway."""
        compile_orders()
        return cls(
            *[Bursts(gateway.send_many, Wordings(directory, is_http=is_http), now_ns) for is_http in (False, True)]
        )


class _Group(NamedTuple):
    """Orders of one asker, one behind the other in a burst."""

    asker: Asker
    begin: int
    end: int
    messages: list[bytes]
    admitted: Admitted


class Bursts:
    """Gathers messages of many askers until the end of a turn."""

    def __init__(self, submit: SubmitMany, wordings: Wordings, now_ns: Callable[[], int]) -> None:
        """Submit behind all that is already sent."""
        self._submit = submit
        self._wordings = wordings
        self._now_ns = now_ns
        self._waiting: list[tuple[Asker, bytes]] = []
        self._learns = False  # what is served now the general way came with others

    def add(self, asker: Asker, messages: Sequence[bytes]) -> None:
        """Take messages; they are served at the end of the turn."""
        waiting = self._waiting
        if not waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        waiting += zip(repeat(asker), messages)
        if len(waiting) >= MESSAGES_MAX:
            self.flush()

    def learn(self, message: bytes, shapes: Shapes, order: OrderTexts) -> None:
        """Remember how an order was written that went the general way, if it came with others."""
        if self._learns:
            self._wordings.learn(message, shapes.parted(message), order)

    def flush(self) -> None:
        """Serve what was gathered."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) < 2:
            for asker, message in waiting:
                asker.serve(message)
            return
        messages = Messages([message for _, message in waiting], self._now_ns())
        self._learns, begin = True, 0
        while begin < len(waiting):
            burst = self._wordings.read(messages, begin)
            if burst is None:
                asker, message = waiting[begin]
                asker.serve(message)
                begin += 1
            else:
                end = begin + len(burst.commands)
                self._serve(burst, waiting[begin:end], messages.now_ns)
                begin = end
        self._learns = False

    def _serve(self, burst: Burst, waiting: list[tuple[Asker, bytes]], now_ns: int) -> None:
        """Submit the orders of those who may; those who may not are told so by the general way."""
        groups: list[_Group] = []
        first = begin = 0
        for asker, found in groupby(waiting, itemgetter(0)):
            messages = [message for _, message in found]
            end = begin + len(messages)
            admitted = asker.admit(messages[0], int(burst.until_ns[begin]), len(messages), now_ns)
            if admitted is not None:
                groups.append(_Group(asker, begin - first, end - first, messages, admitted))
            else:
                self._send(burst.part(first, begin), groups, now_ns)
                groups, first = [], end
                for message in messages:
                    asker.serve(message)
            begin = end
        self._send(burst.part(first, begin), groups, now_ns)

    def _send(self, burst: Burst, groups: list[_Group], now_ns: int) -> None:
        if not groups:
            return
        for group in groups:
            burst.commands["account"][group.begin : group.end] = group.admitted.account
        try:
            sent = self._submit(burst.commands.tobytes())
        except (Overloaded, Stopped) as error:
            _fail(groups, now_ns, RequestError(OVERLOADED if isinstance(error, Overloaded) else STOPPED))
        else:
            sent.add_done_callback(partial(self._told, burst, groups, now_ns))

    def _told(self, burst: Burst, groups: list[_Group], now_ns: int, sent: "asyncio.Future[np.ndarray]") -> None:
        """Answer everybody."""
        error = asyncio.CancelledError() if sent.cancelled() else sent.exception()
        if error is not None:
            _fail(groups, now_ns, RequestError(OVERLOADED if isinstance(error, Overloaded) else STATUS_UNKNOWN))
            return
        events = sent.result()
        sizes = [group.end - group.begin for group in groups]
        tails: list[bytes] = []
        for group, size in zip(groups, sizes, strict=True):
            tails += [group.asker.tail(group.admitted.account, now_ns)] * size
        units_ns = np.repeat([group.admitted.unit_ns for group in groups], sizes)
        told = self._wordings.tell(burst, events, units_ns, tails)
        for group in groups:
            _answer(group, told, events, now_ns)


def _answer(group: _Group, told: Told, events: np.ndarray, now_ns: int) -> None:
    """Answer one asker: what is written at once, and the rest, in its place, the general way."""
    ends: list[int] = []
    begin = told.places[group.begin][0]
    for message, (start, end, first, last) in zip(group.messages, told.places[group.begin : group.end], strict=True):
        if start < end:
            begin = begin if ends else start
            ends.append(end - begin)
            continue
        if ends:
            group.asker.answered(told.text[begin : begin + ends[-1]], ends)
            ends = []
        group.asker.finish(message, group.admitted.account, now_ns, rows(events[first:last]))
    if ends:
        group.asker.answered(told.text[begin : begin + ends[-1]], ends)


def _fail(groups: list[_Group], now_ns: int, error: RequestError) -> None:
    for group in groups:
        for message in group.messages:
            group.asker.finish(message, group.admitted.account, now_ns, error)
