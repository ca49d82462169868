"""Listening to websockets: market streams and books, an account's events; waiting for what comes, or awaiting it.

A listener connects again by itself, with a pause that doubles, and tells of it. It ends only when it is closed, or
when the exchange refuses what no waiting will mend.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any, Generic, TypeVar

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection as BlockingConnection

from api.client.allowances import AllowanceFeed
from api.client.blocking import open_websocket
from api.client.book import LocalBook
from api.client.conduct import Conduct, Patience
from api.client.feed import AccountFeed, Event, Feed, Joined, MarketFeed
from api.client.rest import TIMEOUT_S, URL, new_conduct
from api.client.signing import Key

F = TypeVar("F", bound=Feed)
SIZE_MAX = 16 * 1024 * 1024  # of one message: the snapshot of a deep book is the longest
CLOSED = "the connection was closed"
OPTIONS: dict[str, Any] = {"compression": None, "max_size": SIZE_MAX, "close_timeout": 1, "open_timeout": TIMEOUT_S}


class _Listener(Generic[F]):
    """A feed that is listened to by iterating, in this thread."""

    def __init__(self, feed: F, conduct: Conduct) -> None:
        self._feed = feed
        self.conduct = conduct
        self._socket: BlockingConnection | None = None
        self._is_closed = False

    def __iter__(self) -> Iterator[Event]:
        """Yield what is heard, until closed."""
        attempt = 0
        while not self._is_closed:
            attempt += 1
            try:
                for event in self._connected():
                    attempt = attempt if isinstance(event, Joined) else 0
                    yield event
                events = self._feed.lost(CLOSED)
            except (OSError, WebSocketException) as error:
                events = _ended(self._feed, error)
            yield from events
            if not self._is_closed:
                time.sleep(self.conduct.backoff_s(max(1, attempt)))

    def close(self) -> None:
        """Hang up; the iteration ends."""
        self._is_closed = True
        if self._socket is not None:
            self._socket.close()
        self._feed.lost(CLOSED)

    def _connected(self) -> Iterator[Event]:
        """Yield what one connection says; however this ends, nothing is trusted any more."""
        feed = self._feed
        with open_websocket(feed.address(), **OPTIONS) as socket:
            self._socket = socket
            if self._is_closed:  # while it was being opened
                return
            try:
                yield from feed.opened()
                self._send()
                for text in socket:
                    yield from feed.heard(text)
                    self._send()
            finally:
                feed.lost(CLOSED)

    def _send(self) -> None:
        texts, self._feed.outgoing = self._feed.outgoing, []
        for text in texts if self._socket is not None else []:
            assert self._socket is not None
            self._socket.send(text)


class _AsyncListener(Generic[F]):
    """A feed that is listened to by iterating, on a loop."""

    def __init__(self, feed: F, conduct: Conduct) -> None:
        self._feed = feed
        self.conduct = conduct
        self._socket: ClientConnection | None = None
        self._is_closed = False

    async def __aiter__(self) -> AsyncIterator[Event]:
        """Yield what is heard, until closed."""
        attempt = 0
        while not self._is_closed:
            attempt += 1
            try:
                async with aclosing(self._connected()) as heard:
                    async for event in heard:
                        attempt = attempt if isinstance(event, Joined) else 0
                        yield event
                events = self._feed.lost(CLOSED)
            except (OSError, WebSocketException) as error:
                events = _ended(self._feed, error)
            for event in events:
                yield event
            if not self._is_closed:
                await asyncio.sleep(self.conduct.backoff_s(max(1, attempt)))

    async def close(self) -> None:
        """Hang up; the iteration ends."""
        self._is_closed = True
        if self._socket is not None:
            await self._socket.close()
        self._feed.lost(CLOSED)

    async def _connected(self) -> AsyncGenerator[Event, None]:
        """Yield what one connection says; however this ends, nothing is trusted any more."""
        feed = self._feed
        async with connect(feed.address(), **OPTIONS) as socket:
            self._socket = socket
            if self._is_closed:  # while it was being opened
                return
            try:
                for event in feed.opened():
                    yield event
                await self._send()
                async for text in socket:
                    for event in feed.heard(text):
                        yield event
                    await self._send()
            finally:
                feed.lost(CLOSED)

    async def _send(self) -> None:
        texts, self._feed.outgoing = self._feed.outgoing, []
        for text in texts if self._socket is not None else []:
            assert self._socket is not None
            await self._socket.send(text)


class MarketStream(_Listener[MarketFeed]):
    """Streams of the market: iterate over what is heard."""

    def __init__(self, url: str = URL, *names: str, patience: Patience | None = None) -> None:
        """Listen to a server given by its HTTP address, to streams named as the dialect names them."""
        super().__init__(*_of_market(url, names, patience))

    def subscribe(self, *names: str) -> None:
        """Listen to more streams."""
        self._feed.subscribe(*names)
        self._send()

    def unsubscribe(self, *names: str) -> None:
        """Listen to streams no more."""
        self._feed.unsubscribe(*names)
        self._send()

    def book(self, symbol: str, *, every_change: bool = False) -> LocalBook:
        """Return a book that is kept while this is iterated over; it says itself when it is stale."""
        book = self._feed.book(symbol, every_change=every_change)
        self._send()
        return book


class AsyncMarketStream(_AsyncListener[MarketFeed]):
    """Streams of the market: iterate over what is heard."""

    def __init__(self, url: str = URL, *names: str, patience: Patience | None = None) -> None:
        """Listen to a server given by its HTTP address, to streams named as the dialect names them."""
        super().__init__(*_of_market(url, names, patience))

    async def subscribe(self, *names: str) -> None:
        """Listen to more streams."""
        self._feed.subscribe(*names)
        await self._send()

    async def unsubscribe(self, *names: str) -> None:
        """Listen to streams no more."""
        self._feed.unsubscribe(*names)
        await self._send()

    async def book(self, symbol: str, *, every_change: bool = False) -> LocalBook:
        """Return a book that is kept while this is iterated over; it says itself when it is stale."""
        book = self.keep(symbol, every_change=every_change)
        await self._send()
        return book

    def keep(self, symbol: str, *, every_change: bool = False) -> LocalBook:
        """Return a book that is kept from the next connection on."""
        return self._feed.book(symbol, every_change=every_change)


class AccountStream(_Listener[AccountFeed]):
    """The events of an account, each once and in order: iterate over them."""

    def __init__(self, url: str, key: Key, after: int | None = None, *, patience: Patience | None = None) -> None:
        """Listen with a key; `after` is the last event that is known already, None to begin with what comes."""
        super().__init__(*_of_account(url, key, after, patience))

    @property
    def latest(self) -> int | None:
        """Return the last event that was heard: from there another stream may go on."""
        return self._feed.latest


class AsyncAccountStream(_AsyncListener[AccountFeed]):
    """The events of an account, each once and in order: iterate over them."""

    def __init__(self, url: str, key: Key, after: int | None = None, *, patience: Patience | None = None) -> None:
        """Listen with a key; `after` is the last event that is known already, None to begin with what comes."""
        super().__init__(*_of_account(url, key, after, patience))

    @property
    def latest(self) -> int | None:
        """Return the last event that was heard: from there another stream may go on."""
        return self._feed.latest


class AllowanceStream(_Listener[AllowanceFeed]):
    """What API keys have left: iterate over what is heard, and look at `remaining`."""

    def __init__(self, url: str, key: Key, *keys: str, patience: Patience | None = None) -> None:
        """Listen with a key to all that it may hear of, or to some keys alone."""
        super().__init__(*_of_allowances(url, key, keys, patience))

    @property
    def remaining(self) -> dict[tuple[str, str], Decimal]:
        """Return what is left by key and asset; stale while there is no connection."""
        return self._feed.remaining


class AsyncAllowanceStream(_AsyncListener[AllowanceFeed]):
    """What API keys have left: iterate over what is heard, and look at `remaining`."""

    def __init__(self, url: str, key: Key, *keys: str, patience: Patience | None = None) -> None:
        """Listen with a key to all that it may hear of, or to some keys alone."""
        super().__init__(*_of_allowances(url, key, keys, patience))

    @property
    def remaining(self) -> dict[tuple[str, str], Decimal]:
        """Return what is left by key and asset; stale while there is no connection."""
        return self._feed.remaining


def _ended(feed: Feed, error: OSError | WebSocketException) -> list[Event]:
    """Return what it means that a connection failed; raise what waiting will not mend."""
    if isinstance(error, InvalidStatus):
        return feed.refused(error.response.status_code, bytes(error.response.body or b""))
    return feed.lost(f"{type(error).__name__}: {error}")


def _of_market(url: str, names: tuple[str, ...], patience: Patience | None) -> tuple[MarketFeed, Conduct]:
    feed = MarketFeed(url)
    feed.subscribe(*names)
    return feed, new_conduct(patience)


def _of_account(url: str, key: Key, after: int | None, patience: Patience | None) -> tuple[AccountFeed, Conduct]:
    conduct = new_conduct(patience)
    return AccountFeed(url, key, conduct.timestamp, after), conduct


def _of_allowances(
    url: str, key: Key, keys: tuple[str, ...], patience: Patience | None
) -> tuple[AllowanceFeed, Conduct]:
    conduct = new_conduct(patience)
    return AllowanceFeed(url, key, conduct.timestamp, keys), conduct
