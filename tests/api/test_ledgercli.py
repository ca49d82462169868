"""The ledger's commands: what they print, what they exit with, in words and as JSON."""

import asyncio
import csv
import io
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer
from click.testing import Result
from pyarrow import parquet
from rich.console import Console
from typer.testing import CliRunner

from api import ledgercli
from settlement.embedded import Embedded, PostgresError
from tests.settlement.conftest import damaged as damaged
from tests.settlement.conftest import dsn as dsn
from tests.settlement.conftest import empty_dsn as empty_dsn
from tests.settlement.conftest import exchange_dir as exchange_dir
from tests.settlement.conftest import in_database
from tests.settlement.conftest import server_dsn as server_dsn
from tests.settlement.conftest import settled as settled
from tests.settlement.conftest import template_dsn as template_dsn
from tests.settlement.exchanges import CONFIG, read
from tests.settlement.posting import forge

app = typer.Typer()
ledgercli.register(app)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the commands take the exchange for one of the tests' size."""
    for module in ("reconcile", "audit", "rebuild"):
        monkeypatch.setattr(f"settlement.{module}.Config", lambda: CONFIG)


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "160"})


def _json(*words: object) -> dict[str, object]:
    found = _run(*words, "--json")
    assert found.exit_code in {0, ledgercli.EXIT_DIFFERENCE}, found.output
    told = json.loads(found.stdout)
    assert told.get("ok", True) is (found.exit_code == 0)
    return told


@pytest.mark.parametrize("command", ["reconcile", "audit"])
def test_what_agrees_is_said_and_exits_with_0(command: str, exchange_dir: Path, settled: str) -> None:
    found = _run(command, "--data", exchange_dir, "--dsn", settled)
    assert found.exit_code == 0, found.output
    assert {"reconcile": "journal = engine", "audit": "the chain holds"}[command] in found.stdout
    told = _json(command, "--data", exchange_dir, "--dsn", settled, "--at", 60)
    assert told["events"] == int((read(exchange_dir)["sequence"] <= 60).sum())
    whole = _json(command, "--data", exchange_dir, "--dsn", settled, "--head", told["ledger_head"])
    assert (whole["difference"], whole["trades"]) == (None, 50)


@pytest.mark.parametrize("command", ["reconcile", "audit"])
def test_a_difference_is_named_and_exits_with_1(command: str, exchange_dir: Path, damaged: str) -> None:
    asyncio.run(forge(damaged, "UPDATE ledger.batches SET hash = sha256(hash) WHERE batch = 3"))
    found = _run(command, "--data", exchange_dir, "--dsn", damaged)
    assert (found.exit_code, "DIFFERENCE: batch 3: its hash" in found.stdout) == (ledgercli.EXIT_DIFFERENCE, True)
    assert "batch 3" in str(_json(command, "--data", exchange_dir, "--dsn", damaged)["difference"])


def test_a_rebuilt_ledger_has_the_same_head(exchange_dir: Path, settled: str, empty_dsn: str) -> None:
    head = _json("audit", "--data", exchange_dir, "--dsn", settled)["ledger_head"]
    made = _run("rebuild", empty_dsn, "--data", exchange_dir, "--head", str(head).upper())
    assert (made.exit_code, str(head) in made.stdout) == (0, True)
    again = _run("rebuild", empty_dsn, "--data", exchange_dir)
    assert (again.exit_code, "NotEmptyError" in again.output) == (ledgercli.EXIT_FAILURE, True)


def test_another_head_than_the_one_that_must_come_out_is_a_difference(exchange_dir: Path, empty_dsn: str) -> None:
    told = _run("rebuild", empty_dsn, "--data", exchange_dir, "--head", "5:" + "00" * 32, "--json")
    assert told.exit_code == ledgercli.EXIT_DIFFERENCE
    assert "DIFFERENCE: the head is" in told.stderr


def test_a_statement_comes_in_four_shapes_that_say_the_same(exchange_dir: Path, settled: str, tmp_path: Path) -> None:
    words = ("statement", 1, "--dsn", settled, "--parquet", tmp_path / "lines.parquet")
    told = json.loads(_run(*words, "--json").stdout)
    amounts = [line["amount"] for line in told["lines"]]
    assert told["opening"] + sum(amounts) == told["closing"]
    table = list(csv.reader(_run(*words, "--csv").stdout.splitlines()))
    assert [int(row[6]) for row in table[2:-1]] == amounts
    assert parquet.read_table(tmp_path / "lines.parquet")["amount"].to_pylist() == amounts
    shown = _run(*words).stdout
    assert "account 1, asset 1" in shown
    assert f"{told['closing']:,}" in shown


def test_a_statement_is_asked_for_by_names(exchange_dir: Path, settled: str, monkeypatch: pytest.MonkeyPatch) -> None:
    registry = SimpleNamespace(
        account={"alice": SimpleNamespace(index=1)}.get, asset={"CNY": SimpleNamespace(index=1)}.get
    )
    monkeypatch.setattr(ledgercli, "names", lambda _: registry)
    words = ("statement", "--dsn", settled, "--data", exchange_dir, "--json")
    assert _run(*words, "--account", "alice", "--asset", "CNY").stdout == _run(*words, 1).stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ((), "name one account"),
        ((1, "--account", "alice"), "name one account"),
        (("--account", "nobody"), "no account is named 'nobody'"),
        ((1, "--asset", "XYZ"), "no asset is named 'XYZ'"),
        ((1, "--asset", 10**10), "no asset has number 10000000000"),
        ((99_999_999_999,), "Invalid value for "),
        ((1, "--start", "2030-01-01", "--end", "2020-01-01"), "would end before it begins"),
    ],
)
def test_a_statement_of_nobody_is_refused(
    words: tuple[object, ...], reason: str, exchange_dir: Path, settled: str
) -> None:
    found = _run("statement", *words, "--dsn", settled, "--data", exchange_dir)
    assert (found.exit_code, reason in found.output) == (ledgercli.EXIT_FAILURE, True)


