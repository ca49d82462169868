"""The desk: who may come in, and what a request must look like."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.errors import BAD_SIGNATURE, NO_API_KEY, OUTSIDE_RECV_WINDOW, REJECTED_API_KEY
from api.limits import Limits
from api.v1.desk import BODY_BYTES_MAX
from api.v1.problems import FOREIGN_ACCOUNT, NOT_JSON
from exchange.sequencer import Overloaded, Stopped
from tests.api.v1.office import Office, office

JSON = "application/json"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        yield served


def test_without_a_key_nobody_comes_in(desk: Office) -> None:
    answer = desk.operator.http.get("/v1/balances")
    assert (answer.status_code, answer.json()["code"]) == (401, NO_API_KEY.code)
    unknown = desk.operator.http.get("/v1/balances", headers={"X-MBX-APIKEY": "k" * 64})
    assert (unknown.status_code, unknown.json()["code"]) == (401, REJECTED_API_KEY.code)


def test_the_signature_covers_query_and_body(desk: Office) -> None:
    body = b'{"name":"signed","role":"trader"}'
    headers = {"X-MBX-APIKEY": desk.operator.key, "Content-Type": JSON}
    query = desk.operator.query(body)
    for changed_query, changed_body in ((query, body + b" "), (query.replace("30000", "30001"), body), ("", body)):
        answer = desk.operator.http.post(f"/v1/participants?{changed_query}", content=changed_body, headers=headers)
        assert answer.json()["code"] in {BAD_SIGNATURE.code, -1102}
    assert desk.exchange.registry.participant("signed") is None
    sent = desk.operator.http.post(f"/v1/participants?{query}", content=body, headers=headers)
    assert sent.status_code == 200
    assert int(sent.headers["x-mbx-used-weight-1m"]) > 0


def test_a_body_that_holds_the_word_signature_is_no_signature(desk: Office) -> None:
    made = desk.operator.post("/v1/participants", name="tricky", role="trader", description="a&signature=00")
    assert made.json()["description"] == "a&signature=00"


def test_an_old_request_is_refused(desk: Office) -> None:
    now_ms = int(time.time() * 1000)
    answer = desk.operator.get("/v1/keys", account=0, timestamp=now_ms - 40_000)
    assert answer.json()["code"] == OUTSIDE_RECV_WINDOW.code
    ahead = desk.operator.get("/v1/keys", account=0, timestamp=now_ms + 40_000)
    assert ahead.json()["code"] == OUTSIDE_RECV_WINDOW.code


def test_bodies_are_json_of_a_bounded_size(desk: Office) -> None:
    assert desk.operator.send("POST", "/v1/halt", b"{}", "text/plain").json()["code"] == NOT_JSON.code
    assert desk.operator.send("POST", "/v1/halt", b"{", JSON).json()["code"] == -1135
    assert desk.operator.send("POST", "/v1/halt", b'{"x":1}', JSON).json()["code"] == -1104
    large = desk.operator.send("POST", "/v1/halt", b" " * (BODY_BYTES_MAX + 1), JSON)
    assert (large.status_code, large.json()["code"]) == (413, -8001)


def test_parameters_that_nobody_reads_are_refused(desk: Office) -> None:
    assert desk.operator.get("/v1/keys", account=0, colour="red").json()["code"] == -1104
    assert desk.operator.send("POST", "/v1/halt", b"{}", JSON, colour="red").json()["code"] == -1104
    assert desk.operator.get("/v1/keys").json() == {
        "code": -1102,
        "msg": "Mandatory parameter 'account' was not sent, was empty/null, or malformed.",
    }


def test_one_sees_the_own_account_and_the_operator_all(desk: Office) -> None:
    own = desk.buyer.get("/v1/balances").json()
    assert own["account"] == desk.buyer.account
    assert desk.buyer.get("/v1/balances", account=desk.buyer.account).json()["balances"] == own["balances"]
    foreign = desk.buyer.get("/v1/balances", account=desk.issuer.account)
    assert (foreign.status_code, foreign.json()["code"]) == (403, FOREIGN_ACCOUNT.code)
    assert desk.operator.get("/v1/balances", account=desk.buyer.account).json()["balances"] == own["balances"]


def test_states_of_the_exchange_are_answers(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, code in ((Overloaded("full"), -1008), (Stopped("over"), -1016), (ValueError("a bug"), -1000)):

        def refuse(*_: object, error: Exception = error) -> None:
            raise error

        monkeypatch.setattr(desk.exchange.sequencer, "submit", refuse)
        answer = desk.operator.post("/v1/deposits", account=desk.buyer.account, amount="1")
        assert answer.json()["code"] == code
        monkeypatch.undo()
    monkeypatch.setattr(desk.exchange.sequencer, "query", lambda _: (_ for _ in ()).throw(Stopped("over")))
    assert desk.buyer.get("/v1/balances").json()["code"] == -1016


def test_requests_count_against_the_limit(tmp_path: Path) -> None:
    with office(tmp_path, limits=Limits(weight_per_minute=40)) as served:
        answers = [served.operator.http.get("/v1/assets") for _ in range(5)]
        assert answers[0].status_code == 200
        assert answers[-1].status_code == 429
        assert int(answers[-1].headers["retry-after"]) > 0
