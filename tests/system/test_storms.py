"""Connections by the hundred that end without a word, and peers that are gone and do not say so.

With and without gateways: whoever trades meanwhile loses nothing, and nothing of the others stays behind.
"""

import asyncio
import gc
import json
import logging
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import pytest
import structlog
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from api.connection import HttpConnection, Pending
from api.limits import Limits
from api.stream.config import StreamConfig
from api.stream.hub import Connection, Topic
from api.stream.transport import FrameProtocol
from exchange.core import commands
from exchange.core.types import Side
from tests.api.gateways.test_fleet import Behind, gateways
from tests.api.stream.raw import Raw, request, upgrade
from tests.api.stream.talk import LOWER, ask, hear, joined, order, signed, talk
from tests.api.v1.test_private import path
from tests.api.venue import ALICE, BOB, TOKENS, Venue, venue

pytestmark = pytest.mark.system

EACH = 40  # connections of each kind in a round
PATIENCE_S = 60
PING_S = 1.0  # between two pings
PONG_S = 4.0  # for the answer of one: those who trade answer in time on a busy machine too
RECEIVE_S = 2  # for a request to arrive
NOTICED_S = PING_S + PONG_S + 1.5 + 15.0  # and a goodbye, and a busy machine
STREAMS = StreamConfig(ping_interval_s=PING_S, ping_timeout_s=PONG_S, send_buffer_bytes=16_384, stall_s=0.5)
API = "/ws-api/v3"
OBJECTS = (Connection, Topic, FrameProtocol, HttpConnection, Pending)


