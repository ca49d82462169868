"""Announcements with their history, and what happened to markets, for everybody."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.v1.problems import UNKNOWN_SYMBOL
from tests.api.v1.office import SYMBOL, Office, office


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exchange")


@pytest.fixture(scope="module")
def desk(directory: Path) -> Iterator[Office]:
    with office(directory) as served:
        served.furnish()
        yield served


def get(desk: Office, path: str, **terms: Any) -> Any:
    return desk.operator.http.get(path, params=terms).json()


def test_an_announcement_is_numbered_and_kept(desk: Office) -> None:
    terms = {"topic": "MAINTENANCE", "title": "Tonight", "begins": 5_000, "ends": 6_000, "symbols": [SYMBOL]}
    made = desk.operator.post("/v1/announcements", **terms).json()
    assert made.items() >= {"e": "announcement", "id": 1, "text": "", **terms}.items()
    second = desk.operator.post("/v1/announcements", topic="OTHER", title="A word").json()
    assert get(desk, "/v1/announcements")["announcements"] == [made, second]
    assert get(desk, "/v1/announcements", **{"from": 1})["announcements"] == [second]
    assert get(desk, "/v1/announcements", limit=1)["announcements"] == [made]


@pytest.mark.parametrize(
    "change",
    [{"title": ""}, {"title": "x" * 201}, {"topic": "GOSSIP"}, {"begins": 9, "ends": 8}, {"symbols": ["TA.X"] * 101}],
)
def test_a_bad_announcement_is_refused(desk: Office, change: dict[str, Any]) -> None:
    answer = desk.operator.post("/v1/announcements", **({"topic": "OTHER", "title": "x"} | change))
    assert answer.status_code == 400


def test_only_an_operator_announces(desk: Office) -> None:
    trader = desk.admit("mallory", "read", "trade")
    assert trader.post("/v1/announcements", topic="OTHER", title="x").status_code in {401, 403}
    answer = desk.operator.post("/v1/announcements", topic="OTHER", title="x", symbols=["TA.NO"])
    assert answer.json()["code"] == UNKNOWN_SYMBOL.code


def test_what_happened_to_a_market_is_kept_with_the_number_of_its_event(desk: Office) -> None:
    before = get(desk, "/v1/market-events")
    assert [event["e"] for event in before["events"]] == ["listed", "tradingState"]
    assert before["events"][-1]["n"] == before["last"]
    desk.operator.put("/v1/trading-state", symbol=SYMBOL, state="CALL_OPEN")
    desk.operator.put("/v1/guards", symbol=SYMBOL, static_bps=500, dynamic_bps=200, reference_ticks=12_000)
    behind = get(desk, "/v1/market-events", symbol=SYMBOL, **{"from": before["last"]})
    assert [(event["e"], event["s"]) for event in behind["events"]] == [("tradingState", SYMBOL), ("guards", SYMBOL)]
    assert get(desk, "/v1/market-events", limit=1, **{"from": before["last"]})["events"] == behind["events"][:1]
    assert get(desk, "/v1/market-events", symbol="TA.NO")["code"] == UNKNOWN_SYMBOL.code
    status = get(desk, "/v1/phase", symbol=SYMBOL)
    assert (status["state"], status["reference"], status["n"]) == ("CALL_OPEN", "1.2000", behind["last"])
    desk.operator.put("/v1/trading-state", symbol=SYMBOL, state="CONTINUOUS")


def test_all_of_it_outlives_the_server(tmp_path: Path) -> None:
    paths = ("/v1/announcements", "/v1/market-events", "/v1/instruments/changes")
    with office(tmp_path) as served:
        served.furnish()
        served.operator.post("/v1/announcements", topic="OTHER", title="A word")
        told = [get(served, path) for path in paths]
    with office(tmp_path) as served:
        assert [get(served, path) for path in paths] == told
        assert served.operator.post("/v1/announcements", topic="OTHER", title="More").json()["id"] == 2
