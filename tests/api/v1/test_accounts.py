"""One's own account: balances, fills, statements; all three tell the same story."""

import asyncio
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from api.v1.problems import FOREIGN_ACCOUNT, NO_LEDGER, UNKNOWN_ASSET, UNKNOWN_SYMBOL
from settlement.embedded import Embedded
from settlement.migrate import migrate
from settlement.poster import spawn
from tests.api.v1.office import SYMBOL, Office, office


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    directory = tmp_path_factory.mktemp("exchange")
    postgres = Embedded(directory / "postgres")
    postgres.start()
    asyncio.run(migrate(postgres.dsn))
    poster = spawn(directory, postgres.dsn)
    with office(directory, dsn=postgres.dsn) as served:
        served.issuer, served.buyer = served.furnish()
        served.issuer.post("/v1/issues", asset=SYMBOL, amount="10")
        served.issuer.order("SELL", 3, "1.5")
        served.issuer.order("SELL", 3, "1.6")
        served.buyer.order("BUY", 5, "1.6")
        served.buyer.order("BUY", 2, "1.2")
        _wait_for_ledger(served)
        yield served
    poster.terminate()
    assert poster.wait(30) == 0
    postgres.stop()


def _wait_for_ledger(desk: Office) -> None:
    for _ in range(200):
        ledger = desk.operator.http.get("/v1/health").json()["ledger"]
        if ledger["connected"] and ledger["lag"] == 0:
            return
        time.sleep(0.05)
    raise AssertionError("the ledger did not follow")


def test_balances_show_what_is_held(desk: Office) -> None:
    told = desk.buyer.get("/v1/balances").json()
    rows = {row["asset"]: row for row in told["balances"]}
    # 3 x 1.5 + 2 x 1.6 = 7.7; fee 5 bps; held for 2 x 1.2 with the fee that it could cost
    assert rows["CNY"]["total"] == "999992.296150"
    assert Decimal(rows["CNY"]["held"]) == Decimal("2.401201")
    assert Decimal(rows["CNY"]["available"]) + Decimal(rows["CNY"]["held"]) == Decimal(rows["CNY"]["total"])
    assert rows[SYMBOL]["available"] == "5.000000"
    assert told["sequence"] > 0


def test_fills_carry_exact_fees_and_the_number_of_the_entry(desk: Office) -> None:
    fills = desk.buyer.get("/v1/fills", symbol=SYMBOL).json()["fills"]
    assert [(row["price"], row["quantity"], row["amount"], row["fee"], row["role"]) for row in fills] == [
        ("1.5000", "3", "4.500000", "0.002250", "TAKER"),
        ("1.6000", "2", "3.200000", "0.001600", "TAKER"),
    ]
    assert {(row["side"], row["fee_asset"], row["symbol"]) for row in fills} == {("BUY", "CNY", SYMBOL)}
    later = desk.buyer.get("/v1/fills", from_id=fills[1]["trade_id"]).json()["fills"]
    assert later == fills[1:]
    sold = desk.operator.get("/v1/fills", account=desk.issuer.account, limit=1).json()["fills"]
    assert [(row["event"], row["side"], row["role"], row["fee"]) for row in sold] == [
        (fills[1]["event"], "SELL", "MAKER", "-0.000320")
    ]
    assert desk.buyer.get("/v1/fills", symbol="TA.NO").json()["code"] == UNKNOWN_SYMBOL.code


def test_a_statement_adds_up_and_agrees_with_balance_and_fills(desk: Office) -> None:
    told = desk.buyer.get("/v1/statement", asset="CNY").json()
    entries = [(row["kind"], row["amount"], row["balance"]) for row in told["entries"]]
    assert entries == [
        ("deposited", "1000000.000000", "1000000.000000"),
        ("bought", "-4.502250", "999995.497750"),
        ("bought", "-3.201600", "999992.296150"),
    ]
    assert (told["opening"], told["closing"]) == ("0.000000", "999992.296150")
    fills = desk.buyer.get("/v1/fills").json()["fills"]
    lines = told["entries"][1:]
    assert [row["event"] for row in fills] == [row["event"] for row in lines]
    assert [(row["symbol"], row["price"], row["quantity"]) for row in lines] == [
        (SYMBOL, "1.5000", "3"),
        (SYMBOL, "1.6000", "2"),
    ]
    units = desk.buyer.get("/v1/statement", asset=SYMBOL).json()
    assert [row["balance"] for row in units["entries"]] == ["3.000000", "5.000000"]


def test_a_statement_begins_and_ends_when_asked(desk: Office) -> None:
    whole = desk.buyer.get("/v1/statement").json()
    early = desk.buyer.get("/v1/statement", end=1).json()
    assert (early["entries"], early["opening"], early["closing"]) == ([], "0.000000", "0.000000")
    late = desk.buyer.get("/v1/statement", start=int(time.time() * 1000) + 60_000).json()
    assert (late["entries"], late["opening"], late["closing"]) == ([], whole["closing"], whole["closing"])


def test_statements_are_for_their_owner_and_the_operator(desk: Office) -> None:
    foreign = desk.buyer.get("/v1/statement", account=desk.issuer.account)
    assert foreign.json()["code"] == FOREIGN_ACCOUNT.code
    income = desk.operator.get("/v1/statement", account=0).json()
    assert [row["kind"] for row in income["entries"]] == ["fees", "fees"]
    assert income["closing"] == "0.003080"
    assert desk.buyer.get("/v1/statement", asset="EUR").json()["code"] == UNKNOWN_ASSET.code


def test_without_a_ledger_there_is_no_statement(tmp_path: Path) -> None:
    with office(tmp_path) as served:
        answer = served.operator.get("/v1/statement", account=0)
        assert (answer.status_code, answer.json()["code"]) == (503, NO_LEDGER.code)
