"""The clients over the websocket API."""

import asyncio

import pytest

from api.client.conduct import Patience
from api.client.faults import ConnectionFailedError, NotAuthorised, UnknownOrder
from api.client.signing import Key
from api.client.socket import AsyncSocketClient, OnlyHttpError, SocketClient
from api.client.wire import NoKeyError
from tests.api.venue import KEYS, SYMBOL, secret

QUICK = Patience(attempts=3, first_s=0.001)
ALICE = Key.of(KEYS["alice"][0], secret("alice"))


def test_an_order_lives_and_ends(market) -> None:
    with SocketClient(market.base, ALICE, patience=QUICK) as client:
        assert client.depth(SYMBOL).bids == []
        order = client.buy(SYMBOL, 3, "0.2")
        assert client.order(SYMBOL, order.order_id).status == "NEW"
        assert client.cancel(SYMBOL, order.order_id).status == "CANCELED"
        with pytest.raises(UnknownOrder):
            client.cancel(SYMBOL, order.order_id)


def test_a_lost_connection_is_opened_again(market) -> None:
    with SocketClient(market.base, ALICE, patience=QUICK) as client:
        client.account()
        client._socket.socket.close()
        assert client.account().uid == 1


def test_a_wrong_clock_is_set_by_the_exchange(market) -> None:
    with SocketClient(market.base, ALICE, patience=QUICK) as client:
        client.conduct.offset_ms = -100_000
        assert client.account().uid == 1
        assert abs(client.conduct.offset_ms) < 2_000


def test_what_cannot_be_asked_is_told_at_once(market) -> None:
    with SocketClient(market.base) as client:
        with pytest.raises(NoKeyError):
            client.account()
        with pytest.raises(OnlyHttpError):
            client.health()
    with SocketClient(market.base, Key.of(ALICE.key, "wrong")) as client, pytest.raises(NotAuthorised):
        client.account()


def test_nobody_there_is_told() -> None:
    with SocketClient("http://127.0.0.1:1", patience=QUICK) as client, pytest.raises(ConnectionFailedError):
        client.ping()


def test_many_requests_are_under_way_at_once(market) -> None:
    async def converse():
        async with AsyncSocketClient(market.base, ALICE, patience=QUICK) as client:
            orders = await asyncio.gather(*[client.buy(SYMBOL, 1, "0.2") for _ in range(50)])
            assert len({order.order_id for order in orders}) == 50
            await client._socket.close()
            assert len(await client.cancel_all(SYMBOL)) == 50
            with pytest.raises(UnknownOrder):
                await client.cancel_all(SYMBOL)

    asyncio.run(converse())


def test_what_was_under_way_when_the_line_broke_is_asked_again(market) -> None:
    async def converse():
        async with AsyncSocketClient(market.base, ALICE, patience=QUICK) as client:
            await client.account()
            socket = client._socket
            send = socket.send

            async def send_and_break(text):
                await send(text)
                socket.transport.abort()

            socket.send = send_and_break
            order = await client.buy(SYMBOL, 1, "0.2")
            assert client._socket is not socket
            assert [one.order_id for one in await client.open_orders()] == [order.order_id]

    asyncio.run(converse())


def test_nobody_there_is_told_when_awaited() -> None:
    async def converse():
        async with AsyncSocketClient("http://127.0.0.1:1", ALICE, patience=QUICK) as client:
            await client.account()

    with pytest.raises(ConnectionFailedError):
        asyncio.run(converse())
