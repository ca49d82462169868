"""The ledger over HTTP: now and then, in pages, for those who may see it."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.v1.problems import FOREIGN_ACCOUNT, NO_LEDGER, UNKNOWN_SYMBOL
from settlement.embedded import Embedded
from settlement.migrate import migrate
from settlement.poster import spawn
from tests.api.v1.office import SYMBOL, Office, office
from tests.settlement.conftest import SMALL


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    directory = tmp_path_factory.mktemp("exchange")
    postgres = Embedded(directory / "postgres", SMALL)
    postgres.start()
    asyncio.run(migrate(postgres.dsn))
    poster = spawn(directory, postgres.dsn)
    with office(directory, dsn=postgres.dsn) as served:
        served.issuer, served.buyer = served.furnish()
        served.issuer.post("/v1/issues", asset=SYMBOL, amount="10")
        for lots in (3, 1, 2):
            served.issuer.order("SELL", lots, "1.5")
            served.buyer.order("BUY", lots, "1.5")
        _wait_for_ledger(served)
        yield served
        poster.terminate()
        assert poster.wait(30) == 0
        postgres.stop()
        _check_away(served)


def _wait_for_ledger(desk: Office) -> None:
    for _ in range(200):
        ledger = desk.operator.http.get("/v1/health").json()["ledger"]
        if ledger["connected"] and ledger["lag"] == 0:
            return
        time.sleep(0.05)
    raise AssertionError("the ledger did not follow")


def _check_away(desk: Office) -> None:
    """See what is said while the database is away: how far the ledger was, and to try again."""
    told = desk.operator.http.get("/v1/health").json()
    assert told["ledger"] == {"connected": False, "event": told["events"], "lag": 0}
    answer = desk.buyer.get("/v1/ledger/balances")
    assert (answer.status_code, answer.json()["code"]) == (503, NO_LEDGER.code)


def _balances(desk: Office, **query: object) -> dict[str, str]:
    return {row["asset"]: row["balance"] for row in desk.buyer.get("/v1/ledger/balances", **query).json()["balances"]}


def test_balances_are_the_engines_now_and_others_then(desk: Office) -> None:
    engine = {row["asset"]: row["total"] for row in desk.buyer.get("/v1/balances").json()["balances"]}
    assert _balances(desk) == engine
    first = desk.buyer.get("/v1/ledger/fills").json()["fills"][-1]["entry"]
    assert _balances(desk, event=first - 1) == {"CNY": "1000000.000000"}
    assert _balances(desk, event=first)[SYMBOL] == "3.000000"
    assert _balances(desk, event=10**9) == engine
    told = desk.buyer.get("/v1/ledger/balances", event=first).json()
    assert (told["event"], told["account"]) == (first, desk.buyer.account)


def test_fills_come_in_pages_with_their_entries(desk: Office) -> None:
    whole = desk.buyer.get("/v1/ledger/fills", symbol=SYMBOL).json()
    assert [(row["quantity"], row["side"], row["role"], row["price"]) for row in whole["fills"]] == [
        (lots, "BUY", "TAKER", "1.5000") for lots in ("2", "1", "3")
    ]
    assert whole["next"] is None
    pages, before = [], {}
    while True:
        page = desk.buyer.get("/v1/ledger/fills", limit=1, **before).json()
        pages += page["fills"]
        if page["next"] is None:
            break
        before = {"before": page["next"]}
    assert pages == whole["fills"]
    assert [row["event"] for row in desk.buyer.get("/v1/fills").json()["fills"]] == [
        row["entry"] for row in pages[::-1]
    ]
    assert desk.buyer.get("/v1/ledger/fills", symbol="TA.NO").json()["code"] == UNKNOWN_SYMBOL.code


def test_an_entry_sums_to_zero(desk: Office) -> None:
    entry = desk.buyer.get("/v1/ledger/fills").json()["fills"][0]["entry"]
    told = desk.operator.get("/v1/ledger/entry", entry=entry).json()
    assert [(row["account"], row["asset"], row["amount"]) for row in told["postings"]] == [
        (desk.buyer.account, "CNY", "-3.001500"),
        (desk.issuer.account, "CNY", "3.000300"),
        (0, "CNY", "0.001200"),
        (desk.buyer.account, SYMBOL, "2.000000"),
        (desk.issuer.account, SYMBOL, "-2.000000"),
    ]
    assert desk.operator.get("/v1/ledger/entry", entry=1).json()["postings"] == []


def test_the_trial_balance_is_zero_now_and_then(desk: Office) -> None:
    now = desk.operator.get("/v1/ledger/trial-balance").json()
    assert {float(row["total"]) for row in now["assets"]} == {0.0}
    cash = next(row for row in now["assets"] if row["asset"] == "CNY")
    assert (cash["outside"], float(cash["exchange"]) > 0) == ("-1000000.000000", True)
    first = desk.operator.get("/v1/ledger/trial-balance", limit=1).json()
    rest = desk.operator.get("/v1/ledger/trial-balance", after=first["next"]).json()
    assert (first["assets"] + rest["assets"], rest["next"]) == (now["assets"], None)
    early = desk.operator.get("/v1/ledger/trial-balance", event=0).json()
    assert (early["event"], early["assets"]) == (0, [])


def test_the_tape_is_for_everybody_and_comes_in_pages(desk: Office) -> None:
    http = desk.operator.http
    whole = http.get("/v1/ledger/tape", params={"symbol": SYMBOL}).json()
    assert [(row["quantity"], row["taker"], row["busted"]) for row in whole["trades"]] == [
        (lots, "BUY", None) for lots in ("3", "1", "2")
    ]
    first = http.get("/v1/ledger/tape", params={"limit": 2}).json()
    rest = http.get("/v1/ledger/tape", params={"limit": 2, "after": first["next"]}).json()
    assert first["trades"] + rest["trades"] == whole["trades"]
    assert rest["next"] is None


def test_the_ledger_of_others_is_for_operator_and_auditor(desk: Office) -> None:
    foreign = desk.buyer.get("/v1/ledger/balances", account=desk.issuer.account)
    assert foreign.json()["code"] == FOREIGN_ACCOUNT.code
    assert desk.operator.get("/v1/ledger/fills", account=desk.issuer.account).json()["fills"]
    for path in ("/v1/ledger/trial-balance", "/v1/ledger/entry"):
        assert desk.buyer.get(path, **({"entry": 1} if "entry" in path else {})).status_code in {401, 403}


def test_without_a_ledger_there_is_no_answer(tmp_path: Path) -> None:
    with office(tmp_path) as served:
        answer = served.operator.get("/v1/ledger/trial-balance")
        assert (answer.status_code, answer.json()["code"]) == (503, NO_LEDGER.code)
