"""Listening to a served exchange, through lost connections."""

import asyncio
import itertools
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal

import pytest
from websockets.protocol import State
from websockets.sync.server import ServerConnection

from api.client.book import LocalBook
from api.client.conduct import Patience
from api.client.faults import NotAuthorised, Refused
from api.client.feed import Event, Heard, Joined, Missed, Parted
from api.client.signing import Key
from api.client.streams import CLOSED, AccountStream, AsyncAccountStream, AsyncMarketStream, MarketStream
from api.messages.market import TradeMessage
from api.messages.private import Balances, PrivateEvent
from tests.api.client.scripted import scripted
from tests.api.venue import KEYS, SYMBOL, secret

QUICK = Patience(first_s=0.01, longest_s=0.05)
ALICE = Key.of(KEYS["alice"][0], secret("alice"))
NAME = f"{SYMBOL.lower()}@trade"


def trade(market) -> None:
    market.client("bob").order("SELL", 1, "0.2")
    market.client("alice").order("BUY", 1, "0.2")


def trade_until(heard: threading.Event, market) -> None:
    """Trade again and again: when a subscription has begun is not told."""
    trade(market)
    while not heard.wait(0.5):
        trade(market)


def test_trades_are_heard_again_after_the_line_broke(market) -> None:
    stream = MarketStream(market.base, NAME, patience=QUICK)
    seen, heard, connections = [], threading.Event(), 0
    acting = threading.Thread(target=trade_until, args=(heard, market))
    acting.start()
    for event in stream:
        if isinstance(event, Joined):
            connections += 1
            is_cut = False
        elif isinstance(event, Heard):
            seen.append(event.message)
            if connections == 2:
                break
            if not is_cut:  # what was read ahead is still told after it
                stream._socket.socket.shutdown(socket.SHUT_RDWR)
                is_cut = True
        else:
            assert isinstance(event, Parted)
    heard.set()
    stream.close()
    assert len(seen) >= 2
    assert all(isinstance(message, TradeMessage) and message.price == Decimal("0.2") for message in seen)
    acting.join()


def test_a_book_equals_the_exchange_s_through_a_lost_connection(market) -> None:
    async def converse() -> None:
        stream = AsyncMarketStream(market.base, patience=QUICK)
        book = await stream.book(SYMBOL, every_change=True)
        place = market.client("alice").order
        prices = [f"0.1{number}" for number in range(10)]
        parted = False
        async for event in stream:
            if isinstance(event, Heard) and not book.is_stale:
                if prices:
                    await asyncio.to_thread(place, "BUY", 1, prices.pop())
                elif len(book.bids()) == 10:
                    break
                if len(prices) == 5 and not parted:
                    parted = True
                    stream._socket.transport.abort()
            elif isinstance(event, Parted):
                assert book.is_stale
        depth = market.client("alice").get("/api/v3/depth", symbol=SYMBOL).json()
        assert [[f"{price:f}", f"{quantity:f}"] for price, quantity in book.bids()] == depth["bids"]
        assert (book.last_update_id, book.gap_count, parted) == (depth["lastUpdateId"], 1, True)
        await stream.close()

    asyncio.run(asyncio.wait_for(converse(), 30))


def test_more_may_be_heard_and_less(market) -> None:
    async def converse() -> None:
        stream = AsyncMarketStream(market.base, patience=QUICK)
        listening = aiter(stream)
        assert await anext(listening) == Joined()
        await stream.subscribe(NAME, f"{SYMBOL.lower()}@bookTicker")
        first = await anext(listening)
        assert first.stream == f"{SYMBOL.lower()}@bookTicker"
        await stream.unsubscribe(first.stream)
        await asyncio.to_thread(trade, market)
        while (event := await anext(listening)).stream != NAME:
            assert event.stream == first.stream
        await stream.close()
        await listening.aclose()

    asyncio.run(asyncio.wait_for(converse(), 30))


def test_a_stream_that_does_not_exist_is_told(market) -> None:
    with pytest.raises(Refused, match="invalid stream"):
        list(MarketStream(market.base, "no.such@trade", patience=QUICK))


def test_nobody_there_is_told_again_and_again() -> None:
    stream = MarketStream("http://127.0.0.1:1", NAME, patience=QUICK)
    assert all(isinstance(event, Parted) for event in itertools.islice(stream, 3))


def test_an_account_s_events_come_once_and_in_order_through_lost_connections(market) -> None:
    stream = AccountStream(market.base, ALICE, 0, patience=QUICK)
    seen: list[PrivateEvent] = []
    connections, cut, placed = 0, 0, {}
    for event in stream:
        assert not isinstance(event, Missed)
        connections += isinstance(event, Joined)
        if not isinstance(event, PrivateEvent):
            continue
        seen.append(event)
        if cut == 2 and event.order is not None and event.order.order_id == placed["orderId"]:
            break
        if cut < min(connections, 2):  # once a connection: what was read ahead is still told after it
            stream._socket.socket.shutdown(socket.SHUT_RDWR)
            cut += 1
            placed = market.client("alice").order("BUY", 1, f"0.2{cut}").json()
    assert [event.sequence for event in seen] == list(range(1, len(seen) + 1))
    assert stream.latest == len(seen) > 3
    assert (cut, connections) == (2, 3)
    assert (seen[-1].type, seen[-1].order.status) == ("ORDER_ACCEPTED", "NEW")
    stream.close()


