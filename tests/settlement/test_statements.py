"""Statements add up, over any stretch of the ledger."""

import asyncio
import csv
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
from pyarrow import parquet

from exchange.core.types import EventKind, Side
from settlement import config
from settlement.entries import rows
from settlement.ledger import Ledger
from settlement.periods import open_shard
from settlement.records import INSTRUMENT, shard_base
from settlement.statements import (
    Line,
    Statement,
    StatementError,
    statement,
    statement_between,
    to_csv,
    to_parquet,
)
from tests.settlement.builders import (
    CASH,
    CASH_AT_START,
    LOT_UNITS,
    TICK_VALUE,
    event,
    history,
    market,
    postings,
    stream,
    trade,
)
from tests.settlement.conftest import TEMPLATE, recreate
from tests.settlement.posting import forge, post_all

T = TypeVar("T")
EVENTS = history(200)
POSTINGS = postings(rows(EVENTS, 1, np.empty(0, INSTRUMENT)).movements)


@pytest.fixture(scope="module")
def posted(server_dsn: str, template_dsn: str) -> str:
    """Return a ledger in many batches."""
    dsn = asyncio.run(recreate(server_dsn, "ledger_statements", TEMPLATE))
    asyncio.run(post_all(dsn, EVENTS, size=13))
    return dsn


def _ask(dsn: str, question: Callable[[Ledger], Awaitable[T]]) -> T:
    async def ask() -> T:
        ledger = await Ledger.open(dsn)
        try:
            return await question(ledger)
        finally:
            await ledger.close()

    return asyncio.run(ask())


def _amounts(account: int, asset: int, after_seq: int, upto_seq: int) -> list[int]:
    return [
        amount
        for posting_id, owner, what, amount in POSTINGS
        if (owner, what) == (account, asset) and after_seq < posting_id // 8 <= upto_seq
    ]


@pytest.mark.parametrize(
    ("after_seq", "upto_seq"),
    [(0, len(EVENTS)), (0, 13), (13, 26), (20, 33), (40, 41), (41, 41), (60, 200), (0, 10**9), (199, 10**9)],
)
@pytest.mark.parametrize(("account", "asset"), [(1, CASH), (4, 3), (0, CASH), (-1, CASH), (-2, 2), (77, CASH)])
def test_it_adds_up(account: int, asset: int, after_seq: int, upto_seq: int, posted: str) -> None:
    found = _ask(posted, lambda ledger: statement(ledger, account, asset, after_seq, upto_seq))
    amounts = _amounts(account, asset, after_seq, upto_seq)
    assert found.opening == sum(_amounts(account, asset, 0, after_seq))
    assert [line.amount for line in found.lines] == amounts
    assert found.closing == found.opening + sum(amounts)
    assert [line.balance for line in found.lines][-1:] in ([], [found.closing])


def test_lines_say_what_happened(dsn: str) -> None:
    opened = len(market())
    events = stream(
        market(),
        trade(3, 4, Side.BUY, 50, 2, fee=7),
        trade(3, 4, Side.SELL, 51, 1, instrument=2),
        event(EventKind.WITHDRAWN, account=3, asset=CASH, amount=9),
    )
    asyncio.run(post_all(dsn, events))
    start = CASH_AT_START
    first, second = -100 * TICK_VALUE - 7, 51 * TICK_VALUE
    times = [(opened + number) * 1000 for number in (1, 2, 3)]
    found = _ask(dsn, lambda ledger: statement(ledger, 3, CASH, opened, len(events)))
    assert found == Statement(
        account=3,
        asset=CASH,
        after_seq=opened,
        upto_seq=len(events),
        opening=start,
        lines=[
            Line(opened + 1, times[0], "bought", 1, 50, 2, first, start + first),
            Line(opened + 2, times[1], "sold", 2, 51, 1, second, start + first + second),
            Line(opened + 3, times[2], "withdrawn", 0, 0, 0, -9, start + first + second - 9),
        ],
        closing=start + first + second - 9,
    )
    units = _ask(dsn, lambda ledger: statement(ledger, 4, 2, opened, len(events)))
    assert [(line.kind, line.amount) for line in units.lines] == [("sold", -2 * LOT_UNITS)]
    fees = _ask(dsn, lambda ledger: statement(ledger, 0, CASH, opened, len(events)))
    assert [(line.kind, line.amount) for line in fees.lines] == [("fees", 7)], "a fee of nothing is not posted"


