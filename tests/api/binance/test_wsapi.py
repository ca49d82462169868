"""The websocket API of a served exchange: every method, who may ask, what is told of accounts, and until when."""

import asyncio
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from api.binance import wsapi
from api.binance.wsapi import METHODS
from api.limits import Limits
from api.stream.config import StreamConfig
from exchange.core import commands
from exchange.registry.documents import KeyRevoked, encode
from exchange.sequencer import Overloaded, Stopped
from tests.api.stream.raw import Raw, request
from tests.api.stream.talk import ask, farewell, hear, hear_all, hear_until, joined, order, signed, talk
from tests.api.venue import ALICE, CNY, KEYS, OTHER, SYMBOL, Venue, venue

PATH = "/ws-api/v3"


@pytest.fixture(scope="module")
def open_venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with venue(tmp_path_factory.mktemp("wsapi")) as served:
        yield served


@pytest.fixture
def floor(open_venue: Venue) -> Iterator[Venue]:
    open_venue.reset()
    yield open_venue
    open_venue.reset()


def asked(served: Venue, method: str, params: Any = None, request_id: Any = 1) -> Any:
    """Ask one question on a connection of its own."""

    async def conversation() -> Any:
        async with joined(served, PATH) as client:
            return await ask(client, method, params, request_id)

    return talk(conversation)


def test_an_answer_has_id_status_result_and_rate_limits(floor: Venue) -> None:
    answer = asked(floor, "ping", request_id="a-1")

    (weight,) = answer.pop("rateLimits")
    assert answer == {"id": "a-1", "status": 200, "result": {}}
    assert (weight["rateLimitType"], weight["interval"], weight["intervalNum"]) == ("REQUEST_WEIGHT", "MINUTE", 1)
    assert 0 < weight["count"] <= weight["limit"] == Limits().weight_per_minute


def test_rate_limits_may_be_declined(floor: Venue) -> None:
    assert asked(floor, "ping", {"returnRateLimits": False}) == {"id": 1, "status": 200, "result": {}}


def test_a_version_may_stand_before_the_method(floor: Venue) -> None:
    assert abs(asked(floor, "v3/time")["result"]["serverTime"] - time.time() * 1000) < 10_000


@pytest.mark.parametrize(
    ("method", "params", "path"),
    [
        ("depth", {"symbol": SYMBOL, "limit": 5}, "/api/v3/depth"),
        ("trades.recent", {"symbol": SYMBOL}, "/api/v3/trades"),
        ("trades.historical", {"symbol": SYMBOL, "fromId": 0}, "/api/v3/historicalTrades"),
        ("trades.aggregate", {"symbol": SYMBOL}, "/api/v3/aggTrades"),
        ("klines", {"symbol": SYMBOL, "interval": "1m"}, "/api/v3/klines"),
        ("uiKlines", {"symbol": SYMBOL, "interval": "1d"}, "/api/v3/uiKlines"),
        ("avgPrice", {"symbol": SYMBOL}, "/api/v3/avgPrice"),
        ("ticker.price", {}, "/api/v3/ticker/price"),
        ("ticker.book", {"symbols": [SYMBOL, OTHER]}, "/api/v3/ticker/bookTicker"),
    ],
)
def test_the_market_is_told_as_in_rest(floor: Venue, method: str, params: dict[str, Any], path: str) -> None:
    floor.client("bob").order("SELL", 3, "0.1000")
    floor.client("alice").order("BUY", 1, "0.1000")
    query = {name: json.dumps(value) if isinstance(value, list) else value for name, value in params.items()}
    query = {name: text.replace(" ", "") if isinstance(text, str) else text for name, text in query.items()}

    assert asked(floor, method, params)["result"] == floor.client("alice").get(path, **query).json()


def test_instruments_and_the_last_day_are_told(floor: Venue) -> None:
    assert asked(floor, "exchangeInfo", {"symbol": SYMBOL})["result"]["symbols"][0]["symbol"] == SYMBOL
    assert asked(floor, "ticker.24hr", {"symbol": SYMBOL})["result"]["symbol"] == SYMBOL


