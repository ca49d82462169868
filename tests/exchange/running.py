"""A sequencer on a directory, opened by recovery and driven by plain calls: what several tests start and kill."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

from exchange.clock import ManualClock
from exchange.config import Config
from exchange.core import commands
from exchange.core.state import TEST
from exchange.core.types import AssetKind, Side, TradingState
from exchange.events import Event, EventLog
from exchange.journal.contract import Journal
from exchange.journal.file import FileJournal
from exchange.recovery import Recovered, recover
from exchange.sequencer import Batch, Sequencer
from exchange.snapshots import Snapshots

T = TypeVar("T")
SMALL = Config(capacity=TEST, journal_segment_bytes=1 << 20, queue_commands_max=8000, submission_commands_max=1000)
CASH, BASE, INSTRUMENT = 1, 2, 1
ALICE, BOB = 1, 2


class Documents:
    """In the place of the registry: the documents and the rare events in the order in which they came."""

    def __init__(self) -> None:
        self.documents: list[bytes] = []
        self.kinds: list[int] = []

    def check(self, document: bytes) -> None:
        if document == b"refused":
            raise ValueError("the document is refused")

    def apply(self, document: bytes, sequence: int = 0) -> None:
        self.documents.append(document)

    def apply_events(self, rows: list[Event]) -> None:
        self.kinds += [row.kind for row in rows if row.kind >= 15]

    def snapshot(self) -> bytes:
        return b"\n".join([bytes(self.kinds), *self.documents])

    def restore(self, data: bytes) -> None:
        kinds, *self.documents = data.split(b"\n")
        self.kinds = list(kinds)


def market() -> list[bytes]:
    """Return the commands that open one instrument to two rich accounts."""
    return [
        commands.create_asset(CASH, AssetKind.CASH),
        commands.create_account(ALICE),
        commands.create_account(BOB),
        commands.create_asset(BASE, AssetKind.ALLOWANCE, BOB),
        commands.list_instrument(
            INSTRUMENT, BASE, CASH, lot_units=1000, tick_value=10, quantity_min=1, quantity_max=10**6
        ),
        commands.set_trading_state(INSTRUMENT, TradingState.CONTINUOUS),
        commands.deposit(ALICE, CASH, 10**12),
        commands.issue(BOB, BASE, 10**12),
    ]


def trading(count: int) -> list[bytes]:
    """Return orders of which every second one trades."""
    made = []
    for number in range(count // 2):
        price = 100 + number % 7
        made.append(commands.new_order(BOB, INSTRUMENT, Side.SELL, price, 2))
        made.append(commands.new_order(ALICE, INSTRUMENT, Side.BUY, price, 2))
    return made


class Running:
    """Everything that a sequencer needs, from one directory."""

    def __init__(self, directory: Path, config: Config = SMALL, journal: Journal | None = None) -> None:
        self.clock = ManualClock(1_000)
        self.registry = Documents()
        self.events = EventLog.open(directory / "events")
        self.snapshots = Snapshots(directory / "snapshots", config.snapshots_kept)
        self.journal = journal or FileJournal.open(directory / "journal", config.journal_segment_bytes)
        try:
            self.recovered: Recovered = recover(
                self.journal, self.events, self.snapshots, self.registry, config, lambda *_: None
            )
        except BaseException:
            self.close()
            raise
        self.engine = self.recovered.engine
        self.journal.claim()
        self.batches: list[Batch] = []
        self.sequencer = Sequencer(
            self.engine,
            self.journal,
            self.events,
            self.snapshots,
            self.registry,
            self.clock,
            config,
            time_ns=self.recovered.time_ns,
            snapshot_sequence=self.recovered.snapshot_sequence,
        )
        self.sequencer.add_listener(self._listen)

    def _listen(self, batch: Batch) -> None:
        for document in batch.documents:
            self.registry.apply(document)
        self.registry.apply_events(batch.rows)
        self.batches.append(batch)

    def close(self) -> None:
        self.journal.close()
        self.events.close()

    def run(self, drive: Callable[["Running"], Awaitable[T]], *, stop: bool = True) -> T:
        """Start, drive, stop and close; without `stop` no snapshot is left, as after a kill."""

        async def main() -> T:
            self.sequencer.start(asyncio.get_running_loop())
            try:
                return await drive(self)
            finally:
                if not stop:  # a snapshot is due when this lies behind
                    self.sequencer._hashed_sequence = self.engine.command_sequence
                await self.sequencer.stop()

        try:
            return asyncio.run(main())
        finally:
            self.close()

    async def submit(self, made: list[bytes]) -> list[list[Event]]:
        """Submit commands one by one, all at once, and return what each caused."""
        return await asyncio.gather(*[self.sequencer.submit(command) for command in made])


def run(directory: Path, drive: Callable[[Running], Awaitable[T]], config: Config = SMALL, *, stop: bool = True) -> T:
    """Open, drive and close what is in a directory."""
    return Running(directory, config).run(drive, stop=stop)
