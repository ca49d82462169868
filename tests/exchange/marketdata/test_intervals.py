"""Where the intervals begin and end."""

from datetime import UTC, datetime

import pytest

from exchange.marketdata.intervals import Interval, interval_bounds


def ms(text):
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("interval", "begin", "end"),
    [
        ("1m", "2027-01-06T13:47", "2027-01-06T13:48"),
        ("3m", "2027-01-06T13:45", "2027-01-06T13:48"),
        ("5m", "2027-01-06T13:45", "2027-01-06T13:50"),
        ("15m", "2027-01-06T13:45", "2027-01-06T14:00"),
        ("30m", "2027-01-06T13:30", "2027-01-06T14:00"),
        ("1h", "2027-01-06T13:00", "2027-01-06T14:00"),
        ("2h", "2027-01-06T12:00", "2027-01-06T14:00"),
        ("4h", "2027-01-06T12:00", "2027-01-06T16:00"),
        ("6h", "2027-01-06T12:00", "2027-01-06T18:00"),
        ("8h", "2027-01-06T08:00", "2027-01-06T16:00"),
        ("12h", "2027-01-06T12:00", "2027-01-07T00:00"),
        ("1d", "2027-01-06", "2027-01-07"),
        ("3d", "2027-01-05", "2027-01-08"),  # counted from 1970-01-01
        ("1w", "2027-01-04", "2027-01-11"),  # Monday to Monday
        ("1M", "2027-01-01", "2027-02-01"),
    ],
)
def test_an_interval_holds_its_time(interval, begin, end):
    assert interval_bounds(Interval(interval), ms("2027-01-06T13:47:12.345")) == (ms(begin), ms(end))


@pytest.mark.parametrize("interval", Interval)
def test_intervals_follow_each_other_without_a_gap(interval):
    begin, end = interval_bounds(interval, ms("2027-12-31T23:59:59.999"))
    assert interval_bounds(interval, begin) == interval_bounds(interval, end - 1) == (begin, end)
    assert interval_bounds(interval, end)[0] == end


def test_a_year_ends_with_december():
    assert interval_bounds(Interval.MONTH_1, ms("2027-12-15")) == (ms("2027-12-01"), ms("2028-01-01"))


def test_every_interval_has_a_name_of_the_dialect():
    assert " ".join(Interval) == "1m 3m 5m 15m 30m 1h 2h 4h 6h 8h 12h 1d 3d 1w 1M"
