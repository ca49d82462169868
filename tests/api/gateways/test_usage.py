"""Limits over all gateways together: weights, orders and bans are those of one door, also for a gateway that is new."""

import asyncio
import os
import signal
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from itertools import cycle

import httpx
import psutil
import pytest

from api.errors import RequestError
from api.gateways.usage import Usage
from api.limits import Limiter, Limits
from tests.api.gateways.test_fleet import Behind, gateways, until
from tests.api.venue import Client

PRICE = "10.0000"
LIMITS = Limits(weight_per_minute=60, refusals_before_ban=20, connections_per_address_max=40)
LINES = 6  # of one client; at least one to each gateway


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    served = Behind(tmp_path_factory.mktemp("behind"), LIMITS)
    served.start()
    try:
        yield served
    finally:
        served.stop()


@pytest.fixture
def clients(behind: Behind) -> Iterator[list[Client]]:
    """Return clients with a connection of their own each, some of each gateway."""
    with ExitStack() as opened:
        found: list[Client] = []
        while len(found) < LINES or not all(connections(process) for process in gateways()):
            found.append(Client(behind.base, "alice"))
            opened.callback(found[-1].close)
            assert placed(found[-1], f"first-{len(found)}").status_code == 200
        yield found


def connections(process: int) -> int:
    """Return how many clients a gateway serves."""
    return sum(1 for line in psutil.Process(process).net_connections("tcp4") if line.status == "ESTABLISHED")


def placed(client: Client, name: str) -> httpx.Response:
    return client.order("BUY", 1, PRICE, newClientOrderId=name)


def test_who_comes_through_several_gateways_has_one_limit_and_one_ban(behind: Behind, clients: list[Client]) -> None:
    begin_s, used = time.monotonic(), len(clients)
    for number, client in zip(range(LIMITS.weight_per_minute), cycle(clients), strict=False):
        answer = placed(client, f"u-{number}")
        if answer.status_code == 200:
            used += 1
            assert int(answer.headers["x-mbx-used-weight-1m"]) > used - 3 - (time.monotonic() - begin_s)
    refilled = time.monotonic() - begin_s + 2
    assert LIMITS.weight_per_minute <= used <= LIMITS.weight_per_minute + refilled
    until(lambda: placed(clients[0], "more").status_code == 418)
    assert {placed(client, "more").status_code for client in clients} == {418}
    assert clients[0].get("/api/v3/time").status_code == 418  # which the exchange's process answers
    before = gateways()
    for process in before:
        os.kill(process, signal.SIGKILL)
    until(lambda: len(gateways() - before) == len(before) and is_banned(behind))


def test_connections_have_one_limit_and_go_with_their_gateway(behind: Behind) -> None:
    limit = LIMITS.connections_per_address_max
    with ExitStack() as opened:
        let_in = 0
        for _ in range(3 * limit):
            line = opened.enter_context(socket.create_connection(("127.0.0.1", behind.port), 30))
            line.sendall(b"GET /api/v3/ping HTTP/1.1\r\nHost: here\r\n\r\n")
            let_in += not line.recv(1_000).startswith(b"HTTP/1.1 503")
        assert limit - LINES <= let_in < 1.5 * limit  # each for itself the gateways would let in twice as many
        until(lambda: not is_let_in(behind))
        before = gateways()
        for process in before:
            os.kill(process, signal.SIGKILL)
        until(lambda: len(gateways() - before) == len(before) and is_let_in(behind))


def is_let_in(served: Behind) -> bool:
    """Return whether a connection is served, whatever it is told."""
    with closing(Client(served.base, "alice")) as client:
        try:
            return placed(client, "late").status_code != 503
        except httpx.HTTPError:
            return False


def test_connections_of_a_process_that_has_gone_are_counted_out() -> None:
    async def main() -> list[list[int]]:
        limits = Limits(connections_max=5, connections_per_address_max=3)
        office, one, other = (Limiter(limits) for _ in range(3))
        told: list[bytes] = []
        held: Counter[str] = Counter()
        here, there = Usage(office, lambda: 0, told.append), Usage(other, lambda: 0, told.append)
        Usage(one, lambda: 0, told.append)
        for address in ("a", "a", "b", "c"):
            assert one.open_connection(address) is None
        one.close_connection("c")  # within the turn: nobody hears of it
        await asyncio.sleep(0)
        here.hear(told[0], held)
        there.hear(here.standing())
        assert (held, len(told)) == ({"a": 2, "b": 1}, 1)
        counts = [[limiter._connections["a"], limiter._connection_count] for limiter in (office, one, other)]
        assert other.open_connection("a") is None
        problem = other.open_connection("a")
        assert problem is not None
        there.hear(here.closed(held))
        assert [other._connections, other._connection_count, office._connections] == [{"a": 2}, 2, {}]
        return counts

    assert asyncio.run(main()) == [[2, 3]] * 3


def test_what_is_about_to_be_told_is_not_told_twice_to_who_begins() -> None:
    async def main() -> dict[str, int]:
        here, late = Limiter(LIMITS), Limiter(LIMITS)
        told: list[bytes] = []
        usage = Usage(here, lambda: 0, told.append)
        here.open_connection("a")
        standing = usage.standing()
        del told[:]  # to those who were there before
        begun = Usage(late, lambda: 0, lambda _: None)
        begun.hear(standing)
        await asyncio.sleep(0)
        for payload in told:
            begun.hear(payload)
        return late._connections

    assert asyncio.run(main()) == {"a": 1}


def is_banned(served: Behind) -> bool:
    with closing(Client(served.base, "alice")) as client:
        try:
            return placed(client, "late").status_code == 418
        except httpx.HTTPError:
            return False


def test_what_one_takes_the_other_has_not_and_nothing_is_told_twice() -> None:
    async def main() -> list[list[int]]:
        here, there = Limiter(LIMITS), Limiter(LIMITS)
        told: list[bytes] = []
        one = Usage(here, lambda: 0, told.append)
        other = Usage(there, lambda: 0, told.append)
        here.take_weight("a", 20, 0)
        here.take_weight("a", 20, 0)
        here.take_orders(7, 3, 0)
        await asyncio.sleep(0)
        assert len(told) == 1  # a turn's, in one message
        other.hear(told[0])
        there.take_weight("a", 10, 0)
        await asyncio.sleep(0)
        one.hear(told[1])
        assert len(told) == 2  # what was heard is not told on
        late = Limiter(LIMITS)
        Usage(late, lambda: 0, told.append).hear(one.standing())
        return [[limiter.take_weight("a", 1, 0), limiter.orders_used(7, 0)] for limiter in (here, there, late)]

    assert asyncio.run(main()) == [[51, 3]] * 3


def test_too_much_on_the_way_is_waited_for_and_a_ban_is_everybody_s() -> None:
    async def main() -> None:
        here, there = Limiter(LIMITS), Limiter(LIMITS)
        told: list[bytes] = []
        Usage(here, lambda: 0, told.append)
        other = Usage(there, lambda: 0, lambda _: None)
        there.take_weight("a", 60, 0)
        here.take_weight("a", 60, 0)
        for _ in range(LIMITS.refusals_before_ban + 1):
            with pytest.raises(RequestError):
                here.take_weight("a", 1, 0)
        await asyncio.sleep(0)
        other.hear(told[0])
        with pytest.raises(RequestError) as refused:
            there.take_weight("a", 1, 0)
        assert refused.value.problem.status == 418
        assert there._weights.wait_s("a", 1, 0) == 61

    asyncio.run(main())
