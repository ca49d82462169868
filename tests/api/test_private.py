"""An account's private stream: what was missed, then what happens, each once, numbered without a gap."""

import asyncio
from typing import Any

import pytest

from api.binance.directory import Directory
from api.private import REPLAY_CHUNK, PrivateStreams, is_private
from api.stream.config import StreamConfig
from api.v1.privatewords import private_streams
from exchange.core import commands
from exchange.marketdata.accountevents import AccountEvents
from tests.api.binance.floor import ALICE, BOB, CNY, Floor, Wire, buy, sell


class Private(Floor):
    """A floor with the private streams of our own dialect."""

    def __init__(self, kept_max: int = 10_000) -> None:
        super().__init__(StreamConfig(backlog_messages_max=10))
        self.account_events = AccountEvents(kept_max)
        self.account_events._states["event_count"] = self.event_count
        self.data: PrivateStreams = private_streams(self.hub, self, Directory(self.registry))  # type: ignore[arg-type]
        self.listeners.append(self.data.on_batch)

    def said(self, wire: Wire) -> list[Any]:
        """Return the numbered messages said since the last time."""
        self.turn()
        return [body for body in wire.take() if "sequence" in body]

    def deposit(self, count: int) -> None:
        self.act(*[commands.deposit(ALICE, CNY, 1) for _ in range(count)])


def sequences(bodies: list[Any]) -> list[int]:
    return [body["sequence"] for body in bodies]


def test_events_are_numbered_from_one_and_told_live() -> None:
    async def scenario() -> None:
        floor = Private()
        connection, wire = floor.connect()
        assert is_private(floor.data.subscribe(connection, ALICE))
        floor.act(buy(100, 2))
        floor.act(sell(100, 2), commands.deposit(ALICE, CNY, 5))
        told = floor.said(wire)
        assert [(body["sequence"], body["type"]) for body in told] == [
            (1, "ORDER_ACCEPTED"),
            (2, "TRADED"),
            (3, "DEPOSITED"),
        ]

    asyncio.run(scenario())


def test_what_was_missed_comes_first_then_what_happens_meanwhile_then_what_happens() -> None:
    async def scenario() -> None:
        floor = Private()
        floor.act(buy(100, 3))
        floor.deposit(2 * REPLAY_CHUNK)
        connection, wire = floor.connect()
        following = asyncio.create_task(floor.data.follow(connection, ALICE, 1))
        await asyncio.sleep(0)
        floor.act(sell(100, 1))  # the replay is under way: it will tell this, and exactly so
        floor.act(sell(100, 1))
        await following
        floor.act(sell(100, 1))
        told = floor.said(wire)

        assert sequences(told) == list(range(2, 2 * REPLAY_CHUNK + 5))
        assert [body["order"]["filled"] for body in told if body["type"] == "TRADED"] == ["1", "2", "3"]

    asyncio.run(scenario())


def test_nothing_is_lost_wherever_a_reader_breaks_off() -> None:
    async def scenario() -> None:
        floor = Private()
        for price in (100, 101, 102):
            floor.act(buy(price, 2), sell(price, 1), commands.withdraw(ALICE, CNY, 1))
        connection, wire = floor.connect()
        await floor.data.follow(connection, ALICE, 0)
        whole = floor.said(wire)
        assert sequences(whole) == list(range(1, len(whole) + 1))
        for after in range(len(whole) + 1):
            connection, wire = floor.connect()
            await floor.data.follow(connection, ALICE, after)
            assert floor.said(wire) == whole[after:]

    asyncio.run(scenario())


def test_a_replay_is_no_faster_than_its_reader() -> None:
    async def scenario() -> None:
        floor = Private()
        floor.deposit(3 * REPLAY_CHUNK)
        connection, wire = floor.connect()
        following = asyncio.create_task(floor.data.follow(connection, ALICE, 0))
        await asyncio.sleep(0)
        told = floor.said(wire)
        connection.pause()
        await asyncio.sleep(0.05)
        told += floor.said(wire)
        assert len(told) <= 2 * REPLAY_CHUNK
        connection.resume()
        await following
        assert sequences(told + floor.said(wire)) == list(range(1, 3 * REPLAY_CHUNK + 1))
        assert wire.finished is None

    asyncio.run(scenario())


@pytest.mark.parametrize(("after", "code"), [(0, -8120), (4, -8120), (5, 0), (10, 0), (11, -8121)])
def test_how_far_back_is_bounded_and_said(after: int, code: int) -> None:
    floor = Private(kept_max=5)
    floor.deposit(10)
    problem = floor.data.problem(ALICE, after)
    assert (problem.code if problem else 0) == code
    if code == -8120:
        assert problem is not None
        assert "Events before 6 are not replayed" in problem.message


def test_a_reader_that_falls_behind_what_is_kept_is_cut() -> None:
    async def scenario() -> None:
        floor = Private(kept_max=5)
        floor.deposit(10)
        connection, wire = floor.connect()
        following = asyncio.create_task(floor.data.follow(connection, ALICE, 5))
        await asyncio.sleep(0)
        floor.deposit(10)
        await following
        assert wire.finished is not None
        assert "not replayed" in wire.finished[1]

    asyncio.run(scenario())


def test_a_stream_of_another_dialect_is_not_ours_to_close() -> None:
    floor = Private()
    connection, _ = floor.connect()
    name = floor.data.subscribe(connection, BOB)
    floor.data.close(f"account {BOB} binance")
    assert BOB in floor.data._topics
    floor.data.close(name)
    assert BOB not in floor.data._topics
