"""One server for all tests of the demo, with its market open."""

import asyncio
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from api.demo import market as opening
from api.demo.client import open_http
from api.demo.market import Market
from api.demo.server import Server
from api.demo.world import Listing, listings


class Opened(NamedTuple):
    """A running server, who takes part, and what is listed."""

    server: Server
    market: Market
    world: list[Listing]


@pytest.fixture(scope="session")
def opened(tmp_path_factory) -> Iterator[Opened]:
    """Start a server, open the demo's market, and stop the server at the end."""
    server = Server(tmp_path_factory.mktemp("demo"))

    async def begin() -> Opened:
        await server.start()
        world = listings()
        async with open_http(server.url) as http:
            return Opened(server, await opening.set_up(http, opening.operator_key(server.directory), world), world)

    with asyncio.Runner() as runner:
        yield runner.run(begin())
        runner.run(server.stop())