@pytest.mark.parametrize(("from_ns", "to_ns"), [(0, 10**18), (20_000, 60_001), (60_000, 60_000), (10**18, 2 * 10**18)])
def test_a_time_is_a_stretch_of_events(from_ns: int, to_ns: int, posted: str) -> None:
    found = _ask(posted, lambda ledger: statement_between(ledger, 2, CASH, from_ns, to_ns))
    inside = [number for number in range(1, len(EVENTS) + 1) if from_ns <= number * 1000 < to_ns]
    expected = _amounts(2, CASH, inside[0] - 1, inside[-1]) if inside else []
    assert [line.amount for line in found.lines] == expected


def test_a_time_that_ends_before_it_begins_is_refused(posted: str) -> None:
    with pytest.raises(StatementError, match="ask for a later end"):
        _ask(posted, lambda ledger: statement_between(ledger, 1, CASH, 100_000, 50_000))


def test_csv_has_opening_lines_and_closing(posted: str) -> None:
    found = _ask(posted, lambda ledger: statement(ledger, 1, CASH, 0, 60))
    table = list(csv.reader(to_csv(found).splitlines()))
    assert table[0] == list(Line._fields)
    assert (table[1][2], table[1][-1]) == ("opening", str(found.opening))
    assert (table[-1][2], table[-1][-1]) == ("closing", str(found.closing))
    assert [int(row[6]) for row in table[2:-1]] == [line.amount for line in found.lines]


def test_a_statement_has_a_largest_length(posted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "STATEMENT_LINES_MAX", 3)
    with pytest.raises(StatementError, match="more than 3 postings"):
        _ask(posted, lambda ledger: statement(ledger, 1, CASH, 0, len(EVENTS)))


def test_a_ledger_that_contradicts_itself_gives_no_statement(dsn: str) -> None:
    asyncio.run(post_all(dsn, EVENTS, size=13))
    victim = next(posting_id for posting_id, account, asset, _ in POSTINGS if (account, asset) == (1, CASH))
    asyncio.run(
        forge(
            dsn,
            "UPDATE ledger.movements SET amount = amount + 1, contra_amount = contra_amount - 1"
            f" WHERE movement_id = {victim // 4}",
        )
    )
    with pytest.raises(StatementError, match=r"account 1 asset 1: .* postings make"):
        _ask(dsn, lambda ledger: statement(ledger, 1, CASH, 0, len(EVENTS)))


def test_transfers_and_busts_have_names(dsn: str) -> None:
    opened = len(market())
    done = trade(3, 4, Side.BUY, 50, 2, fee=7, trade_id=1)
    undone = done.copy()
    undone["kind"] = EventKind.TRADE_BUSTED
    moved = event(EventKind.TRANSFERRED, account=3, counter_account=4, asset=CASH, amount=9, state=6)
    events = stream(market(), done, undone, moved)
    asyncio.run(post_all(dsn, events))
    found = _ask(dsn, lambda ledger: statement(ledger, 3, CASH, opened, len(events)))
    assert [line.kind for line in found.lines] == ["bought", "trade_busted", "escrow_held"]
    assert found.lines[1].balance == found.opening
    assert found.lines[1].instrument == 1


def test_parquet_has_the_lines_and_the_frame(posted: str, tmp_path: Path) -> None:
    found = _ask(posted, lambda ledger: statement(ledger, 1, CASH, 0, 60))
    to_parquet(found, tmp_path / "statement.parquet")
    table = parquet.read_table(tmp_path / "statement.parquet")
    assert [Line(**row) for row in table.to_pylist()] == found.lines
    frame = {name.decode(): value.decode() for name, value in table.schema.metadata.items()}
    assert (frame["opening"], frame["closing"]) == (str(found.opening), str(found.closing))


def test_a_shard_has_statements_of_its_own(dsn: str) -> None:
    asyncio.run(open_shard(dsn, 2, 1000))
    asyncio.run(post_all(dsn, EVENTS[:60], size=13))
    asyncio.run(post_all(dsn, EVENTS, size=13, shard=2))
    base = shard_base(2)
    found = _ask(dsn, lambda ledger: statement(ledger, 1, CASH, base + 30, base + 150))
    assert [line.amount for line in found.lines] == _amounts(1, CASH, 30, 150)
    between = _ask(dsn, lambda ledger: statement_between(ledger, 1, CASH, 31_000, 151_000, shard=2))
    assert between == found
    assert _ask(dsn, lambda ledger: ledger.balances(1))[0].balance == sum(_amounts(1, CASH, 0, 60)) + sum(
        _amounts(1, CASH, 0, len(EVENTS))
    )
