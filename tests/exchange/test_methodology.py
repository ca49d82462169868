"""Versions of the methodology: a day has one, which follows from the documents alone."""

import msgspec
import pytest

from exchange.core.types import DAY_NS
from exchange.methodology import FIRST, Methodology, MethodologySet, day_of, first_methodology, in_force

HOUR_NS = DAY_NS // 24


def version(number, first_day):
    return MethodologySet(number, first_day, 0, "", Methodology())


@pytest.mark.parametrize(("day", "number"), [(0, 1), (9, 1), (10, 2), (11, 2), (12, 4), (13, 4), (20, 4)])
def test_the_latest_version_that_has_begun_is_in_force(day, number):
    versions = [FIRST, version(2, 10), version(3, 13), version(4, 12)]  # the third never is
    assert in_force(versions, day).version == number


def test_before_all_of_them_the_first_is():
    assert in_force([], 5) == in_force([version(2, 10)], 5) == first_methodology(5) == FIRST


def test_a_day_begins_at_midnight_in_china():
    assert [day_of(20_000 * DAY_NS - 8 * HOUR_NS + shift) for shift in (-1, 0)] == [19_999, 20_000]


def test_a_version_survives_its_way_through_the_journal():
    assert msgspec.json.decode(msgspec.json.encode(version(2, 10)), type=MethodologySet) == version(2, 10)
    assert sum(Methodology().quality_weights.values()) == 100
    assert Methodology(settlement_window_minutes=10).window_ns == 600 * 10**9
