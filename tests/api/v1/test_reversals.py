"""A record reported by mistake is taken back once: units and cash return to the key."""

from collections.abc import Iterator
from typing import Any

import pytest

from api.v1.problems import ALREADY_REVERSED, NO_MEANS, NOT_APPLIED
from tests.api.v1.office import SYMBOL, Office, office

LOT = 1_000_000


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        issuer, buyer = served.issuer, served.buyer = served.furnish()
        issuer.post("/v1/issues", asset=SYMBOL, amount="2")
        issuer.order("SELL", 2, "1")
        buyer.order("BUY", 2, "1")
        buyer.nominate("2")
        buyer.nominate("1", asset="CNY")
        buyer.put("/v1/overrun", key=buyer.key, overrun="PAY")
        yield served


def _report(desk: Office, name: str, tokens: int) -> dict[str, Any]:
    number = desk.issuer.get("/v1/usage-batch").json()["batch"]
    now_ms = desk.exchange.clock.now_ns() // 10**6
    record = {"id": name, "key": desk.buyer.key, "time": now_ms, "tokens_in": tokens}
    return desk.issuer.post("/v1/usage", batch=number, records=[record]).json()


def _reverse(desk: Office, *names: str) -> list[tuple[Any, ...]]:
    told = desk.issuer.post("/v1/usage-reversals", ids=names, reason="wrong").json()["results"]
    return [(row["status"], row["tokens"], row["cost"], row["code"]) for row in told]


def _purse(desk: Office) -> dict[str, str]:
    rows = desk.buyer.get("/v1/nominations", key=desk.buyer.key).json()["assets"]
    return {row["asset"]: row["available"] for row in rows}


def test_what_was_burned_and_paid_goes_back_once(desk: Office) -> None:
    before = _purse(desk)
    told = _report(desk, "wrong", 2 * LOT + 500_000)
    assert (told["tokens"], told["overrun"], told["cost"]) == (2 * LOT, 500_000, "0.500000")
    assert _reverse(desk, "wrong", "never") == [
        ("REVERSED", 2 * LOT, 500_000, 0),
        ("REFUSED", 0, 0, NOT_APPLIED.code),
    ]
    assert _purse(desk) == before
    assert _reverse(desk, "wrong") == [("REFUSED", 0, 0, ALREADY_REVERSED.code)]
    assert _report(desk, "wrong", 1)["duplicates"] == 1, "a record that was taken back still counts as seen"
    assert _report(desk, "right", LOT)["tokens"] == LOT


def test_an_issuer_without_cash_gives_nothing_back(desk: Office) -> None:
    assert _report(desk, "more", LOT + 1_000)["overrun"] == 1_000
    balances = desk.issuer.get("/v1/balances").json()["balances"]
    cash = next(row["available"] for row in balances if row["asset"] == "CNY")
    desk.operator.post("/v1/withdrawals", account=desk.issuer.account, amount=cash)
    assert _reverse(desk, "more") == [("REFUSED", 0, 0, NO_MEANS.code)]
    assert _purse(desk)[SYMBOL] == "0.000000"
