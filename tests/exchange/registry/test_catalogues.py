"""Plans of catalogues: parts in order, one plan at a time, and the same after a snapshot."""

import pytest
from msgspec.structs import replace

from exchange.core.types import TradingState
from exchange.registry import catalogues
from exchange.registry.catalogues import CataloguePlan, planned, refuse_plan
from exchange.registry.documents import CataloguePlanEnded, CataloguePlanned, encode
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.registry import Registry
from tests.exchange.registry.builders import ALL, CATALOGUE, registry_of

FIRST = CataloguePlanned("list", 0, False, TradingState.CLOSED, CATALOGUE)
LAST = replace(FIRST, part=1, is_last=True)
ENDED = CataloguePlanEnded("list")


def plan_of(*documents):
    plan = None
    for document in documents:
        assert refuse_plan(plan, document) is None
        plan = planned(plan, document)
    return plan


def test_a_plan_is_whole_with_its_last_part():
    assert not CataloguePlan("list").is_whole
    assert not plan_of(FIRST).is_whole
    whole = plan_of(FIRST, LAST)
    assert (whole.is_whole, whole.row_count, whole.listings) == (True, 4, [CATALOGUE, CATALOGUE])
    assert plan_of(FIRST, LAST, ENDED) is None


@pytest.mark.parametrize(
    ("known", "document"),
    [
        ((), LAST),
        ((), ENDED),
        ((FIRST,), ENDED),
        ((FIRST,), FIRST),
        ((FIRST,), replace(LAST, part=2)),
        ((FIRST,), replace(LAST, name="other")),
        ((FIRST, LAST), replace(FIRST, name="other")),  # it is being carried out
        ((FIRST, LAST), replace(LAST, part=2)),
    ],
)
def test_what_does_not_follow_is_refused(known, document):
    assert refuse_plan(plan_of(*known), document) is DocumentRefusal.INDEX_NOT_NEXT


def test_the_first_part_of_another_takes_the_place_of_one_that_is_not_whole():
    other = replace(FIRST, name="other")
    assert plan_of(FIRST, other) == CataloguePlan("other", [other], 2)


def test_a_plan_has_its_limits(monkeypatch):
    assert refuse_plan(None, replace(FIRST, name="x" * 65)) is DocumentRefusal.TOO_LONG
    monkeypatch.setattr(catalogues, "PLAN_ROWS_MAX", 3)
    assert refuse_plan(plan_of(FIRST), LAST) is DocumentRefusal.TOO_LONG


def test_a_plan_comes_through_journal_and_snapshot():
    registry = registry_of(*ALL, FIRST, LAST)
    again = Registry()
    again.restore(registry.snapshot())
    assert again.catalogue_plan == registry.catalogue_plan == plan_of(FIRST, LAST)
    assert [one.symbol for one in again.instruments] == [ALL[4].symbol]
    again.apply(encode(ENDED))
    assert (again.catalogue_plan, again.catalogue_ended) == (None, "list")
