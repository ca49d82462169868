"""The tiers of a settlement price, one after the other."""

import numpy as np
import pytest

from exchange.marketdata.folds.prices import BOOK, WINDOW_LOTS, WINDOW_VALUE
from exchange.marketdata.settlements import LAST_TRADES_MAX, Quote, Tier, Trading, clamped
from exchange.methodology import day_of
from tests.exchange.marketdata.builders import MINUTE_NS

DAY_NS = 24 * 60 * MINUTE_NS
NOON = DAY_NS * 20_000 + 4 * 60 * MINUTE_NS  # in China
LATE = NOON + 11 * 60 * MINUTE_NS + 30 * MINUTE_NS  # 23:30


def add(trading, time_ns, trade_id, price_ticks, lots):
    """Let a day have another trade, summed up by itself."""
    book = np.zeros(1, BOOK)[0]
    book["trade_count"], book["last_ids"][0], book["last_ticks"][0] = 1, trade_id, price_ticks
    if time_ns >= LATE:
        book["window_count"], book["window_id"] = 1, trade_id
        book["sums"]["low"][[WINDOW_LOTS, WINDOW_VALUE]] = lots, lots * price_ticks
    trading.add_sums(book)


def price(trading, previous=None):
    row = trading.row("TA.X", 20_000, 1, previous, 1)
    return row.price_ticks, row.tier


def test_days_are_those_of_china():
    assert day_of(NOON) == 20_000
    assert (day_of(LATE + 30 * MINUTE_NS - 1), day_of(LATE + 30 * MINUTE_NS)) == (20_000, 20_001)


def test_the_mean_of_the_window_comes_first():
    trading = Trading()
    add(trading, NOON, 1, 900, 50)
    add(trading, LATE, 2, 100, 1)
    add(trading, LATE + 1, 3, 103, 1)
    assert price(trading) == (102, Tier.WINDOW)  # 101.5 rounded up
    row = trading.row("TA.X", 20_000, 3, None, 1)
    assert (row.trade_count, row.window_count, row.window_lots, row.version) == (3, 2, 2, 3)
    trading.take_back(3, 103, 1)
    assert price(trading) == (100, Tier.WINDOW)
    trading.take_back(2, 100, 1)
    assert price(trading) == (900, Tier.LAST)


def test_then_the_last_trade_between_bid_and_ask():
    trading = Trading()
    add(trading, NOON, 1, 100, 1)
    add(trading, NOON + 1, 2, 110, 1)
    assert price(trading) == (110, Tier.LAST)
    trading.closing = Quote(90, 105)
    assert price(trading) == (105, Tier.LAST)
    trading.take_back(2, 110, 1)
    assert price(trading) == (100, Tier.LAST)


def test_then_what_it_was_before():
    trading = Trading()
    add(trading, NOON, 1, 100, 1)
    before = trading.row("TA.X", 19_999, 1, None, 1)
    trading.take_back(1, 100, 1)
    assert price(trading, before) == (100, Tier.PREVIOUS)
    assert price(trading) == (0, Tier.NONE)


@pytest.mark.parametrize(
    ("ticks", "bid", "ask", "wanted"),
    [(100, 0, 0, 100), (100, 101, 0, 101), (100, 0, 99, 99), (100, 90, 110, 100), (100, 101, 103, 101)],
)
def test_a_price_is_put_between_what_there_is(ticks, bid, ask, wanted):
    assert clamped(ticks, Quote(bid, ask)) == wanted


def test_only_so_many_trades_are_remembered():
    trading = Trading()
    for number in range(1, LAST_TRADES_MAX + 3):
        add(trading, NOON, number, number, 1)
    trading.take_back(1, 1, 1)
    assert price(trading) == (LAST_TRADES_MAX + 2, Tier.LAST)
