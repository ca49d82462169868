"""Audit: follow the chain from the journal over the tape to the ledger, without trusting an engine.

The journal's records must chain by their hashes, its commands be numbered without a gap, and every event on the tape
be of one of them, at its time, in their order; trades must be numbered without a gap and cost what the rates make
them. The rows that the tape means must be those in Postgres, the hashes those of the chain and of every head known from
earlier. What only an engine can tell, whether the commands mean these events, is for reconcile.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

import numpy as np

from exchange.config import EVENT_FOLDER, JOURNAL_FOLDER, Config
from exchange.core.records import COMMAND, EVENT
from exchange.core.types import EventKind
from exchange.events import EventReader
from exchange.journal import frame
from exchange.journal.contract import JournalError
from exchange.journal.frame import RecordKind
from settlement import config
from settlement.comparison import Report
from settlement.differences import Difference
from settlement.fees import Fees
from settlement.progress import Progress, silent
from settlement.reconcile import compare
from settlement.replay import journal_records, missing

_TERMS = (
    "side",
    "account",
    "counter_account",
    "instrument",
    "price_ticks",
    "quantity_lots",
    "amount",
    "fee",
    "counter_fee",
)


async def audit(
    data_dir: Path,
    dsn: str,
    exchange_config: Config | None = None,
    *,
    at_command: int | None = None,
    shard: int = 0,
    progress: Progress = silent,
    heads: Mapping[int, bytes] = MappingProxyType({}),
) -> Report:
    """Audit everything up to a command, or to the end; works beside a running exchange.

    `heads` are hashes known from earlier, by event: whoever keeps them sees a cut or rewritten end.
    """
    tape = partial(Tape, data_dir, exchange_config or Config(), at_command)
    return await compare(dsn, tape, shard, None, is_partial=at_command is not None, progress=progress, heads=heads)


class Tape:
    """The event log held against the journal's commands."""

    def __init__(self, data_dir: Path, exchange_config: Config, at_command: int | None) -> None:
        """Prepare to read up to a command, or to the end of the event log as it is now."""
        self.record_count = 0
        self.head_hash = bytes(frame.HASH_BYTES)
        self.event_count = 0
        self._log = EventReader(data_dir / EVENT_FOLDER)
        self.log_count = self._log.count
        self._journal = data_dir / JOURNAL_FOLDER
        self._segment_bytes = exchange_config.journal_segment_bytes
        self._at_command = at_command
        self._fees = Fees()
        self._trade_count = 0
        self._last_sequence = 0
        self._tick_values = np.empty(0, np.int64)  # of instruments 1, 2 and so on
        self._trades: dict[int, tuple[int, ...] | None] = {}  # terms of the trades that are undone later

    def balances(self) -> None:
        """Return None: a tape knows of no balances but those that its movements make."""

    def events(self) -> Iterator[np.ndarray]:
        """Yield the events of the log, each checked; raises Difference."""
        times = self._command_times()
        self._trades = dict.fromkeys(self._undone())
        try:
            while self.event_count < self.log_count:
                limit = min(config.COMPARED_EVENTS_MAX, self.log_count - self.event_count)
                events = self._log.read(self.event_count, limit)
                if len(events) == 0:
                    raise missing(self.event_count + 1)
                if self._at_command is not None:
                    events = events[events["sequence"] <= self._at_command]
                if len(events) == 0:
                    return
                self._check(events, times)
                self.event_count += len(events)
                yield events
        finally:
            self._log.close()

    def _command_times(self) -> np.ndarray:
        """Return the time of every command in the journal, whose records are checked one against the other."""
        parts = [np.empty(0, np.int64)]
        count = 0
        try:
            for record in journal_records(self._journal, self._segment_bytes):
                self.record_count, self.head_hash = record.position, record.hash
                if record.kind is not RecordKind.COMMANDS:
                    continue
                commands = np.frombuffer(record.payload, COMMAND)
                if not np.array_equal(commands["sequence"], np.arange(count + 1, count + 1 + len(commands))):
                    raise Difference(f"the journal's commands from {count + 1} on are not numbered one after the other")
                count += len(commands)
                parts.append(commands["time_ns"])
        except JournalError as error:
            raise Difference(str(error)) from error
        if self._at_command is not None and count < self._at_command:
            raise Difference(f"the journal ends with command {count}, before command {self._at_command}")
        return np.concatenate(parts)

    def _undone(self) -> list[int]:
        """Return the ids of all trades that the tape says were undone."""
        found: list[int] = []
        for after in range(0, self.log_count, config.COMPARED_EVENTS_MAX):
            events = self._log.read(after, min(config.COMPARED_EVENTS_MAX, self.log_count - after))
            found += events["trade_id"][events["kind"] == EventKind.TRADE_BUSTED].tolist()
        return found

    def _check(self, events: np.ndarray, times: np.ndarray) -> None:
        first = self.event_count + 1
        sequence = events["sequence"]
        known = (sequence >= 1) & (sequence <= len(times))
        _refuse(
            ~known, first, "is of a command that is not in the journal: the journal's end is missing, or was made up"
        )
        _refuse(events["time_ns"] != times[sequence - 1], first, "has another time than its command in the journal")
        falling = np.diff(sequence, prepend=self._last_sequence) < 0
        _refuse(falling, first, "is of an earlier command than the event before it")
        self._last_sequence = int(sequence[-1])
        self._check_trades(events, first)
        self._check_terms(events, first)
        self._fees.check(events, first)

    def _check_terms(self, events: np.ndarray, first: int) -> None:
        """See that instruments are numbered without a gap, and that price and quantity make each trade's notional."""
        kind, instrument = events["kind"], events["instrument"]
        listed = kind == EventKind.INSTRUMENT_LISTED
        known = len(self._tick_values) + np.cumsum(listed)
        _refuse(listed & (instrument != known), first, "lists an instrument under another number than the next")
        self._tick_values = np.concatenate((self._tick_values, events["price_ticks"][listed]))
        traded = np.isin(kind, (EventKind.TRADED, EventKind.TRADE_BUSTED))
        _refuse(
            traded & ((instrument < 1) | (instrument > known)), first, "is a trade of an instrument that is not listed"
        )
        tick_value = np.zeros(len(events), np.int64)
        tick_value[traded] = self._tick_values[instrument[traded] - 1]
        notional = events["price_ticks"] * events["quantity_lots"] * tick_value
        _refuse(traded & (events["amount"] != notional), first, "has another amount than its price and quantity make")

    def _check_trades(self, events: np.ndarray, first: int) -> None:
        """See that trades are numbered without a gap, and that what is undone was done so."""
        traded = np.flatnonzero(events["kind"] == EventKind.TRADED)
        due = np.arange(self._trade_count + 1, self._trade_count + 1 + len(traded))
        wrong = events["trade_id"][traded] != due
        if wrong.any():
            index = int(np.flatnonzero(wrong)[0])
            raise Difference(
                f"the trade of event {first + int(traded[index])} has number {events['trade_id'][traded[index]]}, "
                f"but {due[index]} is next: a trade is missing, or was made up"
            )
        self._trade_count += len(traded)
        if self._trades:
            self._check_undone(events, first)

    def _check_undone(self, events: np.ndarray, first: int) -> None:
        for index in np.flatnonzero(np.isin(events["kind"], (EventKind.TRADED, EventKind.TRADE_BUSTED))).tolist():
            event = events[index]
            trade_id, terms = int(event["trade_id"]), tuple(int(event[name]) for name in _TERMS)
            if event["kind"] == EventKind.TRADED:
                if trade_id in self._trades:
                    self._trades[trade_id] = terms
            elif self._trades.pop(trade_id, None) != terms:
                raise Difference(
                    f"event {first + index} undoes trade {trade_id}, which was another one or is undone already"
                )


def _refuse(wrong: np.ndarray, first: int, reason: str) -> None:
    if wrong.any():
        raise Difference(f"event {first + int(np.flatnonzero(wrong)[0])} {reason}")


assert set(_TERMS) <= set(EVENT.names or ())
