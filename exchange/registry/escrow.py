"""The life of a licence trade after it was made: where the seller's proceeds are until the buyer has accepted.

One table, as for the register; docs/register.md shows it. While the dataset is objected or suspended nothing is
delivered, accepted or let lapse.
"""

from enum import StrEnum
from typing import NamedTuple

BPS = 10_000


class Escrow(StrEnum):
    """Where the proceeds of one trade are."""

    DUE = "due"  # traded; the seller still has them
    HELD = "held"  # in escrow; no entitlement yet
    DELIVERED = "delivered"  # the buyer has its entitlement and looks at the data
    DISPUTED = "disputed"
    RELEASING = "releasing"  # on their way to seller and holder
    RELEASED = "released"
    REFUNDING = "refunding"  # on their way back to the buyer, the units to the seller
    REFUNDED = "refunded"
    VOID = "void"  # the trade was undone before anything was held


class Step(StrEnum):
    """What happens to it."""

    HOLD = "hold"
    DELIVER = "deliver"
    ACCEPT = "accept"
    LAPSE = "lapse"
    DISPUTE = "dispute"
    RELEASE = "release"
    REFUND = "refund"
    REVOKE = "revoke"
    BUST = "bust"
    PAID = "paid"
    RETURNED = "returned"


class Party(StrEnum):
    """Who brings a step about."""

    CLERK = "clerk"  # the exchange itself: it follows trades, transfers and time
    BUYER = "buyer"
    OPERATOR = "operator"


class EscrowRule(NamedTuple):
    """One row: a step leads from any of these states to one; `waits` if not while the dataset is frozen."""

    step: Step
    party: Party
    sources: tuple[Escrow, ...]
    target: Escrow
    waits: bool = False


_E, _P = Escrow, Party
_OPEN = (_E.HELD, _E.DELIVERED, _E.DISPUTED)
TABLE = (
    EscrowRule(Step.HOLD, _P.CLERK, (_E.DUE,), _E.HELD),
    EscrowRule(Step.HOLD, _P.CLERK, (_E.VOID,), _E.RELEASING),  # it came too late: give it back
    EscrowRule(Step.DELIVER, _P.CLERK, (_E.HELD,), _E.DELIVERED, waits=True),
    EscrowRule(Step.ACCEPT, _P.BUYER, (_E.DELIVERED,), _E.RELEASING, waits=True),
    EscrowRule(Step.LAPSE, _P.CLERK, (_E.DELIVERED,), _E.RELEASING, waits=True),
    EscrowRule(Step.DISPUTE, _P.BUYER, (_E.HELD, _E.DELIVERED), _E.DISPUTED),
    EscrowRule(Step.RELEASE, _P.OPERATOR, (_E.DISPUTED,), _E.RELEASING),
    EscrowRule(Step.REFUND, _P.OPERATOR, (_E.DISPUTED,), _E.REFUNDING),
    EscrowRule(Step.REVOKE, _P.CLERK, _OPEN, _E.REFUNDING),
    EscrowRule(Step.BUST, _P.CLERK, (_E.DUE,), _E.VOID),
    EscrowRule(Step.BUST, _P.CLERK, _OPEN, _E.RELEASING),  # it took the seller's own cash: what is held is the seller's
    EscrowRule(Step.BUST, _P.CLERK, (_E.RELEASING,), _E.RELEASING),  # as it was on its way; the entitlement ends
    EscrowRule(Step.BUST, _P.CLERK, (_E.RELEASED,), _E.RELEASED),
    EscrowRule(Step.PAID, _P.CLERK, (_E.RELEASING,), _E.RELEASED),
    EscrowRule(Step.RETURNED, _P.CLERK, (_E.REFUNDING,), _E.REFUNDED),
)
_RULES = {(rule.step, source): rule for rule in TABLE for source in rule.sources}


class StepRefusal(StrEnum):
    """Why a step is not taken, in order of precedence."""

    NOT_FROM_HERE = "this state has no such step"
    NOT_YOURS = "this step is somebody else's"
    FROZEN = "the dataset is objected or suspended"


def advance(state: Escrow, step: Step, parties: frozenset[Party], *, is_frozen: bool = False) -> Escrow | StepRefusal:
    """Return the state that a step leads to, or why somebody who is all of `parties` may not take it now."""
    rule = _RULES.get((step, state))
    if rule is None:
        return StepRefusal.NOT_FROM_HERE
    if rule.party not in parties:
        return StepRefusal.NOT_YOURS
    return StepRefusal.FROZEN if rule.waits and is_frozen else rule.target


def royalty(notional: int, royalty_bps: int, proceeds: int) -> int:
    """Return what a resale owes the dataset's holder: rounded down, and never more than the reseller gets."""
    return max(0, min(notional * royalty_bps // BPS, proceeds))


def diagram() -> str:
    """Return the table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {Escrow.DUE}: trade"]
    for rule in TABLE:
        wait = ", not while frozen" if rule.waits else ""
        lines += [f"    {source} --> {rule.target}: {rule.step} ({rule.party}{wait})" for source in rule.sources]
    lines += [f"    {state} --> [*]" for state in (Escrow.RELEASED, Escrow.REFUNDED, Escrow.VOID)]
    return "\n".join([*lines, ""])