def test_an_account_is_heard_from_now_on(market) -> None:
    async def converse() -> None:
        stream = AsyncAccountStream(market.base, ALICE, patience=QUICK)
        listening = aiter(stream)
        assert await anext(listening) == Joined()
        welcome = await anext(listening)
        assert (welcome.account, stream.latest) == (1, welcome.latest)
        await asyncio.to_thread(market.client("alice").order, "BUY", 1, "0.2")
        event, balances = await anext(listening), await anext(listening)
        assert (event.sequence, event.type, balances.after) == (welcome.latest + 1, "ORDER_ACCEPTED", event.sequence)
        assert isinstance(balances, Balances)
        await stream.close()
        await listening.aclose()

    asyncio.run(asyncio.wait_for(converse(), 30))


def test_a_key_that_is_no_good_ends_it(market) -> None:
    with pytest.raises(NotAuthorised):
        list(AccountStream(market.base, Key.of(ALICE.key, "wrong"), patience=QUICK))


@contextmanager
def closing_first(close: Callable[[], object]) -> Iterator[str]:
    """Serve streams that say nothing, and let each handshake wait until something was closed."""

    def listen(line: ServerConnection) -> None:
        assert list(line) == []

    def shake_hands(*_: object) -> None:
        close()

    with scripted(listen, process_request=shake_hands) as base:
        yield base


def live(listening: Iterator[Event], book: LocalBook) -> None:
    while book.is_stale:
        next(listening)


async def live_later(listening: AsyncIterator[Event], book: LocalBook) -> None:
    while book.is_stale:
        await anext(listening)


def test_closed_while_it_connects_it_ends() -> None:
    streams: list[MarketStream] = []
    heard: list[Event] = []
    with closing_first(lambda: [stream.close() for stream in streams]) as base:
        streams.append(MarketStream(base, NAME, patience=QUICK))
        listening = threading.Thread(target=lambda: heard.extend(streams[0]))
        listening.start()
        listening.join(5)
        has_ended = not listening.is_alive()
    listening.join()
    assert (has_ended, heard) == (True, [Parted(CLOSED)])


def test_closed_while_it_connects_it_ends_when_awaited() -> None:
    async def converse() -> None:
        loop, streams = asyncio.get_running_loop(), []
        with closing_first(lambda: asyncio.run_coroutine_threadsafe(streams[0].close(), loop).result()) as base:
            streams.append(AsyncMarketStream(base, NAME, patience=QUICK))
            async with asyncio.timeout(5):
                assert [event async for event in streams[0]] == [Parted(CLOSED)]

    asyncio.run(converse())


def test_a_book_is_stale_once_nobody_listens(market) -> None:
    stream = MarketStream(market.base, patience=QUICK)
    book = stream.book(SYMBOL)
    live(iter(stream), book)
    assert (book.is_stale, book.reason) == (True, CLOSED)  # the iterator is gone


def test_a_book_is_stale_once_its_stream_is_closed(market) -> None:
    stream = MarketStream(market.base, patience=QUICK)
    book = stream.book(SYMBOL)
    listening = iter(stream)
    live(listening, book)
    stream.close()
    assert (book.is_stale, book.reason) == (True, CLOSED)
    assert list(listening)[-1] == Parted(CLOSED)
    assert (book.is_stale, book.gap_count) == (True, 1)


def test_a_book_is_stale_once_a_stream_is_refused(market) -> None:
    stream = MarketStream(market.base, patience=QUICK)
    book = stream.book(SYMBOL)
    listening = iter(stream)
    live(listening, book)
    stream.subscribe("no.such@trade")
    with pytest.raises(Refused, match="invalid stream"):
        list(listening)
    assert (book.is_stale, book.reason) == (True, CLOSED)


def test_a_book_is_stale_once_nobody_awaits_it(market) -> None:
    async def converse() -> None:
        stream = AsyncMarketStream(market.base, patience=QUICK)
        book = stream.keep(SYMBOL)
        listening = aiter(stream)
        await live_later(listening, book)
        await stream.close()
        assert (book.is_stale, book.reason) == (True, CLOSED)
        await listening.aclose()

    asyncio.run(asyncio.wait_for(converse(), 30))


def test_a_book_is_stale_once_a_stream_that_is_awaited_is_refused(market) -> None:
    async def converse() -> None:
        stream = AsyncMarketStream(market.base, patience=QUICK)
        book = stream.keep(SYMBOL)
        listening = aiter(stream)
        await live_later(listening, book)
        await stream.subscribe("no.such@trade")
        with pytest.raises(Refused, match="invalid stream"):
            await live_later(listening, LocalBook(SYMBOL))
        assert (book.is_stale, book.reason) == (True, CLOSED)

    asyncio.run(asyncio.wait_for(converse(), 30))


def test_whoever_stops_awaiting_hangs_up_at_once(market) -> None:
    async def converse() -> None:
        stream = AsyncMarketStream(market.base, NAME, patience=QUICK)
        listening = aiter(stream)
        assert await anext(listening) == Joined()
        await listening.aclose()
        assert stream._socket.state is State.CLOSED

    asyncio.run(converse())
