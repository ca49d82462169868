"""The book of the readable engine: who stands where, who is found, what an end tells."""

import pytest

from exchange.core import commands, reference_book
from exchange.core.reference_book import crosses, opposite, rank, walk
from exchange.core.types import (
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)
from tests.exchange.core.builders import ALICE, BOB, CAROL, DAVE, PLAIN, Market


@pytest.fixture
def market() -> Market:
    """Return a market of the readable engine."""
    return Market()


def order(market: Market, number: int):
    """Return an open order."""
    return market.engine.tables.orders[market.order_id(number)]


def test_better_prices_rank_lower():
    assert [rank(Side.BUY, price) for price in (99, 100)] == [-99, -100]
    assert [rank(Side.SELL, price) for price in (99, 100)] == [99, 100]
    assert [opposite(side) for side in (Side.BUY, Side.SELL)] == [Side.SELL, Side.BUY]


def test_orders_cross_at_a_price_that_both_accept_and_without_a_price_at_any(market):
    market.do(commands.set_price_band(PLAIN, 50, 200), commands.set_trading_state(PLAIN, TradingState.PRE_OPEN))
    market.buy(BOB, 1, 100)
    market.sell(ALICE, 1, 100)
    market.sell(ALICE, 1, 101)
    market.buy(BOB, 1, 0, order_type=OrderType.MARKET, time_in_force=TimeInForce.AT_AUCTION)
    buy, sell, dear, unpriced = (order(market, number) for number in (1, 2, 3, 4))
    pairs = ((buy, sell), (sell, buy), (buy, dear), (unpriced, dear), (dear, unpriced))
    assert [crosses(*pair) for pair in pairs] == [True, True, False, True, True]
    assert [found.order_id for found in reference_book.resting(buy.instrument, Side.BUY)] == [
        unpriced.order_id,
        buy.order_id,
    ]


def test_an_iceberg_goes_behind_its_price_when_what_it_shows_is_gone(market):
    market.sell(ALICE, 5, 100, display_lots=2)
    market.sell(CAROL, 2, 100)
    told = market.buy(BOB, 3, 100)
    assert [event.kind for event in told[1:]] == [EventKind.TRADED, EventKind.ORDER_REPLENISHED, EventKind.TRADED]
    assert told[2].fields == {
        "side": Side.SELL,
        "account": ALICE,
        "instrument": PLAIN,
        "order_id": market.order_id(1),
        "price_ticks": 100,
        "quantity_lots": 2,
        "leaves_lots": 1,
    }
    assert told[3].fields["counter_account"] == CAROL


def test_a_walk_finds_what_is_displayed_before_what_is_hidden(market):
    market.sell(ALICE, 5, 100, display_lots=2)
    market.sell(CAROL, 2, 100)
    market.sell(BOB, 1, 101)
    market.buy(DAVE, 1, 101, order_type=OrderType.STOP_LIMIT, stop_ticks=200)
    found = [(maker.account, lots) for maker, lots in walk(market.engine.tables, order(market, 4))]
    assert found == [(ALICE, 2), (CAROL, 0), (ALICE, 3), (BOB, 1)]


@pytest.mark.parametrize(("work", "found"), [(1, [2]), (2, [2, 2]), (3, [2, 2, 3]), (4, [2, 2, 3]), (5, [2, 2, 3, 1])])
def test_a_walk_counts_a_visit_for_each_part_that_would_be_shown(market, monkeypatch, work, found):
    monkeypatch.setattr(reference_book, "WORK_MAX", work)
    market.sell(ALICE, 5, 100, display_lots=2)
    market.sell(CAROL, 2, 100)
    market.sell(BOB, 1, 101)
    options = {"self_trade_prevention": SelfTradePrevention.NONE, "stop_ticks": 200}
    market.buy(DAVE, 1, 101, order_type=OrderType.STOP_LIMIT, **options)
    assert [lots for _, lots in walk(market.engine.tables, order(market, 4))] == found


def test_the_end_of_an_order_tells_where_it_stood_and_what_it_was(market):
    market.do(commands.set_price_band(PLAIN, 50, 200))
    market.do(commands.quote(BOB, PLAIN, (99, 1), (0, 0)))
    market.sell(BOB, 5, 150, display_lots=2)
    market.buy(BOB, 1, 160, order_type=OrderType.STOP_LIMIT, stop_ticks=155)
    market.do(commands.set_trading_state(PLAIN, TradingState.PRE_OPEN))
    market.sell(ALICE, 1, 0, order_type=OrderType.MARKET, time_in_force=TimeInForce.AT_AUCTION)
    told = market.do(
        *(
            commands.cancel_order(account, order_id)
            for account, order_id in zip((BOB, BOB, BOB, ALICE), market.order_ids, strict=True)
        )
    )
    assert [(event.fields["flags"], event.fields.get("price_ticks", 0)) for event in told] == [
        (OrderFlag.RESTING | OrderFlag.QUOTE, 99),
        (OrderFlag.RESTING | OrderFlag.ICEBERG, 150),
        (OrderFlag.SLEEPING, 160),
        (OrderFlag.RESTING | OrderFlag.UNPRICED, 0),
    ]
    assert {event.fields["reason"] for event in told} == {EndReason.REQUESTED}
    assert market.engine.tables.instruments[PLAIN].asleep[Side.BUY] == {}
