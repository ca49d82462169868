"""The client libraries under test; what they import that is deprecated is no fault of the exchange."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ccxt
    import ccxt.async_support as ccxt_async
    import ccxt.pro as ccxt_pro
    from binance import AsyncClient, BinanceSocketManager, DepthCacheManager
    from binance.client import Client as SyncClient
    from binance.exceptions import BinanceAPIException
    from binance.ws.reconnecting_websocket import ReconnectingWebsocket

__all__ = [
    "AsyncClient",
    "BinanceAPIException",
    "BinanceSocketManager",
    "DepthCacheManager",
    "ReconnectingWebsocket",
    "SyncClient",
    "ccxt",
    "ccxt_async",
    "ccxt_pro",
]
