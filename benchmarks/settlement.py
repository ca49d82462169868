"""Trades posted per second: the poster with all its guards, beside a bare COPY of the same bytes.

python -m benchmarks.settlement [--trades N] [--batches N] [--rounds N] [--accounts N [N]] [--dsn DSN]

The poster runs as it does in the exchange: cursor, hash chain, zero-sum and balance checks, one commit a batch, and
the next batch encoded meanwhile. After each run the ledger's balances are compared with the sums of the events;
only then is its time counted. The bare COPY writes the same rows into tables without keys or triggers, one transaction
a batch; the ratio is to its rate in the same run. Where accounts are many, hardly a balance is touched twice.
"""

import argparse
import asyncio
import logging
import os
import signal
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import numpy as np
import structlog
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe, fdatasync_us
from exchange.core.records import EVENT
from exchange.core.types import AssetKind, EventKind
from settlement import balances
from settlement.batch import Batch, State, genesis, prepare
from settlement.connect import POSTER_ROLE
from settlement.embedded import Embedded
from settlement.migrate import migrate
from settlement.poster import Poster
from settlement.posting import post

CASH, INSTRUMENTS, LOT_UNITS, TICK_VALUE = 1, 8, 1_000_000, 100
SIZES = (100, 1_000, 10_000)
LATENCY_SIZE = 1_000
BARE = "bare COPY"
DATABASE = "settlement_benchmark"
OPENING_EVENTS = 65_536  # of what opens the market, in one batch
OPENING_CASH, OPENING_UNITS = 10**13, 10**12  # of each account; the sum over all stays an int8


class Figure(NamedTuple):
    """One timed run."""

    trades_per_second: float
    own_cpu_us: float  # of this process, per trade
    server_cpu_us: float  # of all the server's processes, per trade
    p50_ms: float = 0.0  # of a batch, where batches are waited for one by one
    p99_ms: float = 0.0


Run = Callable[[str, np.ndarray, np.ndarray, int], Awaitable[Figure]]


class Timed:
    """An event source in memory that stops the poster when the ledger has asked for more than there is."""

    def __init__(self, events: np.ndarray, stop: asyncio.Event) -> None:
        """Offer the events; `stop` is set at the end of them."""
        self.start = 0.0  # when the poster asked first, connected and ready
        self._events = events
        self._stop = stop

    @property
    def count(self) -> int:
        """Return how many events there are."""
        return len(self._events)

    def read(self, after: int, limit: int) -> np.ndarray:
        """Return the next events."""
        self.start = self.start or time.perf_counter()
        if after + limit >= len(self._events):
            self._stop.set()
        return self._events[after : after + limit]


def market(accounts: int) -> np.ndarray:
    """Return the events that open instruments and give every account cash and units."""
    listed = [{"kind": EventKind.ASSET_CREATED, "asset": CASH, "state": AssetKind.CASH}]
    for instrument in range(1, INSTRUMENTS + 1):
        base = instrument + 1
        terms = {"amount": LOT_UNITS, "price_ticks": TICK_VALUE, "counter_account": CASH, "asset": base}
        listed.append({"kind": EventKind.ASSET_CREATED, "asset": base, "state": AssetKind.ALLOWANCE})
        listed.append({"kind": EventKind.INSTRUMENT_LISTED, "instrument": instrument, **terms})
    opened = np.zeros(len(listed), EVENT)
    for row, fields in zip(opened, listed, strict=True):
        for name, value in fields.items():
            row[name] = value
    numbers = np.arange(1, accounts + 1)
    created = np.zeros(accounts, EVENT)
    created["kind"], created["account"] = EventKind.ACCOUNT_CREATED, numbers
    given = np.zeros((accounts, INSTRUMENTS + 1), EVENT)  # cash, then units of each instrument
    given["account"] = numbers[:, None]
    given["asset"] = np.arange(CASH, CASH + INSTRUMENTS + 1)
    given["kind"], given["amount"] = EventKind.ISSUED, OPENING_UNITS
    given["kind"][:, 0], given["amount"][:, 0] = EventKind.DEPOSITED, OPENING_CASH
    return np.concatenate((opened, created, given.reshape(-1)))


