"""What an order's owner is told of it."""

import pytest

from api.binance.directory import Directory
from api.v1.orderanswers import OrderAnswers, fills_in
from exchange.core import commands
from exchange.events import EventLog
from tests.api.binance.floor import ALICE, BOB, SYMBOL, Floor, buy, sell


@pytest.fixture
def floor() -> Floor:
    return Floor()


@pytest.fixture
def answers(floor: Floor, tmp_path) -> OrderAnswers:
    log = EventLog.open(tmp_path)
    floor.listeners.append(lambda batch: log.append(batch.events))
    floor.act(commands.deposit(ALICE, 1, 1))
    return OrderAnswers(Directory(floor.registry), log)


def test_an_order_is_told_in_the_decimals_of_its_instrument(floor: Floor, answers: OrderAnswers) -> None:
    floor.act(buy(1_250, 3, client_order_id="mine", display_lots=2))
    (order,) = floor.orders.open_orders(ALICE)
    told = answers.order(order)

    assert (told.symbol, told.client_order_id, told.price, told.quantity, told.displayed) == (
        SYMBOL, "mine", "12.50", "3", "2",
    )  # fmt: skip
    assert (told.status, told.reason, told.stop_price, told.expires) == ("NEW", None, None, None)


def test_fills_carry_fee_role_and_the_number_of_their_event(floor: Floor, answers: OrderAnswers) -> None:
    floor.act(buy(99, 1), buy(100, 1))
    asked = floor.act(sell(101, 2)).rows
    (order,) = floor.orders.open_orders(BOB)
    events = floor.act(commands.replace_order(BOB, asked[0].order_id, 99, 2)).rows
    fills = answers.fills(order, events)

    assert [(fill.price, fill.role, fill.fee, fill.trade_id) for fill in fills] == [
        ("1.00", "TAKER", "0.002000", 1),
        ("0.99", "TAKER", "0.001980", 2),
    ]
    assert [fill.event for fill in fills] == [fill.event_number - offset for fill, offset in
        zip(floor.orders.fills(BOB), [floor.orders.event_count - answers._events.count] * 2, strict=True)]  # fmt: skip


def test_only_the_order_s_own_trades_are_its_fills(floor: Floor) -> None:
    maker = floor.act(sell(100, 1)).rows[0]
    events = floor.act(buy(100, 1)).rows
    (fill,) = fills_in(maker.order_id, events)
    assert (fill.is_maker, fill.offset, fill.fee) == (True, 1, 1_000)
    assert list(fills_in(12345, events)) == []
