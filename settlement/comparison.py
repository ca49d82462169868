"""Compare a ledger with the events that it should have been made of: row by row, hash by hash, to the end.

The events come from a source: the journal, replayed through a fresh engine, or the event log. The rows that they mean
must be those in Postgres, byte for byte. The first difference ends the pass and is named in plain words.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Protocol

import asyncpg
import numpy as np

from exchange.core.records import EVENT
from settlement import balances, config, copyformat
from settlement.batch import Batch, State, prepare
from settlement.connect import fetch_copy
from settlement.differences import Difference, first_difference
from settlement.progress import Progress
from settlement.records import COLUMNS, TABLES, shard_base

_BATCHES = """
SELECT batch, first_seq, last_seq, command_sequence, last_time_ns, trade_count, entry_count, previous_hash, hash
FROM ledger.batches WHERE batch > $1 AND batch < $2 ORDER BY batch LIMIT $3
"""
_RANGES = {
    "trades": f"SELECT {COLUMNS['trades']} FROM ledger.trades WHERE seq >= $1 AND seq <= $2 ORDER BY seq",  # noqa: S608
    "entries": f"SELECT {COLUMNS['entries']} FROM ledger.entries WHERE seq >= $1 AND seq <= $2 ORDER BY seq",  # noqa: S608
    "movements": f"SELECT {COLUMNS['movements']} FROM ledger.movements"  # noqa: S608
    " WHERE movement_id >= $1 * 2 AND movement_id < ($2 + 1) * 2 ORDER BY movement_id",
}
_REGISTERS = {
    table: f"SELECT {COLUMNS[table]} FROM ledger.{table} WHERE shard = $1 ORDER BY seq"  # noqa: S608
    for table in ("assets", "accounts", "instruments")
}
_BALANCE_LOG = (
    f"SELECT {COLUMNS['balance_log']} FROM ledger.balance_log"  # noqa: S608
    " WHERE batch >= $1 AND batch <= $2 ORDER BY batch, account, asset"
)
_CURSOR = "SELECT batch, last_seq, sealed_seq, hash FROM ledger.settle_cursor WHERE shard = $1"
# rows of a shard, whose numbers begin behind $1 and end before $2, that are not of its events up to $3
# and batches up to $4
_STRAYS = """
SELECT 'a trade of event ' || seq FROM ledger.trades WHERE seq > $3 AND seq < $2
UNION ALL SELECT 'an entry of event ' || seq FROM ledger.entries WHERE seq > $3 AND seq < $2
UNION ALL SELECT 'a movement of event ' || (movement_id >> 1) FROM ledger.movements
    WHERE movement_id >= ($3 + 1) * 2 AND movement_id < $2 * 2
