"""The latency benchmark: every report and trade is waited for, and the parts of an order's way in are timed."""

import json

import pytest

from benchmarks import latency

pytestmark = pytest.mark.timeout(300)  # the first use of a capacity compiles the kernels


def test_everything_is_told_as_json(capsys):
    latency.main(["--seconds", "0.3", "--rounds", "1", "--loads", "20", "--json"])
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["benchmark"] for row in rows] == ["capacity", "latency", "rest", "parts"]
    assert 0 < rows[1]["report_p50_us"] <= rows[1]["report_p99_us"]
    assert rows[3]["together"] > 0


def test_quantiles_are_of_the_ordered_values():
    assert latency.quantiles_us([0.003, 0.001, 0.002]) == (2000.0, 3000.0)
