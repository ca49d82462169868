"""Client libraries of the dialect trade over REST with nothing changed but the base address."""

import asyncio
import json
import warnings
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.api.venue import KEYS, SYMBOL, Venue, secret, venue

with warnings.catch_warnings():  # what the libraries import that is deprecated is no fault of the exchange
    warnings.simplefilter("ignore")
    import ccxt
    import ccxt.async_support as ccxt_async
    from binance.async_client import AsyncClient
    from binance.client import Client as SyncClient
    from binance.exceptions import BinanceAPIException

NAME = f"{SYMBOL}/CNY"  # what ccxt makes of the symbol
SPOT_ONLY = {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False}

pytestmark = [
    pytest.mark.system,
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # sessions that a library leaves open
]


@pytest.fixture(scope="module")
def open_venue(tmp_path_factory) -> Iterator[Venue]:
    with venue(tmp_path_factory.mktemp("clients")) as served:
        yield served


@pytest.fixture
def floor(open_venue) -> Iterator[Venue]:
    open_venue.reset()
    yield open_venue
    open_venue.reset()


def settings(floor, name, **more):
    """Return what a ccxt exchange is made with: keys, and addresses in place of its own."""
    rest = f"{floor.base}/api/v3"
    return {
        "apiKey": KEYS[name][0],
        "secret": secret(name),
        "urls": {"api": {"public": rest, "private": rest}},
        "options": SPOT_ONLY,
    } | more


def everywhere(floor):
    """Return every address of ccxt's, each leading here: then its default options need no change."""
    parts = (
        "sapi",
        "sapiV2",
        "sapiV3",
        "sapiV4",
        "fapiPublic",
        "fapiPrivate",
        "dapiPublic",
        "dapiPrivate",
        "eapiPublic",
    )
    paths = {part: f"{floor.base}/{part.removesuffix('Public').removesuffix('Private')}/v1" for part in parts}
    return {
        "api": paths
        | {"public": f"{floor.base}/api/v3", "private": f"{floor.base}/api/v3", "v1": f"{floor.base}/api/v1"}
    }


def test_ccxt_trades(floor):
    alice, bob = ccxt.binance(settings(floor, "alice")), ccxt.binance(settings(floor, "bob"))
    market = alice.load_markets()[NAME]
    assert (market["active"], market["precision"], market["limits"]["amount"]["min"]) == (
        True,
        market["precision"] | {"price": 0.0001, "amount": 1.0},
        1.0,
    )
    asked = bob.create_order(NAME, "limit", "sell", 5, 12.3456)
    assert (asked["status"], asked["price"], asked["amount"]) == ("open", 12.3456, 5.0)
    bought = alice.create_order(NAME, "limit", "buy", 2, 12.3456)
    assert (bought["status"], bought["filled"], bought["cost"]) == ("closed", 2.0, 24.6912)
    assert bought["fees"][0] == {"currency": "CNY", "cost": 0.012346}
    taken = alice.create_order(NAME, "market", "buy", 1)
    assert (taken["status"], taken["filled"]) == ("closed", 1.0)
    found = bob.fetch_order(asked["id"], NAME)
    assert (found["status"], found["filled"], found["remaining"]) == ("open", 3.0, 2.0)
    assert [order["id"] for order in bob.fetch_open_orders(NAME)] == [asked["id"]]
    assert bob.cancel_order(asked["id"], NAME)["status"] == "canceled"
    assert [order["id"] for order in bob.fetch_orders(NAME)][-1] == asked["id"]
    assert [order["id"] for order in bob.fetch_canceled_orders(NAME)][-1] == asked["id"]
    mine = alice.fetch_my_trades(NAME)[-2:]
    assert [(trade["amount"], trade["takerOrMaker"], trade["fee"]["currency"]) for trade in mine] == [
        (2.0, "taker", "CNY"),
        (1.0, "taker", "CNY"),
    ]


def test_ccxt_reads_the_market(floor):
    alice, bob = ccxt.binance(settings(floor, "alice")), ccxt.binance(settings(floor, "bob"))
    bob.create_order(NAME, "limit", "sell", 2, 20.0)
    alice.create_order(NAME, "limit", "buy", 1, 20.0)
    alice.create_order(NAME, "limit", "buy", 3, 19.5)
    book = alice.fetch_order_book(NAME)
    assert (book["bids"], book["asks"]) == ([[19.5, 3.0]], [[20.0, 1.0]])
    ticker = alice.fetch_ticker(NAME)
    assert (ticker["last"], ticker["bid"], ticker["ask"]) == (20.0, 19.5, 20.0)
    assert alice.fetch_tickers([NAME])[NAME]["last"] == 20.0
    assert alice.fetch_bids_asks([NAME])[NAME]["bid"] == 19.5
    assert alice.fetch_last_prices([NAME])[NAME]["price"] == 20.0
    trade = alice.fetch_trades(NAME, limit=1)[0]
    assert (trade["price"], trade["amount"], trade["side"]) == (20.0, 1.0, "buy")
    assert alice.fetch_ohlcv(NAME, "1m")[-1][4] == 20.0
    assert abs(alice.fetch_time() - alice.milliseconds()) < 5000


