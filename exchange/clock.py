"""The only place where the exchange reads a clock: time enters the core inside commands."""

import time
from typing import Protocol


class Clock(Protocol):
    """Whatever tells the time."""

    def now_ns(self) -> int:
        """Return the time since 1970 in nanoseconds; it may fall when the system's clock is set."""

    def monotonic_ns(self) -> int:
        """Return a time in nanoseconds that never falls, for durations only."""


class SystemClock:
    """The machine's clock."""

    def now_ns(self) -> int:
        """Return the time since 1970 in nanoseconds."""
        return time.time_ns()

    def monotonic_ns(self) -> int:
        """Return nanoseconds since an arbitrary moment."""
        return time.monotonic_ns()


class ManualClock:
    """A clock that stands still until it is set: for replays and tests."""

    def __init__(self, time_ns: int = 0) -> None:
        """Start at a time."""
        self.time_ns = time_ns

    def now_ns(self) -> int:
        """Return the time that was set last."""
        return self.time_ns

    def monotonic_ns(self) -> int:
        """Return the time that was set last."""
        return self.time_ns
