"""The private stream over real sockets: signed handshake, replay, cancel on disconnect, the same after a restart."""

import asyncio
import hashlib
import hmac
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidStatus

from exchange.core import commands
from exchange.core.types import EndReason, Side
from exchange.registry.documents import KeyCreated, KeyRevoked, Scope, encode
from tests.api.stream.serving import until
from tests.api.stream.talk import ask, farewell, hear, hear_until, joined, order, signed, talk
from tests.api.venue import ALICE, BOB, CNY, KEYS, TOKENS, Venue, secret, venue


@pytest.fixture(scope="module")
def open_venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with venue(tmp_path_factory.mktemp("private")) as served:
        yield served


@pytest.fixture
def floor(open_venue: Venue) -> Iterator[Venue]:
    open_venue.reset()
    yield open_venue
    open_venue.reset()


def path(name: str, **parameters: Any) -> str:
    """Return a signed handshake."""
    query = urlencode({"key": KEYS[name][0], "timestamp": int(time.time() * 1000)} | parameters)
    signature = hmac.new(secret(name).encode(), query.encode(), hashlib.sha256).hexdigest()
    return f"/v1/private?{query}&signature={signature}"


async def numbered(client: ClientConnection, count: int) -> list[Any]:
    """Return the next messages that have a number."""
    return [await hear_until(client, lambda message: "sequence" in message) for _ in range(count)]


def trade(floor: Venue, lots: int = 1) -> None:
    floor.submit(
        commands.new_order(BOB, TOKENS, Side.SELL, 1_000, lots),
        commands.new_order(ALICE, TOKENS, Side.BUY, 1_000, lots),
    )


def test_what_was_missed_and_what_happens_come_in_one_sequence(floor: Venue) -> None:
    async def conversation() -> tuple[Any, list[Any], list[Any]]:
        async with joined(floor, path("alice")) as client:
            welcome = await hear(client)
            await asyncio.to_thread(trade, floor, 2)
            live = await numbered(client, 2)
        await asyncio.to_thread(trade, floor, 3)
        async with joined(floor, path("alice", **{"from": welcome["latest"]})) as client:
            await hear(client)
            missed = await numbered(client, 4)
            await asyncio.to_thread(trade, floor, 1)
            return welcome, live, missed + await numbered(client, 2)

    welcome, live, told = talk(conversation)
    assert (welcome["type"], welcome["account"]) == ("WELCOME", ALICE)
    assert [one["sequence"] for one in told] == list(range(welcome["latest"] + 1, welcome["latest"] + 7))
    assert told[:2] == live
    fills = [one["fill"] for one in told if one["type"] == "TRADED"]
    assert [(fill["quantity"], fill["role"], fill["fee"]) for fill in fills] == [
        ("2", "TAKER", "0.000100"),
        ("3", "TAKER", "0.000150"),
        ("1", "TAKER", "0.000050"),
    ]
    numbers = [one["event"] for one in told if one["type"] == "TRADED"]
    assert numbers == [fill.event_number for fill in floor.exchange.orders.fills(ALICE)[-3:]]


def test_balances_are_told_with_the_event_they_include(floor: Venue) -> None:
    async def conversation() -> tuple[Any, Any]:
        async with joined(floor, path("alice")) as client:
            await hear(client)
            await asyncio.to_thread(floor.submit, commands.deposit(ALICE, CNY, 5))
            (deposit,) = await numbered(client, 1)
            return deposit, await hear(client)

    deposit, balances = talk(conversation)
    assert (deposit["type"], deposit["amount"]) == ("DEPOSITED", "0.000005")
    assert (balances["type"], balances["after"]) == ("BALANCES", deposit["sequence"])


def refusal(floor: Venue, target: str, **headers: str) -> int:
    async def conversation() -> int:
        async with joined(floor, target, additional_headers=headers):
            return 0

    try:
        return talk(conversation)
    except InvalidStatus as error:
        return error.response.status_code


