"""A batch: a range of events as the bytes that Postgres takes in one transaction, chained to all before.

All of it is a pure function of the state before and the events.
"""

from typing import NamedTuple

import numpy as np

from settlement import balances, chain, config, copyformat, entries
from settlement.balances import Balances
from settlement.chain import Chain
from settlement.records import INSTRUMENT, SHARD_BITS, TABLES, shard_base


class State(NamedTuple):
    """Where a shard's ledger stands: the last batch, and what the next one builds on."""

    batch: int
    last_seq: int
    chain: Chain
    instruments: np.ndarray
    balances: Balances
    period_events: int = config.PERIOD_EVENTS

    @property
    def hash(self) -> bytes:
        """Return the hash of all that is posted."""
        return self.chain.hash

    @property
    def shard(self) -> int:
        """Return the shard."""
        return self.last_seq >> SHARD_BITS

    @property
    def position(self) -> int:
        """Return how many events of the shard are posted: its own number of the last one."""
        return self.last_seq - shard_base(self.shard)

    @property
    def events_left(self) -> int:
        """Return how many events the next batch may have at most: it ends with its period and with its block."""
        return min(self.period_events - self.position % self.period_events, chain.events_left(self.last_seq))


class Batch(NamedTuple):
    """One transaction's worth."""

    batch: int
    first_seq: int
    last_seq: int
    command_sequence: int  # of the last event: how far the journal is settled
    last_time_ns: int
    trade_count: int
    entry_count: int
    previous_hash: bytes
    hash: bytes
    period: int
    tables: dict[str, np.ndarray]
    copies: dict[str, bytes]  # table -> COPY data, only of tables that get rows

    @property
    def shard(self) -> int:
        """Return the shard."""
        return self.last_seq >> SHARD_BITS


def genesis(shard: int = 0, period_events: int = config.PERIOD_EVENTS) -> State:
    """Return the state of an empty ledger."""
    base = shard_base(shard)
    return State(base, base, chain.genesis(), np.empty(0, INSTRUMENT), balances.empty(base), period_events)


def prepare(state: State, events: np.ndarray) -> tuple[Batch, State]:
    """Return the batch that posts the EVENT records behind the state's last, at least one, and the state behind it."""
    assert 0 < len(events) <= state.events_left, "a batch ends with its period and with its block"
    number = state.batch + 1
    found = entries.rows(events, state.last_seq + 1, state.instruments)
    running, log = balances.after(state.balances, found.movements, number)
    tables = {**found._asdict(), "balance_log": log}
    tables = {table: tables[table] for table in TABLES}
    copies = {table: copyformat.encode(rows) for table, rows in tables.items() if len(rows)}
    last = events[-1]
    last_seq, sequence, time_ns = state.last_seq + len(events), int(last["sequence"]), int(last["time_ns"])
    reached = chain.after(state.chain, (last_seq, sequence, time_ns), copies)
    batch = Batch(
        batch=number,
        first_seq=state.last_seq + 1,
        last_seq=last_seq,
        command_sequence=sequence,
        last_time_ns=time_ns,
        trade_count=len(found.trades),
        entry_count=len(found.entries),
        previous_hash=state.hash,
        hash=reached.hash,
        period=state.position // state.period_events,
        tables=tables,
        copies=copies,
    )
    instruments = np.concatenate((state.instruments, found.instruments))
    return batch, State(number, last_seq, reached, instruments, running, state.period_events)


def resume(state: State, events: np.ndarray) -> State:
    """Return a loaded state with its chain recomputed from the events of its block that are posted already.

    `state.chain` must be the one at the block's beginning. The hash that results tells whether these are the events.
    """
    start = chain.block_start(state.last_seq)
    if start == state.last_seq:
        return state
    known = state.instruments[state.instruments["seq"] <= start]
    found = entries.rows(events, start + 1, known)
    copies = {table: copyformat.encode(rows) for table, rows in found._asdict().items() if len(rows)}
    last = (state.last_seq, int(events[-1]["sequence"]), int(events[-1]["time_ns"]))
    return state._replace(chain=chain.after(state.chain, last, copies))