def test_ccxt_reads_balances_and_cancels_all(floor):
    alice = ccxt.binance(settings(floor, "alice"))
    before = alice.fetch_balance()["CNY"]
    ids = {alice.create_order(NAME, "limit", "buy", 1, price)["id"] for price in (1.0, 2.0)}
    held = alice.fetch_balance()["CNY"]
    assert held["used"] == pytest.approx(3.0015, abs=1e-5)
    assert held["total"] == pytest.approx(before["total"])
    assert {order["id"] for order in alice.cancel_all_orders(NAME)} == ids
    assert alice.fetch_balance()["CNY"]["used"] == 0.0


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("limit", "buy", 10_000, 999.0), ccxt.InsufficientFunds),
        (("limit", "buy", 1, 2000.0), ccxt.BadRequest),
        (("limit", "buy", 20_000, 1.0), ccxt.InvalidOrder),
    ],
)
def test_ccxt_understands_refusals(floor, arguments, error):
    carol = ccxt.binance(settings(floor, "carol"))
    with pytest.raises(error):
        carol.create_order(NAME, *arguments)


def test_ccxt_understands_more_refusals(floor):
    alice, bob = ccxt.binance(settings(floor, "alice")), ccxt.binance(settings(floor, "bob"))
    bob.create_order(NAME, "limit", "sell", 1, 12.0)
    with pytest.raises(ccxt.OrderImmediatelyFillable):
        alice.create_order(NAME, "limit", "buy", 1, 12.0, {"postOnly": True})
    with pytest.raises(ccxt.OrderNotFound):
        alice.cancel_order("99", NAME)
    with pytest.raises(ccxt.OrderNotFound):
        alice.fetch_order("99", NAME)
    alice.secret = "wrong"
    with pytest.raises(ccxt.AuthenticationError):
        alice.fetch_balance()
    alice.apiKey = "nobody"
    with pytest.raises(ccxt.AuthenticationError):
        alice.fetch_balance()


def test_ccxt_with_its_default_options_needs_new_addresses_only(floor):
    alice = ccxt.binance({"apiKey": KEYS["alice"][0], "secret": secret("alice"), "urls": everywhere(floor)})
    assert NAME in alice.load_markets()
    assert alice.fetch_status()["status"] == "ok"
    assert alice.fetch_currencies()["CNY"]["active"] is not None
    assert alice.fetch_trading_fee(NAME)["taker"] == 0.0005
    assert alice.fetch_trading_fees()[NAME]["maker"] == -0.0001


def test_ccxt_repeats_an_order_by_its_name(floor):
    alice = ccxt.binance(settings(floor, "alice"))
    terms = (NAME, "limit", "buy", 1, 3.0)
    first = alice.create_order(*terms, {"clientOrderId": "ccxt-once"})
    assert alice.create_order(*terms, {"clientOrderId": "ccxt-once"})["id"] == first["id"]
    assert alice.fetch_order(None, NAME, {"clientOrderId": "ccxt-once"})["id"] == first["id"]


def test_ccxt_trades_asynchronously(floor):
    async def trade() -> Any:
        alice = ccxt_async.binance(settings(floor, "alice"))
        bob = ccxt_async.binance(settings(floor, "bob"))
        try:
            asked = await bob.create_order(NAME, "limit", "sell", 4, 15.0)
            orders = await asyncio.gather(*[alice.create_order(NAME, "limit", "buy", 1, 15.0) for _ in range(3)])
            book = await alice.fetch_order_book(NAME)
            balance = await alice.fetch_balance()
            canceled = await bob.cancel_order(asked["id"], NAME)
            trades = await bob.fetch_my_trades(NAME, limit=3)
        finally:
            await alice.close()
            await bob.close()
        return orders, book, balance, canceled, trades

    orders, book, balance, canceled, trades = asyncio.run(trade())
    assert {order["status"] for order in orders} == {"closed"}
    assert book["asks"] == [[15.0, 1.0]]
    assert balance["CNY"]["used"] == 0.0
    assert (canceled["status"], canceled["filled"]) == ("canceled", 3.0)
    assert [trade["takerOrMaker"] for trade in trades] == ["maker"] * 3


@pytest.fixture
def python_binance(floor, monkeypatch):
    """Return how to make python-binance's clients, a class attribute of theirs pointing here."""
    monkeypatch.setattr(SyncClient, "API_URL", f"{floor.base}/api")
    loop = asyncio.new_event_loop()  # the library would make one for each client and leave it open
    for module in ("base_client", "ws.reconnecting_websocket"):
        monkeypatch.setattr(f"binance.{module}.get_loop", lambda: loop)
    made = []

    def make(name):
        made.append(SyncClient(KEYS[name][0], secret(name)))
        return made[-1]

    yield make
    for client in made:
        client.close_connection()
    loop.close()


