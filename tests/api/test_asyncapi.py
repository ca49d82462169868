"""The document about the websockets: well formed, complete, and served as it says."""

import json
from collections.abc import Iterator
from typing import Any

import msgspec

from api import asyncapi
from api.binance.rest import ENDPOINTS
from api.binance.streams import Kind, parse
from api.binance.wsapi import METHODS, OWN_METHODS
from api.door import Services
from api.messages import account, allowances, books, market, phases, private, published, talk
from api.stream.protocol import METHODS as TALK_METHODS
from api.v1.allowances import PATH as ALLOWANCES_PATH
from api.v1.private import PATH as PRIVATE_PATH
from tests.api.stream.talk import ask, hear, hear_all, joined
from tests.api.stream.talk import talk as converse
from tests.api.venue import SYMBOL

MODULES = (account, allowances, books, market, phases, private, published, talk)
DOCUMENT = json.loads(asyncapi.document())
CHANNELS = {name: channel for name, channel in DOCUMENT["channels"].items() if name in Kind.__members__}
ASKED = {name.removeprefix("api."): facts for name, facts in DOCUMENT["operations"].items() if name.startswith("api.")}
UNSUPPORTED = -1020


def follow(reference: str) -> Any:
    """Return what a reference leads to."""
    node = DOCUMENT
    for part in reference.removeprefix("#/").split("/"):
        node = node[part]
    return node


def references(node: Any) -> Iterator[str]:
    """Yield every reference in a document."""
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def names_of(channel: dict[str, Any]) -> list[str]:
    """Return the streams that a channel's address may name, with each value of each of its parameters."""
    found = [channel["address"].removeprefix("/ws/")]
    for name, facts in channel["parameters"].items():
        values = facts.get("enum", facts.get("examples"))
        found = [text.replace(f"{{{name}}}", value) for text in found for value in values]
    return found


def test_every_reference_leads_somewhere() -> None:
    for reference in references(DOCUMENT):
        assert follow(reference)


def test_it_has_the_parts_that_the_format_wants() -> None:
    assert DOCUMENT["asyncapi"] == "3.0.0"
    assert {"title", "version"} <= DOCUMENT["info"].keys()
    for server in DOCUMENT["servers"].values():
        assert {"host", "protocol"} <= server.keys()
    addresses = [channel["address"] for channel in DOCUMENT["channels"].values()]
    assert len(set(addresses)) == len(addresses)
    for channel in DOCUMENT["channels"].values():
        assert channel["messages"]
        assert channel["description"]
        assert {part.split("}")[0] for part in channel["address"].split("{")[1:]} == channel.get(
            "parameters", {}
        ).keys()
    for operation in DOCUMENT["operations"].values():
        assert operation["action"] in {"send", "receive"}
        assert operation["summary"]
        for side in (operation, operation.get("reply", operation)):
            prefix = side["channel"]["$ref"] + "/messages/"
            assert side["messages"]
            assert all(message["$ref"].startswith(prefix) for message in side["messages"])


def test_every_message_has_an_example_that_is_one() -> None:
    structs = {name: struct for module in MODULES for name, struct in vars(module).items()}
    for name, message in DOCUMENT["components"]["messages"].items():
        assert message["summary"]
        [told] = message["examples"]
        struct = structs.get(name.removesuffix("List"), talk.ApiRequest)
        kind = list[struct] if name.endswith("List") else struct
        msgspec.json.decode(json.dumps(told["payload"]), type=kind)


def test_every_kind_of_stream_is_documented_and_every_documented_one_is() -> None:
    assert CHANNELS.keys() == Kind.__members__.keys()
    for name, channel in CHANNELS.items():
        for stream in names_of(channel):
            found = parse(stream, lambda _: 1)
            assert found is not None, stream
            assert found.kind is Kind[name]


def test_every_method_is_documented_and_every_documented_one_is() -> None:
    assert ASKED.keys() - {"events"} == {*METHODS, *OWN_METHODS}
    talked = {name.removeprefix("streams.") for name in DOCUMENT["operations"] if name.startswith("streams.")}
    assert talked - {"notices"} == set(TALK_METHODS)
    assert DOCUMENT["channels"]["private"]["address"] == PRIVATE_PATH
    assert DOCUMENT["channels"]["allowances"]["address"] == ALLOWANCES_PATH
    for method, key in METHODS.items():
        assert ASKED[method]["x-weight"] == ENDPOINTS[key].weight
        assert {row["code"] for row in ASKED[method]["x-errors"]} >= {-1000, -1003}


def test_every_stream_is_served(market) -> None:
    names = [name for channel in CHANNELS.values() for name in names_of(channel)]

    async def conversation() -> Any:
        async with joined(market, "/stream") as client:
            answers = [await ask(client, "SUBSCRIBE", names)]
            answers.append(await ask(client, "UNSUBSCRIBE", names))
            await hear_all(client)
            return answers

    assert converse(conversation) == [{"result": None, "id": 1}] * 2


def test_every_method_is_served(market) -> None:
    async def conversation() -> dict[str, Any]:
        found = {}
        async with joined(market, "/ws-api/v3") as client:
            for method in ASKED.keys() - {"events"}:
                [told] = DOCUMENT["components"]["messages"][f"{method}.request"]["examples"]
                await client.send(json.dumps(told["payload"]))
                found[method] = await hear(client)
            found["nonsense"] = await ask(client, "nonsense", {})
        return found

    answers = converse(conversation)
    refused = {method for method, answer in answers.items() if answer.get("error", {}).get("code") == UNSUPPORTED}
    assert refused == {"nonsense"}
    assert answers["depth"]["result"]["bids"] == []
    assert f'"{SYMBOL}"' in json.dumps(answers["ticker.price"])


def test_it_is_served(market) -> None:
    response = market.client("alice").get("/asyncapi.json")
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert response.json() == DOCUMENT
    assert isinstance(market.services, Services)
