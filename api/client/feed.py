"""What is heard on websockets, without any input or output: market streams with their books, and an account's events.

A feed says where to connect and what to send, takes what comes, and tells what it means. After a connection is lost it
says so, and what follows the next one: books begin anew with a snapshot, an account's events go on behind the last one
that was heard. What cannot be told again is told as `Missed`: a gap is never hidden.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlencode

import msgspec

from api.client.book import LocalBook
from api.client.faults import Refused, fault_of, refused_for_now
from api.client.signing import Key
from api.client.wire import RECV_WINDOW_MS, websocket_url
from api.messages.allowances import Allowances, AllowancesChanged
from api.messages.books import BookSnapshot, BookUpdate, OrdersSnapshot, OrdersUpdate
from api.messages.market import (
    AggregateTradeMessage,
    AveragePriceMessage,
    BookTickerMessage,
    CandleMessage,
    DepthMessage,
    LevelsMessage,
    MiniTickerMessage,
    TickerMessage,
    TradeMessage,
)
from api.messages.phases import PhaseMessage
from api.messages.private import Balances, PrivateEvent, Welcome
from api.messages.published import PublishedIndex, PublishedSettlement
from api.messages.talk import Conflated, Fault, ServerShutdown

NAMES_PER_REQUEST = 200
STREAM_PATH, PRIVATE_PATH = "/stream", "/v1/private"
TOO_FAR_BACK = -8120
Notice = Conflated | ServerShutdown


class Heard(NamedTuple):
    """A stream said something."""

    stream: str
    message: Any  # a Struct of `api.messages`, or a list of them


class Joined(NamedTuple):
    """The connection is open."""


class Parted(NamedTuple):
    """The connection is lost; books are stale until they begin anew."""

    reason: str


class Missed(NamedTuple):
    """Events of the account that will not be told any more: ask for orders and balances."""

    first: int
    last: int
    reason: str


Event = Heard | Joined | Parted | Missed | PrivateEvent | Balances | Welcome | Notice | Allowances | AllowancesChanged


class Feed(Protocol):
    """What a listener drives."""

    outgoing: list[str]  # to be sent now

    def address(self) -> str:
        """Return where to connect."""

    def opened(self) -> list[Event]:
        """Learn that the connection is open."""

    def heard(self, text: str | bytes) -> list[Event]:
        """Learn what came."""

    def lost(self, reason: str) -> list[Event]:
        """Learn that the connection is lost."""

    def refused(self, status: int, body: bytes) -> list[Event]:
        """Learn that the handshake was refused; raise what waiting will not mend."""


class _Envelope(msgspec.Struct):
    stream: str = ""
    data: msgspec.Raw = msgspec.Raw()
    error: Fault | None = None
    e: str = ""
    id: int | str | None = None


_TAGGED = (
    TradeMessage
    | AggregateTradeMessage
    | DepthMessage
    | MiniTickerMessage
    | TickerMessage
    | CandleMessage
    | AveragePriceMessage
    | BookSnapshot
    | BookUpdate
    | OrdersSnapshot
    | OrdersUpdate
    | PhaseMessage
)
_KINDS: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r".+@bookTicker"), BookTickerMessage),
    (re.compile(r".+@depth(5|10|20)(@.*)?"), LevelsMessage),
    (re.compile(r"!miniTicker@arr.*"), list[MiniTickerMessage]),
    (re.compile(r"!ticker@arr.*"), list[TickerMessage]),
    (re.compile(r"!bookTicker@arr.*"), list[BookTickerMessage]),
    (re.compile(r"!indices"), list[PublishedIndex]),
    (re.compile(r"!settlementPrices"), list[PublishedSettlement]),
)
_DECODERS = {kind: msgspec.json.Decoder(kind) for _, kind in _KINDS} | {_TAGGED: msgspec.json.Decoder(_TAGGED)}
_ENVELOPE = msgspec.json.Decoder(_Envelope)
_NOTICE = msgspec.json.Decoder(Notice)


def kind_of(stream: str) -> Any:  # noqa: ANN401 - a type of any kind
    """Return what a stream's messages are."""
    return next((kind for pattern, kind in _KINDS if pattern.fullmatch(stream)), _TAGGED)


