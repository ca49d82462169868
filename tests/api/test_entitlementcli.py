"""Entitlements checked offline: by the command, and by the example that knows nothing of us."""

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from api import entitlementcli
from api.signing import CERTIFICATE, ENTITLEMENT, REVOCATIONS, Notary
from tests.house.sources import ROOT

EXAMPLE = ROOT / "docs" / "examples" / "verify_entitlement.py"
NOTARY = Notary(b"n" * 32)
KEY = NOTARY.public_key.hex()
NOW = int(time.time() * 1000)
SAID = {
    "entitlement": 7,
    "dataset": "0000000001",
    "root": "ab" * 32,
    "buyer": "alice",
    "seats": 5,
    "quota_tokens": 1_000,
    "valid_from": NOW - 1_000,
    "valid_until": NOW + 3_600_000,
}
app = typer.Typer()
entitlementcli.register(app)


def _written(folder: Path, kind: str = ENTITLEMENT, **changed: Any) -> Path:
    path = folder / f"{kind}.json"
    path.write_text(json.dumps(NOTARY.seal(kind, SAID | changed)))
    return path


def _run(*words: object) -> Result:
    return CliRunner().invoke(app, ["entitlement", "verify", *[str(word) for word in words]])


def _example(path: Path, key: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-I", str(EXAMPLE), str(path), key]
    return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)


def test_what_was_signed_holds(tmp_path: Path) -> None:
    found = _run(_written(tmp_path), "--key", KEY)
    assert (found.exit_code, "alice may read dataset 0000000001 with 5 seats, 1,000 tokens" in found.stdout) == (
        0,
        True,
    )
    free = _run(_written(tmp_path, quota_tokens=None), "--key", KEY)
    assert "without a limit" in free.stdout


@pytest.mark.parametrize(
    ("changed", "key", "words"),
    [
        ({}, "00" * 32, "signature"),
        ({}, "no key", "hexadecimal"),
        ({"valid_until": NOW - 1}, KEY, "not valid at this time"),
        ({"valid_from": NOW + 9_000_000}, KEY, "not valid at this time"),
    ],
)
def test_what_does_not_hold_says_why(tmp_path: Path, changed: dict[str, Any], key: str, words: str) -> None:
    found = _run(_written(tmp_path, **changed), "--key", key)
    assert (found.exit_code, words in found.stderr) == (1, True)


def test_another_time_may_be_asked_about(tmp_path: Path) -> None:
    assert _run(_written(tmp_path), "--key", KEY, "--at", "2020-01-01").exit_code == 1


def test_a_document_of_another_kind_is_no_entitlement(tmp_path: Path) -> None:
    assert _run(_written(tmp_path, CERTIFICATE), "--key", KEY).exit_code == 1
    (tmp_path / "text").write_text("text")
    assert _run(tmp_path / "text", "--key", KEY).exit_code == 2


def test_the_signed_list_says_what_was_revoked(tmp_path: Path) -> None:
    path = _written(tmp_path)
    for revoked, code in (([7], 1), ([8], 0)):
        listed = _written(tmp_path, REVOCATIONS, revoked=revoked)
        assert _run(path, "--key", KEY, "--revocations", listed).exit_code == code
    listed.write_text(json.dumps(json.loads(listed.read_text()) | {"signature": "00" * 64}))
    assert _run(path, "--key", KEY, "--revocations", listed).exit_code == 1


def test_the_example_agrees_without_our_package(tmp_path: Path) -> None:
    path = _written(tmp_path)
    good = _example(path, KEY)
    assert (good.returncode, good.stdout) == (0, f"alice may read {'ab' * 32}: 5 seats, 1000 tokens\n")
    assert "not the venue's" in _example(path, "11" * 32).stderr
    assert _example(_written(tmp_path, valid_until=NOW - 1), KEY).returncode == 1
    text = EXAMPLE.read_text()
    assert len(text.splitlines()) <= 22
    assert not any(package in text for package in ("exchange", "settlement", "api"))
