"""Live views: the websocket says that something changed, the view says how things stand, until somebody interrupts.

A view that cannot be trusted, because its connection is gone or its book has a gap, says since when and why; it is
fresh again when the next connection has said how things stand.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

import msgspec
import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from api.client.faults import ClientError, Refused, Unavailable
from api.client.feed import Event, Joined, Parted
from api.client.rest import AsyncClient
from api.client.streams import AsyncAccountStream, AsyncMarketStream

PACE_S = 0.1  # between two sights at least
_CONNECTING = "not connected yet"


class Sight(NamedTuple):
    """How things stand: for programs, and for people."""

    value: object
    table: Table


class View(NamedTuple):
    """What is looked at: how it stands, whose changes to follow, and what to learn from a change."""

    look: Callable[[AsyncClient], Awaitable[Sight]]
    follow: Callable[[], AsyncMarketStream | AsyncAccountStream]
    hear: Callable[[Event], None] = lambda _: None
    doubt: Callable[[], str] = str  # why what is looked at is not to be trusted, if it is not


class Shown(Protocol):
    """Where sights go."""

    def sight(self, sight: Sight) -> None:
        """Show how things stand."""

    def stale(self, reason: str) -> None:
        """Say that this is no longer known."""


class Lines:
    """One line of JSON for each sight; what is wrong goes where errors go."""

    def __init__(self, errors: Console) -> None:
        self._errors = errors

    def sight(self, sight: Sight) -> None:
        """Print it."""
        typer.echo(msgspec.json.encode(sight.value).decode())

    def stale(self, reason: str) -> None:
        """Print why."""
        self._errors.print(f"stale since {_now()}: {reason}", highlight=False, soft_wrap=True)


class Screen:
    """One table that changes."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._table = Table()

    def sight(self, sight: Sight) -> None:
        """Show it in the place of the last one."""
        self._table = sight.table
        self._draw("live; Ctrl-C ends this", "dim")

    def stale(self, reason: str) -> None:
        """Say so below what was last known."""
        self._draw(f"STALE since {_now()}: {reason}", "bold red")

    def _draw(self, text: str, style: str) -> None:
        self._live.update(Group(self._table, Text(text, style)), refresh=True)


class _Watch:
    """A view that is followed."""

    def __init__(self, view: View, client: AsyncClient, shown: Shown) -> None:
        self._view = view
        self._client = client
        self._shown = shown
        self._listener = view.follow()
        self._news = asyncio.Event()
        self._reason = _CONNECTING
        self._told = ""  # the reason that was shown last

    async def run(self) -> None:
        """Go on until cancelled, or refused for good."""
        tasks = [asyncio.create_task(work()) for work in (self._listen, self._show)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(OSError):
                await self._listener.close()

    async def _listen(self) -> None:
        async for event in self._listener:
            self._view.hear(event)
            if isinstance(event, Parted):
                self._reason = event.reason
            elif not isinstance(event, Joined):  # the first word after that says how things stand
                self._reason = ""
            self._news.set()

    async def _show(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            reason = self._reason or await self._looked() or self._view.doubt()
            if reason and reason not in {self._told, _CONNECTING}:
                self._shown.stale(reason)
            self._told = reason
            await asyncio.sleep(PACE_S)

    async def _looked(self) -> str:
        """Show how things stand, or return why that is not known."""
        if self._view.doubt():
            return ""
        try:
            sight = await self._view.look(self._client)
        except Unavailable as error:
            self._news.set()  # look again soon
            return str(error)
        except Refused:
            raise
        except ClientError as error:
            self._news.set()
            return str(error)
        self._shown.sight(sight)
        return ""


async def once(view: View, client: AsyncClient) -> Sight:
    """Return how things stand."""
    async with client:
        return await view.look(client)


async def watch(view: View, client: AsyncClient, out: Console, err: Console, *, as_json: bool) -> None:
    """Show how things stand whenever they change, until cancelled."""
    async with client:
        first = await view.look(client)
        if as_json:
            lines = Lines(err)
            lines.sight(first)
            await _Watch(view, client, lines).run()
            return
        with Live(first.table, console=out, auto_refresh=False) as live:
            screen = Screen(live)
            screen.sight(first)
            await _Watch(view, client, screen).run()


def _now() -> str:
    return datetime.now(UTC).strftime("%H:%M:%S")
