"""The whole day, short: trade, kill, go on, prove; and a trace that cannot be read ends it before it begins."""

import asyncio

import pytest
from rich.console import Console

from api.demo.day import Plan, reconcile, run_day
from api.demo.report import PROOF
from api.demo.usage import TraceError

pytestmark = [pytest.mark.system, pytest.mark.timeout(400)]


def test_a_short_day_proves_itself(tmp_path):
    console = Console(record=True, width=200)
    assert asyncio.run(run_day(Plan(tmp_path, morning_s=2, afternoon_s=2), console))
    text = console.export_text()
    assert "kill -9" in text
    assert f"\n{PROOF}\n" in text


def test_a_bad_trace_is_refused_before_anything_starts(tmp_path):
    trace = tmp_path / "trace.csv"
    trace.write_text("nothing\n")
    with pytest.raises(TraceError):
        asyncio.run(run_day(Plan(tmp_path / "data", trace=trace), Console()))
    assert not (tmp_path / "data").exists()


def test_reconciling_what_is_not_there_fails_with_words(tmp_path):
    check = asyncio.run(reconcile(tmp_path / "nowhere"))
    assert not check.holds
    assert check.detail
