"""Acts and decisions on cases: numbered, the latest kept, texts bounded, the same after a snapshot."""

from exchange.registry import acts
from exchange.registry.acts import ActEntries, CaseDecided, CaseState, OperatorActed, acts_after, add_act, is_too_long
from exchange.registry.checks import DocumentRefusal, refuse
from exchange.registry.documents import decode, encode
from exchange.registry.registry import Registry
from tests.exchange.registry.builders import registry_of

ACT = OperatorActed(5, 0, "k" * 64, "POST /v1/halt", "{}", "prices are stale")
DECIDED = CaseDecided("SPOOFING-5-1", CaseState.REVIEW, "asked", 0, 7)


def test_acts_are_numbered_and_the_latest_kept(monkeypatch):
    monkeypatch.setattr(acts, "ACTS_KEPT_MAX", 3)
    entries = ActEntries()
    for time_ns in range(1, 6):
        add_act(entries, OperatorActed(time_ns, 0, "k", "a", "", ""))
    assert [(number, act.time_ns) for number, act in acts_after(entries, 0, 10)] == [(3, 3), (4, 4), (5, 5)]
    assert [number for number, _ in acts_after(entries, 3, 1)] == [4]
    assert acts_after(entries, 5, 10) == []


def test_the_latest_decision_on_a_case_counts(monkeypatch):
    monkeypatch.setattr(acts, "CASES_KEPT_MAX", 2)
    entries = ActEntries()
    for case in ("a", "b", "a", "c"):
        add_act(entries, CaseDecided(case, CaseState.REPORTED, case, 0, 1))
    assert list(entries.cases) == ["a", "c"]


def test_texts_are_bounded():
    long = "x" * 2_001
    assert is_too_long(OperatorActed(5, 0, "k", "a", long, ""))
    assert is_too_long(OperatorActed(5, 0, "k", "a", "", long[:501]))
    assert is_too_long(CaseDecided(long[:201], CaseState.OPEN, "", 0, 1))
    spoiled = CaseDecided("a", CaseState.OPEN, long[:501], 0, 1)
    assert refuse(Registry()._tables, spoiled) is DocumentRefusal.TOO_LONG


def test_the_registry_keeps_them_over_a_snapshot():
    registry = registry_of(ACT, DECIDED)
    again = Registry()
    again.restore(registry.snapshot())
    assert again.acts == registry.acts == ActEntries(1, [ACT], {DECIDED.case: DECIDED})
    assert decode(encode(ACT)) == ACT
