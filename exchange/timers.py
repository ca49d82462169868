"""What is due at a time: orders to expire, dead-man timers to fire, stops to wake where a command had no work left.

A view like the others, folded from the events: nothing here is kept but what they say, so pending timers are there
again after a restart. What was handed out stays due until an event says that it is done.
"""

from collections.abc import Callable, Iterable
from heapq import heappop, heappush

import numpy as np

from exchange.core import commands
from exchange.core.types import WORK_MAX, CommandKind, EndReason, EventKind, OrderFlag, RejectReason, TradingState
from exchange.events import Event, Events
from exchange.events import rows as sieved

_SLEEPING = int(OrderFlag.SLEEPING)
_IS_END = np.isin(np.arange(256), (EventKind.ORDER_CANCELED, EventKind.ORDER_EXPIRED))
_RARE = frozenset((
    int(EventKind.ORDER_TERMS),
    int(EventKind.ORDER_TRIGGERED),
    int(EventKind.MASS_CANCELED),
    int(EventKind.DEADMAN_SET),
    int(EventKind.STOPS_WAITING),
    int(EventKind.STOPS_WOKEN),
    int(EventKind.TRADING_STATE_SET),
    int(EventKind.COMMAND_REJECTED),
))  # fmt: skip
_IS_RARE = np.isin(np.arange(256), list(_RARE))
_DEADMAN_REASON = int(EndReason.DEADMAN)
_AWAKE = bytes(flags for flags in range(256) if not flags & _SLEEPING)
_FEW = 64  # events, up to which it is quicker to look at each
_ORDER, _DEADMAN = 0, 1  # what an entry of the heap is about


