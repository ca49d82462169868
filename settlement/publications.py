"""Published prices in Postgres: stored once, read by name or by day, never changed."""

import asyncio
from collections.abc import Iterable
from typing import NamedTuple

import asyncpg
import msgspec
import structlog

from exchange.marketdata.indices import IndexRow
from exchange.marketdata.prices import KEPT_DAYS, DailyPrices, Row
from settlement.connect import PASSING_ERRORS, POSTER_ROLE, connect

INDEX, SETTLEMENT = "index", "settlement"
POLL_S = 1.0
ROWS_MAX = 1_000  # days of a history, names of a day
_INSERT = (
    "INSERT INTO ledger.publications (kind, name, quote, day, version, body) VALUES ($1, $2, $3, $4, $5, $6)"
    " ON CONFLICT DO NOTHING"
)
log = structlog.get_logger()


class Publication(NamedTuple):
    """One version of one price, as it was published."""

    kind: str
    name: str
    quote: int
    day: int
    version: int
    body: str


def publication(row: Row) -> Publication:
    """Return what is published of a price."""
    body = msgspec.json.encode(row._asdict()).decode()
    if isinstance(row, IndexRow):
        return Publication(INDEX, row.name, row.quote, row.day, row.version, body)
    return Publication(SETTLEMENT, row.symbol, 0, row.day, row.version, body)


async def store(connection: asyncpg.Connection, rows: Iterable[Row]) -> None:
    """Store rows; those that are there already stay as they are."""
    await connection.executemany(_INSERT, [publication(row) for row in rows])


async def last_day(connection: asyncpg.Connection) -> int:
    """Return the last day that prices were published of, 0 if there is none."""
    found: int | None = await connection.fetchval("SELECT max(day) FROM ledger.publications")
    return found or 0


async def everything(connection: asyncpg.Connection) -> dict[tuple[str, str, int, int, int], str]:
    """Return the text of every publication by kind, name, quote, day and version."""
    rows = await connection.fetch("SELECT kind, name, quote, day, version, body FROM ledger.publications")
    return {tuple(row)[:5]: row["body"] for row in rows}


async def history(pool: asyncpg.Pool, kind: str, name: str, before_day: int, limit: int) -> list[Publication]:
    """Return every version of a price on the last `limit` days before a day, newest day and version first."""
    rows = await pool.fetch(
        "SELECT kind, name, quote, day, version, body FROM ledger.publications"
        " WHERE kind = $1 AND name = $2 AND day IN (SELECT DISTINCT day FROM ledger.publications"
        " WHERE kind = $1 AND name = $2 AND day < $3 ORDER BY day DESC LIMIT $4)"
        " ORDER BY day DESC, quote, version DESC",
        kind,
        name,
        before_day,
        min(limit, ROWS_MAX),
    )
    return [Publication(*row) for row in rows]


async def of_day(pool: asyncpg.Pool, kind: str, day: int, after: str, limit: int) -> list[Publication]:
    """Return the latest version of every price of a day, by name, those behind a name."""
    rows = await pool.fetch(
        "SELECT DISTINCT ON (name, quote) kind, name, quote, day, version, body FROM ledger.publications"
        " WHERE kind = $1 AND day = $2 AND name > $3 ORDER BY name, quote, version DESC LIMIT $4",
        kind,
        day,
        after,
        min(limit, ROWS_MAX),
    )
    return [Publication(*row) for row in rows]


async def publish(prices: DailyPrices, dsn: str, poll_s: float = POLL_S) -> None:
    """Store what is published from now on, and what was while nobody stored it; goes on until cancelled."""
    connection: asyncpg.Connection | None = None
    count = 0
    try:
        while True:
            rows, upto = prices.published_after(count), prices.published_count
            if rows:
                try:
                    connection = connection or await connect(dsn, POSTER_ROLE)
                    known = await last_day(connection) - KEPT_DAYS  # older ones are not corrected any more
                    await store(connection, [row for row in rows if row.day >= known])
                    count = upto
                except PASSING_ERRORS as error:
                    log.warning("prices wait for the database", rows=len(rows), reason=repr(error))
                    connection = None
            await asyncio.sleep(poll_s)
    finally:
        if connection is not None:
            await connection.close()
