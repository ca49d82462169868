"""The clients over HTTP, against a served exchange and against one that fails."""

import asyncio
import re
import textwrap
from decimal import Decimal

import httpx
import pytest

import api.client
from api.client.conduct import Patience
from api.client.faults import (
    BadAddressError,
    ClientError,
    ConnectionFailedError,
    InsufficientBalance,
    OutcomeUnknownError,
    UnknownOrder,
)
from api.client.rest import AsyncClient, Client
from api.client.signing import Key
from api.client.socket import AsyncSocketClient, SocketClient
from api.client.streams import MarketStream
from tests.api.venue import KEYS, SYMBOL, secret

QUICK = Patience(attempts=3, first_s=0.001)
ALICE = Key.of(KEYS["alice"][0], secret("alice"))


@pytest.fixture
def client(market):
    with Client(market.base, ALICE, patience=QUICK) as made:
        yield made


def test_an_order_lives_and_ends(client) -> None:
    order = client.buy(SYMBOL, 3, Decimal("0.2"))
    assert (order.status, order.price, order.orig_qty) == ("NEW", Decimal("0.2"), 3)
    assert [one.order_id for one in client.open_orders()] == [order.order_id]
    assert client.depth(SYMBOL).bids == [(Decimal("0.2"), Decimal(3))]
    assert client.amend(SYMBOL, order.order_id, 2).amended_order.qty == 2
    other = client.replace(SYMBOL, order.order_id, "BUY", 1, "0.3").new_order_response
    assert client.order(SYMBOL, client_order_id=other.client_order_id).status == "NEW"
    assert client.cancel(SYMBOL, other.order_id).status == "CANCELED"
    with pytest.raises(UnknownOrder):
        client.cancel_all(SYMBOL)


def test_every_question_is_answered(client) -> None:
    assert client.exchange_info(SYMBOL).symbols[0].symbol == SYMBOL
    assert len(client.exchange_info().symbols) == 3
    assert client.account().uid == 1
    assert client.commission(SYMBOL).standard_commission.taker == Decimal("0.0005")
    assert client.order_count()[0].limit > 0
    assert isinstance(client.all_statistics(), list)
    assert client.statistics(SYMBOL).symbol == client.price(SYMBOL).symbol == client.book_ticker(SYMBOL).symbol
    assert client.average_price(SYMBOL).mins == 5
    for empty in (client.trades, client.my_trades, client.all_orders):
        assert isinstance(empty(SYMBOL), list)
    assert client.candles(SYMBOL, "1m") == client.historical_trades(SYMBOL, 1) == []


def test_a_refusal_is_its_exception(client) -> None:
    with pytest.raises(InsufficientBalance):
        client.buy(SYMBOL, 10_000, 900)


def test_a_wrong_clock_is_set_by_the_exchange(client) -> None:
    client.conduct.offset_ms = -100_000
    client.account()
    assert abs(client.conduct.offset_ms) < 2_000


def test_a_repeated_order_is_one_order(market) -> None:
    """An answer that is lost on its way makes the client ask again, and the exchange answer the same."""
    lose = [True]

    class Lossy(httpx.HTTPTransport):
        def handle_request(self, request):
            response = super().handle_request(request)
            if lose and request.url.path == "/api/v3/order":
                lose.pop()
                response.close()
                raise httpx.ReadError("the line is cut")
            return response

    with Client(market.base, ALICE, patience=QUICK, transport=Lossy()) as client:
        order = client.buy(SYMBOL, 3, "0.2")
        assert lose == []
        assert [one.order_id for one in client.open_orders()] == [order.order_id]


@pytest.mark.parametrize(
    ("error", "kind", "attempts"),
    [(httpx.ConnectError, ConnectionFailedError, 3), (httpx.ReadTimeout, OutcomeUnknownError, 1)],
)
def test_a_line_that_fails_is_told(error, kind, attempts) -> None:
    tried = []

    def fail(request):
        tried.append(request)
        raise error("no")

    with (
        Client("http://nowhere", ALICE, patience=QUICK, transport=httpx.MockTransport(fail)) as client,
        pytest.raises(kind),
    ):
        client.other("POST", "/v1/deposits", account=1)
    assert len(tried) == attempts


def test_the_same_when_awaited(market) -> None:
    async def converse():
        async with AsyncClient(market.base, ALICE, patience=QUICK) as client:
            orders = await asyncio.gather(*[client.buy(SYMBOL, 1, "0.2") for _ in range(5)])
            ended = await client.cancel_all(SYMBOL)
            assert {one.order_id for one in orders} == {one.order_id for one in ended}
            with pytest.raises(UnknownOrder):
                await client.cancel_all(SYMBOL)

    asyncio.run(converse())


def test_nobody_there_is_told_when_awaited() -> None:
    async def converse():
        async with AsyncClient("http://127.0.0.1:1", patience=QUICK) as client:
            await client.ping()

    with pytest.raises(ClientError):
        asyncio.run(converse())


@pytest.mark.parametrize("kind", [Client, AsyncClient, SocketClient, AsyncSocketClient, MarketStream])
@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:80a", "127.0.0.1:8080", "ftp://127.0.0.1", "http://", "http://[::1"]
)
def test_an_address_that_is_none_is_told_at_once(kind, address: str) -> None:
    with pytest.raises(BadAddressError, match=re.escape(f"no address of an exchange: {address}: ")):
        kind(address)


def test_the_example_of_the_package_runs(market, monkeypatch, capsys) -> None:
    text = textwrap.dedent(api.client.__doc__.partition("\n\n")[2].partition("\n\n`operations`")[0])
    assert text.count("\n") <= 22
    monkeypatch.setenv("TOKENBOURSE_API_KEY", KEYS["alice"][0])
    monkeypatch.setenv("TOKENBOURSE_API_SECRET", secret("alice"))
    exec(text.replace("http://127.0.0.1:8080", market.base), {})
    told = capsys.readouterr().out
    assert "NEW 0" in told
    assert "best: (Decimal('0.2000'), Decimal('5')) None" in told
    assert market.client("alice").signed("GET", "/api/v3/openOrders").json() == []
