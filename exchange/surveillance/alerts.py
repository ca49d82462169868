"""Alerts: what was found, about whom, and the range of the journal that shows it. Only so many are kept."""

from collections import OrderedDict
from enum import StrEnum
from typing import NamedTuple

ALERTS_MAX = 10_000


class AlertKind(StrEnum):
    """What a pattern is called."""

    ORDER_TO_TRADE = "ORDER_TO_TRADE"
    QUICK_CANCELS = "QUICK_CANCELS"
    SPOOFING = "SPOOFING"
    LAYERING = "LAYERING"
    WASH_TRADE = "WASH_TRADE"
    MATCHED_PAIR = "MATCHED_PAIR"
    CIRCULAR_TRADES = "CIRCULAR_TRADES"
    MARKING_THE_CLOSE = "MARKING_THE_CLOSE"
    CORNERING = "CORNERING"
    USAGE_FRAUD = "USAGE_FRAUD"


class Finding(NamedTuple):
    """What a detector saw: groups (or, for usage, the account), where, from which command on, and the figures."""

    kind: AlertKind
    groups: tuple[int, ...]
    instrument: int  # 0: no one instrument's
    first_sequence: int
    facts: dict[str, int]


class Alert(NamedTuple):
    """A finding, taken down; the same again within its window makes it longer, not another one."""

    number: int
    kind: str
    groups: tuple[int, ...]
    instrument: int
    window: int  # which hour or day it was found in
    first_sequence: int
    last_sequence: int
    first_ns: int
    last_ns: int
    found_count: int
    facts: dict[str, int]

    @property
    def case(self) -> str:
        """Return the case it belongs to: the same pattern of the same groups in the same instrument."""
        return f"{self.kind}-{'-'.join(map(str, self.groups))}-{self.instrument}"


class AlertLog:
    """The latest alerts."""

    def __init__(self, alerts_max: int = ALERTS_MAX) -> None:
        self.alerts_max = alerts_max
        self._alerts: OrderedDict[tuple[object, ...], Alert] = OrderedDict()
        self.count = 0

    def add(
        self, finding: Finding, window: int, sequence: int, time_ns: int, first_ns: int | None = None, count: int = 1
    ) -> None:
        """Take a finding down, or so many of one alert: the last of them, and the time of the first."""
        key = (finding.kind, finding.groups, finding.instrument, window)
        known = self._alerts.get(key)
        if known is not None:
            self._alerts[key] = known._replace(
                last_sequence=sequence, last_ns=time_ns, found_count=known.found_count + count, facts=finding.facts
            )
            return
        self.count += 1
        self._alerts[key] = Alert(
            self.count,
            finding.kind.value,
            finding.groups,
            finding.instrument,
            window,
            finding.first_sequence,
            sequence,
            time_ns if first_ns is None else first_ns,
            time_ns,
            count,
            finding.facts,
        )
        if len(self._alerts) > self.alerts_max:
            self._alerts.popitem(last=False)

    def after(self, number: int, limit: int) -> list[Alert]:
        """Return alerts behind a number, oldest first."""
        return [alert for alert in self._alerts.values() if alert.number > number][:limit]

    def cases(self) -> dict[str, list[Alert]]:
        """Return the alerts of each case, in the order of the first."""
        found: dict[str, list[Alert]] = {}
        for alert in self._alerts.values():
            found.setdefault(alert.case, []).append(alert)
        return found
