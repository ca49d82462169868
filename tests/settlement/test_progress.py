"""Saying nothing is a way to report progress too."""

import pytest

from settlement.progress import Progress, silent


def test_silence_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    progress: Progress = silent
    progress("events", 1, 2)
    assert capsys.readouterr() == ("", "")