class MarketFeed:
    """Streams of the market over one connection, and the books that are kept from them."""

    def __init__(self, url: str) -> None:
        """Listen to a server given by its HTTP address; nothing is subscribed yet."""
        self.outgoing: list[str] = []
        self._url = websocket_url(url, STREAM_PATH)
        self._names: dict[str, Any] = {}  # stream: its decoder
        self._books: dict[str, LocalBook] = {}
        self._renewing: set[str] = set()  # streams whose next snapshot has been asked for
        self._is_open = False
        self._next_id = 0

    def subscribe(self, *names: str) -> None:
        """Listen to streams, from now on or from the next connection on."""
        fresh = [name for name in names if name not in self._names]
        self._names |= {name: _DECODERS[kind_of(name)] for name in fresh}
        if self._is_open:
            self._ask("SUBSCRIBE", fresh)

    def unsubscribe(self, *names: str) -> None:
        """Listen to streams no more."""
        known = [name for name in names if self._names.pop(name, None) is not None]
        for name in known:
            self._books.pop(name, None)
            self._renewing.discard(name)
        if self._is_open:
            self._ask("UNSUBSCRIBE", known)

    def book(self, symbol: str, *, every_change: bool = False) -> LocalBook:
        """Return a book that is kept from now on: every 100 ms, or with every batch of changes."""
        name = f"{symbol.lower()}@book{'' if every_change else '@100ms'}"
        book = self._books.setdefault(name, LocalBook(symbol))
        self.subscribe(name)
        return book

    def address(self) -> str:
        """Return where to connect."""
        return self._url

    def opened(self) -> list[Event]:
        """Ask for everything that is to be heard."""
        self._is_open = True
        self.outgoing.clear()
        self._renewing.clear()
        self._ask("SUBSCRIBE", list(self._names))
        return [Joined()]

    def heard(self, text: str | bytes) -> list[Event]:
        """Return what was said; books are up to date with it."""
        envelope = _ENVELOPE.decode(text)
        if envelope.stream:
            return self._said(envelope.stream, bytes(envelope.data))
        if envelope.error is not None and envelope.id is not None:
            raise Refused(400, envelope.error.code, envelope.error.message)
        return [_NOTICE.decode(text)] if envelope.e else []

    def lost(self, reason: str) -> list[Event]:
        """Trust no book until its next snapshot."""
        self._is_open = False
        for book in self._books.values():
            book.lose(reason)
        return [Parted(reason)]

    def refused(self, status: int, body: bytes) -> list[Event]:
        """Return what a refused handshake means; raise what waiting will not mend."""
        return self.lost(refused_for_now(status, body))

    def _said(self, stream: str, data: bytes) -> list[Event]:
        decoder = self._names.get(stream)
        if decoder is None:  # the last words of a stream that was left
            return []
        message = decoder.decode(data)
        book = self._books.get(stream)
        if isinstance(message, BookSnapshot) and book is not None:
            self._renewing.discard(stream)
            book.snapshot(message.last_update_id, message.bids, message.asks, message.checksum)
        elif isinstance(message, BookUpdate) and book is not None:
            ids = (message.first_update_id, message.last_update_id, message.previous_update_id)
            book.update(*ids, message.bids, message.asks, message.checksum)
        if book is not None and book.is_stale and stream not in self._renewing:
            self._renewing.add(stream)
            self._ask("UNSUBSCRIBE", [stream])
            self._ask("SUBSCRIBE", [stream])
        return [Heard(stream, message)]

    def _ask(self, method: str, names: list[str]) -> None:
        for first in range(0, len(names), NAMES_PER_REQUEST):
            self._next_id += 1
            request = {"method": method, "params": names[first : first + NAMES_PER_REQUEST], "id": self._next_id}
            self.outgoing.append(msgspec.json.encode(request).decode())


class AccountFeed:
    """The events of an account, each once and in order, from a sequence number on or from now on."""

    def __init__(self, url: str, key: Key, timestamp: Callable[[], int], after: int | None = None) -> None:
        """Listen with a key; `after` is the last event that is known already, None to begin with what comes."""
        self.outgoing: list[str] = []
        self.latest = after
        self._url = websocket_url(url, PRIVATE_PATH)
        self._key = key
        self._timestamp = timestamp
        self._gap_reason = ""
        self._decoder = msgspec.json.Decoder(_AccountEnvelope)

    def address(self) -> str:
        """Return where to connect: signed, and behind which event to go on."""
        parameters: dict[str, object] = {"key": self._key.key, "recvWindow": RECV_WINDOW_MS}
        if self.latest is not None and not self._gap_reason:
            parameters["from"] = self.latest
        query = urlencode(parameters | {"timestamp": self._timestamp()})
        return f"{self._url}?{query}&{urlencode({'signature': self._key.signer.sign(query.encode())})}"

    def opened(self) -> list[Event]:
        """Say so."""
        return [Joined()]

    def heard(self, text: str | bytes) -> list[Event]:
        """Return an event, and before it word of what is missing in front of it."""
        kind = self._decoder.decode(text)
        if kind.error is not None:
            return []  # why the connection is about to end, which is told when it does
        if kind.e:
            return [_NOTICE.decode(text)]
        if kind.type == "WELCOME":
            return self._welcomed(_WELCOME.decode(text))
        if kind.type == "BALANCES":
            return [_BALANCES.decode(text)]
        return self._happened(_EVENT.decode(text))

    def lost(self, reason: str) -> list[Event]:
        """Say so; what happens meanwhile is told afterwards."""
        return [Parted(reason)]

    def refused(self, status: int, body: bytes) -> list[Event]:
        """Return what a refused handshake means; raise what waiting will not mend."""
        fault = fault_of(status, body)
        if isinstance(fault, Refused) and fault.code == TOO_FAR_BACK:
            self._gap_reason = fault.message
            return [Parted(fault.message)]
        return [Parted(refused_for_now(status, body))]

    def _welcomed(self, welcome: Welcome) -> list[Event]:
        events: list[Event] = [welcome]
        if self._gap_reason and self.latest is not None and welcome.latest > self.latest:
            events.append(Missed(self.latest + 1, welcome.latest, self._gap_reason))
        if self.latest is None or self._gap_reason:
            self.latest, self._gap_reason = welcome.latest, ""
        return events

    def _happened(self, event: PrivateEvent) -> list[Event]:
        latest = self.latest
        if latest is not None and event.sequence <= latest:
            return []  # known already
        self.latest = event.sequence
        if latest is not None and event.sequence > latest + 1:
            return [Missed(latest + 1, event.sequence - 1, "the exchange left them out"), event]
        return [event]


class _AccountEnvelope(msgspec.Struct):
    type: str = ""
    e: str = ""
    error: Fault | None = None


_WELCOME = msgspec.json.Decoder(Welcome)
_BALANCES = msgspec.json.Decoder(Balances)
_EVENT = msgspec.json.Decoder(PrivateEvent)
