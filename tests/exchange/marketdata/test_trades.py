"""The latest trades, by number and by id."""

import pytest

from exchange.marketdata.trades import Trade, Trades


def trades_of(*trade_ids, trades_max=5):
    trades = Trades(trades_max)
    for trade_id in trade_ids:
        trades.add(Trade(trade_id, trade_id, 100, 1, 100, is_buyer_maker=False))
    return trades


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
    trades = trades_of(2, 3, 5, 7, 9)
    assert [trade.trade_id for trade in trades.read(limit, from_id)] == expected


def test_the_oldest_is_forgotten_beyond_the_limit():
    trades = trades_of(1, 2, 3, trades_max=2)
    assert [trade.trade_id for trade in trades.read(9)] == [2, 3]
