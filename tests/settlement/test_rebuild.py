"""The whole ledger from the journal: the same rows, the same head, in a database that had none."""

import asyncio
from pathlib import Path

import pytest

from settlement import config
from settlement.differences import Difference
from settlement.rebuild import NotEmptyError, Rebuilt, rebuild
from settlement.reconcile import reconcile
from tests.settlement.exchanges import CONFIG, flip, journal_file, read
from tests.settlement.posting import contents, fetch


def _rebuild(exchange_dir: Path, dsn: str, at_command: int | None = None) -> Rebuilt:
    return asyncio.run(rebuild(exchange_dir, dsn, CONFIG, at_command=at_command))


def test_the_rebuilt_ledger_is_the_same_but_for_its_batches(exchange_dir: Path, settled: str, empty_dsn: str) -> None:
    made = _rebuild(exchange_dir, empty_dsn)
    assert asyncio.run(contents(empty_dsn, batches=False)) == asyncio.run(contents(settled, batches=False))
    report = asyncio.run(reconcile(exchange_dir, empty_dsn, CONFIG))
    assert report.difference is None
    original = asyncio.run(reconcile(exchange_dir, settled, CONFIG))
    assert made.ledger_head == report.ledger_head == original.ledger_head
    assert made.journal_head == original.journal_head
    assert (made.events, made.trades) == (len(read(exchange_dir)), 50)


def test_small_batches_make_the_same_head(
    exchange_dir: Path, settled: str, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "BATCH_EVENTS_MAX", 7)
    made = _rebuild(exchange_dir, empty_dsn)
    assert made.batches > 20
    assert made.ledger_head == asyncio.run(reconcile(exchange_dir, settled, CONFIG)).ledger_head


def test_it_can_stop_at_a_command(exchange_dir: Path, settled: str, empty_dsn: str) -> None:
    made = _rebuild(exchange_dir, empty_dsn, 60)
    assert made.events == int((read(exchange_dir)["sequence"] <= 60).sum())
    heads = {made.events: bytes.fromhex(made.ledger_head.split(":")[1])}
    assert asyncio.run(reconcile(exchange_dir, settled, CONFIG, heads=heads)).difference is None


def test_a_ledger_that_has_something_is_left_alone(exchange_dir: Path, settled: str) -> None:
    before = asyncio.run(contents(settled))
    with pytest.raises(NotEmptyError):
        _rebuild(exchange_dir, settled)
    assert asyncio.run(contents(settled)) == before


def test_a_damaged_journal_is_not_built_from(exchange_dir: Path, empty_dsn: str, tmp_path: Path) -> None:
    file = tmp_path / "journal" / journal_file(exchange_dir).name
    file.parent.mkdir()
    file.write_bytes(journal_file(exchange_dir).read_bytes())
    flip(file, 700)
    with pytest.raises(Difference, match="corrupt"):
        _rebuild(tmp_path, empty_dsn)
    assert asyncio.run(fetch(empty_dsn, "SELECT count(*) FROM ledger.trades")) == [(0,)]
