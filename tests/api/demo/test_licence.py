"""The demo's licence is a series of a listed dataset, for those who were let in."""

import asyncio

import pytest

from api.demo.client import Rest, open_http
from api.demo.market import METERED_BUYER

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_the_licence_is_a_series_of_a_listed_dataset(opened):
    (licence,) = [listing for listing in opened.world if listing.kind == "LICENCE"]

    async def ask() -> tuple[dict, dict]:
        async with open_http(opened.server.url) as http:
            series = await Rest(http).public("/v1/licences", number="0000000001")
            stranger = Rest(http, opened.market.keys[METERED_BUYER])
            terms = {"symbol": licence.symbol, "side": "BUY", "type": "LIMIT", "timeInForce": "IOC"}
            with pytest.raises(Exception, match="clear"):
                await stranger.signed("POST", "/api/v3/order", **terms, quantity=1, price=licence.price)
            return series, await Rest(http).public("/v1/datasets", number="0000000001")

    series, found = asyncio.run(ask())
    assert [(row["symbol"], row["state"]) for row in series["series"]] == [(licence.symbol, "CONTINUOUS")]
    assert [row["state"] for row in found["datasets"]] == ["listed"]
