"""The dialect that clients of Binance Spot speak: its REST requests, streams and websocket requests."""
