"""How each market is run, folded from the events: phases and guards as they pass, and auctions as they form.

A notice is an event that all who trade an instrument should hear of; it has the event's number, so whoever has heard of
one knows from where to go on. What an auction would make is no notice: it holds only until the next order comes.
"""

from collections import deque
from collections.abc import Iterable
from itertools import takewhile
from typing import NamedTuple

from exchange.core.types import EventKind, TradingState
from exchange.events import Event, Events

NOTICES_MAX = 10_000  # kept of all instruments together
_INDICATED = int(EventKind.AUCTION_INDICATED)
_NOTICED = frozenset({
    int(kind)
    for kind in (
        EventKind.INSTRUMENT_LISTED,
        EventKind.TRADING_STATE_SET,
        EventKind.AUCTION_UNCROSSED,
        EventKind.MODE_SET,
        EventKind.GUARDS_SET,
    )
})  # fmt: skip
_HANDLED = _NOTICED | {_INDICATED}
_COLLECTING = frozenset({
    int(state)
    for state in (
        TradingState.PRE_OPEN,
        TradingState.CALL_OPEN,
        TradingState.CALL_NO_CANCEL,
        TradingState.VOLATILITY,
        TradingState.CALL_CLOSE,
    )
})  # fmt: skip


class Notice(NamedTuple):
    """What happened: the number of the event, and its fields as the event has them."""

    number: int
    sequence: int
    time_ns: int
    kind: int
    instrument: int
    state: int
    price_ticks: int
    quantity_lots: int
    leaves_lots: int


class Auction(NamedTuple):
    """What an auction would make as the book was: price (0: none), volume, and surplus of demand."""

    sequence: int
    time_ns: int
    price_ticks: int
    volume_lots: int
    surplus_lots: int


class Notices:
    """The fold of all events since the first, to be read between calls of `apply`."""

    def __init__(self, notices_max: int = NOTICES_MAX) -> None:
        self._notices: deque[Notice] = deque(maxlen=notices_max)
        self._auctions: dict[int, Auction] = {}
        self._collecting: set[int] = set()
        self._event_count = 0

    @property
    def last_number(self) -> int:
        """Return the number of the latest notice, 0 before the first."""
        return self._notices[-1].number if self._notices else 0

    @property
    def collecting(self) -> set[int]:
        """Return the instruments that collect orders for an auction; for reading."""
        return self._collecting

    def apply(self, rows: Iterable[Event]) -> None:
        """Apply the next events."""
        events = Events.of(rows)
        for number, event in events.chosen(_HANDLED):
            if event.kind in _NOTICED:
                self._note(self._event_count + 1 + number, event)
            else:
                self._auctions[event.instrument] = Auction(
                    event.sequence, event.time_ns, event.price_ticks, event.quantity_lots, event.leaves_lots
                )
        self._event_count += len(events)

    def auction(self, instrument: int) -> Auction | None:
        """Return what an auction would make, as it was last asked for in this phase."""
        return self._auctions.get(instrument)

    def read(self, after: int, limit: int, instrument: int = 0) -> list[Notice]:
        """Return the first `limit` notices behind a number, of one instrument or (0) of all."""
        behind = takewhile(lambda notice: notice.number > after, reversed(self._notices))
        return [notice for notice in behind if instrument in {0, notice.instrument}][::-1][:limit]

    def _note(self, number: int, event: Event) -> None:
        kind, instrument, state = event.kind, event.instrument, event.state
        if kind in {EventKind.TRADING_STATE_SET, EventKind.AUCTION_UNCROSSED}:
            self._auctions.pop(instrument, None)
            if state in _COLLECTING:
                self._collecting.add(instrument)
            else:
                self._collecting.discard(instrument)
        fields = (event.price_ticks, event.quantity_lots, event.leaves_lots)
        self._notices.append(Notice(number, event.sequence, event.time_ns, kind, instrument, state, *fields))
