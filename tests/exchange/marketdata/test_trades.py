"""The latest trades, by number and by id."""

import pytest

from exchange.core.types import Side
from exchange.marketdata.market import MarketData
from tests.exchange.marketdata.builders import BOB, MINUTE_NS, accepted, traded


def market_of(*trade_ids, trades_max=5):
    market = MarketData(trades_max)
    market.apply([accepted(1, 1, Side.SELL, 100, 99, account=BOB)])
    for trade_id in trade_ids:
        taker = accepted(1 + trade_id, 1 + trade_id, Side.BUY, 100, 1)
        market.apply([taker, traded(1 + trade_id, trade_id, Side.BUY, 100, 1, taker=(1, 1 + trade_id))])
    return market


@pytest.mark.parametrize(
    ("limit", "from_id", "expected"),
    [
        (2, None, [7, 9]),
        (9, None, [2, 3, 5, 7, 9]),
        (0, None, []),
        (2, 5, [5, 7]),
        (2, 4, [5, 7]),
        (9, 0, [2, 3, 5, 7, 9]),
        (9, 10, []),
    ],
)
def test_the_latest_or_the_first_from_an_id_on(limit, from_id, expected):
    market = market_of(2, 3, 5, 7, 9)
    assert [trade.trade_id for trade in market.trades(1, limit, from_id)] == expected


def test_the_oldest_is_forgotten_beyond_the_limit():
    market = market_of(1, 2, 3, trades_max=2)
    assert [trade.trade_id for trade in market.trades(1, 9)] == [2, 3]
    assert [trade.trade_id for trade in market.trades(1, 9, 3)] == [3]


@pytest.mark.parametrize(("trades_max", "expected"), [(9, (3, 600)), (3, (3, 600)), (1, (2, 500))])
def test_recent_trades_that_are_forgotten_count_by_their_minutes(trades_max, expected):
    market = MarketData(trades_max)
    for trade_id, minute in enumerate((1, 2, 2), 1):
        market.apply([traded(trade_id, trade_id, Side.BUY, 100 * trade_id, 1, time_ns=minute * MINUTE_NS + 5)])
    assert market.recent(1, MINUTE_NS + 1) == expected
    assert market.recent(1, 2 * MINUTE_NS) == (2, 500)
    assert market.recent(1, 3 * MINUTE_NS) == (0, 0)
