"""Orders that come within one turn of the loop, read and answered together.

Under load a turn brings dozens of requests. What they have in common is done once: one compiled call reads them, one
submission takes their commands, one compiled call writes their answers. A message that cannot be read so goes its own,
general way, in its place: behind what came before it, before what came behind.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import groupby, repeat
from typing import NamedTuple, Protocol, cast

import numpy as np

from api.binance.directory import Directory
from api.errors import OVERLOADED, STATUS_UNKNOWN, STOPPED, RequestError
from api.gateway import Gateway
from api.orders import OrderTexts
from api.shapes import Shapes
from api.wordings import Burst, Messages, Wordings, compile_orders
from exchange.events import Event, rows
from exchange.sequencer import Overloaded, Stopped

MESSAGES_MAX = 1_024  # that wait; a burst may have as many more as came with the last of them
SubmitMany = Callable[[bytes], "asyncio.Future[np.ndarray]"]


class Admitted(NamedTuple):
    """What is counted and allowed: whose orders they are, and how they are answered."""

    account: int
    unit_ns: int  # of time
    tails: Sequence[bytes | None]  # of each answer: rate limits, or header lines; None sends an order the general way


class Asker(Protocol):
    """Somebody whose orders are counted and allowed together, whatever line they come by."""

    def admit(self, messages: Sequence[bytes], until_ns: Sequence[int], now_ns: int) -> Admitted | None:
        """Take what the general way takes of these orders; None sends all of them that way.

        Of each is given how it is written, and until when it is good.
        """


class Line(Protocol):
    """Where messages come from and answers go to."""

    def serve(self, message: bytes) -> None:
        """Serve a message the general way."""

    def answered(self, answers: memoryview, ends: Sequence[int]) -> None:
        """Send answers, one behind the other, each up to its end."""

    def finish(self, order: "Order", now_ns: int, outcome: Sequence[Event] | Exception) -> None:
        """Say what became of an order the general way."""


class Order(NamedTuple):
    """An order that was admitted."""

    line: Line
    message: bytes
    account: int
    unit_ns: int
    tail: bytes  # of its answer


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


_Waiting = tuple[Asker, Line, bytes]


class Bursts:
    """Gathers messages of many askers until the end of a turn."""

    def __init__(self, submit: SubmitMany, wordings: Wordings, now_ns: Callable[[], int]) -> None:
        """Submit behind all that is already sent."""
        self._submit = submit
        self._wordings = wordings
        self._now_ns = now_ns
        self._waiting: list[_Waiting] = []
        self._learns = False  # what is served now the general way came with others

    def add(self, asker: Asker, line: Line, message: bytes) -> None:
        """Take a message of a line; it is served at the end of the turn."""
        waiting = self._waiting
        if not waiting:
            asyncio.get_running_loop().call_soon(self.flush)
        waiting.append((asker, line, message))
        if len(waiting) >= MESSAGES_MAX:
            self.flush()

    def add_all(self, asker: Asker, line: Line, messages: Sequence[bytes]) -> None:
        """Take messages of a line that came together."""
        self.add(asker, line, messages[0])
        self._waiting += zip(repeat(asker), repeat(line), messages[1:])
        if len(self._waiting) >= MESSAGES_MAX:
            self.flush()

    def learn(self, message: bytes, shapes: Shapes, order: OrderTexts) -> None:
        """Remember how an order was written that went the general way, if it came with others."""
        if self._learns:
            self._wordings.learn(message, shapes.parted(message), order)

    def flush(self) -> None:
        """Serve what was gathered."""
        waiting, self._waiting = self._waiting, []
        if len(waiting) < 2:
            for _, line, message in waiting:
                line.serve(message)
            return
        messages = Messages([message for _, _, message in waiting], self._now_ns())
        self._learns, begin = True, 0
        while begin < len(waiting):
            burst = self._wordings.read(messages, begin)
            if burst is None:
                _, line, message = waiting[begin]
                line.serve(message)
                begin += 1
            else:
                end = begin + len(burst.commands)
                self._serve(burst, waiting[begin:end], messages.now_ns)
                begin = end
        self._learns = False

    def _serve(self, burst: Burst, waiting: list[_Waiting], now_ns: int) -> None:
        """Submit the orders of those who may; those who may not are told so by the general way."""
        orders = _admitted(waiting, burst.until_ns.tolist(), now_ns)
        begin, count = 0, len(waiting)
        while begin < count:
            try:
                end = orders.index(None, begin)
            except ValueError:
                end = count
            if begin < end:
                self._send(burst.part(begin, end), cast("list[Order]", orders[begin:end]), now_ns)
            else:
                _, line, message = waiting[begin]
                line.serve(message)
                end += 1
            begin = end

    def _send(self, burst: Burst, orders: list[Order], now_ns: int) -> None:
        burst.commands["account"] = [order.account for order in orders]
        try:
            sent = self._submit(burst.commands.tobytes())
        except (Overloaded, Stopped) as error:
            _fail(orders, now_ns, RequestError(OVERLOADED if isinstance(error, Overloaded) else STOPPED))
        else:
            sent.add_done_callback(partial(self._told, burst, orders, now_ns))

    def _told(self, burst: Burst, orders: list[Order], now_ns: int, sent: "asyncio.Future[np.ndarray]") -> None:
        """Answer everybody."""
        error = asyncio.CancelledError() if sent.cancelled() else sent.exception()
        if error is not None:
            _fail(orders, now_ns, RequestError(OVERLOADED if isinstance(error, Overloaded) else STATUS_UNKNOWN))
            return
        events = sent.result()
        units_ns = np.array([order.unit_ns for order in orders])
        told = self._wordings.tell(burst, events, units_ns, [order.tail for order in orders])
        for line, answers in groupby(zip(orders, told.places, strict=True), _line_of):
            _answer(line, answers, told.text, events, now_ns)


def _admitted(waiting: list[_Waiting], until_ns: list[int], now_ns: int) -> list[Order | None]:
    """Return the orders that are counted and allowed, None for those that are not."""
    places: dict[Asker, list[int]] = {}
    for place, (asker, _, _) in enumerate(waiting):
        if asker in places:
            places[asker].append(place)
        else:
            places[asker] = [place]
    found: list[Order | None] = [None] * len(waiting)
    for asker, asked in places.items():
        messages = [waiting[place][2] for place in asked]
        admitted = asker.admit(messages, [until_ns[place] for place in asked], now_ns)
        if admitted is not None:
            account, unit_ns, tails = admitted
            for place, message, tail in zip(asked, messages, tails, strict=True):
                if tail is not None:
                    found[place] = Order(waiting[place][1], message, account, unit_ns, tail)
    return found


def _line_of(answer: tuple[Order, list[int]]) -> Line:
    return answer[0].line


def _answer(
    line: Line, answers: Iterable[tuple[Order, list[int]]], text: memoryview, events: np.ndarray, now_ns: int
) -> None:
    """Answer the orders of one line: what is written at once, and the rest, in its place, the general way."""
    ends: list[int] = []
    begin = 0
    for order, (start, end, first, last) in answers:
        if start < end:
            begin = begin if ends else start
            ends.append(end - begin)
            continue
        if ends:
            line.answered(text[begin : begin + ends[-1]], ends)
            ends = []
        line.finish(order, now_ns, rows(events[first:last]))
    if ends:
        line.answered(text[begin : begin + ends[-1]], ends)


def _fail(orders: list[Order], now_ns: int, error: RequestError) -> None:
    for order in orders:
        order.line.finish(order, now_ns, error)
