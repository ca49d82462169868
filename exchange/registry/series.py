"""What is written down about token allowances: terms of a series, capacity, green certificates, issues, metered use."""

from enum import StrEnum
from typing import TypeAlias

import msgspec

from exchange.core.types import BPS, SECOND_NS
from exchange.registry.payouts import PaymentDocument, Payouts

GATE_NS = 15 * 60 * SECOND_NS  # before the end of its window a series stops trading
GRACE_NS = 3600 * SECOND_NS
MINUTE_NS = 60 * SECOND_NS


class Direction(StrEnum):
    """Which tokens a series pays for."""

    IN = "IN"
    OUT = "OUT"
    BLEND = "BLEND"


class Overrun(StrEnum):
    """What becomes of use that the units nominated to a key do not cover."""

    REFUSE = "REFUSE"
    PAY = "PAY"


class Factors(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of an allowance one token of each sort uses, in basis points."""

    tokens_in: int = BPS
    cached: int = BPS
    image: int = BPS
    audio: int = BPS
    tokens_out: int = BPS
    reasoning: int = BPS


class SeriesNamed(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """The terms of an allowance that is listed: who runs what where, in which window, backed by what.

    Units pay for use whose own time lies in the window. What is nominated to a key expires `grace_ns` after the end,
    so that the last use can still be reported; everything else at the end.
    """

    asset: int
    issuer: int
    grade: str
    direction: Direction
    hub: str
    window: str
    start_ns: int
    end_ns: int
    green_bps: int
    is_firm: bool
    collateral_account: int
    collateral_per_lot: int = 0  # quote units
    lot_units: int = 1_000_000
    wh_per_lot: int = 0
    gate_ns: int = GATE_NS
    grace_ns: int = GRACE_NS
    rollover_bps: int = 0  # of what a holder has left at the end
    next_asset: int = 0  # 0: nothing rolls over


class CapacityAttested(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """How many tokens a minute an issuer can deliver at a hub in a window; the latest word counts."""

    issuer: int
    hub: str
    window: str
    tokens_per_minute: int
    evidence: str = ""


class CertificatesRegistered(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Green certificates that an issuer may spend: serial numbers and watt-hours."""

    issuer: int
    certificates: tuple[tuple[str, int], ...]


class IssueBacked(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """An issue of a series, and the certificates that are spent for it."""

    asset: int
    amount: int
    serials: tuple[str, ...] = ()


class UnitsRolledOver(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """Units that passed from a series that ended into the next one, by its terms and so whatever its capacity."""

    asset: int
    next_asset: int
    amount: int


class FactorsSet(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """How an issuer's use is counted from now on."""

    issuer: int
    factors: Factors


class OverrunChosen(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """What is to happen when a key has used up what is nominated to it."""

    key: str
    overrun: Overrun


class UsageReported(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """A batch of metered use and what became of it; written in front of the commands that make it true.

    A second one with the same number takes the place of the first: where the engine refused what was planned.
    """

    issuer: int
    batch: int
    digest: str  # of the body
    answer: bytes


AllowanceDocument: TypeAlias = (
    SeriesNamed
    | CapacityAttested
    | CertificatesRegistered
    | IssueBacked
    | UnitsRolledOver
    | FactorsSet
    | OverrunChosen
    | UsageReported
    | PaymentDocument
)


class Certificate(msgspec.Struct):
    """A green certificate; spent once."""

    issuer: int
    wh: int
    spent_for: int = 0  # asset


class KeptAnswer(msgspec.Struct):
    """What a batch was answered, kept for whoever did not hear it."""

    batch: int
    digest: str
    answer: bytes


class AllowanceEntries(msgspec.Struct):
    """All of it as it stands: part of the registry's snapshot."""

    series: dict[int, SeriesNamed] = msgspec.field(default_factory=dict)  # by asset
    capacity: dict[str, CapacityAttested] = msgspec.field(default_factory=dict)  # by `capacity_key`
    certificates: dict[str, Certificate] = msgspec.field(default_factory=dict)  # by serial
    issued: dict[int, int] = msgspec.field(default_factory=dict)  # by asset
    factors: dict[int, Factors] = msgspec.field(default_factory=dict)  # by issuer
    overrun: dict[str, Overrun] = msgspec.field(default_factory=dict)  # by key
    payments: Payouts = msgspec.field(default_factory=Payouts)
    answers: dict[int, list[KeptAnswer]] = msgspec.field(default_factory=dict)  # by issuer, the latest last


def capacity_key(issuer: int, hub: str, window: str) -> str:
    """Return under which name an attestation is kept."""
    return f"{issuer}/{hub}/{window}"


def issuable(series: SeriesNamed, tokens_per_minute: int) -> int:
    """Return how many tokens a capacity delivers in the window of a series."""
    return tokens_per_minute * ((series.end_ns - series.start_ns) // MINUTE_NS)


def coverage_bps(wh: int, amount: int, series: SeriesNamed) -> int:
    """Return which share of an issue's energy is covered by certificates, rounded down."""
    needed = amount * series.wh_per_lot
    return BPS if not needed else wh * series.lot_units * BPS // needed


def collateral(series: SeriesNamed, outstanding: int) -> int:
    """Return the quote units that must stand behind outstanding tokens, rounded up."""
    return -(-outstanding * series.collateral_per_lot // series.lot_units)
