"""What a program written for binance-connector does: one part of it a run, its findings as JSON on standard output.

The library calls its top-level package `binance`, as python-binance does, so this runs in a process of its own whose
path leads to it. Standard input says where the exchange is, who trades on it, and what is traded.
"""

import faulthandler
import json
import sys
from collections.abc import Callable
from queue import Queue
from typing import Any

from binance.error import ClientError
from binance.spot import Spot
from binance.websocket.spot.websocket_api import SpotWebsocketAPIClient
from binance.websocket.spot.websocket_stream import SpotWebsocketStreamClient

PATIENCE_S = 60
STUCK_S = 45  # seconds of a whole part
Found = dict[str, Any]
Traders = dict[str, Any]


def market(traders: Traders, symbol: str, _: str) -> Found:
    """Read instruments, book, trades, candles and tickers."""
    alice, bob = traders["alice"], traders["bob"]
    bob.new_order(symbol, "SELL", "LIMIT", timeInForce="GTC", quantity=3, price="20.0000")
    alice.new_order(symbol, "BUY", "LIMIT", timeInForce="GTC", quantity=1, price="20.0000")
    alice.new_order(symbol, "BUY", "LIMIT", timeInForce="GTC", quantity=4, price="19.0000")
    public = Spot(base_url=alice.base_url)
    book = public.depth(symbol, limit=5)
    return {
        "ping": public.ping(),
        "time": public.time()["serverTime"],
        "symbols": [one["symbol"] for one in public.exchange_info()["symbols"]],
        "one": public.exchange_info(symbol=symbol)["symbols"][0]["baseAsset"],
        "some": [one["symbol"] for one in public.exchange_info(symbols=[symbol])["symbols"]],
        "book": [book["bids"], book["asks"]],
        "trade": public.trades(symbol, limit=1)[0],
        "historical": alice.historical_trades(symbol, limit=1)[0]["qty"],
        "aggregate": public.agg_trades(symbol, limit=1)[0]["p"],
        "candle": public.klines(symbol, "1m", limit=1)[0][4],
        "ui_candle": public.ui_klines(symbol, "1h")[-1][4],
        "average": public.avg_price(symbol)["mins"],
        "day": public.ticker_24hr(symbol)["lastPrice"],
        "days": len(public.ticker_24hr()),
        "mini": sorted(public.ticker_24hr(symbols=[symbol], type="MINI")[0]),
        "last": public.ticker_price(symbol),
        "best": public.book_ticker(symbol),
    }


def orders(traders: Traders, symbol: str, _: str) -> Found:
    """Place every kind of order, replace, cancel by both ids and all at once, and look back."""
    alice, bob = traders["alice"], traders["bob"]
    terms: Found = {"timeInForce": "GTC", "quantity": 2, "price": "10.0000"}
    bob.new_order(symbol, "SELL", "LIMIT", **(terms | {"quantity": 5, "price": "12.0000"}))
    kinds = _every_kind(alice, symbol, terms)
    named = kinds[-1]
    replaced = alice.cancel_and_replace(
        symbol, "BUY", "LIMIT", "STOP_ON_FAILURE", cancelOrderId=named["orderId"], **(terms | {"price": "9.0000"})
    )
    by_name = alice.new_order(symbol, "BUY", "LIMIT", **terms, newClientOrderId="connector-2")
    opened = alice.get_open_orders(symbol)
    canceled = [
        alice.cancel_order(symbol, origClientOrderId="connector-2"),
        alice.cancel_order(symbol, orderId=replaced["newOrderResponse"]["orderId"]),
        *alice.cancel_open_orders(symbol),
    ]
    return {
        "statuses": [one["status"] for one in kinds],
        "types": [one["type"] for one in kinds],
        "test": alice.new_order_test(symbol, "BUY", "LIMIT", **terms),
        "replaced": [replaced["cancelResult"], replaced["newOrderResponse"]["price"]],
        "found": [
            alice.get_order(symbol, orderId=named["orderId"])["status"],
            alice.get_order(symbol, origClientOrderId="connector-2")["orderId"] == by_name["orderId"],
        ],
        "opened": len(opened),
        "canceled": [one["status"] for one in canceled],
        "all": [one["orderId"] for one in alice.get_orders(symbol)][-1] == by_name["orderId"],
        "mine": [[one["qty"], one["isMaker"]] for one in alice.my_trades(symbol, limit=2)],
        "account": next(row for row in alice.account()["balances"] if row["asset"] == "CNY"),
        "fees": alice.query_commission_rates(symbol)["standardCommission"]["taker"],
        "used": alice.get_order_rate_limit()[0]["rateLimitType"],
    }


