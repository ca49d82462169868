"""Candles against a plain grouping of the same trades."""

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.marketdata.candles import INT64_MAX, Candle, CandleRows, Candles, merge
from exchange.marketdata.intervals import DAY_MS, HOUR_MS, MINUTE_MS, Interval, interval_bounds
from tests.exchange.marketdata.builders import add_trade

START_MS = 20_000 * DAY_MS
TRADES = st.lists(
    st.tuples(
        st.sampled_from((0, 1, 30_000, MINUTE_MS, 7 * MINUTE_MS, HOUR_MS, 5 * HOUR_MS, DAY_MS, 11 * DAY_MS)),
        st.integers(90, 110),
        st.integers(1, 9),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


def candles_of(trades, candles_max=2_000):
    candles, time_ms = Candles(candles_max), START_MS
    for trade_id, (pass_ms, price, lots, is_taker_buyer) in enumerate(trades, 1):
        time_ms += pass_ms
        add_trade(candles, time_ms * 1_000_000 + 999_999, trade_id, price, lots, price * lots, is_taker_buyer)
    return candles


def grouped(trades, interval):
    """Return the candles of all trades, made one by one from the trades themselves."""
    groups, time_ms = defaultdict(list), START_MS
    for trade_id, (pass_ms, *trade) in enumerate(trades, 1):
        time_ms += pass_ms
        groups[interval_bounds(interval, time_ms)].append((trade_id, *trade))
    return [candle_of(begin, end, group) for (begin, end), group in groups.items()]


def candle_of(begin, end, group):
    ids, prices, lots, buys = zip(*group, strict=True)
    amounts = [price * count for price, count in zip(prices, lots, strict=True)]
    return Candle(
        begin, prices[0], max(prices), min(prices), prices[-1], sum(lots), end - 1, sum(amounts), len(group),
        sum(count for count, buy in zip(lots, buys, strict=True) if buy),
        sum(amount for amount, buy in zip(amounts, buys, strict=True) if buy),
        ids[0], ids[-1],
    )  # fmt: skip


@given(TRADES, st.sampled_from(Interval))
def test_every_interval_is_a_grouping_of_the_trades(trades, interval):
    assert candles_of(trades).read(interval, None, None, 1_000) == grouped(trades, interval)


@given(TRADES, st.sampled_from(Interval), st.integers(-1, 60), st.integers(-1, 60), st.integers(0, 5))
def test_a_window_holds_what_begins_in_it_and_the_limit_cuts_the_far_end(trades, interval, first, hours, limit):
    candles, every = candles_of(trades), grouped(trades, interval)
    start_ms, end_ms = START_MS + first * HOUR_MS, START_MS + (first + hours) * HOUR_MS
    inside = [candle for candle in every if start_ms <= candle.open_ms <= end_ms]
    before = [candle for candle in every if candle.open_ms <= end_ms]
    assert candles.read(interval, start_ms, end_ms, limit) == inside[:limit]
    assert candles.read(interval, None, end_ms, limit) == before[max(0, len(before) - limit) :]


@given(TRADES, st.sampled_from(Interval), st.integers(0, 4))
def test_the_last_few_are_the_last_of_all(trades, interval, limit):
    every = grouped(trades, interval)
    assert candles_of(trades).read(interval, None, None, limit) == every[max(0, len(every) - limit) :]


@pytest.mark.parametrize("interval", Interval)
def test_a_few_candles_of_many_are_complete_wherever_they_are_cut(interval):
    trades = [(7 * MINUTE_MS, 100 + number % 7, 1, number % 3 == 0) for number in range(1_900)]
    candles, every = candles_of(trades), grouped(trades, interval)
    for limit in (1, 2, 5):
        for index in range(0, len(every), 1 + len(every) // 20):
            open_ms = every[index].open_ms
            assert candles.read(interval, open_ms, None, limit) == every[index : index + limit]
            assert candles.read(interval, open_ms - 1, None, limit) == every[index : index + limit]
            assert candles.read(interval, None, open_ms, limit) == every[max(0, index + 1 - limit) : index + 1]
            assert candles.read(interval, None, open_ms - 1, limit) == every[max(0, index - limit) : index]


@pytest.mark.parametrize("end_ms", [-1 << 60, -1, 0, START_MS - 1])
def test_before_the_first_trade_there_is_nothing(end_ms):
    candles = candles_of([(MINUTE_MS, 100, 1, True)] * 3, candles_max=1)
    assert candles.read(Interval.MONTH_1, None, end_ms - 40 * DAY_MS, 9) == []
    assert candles.read(Interval.MINUTE_1, None, end_ms, 9) == []


def test_times_far_away_harm_nobody():
    candles = candles_of([(MINUTE_MS, 100, 1, True)] * 3)
    assert len(candles.read(Interval.MONTH_1, -1 << 62, 1 << 62, 9)) == 1
    assert candles.read(Interval.MONTH_1, 1 << 62, None, 9) == []


def test_the_minute_grows_until_the_next_one_begins():
    candles = candles_of([(5, 100, 2, True), (5, 99, 1, False)])
    assert candles.minute == Candle(START_MS, 100, 100, 99, 99, 3, START_MS + 59_999, 299, 2, 2, 200, 1, 2)
    assert len(candles.minutes) == 0
    add_trade(candles, (START_MS + MINUTE_MS) * 1_000_000, 3, 105, 1, 105, True)
    assert (candles.minute.open_ms, len(candles.minutes)) == (START_MS + MINUTE_MS, 1)


def test_without_a_trade_there_is_no_candle():
    candles = Candles(2)
    assert candles.minute is None
    assert candles.read(Interval.HOUR_1, None, None, 5) == []


def test_beyond_the_limit_the_oldest_are_forgotten_and_what_lost_its_beginning_is_left_out():
    trades = [(MINUTE_MS, 100 + minute, 1, True) for minute in range(10)]
    candles = candles_of(trades, candles_max=4)
    opens = [candle.open_ms - START_MS for candle in candles.read(Interval.MINUTE_1, None, None, 99)]
    assert opens == [minute * MINUTE_MS for minute in (6, 7, 8, 9, 10)]  # four closed ones and the open one
    assert [candle.open_ms - START_MS for candle in candles.read(Interval.MINUTE_5, None, None, 99)] == [10 * MINUTE_MS]
    assert candles.read(Interval.MINUTE_30, None, None, 99) == grouped(trades, Interval.MINUTE_30)
    assert candles.minutes.dropped == 5


def test_sums_beyond_an_int64_stay_at_its_maximum():
    rows = CandleRows(2)
    candle = Candle(0, 1, 1, 1, 1, 5, 59_999, 1 << 70, 1, 5, 1 << 70, 1, 1)
    rows.append(candle)
    assert rows.row(0) == candle._replace(amount=INT64_MAX, taker_buy_amount=INT64_MAX)


def test_merging_keeps_the_first_open_and_the_last_close():
    earlier = Candle(0, 10, 12, 9, 11, 5, 59_999, 50, 2, 1, 10, 1, 2)
    later = Candle(60_000, 20, 20, 8, 9, 1, 119_999, 9, 1, 0, 0, 3, 3)
    assert merge(earlier, later) == Candle(0, 10, 20, 8, 9, 6, 59_999, 59, 3, 1, 10, 1, 3)


@pytest.mark.parametrize(("open_ms", "row"), [(0, 0), (1, 1), (60_000, 1), (60_001, 2)])
def test_a_row_is_found_by_its_time(open_ms, row):
    rows = CandleRows(5)
    for begin in (0, 60_000):
        rows.append(Candle(begin, 1, 1, 1, 1, 1, 0, 1, 1, 1, 1, 1, 1))
    assert rows.find(open_ms) == row
