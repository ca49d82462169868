"""The settlement benchmark counts what it says, and checks before it counts."""

import argparse
import asyncio

import asyncpg
import numpy as np
import pytest
from rich.console import Console

from benchmarks import settlement
from benchmarks.settlement import Timed, fresh, market, measure, run_poster, trades, verify
from tests.settlement.conftest import server_dsn as server_dsn
from tests.settlement.posting import execute, post_all


def test_every_size_is_measured_beside_the_bare_copy(server_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement, "SIZES", (10, 50))
    options = argparse.Namespace(trades=100, batches=4, rounds=1, accounts=5)
    console = Console(width=120, record=True, quiet=True)
    table = asyncio.run(measure(server_dsn, options))
    assert table.row_count == 4
    console.print(table)


def test_a_run_posts_every_trade_in_batches_of_the_size(server_dsn: str) -> None:
    figure = asyncio.run(run_poster(server_dsn, market(5), trades(95, 5), 10))
    assert figure.trades_per_second > 0
    assert figure.own_cpu_us > 0


def test_a_wrong_ledger_is_not_counted(server_dsn: str) -> None:
    events = np.concatenate((market(3), trades(20, 3)))

    async def check() -> None:
        dsn = await fresh(server_dsn)
        await post_all(dsn, events)
        forgery = "UPDATE ledger.balance_log SET balance = balance + 1 WHERE account = 0"
        await execute(dsn, "SET session_replication_role = replica", forgery)
        connection = await asyncpg.connect(dsn)
        try:
            await verify(connection, events)
        finally:
            await connection.close()

    with pytest.raises(AssertionError, match="are not the sums of the events"):
        asyncio.run(check())


def test_the_source_ends_the_run() -> None:
    stop = asyncio.Event()
    source = Timed(trades(10, 3), stop)
    assert len(source.read(0, 6)) == 6
    assert not stop.is_set()
    assert len(source.read(6, 6)) == 4
    assert stop.is_set()
