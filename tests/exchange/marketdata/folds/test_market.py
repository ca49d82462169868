"""Tables grow while a batch is being applied, and the batch is one batch all the same."""

from exchange.core.types import Side
from exchange.marketdata.intervals import Interval
from exchange.marketdata.market import FIRST_ROOM, MarketData
from tests.exchange.marketdata.builders import BOB, MINUTE_NS, accepted, traded

COUNT = 5 * FIRST_ROOM


def test_one_batch_of_many_instruments_levels_and_trades() -> None:
    rows = [accepted(n, n, Side.SELL, n, 2, instrument=1 + n % 80, account=BOB) for n in range(1, COUNT)]
    market = MarketData()
    assert market.apply(rows) == set(range(1, 81))
    assert sum(len(market.depth_changes(instrument).asks) for instrument in range(1, 81)) == COUNT - 1
    assert market.depth(81, 9).asks == market.depth(0, 9).asks == []
    assert market.orders(4, 9).asks[0] == (3, 1, 3, 2)


def test_a_batch_may_hold_many_minutes() -> None:
    rows = [accepted(1, 1, Side.SELL, 100, COUNT, account=BOB)]
    for number in range(2, COUNT):
        time_ns = number // 4 * MINUTE_NS
        rows.append(accepted(number, number, Side.BUY, 100, 1, time_ns=time_ns))
        rows.append(traded(number, number, Side.BUY, 100, 1, taker=(1, number), time_ns=time_ns))
    market = MarketData()
    assert market.apply(rows) == {1}
    counts = [candle.trade_count for candle in market.candles(1, Interval.MINUTE_1)]
    assert counts == [2] + [4] * (COUNT // 4 - 1)
    assert len(market.trades(1, COUNT)) == COUNT - 2
    assert len(market.depth_changes(1).asks) == 1
