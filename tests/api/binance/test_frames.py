"""Binary frames over the websocket API of a served exchange, by the example of the documentation."""

import json
import re
import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from api.binance import frames
from api.errors import NOT_CLEARED, RequestError
from exchange.core.types import EventKind, Side
from exchange.registry.documents import LicenceGated, encode
from exchange.registry.registry import Registry
from tests.api.stream.talk import ask, hear, joined, signed, talk
from tests.api.venue import BOB, CAROL, DATASET, KEYS, SYMBOL, TOKENS, documents, secret, venue

PATH = "/ws-api/v3"
DOCUMENT = Path(__file__).parents[3] / "docs" / "binary-frames.md"
HEAD = struct.Struct("<4sIQII")


@pytest.fixture(scope="module")
def market(tmp_path_factory):
    with venue(tmp_path_factory.mktemp("frames")) as served:
        yield served


@pytest.fixture(scope="module")
def example():
    (code,) = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    names = {}
    exec(compile(code, str(DOCUMENT), "exec"), names)
    return SimpleNamespace(**names)


def test_the_example_trades(market, example):
    url = f"ws://127.0.0.1:{market.port}"
    rest = example.new_order(TOKENS, example.SELL, 100_000, 5, b"asked")
    found = example.trade(url, KEYS["bob"][0], secret("bob"), [rest, rest])
    assert [result[0] for result in found] == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_DUPLICATED]
    assert found[0][5] == found[1][5]
    take = example.new_order(TOKENS, example.BUY, 100_000, 2)
    (result,) = example.trade(url, KEYS["alice"][0], secret("alice"), [take])
    kind, reason, trades, _, sequence, order_id, filled, leaves, amount, fee = result
    assert (kind, reason, trades, filled, leaves) == (EventKind.ORDER_ACCEPTED, 0, 1, 2, 0)
    assert amount == 2 * 100_000 * 100
    assert min(sequence, order_id, fee) > 0
    order = market.client("alice").signed("GET", "/api/v3/order", symbol=SYMBOL, orderId=order_id)
    assert (order.json()["status"], order.json()["executedQty"]) == ("FILLED", "2")


def framed(example, *made, number=7):
    return struct.pack("<4sIQ", b"TBB1", len(made), number) + b"".join(made)


def test_a_frame_is_the_session_s_and_nobody_else_s(market, example):
    order = example.new_order(TOKENS, example.BUY, 90_000, 1)

    async def conversation():
        async with joined(market, PATH) as client:
            await client.send(framed(example, order))
            statuses = [HEAD.unpack_from(await client.recv())[2:4]]
            for name in ("reader", "alice"):
                logged_on = await ask(client, "session.logon", signed(name))
                assert logged_on["status"] == 200
                await client.send(framed(example, order, number=8))
                statuses.append(HEAD.unpack_from(await client.recv())[2:4])
            await client.send(b"TBB1")
            statuses.append(HEAD.unpack_from(await client.recv())[2:4])
            return statuses

    assert talk(conversation) == [(7, 401), (8, 401), (8, 200), (0, 400)]


def test_frames_and_json_are_answered_together_and_junk_harms_nobody(market, example):
    order = example.new_order(TOKENS, example.BUY, 90_000, 1)
    junk = [b"", b"\0", b"TBB1" + bytes(12), b"TBB1" + b"\xff" * 500, framed(example, bytes(128)), order]

    async def conversation():
        async with joined(market, PATH) as client:
            await ask(client, "session.logon", signed("alice"))
            for number in range(20):
                await client.send(framed(example, *[order] * 10, number=number))
                await client.send(junk[number % len(junk)])
                await client.send(json.dumps({"id": number, "method": "ping"}))
            answers = [await client.recv() for _ in range(60)]
            await client.send(json.dumps({"id": "end", "method": "openOrders.cancelAll", "params": {"symbol": "x"}}))
            await hear(client)
            return answers

    answers = talk(conversation)
    binary = [HEAD.unpack_from(answer) for answer in answers if isinstance(answer, bytes)]
    good = [head[2] for head in binary if head[3] == 200]
    assert sorted(good) == list(range(20))
    assert sum(1 for head in binary if head[3] == 400) == 20
    assert sorted(json.loads(answer)["id"] for answer in answers if isinstance(answer, str)) == list(range(20))


def test_a_bid_on_a_licence_is_not_replaced_without_a_clearance():
    registry = Registry()
    vault = SimpleNamespace(encrypt=lambda data: data)
    for document in [*documents(vault), LicenceGated(DATASET, may_resell=False)]:
        registry.apply(encode(document))
    orders = {7: SimpleNamespace(account=CAROL, instrument=DATASET, side=Side.BUY)}
    exchange = SimpleNamespace(registry=registry, orders=SimpleNamespace(order=orders.get))
    with pytest.raises(RequestError) as refusal:
        frames._check_replaced(exchange, CAROL, [8, 7])
    assert refusal.value.problem == NOT_CLEARED
    assert frames._check_replaced(exchange, BOB, [7]) is None  # the engine knows whose it is
