"""The operator's desk, people: participants, accounts, keys, and what an account may do."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.errors import REJECTED_API_KEY
from api.v1.problems import OTHER_TERMS, RESERVED_NAME, UNKNOWN_ACCOUNT, UNKNOWN_PARTICIPANT
from tests.api.v1.office import Office, office


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        yield served


def test_a_participant_comes_with_an_account_of_the_same_name(desk: Office) -> None:
    made = desk.operator.post("/v1/participants", name="solo", role="trader", description="one desk")
    account = desk.exchange.registry.next_account - 1
    assert made.json() == {
        "participant": "solo",
        "role": "trader",
        "description": "one desk",
        "accounts": [
            {
                "account": account,
                "name": "solo",
                "participant": "solo",
                "role": "trader",
                "group": account,
                "state": "ACTIVE",
                "tier": 0,
            }
        ],
    }


@pytest.mark.parametrize("name", ["ESCROW", "collateral.TA.CTEL.Q3.OUT.GZ.M2701.G80A", "key.0123456789abcdef"])
def test_nobody_has_an_account_that_would_be_taken_for_the_exchange_s(desk: Office, name: str) -> None:
    for terms in ({"name": name}, {"name": "harmless", "accounts": [{"name": "fine"}, {"name": name}]}):
        refused = desk.operator.post("/v1/participants", role="trader", **terms)
        assert (refused.status_code, refused.json()["code"]) == (400, RESERVED_NAME.code)
    broker = desk.admit(f"broker-{name[:3]}", "trade", role="broker")
    assert broker.post("/v1/subaccounts", name=name).json()["code"] == RESERVED_NAME.code
    assert desk.exchange.registry.account(name) is desk.exchange.registry.participant("harmless") is None


def test_a_repeat_adds_the_accounts_that_are_missing(desk: Office) -> None:
    first = desk.operator.post("/v1/participants", name="firm", role="broker", accounts=[{"name": "firm-a"}]).json()
    group = first["accounts"][0]["account"]
    wanted = [{"name": "firm-a"}, {"name": "firm-b", "group": group}]
    for _ in range(2):
        again = desk.operator.post("/v1/participants", name="firm", role="broker", accounts=wanted).json()
        assert [(row["name"], row["group"]) for row in again["accounts"]] == [("firm-a", group), ("firm-b", group)]


def test_other_terms_under_a_known_name_are_refused(desk: Office) -> None:
    desk.operator.post("/v1/participants", name="known", role="trader")
    for terms in ({"role": "issuer"}, {"role": "trader", "description": "else"}):
        answer = desk.operator.post("/v1/participants", name="known", **terms)
        assert (answer.status_code, answer.json()["code"]) == (OTHER_TERMS.status, OTHER_TERMS.code)
    answer = desk.operator.post("/v1/participants", name="thief", role="trader", accounts=[{"name": "known"}])
    assert answer.json()["code"] == OTHER_TERMS.code


def test_participants_are_listed(desk: Office) -> None:
    desk.operator.post("/v1/participants", name="listed", role="vendor")
    names = [row["participant"] for row in desk.operator.get("/v1/participants").json()["participants"]]
    assert names[0] == "EXCHANGE"
    assert "listed" in names
    found = desk.operator.get("/v1/participants", name="listed").json()["participants"]
    assert [row["role"] for row in found] == ["vendor"]
    assert desk.operator.get("/v1/participants", name="nobody").json()["code"] == UNKNOWN_PARTICIPANT.code
    page = desk.operator.get("/v1/participants", after=names[0], limit=2).json()["participants"]
    assert [row["participant"] for row in page] == names[1:3]
    assert [row["name"] for row in page[0]["accounts"]] == [page[0]["participant"]]
    assert desk.operator.get("/v1/participants", after=names[-1]).json() == {"participants": []}


def test_a_key_does_what_its_scopes_say_until_it_is_revoked(desk: Office) -> None:
    client = desk.admit("holder", "read")
    assert client.get("/v1/balances").status_code == 200
    assert client.post("/v1/participants", name="no", role="trader").json()["code"] == REJECTED_API_KEY.code
    listed = desk.operator.get("/v1/keys", account=client.account).json()["keys"]
    assert [(row["key"], row["scopes"], row["revoked"]) for row in listed] == [(client.key, ["read"], False)]
    assert "secret" not in listed[0]
    revoked = desk.operator.delete("/v1/keys", key=client.key)
    assert revoked.json()["revoked"] is True
    assert client.get("/v1/balances").json()["code"] == REJECTED_API_KEY.code
    assert desk.operator.delete("/v1/keys", key=client.key).status_code == 404


def test_the_secret_is_not_on_disk(desk: Office) -> None:
    client = desk.admit("secretive", "read")
    files = [path for path in desk.directory.rglob("*") if path.is_file()]
    assert files
    assert not [path for path in files if client.secret.encode() in path.read_bytes()]


def test_a_key_expires(desk: Office) -> None:
    account = desk.admit("temporary", "read").account
    now_ms = int(time.time() * 1000)
    for expires, status in ((now_ms + 60_000, 200), (now_ms - 1, 401)):
        made = desk.operator.post("/v1/keys", account=account, scopes=["read"], expires=expires).json()
        client = desk.client(made["key"], made["secret"], account)
        assert (made["expires"], client.get("/v1/balances").status_code) == (expires, status)


def test_a_key_without_scopes_or_account_is_refused(desk: Office) -> None:
    assert desk.operator.post("/v1/keys", account=1, scopes=[]).json()["code"] == -1130
    assert desk.operator.post("/v1/keys", account=9999, scopes=["read"]).json()["code"] == UNKNOWN_ACCOUNT.code
    answer = desk.operator.post("/v1/keys", account=0, scopes=["read"], ip_allow=["nowhere"])
    assert "10.0.0.0/8" in answer.json()["msg"]


def test_no_operator_locks_itself_out(desk: Office) -> None:
    answer = desk.operator.put("/v1/account-state", account=0, state="SUSPENDED")
    assert (answer.status_code, answer.json()["code"]) == (403, -8088)


def test_the_kill_switch_cancels_and_stops_an_account(tmp_path: Path) -> None:
    with office(tmp_path) as served:
        _, buyer = served.furnish()
        buyer.order("BUY", 3, "1.5")
        buyer.order("BUY", 4, "1.4")
        killed = served.operator.put("/v1/account-state", account=buyer.account, state="RESTRICTED", cancel_orders=True)
        assert killed.json() == {"account": buyer.account, "state": "RESTRICTED", "canceled": 2}
        held = buyer.get("/v1/balances").json()["balances"][0]["held"]
        assert held == "0.000000"
        query = buyer.query(symbol="TA.CTEL.Q3.BLEND.GZ.M2701.G80A", side="BUY", type="MARKET", quantity=1)
        refused = buyer.http.post(f"/api/v3/order?{query}", headers={"X-MBX-APIKEY": buyer.key})
        assert refused.json()["code"] == -2010
        unknown = served.operator.put("/v1/account-state", account=99, state="ACTIVE")
        assert unknown.json()["code"] == UNKNOWN_ACCOUNT.code
