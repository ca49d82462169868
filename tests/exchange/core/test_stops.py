"""Stops on the kernel: when they wake, in what order, and how far work goes."""

import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.state import TEST
from exchange.core.types import (
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)
from tests.exchange.core.builders import ALICE, BOB, CAROL, COARSE, PLAIN, Market, both_engines, fact, reasons

SLEEPING = {"order_type": OrderType.STOP_LIMIT}


@pytest.fixture
def market() -> Market:
    """Return a market of the kernel whose last trade was at 100."""
    market = Market(Engine(TEST))
    trade_at(market, 100)
    market.order_ids.clear()
    return market


def trade_at(market: Market, price_ticks: int) -> list:
    """Let a lot trade at a price."""
    market.sell(ALICE, 1, price_ticks)
    return market.buy(CAROL, 1, price_ticks, self_trade_prevention=SelfTradePrevention.NONE)[2:]


@both_engines
def test_a_stop_sleeps_until_a_trade_at_its_price(market):
    (accepted, terms) = market.buy(BOB, 2, 110, stop_ticks=105, **SLEEPING)
    assert accepted.fields["flags"] == OrderFlag.SLEEPING
    order_id = market.order_id(1)
    assert terms == fact(EventKind.ORDER_TERMS, account=BOB, instrument=PLAIN, order_id=order_id, price_ticks=105)
    assert trade_at(market, 104) == []
    assert trade_at(market, 105) == [
        fact(
            EventKind.ORDER_TRIGGERED,
            order_type=OrderType.STOP_LIMIT,
            account=BOB,
            instrument=PLAIN,
            order_id=order_id,
            price_ticks=110,
            quantity_lots=2,
            leaves_lots=2,
            amount=105,
        )
    ]
    assert market.engine.open_order_rows()["price_ticks"].tolist() == [110]


@both_engines
def test_a_stop_that_is_awake_is_an_order_like_any_other(market):
    market.buy(BOB, 2, 110, stop_ticks=105, **SLEEPING)
    trade_at(market, 105)
    (told,) = market.do(commands.replace_order(BOB, market.order_id(1), 111))
    assert told.kind == EventKind.ORDER_REPLACED


@both_engines
@pytest.mark.parametrize(
    ("side", "stop", "reason"),
    [
        (Side.BUY, 100, RejectReason.WOULD_TRIGGER),
        (Side.BUY, 101, RejectReason.NONE),
        (Side.SELL, 100, RejectReason.WOULD_TRIGGER),
        (Side.SELL, 99, RejectReason.NONE),
    ],
)
def test_a_stop_that_is_due_is_refused(market, side, stop, reason):
    told = market.do(commands.new_order(BOB, PLAIN, side, 100, 1, stop_ticks=stop, **SLEEPING))
    assert reasons(told)[0] == reason


def test_buys_wake_before_sells_each_from_the_nearest_and_in_order_of_arrival(market):
    for stop in (106, 105, 107, 105):
        market.buy(BOB, 1, 90, stop_ticks=stop, **SLEEPING)
    assert [event.fields["order_id"] for event in trade_at(market, 106)] == [
        market.order_id(number) for number in (2, 4, 1)
    ]
    market.do(*(commands.cancel_order(BOB, market.order_id(number)) for number in (1, 2, 4)))
    first = len(market.order_ids)
    for stop in (94, 95, 93, 95):
        market.sell(BOB, 1, 190, stop_ticks=stop, **SLEEPING)
    assert [event.fields["order_id"] for event in trade_at(market, 94)] == [
        market.order_id(first + number) for number in (2, 4, 1)
    ]


def test_what_a_woken_stop_trades_may_wake_the_next(market):
    market.sell(ALICE, 1, 108)
    market.buy(BOB, 1, 110, stop_ticks=105, **SLEEPING)
    market.buy(CAROL, 2, 90, stop_ticks=108, **SLEEPING)
    market.sell(BOB, 1, 1, order_type=OrderType.STOP, stop_ticks=91, time_in_force=TimeInForce.FOK)
    told = trade_at(market, 105)
    assert [(event.kind, event.fields.get("account")) for event in told] == [
        (EventKind.ORDER_TRIGGERED, BOB),
        (EventKind.TRADED, BOB),
        (EventKind.ORDER_TRIGGERED, CAROL),
    ]


def test_a_stop_without_a_limit_trades_what_it_finds_within_the_band_of_its_admission(market):
    market.do(commands.set_price_band(PLAIN, 1, 200))
    market.sell(ALICE, 1, 107)
    market.buy(BOB, 3, 0, order_type=OrderType.STOP, stop_ticks=105)
    triggered, traded, expired = trade_at(market, 105)
    assert (triggered.fields["price_ticks"], triggered.fields["amount"]) == (200, 105)
    assert (traded.fields["price_ticks"], traded.fields["leaves_lots"]) == (107, 2)
    assert expired.fields["reason"] == EndReason.IMMEDIATE_REMAINDER
    assert market.held(BOB) == 0


def test_a_sleeping_stop_cancelled_says_that_it_slept_and_its_limit(market):
    market.buy(BOB, 2, 110, stop_ticks=105, **SLEEPING)
    (told,) = market.do(commands.cancel_order(BOB, market.order_id(1)))
    assert (told.fields["flags"], told.fields["price_ticks"]) == (OrderFlag.SLEEPING, 110)
    assert trade_at(market, 105) == []


def test_nothing_wakes_before_the_first_trade_ever(market):
    market.buy(BOB, 1, 90, stop_ticks=5, instrument=COARSE, **SLEEPING)
    assert market.do(commands.wake_stops(COARSE)) == [fact(EventKind.STOPS_WOKEN, instrument=COARSE)]


def test_an_interruption_leaves_the_other_stops_asleep(market):
    market.do(commands.set_guards(PLAIN, 0, 1_000))
    market.sell(ALICE, 1, 150)
    market.buy(BOB, 1, 160, stop_ticks=105, **SLEEPING)
    market.buy(BOB, 1, 160, stop_ticks=105, **SLEEPING)
    told = trade_at(market, 105)
    assert [event.kind for event in told] == [EventKind.ORDER_TRIGGERED, EventKind.TRADING_STATE_SET]
    assert market.engine.open_order_rows().size == 3


def test_work_ends_and_is_taken_up_again(roomy, work_max):
    trade_at(roomy, 100)
    roomy.send(*[commands.new_order(BOB, PLAIN, Side.BUY, 2, 1, stop_ticks=105, **SLEEPING)] * (work_max + 5))
    told = trade_at(roomy, 105)  # one maker met, one unit of work
    assert [event.kind for event in told] == [EventKind.ORDER_TRIGGERED] * (work_max - 1) + [EventKind.STOPS_WAITING]
    assert told[-1] == fact(EventKind.STOPS_WAITING, instrument=PLAIN)
    told = roomy.do(commands.wake_stops(PLAIN))
    assert [event.kind for event in told] == [EventKind.ORDER_TRIGGERED] * 6 + [EventKind.STOPS_WOKEN]
    assert told[-1] == fact(EventKind.STOPS_WOKEN, instrument=PLAIN, quantity_lots=6)


@both_engines
def test_stops_wake_in_continuous_trading_only(market):
    halt = commands.set_trading_state(PLAIN, TradingState.HALTED)
    told = market.do(commands.wake_stops(9), halt, commands.wake_stops(PLAIN))
    assert reasons(told) == [RejectReason.UNKNOWN_INSTRUMENT, 0, RejectReason.INSTRUMENT_NOT_TRADING]
