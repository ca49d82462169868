"""A ledger held against events that come from anywhere: here from memory."""

import asyncio
from collections.abc import Iterator

import numpy as np
import pytest

from settlement import balances
from settlement.batch import genesis, prepare
from settlement.comparison import Report
from settlement.reconcile import compare
from tests.settlement.builders import event, history, stream
from tests.settlement.posting import forge, post_all

EVENTS = history(60)


class Memory:
    """Events in memory, in pieces, with the balances that they make or others."""

    def __init__(self, events: np.ndarray, changed: int = 0) -> None:
        self.record_count, self.head_hash, self.log_count = 0, bytes(32), len(events)
        self.event_count = 0
        self._events = events
        self._changed = changed

    def events(self) -> Iterator[np.ndarray]:
        for begin in range(0, len(self._events), 9):
            piece = self._events[begin : begin + 9]
            self.event_count += len(piece)
            yield piece

    def balances(self) -> dict[tuple[int, int], int]:
        made = prepare(genesis(), self._events)[1].balances
        found = {row[:2]: row[2] for row in balances.rows(made) if row[2]}
        found[1, 1] += self._changed
        return found


def _compare(dsn: str, source: Memory) -> Report:
    return asyncio.run(compare(dsn, lambda: source, 0, None, is_partial=False, progress=lambda *_: None, heads={}))


def test_the_same_events_agree(dsn: str) -> None:
    asyncio.run(post_all(dsn, EVENTS, size=25))
    report = _compare(dsn, Memory(EVENTS))
    assert report.difference is None
    assert report.counts["events"] == len(EVENTS)
    assert report.counts["trades"] == 60


def test_other_balances_are_named(dsn: str) -> None:
    asyncio.run(post_all(dsn, EVENTS[:70], size=25))
    difference = _compare(dsn, Memory(EVENTS, changed=1)).difference
    assert str(difference).startswith("account 1 has ")
    assert str(difference).endswith("by the engine")


def test_fewer_events_than_the_ledger_has_are_a_difference(dsn: str) -> None:
    asyncio.run(post_all(dsn, EVENTS, size=25))
    assert "the journal's end is missing" in str(_compare(dsn, Memory(EVENTS[:40])).difference)


def test_a_batch_that_goes_too_far_is_a_difference(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asyncio.run(post_all(dsn, EVENTS, size=25))
    monkeypatch.setattr("settlement.chain.BLOCK_EVENTS", 16)
    assert "goes beyond its period or its block" in str(_compare(dsn, Memory(EVENTS)).difference)


def test_another_transfer_is_a_difference(dsn: str) -> None:
    moved = stream(EVENTS, event(22, account=1, counter_account=2, asset=1, amount=5, state=3))
    asyncio.run(post_all(dsn, moved))
    asyncio.run(forge(dsn, f"UPDATE ledger.entries SET purpose = 4 WHERE seq = {len(moved)}"))
    assert "purpose is 4 in the ledger, but the events make it 3" in str(_compare(dsn, Memory(moved)).difference)
