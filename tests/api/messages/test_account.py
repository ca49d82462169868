"""What the private streams say is what the Structs hold, name by name."""

import asyncio
from typing import Any

import msgspec

from api.messages import account as told
from exchange.core import commands
from exchange.core.types import AccountState
from tests.api.messages.test_market import names
from tests.api.stream.talk import ask, hear_all, joined, signed, talk
from tests.api.venue import BOB, CNY


def act(market: Any) -> None:
    """Let bob get money, sell to alice, and then nearly to himself."""
    market.submit(commands.deposit(BOB, CNY, 10_000_000), commands.set_deadman(BOB, 1 << 62))
    market.submit(commands.set_account_state(BOB, AccountState.ACTIVE))
    bob = market.client("bob")
    bob.order("SELL", 3, "0.2")
    market.client("alice").order("BUY", 1, "0.2")
    bob.order("BUY", 1, "0.2", selfTradePreventionMode="DECREMENT")


def test_events_have_the_names_of_their_structs(market) -> None:
    async def conversation() -> list[Any]:
        async with joined(market, "/ws-api/v3") as client:
            await ask(client, "session.logon", signed("bob"))
            await ask(client, "userDataStream.subscribe")
            await asyncio.to_thread(act, market)
            return await hear_all(client)

    heard = talk(conversation)
    kinds = {
        "executionReport": told.ExecutionReport,
        "outboundAccountPosition": told.AccountPosition,
        "balanceUpdate": told.BalanceUpdate,
        "accountState": told.AccountStateSet,
        "deadmanSet": told.DeadmanSet,
    }
    prevention = {"v", "U", "B"}
    for message in heard:
        event = message["event"]
        struct = kinds[event["e"]]
        expected = names(struct)
        if event["e"] == "executionReport" and "v" not in event:
            expected -= prevention
        assert event.keys() == expected
        assert type(msgspec.json.decode(msgspec.json.encode(message), type=told.AccountEvent).event) is struct
    assert kinds.keys() == {message["event"]["e"] for message in heard}
    assert any("v" in message["event"] for message in heard)


def test_the_end_of_a_subscription_is_told() -> None:
    text = b'{"subscriptionId":1,"event":{"e":"eventStreamTerminated","E":5}}'
    assert msgspec.json.decode(text, type=told.AccountEvent).event == told.StreamTerminated(5)
    text = b'{"e":"listenKeyExpired","E":5,"listenKey":"x"}'
    assert msgspec.json.decode(text, type=told.PrivateMessage) == told.ListenKeyExpired(5, "x")
