"""The command line, as processes: serve, kill, serve again, stop, reconcile."""

import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, TextIO

import httpx
import psutil
import pytest
from rich.console import Console
from typer.testing import CliRunner

from api import cli, ledgercli
from api.demo.server import ServerError
from api.version import own_version
from tests.api.v1.office import Client
from tests.conftest import ROOT

pytestmark = [pytest.mark.system, pytest.mark.timeout(300)]  # many starts
START_S = 100


def _tokenbourse(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "api.commandline", *arguments]
    return subprocess.run(line, cwd=ROOT, capture_output=True, text=True, timeout=START_S, check=False)


class Served:
    """`tokenbourse serve` on a data directory."""

    def __init__(self, directory: Path, *more: str) -> None:
        self.directory = directory
        self._log = directory.with_suffix(".log").open("a")
        line = [sys.executable, "-m", "api.commandline", "serve", "--data", str(directory), "--port", "0", *more]
        self.process = subprocess.Popen(
            line, cwd=ROOT, stdout=subprocess.PIPE, stderr=self._log, text=True, start_new_session=True
        )
        self._cleanup = weakref.finalize(self, _end_hard, self.process, self._log)
        assert self.process.stdout is not None
        words = re.search(r"listens on (\S+)", self.process.stdout.readline())
        assert words, self.directory.with_suffix(".log").read_text()
        self.url = words[1]
        self.said = [self.process.stdout.readline() for _ in range(3)]

    @contextmanager
    def operator(self) -> Iterator[Client]:
        written = json.loads((self.directory / "operator.json").read_text())
        client = Client(self.url, written["key"], written["secret"], written["account"])
        with client.http:
            yield client

    def end(self, number: signal.Signals) -> int:
        """Send a signal, wait for the end, and see that no child is left."""
        children = psutil.Process(self.process.pid).children(recursive=True)
        if number is signal.SIGINT:  # a terminal sends it to the whole group
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        status = self.process.wait(60)
        self._cleanup()
        _, alive = psutil.wait_procs(children, timeout=60)
        assert alive == []
        return status


def _end_hard(process: "subprocess.Popen[str]", log: TextIO) -> None:
    """Leave nothing behind, also where a test fails before the end."""
    process.kill()
    process.wait()
    assert process.stdout is not None
    process.stdout.close()
    log.close()


def _wait_for_ledger(url: str) -> dict[str, Any]:
    for _ in range(400):
        told = httpx.get(f"{url}/v1/health").json()
        if told["ledger"]["connected"] and not told["ledger"]["lag"]:
            return told
        time.sleep(0.05)
    raise AssertionError(told)


