"""nautilus_trader's adapter with nothing but its addresses changed, over HTTP and as a node: `pytest -m optional`."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.venue import SYMBOL, venue
from tests.system.apart import converse, fetched, needs_asking

SCRIPT = Path(__file__).with_name("nautilus_talk.py")
LIBRARIES = ("nautilus_trader==1.221.0", "portion>=2.6")  # the rest are what the exchange needs too
Talk = Callable[[str], dict[str, Any]]

pytestmark = [pytest.mark.system, pytest.mark.optional]


@pytest.fixture(scope="module")
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_asking(request.config)
    return fetched(tmp_path_factory.mktemp("apart") / "nautilus", *LIBRARIES)


@pytest.fixture
def talk(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    """Return how to let the adapter do one part of its work, on an exchange where nobody has traded yet."""
    with venue(tmp_path_factory.mktemp("nautilus")) as served:
        yield lambda part: converse(SCRIPT, library, part, served, symbol=SYMBOL)


def test_the_adapter_loads_trades_and_looks_up(talk: Talk) -> None:
    found = talk("http")
    assert SYMBOL in found["instruments"]
    assert (found["name"], found["opened"], found["book"]) == ("nautilus-1", [True], [["0.2000", "2"]])
    assert (found["fills"], found["canceled"], found["refused"]) == (["1"], "CANCELED", -2011)
    assert "CNY" in found["assets"]


def test_a_node_listens_and_trades(talk: Talk) -> None:
    found = talk("node")
    assert (found["best_bid"], found["trade"]) == ("0.2000", ["0.2000", "1"])
    assert "quote" in found
    assert (found["accepted"], found["filled"][:2], found["canceled"]) == (True, ["1", "0.2000"], "1")
    assert "Order would immediately match and take." in found["rejected"]
    assert found["balances"][SYMBOL] == f"1.000000 {SYMBOL}"