def trades(count: int, accounts: int) -> np.ndarray:
    """Return trades between random accounts on random instruments, with fees and rebates."""
    draw = np.random.default_rng(1)
    events = np.zeros(count, EVENT)
    events["kind"] = EventKind.TRADED
    events["side"] = draw.integers(0, 2, count)
    events["account"] = draw.integers(1, accounts + 1, count)
    events["counter_account"] = events["account"] % accounts + 1
    events["instrument"] = draw.integers(1, INSTRUMENTS + 1, count)
    events["asset"] = events["instrument"] + 1
    events["price_ticks"] = draw.integers(900, 1_100, count)
    events["quantity_lots"] = draw.integers(1, 10, count)
    events["amount"] = events["price_ticks"] * events["quantity_lots"] * TICK_VALUE
    events["fee"] = draw.integers(0, 1_000, count)
    events["counter_fee"] = draw.integers(-100, 1, count)
    events["trade_id"] = np.arange(1, count + 1)
    return events


async def fresh(dsn: str) -> str:
    """Return the address of a new, migrated database on the server."""
    connection = await asyncpg.connect(dsn)
    await connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
    await connection.execute(f"CREATE DATABASE {DATABASE}")
    await connection.execute("CHECKPOINT")
    await connection.close()
    own = urlunsplit(urlsplit(dsn)._replace(path=f"/{DATABASE}"))
    await migrate(own)
    return own


async def run_poster(dsn: str, opening: np.ndarray, trading: np.ndarray, size: int) -> Figure:
    """Post the trades in batches of a size with a real poster; verify the ledger, then say how long it took."""
    own = await fresh(dsn)
    connection = await asyncpg.connect(own, server_settings={"role": POSTER_ROLE})
    await open_market(connection, opening)
    stop = asyncio.Event()
    events = np.concatenate((opening, trading))
    source = Timed(events, stop)
    cpu, server = time.process_time(), server_cpu(connection)
    await Poster(own, source, size).run(stop)
    seconds, cpu = time.perf_counter() - source.start, time.process_time() - cpu
    server = server_cpu(connection) - server
    await verify(connection, events)
    await connection.close()
    return Figure(len(trading) / seconds, cpu / len(trading) * 1e6, server / len(trading) * 1e6)


async def open_market(connection: asyncpg.Connection, opening: np.ndarray) -> State:
    """Post what opens the market, and return the state behind it."""
    state = genesis()
    while state.position < len(opening):
        batch, state = prepare(state, opening[state.position : state.position + min(state.events_left, OPENING_EVENTS)])
        await post(connection, batch, 0)
    return state


def after(events: np.ndarray) -> State:
    """Return the state behind events, posted nowhere."""
    state = genesis()
    while state.position < len(events):
        state = prepare(state, events[state.position : state.position + state.events_left])[1]
    return state


async def verify(connection: asyncpg.Connection, events: np.ndarray) -> None:
    """Compare every balance in the ledger with the sum that the events make, and all of them with zero."""
    expected = balances.rows(after(events).balances)
    found = await connection.fetch("SELECT account, asset, balance FROM ledger.balances ORDER BY 1, 2")
    assert [tuple(row) for row in found] == expected, "the ledger's balances are not the sums of the events"
    totals = await connection.fetch("SELECT total FROM ledger.trial_balance")
    assert {row["total"] for row in totals} == {0}, "the trial balance is not zero"
    posted = await connection.fetchval("SELECT count(*) FROM ledger.trades")
    assert posted == np.count_nonzero(events["kind"] == EventKind.TRADED)


async def run_copy(dsn: str, opening: np.ndarray, trading: np.ndarray, size: int) -> Figure:
    """Copy the same bytes into tables without keys, checks or triggers, one transaction a batch, nothing else."""
    connection = await asyncpg.connect(await fresh(dsn))
    prepared = batches(after(opening), trading, size)
    for table in prepared[0].copies:
        await connection.execute(f"CREATE TABLE bare_{table} (LIKE ledger.{table})")
    cpu, server, start = time.process_time(), server_cpu(connection), time.perf_counter()
    for batch in prepared:
        async with connection.transaction():
            for table, data in batch.copies.items():
                await connection.copy_to_table(f"bare_{table}", source=_once(data), format="binary")
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    server = server_cpu(connection) - server
    await connection.close()
    return Figure(len(trading) / seconds, cpu / len(trading) * 1e6, server / len(trading) * 1e6)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


