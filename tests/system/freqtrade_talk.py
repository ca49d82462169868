"""What freqtrade asks of its exchange class, on the exchange whose address, keys and pair standard input names."""

import json
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from freqtrade.enums import CandleType, RunMode
from freqtrade.exceptions import ExchangeError
from freqtrade.exchange import Binance

PATIENCE_S = 60
Found = dict[str, Any]


def exchange(told: Found, name: str, *, listens: bool = False) -> Any:
    """Return the exchange class as a bot that trades for money makes it, its addresses pointing here."""
    key, secret = told["keys"][name]
    rest, websockets = f"http://{told['address']}/api/v3", f"ws://{told['address']}"
    addresses = {"public": rest, "private": rest, "ws": {"spot": f"{websockets}/stream/ws"}}
    options = {"fetchMarkets": {"types": ["spot"]}, "fetchMargins": False, "fetchCurrencies": False}
    return Binance({
        "dry_run": False,
        "runmode": RunMode.LIVE,
        "stake_currency": "CNY",
        "timeframe": "1m",
        "entry_pricing": {"price_side": "same", "use_order_book": True, "order_book_top": 1},
        "exit_pricing": {"price_side": "same", "use_order_book": True, "order_book_top": 1},
        "order_types": {"entry": "limit", "exit": "limit", "stoploss": "limit", "stoploss_on_exchange": True},
        "order_time_in_force": {"entry": "GTC", "exit": "GTC"},
        "exchange": {
            "name": "binance",
            "key": key,
            "secret": secret,
            "pair_whitelist": [told["pair"]],
            "pair_blacklist": [],
            "enable_ws": listens,
            "ccxt_config": {"urls": {"api": addresses}, "options": options},
        },
    })  # fmt: skip


def market(traders: Found, pair: str) -> Found:
    """Read markets, book, tickers, candles by REST and by websocket, and balances."""
    alice, bob = traders["alice"], traders["bob"]
    ordered(bob, pair, "limit", "sell", 3, 20.0)
    ordered(alice, pair, "limit", "buy", 1, 20.0)
    ordered(alice, pair, "limit", "buy", 2, 19.0)
    book = alice.fetch_l2_order_book(pair, 5)
    candles = alice.refresh_latest_ohlcv([(pair, "1m", CandleType.SPOT)], drop_incomplete=False)
    until_s = time.monotonic() + PATIENCE_S
    watched = alice._exchange_ws
    watched.schedule_ohlcv(pair, "1m", CandleType.SPOT)
    while not (heard := watched._ccxt_object.ohlcvs.get(pair, {}).get("1m")) and time.monotonic() < until_s:
        time.sleep(0.02)
    return {
        "markets": sorted(alice.get_markets(quote_currencies=["CNY"], tradable_only=True, active_only=True)),
        "steps": [alice.get_precision_price(pair), alice.get_precision_amount(pair)],
        "book": [book["bids"], book["asks"]],
        "best": [alice.get_rate(pair, refresh=True, side="entry", is_short=False)],
        "ticker": alice.fetch_ticker(pair)["last"],
        "tickers": alice.get_tickers([pair])[pair]["ask"],
        "candle": float(candles[pair, "1m", CandleType.SPOT].iloc[-1]["close"]),
        "heard": heard[-1][4] if heard else None,
        "balance": alice.get_balances()["CNY"]["total"],
        "fee": alice.get_fee(pair, order_type="limit"),
    }


def orders(traders: Found, pair: str) -> Found:
    """Place every kind of order that a bot places, look them up, cancel them, and find the trades of one."""
    alice, bob = traders["alice"], traders["bob"]
    ordered(bob, pair, "limit", "sell", 5, 12.0)
    since = datetime.now(UTC) - timedelta(minutes=5)
    bought = ordered(alice, pair, "limit", "buy", 2, 12.0)
    kinds = [
        bought,
        ordered(alice, pair, "market", "buy", 1, 12.0),
        ordered(alice, pair, "limit", "buy", 1, 10.0, "IOC"),
        ordered(alice, pair, "limit", "buy", 1, 10.0, "FOK"),
        ordered(alice, pair, "limit", "buy", 1, 10.0, "PO"),
        ordered(alice, pair, "limit", "buy", 1, 10.0),
        alice.create_stoploss(pair, 1, 9.0, {"stoploss": "limit"}, "sell", 1.0),
    ]
    looked_up = [alice.fetch_order(one["id"], pair)["status"] for one in kinds]
    return {
        "placed": [one["status"] for one in kinds],
        "found": looked_up,
        "stop": alice.fetch_stoploss_order(kinds[-1]["id"], pair)["stopPrice"],
        "canceled": [
            alice.cancel_order_with_result(kinds[-3]["id"], pair, 1)["status"],
            alice.cancel_order(kinds[-2]["id"], pair)["status"],
            alice.cancel_stoploss_order(kinds[-1]["id"], pair)["status"],
        ],
        "all": len(alice.fetch_orders(pair, since)) >= len(kinds),
        "trades": [one["amount"] for one in alice.get_trades_for_order(bought["id"], pair, since)],
    }


def refusals(traders: Found, pair: str) -> Found:
    """Do what is refused, and say which exception of freqtrade's tells it."""
    carol, alice = traders["carol"], traders["alice"]
    acts: dict[str, Callable[[], object]] = {
        "funds": lambda: ordered(carol, pair, "limit", "buy", 1, 12.0),
        "cancel": lambda: alice.cancel_order("99", pair),
        "lot": lambda: ordered(alice, pair, "limit", "buy", 1_000_000, 0.5),
    }
    found = {}
    for name, act in acts.items():
        try:
            found[name] = str(act())
        except ExchangeError as error:
            found[name] = type(error).__name__
    return found


def ordered(trader: Any, pair: str, kind: str, side: str, amount: float, rate: float, force: str = "GTC") -> Any:
    """Place an order as a bot does."""
    return trader.create_order(
        pair=pair, ordertype=kind, side=side, amount=amount, rate=rate, leverage=1.0, time_in_force=force
    )


def main() -> None:
    """Do the part that the command names."""
    parts = {"market": market, "orders": orders, "refusals": refusals}
    told = json.load(sys.stdin)
    traders = {name: exchange(told, name, listens=name == "alice") for name in told["keys"]}
    found = parts[sys.argv[1]](traders, told["pair"])
    sys.stdout.write(json.dumps(found))
    sys.stdout.flush()
    os._exit(0)  # the library waits ten seconds for its websocket thread otherwise


main()