def test_a_statement_has_a_beginning_and_an_end(exchange_dir: Path, settled: str) -> None:
    late = _run("statement", 1, "--dsn", settled, "--start", "2250-01-01", "--json")
    told = json.loads(late.stdout)
    assert (told["lines"], told["opening"]) == ([], told["closing"])
    early = json.loads(_run("statement", 1, "--dsn", settled, "--end", "1970-01-01", "--json").stdout)
    assert (early["lines"], early["closing"]) == ([], 0)
    whole = _run("statement", 1, "--dsn", settled, "--json").stdout
    assert _run("statement", 1, "--dsn", settled, "--start", "0001-01-01", "--json").stdout == whole
    assert _run("statement", 1, "--dsn", settled, "--end", "9999-12-31", "--json").stdout == whole


def test_lines_that_cannot_be_written_are_no_difference(settled: str, tmp_path: Path) -> None:
    found = _run("statement", 1, "--dsn", settled, "--parquet", tmp_path / "nowhere" / "lines.parquet")
    assert (found.exit_code, "FileNotFoundError" in found.output) == (ledgercli.EXIT_FAILURE, True)


@pytest.mark.parametrize(
    "words", [("reconcile",), ("audit",), ("statement", 1), ("close-period", 0)], ids=lambda words: words[0]
)
def test_where_there_is_no_ledger_nothing_can_be_looked_at(
    words: tuple[object, ...], exchange_dir: Path, empty_dsn: str
) -> None:
    for address, reason in (
        (empty_dsn, "does not exist"),
        (in_database(empty_dsn, "nosuch"), '"nosuch" does not exist'),
    ):
        found = _run(*words, "--data", exchange_dir, "--dsn", address)
        assert (found.exit_code, reason in found.output) == (ledgercli.EXIT_FAILURE, True), found.output


def test_nothing_is_rebuilt_in_a_database_that_does_not_exist(exchange_dir: Path, server_dsn: str) -> None:
    found = _run("rebuild", in_database(server_dsn, "nosuch"), "--data", exchange_dir)
    assert (found.exit_code, "does not exist" in found.output) == (ledgercli.EXIT_FAILURE, True)


def test_a_period_closes_once_it_is_complete(settled: str) -> None:
    found = _run("close-period", 0, "--dsn", settled)
    assert (found.exit_code, "is not complete" in found.output) == (ledgercli.EXIT_FAILURE, True)


@pytest.mark.parametrize("as_json", [False, True])
def test_a_closed_period_says_its_head(as_json: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    async def close(_dsn: str, period: int) -> str:
        return f"head of {period}"

    monkeypatch.setattr("api.ledgercli.periods.close_period", close)
    found = _run("close-period", 7, "--dsn", "any", *(["--json"] if as_json else []))
    assert (found.exit_code, "head of 7" in found.stdout) == (0, True)


@pytest.mark.parametrize("head", ["5", "x:00", "5:zz", "5:00", "5:" + "00" * 33, "5:" + "zz" * 32])
def test_a_head_is_an_event_and_a_hash(head: str, exchange_dir: Path) -> None:
    found = _run("audit", "--data", exchange_dir, "--dsn", "any", "--head", head)
    assert (found.exit_code, "--head" in found.output) == (2, True)


def test_there_must_be_an_exchange_and_a_ledger(tmp_path: Path, exchange_dir: Path) -> None:
    assert "no exchange" in _run("audit", "--data", tmp_path).output
    unsettled = _run("audit", "--data", exchange_dir)
    assert (unsettled.exit_code, "--dsn" in unsettled.output) == (ledgercli.EXIT_FAILURE, True)
    away = _run("audit", "--data", exchange_dir, "--dsn", "postgresql://nobody@127.0.0.1:1/nothing")
    assert away.exit_code == ledgercli.EXIT_FAILURE


@pytest.mark.parametrize("is_running", [True, False])
def test_our_own_postgres_is_used_or_started(is_running: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []

    def start(_server: Embedded) -> None:
        done.append("start")
        if is_running:
            raise PostgresError("another process serves from it")

    monkeypatch.setattr(Embedded, "start", start)
    monkeypatch.setattr(Embedded, "stop", lambda _: done.append("stop"))
    (tmp_path / "postgres").mkdir()
    with ledgercli.database(tmp_path, None) as address:
        assert address.startswith("postgresql://postgres@")
    assert done == (["start"] if is_running else ["start", "stop"])


def test_progress_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(ledgercli, "err", Console(file=screen, force_terminal=True, width=100))
    with ledgercli.bar() as progress:
        progress("events", 1, 4)
        progress("events", 5, 4)
    assert "5/5" in screen.getvalue()


def test_what_was_interrupted_found_no_difference(
    exchange_dir: Path, settled: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ledgercli, "prove", interrupt)
    assert _run("reconcile", "--data", exchange_dir, "--dsn", settled).exit_code == ledgercli.EXIT_FAILURE