def _every_kind(alice: Any, symbol: str, terms: Found) -> list[Found]:
    """Place an order of every kind; the last one has a name."""
    return [
        alice.new_order(symbol, "BUY", "MARKET", quantity=1),
        alice.new_order(symbol, "BUY", "MARKET", quoteOrderQty="25"),
        alice.new_order(symbol, "BUY", "LIMIT", **(terms | {"timeInForce": "IOC"})),
        alice.new_order(symbol, "BUY", "LIMIT", **(terms | {"timeInForce": "FOK"})),
        alice.new_order(symbol, "BUY", "LIMIT_MAKER", quantity=1, price="10.0000"),
        alice.new_order(symbol, "BUY", "LIMIT", **terms, icebergQty=1),
        alice.new_order(symbol, "BUY", "STOP_LOSS", quantity=1, stopPrice="15.0000"),
        alice.new_order(symbol, "BUY", "STOP_LOSS_LIMIT", **terms, stopPrice="15.0000"),
        alice.new_order(symbol, "BUY", "LIMIT", **terms, newClientOrderId="connector-1"),
    ]


def refusals(traders: Traders, symbol: str, _: str) -> Found:
    """Do what is refused, and say with which code and status."""
    alice, bob, carol = traders["alice"], traders["bob"], traders["carol"]
    terms: Found = {"timeInForce": "GTC", "quantity": 1, "price": "12.0000"}
    bob.new_order(symbol, "SELL", "LIMIT", **terms)
    nobody = Spot(alice.api_key, "wrong", base_url=alice.base_url)
    stranger = Spot("nobody", "nothing", base_url=alice.base_url)
    acts: dict[str, Callable[[], object]] = {
        "funds": lambda: carol.new_order(symbol, "BUY", "LIMIT", **terms),
        "taking": lambda: alice.new_order(symbol, "BUY", "LIMIT_MAKER", quantity=1, price="12.0000"),
        "tick": lambda: alice.new_order(symbol, "BUY", "LIMIT", **(terms | {"price": "1.00001"})),
        "lot": lambda: alice.new_order(symbol, "BUY", "LIMIT", **(terms | {"quantity": "0.5"})),
        "cancel": lambda: alice.cancel_order(symbol, orderId=99),
        "cancel_all": lambda: alice.cancel_open_orders(symbol),
        "find": lambda: alice.get_order(symbol, orderId=99),
        "symbol": lambda: alice.depth("NONE"),
        "parameter": lambda: alice.new_order(symbol, "BUY", "LIMIT", timeInForce="GTC", quantity=1),
        "signature": nobody.account,
        "key": stranger.account,
    }
    return {name: _refused(act) for name, act in acts.items()}


def _refused(act: Callable[[], object]) -> object:
    try:
        return act()
    except ClientError as error:
        return [error.status_code, error.error_code, error.error_message]


def streams(traders: Traders, symbol: str, base: str) -> Found:
    """Hear of trades, book, candles and tickers, and of the own account by its listen key."""
    alice, bob = traders["alice"], traders["bob"]
    heard: Queue[str] = Queue()
    client = SpotWebsocketStreamClient(stream_url=base, on_message=lambda _, text: heard.put(text), is_combined=True)
    key = alice.new_listen_key()["listenKey"]
    client.trade(symbol)
    client.agg_trade(symbol)
    client.kline(symbol, "1m")
    client.mini_ticker(symbol)
    client.ticker(symbol)
    client.book_ticker(symbol)
    client.partial_book_depth(symbol, level=5, speed=100)
    client.diff_book_depth(symbol, speed=100)
    client.user_data(key)
    kinds = ("trade", "aggTrade", "kline_1m", "miniTicker", "ticker", "bookTicker", "depth5@100ms", "depth@100ms")
    wanted = {f"{symbol.lower()}@{kind}" for kind in kinds} | {key}
    found: dict[str, list[Any]] = {}
    answers = 0
    while answers < len(wanted):
        answers += _note(heard, found)
    bob.new_order(symbol, "SELL", "LIMIT", timeInForce="GTC", quantity=2, price="21.0000")
    alice.new_order(symbol, "BUY", "LIMIT", timeInForce="GTC", quantity=1, price="21.0000")
    while not all("21.0000" in json.dumps(found.get(name, [])) for name in wanted) or len(found[key]) < 3:
        _note(heard, found)
    client.stop()
    renewed = alice.renew_listen_key(key)
    closed = alice.close_listen_key(key)
    by_kind = {name.partition("@")[2] or "own": told for name, told in found.items()}
    return {"told": by_kind, "renewed": renewed, "closed": closed}


