"""One served exchange for all tests of a file, with no open order at the beginning of each."""

from collections.abc import Iterator

import pytest
import structlog

from tests.api.venue import Venue, venue


@pytest.fixture(scope="session", autouse=True)
def plain_log() -> None:
    """Log errors as a server does: without the local variables of every frame, which take seconds to print."""
    structlog.configure(processors=[structlog.processors.format_exc_info, structlog.processors.JSONRenderer()])


@pytest.fixture(scope="module")
def served(tmp_path_factory) -> Iterator[Venue]:
    """Return an exchange served on a free port."""
    with venue(tmp_path_factory.mktemp("venue")) as running:
        yield running


@pytest.fixture
def market(served) -> Venue:
    """Return the served exchange, its books empty and its accounts active."""
    served.reset()
    return served
