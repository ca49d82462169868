"""Money and allowances that enter and leave."""

from collections.abc import Iterator

import pytest

from api.errors import REJECTED_API_KEY
from api.v1.problems import UNKNOWN_ASSET
from tests.api.v1.office import SYMBOL, Client, Office, office


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        yield served


def _available(client: Client, asset: str) -> str:
    rows = {row["asset"]: row["available"] for row in client.get("/v1/balances").json()["balances"]}
    return rows.get(asset, "0")


def test_a_deposit_is_credited_to_the_last_decimal(desk: Office) -> None:
    client = desk.admit("depositor", "read")
    made = desk.operator.post("/v1/deposits", account=client.account, asset="CNY", amount="12.345678").json()
    assert (made["account"], made["asset"], made["amount"]) == (client.account, "CNY", "12.345678")
    assert made["sequence"] > 0
    assert _available(client, "CNY") == "12.345678"


def test_a_withdrawal_takes_what_is_available_and_no_more(desk: Office) -> None:
    client = desk.admit("leaver", "read")
    desk.operator.post("/v1/deposits", account=client.account, amount="10")
    assert desk.operator.post("/v1/withdrawals", account=client.account, amount="4").status_code == 200
    refused = desk.operator.post("/v1/withdrawals", account=client.account, amount="6.000001")
    assert refused.json() == {"code": -2010, "msg": "Account has insufficient balance for requested action."}
    assert _available(client, "CNY") == "6.000000"


def test_an_issue_goes_to_the_issuer_alone(desk: Office) -> None:
    made = desk.issuer.post("/v1/issues", asset=SYMBOL, amount="27").json()
    assert (made["account"], made["amount"]) == (desk.issuer.account, "27.000000")
    assert _available(desk.issuer, SYMBOL) == "27.000000"
    other = desk.admit("pretender", "issue", role="issuer")
    assert other.post("/v1/issues", asset=SYMBOL, amount="1").json()["code"] == -8014


@pytest.mark.parametrize(
    ("amount", "code"),
    [("1.0000001", -1111), ("-1", -1130), ("1e3", -1130), ("0", -1130), ("99999999999999999999", -1108), (5, -1130)],
)
def test_amounts_that_are_none_are_refused(desk: Office, amount: object, code: int) -> None:
    assert desk.operator.post("/v1/deposits", account=desk.buyer.account, amount=amount).json()["code"] == code


def test_what_does_not_fit_is_refused(desk: Office) -> None:
    buyer = desk.buyer.account
    assert (
        desk.operator.post("/v1/deposits", account=buyer, asset="EUR", amount="1").json()["code"] == UNKNOWN_ASSET.code
    )
    assert desk.operator.post("/v1/deposits", account=60, amount="1").json()["code"] == -8010
    assert desk.operator.post("/v1/deposits", account=buyer, asset=SYMBOL, amount="1").json()["code"] == -8013
    assert desk.buyer.post("/v1/deposits", account=buyer, amount="1").json()["code"] == REJECTED_API_KEY.code
