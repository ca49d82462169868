"""The benchmark of a public flow: it tells a time only when its reports are the published ones."""

import numpy as np
import pytest

from benchmarks import flash1

pytestmark = [pytest.mark.real_data, pytest.mark.timeout(600)]  # the first use of a capacity compiles the kernels


def test_reports_are_the_published_ones(data_dir, capsys):
    flash1.main(["--data", str(data_dir), "--runs", "1"])
    printed = capsys.readouterr().out
    assert "200,000 messages, the reports are the published ones" in printed


def test_other_reports_are_told_no_time(data_dir, monkeypatch, capsys):
    messages, published = flash1.read(data_dir)
    altered = [(kind, side, ioc, lots + (number == 0), order, price) for number, (kind, side, ioc, lots, order, price)
               in enumerate(messages[:300])]  # fmt: skip
    monkeypatch.setattr(flash1, "read", lambda _: (altered, published))
    with pytest.raises(SystemExit, match="not the published ones"):
        flash1.main(["--data", str(data_dir), "--runs", "1"])
    assert "messages/s" not in capsys.readouterr().out


def test_where_the_data_sets_are_not_it_says_so(tmp_path):
    with pytest.raises(SystemExit, match="is not there: name the folder"):
        flash1.main(["--data", str(tmp_path)])


def test_a_book_is_the_same_in_one_batch_and_in_many(data_dir):
    messages, _ = flash1.read(data_dir)
    encoded = flash1.resolve(messages[:3_000])
    whole, parts = flash1.open_engine(), flash1.open_engine()
    told = whole.apply(encoded)
    assert np.concatenate([parts.apply(encoded[at : at + 7]) for at in range(0, 3_000, 7)]).tobytes() == told.tobytes()
