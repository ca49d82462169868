"""The line about the machine."""

from benchmarks.machine import describe, fdatasync_us


def test_the_machine_is_told_with_the_versions():
    said = describe()
    assert " processors, " in said
    assert "numba " in said


def test_the_disk_is_probed_and_nothing_is_left_there(tmp_path):
    assert fdatasync_us(tmp_path) > 0
    assert list(tmp_path.iterdir()) == []
