"""The market streams of the Binance dialect: their names, and what each of them says.

A name is `<symbol>@<what>`, the symbol in any case; one stream has one name, in lower case but for the interval of a
candle. Beyond the dialect there are `@depth@0ms`, every batch of changes as it happens, `pu` in depth updates, patterns
for the tickers of all instruments, and the streams of `api.binance.books` and `api.binance.phases`.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple

from api.binance.texts import InstrumentTexts
from exchange.core.types import Side
from exchange.events import Event
from exchange.marketdata.candles import Candle
from exchange.marketdata.depth import BookTicker, Depth, DepthUpdate
from exchange.marketdata.intervals import Interval
from exchange.marketdata.statistics import Statistics

MILLISECOND_NS = 1_000_000
NAME_LENGTH_MAX = 128
FILTER_LENGTH_MAX = 1_024  # of the name of a stream with patterns in it
FAST_MS = 100
SLOW_MS = 1000
_DEPTH = re.compile(r"depth(5|10|20)?(@0ms|@100ms|@1000ms)?").fullmatch
_ARRAY = re.compile(r"(![a-zA-Z]+@arr)(?:@(100ms|1000ms))?(?:@([A-Za-z0-9._*?-]+(?:,[A-Za-z0-9._*?-]+)*))?").fullmatch
_BOOKS = {"book": 0, "book@100ms": FAST_MS}
_INTERVALS = {interval.value: interval for interval in Interval}

Body = dict[str, Any]


class Kind(StrEnum):
    """What a stream tells."""

    TRADE = "trade"
    AGGREGATE_TRADE = "aggTrade"
    DEPTH = "depth"
    PARTIAL_DEPTH = "partialDepth"
    BOOK_TICKER = "bookTicker"
    CANDLE = "kline"
    MINI_TICKER = "miniTicker"
    TICKER = "ticker"
    AVERAGE_PRICE = "avgPrice"
    BOOK = "book"
    ORDERS = "orders"
    PHASE = "phase"
    ALL_MINI_TICKERS = "!miniTicker@arr"
    ALL_TICKERS = "!ticker@arr"
    ALL_BOOK_TICKERS = "!bookTicker@arr"
    PHASES = "!phases"
    INSTRUMENTS = "!instruments"
    ANNOUNCEMENTS = "!announcements"
    INDICES = "!indices"
    SETTLEMENT_PRICES = "!settlementPrices"


_PACES = {  # of streams that are no more than their name; the others have parameters
    Kind.TRADE: 0,
    Kind.AGGREGATE_TRADE: 0,
    Kind.BOOK_TICKER: 0,
    Kind.MINI_TICKER: SLOW_MS,
    Kind.TICKER: SLOW_MS,
    Kind.AVERAGE_PRICE: SLOW_MS,
    Kind.ORDERS: 0,
    Kind.PHASE: 0,
}
_PLAIN = {kind.value: kind for kind in _PACES}
_ALL = {kind.value: kind for kind in (Kind.PHASES, Kind.INSTRUMENTS, Kind.ANNOUNCEMENTS)}
PUBLISHED = (Kind.INDICES, Kind.SETTLEMENT_PRICES)
_BY_DAY = {kind.value: kind for kind in PUBLISHED}
MANY = frozenset({Kind.ALL_MINI_TICKERS, Kind.ALL_TICKERS, Kind.ALL_BOOK_TICKERS})  # tickers of many instruments
_TICKERS = {kind.value: kind for kind in MANY}
_ALL_PACES = {"": SLOW_MS, "1000ms": SLOW_MS, "100ms": FAST_MS}


class Stream(NamedTuple):
    """One stream: its name, whose it is (0: all instruments'), and how often it speaks (0: at once)."""

    name: str
    kind: Kind
    instrument: int
    pace_ms: int = 0
    levels: int = 0  # of a partial depth
    interval: Interval | None = None  # of a candle
    symbols: str = ""  # of tickers of many instruments: which, as patterns with commas between them
    unit_ns: int = MILLISECOND_NS  # of the times it tells

    @property
    def topic(self) -> str:
        """Return what it is known by to the hub: no stream of another unit has the same, nor a stream's name."""
        return self.name if self.unit_ns == MILLISECOND_NS else f"{self.name} {self.unit_ns}"

    def shown(self, time_ms: int) -> int:
        """Return a time in the unit that it tells."""
        return time_ms * (MILLISECOND_NS // self.unit_ns)


def parse(name: str, find: Callable[[str], int], unit_ns: int = MILLISECOND_NS) -> Stream | None:
    """Return the stream of a name, None if there is none; `find` gives a symbol's instrument, 0 for none."""
    found = _parsed(name, find)
    return found if found is None or unit_ns == MILLISECOND_NS else found._replace(unit_ns=unit_ns)


def _parsed(name: str, find: Callable[[str], int]) -> Stream | None:
    if len(name) > (FILTER_LENGTH_MAX if name.startswith("!") else NAME_LENGTH_MAX):
        return None
    if name in _BY_DAY:
        return Stream(name, _BY_DAY[name], 0, SLOW_MS)
    if name.startswith("!"):
        kind = _ALL.get(name)
        return _of_all(name) if kind is None else Stream(name, kind, 0)
    symbol, _, what = name.partition("@")
    instrument = find(symbol.upper())
    return _of_instrument(symbol.lower(), what, instrument) if instrument else None


def _of_all(name: str) -> Stream | None:
    """Return tickers of many instruments: `!ticker@arr`, `!ticker@arr@100ms`, `!ticker@arr@1000ms@TA.*,DL.0001*`."""
    match = _ARRAY(name)
    if match is None:
        return None
    kind, pace_ms = _TICKERS.get(match[1]), _ALL_PACES.get(match[2] or "")
    if kind is None or pace_ms is None:
        return None
    symbols = ",".join(sorted(set((match[3] or "").upper().split(","))))
    pace = f"@{pace_ms}ms" if pace_ms != SLOW_MS else ""
    return Stream(match[1] + pace + (f"@{symbols}" if symbols else ""), kind, 0, pace_ms, symbols=symbols)


def _of_instrument(symbol: str, what: str, instrument: int) -> Stream | None:
    kind = _PLAIN.get(what)
    if kind is not None:
        return Stream(f"{symbol}@{what}", kind, instrument, _PACES.get(kind, 0))
    if what.startswith("kline_"):
        interval = _INTERVALS.get(what[6:])
        if interval is None:
            return None
        return Stream(f"{symbol}@{what}", Kind.CANDLE, instrument, SLOW_MS, interval=interval)
    if what in _BOOKS:
        return Stream(f"{symbol}@{what}", Kind.BOOK, instrument, _BOOKS[what])
    match = _DEPTH(what)
    if match is None:
        return None
    levels, pace = int(match[1] or 0), match[2] or "@1000ms"
    if levels and pace == "@0ms":
        return None
    kind = Kind.PARTIAL_DEPTH if levels else Kind.DEPTH
    name = f"{symbol}@depth{levels or ''}{pace if pace != '@1000ms' else ''}"
    return Stream(name, kind, instrument, int(pace[1:-2]), levels)


def trade(event: Event, texts: InstrumentTexts, unit_ns: int = MILLISECOND_NS) -> Body:
    """Say that a trade happened."""
    time = event.time_ns // unit_ns
    return {
        "e": "trade",
        "E": time,
        "s": texts.symbol,
        "t": event.trade_id,
        "p": texts.price(event.price_ticks),
        "q": texts.quantity(event.quantity_lots),
        "T": time,
        "m": event.side == Side.SELL,
        "M": True,
    }


def aggregate_trade(event: Event, texts: InstrumentTexts, unit_ns: int = MILLISECOND_NS) -> Body:
    """Say the same in the words of aggregate trades, each an aggregate of its own, as in the REST answers."""
    time = event.time_ns // unit_ns
    return {
        "e": "aggTrade",
        "E": time,
        "s": texts.symbol,
        "a": event.trade_id,
        "p": texts.price(event.price_ticks),
        "q": texts.quantity(event.quantity_lots),
        "f": event.trade_id,
        "l": event.trade_id,
        "T": time,
        "m": event.side == Side.SELL,
        "M": True,
    }


def depth_update(update: DepthUpdate, time: int, texts: InstrumentTexts) -> Body:
    """Say which levels changed, between which update ids; `pu` is the `u` of the update before."""
    return {
        "e": "depthUpdate",
        "E": time,
        "s": texts.symbol,
        "U": update.first_update_id,
        "u": update.last_update_id,
        "pu": update.previous_update_id,
        "b": texts.changes(update.bids),
        "a": texts.changes(update.asks),
    }


def merge_depth(older: Body, newer: Body) -> Body:
    """Return the one update that says what two in a row say."""
    merged = {**newer, "U": older["U"], "pu": older["pu"]}
    for side in ("b", "a"):
        merged[side] = list(map(list, {**dict(older[side]), **dict(newer[side])}.items()))
    return merged


def partial_depth(depth: Depth, texts: InstrumentTexts) -> Body:
    """Say how the best levels stand."""
    return {
        "lastUpdateId": depth.last_update_id,
        "bids": texts.levels(depth.bids),
        "asks": texts.levels(depth.asks),
    }


def book_ticker(ticker: BookTicker, texts: InstrumentTexts) -> Body:
    """Say how the best level of each side stands."""
    return {
        "u": ticker.last_update_id,
        "s": texts.symbol,
        "b": texts.price(ticker.bid_ticks),
        "B": texts.quantity(ticker.bid_lots),
        "a": texts.price(ticker.ask_ticks),
        "A": texts.quantity(ticker.ask_lots),
    }


def candle(
    candle: Candle, interval: Interval, now: int, texts: InstrumentTexts, *, closed: bool, unit_ns: int = MILLISECOND_NS
) -> Body:
    """Say how a candle stands; it ends with the last moment of its time, in whatever unit."""
    details = {
        "t": candle.open_ms * MILLISECOND_NS // unit_ns,
        "T": ((candle.close_ms + 1) * MILLISECOND_NS - 1) // unit_ns,
        "s": texts.symbol,
        "i": interval.value,
        "f": candle.first_trade_id,
        "L": candle.last_trade_id,
        "o": texts.price(candle.open_ticks),
        "c": texts.price(candle.close_ticks),
        "h": texts.price(candle.high_ticks),
        "l": texts.price(candle.low_ticks),
        "v": texts.quantity(candle.volume_lots),
        "n": candle.trade_count,
        "x": closed,
        "q": texts.amount(candle.amount),
        "V": texts.quantity(candle.taker_buy_lots),
        "Q": texts.amount(candle.taker_buy_amount),
        "B": "0",
    }
    return {"e": "kline", "E": now, "s": texts.symbol, "k": details}


def average_price(price: str, last: int, now: int, texts: InstrumentTexts) -> Body:
    """Say the volume-weighted price of the last minutes."""
    return {"e": "avgPrice", "E": now, "s": texts.symbol, "i": "5m", "w": price, "T": last}


def mini_ticker(statistics: Statistics, now: int, texts: InstrumentTexts) -> Body:
    """Say how the last 24 hours were, in short."""
    return {
        "e": "24hrMiniTicker",
        "E": now,
        "s": texts.symbol,
        "c": texts.price(statistics.last_ticks),
        "o": texts.price(statistics.open_ticks),
        "h": texts.price(statistics.high_ticks),
        "l": texts.price(statistics.low_ticks),
        "v": texts.quantity(statistics.volume_lots),
        "q": texts.amount(statistics.amount),
    }


def ticker(
    statistics: Statistics,
    best: BookTicker,
    last_lots: int,
    now: int,
    texts: InstrumentTexts,
    unit_ns: int = MILLISECOND_NS,
) -> Body:
    """Say how the last 24 hours were."""
    return {
        "e": "24hrTicker",
        "E": now,
        "s": texts.symbol,
        "p": texts.price(statistics.last_ticks - statistics.open_ticks),
        "P": texts.percent(statistics.last_ticks - statistics.open_ticks, statistics.open_ticks),
        "w": texts.amount(statistics.average_units),
        "x": texts.price(statistics.previous_ticks),
        "c": texts.price(statistics.last_ticks),
        "Q": texts.quantity(last_lots),
        "b": texts.price(best.bid_ticks),
        "B": texts.quantity(best.bid_lots),
        "a": texts.price(best.ask_ticks),
        "A": texts.quantity(best.ask_lots),
        "o": texts.price(statistics.open_ticks),
        "h": texts.price(statistics.high_ticks),
        "l": texts.price(statistics.low_ticks),
        "v": texts.quantity(statistics.volume_lots),
        "q": texts.amount(statistics.amount),
        "O": statistics.open_ms * MILLISECOND_NS // unit_ns,
        "C": statistics.close_ms * MILLISECOND_NS // unit_ns,
        "F": statistics.first_trade_id,
        "L": statistics.last_trade_id,
        "n": statistics.trade_count,
    }
