"""The clients over the websocket API."""

import asyncio
import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from websockets.protocol import State
from websockets.sync.server import ServerConnection

from api.client import operations
from api.client.conduct import Patience
from api.client.faults import ConnectionFailedError, NotAuthorised, OutcomeUnknownError, UnknownOrder
from api.client.signing import Key
from api.client.socket import AsyncSocketClient, OnlyHttpError, SocketClient
from api.client.wire import NoKeyError
from tests.api.client.scripted import Converse, scripted
from tests.api.venue import KEYS, SYMBOL, secret

QUICK = Patience(attempts=3, first_s=0.001)
ALICE = Key.of(KEYS["alice"][0], secret("alice"))


def test_an_order_lives_and_ends(market) -> None:
    with SocketClient(market.base, ALICE, patience=QUICK) as client:
        assert client.depth(SYMBOL).bids == []
        order = client.buy(SYMBOL, 3, "0.2")
        assert client.order(SYMBOL, order.order_id).status == "NEW"
        assert client.cancel(SYMBOL, order.order_id).status == "CANCELED"
        with pytest.raises(UnknownOrder):
            client.cancel(SYMBOL, order.order_id)


def test_a_lost_connection_is_opened_again(market) -> None:
    with SocketClient(market.base, ALICE, patience=QUICK) as client:
        client.account()
        client._socket.socket.close()
        assert client.account().uid == 1


def test_a_wrong_clock_is_set_by_the_exchange(market) -> None:
    with SocketClient(market.base, ALICE, patience=QUICK) as client:
        client.conduct.offset_ms = -100_000
        assert client.account().uid == 1
        assert abs(client.conduct.offset_ms) < 2_000


def test_what_cannot_be_asked_is_told_at_once(market) -> None:
    with SocketClient(market.base) as client:
        with pytest.raises(NoKeyError):
            client.account()
        with pytest.raises(OnlyHttpError):
            client.health()
    with SocketClient(market.base, Key.of(ALICE.key, "wrong")) as client, pytest.raises(NotAuthorised):
        client.account()


def test_nobody_there_is_told() -> None:
    with SocketClient("http://127.0.0.1:1", patience=QUICK) as client, pytest.raises(ConnectionFailedError):
        client.ping()


def test_many_requests_are_under_way_at_once(market) -> None:
    async def converse():
        async with AsyncSocketClient(market.base, ALICE, patience=QUICK) as client:
            orders = await asyncio.gather(*[client.buy(SYMBOL, 1, "0.2") for _ in range(50)])
            assert len({order.order_id for order in orders}) == 50
            await client._socket.close()
            assert len(await client.cancel_all(SYMBOL)) == 50
            with pytest.raises(UnknownOrder):
                await client.cancel_all(SYMBOL)

    asyncio.run(converse())


def test_what_was_under_way_when_the_line_broke_is_asked_again(market) -> None:
    async def converse():
        async with AsyncSocketClient(market.base, ALICE, patience=QUICK) as client:
            await client.account()
            socket = client._socket
            send = socket.send

            async def send_and_break(text):
                await send(text)
                socket.transport.abort()

            socket.send = send_and_break
            order = await client.buy(SYMBOL, 1, "0.2")
            assert client._socket is not socket
            assert [one.order_id for one in await client.open_orders()] == [order.order_id]

    asyncio.run(converse())


def test_nobody_there_is_told_when_awaited() -> None:
    async def converse():
        async with AsyncSocketClient("http://127.0.0.1:1", ALICE, patience=QUICK) as client:
            await client.account()

    with pytest.raises(ConnectionFailedError):
        asyncio.run(converse())


CUT = '{"error":{"code":-1003,"msg":"Too slow."},"id":null}'
UNREAD = '{"id":null,"status":400,"error":{"code":-1100,"msg":"Too slow."}}'
ONCE = [operations.amend("X", 1, 2), operations.replace("X", 1, "BUY", 1, "0.2")]  # twice is not once


def saying(asked: list[str], *told: str | dict[str, Any] | None) -> Converse:
    """Note what is asked besides logging on, and tell so: a text as it is, which ends the connection, or an answer."""
    left = list(told)

    def converse(line: ServerConnection) -> None:
        for text in line:
            request = json.loads(text)
            is_logon = request["method"] == "session.logon"
            if not is_logon:
                asked.append(request["method"])
            said = {"status": 200, "result": {}} if is_logon else left.pop(0)
            if isinstance(said, dict):
                line.send(json.dumps({"id": request["id"]} | said))
            elif said is not None:
                line.send(said)
                return

    return converse


def run_blocking(base: str, operation: operations.Operation[Any]) -> Any:
    with SocketClient(base, ALICE, patience=QUICK) as client:
        return client.run(operation)


def run_awaiting(base: str, operation: operations.Operation[Any]) -> Any:
    async def converse() -> Any:
        async with AsyncSocketClient(base, ALICE, patience=QUICK) as client:
            return await client.run(operation)

    return asyncio.run(converse())


