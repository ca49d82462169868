"""Client libraries that cannot stand beside the others: fetched from the package registry into a folder apart."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

FETCH_S = 60


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
