"""Messages of one turn served together: in their places, and each of them answered once, whatever happens."""

import asyncio
import json
import struct
import threading
import time
from contextlib import contextmanager, nullcontext
from http.client import HTTPConnection
from operator import itemgetter

import numpy as np
import pytest
from cryptography.fernet import Fernet
from websockets.frames import Opcode

from api.binance.wsrequest import decode
from api.bursts import Admitted, Bursts
from api.errors import OVERLOADED, STATUS_UNKNOWN, STOPPED, WRONG_CONTENT_TYPE
from exchange.core import commands
from exchange.core.records import COMMAND
from exchange.core.types import CommandKind, Side
from exchange.registry.documents import KeyCreated, Scope, commands_of, encode
from exchange.sequencer import Overloaded, Stopped
from tests.api.binance.floor import ALICE, BOB, CAROL
from tests.api.stream import talk
from tests.api.stream.raw import Raw, frame, request
from tests.api.venue import KEYS, SYMBOL, TOKENS
from tests.api.written import BRIEF, LIMIT, NOW_NS, Desk

PATH = "/api/v3/order"
SMALL = {name: value for name, value in LIMIT.items() if name != "newClientOrderId"} | {"newOrderRespType": "ACK"}


class Asker:
    """Takes note of what it is asked and told; its line is its own."""

    def __init__(self, desk, account, *, admits=True):
        self.desk = desk
        self.account = account
        self.admits = admits
        self.said = []

    def admit(self, messages, until_ns, now_ns):
        assert min(until_ns) >= now_ns == NOW_NS
        assert len(messages) == len(until_ns)
        return Admitted(self.account, 1_000_000, [b"[%d]" % n for n in range(len(messages))]) if self.admits else None

    def serve(self, message):
        self.desk.log.append(message)
        self.said.append("served")
        if message.startswith(b'{"id"'):
            self.desk.bursts.learn(message, self.desk.shapes, self.desk.parsed(message)[2])

    def answered(self, answers, ends):
        begins = [0, *ends]
        self.said += [bytes(answers[begin:end]) for begin, end in zip(begins, ends, strict=False)]

    def finish(self, order, now_ns, outcome):
        assert (order.line, order.account, now_ns) == (self, self.account, NOW_NS)
        self.said.append(outcome.problem if isinstance(outcome, Exception) else [event.kind for event in outcome])


class Served(Desk):
    """A desk whose messages are gathered, and whose market acts when a turn ends."""

    def __init__(self, refusal=None, failure=None):
        super().__init__(is_http=False)
        self.log = []
        self.refusal, self.failure = refusal, failure
        self.floor.are_refusals_failures = False
        self.bursts = Bursts(self.submit, self.wordings, lambda: NOW_NS)
        for way in (LIMIT, BRIEF, SMALL):
            self.learn(self.written(way))

    def submit(self, made):
        if self.refusal is not None:
            raise self.refusal
        future = asyncio.get_running_loop().create_future()
        if self.failure is not None:
            future.set_exception(self.failure)
            return future
        size = COMMAND.itemsize
        self.log.append(np.frombuffer(made, COMMAND)["account"].tolist())
        future.set_result(self.floor.act(*[made[at : at + size] for at in range(0, len(made), size)]).events)
        return future


def turn(desk, *gathered):
    """Gather messages of askers, and let the turn end."""

    async def run():
        for asker, messages in gathered:
            desk.bursts.add_all(asker, asker, messages)
        for _ in range(4):
            await asyncio.sleep(0)

    asyncio.run(run())


def test_orders_of_several_go_together_and_each_gets_its_own_answers():
    desk = Served()
    alice, carol = Asker(desk, ALICE), Asker(desk, CAROL)
    small = [desk.written(SMALL, number) for number in range(4)]
    turn(desk, (alice, small[:2]), (carol, small[2:3]), (alice, small[3:]))
    assert desk.log == [[ALICE, ALICE, CAROL, ALICE]]
    numbers = [[answer.partition(b'"id":')[2][:1] for answer in asker.said] for asker in (alice, carol)]
    assert numbers == [[b"0", b"1", b"3"], [b"2"]]


