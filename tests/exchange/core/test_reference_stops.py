"""Stops in the readable engine: when they wake, in what order, and how far work goes."""

import pytest

from exchange.core import commands, reference_stops
from exchange.core.types import EventKind, OrderFlag, OrderType, RejectReason, SelfTradePrevention, Side, TradingState
from tests.exchange.core.builders import ALICE, BOB, CAROL, PLAIN, Market, fact, reasons

SLEEPING = {"order_type": OrderType.STOP_LIMIT}


@pytest.fixture
def market() -> Market:
    """Return a market of the readable engine whose last trade was at 100."""
    market = Market()
    trade_at(market, 100)
    market.order_ids.clear()
    return market


def trade_at(market: Market, price_ticks: int) -> list:
    """Let a lot trade at a price."""
    market.sell(ALICE, 1, price_ticks)
    return market.buy(CAROL, 1, price_ticks, self_trade_prevention=SelfTradePrevention.NONE)[2:]


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


def test_a_stop_that_is_awake_is_an_order_like_any_other(market):
    market.buy(BOB, 2, 110, stop_ticks=105, **SLEEPING)
    trade_at(market, 105)
    (told,) = market.do(commands.replace_order(BOB, market.order_id(1), 111))
    assert told.kind == EventKind.ORDER_REPLACED


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


def test_work_ends_and_is_taken_up_again(market, monkeypatch):
    monkeypatch.setattr(reference_stops, "WORK_MAX", 3)
    for _ in range(4):
        market.buy(BOB, 1, 90, stop_ticks=105, **SLEEPING)
    told = trade_at(market, 105)
    assert [event.kind for event in told] == [EventKind.ORDER_TRIGGERED] * 2 + [EventKind.STOPS_WAITING]
    told = market.do(commands.wake_stops(PLAIN))
    assert [event.kind for event in told] == [EventKind.ORDER_TRIGGERED] * 2 + [EventKind.STOPS_WOKEN]
    assert told[-1] == fact(EventKind.STOPS_WOKEN, instrument=PLAIN, quantity_lots=2)


def test_stops_wake_in_continuous_trading_only(market):
    halt = commands.set_trading_state(PLAIN, TradingState.HALTED)
    told = market.do(commands.wake_stops(9), halt, commands.wake_stops(PLAIN))
    assert reasons(told) == [RejectReason.UNKNOWN_INSTRUMENT, 0, RejectReason.INSTRUMENT_NOT_TRADING]
