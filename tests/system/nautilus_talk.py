"""What nautilus_trader's adapter for Binance does on the exchange of standard input: one part of it a run.

`http` asks with the adapter's HTTP clients; `node` runs a trading node, whose clients load instruments, hear market and
account over websockets, and place and cancel orders.
"""

import asyncio
import json
import sys
import threading
from typing import Any

from nautilus_trader.adapters.binance import BINANCE, BinanceLiveDataClientFactory, BinanceLiveExecClientFactory
from nautilus_trader.adapters.binance.common.enums import (
    BinanceAccountType,
    BinanceOrderSide,
    BinanceOrderType,
    BinanceTimeInForce,
)
from nautilus_trader.adapters.binance.config import BinanceDataClientConfig, BinanceExecClientConfig
from nautilus_trader.adapters.binance.http.client import BinanceHttpClient
from nautilus_trader.adapters.binance.http.error import BinanceClientError
from nautilus_trader.adapters.binance.spot.http.account import BinanceSpotAccountHttpAPI
from nautilus_trader.adapters.binance.spot.http.market import BinanceSpotMarketHttpAPI
from nautilus_trader.adapters.binance.spot.providers import BinanceSpotInstrumentProvider
from nautilus_trader.common.component import LiveClock
from nautilus_trader.config import InstrumentProviderConfig, LoggingConfig, TradingNodeConfig
from nautilus_trader.live.node import TradingNode
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import BarType
from nautilus_trader.model.enums import BookType, OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId, TraderId
from nautilus_trader.trading.strategy import Strategy

from tests.api.venue import Client

PATIENCE_S = 60
Found = dict[str, Any]


class Talk(Strategy):
    """Listens, buys what somebody else then sells, and cancels the rest."""

    def __init__(self, told: Found, found: Found, done: threading.Event) -> None:
        super().__init__()
        self.found = found
        self.done = done
        self.named = InstrumentId.from_str(f"{told['symbol']}.{BINANCE}")
        self.other = Client(f"http://{told['address']}", "bob")
        self.bought: Any = None
        self.book = OrderBook(self.named, BookType.L2_MBP)

    def on_start(self) -> None:
        """Listen to everything, and place an order."""
        self.subscribe_trade_ticks(self.named)
        self.subscribe_quote_ticks(self.named)
        self.subscribe_order_book_deltas(self.named, BookType.L2_MBP)
        self.subscribe_bars(BarType.from_str(f"{self.named}-1-MINUTE-LAST-EXTERNAL"))
        instrument = self.cache.instrument(self.named)
        self.bought = self.order_factory.limit(
            self.named, OrderSide.BUY, instrument.make_qty(3), instrument.make_price(0.2), TimeInForce.GTC
        )
        self.other.order("SELL", 1, "0.9")
        refused = self.order_factory.limit(
            self.named, OrderSide.BUY, instrument.make_qty(1), instrument.make_price(0.9), post_only=True
        )
        self.submit_order(self.bought)
        self.submit_order(refused)

    def on_order_book_deltas(self, deltas: Any) -> None:
        """Let somebody else sell once the own order is in the book that is kept from the stream."""
        self.book.apply_deltas(deltas)
        self.found["best_bid"] = str(self.book.best_bid_price())
        if self.found["best_bid"] == "0.2000" and "sold" not in self.found:
            self.found["sold"] = True
            threading.Thread(target=lambda: self.other.order("SELL", 1, "0.2")).start()

    def on_trade_tick(self, tick: Any) -> None:
        """Note a trade."""
        self.found["trade"] = [str(tick.price), str(tick.size)]
        self._finish()

    def on_quote_tick(self, tick: Any) -> None:
        """Note the best levels."""
        self.found["quote"] = str(tick.bid_price)

    def on_order_accepted(self, event: Any) -> None:
        """Note that the order is known."""
        self.found["accepted"] = event.client_order_id == self.bought.client_order_id

    def on_order_rejected(self, event: Any) -> None:
        """Note why an order was refused."""
        self.found["rejected"] = event.reason
        self._finish()

    def on_order_filled(self, event: Any) -> None:
        """Cancel what is left of the order."""
        self.found["filled"] = [str(event.last_qty), str(event.last_px), str(event.commission)]
        self.cancel_order(self.bought)

    def on_order_canceled(self, _: Any) -> None:
        """Note the end of the order."""
        self.found["canceled"] = str(self.bought.filled_qty)
        self._finish()

    def _finish(self) -> None:
        if {"trade", "canceled", "rejected", "quote"} <= self.found.keys():
            account = self.portfolio.account(self.named.venue)
            self.found["balances"] = {str(name): str(total) for name, total in account.balances_total().items()}
            self.done.set()


