"""What a version of the methodology must fulfil, and that it comes through journal and snapshot."""

import msgspec
import pytest

from exchange.core.types import DAY_NS
from exchange.methodology import FIRST, METHODOLOGIES_MAX, Methodology, MethodologySet
from exchange.registry.documents import encode
from exchange.registry.methodologies import FACTORS_MAX, refuse_methodology
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.registry import DocumentRefusedError, Registry

DAY = 20_000
NEXT = MethodologySet(2, DAY + 1, DAY * DAY_NS, "dearer hubs", Methodology())
WEIGHTS = Methodology().quality_weights


def changed(**figures):
    return msgspec.structs.replace(NEXT, rules=Methodology(**figures))


def test_the_next_version_is_taken():
    assert refuse_methodology([FIRST], NEXT) is None


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (msgspec.structs.replace(NEXT, version=3), DocumentRefusal.INDEX_NOT_NEXT),
        (msgspec.structs.replace(NEXT, version=1), DocumentRefusal.INDEX_NOT_NEXT),
        (msgspec.structs.replace(NEXT, first_day=DAY), DocumentRefusal.BAD_TERMS),
        (msgspec.structs.replace(NEXT, first_day=1 << 21), DocumentRefusal.BAD_TERMS),
        (msgspec.structs.replace(NEXT, set_ns=-1), DocumentRefusal.BAD_TERMS),
        (msgspec.structs.replace(NEXT, note="x" * 501), DocumentRefusal.TOO_LONG),
        (changed(hub_bps={"NAT": 1, "gz": 1}), DocumentRefusal.BAD_NAME),
        (changed(hub_bps={"GZ": 10_000}), DocumentRefusal.BAD_TERMS),  # without the base hub
        (changed(base_hub="GZ", hub_bps={"NAT": 10_000, "GZ": 9_999}), DocumentRefusal.BAD_TERMS),
        (changed(base_grade="Q1"), DocumentRefusal.BAD_TERMS),  # which is not worth one
        (changed(quality_bps={f"Q{n}": 1 for n in range(FACTORS_MAX + 1)}), DocumentRefusal.TOO_LONG),
        (changed(green_bps={"G0": 0}), DocumentRefusal.BAD_TERMS),
        (changed(green_bps={"G0": 10**7}), DocumentRefusal.BAD_TERMS),
        (changed(quality_weights=WEIGHTS | {"accuracy": 21}), DocumentRefusal.BAD_TERMS),
        (changed(quality_weights=WEIGHTS | {"beauty": 0}), DocumentRefusal.BAD_TERMS),
        (changed(index_cap_bps=499), DocumentRefusal.BAD_TERMS),
        (changed(index_trades_min=0), DocumentRefusal.BAD_TERMS),
        (changed(settlement_window_minutes=721), DocumentRefusal.BAD_TERMS),
    ],
)
def test_what_is_out_of_its_limits_is_refused(document, reason):
    assert refuse_methodology([FIRST], document) is reason


def test_there_are_only_so_many_versions():
    known = [msgspec.structs.replace(FIRST, version=number) for number in range(1, METHODOLOGIES_MAX + 1)]
    following = msgspec.structs.replace(NEXT, version=METHODOLOGIES_MAX + 1)
    assert refuse_methodology(known, following) is DocumentRefusal.TOO_LONG


def test_versions_come_through_journal_and_snapshot():
    registry = Registry()
    registry.apply(encode(NEXT))
    registry.apply(encode(NEXT))  # another that was checked beside it: the first wins
    with pytest.raises(DocumentRefusedError):
        registry.check(encode(NEXT))
    again = Registry()
    again.restore(registry.snapshot())
    for one in (registry, again):
        assert [version.version for version in one.methodologies] == [1, 2]
        assert (one.methodology_on(DAY), one.methodology_on(DAY + 1)) == (FIRST, NEXT)
