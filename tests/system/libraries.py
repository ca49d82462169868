"""The client libraries under test; what they import that is deprecated is no fault of the exchange."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import ccxt.pro as ccxt_pro
    from binance import AsyncClient, BinanceSocketManager
    from binance.ws.reconnecting_websocket import ReconnectingWebsocket

__all__ = ["AsyncClient", "BinanceSocketManager", "ReconnectingWebsocket", "ccxt_pro"]
