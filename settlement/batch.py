"""A batch: a range of events as the bytes that Postgres takes in one transaction, chained to the batch before.

The hash covers the range and every byte, so equal hashes mean equal ledgers up to there, and whoever has the
events can make the same bytes again. All of it is a pure function of the state before and the events.
"""

from hashlib import sha256
from struct import Struct
from typing import NamedTuple

import numpy as np

from settlement import balances, copyformat, entries
from settlement.balances import Balances
from settlement.records import INSTRUMENT, TABLES

GENESIS_HASH = bytes(32)
_HEADER = Struct("<4q")  # number, first event, last event, last command


class State(NamedTuple):
    """Where the ledger stands: the last batch, and what the next one builds on."""

    batch: int
    last_seq: int
    hash: bytes
    instruments: np.ndarray
    balances: Balances


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
    tables: dict[str, np.ndarray]
    copies: dict[str, bytes]  # table -> COPY data, only of tables that get rows


def genesis() -> State:
    """Return the state of an empty ledger."""
    return State(0, 0, GENESIS_HASH, np.empty(0, INSTRUMENT), balances.empty())


def prepare(state: State, events: np.ndarray) -> tuple[Batch, State]:
    """Return the batch that posts the EVENT records behind the state's last, at least one, and the state behind it."""
    number = state.batch + 1
    found = entries.rows(events, state.last_seq + 1, state.instruments)
    running, log = balances.after(state.balances, found.postings, number)
    tables = dict(zip(TABLES, (*found, log), strict=True))
    copies = {table: copyformat.encode(rows) for table, rows in tables.items() if len(rows)}
    last = events[-1]
    first_seq, last_seq, sequence = state.last_seq + 1, state.last_seq + len(events), int(last["sequence"])
    digest = chain(state.hash, (number, first_seq, last_seq, sequence), copies)
    batch = Batch(
        batch=number,
        first_seq=first_seq,
        last_seq=last_seq,
        command_sequence=sequence,
        last_time_ns=int(last["time_ns"]),
        trade_count=len(found.trades),
        entry_count=len(found.entries),
        previous_hash=state.hash,
        hash=digest,
        tables=tables,
        copies=copies,
    )
    instruments = np.concatenate((state.instruments, found.instruments))
    return batch, State(number, last_seq, digest, instruments, running)


def chain(previous: bytes, header: tuple[int, int, int, int], copies: dict[str, bytes]) -> bytes:
    """Return the hash of a batch: sha-256 of the one before, the header, and the bytes of each table with rows."""
    digest = sha256(previous + _HEADER.pack(*header))
    for table in TABLES:
        digest.update(copies.get(table, b""))
    return digest.digest()
