"""An issuer that does not deliver pays from its collateral, once."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from api.call import Call
from api.v1 import defaults
from api.v1.desk import Caller
from api.v1.problems import GATE_CLOSED, NO_INDEX, NOT_AN_ALLOWANCE, OTHER_TERMS
from exchange import payments
from exchange.core import commands
from exchange.core.types import AccountState
from exchange.expiry import standing
from exchange.registry.payouts import PaymentKind
from exchange.sequencer import Stopped
from tests.api.v1.office import SYMBOL, Office, office

END_MS = 4_000_000_000_000


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        issuer, buyer = served.issuer, served.buyer = served.furnish()
        terms = {"symbol": SYMBOL, "start": 1_000, "end": END_MS, "collateral": "10"}
        assert served.operator.post("/v1/series", **terms).status_code == 200
        capacity = {"issuer": issuer.account, "hub": "GZ", "window": "M2701", "tokens_per_minute": 10_000}
        served.operator.put("/v1/capacity", **capacity)
        pair = {"serial": "g", "wh": 1}
        served.operator.post("/v1/certificates", issuer=issuer.account, certificates=[pair])
        served.operator.post("/v1/deposits", account=issuer.account, amount="100")
        assert issuer.post("/v1/issues", asset=SYMBOL, amount="10").status_code == 200
        refused = served.operator.post("/v1/defaults", symbol=SYMBOL, kind="BREACH", share_bps=500, id="b0")
        assert refused.json()["code"] == NO_INDEX.code
        issuer.order("SELL", 5, "4")
        buyer.order("BUY", 4, "4")
        yield served


def _cash(desk: Office) -> float:
    rows = desk.buyer.get("/v1/balances").json()["balances"]
    return float(next(row["total"] for row in rows if row["asset"] == "CNY"))


async def _collateral(desk: Office) -> int:
    registry = desk.exchange.registry
    series, cash = registry.allowances.series[2], registry.asset("CNY")
    return (await desk.exchange.query(lambda engine: standing(engine, series, cash.index)))[1]


def _default(desk: Office, kind: str, name: str) -> Any:
    return desk.operator.post("/v1/defaults", symbol=SYMBOL, kind=kind, share_bps=40, id=name)


def _set_buyer(desk: Office, state: AccountState) -> None:
    async def change() -> None:
        await desk.exchange.submit(commands.set_account_state(desk.buyer.account, state))

    desk.run(change)


def test_a_breach_pays_for_units_that_are_offered_too(desk: Office) -> None:
    desk.buyer.order("SELL", 3, "9")
    before = _cash(desk)
    paid = desk.operator.post("/v1/defaults", symbol=SYMBOL, kind="BREACH", share_bps=1, id="b2").json()
    assert (paid["holders"], paid["paid"]) == (1, "0.001760")
    assert _cash(desk) == pytest.approx(before + 0.00176)


def test_a_breach_pays_for_its_share_and_units_stay_good(desk: Office) -> None:
    before = _cash(desk)
    paid = desk.operator.post("/v1/defaults", symbol=SYMBOL, kind="BREACH", share_bps=2_500, id="b1").json()
    facts = [paid[name] for name in ("holders", "paid", "collateral", "burned")]
    assert facts == [1, "4.400000", "95.598240", "0.000000"]
    assert _cash(desk) == pytest.approx(before + 4.4)
    again = desk.operator.post("/v1/defaults", symbol=SYMBOL, kind="BREACH", share_bps=2_500, id="b1")
    assert (again.status_code, again.json()) == (200, paid)
    assert _cash(desk) == pytest.approx(before + 4.4)
    other = desk.operator.post("/v1/defaults", symbol=SYMBOL, kind="BREACH", share_bps=2_501, id="b1")
    assert other.json()["code"] == OTHER_TERMS.code


def test_a_repeat_pays_nobody_who_holds_the_units_now(desk: Office) -> None:
    paid = desk.operator.post("/v1/defaults", symbol=SYMBOL, kind="BREACH", share_bps=20, id="moved").json()
    key = desk.key(desk.buyer.account, "read")
    desk.buyer.nominate("1", key=key.key)  # passes to another account
    before = desk.run(lambda: _collateral(desk))
    again = desk.operator.post("/v1/defaults", symbol=SYMBOL, kind="BREACH", share_bps=20, id="moved").json()
    assert (again, desk.run(lambda: _collateral(desk))) == (paid, before)
    desk.buyer.delete("/v1/nominations", key=key.key, asset=SYMBOL, amount="1")


def test_the_same_request_twice_at_once_is_one(desk: Office) -> None:
    before = desk.run(lambda: _collateral(desk))

    async def both() -> list[Any]:
        request = defaults.DefaultRequest(symbol=SYMBOL, kind=PaymentKind.BREACH, share_bps=30, id="twice")
        caller = Caller(0, frozenset(), Call("", b"", 0))
        return await asyncio.gather(*[defaults.settle_default(desk.desk, caller, request) for _ in range(2)])

    first, second = desk.run(both)
    assert first == second
    assert before - desk.run(lambda: _collateral(desk)) == round(float(first.paid) * 10**6) > 0


@pytest.mark.parametrize("cut", range(4))  # before a part of the plan, the other, the payments, the end
def test_a_breach_that_was_cut_short_is_paid_to_its_end_by_the_same_request(
    desk: Office, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    monkeypatch.setattr(payments, "DONE_AT_ONCE", 1)
    monkeypatch.setattr(defaults, "PLANNED_AT_ONCE", 1)
    key = desk.key(desk.buyer.account, "read")
    desk.buyer.nominate("0.01", key=key.key)  # another holder
    submit, name = desk.exchange.submit, f"cut{cut}"
    left = iter(range(cut))

    def cutting(made: bytes, document: bytes = b"") -> Any:
        if b"OperatorActed" not in document and next(left, None) is None:
            raise Stopped("cut here")
        return submit(made, document)

    def breach() -> Any:
        return desk.operator.post("/v1/defaults", symbol=SYMBOL, kind="BREACH", share_bps=10, id=name)

    before = desk.run(lambda: _collateral(desk))
    monkeypatch.setattr(desk.exchange, "submit", cutting)
    assert breach().status_code >= 500
    if cut < 2:
        assert desk.run(lambda: _collateral(desk)) == before  # nothing is paid before all of it is planned
    monkeypatch.setattr(desk.exchange, "submit", submit)
    told = breach().json()
    plan = desk.exchange.registry.allowances.payments.find(2, PaymentKind.BREACH, name)
    assert (told["holders"], told["paid"]) == (
        plan.holders,
        f"{(before - desk.run(lambda: _collateral(desk))) / 10**6:.6f}",
    )
    assert told["holders"] >= 2
    assert breach().json() == told
    desk.buyer.delete("/v1/nominations", key=key.key, asset=SYMBOL, amount="0.01")


def test_an_approval_goes_with_the_plan(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(payments, "DONE_AT_ONCE", 1)
    key = desk.key(desk.buyer.account, "read")
    desk.buyer.nominate("0.01", key=key.key)
    second = desk.admit("second", "operate", role="operator")
    body = json.dumps({"symbol": SYMBOL, "kind": "BREACH", "share_bps": 10, "id": "approved"})
    proposed = desk.operator.post("/v1/proposals", act="POST /v1/defaults", body=body).json()
    done = second.post("/v1/decisions", number=proposed["number"], approve=True).json()
    assert (done["state"], json.loads(done["answer"])["paid"]) == ("done", "0.017600")
    assert desk.exchange.registry.allowances.payments.find(2, PaymentKind.BREACH, "approved").is_over
    desk.buyer.delete("/v1/nominations", key=key.key, asset=SYMBOL, amount="0.01")


def test_a_breach_that_is_refused_says_so_and_is_paid_once_that_is_mended(desk: Office) -> None:
    before = desk.run(lambda: _collateral(desk))
    _set_buyer(desk, AccountState.CLOSED)
    for _ in range(2):
        refused = _default(desk, "BREACH", "refused")
        assert (refused.status_code, refused.json()["code"]) == (409, -8050)
        assert refused.json()["msg"].startswith("1 of 1 holders are not paid: ")
    assert _default(desk, "BREACH", "next").json()["code"] == -8073  # would count the collateral twice
    assert desk.run(lambda: _collateral(desk)) == before
    _set_buyer(desk, AccountState.ACTIVE)
    paid = _default(desk, "BREACH", "refused").json()
    assert round(float(paid["paid"]) * 10**6) == before - desk.run(lambda: _collateral(desk)) > 0


def test_a_default_ends_the_series_and_pays_all(desk: Office) -> None:
    """Under the id of a breach; at first the buyer cannot be paid, and so nobody burns its units."""
    before, held = _cash(desk), desk.run(lambda: _collateral(desk))
    _set_buyer(desk, AccountState.CLOSED)
    assert _default(desk, "DEFAULT", "b1").json()["code"] == -8050
    _set_buyer(desk, AccountState.ACTIVE)
    released = desk.issuer.post("/v1/collateral-releases", symbol=SYMBOL).json()
    assert (released["outstanding"], released["needed"]) == ("4.000000", "57.600000")  # 40 for units, 17.6 are owed
    held -= round(float(released["released"]) * 10**6)
    paid = _default(desk, "DEFAULT", "b1").json()
    assert (paid["holders"], paid["paid"], paid["burned"]) == (1, "17.600000", "10.000000")
    assert _cash(desk) == pytest.approx(before + 17.6)
    assert _default(desk, "DEFAULT", "b1").json() == paid
    assert desk.exchange.registry.instrument(SYMBOL).trading_state.name == "GATE_CLOSED"
    assert desk.issuer.post("/v1/issues", asset=SYMBOL, amount="1").json()["code"] == GATE_CLOSED.code
    released = desk.issuer.post("/v1/collateral-releases", symbol=SYMBOL).json()
    assert (released["outstanding"], released["released"]) == ("0.000000", f"{(held - 17_600_000) / 10**6:.6f}")


def test_what_is_no_series_cannot_default(desk: Office) -> None:
    desk.list("TA.PLAIN", desk.issuer.account)
    for symbol, code in (("TA.NOT", NOT_AN_ALLOWANCE.code), ("TA.PLAIN", -8080)):
        refused = desk.operator.post("/v1/defaults", symbol=symbol, kind="DEFAULT", id="x")
        assert refused.json()["code"] == code