@pytest.fixture(scope="module", params=[Venue, Behind], ids=["one process", "gateways"])
def open_venue(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    served = request.param(tmp_path_factory.mktemp("storm"), Limits(receive_s_max=RECEIVE_S), streams=STREAMS)
    served.start()
    try:
        yield served
    finally:
        served.stop()


@pytest.fixture
def floor(open_venue: Venue) -> Iterator[Venue]:
    open_venue.reset()
    yield open_venue
    open_venue.reset()


@pytest.fixture
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail if anything is logged that calls itself an error."""
    with structlog.testing.capture_logs() as told:
        yield
    errors = [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]
    assert errors + [word for word in told if word["log_level"] in {"error", "critical"}] == []


def storm(floor: Venue, numbers: Iterator[int]) -> None:
    """Open connections of every kind, and let go of all of them in the middle of something."""
    port, name = floor.port, f"c{next(numbers)}"
    placed = request("order.place", signed("carol", **order("BUY", 1, "9.0000", newClientOrderId=name)))
    log_on, subscribe = request("session.logon", signed("carol")), request("userDataStream.subscribe", {})
    kinds: list[Callable[[], Raw]] = [
        lambda: Raw(port),
        lambda: Raw(port).send(b"POST /api/v3/order HTTP/1.1\r\nhost: x\r\ncontent-length: 90\r\n\r\nhalf"),
        lambda: Raw(port).send(upgrade(API)[:70]),
        lambda: Raw(port).send(upgrade(API)),
        lambda: Raw(port).send(upgrade(path("carol"))),
        lambda: Raw(port, API).send(request("ping")[:9]),
        lambda: Raw(port, API).send(placed),
        lambda: Raw(port, f"/stream?streams={LOWER}@depth@0ms/{LOWER}@book/{LOWER}@trade/!ticker@arr"),
        lambda: Raw(port, "/ws").ask(request("SUBSCRIBE", [f"{LOWER}@trade", f"{LOWER}@orders"])),
        lambda: Raw(port, API).ask(log_on).ask(subscribe),
    ]
    for kind in kinds:
        with ExitStack() as lines:
            for _ in range(EACH):
                lines.enter_context(kind())


def standing(floor: Venue) -> dict[str, Any]:
    """Return what is there of connections, in the exchange's process and in its gateways."""

    async def look() -> dict[str, Any]:
        hub, limiter = floor.websockets.hub, floor.services.limiter
        gc.collect()
        objects = Counter(type(thing).__name__ for thing in gc.get_objects() if isinstance(thing, OBJECTS))
        return {
            "hub": (len(hub.connections), sorted(hub.topics), len(hub.blocked), len(hub._dirty)),
            "sessions": len(floor.websockets._sessions),
            "counted": dict(limiter._connections),
            "served": len(floor.application.connections),
            "tasks": len(asyncio.all_tasks()),
            "objects": dict(objects),
            "files": psutil.Process().num_fds(),
        }

    processes = [psutil.Process(process) for process in sorted(gateways())]
    return floor.run(look) | {"gateways": [process.num_fds() for process in processes]}


def calm(floor: Venue) -> dict[str, Any]:
    """Wait until nobody is connected and nothing changes any more; return what is there."""
    before, now = {}, standing(floor)
    deadline = time.monotonic() + PATIENCE_S
    while now["sessions"] or now != before:
        assert time.monotonic() < deadline, now
        time.sleep(0.2)
        before, now = now, standing(floor)
    return now


def settled(floor: Venue, before: dict[str, Any]) -> None:
    """Wait until nothing is left that was not there before; what was may have gone meanwhile."""
    deadline = time.monotonic() + PATIENCE_S
    while left := {name: (before[name], now) for name, now in standing(floor).items() if is_more(now, before[name])}:
        assert time.monotonic() < deadline, left
        time.sleep(0.1)


def is_more(now: Any, before: Any) -> bool:
    """Tell whether a count, or one of several, has grown, or something else is another."""
    if isinstance(now, dict):
        return bool(Counter(now) - Counter(before))
    if isinstance(now, list):
        return any(one > other for one, other in zip(now, before, strict=True))
    return now > before if isinstance(now, int) else now != before


def memory(floor: Venue) -> int:
    """Return the bytes that the server's processes hold."""
    return sum(psutil.Process(process).memory_info().rss for process in (os.getpid(), *gateways()))


async def trading(floor: Venue, storming: asyncio.Task[None]) -> tuple[list[Any], list[Any], list[Any]]:
    """Trade until the storm is over; return the answers, the trades heard and the private messages heard."""
    answers: list[Any] = []
    async with (
        joined(floor, "/ws-api/v3") as api,
        joined(floor, f"/ws/{LOWER}@trade") as public,
        joined(floor, path("alice")) as private,
    ):
        assert (await hear(private))["type"] == "WELCOME"
        trades, heard = asyncio.Queue[Any](), asyncio.Queue[Any]()
        reading = [asyncio.create_task(keep(public, trades)), asyncio.create_task(keep(private, heard))]
        while not storming.done() or len(answers) < 10 or len(answers) % 2:
            side, name = ("SELL", "bob") if len(answers) % 2 == 0 else ("BUY", "alice")
            answers.append(await ask(api, "order.place", signed(name, **order(side, 1, "10.0000"))))
        await storming
        told = [await taken(trades, 1, answers), await taken(heard, 2, answers)]
        for task in reading:
            task.cancel()
    return answers, *told


async def keep(client: ClientConnection, heard: asyncio.Queue[Any]) -> None:
    while True:
        word = await hear(client)
        if "sequence" in word or "t" in word:
            await heard.put(word)


async def taken(heard: asyncio.Queue[Any], per_trade: int, answers: list[Any]) -> list[Any]:
    return [await asyncio.wait_for(heard.get(), PATIENCE_S) for _ in range(per_trade * len(answers) // 2)]


def test_a_storm_of_broken_connections_costs_a_trader_nothing_and_leaves_nothing(floor: Venue, quiet: None) -> None:
    numbers = count()

    async def weather() -> tuple[list[Any], list[Any], list[Any]]:
        return await trading(floor, asyncio.create_task(asyncio.to_thread(storm, floor, numbers)))

    storm(floor, numbers)  # what is made once is made now
    before = calm(floor)
    settled_before = memory(floor)
    answers, trades, heard = talk(weather)
    settled(floor, before)
    assert {answer["status"] for answer in answers} == {200}
    assert [trade["t"] for trade in trades] == list(range(trades[0]["t"], trades[0]["t"] + len(trades)))
    assert [word["sequence"] for word in heard] == list(range(heard[0]["sequence"], heard[0]["sequence"] + len(heard)))
    assert memory(floor) - settled_before < 40 << 20


@pytest.fixture
def silent(floor: Venue) -> Iterator[Raw]:
    """Return a connection with little room for what it does not read; it is not open yet."""
    with Raw(room_bytes=4096) as line:
        yield line


def orders_of_alice(floor: Venue) -> int:
    return len(floor.exchange.orders.open_orders(ALICE))


def gone_within(floor: Venue, begin_s: float) -> float:
    """Wait until nobody is connected and alice has no order; return how long that took."""
    hub = floor.websockets.hub
    while hub.connections or hub.topics or orders_of_alice(floor):
        assert time.monotonic() - begin_s < 2 * NOTICED_S, (len(hub.connections), orders_of_alice(floor))
        time.sleep(0.02)
    return time.monotonic() - begin_s


def test_a_peer_that_answers_no_ping_goes_with_its_orders_and_leaves_nothing(
    floor: Venue, silent: Raw, quiet: None
) -> None:
    before = calm(floor)
    silent.open(floor.port, API).ask(request("session.logon", signed("alice", cancelOnDisconnect="true")))
    silent.ask(request("userDataStream.subscribe", {}))
    silent.ask(request("order.place", order("BUY", 1, "9.0000", timestamp=time.time_ns() // 1000)))
    assert orders_of_alice(floor) == 1
    assert gone_within(floor, time.monotonic()) < NOTICED_S
    settled(floor, before)  # though the client has not closed its end


def test_a_peer_that_reads_no_more_goes_with_its_orders_and_leaves_nothing(
    floor: Venue, silent: Raw, quiet: None
) -> None:
    before = calm(floor)
    silent.open(floor.port, path("alice", cancel_on_disconnect="true"))
    floor.submit(commands.new_order(ALICE, TOKENS, Side.BUY, 500, 1))
    begin_s = time.monotonic()
    while floor.websockets.hub.connections:
        floor.submit(*(made for _ in range(100) for made in both_sides()))
        assert time.monotonic() - begin_s < PATIENCE_S
    gone_within(floor, time.monotonic())
    settled(floor, before)


def both_sides() -> tuple[bytes, bytes]:
    return tuple(
        commands.new_order(account, TOKENS, side, 1000, 1) for account, side in ((BOB, Side.SELL), (ALICE, Side.BUY))
    )


def test_who_sends_drop_by_drop_is_cut_in_time_and_leaves_nothing(floor: Venue, quiet: None) -> None:
    before = calm(floor)
    body = b"POST /v1/order HTTP/1.1\r\nhost: x\r\ncontent-length: 90\r\n\r\n"
    beginnings = (b"", b"GET /", upgrade(API)[:-2], body, body.replace(b"/v1/", b"/api/v3/"))
    begin_s = time.monotonic()
    with ExitStack() as opened:
        lines = [opened.enter_context(Raw(floor.port)).send(beginning) for beginning in beginnings * 4]
        while lines:
            assert time.monotonic() - begin_s < 2 * RECEIVE_S + 20, len(lines)
            time.sleep(0.2)
            lines = [line for line in lines if is_open(line)]
    assert time.monotonic() - begin_s > RECEIVE_S / 2
    settled(floor, before)


def is_open(line: Raw) -> bool:
    """Send one more byte; tell whether the server still listens."""
    try:
        line.send(b"x")
    except OSError:
        return False
    return True


def test_handshakes_without_end_are_refused_like_requests(tmp_path: Path) -> None:
    async def knock(served: Venue) -> tuple[int, Any]:
        try:
            async with joined(served, "/ws"):
                return 101, {}
        except InvalidStatus as refused:
            response = refused.response
            return response.status_code, (json.loads(response.body)["code"], int(response.headers["retry-after"]) > 0)

    async def conversation(served: Venue) -> list[tuple[int, Any]]:
        answers = [await knock(served)]
        while answers[-1][0] != 418 and len(answers) < 20:
            answers.append(await knock(served))
        return answers

    with venue(tmp_path, Limits(weight_per_minute=10, refusals_before_ban=2)) as served:
        answers = talk(lambda: conversation(served))
        assert served.services.limiter._connections == {}
    assert answers[:5] == [(101, {})] * 5
    assert answers[-3:] == [(429, (-1003, True))] * 2 + [(418, (-1003, True))]
