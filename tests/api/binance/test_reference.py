"""Time, limits and instruments; and what clients of the dialect ask besides."""

import json
import time

import pytest

from api.binance import reference, schema
from exchange.core import commands
from exchange.core.types import TradingState
from tests.api.binance.test_trading import refused
from tests.api.venue import CLOSED, OTHER, SYMBOL, TOKENS


def get(market, path, **parameters):
    response = market.client("alice").get(path, **parameters)
    assert response.status_code == 200, response.text
    return response.json()


def test_somebody_answers(market):
    assert get(market, "/api/v3/ping") == {}
    answer = get(market, "/api/v3/time")
    schema.ServerTime.model_validate(answer)
    assert abs(answer["serverTime"] - time.time() * 1000) < 5000
    extra = market.client("alice").get("/api/v3/ping", a=1)
    assert refused(extra) == (400, -1101, "Too many parameters; expected '0' and received '1'.")


def test_whether_orders_are_taken_is_told(market, monkeypatch):
    path = "/sapi/v1/system/status"
    assert get(market, path) == {"status": 0, "msg": "normal"}
    monkeypatch.setattr(market.exchange.sequencer, "_refusal", "over")
    answer = get(market, path)
    schema.Status.model_validate(answer)
    assert answer["status"] == 1


def test_limits_are_announced(market):
    info = get(market, "/api/v3/exchangeInfo", symbol=SYMBOL)
    schema.ExchangeInfo.model_validate(info)
    assert info["rateLimits"] == [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": market.limits[0]},
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": market.limits[1]},
    ]


def test_an_instrument_shows_its_terms(market):
    (symbol,) = get(market, "/api/v3/exchangeInfo", symbol=SYMBOL)["symbols"]
    assert (symbol["status"], symbol["baseAsset"], symbol["quoteAsset"]) == ("TRADING", SYMBOL, "CNY")
    assert symbol["orderTypes"] == ["LIMIT", "LIMIT_MAKER", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT"]
    assert (symbol["icebergAllowed"], symbol["quoteOrderQtyMarketAllowed"]) == (True, True)
    filters = {one.pop("filterType"): one for one in symbol["filters"]}
    assert filters["PRICE_FILTER"] == {"minPrice": "0.0010", "maxPrice": "1000.0000", "tickSize": "0.0001"}
    assert filters["LOT_SIZE"] == filters["MARKET_LOT_SIZE"] == {"minQty": "1", "maxQty": "10000", "stepSize": "1"}
    assert set(filters) == {
        "PRICE_FILTER",
        "LOT_SIZE",
        "MARKET_LOT_SIZE",
        "NOTIONAL",
        "MAX_NUM_ORDERS",
        "MAX_NUM_ALGO_ORDERS",
    }


def names(info):
    return [symbol["symbol"] for symbol in info["symbols"]]


def test_instruments_are_chosen(market, monkeypatch):
    monkeypatch.setattr(reference, "INSTRUMENTS_PER_TURN", 2)
    assert names(get(market, "/api/v3/exchangeInfo"))[:3] == [SYMBOL, OTHER, CLOSED]
    several = json.dumps([OTHER, SYMBOL], separators=(",", ":"))
    assert names(get(market, "/api/v3/exchangeInfo", symbols=several)) == [OTHER, SYMBOL]
    assert CLOSED in names(get(market, "/api/v3/exchangeInfo", symbolStatus="BREAK"))
    assert CLOSED not in names(get(market, "/api/v3/exchangeInfo", symbolStatus="TRADING"))


def test_a_halt_shows_at_once(market):
    def status():
        return get(market, "/api/v3/exchangeInfo", symbol=SYMBOL)["symbols"][0]["status"]

    assert status() == "TRADING"
    market.submit(commands.set_trading_state(TOKENS, TradingState.HALTED))
    try:
        assert status() == "HALT"
    finally:
        market.submit(commands.set_trading_state(TOKENS, TradingState.CONTINUOUS))
    assert status() == "TRADING"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"symbol": "TA.NONE"}, -1121),
        ({"symbol": SYMBOL, "symbols": f'["{SYMBOL}"]'}, -1128),
        ({"symbols": "x"}, -1135),
        ({"symbolStatus": "x"}, -1130),
    ],
)
def test_bad_choices_are_refused(market, parameters, code):
    assert refused(market.client("alice").get("/api/v3/exchangeInfo", **parameters))[1] == code


def test_what_is_not_traded_here_is_an_empty_venue(market):
    for venue in ("fapi", "dapi"):
        assert get(market, f"/{venue}/v1/exchangeInfo") == {"symbols": []}


def test_who_has_a_key_is_told_of_no_margin_trading(market):
    alice = market.client("alice")
    for path in ("/sapi/v1/margin/allPairs", "/sapi/v1/margin/isolated/allPairs"):
        assert alice.send("GET", path, "").json() == []
    assert alice.signed("GET", "/api/v3/openOrderList").json() == []


def test_assets_and_fees_are_listed(market):
    alice = market.client("alice")
    coins = alice.signed("GET", "/sapi/v1/capital/config/getall").json()
    assert [coin["coin"] for coin in coins][:3] == ["CNY", SYMBOL, OTHER]
    fees = alice.signed("GET", "/sapi/v1/asset/tradeFee", symbol=SYMBOL).json()
    assert fees == [{"symbol": SYMBOL, "makerCommission": "-0.00010000", "takerCommission": "0.00050000"}]
    assert len(alice.signed("GET", "/sapi/v1/asset/tradeFee").json()) >= 3


def test_unchanged_instruments_are_not_sent_again(market):
    alice = market.client("alice")
    tag = alice.get("/api/v3/exchangeInfo").headers["etag"]
    for query in ("", f"symbol={SYMBOL}"):
        again = alice.send("GET", "/api/v3/exchangeInfo", query, **{"If-None-Match": tag})
        assert (again.status_code, again.content) == (304, b"")
    market.submit(commands.set_fees(TOKENS, -1, 6))
    changed = alice.send("GET", "/api/v3/exchangeInfo", "", **{"If-None-Match": tag})
    market.submit(commands.set_fees(TOKENS, -1, 5))
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_many_instruments_are_compressed_for_those_who_take_it(market, monkeypatch):
    http, path = market.client("alice")._http, "/api/v3/exchangeInfo"
    plain = http.get(path)
    monkeypatch.setattr(reference, "UNPACKED_MAX", 1)
    monkeypatch.setattr(reference, "INSTRUMENTS_PER_TURN", 2)
    for _ in range(2):
        packed = http.get(path, headers={"accept-encoding": "gzip"})
        assert (packed.headers["content-encoding"], packed.headers["vary"]) == ("gzip", "accept-encoding")
        assert packed.json()["symbols"] == plain.json()["symbols"]
    for kept in (http.get(path, headers={"accept-encoding": "identity"}), http.get(path, params={"symbol": SYMBOL})):
        assert "content-encoding" not in kept.headers
    known = http.get(path, headers={"if-none-match": packed.headers["etag"]})
    assert (known.status_code, known.content) == (304, b"")
