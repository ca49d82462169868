"""Who trades in the demo: market makers on websocket, buyers on REST, a reader of the tape, and a meter.

Every one of them goes on after the server was killed, as a user's program must: it connects again and sends what was
not answered once more under the same client order id, which the exchange never executes twice.
"""

import asyncio
import json
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from typing import Any

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from api.demo.client import Key, OrderSocket, Refused, Rest
from api.demo.usage import Request
from api.demo.world import Listing

GONE = (OSError, TimeoutError, WebSocketException, httpx.TransportError, json.JSONDecodeError)
_BUSY = {429, 503}
_RETRY_S = 0.2
_QUOTES_KEPT = 6  # per instrument and market maker
_TRADES_PAGE = 1_000


@dataclass
class Facts:
    """What the actors saw: the exchange is held to it at the end."""

    acknowledged: list[tuple[Key, str, str, int]] = field(default_factory=list)  # key, symbol, client id, order id
    rest_ms: list[float] = field(default_factory=list)
    socket_ms: list[float] = field(default_factory=list)
    trades: dict[int, tuple[str, Decimal, Decimal]] = field(default_factory=dict)  # by id: symbol, price, lots
    refusals: dict[int, int] = field(default_factory=dict)  # by code
    interruptions: int = 0  # requests whose answer was lost and that were sent again
    usage_applied: int = 0
    usage_duplicates: int = 0
    usage_tokens: int = 0

    def refuse(self, refusal: Refused) -> None:
        """Count a refusal."""
        self.refusals[refusal.code] = self.refusals.get(refusal.code, 0) + 1


async def insist(facts: Facts, act: Callable[[], Awaitable[Any]], reopen: Callable[[], Awaitable[None]]) -> Any:
    """Do something until it is answered; None when the answer is a refusal."""
    gone = False
    while True:
        try:
            return await act()
        except Refused as refusal:
            facts.refuse(refusal)
            if refusal.status not in _BUSY:
                return None
            await asyncio.sleep(_RETRY_S)
        except GONE:
            facts.interruptions += not gone
            gone = True
            await asyncio.sleep(_RETRY_S)
            await reopen()


async def _nothing() -> None:
    """HTTP connections reopen by themselves."""


class MarketMaker:
    """Quotes both sides of some instruments over a websocket, and takes old quotes back."""

    def __init__(self, name: str, key: Key, listings: list[Listing], url: str, facts: Facts) -> None:
        self._name = name
        self._key = key
        self._listings = listings
        self._url = url
        self._facts = facts
        self._chance = random.Random(name)
        self._count = 0
        self._quotes: dict[str, list[int]] = {listing.symbol: [] for listing in listings}

    async def run(self, stop: asyncio.Event) -> None:
        """Quote until told to stop."""
        await self._connect()
        while not stop.is_set():
            for listing in self._listings:
                for side, sign in (("BUY", -1), ("SELL", 1)):
                    await self._quote(listing, side, sign)
                while len(self._quotes[listing.symbol]) > _QUOTES_KEPT:
                    await self._withdraw(listing.symbol)
        await self._socket.close()

    async def _connect(self) -> None:
        while True:
            try:
                self._socket = await OrderSocket.open(self._url, self._key)
            except GONE:
                await asyncio.sleep(_RETRY_S)
            else:
                return

    async def _quote(self, listing: Listing, side: str, sign: int) -> None:
        self._count += 1
        name = f"{self._name}-{self._count}"
        away = Decimal(self._chance.randint(10, 200)) / 10_000
        price = _on_tick(listing, listing.price * (1 + sign * away))
        terms = {
            "symbol": listing.symbol,
            "side": side,
            "type": "LIMIT",
            "timeInForce": "GTC",
            "newClientOrderId": name,
        }
        sizes = {"price": str(price), "quantity": str(self._chance.randint(1, 20 if listing.lots > 100 else 2))}

        async def act() -> Any:
            begin = time.perf_counter()
            answer = await self._socket.call("order.place", **terms, **sizes)
            self._facts.socket_ms.append((time.perf_counter() - begin) * 1_000)
            return answer

        answer = await insist(self._facts, act, self._connect)
        if answer is not None:
            self._facts.acknowledged.append((self._key, listing.symbol, name, answer["orderId"]))
            self._quotes[listing.symbol].append(answer["orderId"])

    async def _withdraw(self, symbol: str) -> None:
        order_id = self._quotes[symbol].pop(0)
        await insist(
            self._facts, lambda: self._socket.call("order.cancel", symbol=symbol, orderId=order_id), self._connect
        )


