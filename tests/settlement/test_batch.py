"""Batches: what they carry, how they chain, and where they end."""

import numpy as np
import pytest

from settlement import config, copyformat
from settlement.batch import Batch, State, genesis, prepare, resume
from settlement.chain import GENESIS_HASH, begin
from settlement.records import shard_base
from tests.settlement.builders import history, market, quiet, stream


def _batches(events: np.ndarray, size: int) -> tuple[list[Batch], State]:
    state, found = genesis(), []
    for start in range(0, len(events), size):
        batch, state = prepare(state, events[start : start + size])
        found.append(batch)
    return found, state


def test_a_batch_says_what_it_covers() -> None:
    events = history(10)
    batch, state = prepare(genesis(), events)
    last = len(events)
    assert (batch.batch, batch.first_seq, batch.last_seq) == (1, 1, last)
    assert (batch.command_sequence, batch.last_time_ns) == (last, last * 1000)
    assert (batch.trade_count, batch.entry_count) == (10, 4 * 3 + 6)
    assert (batch.previous_hash, batch.hash) == (GENESIS_HASH, state.hash)
    assert (state.batch, state.last_seq, len(state.instruments)) == (1, last, 2)


def test_copies_are_the_tables_that_have_rows() -> None:
    batch, _ = prepare(genesis(), market())
    assert list(batch.copies) == ["assets", "accounts", "instruments", "entries", "movements", "balance_log"]
    assert all(batch.copies[table] == copyformat.encode(batch.tables[table]) for table in batch.copies)


def test_quiet_events_make_an_empty_batch() -> None:
    _, state = prepare(genesis(), market())
    batch, after = prepare(state, stream(quiet(3), start=state.last_seq + 1))
    assert (batch.copies, batch.trade_count, batch.entry_count) == ({}, 0, 0)
    assert after.last_seq == state.last_seq + 3


def test_batches_chain() -> None:
    found, state = _batches(history(40), 7)
    assert [batch.batch for batch in found] == list(range(1, len(found) + 1))
    assert [batch.first_seq for batch in found[1:]] == [batch.last_seq + 1 for batch in found[:-1]]
    assert [batch.previous_hash for batch in found] == [GENESIS_HASH, *(batch.hash for batch in found[:-1])]
    assert state.hash == found[-1].hash


def test_the_same_events_in_the_same_batches_make_the_same_chain() -> None:
    assert _batches(history(40), 7)[1].hash == _batches(history(40), 7)[1].hash


def test_the_final_balances_do_not_depend_on_the_batches() -> None:
    one, many = (_batches(history(40), size)[1].balances for size in (1000, 3))
    assert one.keys.tolist() == many.keys.tolist()
    assert one.amounts.tolist() == many.amounts.tolist()


def test_the_chain_does_not_depend_on_the_batches() -> None:
    events = history(40)
    whole = _batches(events, 1000)[1].hash
    assert [_batches(events, size)[1].hash for size in (1, 7, 40)] == [whole] * 3


def test_a_batch_ends_with_its_period_and_with_its_block() -> None:
    assert genesis(period_events=10).events_left == 10
    assert genesis(period_events=1 << 40).events_left == config.BLOCK_EVENTS
    _, state = prepare(genesis(period_events=10), stream(quiet(7)))
    assert state.events_left == 3
    with pytest.raises(AssertionError, match="ends with its period"):
        prepare(state, stream(quiet(4), start=8))
    batch, state = prepare(state, stream(quiet(3), start=8))
    following, _ = prepare(state, stream(quiet(1), start=11))
    assert (batch.period, following.period, state.events_left) == (0, 1, 10)


def test_a_shard_numbers_its_events_and_batches_apart() -> None:
    batch, state = prepare(genesis(3), history(10))
    assert (batch.batch, batch.first_seq) == (shard_base(3) + 1, shard_base(3) + 1)
    assert (state.shard, batch.shard, state.position) == (3, 3, len(history(10)))
    assert set(batch.tables["balance_log"]["previous_batch"].tolist()) == {shard_base(3)}
    assert batch.hash != prepare(genesis(), history(10))[0].hash


@pytest.mark.parametrize("size", [1, 33, 60])
def test_a_loaded_state_gets_its_chain_from_the_events_again(size: int) -> None:
    events = history(60)
    state = _batches(events, size)[1]
    loaded = state._replace(chain=begin(GENESIS_HASH))
    assert resume(loaded, events).hash == state.hash
    other = events.copy()
    other["time_ns"][-1 if size == 1 else len(market()) + 2] += 1
    assert resume(loaded, other).hash != state.hash


def test_a_chain_goes_on_from_a_block_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("settlement.chain.BLOCK_EVENTS", 32)
    events = history(60)
    state, seen = genesis(), []
    while state.position < len(events):
        state = prepare(state, events[state.position : state.position + min(9, state.events_left)])[1]
        seen.append(state)
    loaded = seen[-1]._replace(
        chain=begin(next(state.hash for state in seen if state.position == len(events) // 32 * 32))
    )
    assert resume(loaded, events[len(events) // 32 * 32 :]).hash == seen[-1].hash
