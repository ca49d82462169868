"""The answers of the Binance dialect: facts of the exchange in, the dialect's names and decimal texts out."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from api.binance.texts import InstrumentTexts
from api.orders import Placed, name_of, status_of
from exchange.core.types import OrderFlag, OrderType, SelfTradePrevention, Side, TimeInForce, TradingState
from exchange.marketdata.candles import Candle
from exchange.marketdata.depth import BookTicker, Depth
from exchange.marketdata.orders import FillView, OrderView
from exchange.marketdata.statistics import Statistics
from exchange.marketdata.trades import Trade

Body = dict[str, Any]
Stamp = Callable[[int], int]  # nanoseconds -> the unit of time that the caller asked for

MILLISECOND_NS = 1_000_000
SIDES = {int(side): side.name for side in (Side.BUY, Side.SELL)}
TIMES_IN_FORCE = {int(time): time.name for time in TimeInForce}
PREVENTIONS = {int(mode): mode.name for mode in SelfTradePrevention}
STATES = {
    TradingState.CLOSED: "BREAK",
    TradingState.CONTINUOUS: "TRADING",
    TradingState.HALTED: "HALT",
    TradingState.SUSPENDED: "HALT",
    TradingState.PRE_OPEN: "AUCTION_MATCH",
    TradingState.CALL_OPEN: "AUCTION_MATCH",
    TradingState.CALL_NO_CANCEL: "AUCTION_MATCH",
    TradingState.VOLATILITY: "AUCTION_MATCH",
    TradingState.CALL_CLOSE: "AUCTION_MATCH",
    TradingState.UNCROSSING: "AUCTION_MATCH",
    TradingState.GATE_CLOSED: "BREAK",
    TradingState.EXPIRED: "END_OF_DAY",
}
TERMS_CACHED_MAX = 1 << 12
TEXTS_CACHED_MAX = 1 << 16  # of each kind: an order's answer shows prices and quantities that others showed before
_price = lru_cache(TEXTS_CACHED_MAX)(InstrumentTexts.price)
_quantity = lru_cache(TEXTS_CACHED_MAX)(InstrumentTexts.quantity)
_amount = lru_cache(TEXTS_CACHED_MAX)(InstrumentTexts.amount)
_POST_ONLY = int(OrderFlag.POST_ONLY)
_SLEEPING = int(OrderFlag.SLEEPING)
_LIMIT, _STOP_LIMIT = int(OrderType.LIMIT), int(OrderType.STOP_LIMIT)
_TYPES: dict[int, str] = {
    OrderType.LIMIT: "LIMIT",
    OrderType.MARKET: "MARKET",
    OrderType.STOP: "STOP_LOSS",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
}


def type_name(order_type: int, flags: int) -> str:
    """Return the dialect's name of an order type."""
    if flags & _POST_ONLY:
        return "LIMIT_MAKER"
    return _TYPES[order_type]


def shown_ticks(order_type: int, price_ticks: int) -> int:
    """Return the limit price of an order, 0 for one that has none of its own."""
    return price_ticks if order_type in {_LIMIT, _STOP_LIMIT} else 0


def placed(
    order: Placed, texts: InstrumentTexts, quote_asset: str, stamp: Stamp, response: str, amount: int = 0
) -> str:
    """Say what became of an order, as JSON: ACK, RESULT, or FULL with every trade; `amount` is what it named to spend.

    Written as text, for every order is answered: its words are of symbols and names that need no escaping.
    """
    time = stamp(order.time_ns)
    head = (
        f'{{"symbol":"{texts.symbol}","orderId":{order.order_id},"orderListId":-1,'
        f'"clientOrderId":"{order.client_order_id}","transactTime":{time}'
    )
    if response == "ACK":
        return f"{head}}}"
    zero = _amount(texts, 0)
    terms = placed_terms(*order[2:7])
    working, tail = time, ""
    if order.stop_ticks or order.display_lots:
        more = _conditions(order, texts)
        working = more.pop("workingTime", time)
        tail = "".join([f',"{name}":"{text}"' for name, text in more.items()])
    return (
        f'{head},"price":"{_price(texts, shown_ticks(order.order_type, order.price_ticks))}",'
        f'"origQty":"{_quantity(texts, order.quantity_lots)}","executedQty":"{_quantity(texts, order.filled_lots)}",'
        f'"origQuoteOrderQty":"{texts.amount(amount) if amount else zero}","cummulativeQuoteQty":'
        f'"{texts.amount(order.quote_filled) if order.quote_filled else zero}","status":"{order.status}",{terms},'
        f'"workingTime":{working}{tail}{_fills(order, texts, quote_asset) if response == "FULL" else ""}}}'
    )


