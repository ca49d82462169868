"""From a body to columns, and from what became of them to an answer."""

import json
from typing import Any

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from api.v1 import metering
from api.v1.problems import ALLOWANCE_EXHAUSTED
from api.v1.usageschemas import UsageRequest
from exchange.registry.series import Factors
from exchange.usage.answers import Told
from exchange.usage.plan import Outcome


def _record(name: str, key: str = "k", **terms: Any) -> metering.Record:
    return metering.Record(name, key, 5, **terms)


def test_records_become_columns() -> None:
    found = metering.columns([
        _record("a", tokens_in=3), _record("b", "l", tokens_cached=9), _record("c", model="Q3"), _record("d"),
    ])  # fmt: skip
    assert found.groups == [("k", "", ""), ("l", "", ""), ("k", "", "Q3")]
    assert found.group.tolist() == [0, 1, 2, 0]
    assert {name: column.tolist() for name, column in found.counts.items()} == {
        "tokens_in": [3, 0, 0, 0],
        "tokens_out": [0, 0, 0, 0],
        "cached": [0, 9, 0, 0],
    }
    batch = metering.batch_of(found, 1, Factors(cached=5_000))
    assert batch.need.tolist() == [[3, 0], [5, 0], [0, 0], [0, 0]]


def test_what_a_body_does_not_name_is_not_looked_at() -> None:
    plain = b'{"batch":1,"records":[{"id":"a","key":"k","time":5,"tokens_in":3}]}'
    assert metering.mentioned(plain) == frozenset()
    assert metering.mentioned(plain.replace(b'"k"', b'"k","tokens_audio":2,"model":"Q3"')) == {"tokens_audio", "model"}
    escaped = plain.replace(b'"tokens_in"', b'"tokens\\u005fcached"')
    assert "tokens_cached" in metering.mentioned(escaped)
    records = [_record("a", tokens_in=3), _record("b", "l"), _record("c")]
    for one, other in zip(metering.columns(records), metering.columns(records, frozenset()), strict=True):
        assert np.array_equal(one, other) if isinstance(one, np.ndarray) else str(one) == str(other)


def test_an_answer_tells_every_record_and_the_sums() -> None:
    outcome = np.array([Outcome.APPLIED, Outcome.DUPLICATE, Outcome.EXHAUSTED, Outcome.APPLIED], np.uint8)
    told = Told(outcome, np.array([5, 0, 0, 1]), np.array([0, 0, 0, 2]), np.array([0, 0, 0, 7]), {"k": 3})
    answer = metering.answered(9, ["a", "b", "c", "d"], told, "0.000007", {3: "0.000007"})
    assert (answer.applied, answer.duplicates, answer.refused, answer.tokens, answer.overrun) == (2, 1, 1, 6, 2)
    assert msgspec.to_builtins(answer.results) == [
        {"id": "a", "status": "APPLIED", "tokens": 5},
        {"id": "b", "status": "DUPLICATE", "tokens": 0},
        {
            "id": "c", "status": "REFUSED", "tokens": 0,
            "code": ALLOWANCE_EXHAUSTED.code, "msg": ALLOWANCE_EXHAUSTED.message,
        },
        {"id": "d", "status": "APPLIED", "tokens": 1, "overrun": 2, "cost": "0.000007"},
    ]  # fmt: skip


def test_every_outcome_but_two_has_a_problem() -> None:
    assert set(metering.PROBLEMS) == set(Outcome) - {Outcome.APPLIED, Outcome.DUPLICATE}


_VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 1 << 54), st.text(max_size=3), st.sampled_from(["x" * 128, "x" * 129])
)
_RECORDS = st.fixed_dictionaries(
    dict.fromkeys(("id", "time", "key", "tokens_in", "tokens_out"), _VALUES),
    optional=dict.fromkeys(("symbol", "model", "colour", "tokens_audio"), _VALUES),
) | st.fixed_dictionaries(
    {
        "id": st.text(min_size=1, max_size=5),
        "time": st.integers(0, 1 << 53),
        "key": st.text(min_size=1, max_size=5),
        "tokens_in": st.integers(0, 1 << 38),
        "tokens_out": st.integers(0, 1 << 38),
    }
)


@given(st.fixed_dictionaries({"batch": _VALUES, "records": st.lists(_RECORDS, max_size=3)}))
def test_the_fast_reader_takes_what_the_published_schema_takes(body: dict[str, Any]) -> None:
    data = json.dumps(body).encode()
    published = TypeAdapter(UsageRequest)
    try:
        expected: Any = published.validate_json(data, strict=True).model_dump()
    except ValidationError:
        expected = None
    try:
        found: Any = msgspec.to_builtins(msgspec.json.decode(data, type=metering.Usage))
    except msgspec.DecodeError:
        found = None
    if expected is not None:
        expected["records"] = list(expected["records"])
    assert found == expected
