"""What may be written down about allowances, and what it changes."""

import pytest
from msgspec.structs import replace

from exchange.core.types import BPS, AssetKind
from exchange.registry.allowances import (
    ANSWERS_KEPT,
    FACTOR_MAX,
    SERIALS_MAX,
    factors_of,
    headroom,
    last_batch,
)
from exchange.registry.documents import AssetNamed, encode
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.registry import DocumentRefusedError, Registry
from exchange.registry.series import (
    CapacityAttested,
    CertificatesRegistered,
    Factors,
    FactorsSet,
    IssueBacked,
    Overrun,
    OverrunChosen,
    SeriesNamed,
    UsageReported,
)
from tests.exchange.registry.builders import ALL, KEY, registry_of
from tests.exchange.registry.test_series import SERIES

NEXT = AssetNamed(3, "TA.CTEL.Q3.OUT.GZ.M2702.G80A", AssetKind.ALLOWANCE, 6, issuer_account=1)
CAPACITY = CapacityAttested(1, "GZ", "D1", 1_000_000)  # 1440 lots in a day
CERTIFICATES = CertificatesRegistered(1, (("a", 7_999), ("b", 1), ("c", 8_000)))
LOT = 1_000_000


def _registry(*more: object) -> Registry:
    return registry_of(*ALL, NEXT, SERIES, CAPACITY, CERTIFICATES, *more)


def _refused(registry: Registry, document: object) -> DocumentRefusal | None:
    try:
        registry.check(encode(document))
    except DocumentRefusedError as error:
        return error.reason
    return None


REFUSALS = [
    (replace(SERIES, asset=1), DocumentRefusal.UNKNOWN_ASSET),
    (SERIES, DocumentRefusal.NAME_TAKEN),
    (replace(SERIES, asset=3, issuer=0), DocumentRefusal.BAD_TERMS),
    (replace(SERIES, asset=3, next_asset=3), DocumentRefusal.BAD_TERMS),
    (replace(SERIES, asset=3, next_asset=9), DocumentRefusal.UNKNOWN_ASSET),
    (replace(SERIES, asset=3, collateral_account=9), DocumentRefusal.UNKNOWN_ACCOUNT),
    (replace(SERIES, asset=3, hub="MOON"), DocumentRefusal.BAD_NAME),
    (replace(SERIES, asset=3, grade="q 3"), DocumentRefusal.BAD_NAME),
    (replace(SERIES, asset=3, end_ns=0), DocumentRefusal.BAD_TERMS),
    (replace(SERIES, asset=3, gate_ns=SERIES.end_ns), DocumentRefusal.BAD_TERMS),
    (replace(SERIES, asset=3, green_bps=1), DocumentRefusal.BAD_TERMS),
    (replace(SERIES, asset=3, rollover_bps=1), DocumentRefusal.BAD_TERMS),
    (replace(CAPACITY, issuer=9), DocumentRefusal.UNKNOWN_ACCOUNT),
    (replace(CAPACITY, hub=""), DocumentRefusal.BAD_NAME),
    (replace(CAPACITY, tokens_per_minute=-1), DocumentRefusal.BAD_TERMS),
    (replace(CERTIFICATES, issuer=9), DocumentRefusal.UNKNOWN_ACCOUNT),
    (replace(CERTIFICATES, certificates=()), DocumentRefusal.TOO_LONG),
    (replace(CERTIFICATES, certificates=(("x", 1),) * (SERIALS_MAX + 1)), DocumentRefusal.TOO_LONG),
    (replace(CERTIFICATES, certificates=((" ", 1),)), DocumentRefusal.BAD_NAME),
    (replace(CERTIFICATES, certificates=(("x", 1), ("x", 1))), DocumentRefusal.NAME_TAKEN),
    (CERTIFICATES, DocumentRefusal.NAME_TAKEN),
    (replace(CERTIFICATES, certificates=(("x", 0),)), DocumentRefusal.BAD_TERMS),
    (IssueBacked(3, 1), DocumentRefusal.UNKNOWN_SERIES),
    (IssueBacked(2, 0), DocumentRefusal.BAD_TERMS),
    (IssueBacked(2, 1, ("x",) * (SERIALS_MAX + 1)), DocumentRefusal.TOO_LONG),
    (IssueBacked(2, 1441 * LOT), DocumentRefusal.OVER_CAPACITY),
    (IssueBacked(2, LOT, ("x",)), DocumentRefusal.CERTIFICATE_SPENT),
    (IssueBacked(2, LOT, ("c", "c")), DocumentRefusal.CERTIFICATE_SPENT),
    (IssueBacked(2, 100 * LOT, ("a",)), DocumentRefusal.NOT_GREEN_ENOUGH),  # 79.99 %
    (FactorsSet(9, Factors()), DocumentRefusal.UNKNOWN_ACCOUNT),
    (FactorsSet(1, Factors(cached=FACTOR_MAX + 1)), DocumentRefusal.BAD_TERMS),
    (OverrunChosen("x" * 20, Overrun.PAY), DocumentRefusal.UNKNOWN_KEY),
    (UsageReported(1, 2, "d", b""), DocumentRefusal.BATCH_NOT_NEXT),
    (UsageReported(1, 0, "d", b""), DocumentRefusal.BATCH_NOT_NEXT),
]


