"""Entitlements in Postgres: issued when a licence trade is delivered, split when it is resold, revoked, metered."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import asyncpg

from exchange.registry.dataset import FREEZING
from exchange.registry.escrow import Party, Step
from settlement import config
from settlement.licences import Case, Connection, write_step

MONTH_NS = 2_629_746_000_000_000  # a twelfth of a year of 365.2425 days
_CLERK = frozenset((Party.CLERK,))
_READS_LOCK = 7_465_268  # any number: reports of one account wait for each other
_COLUMNS = "e.entitlement, e.instrument, e.holder, e.seats, e.quota, e.valid_until_ns, e.trade, e.time_ns, e.token"


class Entitlement(NamedTuple):
    """Who may read what until when; quota None is without a limit, `token` what the holder shows."""

    number: int
    instrument: int
    holder: int
    seats: int
    quota: int | None
    valid_until_ns: int
    trade: int
    time_ns: int
    token: str
    used: int = 0
    revoked: str = ""  # why


class Read(NamedTuple):
    """One metered read."""

    record: str
    entitlement: int
    tokens: int


class Counted(NamedTuple):
    """What became of a read, and how many tokens are left (None: no limit)."""

    record: str
    status: str
    remaining: int | None


class Revocation(NamedTuple):
    """An entitlement that no longer holds."""

    number: int
    time_ns: int
    reason: str


class _Piece(NamedTuple):
    """Seats of one entitlement, or of none yet."""

    seats: int
    quota: int | None
    valid_until_ns: int
    trade: int


APPLIED, DUPLICATE = "APPLIED", "DUPLICATE"
UNKNOWN, NOT_YOURS, REVOKED, EXPIRED, FROZEN, EXHAUSTED = (
    "UNKNOWN",
    "NOT_YOURS",
    "REVOKED",
    "EXPIRED",
    "FROZEN",
    "EXHAUSTED",
)
Write = Callable[[Entitlement, Case], str]  # the signed text of an entitlement that has none yet


class Entitlements:
    """Issuing, revoking, metering and showing entitlements over the register's pool."""

    def __init__(self, pool: asyncpg.Pool, write: Write) -> None:
        """Share the pool of the register; `write` signs."""
        self.pool = pool
        self._write = write

    async def deliver(self, case: Case, time_ns: int) -> bool:
        """Give the buyer of a held trade its entitlements, the reseller's in their place; tell whether it was done.

        It is not while the reseller has fewer seats entitled, from settled purchases, than it sold: one that may still
        be undone passes nothing on.
        """
        async with self.pool.acquire() as connection, connection.transaction():
            taken = await self._take(connection, case, time_ns)
            if not taken:
                return False
            await write_step(connection, case, Step.DELIVER, _CLERK, 0, time_ns)
            for piece in taken:
                await self._issue(connection, case, case.escrow.buyer, piece, time_ns)
            return True

    async def take_back(self, case: Case, reason: str, time_ns: int) -> None:
        """Revoke what a trade's buyer still has of it; a reseller gets it again, as of the trade it had it from."""
        escrow = case.escrow
        async with self.pool.acquire() as connection, connection.transaction():
            for found in await _live(connection, case, escrow.buyer, escrow.trade):
                await _revoke(connection, found.number, time_ns, reason)
                if escrow.seller != case.series.issuer:
                    bought = await _bought(connection, case, found)
                    piece = _Piece(found.seats, _unused(found), found.valid_until_ns, bought)
                    await self._issue(connection, case, escrow.seller, piece, time_ns)

    async def undone(self) -> list[int]:
        """Return the trades that were busted while their buyers still have entitlements of them."""
        rows = await self.pool.fetch(
            "SELECT DISTINCT s.trade FROM register.steps s JOIN register.escrows e USING (trade)"
            " JOIN register.entitlements t ON t.trade = e.trade AND t.holder = e.buyer"
            " WHERE s.step = 'bust' AND NOT EXISTS"
            " (SELECT FROM register.revocations r WHERE r.entitlement = t.entitlement)"
        )
        return [trade for (trade,) in rows]

    async def are_owed(self, dataset: int, time_ns: int) -> bool:
        """Tell whether a right to read a dataset that was bought still holds, or a trade of one is not settled."""
        owed: bool = await self.pool.fetchval(
            "SELECT EXISTS (SELECT FROM register.series s JOIN register.entitlements e USING (instrument)"
            " WHERE dataset = $1 AND e.valid_until_ns > $2"
            " AND NOT EXISTS (SELECT FROM register.revocations r WHERE r.entitlement = e.entitlement))"
            " OR EXISTS (SELECT FROM register.series s JOIN register.escrows x USING (instrument)"
            " WHERE dataset = $1 AND x.state NOT IN ('released', 'refunded', 'void'))",
            dataset,
            time_ns,
        )
        return owed

    async def revoke_ended(self, time_ns: int) -> None:
        """Revoke what is still entitled to datasets that were revoked."""
        await self.pool.execute(
            "INSERT INTO register.revocations SELECT e.entitlement, $1, 'the dataset was revoked'"
            " FROM register.datasets d JOIN register.series s USING (dataset) JOIN register.entitlements e"
            " USING (instrument) WHERE d.state = 'revoked' AND NOT EXISTS"
            " (SELECT FROM register.revocations r WHERE r.entitlement = e.entitlement) ON CONFLICT DO NOTHING",
            time_ns,
        )

    async def of(self, holder: int | None, after: int = 0, limit: int = config.REGISTER_ROWS_MAX) -> list[Entitlement]:
        """Return a page of an account's entitlements (None: all), oldest first."""
        rows = await self.pool.fetch(
            f"SELECT {_COLUMNS}, m.used, coalesce(r.reason, '') FROM register.entitlements e"  # noqa: S608
            " JOIN register.meters m USING (entitlement) LEFT JOIN register.revocations r USING (entitlement)"
            " WHERE e.entitlement > $1 AND ($2::integer IS NULL OR e.holder = $2) ORDER BY 1 LIMIT $3",
            after,
            holder,
            min(limit, config.REGISTER_ROWS_MAX),
        )
        return [Entitlement(*row) for row in rows]

    async def revocations(self) -> list[Revocation]:
        """Return all revocations of entitlements that would still be valid otherwise, by number."""
        rows = await self.pool.fetch("SELECT entitlement, time_ns, reason FROM register.revocations ORDER BY 1")
        return [Revocation(*row) for row in rows]

    async def count(self, reporter: int, reads: Sequence[Read], time_ns: int) -> list[Counted]:
        """Count reads, each record of a reporter once; those that an entitlement does not cover are refused."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", _READS_LOCK, reporter)
            known = await connection.fetch(
                "SELECT record FROM register.reads WHERE reporter = $1 AND record = ANY($2)",
                reporter,
                [read.record for read in reads],
            )
            tally = _Tally({row[0] for row in known}, await _covers(connection, reporter, reads, time_ns))
            counted = [tally.count(read) for read in reads]
            await connection.execute(  # one statement, so the meters are moved once
                "INSERT INTO register.reads SELECT $1, *, $2 FROM unnest($3::text[], $4::bigint[], $5::bigint[])",
                reporter,
                time_ns,
                [read.record for read in tally.applied],
                [read.entitlement for read in tally.applied],
                [read.tokens for read in tally.applied],
            )
        return [Counted(read.record, status, tally.left.get(read.entitlement)) for read, status in counted]

    async def _take(self, connection: Connection, case: Case, time_ns: int) -> list[_Piece]:
        """Return the seats that a trade delivers: new ones of the issuer, or those that the reseller gives up."""
        escrow, terms = case.escrow, case.series.terms
        if escrow.seller == case.series.issuer:
            quota = terms.quota_tokens * escrow.lots if terms.quota_tokens else None
            return [_Piece(escrow.lots, quota, time_ns + terms.months * MONTH_NS, escrow.trade)]
        settled = await _live(connection, case, escrow.seller, is_settled=True)
        live = [found for found in settled if found.valid_until_ns > time_ns]
        if sum(found.seats for found in live) < escrow.lots:
            return []
        wanted, taken = escrow.lots, []
        for found in live:
            if not wanted:
                break
            seats = min(wanted, found.seats)
            wanted -= seats
            taken.append(await self._split(connection, case, found, seats, time_ns))
        return taken

    async def _split(self, connection: Connection, case: Case, found: Entitlement, seats: int, time_ns: int) -> _Piece:
        """Revoke an entitlement; give the reseller what it keeps of it, and return what it sold."""
        await _revoke(connection, found.number, time_ns, "resold")
        unused = _unused(found)
        sold = None if unused is None else unused * seats // found.seats
        kept = None if unused is None or sold is None else unused - sold
        if seats < found.seats:
            rest = _Piece(found.seats - seats, kept, found.valid_until_ns, found.trade)
            await self._issue(connection, case, found.holder, rest, time_ns)
        return _Piece(seats, sold, found.valid_until_ns, case.escrow.trade)

    async def _issue(self, connection: Connection, case: Case, holder: int, piece: _Piece, time_ns: int) -> None:
        number = await connection.fetchval(
            "SELECT nextval(pg_get_serial_sequence('register.entitlements', 'entitlement'))"
        )
        made = Entitlement(number, case.series.instrument, holder, *piece, time_ns, "")
        token = self._write(made, case)
        await connection.execute(
            "INSERT INTO register.entitlements VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            *made._replace(token=token)[:9],
        )


class _Tally:
    """The reads of one report as they are counted."""

    def __init__(self, known: set[str], covers: dict[int, tuple[str, int | None]]) -> None:
        self._known = known
        self._covers = covers  # by entitlement: why not, and how many tokens are left
        self.left = {number: left for number, (_, left) in covers.items()}
        self.applied: list[Read] = []

    def count(self, read: Read) -> tuple[Read, str]:
        """Return a read and what became of it."""
        problem, _ = self._covers.get(read.entitlement, (UNKNOWN, None))
        left = self.left.get(read.entitlement)
        if read.record in self._known:
            return read, DUPLICATE
        if problem:
            return read, problem
        if left is not None:
            if read.tokens > left:
                return read, EXHAUSTED
            self.left[read.entitlement] = left - read.tokens
        self._known.add(read.record)
        self.applied.append(read)
        return read, APPLIED


async def _covers(
    connection: Connection, reporter: int, reads: Sequence[Read], time_ns: int
) -> dict[int, tuple[str, int | None]]:
    """Return of each entitlement why it covers no read of a reporter, empty if it does, and the tokens left."""
    rows = await connection.fetch(
        "SELECT e.entitlement, e.valid_until_ns, e.quota, m.used, s.issuer, d.state, r.entitlement IS NOT NULL AS gone"
        " FROM register.entitlements e JOIN register.meters m USING (entitlement)"
        " JOIN register.series s USING (instrument) JOIN register.datasets d USING (dataset)"
        " LEFT JOIN register.revocations r USING (entitlement) WHERE e.entitlement = ANY($1)",
        list({read.entitlement for read in reads}),
    )
    return {
        row["entitlement"]: (
            _problem(row, reporter, time_ns),
            None if row["quota"] is None or row["issuer"] != reporter else row["quota"] - row["used"],
        )
        for row in rows
    }


def _problem(row: asyncpg.Record, reporter: int, time_ns: int) -> str:
    if row["issuer"] != reporter:
        return NOT_YOURS
    if row["gone"]:
        return REVOKED
    if row["valid_until_ns"] <= time_ns:
        return EXPIRED
    return FROZEN if row["state"] in FREEZING else ""


async def _live(
    connection: Connection, case: Case, holder: int, trade: int = 0, *, is_settled: bool = False
) -> list[Entitlement]:
    """Return an account's entitlements of a series that are not revoked, of one trade or of all, oldest first.

    `is_settled` leaves those out whose trades may still be undone.
    """
    rows = await connection.fetch(
        f"SELECT {_COLUMNS}, m.used FROM register.entitlements e JOIN register.meters m USING (entitlement)"  # noqa: S608
        " WHERE e.holder = $1 AND e.instrument = $2 AND ($3 = 0 OR e.trade = $3)"
        " AND (NOT $4 OR EXISTS (SELECT FROM register.escrows x WHERE x.trade = e.trade AND x.state = 'released'))"
        " AND NOT EXISTS (SELECT FROM register.revocations r WHERE r.entitlement = e.entitlement) ORDER BY 1",
        holder,
        case.series.instrument,
        trade,
        is_settled,
    )
    return [Entitlement(*row) for row in rows]


async def _bought(connection: Connection, case: Case, found: Entitlement) -> int:
    """Return the trade by which a reseller had what it gave up for an entitlement: the end of validity passes on."""
    trade: int | None = await connection.fetchval(
        "SELECT e.trade FROM register.entitlements e JOIN register.revocations r USING (entitlement)"
        " JOIN register.steps s ON s.time_ns = r.time_ns WHERE s.trade = $1 AND s.step = 'deliver'"
        " AND r.reason = 'resold' AND e.holder = $2 AND e.instrument = $3 AND e.valid_until_ns = $4 LIMIT 1",
        case.escrow.trade,
        case.escrow.seller,
        case.series.instrument,
        found.valid_until_ns,
    )
    assert trade is not None
    return trade


async def _revoke(connection: Connection, number: int, time_ns: int, reason: str) -> None:
    await connection.execute("INSERT INTO register.revocations VALUES ($1, $2, $3)", number, time_ns, reason)


def _unused(found: Entitlement) -> int | None:
    return None if found.quota is None else found.quota - found.used
