"""The table of the dialect's REST endpoints: method, path, who answers, what is sent and returned, weight, scope."""

from typing import Any

from pydantic import BaseModel

from api.binance import account, market, reference, replacing, schema, trading
from api.binance import requests as sent
from api.door import Endpoint, Handler
from exchange.registry.documents import Scope


def _public(path: str, handler: Handler, request: type[BaseModel], reply: object, weight: int = 1) -> Endpoint:
    return Endpoint("GET", path, handler, request, reply, weight)


def _signed(
    method: str, path: str, handler: Handler, request: type[BaseModel], reply: object, *, scope: Scope, weight: int = 1
) -> Endpoint:
    return Endpoint(method, path, handler, request, reply, weight, scope, is_signed=True)


def _keyed(method: str, path: str, handler: Handler, request: type[BaseModel], reply: object) -> Endpoint:
    return Endpoint(method, path, handler, request, reply, 2, Scope.READ)


_READ, _TRADE = Scope.READ, Scope.TRADE
_MANY = list[Any]
_DAY = schema.Statistics | schema.MiniStatistics
_STATISTICS = _DAY | list[_DAY]

_MARKET = (
    _public("/api/v3/ping", reference.ping, sent.Nothing, schema.Empty),
    _public("/api/v3/time", reference.time, sent.Nothing, schema.ServerTime),
    _public("/api/v3/exchangeInfo", reference.exchange_info, sent.ExchangeInfoRequest, schema.ExchangeInfo, 20),
    _public("/api/v3/depth", market.depth, sent.DepthRequest, schema.Depth, 5),
    _public("/api/v3/trades", market.trades, sent.TradesRequest, list[schema.Trade], 25),
    _public("/api/v3/historicalTrades", market.historical_trades, sent.HistoricalTradesRequest, list[schema.Trade], 25),
    _public("/api/v3/aggTrades", market.aggregate_trades, sent.AggregateTradesRequest, list[schema.AggregateTrade], 4),
    _public("/api/v3/klines", market.candles, sent.CandlesRequest, list[schema.CandleRow], 2),
    _public("/api/v3/uiKlines", market.candles, sent.CandlesRequest, list[schema.CandleRow], 2),
    _public("/api/v3/avgPrice", market.average_price, sent.OneSymbol, schema.AveragePrice, 2),
    _public("/api/v3/ticker/24hr", market.statistics, sent.StatisticsRequest, _STATISTICS, 4),
    _public("/api/v3/ticker/price", market.price, sent.TickerRequest, schema.LastPrice | list[schema.LastPrice], 4),
    _public(
        "/api/v3/ticker/bookTicker",
        market.book_ticker,
        sent.TickerRequest,
        schema.BookTicker | list[schema.BookTicker],
        4,
    ),
)

_ORDERS = (
    _signed("POST", "/api/v3/order", trading.place, sent.NewOrderRequest, schema.Full, scope=_TRADE),
    _signed("GET", "/api/v3/order", trading.find, sent.OrderRequest, schema.Order, scope=_READ, weight=4),
    _signed("DELETE", "/api/v3/order", trading.cancel, sent.CancelRequest, schema.Canceled, scope=_TRADE),
    _signed(
        "POST",
        "/api/v3/order/cancelReplace",
        replacing.cancel_replace,
        sent.CancelReplaceRequest,
        schema.CancelReplaced,
        scope=_TRADE,
    ),
    _signed(
        "PUT",
        "/api/v3/order/amend/keepPriority",
        replacing.amend,
        sent.AmendRequest,
        schema.Amended,
        scope=_TRADE,
        weight=4,
    ),
    _signed("POST", "/api/v3/order/test", trading.test, sent.NewOrderRequest, schema.Empty, scope=_TRADE),
    _signed(
        "GET",
        "/api/v3/openOrders",
        trading.open_orders,
        sent.OpenOrdersRequest,
        list[schema.Order],
        scope=_READ,
        weight=6,
    ),
    _signed("DELETE", "/api/v3/openOrders", trading.cancel_all, sent.OneSymbol, list[schema.Canceled], scope=_TRADE),
    _signed(
        "GET", "/api/v3/allOrders", trading.all_orders, sent.OrdersRequest, list[schema.Order], scope=_READ, weight=20
    ),
    _signed("GET", "/api/v3/openOrderList", reference.none, sent.Nothing, _MANY, scope=_READ, weight=6),
    _signed("GET", "/api/v3/rateLimit/order", account.order_count, sent.Nothing, list[schema.OrderCount], scope=_READ),
)

_ACCOUNT = (
    _signed("GET", "/api/v3/account", account.account, sent.AccountRequest, schema.Account, scope=_READ, weight=20),
    _signed("GET", "/api/v3/account/commission", account.commission, sent.OneSymbol, schema.Commission, scope=_READ),
    _signed(
        "GET", "/api/v3/myTrades", account.own_trades, sent.FillsRequest, list[schema.OwnTrade], scope=_READ, weight=20
    ),
    _keyed("POST", "/api/v3/userDataStream", account.start_stream, sent.Nothing, schema.ListenKey),
    _keyed("PUT", "/api/v3/userDataStream", account.keep_stream, sent.ListenKeyRequest, schema.Empty),
    _keyed("DELETE", "/api/v3/userDataStream", account.close_stream, sent.ListenKeyRequest, schema.Empty),
)

# what clients of the dialect ask by default although it is not about this exchange
_BESIDES = (
    _keyed("GET", "/sapi/v1/margin/allPairs", reference.none, sent.Nothing, _MANY),
    _keyed("GET", "/sapi/v1/margin/isolated/allPairs", reference.none, sent.Nothing, _MANY),
    _signed("GET", "/sapi/v1/capital/config/getall", reference.coins, sent.Nothing, _MANY, scope=_READ),
    _signed(
        "GET", "/sapi/v1/asset/tradeFee", reference.trade_fees, sent.FeesRequest, list[schema.TradeFee], scope=_READ
    ),
    _signed(
        "GET",
        "/sapi/v1/account/apiRestrictions",
        account.key_permissions,
        sent.Nothing,
        schema.KeyPermissions,
        scope=_READ,
    ),
    _public("/sapi/v1/system/status", reference.status, sent.Nothing, schema.Status),
    _public("/fapi/v1/exchangeInfo", reference.no_symbols, sent.Nothing, schema.NoSymbols),
    _public("/dapi/v1/exchangeInfo", reference.no_symbols, sent.Nothing, schema.NoSymbols),
)

ENDPOINTS = {(endpoint.method, endpoint.path): endpoint for endpoint in (*_MARKET, *_ORDERS, *_ACCOUNT, *_BESIDES)}