@pytest.mark.parametrize(("document", "reason"), REFUSALS)
def test_what_cannot_be_is_refused(document: object, reason: DocumentRefusal) -> None:
    assert _refused(_registry(), document) == reason


@pytest.mark.parametrize(
    ("known", "document"),
    [
        (SERIES, replace(SERIES, asset=3, next_asset=2)),  # ends with the one that follows
        (SERIES, replace(SERIES, asset=3, end_ns=SERIES.end_ns + 1, next_asset=2)),
        (replace(SERIES, next_asset=3), replace(SERIES, asset=3)),  # ends with the one it follows
        (replace(SERIES, next_asset=3), replace(SERIES, asset=3, end_ns=SERIES.end_ns + 1, next_asset=2)),
        (replace(SERIES, next_asset=3), replace(SERIES, asset=3, end_ns=SERIES.end_ns - 1, next_asset=2)),
    ],
)
def test_each_series_ends_before_the_next_so_none_leads_back(known: SeriesNamed, document: SeriesNamed) -> None:
    registry = registry_of(*ALL, NEXT, known)
    assert _refused(registry, document) == DocumentRefusal.BAD_TERMS
    assert _refused(registry, replace(document, end_ns=SERIES.end_ns + 1, next_asset=0)) is None


@pytest.mark.parametrize("serials", [("a", "b"), ("c",)])
def test_80_percent_are_green_enough_and_a_serial_is_spent_once(serials: tuple[str, ...]) -> None:
    registry = _registry()
    issue = IssueBacked(2, 100 * LOT, serials)
    assert _refused(registry, issue) is None
    registry.apply(encode(issue))
    assert _refused(registry, replace(issue, amount=1)) == DocumentRefusal.CERTIFICATE_SPENT
    assert {name for name, one in registry.allowances.certificates.items() if one.spent_for == 2} == set(serials)


def test_all_series_of_a_hub_and_window_share_its_capacity() -> None:
    registry = _registry(IssueBacked(2, 100 * LOT, ("c",)), replace(SERIES, asset=3, green_bps=0))
    series = registry.allowances.series[3]
    assert headroom(registry.allowances, series) == 1340 * LOT
    assert _refused(registry, IssueBacked(3, 1340 * LOT)) is None
    assert _refused(registry, IssueBacked(3, 1340 * LOT + 1)) == DocumentRefusal.OVER_CAPACITY
    registry.apply(encode(replace(CAPACITY, tokens_per_minute=1)))
    assert headroom(registry.allowances, series) == 0


def test_batches_count_from_one_and_the_last_may_be_said_again_of_the_same_body() -> None:
    registry = _registry()
    for batch in range(1, ANSWERS_KEPT + 3):
        registry.apply(encode(UsageReported(1, batch, f"d{batch}", b"x")))
    last = last_batch(registry.allowances, 1)
    assert last == ANSWERS_KEPT + 2
    assert _refused(registry, UsageReported(1, last, "other", b"")) == DocumentRefusal.BATCH_NOT_NEXT
    registry.apply(encode(UsageReported(1, last, f"d{last}", b"again")))
    kept = registry.allowances.answers[1]
    assert ([kept[0].batch, kept[-1].batch], kept[-1].answer) == ([3, last], b"again")
    assert last_batch(registry.allowances, 2) == 0


def test_use_does_not_touch_the_revision_of_names() -> None:
    registry = _registry()
    before = registry.revision
    registry.apply(encode(UsageReported(1, 1, "d", b"x")))
    assert registry.revision == before


def test_factors_and_choices_stand_and_all_is_in_the_snapshot() -> None:
    registry = _registry(
        FactorsSet(1, Factors(cached=5)), OverrunChosen(KEY.key, Overrun.PAY), UsageReported(1, 1, "d", b"\x00\xff")
    )
    assert factors_of(registry.allowances, 1).cached == 5
    assert factors_of(registry.allowances, 2).cached == BPS
    again = Registry()
    again.restore(registry.snapshot())
    assert again._tables.entries == registry._tables.entries
    assert again.allowances.overrun == {KEY.key: Overrun.PAY}
    assert again.allowances.series[2] == SERIES
