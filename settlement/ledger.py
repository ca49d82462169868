"""Reading the ledger: balances now and then, fills, entries, trial balance, tape, and how far it is."""

from typing import NamedTuple, Self

import asyncpg

from settlement import config
from settlement.connect import READER_ROLE, settings
from settlement.records import shard_base


class Balance(NamedTuple):
    """What an account holds of an asset, held part included."""

    asset: int
    balance: int


class Fill(NamedTuple):
    """One side of a trade; `entry_id` is the event number under which it is posted."""

    entry_id: int
    trade_id: int
    time_ns: int
    instrument: int
    is_buyer: bool
    is_maker: bool
    order_id: int
    price_ticks: int
    quantity_lots: int
    fee: int


class Posting(NamedTuple):
    """One signed line of a journal entry."""

    posting_id: int
    account: int
    asset: int
    amount: int


class TrialBalance(NamedTuple):
    """Where the units of one asset are; the total is zero."""

    asset: int
    participants: int
    exchange: int
    outside: int
    issuance: int
    total: int


class TapeTrade(NamedTuple):
    """A trade as everybody may see it; `busted_id` is the entry that undid it, 0 if none did."""

    entry_id: int
    time_ns: int
    trade_id: int
    instrument: int
    price_ticks: int
    quantity_lots: int
    is_taker_buyer: bool
    busted_id: int


class Status(NamedTuple):
    """How far the ledger is; `lag` is the number of events that it has not seen yet."""

    last_seq: int
    lag: int
    epoch: int
    batch: int
    command_sequence: int
    hash: bytes


class Ledger:
    """The ledger as readers see it, over a small pool of connections."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        """Take over a pool whose connections act as the reader."""
        self.pool = pool
        self.known_seq = 0  # the last event of shard 0 that was seen posted, for when the database is away

    @classmethod
    async def open(cls, dsn: str) -> Self:
        """Connect to a migrated database."""
        return cls(
            await asyncpg.create_pool(
                dsn,
                min_size=1,
                max_size=config.POOL_CONNECTIONS_MAX,
                server_settings=settings(READER_ROLE),
                timeout=config.CONNECT_SECONDS_MAX,
                command_timeout=config.STATEMENT_SECONDS_MAX,
            )
        )

    async def close(self) -> None:
        """Give up the connections."""
        await self.pool.close()

    async def balances(self, account: int) -> list[Balance]:
        """Return what an account holds, by asset; accounts 0, -1 and -2 are the exchange's own."""
        rows = await self.pool.fetch("SELECT asset, balance FROM ledger.balances_of($1)", account)
        return [Balance(*row) for row in rows]

    async def balances_at(self, account: int, seq: int) -> list[Balance]:
        """Return what an account held in a shard behind one of its events, by asset."""
        rows = await self.pool.fetch("SELECT asset, balance FROM ledger.balances_of_at($1, $2)", account, seq)
        return [Balance(*row) for row in rows]

    async def fills(
        self, account: int, instrument: int = 0, before: int | None = None, limit: int = config.FILLS_MAX
    ) -> list[Fill]:
        """Return an account's fills of at most `limit` trades before an entry id, newest first; instrument 0 is all.

        The entry id says in which shard; without one it is shard 0.

        Whoever trades with himself has two fills of one trade: the bought side comes first.
        """
        upto = shard_base(1) if before is None else before
        rows = await self.pool.fetch(
            "SELECT * FROM ledger.fills_of($1, $2, $3, $4)", account, instrument, upto, min(limit, config.FILLS_MAX)
        )
        return [fill for row in rows for fill in _fills(row, account)]

    async def entry(self, entry_id: int) -> list[Posting]:
        """Return the postings of one journal entry, none if there is none."""
        rows = await self.pool.fetch(
            "SELECT posting_id, account, asset, amount FROM ledger.entry_postings($1)", entry_id
        )
        return [Posting(*row) for row in rows]

    async def trial_balance(self) -> list[TrialBalance]:
        """Return where the units of every asset are."""
        rows = await self.pool.fetch("SELECT * FROM ledger.trial_balance ORDER BY asset")
        return [TrialBalance(*row) for row in rows]

    async def trial_balance_at(
        self, seq: int, after: int = 0, limit: int = config.TRIAL_ROWS_MAX
    ) -> list[TrialBalance]:
        """Return where the units of at most `limit` assets behind one were, behind an event of a shard."""
        rows = await self.pool.fetch(
            "SELECT * FROM ledger.trial_balance_at($1) WHERE asset > $2 ORDER BY asset LIMIT $3",
            seq,
            after,
            min(limit, config.TRIAL_ROWS_MAX),
        )
        return [TrialBalance(*row) for row in rows]

    async def tape(self, after: int = 0, instrument: int = 0, limit: int = config.TAPE_MAX) -> list[TapeTrade]:
        """Return at most `limit` trades behind an entry id, oldest first; instrument 0 is all."""
        rows = await self.pool.fetch(
            "SELECT seq, time_ns, trade_id, instrument, price_ticks, quantity_lots, taker_side = 0, busted_seq"
            " FROM ledger.tape WHERE seq > $1 AND ($2 = 0 OR instrument = $2) ORDER BY seq LIMIT $3",
            after,
            instrument,
            min(limit, config.TAPE_MAX),
        )
        return [TapeTrade(*row) for row in rows]

    async def status(self, event_count: int = 0) -> Status:
        """Return how far the ledger is, and how far behind an event log of this length."""
        row = await self.pool.fetchrow(
            "SELECT c.last_seq, c.epoch, c.batch, coalesce(b.command_sequence, 0), c.hash FROM ledger.settle_cursor c"
            " LEFT JOIN ledger.batches b USING (batch) WHERE c.shard = 0"
        )
        assert row is not None
        last_seq, epoch, batch, sequence, digest = row
        self.known_seq = last_seq
        return Status(last_seq, max(0, event_count - last_seq), epoch, batch, sequence, digest)


def _fills(row: asyncpg.Record, account: int) -> list[Fill]:
    sides = [is_buyer for is_buyer in (True, False) if row["buyer" if is_buyer else "seller"] == account]
    return [
        Fill(
            entry_id=row["seq"],
            trade_id=row["trade_id"],
            time_ns=row["time_ns"],
            instrument=row["instrument"],
            is_buyer=is_buyer,
            is_maker=is_buyer == (row["taker_side"] == 1),
            order_id=row["buyer_order_id" if is_buyer else "seller_order_id"],
            price_ticks=row["price_ticks"],
            quantity_lots=row["quantity_lots"],
            fee=row["buyer_fee" if is_buyer else "seller_fee"],
        )
        for is_buyer in sides
    ]