UNION ALL SELECT 'a balance of batch ' || batch FROM ledger.balance_log WHERE batch > $4 AND batch < $2
UNION ALL SELECT 'a trade of event ' || seq FROM ledger.trades WHERE seq <= $1 AND $1 = 0
UNION ALL SELECT 'an entry of event ' || seq FROM ledger.entries WHERE seq <= $1 AND $1 = 0
UNION ALL SELECT 'a balance of batch ' || batch FROM ledger.balance_log WHERE batch <= $1 AND $1 = 0
LIMIT 1
"""


class Source(Protocol):
    """Where the events come from that the ledger is held against."""

    record_count: int  # of the journal, seen so far
    head_hash: bytes  # of the last of them
    log_count: int  # events in the event log when the pass began

    @property
    def event_count(self) -> int:
        """Return the number of events given so far."""

    def events(self) -> Iterator[np.ndarray]:
        """Yield the events in order and in pieces; raises Difference."""

    def balances(self) -> dict[tuple[int, int], int] | None:
        """Return what each account must have behind the last event, all that is not zero; None if not known."""


class Report(NamedTuple):
    """What was compared, and the first difference if there is one."""

    counts: dict[str, int]
    journal_head: str  # position and hash of the last journal record
    ledger_head: str  # last event and hash of the last batch: publish it, and a cut end will show
    difference: str | None

    @property
    def ok(self) -> bool:
        """Return whether all records agree."""
        return self.difference is None


class Comparison:
    """The state of one pass: what the events have meant so far, and what is not yet compared."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        source: Source,
        state: State,
        published: bytes | None,
        *,
        is_partial: bool,
        progress: Progress,
        heads: Mapping[int, bytes],
    ) -> None:
        """Prepare to compare from the empty `state` of a shard on; `heads` are hashes known from earlier, by event."""
        self._connection = connection
        self._source = source
        self._published = published
        self._published_found = published is None
        self._is_partial = is_partial
        self._heads = dict(heads)
        self._progress = progress
        self._state = state
        self._base = state.last_seq
        self._events = np.empty(0, EVENT)  # replayed, not yet in a batch
        self._rows: list[asyncpg.Record] = []  # of batches, fetched, not yet reached
        self._group: list[tuple[asyncpg.Record, Batch]] = []  # stored and expected batches, not yet compared
        self._balance_log: list[bytes] = []  # expected COPY data of the batches behind the one that was compared last
        self._balances_batch = state.batch
        self._registers: dict[str, list[bytes]] = {table: [] for table in _REGISTERS}  # expected COPY data
        self._counts = dict.fromkeys(("journal records", "events", "batches", *TABLES, "balances"), 0)

    async def run(self) -> Report:
        """Compare all there is, and say what was found."""
        difference = None
        try:
            for events in self._source.events():
                await self._take(events)
                self._progress("events", self._source.event_count, self._source.log_count)
            await self._finish()
        except Difference as found:
            difference = str(found)
        source, state = self._source, self._state
        self._counts["journal records"] = source.record_count
        self._counts["events"] = source.event_count
        journal_head = f"{source.record_count}:{source.head_hash.hex()}"
        return Report(self._counts, journal_head, f"{state.position}:{state.hash.hex()}", difference)

    async def _take(self, events: np.ndarray) -> None:
        """Go through the batches that the events complete; those that no batch covers yet stay for the next time."""
        self._events = np.concatenate((self._events, events))
        while (row := await self._next_row()) is not None:
            _check_follows(self._state, row)
            length = row["last_seq"] - self._state.last_seq
            if length > len(self._events):
                return
            if length > self._state.events_left:
                raise Difference(f"batch {row['batch']} goes beyond its period or its block of the chain")
            self._check_heads(length)
            batch, self._state = prepare(self._state, self._events[:length])
            self._events = self._events[length:]
            self._rows.pop(0)
            await self._expect(row, batch)

    def _check_heads(self, length: int) -> None:
        """See that the next so many events make each hash known from earlier that lies among them."""
        position = self._state.position
        for seq in [seq for seq in sorted(self._heads) if position < seq <= position + length]:
            made = prepare(self._state, self._events[: seq - position])[0].hash
            if made != self._heads.pop(seq):
                raise Difference(f"the head at event {seq} is {made.hex()}, not the one known from earlier")

    async def _next_row(self) -> asyncpg.Record | None:
        if not self._rows:
            self._rows = await self._connection.fetch(
                _BATCHES, self._state.batch, shard_base(self._state.shard + 1), config.COMPARED_BATCHES_MAX
            )
        return self._rows[0] if self._rows else None

    async def _expect(self, row: asyncpg.Record, batch: Batch) -> None:
        """Keep what a batch should be, until there is enough to fetch and compare."""
        self._group.append((row, batch))
        self._balance_log += _copies([batch], "balance_log")
        for table, parts in self._registers.items():
            parts.extend(_copies([batch], table))
        covered = batch.last_seq - self._group[0][1].first_seq + 1
        if covered >= config.COMPARED_EVENTS_MAX or len(self._group) >= config.COMPARED_BATCHES_MAX:
            await self._compare_group()
        if sum(map(len, self._balance_log)) >= config.COMPARED_BALANCE_BYTES_MAX:
            await self._compare_balance_log()

    async def _compare_group(self) -> None:
        """Compare rows before hashes: a changed row says more than a changed hash."""
        group, self._group = self._group, []
        if not group:
            return
        first_seq, last_seq = group[0][1].first_seq, group[-1][1].last_seq
        for table, query in _RANGES.items():
            await self._compare(table, _copies([batch for _, batch in group], table), query, first_seq, last_seq)
        for row, batch in group:
            _check_batch(row, batch)
            self._published_found |= batch.hash == self._published
        self._counts["batches"] += len(group)

    async def _compare_balance_log(self) -> None:
        copies, self._balance_log = self._balance_log, []
        first, last = self._balances_batch + 1, self._state.batch
        await self._compare("balance_log", copies, _BALANCE_LOG, first, last)
        self._balances_batch = last

    async def _compare(self, table: str, copies: list[bytes], query: str, *arguments: int) -> None:
        """Compare as bytes what the events mean with what a query gives; look into the rows only where they differ."""
        expected = copyformat.join(copies)
        found = await fetch_copy(self._connection, query, *arguments)
        dtype = TABLES[table]
        if found != expected:
            rows = (copyformat.decode(data, dtype) for data in (expected, found))
            raise Difference(first_difference(table, *rows))
        self._counts[table] += copyformat.count(expected, dtype)

    async def _finish(self) -> None:
        """Compare what is left, then the ends: registers, rows outside all batches, and the balances."""
        await self._compare_group()
        await self._compare_balance_log()
        row = await self._next_row()
        if row is not None and not self._is_partial:
            raise Difference(
                f"batch {row['batch']} settles up to event {row['last_seq']}, but the journal makes only "
                f"{self._source.event_count} events: the journal's end is missing"
            )
        if self._source.log_count < self._state.position:
            raise Difference(
                f"the ledger holds {self._state.position} events, the event log only {self._source.log_count}: "
                "the event log's end is missing"
            )
        await self._compare_rest()
        if not self._is_partial:
            for table, query in _REGISTERS.items():
                await self._compare(table, self._registers[table], query, self._state.shard)
            await self._check_edges()
        self._check_published()
        if self._heads:
            raise Difference(
                f"the ledger ends with event {self._state.position}, before event {min(self._heads)} whose head is "
                "known from earlier: the ledger's end is missing"
            )
        self._check_balances()

    async def _compare_rest(self) -> None:
        """Compare the rows of the events that a stated command has reached of a batch that goes further."""
        row = await self._next_row()
        events = self._events[: self._state.events_left]
        if row is None or len(events) == 0:
            return
        self._check_heads(len(events))
        rest = prepare(self._state, events)[0]
        for table, query in _RANGES.items():
            await self._compare(table, _copies([rest], table), query, rest.first_seq, rest.last_seq)

    async def _check_edges(self) -> None:
        stray = await self._connection.fetchval(
            _STRAYS, self._base, shard_base(self._state.shard + 1), self._state.last_seq, self._state.batch
        )
        if stray is not None:
            raise Difference(f"{stray} is in the ledger, but in no batch")
        state = self._state
        cursor = await self._connection.fetchrow(_CURSOR, state.shard)
        assert cursor is not None, "the pass began with it"
        if cursor["last_seq"] != state.last_seq:
            raise Difference(
                f"the ledger's cursor is at event {cursor['last_seq']}, its last batch ends at {state.last_seq}"
            )
        wanted = {"batch": state.batch, "sealed_seq": state.last_seq, "hash": state.hash}
        for name, value in wanted.items():
            if cursor[name] != value:
                there, made = _shown(cursor[name]), _shown(value)
                raise Difference(f"the ledger's cursor: its {name} is {there}, but the last batch makes it {made}")

    def _check_published(self) -> None:
        if self._published_found:
            return
        if self._is_partial:
            raise Difference(
                f"no batch up to event {self._state.position} has the published hash: "
                "it is of a later one, which was not compared, or another history stands here"
            )
        raise Difference("no batch has the published hash: the ledger's end is missing, or another history stands here")

    def _check_balances(self) -> None:
        """Compare the balances that all movements make with the engine's, what is outside with what was issued."""
        engine = self._source.balances()
        if engine is None:
            return
        state = self._state
        events = self._events  # not in the ledger yet: added, for the engine is that far
        while len(events):
            taken = state.events_left
            state, events = prepare(state, events[:taken])[1], events[taken:]
        ledger = {row[:2]: row[2] for row in balances.rows(state.balances) if row[2] != 0}
        for account, asset in sorted(ledger.keys() | engine.keys()):
            there, wanted = ledger.get((account, asset), 0), engine.get((account, asset), 0)
            if there != wanted:
                raise Difference(
                    f"account {account} has {there} of asset {asset} by the movements, {wanted} by the engine"
                )
        self._counts["balances"] = len(engine)


def _copies(batches: list[Batch], table: str) -> list[bytes]:
    return [batch.copies[table] for batch in batches if table in batch.copies]


def _check_follows(state: State, row: asyncpg.Record) -> None:
    if (row["batch"], row["first_seq"]) != (state.batch + 1, state.last_seq + 1):
        raise Difference(
            f"batch {state.batch + 1}, beginning with event {state.last_seq + 1}, is missing: "
            f"the next one there is batch {row['batch']}, beginning with event {row['first_seq']}"
        )


def _check_batch(row: asyncpg.Record, batch: Batch) -> None:
    expected = batch._asdict()
    for name, there in row.items():
        if there != expected[name]:
            shown, wanted = _shown(there), _shown(expected[name])
            raise Difference(
                f"batch {batch.batch}: its {name} is stored as {shown}, but its rows and events make {wanted}"
            )


def _shown(value: object) -> object:
    return value.hex() if isinstance(value, bytes) else value