def test_one_asker_on_two_lines_is_admitted_once_and_answered_on_each():
    desk = Served()
    alice, other, bob = Asker(desk, ALICE), Asker(desk, ALICE), Asker(desk, BOB, admits=False)
    small = [desk.written(SMALL, number) for number in range(4)]
    counts = []
    admit = alice.admit
    alice.admit = lambda messages, *when: counts.append(len(messages)) or admit(messages, *when)

    async def run():
        for asker, line, message in zip((alice, bob, alice, alice), (alice, bob, other, alice), small, strict=True):
            desk.bursts.add(asker, line, message)
        for _ in range(4):
            await asyncio.sleep(0)

    asyncio.run(run())
    assert counts == [3]
    assert desk.log == [[ALICE], small[1], [ALICE, ALICE]]
    tails = [[answer.partition(b'"rateLimits":')[2] for answer in line.said] for line in (alice, other)]
    assert tails == [[b"[0]}", b"[2]}"], [b"[1]}"]]


def test_one_alone_goes_the_general_way():
    desk = Served()
    alice = Asker(desk, ALICE)
    turn(desk, (alice, [desk.written(SMALL)]))
    assert alice.said == ["served"]


def test_what_cannot_be_read_is_served_in_its_place():
    desk = Served()
    alice = Asker(desk, ALICE)
    turn(desk, (alice, [desk.written(SMALL, 1), b"cancel", desk.written(SMALL, 2), desk.written(SMALL, 3)]))
    assert desk.log == [[ALICE], b"cancel", [ALICE, ALICE]]
    assert [said == "served" for said in alice.said] == [True, False, False, False]  # answers come when they are known


def test_what_is_learned_of_one_serves_those_behind_it():
    desk = Served()
    alice = Asker(desk, ALICE)
    new = [desk.written(SMALL | {"newOrderRespType": "FULL", "price": "0.10"}, number) for number in range(3)]
    desk.shapes.learn_request(new[0], decode(new[0]).params, desk.parsed(new[0])[2])  # as the general way does
    turn(desk, (alice, new))
    assert desk.log == [new[0], [ALICE, ALICE]]


def test_who_may_not_is_told_so_by_the_general_way_and_others_are_served():
    desk = Served()
    alice, bob = Asker(desk, ALICE), Asker(desk, BOB, admits=False)
    small = [desk.written(SMALL, number) for number in range(4)]
    turn(desk, (alice, small[:1]), (bob, small[1:3]), (alice, small[3:]))
    assert desk.log == [[ALICE], small[1], small[2], [ALICE]]
    assert (len(alice.said), bob.said) == (2, ["served", "served"])


def test_an_unusual_answer_is_given_in_its_place():
    desk = Served()
    alice = Asker(desk, ALICE)
    twice = desk.written(LIMIT, 1)
    turn(desk, (alice, [desk.written(SMALL, 0), twice, twice, desk.written(SMALL, 2)]))
    assert [type(said) for said in alice.said] == [bytes, bytes, list, bytes]


@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        ({"refusal": Overloaded("full")}, OVERLOADED),
        ({"refusal": Stopped("over")}, STOPPED),
        ({"failure": Overloaded("full")}, OVERLOADED),
        ({"failure": Stopped("in the middle")}, STATUS_UNKNOWN),
        ({"failure": ValueError("what nobody thought of")}, STATUS_UNKNOWN),
    ],
)
def test_what_goes_wrong_is_told_to_each(parts, problem):
    desk = Served(**parts)
    alice, bob = Asker(desk, ALICE), Asker(desk, BOB)
    turn(desk, (alice, [desk.written(SMALL)] * 2), (bob, [desk.written(SMALL)]))
    assert (alice.said, bob.said) == ([problem, problem], [problem])


@contextmanager
def held(market):
    """Let everything that is sent while the block lasts reach the server in one turn of its loop."""
    gate = threading.Event()
    market._loop.call_soon_threadsafe(gate.wait)
    try:
        yield
    finally:
        gate.set()