def node_of(told: Found) -> TradingNode:
    """Return a node whose clients for Binance have these addresses and alice's key."""
    key, secret = told["keys"]["alice"]
    terms = {
        "api_key": key,
        "api_secret": secret,
        "account_type": BinanceAccountType.SPOT,
        "base_url_http": f"http://{told['address']}",
        "base_url_ws": f"ws://{told['address']}",
        "instrument_provider": InstrumentProviderConfig(load_all=True),
    }
    node = TradingNode(
        TradingNodeConfig(
            trader_id=TraderId("TALK-001"),
            logging=LoggingConfig(log_level="ERROR"),
            data_clients={BINANCE: BinanceDataClientConfig(**terms)},
            exec_clients={BINANCE: BinanceExecClientConfig(**terms)},
            timeout_connection=PATIENCE_S,
            timeout_disconnection=2.0,
            timeout_post_stop=0.1,
        )
    )
    node.add_data_client_factory(BINANCE, BinanceLiveDataClientFactory)
    node.add_exec_client_factory(BINANCE, BinanceLiveExecClientFactory)
    return node


def http(told: Found) -> Found:
    """Load, trade and look up over HTTP."""
    return asyncio.run(asyncio.wait_for(_asked(told), PATIENCE_S))


async def _asked(told: Found) -> Found:
    (key, secret), symbol, clock = told["keys"]["alice"], told["symbol"], LiveClock()
    client = BinanceHttpClient(clock, key, secret, f"http://{told['address']}")
    provider = BinanceSpotInstrumentProvider(client, clock)
    await provider.load_all_async()
    account = BinanceSpotAccountHttpAPI(client, clock, BinanceAccountType.SPOT)
    public = BinanceSpotMarketHttpAPI(client, BinanceAccountType.SPOT)
    terms = {"time_in_force": BinanceTimeInForce.GTC, "quantity": "2", "price": "0.2000"}
    order = await account.new_order(
        symbol, BinanceOrderSide.BUY, BinanceOrderType.LIMIT, new_client_order_id="nautilus-1", **terms
    )
    found: Found = {
        "instruments": [one.raw_symbol.value for one in provider.list_all()],
        "name": (await account.query_order(symbol, order.orderId)).clientOrderId,
        "opened": [one.orderId == order.orderId for one in await account.query_open_orders(symbol)],
        "book": (await public.query_depth(symbol, 5)).bids,
    }
    await asyncio.to_thread(Client(f"http://{told['address']}", "bob").order, "SELL", 1, "0.2")
    found["fills"] = [fill.qty for fill in await account.query_user_trades(symbol)][-1:]
    found["canceled"] = (await account.cancel_order(symbol, order.orderId)).status.value
    try:
        await account.cancel_order(symbol, order.orderId)
    except BinanceClientError as error:
        found["refused"] = error.message["code"]
    info = await account.query_spot_account_info()
    found["assets"] = [balance.asset for balance in info.balances]
    return found


def node(told: Found) -> Found:
    """Let a node run until its strategy is done."""
    found, done = Found(), threading.Event()
    node = node_of(told)
    node.trader.add_strategy(Talk(told, found, done))
    node.build()

    def end() -> None:
        done.wait(PATIENCE_S)
        node.kernel.loop.call_soon_threadsafe(node.stop)

    threading.Thread(target=end).start()
    node.run()
    node.dispose()
    return found


def main() -> None:
    """Do the part that the command names."""
    found = {"http": http, "node": node}[sys.argv[1]](json.load(sys.stdin))
    sys.stdout.write("\n" + json.dumps(found))


main()
