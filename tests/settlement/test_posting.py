"""One batch into Postgres: both ways make the same rows, and a fault at any point costs nothing."""

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import asyncpg
import numpy as np
import pytest

from exchange.core.types import EventKind
from settlement import balances, config
from settlement.batch import State, genesis, prepare
from settlement.connect import PASSING_ERRORS, POSTER_ROLE, connect
from settlement.embedded import Embedded
from settlement.migrate import migrate
from settlement.poster import Poster
from settlement.posting import CursorMovedError, SupersededError, load, post
from tests.settlement.builders import CASH, Events, event, history, market, stream, trades
from tests.settlement.conftest import SMALL, recreate
from tests.settlement.posting import contents, fetch, next_batch, post_all, stand
from tests.settlement.proxy import Proxy

OPENED = market()
MORE = stream(OPENED, trades(40, seed=3))


def test_the_stored_function_makes_the_rows_that_copy_makes(
    server_dsn: str, dsn: str, empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.run(migrate(empty_dsn))
    asyncio.run(post_all(dsn, MORE, size=len(OPENED)))
    monkeypatch.setattr(config, "SMALL_BATCH_TRADES", 0)
    asyncio.run(post_all(empty_dsn, MORE, size=len(OPENED)))
    assert asyncio.run(contents(dsn)) == asyncio.run(contents(empty_dsn))


@pytest.mark.parametrize("small", [0, 10**6])
def test_a_stale_epoch_changes_nothing(small: int, dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SMALL_BATCH_TRADES", small)
    asyncio.run(post_all(dsn, OPENED))

    async def try_old() -> None:
        batch = await next_batch(dsn, MORE)
        connection = await connect(dsn, POSTER_ROLE)
        assert await connection.fetchval("SELECT ledger.claim(0)") == 1
        for epoch in (0, 2):
            with pytest.raises(SupersededError):
                await post(connection, batch, epoch)
        await post(connection, batch, 1)
        with pytest.raises(CursorMovedError):
            await post(connection, batch, 1)
        await connection.close()

    asyncio.run(try_old())
    assert asyncio.run(fetch(dsn, "SELECT last_seq, epoch FROM ledger.settle_cursor")) == [(len(MORE), 1)]


def test_what_is_loaded_is_what_was_reached(dsn: str) -> None:
    reached = asyncio.run(post_all(dsn, history(100), size=9))

    async def look() -> tuple[bytes, list[tuple[int, int, int]], int]:
        connection = await connect(dsn, POSTER_ROLE)
        loaded = await load(connection)
        await connection.close()
        return loaded.hash, balances.rows(loaded.state.balances), loaded.state.batch

    assert asyncio.run(look()) == (reached.hash, balances.rows(reached.balances), reached.batch)


def test_a_block_that_ends_is_loaded_by_its_own_hash(dsn: str) -> None:
    quiet = np.zeros(config.BLOCK_EVENTS + 5, OPENED.dtype)
    quiet["kind"] = EventKind.ORDER_CANCELED
    events = stream(OPENED, quiet)
    for upto in (config.BLOCK_EVENTS, len(events)):
        reached = asyncio.run(post_all(dsn, events[:upto], size=10**6))

        async def look() -> bytes:
            connection = await connect(dsn, POSTER_ROLE)
            state = await stand(connection, events)
            await connection.close()
            return state.hash

        assert asyncio.run(look()) == reached.hash


@pytest.mark.parametrize("amount", [2**62, 2**63 - 1])
def test_balances_go_to_the_edge_of_an_int8_and_not_beyond(amount: int, dsn: str) -> None:
    deposit = event(EventKind.DEPOSITED, account=1, asset=CASH, amount=amount)
    asyncio.run(post_all(dsn, stream(deposit)))
    batch = asyncio.run(next_batch(dsn, stream(deposit, deposit)))
    # what the poster adds up wraps around, and is refused as a balance below zero or as a sum beyond an int8
    with pytest.raises((asyncpg.CheckViolationError, asyncpg.NumericValueOutOfRangeError)):
        asyncio.run(_post(dsn, batch))
    balance = "SELECT balance FROM ledger.balances ORDER BY account"
    assert asyncio.run(fetch(dsn, balance)) == [(-amount,), (amount,)]


async def _post(dsn: str, batch: object) -> None:
    connection = await connect(dsn, POSTER_ROLE)
    try:
        await post(connection, batch, 0)  # type: ignore[arg-type]
    finally:
        await connection.close()


# faults at every await point: the proxy swallows the n-th answer of the server, for every n that there is


def _small_then_large() -> np.ndarray:
    deposit = event(EventKind.DEPOSITED, account=1, asset=CASH, amount=1)
    return stream(OPENED, trades(3, seed=5), trades(30, seed=6), deposit)


async def _posted_through(proxy: Proxy, events: np.ndarray) -> None:
    stop = asyncio.Event()
    stop.set()
    while True:
        await Poster(proxy.dsn, Events(events), 25).run(stop)
        connection = await asyncpg.connect(proxy.dsn)
        try:
            if await connection.fetchval("SELECT last_seq FROM ledger.settle_cursor") == len(events):
                return
        finally:
            await connection.close()


@pytest.mark.parametrize("where", range(6))
def test_an_answer_that_is_lost_at_any_point_costs_nothing(where: int, dsn: str) -> None:
    """Several resets in a run, each run at other points, so that every chunk is lost in one of them."""
    events = _small_then_large()

    async def run() -> int:
        async with Proxy(dsn) as proxy:
            proxy.reset_at = set(range(3 + where, 400, 6))
            for _ in range(60):
                try:
                    await asyncio.wait_for(_posted_through(proxy, events), 60)
                    break
                except PASSING_ERRORS:
                    continue
            return proxy.chunks

    assert asyncio.run(run()) > 10
    _check_exact(dsn, events)


def _check_exact(dsn: str, events: np.ndarray) -> None:
    tables = prepare(genesis(), events)[0].tables
    found = asyncio.run(contents(dsn))
    for table in ("trades", "entries", "movements"):
        assert [row[0] for row in found[table]] == tables[table][tables[table].dtype.names[0]].tolist()  # type: ignore[index]
    rows = asyncio.run(fetch(dsn, "SELECT account, asset, balance FROM ledger.balances ORDER BY 1, 2"))
    assert rows == balances.rows(prepare(genesis(), events)[1].balances)
    assert found["batches"][-1][6] == prepare(genesis(), events)[0].hash


def test_a_slow_server_is_only_slow(dsn: str) -> None:
    events = _small_then_large()

    async def run() -> None:
        async with Proxy(dsn) as proxy:
            proxy.delay_s = 0.02
            await _posted_through(proxy, events)

    asyncio.run(run())
    _check_exact(dsn, events)


def test_a_server_that_hangs_is_left_after_a_time(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "STATEMENT_SECONDS_MAX", 0.3)
    monkeypatch.setattr(config, "CONNECT_SECONDS_MAX", 0.3)
    events = _small_then_large()

    async def run() -> None:
        stop = asyncio.Event()
        async with Proxy(dsn) as proxy:
            proxy.delay_s = 5.0
            running = asyncio.create_task(Poster(proxy.dsn, Events(events), 25).run(stop))
            await asyncio.sleep(1.0)
            proxy.delay_s = 0.0
            await asyncio.sleep(1.0)
            stop.set()
            await running
            await _posted_through(proxy, events)

    asyncio.run(run())
    _check_exact(dsn, events)


# the same for the server's own processes: killed at the n-th thing that the poster waits for


@pytest.fixture(scope="module")
def mortal(session_dir: Path) -> Embedded:
    server = Embedded(session_dir / "mortal", SMALL)
    server.start()
    yield server  # type: ignore[misc]
    server.stop()


def _strike(server: Embedded, victim: str, backend: int) -> None:
    assert server.pid is not None
    pid, number = {
        "backend": (backend, signal.SIGKILL),
        "postmaster": (server.pid, signal.SIGKILL),
        "immediate stop": (server.pid, signal.SIGQUIT),
    }[victim]
    os.kill(pid, number)


class Counted:
    """A connection whose n-th use strikes first, and then goes on as if nothing had happened."""

    def __init__(self, connection: asyncpg.Connection, at: int, strike: Callable[[int], None]) -> None:
        self._connection = connection
        self.left = at
        self._strike = strike

    def __getattr__(self, name: str) -> object:
        found = getattr(self._connection, name)
        if name not in {"fetchval", "execute", "copy_to_table", "transaction"}:
            return found
        self.left -= 1
        if self.left == 0:
            self._strike(self._connection.get_server_pid())
        return found


@pytest.mark.parametrize("victim", ["backend", "postmaster", "immediate stop"])
def test_a_death_at_any_point_of_a_batch_costs_nothing(
    victim: str, mortal: Embedded, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Points 1 to 6 of a batch by COPY: begin, advance, three tables, seal; point 1 also of the stored function."""
    events = _small_then_large()
    dsn = asyncio.run(recreate(mortal.dsn, "mortal"))
    asyncio.run(migrate(dsn))
    asyncio.run(post_all(dsn, events[: len(OPENED)]))

    async def strike_at(point: int, small: int) -> None:
        monkeypatch.setattr(config, "SMALL_BATCH_TRADES", small)
        connection, state = await _reached(dsn, events)
        batch, _ = prepare(state, events[state.position : state.position + 3])
        counted = Counted(connection, point, lambda backend: _strike(mortal, victim, backend))
        # what became of the batch is read from the ledger
        with contextlib.suppress(*PASSING_ERRORS, asyncpg.PostgresError):
            await post(counted, batch, 0)  # type: ignore[arg-type]
        connection.terminate()
        assert counted.left <= 0

    for point, small in ((1, 48), *((point, 0) for point in range(1, 7))):
        asyncio.run(strike_at(point, small))
        _revive(mortal, victim)
    asyncio.run(post_all(dsn, events, size=11))
    _check_exact(dsn, events)


async def _reached(dsn: str, events: np.ndarray) -> tuple[asyncpg.Connection, State]:
    """Connect and read where the ledger stands; a server that loses a backend may answer once and then begin anew."""
    async with asyncio.timeout(30):
        while True:
            try:
                connection = await connect(dsn, POSTER_ROLE)
                return connection, await stand(connection, events)
            except PASSING_ERRORS:
                await asyncio.sleep(0.05)


def _revive(server: Embedded, victim: str) -> None:
    if victim != "backend":
        assert server._server is not None
        server._server.wait(30)
        server.ensure_running()
    asyncio.run(_until_it_answers(server.dsn))


async def _until_it_answers(dsn: str) -> None:
    for _ in range(200):
        try:
            connection = await asyncpg.connect(dsn)
            await connection.execute("SELECT 1")
            await connection.close()
        except PASSING_ERRORS:
            await asyncio.sleep(0.05)
        else:
            return
    raise AssertionError("the server does not come back")


# a full disk


@pytest.fixture
def small_disk() -> Path:
    """Return a file system of its own with little room, where this user may make one."""
    folder = Path(tempfile.mkdtemp(prefix="tb-full-"))
    folder.chmod(0o755)
    mount = ["mount", "-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", folder]
    made = subprocess.run(mount, capture_output=True, check=False)
    if made.returncode != 0:
        folder.rmdir()
        pytest.skip(f"no file system of a limited size: {made.stderr.decode().strip()}")
    yield folder  # type: ignore[misc]
    subprocess.run(["umount", "-l", folder], check=True)
    folder.rmdir()


def test_a_full_disk_stops_the_ledger_and_room_lets_it_go_on(small_disk: Path) -> None:
    settings = {**SMALL, "max_wal_size": "64MB", "min_wal_size": "32MB", "shared_buffers": "16MB"}
    server = Embedded(small_disk / "postgres", settings)
    server.start()
    events = stream(OPENED, trades(60, seed=8))
    try:
        asyncio.run(migrate(server.dsn))
        asyncio.run(post_all(server.dsn, events[: len(OPENED)]))
        ballast = small_disk / "ballast"
        _fill(ballast)

        async def run() -> None:
            stop = asyncio.Event()
            running = asyncio.create_task(Poster(server.dsn, Events(_many(events)), 5_000).run(stop))
            await asyncio.sleep(2.0)
            before = await _cursor(server)
            ballast.unlink()
            await asyncio.to_thread(server.ensure_running)
            for _ in range(400):
                if await _cursor(server) > before:
                    break
                await asyncio.sleep(0.05)
            stop.set()
            await running
            assert await _cursor(server) > before

        asyncio.run(run())
    finally:
        server.stop()


def _many(events: np.ndarray) -> np.ndarray:
    return stream(events, *[trades(4_000, seed=seed) for seed in range(8)])


async def _cursor(server: Embedded) -> int:
    try:
        return int(str((await fetch(server.dsn, "SELECT last_seq FROM ledger.settle_cursor"))[0][0]))
    except PASSING_ERRORS:
        return 0


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(1 << 16))
        except OSError:
            return