@pytest.mark.parametrize("run", [run_blocking, run_awaiting])
@pytest.mark.parametrize("word", [CUT, UNREAD])
@pytest.mark.parametrize("operation", ONCE, ids=lambda operation: operation.method)
def test_being_cut_says_nothing_about_a_request(run: Callable[..., Any], word: str, operation: Any) -> None:
    asked: list[str] = []
    with scripted(saying(asked, word, word, word)) as base, pytest.raises(OutcomeUnknownError, match="Too slow"):
        run(base, operation)
    assert asked == [operation.method]


@pytest.mark.parametrize("run", [run_blocking, run_awaiting])
def test_who_was_cut_asks_again_what_may_be_asked_twice(run: Callable[..., Any]) -> None:
    asked: list[str] = []
    with scripted(saying(asked, CUT, {"status": 200, "result": []})) as base:
        assert run(base, operations.open_orders()) == []
    assert asked == ["openOrders.status"] * 2


@pytest.mark.parametrize("run", [run_blocking, run_awaiting])
def test_a_session_that_is_cut_while_it_logs_on_has_asked_nothing(run: Callable[..., Any]) -> None:
    connections: list[str] = []

    def converse(line: ServerConnection) -> None:
        connections.append(json.loads(line.recv())["method"])
        line.send(CUT)

    with scripted(converse) as base, pytest.raises(ConnectionFailedError, match="Too slow"):
        run(base, ONCE[0])
    assert connections == ["session.logon"] * QUICK.attempts


def closing_behind_an_answer(line: ServerConnection) -> None:
    """Log on, answer one question, and hang up; amending is refused."""
    for text in line:
        request = json.loads(text)
        refusal = {"status": 400, "error": {"code": -2013, "msg": "no"}}
        answer = refusal if request["method"].startswith("order.amend") else {"status": 200, "result": []}
        line.send(json.dumps({"id": request["id"]} | answer))
        if request["method"] == "openOrders.status":
            return


def test_a_line_that_ended_while_nothing_was_asked_is_opened_again_first() -> None:
    with scripted(closing_behind_an_answer) as base, SocketClient(base, ALICE, patience=QUICK) as client:
        assert client.open_orders() == []
        client._socket.recv_events_thread.join()
        with pytest.raises(UnknownOrder):
            client.run(ONCE[0])


def test_a_line_that_ended_while_nothing_was_awaited_is_opened_again_first() -> None:
    async def converse(base: str) -> None:
        async with AsyncSocketClient(base, ALICE, patience=QUICK) as client:
            assert await client.open_orders() == []
            line = client._socket
            while line.state is State.OPEN:  # noqa: ASYNC110 - the next turn after it changed is what is tested
                await asyncio.sleep(0)
            with pytest.raises(UnknownOrder):
                await client.run(ONCE[0])

    with scripted(closing_behind_an_answer) as base:
        asyncio.run(converse(base))


@pytest.mark.parametrize("operation", [ONCE[0], operations.open_orders()], ids=lambda operation: operation.method)
def test_nothing_is_attempted_any_more_once_closed(operation: Any) -> None:
    connections, was_asked = [], threading.Event()

    def hear(line: ServerConnection) -> None:
        connections.append(line)
        for text in line:
            request = json.loads(text)
            if request["method"] == "session.logon":
                line.send(json.dumps({"id": request["id"], "status": 200, "result": {}}))
            else:
                was_asked.set()

    async def converse(base: str) -> None:
        client = AsyncSocketClient(base, ALICE, patience=QUICK)
        asking = asyncio.create_task(client.run(operation))
        await asyncio.to_thread(was_asked.wait)
        await client.close()
        with pytest.raises(OutcomeUnknownError):
            await asking
        with pytest.raises(ConnectionFailedError, match="the client was closed"):
            await client.run(operation)

    with scripted(hear) as base:
        asyncio.run(converse(base))
    assert len(connections) == 1


def test_who_closes_while_connecting_leaves_no_connection_behind() -> None:
    has_begun, may_go_on, ended = threading.Event(), threading.Event(), threading.Event()

    def hold(*_: object) -> None:
        has_begun.set()
        may_go_on.wait()

    def hear(line: ServerConnection) -> None:
        assert list(line) == []
        ended.set()

    async def converse(base: str) -> None:
        client = AsyncSocketClient(base, patience=QUICK)
        asking = asyncio.create_task(client.ping())
        await asyncio.to_thread(has_begun.wait)
        await client.close()
        may_go_on.set()
        with pytest.raises(ConnectionFailedError, match="the client was closed"):
            await asking
        assert await asyncio.to_thread(ended.wait, 10)

    with scripted(hear, process_request=hold) as base:
        asyncio.run(asyncio.wait_for(converse(base), 30))
