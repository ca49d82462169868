"""Client libraries of the dialect listen and trade over websockets with nothing changed but their addresses."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from tests.api.stream.serving import until
from tests.api.venue import KEYS, OTHER, Venue, secret, venue
from tests.system.libraries import (
    AsyncClient,
    BinanceAPIException,
    BinanceSocketManager,
    DepthCacheManager,
    ReconnectingWebsocket,
    ccxt_pro,
)

T = TypeVar("T")
PATIENCE_S = 60
NAME = f"{OTHER}/CNY"  # what ccxt makes of the symbol

pytestmark = [pytest.mark.system, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def open_venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with venue(tmp_path_factory.mktemp("clients")) as served:
        yield served


@pytest.fixture
def floor(open_venue: Venue) -> Iterator[Venue]:
    open_venue.reset()
    yield open_venue
    open_venue.reset()


def run(conversation: Callable[[], Awaitable[T]]) -> T:
    async def main() -> T:
        return await asyncio.wait_for(conversation(), 4 * PATIENCE_S)

    return asyncio.run(main())


async def soon(awaitable: Awaitable[T]) -> T:
    return await asyncio.wait_for(awaitable, PATIENCE_S)


async def bob(floor: Venue, side: str, quantity: int, price: str) -> None:
    """Let somebody else trade."""
    answer = await asyncio.to_thread(floor.client("bob").order, side, quantity, price, symbol=OTHER)
    assert answer.status_code == 200, answer.text


@asynccontextmanager
async def ccxt_exchange(floor: Venue) -> AsyncIterator[Any]:
    rest, websockets = f"{floor.base}/api/v3", f"ws://127.0.0.1:{floor.port}"
    spot = {"spot": f"{websockets}/stream/ws", "ws-api": {"spot": f"{websockets}/ws-api/v3"}}
    exchange = ccxt_pro.binance({
        "apiKey": KEYS["alice"][0],
        "secret": secret("alice"),
        "urls": {"api": {"public": rest, "private": rest, "ws": spot}},
        "options": {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False},
    })  # fmt: skip
    try:
        await exchange.load_markets()
        yield exchange
    finally:
        await exchange.close()


@asynccontextmanager
async def binance_client(floor: Venue, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Any]:
    websockets = f"ws://127.0.0.1:{floor.port}"
    monkeypatch.setattr(AsyncClient, "API_URL", f"{floor.base}/api")
    monkeypatch.setattr(AsyncClient, "WS_API_URL", f"{websockets}/ws-api/v3")
    monkeypatch.setattr(BinanceSocketManager, "STREAM_URL", f"{websockets}/")
    monkeypatch.setattr(ReconnectingWebsocket, "TIMEOUT", 2)  # how long it listens on when told to close
    client = await AsyncClient.create(KEYS["alice"][0], secret("alice"))
    try:
        yield client
    finally:
        await client.close_connection()


def test_ccxt_keeps_the_order_book(floor: Venue) -> None:
    async def conversation() -> tuple[Any, Any]:
        async with ccxt_exchange(floor) as exchange:
            await soon(exchange.watch_order_book(NAME))
            for n in range(8):
                await bob(floor, "SELL", 1 + n, f"{2 + n % 4}.00")
                await exchange.create_order(NAME, "limit", "buy", 1 + n % 2, 1 + n * 0.01)
            await bob(floor, "SELL", 3, "1.05")
            book = await asyncio.to_thread(floor.client("bob").get, "/api/v3/depth", symbol=OTHER)
            watched = exchange.orderbooks[NAME]  # which it changes in place, whoever waits for the next change
            await until(lambda: watched["nonce"] == book.json()["lastUpdateId"])
            return watched, book.json()

    watched, book = run(conversation)
    for side in ("bids", "asks"):
        kept = [tuple(level[:2]) for level in watched[side]]
        assert kept == [(float(price), float(lots)) for price, lots in book[side]]
    assert len(watched["bids"]) > 3


def test_ccxt_watches_trades_tickers_and_candles(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with ccxt_exchange(floor) as exchange:
            watching = [
                asyncio.create_task(exchange.watch_trades(NAME)),
                asyncio.create_task(exchange.watch_ticker(NAME)),
                asyncio.create_task(exchange.watch_ohlcv(NAME, "1m")),
                asyncio.create_task(exchange.watch_bids_asks([NAME])),
            ]
            await until(lambda: len(floor.websockets.hub.topics) == len(watching))
            await bob(floor, "SELL", 5, "1.00")
            await exchange.create_order(NAME, "limit", "buy", 2, 1.0)
            return await soon(asyncio.gather(*watching))

    trades, ticker, candles, best = run(conversation)
    assert (trades[-1]["price"], trades[-1]["amount"], trades[-1]["side"]) == (1.0, 2.0, "buy")
    assert ticker["symbol"] == NAME
    assert candles[-1][4] >= 0
    assert NAME in best


def test_ccxt_watches_its_orders_and_its_balance(floor: Venue) -> None:
    async def conversation() -> tuple[list[str], float, Any]:
        async with ccxt_exchange(floor) as exchange:
            statuses: list[str] = []

            async def watch() -> None:
                while "closed" not in statuses:
                    statuses.extend(order["status"] for order in await exchange.watch_orders(NAME))

            watching = asyncio.create_task(watch())
            balance = asyncio.create_task(exchange.watch_balance())
            await until(lambda: floor.websockets.hub.topics)
            await asyncio.sleep(0.1)
            placed = await exchange.create_order(NAME, "limit", "buy", 4, 1.0)
            await until(lambda: statuses)
            for lots in (3, 1):
                await bob(floor, "SELL", lots, "1.00")
            await soon(watching)
            filled = (await exchange.fetch_order(placed["id"], NAME))["filled"]
            return statuses, filled, await soon(balance)

    statuses, filled, balance = run(conversation)
    assert (statuses[0], statuses[-1], filled) == ("open", "closed", 4.0)
    assert balance["CNY"]["total"] > 0


def test_ccxt_trades_over_the_websocket(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with ccxt_exchange(floor) as exchange:
            placed = await soon(exchange.create_order_ws(NAME, "limit", "buy", 4, 1.0))
            found = await soon(exchange.fetch_order_ws(placed["id"], NAME))
            opened = await soon(exchange.fetch_open_orders_ws(NAME))
            ended = await soon(exchange.cancel_order_ws(placed["id"], NAME))
            assert [order["id"] for order in opened] == [placed["id"]]
            return [placed["status"], found["status"], ended["status"]]

    assert run(conversation) == ["open", "open", "canceled"]


def test_ccxt_does_all_of_it_over_the_websocket(floor: Venue) -> None:
    async def conversation() -> dict[str, Any]:
        async with ccxt_exchange(floor) as exchange:
            watching = asyncio.create_task(exchange.watch_my_trades(NAME))
            await until(lambda: floor.websockets.hub.topics)
            await bob(floor, "SELL", 3, "1.00")
            bought = await soon(exchange.create_order_ws(NAME, "limit", "buy", 2, 1.0))
            resting = await soon(exchange.create_order_ws(NAME, "limit", "buy", 2, 0.5))
            edited = await soon(exchange.edit_order_ws(resting["id"], NAME, "limit", "buy", 1, 0.4))
            return {
                "candles": await soon(exchange.fetch_ohlcv_ws(NAME, "1m")),
                "trades": await soon(exchange.fetch_trades_ws(NAME)),
                "held": (await soon(exchange.fetch_balance_ws()))["info"]["balances"],  # which it leaves there
                "orders": {one["id"] for one in await soon(exchange.fetch_orders_ws(NAME))},
                "closed": (await soon(exchange.fetch_closed_orders_ws(NAME)))[-1]["id"],
                "mine": (await soon(exchange.fetch_my_trades_ws(NAME)))[-1]["order"],
                "watched": (await soon(watching))[-1]["order"],
                "canceled": [one["id"] for one in await soon(exchange.cancel_all_orders_ws(NAME))],
                "ids": (bought["id"], resting["id"], edited["id"]),
            }

    found = run(conversation)
    bought, resting, edited = found["ids"]
    assert (found["candles"][-1][4], found["trades"][-1]["price"]) == (1.0, 1.0)
    assert [float(one["locked"]) > 0.4 for one in found["held"] if one["asset"] == "CNY"] == [True]
    assert {bought, resting, edited} <= found["orders"]
    assert (found["closed"], found["mine"], found["watched"], found["canceled"]) == (bought, bought, bought, [edited])


def test_ccxt_is_told_why_an_order_was_refused(floor: Venue) -> None:
    async def conversation() -> None:
        async with ccxt_exchange(floor) as exchange:
            await soon(exchange.create_order_ws(NAME, "limit", "buy", 10_000, 99_999.0))

    with pytest.raises(ccxt_pro.InsufficientFunds):
        run(conversation)


def test_python_binance_hears_trades_and_depth(floor: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    async def conversation() -> tuple[Any, Any, Any, Any]:
        async with binance_client(floor, monkeypatch) as client:
            manager = BinanceSocketManager(client)
            sockets = (
                manager.trade_socket(OTHER),
                manager.depth_socket(OTHER, interval=100),
                manager.depth_socket(OTHER, depth=BinanceSocketManager.WEBSOCKET_DEPTH_5, interval=100),
                manager.multiplex_socket([f"{OTHER.lower()}@bookTicker"]),
            )
            async with sockets[0] as trades, sockets[1] as depth, sockets[2] as best, sockets[3] as combined:
                await soon(best.recv())
                await soon(combined.recv())
                await bob(floor, "SELL", 5, "1.00")
                update = await soon(depth.recv())
                levels = await soon(best.recv())
                ticker = await soon(combined.recv())
                await client.create_order(
                    symbol=OTHER, side="BUY", type="LIMIT", timeInForce="GTC", quantity=2, price="1.00"
                )
                return await soon(trades.recv()), update, levels, ticker

    trade, update, levels, ticker = run(conversation)
    assert (trade["e"], trade["p"], trade["q"], trade["s"]) == ("trade", "1.00", "2", OTHER)
    assert (update["e"], update["a"], update["pu"] + 1) == ("depthUpdate", [["1.00", "5"]], update["U"])
    assert levels["asks"] == [["1.00", "5"]]
    assert (ticker["stream"], ticker["data"]["a"]) == (f"{OTHER.lower()}@bookTicker", "1.00")


def test_python_binance_hears_of_its_account_and_trades(floor: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    async def conversation() -> tuple[Any, list[Any]]:
        async with binance_client(floor, monkeypatch) as client:
            manager = BinanceSocketManager(client)
            async with manager.user_socket() as user:
                placed = await client.ws_create_order(
                    symbol=OTHER, side="BUY", type="LIMIT", timeInForce="GTC", quantity=2, price="1.00"
                )
                heard = [await soon(user.recv()) for _ in range(2)]
                await client.ws_cancel_order(symbol=OTHER, orderId=placed["orderId"])
                return placed, [*heard, await soon(user.recv())]

    placed, heard = run(conversation)
    assert [event["e"] for event in heard] == ["executionReport", "outboundAccountPosition", "executionReport"]
    assert [event["x"] for event in heard if "x" in event] == ["NEW", "CANCELED"]
    assert {event["i"] for event in heard if "i" in event} == {placed["orderId"]}
    assert heard[0]["c"] == placed["clientOrderId"]


def test_python_binance_keeps_a_depth_cache(floor: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    async def conversation() -> tuple[Any, Any]:
        async with binance_client(floor, monkeypatch) as client:
            terms = {"symbol": OTHER, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}
            await bob(floor, "SELL", 5, "2.00")
            async with DepthCacheManager(client, OTHER, ws_interval=100) as manager:
                orders = [await client.create_order(**terms, quantity=n, price=f"1.0{n}") for n in (1, 2, 3)]
                await client.cancel_order(symbol=OTHER, orderId=orders[1]["orderId"])
                await bob(floor, "SELL", 4, "1.02")
                book = await client.get_order_book(symbol=OTHER)
                while manager._last_update_id != book["lastUpdateId"]:
                    cache = await soon(manager.recv())
                return [cache.get_bids(), cache.get_asks()], book

    cached, book = run(conversation)
    assert cached == [[[float(price), float(lots)] for price, lots in book[side]] for side in ("bids", "asks")]
    assert cached == [[[1.01, 1.0]], [[1.02, 1.0], [2.0, 5.0]]]


def test_python_binance_hears_candles_and_tickers(floor: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    async def conversation() -> dict[str, Any]:
        async with binance_client(floor, monkeypatch) as client:
            manager = BinanceSocketManager(client)
            sockets = {
                "kline": manager.kline_socket(OTHER),
                "aggTrade": manager.aggtrade_socket(OTHER),
                "24hrTicker": manager.symbol_ticker_socket(OTHER),
                "24hrMiniTicker": manager.symbol_miniticker_socket(OTHER),
                "all": manager.ticker_socket(),
            }
            heard: dict[str, Any] = {}

            async def hear(name: str, socket: Any) -> None:
                async with socket:
                    while name not in heard or "7.00" not in str(heard[name]):
                        heard[name] = await soon(socket.recv())

            hearing = [asyncio.create_task(hear(*one)) for one in sockets.items()]
            await until(lambda: len(floor.websockets.hub.topics) == len(sockets))
            await bob(floor, "SELL", 1, "7.00")
            await client.order_market_buy(symbol=OTHER, quantity=1)
            await asyncio.gather(*hearing)
            return heard

    heard = run(conversation)
    assert (heard["kline"]["k"]["c"], heard["24hrTicker"]["c"], heard["24hrMiniTicker"]["c"]) == ("7.00",) * 3
    assert (heard["aggTrade"]["p"], [one["s"] for one in heard["all"]]) == ("7.00", [OTHER])


def test_python_binance_is_told_why_over_the_websocket(floor: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    async def conversation() -> list[int]:
        codes = []
        async with binance_client(floor, monkeypatch) as client:
            for act in (
                lambda: client.ws_cancel_order(symbol=OTHER, orderId=99),
                lambda: client.ws_get_order(symbol=OTHER, orderId=99),
                lambda: client.ws_create_order(symbol=OTHER, side="SELL", type="MARKET", quantity=9_000),
            ):
                with pytest.raises(BinanceAPIException) as caught:
                    await soon(act())
                codes.append(caught.value.code)
        return codes

    assert run(conversation) == [-2011, -2013, -2010]
