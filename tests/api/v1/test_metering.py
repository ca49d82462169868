"""From usage records to redemptions."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from api.errors import Problem
from api.v1 import metering
from api.v1.problems import NO_HOLDER, NOT_AN_ALLOWANCE, NOT_ITS_ISSUER, NOTHING_METERED, OUTSIDE_TIME, UNKNOWN_HOLDER
from api.v1.schemas import UsageRequest
from exchange.core.commands import redeem
from exchange.core.types import USAGE_ID_WINDOW_NS, AssetKind
from exchange.registry.documents import AccountNamed, AssetNamed, KeyCreated, ParticipantCreated, Role, Scope, encode
from exchange.registry.registry import Registry

NOW_NS = 1_800_000_000 * 10**9
NOW_MS = NOW_NS // 10**6
BLEND, OUT, OTHER, KEY = "TA.CTEL.Q3.BLEND.GZ.M2701.G80A", "TA.CTEL.Q3.OUT.GZ.M2701.G80A", "TA.OTHER", "k" * 64
ISSUER, HOLDER = 1, 2


def _plan(*records: metering.Record, now_ns: int = NOW_NS) -> metering.Plan:
    registry = Registry()
    for document in (
        ParticipantCreated("ctel", Role.ISSUER),
        AccountNamed(ISSUER, "ctel", "ctel", Role.ISSUER),
        AccountNamed(HOLDER, "holder", "ctel", Role.TRADER),
        AssetNamed(1, "CNY", AssetKind.CASH, 6),
        AssetNamed(2, BLEND, AssetKind.ALLOWANCE, 6, ISSUER),
        AssetNamed(3, OUT, AssetKind.ALLOWANCE, 6, ISSUER),
        AssetNamed(4, OTHER, AssetKind.ALLOWANCE, 6, HOLDER),
        KeyCreated(KEY, b"secret", HOLDER, (Scope.READ,)),
    ):
        registry.apply(encode(document))
    plan = metering.Plan(registry, ISSUER, now_ns)
    for record in records:
        plan.add(record)
    return plan


def _record(name: str = "a", symbol: str = BLEND, time: int = NOW_MS, **terms: Any) -> metering.Record:
    return metering.Record(name, time, symbol, **({"tokens_in": 30, "tokens_out": 4, "account": HOLDER} | terms))


def test_each_record_becomes_the_command_that_redeems_it() -> None:
    plan = _plan(_record("a"), _record("b", OUT), _record("c", account=0, key=KEY))
    assert plan.problems == [None, None, None]
    assert plan.holdings == [(HOLDER, 2), (HOLDER, 3), (HOLDER, 2)]
    assert plan.commands() == b"".join(
        [
            redeem(HOLDER, 2, 34, metering.usage_id(ISSUER, "a")),
            redeem(HOLDER, 3, 4, metering.usage_id(ISSUER, "b")),
            redeem(HOLDER, 2, 34, metering.usage_id(ISSUER, "c")),
        ]
    )


def test_a_batch_without_a_redemption_makes_no_command() -> None:
    assert _plan(_record(symbol="CNY")).commands() == b""


@pytest.mark.parametrize(
    ("record", "problem"),
    [
        (_record(symbol="TA.NOT"), NOT_AN_ALLOWANCE),
        (_record(symbol="CNY"), NOT_AN_ALLOWANCE),
        (_record(symbol=OTHER), NOT_ITS_ISSUER),
        (_record(account=0), NO_HOLDER),
        (_record(key=KEY), NO_HOLDER),
        (_record(account=3), UNKNOWN_HOLDER),
        (_record(account=0, key="x" * 64), UNKNOWN_HOLDER),
        (_record(time=NOW_MS + 60_001), OUTSIDE_TIME),
        (_record(time=NOW_MS - 71 * 3_600_000 - 1), OUTSIDE_TIME),
        (_record(symbol=OUT, tokens_out=0), NOTHING_METERED),
    ],
)
def test_a_record_that_cannot_be_right_is_left_out(record: metering.Record, problem: Problem) -> None:
    plan = _plan(record, _record("good"), record)
    assert plan.problems == [problem, None, problem]
    assert plan.holdings == [(HOLDER, 2)]


@pytest.mark.parametrize("time", [NOW_MS + 60_000, NOW_MS - 71 * 3_600_000])
def test_the_edges_of_the_time_are_inside(time: int) -> None:
    assert _plan(_record(time=time)).problems == [None]


def test_an_id_is_never_forgotten_while_its_record_would_be_taken() -> None:
    latest_taken_ns = NOW_NS + metering.AGE_NS_MAX  # of a record of this moment
    first_applied_ns = NOW_NS - metering.AHEAD_NS_MAX
    assert latest_taken_ns < first_applied_ns + USAGE_ID_WINDOW_NS


@pytest.mark.parametrize(
    ("symbol", "parts"),
    [
        ("TA.CTEL.Q3.IN.GZ.M2701.G80A", (1, 0)),
        ("TA.CTEL.Q3.OUT.GZ.M2701.G80A", (0, 1)),
        ("TA.CTEL.Q3.BLEND.GZ.M2701.G80A", (1, 1)),
        ("TA.SHORT", (1, 1)),
    ],
)
def test_an_allowance_counts_tokens_of_its_direction(symbol: str, parts: tuple[int, int]) -> None:
    assert metering.counted(symbol) == parts


def test_usage_ids_differ_by_issuer_and_record() -> None:
    made = {metering.usage_id(issuer, name) for issuer in (1, 2) for name in ("a", "b", "ab")}
    assert len(made) == 6
    assert {len(one) for one in made} == {16}
    assert metering.usage_id(1, "a") == metering.usage_id(1, "a")


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
        found: Any = msgspec.to_builtins(msgspec.json.decode(data, type=metering.Usage))
    except msgspec.DecodeError:
        found = None
    if expected is not None:
        expected["records"] = list(expected["records"])
    assert found == expected
