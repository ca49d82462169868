"""Units and cash set aside for a key, by its holder alone, until the gate closes."""

import time
from collections.abc import Iterator

import pytest

from api.v1.orderproblems import BEHIND_A_KEY
from api.v1.problems import FOREIGN_KEY, GATE_CLOSED, UNKNOWN_ASSET, UNKNOWN_HOLDER
from tests.api.v1.office import SYMBOL, Office, office

NOW_MS = int(time.time() * 1000)
CLOSED = "TA.CTEL.Q3.OUT.GZ.D1.G0A"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        assert served.issuer.post("/v1/issues", asset=SYMBOL, amount="5").status_code == 200
        served.list(CLOSED, served.issuer.account)
        served.issuer.post("/v1/issues", asset=CLOSED, amount="1")
        terms = {"symbol": CLOSED, "start": NOW_MS - 86_400_000, "end": NOW_MS + 600_000}
        assert served.operator.post("/v1/series", **terms).status_code == 200
        yield served


def test_units_go_to_the_key_and_come_back(desk: Office) -> None:
    issuer = desk.issuer
    first = issuer.nominate("2.5")
    assert (first["amount"], first["nominated"]) == ("2.500000", "2.500000")
    purse = issuer.get("/v1/nominations", key=issuer.key).json()
    assert purse["overrun"] == "REFUSE"
    assert purse["assets"] == [{"asset": SYMBOL, "available": "2.500000", "until": 0}]
    back = issuer.delete("/v1/nominations", key=issuer.key, asset=SYMBOL, amount="1")
    assert back.json()["nominated"] == "1.500000"
    assert desk.operator.get("/v1/nominations", key=issuer.key).json()["account"] == purse["account"]
    too_much = issuer.delete("/v1/nominations", key=issuer.key, asset=SYMBOL, amount="2")
    assert too_much.status_code == 400


def test_a_nomination_with_an_id_moves_once(desk: Office) -> None:
    terms = {"key": desk.buyer.key, "asset": "CNY", "amount": "5", "id": "n1"}
    assert desk.buyer.post("/v1/nominations", **terms).status_code == 200
    again = desk.buyer.post("/v1/nominations", **terms)
    assert again.status_code == 409, again.text
    purse = desk.buyer.get("/v1/nominations", key=desk.buyer.key).json()
    assert purse["assets"] == [{"asset": "CNY", "available": "5.000000", "until": 0}]


def test_another_participants_key_is_foreign(desk: Office) -> None:
    for method, path in (("post", "/v1/nominations"), ("delete", "/v1/nominations")):
        refused = getattr(desk.buyer, method)(path, key=desk.issuer.key, asset="CNY", amount="1")
        assert (refused.status_code, refused.json()["code"]) == (403, FOREIGN_KEY.code)
    assert desk.buyer.put("/v1/overrun", key=desk.issuer.key, overrun="PAY").status_code == 403
    assert desk.buyer.get("/v1/nominations", key=desk.issuer.key).status_code == 403


def test_what_is_not_there_is_said_so(desk: Office) -> None:
    nobody = desk.admit("nobody", "read", "trade")
    assert nobody.get("/v1/nominations", key=nobody.key).json()["code"] == UNKNOWN_HOLDER.code
    unknown = desk.buyer.post("/v1/nominations", key=desk.buyer.key, asset="TA.NOT", amount="1")
    assert unknown.json()["code"] == UNKNOWN_ASSET.code


def test_after_the_gate_closed_nothing_moves(desk: Office) -> None:
    for method in ("post", "delete"):
        refused = getattr(desk.issuer, method)("/v1/nominations", key=desk.issuer.key, asset=CLOSED, amount="1")
        assert refused.json()["code"] == GATE_CLOSED.code


def test_nothing_is_set_aside_for_a_key_that_has_expired(desk: Office) -> None:
    terms = {"account": desk.buyer.account, "scopes": ["read"], "expires": int(time.time() * 1000) + 300}
    key = desk.operator.post("/v1/keys", **terms).json()["key"]
    while time.time() * 1000 <= terms["expires"]:
        time.sleep(0.01)
    refused = desk.buyer.post("/v1/nominations", key=key, asset="CNY", amount="1")
    assert (refused.status_code, refused.json()["code"]) == (404, -8064)


def test_what_stands_behind_a_key_moves_by_nominations_alone(desk: Office) -> None:
    behind = desk.issuer.nominate("0.5") and desk.issuer.get("/v1/nominations", key=desk.issuer.key).json()["account"]
    terms = {"asset": SYMBOL, "amount": "0.5", "transfer_id": "round-about"}
    refused = desk.issuer.post("/v1/transfers", receiver=behind, **terms)
    assert (refused.status_code, refused.json()["code"]) == (403, BEHIND_A_KEY.code)
    broker = desk.admit("broker", "read", "trade", role="broker")
    assert desk.operator.post("/v1/deposits", account=broker.account, amount="2").status_code == 200
    assert broker.post("/v1/nominations", key=broker.key, asset="CNY", amount="2").status_code == 200
    behind = broker.get("/v1/nominations", key=broker.key).json()["account"]
    terms |= {"asset": "CNY", "source": behind, "receiver": broker.account}
    assert broker.post("/v1/transfers", **terms).json()["code"] == BEHIND_A_KEY.code
    assert broker.get("/v1/nominations", key=broker.key).json()["assets"][0]["available"] == "2.000000"
