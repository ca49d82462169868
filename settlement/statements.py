"""Statements of account: what was there, every posting, what is there now. They add up, or there is no statement."""

import csv
import io
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
from pyarrow import parquet

from exchange.core.types import EventKind, TransferPurpose
from settlement import config
from settlement.ledger import Ledger
from settlement.records import POSTINGS_PER_ENTRY_MAX, TRADE_LEGS

_TRADE_WORDS = dict(zip(TRADE_LEGS, ("bought", "sold", "fees", "bought", "sold"), strict=True))


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
    for posting_id, amount, time_ns, kind, purpose, instrument, price_ticks, quantity_lots in rows:
        running += amount
        name = _name(kind, purpose, posting_id % POSTINGS_PER_ENTRY_MAX)
        entry_id = posting_id // POSTINGS_PER_ENTRY_MAX
        lines.append(Line(entry_id, time_ns, name, instrument, price_ticks, quantity_lots, amount, running))
    if running != closing:
        raise StatementError(f"account {account} asset {asset}: {opening} and postings make {running}, not {closing}")
    return Statement(account, asset, after_seq, upto_seq, opening, lines, closing)


async def statement_between(
    ledger: Ledger, account: int, asset: int, from_ns: int, to_ns: int, shard: int = 0
) -> Statement:
    """Return a statement of everything in a shard from one time to another, the latter not included.

    Raises StatementError like `statement`, and for a time that ends before it begins.
    """
    if to_ns < from_ns:
        raise StatementError("it ends before it begins: ask for a later end")
    after_seq, upto_seq = [
        await ledger.pool.fetchval("SELECT ledger.seq_before($1, $2)", at_ns, shard) for at_ns in (from_ns, to_ns)
    ]
    return await statement(ledger, account, asset, after_seq, upto_seq)


def to_parquet(found: Statement, path: Path) -> None:
    """Write a statement's lines as a Parquet file, amounts as 64-bit integers; the frame stands in its metadata."""
    columns = {name: [getattr(line, name) for line in found.lines] for name in Line._fields}
    types = [(name, pa.string() if name == "kind" else pa.int64()) for name in Line._fields]
    frame = {name: str(getattr(found, name)) for name in Statement._fields if name != "lines"}
    parquet.write_table(pa.table(columns, schema=pa.schema(types, metadata=frame)), path)


def to_csv(found: Statement) -> str:
    """Return a statement as CSV: opening, lines, closing, amounts in units of the asset."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(Line._fields)
    table.writerow((found.after_seq, "", "opening", "", "", "", "", found.opening))
    table.writerows(found.lines)
    table.writerow((found.upto_seq, "", "closing", "", "", "", "", found.closing))
    return text.getvalue()


def _name(kind: int, purpose: int, leg: int) -> str:
    """Return a word for a posting."""
    if kind == EventKind.TRANSFERRED:
        return TransferPurpose(purpose).name.lower()
    if kind != EventKind.TRADED:
        return EventKind(kind).name.lower()
    return _TRADE_WORDS[leg]
