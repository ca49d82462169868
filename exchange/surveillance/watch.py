"""The watch: hands every event to the detectors, and takes down what they find, by hours and days of the events' time.

A view like the others: it reads events and nothing else, so a start finds again what was found before, and it never
sends a command. Whoever acts on an alert is a person.
"""

from collections.abc import Sequence

import numpy as np

from exchange.core.types import SECOND_NS, EventKind
from exchange.events import Event, Events, rows
from exchange.methodology import day_of
from exchange.surveillance.alerts import ALERTS_MAX, AlertLog, Finding
from exchange.surveillance.flows import Flows
from exchange.surveillance.holdings import Holdings
from exchange.surveillance.interest import Bounds, Found, Interests

HOUR_NS = 3_600 * SECOND_NS
EVENTS_AT_ONCE = 1_024
FOUND_MAX = 3  # by one event
_REDEEMED = int(EventKind.REDEEMED)
_TRADED = int(EventKind.TRADED)
_ACCOUNT_CREATED = int(EventKind.ACCOUNT_CREATED)
_TRADING_STATE_SET = int(EventKind.TRADING_STATE_SET)


class Watch:
    """The fold of all events since the first."""

    def __init__(self, alerts_max: int = ALERTS_MAX, bounds: Bounds | None = None) -> None:
        self.alerts = AlertLog(alerts_max)
        self._groups: dict[int, int] = {}
        self._interests = Interests(bounds)
        self._flows = Flows()
        self._holdings = Holdings(self._group)
        self._hour = 0
        self._turn_ns = 0
        self._day = 0
        self._alerts_before = 0  # this hour

    def apply(self, events: Sequence[Event]) -> None:
        """Apply the next events."""
        told = Events.of(events)
        done, count = 0, len(told)
        while done < count:
            end = min(count, done + EVENTS_AT_ONCE)
            done = self._interests.apply(told, done, end, is_merging=self._may_merge(end - done))
            self._take_down(told.array)
            if done < end:
                self._go_on(rows(told.array[done : done + 1])[0])

    def apply_array(self, events: np.ndarray) -> None:
        """Apply the next events, runs of redemptions all at once."""
        for span in Events(events).spans():
            if span.is_use:
                self._redeem_many(span.array)
            else:
                self.apply(span)

    def _redeem_many(self, events: np.ndarray) -> None:
        times_ns = events["time_ns"]
        while times_ns[-1] >= self._turn_ns:
            first = int(times_ns.searchsorted(self._turn_ns))
            self._turn(rows(events[first : first + 1])[0])
        self._holdings.redeem_many(events["asset"], events["amount"])

    def _may_merge(self, count: int) -> bool:
        """Tell whether no alert of this hour can be forgotten meanwhile, so that it may be made longer all at once."""
        return self.alerts.count - self._alerts_before + FOUND_MAX * count <= self.alerts.alerts_max

    def _go_on(self, event: Event) -> None:
        """Do what the orders' fold stopped for: an event of another hour, or one without room."""
        if event.time_ns >= self._turn_ns:
            self._turn(event)
        else:
            self._interests.make_room(event)

    def _take_down(self, events: np.ndarray) -> None:
        """Take down what the last events have shown, and give others to the other detectors, in their order."""
        found, others = self._interests.found(), self._interests.others
        noted = 0
        if len(others):
            for place, event in zip(others.tolist(), rows(events[others]), strict=True):
                while noted < len(found) and found[noted].place < place:
                    self._note_found(found[noted])
                    noted += 1
                self._apply(event)
        for one in found[noted:]:
            self._note_found(one)

    def _apply(self, event: Event) -> None:
        kind = event.kind
        if kind == _TRADED:
            self._trade(event)
        elif kind == _REDEEMED:
            self._holdings.redeem(event)
        elif kind == _ACCOUNT_CREATED:
            self._groups[event.account] = event.counter_account
        elif kind == _TRADING_STATE_SET:
            self._flows.set_state(event)
        else:
            self._note(event, self._holdings.apply(event))

    def _trade(self, event: Event) -> None:
        taker, maker = self._group(event.account), self._group(event.counter_account)
        self._note(event, self._flows.apply(event, taker, maker))
        if taker != maker:
            self._note(event, self._holdings.trade(event, taker, maker))

    def _turn(self, event: Event) -> None:
        """Begin another hour, and another day, when an event is of one."""
        self._hour = hour = event.time_ns // HOUR_NS
        self._turn_ns = (hour + 1) * HOUR_NS
        self._alerts_before = self.alerts.count
        self._interests.begin_window(hour, self._turn_ns)
        self._flows.begin_window()
        self._holdings.begin_hour()
        day = day_of(event.time_ns)
        if day != self._day:
            self._note(event, self._flows.end_day())
            self._day = day
            self._holdings.begin_day()

    def _note(self, event: Event, found: list[Finding]) -> None:
        for finding in found:
            self.alerts.add(finding, self._hour, event.sequence, event.time_ns)

    def _note_found(self, found: Found) -> None:
        finding, last_ns = found.finding, found.last_ns
        self.alerts.add(finding, self._hour, found.last_sequence, last_ns, found.first_ns, found.found_count)

    def _group(self, account: int) -> int:
        return self._groups.get(account, account)
