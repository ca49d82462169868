"""Waiting for files to change, and for time to pass."""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from settlement import watch
from settlement.watch import Timer, Watch, pause

LONG = 30.0


def _seconds(wait: Callable[[], Awaitable[None]]) -> float:
    async def timed() -> float:
        start = time.monotonic()
        await wait()
        return time.monotonic() - start

    return asyncio.run(timed())


def test_a_pause_ends_with_its_time_or_with_stop() -> None:
    stopped = asyncio.Event()
    stopped.set()
    assert 0.05 <= _seconds(lambda: pause(asyncio.Event(), 0.05)) < LONG
    assert _seconds(lambda: pause(stopped, LONG)) < LONG / 2


def test_a_timer_wakes_after_its_own_time_at_the_latest() -> None:
    timer = Timer(0.02)
    assert _seconds(lambda: timer.wait(asyncio.Event(), LONG)) < LONG / 2
    timer.close()


@pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux'")
@pytest.mark.parametrize("change", ["written", "made", "stopped", "nothing"])
def test_a_watch_wakes_when_something_happens(change: str, tmp_path: Path) -> None:
    folder = tmp_path / "events"

    async def run() -> float:
        stop, found = asyncio.Event(), Watch.open(folder)
        assert found is not None
        (folder / "old").write_bytes(b"1")
        await found.wait(stop, LONG)  # the sign that was given already
        start = time.monotonic()
        waiting = asyncio.create_task(found.wait(stop, 0.2 if change == "nothing" else LONG))
        await asyncio.sleep(0.05)
        if change == "written":
            with (folder / "old").open("ab") as file:
                file.write(b"2")
        elif change == "made":
            (folder / "new").touch()
        elif change == "stopped":
            stop.set()
        await waiting
        found.close()
        return time.monotonic() - start

    assert (0.2 if change == "nothing" else 0) <= asyncio.run(run()) < LONG / 2


@pytest.mark.parametrize("failing", ["platform", "inotify_init1", "inotify_add_watch"])
def test_where_there_is_no_inotify_there_is_no_watch(
    failing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if failing == "platform":
        monkeypatch.setattr(sys, "platform", "darwin")
    else:
        real = watch.ctypes.CDLL(None)

        class Libc:
            def __getattr__(self, name: str) -> Callable[..., int]:
                return (lambda *_: -1) if name == failing else getattr(real, name)

        monkeypatch.setattr(watch.ctypes, "CDLL", lambda *_, **__: Libc())

    async def run() -> Watch | None:
        return Watch.open(tmp_path)

    assert asyncio.run(run()) is None
