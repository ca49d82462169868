"""What concerns each account, numbered 1, 2, 3 and on without a gap: the sequence of its private stream.

Folded from the events, so the numbers are the same after every restart. A trade, a transfer or a bust concerns two
accounts; where both are one it counts twice, first as the event's own account, then as its counterparty. Kept are the
numbers of an account's latest events; what they say is read from the event log.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable

import numpy as np

from exchange.core.types import CommandKind, EndReason, EventKind, RejectReason, SelfTradePrevention
from exchange.events import Event

KEPT_MAX = 10_000  # per account
_ONE = frozenset(
    map(
        int,
        (
            EventKind.ORDER_ACCEPTED,
            EventKind.ORDER_CANCELED,
            EventKind.ORDER_EXPIRED,
            EventKind.ORDER_REPLACED,
            EventKind.ORDER_TRIGGERED,
            EventKind.DEPOSITED,
            EventKind.WITHDRAWN,
            EventKind.ISSUED,
            EventKind.REDEEMED,
            EventKind.UNITS_EXPIRED,
            EventKind.ACCOUNT_STATE_SET,
            EventKind.DEADMAN_SET,
        ),
    )
)
_TWO = frozenset(map(int, (EventKind.TRADED, EventKind.TRADE_BUSTED, EventKind.TRANSFERRED)))
_CANCELED, _PREVENTED = int(EventKind.ORDER_CANCELED), int(EventKind.MATCH_PREVENTED)
_DEADMAN_SET, _REJECTED = int(EventKind.DEADMAN_SET), int(EventKind.COMMAND_REJECTED)
_DECREMENT = int(SelfTradePrevention.DECREMENT)


class _Account:
    """The numbers of one account's latest events, and how many there were before them."""

    __slots__ = ("dropped", "numbers")

    def __init__(self) -> None:
        self.numbers = array("q")
        self.dropped = 0


class AccountEvents:
    """The fold of all events since the first, to be read between calls of `apply`."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        """Keep so many of an account's latest events."""
        self.kept_max = kept_max
        self.event_count = 0  # applied so far
        self._accounts: dict[int, _Account] = {}
        self._deadmen: dict[int, int] = {}  # accounts, and when their timers run out

    def apply(self, rows: Iterable[Event]) -> None:
        """Apply the next events."""
        number = self.event_count
        for event in rows:
            number += 1
            kind = event.kind
            if kind in _ONE:
                self._note(event.account, number)
                if kind == _DEADMAN_SET or (kind == _CANCELED and event.reason == EndReason.DEADMAN):
                    self._set_timer(event)
            elif kind in _TWO or (kind == _PREVENTED and event.self_trade_prevention == _DECREMENT):
                self._note(event.account, number)
                self._note(event.counter_account, number)
            elif kind == _REJECTED and event.state == CommandKind.FIRE_DEADMAN and self._has_fired(event):
                self._note(event.account, number)
        self.event_count = number

    def apply_redemptions(self, accounts: np.ndarray) -> None:
        """Apply further events all at once: redemptions by these accounts."""
        order = accounts.argsort(kind="stable")
        numbers = (order + self.event_count + 1).astype("<i8")
        names, begins = np.unique(accounts[order], return_index=True)
        for account, part in zip(names.tolist(), np.split(numbers, begins[1:]), strict=True):
            owner = self._accounts.setdefault(account, _Account())
            owner.numbers.frombytes(part.tobytes())
            if len(owner.numbers) > 2 * self.kept_max:
                self._trim(owner)
        self.event_count += len(accounts)

    def latest(self, account: int) -> int:
        """Return the sequence of an account's latest event, 0 if there was none."""
        owner = self._accounts.get(account)
        return 0 if owner is None else owner.dropped + len(owner.numbers)

    def latest_by(self, account: int, number: int) -> int:
        """Return the sequence of an account's latest event up to an event number, 0 if there was none by then."""
        owner = self._accounts.get(account)
        return 0 if owner is None else owner.dropped + bisect_right(owner.numbers, number)

    def earliest(self, account: int) -> int:
        """Return the sequence of an account's earliest event that is kept, 1 if there was none."""
        return max(1, self.latest(account) - self.kept_max + 1)

    def after(self, account: int, sequence: int) -> list[tuple[int, int]]:
        """Return sequence and number of the account's events behind one, the earliest kept first."""
        owner = self._accounts.get(account)
        if owner is None:
            return []
        first = max(sequence + 1, self.earliest(account))
        return list(enumerate(owner.numbers[first - owner.dropped - 1 :], first))

    def since(self, account: int, number: int) -> list[tuple[int, int]]:
        """Return sequence and number of the account's events with this number or a higher one."""
        owner = self._accounts.get(account)
        if owner is None:
            return []
        index = bisect_left(owner.numbers, number)
        return list(enumerate(owner.numbers[index:], owner.dropped + index + 1))

    def _note(self, account: int, number: int) -> None:
        owner = self._accounts.get(account)
        if owner is None:
            owner = self._accounts[account] = _Account()
        numbers = owner.numbers
        numbers.append(number)
        if len(numbers) > 2 * self.kept_max:
            self._trim(owner)

    def _trim(self, owner: _Account) -> None:
        numbers = owner.numbers
        owner.dropped += len(numbers) - self.kept_max
        del numbers[: -self.kept_max]

    def _set_timer(self, event: Event) -> None:
        self._deadmen.pop(event.account, None)
        if event.kind == _DEADMAN_SET and event.amount:
            self._deadmen[event.account] = event.amount

    def _has_fired(self, event: Event) -> bool:
        """Tell whether a timer that can no longer fire had no order to end: its own event there is none of."""
        if event.reason != RejectReason.TIMER_NOT_DUE:
            return False
        due_ns = self._deadmen.get(event.account)
        if due_ns is None or due_ns > event.time_ns:
            return False
        del self._deadmen[event.account]
        return True