class Buyer:
    """Sweeps the book over REST with immediate orders, and now and then sells a little back."""

    def __init__(self, name: str, key: Key, listings: list[Listing], http: httpx.AsyncClient, facts: Facts) -> None:
        self._name = name
        self._key = key
        self._rest = Rest(http, key)
        self._listings = listings
        self._facts = facts
        self._chance = random.Random(name)
        self._count = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Trade until told to stop."""
        while not stop.is_set():
            listing = self._chance.choice(self._listings)
            lots = self._chance.randint(1, 25 if listing.lots > 100 else 1)
            if self._chance.random() < 0.25:
                await self.send(listing, side="SELL", type="MARKET", quantity=lots)
            else:
                price = _on_tick(listing, listing.price * Decimal("1.02"))
                await self.send(listing, side="BUY", type="LIMIT", timeInForce="IOC", price=price, quantity=lots)
            await asyncio.sleep(0)

    async def send(self, listing: Listing, **terms: object) -> Any:
        """Place one order, whatever it takes; return the answer, None when it was refused."""
        self._count += 1
        name = f"{self._name}-{self._count}"

        async def act() -> Any:
            begin = time.perf_counter()
            answer = await self._rest.signed(
                "POST", "/api/v3/order", symbol=listing.symbol, newClientOrderId=name, newOrderRespType="FULL", **terms
            )
            self._facts.rest_ms.append((time.perf_counter() - begin) * 1_000)
            return answer

        answer = await insist(self._facts, act, _nothing)
        if answer is not None:
            self._facts.acknowledged.append((self._key, listing.symbol, name, answer["orderId"]))
        return answer


def _on_tick(listing: Listing, price: Decimal) -> Decimal:
    return max(listing.tick, (price / listing.tick).to_integral_value(ROUND_FLOOR) * listing.tick)


class Tape:
    """Reads the trade streams of all instruments; what it misses while away it fetches."""

    def __init__(self, listings: list[Listing], url: str, http: httpx.AsyncClient, facts: Facts) -> None:
        self._symbols = [listing.symbol for listing in listings]
        self._url = url
        self._rest = Rest(http)
        self._facts = facts
        self.listening = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled."""
        streams = "/".join(f"{symbol.lower()}@trade" for symbol in self._symbols)
        while True:
            try:
                async with connect(f"{self._url.replace('http', 'ws', 1)}/stream?streams={streams}") as socket:
                    self.listening.set()
                    await self.catch_up()
                    async for text in socket:
                        self._note(json.loads(text)["data"])
            except GONE:
                await asyncio.sleep(_RETRY_S)

    async def catch_up(self) -> None:
        """Fetch the latest trades of every instrument, for what the stream did not bring."""
        for symbol in self._symbols:
            for trade in await self._rest.public("/api/v3/trades", symbol=symbol, limit=_TRADES_PAGE):
                self._facts.trades[trade["id"]] = (symbol, Decimal(trade["price"]), Decimal(trade["qty"]))

    def _note(self, message: dict[str, Any]) -> None:
        if message.get("e") == "trade":
            self._facts.trades[message["t"]] = (message["s"], Decimal(message["p"]), Decimal(message["q"]))


class Meter:
    """The issuer's gateway: reports use in numbered batches, some records twice."""

    def __init__(self, key: Key, symbol: str, holder: str, http: httpx.AsyncClient, facts: Facts) -> None:
        self._rest = Rest(http, key)
        self._symbol = symbol
        self._holder = holder
        self._facts = facts

    async def run(self, batches: list[list[tuple[str, Request]]], pause_s: float) -> None:
        """Send every batch until it is answered."""
        for number, batch in enumerate(batches, 1):
            body = {"batch": number, "records": [self._record(name, request) for name, request in batch]}
            answer = await insist(self._facts, lambda body=body: self._send(body), _nothing)  # type: ignore[misc]
            if answer is not None:
                self._facts.usage_applied += answer["applied"]
                self._facts.usage_duplicates += answer["duplicates"]
                self._facts.usage_tokens += answer["tokens"]
            await asyncio.sleep(pause_s)

    async def _send(self, body: dict[str, Any]) -> Any:
        return await self._rest.json("POST", "/v1/usage", body)

    def _record(self, name: str, request: Request) -> dict[str, Any]:
        return {
            "id": name,
            "time": time.time_ns() // 1_000_000,
            "symbol": self._symbol,
            "tokens_in": request.tokens_in,
            "tokens_out": request.tokens_out,
            "key": self._holder,
        }
