"""The poster: exactly once through duplicates, rivals, lost connections and kills."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import numpy as np
import pytest
from structlog.testing import capture_logs

from exchange.config import EVENT_FOLDER
from exchange.core.types import EventKind
from exchange.events import EventLog
from settlement import balances, config, poster
from settlement.batch import Batch, genesis, prepare
from settlement.connect import UnsafeServerError
from settlement.embedded import Embedded
from settlement.migrate import migrate
from settlement.poster import EXIT_SUPERSEDED, ForeignLedgerError, Poster, spawn
from settlement.posting import CursorMovedError, SupersededError
from tests.settlement.builders import CASH, CASH_AT_START, Events, event, history, market, quiet, stream
from tests.settlement.conftest import SMALL
from tests.settlement.posting import contents, execute, fetch, next_batch, post_all
from tests.settlement.processes import ends

SPAWN = """
import sys, time
from pathlib import Path
from settlement.poster import spawn
print(spawn(Path(sys.argv[1]), sys.argv[2]).pid, flush=True)
time.sleep(60)
"""


def _expected_balances(events: np.ndarray) -> list[tuple[int, int, int]]:
    return balances.rows(prepare(genesis(), events)[1].balances)


def _check_exact(dsn: str, events: np.ndarray) -> None:
    """See that the ledger holds exactly these events' rows, their balances, and an unbroken chain."""
    found = asyncio.run(contents(dsn))
    tables = prepare(genesis(), events)[0].tables
    assert [row[0] for row in found["trades"]] == tables["trades"]["seq"].tolist()
    assert [row[0] for row in found["entries"]] == tables["entries"]["seq"].tolist()
    assert found["movements"] == [tuple(row) for row in tables["movements"].tolist()]
    in_ledger = asyncio.run(fetch(dsn, "SELECT account, asset, balance FROM ledger.balances ORDER BY 1, 2"))
    assert in_ledger == _expected_balances(events)
    chain = [(batch[5], batch[6]) for batch in found["batches"]]
    assert [before for before, _ in chain[1:]] == [own for _, own in chain[:-1]]


async def _cursor(dsn: str) -> int:
    return int(str((await fetch(dsn, "SELECT last_seq FROM ledger.settle_cursor"))[0][0]))


async def _until_posted(dsn: str, last_seq: int, seconds: float = 60.0) -> None:
    connection = await asyncpg.connect(dsn)
    async with asyncio.timeout(seconds):
        while await connection.fetchval("SELECT last_seq FROM ledger.settle_cursor, pg_sleep(0.01)") < last_seq:
            pass
    await connection.close()


