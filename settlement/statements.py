"""Statements of account: what was there, every posting, what is there now. They add up, or there is no statement."""

import csv
import io
from typing import NamedTuple

from exchange.core.types import EXCHANGE_ACCOUNT, EventKind
from settlement import config
from settlement.ledger import Ledger
from settlement.records import POSTINGS_PER_ENTRY_MAX


class StatementError(Exception):
    """The statement would be too long, or the ledger contradicts itself."""


class Line(NamedTuple):
    """One posting and the balance behind it; instrument, price and quantity are 0 where nothing was traded."""

    entry_id: int
    time_ns: int
    kind: str
    instrument: int
    price_ticks: int
    quantity_lots: int
    amount: int
    balance: int


class Statement(NamedTuple):
    """One account and asset, from behind event `after_seq` up to `upto_seq`."""

    account: int
    asset: int
    after_seq: int
    upto_seq: int
    opening: int
    lines: list[Line]
    closing: int


async def statement(ledger: Ledger, account: int, asset: int, after_seq: int, upto_seq: int) -> Statement:
    """Return a statement between two event numbers.

    The balances come from the balance log, the lines from the postings: raises StatementError if they do not meet,
    or if there are more than STATEMENT_LINES_MAX lines.
    """
    most = config.STATEMENT_LINES_MAX
    async with ledger.pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        opening, closing = [
            await connection.fetchval("SELECT ledger.balance_at($1, $2, $3)", account, asset, seq)
            for seq in (after_seq, upto_seq)
        ]
        rows = await connection.fetch(
            "SELECT * FROM ledger.postings_of($1, $2, $3, $4, $5)", account, asset, after_seq, upto_seq, most + 1
        )
    if len(rows) > most:
        raise StatementError(f"more than {most} postings: ask for a shorter time")
    lines = []
    running = opening
    for posting_id, amount, time_ns, kind, instrument, price_ticks, quantity_lots in rows:
        running += amount
        name = _name(kind, account, posting_id % POSTINGS_PER_ENTRY_MAX)
        entry_id = posting_id // POSTINGS_PER_ENTRY_MAX
        lines.append(Line(entry_id, time_ns, name, instrument, price_ticks, quantity_lots, amount, running))
    if running != closing:
        raise StatementError(f"account {account} asset {asset}: {opening} and postings make {running}, not {closing}")
    return Statement(account, asset, after_seq, upto_seq, opening, lines, closing)


async def statement_between(ledger: Ledger, account: int, asset: int, from_ns: int, to_ns: int) -> Statement:
    """Return a statement of everything from one time to another, the latter not included."""
    after_seq, upto_seq = [
        await ledger.pool.fetchval("SELECT ledger.seq_before($1)", at_ns) for at_ns in (from_ns, to_ns)
    ]
    return await statement(ledger, account, asset, after_seq, upto_seq)


def to_csv(found: Statement) -> str:
    """Return a statement as CSV: opening, lines, closing, amounts in units of the asset."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Line._fields)
    table.writerow((found.after_seq, "", "opening", "", "", "", "", found.opening))
    table.writerows(found.lines)
    table.writerow((found.upto_seq, "", "closing", "", "", "", "", found.closing))
    return text.getvalue()


def _name(kind: int, account: int, leg: int) -> str:
    """Return a word for a posting: legs of a trade are 0 buyer cash, 1 seller cash, 2 buyer units, 3 seller units."""
    if kind != EventKind.TRADED:
        return EventKind(kind).name.lower()
    if account == EXCHANGE_ACCOUNT and leg == 4:
        return "fees"
    return "bought" if leg in {0, 2} else "sold"
