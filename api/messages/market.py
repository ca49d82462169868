"""What the market streams say.

On the line the names are those of the Binance dialect, one letter each; here they are words. Prices, quantities and
amounts are decimal texts on the line and `Decimal` here; times are milliseconds since 1970.
"""

from decimal import Decimal

import msgspec

Level = tuple[Decimal, Decimal]  # price, quantity


class TradeMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="trade",
    rename={
        "event_time": "E",
        "symbol": "s",
        "trade_id": "t",
        "price": "p",
        "quantity": "q",
        "time": "T",
        "is_buyer_maker": "m",
        "is_best_match": "M",
    },
):
    """A trade."""

    event_time: int
    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    time: int
    is_buyer_maker: bool
    is_best_match: bool


class AggregateTradeMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="aggTrade",
    rename={
        "event_time": "E",
        "symbol": "s",
        "trade_id": "a",
        "price": "p",
        "quantity": "q",
        "first_trade_id": "f",
        "last_trade_id": "l",
        "time": "T",
        "is_buyer_maker": "m",
        "is_best_match": "M",
    },
):
    """A trade, in the words of aggregates: each is an aggregate of its own."""

    event_time: int
    symbol: str
    trade_id: int
    price: Decimal
    quantity: Decimal
    first_trade_id: int
    last_trade_id: int
    time: int
    is_buyer_maker: bool
    is_best_match: bool


class DepthMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="depthUpdate",
    rename={
        "event_time": "E",
        "symbol": "s",
        "first_update_id": "U",
        "last_update_id": "u",
        "previous_update_id": "pu",
        "bids": "b",
        "asks": "a",
    },
):
    """Levels that changed and what stands there now, 0 for nothing. It follows the book at `previous_update_id`."""

    event_time: int
    symbol: str
    first_update_id: int
    last_update_id: int
    previous_update_id: int
    bids: list[Level]
    asks: list[Level]


class LevelsMessage(
    msgspec.Struct,
    frozen=True,
    rename={"last_update_id": "lastUpdateId"},
):
    """The best levels of each side, best first."""

    last_update_id: int
    bids: list[Level]
    asks: list[Level]


class BookTickerMessage(
    msgspec.Struct,
    frozen=True,
    rename={
        "last_update_id": "u",
        "symbol": "s",
        "bid_price": "b",
        "bid_quantity": "B",
        "ask_price": "a",
        "ask_quantity": "A",
    },
):
    """The best level of each side; 0 where nobody quotes."""

    last_update_id: int
    symbol: str
    bid_price: Decimal
    bid_quantity: Decimal
    ask_price: Decimal
    ask_quantity: Decimal


class MiniTickerMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="24hrMiniTicker",
    rename={
        "event_time": "E",
        "symbol": "s",
        "last_price": "c",
        "open_price": "o",
        "high_price": "h",
        "low_price": "l",
        "volume": "v",
        "quote_volume": "q",
    },
):
    """The last 24 hours of an instrument, in short."""

    event_time: int
    symbol: str
    last_price: Decimal
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    volume: Decimal
    quote_volume: Decimal


class TickerMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="24hrTicker",
    rename={
        "event_time": "E",
        "symbol": "s",
        "price_change": "p",
        "price_change_percent": "P",
        "average_price": "w",
        "previous_close_price": "x",
        "last_price": "c",
        "last_quantity": "Q",
        "bid_price": "b",
        "bid_quantity": "B",
        "ask_price": "a",
        "ask_quantity": "A",
        "open_price": "o",
        "high_price": "h",
        "low_price": "l",
        "volume": "v",
        "quote_volume": "q",
        "open_time": "O",
        "close_time": "C",
        "first_trade_id": "F",
        "last_trade_id": "L",
        "trade_count": "n",
    },
):
    """The last 24 hours of an instrument."""

    event_time: int
    symbol: str
    price_change: Decimal
    price_change_percent: Decimal
    average_price: Decimal
    previous_close_price: Decimal
    last_price: Decimal
    last_quantity: Decimal
    bid_price: Decimal
    bid_quantity: Decimal
    ask_price: Decimal
    ask_quantity: Decimal
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    volume: Decimal
    quote_volume: Decimal
    open_time: int
    close_time: int
    first_trade_id: int
    last_trade_id: int
    trade_count: int


class CandleBody(
    msgspec.Struct,
    frozen=True,
    rename={
        "open_time": "t",
        "close_time": "T",
        "symbol": "s",
        "interval": "i",
        "first_trade_id": "f",
        "last_trade_id": "L",
        "open_price": "o",
        "close_price": "c",
        "high_price": "h",
        "low_price": "l",
        "volume": "v",
        "trade_count": "n",
        "is_closed": "x",
        "quote_volume": "q",
        "taker_buy_volume": "V",
        "taker_buy_quote_volume": "Q",
        "ignored": "B",
    },
):
    """A candle; `is_closed` once it changes no more."""

    open_time: int
    close_time: int
    symbol: str
    interval: str
    first_trade_id: int
    last_trade_id: int
    open_price: Decimal
    close_price: Decimal
    high_price: Decimal
    low_price: Decimal
    volume: Decimal
    trade_count: int
    is_closed: bool
    quote_volume: Decimal
    taker_buy_volume: Decimal
    taker_buy_quote_volume: Decimal
    ignored: str


class CandleMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="kline",
    rename={"event_time": "E", "symbol": "s", "candle": "k"},
):
    """How a candle stands."""

    event_time: int
    symbol: str
    candle: CandleBody


class AveragePriceMessage(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="avgPrice",
    rename={"event_time": "E", "symbol": "s", "interval": "i", "price": "w", "last_trade_time": "T"},
):
    """The volume-weighted price of the last minutes."""

    event_time: int
    symbol: str
    interval: str
    price: Decimal
    last_trade_time: int


MarketMessage = (
    TradeMessage
    | AggregateTradeMessage
    | DepthMessage
    | LevelsMessage
    | BookTickerMessage
    | MiniTickerMessage
    | TickerMessage
    | CandleMessage
    | AveragePriceMessage
)
