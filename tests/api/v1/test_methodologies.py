"""The methodology by REST: shown, listed, put in force from a day on by two operators, and used by what is computed."""

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from api.v1.methodologies import FIRST_DAY, Rules
from api.v1.problems import NEEDS_APPROVAL, NO_REASON, NOT_AHEAD, UNKNOWN_METHODOLOGY
from exchange.methodology import day_of
from tests.api.v1.office import SYMBOL, Later, Office, office

DAY_NS = 24 * 3600 * 10**9


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange"), clock=Later()) as served:
        served.furnish()
        served.operator.put("/v1/guards", symbol=SYMBOL, static_bps=0, dynamic_bps=0, reference_ticks=30_000)
        yield served


def get(desk: Office, path: str, **parameters: Any) -> dict[str, Any]:
    answer = desk.operator.http.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()


def day(desk: Office, ahead: int) -> str:
    today = date.fromordinal(FIRST_DAY + day_of(desk.clock.now_ns()))
    return (today + timedelta(days=ahead)).isoformat()


def rules(desk: Office, **changes: Any) -> dict[str, Any]:
    """Return the figures in force, and changes, as a request has them."""
    told = get(desk, "/v1/methodology", version=1)
    return {name: told[name] for name in Rules.model_fields} | changes


def test_the_first_methodology_is_published(desk: Office) -> None:
    told = get(desk, "/v1/methodology", version=1)
    assert (told["version"], told["first_day"], told["hub_bps"]["GZ"], told["dataset_base"]) == (
        1, "1970-01-01", 9_500, "0.020000",
    )  # fmt: skip
    assert (told["index_trades_min"], told["index_cap_bps"], told["settlement_window_minutes"]) == (5, 2_500, 30)
    assert desk.operator.http.get("/v1/methodology", params={"version": 9}).json()["code"] == UNKNOWN_METHODOLOGY.code


def test_another_is_in_force_from_its_first_day_on_and_the_first_stays(desk: Office) -> None:
    appraisal = get(desk, "/v1/appraisals", tokens=10**12)
    before = get(desk, "/v1/methodologies")
    assert (before["current"], len(before["methodologies"])) == (1, 1)
    tag = desk.operator.http.get("/v1/methodologies").headers["etag"]
    known = {"If-None-Match": tag}
    assert desk.operator.http.get("/v1/methodologies", headers=known).status_code == 304
    made = desk.operator.put(
        "/v1/methodology", first_day=day(desk, 2), note="dearer", **rules(desk, dataset_base="0.04")
    )
    assert made.status_code == 200, made.text
    assert (made.json()["version"], made.json()["note"]) == (2, "dearer")
    listed = desk.operator.http.get("/v1/methodologies", headers=known)
    assert (listed.status_code, listed.json()["current"]) == (200, 1)
    assert [one["version"] for one in listed.json()["methodologies"]] == [1, 2]
    assert get(desk, "/v1/methodologies", after=1, limit=1)["methodologies"] == [made.json()]
    assert get(desk, "/v1/appraisals", tokens=10**12) == appraisal
    ahead = get(desk, "/v1/appraisals", tokens=10**12, methodology=2)
    assert (ahead["base"], ahead["methodology"]) == ("40000.000000", 2)
    assert (appraisal["base"], appraisal["methodology"]) == ("20000.000000", 1)
    assert get(desk, "/v1/reference-prices", symbol=SYMBOL, methodology=2)["methodology"] == 2
    desk.clock.ahead_ns += 2 * DAY_NS
    assert get(desk, "/v1/appraisals", tokens=10**12) == ahead
    assert get(desk, "/v1/appraisals", tokens=10**12, methodology=1) == appraisal
    assert (get(desk, "/v1/methodology"), get(desk, "/v1/methodologies")["current"]) == (made.json(), 2)
    assert get(desk, "/v1/reference-prices", symbol=SYMBOL)["methodology"] == 2
    acts = desk.operator.get("/v1/acts").json()["acts"]
    assert [(one["act"], one["why"]) for one in acts[-1:]] == [("PUT /v1/methodology", "a test")]


def test_what_cannot_be_put_in_force_is_refused(desk: Office) -> None:
    count = len(get(desk, "/v1/methodologies")["methodologies"])

    def refused(**changes: Any) -> int:
        body = rules(desk) | {"first_day": day(desk, 1), "note": "another"} | changes
        answer = desk.operator.send("PUT", "/v1/methodology", json.dumps(body).encode(), "application/json", reason="x")
        assert answer.status_code == 400, answer.text
        return int(answer.json()["code"])

    assert refused(first_day=day(desk, 0)) == NOT_AHEAD.code
    assert refused(quality_weights={"accuracy": 100}) == -8069
    assert refused(base_hub="MOON") == -8069
    assert refused(hub_bps={"nat": 1}) == -8061
    assert refused(index_cap_bps=1) == -1130
    assert refused(dataset_base="0.0000001") == -1111
    assert refused(beauty_bps=1) == -1104
    silent = desk.operator.put("/v1/methodology", **rules(desk), first_day=day(desk, 1), note=" ", reason=" ")
    assert silent.status_code == 400
    assert len(get(desk, "/v1/methodologies")["methodologies"]) == count
    assert NO_REASON.code


def test_where_four_eyes_are_required_two_operators_put_it_in_force(desk: Office) -> None:
    second = desk.admit("second", "operate", role="operator")
    assert desk.operator.put("/v1/four-eyes", required=True).status_code == 200
    body = rules(desk) | {"first_day": day(desk, 1), "note": "agreed"}
    assert desk.operator.put("/v1/methodology", **body).json()["code"] == NEEDS_APPROVAL.code
    proposed = desk.operator.post("/v1/proposals", act="PUT /v1/methodology", body=json.dumps(body)).json()
    assert "number" in proposed, proposed
    count = len(get(desk, "/v1/methodologies")["methodologies"])
    done = second.post("/v1/decisions", number=proposed["number"], approve=True).json()
    assert "state" in done, done
    assert (done["state"], json.loads(done["answer"])["version"]) == ("done", count + 1)
    late = desk.operator.post("/v1/proposals", act="PUT /v1/methodology", body=json.dumps(body)).json()
    desk.clock.ahead_ns += DAY_NS - 120 * 10**9  # its day begins before it is approved
    if day(desk, 0) == body["first_day"]:
        failed = second.post("/v1/decisions", number=late["number"], approve=True).json()
        assert (failed["state"], failed["code"]) == ("failed", NOT_AHEAD.code)
