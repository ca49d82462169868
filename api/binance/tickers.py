"""Tickers of many instruments in one stream: those that changed since the last beat, of all or of those asked for.

A ticker is encoded once a beat, however many streams it is in; an answer of many is cut into messages, and what one
beat has no time for comes with the next of the faster ones.
"""

import re
from collections.abc import Callable, Sequence
from fnmatch import translate

import orjson

from api.binance import streams
from api.binance.directory import Directory
from api.binance.streams import Body, Kind, Stream
from api.stream.backlog import Message
from exchange.core.types import EventKind
from exchange.events import Event
from exchange.marketdata.market import MarketData

TICKERS_PER_MESSAGE = 500
TICKERS_PER_BEAT = 2_000  # of one stream: some 20 to 50 ms of work at most
_OF_TRADES = frozenset({int(EventKind.TRADED)})
_OF_BOOKS = frozenset({
    int(kind)
    for kind in (
        EventKind.ORDER_ACCEPTED,
        EventKind.TRADED,
        EventKind.ORDER_CANCELED,
        EventKind.ORDER_EXPIRED,
        EventKind.ORDER_REPLACED,
        EventKind.MATCH_PREVENTED,
        EventKind.ORDER_TRIGGERED,
        EventKind.ORDER_REPLENISHED,
    )
})  # fmt: skip

Publish = Callable[[Message], None]
Rows = dict[str, orjson.Fragment]  # by symbol


class Tickers:
    """The tickers of instruments, each encoded once a beat."""

    def __init__(self, market: MarketData, directory: Directory) -> None:
        self._market = market
        self._directory = directory
        self._encoded: dict[tuple[Kind, int, int], orjson.Fragment] = {}  # of a kind, an instrument and a unit of time
        self._heard: Sequence[Event] = ()
        self._touched: tuple[set[int], set[int]] = set(), set()

    def begin_beat(self) -> None:
        """Forget how things stood."""
        self._encoded.clear()

    def touched(self, events: Sequence[Event], *, books: bool) -> set[int]:
        """Return the instruments that traded, or whose books may have changed: looked for once, whoever asks."""
        if events is not self._heard:
            traded = {event.instrument for event in events if event.kind in _OF_TRADES}
            changed = {event.instrument for event in events if event.kind in _OF_BOOKS}
            self._heard, self._touched = events, (traded, changed)
        return self._touched[books]

    def body(self, stream: Stream, index: int, now_ms: int) -> Body:
        """Return the ticker of an instrument as a stream tells it."""
        market, texts, now = self._market, self._directory.texts(index), stream.shown(now_ms)
        match stream.kind:
            case Kind.MINI_TICKER | Kind.ALL_MINI_TICKERS:
                return streams.mini_ticker(market.statistics(index, now_ms), now, texts)
            case Kind.ALL_BOOK_TICKERS:
                return streams.book_ticker(market.book_ticker(index), texts)
            case _:
                trades = market.trades(index, 1)
                lots = trades[-1].quantity_lots if trades else 0
                statistics, best = market.statistics(index, now_ms), market.book_ticker(index)
                return streams.ticker(statistics, best, lots, now, texts, stream.unit_ns)

    def best(self, index: int) -> tuple[int, ...]:
        """Return what a book ticker says of the best levels."""
        return self._market.book_ticker(index)[1:]

    def encoded(self, stream: Stream, index: int, now_ms: int) -> orjson.Fragment:
        """Return one ticker as JSON, as it was when it was first asked for since `begin_beat`."""
        key = (stream.kind, index, stream.unit_ns)
        known = self._encoded.get(key)
        if known is None:
            known = self._encoded[key] = orjson.Fragment(orjson.dumps(self.body(stream, index, now_ms)))
        return known


class AllTickers:
    """The tickers of many instruments."""

    def __init__(self, stream: Stream, publish: Publish, tickers: Tickers, directory: Directory) -> None:
        self.stream = stream
        self._publish = publish
        self._tickers = tickers
        self._directory = directory
        self._best: dict[int, tuple[int, ...]] | None = {} if stream.kind is Kind.ALL_BOOK_TICKERS else None
        patterns = [translate(pattern) for pattern in stream.symbols.split(",")] if stream.symbols else []
        self._matches = re.compile("|".join(patterns)).match if patterns else None
        self._wanted: dict[int, bool] = {}
        self._changed: dict[int, None] = {}

    def on_batch(self, events: Sequence[Event]) -> bool:
        """Note what changed."""
        found = self._tickers.touched(events, books=self._best is not None)
        self._changed.update((index, None) for index in found if self._wants(index) and self._has_moved(index))
        return bool(self._changed)

    def on_beat(self, now_ms: int) -> bool:
        """Say how they stand; tell whether some are left for the next beat."""
        told = list(self._changed)[:TICKERS_PER_BEAT]
        for begin in range(0, len(told), TICKERS_PER_MESSAGE):
            rows: Rows = {}
            for index in told[begin : begin + TICKERS_PER_MESSAGE]:
                del self._changed[index]
                rows[self._directory.texts(index).symbol] = self._tickers.encoded(self.stream, index, now_ms)
            self._publish(Message(self.stream.name, rows, merge_rows, encode_rows))
        return bool(self._changed)

    def welcome(self, now_ms: int) -> Message | None:  # noqa: ARG002 - a channel may welcome
        """Say nothing: it tells what changes."""
        return None

    def _has_moved(self, index: int) -> bool:
        """Tell whether a best level is another one, if the stream is of best levels."""
        if self._best is None:
            return True
        best = self._tickers.best(index)
        if self._best.get(index) == best:
            return False
        self._best[index] = best
        return True

    def _wants(self, index: int) -> bool:
        if self._matches is None:
            return True
        known = self._wanted.get(index)
        if known is None:
            known = self._wanted[index] = self._matches(self._directory.texts(index).symbol) is not None
        return known


def merge_rows(older: Rows, newer: Rows) -> Rows:
    """Return the latest ticker of every symbol in either."""
    return {**older, **newer}


def encode_rows(rows: Rows) -> bytes:
    """Return the tickers as a list."""
    return orjson.dumps(list(rows.values()))
