"""What people look at: markets, a book, a tape, orders, balances; once, or followed."""

from collections.abc import Callable

import msgspec

from api import shown
from api.client import answers, owned
from api.client.book import LocalBook
from api.client.feed import Event, Heard
from api.client.rest import AsyncClient
from api.client.signing import Key
from api.client.streams import AsyncAccountStream, AsyncMarketStream
from api.client.wire import NoKeyError
from api.messages.phases import InstrumentChanged
from api.watching import Sight, View

PAGE = 1_000  # instruments asked for at a time


def markets(url: str, text: str, limit: int) -> View:
    """Return the instruments whose symbols contain a text, with state and last 24 hours."""
    found: list[owned.InstrumentAnswer] = []

    async def look(client: AsyncClient) -> Sight:
        if not found:
            found.extend(await _instruments(client, text.upper(), limit))
        days = await client.all_statistics(*[one.symbol for one in found]) if found else []
        states = {one.symbol: one.state for one in found}
        rows = [{**msgspec.to_builtins(day), "state": states[day.symbol]} for day in days]
        return Sight(rows, shown.markets(found, days))

    def hear(event: Event) -> None:
        if isinstance(event, Heard) and isinstance(event.message, InstrumentChanged):
            found.clear()

    pattern = f"@*{text.upper()}*" if text else ""
    return View(look, lambda: AsyncMarketStream(url, f"!ticker@arr{pattern}", "!instruments"), hear)


def book(url: str, symbol: str, levels: int) -> View:
    """Return the book of an instrument: asked for until it is kept from its stream."""
    kept: list[LocalBook] = []

    async def look(client: AsyncClient) -> Sight:
        if not kept or kept[0].is_stale:
            depth = await client.depth(symbol, levels)
        else:
            depth = answers.Depth(kept[0].last_update_id, kept[0].bids(levels), kept[0].asks(levels))
        return Sight(depth, shown.book(symbol, depth))

    def follow() -> AsyncMarketStream:
        listener = AsyncMarketStream(url)
        kept.append(listener.keep(symbol))
        return listener

    return View(look, follow, doubt=lambda: kept[0].reason if kept and kept[0].is_stale else "")


def tape(url: str, symbol: str, limit: int) -> View:
    """Return the last trades of an instrument."""

    async def look(client: AsyncClient) -> Sight:
        found = await client.trades(symbol, limit)
        return Sight(found, shown.tape(symbol, found))

    name = symbol.lower()
    return View(look, lambda: AsyncMarketStream(url, f"{name}@trade", f"{name}@bookTicker"))


def orders(url: str, key: Key | None, symbol: str | None, *, every: bool) -> View:
    """Return the open orders of the key's account, or all on an instrument."""

    async def look(client: AsyncClient) -> Sight:
        ended = every and symbol is not None
        found = await (client.all_orders(str(symbol)) if ended else client.open_orders(symbol))
        return Sight(found, shown.orders(found))

    return View(look, _own(url, key))


def balances(url: str, key: Key | None) -> View:
    """Return what the key's account owns."""

    async def look(client: AsyncClient) -> Sight:
        found = await client.balances()
        return Sight(found, shown.balances(found))

    return View(look, _own(url, key))


def _own(url: str, key: Key | None) -> Callable[[], AsyncAccountStream]:
    """Return how to follow the key's account."""

    def follow() -> AsyncAccountStream:
        if key is None:
            raise NoKeyError
        return AsyncAccountStream(url, key)

    return follow


async def _instruments(client: AsyncClient, text: str, limit: int) -> list[owned.InstrumentAnswer]:
    """Return the first instruments whose symbols contain a text."""
    found: list[owned.InstrumentAnswer] = []
    after = ""
    while len(found) < limit:
        page = (await client.instruments(after, PAGE)).instruments
        found += [one for one in page if text in one.symbol]
        if len(page) < PAGE:
            break
        after = page[-1].symbol
    return found[:limit]
