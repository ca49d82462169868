"""Alerts, cases and acts: what surveillance and the journal say, for operators and auditors alone."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from api.v1.desk import REASON
from api.v1.grave import REASONED_ACTS
from api.v1.methodologies import Rules
from api.v1.problems import NO_REASON, REASON_TOO_LONG, UNKNOWN_CASE
from tests.api.v1.office import SYMBOL, Client, Office, office

BODIES = {
    "POST /v1/busts": '{"event":1}',
    "POST /v1/clear-book": f'{{"symbol":"{SYMBOL}"}}',
    "POST /v1/defaults": f'{{"symbol":"{SYMBOL}","kind":"DEFAULT","id":"d"}}',
    "POST /v1/disputes": '{"trade":1,"decision":"refund"}',
    "POST /v1/halt": "{}",
    "POST /v1/kill-switch": '{"account":2}',
    "POST /v1/proposals": '{"act":"PUT /v1/fees","body":"{}"}',
    "PUT /v1/account-state": '{"account":2,"state":"RESTRICTED"}',
    "PUT /v1/standing": '{"participant":"alice","standing":"restricted"}',
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        served.issuer.post("/v1/issues", asset=SYMBOL, amount="1000")
        served.operator.post("/v1/deposits", account=served.issuer.account, amount="1000")
        yield served


def body_of(desk: Office, act: str) -> bytes:
    """Return a body that an act takes."""
    if act != "PUT /v1/methodology":
        return BODIES[act].encode()
    told = desk.operator.http.get("/v1/methodology").json()
    rules = {name: told[name] for name in Rules.model_fields}
    return orjson.dumps(rules | {"first_day": "2100-01-01", "note": " "})


def halt(desk: Office, **query: str) -> Any:
    return desk.operator.send("POST", "/v1/halt", b'{"symbols":[]}', "application/json", **query)


def wash(desk: Office) -> None:
    """Trade with oneself."""
    client: Client = desk.issuer
    for side in ("SELL", "BUY"):
        terms = {"symbol": SYMBOL, "side": side, "type": "LIMIT", "timeInForce": "GTC", "price": "1.0", "quantity": 3}
        query = client.query(**terms, selfTradePreventionMode="NONE")
        answer = client.http.post(f"/api/v3/order?{query}", headers={"X-MBX-APIKEY": client.key})
        assert answer.status_code == 200, answer.text


def test_an_act_is_written_down_with_who_when_and_why(desk: Office) -> None:
    last = desk.operator.get("/v1/acts").json()["acts"][-1]["number"]
    assert halt(desk, **{REASON: "prices are stale"}).status_code == 200
    desk.operator.put("/v1/trading-state", symbol=SYMBOL, state="CONTINUOUS")
    told = desk.operator.get("/v1/acts", after=last).json()["acts"]
    assert [(act["act"], act["why"]) for act in told] == [
        ("POST /v1/halt", "prices are stale"),
        ("PUT /v1/trading-state", ""),
    ]
    assert (told[0]["account"], told[0]["key"], told[0]["terms"]) == (0, desk.operator.key, '{"symbols":[]}')
    assert told[0]["time"] > 0


def test_questions_and_other_peoples_requests_are_no_acts(desk: Office) -> None:
    last = desk.operator.get("/v1/acts").json()["acts"][-1]["number"]
    desk.operator.post("/v1/indication", symbol=SYMBOL)
    desk.operator.get("/v1/keys", account=0)
    desk.issuer.post("/v1/issues", asset=SYMBOL, amount="1")
    desk.operator.send("POST", "/v1/halt", b"{", "application/json")
    assert desk.operator.get("/v1/acts", after=last).json()["acts"] == []


def test_a_reason_is_bounded_and_for_acts_alone(desk: Office) -> None:
    assert halt(desk, **{REASON: "x" * 501}).json()["code"] == REASON_TOO_LONG.code
    assert desk.operator.get("/v1/acts", **{REASON: "x"}).json()["code"] == -1104


@pytest.mark.parametrize("act", sorted(REASONED_ACTS))
def test_what_is_against_somebodys_will_is_not_done_without_a_reason(desk: Office, act: str) -> None:
    last = desk.operator.get("/v1/acts").json()["acts"][-1]["number"]
    method, path = act.split()
    silent = desk.operator.send(method, path, body_of(desk, act), "application/json", reason=" ")
    assert (silent.status_code, silent.json()["code"]) == (400, NO_REASON.code)
    assert desk.operator.get("/v1/acts", after=last).json()["acts"] == []


def test_a_note_in_the_body_is_a_reason(desk: Office) -> None:
    body = b'{"trade":1,"decision":"refund","note":"broken"}'
    desk.operator.send("POST", "/v1/disputes", body, "application/json", reason=" ")
    assert desk.operator.get("/v1/acts").json()["acts"][-1]["why"] == "broken"


def test_alerts_make_cases_on_which_operators_decide(desk: Office) -> None:
    assert desk.operator.get("/v1/alerts").json()["alerts"] == []
    wash(desk)
    (alert,) = desk.operator.get("/v1/alerts").json()["alerts"]
    assert (alert["kind"], alert["accounts"], alert["symbol"]) == ("WASH_TRADE", [desk.issuer.account], SYMBOL)
    assert alert["first_sequence"] == alert["last_sequence"] > 0
    (case,) = desk.operator.get("/v1/cases").json()["cases"]
    assert (case["case"], case["state"], case["decided_by"], case["alerts"]) == (alert["case"], "OPEN", None, [alert])
    made = desk.operator.put("/v1/cases", case=case["case"], state="REPORTED", note="to the regulator").json()
    assert (made["state"], made["note"], made["decided_by"]) == ("REPORTED", "to the regulator", 0)
    assert desk.operator.get("/v1/cases", state="OPEN").json()["cases"] == []
    assert desk.operator.get("/v1/cases", state="REPORTED").json()["cases"] == [made]
    unknown = desk.operator.put("/v1/cases", case="none", state="OPEN", note="")
    assert unknown.json()["code"] == UNKNOWN_CASE.code


def test_auditors_see_all_of_it_and_participants_nothing(desk: Office) -> None:
    auditor = desk.admit("eve", "audit", role="auditor")
    for path in ("/v1/alerts", "/v1/cases", "/v1/acts"):
        assert auditor.get(path).status_code == 200
        assert desk.buyer.get(path).status_code in {401, 403}
    assert auditor.put("/v1/cases", case="x", state="OPEN", note="").status_code in {401, 403}
