"""Stops in the readable engine: when they wake, in what order, and how far work goes."""

import pytest

from exchange.core import commands, reference_stops
from exchange.core.types import EventKind, OrderType, SelfTradePrevention
from tests.exchange.core.builders import ALICE, BOB, CAROL, PLAIN, Market, fact

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


def test_work_ends_and_is_taken_up_again(market, monkeypatch):
    monkeypatch.setattr(reference_stops, "WORK_MAX", 3)
    for _ in range(4):
        market.buy(BOB, 1, 90, stop_ticks=105, **SLEEPING)
    told = trade_at(market, 105)
    assert [event.kind for event in told] == [EventKind.ORDER_TRIGGERED] * 2 + [EventKind.STOPS_WAITING]
    told = market.do(commands.wake_stops(PLAIN))
    assert [event.kind for event in told] == [EventKind.ORDER_TRIGGERED] * 2 + [EventKind.STOPS_WOKEN]
    assert told[-1] == fact(EventKind.STOPS_WOKEN, instrument=PLAIN, quantity_lots=2)
