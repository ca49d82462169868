"""How participants are let in and kept in order, and how two operators decide together: documents and what stands."""

from enum import StrEnum
from typing import TypeAlias

import msgspec


class Standing(StrEnum):
    """How far a participant has come; RESTRICTED and SUSPENDED ones may only cancel."""

    APPLIED = "applied"
    VERIFIED = "verified"
    ACTIVE = "active"
    RESTRICTED = "restricted"
    SUSPENDED = "suspended"
    CLOSED = "closed"


NEXT_STANDINGS = {
    Standing.APPLIED: (Standing.VERIFIED, Standing.CLOSED),
    Standing.VERIFIED: (Standing.ACTIVE, Standing.CLOSED),
    Standing.ACTIVE: (Standing.RESTRICTED, Standing.SUSPENDED, Standing.CLOSED),
    Standing.RESTRICTED: (Standing.ACTIVE, Standing.SUSPENDED, Standing.CLOSED),
    Standing.SUSPENDED: (Standing.ACTIVE, Standing.RESTRICTED, Standing.CLOSED),
    Standing.CLOSED: (),
}


class StandingSet(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """A participant passes to another standing; `by` is the operator who says so."""

    participant: str
    standing: Standing
    by: str
    note: str = ""


class TierSet(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """The fee tier of a participant."""

    participant: str
    tier: int


class AccountTierSet(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """A fee tier of an account's own, in place of its participant's; None: the participant's again."""

    account: int
    tier: int | None


class FourEyesSet(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Whether acts that move money or change rules need a second operator."""

    required: bool


class ProposalMade(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """An act that an operator asks another to approve: a method, a path, and the body of the request."""

    number: int
    act: str
    body: str
    by: str
    account: int
    made_ns: int
    expires_ns: int
    why: str = ""


class ProposalDecided(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """What another operator said to it."""

    number: int
    is_approved: bool
    by: str
    at_ns: int


class ProposalActed(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Another operator approved it: this stands in front of the commands of the act and holds its document, if any.

    An act that is refused before it has commands, or has none, ends here with its code and answer.
    """

    number: int
    by: str
    at_ns: int
    commands: int  # that follow
    document: str = ""
    code: int = 0
    answer: str = ""


class ProposalCarriedOut(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """How the approved act ended: the answer to it, or the code of its refusal."""

    number: int
    code: int  # 0: done
    answer: str


PeopleDocument: TypeAlias = (
    StandingSet
    | TierSet
    | AccountTierSet
    | FourEyesSet
    | ProposalMade
    | ProposalDecided
    | ProposalActed
    | ProposalCarriedOut
)


class ProposalState(StrEnum):
    """How far a proposal has come; of one that stays APPROVED the events of its commands tell how it ended."""

    OPEN = "open"
    REFUSED = "refused"
    APPROVED = "approved"
    DONE = "done"
    FAILED = "failed"


class Proposal(msgspec.Struct):
    """A proposal as it stands."""

    number: int
    act: str
    body: str
    by: str
    account: int
    made_ns: int
    expires_ns: int
    state: ProposalState = ProposalState.OPEN
    decided_by: str = ""
    decided_ns: int = 0
    code: int = 0
    answer: str = ""
    sequence: int = 0  # the command in front of the act's
    commands: int = 0
    why: str = ""


class PeopleEntries(msgspec.Struct):
    """Part of the registry's snapshot."""

    four_eyes: bool = False
    proposals: list[Proposal] = msgspec.field(default_factory=list)  # by number, from 1
