"""Client libraries that cannot stand beside the others: fetched from the package registry into a folder apart."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.api.venue import KEYS, Venue, secret

ROOT = Path(__file__).resolve().parents[2]
FETCH_S = 60
TALK_S = 60
TRADERS = ("alice", "bob", "carol")


def fetched(folder: Path, *requirements: str) -> Path:
    """Return a folder with packages alone, not what they depend on; without a registry skip, or fail if CI=true."""
    folder.mkdir()
    quiet = ["--quiet", "--no-deps", "--no-input", "--disable-pip-version-check", "--retries", "1"]
    command = [sys.executable, "-m", "pip", "install", *quiet, "--target", str(folder), *requirements]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False)
        problem = done.stderr.strip() if done.returncode else ""
    except subprocess.TimeoutExpired:
        problem = f"no answer within {FETCH_S} s"
    if not problem:
        return folder
    reason = f"cannot fetch {', '.join(requirements)}: {problem[-200:]}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


def converse(script: Path, library: Path, part: str, market: Venue, **more: str) -> dict[str, Any]:
    """Let a script do one part of its program with the packages of a folder, and return what it found."""
    keys = {name: (KEYS[name][0], secret(name)) for name in TRADERS}
    told = {"address": f"127.0.0.1:{market.port}", "keys": keys} | more
    done = subprocess.run(
        [sys.executable, script, part],
        input=json.dumps(told),
        env=os.environ | {"PYTHONPATH": f"{library}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        timeout=TALK_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])  # some libraries write before
    return found


def needs_asking(config: pytest.Config) -> None:
    """Skip what takes long to fetch, unless the command asks for it by its mark."""
    if "optional" not in config.getoption("-m"):
        pytest.skip("an optional client: run pytest -m optional")
