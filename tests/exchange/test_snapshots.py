"""Snapshots: whole or not there, two kept, damaged ones passed over."""

import pytest

from exchange.snapshots import HEADER, PREAMBLE, SUFFIX, UNFINISHED, Snapshot, Snapshots, decode


def snapshot(position: int) -> Snapshot:
    return Snapshot(position, b"h" * 32, position * 10, 77, position * 15, b"s" * 32, b"engine" * position, b"registry")


@pytest.fixture
def snapshots(tmp_path):
    return Snapshots(tmp_path / "snapshots", 2)


def test_a_snapshot_comes_back_as_it_was_written(snapshots) -> None:
    snapshots.write(snapshot(3))
    assert list(snapshots.newest_first()) == [snapshot(3)]


def test_empty_parts_come_back_empty(snapshots) -> None:
    empty = snapshot(1)._replace(engine=b"", registry=b"")
    snapshots.write(empty)
    assert list(snapshots.newest_first()) == [empty]


def test_the_newest_two_are_kept(snapshots) -> None:
    for position in (2, 9, 10, 100):
        snapshots.write(snapshot(position))
    assert snapshots.positions == [100, 10]
    assert list(snapshots.newest_first()) == [snapshot(100), snapshot(10)]


def test_a_new_directory_holds_none(snapshots) -> None:
    assert snapshots.positions == []
    assert list(snapshots.newest_first()) == []


def test_every_flipped_byte_is_noticed(snapshots, tmp_path) -> None:
    snapshots.write(snapshot(2))
    [path] = (tmp_path / "snapshots").glob(f"*{SUFFIX}")
    data = path.read_bytes()
    for offset in [*range(12), *range(PREAMBLE.size, len(data))]:  # 12 to 16 are no data
        damaged = bytearray(data)
        damaged[offset] ^= 4
        assert decode(bytes(damaged)) is None


def test_a_snapshot_cut_short_is_damaged(snapshots, tmp_path) -> None:
    snapshots.write(snapshot(2))
    [path] = (tmp_path / "snapshots").glob(f"*{SUFFIX}")
    data = path.read_bytes()
    assert [decode(data[:length]) for length in range(len(data))] == [None] * len(data)
    assert len(data) == PREAMBLE.size + HEADER.size + 12 + 8


def test_a_damaged_snapshot_is_passed_over(snapshots, tmp_path) -> None:
    snapshots.write(snapshot(2))
    snapshots.write(snapshot(3))
    newest = max((tmp_path / "snapshots").glob(f"*{SUFFIX}"))
    newest.write_bytes(newest.read_bytes()[:-1] + b"!")
    assert list(snapshots.newest_first()) == [snapshot(2)]


def test_what_a_crash_left_unfinished_is_no_snapshot(snapshots, tmp_path) -> None:
    (tmp_path / "snapshots" / UNFINISHED).write_bytes(b"half")
    assert snapshots.positions == []
    snapshots.write(snapshot(1))
    assert not (tmp_path / "snapshots" / UNFINISHED).exists()


def test_only_the_owner_may_read_a_snapshot(snapshots, tmp_path) -> None:
    snapshots.write(snapshot(1))
    [path] = (tmp_path / "snapshots").glob(f"*{SUFFIX}")
    assert path.stat().st_mode & 0o777 == 0o600
