"""What each kind of stream does with the events of its instrument: speak at once, or gather and speak at its pace.

A channel exists while somebody reads its stream. `on_batch` sees the events of the channel's instrument and tells
whether there is something to say at the next beat; `on_beat` says it and tells whether there will be more to say
without new events; `welcome` says how things stand to somebody who has just come.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

from api.binance import streams
from api.binance.books import Books, Orders
from api.binance.directory import Directory
from api.binance.market import average
from api.binance.phases import Announcements, Instruments, Phases
from api.binance.streams import MILLISECOND_NS, Body, Kind, Stream
from api.binance.texts import InstrumentTexts
from api.binance.tickers import AllTickers, Tickers
from api.stream.backlog import Message, latest
from exchange.core.types import EventKind
from exchange.events import Event
from exchange.marketdata.candles import Candle
from exchange.marketdata.depth import BookTicker, DepthAccumulator
from exchange.marketdata.intervals import interval_bounds
from exchange.marketdata.market import MarketData
from exchange.marketdata.notices import Notices

CANDLES_PER_BEAT_MAX = 100
LATE_MS = 500  # what happened just before the end of a candle may become known just after it
TRADED = int(EventKind.TRADED)

Publish = Callable[[Message], None]


class Channel(Protocol):
    """One stream that somebody reads."""

    @property
    def stream(self) -> Stream:
        """Return which."""

    def on_batch(self, events: Sequence[Event]) -> bool:
        """Hear what happened; tell whether there is something to say at the next beat."""

    def on_beat(self, now_ms: int) -> bool:
        """Say it; tell whether to be called at the next beat even if nothing happens."""

    def welcome(self, now_ms: int) -> Message | None:
        """Return how things stand, for streams that say so."""


class Trades:
    """Every trade, at once."""

    def __init__(self, stream: Stream, publish: Publish, texts: InstrumentTexts) -> None:
        self.stream = stream
        self._publish = publish
        self._texts = texts
        self._say = streams.trade if stream.kind is Kind.TRADE else streams.aggregate_trade

    def on_batch(self, events: Sequence[Event]) -> bool:
        """Say every trade."""
        for event in events:
            if event.kind == TRADED:
                self._publish(Message(self.stream.name, self._say(event, self._texts, self.stream.unit_ns)))
        return False

    def on_beat(self, now_ms: int) -> bool:  # noqa: ARG002 - a channel may be called at a beat
        """Do nothing: all is said."""
        return False

    def welcome(self, now_ms: int) -> Message | None:  # noqa: ARG002 - a channel may welcome
        """Say nothing: a trade that was is no news."""
        return None


class DepthChanges:
    """Every change of the depth, at once or summed up at the stream's pace."""

    def __init__(self, stream: Stream, publish: Publish, texts: InstrumentTexts, market: MarketData) -> None:
        self.stream = stream
        self._publish = publish
        self._texts = texts
        self._market = market
        self._sum = DepthAccumulator()
        self._time = 0

    def on_batch(self, events: Sequence[Event]) -> bool:
        """Add what changed."""
        update = self._market.depth_changes(self.stream.instrument)
        if not update.bids and not update.asks:
            return False
        self._time = events[-1].time_ns // self.stream.unit_ns
        self._sum.add(update)
        return bool(self.stream.pace_ms) or self.on_beat(0)

    def on_beat(self, now_ms: int) -> bool:  # noqa: ARG002 - an update is of the time of its last event
        """Say the sum."""
        update = self._sum.take()
        if update is not None:
            body = streams.depth_update(update, self._time, self._texts)
            self._publish(Message(self.stream.name, body, streams.merge_depth))
        return False

    def welcome(self, now_ms: int) -> Message | None:  # noqa: ARG002 - a channel may welcome
        """Say nothing: updates begin with the next change, and a snapshot is asked for elsewhere."""
        return None


class State:
    """How something stands, said anew when it has changed: best levels, the last 24 hours."""

    def __init__(self, stream: Stream, publish: Publish, say: Callable[[int], Body], *, needs_trade: bool) -> None:
        self.stream = stream
        self._publish = publish
        self._say = say
        self._needs_trade = needs_trade

    def on_batch(self, events: Sequence[Event]) -> bool:
        """Tell whether this may have changed it."""
        return not self._needs_trade or any(event.kind == TRADED for event in events)

    def on_beat(self, now_ms: int) -> bool:
        """Say how it stands."""
        self._publish(self.welcome(now_ms))
        return False

    def welcome(self, now_ms: int) -> Message:
        """Return how it stands."""
        return Message(self.stream.name, self._say(now_ms), latest)


class BookTickers:
    """The best level of each side, at once when it changes."""

    def __init__(self, stream: Stream, publish: Publish, texts: InstrumentTexts, market: MarketData) -> None:
        self.stream = stream
        self._publish = publish
        self._texts = texts
        self._market = market
        self._said = market.book_ticker(stream.instrument)

    def on_batch(self, events: Sequence[Event]) -> bool:  # noqa: ARG002 - the market knows
        """Say it if it changed."""
        ticker = self._market.book_ticker(self.stream.instrument)
        if ticker[1:] != self._said[1:]:
            self._said = ticker
            self._publish(self._message(ticker))
        return False

    def on_beat(self, now_ms: int) -> bool:  # noqa: ARG002 - a channel may be called at a beat
        """Do nothing: all is said."""
        return False

    def welcome(self, now_ms: int) -> Message | None:  # noqa: ARG002 - it is of the last update
        """Return how it stands."""
        return self._message(self._market.book_ticker(self.stream.instrument))

    def _message(self, ticker: BookTicker) -> Message:
        return Message(self.stream.name, streams.book_ticker(ticker, self._texts), latest)


