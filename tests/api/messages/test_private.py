"""What our own private stream says is what the Structs hold."""

from typing import Any

import msgspec

from api.client.feed import AccountFeed
from api.client.signing import Key
from api.messages.private import Balances, HeldBalance, PrivateEvent, PrivateFill, PrivateOrder, Welcome
from tests.api.messages.test_account import act
from tests.api.messages.test_market import names
from tests.api.stream.talk import hear_all, joined, talk
from tests.api.venue import KEYS, secret

TOLD = {"WELCOME": Welcome, "BALANCES": Balances}


def test_messages_have_the_names_of_their_structs(market) -> None:
    act(market)
    key = Key.of(KEYS["bob"][0], secret("bob"))
    feed = AccountFeed(market.base, key, lambda: market.exchange.clock.now_ns() // 1_000_000, 0)
    path = feed.address().removeprefix(market.base.replace("http", "ws"))

    async def conversation() -> list[Any]:
        async with joined(market, path) as client:
            market.client("bob").order("SELL", 1, "0.4")
            return await hear_all(client)

    heard = talk(conversation)
    assert {"WELCOME", "BALANCES", "ORDER_ACCEPTED", "TRADED", "ISSUED", "MATCH_PREVENTED"} <= {
        message["type"] for message in heard
    }
    for message in heard:
        struct = TOLD.get(message["type"], PrivateEvent)
        assert message.keys() <= names(struct)
        assert message.get("order", {}).keys() in ({}.keys(), names(PrivateOrder))
        assert message.get("fill", {}).keys() in ({}.keys(), names(PrivateFill))
        msgspec.json.decode(msgspec.json.encode(message), type=struct)


def test_a_welcome_and_balances_are_known_by_their_type() -> None:
    text = b'{"type":"WELCOME","account":1,"latest":9,"earliest":2,"cancel_on_disconnect":true}'
    assert msgspec.json.decode(text, type=Welcome) == Welcome(1, 9, 2, cancel_on_disconnect=True)
    text = b'{"type":"BALANCES","after":9,"changed":1,"time":2,"balances":[{"asset":"CNY","available":"1","held":"0"}]}'
    [balance] = msgspec.json.decode(text, type=Balances).balances
    assert (balance.asset, balance.available) == ("CNY", 1)
    assert isinstance(balance, HeldBalance)


def test_an_event_holds_what_its_kind_has() -> None:
    text = b'{"type":"DEPOSITED","sequence":3,"event":7,"time":1,"asset":"CNY","amount":"5.00"}'
    event = msgspec.json.decode(text, type=PrivateEvent)
    assert (event.sequence, str(event.amount), event.order, event.fill) == (3, "5.00", None, None)
