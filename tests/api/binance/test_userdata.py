"""The private stream of an account: every report, and balances asked once for all that changed."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from api.binance.directory import Directory
from api.binance.userdata import user_data
from api.stream.hub import Connection
from exchange.core import commands
from exchange.core.types import SelfTradePrevention
from exchange.events import Event
from exchange.sequencer import Stopped
from tests.api.binance.floor import ALICE, ALLOWANCE, BOB, CAROL, CNY, LOT, SYMBOL, Floor, Wire, buy, sell


class Private(Floor):
    """A floor with its private streams, and questions to the engine that wait for the test."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[asyncio.Future[Any], Callable[[Any], Any]]] = []
        self.stopped = False
        texts_of = Directory(self.registry).texts
        self.query = self.ask  # type: ignore[method-assign]
        self.data = user_data(self.hub, self, texts_of)  # type: ignore[arg-type]  # all that is asked of an exchange
        self.listeners.append(self.data.on_batch)

    def ask(self, function: Callable[[Any], Any]) -> "asyncio.Future[Any]":
        if self.stopped:
            raise Stopped
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.asked.append((future, function))
        return future

    def subscribe(self, account: int, prefix: bytes = b"") -> tuple[Connection, Wire]:
        connection, wire = self.connect()
        self.data.subscribe(connection, account, prefix)
        return connection, wire

    async def answer(self) -> None:
        """Let the engine answer what was asked."""
        future, function = self.asked.pop(0)
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
        assert len(floor.asked) == 1
        await floor.answer()
        assert len(floor.asked) == 1
        await floor.answer()
        assert floor.asked == []

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

        assert (floor.said(wire), floor.asked) == ([], [])

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

        assert floor.asked == []
        assert floor.said(wire) == []
        floor.act(buy(100, 1))

    asyncio.run(scenario())


def test_the_end_of_the_exchange_ends_the_questions() -> None:
    async def scenario() -> None:
        floor = Private()
        _, wire = floor.subscribe(ALICE)
        floor.act(buy(100, 1))
        floor.asked.pop()[0].set_exception(Stopped())
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


def test_nobody_listening_costs_nothing() -> None:
    floor = Private()
    floor.act(buy(100, 1))

    assert floor.asked == []
    assert floor.data.topic_name(ALICE) == "account 1 binance"
    assert isinstance(floor.act(buy(100, 1)).rows[0], Event)
