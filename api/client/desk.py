"""Operations of operators: participants with their accounts and fee tiers, and what each tier pays.

Each act says why, which the exchange writes down before it is done; some are refused without a reason. Where two
operators must agree an act is refused with the code that says so: propose it by `operations.other`.
"""

from collections.abc import Sequence
from typing import TypeVar

import msgspec

from api.client.operations import Access, Operation
from api.client.owned import InstrumentAnswer

T = TypeVar("T")
REASON = "reason"


class AccountAnswer(msgspec.Struct, frozen=True):
    """An account; `tier` is that of its fees."""

    account: int
    name: str
    participant: str
    role: str
    group: int
    state: str
    tier: int


class ParticipantAnswer(msgspec.Struct, frozen=True):
    """A participant and its accounts."""

    participant: str
    role: str
    description: str
    accounts: list[AccountAnswer]


class ParticipantsAnswer(msgspec.Struct, frozen=True):
    """Participants in the order of creation."""

    participants: list[ParticipantAnswer]


class StandingAnswer(msgspec.Struct, frozen=True):
    """A participant as it stands, and its accounts; those without a tier of their own have the participant's."""

    participant: str
    role: str
    standing: str
    contact: str
    tier: int
    accounts: list[AccountAnswer]


class TierRates(msgspec.Struct, frozen=True):
    """What accounts of a tier pay, in basis points; a negative maker's rate is a rebate."""

    tier: int
    maker_bps: int
    taker_bps: int


class ScheduleAnswer(msgspec.Struct, frozen=True):
    """What every tier pays on an instrument."""

    symbol: str
    rates: list[TierRates]


def participants(name: str = "", after: str = "", limit: int = 1000) -> Operation[ParticipantsAnswer]:
    """Return one participant, or a page of all behind the name `after`: with accounts and the tier of each."""
    texts = {"name": name, "after": after, "limit": str(limit)}
    given = {key: value for key, value in texts.items() if value}
    return Operation("GET", "/v1/participants", ParticipantsAnswer, given, Access.SIGNED)


def set_tier(participant: str, tier: int, why: str = "") -> Operation[StandingAnswer]:
    """Set a participant's fee tier: that of all its accounts but those with one of their own."""
    return _act("/v1/tier", StandingAnswer, why, participant=participant, tier=tier)


def set_account_tier(account: int, tier: int | None, why: str = "") -> Operation[AccountAnswer]:
    """Give an account a fee tier of its own, such as a broker's client's; None: its participant's again."""
    return _act("/v1/account-tier", AccountAnswer, why, account=account, tier=tier)


def fee_schedule(symbol: str) -> Operation[ScheduleAnswer]:
    """Return what every tier pays on an instrument; everybody may ask."""
    return Operation("GET", "/v1/fee-schedule", ScheduleAnswer, {"symbol": symbol})


def set_fee_schedule(symbol: str, rates: Sequence[tuple[int, int]], why: str = "") -> Operation[ScheduleAnswer]:
    """Set what tiers pay from now on: maker's and taker's rate of tier 0, of tier 1, ..., the last of the rest."""
    return _act("/v1/fee-schedule", ScheduleAnswer, why, symbol=symbol, rates=rates)


def set_fees(symbol: str, maker_bps: int, taker_bps: int, tier: int = 0, why: str = "") -> Operation[InstrumentAnswer]:
    """Set what a tier and all tiers above it pay from now on: of tier 0, what everybody pays."""
    terms = {"symbol": symbol, "maker_bps": maker_bps, "taker_bps": taker_bps, "tier": tier}
    return _act("/v1/fees", InstrumentAnswer, why, **terms)


def _act(path: str, answer: type[T], why: str, **terms: object) -> Operation[T]:
    """Return an act that sets something: done twice it is done once."""
    texts = {REASON: why} if why else {}
    return Operation("PUT", path, answer, texts, Access.SIGNED, "", msgspec.json.encode(terms))
