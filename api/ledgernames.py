"""The names that a data directory knows, for commands that run beside an exchange or without one."""

from pathlib import Path

from exchange.config import JOURNAL_FOLDER, Config
from exchange.journal.frame import RecordKind
from exchange.registry.registry import Registry
from settlement.replay import journal_records


def names(data: Path) -> Registry:
    """Return the registry as the journal's documents make it; what only events tell of its entries is not in it.

    Raises JournalError or Difference where the journal cannot be read.
    """
    registry = Registry()
    for record in journal_records(data / JOURNAL_FOLDER, Config().journal_segment_bytes):
        if record.kind is RecordKind.DOCUMENT:
            registry.apply(record.payload)
    return registry
