"""What operators did and why, and what they decided about cases of surveillance: documents in front of the acts.

An act is written down before it is done, so that none is done unwritten; the journal keeps all of them, the registry
the latest for those who ask.
"""

from enum import StrEnum
from typing import TypeAlias

import msgspec

ACTS_KEPT_MAX = 10_000
CASES_KEPT_MAX = 10_000
TERMS_CHARACTERS_MAX = 2_000
WHY_CHARACTERS_MAX = 500
CASE_CHARACTERS_MAX = 200


class CaseState(StrEnum):
    """How far a case has come; one without a decision is OPEN."""

    OPEN = "OPEN"
    REVIEW = "REVIEW"
    REPORTED = "REPORTED"
    DISMISSED = "DISMISSED"


class OperatorActed(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """What an operator is about to do: the request, with whose key, and why."""

    time_ns: int
    account: int
    key: str
    act: str  # method and path
    terms: str  # the body of the request, cut to what is kept
    why: str


class CaseDecided(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """What an operator thinks of a case."""

    case: str
    state: CaseState
    note: str
    account: int
    time_ns: int


ActDocument: TypeAlias = OperatorActed | CaseDecided


class ActEntries(msgspec.Struct):
    """Part of the registry's snapshot."""

    count: int = 0  # of acts ever; the last of those kept has this number
    acts: list[OperatorActed] = msgspec.field(default_factory=list)
    cases: dict[str, CaseDecided] = msgspec.field(default_factory=dict)  # the latest decision on each


def is_too_long(document: ActDocument) -> bool:
    """Tell whether a text is longer than what is kept."""
    match document:
        case OperatorActed():
            return len(document.terms) > TERMS_CHARACTERS_MAX or len(document.why) > WHY_CHARACTERS_MAX
        case CaseDecided():
            return len(document.case) > CASE_CHARACTERS_MAX or len(document.note) > WHY_CHARACTERS_MAX


def add_act(entries: ActEntries, document: ActDocument) -> None:
    """Take a document down, and forget the oldest beyond what is kept."""
    match document:
        case OperatorActed():
            entries.count += 1
            entries.acts.append(document)
            del entries.acts[:-ACTS_KEPT_MAX]
        case CaseDecided():
            entries.cases.pop(document.case, None)
            entries.cases[document.case] = document
            if len(entries.cases) > CASES_KEPT_MAX:
                del entries.cases[next(iter(entries.cases))]


def acts_after(entries: ActEntries, number: int, limit: int) -> list[tuple[int, OperatorActed]]:
    """Return acts behind a number, with theirs, oldest first."""
    first = entries.count - len(entries.acts) + 1
    skipped = max(0, number + 1 - first)
    return list(enumerate(entries.acts[skipped : skipped + limit], first + skipped))
