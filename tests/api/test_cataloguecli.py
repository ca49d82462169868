"""`tokenbourse catalogue import` against a served exchange: what it lists, what it prints, what it exits with."""

import json
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import httpx
import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from api import cataloguecli
from api.ledgercli import EXIT_DIFFERENCE, EXIT_FAILURE
from tests.api.v1.office import Office, office

HEADER = "source,provider,model,in_per_1m,out_per_1m,cached_in_per_1m,currency,context,from_date,to_date,mode\n"
app = typer.Typer()
cataloguecli.register(app)


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.admit("acme", "read")
        yield served


def run(desk: Office, file: Path, *words: str) -> Result:
    base = ["catalogue", "import", str(file), "--data", str(desk.directory), "--url", desk.base]
    return CliRunner().invoke(app, [*base, *words], env={"COLUMNS": "160"})


def listed(desk: Office) -> list[str]:
    return [instrument.symbol for instrument in desk.exchange.registry.instruments]


def write(tmp_path: Path, *rows: str) -> Path:
    file = tmp_path / "prices.csv"
    file.write_text(HEADER + "".join(f"x,{row}\n" for row in rows))
    return file


def test_a_file_is_listed_whole_and_once(desk: Office, tmp_path: Path) -> None:
    file = write(tmp_path, "acme,m,1,2,,USD,,,,chat", "acme,n,3,,,CNY,,,,chat")
    dry = run(desk, file, "--rate", "USD=7.1", "--dry-run")
    assert (dry.exit_code, "3 listed" in dry.stdout, listed(desk)) == (0, True, []), dry.output
    told = run(desk, file, "--rate", "USD=7.1")
    assert (told.exit_code, len(listed(desk))) == (0, 3), told.output
    sequence = desk.exchange.events.count
    again = run(desk, file, "--rate", "USD=7.1", "--json")
    assert again.exit_code == 0
    wanted = {"ok": True, "dry_run": False, "rows": 2, "listed": 0, "known": 3, "repeated": 0, "bad": 0, "bad_rows": []}
    assert json.loads(again.stdout) == wanted
    assert desk.exchange.events.count == sequence


def test_a_bad_line_keeps_the_file_out(desk: Office, tmp_path: Path) -> None:
    before = listed(desk)
    file = write(tmp_path, "acme,o,1,2,,CNY,,,,chat", "acme,p,1,2,,EUR,,,,chat", "other,q,1,2,,CNY,,,,chat")
    told = run(desk, file)
    assert (told.exit_code, listed(desk)) == (EXIT_DIFFERENCE, before)
    assert "no rate is given for EUR" in told.stdout
    assert "no account is named other" in told.stdout
    skipped = run(desk, file, "--skip-bad", "--json")
    assert (skipped.exit_code, len(listed(desk))) == (0, len(before) + 2)
    assert [row["line"] for row in json.loads(skipped.stdout)["bad_rows"]] == [3, 4]


def test_what_the_exchange_refuses_is_named_by_line(desk: Office, tmp_path: Path) -> None:
    before = listed(desk)
    file = write(tmp_path, "acme,r,1,2,,CNY,,,,chat", "acme,m,7.1,14.2,,CNY,,,,chat")
    told = run(desk, file, "--issuer", "0", "--json")
    assert (told.exit_code, listed(desk)) == (EXIT_DIFFERENCE, before)
    bad = json.loads(told.stdout)["bad_rows"]
    assert [row["line"] for row in bad] == [3]
    assert "other terms" in bad[0]["reason"]
    assert json.loads(run(desk, file, "--issuer", "0", "--skip-bad", "--json").stdout)["listed"] == 2


def test_an_import_that_is_cut_short_lists_nothing_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[int] = []
    ask = cataloguecli.Rest.json

    async def cut(rest: Any, method: str, path: str, body: dict[str, Any]) -> Any:
        if not body["dry_run"]:
            parts.append(len(body["rows"]))
            if len(parts) == 2:
                raise httpx.ConnectError("gone")
        return await ask(rest, method, path, body)

    monkeypatch.setattr(cataloguecli, "ROWS_MAX", 2)
    monkeypatch.setattr(cataloguecli.Rest, "json", cut)
    directory = tmp_path / "exchange"
    directory.mkdir()
    with office(directory) as desk:
        desk.admit("acme", "read")
        file = write(tmp_path, *[f"acme,m{number},1,2,,CNY,,,,chat" for number in range(3)])
        assert run(desk, file).exit_code == EXIT_FAILURE
        assert listed(desk) == []
        told = json.loads(run(desk, file, "--json").stdout)
        assert (told["listed"], told["known"], len(set(listed(desk)))) == (6, 0, 6)
        assert parts == [2, 2, 2, 2, 2]  # the first is there already, and goes again without effect
        assert desk.exchange.registry.catalogue_plan is None


def test_many_bad_lines_are_cut_short(desk: Office, tmp_path: Path) -> None:
    told = run(desk, write(tmp_path, *["acme,s,,,,CNY,,,,chat"] * 60))
    assert "and 10 more" in told.stdout


def test_more_than_there_is_room_for_fails_before_anything_is_listed(desk: Office, tmp_path: Path) -> None:
    before = listed(desk)
    told = run(desk, write(tmp_path, *[f"acme,z{number},1,2,,CNY,,,,chat" for number in range(20)]))
    assert (told.exit_code, listed(desk)) == (EXIT_DIFFERENCE, before), told.output


def test_what_cannot_be_done_is_said(desk: Office, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text("a,b\n")
    assert run(desk, other).exit_code == EXIT_FAILURE
    other.write_text("a,b\n", encoding="utf-16")
    assert "save it as CSV in UTF-8" in run(desk, other).output
    file = write(tmp_path, "acme,t,1,2,,CNY,,,,chat")
    assert run(desk, file, "--rate", "USD").exit_code == 2
    assert run(desk, file, "--url", "http://127.0.0.1:1").exit_code == EXIT_FAILURE
    assert "no address of an exchange" in run(desk, file, "--url", "http://[::1").output
    assert run(desk, file, "--state", "SLEEPING").exit_code == EXIT_FAILURE


def test_rates_are_exact() -> None:
    assert cataloguecli.parse_rates(["USD=7.10", "EUR=8"]) == {"USD": Fraction(71, 10), "EUR": Fraction(8)}
