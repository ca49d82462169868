"""Bust, default, dispute and parameter where two operators decide: none alone, each once, and the books agree."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from api.v1.problems import NEEDS_APPROVAL
from settlement.reconcile import reconcile
from tests.api.v1.office import SMALL, SYMBOL, Client, Office
from tests.api.v1.titled import (
    balance,
    buyer_of,
    clear,
    escrow_states,
    ok,
    order,
    refused,
    registered,
    series_of,
    settled,
    titled,
    vendor_of,
    wait_for,
)

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with titled(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        _collateralise(served)
        served.vendor, served.reader = vendor_of(served), buyer_of(served, "reader")
        served.second = served.admit("second", "operate", "audit", "read", role="operator")
        yield served


def _collateralise(served: Office) -> None:
    """Issue a series with collateral, and let ten units of it trade at 4."""
    issuer, operator = served.issuer, served.operator
    ok(operator.post("/v1/series", symbol=SYMBOL, start=1_000, end=4_000_000_000_000, collateral="10"))
    terms = {"issuer": issuer.account, "hub": "GZ", "window": "M2701", "tokens_per_minute": 10_000}
    ok(operator.put("/v1/capacity", **terms))
    ok(operator.post("/v1/certificates", issuer=issuer.account, certificates=[{"serial": "g", "wh": 1}]))
    ok(operator.post("/v1/deposits", account=issuer.account, amount="100"))
    ok(issuer.post("/v1/issues", asset=SYMBOL, amount="10"))
    issuer.order("SELL", 5, "4")
    served.buyer.order("BUY", 4, "4")
    served.buyer.order("BUY", 1, "4")


def _disputed(desk: Office) -> int:
    """Buy a licence and dispute it; return the trade."""
    symbol = series_of(desk.vendor, registered(desk, desk.vendor))
    ok(clear(desk.reader, symbol))
    ok(order(desk.vendor, symbol, "SELL", 2, "100"))
    ok(order(desk.reader, symbol, "BUY", 2, "100"))
    wait_for(lambda: escrow_states(desk.reader), ["delivered"])
    trade: int = ok(desk.reader.get("/v1/escrows"))["escrows"][0]["trade"]
    ok(desk.reader.post("/v1/escrows", trade=trade, step="dispute", note="broken"))
    return trade


def _decided(desk: Office, method: str, path: str, **body: Any) -> dict[str, Any]:
    """Let two operators do what one may not: tried alone, approved by its own proposer, then by the other."""
    alone = {"POST": desk.operator.post, "PUT": desk.operator.put}[method](path, **body)
    assert refused(alone) == NEEDS_APPROVAL.code
    made = ok(desk.operator.post("/v1/proposals", act=f"{method} {path}", body=json.dumps(body)))
    assert refused(desk.operator.post("/v1/decisions", number=made["number"], approve=True)) == -8088
    done: dict[str, Any] = ok(desk.second.post("/v1/decisions", number=made["number"], approve=True))
    assert refused(desk.second.post("/v1/decisions", number=made["number"], approve=True)) == -8089
    return done


def _fill(client: Client) -> int:
    fills = ok(client.get("/v1/fills", symbol=SYMBOL))["fills"]
    return int(max(fill["event"] for fill in fills))


def test_money_and_rules_move_by_two_operators_alone(desk: Office) -> None:
    trade, cash = _disputed(desk), balance(desk.reader)
    ok(desk.operator.put("/v1/four-eyes", required=True))
    assert _decided(desk, "PUT", "/v1/price-band", symbol=SYMBOL, price_low="1", price_high="8")["state"] == "done"
    busted = _decided(desk, "POST", "/v1/busts", event=_fill(desk.buyer))
    assert (busted["state"], balance(desk.buyer, SYMBOL)) == ("done", "4.000000")
    again = _decided(desk, "POST", "/v1/busts", event=_fill(desk.buyer))
    assert (again["state"], again["code"]) == ("failed", -8015)
    decided = _decided(desk, "POST", "/v1/disputes", trade=trade, decision="refund", note="it is")
    assert decided["state"] == "done"
    wait_for(lambda: escrow_states(desk.reader), ["refunded"])
    assert float(balance(desk.reader)) == float(cash) + 200
    # a decision that was carried out, and cut off before that was written down, is asked for again
    assert _decided(desk, "POST", "/v1/disputes", trade=trade, decision="refund")["state"] == "done"
    assert _decided(desk, "POST", "/v1/disputes", trade=trade, decision="release")["code"] == -8225
    assert float(balance(desk.reader)) == float(cash) + 200
    before = float(balance(desk.buyer))
    ended = _decided(desk, "POST", "/v1/defaults", symbol=SYMBOL, kind="DEFAULT", id="d1")
    assert (ended["state"], json.loads(ended["answer"])["holders"]) == ("done", 1)
    assert float(balance(desk.buyer)) == pytest.approx(before + 17.6)
    settled(desk)
    assert desk.dsn is not None
    report = asyncio.run(reconcile(desk.directory, desk.dsn, SMALL))
    assert report.ok, report.difference
