"""What the operator does with a market, through the running app."""

from collections.abc import Iterator

import pytest

from api.errors import REJECTED_API_KEY
from api.v1.problems import UNKNOWN_SYMBOL
from tests.api.v1.office import LICENCE, SYMBOL, Office, office


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        assert served.issuer.post("/v1/issues", asset=SYMBOL, amount="1000").status_code == 200
        yield served


def _state(desk: Office, state: str) -> None:
    assert desk.operator.put("/v1/trading-state", symbol=SYMBOL, state=state).json()["state"] == state


def test_a_call_is_indicated_and_uncrossed(desk: Office) -> None:
    _state(desk, "CALL_OPEN")
    desk.issuer.order("SELL", 3, "2.00")
    desk.buyer.order("BUY", 5, "2.00")
    said = desk.operator.post("/v1/indication", symbol=SYMBOL).json()
    assert (said["quantity_lots"], said["surplus_lots"], said["state"]) == (3, 2, "CALL_OPEN")
    made = desk.operator.post("/v1/uncross", symbol=SYMBOL).json()
    assert made == said | {"surplus_lots": 0, "state": "CONTINUOUS"}
    assert desk.operator.post("/v1/indication", symbol=SYMBOL).status_code == 400
    assert desk.operator.post("/v1/uncross", symbol=SYMBOL).status_code == 400
    cleared = desk.operator.post("/v1/clear-book", symbol=SYMBOL).json()
    assert cleared == {"ended": 1, "still_open": 0}


def test_rules_that_need_a_quiet_market_are_refused_while_it_trades(desk: Office) -> None:
    refused = desk.operator.put("/v1/trading-mode", symbol=SYMBOL, mode="CALL")
    assert (refused.status_code, refused.json()["code"]) == (409, -8041)
    _state(desk, "CLOSED")
    assert desk.operator.put("/v1/trading-mode", symbol=SYMBOL, mode="CALL").json()["sequence"] > 0
    assert desk.operator.put("/v1/trading-state", symbol=SYMBOL, state="CONTINUOUS").status_code == 409
    assert desk.operator.put("/v1/trading-mode", symbol=SYMBOL, mode="CONTINUOUS").status_code == 200
    _state(desk, "CONTINUOUS")


def test_guards_limits_and_rules_are_set(desk: Office) -> None:
    guards = desk.operator.put("/v1/guards", symbol=SYMBOL, static_bps=1000, dynamic_bps=500)
    limits = desk.operator.put("/v1/instrument-limits", symbol=SYMBOL, open_orders_max=1)
    rules = desk.operator.put("/v1/venue-rules", symbol=SYMBOL, holders_max=9)
    assert [answer.status_code for answer in (guards, limits, rules)] == [200, 200, 200]
    assert desk.operator.put("/v1/instrument-limits", symbol=SYMBOL).status_code == 200


def test_an_account_is_limited_and_killed(desk: Office) -> None:
    account = desk.buyer.account
    assert desk.operator.put("/v1/account-limits", account=account, open_orders_max=1).status_code == 200
    desk.buyer.order("BUY", 1, "1.00")
    assert desk.operator.post("/v1/kill-switch", account=account).json() == {"ended": 1, "still_open": 0}
    assert desk.operator.post("/v1/kill-switch", account=60).json()["code"] == -8010


def test_only_the_operator_runs_the_market(desk: Office) -> None:
    assert desk.buyer.post("/v1/uncross", symbol=SYMBOL).json()["code"] == REJECTED_API_KEY.code
    assert desk.operator.post("/v1/uncross", symbol=LICENCE).json()["code"] == UNKNOWN_SYMBOL.code
    assert desk.operator.put("/v1/guards", symbol=SYMBOL, static_bps=-1, dynamic_bps=0).json()["code"] == -1130
