"""Reading the ledger: balances, fills, trial balance, and how far it is."""

from typing import NamedTuple, Self

import asyncpg

from settlement import config
from settlement.connect import READER_ROLE, settings


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

    async def fills(
        self, account: int, instrument: int = 0, before: int | None = None, limit: int = config.FILLS_MAX
    ) -> list[Fill]:
        """Return an account's fills of at most `limit` trades before an entry id, newest first; instrument 0 is all.

        Whoever trades with himself has two fills of one trade: the bought side comes first.
        """
        upto = (1 << 62) if before is None else before
        rows = await self.pool.fetch(
            "SELECT * FROM ledger.fills_of($1, $2, $3, $4)", account, instrument, upto, min(limit, config.FILLS_MAX)
        )
        return [fill for row in rows for fill in _fills(row, account)]

    async def entry(self, entry_id: int) -> list[Posting]:
        """Return the postings of one journal entry, none if there is none."""
        rows = await self.pool.fetch(
            "SELECT posting_id, account, asset, amount FROM ledger.postings"
            " WHERE posting_id >= $1 * 8 AND posting_id < ($1 + 1) * 8 ORDER BY posting_id",
            entry_id,
        )
        return [Posting(*row) for row in rows]

    async def trial_balance(self) -> list[TrialBalance]:
        """Return where the units of every asset are."""
        rows = await self.pool.fetch("SELECT * FROM ledger.trial_balance ORDER BY asset")
        return [TrialBalance(*row) for row in rows]

    async def status(self, event_count: int = 0) -> Status:
        """Return how far the ledger is, and how far behind an event log of this length."""
        row = await self.pool.fetchrow(
            "SELECT c.last_seq, c.epoch, b.batch, b.command_sequence, b.hash FROM ledger.settle_cursor c"
            " LEFT JOIN LATERAL (SELECT * FROM ledger.batches ORDER BY batch DESC LIMIT 1) b ON true"
        )
        assert row is not None
        last_seq, epoch, batch, sequence, digest = row
        return Status(last_seq, max(0, event_count - last_seq), epoch, batch or 0, sequence or 0, digest or bytes(32))


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
