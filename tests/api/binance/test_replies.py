"""Answers in the dialect's words, each held against its published model."""

import json

import pytest

from api.binance import replies, schema
from api.binance.directory import Directory
from api.call import Call
from api.orders import Fill, Placed
from exchange.core.types import OrderFlag, OrderType, Side, TimeInForce, TradingState
from exchange.marketdata.candles import Candle
from exchange.marketdata.depth import BookTicker, Depth
from exchange.marketdata.orders import FillView, OrderView
from exchange.marketdata.statistics import Statistics
from exchange.marketdata.trades import Trade
from tests.api.binance.floor import INSTRUMENT, Floor

TEXTS = Directory(Floor().registry).texts(INSTRUMENT)
STAMP = Call("", b"", 0).stamp
TIME_NS = 1_700_000_000_123_456_789
TIME_MS = 1_700_000_000_123
PLACED = Placed(
    5, "abc", Side.SELL, OrderType.LIMIT, TimeInForce.GTC, 1, OrderFlag.POST_ONLY, 100, 10, 4, 396, "NEW", TIME_NS,
    [Fill(99, 4, -2, 1)],
)  # fmt: skip
VIEW = OrderView(
    5, 1, INSTRUMENT, Side.BUY, OrderType.LIMIT, TimeInForce.IOC, 4, 0, 100, 10, TIME_NS, TIME_NS, "abc",
)  # fmt: skip


def told(order, response):
    return json.loads(replies.placed(order, TEXTS, "CNY", STAMP, response))


@pytest.mark.parametrize(
    ("order_type", "flags", "name"),
    [
        (OrderType.LIMIT, 0, "LIMIT"),
        (OrderType.LIMIT, OrderFlag.POST_ONLY, "LIMIT_MAKER"),
        (OrderType.MARKET, 0, "MARKET"),
    ],
)
def test_order_types_have_names(order_type, flags, name):
    assert replies.type_name(order_type, flags) == name


def test_every_trading_state_has_a_name():
    assert set(replies.STATES) == set(TradingState)


def test_what_became_of_an_order_is_told_in_three_lengths():
    short, longer, longest = (told(PLACED, response) for response in ("ACK", "RESULT", "FULL"))
    schema.Acknowledged.model_validate(short)
    schema.Result.model_validate(longer)
    schema.Full.model_validate(longest)
    assert short.items() <= longer.items() <= longest.items()
    assert short["transactTime"] == TIME_MS
    assert longest["cummulativeQuoteQty"] == TEXTS.amount(396)
    assert longest["fills"] == [
        {
            "price": TEXTS.price(99),
            "qty": TEXTS.quantity(4),
            "commission": TEXTS.amount(-2),
            "commissionAsset": "CNY",
            "tradeId": 1,
        }
    ]


def test_a_market_order_has_no_price():
    market = PLACED._replace(order_type=OrderType.MARKET)
    assert told(market, "RESULT")["price"] == TEXTS.price(0)


def test_a_sleeping_stop_and_an_iceberg_say_their_conditions():
    asleep = PLACED._replace(flags=OrderFlag.SLEEPING, stop_ticks=90, display_lots=2)
    body = told(asleep, "FULL")
    schema.Full.model_validate(body)
    assert (body["workingTime"], body["stopPrice"], body["icebergQty"]) == (-1, TEXTS.price(90), TEXTS.quantity(2))
    assert told(asleep._replace(flags=0), "RESULT")["workingTime"] == TIME_MS


def test_how_an_order_stands():
    body = replies.order_view(VIEW, TEXTS, STAMP)
    schema.Order.model_validate(body)
    assert (body["timeInForce"], body["side"], body["selfTradePreventionMode"]) == ("IOC", "BUY", "DECREMENT")
    gone = replies.canceled(VIEW, TEXTS, STAMP, "bye")
    schema.Canceled.model_validate(gone)
    assert (gone["origClientOrderId"], gone["clientOrderId"]) == ("abc", "bye")


def test_trades_are_told_to_all_and_to_their_owners():
    trade = Trade(7, TIME_NS, 100, 3, 300, is_buyer_maker=True)
    (public,) = replies.trades([trade], TEXTS, STAMP)
    (short,) = replies.aggregate_trades([trade], TEXTS, STAMP)
    schema.Trade.model_validate(public)
    schema.AggregateTrade.model_validate(short)
    assert (public["id"], short["a"], short["f"], short["l"]) == (7, 7, 7, 7)
    fill = FillView(7, 5, 1, INSTRUMENT, 100, 3, 300, 1, is_maker=True, is_buyer=False, time_ns=TIME_NS, event_number=9)
    own = replies.own_trade(fill, TEXTS, "CNY", STAMP)
    schema.OwnTrade.model_validate(own)
    assert (own["isMaker"], own["isBuyer"], own["commission"]) == (True, False, TEXTS.amount(1))


def test_the_book_is_told():
    book = replies.depth(Depth(9, [(100, 1)], [(101, 2), (102, 3)]), TEXTS)
    assert book["asks"] == [[TEXTS.price(101), TEXTS.quantity(2)], [TEXTS.price(102), TEXTS.quantity(3)]]
    best = replies.book_ticker(BookTicker(9, 100, 1, 101, 2), TEXTS)
    schema.BookTicker.model_validate(best)


def test_candles_are_rows_of_twelve():
    candle = Candle(0, 1, 4, 1, 3, 10, 59_999, 25, 2, 6, 15, 1, 2)
    ((*row,),) = replies.candles([candle], TEXTS, STAMP)
    assert row == [
        0,
        *(TEXTS.price(ticks) for ticks in (1, 4, 1, 3)),
        TEXTS.quantity(10),
        59_999,
        TEXTS.amount(25),
        2,
        TEXTS.quantity(6),
        TEXTS.amount(15),
        "0",
    ]


def test_a_day_is_told_in_two_lengths():
    day = Statistics(0, 9, 100, 110, 90, 105, 99, 10, 1000, 100, 3, 1, 3)
    short = replies.mini_statistics(day, TEXTS, STAMP)
    long = replies.statistics(day, BookTicker(9, 100, 1, 101, 2), 4, TEXTS, STAMP)
    schema.MiniStatistics.model_validate(short)
    schema.Statistics.model_validate(long)
    assert short.items() <= long.items()
    assert (long["priceChange"], long["priceChangePercent"]) == (TEXTS.price(5), "5.000")
