"""Metered use: every record once, whatever the order and number of batches."""

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from api.v1.metering import RECORDS_MAX
from api.v1.problems import (
    ALLOWANCE_EXHAUSTED,
    NO_HOLDER,
    NOT_AN_ALLOWANCE,
    NOT_ITS_ISSUER,
    NOTHING_METERED,
    OUTSIDE_TIME,
    UNKNOWN_HOLDER,
)
from api.v1.schemas import UsageAnswer
from tests.api.v1.office import SYMBOL, Client, Office, office

HOUR_MS = 3_600_000
LOT = 1_000_000


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with office(tmp_path_factory.mktemp("exchange")) as served:
        served.issuer, served.buyer = served.furnish()
        yield served


def _record(name: str, holder: int, **terms: Any) -> dict[str, Any]:
    now_ms = int(time.time() * 1000)
    return {"id": name, "time": now_ms, "symbol": SYMBOL, "tokens_in": 90, "tokens_out": 10, "account": holder} | terms


def _holder(desk: Office, name: str, lots: int = 1) -> Client:
    """Return a participant who owns lots, bought at one yuan each."""
    holder = desk.admit(name, "read", "trade")
    assert desk.operator.post("/v1/deposits", account=holder.account, amount="1000").status_code == 200
    assert desk.issuer.post("/v1/issues", asset=SYMBOL, amount=str(lots)).status_code == 200
    desk.issuer.order("SELL", lots, "1")
    assert holder.order("BUY", lots, "1")["status"] == "FILLED"
    return holder


def _report(desk: Office, *records: dict[str, Any], batch: int = 1) -> dict[str, Any]:
    answer = desk.issuer.post("/v1/usage", batch=batch, records=records)
    assert answer.status_code == 200, answer.text
    assert UsageAnswer.model_validate(answer.json()).batch == batch
    return answer.json()


def test_a_record_burns_its_tokens_once_however_often_it_comes(desk: Office) -> None:
    holder = _holder(desk, "once")
    first = _report(desk, _record("a", holder.account), _record("b", holder.account, tokens_in=0), batch=7)
    assert first["results"] == [
        {"id": "a", "status": "APPLIED", "tokens": 100, "remaining": LOT - 110},
        {"id": "b", "status": "APPLIED", "tokens": 10, "remaining": LOT - 110},
    ]
    again = _report(desk, _record("b", holder.account, tokens_in=0), _record("a", holder.account), batch=6)
    assert [(row["status"], row["tokens"], row["remaining"]) for row in again["results"]] == [
        ("DUPLICATE", 0, LOT - 110),
        ("DUPLICATE", 0, LOT - 110),
    ]
    assert (again["batch"], again["applied"], again["duplicates"], again["refused"]) == (6, 0, 2, 0)


def test_a_record_twice_in_one_batch_counts_once(desk: Office) -> None:
    holder = _holder(desk, "twins")
    told = _report(desk, _record("t", holder.account), _record("t", holder.account))
    assert [row["status"] for row in told["results"]] == ["APPLIED", "DUPLICATE"]
    assert told["tokens"] == 100


def test_what_is_not_there_cannot_be_used(desk: Office) -> None:
    holder = _holder(desk, "poor")
    told = _report(
        desk,
        _record("most", holder.account, tokens_in=LOT - 20),
        _record("much", holder.account),
        _record("rest", holder.account, tokens_in=0),
    )
    assert [(row["id"], row["status"], row["remaining"]) for row in told["results"]] == [
        ("most", "APPLIED", 0),
        ("much", "REFUSED", 0),
        ("rest", "APPLIED", 0),
    ]
    assert told["results"][1]["code"] == ALLOWANCE_EXHAUSTED.code
    bought = _record("much", holder.account)
    desk.issuer.post("/v1/issues", asset=SYMBOL, amount="1")
    desk.issuer.order("SELL", 1, "1")
    holder.order("BUY", 1, "1")
    assert _report(desk, bought)["applied"] == 1, "a refused record may come again once there is allowance"


def test_what_an_open_order_holds_is_not_used(desk: Office) -> None:
    holder = _holder(desk, "seller", lots=2)
    holder.order("SELL", 2, "8")
    assert _report(desk, _record("held", holder.account))["refused"] == 1


def test_the_holder_may_be_named_by_an_api_key(desk: Office) -> None:
    holder = _holder(desk, "keyed")
    told = _report(desk, _record("k", 0, key=holder.key))
    assert told["results"][0]["remaining"] == LOT - 100


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"symbol": "TA.NOT"}, NOT_AN_ALLOWANCE),
        ({"symbol": "CNY"}, NOT_AN_ALLOWANCE),
        ({"account": 0}, NO_HOLDER),
        ({"key": "k" * 64}, NO_HOLDER),
        ({"account": 63}, UNKNOWN_HOLDER),
        ({"account": 0, "key": "k" * 64}, UNKNOWN_HOLDER),
        ({"time": -73 * HOUR_MS}, OUTSIDE_TIME),
        ({"time": HOUR_MS}, OUTSIDE_TIME),
        ({"tokens_in": 0, "tokens_out": 0}, NOTHING_METERED),
    ],
)
def test_a_record_that_cannot_be_right_is_refused_alone(desk: Office, change: dict[str, Any], problem: Any) -> None:
    if "time" in change:
        change = change | {"time": int(time.time() * 1000) + change["time"]}
    good = _record(f"good {change}", desk.buyer.account)
    told = _report(desk, _record("bad", desk.buyer.account, **change), good)
    assert [row["code"] for row in told["results"]] == [problem.code, ALLOWANCE_EXHAUSTED.code]


def test_only_the_issuer_meters_its_allowance(desk: Office) -> None:
    stranger = desk.admit("stranger", "meter")
    told = stranger.post("/v1/usage", batch=1, records=[_record("s", desk.buyer.account)]).json()
    assert told["results"][0]["code"] == NOT_ITS_ISSUER.code
    assert desk.buyer.post("/v1/usage", batch=1, records=[_record("s", 1)]).status_code == 401


def test_lines_of_json_are_a_batch_too(desk: Office) -> None:
    holder = _holder(desk, "lines")
    lines = b"\n".join(json.dumps(_record(f"line {n}", holder.account)).encode() for n in range(3))
    told = desk.issuer.send("POST", "/v1/usage", lines, "application/x-ndjson", batch=9).json()
    assert (told["batch"], told["applied"], told["tokens"]) == (9, 3, 300)


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


def test_a_batch_may_be_larger_than_one_submission(desk: Office) -> None:
    holder = _holder(desk, "large")
    count = 1200  # the exchange of this test remembers 1024 ids
    records = [_record(f"n{number}", holder.account) for number in range(count)]
    told = _report(desk, *records)
    assert told["applied"] + told["refused"] == count
    assert told["tokens"] == 100 * told["applied"]
    assert {row["code"] for row in told["results"] if row["status"] == "REFUSED"} == {-8023}
    too_many = [_record(f"m{number}", holder.account) for number in range(RECORDS_MAX + 1)]
    assert desk.issuer.post("/v1/usage", batch=1, records=too_many).json()["code"] == -1135
