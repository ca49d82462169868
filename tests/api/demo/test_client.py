"""The demo's client: signatures as published, answers, refusals, orders over the websocket."""

import asyncio

import pytest

from api.demo.client import Key, OrderSocket, Refused, Rest, open_http, sign

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_the_signature_is_the_one_in_the_published_example():
    secret = "NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
    payload = (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1&recvWindow=5000&timestamp=1499827319559"
    )
    assert sign(secret, payload) == "c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"


def test_signed_requests_are_answered_and_refusals_raised(opened):
    key = opened.market.keys["buyer-1"]

    async def talk() -> None:
        async with open_http(opened.server.url) as http:
            assert (await Rest(http).public("/api/v3/time"))["serverTime"] > 0
            account = await Rest(http, key).signed("GET", "/api/v3/account")
            assert account["canTrade"]
            with pytest.raises(Refused, match="-1022"):
                await Rest(http, key._replace(secret="wrong")).signed("GET", "/api/v3/account")
            with pytest.raises(Refused, match="404"):
                await Rest(http, opened.market.keys["OPENAI"]).json(
                    "POST", "/v1/issues", {"asset": "NONE", "amount": "1"}
                )

    asyncio.run(talk())


def test_orders_travel_over_the_websocket(opened):
    key: Key = opened.market.keys["maker-1"]
    listing = opened.world[1]
    terms = {"symbol": listing.symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC"}

    async def talk() -> None:
        socket = await OrderSocket.open(opened.server.url, key)
        placed = await socket.call("order.place", **terms, price=str(listing.tick), quantity="1")
        canceled = await socket.call("order.cancel", symbol=listing.symbol, orderId=placed["orderId"])
        assert canceled["status"] == "CANCELED"
        with pytest.raises(Refused, match="-2011"):
            await socket.call("order.cancel", symbol=listing.symbol, orderId=placed["orderId"])
        await socket.close()

    asyncio.run(talk())
