"""Which instruments are licences of registered datasets, and who may trade each: checked before an order is sent.

A gate is a document of the journal, as is every clearance, so both are there again after a restart.
"""

from enum import StrEnum

import msgspec


class Gate(msgspec.Struct):
    """The gate of one instrument; the issuer sells without a clearance, and alone unless resale is allowed."""

    instrument: int
    issuer: int
    may_resell: bool
    cleared: set[int] = msgspec.field(default_factory=set)  # accounts


class GateRefusal(StrEnum):
    """Why an order on a licence is not sent."""

    NOT_CLEARED = "the buyer has no clearance for this licence"
    NO_RESALE = "the terms of this licence forbid its resale"


def refuse_order(gate: Gate, account: int, *, is_buy: bool) -> GateRefusal | None:
    """Return why an account may not buy, or sell, a licence; None if it may."""
    if is_buy:
        return None if account in gate.cleared else GateRefusal.NOT_CLEARED
    return None if gate.may_resell or account == gate.issuer else GateRefusal.NO_RESALE
