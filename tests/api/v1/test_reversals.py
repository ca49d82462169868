"""A record reported by mistake is taken back once: units and cash return to the key."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from api.v1.problems import ALREADY_REVERSED, GATE_CLOSED, KEY_CLOSED, NO_MEANS, NOT_APPLIED
from exchange.clock import ManualClock
from exchange.core import commands
from exchange.core.types import BPS, AccountState
from exchange.sequencer import Overloaded
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


def _top_up(desk: Office, lots: int) -> None:
    assert desk.issuer.post("/v1/issues", asset=SYMBOL, amount=str(lots)).status_code == 200
    desk.issuer.order("SELL", lots, "1")
    assert desk.buyer.order("BUY", lots, "1")["status"] == "FILLED"
    desk.buyer.nominate(str(lots))


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


def _holdings(desk: Office) -> dict[str, str]:
    return {row["asset"]: row["total"] for row in desk.issuer.get("/v1/balances").json()["balances"]}


def _switch(desk: Office, account: int, state: AccountState) -> None:
    async def act() -> None:
        await desk.exchange.submit(commands.set_account_state(account, state))

    desk.run(act)


def test_nothing_is_issued_for_a_key_that_is_closed(desk: Office) -> None:
    _top_up(desk, 1)
    _report(desk, "closed", LOT)
    account = desk.buyer.get("/v1/nominations", key=desk.buyer.key).json()["account"]
    before = _holdings(desk)
    _switch(desk, account, AccountState.CLOSED)
    assert _reverse(desk, "closed", "closed") == [("REFUSED", 0, 0, KEY_CLOSED.code)] * 2
    assert _holdings(desk) == before
    _switch(desk, account, AccountState.ACTIVE)
    assert _reverse(desk, "closed") == [("REVERSED", LOT, 0, 0)]
    _report(desk, "closed again", LOT)


def test_what_was_issued_for_a_refused_part_is_burned_and_the_part_comes_back_later(desk: Office) -> None:
    before = _purse(desk)
    assert _report(desk, "half", LOT + 500)["overrun"] == 500
    other = desk.admit("other", "read", "trade")
    assert desk.operator.post("/v1/deposits", account=other.account, amount="10").status_code == 200
    desk.issuer.post("/v1/issues", asset=SYMBOL, amount="1")
    desk.issuer.order("SELL", 1, "1")
    other.order("BUY", 1, "1")
    held = _holdings(desk)
    assert desk.operator.put("/v1/venue-rules", symbol=SYMBOL, holders_max=1).status_code == 200
    (refused,) = _reverse(desk, "half")
    assert refused[0] == "REFUSED"
    assert _holdings(desk).get(SYMBOL, NONE) == held.get(SYMBOL, NONE)
    assert _purse(desk) == before | {SYMBOL: NONE}, "the cash is back, the units are not"
    assert desk.operator.put("/v1/venue-rules", symbol=SYMBOL, holders_max=0).status_code == 200
    assert _reverse(desk, "half") == [("REVERSED", LOT, 500, 0)]
    assert _purse(desk) == before
    assert _reverse(desk, "half") == [("REFUSED", 0, 0, ALREADY_REVERSED.code)]


def test_all_parts_of_a_record_come_back_in_one_piece(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    before = _purse(desk)
    assert _report(desk, "parts", LOT + 500)["overrun"] == 500
    submit, room = desk.exchange.submit, [1]

    def one_submission(made: bytes, document: bytes = b"") -> Any:
        if not room:
            raise Overloaded("full for a moment")
        room.pop()
        return submit(made, document)

    monkeypatch.setattr(desk.exchange, "submit", one_submission)
    assert _reverse(desk, "parts") == [("REVERSED", LOT, 500, 0)]
    monkeypatch.undo()
    assert _purse(desk) == before


def test_an_issuer_without_cash_gives_nothing_back(desk: Office) -> None:
    assert _report(desk, "more", LOT + 1_000)["overrun"] == 1_000
    balances = desk.issuer.get("/v1/balances").json()["balances"]
    cash = next(row["available"] for row in balances if row["asset"] == "CNY")
    desk.operator.post("/v1/withdrawals", account=desk.issuer.account, amount=cash)
    assert _reverse(desk, "more") == [("REFUSED", 0, 0, NO_MEANS.code)]
    assert _purse(desk)[SYMBOL] == "0.000000"


def test_units_that_are_over_come_back_as_they_would_have_rolled(tmp_path: Path) -> None:
    symbols = today, tomorrow = "TA.CTEL.Q3.BLEND.NX.D1.G0A", "TA.CTEL.Q3.BLEND.NX.D2.G0A"
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
        known, first, last = desk.exchange.registry.allowances.series, *map(desk.exchange.registry.asset, symbols)
        known[last.index] = replace(known[last.index], next_asset=first.index, rollover_bps=BPS)  # as once could be
        clock.time_ns += 10**6  # the same request again would be a replay
        assert _reverse(desk, "other") == [("REFUSED", 0, 0, GATE_CLOSED.code)]


def _until_expired(desk: Office, symbol: str) -> None:
    deadline = time.monotonic() + 20
    while desk.exchange.registry.instrument(symbol).trading_state.name != "EXPIRED" or _purse(desk).get(symbol) != NONE:
        assert time.monotonic() < deadline
        time.sleep(0.01)
