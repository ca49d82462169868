"""The keeper: the ledger's processes come back when they die, and end in order."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from api.keeper import Keeper
from settlement.connect import UnsafeServerError
from settlement.embedded import Embedded, PostgresError


def _children(name: str) -> list[psutil.Process]:
    return [child for child in psutil.Process().children() if name in _line(child)]


def _line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it ended in this moment
        return ""


def _wait(condition: Callable[[], object]) -> None:
    for _ in range(300):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("waited for nothing")


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[Keeper]:
    kept = Keeper(tmp_path, None)
    kept.start()
    yield kept
    kept.stop()


def test_it_brings_up_database_and_poster_and_takes_them_down(keeper: Keeper) -> None:
    assert keeper.dsn().startswith("postgresql://")
    assert len(_children("settlement.poster")) == 1
    keeper.stop()
    assert not _children("settlement.poster")
    assert keeper._postgres is not None
    assert keeper._postgres.pid is None
    keeper.stop()


def test_a_poster_that_dies_comes_back(keeper: Keeper) -> None:
    keeper.dsn()
    first = _children("settlement.poster")[0].pid
    os.kill(first, signal.SIGKILL)
    _wait(lambda: [child for child in _children("settlement.poster") if child.pid != first])


def test_a_database_that_dies_comes_back_at_the_same_address(keeper: Keeper) -> None:
    dsn = keeper.dsn()
    assert keeper._postgres is not None
    first = keeper._postgres.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    _wait(lambda: keeper._postgres is not None and keeper._postgres.pid not in {None, first})
    assert keeper._postgres.dsn == dsn


def test_what_keeps_the_ledger_from_starting_is_told(tmp_path: Path) -> None:
    holder = Embedded(tmp_path / "postgres")
    holder.start()
    kept = Keeper(tmp_path, None)
    kept.start()
    with pytest.raises(PostgresError, match="another process"):
        kept.dsn()
    kept.stop()
    holder.stop()


def test_a_database_that_may_forget_is_refused(tmp_path: Path) -> None:
    careless = Embedded(tmp_path / "other", {**Embedded(tmp_path / "x").settings, "synchronous_commit": "off"})
    careless.start()
    kept = Keeper(tmp_path, careless.dsn)
    kept.start()
    with pytest.raises(UnsafeServerError, match="synchronous_commit"):
        kept.dsn()
    kept.stop()
    careless.stop()


def test_a_keeper_that_never_started_stops(tmp_path: Path) -> None:
    Keeper(tmp_path / "nowhere", "postgresql://nowhere").stop()
    assert list(tmp_path.iterdir()) == []