def test_an_order_lives_and_ends(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with joined(floor, PATH) as client:
            terms = order("BUY", 2, "0.0500", newClientOrderId="mine-1")
            placed = await ask(client, "order.place", signed("alice", **terms))
            which = {"symbol": SYMBOL, "orderId": placed["result"]["orderId"]}
            stands = await ask(client, "order.status", signed("alice", **which))
            open_orders = await ask(client, "openOrders.status", signed("alice", symbol=SYMBOL))
            canceled = await ask(client, "order.cancel", signed("alice", **which))
            again = await ask(client, "order.cancel", signed("alice", **which))
            return [placed, stands, open_orders, canceled, again]

    placed, stands, open_orders, canceled, again = talk(conversation)
    assert (placed["status"], placed["result"]["status"], placed["result"]["clientOrderId"]) == (200, "NEW", "mine-1")
    assert [limit["rateLimitType"] for limit in placed["rateLimits"]] == ["REQUEST_WEIGHT", "ORDERS"]
    assert stands["result"]["status"] == "NEW"
    assert [one["clientOrderId"] for one in open_orders["result"]] == ["mine-1"]
    assert canceled["result"]["status"] == "CANCELED"
    assert (again["status"], again["error"]) == (400, {"code": -2011, "msg": "Unknown order sent."})


def test_orders_are_tested_listed_and_all_cancelled(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with joined(floor, PATH) as client:
            results = [(await ask(client, "order.test", signed("alice", **order("BUY", 2, "0.05"))))["result"]]
            for price in ("0.0500", "0.0400"):
                await ask(client, "order.place", signed("alice", **order("BUY", 2, price)))
            results.append((await ask(client, "openOrders.cancelAll", signed("alice", symbol=SYMBOL)))["result"])
            results += [
                (await ask(client, method, signed("alice", symbol=SYMBOL)))["result"]
                for method in ("allOrders", "myTrades", "account.commission")
            ]
            results.append((await ask(client, "account.status", signed("alice")))["result"])
            results.append((await ask(client, "account.rateLimits.orders", signed("alice")))["result"])
            return results

    tested, ended, orders, _, commission, account, limits = talk(conversation)
    assert tested == {}
    assert [one["status"] for one in ended] == ["CANCELED"] * 2
    assert [one["price"] for one in orders[-2:]] == ["0.0500", "0.0400"]
    assert commission["symbol"] == SYMBOL
    assert account["uid"] == ALICE
    assert limits[0]["rateLimitType"] == "ORDERS"


def test_every_method_of_the_table_answers(floor: Venue) -> None:
    """With no parameters at all: some are complete, the others say what is missing; none fails."""
    for method in METHODS:
        answer = asked(floor, method)
        assert answer["status"] == 200 or answer["error"]["code"] == -1102, (method, answer)


@pytest.mark.parametrize(
    ("method", "params", "status", "code"),
    [
        ("dance", {}, 400, -1020),
        ("", {}, 400, -1102),
        ("depth", {}, 400, -1102),
        ("depth", {"symbol": "NONE"}, 400, -1121),
        ("depth", {"symbol": SYMBOL, "colour": "red"}, 400, -1104),
        ("depth", {"symbol": {"a": 1}}, 400, -1100),
        ("order.place", order("BUY", 1, "0.05"), 400, -1102),
        ("order.place", order("BUY", 1, "0.05", apiKey="unknown", timestamp=1, signature="x"), 401, -2015),
        ("session.status", {"colour": "red"}, 400, -1101),
        ("userDataStream.subscribe", {}, 401, -2015),
        ("userDataStream.subscribe.signature", {}, 400, -1102),
        ("userDataStream.unsubscribe", {"subscriptionId": 5}, 400, -1130),
        ("userDataStream.ping", {"apiKey": KEYS["alice"][0], "listenKey": "none"}, 400, -1125),
    ],
)
def test_what_is_wrong_is_said(floor: Venue, method: str, params: dict[str, Any], status: int, code: int) -> None:
    answer = asked(floor, method, params, "x")

    assert (answer["id"], answer["status"], answer["error"]["code"]) == ("x", status, code)


def test_who_asks_is_checked_as_in_rest(floor: Venue) -> None:
    async def conversation() -> list[int]:
        terms = order("BUY", 1, "0.05")
        wrong = signed("alice", **terms) | {"signature": "0" * 64}
        old = signed("alice", **terms, timestamp=int(time.time() * 1000) - 60_000)
        requests = [wrong, old, *(signed(name, **terms) for name in ("reader", "expired"))]
        async with joined(floor, PATH) as client:
            return [(await ask(client, "order.place", request))["error"]["code"] for request in requests]

    assert talk(conversation) == [-1022, -1021, -2015, -2015]


def test_what_is_no_request_is_answered_and_the_connection_stays(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with joined(floor, PATH) as client:
            said = []
            for words in ("{", "\x00", '{"id":[]}'):
                await client.send(words)
                said.append(await hear(client))
            return [*said, await ask(client, "ping")]

    *refused, answer = talk(conversation)
    assert [(one["id"], one["status"], one["error"]["code"]) for one in refused] == [(None, 400, -1135)] * 3
    assert answer["status"] == 200


def test_many_requests_are_answered_at_once_each_under_its_id(floor: Venue) -> None:
    count = 200

    async def conversation() -> dict[Any, Any]:
        async with joined(floor, PATH, max_queue=None) as client:
            for n in range(count):
                params = signed("alice", **order("BUY", 1, "0.05", newClientOrderId=f"many-{n}"))
                await client.send(json.dumps({"id": n, "method": "order.place", "params": params}))
            answers = [await hear(client) for _ in range(count)]
            return {answer["id"]: answer["result"]["clientOrderId"] for answer in answers}

    assert talk(conversation) == {n: f"many-{n}" for n in range(count)}


def test_a_session_logs_on_once_and_signs_no_more(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with joined(floor, PATH) as client:
            before = await ask(client, "session.status")
            on = await ask(client, "session.logon", signed("alice"))
            placed = await ask(client, "order.place", order("BUY", 1, "0.05", timestamp=int(time.time() * 1000)))
            late = await ask(client, "order.place", order("BUY", 1, "0.05"))
            status = await ask(client, "session.status")
            off = await ask(client, "session.logout")
            refused = await ask(client, "order.place", order("BUY", 1, "0.05", timestamp=int(time.time() * 1000)))
            return [before["result"], on["result"], placed, late, status["result"], off["result"], refused]

    before, on, placed, late, status, off, refused = talk(conversation)
    assert (before["apiKey"], before["authorizedSince"], before["userDataStream"]) == (None, None, False)
    assert (on["apiKey"], status["apiKey"], off["apiKey"]) == (KEYS["alice"][0], KEYS["alice"][0], None)
    assert before["connectedSince"] <= on["authorizedSince"] <= on["serverTime"]
    assert placed["result"]["status"] == "NEW"
    assert late["error"]["code"] == refused["error"]["code"] == -1102


def test_an_order_of_a_session_like_one_before_is_answered_and_checked_alike(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with joined(floor, PATH) as client:
            await ask(client, "session.logon", signed("alice"))
            now = int(time.time() * 1000)
            answers = [
                await ask(client, "order.place", order("BUY", quantity, "0.05", timestamp=sent), request_id)
                for quantity, sent, request_id in (
                    (1, now, 5),
                    (2, now, 6),
                    ("3", now, "a"),
                    ("4", now, "b"),
                    (1, now - 60_000, 7),
                    (0, now, 8),
                )
            ]
            await ask(client, "session.logout")
            return [*answers, await ask(client, "order.place", order("BUY", 5, "0.05", timestamp=now), 9)]

    *placed, late, none, off = talk(conversation)
    assert [answer["id"] for answer in placed] == [5, 6, "a", "b"]
    assert [float(answer["result"]["origQty"]) for answer in placed] == [1, 2, 3, 4]
    assert all(answer["rateLimits"][1]["count"] for answer in placed)
    assert [answer["error"]["code"] for answer in (late, none, off)] == [-1021, -1013, -1102]


def test_a_key_that_may_only_read_logs_on_and_reads(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        now = {"timestamp": int(time.time() * 1000)}
        async with joined(floor, PATH) as client:
            on = await ask(client, "session.logon", signed("reader"))
            account = await ask(client, "account.status", now)
            placed = await ask(client, "order.place", order("BUY", 1, "0.05", **now))
            return [on["status"], account["status"], placed["error"]["code"]]

    assert talk(conversation) == [200, 200, -2015]


def test_a_session_may_still_ask_for_somebody_else(floor: Venue) -> None:
    async def conversation() -> int:
        async with joined(floor, PATH) as client:
            await ask(client, "session.logon", signed("alice"))
            return (await ask(client, "account.status", signed("bob")))["result"]["uid"]

    assert talk(conversation) == 2


@pytest.mark.parametrize("by_session", [True, False])
def test_an_account_is_heard_under_its_subscription(floor: Venue, by_session: bool) -> None:
    async def conversation() -> list[Any]:
        async with joined(floor, PATH) as client:
            if by_session:
                await ask(client, "session.logon", signed("alice"))
                answer = await ask(client, "userDataStream.subscribe")
            else:
                answer = await ask(client, "userDataStream.subscribe.signature", signed("alice"))
            again = await ask(client, "userDataStream.subscribe.signature", signed("alice"))
            listed = await ask(client, "session.subscriptions")
            floor.client("alice").order("BUY", 1, "0.05")
            events = [await hear(client) for _ in range(2)]
            await asyncio.to_thread(floor.submit, commands.deposit(ALICE, CNY, 1_000_000))
            events += [await hear(client) for _ in range(2)]
            return [answer["result"], again["error"], listed["result"], events]

    answer, again, listed, events = talk(conversation)
    assert (answer["subscriptionId"], answer["sequence"] + 1) == (0, events[0]["event"]["sq"])
    assert again["code"] == -2035
    assert listed == [{"subscriptionId": 0}]
    assert [event["subscriptionId"] for event in events] == [0] * 4
    kinds = [event["event"]["e"] for event in events]
    assert kinds == ["executionReport", "outboundAccountPosition", "balanceUpdate", "outboundAccountPosition"]


def test_several_accounts_are_told_apart_and_ended_one_by_one(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with joined(floor, PATH) as client:
            for name in ("alice", "bob"):
                await ask(client, "userDataStream.subscribe.signature", signed(name))
            await asyncio.to_thread(floor.client("bob").order, "SELL", 1, "0.2")
            first = await hear_until(client, lambda message: "event" in message)
            await hear_all(client)
            ended = await ask(client, "userDataStream.unsubscribe", {"subscriptionId": 1})
            await asyncio.to_thread(floor.client("bob").order, "SELL", 1, "0.2")
            silence = await hear_all(client)
            rest = await ask(client, "userDataStream.unsubscribe")
            status = await ask(client, "session.status")
            return [first["subscriptionId"], ended["result"], silence, rest["result"], status["result"]]

    first, ended, silence, rest, status = talk(conversation)
    assert (first, ended, silence, rest, status["userDataStream"]) == (1, {}, [], {}, False)
    assert floor.websockets._user_data._topics == {}


def test_logging_out_ends_what_the_session_heard_and_nothing_else(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with joined(floor, PATH) as client:
            await ask(client, "session.logon", signed("alice"))
            await ask(client, "userDataStream.subscribe")
            await ask(client, "userDataStream.subscribe.signature", signed("bob"))
            await ask(client, "session.logout")
            return (await ask(client, "session.subscriptions"))["result"]

    assert talk(conversation) == [{"subscriptionId": 1}]


def test_a_listen_key_opens_the_stream_of_old(floor: Venue) -> None:
    key = {"apiKey": KEYS["alice"][0]}
    listen_key = asked(floor, "userDataStream.start", key)["result"]["listenKey"]
    assert asked(floor, "userDataStream.ping", key | {"listenKey": listen_key})["result"] == {}

    async def conversation() -> list[Any]:
        async with joined(floor, f"/ws/{listen_key}") as raw, joined(floor, f"/stream?streams={listen_key}") as wrapped:
            await asyncio.to_thread(floor.client("alice").order, "BUY", 1, "0.05")
            heard = [await hear(raw), await hear(wrapped)]
            stop = await asyncio.to_thread(asked_apart, floor, "userDataStream.stop", key | {"listenKey": listen_key})
            expired = await hear_until(raw, lambda message: message["e"] == "listenKeyExpired")
            return [*heard, stop["result"], expired["listenKey"]]

    bare, wrapped, stop, expired = talk(conversation)
    assert (bare["x"], wrapped["stream"], wrapped["data"]["x"], stop, expired) == (
        "NEW",
        listen_key,
        "NEW",
        {},
        listen_key,
    )


def asked_apart(served: Venue, method: str, params: Any) -> Any:
    return asked(served, method, params)


def test_a_revoked_key_ends_what_it_opened(floor: Venue) -> None:
    async def revoke() -> None:
        await floor.exchange.submit(b"", encode(KeyRevoked(KEYS["carol"][0])))

    async def conversation() -> list[Any]:
        async with joined(floor, PATH) as client:
            await ask(client, "session.logon", signed("carol"))
            await ask(client, "userDataStream.subscribe")
            await asyncio.to_thread(floor.run, revoke)
            end = await hear_until(client, lambda message: "event" in message)
            refused = await ask(client, "account.status", {"timestamp": int(time.time() * 1000)})
            return [end, refused["error"]["code"]]

    end, code = talk(conversation)
    assert (end["subscriptionId"], end["event"]["e"], code) == (0, "eventStreamTerminated", -2015)


def test_who_asks_too_much_is_refused_and_then_banned_and_cut(tmp_path_factory: pytest.TempPathFactory) -> None:
    limits = Limits(weight_per_minute=20, refusals_before_ban=3)

    async def conversation(served: Venue) -> tuple[list[int], tuple[int, str]]:
        async with joined(served, PATH) as client:
            statuses = []
            while not statuses or statuses[-1] != 418:
                statuses.append((await ask(client, "ping"))["status"])
            return statuses, await farewell(client)

    with venue(tmp_path_factory.mktemp("limits"), limits) as served:
        statuses, end = talk(lambda: conversation(served))
    assert statuses == [200] * 18 + [429] * 3 + [418]
    assert end == (1008, "Banned.")


def test_more_requests_than_may_wait_make_the_client_wait(tmp_path_factory: pytest.TempPathFactory) -> None:
    async def conversation(served: Venue) -> set[Any]:
        async with joined(served, PATH, max_queue=None) as client:
            for n in range(50):
                await client.send(json.dumps({"id": n, "method": "account.status", "params": signed("alice")}))
            return {(await hear(client))["id"] for _ in range(50)}

    small = StreamConfig(requests_in_flight_max=2)
    with venue(tmp_path_factory.mktemp("flight"), streams=small) as served:
        assert talk(lambda: conversation(served)) == set(range(50))


def test_orders_that_came_together_make_room_when_they_are_answered(tmp_path_factory: pytest.TempPathFactory) -> None:
    small = StreamConfig(requests_in_flight_max=8)
    with venue(tmp_path_factory.mktemp("room"), streams=small) as served, Raw(served.port, PATH) as line:
        line.ask(request("session.logon", signed("alice")))
        for turn in range(6):
            now = {"timestamp": time.time_ns() // 1_000_000, "newOrderRespType": "ACK"}
            orders = [request("order.place", order("BUY", 1, "0.05") | now, 100 * turn + n) for n in range(20)]
            line.send(b"".join(orders))
            answers = [json.loads(line.hear().payload) for _ in orders]
            assert sorted(answer["id"] for answer in answers) == [100 * turn + n for n in range(20)]
            assert {answer["status"] for answer in answers} == {200}


@pytest.mark.parametrize(
    ("failure", "status", "code"), [(ZeroDivisionError, 500, -1000), (Overloaded, 503, -1008), (Stopped, 503, -1016)]
)
def test_a_method_that_fails_is_answered(
    floor: Venue, monkeypatch: pytest.MonkeyPatch, failure: type[Exception], status: int, code: int
) -> None:
    async def fail(*_: object) -> bytes:
        raise failure

    monkeypatch.setitem(wsapi._ENDPOINTS, "ping", wsapi._ENDPOINTS["ping"]._replace(handler=fail))

    answer = asked(floor, "ping")
    assert (answer["status"], answer["error"]["code"]) == (status, code)


def test_an_exchange_that_stopped_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    with venue(tmp_path_factory.mktemp("stopped")) as served:
        served.run(served.exchange.sequencer.stop)
        answers = [asked(served, method, signed("alice", **params)) for method, params in STOPPED]

    assert [(answer["status"], answer["error"]["code"]) for answer in answers] == [(503, -1016)] * 2


STOPPED = (("order.place", order("BUY", 1, "0.05")), ("account.status", {}))


def test_an_order_is_replaced_and_made_smaller(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with joined(floor, PATH) as client:
            first = await ask(client, "order.place", signed("alice", **order("BUY", 5, "0.0500")))
            which = {"symbol": SYMBOL, "orderId": first["result"]["orderId"], "newQty": "3"}
            amended = await ask(client, "order.amend.keepPriority", signed("alice", **which))
            swap = order("BUY", 2, "0.0400", cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=which["orderId"])
            replaced = await ask(client, "order.cancelReplace", signed("alice", **swap))
            failed = await ask(client, "order.cancelReplace", signed("alice", **swap))
            swap["cancelReplaceMode"] = "ALLOW_FAILURE"
            half = await ask(client, "order.cancelReplace", signed("alice", **swap))
            return [amended, replaced, failed, half]

    amended, replaced, failed, half = talk(conversation)
    assert amended["result"]["amendedOrder"]["qty"] == "3"
    assert (replaced["result"]["cancelResult"], replaced["result"]["newOrderResult"]) == ("SUCCESS", "SUCCESS")
    assert (failed["status"], failed["error"]["code"]) == (400, -2022)
    assert failed["error"]["data"]["newOrderResult"] == "NOT_ATTEMPTED"
    assert (half["status"], half["error"]["code"], half["error"]["data"]["cancelResult"]) == (409, -2021, "FAILURE")
    assert half["error"]["data"]["newOrderResponse"]["status"] == "NEW"


def test_the_end_of_a_subscription_is_told(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with joined(floor, PATH) as client:
            await ask(client, "session.logon", signed("alice"))
            await ask(client, "userDataStream.subscribe")
            await client.send(json.dumps({"id": 9, "method": "session.logout"}))
            return [await hear(client) for _ in range(2)]

    ended, answer = talk(conversation)
    assert (ended["subscriptionId"], ended["event"]["e"]) == (0, "eventStreamTerminated")
    assert answer["id"] == 9


def test_times_are_told_in_microseconds_to_who_asks_for_them(floor: Venue) -> None:
    async def conversation() -> list[Any]:
        async with joined(floor, f"{PATH}?timeUnit=MICROSECOND") as client:
            clock = await ask(client, "time")
            await ask(client, "userDataStream.subscribe.signature", signed("alice"))
            await client.send(
                json.dumps({"id": 7, "method": "order.place", "params": signed("alice", **order("BUY", 1, "0.05"))})
            )
            heard = [await hear(client) for _ in range(3)]
            return [clock, *sorted(heard, key=lambda one: one.get("id", 0))]

    clock, *heard, placed = talk(conversation)
    events = {one["event"]["e"]: one["event"] for one in heard}
    times = [clock["result"]["serverTime"], placed["result"]["transactTime"], events["executionReport"]["T"]]
    times += [events["executionReport"]["W"], events["outboundAccountPosition"]["u"]]
    assert [abs(one - time.time() * 1_000_000) < 60_000_000 for one in times] == [True] * 5
