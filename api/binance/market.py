"""The market as everybody may see it: books, trades, candles, tickers."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from api.binance import replies
from api.binance.requests import (
    DEPTH_MAX,
    AggregateTradesRequest,
    CandlesRequest,
    DepthRequest,
    HistoricalTradesRequest,
    OneSymbol,
    StatisticsRequest,
    TickerRequest,
    TradesRequest,
)
from api.binance.texts import InstrumentTexts
from api.call import MILLISECOND_NS, Call, encoded
from api.door import Services, charge
from api.errors import BAD_COMBINATION, RequestError
from api.schemas import validated
from exchange.marketdata.market import MarketData
from exchange.marketdata.trades import Trade
from exchange.registry.entries import Instrument

AVERAGE_MINUTES = 5
INSTRUMENTS_PER_TURN = 500  # answered before others get their turn
TRADES_KEPT_MAX = 1 << 20  # more than are kept of any instrument


async def depth(services: Services, call: Call) -> bytes:
    """Return the best levels of a book."""
    request = validated(DepthRequest, call.texts)
    instrument = services.directory.instrument(request.symbol)
    book = services.exchange.market.depth(instrument.index, min(request.limit, DEPTH_MAX))
    return encoded(replies.depth(book, services.directory.texts(instrument.index)))


async def trades(services: Services, call: Call) -> bytes:
    """Return the last trades."""
    request = validated(TradesRequest, call.texts)
    instrument = services.directory.instrument(request.symbol)
    found = services.exchange.market.trades(instrument.index, request.limit)
    return encoded(replies.trades(found, services.directory.texts(instrument.index), call.stamp))


async def historical_trades(services: Services, call: Call) -> bytes:
    """Return trades from an id on, or the last ones."""
    request = validated(HistoricalTradesRequest, call.texts)
    instrument = services.directory.instrument(request.symbol)
    found = services.exchange.market.trades(instrument.index, request.limit, request.from_id)
    return encoded(replies.trades(found, services.directory.texts(instrument.index), call.stamp))


async def aggregate_trades(services: Services, call: Call) -> bytes:
    """Return trades from an id on, of a time, or the last ones, each an aggregate of its own."""
    request = validated(AggregateTradesRequest, call.texts)
    instrument = services.directory.instrument(request.symbol)
    is_timed = request.start_time is not None or request.end_time is not None
    if is_timed and request.from_id is not None:
        raise RequestError(BAD_COMBINATION)
    limit = TRADES_KEPT_MAX if is_timed else request.limit
    found = services.exchange.market.trades(instrument.index, limit, request.from_id)
    if is_timed:
        found = _within(found, request.start_time, request.end_time)
        found = found[: request.limit] if request.start_time is not None else found[-request.limit :]
    return encoded(replies.aggregate_trades(found, services.directory.texts(instrument.index), call.stamp))


async def candles(services: Services, call: Call) -> bytes:
    """Return candles of a time, or the last ones."""
    request = validated(CandlesRequest, call.texts)
    instrument = services.directory.instrument(request.symbol)
    found = services.exchange.market.candles(
        instrument.index, request.interval, request.start_time, request.end_time, request.limit
    )
    return encoded(replies.candles(found, services.directory.texts(instrument.index), call.stamp))


async def average_price(services: Services, call: Call) -> bytes:
    """Return the volume-weighted price of the last minutes, the last price if nothing traded in them."""
    request = validated(OneSymbol, call.texts)
    instrument = services.directory.instrument(request.symbol)
    market, texts = services.exchange.market, services.directory.texts(instrument.index)
    last = market.trades(instrument.index, 1)
    price = average(market, instrument, call.now_ns, texts)
    closed = call.stamp(last[0].time_ns) if last else 0
    return encoded({"mins": AVERAGE_MINUTES, "price": price, "closeTime": closed})


def average(market: MarketData, instrument: Instrument, now_ns: int, texts: InstrumentTexts) -> str:
    """Return the volume-weighted price of the last minutes, the last price if nothing traded in them."""
    lots, amount = market.recent(instrument.index, now_ns - AVERAGE_MINUTES * 60_000 * MILLISECOND_NS)
    if lots:
        return texts.amount(amount // lots)
    last = market.trades(instrument.index, 1)
    return texts.amount(last[0].price_ticks * instrument.tick_value if last else 0)


async def statistics(services: Services, call: Call) -> bytes:
    """Return how the last 24 hours were."""
    request = validated(StatisticsRequest, call.texts)
    now_ms = call.now_ns // MILLISECOND_NS
    market, directory = services.exchange.market, services.directory

    def one(instrument: Instrument) -> dict[str, Any]:
        index, texts = instrument.index, directory.texts(instrument.index)
        day = market.statistics(index, now_ms)
        if request.type == "MINI":
            return replies.mini_statistics(day, texts, call.stamp)
        last = market.trades(index, 1)
        lots = last[0].quantity_lots if last else 0
        return replies.statistics(day, market.book_ticker(index), lots, texts, call.stamp)

    return await _each(services, call, request.symbol, request.symbols, one)


async def price(services: Services, call: Call) -> bytes:
    """Return the last price, 0 where nothing traded yet."""
    request = validated(TickerRequest, call.texts)

    def one(instrument: Instrument) -> dict[str, Any]:
        last = services.exchange.market.trades(instrument.index, 1)
        texts = services.directory.texts(instrument.index)
        return {"symbol": instrument.symbol, "price": texts.price(last[0].price_ticks if last else 0)}

    return await _each(services, call, request.symbol, request.symbols, one)


async def book_ticker(services: Services, call: Call) -> bytes:
    """Return the best level of each side."""
    request = validated(TickerRequest, call.texts)

    def one(instrument: Instrument) -> dict[str, Any]:
        texts = services.directory.texts(instrument.index)
        return replies.book_ticker(services.exchange.market.book_ticker(instrument.index), texts)

    return await _each(services, call, request.symbol, request.symbols, one)


async def _each(
    services: Services, call: Call, symbol: str, symbols: tuple[str, ...], one: Callable[[Instrument], dict[str, Any]]
) -> bytes:
    """Answer for the instrument named, or for a list of them, letting others have their turn in between."""
    if symbol and symbols:
        raise RequestError(BAD_COMBINATION)
    if symbol:
        return encoded(one(services.directory.instrument(symbol)))
    parts = []
    instruments = services.directory.listed(symbols=symbols)
    charge(services, call, len(instruments))
    for begin in range(0, len(instruments), INSTRUMENTS_PER_TURN):
        rows = [one(instrument) for instrument in instruments[begin : begin + INSTRUMENTS_PER_TURN]]
        parts.append(encoded(rows)[1:-1])
        await asyncio.sleep(0)
    return b"[" + b",".join(parts) + b"]"


def _within(found: Sequence[Trade], start_ms: int | None, end_ms: int | None) -> list[Trade]:
    first = 0 if start_ms is None else start_ms * MILLISECOND_NS
    last = None if end_ms is None else (end_ms + 1) * MILLISECOND_NS
    return [trade for trade in found if trade.time_ns >= first and (last is None or trade.time_ns < last)]
