"""Queries against the same sums made in Python."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import TypeVar

import hypothesis
import numpy as np
import pytest
from hypothesis.stateful import run_state_machine_as_test

from exchange.core.types import EventKind, Side
from settlement import balances, config
from settlement.batch import genesis, prepare
from settlement.ledger import Balance, Fill, Ledger, Posting, Status, TapeTrade, TrialBalance
from settlement.records import ISSUANCE_ACCOUNT, OUTSIDE_ACCOUNT
from tests.settlement.builders import CASH, LOT_UNITS, TICK_VALUE, history, market, stream, trade
from tests.settlement.conftest import TEMPLATE, recreate
from tests.settlement.model import LedgerMachine
from tests.settlement.posting import post_all

T = TypeVar("T")
EVENTS = history(300)


@pytest.fixture(scope="module")
def posted(server_dsn: str, template_dsn: str) -> str:
    """Return a ledger in many batches."""
    dsn = asyncio.run(recreate(server_dsn, "ledger_queries", TEMPLATE))
    asyncio.run(post_all(dsn, EVENTS, size=17))
    return dsn


def _ask(dsn: str, question: Callable[[Ledger], Awaitable[T]]) -> T:
    async def ask() -> T:
        ledger = await Ledger.open(dsn)
        try:
            return await question(ledger)
        finally:
            await ledger.close()

    return asyncio.run(ask())


def _expected() -> dict[int, list[Balance]]:
    found: dict[int, list[Balance]] = defaultdict(list)
    for account, asset, amount in balances.rows(prepare(genesis(), EVENTS)[1].balances):
        found[account].append(Balance(asset, amount))
    return found


@pytest.mark.parametrize("account", [1, 2, 4, 0, OUTSIDE_ACCOUNT, ISSUANCE_ACCOUNT, 99])
def test_balances_are_the_sums_of_postings(account: int, posted: str) -> None:
    assert _ask(posted, lambda ledger: ledger.balances(account)) == _expected()[account]


def _fills_of(account: int, instrument: int) -> list[Fill]:
    found = []
    for number, event in reversed(list(enumerate(EVENTS, start=1))):
        if event["kind"] != EventKind.TRADED or instrument not in {0, event["instrument"]}:
            continue
        for is_maker, prefix in ((False, ""), (True, "counter_")):
            if event[f"{prefix}account"] == account:
                is_buyer = bool(event["side"] == Side.BUY) is not is_maker
                terms = (event["price_ticks"], event["quantity_lots"], event[f"{prefix}fee"])
                ids = (number, event["trade_id"], event["time_ns"], event["instrument"])
                found.append(
                    Fill(*map(int, ids), is_buyer, is_maker, int(event[f"{prefix}order_id"]), *map(int, terms))
                )
    return sorted(found, key=lambda fill: (-fill.entry_id, not fill.is_buyer))


@pytest.mark.parametrize("account", [1, 4, 99])
@pytest.mark.parametrize("instrument", [0, 1, 2, 99])
def test_fills_are_both_sides_of_the_trades(account: int, instrument: int, posted: str) -> None:
    expected = _fills_of(account, instrument)
    assert _ask(posted, lambda ledger: ledger.fills(account, instrument)) == expected
    assert (len(expected) > 50) is (account != 99 and instrument != 99)


def test_fills_come_in_pages(posted: str) -> None:
    expected = _fills_of(2, 1)
    found: list[Fill] = []
    before = None
    while page := _ask(posted, lambda ledger, before=before: ledger.fills(2, 1, before, limit=7)):  # type: ignore[misc]
        assert len({fill.entry_id for fill in page}) <= 7
        found += page
        before = page[-1].entry_id
    assert found == expected


def test_a_page_has_a_largest_size(posted: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "FILLS_MAX", 3)
    page = _ask(posted, lambda ledger: ledger.fills(1, limit=1000))
    assert len({fill.entry_id for fill in page}) == 3


def test_an_entry_shows_its_postings(dsn: str) -> None:
    events = stream(market(), trade(3, 4, Side.BUY, 50, 2, fee=7, counter_fee=5))
    asyncio.run(post_all(dsn, events))
    seq = len(events)
    assert _ask(dsn, lambda ledger: ledger.entry(seq)) == [
        Posting(seq * 8, 3, CASH, -100 * TICK_VALUE - 7),
        Posting(seq * 8 + 1, 4, CASH, 100 * TICK_VALUE - 5),
        Posting(seq * 8 + 2, 0, CASH, 12),
        Posting(seq * 8 + 4, 3, 2, 2 * LOT_UNITS),
        Posting(seq * 8 + 5, 4, 2, -2 * LOT_UNITS),
    ]
    assert _ask(dsn, lambda ledger: ledger.entry(1)) == []


def test_the_trial_balance_is_zero_and_says_where_everything_is(posted: str) -> None:
    expected: dict[int, list[int]] = defaultdict(lambda: [0, 0, 0, 0])
    for account, rows in _expected().items():
        for asset, amount in rows:
            expected[asset][0 if account > 0 else 1 - account] += amount
    found = _ask(posted, lambda ledger: ledger.trial_balance())
    assert found == [TrialBalance(asset, *sums, total=0) for asset, sums in sorted(expected.items())]
    assert all(row.participants > 0 for row in found)


def test_status_says_how_far_the_ledger_is(posted: str) -> None:
    found = _ask(posted, lambda ledger: ledger.status(len(EVENTS) + 5))
    assert found[:5] == (len(EVENTS), 5, 0, -(-len(EVENTS) // 17), len(EVENTS))
    assert len(found.hash) == 32
    assert any(found.hash)


def test_an_empty_ledger_has_answers(dsn: str) -> None:
    assert _ask(dsn, lambda ledger: ledger.status(3)) == Status(0, 3, 0, 0, 0, bytes(32))
    assert _ask(dsn, lambda ledger: ledger.balances(1)) == []
    assert _ask(dsn, lambda ledger: ledger.fills(1)) == []
    assert _ask(dsn, lambda ledger: ledger.trial_balance()) == []


def test_questions_do_not_scan_the_ledger(posted: str) -> None:
    """Balances, fills and entries are found by keys, whatever the length of the ledger."""

    async def plans(ledger: Ledger) -> list[str]:
        async with ledger.pool.acquire() as connection:
            await connection.execute("SET enable_seqscan = off")
            found = [
                await connection.fetch(f"EXPLAIN {query}")
                for query in (
                    "SELECT * FROM ledger.balances",
                    "SELECT * FROM ledger.postings_between(10, 10)",
                    "SELECT * FROM ledger.batches WHERE last_time_ns >= 5 ORDER BY last_time_ns, batch LIMIT 1",
                )
            ]
        return ["\n".join(row[0] for row in rows) for rows in found]

    for plan in _ask(posted, plans):
        assert "Seq Scan" not in plan


def test_the_fills_of_an_account_name_every_trade_once_a_side() -> None:
    sides = sum(len(_fills_of(account, 0)) for account in range(1, 5))
    assert sides == 2 * int(np.count_nonzero(EVENTS["kind"] == EventKind.TRADED))


@pytest.mark.parametrize("seq", [0, 1, 16, 17, 18, 100, len(EVENTS), 10**9])
def test_balances_at_any_event_are_the_sums_up_to_it(seq: int, posted: str) -> None:
    made = balances.rows(prepare(genesis(), EVENTS[:seq])[1].balances) if seq else []
    for account in (1, 0, ISSUANCE_ACCOUNT, 99):
        expected = [Balance(asset, amount) for owner, asset, amount in made if owner == account]
        assert _ask(posted, lambda ledger, account=account: ledger.balances_at(account, seq)) == expected  # type: ignore[misc]
    trial = _ask(posted, lambda ledger: ledger.trial_balance_at(seq))
    assert {row.total for row in trial} <= {0}
    assert [row.asset for row in trial] == sorted({asset for _, asset, _ in made})
    if seq >= len(EVENTS):
        assert trial == _ask(posted, lambda ledger: ledger.trial_balance())


def test_the_tape_shows_every_trade_in_pages_and_what_was_undone(posted: str) -> None:
    trades = [(number, event) for number, event in enumerate(EVENTS, start=1) if event["kind"] == EventKind.TRADED]
    (busted,) = [number for number, event in enumerate(EVENTS, 1) if event["kind"] == EventKind.TRADE_BUSTED]
    found: list[TapeTrade] = []
    after = 0
    while page := _ask(posted, lambda ledger, after=after: ledger.tape(after, limit=110)):  # type: ignore[misc]
        found += page
        after = page[-1].entry_id
    names = ("time_ns", "trade_id", "instrument", "price_ticks", "quantity_lots")
    assert [row[:6] for row in found] == [(number, *(int(event[name]) for name in names)) for number, event in trades]
    assert [row.is_taker_buyer for row in found] == [bool(event["side"] == Side.BUY) for _, event in trades]
    assert [row.busted_id for row in found] == [busted] + [0] * (len(trades) - 1)
    one = _ask(posted, lambda ledger: ledger.tape(instrument=2))
    assert [row.entry_id for row in one] == [row.entry_id for row in found if row.instrument == 2]


def test_what_was_known_last_is_remembered(posted: str) -> None:
    async def look(ledger: Ledger) -> tuple[int, int]:
        before = ledger.known_seq
        await ledger.status()
        return before, ledger.known_seq

    assert _ask(posted, look) == (0, len(EVENTS))


def test_it_is_what_a_ledger_in_a_few_lines_of_python_is(server_dsn: str, template_dsn: str) -> None:
    """Random events in random batches, with repeats, restarts and stale posters between them."""
    machine = type("Machine", (LedgerMachine,), {"dsn": server_dsn})
    limits = hypothesis.settings(
        max_examples=12, stateful_step_count=30, suppress_health_check=list(hypothesis.HealthCheck)
    )
    run_state_machine_as_test(machine, settings=limits)  # type: ignore[no-untyped-call]
