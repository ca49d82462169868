"""Flows in which nobody means harm: none of them is spoken of."""

import pytest

from benchmarks import surveillance

pytestmark = pytest.mark.timeout(600)  # the first use of a capacity compiles the kernels


@pytest.mark.parametrize("flow", [surveillance.makers, surveillance.orders])
def test_makers_are_not_spoken_of(flow, monkeypatch):
    monkeypatch.setattr(surveillance, "BOOKS", 1)
    told = flow(3_000)
    assert (told.refused, told.alerts) == (0, {})
    assert told.commands >= 3_000


@pytest.mark.real_data
def test_a_recorded_morning_is_not_spoken_of(data_dir, monkeypatch):
    monkeypatch.setattr(surveillance, "MORNINGS", 2)
    assert surveillance.morning(data_dir).alerts == {}
