"""The server as a process: it answers, comes back after a kill, and failures show its log."""

import asyncio

import pytest

from api.demo.client import Rest, open_http
from api.demo.server import Server, ServerError, free_port

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]


def test_a_free_port_is_free():
    assert 0 < free_port() < 65_536


def test_it_comes_back_on_the_same_port_after_a_kill(tmp_path):
    server = Server(tmp_path)

    async def live_and_die() -> None:
        await server.start()
        await server.kill()
        await server.start()
        async with open_http(server.url) as http:
            assert await Rest(http).public("/api/v3/ping") == {}
        await server.stop()
        await server.stop()

    asyncio.run(live_and_die())


def test_a_server_that_cannot_start_shows_why(tmp_path):
    (tmp_path / "journal").write_text("in the way")
    with pytest.raises(ServerError, match="the server ended with"):
        asyncio.run(Server(tmp_path).start())
