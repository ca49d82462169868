"""The market streams of the Binance dialect: their names, and what each of them says.

A name is `<symbol>@<what>`, the symbol in any case; one stream has one name, in lower case but for the interval of a
candle. Beyond the dialect there are `@depth@0ms`, every batch of changes as it happens, and `pu` in depth updates.
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
FAST_MS = 100
SLOW_MS = 1000
_DEPTH = re.compile(r"depth(5|10|20)?(@0ms|@100ms|@1000ms)?").fullmatch
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
    ALL_MINI_TICKERS = "!miniTicker@arr"
    ALL_TICKERS = "!ticker@arr"


_PLAIN = {
    kind.value: kind for kind in (Kind.TRADE, Kind.AGGREGATE_TRADE, Kind.BOOK_TICKER, Kind.MINI_TICKER, Kind.TICKER)
}
_ALL = {kind.value: kind for kind in (Kind.ALL_MINI_TICKERS, Kind.ALL_TICKERS)}
_PACES = {Kind.MINI_TICKER: SLOW_MS, Kind.TICKER: SLOW_MS}


class Stream(NamedTuple):
    """One stream: its name, whose it is (0: all instruments'), and how often it speaks (0: at once)."""

    name: str
    kind: Kind
    instrument: int
    pace_ms: int = 0
    levels: int = 0  # of a partial depth
    interval: Interval | None = None  # of a candle


def parse(name: str, find: Callable[[str], int]) -> Stream | None:
    """Return the stream of a name, None if there is none; `find` gives a symbol's instrument, 0 for none."""
    if len(name) > NAME_LENGTH_MAX:
        return None
    kind = _ALL.get(name)
    if kind is not None:
        return Stream(name, kind, 0, SLOW_MS)
    symbol, _, what = name.partition("@")
    instrument = find(symbol.upper())
    return _of_instrument(symbol.lower(), what, instrument) if instrument else None


def _of_instrument(symbol: str, what: str, instrument: int) -> Stream | None:
    kind = _PLAIN.get(what)
    if kind is not None:
        return Stream(f"{symbol}@{what}", kind, instrument, _PACES.get(kind, 0))
    if what.startswith("kline_"):
        interval = _INTERVALS.get(what[6:])
        if interval is None:
            return None
        return Stream(f"{symbol}@{what}", Kind.CANDLE, instrument, SLOW_MS, interval=interval)
    match = _DEPTH(what)
    if match is None:
        return None
    levels, pace = int(match[1] or 0), match[2] or "@1000ms"
    if levels and pace == "@0ms":
        return None
    kind = Kind.PARTIAL_DEPTH if levels else Kind.DEPTH
    name = f"{symbol}@depth{levels or ''}{pace if pace != '@1000ms' else ''}"
    return Stream(name, kind, instrument, int(pace[1:-2]), levels)


def trade(event: Event, texts: InstrumentTexts) -> Body:
    """Say that a trade happened."""
    time_ms = event.time_ns // MILLISECOND_NS
    return {
        "e": "trade",
        "E": time_ms,
        "s": texts.symbol,
        "t": event.trade_id,
        "p": texts.price(event.price_ticks),
        "q": texts.quantity(event.quantity_lots),
        "T": time_ms,
        "m": event.side == Side.SELL,
        "M": True,
    }


def aggregate_trade(event: Event, texts: InstrumentTexts) -> Body:
    """Say the same in the words of aggregate trades, each an aggregate of its own, as in the REST answers."""
    time_ms = event.time_ns // MILLISECOND_NS
    return {
        "e": "aggTrade",
        "E": time_ms,
        "s": texts.symbol,
        "a": event.trade_id,
        "p": texts.price(event.price_ticks),
        "q": texts.quantity(event.quantity_lots),
        "f": event.trade_id,
        "l": event.trade_id,
        "T": time_ms,
        "m": event.side == Side.SELL,
        "M": True,
    }


def depth_update(update: DepthUpdate, time_ms: int, texts: InstrumentTexts) -> Body:
    """Say which levels changed, between which update ids; `pu` is the `u` of the update before."""
    return {
        "e": "depthUpdate",
        "E": time_ms,
        "s": texts.symbol,
        "U": update.first_update_id,
        "u": update.last_update_id,
        "pu": update.previous_update_id,
        "b": texts.levels(update.bids),
        "a": texts.levels(update.asks),
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


def candle(candle: Candle, interval: Interval, now_ms: int, texts: InstrumentTexts, *, closed: bool) -> Body:
    """Say how a candle stands."""
    details = {
        "t": candle.open_ms,
        "T": candle.close_ms,
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
    return {"e": "kline", "E": now_ms, "s": texts.symbol, "k": details}


def mini_ticker(statistics: Statistics, now_ms: int, texts: InstrumentTexts) -> Body:
    """Say how the last 24 hours were, in short."""
    return {
        "e": "24hrMiniTicker",
        "E": now_ms,
        "s": texts.symbol,
        "c": texts.price(statistics.last_ticks),
        "o": texts.price(statistics.open_ticks),
        "h": texts.price(statistics.high_ticks),
        "l": texts.price(statistics.low_ticks),
        "v": texts.quantity(statistics.volume_lots),
        "q": texts.amount(statistics.amount),
    }


def ticker(statistics: Statistics, best: BookTicker, last_lots: int, now_ms: int, texts: InstrumentTexts) -> Body:
    """Say how the last 24 hours were."""
    return {
        "e": "24hrTicker",
        "E": now_ms,
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
        "O": statistics.open_ms,
        "C": statistics.close_ms,
        "F": statistics.first_trade_id,
        "L": statistics.last_trade_id,
        "n": statistics.trade_count,
    }