@pytest.fixture
def sizes(market, monkeypatch):
    """Return how many orders each burst of the server had."""
    found = []
    for bursts in market.services.bursts:
        submit = bursts._submit
        spy = lambda made, submit=submit: found.append(len(made) // COMMAND.itemsize) or submit(made)  # noqa: E731
        monkeypatch.setattr(bursts, "_submit", spy)
    return found


def test_requests_that_come_together_are_answered_as_one_by_one(market, sizes):
    terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "newOrderRespType": "RESULT"}
    changes = [
        {"price": "0.0500", "quantity": "1"},
        {"price": "0.0500", "quantity": "2", "newClientOrderId": "burst-1"},
        {"price": "0.00001", "quantity": "1"},  # off its tick
        {"price": "0.0500", "quantity": "3", "newClientOrderId": "burst-2"},
        {"price": "0.0500", "quantity": "3", "newClientOrderId": "burst-2"},  # once more
        {"price": "0.0500", "quantity": "99999999"},  # more than there is money for
        {"price": "0.0500", "quantity": "4", "timestamp": 1},  # long ago
        {"price": "0.0500", "quantity": "5"},
    ]
    with Raw(market.port, "/ws-api/v3") as line:
        line.ask(request("session.logon", talk.signed("alice")))

        def answers(together):
            now = {"timestamp": time.time_ns() // 1_000_000}
            frames = [request("order.place", terms | now | more, number) for number, more in enumerate(changes)]
            with held(market) if together else nullcontext():
                line.send(b"".join(frames)) if together else None
            heard = [line.hear() if together else line.send(frame).hear() for frame in frames]
            found = sorted((json.loads(one.payload) for one in heard), key=itemgetter("id"))
            return [[one["status"], one.get("error"), one.get("result", {}).get("origQty")] for one in found]

        alone, together = answers(False), [answers(True) for _ in range(2)]
    quantities = [quantity for _, _, quantity in alone]
    assert [text and float(text) for text in quantities] == [1, 2, None, 3, 3, None, None, 5]
    assert without_times(alone) == without_times(together[0]) == without_times(together[1])
    assert max(sizes) >= 3
    market.reset()


def without_times(answers):
    """Return answers without what depends on the moment."""
    return [(status, error and (error["code"], error["msg"]), quantity) for status, error, quantity in answers]


def posted(market, requests, seen=sorted, kind="application/x-www-form-urlencoded"):
    """Send bodies to paths with keys in one turn, each on its own line; return status, body and headers of each."""
    lines = [HTTPConnection("127.0.0.1", market.port, timeout=60) for _ in requests]
    for line in lines:  # which the server has taken before the turn begins
        line.request("GET", "/api/v3/ping")
        line.getresponse().read()
    with held(market):
        for line, (key, path, body) in zip(lines, requests, strict=True):
            headers = {"X-MBX-APIKEY": key, "Content-Type": kind}
            line.request("POST", path, body, headers)
    responses = [line.getresponse() for line in lines]
    found = [(one.status, json.loads(one.read()), seen(one.headers)) for one in responses]
    for line in lines:
        line.close()
    return found


@pytest.fixture
def body(market, sizes):
    """Return what makes a body of alice's that is read with others."""
    alice = market.client("alice")

    def make(**more):
        terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "0.0500"}
        return alice.sign(terms | {"quantity": 1, "newOrderRespType": "RESULT"} | more)

    for _ in range(2):
        posted(market, [(alice.key, PATH, make(quantity=number)) for number in range(1, 4)])
        posted(market, [(alice.key, PATH, make(newClientOrderId=f"b-{time.time_ns()}")) for _ in range(3)])
    assert max(sizes) >= 2
    yield make
    market.reset()


def test_what_stands_in_the_address_is_signed_too(market, body):
    found = posted(
        market, [(KEYS["alice"][0], f"{PATH}?price=0.0700", body(newClientOrderId=f"q-{n}")) for n in (1, 2)]
    )
    assert [(status, answer["code"]) for status, answer, _ in found] == [(400, -1022)] * 2


def test_what_is_sent_again_counts_as_if_it_came_alone(market, body, monkeypatch):
    limiter, key, sent = market.services.limiter, KEYS["alice"][0], body()
    buckets = (limiter._weights, limiter._keys, limiter._orders)
    for bucket in buckets:
        monkeypatch.setattr(bucket, "_rate", 0)

    def used():
        return [bucket.used(name, time.time_ns()) for bucket, name in zip(buckets, ("127.0.0.1", key, 1), strict=True)]

    assert [status for status, _, _ in posted(market, [(key, PATH, sent)])] == [200]
    before = used()
    found = posted(market, [(key, PATH, sent)] * 2)
    assert [answer["code"] for _, answer, _ in found] == [-8124] * 2
    assert [now - then for now, then in zip(used(), before, strict=True)] == [2 + 2, 2, 0]  # a ping on each line


def test_each_of_several_orders_tells_what_was_used_with_it(market, body):
    key, used = KEYS["alice"][0], ("x-mbx-used-weight-1m", "x-tb-key-weight-1m", "x-mbx-order-count-10s")
    asked = [(key, PATH, body(newClientOrderId=f"u-{number}")) for number in range(5)]
    found = posted(market, asked, lambda headers: [int(headers[name]) for name in used])
    assert [status for status, _, _ in found] == [200] * 5
    counts = sorted(zip(*[counts for _, _, counts in found], strict=True))
    assert all(list(one) == list(range(min(one), min(one) + 5)) for one in map(sorted, counts))


