"""The exchange in one piece: engine, journal, event log, sequencer, registry and views of one data directory.

Opening recovers everything that the directory holds; from then on one listener keeps registry and views at the last
durable batch, on the event loop's thread.
"""

import asyncio
import gc
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Self, TypeVar

import numpy as np
import structlog

from exchange.asked import AskedOrders
from exchange.clock import Clock, SystemClock
from exchange.config import EVENT_FOLDER, JOURNAL_FOLDER, SNAPSHOT_FOLDER, Config
from exchange.core.engine import Engine
from exchange.core.records import COMMAND, EVENT
from exchange.core.types import SECOND_NS
from exchange.events import Event, EventLog, Events
from exchange.expiry import Expiry
from exchange.journal.contract import Journal
from exchange.journal.file import FileJournal
from exchange.marketdata.accountevents import AccountEvents
from exchange.marketdata.folds.frames import checked
from exchange.marketdata.folds.results import results
from exchange.marketdata.market import MarketData
from exchange.marketdata.notices import Notices
from exchange.marketdata.orders import OrderHistory
from exchange.marketdata.prices import DailyPrices
from exchange.recovery import Progress, rebuild, recover
from exchange.registry.registry import Registry
from exchange.sequencer import Batch, Overloaded, Sequencer, Stopped
from exchange.snapshots import Snapshots
from exchange.surveillance.follower import Follower
from exchange.surveillance.interest import Interests
from exchange.surveillance.watch import Watch
from exchange.timers import Timers
from exchange.usage.ids import UsageIndex

T = TypeVar("T")
log = structlog.get_logger()


def tune(config: Config) -> None:
    """Set the interpreter up for threads that hand much over and for events that live shortly."""
    # the kernel and the disk run without the interpreter's lock: what counts is how soon they get it back
    sys.setswitchinterval(config.thread_switch_us / 1_000_000)
    # events hold no cycles, yet by default the search for some takes a third of the time that a command costs
    gc.set_threshold(config.collector_objects, 20, 100)


def compile_folds() -> None:
    """Compile what views and frames call, or read it from disk, before somebody waits for it."""
    MarketData()
    OrderHistory()
    AccountEvents()
    Interests()
    nothing = np.zeros(0, np.uint8)
    checked(np.zeros(0, COMMAND), 0, nothing, nothing, nothing)
    results(np.zeros(0, COMMAND), np.zeros(0, EVENT))


def _silent(_what: str, _done: int, _total: int) -> None:
    """Report no progress."""


