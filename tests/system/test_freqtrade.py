"""freqtrade's exchange class trades, reads and watches with nothing but its addresses changed: `pytest -m optional`.

The bot itself needs forty packages; its exchange class imports these few beside what the test requirements bring.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.venue import OTHER, SYMBOL, Venue, venue
from tests.system.apart import converse, fetched, needs_asking

SCRIPT = Path(__file__).with_name("freqtrade_talk.py")
IMPORTED = ("cachetools", "humanize", "schedule", "jsonschema", "jsonschema_specifications", "referencing", "rpds-py")
LIBRARIES = ("freqtrade==2026.9", "python-rapidjson", *IMPORTED)
Talk = Callable[[str], dict[str, Any]]

pytestmark = [pytest.mark.system, pytest.mark.optional]


@pytest.fixture(scope="module")
def library(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    needs_asking(request.config)
    return fetched(tmp_path_factory.mktemp("apart") / "freqtrade", *LIBRARIES)


@pytest.fixture(scope="module")
def open_venue(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with venue(tmp_path_factory.mktemp("freqtrade")) as served:
        yield served


@pytest.fixture
def talk(library: Path, open_venue: Venue) -> Iterator[Talk]:
    """Return how to let the exchange class do one part of a bot's work."""
    open_venue.reset()
    yield lambda part: converse(SCRIPT, library, part, open_venue, pair=f"{SYMBOL}/CNY")
    open_venue.reset()


def test_it_reads_and_watches_the_market(talk: Talk) -> None:
    found = talk("market")
    assert {f"{SYMBOL}/CNY", f"{OTHER}/CNY"} <= set(found["markets"])
    assert found["steps"] == [0.0001, 1.0]
    assert found["book"] == [[[19.0, 2.0]], [[20.0, 2.0]]]
    assert found["best"] == [19.0]
    assert (found["ticker"], found["tickers"], found["candle"], found["heard"]) == (20.0, 20.0, 20.0, 20.0)
    assert found["balance"] > 0


def test_it_trades(talk: Talk) -> None:
    found = talk("orders")
    assert found["placed"] == ["closed", "closed", "expired", "expired", "open", "open", "open"]
    assert found["found"] == found["placed"]
    assert (found["stop"], found["canceled"]) == (9.0, ["canceled"] * 3)
    assert (found["all"], found["trades"]) == (True, [2.0])


def test_it_names_what_is_refused(talk: Talk) -> None:
    assert talk("refusals") == {
        "funds": "InsufficientFundsError",
        "cancel": "InvalidOrderException",
        "lot": "InvalidOrderException",
    }
