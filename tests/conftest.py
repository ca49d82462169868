"""What every test may ask for: the public data sets, and a directory that servers of another user can reach."""

import gc
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parents[1]
DATA_DEFAULT = "../shared/data"
LONGEST = (  # begun first, so that no worker ends with one of them while the others idle
    "api/test_cli.py",  # compiles the kernel as it is served, and has the time for it, while another worker
    "exchange/core/test_engine.py",  # compiles that of the tests, with and without checks of bounds,
    "system/test_kill.py",
    "exchange/core/test_limits.py",  # and then the smallest
    "system/test_licences.py",
    "system/test_openapi_requests.py",
    "exchange/test_server.py",
    "system/test_storms.py",
    "properties/test_engine_matches_reference.py",
    "api/v1/test_proposals.py",
    "settlement/test_posting.py",
    "system/test_stream_clients.py",
    "system/test_usage_trace.py",
    "api/test_compose.py",
    "conformance/test_flash1.py",
    "settlement/test_poster.py",
    "api/demo/test_day.py",
    "system/test_every_route.py",
    "settlement/test_recompute.py",
    "system/test_oversight.py",
    "exchange/test_expiry.py",
    "benchmarks/test_flash1.py",
    "system/test_connector.py",
)

settings.register_profile("any machine", deadline=None)  # a busy one takes its time, and a first call compiles
settings.load_profile("any machine")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files that take longest first; a file is one worker's, with all its servers."""
    rank = {ROOT / "tests" / name: place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path, len(rank)))


def pytest_collection_finish() -> None:
    """Let the collector pass over thousands of tests each time it runs: they stay until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def memory_given_back() -> Iterator[None]:
    """Let go, with the last test of a file, of the exchanges that were opened in it: they have cycles and are large."""
    yield
    gc.collect()


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
