"""What follows a trade of a dataset licence, in Postgres: escrow, entitlements, revocations, reads.

The clerk follows the event log into these tables, its cursor in the same transaction; money and units move only by the
commands that it submits for what stands here, and what became of them comes back through the event log.
"""

from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple, TypeAlias

import asyncpg
import msgspec
from asyncpg.pool import PoolConnectionProxy

from exchange.registry.dataset import FREEZING, State
from exchange.registry.escrow import Escrow, Party, Step, StepRefusal, advance, royalty
from exchange.registry.licence import Terms
from settlement import config
from settlement.register import StaleError
from settlement.seats import Burned, note_burned

_CLERK = frozenset((Party.CLERK,))
_ESCROW = (
    "e.trade, e.trade_id, e.sequence, e.time_ns, e.instrument, e.buyer, e.seller, e.lots, e.quote, e.proceeds,"
    " e.royalty, e.holder, e.state, e.since_ns"
)
_SERIES = "s.instrument, s.symbol, s.dataset, s.issuer, s.scenario, s.terms, s.root, s.time_ns"
_JOINED = (
    f"SELECT {_ESCROW}, {_SERIES}, d.state, d.since_ns FROM register.escrows e"  # noqa: S608 - names of columns
    " JOIN register.series s USING (instrument) JOIN register.datasets d ON d.dataset = s.dataset"
)
_HOUR_NS = 3_600_000_000_000
_MARK = 0x4553_4352_4F57_0000  # "ESCROW": what tells the id of an escrow's transfer from others
Connection: TypeAlias = asyncpg.Connection | PoolConnectionProxy


class Leg(IntEnum):
    """The transfers of an escrow; a transfer's id is the trade's event number and one of these."""

    HELD = 1
    PAID = 2
    ROYALTY = 3
    UNITS_BACK = 4
    CASH_BACK = 5


class Series(NamedTuple):
    """One licence instrument of a dataset."""

    instrument: int
    symbol: str
    number: int
    issuer: int
    scenario: str
    terms: Terms
    root: str
    time_ns: int


class Traded(NamedTuple):
    """A trade of a licence as its event told it; `trade` is the event's number."""

    trade: int
    trade_id: int
    sequence: int
    time_ns: int
    instrument: int
    buyer: int
    seller: int
    lots: int
    quote: int
    notional: int
    proceeds: int


class Followed(NamedTuple):
    """What the event log told up to an event."""

    upto: int
    trades: Sequence[Traded] = ()
    legs: Sequence[tuple[int, int, int]] = ()  # trade, leg, event
    busts: Sequence[tuple[int, int, int]] = ()  # instrument, trade id, event
    time_ns: int = 0
    burns: Sequence[Burned] = ()


class EscrowRow(NamedTuple):
    """An escrow as it stands."""

    trade: int
    trade_id: int
    sequence: int
    time_ns: int
    instrument: int
    buyer: int
    seller: int
    lots: int
    quote: int
    proceeds: int
    royalty: int
    holder: int
    state: Escrow
    since_ns: int

    @property
    def wanted(self) -> frozenset[Leg]:
        """Return the transfers that its state waits for."""
        match self.state:
            case Escrow.DUE | Escrow.VOID:
                legs = {Leg.HELD: self.proceeds}
            case Escrow.RELEASING:
                legs = {Leg.PAID: self.proceeds - self.royalty, Leg.ROYALTY: self.royalty}
            case Escrow.REFUNDING:
                legs = {Leg.UNITS_BACK: self.lots, Leg.CASH_BACK: self.proceeds}
            case _:
                legs = {}
        return frozenset(leg for leg, amount in legs.items() if amount > 0)


class Case(NamedTuple):
    """An escrow with its series and how the dataset stands."""

    escrow: EscrowRow
    series: Series
    state: State  # of the dataset
    since_ns: int

    @property
    def is_frozen(self) -> bool:
        """Return whether an objection or a suspension keeps everything where it is."""
        return self.state in FREEZING

    @property
    def accept_until_ns(self) -> int:
        """Return the end of the time of acceptance, which begins anew when a freeze is over."""
        begin_ns = max(self.escrow.since_ns, self.since_ns)
        return begin_ns + self.series.terms.acceptance_hours * _HOUR_NS

    def is_over(self, now_ns: int) -> bool:
        """Return whether the buyer's time is over, so that what was delivered counts as accepted."""
        is_looking = self.escrow.state is Escrow.DELIVERED and not self.is_frozen and self.state is not State.REVOKED
        return is_looking and self.accept_until_ns <= now_ns


