"""The opening of the demo's market: everybody has a key and money, everything is listed and issued."""

import asyncio
from decimal import Decimal

import pytest

from api.demo.client import Rest, open_http
from api.demo.market import BUYERS, MAKERS, METERED_BUYER, operator_key

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_the_operators_key_is_the_one_that_the_server_wrote(opened):
    assert operator_key(opened.server.directory) == opened.market.operator


def test_everybody_takes_part_with_a_key_of_their_own(opened):
    issuers = {listing.issuer for listing in opened.world}
    assert set(opened.market.keys) == {*MAKERS, *BUYERS, METERED_BUYER, *issuers}
    assert len({key.account for key in opened.market.keys.values()}) == len(opened.market.keys)


def test_everything_is_listed_and_the_makers_have_a_stock_of_it(opened):
    async def ask() -> tuple[dict, dict]:
        async with open_http(opened.server.url) as http:
            info = await Rest(http).public("/api/v3/exchangeInfo")
            return info, await Rest(http, opened.market.keys["maker-2"]).signed("GET", "/v1/balances")

    info, balances = asyncio.run(ask())
    assert {row["symbol"] for row in info["symbols"]} == {listing.symbol for listing in opened.world}
    stock = {row["asset"]: Decimal(row["total"]) for row in balances["balances"]}
    for listing in opened.world:
        assert stock[listing.symbol] == listing.lots // 8