def _fills(order: Placed, texts: InstrumentTexts, quote_asset: str) -> str:
    if not order.fills:
        return ',"fills":[]'
    told = [
        f'{{"price":"{_price(texts, fill.price_ticks)}","qty":"{_quantity(texts, fill.quantity_lots)}",'
        f'"commission":"{texts.amount(fill.fee)}","commissionAsset":"{quote_asset}","tradeId":{fill.trade_id}}}'
        for fill in order.fills
    ]
    return f',"fills":[{",".join(told)}]'


@lru_cache(TERMS_CACHED_MAX)
def placed_terms(side: int, order_type: int, time_in_force: int, prevention: int, flags: int) -> str:
    """Say what an order asked for besides numbers."""
    return (
        f'"timeInForce":"{TIMES_IN_FORCE[time_in_force]}","type":"{type_name(order_type, flags)}",'
        f'"side":"{SIDES[side]}","selfTradePreventionMode":"{PREVENTIONS[prevention]}"'
    )


def _conditions(order: Placed | OrderView, texts: InstrumentTexts) -> Body:
    """Say what only stops and icebergs have; a sleeping stop works for nobody yet."""
    body: Body = {}
    if order.stop_ticks:
        body["stopPrice"] = texts.price(order.stop_ticks)
    if order.display_lots:
        body["icebergQty"] = texts.quantity(order.display_lots)
    if order.flags & _SLEEPING:
        body["workingTime"] = -1
    return body


def order_view(order: OrderView, texts: InstrumentTexts, stamp: Stamp, amount: int = 0) -> Body:
    """Say how an order stands; `amount` is what a market order named to spend."""
    asleep = order.flags & _SLEEPING
    time = stamp(order.time_ns)
    return {
        "symbol": texts.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": name_of(order),
        "price": texts.price(shown_ticks(order.order_type, order.price_ticks)),
        "origQty": texts.quantity(order.quantity_lots),
        "executedQty": texts.quantity(order.filled_lots),
        "cummulativeQuoteQty": texts.amount(order.quote_filled),
        "status": status_of(order),
        "timeInForce": TIMES_IN_FORCE[order.time_in_force],
        "type": type_name(order.order_type, order.flags),
        "side": SIDES[order.side],
        "stopPrice": texts.price(order.stop_ticks),
        "icebergQty": texts.quantity(order.display_lots),
        "time": time,
        "updateTime": stamp(order.update_ns),
        "isWorking": not asleep,
        "workingTime": -1 if asleep else stamp(order.triggered_ns or order.time_ns),
        "origQuoteOrderQty": texts.amount(amount),
        "selfTradePreventionMode": PREVENTIONS[order.self_trade_prevention],
    }


def canceled(order: OrderView, texts: InstrumentTexts, stamp: Stamp, name: str) -> Body:
    """Say that an order was cancelled by a cancellation of this name."""
    body = {
        "symbol": texts.symbol,
        "origClientOrderId": name_of(order),
        "orderId": order.order_id,
        "orderListId": -1,
        "clientOrderId": name,
        "transactTime": stamp(order.update_ns),
        "price": texts.price(shown_ticks(order.order_type, order.price_ticks)),
        "origQty": texts.quantity(order.quantity_lots),
        "executedQty": texts.quantity(order.filled_lots),
        "origQuoteOrderQty": texts.amount(0),
        "cummulativeQuoteQty": texts.amount(order.quote_filled),
        "status": status_of(order),
        "timeInForce": TIMES_IN_FORCE[order.time_in_force],
        "type": type_name(order.order_type, order.flags),
        "side": SIDES[order.side],
        "selfTradePreventionMode": PREVENTIONS[order.self_trade_prevention],
    }
    return body | _conditions(order, texts) if order.stop_ticks or order.display_lots else body


def amended(order: OrderView, texts: InstrumentTexts, stamp: Stamp) -> Body:
    """Say how an order stands after its quantity was lowered."""
    return {
        "symbol": texts.symbol,
        "orderId": order.order_id,
        "orderListId": -1,
        "origClientOrderId": name_of(order),
        "clientOrderId": name_of(order),
        "price": texts.price(shown_ticks(order.order_type, order.price_ticks)),
        "qty": texts.quantity(order.quantity_lots),
        "executedQty": texts.quantity(order.filled_lots),
        "preventedQty": texts.quantity(0),
        "quoteOrderQty": texts.amount(0),
        "cumulativeQuoteQty": texts.amount(order.quote_filled),
        "status": status_of(order),
        "timeInForce": TIMES_IN_FORCE[order.time_in_force],
        "type": type_name(order.order_type, order.flags),
        "side": SIDES[order.side],
        "workingTime": stamp(order.time_ns),
        "selfTradePreventionMode": PREVENTIONS[order.self_trade_prevention],
    }


