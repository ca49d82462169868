"""binance-connector, the client that the exchange of the dialect publishes itself, with another base address."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.venue import OTHER, SYMBOL, Venue, venue
from tests.system.apart import converse, fetched

TALK = Path(__file__).with_name("connector_talk.py")
LIBRARIES = ("binance-connector==3.13.0", "websocket-client>=1.8")  # the rest are what other clients need too
Talk = Callable[..., dict[str, Any]]

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fetched(tmp_path_factory.mktemp("apart") / "connector", *LIBRARIES)


@pytest.fixture(scope="module")
def open_venue(library: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Venue]:
    with venue(tmp_path_factory.mktemp("connector")) as served:
        yield served


@pytest.fixture
def talk(library: Path, open_venue: Venue) -> Iterator[Talk]:
    """Return how to let the library do one part of its program."""
    open_venue.reset()

    def run(part: str, symbol: str = SYMBOL) -> dict[str, Any]:
        return converse(TALK, library, part, open_venue, symbol=symbol)

    yield run
    open_venue.reset()


def test_it_reads_the_market(talk: Talk) -> None:
    found = talk("market")
    assert found["ping"] == {}
    assert found["time"] > 0
    assert {SYMBOL, OTHER} <= set(found["symbols"])
    assert (found["one"], found["some"]) == (SYMBOL, [SYMBOL])
    assert found["book"] == [[["19.0000", "4"]], [["20.0000", "2"]]]
    assert (found["trade"]["price"], found["trade"]["isBuyerMaker"]) == ("20.0000", False)
    assert (found["historical"], found["aggregate"]) == ("1", "20.0000")
    assert (found["candle"], found["ui_candle"], found["average"]) == ("20.0000", "20.0000", 5)
    assert (found["day"], found["days"]) == ("20.0000", len(found["symbols"]))
    assert "bidPrice" not in found["mini"]
    assert found["last"] == {"symbol": SYMBOL, "price": "20.0000"}
    assert (found["best"]["bidPrice"], found["best"]["askQty"]) == ("19.0000", "2")


def test_it_trades(talk: Talk) -> None:
    found = talk("orders")
    assert found["statuses"] == ["FILLED", "FILLED", "EXPIRED", "EXPIRED", "NEW", "NEW", "NEW", "NEW", "NEW"]
    assert found["types"][4:8] == ["LIMIT_MAKER", "LIMIT", "STOP_LOSS", "STOP_LOSS_LIMIT"]
    assert found["test"] == {}
    assert found["replaced"] == ["SUCCESS", "9.0000"]
    assert found["found"] == ["CANCELED", True]
    assert (found["opened"], found["canceled"]) == (6, ["CANCELED"] * 6)
    assert found["all"] is True
    assert found["mine"] == [["1", False], ["2", False]]
    assert (found["account"]["locked"], float(found["account"]["free"]) > 0) == ("0.000000", True)
    assert (found["fees"], found["used"]) == ("0.00050000", "ORDERS")


def test_it_is_told_why(talk: Talk) -> None:
    found = talk("refusals")
    assert {name: told[:2] for name, told in found.items()} == {
        "funds": [400, -2010],
        "taking": [400, -2010],
        "tick": [400, -1013],
        "lot": [400, -1013],
        "cancel": [400, -2011],
        "cancel_all": [400, -2011],
        "find": [400, -2013],
        "symbol": [400, -1121],
        "parameter": [400, -1102],
        "signature": [400, -1022],
        "key": [401, -2015],
    }
    assert found["funds"][2] == "Account has insufficient balance for requested action."
    assert found["taking"][2] == "Order would immediately match and take."


def test_it_listens(talk: Talk) -> None:
    found = talk("streams")
    told = found["told"]
    assert [one["p"] for one in told["trade"]] == ["21.0000"]
    assert [one["a"] for one in told["aggTrade"]] == [told["trade"][0]["t"]]
    assert told["kline_1m"][-1]["k"]["c"] == "21.0000"
    assert told["miniTicker"][-1]["c"] == told["ticker"][-1]["c"] == "21.0000"
    assert (told["bookTicker"][-1]["a"], told["depth5@100ms"][-1]["asks"]) == ("21.0000", [["21.0000", "1"]])
    assert told["depth@100ms"][-1]["a"][-1][0] == "21.0000"
    own = [event["e"] for event in told["own"]]
    assert own[:2] == ["executionReport", "executionReport"]
    assert "outboundAccountPosition" in own
    assert (found["renewed"], found["closed"]) == ({}, {})


def test_it_trades_over_the_websocket(talk: Talk) -> None:
    found = talk("api", OTHER)
    assert (found["ping"], found["test"], found["info"]) == ({}, {}, OTHER)
    assert (found["placed"]["status"], found["placed"]["origQty"], found["placed"]["fills"]) == ("NEW", "2", [])
    assert found["named"]["clientOrderId"] == "connector-ws"
    assert (found["book"], found["best"]) == ([["5.00", "4"]], "5.00")
    assert (found["trades"], found["candles"], found["mine"]) == ([], [], [])
    assert (found["found"], found["opened"], found["canceled"], found["all"]) == ("NEW", 2, "CANCELED", ["CANCELED"])
    assert (found["average"], found["history"], found["account"], found["limits"]) == (5, True, True, "ORDERS")
    assert found["refused"]["code"] == -2011
