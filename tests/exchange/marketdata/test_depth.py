"""The sum of several updates."""

import pytest

from exchange.marketdata.depth import DepthAccumulator, DepthUpdate


def test_an_accumulator_sums_updates_and_gives_them_once():
    accumulator = DepthAccumulator()
    accumulator.add(DepthUpdate(3, 4, 2, [(100, 3), (99, 0)], []))
    accumulator.add(DepthUpdate(5, 4, 4, [], []))
    accumulator.add(DepthUpdate(5, 9, 4, [(101, 1), (100, 0)], [(103, 4), (102, 2)]))
    assert accumulator.take() == DepthUpdate(3, 9, 2, [(101, 1), (100, 0), (99, 0)], [(102, 2), (103, 4)])
    assert accumulator.take() is None
    accumulator.add(DepthUpdate(20, 21, 19, [(99, 8)], []))
    assert accumulator.take() == DepthUpdate(20, 21, 19, [(99, 8)], [])


def test_an_accumulator_does_not_hide_a_gap():
    accumulator = DepthAccumulator()
    accumulator.add(DepthUpdate(3, 4, 2, [(100, 3)], []))
    with pytest.raises(AssertionError):
        accumulator.add(DepthUpdate(6, 7, 5, [(100, 4)], []))
