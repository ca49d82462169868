"""The exchange from afar: what waits is bounded, and everybody who waits hears in the end."""

import asyncio

import numpy as np
import pytest

from api.call import Answer
from api.errors import OVERLOADED, STATUS_UNKNOWN, STOPPED, RequestError
from api.gateways import remote
from api.gateways.link import Kind, Refusal, Request, encode
from api.gateways.remote import AskExchange, RemoteExchange, RemoteGateway
from api.limits import Limiter, Limits
from api.turn import Turn
from exchange.core import commands
from exchange.core.records import EVENT
from exchange.core.types import EventKind
from exchange.events import rows
from exchange.sequencer import Overloaded, Stopped

ORDER = commands.cancel_order(1, 1)
REQUEST = Request("GET", "/", b"/", b"", [], None, b"")


class Line:
    """In the place of a link: keeps what was sent."""

    def __init__(self):
        self.sent = []

    def send(self, kind, number=0, payload=b""):
        self.sent.append((kind, number, payload))

    def close(self):
        self.sent.append("closed")


def run(drive):
    """Run a test with a remote exchange whose line is there."""

    async def main():
        lost = []
        far, line = RemoteExchange(lambda: lost.append(True), Limiter(Limits())), Line()
        far._on_made(line)
        await drive(far, line)
        return lost

    return asyncio.run(main())


def events(*sequences):
    made = np.zeros(len(sequences), EVENT)
    made["sequence"] = sequences
    return made


def test_commands_go_out_and_their_events_come_back():
    async def drive(far, line):
        waiting = far.submit(ORDER * 2)
        assert line.sent == [(Kind.ORDERS, 1, ORDER * 2)]
        far._hear(line, Kind.EVENTS, 1, events(7, 8).tobytes())
        assert [event.sequence for event in await waiting] == [7, 8]

    assert run(drive) == []


def test_what_orders_use_is_told_before_them():
    async def drive(far, line):
        far.usage._limiter.take_many("a", "key", 1, 3, 0)
        waiting = far.submit_many(ORDER * 3)
        assert [kind for kind, _, _ in line.sent] == [Kind.USED, Kind.ORDERS]
        far._hear(line, Kind.EVENTS, 1, events(7, 8, 9).tobytes())
        await waiting
        assert len(line.sent) == 2

    run(drive)


def test_more_than_may_wait_is_refused_at_once_and_nothing_queues(monkeypatch):
    monkeypatch.setattr(remote, "COMMANDS_IN_FLIGHT_MAX", 3)
    monkeypatch.setattr(remote, "REQUESTS_IN_FLIGHT_MAX", 1)

    async def drive(far, line):
        first = far.submit(ORDER * 2)
        with pytest.raises(Overloaded):
            far.submit(ORDER * 2)
        asked = asyncio.ensure_future(far.ask(REQUEST))
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await far.ask(REQUEST)
        assert len(line.sent) == 2
        far._hear(line, Kind.EVENTS, 1, events(1, 2).tobytes())
        far._hear(line, Kind.ANSWER, 2, encode(Answer(200, b"{}", [])))
        assert (await asked).body == b"{}"
        assert len(await first) == 2
        far.submit(ORDER * 3)

    run(drive)


@pytest.mark.parametrize(
    ("refusal", "problem"),
    [
        (Refusal.OVERLOADED, OVERLOADED),
        (Refusal.STOPPED, STATUS_UNKNOWN),
        (Refusal.UNKNOWN, STATUS_UNKNOWN),
    ],
)
def test_a_refusal_of_the_exchange_is_a_problem_for_each_order(refusal, problem):
    async def drive(far, line):
        turn = Turn(far.submit)
        waiting = [turn.submit(ORDER) for _ in range(2)]
        await asyncio.sleep(0)
        far._hear(line, Kind.REFUSED, 1, bytes((refusal,)))
        found = await asyncio.gather(*waiting, return_exceptions=True)
        assert [error.problem for error in found if isinstance(error, RequestError)] == [problem] * 2

    run(drive)


def test_who_waits_hears_when_the_exchange_s_process_has_gone():
    async def drive(far, line):
        waiting, asked = far.submit(ORDER), asyncio.ensure_future(far.ask(REQUEST))
        await asyncio.sleep(0)
        far._on_lost(line)
        found = await asyncio.gather(waiting, asked, return_exceptions=True)
        assert [type(error) for error in found] == [Stopped, Stopped]
        with pytest.raises(Stopped):
            far.submit(ORDER)
        await far.stop()
        assert line.sent[-1] == "closed"

    assert run(drive) == [True]
    assert STOPPED.retry_after_s


def test_an_order_that_was_placed_before_is_for_the_exchange_to_answer():
    gateway = object.__new__(RemoteGateway)
    again = events(1)
    again["kind"] = EventKind.ORDER_DUPLICATED
    with pytest.raises(AskExchange):
        gateway.outcome(rows(again), None, None)
