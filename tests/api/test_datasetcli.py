"""The commands of datasets: what they print, what they write, what they exit with."""

import asyncio
import json
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from api import datasetcli
from settlement.register import Register
from tests.settlement.conftest import dsn as dsn
from tests.settlement.conftest import server_dsn as server_dsn
from tests.settlement.conftest import template_dsn as template_dsn
from tests.settlement.posting import forge
from tests.settlement.registers import drafted, with_register

app = typer.Typer()
datasetcli.register(app)


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, ["dataset", *[str(word) for word in words]], env={"COLUMNS": "160"})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "corpus.bin"
    made.write_bytes(bytes(range(256)) * 2_000)
    return made


def test_a_root_is_printed_for_people_and_as_json(file: Path) -> None:
    told = json.loads(_run("root", file, "--json").stdout)
    assert (told["size_bytes"], told["chunks"]) == (512_000, 8)
    assert _run("root", file).stdout == f"{told['root']}  512,000 bytes, 8 chunks\n"


def test_a_proof_is_written_and_verified(file: Path, tmp_path: Path) -> None:
    content_root = json.loads(_run("root", file, "--json").stdout)["root"]
    proof = tmp_path / "proof.json"
    made = _run("prove", file, proof, "--nonce", "abcd", "--samples", 4)
    assert (made.exit_code, "4 of 8 chunks" in made.stdout) == (0, True)
    checked = _run("verify", proof, "--root", content_root, "--nonce", "abcd", "--samples", 4)
    assert (checked.exit_code, "4 chunks are under this root" in checked.stdout) == (0, True)
    other = _run("verify", proof, "--root", "00" * 32, "--nonce", "abcd", "--samples", 4)
    assert (other.exit_code, "DOES NOT HOLD" in other.stderr) == (1, True)
    assert json.loads(proof.read_text())["nonce"] == "abcd"
    assert _run("prove", file, proof).exit_code == 0


def test_what_cannot_be_looked_at_exits_with_2(tmp_path: Path, file: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert _run("root", tmp_path / "empty").exit_code == 2
    assert _run("prove", file, tmp_path / "p", "--nonce", "xyz").exit_code == 2
    assert _run("verify", file, "--root", "00", "--nonce", "00").exit_code == 2
    assert _run("root", tmp_path / "none").exit_code == 2
    (tmp_path / "deep").write_text("[" * 100_000)
    assert _run("entry", tmp_path / "deep").exit_code == 2


def test_croissant_becomes_the_members_of_an_entry(tmp_path: Path) -> None:
    given = tmp_path / "croissant.json"
    given.write_text(json.dumps({"@context": {}, "name": "Crawl", "conformsTo": "http://mlcommons.org/croissant/1.0"}))
    assert json.loads(_run("entry", given).stdout)["title"] == "Crawl"
    given.write_text("{}")
    assert _run("entry", given).exit_code == 2


def test_the_registers_chain_is_followed(dsn: str) -> None:
    async def fill(register: Register) -> None:
        await register.append(drafted(1))
        await register.append(drafted(2))

    with_register(dsn, fill)
    assert "2 rows, the chain holds" in _run("check", "--dsn", dsn).stdout
    asyncio.run(forge(dsn, "UPDATE register.history SET state = 'listed' WHERE entry = 2"))
    found = _run("check", "--dsn", dsn)
    assert (found.exit_code, "row 2 has another hash" in found.stdout) == (1, True)
