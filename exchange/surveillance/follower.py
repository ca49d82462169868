"""How surveillance keeps up: behind the market, out of the event log, with a share of the event loop's time.

Looking for patterns costs several times what matching costs, and nobody's answer waits for it. So the watch reads the
log from a position of its own: a burst leaves it behind for a while, nothing is left out, and what it finds depends on
the events alone. How far it is behind is told.
"""

import asyncio

import structlog

from exchange.clock import Clock
from exchange.events import EventLog
from exchange.surveillance.watch import Watch

log = structlog.get_logger()


class Follower:
    """Gives a watch the events of a log, in order."""

    def __init__(self, watch: Watch, events: EventLog, clock: Clock, share_percent: int, idle_ms: int) -> None:
        """Take so much of the time while behind, and look so often for something new."""
        assert 1 <= share_percent <= 100
        self._watch = watch
        self._events = events
        self._clock = clock
        self._rest = (100 - share_percent) / share_percent / 1e9  # seconds for each nanosecond of work
        self._idle_s = idle_ms / 1000
        self.position = 0  # number of the last event looked at

    @property
    def behind(self) -> int:
        """Return how many events have not been looked at yet."""
        return self._events.count - self.position

    def step(self, limit: int) -> None:
        """Look at the next events, at most so many."""
        found = self._events.read(self.position, limit)
        self._watch.apply_array(found)
        self.position += len(found)

    async def run(self, limit: int) -> None:
        """Follow for good, so many events at a time; a failure ends it, and from then on it is ever further behind."""
        try:
            while True:
                began_ns = self._clock.monotonic_ns()
                self.step(limit)
                spent_ns = self._clock.monotonic_ns() - began_ns
                await asyncio.sleep(spent_ns * self._rest if self.behind else self._idle_s)
        except Exception:
            log.exception("surveillance has stopped", position=self.position)
