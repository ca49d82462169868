"""Live views follow the exchange through lost connections, say when they are stale, and end when interrupted."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from rich.console import Console
from rich.live import Live

from api import shown, views, watching
from api.client.conduct import Patience
from api.client.faults import ConnectionFailedError, Refused, Unavailable
from api.client.rest import AsyncClient
from api.client.signing import Key
from api.watching import Lines, Screen, Sight, View
from tests.api.v1.office import SYMBOL, Client, Office, office

SLOW = Patience(attempts=1, first_s=0.4)  # long enough for a lost connection to be seen


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Office, Client, Client]]:
    with office(tmp_path_factory.mktemp("watching")) as served:
        issuer, buyer = served.furnish()
        issued = issuer.post("/v1/issues", asset=SYMBOL, amount="1000")
        assert issued.status_code == 200, issued.text
        yield served, issuer, buyer


@pytest.fixture
def market(house: tuple[Office, Client, Client]) -> Iterator[tuple[str, Client, Client]]:
    """Return address, seller and buyer, without open orders before and after."""
    served, issuer, buyer = house
    yield served.base, issuer, buyer
    for client in (issuer, buyer):
        client.post("/v1/mass-cancel")


def key_of(client: Client) -> Key:
    return Key.of(client.key, client.secret)


class Notes:
    """In the place of a screen: what was shown, in order."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.news = asyncio.Event()

    def sight(self, sight: Sight) -> None:
        self.told.append(sight.value)
        self.news.set()

    def stale(self, reason: str) -> None:
        self.told.append(f"stale: {reason}")
        self.news.set()

    async def until(self, wanted: Any) -> None:
        while not any(wanted(one) for one in self.told):
            self.news.clear()
            await asyncio.wait_for(self.news.wait(), 60)


class Followed:
    """A view that is followed, and what it showed."""

    def __init__(self, view: View, base: str, key: Key | None = None) -> None:
        self.notes = Notes()
        self.watch = watching._Watch(view, AsyncClient(base, key, patience=SLOW), self.notes)
        self.watch._listener.conduct.patience = SLOW
        self.running = asyncio.create_task(self.watch.run())

    async def end(self) -> list[Any]:
        self.running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await self.running
        await self.watch._client.close()
        return self.notes.told


def is_stale(told: Any) -> bool:
    return isinstance(told, str)


def test_a_book_is_followed_through_a_lost_connection(market: Any) -> None:
    base, _, buyer = market

    async def follow() -> list[Any]:
        followed = Followed(views.book(base, SYMBOL, 5), base)
        await followed.notes.until(lambda one: not is_stale(one))
        await asyncio.to_thread(buyer.order, "BUY", 1, "0.1")
        await followed.notes.until(lambda one: len(one.bids) == 1)
        followed.watch._listener._socket.transport.abort()
        await followed.notes.until(is_stale)
        await asyncio.to_thread(buyer.order, "BUY", 1, "0.2")
        await followed.notes.until(lambda one: not is_stale(one) and len(one.bids) == 2)
        return await followed.end()

    told = asyncio.run(follow())
    assert [is_stale(one) for one in told].count(True) == 1


def test_an_account_is_followed(market: Any) -> None:
    base, _, buyer = market
    key = key_of(buyer)

    async def follow() -> list[Any]:
        orders = Followed(views.orders(base, key, None, every=False), base, key)
        balances = Followed(views.balances(base, key), base, key)
        for followed in (orders, balances):
            await followed.notes.until(lambda one: True)
        await asyncio.to_thread(buyer.order, "BUY", 3, "0.1")
        await orders.notes.until(lambda one: len(one) == 1)
        await balances.notes.until(lambda one: any(held.held for held in one.balances))
        await asyncio.to_thread(buyer.post, "/v1/mass-cancel")
        orders.notes.told.clear()
        await orders.notes.until(lambda one: one == [])
        await orders.end()
        return await balances.end()

    asyncio.run(follow())


def test_trades_and_markets_are_followed(market: Any) -> None:
    base, issuer, buyer = market

    async def follow() -> None:
        tape = Followed(views.tape(base, SYMBOL, 5), base)
        markets = Followed(views.markets(base, SYMBOL[:7].lower(), 5), base)
        for followed in (tape, markets):
            await followed.notes.until(lambda one: True)
        await asyncio.to_thread(issuer.order, "SELL", 2, "0.3")
        await asyncio.to_thread(buyer.order, "BUY", 2, "0.3")
        await tape.notes.until(lambda one: one and str(one[-1].price) == "0.3000")
        await markets.notes.until(lambda one: one and str(one[0]["lastPrice"]) == "0.3000")
        for followed in (tape, markets):
            await followed.end()

    asyncio.run(follow())


@pytest.mark.parametrize("error", [Unavailable(503, -1008, "busy"), ConnectionFailedError("gone")])
def test_a_look_that_fails_is_stale_and_tried_again(market: Any, error: Exception) -> None:
    base = market[0]

    async def follow() -> list[Any]:
        view = views.tape(base, SYMBOL, 1)
        failures = [error]

        async def look(client: AsyncClient) -> Sight:
            if failures:
                raise failures.pop()
            return await view.look(client)

        followed = Followed(view._replace(look=look), base)
        await followed.notes.until(lambda one: not is_stale(one))
        return await followed.end()

    assert asyncio.run(follow())[0] == f"stale: {error}"


def test_a_refusal_ends_it(market: Any) -> None:
    base, _, buyer = market
    view = views.orders(base, key_of(buyer), None, every=False)
    strange = view._replace(follow=views.balances(base, Key.of("nobody", "nothing")).follow)

    async def follow() -> None:
        console = Console(file=io.StringIO())
        client = AsyncClient(base, key_of(buyer))
        await asyncio.wait_for(watching.watch(strange, client, console, console, as_json=False), 10)

    with pytest.raises(Refused):
        asyncio.run(follow())


def test_a_screen_says_below_the_table_whether_it_is_live() -> None:
    written = io.StringIO()
    console = Console(file=written, force_terminal=True, width=80)
    with Live(console=console, auto_refresh=False) as live:
        screen = Screen(live)
        screen.sight(Sight(None, shown.table("book", ("price",))))
        fresh = written.getvalue()
        screen.stale("the connection was closed")
    assert "live" in fresh
    assert "STALE" not in fresh
    assert "the connection was closed" in written.getvalue()


def test_lines_keep_to_json_and_complain_elsewhere(capsys: pytest.CaptureFixture[str]) -> None:
    errors = io.StringIO()
    lines = Lines(Console(file=errors))
    lines.sight(Sight({"a": 1}, shown.table("x", ())))
    lines.stale("gone")
    assert json.loads(capsys.readouterr().out) == {"a": 1}
    assert "gone" in errors.getvalue()


@pytest.fixture
def interrupted() -> Iterator[None]:
    """Let children take interrupts, even if this process was begun in the background of a shell, which forbids them."""
    kept = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, kept)


def test_an_interrupt_ends_a_command_cleanly(market: Any, interrupted: None) -> None:
    base, _, buyer = market
    command = [sys.executable, "-m", "api.commandline", "book", SYMBOL, "--watch", "--json", "--url", base]
    environment = os.environ | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment) as running:
        assert running.stdout is not None
        lines = [json.loads(running.stdout.readline())]
        buyer.order("BUY", 1, "0.4")
        while not lines[-1]["bids"]:
            lines.append(json.loads(running.stdout.readline()))
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=60)
    assert lines[-1]["bids"] == [["0.4000", "1"]]
    assert (running.returncode, errors) == (0, b"")
