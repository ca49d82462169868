"""What follows from the terms of a series: how much may be issued, how green it is, what stands behind it."""

import pytest

from exchange.registry.series import Direction, SeriesNamed, capacity_key, collateral, coverage_bps, issuable

SERIES = SeriesNamed(
    asset=2, issuer=1, grade="Q3", direction=Direction.OUT, hub="GZ", window="D1", start_ns=0, end_ns=86_400 * 10**9,
    green_bps=8_000, is_firm=False, collateral_account=1, collateral_per_lot=3, wh_per_lot=100,
)  # fmt: skip


def test_capacity_times_the_minutes_of_the_window_may_be_issued() -> None:
    assert issuable(SERIES, 1_000) == 1_440_000
    assert capacity_key(1, "GZ", "D1") != capacity_key(1, "GZ", "D2")


@pytest.mark.parametrize(("wh", "bps"), [(0, 0), (7_999, 7_999), (8_000, 8_000), (10_001, 10_001)])
def test_coverage_is_rounded_down(wh: int, bps: int) -> None:
    assert coverage_bps(wh, 100 * SERIES.lot_units, SERIES) == bps
    assert coverage_bps(wh, 100 * SERIES.lot_units + 1, SERIES) == max(0, bps - 1)


def test_collateral_is_rounded_up() -> None:
    assert [collateral(SERIES, tokens) for tokens in (0, 1, 1_000_000, 1_000_001)] == [0, 1, 3, 4]
