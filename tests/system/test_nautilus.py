"""nautilus_trader's Binance adapter loads, trades and looks up, only its base address changed, where it is installed.

Install it beside (`pip install nautilus_trader`, 100 MB) and run `pytest -m optional tests/system/test_nautilus.py`.
"""

import asyncio
from collections.abc import Iterator

import pytest

from tests.api.venue import KEYS, SYMBOL, Venue, secret, venue

pytest.importorskip("nautilus_trader", reason="an optional client")

from nautilus_trader.adapters.binance.common.enums import (
    BinanceAccountType,
    BinanceOrderSide,
    BinanceOrderType,
    BinanceTimeInForce,
)
from nautilus_trader.adapters.binance.http.client import BinanceHttpClient
from nautilus_trader.adapters.binance.http.error import BinanceClientError
from nautilus_trader.adapters.binance.spot.http.account import BinanceSpotAccountHttpAPI
from nautilus_trader.adapters.binance.spot.http.market import BinanceSpotMarketHttpAPI
from nautilus_trader.adapters.binance.spot.http.user import BinanceSpotUserDataHttpAPI
from nautilus_trader.adapters.binance.spot.providers import BinanceSpotInstrumentProvider
from nautilus_trader.common.component import LiveClock

pytestmark = [pytest.mark.system, pytest.mark.optional, pytest.mark.filterwarnings("ignore")]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with venue(tmp_path_factory.mktemp("nautilus")) as served:
        yield served


def test_the_adapter_loads_trades_and_looks_up(market: Venue) -> None:
    async def converse() -> None:
        clock = LiveClock()
        client = BinanceHttpClient(clock, KEYS["alice"][0], secret("alice"), market.base)
        provider = BinanceSpotInstrumentProvider(client, clock)
        await provider.load_all_async()
        assert any(found.raw_symbol.value == SYMBOL for found in provider.list_all())
        account = BinanceSpotAccountHttpAPI(client, clock, BinanceAccountType.SPOT)
        public = BinanceSpotMarketHttpAPI(client, BinanceAccountType.SPOT)
        terms = {"time_in_force": BinanceTimeInForce.GTC, "quantity": "2", "price": "0.2000"}
        order = await account.new_order(
            SYMBOL, BinanceOrderSide.BUY, BinanceOrderType.LIMIT, new_client_order_id="nautilus-1", **terms
        )
        assert (await account.query_order(SYMBOL, order.orderId)).clientOrderId == "nautilus-1"
        assert [one.orderId for one in await account.query_open_orders(SYMBOL)] == [order.orderId]
        assert (await public.query_depth(SYMBOL, 5)).bids == [("0.2000", "2")]
        market.client("bob").order("SELL", 1, "0.2")
        assert [fill.qty for fill in await account.query_user_trades(SYMBOL)] == ["1"]
        assert (await account.cancel_order(SYMBOL, order.orderId)).status.value == "CANCELED"
        with pytest.raises(BinanceClientError):
            await account.cancel_order(SYMBOL, order.orderId)
        info = await account.query_spot_account_info()
        assert {balance.asset for balance in info.balances} >= {"CNY"}
        assert (await BinanceSpotUserDataHttpAPI(client).create_listen_key()).listenKey

    asyncio.run(asyncio.wait_for(converse(), 60))
