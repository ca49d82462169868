"""The private stream of an account: every report, and balances asked once for all that changed."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from api.binance.directory import Directory
from api.binance.userdata import user_data
from api.stream.hub import Connection
from exchange.core import commands
from exchange.core.types import OrderFlag, OrderType, SelfTradePrevention, TimeInForce
from exchange.events import Event
from exchange.sequencer import Stopped
from tests.api.binance.floor import (
    ALICE,
    ALLOWANCE,
    BOB,
    CAROL,
    CNY,
    LOT,
    START_MS,
    SYMBOL,
    Floor,
    Wire,
    buy,
    in_place_of,
    sell,
)


class Private(Floor):
    """A floor with its private streams, and questions to the engine that wait for the test."""

    def __init__(self) -> None:
        super().__init__()
        self.questions: list[tuple[asyncio.Future[Any], Callable[[Any], Any]]] = []
        self.stopped = False
        texts_of = Directory(self.registry).texts
        self.query = self.ask  # type: ignore[method-assign]
        self.data = user_data(self.hub, self, texts_of)  # type: ignore[arg-type]  # all that is asked of an exchange
        self.listeners.append(self.data.on_batch)

    def ask(self, function: Callable[[Any], Any]) -> "asyncio.Future[Any]":
        if self.stopped:
            raise Stopped
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.questions.append((future, function))
        return future

    def subscribe(self, account: int, prefix: bytes = b"") -> tuple[Connection, Wire]:
        connection, wire = self.connect()
        self.data.subscribe(connection, account, prefix)
        return connection, wire

    async def answer(self) -> None:
        """Let the engine answer what was asked."""
        future, function = self.questions.pop(0)
        future.set_result(function(self.engine))
        await asyncio.sleep(0)

    def said(self, wire: Wire) -> list[Any]:
        self.turn()
        return wire.take()


def test_a_report_goes_out_with_its_batch_and_balances_follow() -> None:
    async def scenario() -> None:
        floor = Private()
        _, wire = floor.subscribe(ALICE)
        floor.act(buy(1_000, 2))
        (report,) = floor.said(wire)
        assert (report["e"], report["x"], report["s"]) == ("executionReport", "NEW", SYMBOL)

        await floor.answer()

        (position,) = floor.said(wire)
        assert position["e"] == "outboundAccountPosition"
        assert {row["a"]: (row["f"], row["l"]) for row in position["B"]} == {
            "CNY": ("999999979.959999", "20.040001"),
            SYMBOL: ("0.000000", "0.000000"),
        }

    asyncio.run(scenario())


def test_each_account_hears_of_itself_alone() -> None:
    async def scenario() -> None:
        floor = Private()
        _, alice = floor.subscribe(ALICE)
        _, bob = floor.subscribe(BOB)
        _, carol = floor.subscribe(CAROL)

        floor.act(sell(1_000, 1))
        floor.act(buy(1_000, 1))
        await floor.answer()
        await floor.answer()

        told = [[body.get("x") or body["e"] for body in floor.said(wire)] for wire in (alice, bob, carol)]
        position = "outboundAccountPosition"
        assert told == [["NEW", "TRADE", position], ["NEW", "TRADE", position, position], []]

    asyncio.run(scenario())


def test_balances_are_asked_once_while_an_answer_is_on_its_way() -> None:
    async def scenario() -> None:
        floor = Private()
        _, wire = floor.subscribe(ALICE)
        for _ in range(10):
            floor.act(buy(1_000, 1))
        assert len(floor.questions) == 1
        await floor.answer()
        assert len(floor.questions) == 1
        await floor.answer()
        assert floor.questions == []

        positions = [body for body in floor.said(wire) if body["e"] == "outboundAccountPosition"]
        assert len(positions) == 2

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("made", "account", "asset", "amount"),
    [
        (commands.deposit(ALICE, CNY, 5_000_000), ALICE, "CNY", "5.000000"),
        (commands.withdraw(ALICE, CNY, 5_000_000), ALICE, "CNY", "-5.000000"),
        (commands.issue(BOB, ALLOWANCE, LOT), BOB, SYMBOL, "1.000000"),
        (commands.redeem(BOB, ALLOWANCE, LOT, b"x" * 16), BOB, SYMBOL, "-1.000000"),
    ],
)
def test_what_comes_and_goes_is_told(made: bytes, account: int, asset: str, amount: str) -> None:
    async def scenario() -> None:
        floor = Private()
        _, wire = floor.subscribe(account)
        floor.act(made)
        await floor.answer()

        update, position = floor.said(wire)
        assert (update["e"], update["a"], update["d"]) == ("balanceUpdate", asset, amount)
        assert [row["a"] for row in position["B"]] == [asset]

    asyncio.run(scenario())


def test_a_decrement_concerns_both_accounts() -> None:
    async def scenario() -> None:
        floor = Private()
        _, wire = floor.subscribe(BOB)
        floor.act(sell(100, 5))
        floor.said(wire)
        floor.act(buy(100, 2, account=CAROL, self_trade_prevention=SelfTradePrevention.DECREMENT))

        assert [(body["x"], body["q"]) for body in floor.said(wire)] == [("TRADE_PREVENTION", "3")]

    asyncio.run(scenario())


def test_what_changes_no_order_and_no_balance_is_not_told() -> None:
    async def scenario() -> None:
        floor = Private()
        _, wire = floor.subscribe(ALICE)
        floor.act(buy(100, 1, client_order_id="a"))
        await floor.answer()
        floor.said(wire)

        floor.act(buy(100, 1, client_order_id="a"))

        assert (floor.said(wire), floor.questions) == ([], [])

    asyncio.run(scenario())


def test_a_stream_ends_with_its_last_reader_even_while_balances_are_asked() -> None:
    async def scenario() -> None:
        floor = Private()
        connection, wire = floor.subscribe(ALICE)
        floor.act(buy(100, 1))
        floor.act(buy(100, 1))
        for name in floor.hub.leave(connection):
            floor.data.close(name)
        assert floor.data._topics == {}

        await floor.answer()

        assert floor.questions == []
        assert floor.said(wire) == []
        floor.act(buy(100, 1))

    asyncio.run(scenario())


def test_the_end_of_the_exchange_ends_the_questions() -> None:
    async def scenario() -> None:
        floor = Private()
        _, wire = floor.subscribe(ALICE)
        floor.act(buy(100, 1))
        floor.questions.pop()[0].set_exception(Stopped())
        await asyncio.sleep(0)
        floor.stopped = True
        floor.act(buy(100, 1))

        assert [body["e"] for body in floor.said(wire)] == ["executionReport"] * 2

    asyncio.run(scenario())


def test_a_reader_whose_reports_are_lost_is_told_and_cut() -> None:
    async def scenario() -> None:
        floor = Private()
        _, wire = floor.subscribe(ALICE)
        floor.orders.order = lambda _: None  # type: ignore[method-assign]  # as if the order was forgotten

        floor.act(buy(100, 1))

        (error,) = floor.said(wire)
        assert error["error"]["msg"] == "Reports are missing: ask for the state of your orders."
        assert wire.finished is not None

    asyncio.run(scenario())


def test_a_prefix_wraps_private_messages() -> None:
    async def scenario() -> None:
        floor = Private()
        _, wire = floor.subscribe(ALICE, b'{"subscriptionId":7,"event":')
        floor.act(buy(100, 1))

        (message,) = floor.said(wire)
        assert (message["subscriptionId"], message["event"]["x"]) == (7, "NEW")

    asyncio.run(scenario())


def test_an_order_that_was_refused_in_the_place_of_another_is_reported_field_for_field() -> None:
    async def scenario() -> None:
        floor = Private()
        floor.are_refusals_failures = False
        floor.act(sell(100, 1))
        _, wire = floor.subscribe(ALICE)
        order = buy(100, 2, flags=OrderFlag.POST_ONLY, client_order_id="mine")
        floor.act(buy(10**7, 1), in_place_of(7, order))  # of the first, which names no other, nothing is said

        (report,) = floor.said(wire)
        assert report == {
            "e": "executionReport", "E": START_MS, "s": SYMBOL, "c": "mine", "S": "BUY", "o": "LIMIT_MAKER",
            "f": "GTC", "q": "2", "p": "1.00", "P": "0.00", "F": "0", "g": -1, "O": START_MS, "Q": "0.000000",
            "V": "EXPIRE_TAKER", "C": "", "x": "REJECTED", "X": "REJECTED", "r": "WOULD_MATCH_IMMEDIATELY", "i": -1,
            "z": "0", "Z": "0.000000", "T": START_MS, "I": floor.event_count, "sq": 2, "w": False, "l": "0",
            "L": "0.00", "n": "0.000000", "Y": "0.000000", "N": None, "t": -1, "m": False, "M": False,
        }  # fmt: skip

    asyncio.run(scenario())


MARKET = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}


def test_a_report_says_the_amount_that_a_market_order_named_live_and_again() -> None:
    async def scenario() -> None:
        floor = Private()
        floor.are_refusals_failures = False
        floor.act(sell(100, 5))
        _, live = floor.subscribe(ALICE)
        floor.act(buy(0, 1, **MARKET), buy(0, 0, amount=2_500_000, **MARKET))
        floor.act(in_place_of(7, buy(0, 0, amount=9, **MARKET)))
        floor.act(buy(90, 1))
        told = [body for body in floor.said(live) if body["e"] == "executionReport"]
        assert [(body["x"], body["Q"]) for body in told] == [
            ("NEW", "0.000000"), ("TRADE", "0.000000"), ("NEW", "2.500000"), ("TRADE", "2.500000"),
            ("REJECTED", "0.000009"), ("NEW", "0.000000"),
        ]  # fmt: skip

        connection, again = floor.connect()
        await floor.data.follow(connection, ALICE, 1)
        assert [body for body in floor.said(again) if body["e"] == "executionReport"] == told

    asyncio.run(scenario())


def test_nobody_listening_costs_nothing() -> None:
    floor = Private()
    floor.act(buy(100, 1))

    assert floor.questions == []
    assert floor.data.topic_name(ALICE) == "account 1 binance"
    assert isinstance(floor.act(buy(100, 1)).rows[0], Event)
