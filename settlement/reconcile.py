"""Reconcile: prove that journal, event log, ledger and balances are four records of the same history.

The journal is replayed into a fresh engine. Its events must be those of the event log (the public tape), the rows that
they mean must be those in Postgres, byte for byte and hash for hash, and the balances that the movements
make must be the engine's. The first difference ends the pass and is named in plain words.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from types import MappingProxyType

from exchange.config import Config
from settlement.batch import genesis
from settlement.comparison import Comparison, Report, Source
from settlement.connect import AUDITOR_ROLE, connect
from settlement.progress import Progress, silent
from settlement.replay import Replay

_CURSOR = "SELECT period_events FROM ledger.settle_cursor WHERE shard = $1"


async def reconcile(
    data_dir: Path,
    dsn: str,
    exchange_config: Config | None = None,
    published: bytes | None = None,
    *,
    at_command: int | None = None,
    shard: int = 0,
    progress: Progress = silent,
    heads: Mapping[int, bytes] = MappingProxyType({}),
) -> Report:
    """Compare everything up to a command, or to the end; works beside a running exchange.

    `published` is the hash of a batch known from earlier, `heads` are hashes by event. The ledger may be behind the
    journal, never ahead of it. Its moment is fixed first, then the event log's, then the journal's, so that whatever is
    in one must be in the next.
    """
    replay = partial(Replay, data_dir, exchange_config or Config(), at_command)
    return await compare(
        dsn, replay, shard, published, is_partial=at_command is not None, progress=progress, heads=heads
    )


async def compare(
    dsn: str,
    source: Callable[[], Source],
    shard: int,
    published: bytes | None,
    *,
    is_partial: bool,
    progress: Progress,
    heads: Mapping[int, bytes],
) -> Report:
    """Compare a shard's ledger as it is at one moment with a source that is opened behind that moment."""
    connection = await connect(dsn, AUDITOR_ROLE, statement_seconds_max=None)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            # this fixes the moment
            period_events = await connection.fetchval(_CURSOR, shard)
            if period_events is None:
                return Report({}, "", "", f"the ledger has no shard {shard}")
            state = genesis(shard, period_events)
            work = Comparison(
                connection, source(), state, published, is_partial=is_partial, progress=progress, heads=heads
            )
            return await work.run()
    finally:
        await connection.close()
