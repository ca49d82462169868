"""Recompute every published price from the tape, and compare: bit for bit, whatever was published must come out.

Names and methodologies come from the documents of the journal, whose chain of hashes is checked on the way; trades come
from the event log. Works beside a running exchange: what happens meanwhile is folded in, and looked at once more.
"""

import asyncio
from pathlib import Path
from typing import NamedTuple

import asyncpg

from exchange.config import EVENT_FOLDER, JOURNAL_FOLDER, Config
from exchange.core.types import DAY_NS, DAY_OFFSET_NS
from exchange.events import EventReader, Events
from exchange.journal.frame import RecordKind
from exchange.marketdata.market import MarketData
from exchange.marketdata.prices import DailyPrices
from exchange.methodology import day_of
from exchange.registry.registry import Registry
from settlement import publications
from settlement.connect import AUDITOR_ROLE, connect
from settlement.progress import Progress, silent
from settlement.publications import POLL_S, Publication, publication
from settlement.replay import journal_records, missing

CHUNK_EVENTS = 65_536
_LOOKS = 2  # at the database: between them, a running exchange stores what it has just published

_Known = dict[tuple[str, str, int, int, int], str]


class PriceReport(NamedTuple):
    """What the comparison came to; `difference` names the first one, empty if there is none."""

    event_count: int
    published_count: int
    difference: str

    @property
    def ok(self) -> bool:
        """Tell whether all published prices came out."""
        return not self.difference


class _Fold:
    """The prices that a tape makes, as far as it was read."""

    def __init__(self, data_dir: Path, config: Config) -> None:
        self._registry = Registry()
        for record in journal_records(data_dir / JOURNAL_FOLDER, config.journal_segment_bytes):
            if record.kind is RecordKind.DOCUMENT:
                self._registry.apply(record.payload)
        self._log = EventReader(data_dir / EVENT_FOLDER)
        self._market = MarketData()
        self._prices = DailyPrices(self._market, self._symbol_of, self._registry.methodology_on)
        self._made: _Known = {}
        self._published_count = 0
        self.event_count = 0
        self.last_day = 0  # that an event of a later one has ended

    def read(self, progress: Progress) -> None:
        """Fold all that the event log holds by now."""
        count = self._log.count
        while self.event_count < count:
            chunk = Events(self._log.read(self.event_count, min(CHUNK_EVENTS, count - self.event_count)))
            for part in self._prices.parts(chunk):
                self._market.apply(part)
                self._prices.apply(part)
            if len(chunk) == 0:
                raise missing(self.event_count + 1)
            self.event_count += len(chunk)
            self.last_day = max(self.last_day, day_of(int(chunk.array["time_ns"][-1])) - 1)
            self._keep()
            progress("events", self.event_count, count)

    def made(self, last_day: int) -> _Known:
        """Return what is published when a day is over."""
        self._prices.close_until((last_day + 1) * DAY_NS - DAY_OFFSET_NS)
        self._keep()
        return {key: body for key, body in self._made.items() if key[3] <= last_day}

    def close(self) -> None:
        self._log.close()

    def _keep(self) -> None:
        for row in self._prices.published_after(self._published_count):
            made = publication(row)
            self._made[made[:5]] = made.body
        self._published_count = self._prices.published_count

    def _symbol_of(self, instrument: int) -> str:
        found = self._registry.instrument_at(instrument)
        return "" if found is None else found.symbol


async def recompute(
    data_dir: Path, dsn: str, config: Config | None = None, *, progress: Progress = silent, poll_s: float = POLL_S
) -> PriceReport:
    """Compare what was published with what the tape makes. Raises Difference or JournalError for a broken journal."""
    connection = await connect(dsn, AUDITOR_ROLE)
    fold = _Fold(data_dir, config or Config())
    try:
        for look in range(_LOOKS):
            if look:
                await asyncio.sleep(2 * poll_s)
            fold.read(progress)
            known, difference = await _compare(connection, fold)
            if not difference:
                break
        return PriceReport(fold.event_count, len(known), difference)
    finally:
        fold.close()
        await connection.close()


async def _compare(connection: asyncpg.Connection, fold: _Fold) -> tuple[_Known, str]:
    known = await publications.everything(connection)
    # what the tape says is over must be published, even if nothing is; a running exchange may have gone on since
    made = fold.made(max([fold.last_day, *(key[3] for key in known)]))
    for key in sorted(known.keys() | made.keys(), key=lambda key: (key[3], *key)):
        if known.get(key) != made.get(key):
            return known, _difference(Publication(*key, body=""), known.get(key), made.get(key))
    return known, ""


def _difference(which: Publication, published: str | None, made: str | None) -> str:
    what = f"{which.kind} {which.name} of day {which.day}, version {which.version}"
    if published is None:
        return f"{what}: was not published, but the tape makes {made}"
    if made is None:
        return f"{what}: was published, but the tape does not make it: {published}"
    return f"{what}: published was {published}, but the tape makes {made}"