def batches(state: State, trading: np.ndarray, size: int) -> list[Batch]:
    """Return the trades as the batches that the poster would make."""
    found = []
    begin = 0
    while begin < len(trading):
        taken = min(size, state.events_left)
        batch, state = prepare(state, trading[begin : begin + taken])
        begin += taken
        found.append(batch)
    return found


def server_cpu(connection: asyncpg.Connection) -> float:
    """Return the processor seconds that the server and its processes, dead ones too, have used; 0 if out of sight."""
    session = _stat(connection.get_server_pid())
    if session is None:
        return 0.0
    parent = int(session[1])
    found = [_stat(int(path.name)) for path in Path("/proc").glob("[0-9]*")]
    children = [fields for fields in found if fields is not None and int(fields[1]) == parent]
    own = _stat(parent) or session
    ticks = sum(int(fields[11]) + int(fields[12]) for fields in children) + sum(map(int, own[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str] | None:
    """Return the fields of /proc/PID/stat behind the name: state, parent, ..., user, system, children's of both."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except FileNotFoundError:
        return None


async def run_single(dsn: str, opening: np.ndarray, trading: np.ndarray, size: int) -> Figure:
    """Post each trade in a transaction of its own, with all guards, and keep how long each took."""
    connection = await asyncpg.connect(await fresh(dsn), server_settings={"role": POSTER_ROLE})
    state = await open_market(connection, opening)
    prepared = batches(state, trading, size)
    return await timed(connection, len(trading), [partial(post, connection, batch, 0) for batch in prepared])


async def run_many(dsn: str, opening: np.ndarray, trading: np.ndarray, size: int) -> Figure:
    """Insert the same rows by executemany into tables without keys, checks or triggers, one transaction a batch."""
    connection = await asyncpg.connect(await fresh(dsn))
    prepared = batches(after(opening), trading, size)
    for table in prepared[0].copies:
        await connection.execute(f"CREATE TABLE bare_{table} (LIKE ledger.{table})")

    async def insert(batch: Batch) -> None:
        async with connection.transaction():
            for table in batch.copies:
                rows = batch.tables[table].tolist()
                places = ", ".join(f"${number}" for number in range(1, len(rows[0]) + 1))
                await connection.executemany(f"INSERT INTO bare_{table} VALUES ({places})", rows)

    return await timed(connection, len(trading), [partial(insert, batch) for batch in prepared])


async def timed(
    connection: asyncpg.Connection, trade_count: int, steps: Sequence[Callable[[], Awaitable[None]]]
) -> Figure:
    """Do one step after the other and return what it took; the connection is closed."""
    seconds = []
    cpu, server, start = time.process_time(), server_cpu(connection), time.perf_counter()
    for step in steps:
        began = time.perf_counter()
        await step()
        seconds.append(time.perf_counter() - began)
    total, cpu = time.perf_counter() - start, time.process_time() - cpu
    server = server_cpu(connection) - server
    await connection.close()
    p50, p99 = np.percentile(seconds, (50, 99)) * 1000
    return Figure(trade_count / total, cpu / trade_count * 1e6, server / trade_count * 1e6, float(p50), float(p99))


async def table_bytes(dsn: str) -> tuple[float, float]:
    """Return bytes a trade of the tables of the last run, without indexes and with them."""
    connection = await asyncpg.connect(urlunsplit(urlsplit(dsn)._replace(path=f"/{DATABASE}")))
    ((bare, indexed),) = await connection.fetch(
        "SELECT sum(pg_relation_size(oid)), sum(pg_total_relation_size(oid)) FROM pg_class"
        r" WHERE relkind = 'r' AND (relname ~ '^(trades|movements)_0_\d+$' OR relname = 'balance_log')"
    )
    count = await connection.fetchval("SELECT count(*) FROM ledger.trades")
    await connection.close()
    return float(bare) / count, float(indexed) / count


def restart_seconds(server: Embedded) -> float:
    """Kill the server and return how long it takes until it serves again, with every committed row."""
    pid = server.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    while server.pid is not None:
        time.sleep(0.001)
    start = time.perf_counter()
    server.ensure_running()
    asyncio.run(_answers(server.dsn))
    return time.perf_counter() - start


async def _answers(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    await connection.execute("SELECT 1")
    await connection.close()


class Variant(NamedTuple):
    """One line of the table."""

    size: int  # trades a batch
    accounts: int
    name: str
    run: Run
    trades: int


def variants(options: argparse.Namespace) -> list[Variant]:
    """Return all that is measured; a bare COPY stands behind what is compared with it."""
    few, *many = options.accounts
    found = [
        Variant(1, few, "one transaction a trade, guards", run_single, min(options.trades, options.batches)),
        Variant(1_000, few, "executemany, no guards", run_many, min(options.trades, 4_000)),
    ]
    for size in SIZES:
        count = min(options.trades, size * options.batches)
        found.append(Variant(size, few, "poster, all guards", run_poster, count))
        if size == LATENCY_SIZE:
            found.append(Variant(size, few, "batch by batch, guards", run_single, count))
        found.append(Variant(size, few, BARE, run_copy, count))
    for accounts in many:
        count = min(options.trades, SIZES[-1] * options.batches)
        found.append(Variant(SIZES[-1], accounts, "poster, all guards", run_poster, count))
        found.append(Variant(SIZES[-1], accounts, BARE, run_copy, count))
    return found


async def measure(dsn: str, options: argparse.Namespace) -> Table:
    """Return the table of all variants, each figure the median of the rounds."""
    columns = (
        "a batch",
        "accounts",
        "",
        "trades/s",
        "of bare",
        "us here",
        "us Postgres",
        "p50 ms",
        "p99 ms",
        "fdatasync us",
    )
    table = Table(*columns)
    waiting: list[tuple[float, list[str]]] = []  # rates and rows of a size, until its bare COPY is known
    for variant in variants(options):
        medians, probe = await _medians(dsn, variant, options.rounds)
        rate, own, server, p50, p99 = medians
        waits = [f"{p50:.2f}", f"{p99:.2f}"] if p50 else ["", ""]
        row = [f"{variant.size:,}", f"{variant.accounts:,}", variant.name, f"{rate:,.0f}", ""]
        waiting.append((rate, [*row, f"{own:.1f}", f"{server:.1f}", *waits, f"{probe:.0f}"]))
        if variant.name == BARE:
            for found, cells in waiting:
                cells[4] = f"{found / rate:.2f}" if cells[0] == row[0] else ""
                table.add_row(*cells)
            waiting = []
    return table


async def _medians(dsn: str, variant: Variant, rounds: int) -> tuple[list[float], float]:
    """Return the medians of a variant's figures, and of the disk's probe before each round."""
    opening, trading = market(variant.accounts), trades(variant.trades, variant.accounts)
    found, probes = [], []
    for _ in range(rounds):
        probes.append(fdatasync_us(Path(tempfile.gettempdir())))
        found.append(await variant.run(dsn, opening, trading, variant.size))
    return [statistics.median(column) for column in zip(*found, strict=True)], statistics.median(probes)


def main() -> None:
    """Measure on the server of --dsn, or on an embedded one in a temporary folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trades", type=int, default=40_000, help="at most, a run")
    parser.add_argument("--batches", type=int, default=40, help="at most, a run")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--accounts", type=int, nargs="+", default=[1_000, 100_000], help="few, and more to compare")
    parser.add_argument("--dsn", default=os.environ.get("TOKENBOURSE_DSN"))
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    console = Console(width=120)
    console.print(describe())
    with ExitStack() as opened:
        dsn, server = options.dsn, None
        if dsn is None:
            server = Embedded(Path(opened.enter_context(tempfile.TemporaryDirectory())))
            server.start()
            opened.callback(server.stop)
            dsn = server.dsn
        console.print(asyncio.run(measure(dsn, options)))
        few = options.accounts[0]
        asyncio.run(run_poster(dsn, market(few), trades(options.trades, few), SIZES[-1]))
        bare, whole = asyncio.run(table_bytes(dsn))
        console.print(f"{bare:.0f} bytes of table a trade, {whole:.0f} with indexes, in batches of 10,000")
        if server is not None:
            console.print(f"serving again {restart_seconds(server):.2f} s after a kill -9")


if __name__ == "__main__":
    main()
