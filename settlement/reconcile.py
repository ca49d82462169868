"""Reconcile: prove that journal, event log, ledger and balances are four records of the same history.

The journal is replayed into a fresh engine. Its events must be those of the event log (the public tape), the rows that
they mean must be those in Postgres, byte for byte and hash for hash, and the balances that the postings
make must be the engine's. The first difference ends the pass and is named in plain words.
"""

from pathlib import Path
from typing import NamedTuple

import asyncpg
import numpy as np

from exchange.config import Config
from exchange.core.records import EVENT
from exchange.core.types import AssetKind
from settlement import balances, config, copyformat
from settlement.batch import Batch, State, genesis, prepare
from settlement.connect import AUDITOR_ROLE, connect, fetch_copy
from settlement.differences import Difference, first_difference
from settlement.progress import Progress, silent
from settlement.records import COLUMNS, ISSUANCE_ACCOUNT, OUTSIDE_ACCOUNT, TABLES, shard_base
from settlement.replay import Replay

_BATCHES = """
SELECT batch, first_seq, last_seq, command_sequence, last_time_ns, trade_count, entry_count, previous_hash, hash
FROM ledger.batches WHERE batch > $1 AND batch < $2 ORDER BY batch LIMIT $3
"""
_RANGES = {
    "trades": f"SELECT {COLUMNS['trades']} FROM ledger.trades WHERE seq >= $1 AND seq <= $2 ORDER BY seq",  # noqa: S608
    "entries": f"SELECT {COLUMNS['entries']} FROM ledger.entries WHERE seq >= $1 AND seq <= $2 ORDER BY seq",  # noqa: S608
    "postings": f"SELECT {COLUMNS['postings']} FROM ledger.postings"  # noqa: S608
    " WHERE posting_id >= $1 * 8 AND posting_id < ($2 + 1) * 8 ORDER BY posting_id",
}
_REGISTERS = {
    table: f"SELECT {COLUMNS[table]} FROM ledger.{table} WHERE shard = $1 ORDER BY seq"  # noqa: S608
    for table in ("assets", "accounts", "instruments")
}
_BALANCE_LOG = (
    f"SELECT {COLUMNS['balance_log']} FROM ledger.balance_log"  # noqa: S608
    " WHERE batch >= $1 AND batch <= $2 ORDER BY batch, account, asset"
)
# rows of a shard, whose numbers begin behind $1 and end before $2, that are not of its events up to $3
# and batches up to $4
_CURSOR = "SELECT period_events FROM ledger.settle_cursor WHERE shard = $1"
_STRAYS = """
SELECT 'a trade of event ' || seq FROM ledger.trades WHERE seq > $3 AND seq < $2
UNION ALL SELECT 'an entry of event ' || seq FROM ledger.entries WHERE seq > $3 AND seq < $2
UNION ALL SELECT 'a posting of event ' || (posting_id >> 3) FROM ledger.postings
    WHERE posting_id >= ($3 + 1) * 8 AND posting_id < $2 * 8
UNION ALL SELECT 'a balance of batch ' || batch FROM ledger.balance_log WHERE batch > $4 AND batch < $2
UNION ALL SELECT 'a trade of event ' || seq FROM ledger.trades WHERE seq <= $1 AND $1 = 0
UNION ALL SELECT 'an entry of event ' || seq FROM ledger.entries WHERE seq <= $1 AND $1 = 0
UNION ALL SELECT 'a balance of batch ' || batch FROM ledger.balance_log WHERE batch <= $1 AND $1 = 0
LIMIT 1
"""


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


async def reconcile(
    data_dir: Path,
    dsn: str,
    exchange_config: Config | None = None,
    published: bytes | None = None,
    *,
    at_command: int | None = None,
    shard: int = 0,
    progress: Progress = silent,
) -> Report:
    """Compare everything up to a command, or to the end; works beside a running exchange.

    `published` is the hash of a batch known from earlier. The ledger may be behind the journal, never ahead of it. Its
    moment is fixed first, then the event log's, then the journal's, so that whatever is in one must be in the next.
    """
    connection = await connect(dsn, AUDITOR_ROLE, statement_seconds_max=None)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            # this fixes the moment
            period_events = await connection.fetchval(_CURSOR, shard)
            if period_events is None:
                return Report({}, "", "", f"the ledger has no shard {shard}")
            replay = Replay(data_dir, exchange_config or Config(), at_command)
            state = genesis(shard, period_events)
            work = _Pass(connection, replay, state, published, is_partial=at_command is not None, progress=progress)
            return await work.run()
    finally:
        await connection.close()


