"""The settlement benchmark counts what it says, and checks before it counts."""

import argparse
import asyncio
from pathlib import Path

import asyncpg
import numpy as np
import pytest
from rich.console import Console

from benchmarks import settlement
from benchmarks.settlement import (
    Timed,
    fresh,
    market,
    measure,
    restart_seconds,
    run_poster,
    run_single,
    table_bytes,
    trades,
    verify,
)
from settlement.embedded import Embedded
from tests.settlement.conftest import SMALL
from tests.settlement.conftest import server_dsn as server_dsn
from tests.settlement.posting import execute, post_all


def test_every_variant_is_measured_in_one_table(server_dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settlement, "SIZES", (10, 50))
    monkeypatch.setattr(settlement, "LATENCY_SIZE", 50)
    options = argparse.Namespace(trades=100, batches=4, rounds=1, accounts=[5, 9])
    console = Console(width=120, record=True, quiet=True)
    table = asyncio.run(measure(server_dsn, options))
    assert table.row_count == 9
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


def test_steps_are_timed_one_by_one(server_dsn: str) -> None:
    figure = asyncio.run(run_single(server_dsn, market(5), trades(20, 5), 1))
    assert 0 < figure.p50_ms <= figure.p99_ms


def test_bytes_are_counted_a_trade(server_dsn: str) -> None:
    asyncio.run(run_poster(server_dsn, market(5), trades(500, 5), 100))
    bare, whole = asyncio.run(table_bytes(server_dsn))
    assert 300 < bare < whole


def test_a_killed_server_serves_again(session_dir: Path) -> None:
    server = Embedded(session_dir / "restarted", SMALL)
    server.start()
    try:
        assert 0 < restart_seconds(server) < 30
    finally:
        server.stop()