def test_a_handshake_is_refused_like_any_request(floor: Venue) -> None:
    latest = floor.exchange.account_events.latest(ALICE)
    wrong = path("alice")[:-4] + "0000"
    assert [
        refusal(floor, target)
        for target in (
            wrong,
            path("expired"),
            path("elsewhere"),
            path("alice", timestamp=1),
            path("alice", colour="red"),
            path("alice", **{"from": latest + 1}),
            path("reader", cancel_on_disconnect="true"),
            path("alice", cancel_on_disconnect="yes"),
            "/v1/private",
        )
    ] == [400, 401, 401, 400, 400, 400, 401, 400, 401]
    assert refusal(floor, path("reader", **{"from": latest})) == 0
    without_key = urlencode({"timestamp": int(time.time() * 1000)})
    signature = hmac.new(secret("alice").encode(), without_key.encode(), hashlib.sha256).hexdigest()
    target = f"/v1/private?{without_key}&signature={signature}"
    assert refusal(floor, target, **{"X-MBX-APIKEY": KEYS["alice"][0]}) == 0


def test_nothing_is_asked_here_and_a_key_that_ends_ends_the_stream(floor: Venue) -> None:
    async def conversation() -> tuple[tuple[int, str], tuple[int, str]]:
        async with joined(floor, path("alice")) as client:
            await client.send("{}")
            first = await farewell(client)
        name, record = "a" * 32, KEYS["alice"]
        vault_secret = floor.exchange.registry.key(record[0]).encrypted_secret  # the same secret under another key
        made = KeyCreated(name, vault_secret, ALICE, (Scope.READ,))
        await asyncio.to_thread(floor.run, lambda: as_coroutine(floor.exchange.submit(b"", encode(made))))
        async with joined(floor, path("alice", key=name)) as client:
            await hear(client)
            revoked = encode(KeyRevoked(name))
            await asyncio.to_thread(floor.run, lambda: as_coroutine(floor.exchange.submit(b"", revoked)))
            return first, await farewell(client)

    first, second = talk(conversation)
    assert first[0] == second[0] == 1008
    assert "Nothing is asked" in first[1]
    assert "no longer good" in second[1]


async def as_coroutine(future: Any) -> Any:
    return await future


@pytest.mark.parametrize("how", ["goodbye", "cut"])
def test_orders_go_with_the_connection_that_says_so(floor: Venue, how: str) -> None:
    async def conversation() -> None:
        async with joined(floor, path("alice", cancel_on_disconnect="true")) as client:
            assert (await hear(client))["cancel_on_disconnect"] is True
            async with joined(floor, path("bob")) as quiet:
                await hear(quiet)
                for account, side in ((ALICE, Side.BUY), (BOB, Side.SELL)):
                    price = 900 if side == Side.BUY else 2_000
                    await asyncio.to_thread(floor.submit, commands.new_order(account, TOKENS, side, price, 1))
            await numbered(client, 1)
            if how == "cut":
                client.transport.abort()
        await until(lambda: not floor.exchange.orders.open_orders(ALICE))

    talk(conversation)
    ended = floor.exchange.orders.all_orders(ALICE, limit=1)[0]
    assert ended.end_reason == EndReason.DISCONNECTED
    assert len(floor.exchange.orders.open_orders(BOB)) == 1  # whose connection went without a word of it


