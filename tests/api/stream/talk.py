"""Talking to the websockets of a venue from a test: one coroutine per conversation, on a loop of its own."""

import asyncio
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import websockets
from websockets.asyncio.client import ClientConnection, connect

from tests.api.venue import KEYS, SYMBOL, Venue, secret

T = TypeVar("T")
PATIENCE_S = 60
LOWER = SYMBOL.lower()


def talk(conversation: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a conversation to its end, or fail when it stops."""

    async def main() -> T:
        return await asyncio.wait_for(conversation(), 60)

    return asyncio.run(main())


@asynccontextmanager
async def joined(venue: Venue, path: str, **options: Any) -> AsyncIterator[ClientConnection]:
    """Connect to a path of a venue."""
    options.setdefault("max_size", None)
    options.setdefault("close_timeout", 1)
    async with connect(f"ws://127.0.0.1:{venue.port}{path}", **options) as client:
        yield client


async def hear(client: ClientConnection) -> Any:
    """Return the next message."""
    return json.loads(await asyncio.wait_for(client.recv(), PATIENCE_S))


async def hear_until(client: ClientConnection, condition: Callable[[Any], object]) -> Any:
    """Return the next message for which something holds."""
    while True:
        message = await hear(client)
        if condition(message):
            return message


async def hear_all(client: ClientConnection, for_s: float = 0.3) -> list[Any]:
    """Return what comes until nothing does for a while."""
    heard = []
    try:
        while True:
            heard.append(json.loads(await asyncio.wait_for(client.recv(), for_s)))
    except TimeoutError:
        return heard


async def ask(client: ClientConnection, method: str, params: Any = None, request_id: Any = 1) -> Any:
    """Send a request and return the next message that carries its id."""
    request = {"method": method, "id": request_id} | ({} if params is None else {"params": params})
    await client.send(json.dumps(request))
    return await hear_until(client, lambda message: isinstance(message, dict) and message.get("id") == request_id)


async def farewell(client: ClientConnection) -> tuple[int, str]:
    """Read to the end; return the close code and reason."""
    try:
        while True:
            await asyncio.wait_for(client.recv(), PATIENCE_S)
    except websockets.ConnectionClosed:
        return client.close_code or 0, client.close_reason or ""


def signed(name: str, **params: Any) -> dict[str, Any]:
    """Return parameters of the websocket API with a key and its signature."""
    params = {"apiKey": KEYS[name][0], "timestamp": time.time_ns() // 1000} | params
    text = "&".join(f"{key}={params[key]}" for key in sorted(params))
    return params | {"signature": hmac.new(secret(name).encode(), text.encode(), hashlib.sha256).hexdigest()}


def order(side: str, quantity: object, price: object, **more: Any) -> dict[str, Any]:
    """Return the parameters of a limit order."""
    limit = {"symbol": SYMBOL, "type": "LIMIT", "timeInForce": "GTC"}
    return limit | {"side": side, "quantity": quantity, "price": price} | more
