"""What groups show on the books: much on one side, a fill on the other, and the show withdrawn.

For each group and instrument the open lots of each side by price; a fill while the other side shows several times more
makes a suspicion, and most of that withdrawn soon and unfilled makes an incident. A market maker shows as much on
either side, and what a new quote takes off the book is no withdrawal. Beside it, by group: how many orders for a trade,
and how many of them were withdrawn at once, near the last price. All of it is counted by a compiled fold.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from exchange.core.jit import Record
from exchange.core.types import EventKind
from exchange.events import Event, Events
from exchange.marketdata.folds.compiled import address
from exchange.marketdata.folds.pool import Pool
from exchange.surveillance.alerts import AlertKind, Finding
from exchange.surveillance.folds.interests import QUICK, TOO_MANY, fold
from exchange.surveillance.folds.tables import CHAINS, COUNT, COUNTS, FINDING, INTEREST, LEVEL, RECENT, STATE
from exchange.surveillance.thresholds import LAYERS_MIN

ROOM_MIN = 2  # rows that an event may take of a pool
FINDINGS_MAX = 512  # told at once
FIRST_ROOM = 1_024
_TRADED = int(EventKind.TRADED)


class Bounds(NamedTuple):
    """How much is remembered."""

    interests: int = 50_000  # groups and instruments watched at once; the quietest are forgotten
    levels: int = 64  # prices told apart on one side
    recent: int = 65_536  # orders whose beginning is remembered


class Found(NamedTuple):
    """What a call has shown, maybe more than once: by which event first, how often, and by which command last."""

    place: int
    finding: Finding
    found_count: int
    first_ns: int
    last_ns: int
    last_sequence: int


class Interests:
    """The fold of what happens to orders."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        bounds = bounds or Bounds()
        self._states = np.zeros(1, STATE)
        self._state: Record = self._states[0]
        self._state_at = address(self._states)
        # each an array of one number in place: a field of a row takes Python ten times as long to read
        self._turn_ns, self._is_merging, self._finding_count, self._other_count = (
            self._states[name] for name in ("turn_ns", "is_merging", "finding_count", "other_count")
        )
        self._pools = [
            Pool(self._states["pools"][:, number], row) for number, row in enumerate((INTEREST, LEVEL, COUNT))
        ]
        self._chains = np.zeros((2, CHAINS), "<i8")
        self._recent, self._recent_chains = np.zeros(bounds.recent, RECENT), np.zeros(CHAINS, "<i8")
        self._findings = np.zeros(FINDINGS_MAX, FINDING)
        self._groups, self._last_ticks, self._others = (np.arange(0) for _ in range(3))
        state = self._state
        state["interests_max"], state["levels_max"], state["recent_max"] = bounds
        state["chains"] = [address(chains) for chains in self._chains]
        state["recent"], state["recent_chains"] = address(self._recent), address(self._recent_chains)
        state["findings"], state["findings_max"] = address(self._findings), FINDINGS_MAX
        self._make_room(FIRST_ROOM, FIRST_ROOM)
        self._set_others(FIRST_ROOM)
        fold(self._state_at, 0, 0, 0)  # it is compiled now, not when somebody waits for it

    def begin_window(self, window: int, turn_ns: int) -> None:
        """Count anew, until a time."""
        self._state["window"], self._turn_ns[0] = window, turn_ns
        self._chains[1] = 0
        self._pools[COUNTS].clear()

    def apply(self, events: Events, start: int, end: int, *, is_merging: bool) -> int:
        """Count events from one on, as many as are of this window; return the first that is not counted yet.

        What is found again is told once if `is_merging`.
        """
        if end - start > len(self._others):
            self._set_others(2 * (end - start))
        self._is_merging[0] = is_merging
        return int(fold(self._state_at, events.address, start, end))

    def make_room(self, event: Event) -> None:
        """Make room for an event at which the last call stopped, if it is that which it lacked."""
        for pool in self._pools:
            if pool.room < ROOM_MIN:
                pool.grow()
        other = event.counter_account if event.kind == _TRADED else 0
        self._make_room(max(event.account, other), event.instrument)

    @property
    def others(self) -> np.ndarray:
        """Return the places of the events, of the last call, that other detectors count."""
        return self._others[: self._other_count.item()]

    def found(self) -> list[Found]:
        """Return what the last call has shown, in the order of the events."""
        count = self._finding_count.item()
        return [_found(*row) for row in self._findings[:count].tolist()] if count else []

    def _make_room(self, account: int, instrument: int) -> None:
        """Have room for an account, whose own group it is until it is said to be another's, and an instrument."""
        if account >= len(self._groups):
            groups = np.arange(2 * account)
            groups[: len(self._groups)] = self._groups
            self._groups = groups
            self._state["groups"], self._state["group_count"] = address(groups), len(groups)
        if instrument >= len(self._last_ticks):
            last_ticks = np.zeros(2 * instrument, "<i8")
            last_ticks[: len(self._last_ticks)] = self._last_ticks
            self._last_ticks = last_ticks
            self._state["last_ticks"], self._state["instrument_count"] = address(last_ticks), len(last_ticks)

    def _set_others(self, size: int) -> None:
        self._others = np.zeros(size, "<i8")
        self._state["others"] = address(self._others)


def _found(
    place: int, kind: int, group: int, instrument: int, began: int, count: int, first_ns: int, last_ns: int,
    last_sequence: int, facts: Iterable[int],
) -> Found:  # fmt: skip
    """Give a finding its name and the names of its figures."""
    one, other, third = map(int, facts)  # in which an array's integers stand
    if kind == TOO_MANY:
        named, told = AlertKind.ORDER_TO_TRADE, {"messages": one, "trades": other}
    elif kind == QUICK:
        named, told = AlertKind.QUICK_CANCELS, {"quick_cancels": one, "orders": other, "trades": third}
    else:
        named = AlertKind.LAYERING if third >= LAYERS_MIN else AlertKind.SPOOFING
        told = {"incidents": one, "shown_lots": other, "prices": third}
    finding = Finding(named, (group,), instrument, began, told)
    return Found(place, finding, count, first_ns, last_ns, last_sequence)