def _note(heard: "Queue[str]", found: dict[str, list[Any]]) -> bool:
    """Keep what a stream says by the stream's name; tell whether it was an answer instead."""
    message = json.loads(heard.get(timeout=PATIENCE_S))
    if "stream" in message:
        found.setdefault(message["stream"], []).append(message["data"])
    return "stream" not in message


def api(traders: Traders, symbol: str, base: str) -> Found:
    """Trade and read over the websocket API."""
    alice, heard = traders["alice"], Queue[str]()
    client = SpotWebsocketAPIClient(
        stream_url=f"{base}/ws-api/v3",
        api_key=alice.api_key,
        api_secret=alice.api_secret,
        on_message=lambda _, text: heard.put(text),
    )

    def ask(method: Callable[..., None], *arguments: object, **terms: object) -> Any:
        method(*arguments, **terms)
        answer = json.loads(heard.get(timeout=PATIENCE_S))
        return answer.get("result", answer.get("error"))

    terms: Found = {"timeInForce": "GTC", "quantity": 2, "price": "5.0000", "newOrderRespType": "FULL"}
    found = {
        "ping": ask(client.ping_connectivity),
        "time": ask(client.server_time)["serverTime"],
        "info": ask(client.exchange_info, symbol=symbol)["symbols"][0]["symbol"],
        "test": ask(client.new_order_test, symbol, "BUY", "LIMIT", **terms),
        "placed": ask(client.new_order, symbol, "BUY", "LIMIT", **terms),
        "named": ask(client.new_order, symbol, "BUY", "LIMIT", **terms, newClientOrderId="connector-ws"),
        "book": ask(client.order_book, symbol, limit=5)["bids"],
        "trades": ask(client.recent_trades, symbol, limit=1),
        "candles": ask(client.klines, symbol, "1m", limit=1),
        "average": ask(client.avg_price, symbol)["mins"],
        "day": ask(client.ticker_24hr, symbol=symbol)["symbol"],
        "last": ask(client.ticker_price, symbol=symbol)["symbol"],
        "best": ask(client.ticker_book, symbol=symbol)["bidPrice"],
    }
    found["found"] = ask(client.get_order, symbol, orderId=found["placed"]["orderId"])["status"]
    found["opened"] = len(ask(client.get_open_orders, symbol=symbol))
    found["canceled"] = ask(client.cancel_order, symbol, origClientOrderId="connector-ws")["status"]
    found["all"] = [one["status"] for one in ask(client.cancel_open_orders, symbol)]
    found["history"] = len(ask(client.order_history, symbol=symbol)) >= 2
    found["mine"] = ask(client.my_trades, symbol=symbol)
    found["account"] = ask(client.account)["canTrade"]
    found["limits"] = ask(client.order_rate_limit)[0]["rateLimitType"]
    found["refused"] = ask(client.cancel_order, symbol, orderId=99)
    client.stop()
    return found


def main() -> None:
    """Do the part that the command names; where that hangs, say where."""
    faulthandler.dump_traceback_later(STUCK_S, exit=True)
    told = json.load(sys.stdin)
    traders = {
        name: Spot(key, secret, base_url=f"http://{told['address']}") for name, (key, secret) in told["keys"].items()
    }
    parts = {"market": market, "orders": orders, "refusals": refusals, "streams": streams, "api": api}
    found = parts[sys.argv[1]](traders, told["symbol"], f"ws://{told['address']}")
    sys.stdout.write(json.dumps(found))


main()