class Candles:
    """The running candle at the stream's pace, and each one once when it closes, which a slow reader is told too."""

    def __init__(
        self, stream: Stream, publish: Publish, texts: InstrumentTexts, market: MarketData, now_ms: int
    ) -> None:
        assert stream.interval is not None
        self.stream = stream
        self._interval = stream.interval
        self._publish = publish
        self._texts = texts
        self._market = market
        self._from_ms = interval_bounds(self._interval, now_ms - LATE_MS)[0]  # the first that is not told as closed
        self._said: Candle | None = None

    def on_batch(self, events: Sequence[Event]) -> bool:
        """Tell whether there was a trade."""
        times = [event.time_ns for event in events if event.kind == TRADED]
        if times:
            first_ms = interval_bounds(self._interval, times[0] // MILLISECOND_NS)[0]
            self._from_ms = min(self._from_ms, first_ms)
        return bool(times)

    def on_beat(self, now_ms: int) -> bool:
        """Say what candles there are since the last one that was closed; come again while one is open."""
        found = self._market.candles(
            self.stream.instrument, self._interval, start_ms=self._from_ms, limit=CANDLES_PER_BEAT_MAX
        )
        is_open = False
        for candle in found:
            is_open = not self._is_closed(candle, now_ms)
            if not is_open:
                self._from_ms = candle.close_ms + 1
            if not is_open or candle != self._said:
                self._said = candle
                self._publish(self._message(candle, now_ms))
        return is_open

    def welcome(self, now_ms: int) -> Message | None:
        """Return the last candle, if there is one."""
        found = self._market.candles(self.stream.instrument, self._interval, limit=1)
        return self._message(found[-1], now_ms) if found else None

    def _is_closed(self, candle: Candle, now_ms: int) -> bool:
        return candle.close_ms + LATE_MS < now_ms

    def _message(self, candle: Candle, now_ms: int) -> Message:
        closed = self._is_closed(candle, now_ms)
        now, unit_ns = self.stream.shown(now_ms), self.stream.unit_ns
        body = streams.candle(candle, self._interval, now, self._texts, closed=closed, unit_ns=unit_ns)
        return Message(self.stream.name, body, None if closed else latest)


class Sources(NamedTuple):
    """What channels read: the market, how it is run, its tickers, and what everything is called."""

    market: MarketData
    notices: Notices
    tickers: Tickers
    directory: Directory

    @classmethod
    def of(cls, market: MarketData, notices: Notices, directory: Directory) -> "Sources":
        """Return the sources of one exchange."""
        return cls(market, notices, Tickers(market, directory), directory)


def channel_of(stream: Stream, publish: Publish, sources: Sources, now_ms: int) -> Channel:
    """Return a new channel for a stream."""
    market, notices, tickers, directory = sources
    if not stream.instrument:
        match stream.kind:
            case Kind.PHASES:
                return Phases(stream, publish, directory, notices)
            case Kind.INSTRUMENTS:
                return Instruments(stream, publish, directory)
            case Kind.ANNOUNCEMENTS:
                return Announcements(stream, publish, directory, notices)
            case _:
                return AllTickers(stream, publish, tickers, directory)
    texts = directory.texts(stream.instrument)
    match stream.kind:
        case Kind.TRADE | Kind.AGGREGATE_TRADE:
            return Trades(stream, publish, texts)
        case Kind.DEPTH:
            return DepthChanges(stream, publish, texts, market)
        case Kind.BOOK:
            return Books(stream, publish, texts, market)
        case Kind.ORDERS:
            return Orders(stream, publish, texts, market)
        case Kind.BOOK_TICKER:
            return BookTickers(stream, publish, texts, market)
        case Kind.CANDLE:
            return Candles(stream, publish, texts, market, now_ms)
        case Kind.PHASE:
            return Phases(stream, publish, directory, notices)
        case _:
            return _state_of(stream, publish, sources, texts)


def _state_of(stream: Stream, publish: Publish, sources: Sources, texts: InstrumentTexts) -> State:
    """Return a new channel for a stream that says how something stands."""
    market, index = sources.market, stream.instrument

    def best_levels(_: int) -> Body:
        return streams.partial_depth(market.depth(index, stream.levels), texts)

    def average_price(time_ms: int) -> Body:
        price = average(market, texts.instrument, time_ms * MILLISECOND_NS, texts)
        last = market.trades(index, 1)
        last_time = last[0].time_ns // stream.unit_ns if last else 0
        return streams.average_price(price, last_time, stream.shown(time_ms), texts)

    match stream.kind:
        case Kind.PARTIAL_DEPTH:
            return State(stream, publish, best_levels, needs_trade=False)
        case Kind.AVERAGE_PRICE:
            return State(stream, publish, average_price, needs_trade=True)
        case _:
            needs_trade = stream.kind is Kind.MINI_TICKER
            ticker = partial(sources.tickers.body, stream, index)
            return State(stream, publish, ticker, needs_trade=needs_trade)
