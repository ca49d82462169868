"""How markets are run, as streams: phases and auctions, changes of instruments, announcements.

`<symbol>@phase` begins with how the instrument stands and says every change of its trading state, mode and guards, what
an auction would make and what it made; `!phases` says the changes of all instruments. `!instruments` says every
instrument that changed, with the sequence `q` of the change and `pq` of the change before, of any instrument.
`!announcements` says what the exchange announces, and listings, halts and the end of halts.
"""

from collections.abc import Callable, Iterator, Sequence

from api.binance.directory import Directory
from api.binance.streams import Stream
from api.notices import Body, announcement_body, auction_body, notice_body, status_body
from api.stream.backlog import Message
from api.terms import instrument_answer
from exchange.core.types import EventKind, TradingState
from exchange.events import Event
from exchange.marketdata.notices import NOTICES_MAX, Notice, Notices

Publish = Callable[[Message], None]
_INDICATED = int(EventKind.AUCTION_INDICATED)
_HALTED = frozenset({int(TradingState.HALTED), int(TradingState.SUSPENDED), int(TradingState.EXPIRED)})


class Phases:
    """The phases of one instrument, or of all."""

    def __init__(self, stream: Stream, publish: Publish, directory: Directory, notices: Notices) -> None:
        self.stream = stream
        self._publish = publish
        self._directory = directory
        self._notices = notices
        self._said = notices.last_number

    def on_batch(self, events: Sequence[Event]) -> bool:
        """Say what changed, and what auctions would make."""
        for body in self._news(events):
            self._publish(Message(self.stream.name, body))
        return False

    def on_beat(self, now_ms: int) -> bool:  # noqa: ARG002 - a channel may be called at a beat
        """Do nothing: all is said."""
        return False

    def welcome(self, now_ms: int) -> Message | None:
        """Return how the instrument stands."""
        index = self.stream.instrument
        if not index:
            return None
        texts = self._directory.texts(index)
        auction, last = self._notices.auction(index), self._notices.last_number
        body = status_body(texts, auction, last, self.stream.shown(now_ms), self.stream.unit_ns)
        return Message(self.stream.name, body)

    def _news(self, events: Sequence[Event]) -> Iterator[Body]:
        if self._notices.last_number != self._said:
            for notice in self._notices.read(self._said, NOTICES_MAX, self.stream.instrument):
                yield notice_body(notice, self._directory.texts(notice.instrument), self.stream.unit_ns)
            self._said = self._notices.last_number
        for instrument in {event.instrument for event in events if event.kind == _INDICATED}:
            auction = self._notices.auction(instrument)
            if auction is not None:
                yield auction_body(auction, self._directory.texts(instrument), self.stream.unit_ns)


class Instruments:
    """Every instrument that changed, as it is now."""

    def __init__(self, stream: Stream, publish: Publish, directory: Directory) -> None:
        self.stream = stream
        self._publish = publish
        self._registry = directory.registry
        self._said = self._registry.instruments_sequence

    def on_batch(self, events: Sequence[Event]) -> bool:
        """Say what changed."""
        if self._registry.instruments_sequence != self._said:
            time = events[-1].time_ns // self.stream.unit_ns
            for instrument in self._registry.instruments_changed(self._said):
                row = instrument_answer(self._registry, instrument).model_dump()
                body = {"e": "instrument", "E": time, "q": instrument.changed_sequence, "pq": self._said, "i": row}
                self._said = instrument.changed_sequence
                self._publish(Message(self.stream.name, body))
        return False

    def on_beat(self, now_ms: int) -> bool:  # noqa: ARG002 - a channel may be called at a beat
        """Do nothing: all is said."""
        return False

    def welcome(self, now_ms: int) -> Message | None:
        """Return from where on changes are told."""
        return Message(self.stream.name, {"e": "instruments", "E": self.stream.shown(now_ms), "q": self._said})


class Announcements:
    """What is announced, listed, halted, and goes on after a halt."""

    def __init__(self, stream: Stream, publish: Publish, directory: Directory, notices: Notices) -> None:
        self.stream = stream
        self._publish = publish
        self._directory = directory
        self._notices = notices
        self._said_number = notices.last_number
        self._next = directory.registry.next_announcement
        self._halted = {found.index for found in directory.registry.instruments if found.trading_state in _HALTED}

    def on_batch(self, events: Sequence[Event]) -> bool:  # noqa: ARG002 - registry and notices know
        """Say what is new."""
        if self._directory.registry.next_announcement != self._next:
            for announcement in self._directory.registry.announcements:
                if announcement.index >= self._next:
                    self._publish(Message(self.stream.name, announcement_body(announcement, self.stream.unit_ns)))
            self._next = self._directory.registry.next_announcement
        if self._notices.last_number != self._said_number:
            for notice in self._notices.read(self._said_number, NOTICES_MAX):
                if self._concerns_all(notice):
                    body = notice_body(notice, self._directory.texts(notice.instrument), self.stream.unit_ns)
                    self._publish(Message(self.stream.name, body))
            self._said_number = self._notices.last_number
        return False

    def on_beat(self, now_ms: int) -> bool:  # noqa: ARG002 - a channel may be called at a beat
        """Do nothing: all is said."""
        return False

    def welcome(self, now_ms: int) -> Message | None:
        """Return from where on announcements are told."""
        return Message(self.stream.name, {"e": "announcements", "E": self.stream.shown(now_ms), "id": self._next - 1})

    def _concerns_all(self, notice: Notice) -> bool:
        if notice.kind != EventKind.TRADING_STATE_SET:
            return notice.kind == EventKind.INSTRUMENT_LISTED
        was_halted = notice.instrument in self._halted
        if notice.state in _HALTED:
            self._halted.add(notice.instrument)
        else:
            self._halted.discard(notice.instrument)
        return was_halted or notice.state in _HALTED
