"""What the streams of phases say is what the Structs hold, name by name."""

import asyncio
from typing import Any

import msgspec

from api.binance.streams import Kind
from api.messages import phases as told
from exchange.core import commands
from exchange.core.types import TradingMode, TradingState
from tests.api.messages.test_market import names
from tests.api.stream.talk import LOWER, hear_all, joined, talk
from tests.api.venue import HALTED, TOKENS

KINDS = {struct.__struct_config__.tag: struct for struct in told.PhaseMessage.__args__}
UNSEEN = {"announcement", "listed"}  # as nobody announces or lists anything here


def act(market: Any) -> None:
    """Hold an auction, and change how an instrument is run."""
    states = (TradingState.CLOSED, TradingState.CALL_OPEN)
    market.submit(*[commands.set_trading_state(TOKENS, state) for state in states])
    market.client("bob").order("SELL", 2, "0.2")
    market.submit(commands.indicate(TOKENS))
    market.submit(commands.uncross(TOKENS, TradingState.CONTINUOUS))
    market.submit(commands.set_mode(HALTED, TradingMode.CALL), commands.set_guards(TOKENS, 0, 0))


def test_messages_have_the_names_of_their_structs(market) -> None:
    streams = "/".join([f"{LOWER}@phase", Kind.PHASES, Kind.INSTRUMENTS, Kind.ANNOUNCEMENTS])

    async def conversation() -> list[Any]:
        async with joined(market, f"/stream?streams={streams}") as client:
            await asyncio.to_thread(act, market)
            return [message["data"] for message in await hear_all(client)]

    heard = talk(conversation)
    assert {message["e"] for message in heard} == KINDS.keys() - UNSEEN
    for message in heard:
        assert message.keys() == names(KINDS[message["e"]])
        assert type(msgspec.json.decode(msgspec.json.encode(message), type=told.PhaseMessage)) is KINDS[message["e"]]
