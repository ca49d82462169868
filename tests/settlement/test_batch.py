"""Batches: what they carry, and the chain of their hashes."""

from hashlib import sha256

import numpy as np

from settlement import copyformat
from settlement.batch import GENESIS_HASH, Batch, State, chain, genesis, prepare
from tests.settlement.builders import history, market, quiet, stream


def _batches(events: np.ndarray, size: int) -> tuple[list[Batch], State]:
    state, found = genesis(), []
    for begin in range(0, len(events), size):
        batch, state = prepare(state, events[begin : begin + size])
        found.append(batch)
    return found, state


def test_a_batch_says_what_it_covers() -> None:
    events = history(10)
    batch, state = prepare(genesis(), events)
    last = len(events)
    assert (batch.batch, batch.first_seq, batch.last_seq) == (1, 1, last)
    assert (batch.command_sequence, batch.last_time_ns) == (last, last * 1000)
    assert (batch.trade_count, batch.entry_count) == (10, 4 * 3 + 3)
    assert (batch.previous_hash, batch.hash) == (GENESIS_HASH, state.hash)
    assert (state.batch, state.last_seq, len(state.instruments)) == (1, last, 2)


def test_copies_are_the_tables_that_have_rows() -> None:
    batch, _ = prepare(genesis(), market())
    assert list(batch.copies) == ["assets", "accounts", "instruments", "entries", "postings", "balance_log"]
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


def test_any_change_changes_the_hash() -> None:
    batch, _ = prepare(genesis(), market())
    header = (batch.batch, batch.first_seq, batch.last_seq, batch.command_sequence)
    assert chain(GENESIS_HASH, header, batch.copies) == batch.hash
    changed = {**batch.copies, "entries": batch.copies["entries"][:-3] + b"\1\xff\xff"}
    others = [
        chain(b"\1" * 32, header, batch.copies),
        chain(GENESIS_HASH, (2, *header[1:]), batch.copies),
        chain(GENESIS_HASH, header, changed),
    ]
    assert len({batch.hash, *others}) == 4


def test_the_hash_is_sha_256_of_the_one_before_the_header_and_the_tables_in_order() -> None:
    copies = {"trades": b"T", "postings": b"P"}
    header = b"".join(number.to_bytes(8, "little") for number in (1, 2, 3, 4))
    assert chain(GENESIS_HASH, (1, 2, 3, 4), copies) == sha256(GENESIS_HASH + header + b"TP").digest()
