"""What the tests of the core share: markets of the kernel, and how much work one command may do in them."""

from pathlib import Path

import pytest

from exchange.core import auction, endings, matching, stops, walk
from exchange.core.engine import Engine
from exchange.core.jit import JIT_ENABLED
from exchange.core.state import PRODUCTION, TEST
from exchange.core.types import WORK_MAX
from tests.exchange.core.builders import Market

SHORT = 24  # enough work to be cut in the middle of


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give every test of the core time to compile it: the first to use a capacity does."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture
def market(request: pytest.FixtureRequest) -> Market:
    """Return a market of the kernel, or of the engine that a test is marked with."""
    return Market(getattr(request, "param", Engine)(TEST))


@pytest.fixture
def roomy() -> Market:
    """Return a market of the kernel with room for more orders than one command may end."""
    return Market(Engine(PRODUCTION if JIT_ENABLED else TEST))


@pytest.fixture
def work_max(monkeypatch) -> int:
    """Return how much work a command may do: little of it without the compiler, which takes its time for each."""
    if JIT_ENABLED:
        return WORK_MAX
    for module in (auction, endings, matching, stops, walk):
        monkeypatch.setattr(module, "WORK_MAX", SHORT)
    return SHORT
