"""What a dataset licence allows and for whom: the terms of a series, and the check of a buyer against them."""

from enum import StrEnum

import msgspec

from exchange.registry.escrow import BPS

SEATS_MAX = 1_000_000
MONTHS_MAX = 600
WINDOW_HOURS_MAX = 24 * 90
QUOTA_MAX = 1 << 53
HOME = "CN"  # regions begin with their country


class Right(StrEnum):
    """The three data-property rights."""

    HOLD = "HOLD"
    USE = "USE"
    OPERATE = "OPERATE"


class CrossBorder(StrEnum):
    """Whether a buyer outside the country may read the data."""

    FORBIDDEN = "forbidden"
    CLEARANCE = "clearance"  # with a clearance number that the operator has seen
    FREE = "free"


class Terms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one series of licences allows; an empty list of purposes, sectors or regions allows all."""

    right: Right
    seats: int  # in all
    months: int
    quota_tokens: int = 0  # that may be read with one seat; 0: without a limit
    seats_per_buyer: int = 0  # 0: without a limit
    may_resell: bool = False
    royalty_bps: int = 0  # of a resale's notional, to the dataset's holder
    acceptance_hours: int = 72
    purposes: tuple[str, ...] = ()
    sectors: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    cross_border: CrossBorder = CrossBorder.CLEARANCE


class Buyer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a buyer declares; `clearance` is the number of a cross-border clearance that the operator has seen."""

    purpose: str
    sector: str
    region: str
    seats: int = 1
    clearance: str = ""


class PolicyRefusal(StrEnum):
    """Why a buyer may not have a licence, in order of precedence."""

    PURPOSE = "the terms do not allow this purpose"
    SECTOR = "the terms do not allow this sector"
    REGION = "the terms do not allow this region"
    BORDER_CLOSED = "the data may not leave the country"
    NO_CLEARANCE = "a buyer abroad needs a cross-border clearance"
    SEATS = "the terms do not allow one buyer so many seats"


class TermsRefusal(StrEnum):
    """Why there can be no series with such terms."""

    RIGHT = "the register entry does not have this right"
    SCENARIO = "the register entry does not allow this scenario"
    NUMBERS = "a number of the terms is outside of its limits"


def judge(terms: Terms, buyer: Buyer) -> PolicyRefusal | None:
    """Return why the terms keep a buyer out, None if they do not."""
    if terms.purposes and buyer.purpose not in terms.purposes:
        return PolicyRefusal.PURPOSE
    if terms.sectors and buyer.sector not in terms.sectors:
        return PolicyRefusal.SECTOR
    if terms.regions and not any(_is_within(buyer.region, region) for region in terms.regions):
        return PolicyRefusal.REGION
    if not _is_within(buyer.region, HOME):
        if terms.cross_border is CrossBorder.FORBIDDEN:
            return PolicyRefusal.BORDER_CLOSED
        if terms.cross_border is CrossBorder.CLEARANCE and not buyer.clearance:
            return PolicyRefusal.NO_CLEARANCE
    if buyer.seats > (terms.seats_per_buyer or terms.seats):
        return PolicyRefusal.SEATS
    return None


def refuse_terms(
    terms: Terms, scenario: str, rights: tuple[Right, ...], scenarios: tuple[str, ...]
) -> TermsRefusal | None:
    """Return why an entry with these rights and scenarios cannot have such a series."""
    if terms.right not in rights:
        return TermsRefusal.RIGHT
    if scenario not in scenarios:
        return TermsRefusal.SCENARIO
    within = (
        1 <= terms.seats <= SEATS_MAX
        and 1 <= terms.months <= MONTHS_MAX
        and 0 <= terms.quota_tokens <= QUOTA_MAX // terms.seats
        and 0 <= terms.seats_per_buyer <= terms.seats
        and _is_share(terms.seats_per_buyer, terms.seats)
        and 0 <= terms.royalty_bps <= BPS
        and 0 <= terms.acceptance_hours <= WINDOW_HOURS_MAX
    )
    return None if within else TermsRefusal.NUMBERS


def symbol(number: str, scenario: str, terms: Terms) -> str:
    """Return the name of a series: `DL.0000123456.FT.Y1S5` is one year and five seats, M6 six months."""
    years, months = divmod(terms.months, 12)
    length = f"M{terms.months}" if months else f"Y{years}"
    return f"DL.{number}.{scenario}.{length}S{terms.seats}"


def share_bps(part: int, whole: int) -> int:
    """Return the smallest share in basis points that still allows `part` of `whole`."""
    return min(BPS, -(-part * BPS // whole))


def _is_share(part: int, whole: int) -> bool:
    """Say whether a share in basis points, by which the engine limits positions, allows `part` and no more."""
    return whole * share_bps(part, whole) // BPS == part


def _is_within(region: str, wider: str) -> bool:
    return region == wider or region.startswith(wider + "-")