async def _run_until(found: Poster, dsn: str, last_seq: int) -> None:
    """Run a poster until the ledger is so far, then stop it."""
    stop = asyncio.Event()
    running = asyncio.create_task(found.run(stop))
    waiting = asyncio.create_task(_until_posted(dsn, last_seq))
    await asyncio.wait((running, waiting), return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await running
    await waiting


@pytest.mark.parametrize("batch_events_max", [3, 40, 1000])
def test_everything_is_posted_once(batch_events_max: int, dsn: str) -> None:
    events = history(100)
    asyncio.run(_run_until(Poster(dsn, Events(events), batch_events_max), dsn, len(events)))
    _check_exact(dsn, events)


def test_full_batches_do_not_wait_and_are_full(dsn: str) -> None:
    events = history(100)
    asyncio.run(_run_until(Poster(dsn, Events(events), 10), dsn, len(events)))
    sizes = [
        last - first + 1 for last, first in asyncio.run(fetch(dsn, "SELECT last_seq, first_seq FROM ledger.batches"))
    ]
    assert sizes[:-1] == [10] * (len(sizes) - 1)


def test_a_new_poster_goes_on_where_the_last_one_was(dsn: str) -> None:
    events = history(100)
    source = Events(events, count=70)
    asyncio.run(_run_until(Poster(dsn, source), dsn, 70))
    source.count = len(events)
    asyncio.run(_run_until(Poster(dsn, source), dsn, len(events)))
    _check_exact(dsn, events)


def test_events_that_come_later_are_posted(dsn: str) -> None:
    events = history(100)
    source = Events(events, count=50)

    async def grow() -> None:
        await _until_posted(dsn, 50)
        source.count = len(events)

    async def run() -> None:
        await asyncio.gather(grow(), _run_until(Poster(dsn, source), dsn, len(events)))

    asyncio.run(run())
    _check_exact(dsn, events)


def test_quiet_events_move_the_cursor_without_a_row(dsn: str) -> None:
    events = stream(market(), quiet(5))
    asyncio.run(post_all(dsn, events[:-5]))
    asyncio.run(_run_until(Poster(dsn, Events(events)), dsn, len(events)))
    assert asyncio.run(fetch(dsn, "SELECT trade_count, entry_count FROM ledger.batches ORDER BY batch"))[1:] == [(0, 0)]


def test_quiet_events_wait_for_company(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "QUIET_PAUSES_MAX", 10**9)
    events = stream(market(), quiet(5), event(EventKind.DEPOSITED, account=1, asset=CASH, amount=1))
    asyncio.run(post_all(dsn, events[: len(market())]))
    source = Events(events, count=len(events) - 1)

    async def run() -> int:
        stop = asyncio.Event()
        running = asyncio.create_task(Poster(dsn, source).run(stop))
        await asyncio.sleep(0.3)
        before = await _cursor(dsn)
        source.count = len(events)
        await _until_posted(dsn, len(events))
        stop.set()
        await running
        return before

    assert asyncio.run(run()) == len(market())
    assert len(asyncio.run(fetch(dsn, "SELECT FROM ledger.batches"))) == 2


def test_stop_posts_what_waits_first(dsn: str) -> None:
    events = stream(history(30), quiet(4))

    async def run() -> None:
        stop = asyncio.Event()
        stop.set()
        await Poster(dsn, Events(events), 7).run(stop)

    asyncio.run(run())
    _check_exact(dsn, events)
    assert asyncio.run(_cursor(dsn)) == len(events)


def test_a_batch_delivered_twice_counts_once(dsn: str) -> None:
    events = history(30)

    async def twice() -> None:
        batch = await next_batch(dsn, events)
        connection = await poster.connect(dsn, poster.POSTER_ROLE)
        await poster.post(connection, batch, 0)
        with pytest.raises(CursorMovedError):
            await poster.post(connection, batch, 0)
        await connection.close()

    asyncio.run(twice())
    _check_exact(dsn, events)


def test_a_commit_that_nobody_heard_of_is_found_and_posting_goes_on(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    events, post, posted = history(100), poster.post, []

    async def post_unheard(connection: asyncpg.Connection, batch: Batch, epoch: int | None) -> None:
        """Commit a batch as if its answer were lost and the commit came through behind the next reading."""
        posted.append(batch.batch)
        if len(posted) == 2:
            await post(connection, batch, epoch)
        await post(connection, batch, epoch)

    monkeypatch.setattr(poster, "post", post_unheard)
    asyncio.run(_run_until(Poster(dsn, Events(events), 10), dsn, len(events)))
    assert posted == sorted(set(posted))
    _check_exact(dsn, events)


def test_overlapping_batches_are_refused(dsn: str) -> None:
    events = history(30)

    async def overlap() -> None:
        late = await next_batch(dsn, events)
        await post_all(dsn, events[:40])
        connection = await poster.connect(dsn, poster.POSTER_ROLE)
        with pytest.raises(CursorMovedError):
            await poster.post(connection, late, 0)
        await connection.close()
        await post_all(dsn, events)

    asyncio.run(overlap())
    _check_exact(dsn, events)


def test_of_two_posters_the_first_one_stops(dsn: str) -> None:
    events = history(200)
    source = Events(events, count=50)

    async def both() -> BaseException | None:
        first = asyncio.create_task(Poster(dsn, source, 10).run(asyncio.Event()))
        await _until_posted(dsn, 50)
        source.count = len(events)
        await _run_until(Poster(dsn, source, 10), dsn, len(events))
        await asyncio.wait((first,), timeout=60)
        return first.exception()

    assert isinstance(asyncio.run(both()), SupersededError)
    _check_exact(dsn, events)


def test_two_posters_at_once_post_everything_once(dsn: str) -> None:
    events = history(200)

    async def both() -> list[BaseException | None]:
        stop = asyncio.Event()
        running = [asyncio.create_task(Poster(dsn, Events(events), 5).run(stop)) for _ in range(2)]
        await _until_posted(dsn, len(events))
        stop.set()
        return await asyncio.gather(*running, return_exceptions=True)

    outcomes = asyncio.run(both())
    assert [type(outcome) for outcome in outcomes].count(SupersededError) <= 1
    _check_exact(dsn, events)


def test_what_postgres_refuses_stops_the_poster(dsn: str) -> None:
    overdrawn = stream(market(), event(EventKind.WITHDRAWN, account=1, asset=CASH, amount=2 * CASH_AT_START))
    with pytest.raises(asyncpg.CheckViolationError):
        asyncio.run(Poster(dsn, Events(overdrawn)).run(asyncio.Event()))
    assert asyncio.run(_cursor(dsn)) == 0


def test_a_ledger_of_another_exchange_is_not_continued(dsn: str) -> None:
    events = history(30)
    asyncio.run(post_all(dsn, events))
    other = stream(events, quiet(5))
    other["time_ns"] += 1
    with pytest.raises(ForeignLedgerError, match="belongs to another exchange"):
        asyncio.run(Poster(dsn, Events(other)).run(asyncio.Event()))
    assert asyncio.run(_cursor(dsn)) == len(events)


def test_a_log_that_is_being_made_again_is_waited_for(dsn: str) -> None:
    events = stream(history(30), quiet(5))
    asyncio.run(post_all(dsn, events[:-5]))
    source = Events(events, count=10)

    async def run() -> int:
        stop = asyncio.Event()
        running = asyncio.create_task(Poster(dsn, source).run(stop))
        await asyncio.sleep(0.3)
        before = await _cursor(dsn)
        source.count = len(events)
        await _until_posted(dsn, len(events))
        stop.set()
        await running
        return before

    assert asyncio.run(run()) == len(events) - 5


def test_an_unsafe_server_is_refused(dsn: str) -> None:
    asyncio.run(execute(dsn, f"ALTER DATABASE {_name(dsn)} SET synchronous_commit = off"))
    with pytest.raises(UnsafeServerError):
        asyncio.run(Poster(dsn, Events(history(5))).run(asyncio.Event()))
    assert asyncio.run(_cursor(dsn)) == 0


@pytest.mark.parametrize("reason", ["unsafe", "foreign"])
def test_a_process_that_refuses_says_why(
    reason: str, dsn: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    events = history(30)
    _event_log(tmp_path, events)
    if reason == "unsafe":
        asyncio.run(execute(dsn, f"ALTER DATABASE {_name(dsn)} SET synchronous_commit = off"))
    else:
        events["time_ns"] += 1
        asyncio.run(post_all(dsn, events))
    with _spawned(tmp_path, dsn) as process:
        assert process.wait(30) == 1
    said = capfd.readouterr().err
    assert "poster refuses to settle" in said
    assert ("synchronous_commit is off" if reason == "unsafe" else "belongs to another exchange") in said


def _name(dsn: str) -> str:
    return urlsplit(dsn).path.removeprefix("/")


def test_lost_connections_cost_nothing(dsn: str) -> None:
    """Backends are ended at random moments, now and then between a commit and its answer."""
    events = history(400)
    draw = random.Random(5)

    async def cut() -> None:
        connection = await asyncpg.connect(dsn)
        for _ in range(12):
            await asyncio.sleep(draw.uniform(0, 0.2))
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = $1 AND datname = current_database()",
                poster.POSTER_ROLE,
            )
        await connection.close()

    async def run() -> None:
        await asyncio.gather(_run_until(Poster(dsn, Events(events), 5), dsn, len(events)), cut())

    with capture_logs() as logs:
        asyncio.run(run())
    assert [line for line in logs if line["event"] == "ledger out of reach"]
    _check_exact(dsn, events)


def test_it_waits_for_a_server_that_is_not_there(dsn: str, tmp_path: Path) -> None:
    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(Poster(f"postgresql://x@/x?host={tmp_path}", Events(history(5))).run(stop))
        for _ in range(3_000):
            if len(logs) >= 2:
                break
            await asyncio.sleep(0.01)
        stop.set()
        await running

    with capture_logs() as logs:
        asyncio.run(run())
    assert [line["attempt"] for line in logs] == list(range(1, len(logs) + 1))
    assert len(logs) >= 2
    assert {line["event"] for line in logs} == {"ledger out of reach"}


def test_a_killed_postgres_costs_nothing(session_dir: Path) -> None:
    events = history(600)
    server = Embedded(session_dir / "killed", SMALL)
    server.start()
    asyncio.run(migrate(server.dsn))
    draw = random.Random(7)

    async def kill() -> None:
        for _ in range(4):
            await asyncio.sleep(draw.uniform(0.05, 0.3))
            pid = server.pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            assert await asyncio.to_thread(ends, pid)
            assert server.ensure_running()

    async def run() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(Poster(server.dsn, Events(events), 4).run(stop))
        await kill()
        await _until_posted(server.dsn, len(events))
        stop.set()
        await running

    try:
        asyncio.run(run())
        _check_exact(server.dsn, events)
    finally:
        server.stop()


# the process


def _event_log(data_dir: Path, events: np.ndarray) -> None:
    log = EventLog.open(data_dir / EVENT_FOLDER)
    log.append(events)
    log.close()


@contextmanager
def _spawned(data_dir: Path, dsn: str) -> Iterator[subprocess.Popen[bytes]]:
    process = spawn(data_dir, dsn)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _wait_for(dsn: str, last_seq: int) -> None:
    asyncio.run(_until_posted(dsn, last_seq))


def test_the_process_posts_and_ends_gracefully(dsn: str, tmp_path: Path) -> None:
    events = history(50)
    _event_log(tmp_path, events[:60])
    with _spawned(tmp_path, dsn) as process:
        _wait_for(dsn, 60)
        _event_log(tmp_path, events[60:])
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    assert asyncio.run(_cursor(dsn)) == len(events)
    _check_exact(dsn, events)


def test_a_killed_process_costs_nothing(dsn: str, tmp_path: Path) -> None:
    events = history(4000)
    draw = random.Random(11)
    written = 0
    for epoch in range(1, 5):
        with _spawned(tmp_path, dsn) as process:
            _wait_for_epoch(dsn, epoch)
            for _ in range(draw.randrange(2, 9)):
                _event_log(tmp_path, events[written : written + 97])
                written += 97
                time.sleep(draw.uniform(0, 0.03))
            process.kill()
    _event_log(tmp_path, events[written:])
    with _spawned(tmp_path, dsn):
        _wait_for(dsn, len(events))
    _check_exact(dsn, events)


def _wait_for_epoch(dsn: str, epoch: int) -> None:
    while asyncio.run(fetch(dsn, "SELECT epoch FROM ledger.settle_cursor, pg_sleep(0.01)")) != [(epoch,)]:
        continue


def test_a_superseded_process_says_so(dsn: str, tmp_path: Path) -> None:
    events = history(50)
    _event_log(tmp_path, events[:60])
    with _spawned(tmp_path, dsn) as first:
        _wait_for(dsn, 60)
        with _spawned(tmp_path, dsn):
            _wait_for_epoch(dsn, 2)
            _event_log(tmp_path, events[60:])
            assert first.wait(20) == EXIT_SUPERSEDED
            _wait_for(dsn, len(events))
    _check_exact(dsn, events)


def test_the_process_ends_with_its_parent(dsn: str, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SPAWN, tmp_path, dsn], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        _event_log(tmp_path, history(5))
        _wait_for(dsn, len(history(5)))
        parent.kill()
    assert ends(pid)
