"""Metered use: every record once, numbered batches, a repeat answered as the first was."""

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from api.v1.metering import RECORDS_MAX
from api.v1.problems import (
    ALLOWANCE_EXHAUSTED,
    BATCH_DIFFERS,
    BATCH_FORGOTTEN,
    BATCH_TOO_LARGE,
    KEY_WITHOUT_ALLOWANCE,
    NO_MEANS,
    NOTHING_METERED,
    OUTSIDE_TIME,
    OVERTAKEN,
    UNKNOWN_HOLDER,
    usage_ids_full,
)
from api.v1.usageschemas import UsageAnswer
from exchange.core import commands
from exchange.core.types import AccountState
from exchange.registry.allowances import ANSWERS_KEPT
from tests.api.v1.office import SYMBOL, Client, Office, office

HOUR_MS = 3_600_000
LOT = 1_000_000


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        yield served


def _record(name: str, key: str, **terms: Any) -> dict[str, Any]:
    now_ms = int(time.time() * 1000)
    return {"id": name, "key": key, "time": now_ms, "tokens_in": 90, "tokens_out": 10} | terms


def _holder(desk: Office, name: str, lots: int = 1) -> Client:
    """Return a participant whose key has lots, bought at one yuan each."""
    holder = desk.admit(name, "read", "trade")
    assert desk.operator.post("/v1/deposits", account=holder.account, amount="1000").status_code == 200
    _top_up(desk, holder, lots)
    return holder


def _top_up(desk: Office, holder: Client, lots: int) -> None:
    assert desk.issuer.post("/v1/issues", asset=SYMBOL, amount=str(lots)).status_code == 200
    desk.issuer.order("SELL", lots, "1")
    assert holder.order("BUY", lots, "1")["status"] == "FILLED"
    holder.nominate(str(lots))


def _next(desk: Office) -> int:
    return desk.issuer.get("/v1/usage-batch").json()["batch"]


def _report(desk: Office, *records: dict[str, Any], batch: int = 0) -> dict[str, Any]:
    answer = desk.issuer.post("/v1/usage", batch=batch or _next(desk), records=records)
    assert answer.status_code == 200, answer.text
    UsageAnswer.model_validate(answer.json())
    return answer.json()


def test_a_record_burns_its_tokens_once_however_often_it_comes(desk: Office) -> None:
    holder = _holder(desk, "once")
    first = _report(desk, _record("a", holder.key), _record("b", holder.key, tokens_in=0))
    assert [(row["id"], row["status"], row["tokens"]) for row in first["results"]] == [
        ("a", "APPLIED", 100),
        ("b", "APPLIED", 10),
    ]
    assert first["remaining"] == {holder.key: LOT - 110}
    again = _report(desk, _record("b", holder.key, tokens_in=0), _record("c", holder.key), _record("a", holder.key))
    assert [(row["status"], row["tokens"]) for row in again["results"]] == [
        ("DUPLICATE", 0),
        ("APPLIED", 100),
        ("DUPLICATE", 0),
    ]
    assert (again["applied"], again["duplicates"], again["refused"], again["tokens"]) == (1, 2, 0, 100)


def test_a_repeated_batch_is_answered_as_it_was(desk: Office) -> None:
    holder = _holder(desk, "again")
    number = _next(desk)
    records = [_record("r", holder.key), _record("r", holder.key), _record("bad", "k" * 64)]
    first = _report(desk, *records)
    _report(desk, _record("later", holder.key))
    assert _report(desk, *records, batch=number) == first
    other = desk.issuer.post("/v1/usage", batch=number, records=records[:1])
    assert (other.status_code, other.json()["code"]) == (409, BATCH_DIFFERS.code)
    ahead = desk.issuer.post("/v1/usage", batch=_next(desk) + 1, records=records)
    assert (ahead.status_code, ahead.json()["code"]) == (409, -8040)


def test_an_answer_is_kept_for_a_while(desk: Office) -> None:
    holder = _holder(desk, "long")
    number = _next(desk)
    records = [_record("old", holder.key)]
    _report(desk, *records)
    for later in range(ANSWERS_KEPT):
        _report(desk, _record(f"later {later}", holder.key))
    answer = desk.issuer.post("/v1/usage", batch=number, records=records)
    assert (answer.status_code, answer.json()["code"]) == (410, BATCH_FORGOTTEN.code)


def test_what_is_not_there_cannot_be_used(desk: Office) -> None:
    holder = _holder(desk, "poor")
    told = _report(
        desk,
        _record("most", holder.key, tokens_in=LOT - 20),
        _record("much", holder.key),
        _record("rest", holder.key, tokens_in=0),
    )
    assert [(row["id"], row["status"]) for row in told["results"]] == [
        ("most", "APPLIED"),
        ("much", "REFUSED"),
        ("rest", "APPLIED"),
    ]
    assert told["results"][1]["code"] == ALLOWANCE_EXHAUSTED.code
    assert told["remaining"] == {holder.key: 0}
    _top_up(desk, holder, 1)
    assert _report(desk, _record("much", holder.key))["applied"] == 1, "a refused record may come again"