def test_one_bad_signature_spoils_no_other_order(market, body):
    key, bodies = KEYS["alice"][0], [body(newClientOrderId=f"s-{number}") for number in range(4)]
    bodies[2] = bodies[2][:-1] + ("0" if bodies[2][-1] != "0" else "1")
    found = posted(market, [(key, PATH, one) for one in bodies])
    assert [status for status, _, _ in found] == [200, 200, 400, 200]
    assert found[2][1]["code"] == -1022


def test_what_says_that_it_is_no_form_is_refused_though_it_reads_like_one(market, body):
    for _ in range(2):  # the second time the heads are known
        asked = [(KEYS["alice"][0], PATH, body(newClientOrderId=f"w-{time.time_ns()}")) for _ in range(3)]
        found = posted(market, asked, kind="application/json")
        assert {answer["code"] for _, answer, _ in found} == {WRONG_CONTENT_TYPE.code}


def test_a_key_that_cannot_be_read_costs_nobody_else_an_answer(market, body):
    lost = KeyCreated("lost" * 8, Fernet(Fernet.generate_key()).encrypt(b"x"), ALICE, (Scope.TRADE,), "another vault's")
    market.run(lambda: resolved(market.exchange.submit(commands_of(lost), encode(lost))))
    keys = [lost.key, KEYS["alice"][0], KEYS["alice"][0]]
    found = posted(market, [(key, PATH, body(newClientOrderId=f"k-{n}")) for n, key in enumerate(keys)])
    assert [status for status, _, _ in found] == [500, 200, 200]


async def resolved(future):
    return await future


def test_a_binary_frame_comes_behind_the_requests_before_it(market):
    heard = []
    listen = lambda batch: heard.extend(batch.commands[["kind", "quantity_lots"]].tolist())  # noqa: E731
    market.run(lambda: begun(market.exchange.add_listener, listen))
    terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "0.0500"}
    binary = struct.pack("<4sIQ", b"TBB1", 1, 7) + commands.new_order(ALICE, TOKENS, Side.BUY, 500, 99)
    with Raw(market.port, "/ws-api/v3") as line:
        line.ask(request("session.logon", talk.signed("alice")))
        now = {"timestamp": time.time_ns() // 1_000_000}
        order = request("order.place", terms | now | {"quantity": "10"}, 1)
        cancel = request("openOrders.cancelAll", {"symbol": SYMBOL} | now, 2)
        for texts, kinds in (
            ([order], ["NEW_ORDER"]),
            ([order, order, cancel], ["NEW_ORDER", "NEW_ORDER", "MASS_CANCEL"]),
        ):
            heard.clear()
            with held(market):
                line.send(b"".join(texts) + frame(Opcode.BINARY, binary))
            for _ in range(len(texts) + 1):
                line.hear()
            found = [CommandKind(kind).name for kind, _ in heard]
            assert found == [*kinds, "NEW_ORDER"]
            assert heard[-1][1] == 99
    market.reset()


async def begun(function, *arguments):
    return function(*arguments)


def test_bodies_that_come_together_are_answered_as_one_by_one(market, sizes):
    alice = market.client("alice")
    terms = {"symbol": SYMBOL, "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "0.0500"}
    bodies = [alice.sign(terms | {"quantity": number, "newClientOrderId": f"body-{number}"}) for number in range(1, 7)]
    bodies += [bodies[0], bodies[1][:-1] + ("0" if bodies[1][-1] != "0" else "1")]
    market.client("alice").order("BUY", 1, "0.0500", newOrderRespType="ACK")
    found = []
    for _ in range(3):  # the first time bodies are learned
        unnamed = alice.sign(terms | {"quantity": 9, "newOrderRespType": "ACK"})
        found.append(posted(market, [(alice.key, PATH, body) for body in (*bodies, unnamed, unnamed)]))
    for answers in found:
        assert [status for status, _, _ in answers[:8]] == [200] * 7 + [400]
        assert [body["clientOrderId"] for _, body, _ in answers[:7]] == [f"body-{n}" for n in (1, 2, 3, 4, 5, 6, 1)]
        assert answers[6][1] == answers[0][1]
        assert answers[7][1]["code"] == -1022
        assert len({tuple(names) for status, _, names in answers if status == 200}) == 1
        assert sorted(status for status, _, _ in answers[8:]) == [200, 400]  # signed once, taken once
    assert max(sizes) >= 3
    market.reset()
