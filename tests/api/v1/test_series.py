"""Series of allowances: nothing is issued without capacity, green power and cash behind it."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.v1.problems import COLLATERAL_SHORT, NOT_AN_ALLOWANCE, NOT_ITS_ISSUER, OTHER_TERMS
from tests.api.v1.office import SYMBOL, Office, office

START_MS = 1_000
END_MS = 4_000_000_000_000
TERMS = {"symbol": SYMBOL, "start": START_MS, "end": END_MS, "collateral": "2", "wh": 100}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        operator, issuer = served.operator, served.issuer.account
        assert operator.post("/v1/series", **TERMS).status_code == 200
        pairs = [{"serial": name, "wh": wh} for name, wh in (("a", 7_999), ("b", 1), ("c", 8_000), ("d", 80_000))]
        assert operator.post("/v1/certificates", issuer=issuer, certificates=pairs).json() == {"registered": 4}
        capacity = {"issuer": issuer, "hub": "GZ", "window": "M2701", "tokens_per_minute": 10_000}
        assert operator.put("/v1/capacity", **capacity, evidence="sha256:00").status_code == 200
        yield served


def _issue(desk: Office, amount: str, *certificates: str) -> dict[str, Any]:
    return desk.issuer.post("/v1/issues", asset=SYMBOL, amount=amount, certificates=certificates).json()


def _cash(desk: Office, account: int) -> str:
    rows = desk.operator.get("/v1/balances", account=account).json()["balances"]
    return next((row["total"] for row in rows if row["asset"] == "CNY"), "0")


def test_the_symbol_says_what_the_series_is(desk: Office) -> None:
    told = desk.operator.get("/v1/series", symbol=SYMBOL).json()
    names = ("grade", "direction", "hub", "window", "green_bps", "firm", "gate", "collateral")
    assert [told[name] for name in names] == ["Q3", "BLEND", "GZ", "M2701", 8_000, False, 900, "2.000000"]
    assert desk.operator.post("/v1/series", **TERMS).json() == told
    assert desk.operator.post("/v1/series", **TERMS | {"wh": 1}).json()["code"] == OTHER_TERMS.code
    assert desk.operator.post("/v1/series", **TERMS | {"symbol": "CNY"}).json()["code"] == NOT_AN_ALLOWANCE.code


def test_a_symbol_of_another_form_has_no_terms(desk: Office) -> None:
    desk.list("TA.SHORT", desk.issuer.account)
    assert desk.operator.post("/v1/series", **TERMS | {"symbol": "TA.SHORT"}).json()["code"] == -8061
    assert desk.operator.get("/v1/series", symbol="TA.SHORT").json()["code"] == -8080


def test_an_issue_takes_green_power_then_collateral_then_capacity(desk: Office) -> None:
    assert _issue(desk, "100", "a")["code"] == -8083, "79.99 % of the energy"
    assert _issue(desk, "100", "a", "b")["code"] == COLLATERAL_SHORT.code
    assert desk.operator.post("/v1/deposits", account=desk.issuer.account, amount="500").status_code == 200
    desk.operator.put("/v1/account-state", account=desk.issuer.account, state="RESTRICTED")
    assert _issue(desk, "100", "a", "b")["code"] == -2010
    desk.operator.put("/v1/account-state", account=desk.issuer.account, state="ACTIVE")
    told = desk.operator.get("/v1/series", symbol=SYMBOL).json()
    assert (told["issued"], _cash(desk, desk.issuer.account)) == ("0.000000", "500.000000")
    assert _issue(desk, "100", "a", "b")["amount"] == "100.000000"
    assert _issue(desk, "1", "a", "b")["code"] == -8082
    told = desk.operator.get("/v1/series", symbol=SYMBOL).json()
    assert (_cash(desk, told["collateral_account"]), _cash(desk, desk.issuer.account)) == ("200.000000", "300.000000")
    assert told["issued"] == "100.000000"
    assert _issue(desk, "100", "c")["amount"] == "100.000000"
    assert desk.issuer.post("/v1/issues", asset=SYMBOL, amount="666666666", certificates=["d"]).json()["code"] == -8081
    other = desk.admit("other", "issue", role="issuer")
    assert other.post("/v1/issues", asset=SYMBOL, amount="1").json()["code"] == NOT_ITS_ISSUER.code


def test_collateral_is_released_as_units_are_used(desk: Office) -> None:
    nothing = desk.issuer.post("/v1/collateral-releases", symbol=SYMBOL).json()
    assert (nothing["outstanding"], nothing["held"], nothing["released"]) == ("200.000000", "400.000000", "0.000000")
    desk.issuer.nominate("50")
    records = [
        {"id": "r", "key": desk.issuer.key, "time": desk.exchange.clock.now_ns() // 10**6, "tokens_in": 50 * 10**6}
    ]
    assert desk.issuer.post("/v1/usage", batch=1, records=records).json()["tokens"] == 50 * 10**6
    released = desk.issuer.post("/v1/collateral-releases", symbol=SYMBOL).json()
    assert (released["needed"], released["held"], released["released"]) == ("300.000000", "300.000000", "100.000000")
    assert desk.issuer.post("/v1/collateral-releases", symbol="TA.SHORT").json()["code"] == -8080