class Exchange:
    """All parts; the API reads registry and views, and writes through `submit` alone."""

    def __init__(self, journal: Journal, events: EventLog, snapshots: Snapshots, clock: Clock, config: Config) -> None:
        """Use `open`."""
        self.config = config
        self.clock = clock
        self.journal = journal
        self.events = events
        self.registry = Registry()
        self.market = MarketData(config.trades_max, config.candles_max)
        self.orders = OrderHistory(config.closed_orders_max, config.fills_max, config.order_fills_max)
        self.notices = Notices(config.notices_max)
        self.account_events = AccountEvents(config.closed_orders_max)  # each closes an order at most: all are known
        self.asked = AskedOrders(journal, config.asked_orders_max)
        self.timers = Timers(self._is_open)
        self.usage = UsageIndex(config.capacity.usage_ids)
        self.expiry = Expiry(self.registry, self.submit, self.query)
        self.prices = DailyPrices(self.market, self._symbol_of, self.registry.methodology_on)
        self.watch = Watch()
        self.follower = Follower(self.watch, events, clock, config.watch_share_percent, config.watch_idle_ms)
        self._tasks: list[asyncio.Task[None]] = []
        self._has_frozen = False
        self.touched: set[int] = set()  # instruments whose depth or trades the last batch changed
        self._snapshots = snapshots

    @classmethod
    def open(
        cls, directory: Path, config: Config | None = None, clock: Clock | None = None, progress: Progress = _silent
    ) -> Self:
        """Recover what a directory holds, made if need be, and claim its journal.

        Raises JournalError or RecoveryError when it cannot be trusted, and then leaves it as it is.
        """
        config = config or Config()
        tune(config)
        compile_folds()
        with ExitStack() as opened:
            journal = FileJournal.open(directory / JOURNAL_FOLDER, config.journal_segment_bytes)
            opened.callback(journal.close)
            events = EventLog.open(directory / EVENT_FOLDER)
            opened.callback(events.close)
            snapshots = Snapshots(directory / SNAPSHOT_FOLDER, config.snapshots_kept)
            exchange = cls(journal, events, snapshots, clock or SystemClock(), config)
            exchange._recover(progress)
            opened.pop_all()
        return exchange

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Begin to accept commands, and answer on `loop`."""
        self._has_frozen = gc.get_freeze_count() == 0  # else another has, whose business the collector is
        if self._has_frozen:
            gc.collect()
            gc.freeze()  # what the recovery built stays for good: the collector need not look at it again
        self.sequencer.start(loop)
        self._tasks = [
            loop.create_task(self._keep_time()),
            loop.create_task(self.follower.run(self.config.watched_events_max)),
        ]

    async def stop(self) -> None:
        """Answer what waits, leave a snapshot, and close the files."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.sequencer.stop()
        self.journal.close()
        self.events.close()
        if self._has_frozen:
            gc.unfreeze()  # a process may open others after it

    def submit(self, commands: bytes, document: bytes = b"") -> "asyncio.Future[list[Event]]":
        """Put commands into the one order: see Sequencer.submit."""
        return self.sequencer.submit(commands, document)

    def submit_many(self, commands: bytes, document: bytes = b"") -> "asyncio.Future[np.ndarray]":
        """Put commands into the one order, for their events as an array: see Sequencer.submit_many."""
        return self.sequencer.submit_many(commands, document)

    def query(self, function: Callable[[Engine], T]) -> "asyncio.Future[T]":
        """Ask the engine between batches: see Sequencer.query."""
        return self.sequencer.query(function)

    def add_listener(self, listener: Callable[[Batch], None]) -> None:
        """Hear of every durable batch, after registry and views have it and before its senders are answered."""
        self.sequencer.add_listener(listener)

    def _recover(self, progress: Progress) -> None:
        recovered = recover(self.journal, self.events, self._snapshots, self.registry, self.config, progress)
        rebuild(self.events, self._show, self.config.rebuild_events_max, progress)
        self.usage.rebuild(self.events)
        epoch = self.journal.claim()
        log.info("exchange opened", epoch=epoch, position=self.journal.position, events=self.events.count)
        self.sequencer = Sequencer(
            recovered.engine,
            self.journal,
            self.events,
            self._snapshots,
            self.registry,
            self.clock,
            self.config,
            time_ns=recovered.time_ns,
            snapshot_sequence=recovered.snapshot_sequence,
        )
        self.sequencer.add_listener(self._hear)

    def _hear(self, batch: Batch) -> None:
        for document, sequence in zip(batch.documents, batch.places, strict=True):
            self.registry.apply(document, sequence)
        self.registry.apply_events(batch.rows)
        self._show(batch.rows)
        self.asked.hear(batch.commands)
        self.usage.apply(batch.events, batch.first_event_number)

    def _show(self, rows: Events) -> None:
        touched: set[int] = set()
        for part in self.prices.parts(rows):  # more than one in a rebuild alone: a batch has one time
            touched |= self.market.apply(part)
            self.prices.apply(part)
        self.touched = touched
        self.orders.apply(rows)
        self.notices.apply(rows)
        self.account_events.apply(rows)
        self.timers.apply(rows)

    def _symbol_of(self, instrument: int) -> str:
        found = self.registry.instrument_at(instrument)
        return "" if found is None else found.symbol

    def _is_open(self, order_id: int) -> bool:
        order = self.orders.order(order_id)
        return order is not None and order.is_open

    async def _keep_time(self) -> None:
        """Submit what falls due, one submission at a time, until the sequencer stops."""
        while True:
            now_ns = self.clock.now_ns()
            self.prices.close_until(now_ns - self.config.day_end_delay_s * SECOND_NS)
            due = self.timers.due(now_ns, self.config.timed_commands_max)
            try:
                if due:
                    await self.submit(b"".join(due))
                await self.expiry.step(now_ns)
            except Overloaded:
                log.warning("timers wait: the exchange is overloaded", due=len(due))
            except Stopped:
                return
            await asyncio.sleep(self.config.timer_ms / 1_000)