def test_overrun_is_paid_from_prepaid_cash_at_the_last_price(desk: Office) -> None:
    holder = _holder(desk, "payer")
    assert holder.put("/v1/overrun", key=holder.key, overrun="PAY").status_code == 200
    told = _report(desk, _record("all", holder.key, tokens_in=LOT, tokens_out=50))
    assert told["results"][0]["code"] == NO_MEANS.code
    holder.nominate("1", asset="CNY")
    before = {row["asset"]: row["total"] for row in desk.issuer.get("/v1/balances").json()["balances"]}
    told = _report(desk, _record("all", holder.key, tokens_in=LOT, tokens_out=50), _record("more", holder.key))
    assert told["results"][0] | {"id": ""} == {
        "id": "", "status": "APPLIED", "tokens": LOT, "overrun": 50, "cost": "0.000050",
    }  # fmt: skip
    assert (told["overrun"], told["cost"]) == (150, "0.000150")
    after = {row["asset"]: row["total"] for row in desk.issuer.get("/v1/balances").json()["balances"]}
    assert float(after["CNY"]) == pytest.approx(float(before["CNY"]) + 0.00015)
    purse = holder.get("/v1/nominations", key=holder.key).json()
    assert [(row["asset"], row["available"]) for row in purse["assets"]] == [(SYMBOL, "0.000000"), ("CNY", "0.999850")]


@pytest.mark.parametrize(
    ("sort", "factor", "charged"),
    [
        ("tokens_in", "tokens_in", 300),
        ("tokens_cached", "cached", 11),
        ("tokens_image", "image", 150),
        ("tokens_audio", "audio", 250),
        ("tokens_out", "tokens_out", 500),
        ("tokens_reasoning", "reasoning", 200),
    ],
)
def test_factors_say_how_much_a_token_of_each_sort_uses(desk: Office, sort: str, factor: str, charged: int) -> None:
    holder = _holder(desk, f"factor-{factor}")
    rates = {"tokens_in": 30_000, "cached": 1_001, "image": 15_000, "audio": 25_000, "tokens_out": 50_000}
    rates["reasoning"] = 20_000
    assert desk.operator.put("/v1/meter-factors", issuer=desk.issuer.account, **rates).status_code == 200
    told = _report(desk, _record(f"of {sort}", holder.key, **{"tokens_in": 0, "tokens_out": 0, sort: 100}))
    assert desk.operator.put("/v1/meter-factors", issuer=desk.issuer.account).status_code == 200
    assert told["tokens"] == charged, "rounded up"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"symbol": "TA.NOT"}, KEY_WITHOUT_ALLOWANCE),
        ({"model": "Q9"}, KEY_WITHOUT_ALLOWANCE),
        ({"key": "k" * 64}, UNKNOWN_HOLDER),
        ({"time": -73 * HOUR_MS}, OUTSIDE_TIME),
        ({"time": HOUR_MS}, OUTSIDE_TIME),
        ({"tokens_in": 0, "tokens_out": 0}, NOTHING_METERED),
    ],
)
def test_a_record_that_cannot_be_right_is_refused_alone(desk: Office, change: dict[str, Any], problem: Any) -> None:
    if "time" in change:
        change = change | {"time": int(time.time() * 1000) + change["time"]}
    holder = _holder(desk, f"right{min(change)}{problem.code}{len(str(change))}")
    told = _report(desk, _record("bad", holder.key) | change, _record(f"good {change}", holder.key, model="Q3"))
    assert [row.get("code", 0) for row in told["results"]] == [problem.code, 0]


def test_what_the_engine_refuses_against_the_plan_is_told_and_kept(desk: Office) -> None:
    holder = _holder(desk, "stopped")
    account = holder.get("/v1/nominations", key=holder.key).json()["account"]

    async def switch(state: AccountState) -> None:
        await desk.exchange.submit(commands.set_account_state(account, state))

    desk.run(lambda: switch(AccountState.SUSPENDED))
    number, records = _next(desk), [_record("stopped", holder.key)]
    told = _report(desk, *records)
    desk.run(lambda: switch(AccountState.ACTIVE))
    assert (told["results"][0]["code"], told["tokens"]) == (OVERTAKEN.code, 0)
    assert _report(desk, *records, batch=number) == told
    assert _report(desk, *records)["applied"] == 1


def test_only_the_issuer_meters_its_allowance(desk: Office) -> None:
    holder = _holder(desk, "held")
    stranger = desk.admit("stranger", "meter", role="issuer")
    told = stranger.post("/v1/usage", batch=1, records=[_record("s", holder.key)]).json()
    assert told["results"][0]["code"] == KEY_WITHOUT_ALLOWANCE.code
    assert holder.post("/v1/usage", batch=1, records=[_record("s", holder.key)]).status_code == 401


