"""Surveillance behind the market: nothing is left out, and what it finds does not depend on its pace."""

import asyncio
from contextlib import suppress

import numpy as np
import pytest

from exchange.clock import ManualClock
from exchange.core.records import EVENT, EVENT_STRUCT
from exchange.events import EventLog
from exchange.surveillance.follower import Follower
from exchange.surveillance.watch import Watch
from tests.exchange.surveillance.scripts import Floor, spoof, wash


@pytest.fixture(scope="module")
def floor() -> Floor:
    floor = Floor()
    floor.quote(99, 101)
    spoof(floor)
    wash(floor, trades=3)
    return floor


@pytest.fixture
def log(tmp_path, floor):
    log = EventLog.open(tmp_path)
    log.append(np.frombuffer(b"".join(EVENT_STRUCT.pack(*row) for row in floor.seen), EVENT))
    yield log
    log.close()


@pytest.mark.parametrize("limit", [1, 7, 10_000])
def test_it_finds_the_same_at_every_pace(log, floor, limit) -> None:
    watch = Watch()
    follower = Follower(watch, log, ManualClock(), 20, 1)
    assert follower.behind == log.count > 50
    while follower.behind:
        follower.step(limit)
    assert watch.alerts.after(0, 100) == floor.watch.alerts.after(0, 100) != []


def test_it_follows_by_itself_and_tells_how_far_it_is_behind(log) -> None:
    follower = Follower(Watch(), log, ManualClock(), 20, 1)

    async def drive() -> None:
        task = asyncio.create_task(follower.run(16))
        await asyncio.sleep(0)
        assert 0 < follower.behind < log.count
        for _ in range(1_000):
            await asyncio.sleep(0)
        assert follower.behind == 0
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    asyncio.run(drive())


def test_a_failure_stops_nobody_and_shows(log) -> None:
    class Broken(Watch):
        def apply(self, rows) -> None:
            raise LookupError("a group that nobody knows")

    follower = Follower(Broken(), log, ManualClock(), 20, 1)
    asyncio.run(follower.run(16))
    assert follower.behind == log.count