def own_trade(fill: FillView, texts: InstrumentTexts, quote_asset: str, stamp: Stamp) -> Body:
    """Say what one side of a trade was."""
    return {
        "symbol": texts.symbol,
        "id": fill.trade_id,
        "orderId": fill.order_id,
        "orderListId": -1,
        "price": texts.price(fill.price_ticks),
        "qty": texts.quantity(fill.quantity_lots),
        "quoteQty": texts.amount(fill.amount),
        "commission": texts.amount(fill.fee),
        "commissionAsset": quote_asset,
        "time": stamp(fill.time_ns),
        "isBuyer": fill.is_buyer,
        "isMaker": fill.is_maker,
        "isBestMatch": True,
    }


def depth(book: Depth, texts: InstrumentTexts) -> Body:
    """Say how a book stands."""
    return {
        "lastUpdateId": book.last_update_id,
        "bids": texts.levels(book.bids),
        "asks": texts.levels(book.asks),
    }


def trades(found: Iterable[Trade], texts: InstrumentTexts, stamp: Stamp) -> list[Body]:
    """Say what was traded."""
    return [
        {
            "id": trade.trade_id,
            "price": texts.price(trade.price_ticks),
            "qty": texts.quantity(trade.quantity_lots),
            "quoteQty": texts.amount(trade.amount),
            "time": stamp(trade.time_ns),
            "isBuyerMaker": trade.is_buyer_maker,
            "isBestMatch": True,
        }
        for trade in found
    ]


def aggregate_trades(found: Iterable[Trade], texts: InstrumentTexts, stamp: Stamp) -> list[Body]:
    """Say the same in short, each trade an aggregate of its own."""
    return [
        {
            "a": trade.trade_id,
            "p": texts.price(trade.price_ticks),
            "q": texts.quantity(trade.quantity_lots),
            "f": trade.trade_id,
            "l": trade.trade_id,
            "T": stamp(trade.time_ns),
            "m": trade.is_buyer_maker,
            "M": True,
        }
        for trade in found
    ]


def candles(found: Iterable[Candle], texts: InstrumentTexts, stamp: Stamp) -> list[list[Any]]:
    """Say candles, each a row."""
    return [
        [
            stamp(candle.open_ms * MILLISECOND_NS),
            texts.price(candle.open_ticks),
            texts.price(candle.high_ticks),
            texts.price(candle.low_ticks),
            texts.price(candle.close_ticks),
            texts.quantity(candle.volume_lots),
            stamp((candle.close_ms + 1) * MILLISECOND_NS - 1),
            texts.amount(candle.amount),
            candle.trade_count,
            texts.quantity(candle.taker_buy_lots),
            texts.amount(candle.taker_buy_amount),
            "0",
        ]
        for candle in found
    ]


def book_ticker(best: BookTicker, texts: InstrumentTexts) -> Body:
    """Say how the best level of each side stands."""
    return {
        "symbol": texts.symbol,
        "bidPrice": texts.price(best.bid_ticks),
        "bidQty": texts.quantity(best.bid_lots),
        "askPrice": texts.price(best.ask_ticks),
        "askQty": texts.quantity(best.ask_lots),
    }


def mini_statistics(day: Statistics, texts: InstrumentTexts, stamp: Stamp) -> Body:
    """Say how the last 24 hours were, in short."""
    return {
        "symbol": texts.symbol,
        "openPrice": texts.price(day.open_ticks),
        "highPrice": texts.price(day.high_ticks),
        "lowPrice": texts.price(day.low_ticks),
        "lastPrice": texts.price(day.last_ticks),
        "volume": texts.quantity(day.volume_lots),
        "quoteVolume": texts.amount(day.amount),
        "openTime": stamp(day.open_ms * MILLISECOND_NS),
        "closeTime": stamp(day.close_ms * MILLISECOND_NS),
        "firstId": day.first_trade_id,
        "lastId": day.last_trade_id,
        "count": day.trade_count,
    }


def statistics(day: Statistics, best: BookTicker, last_lots: int, texts: InstrumentTexts, stamp: Stamp) -> Body:
    """Say how the last 24 hours were."""
    change = day.last_ticks - day.open_ticks
    return {
        **mini_statistics(day, texts, stamp),
        **book_ticker(best, texts),
        "priceChange": texts.price(change),
        "priceChangePercent": texts.percent(change, day.open_ticks),
        "weightedAvgPrice": texts.amount(day.average_units),
        "prevClosePrice": texts.price(day.previous_ticks),
        "lastQty": texts.quantity(last_lots),
    }
