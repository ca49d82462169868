"""A record reported by mistake is taken back once: units and cash return to the key."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from api.v1.problems import ALREADY_REVERSED, GATE_CLOSED, NO_MEANS, NOT_APPLIED
from exchange.clock import ManualClock
from tests.api.v1.office import SYMBOL, Office, office

LOT = 1_000_000
HOUR_MS = 3_600_000
NONE = "0.000000"


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


def test_units_that_are_over_come_back_as_they_would_have_rolled(tmp_path: Path) -> None:
    today, tomorrow = "TA.CTEL.Q3.BLEND.NX.D1.G0A", "TA.CTEL.Q3.BLEND.NX.D2.G0A"
    clock = ManualClock(1_800_000_000 * 10**9)
    with office(tmp_path, clock=clock) as desk:
        desk.issuer, desk.buyer = desk.furnish()
        now_ms = clock.now_ns() // 10**6
        desk.operator.post("/v1/deposits", account=desk.issuer.account, amount="10")
        for symbol, days, more in ((tomorrow, 2, {}), (today, 1, {"rollover_bps": 2_500, "next_symbol": tomorrow})):
            desk.list(symbol, desk.issuer.account)
            window = {"issuer": desk.issuer.account, "hub": "NX", "window": symbol.split(".")[5]}
            assert desk.operator.put("/v1/capacity", **window, tokens_per_minute=LOT).status_code == 200
            terms = {"symbol": symbol, "start": now_ms - HOUR_MS, "end": now_ms + days * 24 * HOUR_MS}
            assert desk.operator.post("/v1/series", **terms, collateral="1", **more).status_code == 200
        assert desk.issuer.post("/v1/issues", asset=today, amount="2").status_code == 200
        desk.issuer.order("SELL", 2, "1", today)
        desk.buyer.order("BUY", 2, "1", today)
        desk.buyer.nominate("2", asset=today)
        assert [_report(desk, name, LOT)["tokens"] for name in ("wrong", "other")] == [LOT, LOT]
        clock.time_ns += 26 * HOUR_MS * 10**6
        _until_expired(desk, today)
        assert desk.issuer.post("/v1/issues", asset=today, amount="1").json()["code"] == GATE_CLOSED.code
        told = desk.issuer.post("/v1/usage-reversals", ids=["wrong"]).json()["results"][0]
        assert (told["status"], told["tokens"], told["expired"]) == ("REVERSED", LOT // 4, LOT - LOT // 4)
        assert {asset: left for asset, left in _purse(desk).items() if left != "0.000000"} == {tomorrow: "0.250000"}
        assert _reverse(desk, "wrong") == [("REFUSED", 0, 0, ALREADY_REVERSED.code)]
        shown = desk.operator.post("/v1/collateral-releases", symbol=tomorrow).json()
        assert (shown["outstanding"], shown["needed"], shown["held"]) == ("0.250000", "0.250000", "0.250000")
        clock.time_ns += 24 * HOUR_MS * 10**6
        _until_expired(desk, tomorrow)
        assert _reverse(desk, "other") == [("REFUSED", 0, 0, GATE_CLOSED.code)]


def _until_expired(desk: Office, symbol: str) -> None:
    deadline = time.monotonic() + 20
    while desk.exchange.registry.instrument(symbol).trading_state.name != "EXPIRED" or _purse(desk).get(symbol) != NONE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