def test_python_binance_trades(python_binance):
    alice, bob = python_binance("alice"), python_binance("bob")
    asked = bob.order_limit_sell(symbol=SYMBOL, quantity=5, price="12.3456")
    bought = alice.order_limit_buy(symbol=SYMBOL, quantity=2, price="12.3456")
    assert (bought["status"], bought["fills"][0]["commission"]) == ("FILLED", "0.012346")
    taken = alice.order_market_buy(symbol=SYMBOL, quantity=1)
    assert (taken["status"], taken["executedQty"]) == ("FILLED", "1")
    assert bob.get_order(symbol=SYMBOL, orderId=asked["orderId"])["status"] == "PARTIALLY_FILLED"
    assert [order["orderId"] for order in bob.get_open_orders(symbol=SYMBOL)] == [asked["orderId"]]
    assert bob.cancel_order(symbol=SYMBOL, orderId=asked["orderId"])["status"] == "CANCELED"
    assert bob.get_all_orders(symbol=SYMBOL)[-1]["orderId"] == asked["orderId"]
    assert [trade["qty"] for trade in alice.get_my_trades(symbol=SYMBOL)[-2:]] == ["2", "1"]
    assert alice.create_test_order(symbol=SYMBOL, side="BUY", type="MARKET", quantity=1) == {}
    named = alice.order_limit_buy(symbol=SYMBOL, quantity=1, price="1.0000", newClientOrderId="pb-1")
    assert alice.get_order(symbol=SYMBOL, origClientOrderId="pb-1")["orderId"] == named["orderId"]


def test_python_binance_reads_market_and_account(python_binance):
    alice, bob = python_binance("alice"), python_binance("bob")
    bob.order_limit_sell(symbol=SYMBOL, quantity=2, price="20.0000")
    alice.order_limit_buy(symbol=SYMBOL, quantity=1, price="20.0000")
    assert alice.get_order_book(symbol=SYMBOL)["asks"] == [["20.0000", "1"]]
    assert alice.get_symbol_info(SYMBOL)["baseAsset"] == SYMBOL
    assert alice.get_recent_trades(symbol=SYMBOL, limit=1)[0]["price"] == "20.0000"
    assert alice.get_historical_trades(symbol=SYMBOL, limit=1)[0]["qty"] == "1"
    assert alice.get_aggregate_trades(symbol=SYMBOL, limit=1)[0]["p"] == "20.0000"
    assert alice.get_klines(symbol=SYMBOL, interval="1m")[-1][4] == "20.0000"
    assert alice.get_avg_price(symbol=SYMBOL)["mins"] == 5
    assert alice.get_ticker(symbol=SYMBOL)["lastPrice"] == "20.0000"
    assert {"symbol": SYMBOL, "price": "20.0000"} in alice.get_all_tickers()
    assert alice.get_orderbook_ticker(symbol=SYMBOL)["askQty"] == "1"
    assert len(alice.get_orderbook_tickers()) >= 2
    assert Decimal(alice.get_asset_balance(asset="CNY")["free"]) > 0
    assert alice.get_account()["canTrade"] is True
    assert alice.get_server_time()["serverTime"] > 0
    key = alice.stream_get_listen_key()
    assert alice.stream_keepalive(key) == {}
    assert alice.stream_close(key) == {}


def test_python_binance_understands_refusals(python_binance):
    carol = python_binance("carol")
    with pytest.raises(BinanceAPIException, match="insufficient balance") as caught:
        carol.order_limit_buy(symbol=SYMBOL, quantity=1, price="1.0000")
    assert (caught.value.code, caught.value.status_code) == (-2010, 400)
    with pytest.raises(BinanceAPIException, match="Filter failure: LOT_SIZE"):
        carol.order_limit_buy(symbol=SYMBOL, quantity="0.5", price="1.00")
    with pytest.raises(BinanceAPIException, match="Invalid symbol"):
        carol.get_order_book(symbol="TA.NONE")


def test_python_binance_trades_asynchronously(floor, monkeypatch):
    monkeypatch.setattr(AsyncClient, "API_URL", f"{floor.base}/api")

    async def trade() -> Any:
        keys = [(KEYS[name][0], secret(name)) for name in ("alice", "bob")]
        alice, bob = [await AsyncClient.create(*key) for key in keys]
        try:
            asked = await bob.order_limit_sell(symbol=SYMBOL, quantity=3, price="14.0000")
            bought = await alice.order_market_buy(symbol=SYMBOL, quantity=2)
            book = await alice.get_order_book(symbol=SYMBOL)
            balance = await alice.get_asset_balance(asset="CNY")
            canceled = await bob.cancel_order(symbol=SYMBOL, orderId=asked["orderId"])
        finally:
            await alice.close_connection()
            await bob.close_connection()
        return bought, book, balance, canceled

    bought, book, balance, canceled = asyncio.run(trade())
    assert (bought["status"], bought["cummulativeQuoteQty"]) == ("FILLED", "28.000000")
    assert book["asks"] == [["14.0000", "1"]]
    assert balance["locked"] == "0.000000"
    assert (canceled["status"], canceled["executedQty"]) == ("CANCELED", "2")
    json.dumps(canceled)
