"""Fees by tier: of a participant, of a broker's clients, of an account alone; told, charged, and kept."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.v1.problems import UNKNOWN_ACCOUNT, UNKNOWN_SYMBOL
from exchange.core.types import FEE_TIERS
from settlement.fees import Fees
from tests.api.v1.office import SYMBOL, Client, Office, office

RATES = [[-1, 5], [-2, 4], [-3, 3]]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        assert served.issuer.post("/v1/issues", asset=SYMBOL, amount="1000").status_code == 200
        made = served.operator.put("/v1/fee-schedule", symbol=SYMBOL, rates=RATES)
        assert made.status_code == 200, made.text
        yield served


def _rates(client: Client) -> tuple[str, str]:
    query = client.query(symbol=SYMBOL)
    headers = {"X-MBX-APIKEY": client.key}
    told = client.http.get(f"/api/v3/account/commission?{query}", headers=headers).json()["standardCommission"]
    row = client.http.get(f"/sapi/v1/asset/tradeFee?{client.query(symbol=SYMBOL)}", headers=headers).json()[0]
    usual = client.http.get(f"/api/v3/account?{client.query()}", headers=headers).json()["commissionRates"]
    assert (told["maker"], told["taker"]) == (row["makerCommission"], row["takerCommission"])
    assert (told["maker"], told["taker"]) == (usual["maker"], usual["taker"])
    return told["maker"], told["taker"]


def _tier(desk: Office, account: int) -> int:
    return desk.exchange.registry.account_at(account).tier


def test_a_schedule_says_what_every_tier_pays(desk: Office) -> None:
    told = desk.operator.http.get("/v1/fee-schedule", params={"symbol": SYMBOL}).json()
    rows = [(row["tier"], row["maker_bps"], row["taker_bps"]) for row in told["rates"]]
    assert rows == [(0, -1, 5), (1, -2, 4), *[(tier, -3, 3) for tier in range(2, FEE_TIERS)]]
    shown = desk.operator.http.get("/v1/instruments", params={"symbol": SYMBOL}).json()["instruments"][0]
    assert (shown["maker_bps"], shown["taker_bps"]) == (-1, 5)


def test_one_tier_and_those_above_it_are_set_alone(desk: Office) -> None:
    other = desk.list("TA.OTHER", desk.issuer.account)["symbol"]
    for tier, rates in ((3, (0, 2)), (6, (0, 1))):
        made = desk.operator.put("/v1/fees", symbol=other, maker_bps=rates[0], taker_bps=rates[1], tier=tier)
        assert made.status_code == 200, made.text
    told = desk.operator.http.get("/v1/fee-schedule", params={"symbol": other}).json()["rates"]
    assert [row["taker_bps"] for row in told] == [5, 5, 5, 2, 2, 2, 1, 1]
    again = desk.operator.put("/v1/fees", symbol=other, maker_bps=0, taker_bps=9)
    assert again.status_code == 200
    told = desk.operator.http.get("/v1/fee-schedule", params={"symbol": other}).json()["rates"]
    assert [row["taker_bps"] for row in told] == [9] * FEE_TIERS


def test_a_rebate_that_some_taker_does_not_pay_for_is_refused(desk: Office) -> None:
    before = desk.operator.http.get("/v1/fee-schedule", params={"symbol": SYMBOL}).json()
    wrong = desk.operator.put("/v1/fees", symbol=SYMBOL, maker_bps=-4, taker_bps=4, tier=7)
    assert wrong.status_code >= 400
    assert desk.operator.http.get("/v1/fee-schedule", params={"symbol": SYMBOL}).json() == before
    unknown = desk.operator.put("/v1/fee-schedule", symbol="TA.NONE", rates=RATES)
    assert unknown.json()["code"] == UNKNOWN_SYMBOL.code
    for rates in ([[0, 20], [-10, 30], [0, 1]], [[-10, 30], [0, 9]], [[0, 9], [-10, 30]], [[-1, 0]]):
        half = desk.operator.put("/v1/fee-schedule", symbol=SYMBOL, rates=rates)
        assert half.json()["code"] == wrong.json()["code"]
        assert desk.operator.http.get("/v1/fee-schedule", params={"symbol": SYMBOL}).json() == before
    assert desk.operator.put("/v1/fee-schedule", symbol=SYMBOL, rates=[[0, 1]] * 9).status_code == 400
    assert desk.operator.put("/v1/fees", symbol=SYMBOL, maker_bps=0, taker_bps=1, tier=8).status_code == 400


def test_a_brokers_accounts_have_its_tier_unless_they_have_their_own(desk: Office) -> None:
    broker = desk.admit("broker", "read", "trade", role="broker")
    early = broker.post("/v1/subaccounts", name="client-1").json()["account"]
    assert desk.operator.put("/v1/tier", participant="broker", tier=2).json()["tier"] == 2
    late = broker.post("/v1/subaccounts", name="client-2").json()["account"]
    assert [_tier(desk, account) for account in (broker.account, early, late)] == [2, 2, 2]
    assert desk.operator.put("/v1/account-tier", account=late, tier=1).json()["tier"] == 1
    desk.operator.put("/v1/tier", participant="broker", tier=7)
    assert [_tier(desk, account) for account in (broker.account, early, late)] == [7, 7, 1]
    assert desk.operator.put("/v1/account-tier", account=late, tier=None).json()["tier"] == 7
    unknown = desk.operator.put("/v1/account-tier", account=60, tier=1)
    assert unknown.json()["code"] == UNKNOWN_ACCOUNT.code
    assert desk.operator.put("/v1/account-tier", account=late, tier=8).status_code == 400
    further = desk.operator.post("/v1/participants", name="broker", role="broker", accounts=[{"name": "desk-2"}])
    assert [row["tier"] for row in further.json()["accounts"]] == [7, 7, 7, 7]


def test_two_tiers_in_one_book_pay_their_own_rates_and_the_tape_says_so(desk: Office) -> None:
    cheap = desk.admit("cheap", "read", "trade")
    desk.operator.post("/v1/deposits", account=cheap.account, amount="100000")
    desk.operator.put("/v1/tier", participant="cheap", tier=1)
    assert (_rates(desk.buyer), _rates(cheap)) == (("-0.00010000", "0.00050000"), ("-0.00020000", "0.00040000"))
    desk.issuer.order("SELL", 200, "5")
    fees = []
    for client in (desk.buyer, cheap):
        client.order("BUY", 100, "5")
        (fill,) = client.get("/v1/fills", symbol=SYMBOL).json()["fills"]
        fees.append(fill["fee"])
    assert fees == ["0.250000", "0.200000"]
    desk.operator.put("/v1/account-tier", account=cheap.account, tier=0)
    assert _rates(cheap) == _rates(desk.buyer)
    events = desk.exchange.events.read(0, desk.exchange.events.count)
    Fees().check(events, 1)


def test_tiers_are_there_again_after_a_restart(tmp_path: Any) -> None:
    with office(tmp_path) as served:
        served.furnish()
        served.operator.put("/v1/tier", participant="alice", tier=3)
        served.operator.put("/v1/fee-schedule", symbol=SYMBOL, rates=RATES)
        served.operator.put("/v1/account-tier", account=1, tier=2)
    with office(tmp_path) as served:
        registry = served.exchange.registry
        assert (registry.account("alice").tier, registry.account_at(1).own_tier) == (3, 2)
        assert registry.instrument(SYMBOL).rates(7) == registry.usual_rates(5) == (-3, 3)
