"""What the market streams say is what the Structs hold, name by name."""

from typing import Any

import msgspec
import pytest

from api.messages import market as told
from tests.api.stream.talk import LOWER, hear, hear_until, joined, talk
from tests.api.venue import SYMBOL


def names(struct: type[msgspec.Struct]) -> set[str]:
    """Return what a message of this kind has on the line."""
    tag = {struct.__struct_config__.tag_field} - {None}
    return {field.encode_name for field in msgspec.structs.fields(struct)} | tag


STREAMS = {
    f"{LOWER}@trade": told.TradeMessage,
    f"{LOWER}@aggTrade": told.AggregateTradeMessage,
    f"{LOWER}@depth@0ms": told.DepthMessage,
    f"{LOWER}@depth5@100ms": told.LevelsMessage,
    f"{LOWER}@bookTicker": told.BookTickerMessage,
    f"{LOWER}@kline_1m": told.CandleMessage,
    f"{LOWER}@miniTicker": told.MiniTickerMessage,
    f"{LOWER}@ticker": told.TickerMessage,
}


@pytest.fixture(scope="module")
def heard(served) -> dict[str, Any]:
    """Return the last message of every stream around one trade."""

    async def conversation() -> dict[str, Any]:
        found: dict[str, Any] = {}
        async with joined(served, f"/stream?streams={'/'.join([*STREAMS, '!miniTicker@arr'])}") as client:
            served.client("bob").order("SELL", 2, "0.2")
            served.client("alice").order("BUY", 1, "0.2")
            while len(found) <= len(STREAMS):
                message = await hear(client)
                found[message["stream"]] = message["data"]
            return found

    return talk(conversation)


@pytest.mark.parametrize("name", STREAMS, ids=lambda name: name.partition("@")[2])
def test_a_message_has_the_names_of_its_struct(heard: dict[str, Any], name: str) -> None:
    struct = STREAMS[name]
    assert heard[name].keys() == names(struct)
    message = msgspec.json.decode(msgspec.json.encode(heard[name]), type=struct)
    if struct is told.CandleMessage:
        assert heard[name]["k"].keys() == names(told.CandleBody)
    assert isinstance(message, told.MarketMessage)


def test_all_tickers_are_a_list_of_them(heard: dict[str, Any]) -> None:
    found = msgspec.convert(heard["!miniTicker@arr"], list[told.MiniTickerMessage], strict=False)
    assert [one.symbol for one in found] == [SYMBOL]


def test_a_trade_may_be_told_from_other_events(served) -> None:
    async def conversation() -> Any:
        async with joined(served, f"/ws/{LOWER}@trade") as client:
            served.client("alice").order("BUY", 1, "0.2")
            return await hear_until(client, lambda message: "e" in message)

    kinds = told.TradeMessage | told.DepthMessage
    assert type(msgspec.convert(talk(conversation), kinds, strict=False)) is told.TradeMessage