def test_a_batch_whose_answer_cannot_be_kept_is_refused_before_anything_happens(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder, number = _holder(desk, "wordy"), _next(desk)
    records = [_record(f"wordy {place}", holder.key) for place in range(3)]
    monkeypatch.setattr(desk.exchange, "config", replace(desk.exchange.config, document_bytes_max=100))
    refused = desk.issuer.post("/v1/usage", batch=number, records=records)
    monkeypatch.undo()
    assert (refused.status_code, refused.json()["code"]) == (413, BATCH_TOO_LARGE.code)
    assert _next(desk) == number
    assert _report(desk, *records)["applied"] == 3


def test_lines_of_json_are_a_batch_too(desk: Office) -> None:
    holder = _holder(desk, "lines")
    lines = b"\n".join(json.dumps(_record(f"line {n}", holder.key)).encode() for n in range(3))
    number = _next(desk)
    told = desk.issuer.send("POST", "/v1/usage", lines, "application/x-ndjson", batch=number).json()
    assert (told["batch"], told["applied"], told["tokens"]) == (number, 3, 300)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"[]", "Expected `object`"),
        (b"{", "truncated"),
        (b'{"batch":1,"records":[]}', "length >= 1"),
        (b'{"batch":1,"records":[{"id":""}]}', "$.records[0].id"),
        (b'{"batch":-1,"records":[]}', "$.batch"),
    ],
)
def test_a_body_that_is_no_batch_is_refused_with_the_place(desk: Office, body: bytes, words: str) -> None:
    answer = desk.issuer.send("POST", "/v1/usage", body, "application/json")
    assert (answer.status_code, answer.json()["code"]) == (400, -1135)
    assert words in answer.json()["msg"]


def test_who_reports_the_same_use_again_is_flagged_and_who_repeats_a_batch_unheard_is_not(desk: Office) -> None:
    holder = _holder(desk, "hana")
    records = [_record(f"twice {number}", holder.key) for number in range(100)]
    honest = _next(desk)
    answers = [desk.issuer.post("/v1/usage", batch=honest, records=records) for _ in range(7)]
    assert len({answer.content for answer in answers}) == 1
    assert _fraud(desk) == []
    begin = desk.exchange.sequencer.sequence + 1
    for _ in range(6):  # the same records as if they were of another batch
        assert _report(desk, *records)["duplicates"] == 100
    (alert,) = _fraud(desk)
    assert alert["facts"]["repeated"] >= 600
    assert alert["facts"]["records"] >= 700
    assert alert["first_sequence"] < begin <= alert["last_sequence"] <= desk.exchange.sequencer.sequence


def _fraud(desk: Office) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 20
    while desk.exchange.follower.behind and time.monotonic() < deadline:
        time.sleep(0.01)
    found = desk.operator.get("/v1/alerts").json()["alerts"]
    return [alert for alert in found if alert["kind"] == "USAGE_FRAUD"]


def test_a_full_memory_of_ids_refuses_the_batch_until_there_is_room(desk: Office) -> None:
    holder = _holder(desk, "large")
    count = 1100  # the exchange of this test remembers 1024 ids
    number, records = _next(desk), [_record(f"n{number}", holder.key) for number in range(count)]
    refused = desk.issuer.post("/v1/usage", batch=number, records=records)
    assert (refused.status_code, refused.json()["code"]) == (503, usage_ids_full(1).code)
    assert 72 * 3600 - 60 < int(refused.headers["retry-after"]) <= 72 * 3600
    assert _next(desk) == number  # the batch keeps its number
    assert _report(desk, *records[:500], batch=number)["applied"] == 500
    assert desk.issuer.post("/v1/usage", batch=number + 1, records=records[500:]).status_code == 503
    too_many = [_record(f"m{number}", holder.key) for number in range(RECORDS_MAX + 1)]
    assert desk.issuer.post("/v1/usage", batch=1, records=too_many).json()["code"] == -1135


def test_after_a_restart_a_batch_is_answered_as_before_and_no_record_counts_twice(tmp_path: Path) -> None:
    with office(tmp_path) as desk:
        desk.issuer, desk.buyer = desk.furnish()
        _top_up(desk, desk.buyer, 1)
        records = [_record(f"r{number}", desk.buyer.key) for number in range(100)]
        first = _report(desk, *records, batch=1)
        _report(desk, *records, *records, *records, *records, *records, *records, batch=2)
        (alert,) = _fraud(desk)
        issuer, key = desk.issuer, desk.buyer.key
    with office(tmp_path) as desk:
        desk.issuer = desk.client(issuer.key, issuer.secret, issuer.account)
        assert desk.issuer.post("/v1/usage", batch=1, records=records).json() == first
        assert desk.issuer.post("/v1/usage", batch=1, records=records[:1]).json()["code"] == BATCH_DIFFERS.code
        again = _report(desk, records[0], _record("new", key), batch=3)
        assert (again["applied"], again["duplicates"], again["remaining"]) == (1, 1, {key: LOT - 101 * 100})
        (found,) = _fraud(desk)
        assert {name: found[name] for name in ("kind", "first_sequence")} == {
            name: alert[name] for name in ("kind", "first_sequence")
        }
        assert found["facts"]["repeated"] == alert["facts"]["repeated"] + 1
