"""How many orders end at once in the readable engine."""

import pytest

from exchange.core import commands, reference_ends
from exchange.core.types import (
    ClearScope,
    EndReason,
    EventKind,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    PLAIN,
    Fact,
    Market,
    fact,
)


@pytest.fixture
def market() -> Market:
    """Return a market of the readable engine."""
    return Market()


def test_a_mass_cancel_ends_so_many_at_a_time(market, monkeypatch):
    monkeypatch.setattr(reference_ends, "WORK_MAX", 2)
    for _ in range(3):
        market.buy(BOB, 1, 100)
    counts = [market.do(commands.mass_cancel(BOB))[-1].fields for _ in range(2)]
    assert [(told.get("quantity_lots"), told.get("leaves_lots")) for told in counts] == [(2, 1), (1, None)]


def ends(told: list[Fact]) -> list[int]:
    """Return the reasons of the orders that ended."""
    return [
        event.fields["reason"] for event in told if event.kind in {EventKind.ORDER_CANCELED, EventKind.ORDER_EXPIRED}
    ]


def test_a_book_is_cleared_in_its_order_and_so_far(market, monkeypatch):
    monkeypatch.setattr(reference_ends, "WORK_MAX", 3)
    market.sell(ALICE, 1, 100)
    market.buy(ALICE, 1, 100, self_trade_prevention=SelfTradePrevention.NONE)
    market.buy(BOB, 1, 110, order_type=OrderType.STOP_LIMIT, stop_ticks=105)
    market.sell(BOB, 1, 90, order_type=OrderType.STOP_LIMIT, stop_ticks=95)
    market.sell(BOB, 1, 101, time_in_force=TimeInForce.DAY)
    market.buy(BOB, 1, 98)
    market.buy(BOB, 1, 99)
    (expired, cleared) = market.do(commands.clear_book(PLAIN, scope=ClearScope.DAY))
    assert (expired.fields["reason"], expired.fields["price_ticks"]) == (EndReason.TIME_OVER, 101)
    assert len(market.do(commands.clear_book(PLAIN, Side.SELL, ClearScope.DAY))) == 1
    told = market.do(commands.clear_book(PLAIN))
    assert [event.fields["price_ticks"] for event in told[:-1]] == [99, 98, 90]
    assert told[-1] == fact(EventKind.BOOK_CLEARED, side=Side.BOTH, instrument=PLAIN, quantity_lots=3, leaves_lots=1)
    assert cleared.fields["state"] == ClearScope.DAY