@pytest.mark.parametrize("scopes", [(Scope.READ, Scope.TRADE), (Scope.READ,)])
def test_a_key_may_be_set_to_take_orders_along(floor: Venue, scopes: tuple[Scope, ...]) -> None:
    name = "trade".ljust(32, "x") if Scope.TRADE in scopes else "read".ljust(32, "x")
    encrypted = floor.exchange.registry.key(KEYS["alice"][0]).encrypted_secret  # the same secret under another key
    made = KeyCreated(name, encrypted, ALICE, scopes, cancels_on_disconnect=True)
    floor.run(lambda: as_coroutine(floor.exchange.submit(b"", encode(made))))
    floor.submit(commands.new_order(ALICE, TOKENS, Side.BUY, 900, 1))

    async def conversation() -> bool:
        async with joined(floor, path("alice", key=name)) as client:
            welcome = await hear(client)
            client.transport.abort()
        if welcome["cancel_on_disconnect"]:
            await until(lambda: not floor.exchange.orders.open_orders(ALICE))
        return bool(welcome["cancel_on_disconnect"])

    assert talk(conversation) is (Scope.TRADE in scopes)


def test_the_websocket_api_takes_orders_with_it_too(floor: Venue) -> None:
    async def conversation() -> Any:
        async with joined(floor, "/ws-api/v3") as client:
            logged = await ask(client, "session.logon", signed("alice", cancelOnDisconnect="true"))
            await ask(client, "order.place", order("BUY", 1, "0.05") | {"timestamp": int(time.time() * 1000)})
            client.transport.abort()
        await until(lambda: not floor.exchange.orders.open_orders(ALICE))
        async with joined(floor, "/ws-api/v3") as client:
            await ask(client, "session.logon", signed("alice", cancelOnDisconnect="true"))
            await ask(client, "order.place", order("BUY", 1, "0.05") | {"timestamp": int(time.time() * 1000)})
            await ask(client, "session.logout")
        return logged["result"], await ask_reader(floor)

    logged, refused = talk(conversation)
    assert logged["cancelOnDisconnect"] is True
    assert refused["error"]["code"] == -2015
    assert len(floor.exchange.orders.open_orders(ALICE)) == 1  # who logs out keeps its orders


async def ask_reader(floor: Venue) -> Any:
    async with joined(floor, "/ws-api/v3") as client:
        return await ask(client, "session.logon", signed("reader", cancelOnDisconnect="true"))


def test_the_dialect_s_own_stream_replays_by_the_same_numbers(floor: Venue) -> None:
    async def conversation() -> tuple[Any, list[Any], Any]:
        async with joined(floor, "/ws-api/v3") as client:
            begun = await ask(client, "userDataStream.subscribe.signature", signed("alice"))
            await asyncio.to_thread(trade, floor)
            live = [await hear_until(client, lambda one: one.get("event", {}).get("I")) for _ in range(2)]
        async with joined(floor, "/ws-api/v3") as client:
            after = signed("alice", fromSequence=begun["result"]["sequence"])
            await ask(client, "userDataStream.subscribe.signature", after)
            again = [await hear_until(client, lambda one: one.get("event", {}).get("I")) for _ in range(2)]
            ahead = await ask(client, "userDataStream.subscribe.signature", signed("bob", fromSequence=10**9))
        assert again == live
        return begun["result"], again, ahead

    begun, told, ahead = talk(conversation)
    first = begun["sequence"] + 1
    assert [(one["event"]["sq"], one["event"]["x"]) for one in told] == [(first, "NEW"), (first + 1, "TRADE")]
    assert ahead["error"]["code"] == -8121


def test_the_sequence_is_the_same_after_a_restart(tmp_path: Any) -> None:
    async def whole(served: Venue) -> list[Any]:
        async with joined(served, path("alice", **{"from": 0})) as client:
            return await numbered(client, (await hear(client))["latest"])

    with venue(tmp_path) as served:
        trade(served, 2)
        served.submit(commands.set_deadman(ALICE, time.time_ns() + 50_000_000))
        talk(lambda: until(lambda: served.exchange.account_events.latest(ALICE) == 5))
        before = talk(lambda: whole(served))
    with venue(tmp_path) as served:
        assert talk(lambda: whole(served)) == before
    kinds = ["DEPOSITED", "ORDER_ACCEPTED", "TRADED", "DEADMAN_SET", "DEADMAN_FIRED"]
    assert [one["type"] for one in before] == kinds