class Licences:
    """Series, clearances, escrows and their steps over the register's pool."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        """Share the pool of the register."""
        self.pool = pool

    async def add_series(self, series: Series) -> None:
        """Write a series down. Raises StaleError if the instrument has one."""
        try:
            await self.pool.execute(
                "INSERT INTO register.series VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
                *series._replace(terms=msgspec.json.encode(series.terms).decode()),  # type: ignore[arg-type]
            )
        except asyncpg.UniqueViolationError as error:
            raise StaleError(f"{series.symbol} is there already") from error

    async def series(self, symbol: str) -> Series | None:
        """Return the series of this name."""
        row = await self.pool.fetchrow(f"SELECT {_SERIES} FROM register.series s WHERE symbol = $1", symbol)  # noqa: S608
        return None if row is None else _series(row)

    async def series_of(self, number: int) -> list[Series]:
        """Return the series of a dataset."""
        rows = await self.pool.fetch(
            f"SELECT {_SERIES} FROM register.series s WHERE dataset = $1 ORDER BY instrument",  # noqa: S608
            number,
        )
        return [_series(row) for row in rows]

    async def state_of(self, instrument: int) -> State | None:
        """Return how the dataset of an instrument stands, None if it is no series."""
        state = await self.pool.fetchval(
            "SELECT d.state FROM register.series s JOIN register.datasets d USING (dataset) WHERE instrument = $1",
            instrument,
        )
        return None if state is None else State(state)

    async def not_listed(self) -> list[tuple[int, State]]:
        """Return the instruments whose datasets are not listed, and how those stand."""
        rows = await self.pool.fetch(
            "SELECT s.instrument, d.state FROM register.series s JOIN register.datasets d USING (dataset)"
            " WHERE d.state <> 'listed' ORDER BY 1"
        )
        return [(row[0], State(row[1])) for row in rows]

    async def note_clearance(
        self, instrument: int, account: int, declaration: str, by_account: int, time_ns: int, *, is_cleared: bool
    ) -> None:
        """Write down what a buyer declared and whether the terms let it in."""
        await self.pool.execute(
            "INSERT INTO register.clearances (instrument, account, is_cleared, declaration, by_account, time_ns)"
            " VALUES ($1, $2, $3, $4, $5, $6)",
            instrument,
            account,
            is_cleared,
            declaration,
            by_account,
            time_ns,
        )

    async def cursor(self) -> int:
        """Return the last event that was followed."""
        event: int = await self.pool.fetchval("SELECT event FROM register.cursor")
        return event

    async def follow(self, found: Followed) -> None:
        """Write down what the event log told, and how far it was read, or nothing of it."""
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute("UPDATE register.cursor SET event = $1", found.upto)
            for traded in found.trades:
                await _open(connection, traded)
            for leg in found.legs:
                await connection.execute("INSERT INTO register.legs VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", *leg)
            for trade in {leg[0] for leg in found.legs}:
                await _settle(connection, trade, found.time_ns)
            for instrument, trade_id, event in found.busts:
                await _bust(connection, instrument, trade_id, f"busted by event {event}", found.time_ns)
            for burned in found.burns:
                await note_burned(connection, burned, found.time_ns)

    async def case(self, trade: int) -> Case | None:
        """Return the escrow of a trade."""
        row = await self.pool.fetchrow(_JOINED + " WHERE e.trade = $1", trade)
        return None if row is None else _case(row)

    async def cases(self, account: int | None, before: int, limit: int) -> list[Case]:
        """Return a page of the escrows in which an account is buyer or seller (None: all), newest first."""
        rows = await self.pool.fetch(
            _JOINED + " WHERE e.trade < $1 AND ($2::integer IS NULL OR $2 IN (e.buyer, e.seller))"
            " ORDER BY e.trade DESC LIMIT $3",
            before,
            account,
            min(limit, config.REGISTER_ROWS_MAX),
        )
        return [_case(row) for row in rows]

    async def work(self, now_ns: int, after: int = 0) -> list[Case]:
        """Return a page of the escrows behind a trade that something is to be done about now, oldest first."""
        rows = await self.pool.fetch(
            _JOINED + " WHERE e.trade > $5 AND (e.state IN ('due', 'releasing', 'refunding')"
            " OR e.state IN ('held', 'delivered', 'disputed') AND d.state = 'revoked'"
            " OR e.state = 'held' AND d.state <> ALL($1)"
            " OR e.state = 'delivered' AND d.state <> ALL($1) AND greatest(e.since_ns, d.since_ns)"
            " + (s.terms::jsonb ->> 'acceptance_hours')::bigint * $2 <= $3) ORDER BY e.trade LIMIT $4",
            [str(state) for state in FREEZING],
            _HOUR_NS,
            now_ns,
            config.ESCROWS_MAX,
            after,
        )
        return [_case(row) for row in rows]

    async def decision(self, trade: int) -> Step | None:
        """Return how a dispute about a trade was decided, None if it was not."""
        step = await self.pool.fetchval(
            "SELECT step FROM register.steps WHERE trade = $1 AND step IN ('release', 'refund')", trade
        )
        return None if step is None else Step(step)

    async def take_step(
        self, case: Case, step: Step, parties: frozenset[Party], account: int, time_ns: int, note: str = ""
    ) -> Escrow | StepRefusal:
        """Take a step of an escrow. Raises StaleError if it moved meanwhile."""
        async with self.pool.acquire() as connection, connection.transaction():
            return await write_step(connection, case, step, parties, account, time_ns, note)


async def write_step(
    connection: Connection,
    case: Case,
    step: Step,
    parties: frozenset[Party],
    account: int,
    time_ns: int,
    note: str = "",
) -> Escrow | StepRefusal:
    """Write a step down in the caller's transaction, or return why it is not taken."""
    target = advance(case.escrow.state, step, parties, is_frozen=case.is_frozen)
    if isinstance(target, Escrow):
        await _write(connection, case.escrow, step, target, account, time_ns, note)
        if step is Step.PAID and case.escrow.buyer == case.series.issuer:
            await _end_bought_back(connection, case.escrow, time_ns)
    return target