class _Pass:
    """The state of one pass: what the events have meant so far, and what is not yet compared."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        replay: Replay,
        state: State,
        published: bytes | None,
        *,
        is_partial: bool,
        progress: Progress,
    ) -> None:
        self._connection = connection
        self._replay = replay
        self._published = published
        self._published_found = published is None
        self._is_partial = is_partial
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
        difference = None
        try:
            for events in self._replay.events():
                await self._take(events)
                self._progress("events", self._replay.engine.event_count, self._replay.log_count)
            await self._finish()
        except Difference as found:
            difference = str(found)
        replay, state = self._replay, self._state
        self._counts["journal records"] = replay.record_count
        self._counts["events"] = replay.engine.event_count
        journal_head = f"{replay.record_count}:{replay.head_hash.hex()}"
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
            batch, self._state = prepare(self._state, self._events[:length])
            self._events = self._events[length:]
            self._rows.pop(0)
            await self._expect(row, batch)

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
                f"{self._replay.engine.event_count} events: the journal's end is missing"
            )
        if self._replay.log_count < self._state.position:
            raise Difference(
                f"the ledger holds {self._state.position} events, the event log only {self._replay.log_count}: "
                "the event log's end is missing"
            )
        await self._compare_rest()
        if not self._is_partial:
            for table, query in _REGISTERS.items():
                await self._compare(table, self._registers[table], query, self._state.shard)
            await self._check_edges()
        self._check_balances()

    async def _compare_rest(self) -> None:
        """Compare the rows of the events that a stated command has reached of a batch that goes further."""
        row = await self._next_row()
        events = self._events[: self._state.events_left]
        if row is None or len(events) == 0:
            return
        rest = prepare(self._state, events)[0]
        for table, query in _RANGES.items():
            await self._compare(table, _copies([rest], table), query, rest.first_seq, rest.last_seq)

    async def _check_edges(self) -> None:
        stray = await self._connection.fetchval(
            _STRAYS, self._base, shard_base(self._state.shard + 1), self._state.last_seq, self._state.batch
        )
        if stray is not None:
            raise Difference(f"{stray} is in the ledger, but in no batch")
        last_seq = await self._connection.fetchval(
            "SELECT last_seq FROM ledger.settle_cursor WHERE shard = $1", self._state.shard
        )
        if last_seq != self._state.last_seq:
            raise Difference(
                f"the ledger's cursor is at event {last_seq}, its last batch ends at {self._state.last_seq}"
            )
        if not self._published_found:
            raise Difference(
                "no batch has the published hash: the ledger's end is missing, or another history stands here"
            )

    def _check_balances(self) -> None:
        """Compare the balances that all postings make with the engine's, what is outside with what was issued."""
        state = self._state
        events = self._events  # not in the ledger yet: added, for the engine is that far
        while len(events):
            taken = state.events_left
            state, events = prepare(state, events[:taken])[1], events[taken:]
        ledger = {row[:2]: row[2] for row in balances.rows(state.balances) if row[2] != 0}
        engine = _engine_balances(self._replay)
        for account, asset in sorted(ledger.keys() | engine.keys()):
            there, wanted = ledger.get((account, asset), 0), engine.get((account, asset), 0)
            if there != wanted:
                raise Difference(
                    f"account {account} has {there} of asset {asset} by the postings, {wanted} by the engine"
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
            shown, wanted = (value.hex() if isinstance(value, bytes) else value for value in (there, expected[name]))
            raise Difference(
                f"batch {batch.batch}: its {name} is stored as {shown}, but its rows and events make {wanted}"
            )


def _engine_balances(replay: Replay) -> dict[tuple[int, int], int]:
    """Return what the engine says each account has, and what the contra accounts must have: all that is not zero."""
    found = {
        (int(row["account"]), int(row["asset"])): int(row["available"]) + int(row["held"])
        for row in replay.engine.balance_rows()
    }
    for row in replay.engine.asset_rows():
        contra = OUTSIDE_ACCOUNT if row["kind"] == AssetKind.CASH else ISSUANCE_ACCOUNT
        found[contra, int(row["asset"])] = int(row["burned"]) - int(row["issued"])
    return {key: amount for key, amount in found.items() if amount}