@pytest.fixture(scope="module")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a data directory in which something happened, with a kill in the middle and an orderly end."""
    directory = tmp_path_factory.mktemp("cli") / "exchange"
    served = Served(directory)
    assert [line.split(" ")[0] for line in served.said] == ["the", "the", "0"]
    with served.operator() as operator:
        account = operator.post("/v1/participants", name="alice", role="trader").json()["accounts"][0]["account"]
        assert operator.post("/v1/deposits", account=account, amount="5").status_code == 200
    assert served.end(signal.SIGKILL) == -signal.SIGKILL
    served = Served(directory)
    with served.operator() as operator:
        told = operator.get("/v1/balances", account=account).json()
    assert told["balances"] == [{"asset": "CNY", "available": "5.000000", "held": "0.000000", "total": "5.000000"}]
    assert _wait_for_ledger(served.url)["events"] == 3
    beside = _tokenbourse("reconcile", "--data", str(directory), "--json")
    assert (beside.returncode, json.loads(beside.stdout)["events"]) == (0, 3), beside.stderr
    second = _tokenbourse("serve", "--data", str(directory), "--port", "0")
    assert (second.returncode, "another process" in second.stderr) == (2, True)
    assert served.end(signal.SIGINT) == 0
    return directory


def test_what_was_acknowledged_survives_a_kill_and_reconciles(used: Path) -> None:
    found = _tokenbourse("reconcile", "--data", str(used))
    assert found.returncode == 0, found.stderr
    assert "journal = engine = ledger = tape" in found.stdout
    again = json.loads(_tokenbourse("reconcile", "--data", str(used), "--json").stdout)
    assert (again["ok"], again["difference"], again["entries"]) == (True, None, 1)


def test_sigterm_ends_in_order_with_a_snapshot(used: Path) -> None:
    served = Served(used)
    assert served.end(signal.SIGTERM) == 0
    assert list((used / "snapshots").iterdir())
    assert "stopped: everything acknowledged is in the journal" in used.with_suffix(".log").read_text()


def test_a_planted_change_is_found_and_named(used: Path) -> None:
    segment = next((used / "events").iterdir())
    honest = segment.read_bytes()
    changed = bytearray(honest)
    changed[2 * 112 + 80] ^= 1  # the price field of the third event, the deposit
    segment.write_bytes(changed)
    found = _tokenbourse("reconcile", "--data", str(used), "--json")
    segment.write_bytes(honest)
    assert found.returncode == ledgercli.EXIT_DIFFERENCE
    told = json.loads(found.stdout)
    assert (told["ok"], "event 3" in told["difference"]) == (False, True)


def test_reconcile_wants_an_exchange_and_a_ledger(tmp_path: Path, used: Path) -> None:
    nothing = _tokenbourse("reconcile", "--data", str(tmp_path))
    assert (nothing.returncode, "no exchange" in nothing.stderr) == (ledgercli.EXIT_FAILURE, True)
    (tmp_path / "journal").mkdir()
    unsettled = _tokenbourse("reconcile", "--data", str(tmp_path))
    assert (unsettled.returncode, "--dsn" in unsettled.stderr) == (ledgercli.EXIT_FAILURE, True)
    away = _tokenbourse("reconcile", "--data", str(used), "--dsn", "postgresql://nobody@127.0.0.1:1/nothing")
    assert away.returncode == ledgercli.EXIT_FAILURE
    wrong = _tokenbourse("reconcile", "--data", str(used), "--published", "xyz")
    assert "hexadecimal" in wrong.stderr


def test_serve_says_why_it_cannot(tmp_path: Path) -> None:
    away = _tokenbourse("serve", "--data", str(tmp_path / "a"), "--dsn", "postgresql://nobody@127.0.0.1:1/nothing")
    assert away.returncode == ledgercli.EXIT_FAILURE
    assert "Traceback" not in away.stderr


def test_version_and_help() -> None:
    runner = CliRunner()
    assert runner.invoke(cli.app, ["version"]).stdout.strip() == own_version()
    told = runner.invoke(cli.app, ["--help"], env={"COLUMNS": "200"}).stdout
    assert "tokenbourse serve --data ./exchange" in told
    assert {"serve", "demo", "reconcile", "version"} <= set(told.split())


@pytest.mark.parametrize(("outcome", "status"), [(True, 0), (False, ledgercli.EXIT_DIFFERENCE)])
def test_the_demo_says_by_its_exit_whether_all_checks_held(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, outcome: bool, status: int
) -> None:
    days: list[Any] = []

    async def run_day(plan: Any, _: Any) -> bool:
        days.append(plan)
        assert plan.directory.is_dir()
        return outcome

    monkeypatch.setattr(cli, "run_day", run_day)
    runner = CliRunner()
    assert runner.invoke(cli.app, ["demo", "--seconds", "3"]).exit_code == status
    assert not days[0].directory.exists()
    assert days[0].morning_s == days[0].afternoon_s == 3
    kept = tmp_path / "kept"
    assert runner.invoke(cli.app, ["demo", "--data", str(kept)]).exit_code == status
    assert kept.is_dir()


def test_a_demo_that_cannot_start_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run_day(*_: Any) -> bool:
        raise ServerError("the server did not answer")

    monkeypatch.setattr(cli, "run_day", run_day)
    found = CliRunner().invoke(cli.app, ["demo"])
    assert found.exit_code == ledgercli.EXIT_FAILURE
    assert "did not answer" in found.stderr


def test_children_end_with_a_killed_parent(tmp_path: Path) -> None:
    served = Served(tmp_path / "orphans")
    assert len(psutil.Process(served.process.pid).children(recursive=True)) > 2
    assert served.end(signal.SIGKILL) == -signal.SIGKILL
    assert not [pid for pid in psutil.pids() if _serves_from(pid, tmp_path / "orphans")]


def _serves_from(pid: int, directory: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink().is_relative_to(directory)
    except OSError:
        return False


def test_an_origin_that_is_none_is_refused_before_the_start(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli.app, ["serve", "--data", str(tmp_path / "none"), "--allow-origin", "page.example"])
    assert result.exit_code == 2
    assert "an origin is http" in result.output
    assert not (tmp_path / "none").exists()


def test_files_that_are_no_certificate_are_refused_before_the_start(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.pem"
    wrong.write_text("no certificate")
    line = ["serve", "--data", str(tmp_path / "exchange"), "--tls-cert", str(wrong), "--tls-key", str(wrong)]
    told = CliRunner().invoke(cli.app, line, env={"COLUMNS": "400"})
    assert (told.exit_code, "are no certificate in PEM" in told.output) == (2, True)
    assert not (tmp_path / "exchange").exists()


def test_a_log_has_one_line_for_a_replay_of_many_records(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    seen: list[str] = []
    monkeypatch.setattr(cli, "err", Console(file=written))
    step = cli._steps(SimpleNamespace(update=seen.append))
    for text in ("reading the journal", "replaying the journal: 1 of 3", "replaying the journal: 2 of 3", "starting"):
        step(text)
    assert written.getvalue().splitlines() == ["reading the journal", "replaying the journal: 1 of 3", "starting"]
    assert len(seen) == 4