async def _end_bought_back(connection: Connection, escrow: EscrowRow, time_ns: int) -> None:
    """Revoke what the issuer has of a trade: its next sale of the seats entitles somebody anew, for the whole term."""
    await connection.execute(
        "INSERT INTO register.revocations SELECT e.entitlement, $3, 'bought back' FROM register.entitlements e"
        " WHERE e.trade = $1 AND e.holder = $2 AND NOT EXISTS"
        " (SELECT FROM register.revocations r WHERE r.entitlement = e.entitlement)",
        escrow.trade,
        escrow.buyer,
        time_ns,
    )


async def _write(
    connection: Connection, escrow: EscrowRow, step: Step, target: Escrow, account: int, time_ns: int, note: str
) -> None:
    try:
        await connection.execute(
            "INSERT INTO register.steps (trade, step, source, state, account, time_ns, note)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7)",
            escrow.trade,
            str(step),
            str(escrow.state),
            str(target),
            account,
            time_ns,
            note,
        )
    except asyncpg.IntegrityConstraintViolationError as error:
        raise StaleError(str(error)) from error


async def _open(connection: Connection, traded: Traded) -> None:
    row = await connection.fetchrow(
        f"SELECT {_SERIES}, d.holder FROM register.series s JOIN register.datasets d USING (dataset)"  # noqa: S608
        " WHERE instrument = $1",
        traded.instrument,
    )
    if row is None:  # listed a moment ago, its series not yet written down: it cannot have traded
        return
    series, holder = _series(row), row["holder"]
    rate = 0 if traded.seller in (series.issuer, holder) else series.terms.royalty_bps
    owed = royalty(traded.notional, rate, traded.proceeds)
    is_free = traded.proceeds <= 0
    await connection.execute(
        "INSERT INTO register.escrows VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $4)",
        *traded[:9],
        traded.proceeds,
        owed,
        holder,
        str(Escrow.DUE),
    )
    if is_free:  # nothing to hold
        await _take(connection, traded.trade, Step.HOLD, traded.time_ns)


async def _take(connection: Connection, trade: int, step: Step, time_ns: int, note: str = "") -> None:
    """Take a step of the clerk's, where there is one from here."""
    row = await connection.fetchrow(_JOINED + " WHERE e.trade = $1", trade)
    if row is not None:
        await write_step(connection, _case(row), step, _CLERK, 0, time_ns, note)


async def _settle(connection: Connection, trade: int, time_ns: int) -> None:
    """Go on where every transfer that the escrow waited for is there."""
    row = await connection.fetchrow(_JOINED + " WHERE e.trade = $1", trade)
    if row is None:
        return
    case = _case(row)
    done = {leg for (leg,) in await connection.fetch("SELECT leg FROM register.legs WHERE trade = $1", trade)}
    steps = {
        Escrow.DUE: Step.HOLD,
        Escrow.VOID: Step.HOLD,
        Escrow.RELEASING: Step.PAID,
        Escrow.REFUNDING: Step.RETURNED,
    }
    step = steps.get(case.escrow.state)
    if step is not None and case.escrow.wanted <= done:
        await write_step(connection, case, step, _CLERK, 0, time_ns)


async def _bust(connection: Connection, instrument: int, trade_id: int, note: str, time_ns: int) -> None:
    trade = await connection.fetchval(
        "SELECT trade FROM register.escrows WHERE instrument = $1 AND trade_id = $2", instrument, trade_id
    )
    if trade is not None:
        await _take(connection, trade, Step.BUST, time_ns, note)


def transfer_id(trade: int, leg: Leg) -> bytes:
    """Return the id under which an escrow's transfer is made once."""
    return trade.to_bytes(8, "little") + (_MARK | leg).to_bytes(8, "little")


def leg_of(first: int, second: int) -> tuple[int, Leg] | None:
    """Return trade and leg that the two words of a transfer's id name, None if it is another's."""
    is_ours = first > 0 and second & ~0xFF == _MARK and second & 0xFF in set(Leg)
    return (first, Leg(second & 0xFF)) if is_ours else None


def _series(row: asyncpg.Record) -> Series:
    found = Series(*tuple(row)[:8])
    return found._replace(terms=msgspec.json.decode(str(found.terms), type=Terms))


def _case(row: asyncpg.Record) -> Case:
    values = tuple(row)
    escrow = EscrowRow(*values[:14])
    series = Series(*values[14:22])
    return Case(
        escrow._replace(state=Escrow(escrow.state)),
        series._replace(terms=msgspec.json.decode(str(series.terms), type=Terms)),
        State(values[22]),
        values[23],
    )