class Timers:
    """The fold of all events since the first, to be read between calls of `apply`."""

    def __init__(self, is_open: Callable[[int], bool]) -> None:
        """`is_open` says whether an order can still be filled: a fill is no event of the maker's own."""
        self._is_open = is_open
        self._ends: dict[int, int] = {}  # GTD orders, until when
        self._deadmen: dict[int, int] = {}  # accounts, and when their timers run out
        self._heap: list[tuple[int, int, int]] = []  # (time, what, order or account); stale entries are passed over
        self._due: dict[tuple[int, int], None] = {}  # taken off the heap, not yet known to be done; in order
        self._asleep: dict[int, int] = {}  # instruments, how many stops sleep there
        self._waiting: dict[int, int] = {}  # instruments whose stops wait, and since which sequence
        self._unfinished: dict[int, None] = {}  # accounts whose timer ended as many orders as one command may
        self._fired = (0, 0)  # sequence and account of the latest order that a dead-man timer ended
        self._handlers: dict[int, Callable[[Event], None]] = {
            EventKind.ORDER_ACCEPTED: self._on_accepted,
            EventKind.ORDER_TERMS: self._on_terms,
            EventKind.ORDER_TRIGGERED: self._on_triggered,
            EventKind.ORDER_CANCELED: self._on_ended,
            EventKind.ORDER_EXPIRED: self._on_ended,
            EventKind.MASS_CANCELED: self._on_mass_canceled,
            EventKind.DEADMAN_SET: self._on_deadman_set,
            EventKind.STOPS_WAITING: self._on_stops_waiting,
            EventKind.STOPS_WOKEN: self._on_stops_woken,
            EventKind.TRADING_STATE_SET: self._on_trading_state,
            EventKind.COMMAND_REJECTED: self._on_rejected,
        }

    def apply(self, rows: Iterable[Event]) -> None:
        """Apply the next events."""
        events = Events.of(rows)
        if events.kinds.isdisjoint(self._handlers) or self._is_ordinary(events):
            return
        handlers = self._handlers
        for event in events if len(events) <= _FEW else sieved(events.array[self._matter(events.array)]):
            handler = handlers.get(event.kind)
            if handler is not None:
                handler(event)

    def _is_ordinary(self, events: Events) -> bool:
        """Tell whether there are but orders that come and go, no stop among them, and none ends at a time."""
        if self._ends or not events.kinds.isdisjoint(_RARE):
            return False
        array = events.array
        return _DEADMAN_REASON not in array["reason"].tobytes() and not array["flags"].tobytes().translate(None, _AWAKE)

    def _matter(self, events: np.ndarray) -> np.ndarray:
        """Tell which of many events may change anything: hardly an order is a stop or ends at a time."""
        kinds = events["kind"]
        is_ended = _IS_END[kinds]
        is_timed = is_ended if self._ends else is_ended & (events["reason"] == EndReason.DEADMAN)
        matter: np.ndarray = _IS_RARE[kinds] | is_timed | ((events["flags"] & _SLEEPING) != 0)
        return matter

    def due(self, time_ns: int, limit: int) -> list[bytes]:
        """Return the commands that are due at a time, at most `limit`, the earliest first."""
        heap = self._heap
        while heap and heap[0][0] <= time_ns:
            _, what, number = heappop(heap)
            self._due[what, number] = None
        found = [commands.wake_stops(instrument) for instrument in self._waiting]
        found += [commands.mass_cancel(account) for account in self._unfinished]
        for what, number in list(self._due):
            if len(found) >= limit:
                break
            if self._is_pending(what, number, time_ns):
                found.append(commands.fire_deadman(number) if what == _DEADMAN else commands.expire_order(number))
            else:
                del self._due[what, number]
        return found[:limit]

    def deadman_ns(self, account: int) -> int:
        """Return when an account's dead-man timer runs out, 0 if none is set."""
        return self._deadmen.get(account, 0)

    def _is_pending(self, what: int, number: int, time_ns: int) -> bool:
        """Say whether a timer still stands, and not for a later time; forget that of an order that was filled."""
        if what == _DEADMAN:
            return number in self._deadmen and self._deadmen[number] <= time_ns
        if number in self._ends and not self._is_open(number):
            del self._ends[number]
        return number in self._ends

    def _on_accepted(self, event: Event) -> None:
        if event.flags & _SLEEPING:
            self._asleep[event.instrument] = self._asleep.get(event.instrument, 0) + 1

    def _on_terms(self, event: Event) -> None:
        if event.amount:
            self._ends[event.order_id] = event.amount
            heappush(self._heap, (event.amount, _ORDER, event.order_id))

    def _on_triggered(self, event: Event) -> None:
        self._asleep[event.instrument] -= 1

    def _on_ended(self, event: Event) -> None:
        self._ends.pop(event.order_id, None)
        if event.flags & _SLEEPING:
            self._asleep[event.instrument] -= 1
        if event.reason == EndReason.DEADMAN and event.kind == EventKind.ORDER_CANCELED:
            self._deadmen.pop(event.account, None)
            self._fired = (event.sequence, event.account)

    def _on_mass_canceled(self, event: Event) -> None:
        goes_on = event.account in self._unfinished or self._fired == (event.sequence, event.account)
        self._unfinished.pop(event.account, None)
        if goes_on and event.leaves_lots and event.quantity_lots >= WORK_MAX:
            self._unfinished[event.account] = None

    def _on_deadman_set(self, event: Event) -> None:
        self._deadmen.pop(event.account, None)
        if event.amount:
            self._deadmen[event.account] = event.amount
            heappush(self._heap, (event.amount, _DEADMAN, event.account))

    def _on_stops_waiting(self, event: Event) -> None:
        self._waiting[event.instrument] = event.sequence

    def _on_stops_woken(self, event: Event) -> None:
        if self._waiting.get(event.instrument) != event.sequence:
            self._waiting.pop(event.instrument, None)

    def _on_trading_state(self, event: Event) -> None:
        """Look at the stops that sleep when continuous trading begins: they wake in it alone, but not by themselves."""
        if event.state != TradingState.CONTINUOUS:
            self._waiting.pop(event.instrument, None)
        elif self._asleep.get(event.instrument):
            self._waiting[event.instrument] = event.sequence

    def _on_rejected(self, event: Event) -> None:
        """Forget what turned out to be done, or to be impossible; an order that is not due yet stays."""
        match event.state:
            case CommandKind.EXPIRE_ORDER if event.reason == RejectReason.UNKNOWN_ORDER:
                self._ends.pop(event.order_id, None)
            case CommandKind.FIRE_DEADMAN:
                self._settle_deadman(event)
            case CommandKind.WAKE_STOPS:
                self._waiting.pop(event.instrument, None)
            case CommandKind.MASS_CANCEL:
                self._unfinished.pop(event.account, None)

    def _settle_deadman(self, event: Event) -> None:
        if self._deadmen.get(event.account, event.time_ns) <= event.time_ns:
            self._deadmen.pop(event.account, None)  # it fired before, and there was no order to end
