"""Metered use: every record once, whatever the order and number of batches."""

import json
import time
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from api.v1 import usage
from api.v1.problems import (
    ALLOWANCE_EXHAUSTED,
    NO_HOLDER,
    NOT_AN_ALLOWANCE,
    NOT_ITS_ISSUER,
    NOTHING_METERED,
    OUTSIDE_TIME,
    UNKNOWN_HOLDER,
)
from api.v1.schemas import UsageAnswer, UsageRequest
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
    too_many = [_record(f"m{number}", holder.account) for number in range(usage.RECORDS_MAX + 1)]
    assert desk.issuer.post("/v1/usage", batch=1, records=too_many).json()["code"] == -1135


@pytest.mark.parametrize(
    ("symbol", "tokens"),
    [
        ("TA.CTEL.Q3.IN.GZ.M2701.G80A", 3),
        ("TA.CTEL.Q3.OUT.GZ.M2701.G80A", 4),
        ("TA.CTEL.Q3.BLEND.GZ.M2701.G80A", 7),
        ("TA.SHORT", 7),
    ],
)
def test_an_allowance_counts_tokens_of_its_direction(symbol: str, tokens: int) -> None:
    assert usage.metered_tokens(symbol, 3, 4) == tokens


def test_usage_ids_differ_by_issuer_and_record() -> None:
    made = {usage.usage_id(issuer, name) for issuer in (1, 2) for name in ("a", "b", "ab")}
    assert len(made) == 6
    assert {len(one) for one in made} == {16}
    assert usage.usage_id(1, "a") == usage.usage_id(1, "a")


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 1 << 54), st.text(max_size=3), st.sampled_from(["x" * 128, "x" * 129])
)
_RECORDS = st.fixed_dictionaries(
    dict.fromkeys(("id", "time", "symbol", "tokens_in", "tokens_out"), _VALUES),
    optional=dict.fromkeys(("account", "key", "colour"), _VALUES),
) | st.fixed_dictionaries(
    {
        "id": st.text(min_size=1, max_size=5),
        "time": st.integers(0, 1 << 53),
        "symbol": st.text(max_size=5),
        "tokens_in": st.integers(0, 1 << 53),
        "tokens_out": st.integers(0, 1 << 53),
    }
)


@settings(deadline=None)
@given(st.fixed_dictionaries({"batch": _VALUES, "records": st.lists(_RECORDS, max_size=3)}))
def test_the_fast_reader_takes_what_the_published_schema_takes(body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    published = TypeAdapter(UsageRequest)
    try:
        expected: Any = published.validate_json(data, strict=True).model_dump()
    except ValidationError:
        expected = None
    try:
        found: Any = msgspec.to_builtins(msgspec.json.decode(data, type=usage.Usage))
    except msgspec.DecodeError:
        found = None
    if expected is not None:
        expected["records"] = list(expected["records"])
    assert found == expected
