"""The watch: hands every event to the detectors, and takes down what they find, by hours and days of the events' time.

A view like the others: it reads events and nothing else, so a start finds again what was found before, and it never
sends a command. Whoever acts on an alert is a person.
"""

import numpy as np

from exchange.core.types import SECOND_NS, EventKind
from exchange.events import Event, Events, rows
from exchange.methodology import day_of
from exchange.surveillance.alerts import AlertLog, Finding
from exchange.surveillance.flows import Flows
from exchange.surveillance.holdings import Holdings
from exchange.surveillance.interest import Interests

HOUR_NS = 3_600 * SECOND_NS
_ORDERS = frozenset((
    int(EventKind.ORDER_ACCEPTED),
    int(EventKind.ORDER_TRIGGERED),
    int(EventKind.ORDER_REPLACED),
    int(EventKind.ORDER_CANCELED),
    int(EventKind.ORDER_EXPIRED),
))  # fmt: skip
_ASSETS = frozenset((
    int(EventKind.ASSET_CREATED),
    int(EventKind.INSTRUMENT_LISTED),
    int(EventKind.ISSUED),
    int(EventKind.UNITS_EXPIRED),
    int(EventKind.COMMAND_REJECTED),
))  # fmt: skip
_REDEEMED = int(EventKind.REDEEMED)
_TRADED = int(EventKind.TRADED)
_ACCOUNT_CREATED = int(EventKind.ACCOUNT_CREATED)


class Watch:
    """The fold of all events since the first."""

    def __init__(self) -> None:
        self.alerts = AlertLog()
        self._groups: dict[int, int] = {}
        self._interests = Interests()
        self._flows = Flows()
        self._holdings = Holdings(self._group)
        self._hour = 0
        self._turn_ns = 0
        self._day = 0

    def apply(self, events: list[Event]) -> None:
        """Apply the next events."""
        groups, interests = self._groups, self._interests
        for event in events:
            kind = event.kind
            if event.time_ns >= self._turn_ns:
                self._turn(event)
            if kind == _REDEEMED:
                self._holdings.redeem(event)
                continue
            if kind in _ORDERS:
                interests.apply(event, groups.get(event.account, event.account))
            elif kind == _TRADED:
                self._trade(event)
            elif kind in _ASSETS:
                self._note(event, self._holdings.apply(event))
            elif kind == _ACCOUNT_CREATED:
                groups[event.account] = event.counter_account
            if interests.found:
                self._note(event, interests.found)
                interests.found.clear()

    def apply_array(self, events: np.ndarray) -> None:
        """Apply the next events, runs of redemptions all at once."""
        for span in Events(events).spans():
            if span.is_use:
                self._redeem_many(span.array)
            else:
                self.apply(span.rows)

    def _redeem_many(self, events: np.ndarray) -> None:
        times_ns = events["time_ns"]
        while times_ns[-1] >= self._turn_ns:
            first = int(times_ns.searchsorted(self._turn_ns))
            self._turn(rows(events[first : first + 1])[0])
        self._holdings.redeem_many(events["asset"], events["amount"])

    def _trade(self, event: Event) -> None:
        taker, maker = self._group(event.account), self._group(event.counter_account)
        self._interests.trade(event, taker, maker)
        self._note(event, self._flows.apply(event, taker, maker))
        if taker != maker:
            self._note(event, self._holdings.trade(event, taker, maker))

    def _turn(self, event: Event) -> None:
        """Begin another hour, and another day, when an event is of one."""
        self._hour = hour = event.time_ns // HOUR_NS
        self._turn_ns = (hour + 1) * HOUR_NS
        self._interests.begin_window(hour)
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

    def _group(self, account: int) -> int:
        return self._groups.get(account, account)
