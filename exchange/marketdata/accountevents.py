"""What concerns each account, numbered 1, 2, 3 and on without a gap: the sequence of its private stream.

Folded from the events, so the numbers are the same after every restart. A trade, a transfer or a bust concerns two
accounts; where both are one it counts twice, first as the event's own account, then as its counterparty. Kept are the
numbers of an account's latest events; what they say is read from the event log.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from struct import Struct

import numpy as np

from exchange.events import Event, Events
from exchange.marketdata.folds.accountevents import ACCOUNT, ACCOUNTS, LEAF, LEAF_ROW, LEAVES_OF_EVENT, STATE, fold
from exchange.marketdata.folds.compiled import address
from exchange.marketdata.folds.pool import Pool

KEPT_MAX = 10_000  # per account
_ACCOUNT = Struct("<4q2I")  # rows of the fold
_LEAF = Struct(f"<q2I{LEAF}q")
_NOBODY = (0,) * 6

assert _ACCOUNT.size == ACCOUNT.itemsize
assert _LEAF.size == LEAF_ROW.itemsize


class AccountEvents:
    """The fold of all events since the first, to be read between calls of `apply`."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        """Keep so many of an account's latest events."""
        self.kept_max = kept_max
        self._states = np.zeros(1, STATE)
        self._state_at = address(self._states)
        self._states["leaves_max"] = kept_max // LEAF + 2  # the first and the last may be cut
        self._leaves = Pool(self._states["pools"][:, 0], LEAF_ROW)
        self._accounts = Pool(self._states["pools"][:, 1], ACCOUNT)
        fold(self._state_at, 0, 0, 0)  # it is compiled now, not when somebody waits for it

    @property
    def event_count(self) -> int:
        """Return how many events were applied so far."""
        return int(self._states["event_count"][0])

    def apply(self, rows: Iterable[Event]) -> None:
        """Apply the next events."""
        events = Events.of(rows)
        done, count = 0, len(events)
        while done < count:
            done = fold(self._state_at, events.address, done, count)
            if done < count:
                self._make_room(events[done])

    def latest(self, account: int) -> int:
        """Return the sequence of an account's latest event, 0 if there was none."""
        return self._account(account)[1]

    def latest_by(self, account: int, number: int) -> int:
        """Return the sequence of an account's latest event up to an event number, 0 if there was none by then."""
        dropped, numbers = self._since(account, number)
        return dropped + bisect_right(numbers, number)

    def earliest(self, account: int) -> int:
        """Return the sequence of an account's earliest event that is kept, 1 if there was none."""
        return max(1, self.latest(account) - self.kept_max + 1)

    def after(self, account: int, sequence: int) -> list[tuple[int, int]]:
        """Return sequence and number of the account's events behind one, the earliest kept first."""
        first = max(sequence + 1, self.earliest(account))
        dropped, numbers = self._numbers(account, self.latest(account) - first + 1)
        return list(enumerate(numbers[max(0, first - dropped - 1) :], first))

    def since(self, account: int, number: int) -> list[tuple[int, int]]:
        """Return sequence and number of the account's events with this number or a higher one."""
        dropped, numbers = self._since(account, number)
        index = bisect_left(numbers, number)
        return list(enumerate(numbers[index:], dropped + index + 1))

    def _account(self, account: int) -> tuple[int, ...]:
        if not 0 <= account < self._account_count:
            return _NOBODY
        return _ACCOUNT.unpack(self._accounts.bytes_of(account + 1))

    @property
    def _account_count(self) -> int:
        """Return how many accounts there is memory for: those of higher numbers have done nothing."""
        return int(self._states["pools"]["capacity"][0, ACCOUNTS]) - 1

    def _since(self, account: int, number: int) -> tuple[int, list[int]]:
        """Return the leaves that reach back to an event number, and how many events there were before them."""
        wanted = LEAF
        dropped, numbers = self._numbers(account, wanted)
        while numbers and numbers[0] >= number and wanted < self.latest(account):
            wanted *= 4
            dropped, numbers = self._numbers(account, wanted)
        return dropped, numbers

    def _numbers(self, account: int, wanted: int) -> tuple[int, list[int]]:
        """Return the numbers of at least so many of the latest events, and how many there were before them."""
        _, count, leaf_count, _, _, row = self._account(account)
        leaves: list[tuple[int, ...]] = []
        last = count - (count - 1) // LEAF * LEAF if count else 0  # numbers in the last leaf
        while len(leaves) < leaf_count and last + (len(leaves) - 1) * LEAF < wanted:
            leaf = _LEAF.unpack(self._leaves.bytes_of(row))
            leaves.append(leaf[3:])
            row = leaf[1]
        numbers = [number for leaf in reversed(leaves) for number in leaf]
        del numbers[len(numbers) - LEAF + last :]
        return count - len(numbers), numbers

    def _make_room(self, event: Event) -> None:
        """Grow what the fold stopped for."""
        while max(event.account, event.counter_account) >= self._account_count:
            self._accounts.grow()
        if self._leaves.room < LEAVES_OF_EVENT:
            self._leaves.grow()
