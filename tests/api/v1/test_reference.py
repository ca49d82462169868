"""Instruments in pages, unchanged ones not again, and what changed since a command."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.v1.problems import UNKNOWN_SYMBOL
from tests.api.v1.office import SYMBOL, Office, office


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        issuer, _ = served.furnish()
        served.list("TA.SECOND", issuer.account)
        yield served


def test_instruments_come_in_pages(desk: Office) -> None:
    def page(**terms: Any) -> list[str]:
        return [row["symbol"] for row in desk.operator.http.get("/v1/instruments", params=terms).json()["instruments"]]

    everything = page()
    assert everything[0] == SYMBOL
    assert page(limit=1) == everything[:1]
    assert page(after=everything[0], limit=1) == everything[1:2]
    assert page(after=everything[-1]) == []
    assert desk.operator.http.get("/v1/instruments", params={"symbol": "TA.NO"}).json()["code"] == UNKNOWN_SYMBOL.code


def test_an_unchanged_list_is_not_sent_again(desk: Office) -> None:
    http = desk.operator.http
    first = http.get("/v1/instruments")
    again = http.get("/v1/instruments", headers={"If-None-Match": f'"other", {first.headers["etag"]}'})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    assert http.get("/v1/instruments", params={"limit": 1}, headers={"If-None-Match": "*"}).status_code == 304
    desk.operator.put("/v1/fees", symbol=SYMBOL, maker_bps=3, taker_bps=4)
    changed = http.get("/v1/instruments", headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200
    assert changed.headers["etag"] != first.headers["etag"]


def test_changes_are_told_from_a_command_on(desk: Office) -> None:
    http = desk.operator.http

    def changes(**terms: Any) -> dict[str, Any]:
        return http.get("/v1/instruments/changes", params=terms).json()

    symbols = {row["symbol"] for row in http.get("/v1/instruments").json()["instruments"]}
    everything = changes(**{"from": 0})
    assert {row["symbol"] for row in everything["instruments"]} == symbols
    assert everything["instruments"][-1]["sequence"] == everything["sequence"]
    desk.operator.put("/v1/guards", symbol=SYMBOL, static_bps=500, dynamic_bps=200, reference_ticks=12_000)
    desk.operator.put("/v1/trading-state", symbol="TA.SECOND", state="HALTED")
    behind = changes(**{"from": everything["sequence"]})
    assert [row["symbol"] for row in behind["instruments"]] == [SYMBOL, "TA.SECOND"]
    guarded, halted = behind["instruments"]
    assert (guarded["static_guard_bps"], guarded["dynamic_guard_bps"], guarded["reference_price"]) == (
        500,
        200,
        "1.2000",
    )
    assert (halted["state"], halted["mode"], halted["anonymous"]) == ("HALTED", "CONTINUOUS", False)
    assert changes(**{"from": everything["sequence"], "limit": 1})["instruments"] == [guarded]
    assert changes(**{"from": guarded["sequence"]})["instruments"] == [halted]
    assert changes(**{"from": behind["sequence"]})["instruments"] == []
    assert http.get("/v1/instruments/changes", params={"from": -1}).status_code == 400
    assert http.get("/v1/instruments/changes", params={"from_": 1}).status_code == 400
