"""Wait until files in a directory change, without looking again and again: Linux' inotify, and time elsewhere.

A waiter only says that it may be worth looking now; it may wake without need, and its longest wait is bounded.
"""

import asyncio
import contextlib
import ctypes
import os
import sys
from pathlib import Path
from typing import Protocol, Self

_IN_MODIFY, _IN_CREATE, _IN_MOVED_TO = 0x2, 0x100, 0x80
_EVENTS = _IN_MODIFY | _IN_CREATE | _IN_MOVED_TO
_READ_BYTES = 1 << 16


class Waiter(Protocol):
    """Whoever can tell when to look again."""

    async def wait(self, stop: asyncio.Event, seconds: float) -> None:
        """Return when there may be something new, when `stop` is set, or after `seconds`."""

    def close(self) -> None:
        """Give up what is held for waiting."""


class Timer:
    """Wakes after a fixed time: for sources that give no sign."""

    def __init__(self, seconds: float) -> None:
        """Wake after so many seconds at the latest."""
        self._seconds = seconds

    async def wait(self, stop: asyncio.Event, seconds: float) -> None:
        """Return after the shorter of both times, or when `stop` is set."""
        await pause(stop, min(seconds, self._seconds))

    def close(self) -> None:
        """Hold nothing, give up nothing."""


class Watch:
    """Wakes when something is written in a directory."""

    def __init__(self, file: int) -> None:
        """Use `open`."""
        self._file = file
        self._changed = asyncio.Event()

    @classmethod
    def open(cls, directory: Path) -> Self | None:
        """Watch a directory, made if need be, from the running loop on; None where the system cannot."""
        if sys.platform != "linux":
            return None
        directory.mkdir(parents=True, exist_ok=True)
        libc = ctypes.CDLL(None, use_errno=True)
        file = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if file < 0:
            return None
        if libc.inotify_add_watch(file, os.fsencode(directory), _EVENTS) < 0:
            os.close(file)
            return None
        watch = cls(file)
        asyncio.get_running_loop().add_reader(file, watch._read)
        return watch

    async def wait(self, stop: asyncio.Event, seconds: float) -> None:
        """Return when something was written since the last call, when `stop` is set, or after `seconds`."""
        waiting = [asyncio.create_task(event.wait()) for event in (self._changed, stop)]
        try:
            await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()
        self._changed.clear()

    def close(self) -> None:
        """Stop watching."""
        asyncio.get_running_loop().remove_reader(self._file)
        os.close(self._file)

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._file, _READ_BYTES)
        self._changed.set()


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until `stop` is set."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
