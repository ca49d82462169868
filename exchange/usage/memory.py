"""How many ids the engine remembers, told from its events: what it could not remember for 72 hours must not be applied.

The engine forgets ids in the order in which they came, once they are 72 hours old. Here stands how many came in each
second, so what is left of its room is known to within one second, and never too high.
"""

from collections import deque

import numpy as np

from exchange.core.types import SECOND_NS, USAGE_ID_WINDOW_NS, EventKind

_NAMED = (EventKind.REDEEMED, EventKind.TRANSFERRED)
_REMEMBERED = frozenset({*map(int, _NAMED), int(EventKind.TRADE_BUSTED)})


class UsageMemory:
    """The fold of all events that the engine remembers an id of."""

    def __init__(self, ids_max: int) -> None:
        """`ids_max` is how many the engine has room for."""
        self._ids_max = ids_max
        self._seconds: deque[tuple[int, int]] = deque()  # the latest time of ids that came in one second; how many
        self._count = 0

    def apply(self, events: np.ndarray) -> None:
        """Count the ids of the next events."""
        kinds = events["kind"]
        if _REMEMBERED.isdisjoint(kinds.tobytes()):
            return
        named = np.isin(kinds, _NAMED) & ((events["order_id"] != 0) | (events["counter_order_id"] != 0))
        named |= kinds == EventKind.TRADE_BUSTED
        times_ns, counts = np.unique(events["time_ns"][named], return_counts=True)
        for time_ns, count in zip(times_ns.tolist(), counts.tolist(), strict=True):
            self._add(time_ns, count)

    def wait_ns(self, ids: int, now_ns: int) -> int:
        """Return how long it takes until there is room for so many more, 0 if there is."""
        self._forget(now_ns)
        missing = self._count + ids - self._ids_max
        if missing <= 0:
            return 0
        for time_ns, count in self._seconds:
            missing -= count
            if missing <= 0:
                return time_ns + USAGE_ID_WINDOW_NS - now_ns
        return USAGE_ID_WINDOW_NS  # of more than there is room for at all

    def _add(self, time_ns: int, count: int) -> None:
        self._forget(time_ns)
        self._count += count
        if self._seconds and self._seconds[-1][0] // SECOND_NS == time_ns // SECOND_NS:
            count += self._seconds.pop()[1]
        self._seconds.append((time_ns, count))

    def _forget(self, now_ns: int) -> None:
        while self._seconds and self._seconds[0][0] + USAGE_ID_WINDOW_NS <= now_ns:
            self._count -= self._seconds.popleft()[1]
