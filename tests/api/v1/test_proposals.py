"""Four eyes: what one operator proposes another approves, and nobody does alone."""

import json
from collections.abc import Iterator

import pytest

from api.v1.problems import NEEDS_APPROVAL, NOT_A_GRAVE_ACT
from tests.api.v1.office import SYMBOL, Office, office

FEES = {"symbol": SYMBOL, "maker_bps": 0, "taker_bps": 7}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        assert served.operator.put("/v1/four-eyes", required=True).json()["code"] == -8087
        served.second = served.admit("second", "operate", "audit", "read", role="operator")
        assert served.operator.put("/v1/four-eyes", required=True).status_code == 200
        yield served


def _propose(desk: Office, act: str = "PUT /v1/fees", **body: object) -> dict:
    return desk.operator.post("/v1/proposals", act=act, body=json.dumps(body)).json()


def _taker_bps(desk: Office) -> int:
    return desk.exchange.registry.instrument(SYMBOL).taker_bps


def test_nobody_does_alone_what_takes_two(desk: Office) -> None:
    for answer in (
        desk.operator.put("/v1/fees", **FEES),
        desk.second.post("/v1/withdrawals", account=desk.buyer.account, amount="1"),
        desk.operator.put("/v1/four-eyes", required=False),
    ):
        assert (answer.status_code, answer.json()["code"]) == (403, NEEDS_APPROVAL.code)


def test_an_approved_act_is_done_and_everything_is_written_down(desk: Office) -> None:
    proposed = _propose(desk, **FEES)
    assert (proposed["state"], proposed["by"]) == ("open", "EXCHANGE")
    own = desk.operator.post("/v1/decisions", number=proposed["number"], approve=True)
    assert own.json()["code"] == -8088
    assert _taker_bps(desk) == 5
    done = desk.second.post("/v1/decisions", number=proposed["number"], approve=True).json()
    assert (done["state"], done["decided_by"], done["code"]) == ("done", "second", 0)
    assert json.loads(done["answer"])["taker_bps"] == _taker_bps(desk) == 7
    assert desk.second.post("/v1/decisions", number=proposed["number"], approve=True).json()["code"] == -8089
    listed = desk.second.get("/v1/proposals", after=proposed["number"] - 1).json()["proposals"]
    assert listed == [done]


def test_a_refused_act_is_not_done(desk: Office) -> None:
    proposed = _propose(desk, **FEES | {"taker_bps": 9})
    refused = desk.second.post("/v1/decisions", number=proposed["number"], approve=False).json()
    assert (refused["state"], _taker_bps(desk)) == ("refused", 7)


def test_an_act_that_fails_says_why(desk: Office) -> None:
    proposed = _propose(desk, "POST /v1/withdrawals", account=desk.buyer.account, amount="99999999")
    failed = desk.second.post("/v1/decisions", number=proposed["number"], approve=True).json()
    assert failed["state"] == "failed"
    assert failed["code"] < 0


def test_what_is_no_act_or_not_well_formed_cannot_be_proposed(desk: Office) -> None:
    assert _propose(desk, "POST /v1/halt")["code"] == NOT_A_GRAVE_ACT.code
    assert _propose(desk, "PUT /v1/fees", symbol=SYMBOL)["code"] == -1102
    assert desk.buyer.post("/v1/proposals", act="PUT /v1/fees", body="{}").status_code == 401
