"""Requests, answers and notices on a websocket are what the Structs hold."""

import json
from typing import Any

import msgspec

from api.messages.talk import (
    ApiAnswer,
    ApiRequest,
    Conflated,
    RateLimitUsed,
    ServerShutdown,
    StreamFault,
    StreamRequest,
    StreamResult,
)
from api.stream.backlog import Backlog, Message, latest
from tests.api.stream.talk import ask, hear, joined, talk


def test_answers_of_the_streams(market) -> None:
    async def conversation() -> list[Any]:
        async with joined(market, "/ws") as client:
            request = StreamRequest("LIST_SUBSCRIPTIONS", id=7)
            await client.send(msgspec.json.encode(request).decode())
            return [await hear(client), await ask(client, "NONSENSE")]

    good, bad = talk(conversation)
    assert msgspec.convert(good, StreamResult) == StreamResult([], 7)
    fault = msgspec.convert(bad, StreamFault)
    assert (fault.id, fault.error.code) == (1, 2)


def test_answers_of_the_websocket_api(market) -> None:
    async def conversation() -> list[Any]:
        async with joined(market, "/ws-api/v3") as client:
            await client.send(msgspec.json.encode(ApiRequest("a", "time")).decode())
            return [await hear(client), await ask(client, "order.place", {})]

    good, bad = (msgspec.json.decode(json.dumps(one), type=ApiAnswer) for one in talk(conversation))
    assert (good.id, good.status, good.error) == ("a", 200, None)
    assert "serverTime" in good.result
    assert isinstance(good.rate_limits[0], RateLimitUsed)
    assert (bad.status, bad.error.code, bad.error.message) == (
        400,
        -1102,
        "Mandatory parameter 'apiKey' was not sent, was empty/null, or malformed.",
    )


def test_notices_are_told_apart() -> None:
    backlog = Backlog()
    for number in (1, 2):
        backlog.add(Message("x", {"n": number}, latest), b"")
    notice = backlog.take(5)[-1][2:]
    assert msgspec.json.decode(notice, type=Conflated | ServerShutdown) == Conflated(5, {"x": 1})
    assert msgspec.json.decode(b'{"e":"serverShutdown","E":1}', type=Conflated | ServerShutdown) == ServerShutdown(1)
