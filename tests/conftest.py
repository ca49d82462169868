"""What every test may ask for: the public data sets, and a directory that servers of another user can reach."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA_DEFAULT = "../shared/data"


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Return the folder of public data sets; without it a test is skipped here and fails where CI=true."""
    folder = (ROOT / os.environ.get("TOKENBOURSE_DATA", DATA_DEFAULT)).resolve()
    if folder.is_dir():
        return folder
    reason = f"no data sets at {folder}: set TOKENBOURSE_DATA to the folder that holds usage/, lob/ and conformance/"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def session_dir() -> Iterator[Path]:
    """Return a short path that any user can enter: pytest's own is private and too long for a unix socket."""
    folder = Path(tempfile.mkdtemp(prefix="tb-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
