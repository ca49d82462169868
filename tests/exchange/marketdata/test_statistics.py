"""The window of 24 hours."""

from hypothesis import given
from hypothesis import strategies as st

from exchange.marketdata.candles import Candles
from exchange.marketdata.intervals import DAY_MS, HOUR_MS, MINUTE_MS
from exchange.marketdata.statistics import Statistics, Window, empty_statistics
from tests.exchange.marketdata.builders import add_trade

START_MS = 20_000 * DAY_MS


def window_of(*trades):
    candles = Candles(2_000)
    for trade_id, (after_ms, price, lots) in enumerate(trades, 1):
        add_trade(candles, (START_MS + after_ms) * 1_000_000, trade_id, price, lots, price * lots, False)
    return Window(candles)


def test_the_window_sums_the_closed_minutes_and_the_running_one():
    window = window_of((0, 100, 2), (MINUTE_MS, 90, 1), (HOUR_MS, 120, 3), (HOUR_MS + 1, 110, 4))
    now_ms = START_MS + HOUR_MS + 2
    begin_ms = START_MS + HOUR_MS + MINUTE_MS - DAY_MS
    expected = Statistics(begin_ms, now_ms, 100, 120, 90, 110, 0, 10, 1_090, 109, 4, 1, 4)
    assert window.statistics(now_ms) == expected
    assert window.statistics(now_ms) == expected


def test_what_is_a_day_old_leaves_and_its_price_is_the_previous_one():
    window = window_of((0, 100, 2), (HOUR_MS, 120, 3))
    now_ms = START_MS + DAY_MS
    assert window.statistics(now_ms - 1).open_ticks == 100
    found = window.statistics(now_ms)
    assert (found.open_ticks, found.previous_ticks, found.volume_lots, found.first_trade_id) == (120, 100, 3, 2)


def test_after_a_quiet_day_only_the_last_price_stays():
    window = window_of((0, 100, 2), (HOUR_MS, 120, 3))
    now_ms = START_MS + 30 * HOUR_MS
    begin_ms = now_ms + MINUTE_MS - DAY_MS
    assert window.statistics(now_ms) == Statistics(begin_ms, now_ms, 120, 120, 120, 120, 120, 0, 0, 0, 0, -1, -1)


def test_an_instrument_that_never_traded_has_no_prices():
    begin_ms = START_MS + MINUTE_MS - DAY_MS
    assert empty_statistics(START_MS) == Statistics(begin_ms, START_MS, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, -1)


@given(
    st.lists(st.tuples(st.integers(0, 9 * HOUR_MS), st.integers(90, 110), st.integers(1, 9)), min_size=1, max_size=30),
    st.integers(0, 30 * HOUR_MS),
)
def test_the_window_is_a_sum_over_its_trades_whenever_asked(steps, wait_ms):
    candles, time_ms, trades = Candles(2_000), START_MS, []
    window = Window(candles)
    for trade_id, (pass_ms, price, lots) in enumerate(steps, 1):
        time_ms += pass_ms
        add_trade(candles, time_ms * 1_000_000, trade_id, price, lots, price * lots, True)
        trades.append((time_ms, price, lots))
        window.statistics(time_ms)
    found = window.statistics(time_ms + wait_ms)
    inside = [(price, lots) for when, price, lots in trades if when >= found.open_ms]
    assert found.open_ms == (time_ms + wait_ms) // MINUTE_MS * MINUTE_MS + MINUTE_MS - DAY_MS
    assert found.volume_lots == sum(lots for _, lots in inside)
    assert found.amount == sum(price * lots for price, lots in inside)
    assert found.trade_count == len(inside)
    prices = [price for price, _ in inside] or [trades[-1][1]]
    assert (found.open_ticks, found.high_ticks, found.low_ticks) == (prices[0], max(prices), min(prices))
    assert found.last_ticks == trades[-1][1]
