"""What is looked at once, and what a view learns from a change."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from api import views
from api.client.faults import Refused
from api.client.feed import Heard
from api.client.rest import AsyncClient
from api.client.signing import Key
from api.client.wire import NoKeyError
from api.messages.phases import InstrumentChanged
from api.watching import View, once
from tests.api.v1.office import SYMBOL, Client, office


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Client]]:
    with office(tmp_path_factory.mktemp("views")) as served:
        yield served.base, served.furnish()[1]


def seen(view: View, house: tuple[str, Client]) -> Any:
    base, buyer = house
    return asyncio.run(once(view, AsyncClient(base, Key.of(buyer.key, buyer.secret)))).value


def test_each_view_says_how_things_stand(house: tuple[str, Client]) -> None:
    base, buyer = house
    key = Key.of(buyer.key, buyer.secret)
    buyer.order("BUY", 2, "0.1")
    assert [one["symbol"] for one in seen(views.markets(base, "ctel", 5), house)] == [SYMBOL]
    assert seen(views.markets(base, "nothing-like-it", 5), house) == []
    assert len(seen(views.book(base, SYMBOL, 5), house).bids) == 1
    assert seen(views.tape(base, SYMBOL, 5), house) == []
    assert len(seen(views.orders(base, key, None, every=False), house)) == 1
    assert len(seen(views.orders(base, key, SYMBOL, every=True), house)) == 1
    assert seen(views.balances(base, key), house).account == buyer.account


def test_a_change_of_an_instrument_lets_the_markets_be_asked_for_again(house: Any, monkeypatch: Any) -> None:
    pages = []
    found = views._instruments

    async def instruments(client: AsyncClient, text: str, limit: int) -> Any:
        pages.append(text)
        return await found(client, text, limit)

    monkeypatch.setattr(views, "_instruments", instruments)
    view = views.markets(house[0], "ctel", 5)
    seen(view, house)
    view.hear(Heard("!ticker@arr", []))
    seen(view, house)
    assert pages == ["CTEL"]
    view.hear(Heard("!instruments", InstrumentChanged(1, 2, 1, {})))
    seen(view, house)
    assert pages == ["CTEL"] * 2


def test_what_is_private_needs_a_key_and_what_is_unknown_is_refused(house: Any) -> None:
    with pytest.raises(NoKeyError):
        views.balances(house[0], None).follow()
    with pytest.raises(Refused):
        seen(views.book(house[0], "NO.SUCH", 5), house)
