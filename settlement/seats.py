"""Seats that come to their end: which entitlements are over and not burned, and which series have no seats any more.

A seat is a unit of the engine. Burning is a command of the clerk's; that it was done stands here once the event log
says so, in the transaction that moves the cursor, so a crash anywhere burns nothing twice.
"""

from typing import NamedTuple, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from settlement import config

Connection: TypeAlias = asyncpg.Connection | PoolConnectionProxy
_OVER = (  # its trade is settled, so nobody can get the units back any more
    "SELECT e.entitlement, e.instrument, e.holder, e.seats FROM register.entitlements e"
    " JOIN register.escrows x USING (trade) WHERE x.state IN ('released', 'refunded', 'void')"
    " AND NOT EXISTS (SELECT FROM register.revocations r WHERE r.entitlement = e.entitlement)"
    " AND NOT EXISTS (SELECT FROM register.ends n WHERE n.entitlement = e.entitlement)"
)


class Burned(NamedTuple):
    """Units of a licence that were burned, as an event told it."""

    instrument: int
    account: int
    units: int
    event: int


class Over(NamedTuple):
    """An entitlement whose term is over while its holder still has the seats."""

    entitlement: int
    instrument: int
    holder: int
    seats: int


class Seats:
    """What is over, over the pool of the register."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        """Share the pool of the register."""
        self.pool = pool

    async def over(self, now_ns: int, after: int = 0) -> list[Over]:
        """Return the entitlements behind one whose seats are to be burned now, oldest first, ESCROWS_MAX at most."""
        rows = await self.pool.fetch(
            _OVER + " AND e.valid_until_ns <= $1 AND e.entitlement > $2 ORDER BY 1 LIMIT $3",
            now_ns,
            after,
            config.ESCROWS_MAX,
        )
        return [Over(*row) for row in rows]

    async def revoked(self) -> list[int]:
        """Return the instruments of revoked datasets of which no trade is open any more."""
        rows = await self.pool.fetch(
            "SELECT s.instrument FROM register.series s JOIN register.datasets d USING (dataset)"
            " WHERE d.state = 'revoked' AND NOT EXISTS (SELECT FROM register.escrows x"
            " WHERE x.instrument = s.instrument AND x.state NOT IN ('released', 'refunded', 'void')) ORDER BY 1"
        )
        return [instrument for (instrument,) in rows]


async def note_burned(connection: Connection, burned: Burned, time_ns: int) -> None:
    """Write down, in the caller's transaction, which entitlement a burning was for; of a revoked dataset it is none."""
    await connection.execute(
        f"INSERT INTO register.ends SELECT o.entitlement, $4, $5 FROM ({_OVER} AND e.valid_until_ns <= $5"  # noqa: S608
        " AND e.instrument = $1 AND e.holder = $2 AND e.seats = $3 ORDER BY 1 LIMIT 1) o",
        burned.instrument,
        burned.account,
        burned.units,
        burned.event,
        time_ns,
    )
