"""The market as everybody may see it, over real sockets."""

import json
import time

import pytest

from api.binance import schema
from tests.api.binance.test_trading import refused
from tests.api.venue import OTHER, SYMBOL

ROW = [int, str, str, str, str, str, int, str, int, str, str, str]


@pytest.fixture
def traded(market):
    """Return the exchange after two trades, with one bid and two asks left."""
    alice, bob = market.client("alice"), market.client("bob")
    bob.order("SELL", 5, "20.0000")
    bob.order("SELL", 1, "20.0005")
    alice.order("BUY", 2, "20.0000")
    alice.order("BUY", 1, "20.0000")
    alice.order("BUY", 7, "19.9999")
    return market


def get(market, path, **parameters):
    response = market.client("alice").get(f"/api/v3/{path}", **parameters)
    assert response.status_code == 200, response.text
    return response.json()


def refusal(market, path, **parameters):
    return refused(market.client("alice").get(f"/api/v3/{path}", **parameters))


def test_depth_is_best_first(traded):
    book = get(traded, "depth", symbol=SYMBOL)
    schema.Depth.model_validate_json(json.dumps(book))
    assert book["bids"] == [["19.9999", "7"]]
    assert book["asks"] == [["20.0000", "2"], ["20.0005", "1"]]
    assert get(traded, "depth", symbol=SYMBOL, limit=1)["asks"] == [["20.0000", "2"]]
    assert get(traded, "depth", symbol=SYMBOL, limit=1_000_000)["lastUpdateId"] == book["lastUpdateId"]


def test_the_last_trades_are_told(traded):
    first, second = get(traded, "trades", symbol=SYMBOL, limit=2)
    schema.Trade.model_validate(first)
    assert (first["price"], first["qty"], first["quoteQty"], first["isBuyerMaker"]) == (
        "20.0000",
        "2",
        "40.000000",
        False,
    )
    assert second["id"] == first["id"] + 1
    assert get(traded, "historicalTrades", symbol=SYMBOL, fromId=first["id"]) == [first, second]


def test_aggregate_trades_are_chosen_by_id_or_time(traded):
    newest = get(traded, "aggTrades", symbol=SYMBOL, limit=1)
    schema.AggregateTrade.model_validate(newest[0])
    then, now = newest[0]["T"], int(time.time() * 1000)
    assert get(traded, "aggTrades", symbol=SYMBOL, fromId=newest[0]["a"]) == newest
    assert newest[0] in get(traded, "aggTrades", symbol=SYMBOL, startTime=then, endTime=now + 60_000)
    assert get(traded, "aggTrades", symbol=SYMBOL, startTime=now + 60_000) == []
    assert get(traded, "aggTrades", symbol=SYMBOL, endTime=then, limit=1) == newest
    micros = then * 1000 + 999
    assert newest[0] in get(traded, "aggTrades", symbol=SYMBOL, startTime=micros, endTime=micros)
    assert refusal(traded, "aggTrades", symbol=SYMBOL, startTime=1, fromId=1) == (
        400,
        -1128,
        "Combination of optional parameters invalid.",
    )


@pytest.mark.parametrize("path", ["klines", "uiKlines"])
def test_candles_are_rows(traded, path):
    rows = get(traded, path, symbol=SYMBOL, interval="1d")
    assert [type(cell) for cell in rows[-1]] == ROW
    opened, _, high, low, close, *_ = rows[-1]
    assert opened % 86_400_000 == 0
    assert float(low) <= float(close) <= float(high)
    assert get(traded, path, symbol=SYMBOL, interval="1d", startTime=opened, endTime=opened, limit=1) == rows[-1:]


def test_the_average_price_is_weighted(traded):
    answer = get(traded, "avgPrice", symbol=SYMBOL)
    schema.AveragePrice.model_validate(answer)
    assert answer["mins"] == 5
    assert float(answer["price"]) > 0


def test_a_market_without_trades_has_prices_of_nothing(market):
    assert get(market, "avgPrice", symbol=OTHER) == {"mins": 5, "price": "0.000000", "closeTime": 0}
    assert get(market, "ticker/price", symbol=OTHER) == {"symbol": OTHER, "price": "0.00"}
    assert get(market, "klines", symbol=OTHER, interval="1m") == []
    assert get(market, "depth", symbol=OTHER)["bids"] == []
    assert get(market, "ticker/24hr", symbol=OTHER)["count"] == 0


def test_statistics_of_the_day(traded):
    day = get(traded, "ticker/24hr", symbol=SYMBOL)
    schema.Statistics.model_validate(day)
    assert (day["lastPrice"], day["lastQty"], day["bidPrice"], day["askQty"]) == ("20.0000", "1", "19.9999", "2")
    short = get(traded, "ticker/24hr", symbol=SYMBOL, type="MINI")
    schema.MiniStatistics.model_validate(short)
    assert {name: day[name] for name in short} | {"closeTime": 0} == short | {"closeTime": 0}


@pytest.mark.parametrize(
    ("path", "model"),
    [
        ("ticker/24hr", schema.Statistics),
        ("ticker/price", schema.LastPrice),
        ("ticker/bookTicker", schema.BookTicker),
    ],
)
def test_tickers_answer_for_one_for_several_and_for_all(traded, path, model):
    one = get(traded, path, symbol=SYMBOL)
    model.model_validate(one)
    several = get(traded, path, symbols=json.dumps([OTHER, SYMBOL], separators=(",", ":")))
    everything = get(traded, path)
    assert [row["symbol"] for row in several] == [OTHER, SYMBOL]
    assert {row["symbol"] for row in everything} >= {SYMBOL, OTHER}
    assert all(model.model_validate(row) for row in everything)


@pytest.mark.parametrize(
    ("path", "parameters", "code"),
    [
        ("depth", {}, -1102),
        ("depth", {"symbol": "TA.NONE"}, -1121),
        ("depth", {"symbol": SYMBOL, "limit": "0"}, -1130),
        ("depth", {"symbol": SYMBOL, "limit": "x"}, -1100),
        ("depth", {"symbol": SYMBOL, "bogus": "x"}, -1104),
        ("trades", {"symbol": SYMBOL, "limit": "1001"}, -1130),
        ("klines", {"symbol": SYMBOL}, -1102),
        ("klines", {"symbol": SYMBOL, "interval": "7m"}, -1120),
        ("klines", {"symbol": SYMBOL, "interval": "1m", "timeZone": "8"}, -1130),
        ("ticker/price", {"symbol": SYMBOL, "symbols": f'["{SYMBOL}"]'}, -1128),
        ("ticker/price", {"symbols": f'["{SYMBOL}","{SYMBOL}"]'}, -1151),
        ("ticker/price", {"symbols": '["TA.NONE"]'}, -1121),
        ("ticker/24hr", {"symbol": SYMBOL, "type": "TINY"}, -1130),
    ],
)
def test_bad_questions_are_refused_each_with_its_code(market, path, parameters, code):
    assert refusal(market, path, **parameters)[:2] == (400, code)
