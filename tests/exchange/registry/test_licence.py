"""Terms of a licence: who is let in, which series an entry may have, and what it is called."""

import msgspec
import pytest

from exchange.registry.licence import (
    Buyer,
    CrossBorder,
    PolicyRefusal,
    Right,
    Terms,
    TermsRefusal,
    judge,
    refuse_terms,
    share_bps,
    symbol,
)

TERMS = Terms(
    right=Right.USE,
    seats=40,
    months=12,
    seats_per_buyer=5,
    purposes=("training", "evaluation"),
    sectors=("health",),
    regions=("CN-GD", "DE"),
)
BUYER = Buyer("training", "health", "CN-GD-SZ", 5)


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({}, None),
        ({"purpose": "resale"}, PolicyRefusal.PURPOSE),
        ({"sector": "finance"}, PolicyRefusal.SECTOR),
        ({"region": "CN-GDX"}, PolicyRefusal.REGION),
        ({"region": "DE"}, PolicyRefusal.NO_CLEARANCE),
        ({"region": "DE", "clearance": "X-1"}, None),
        ({"seats": 6}, PolicyRefusal.SEATS),
        ({"purpose": "resale", "seats": 6}, PolicyRefusal.PURPOSE),
    ],
)
def test_the_policy_lets_in_whom_the_terms_name(changed: dict[str, object], refusal: PolicyRefusal | None) -> None:
    assert judge(TERMS, msgspec.structs.replace(BUYER, **changed)) is refusal


def test_what_the_terms_do_not_name_is_free() -> None:
    free = Terms(right=Right.USE, seats=2, months=1, cross_border=CrossBorder.FREE)
    assert judge(free, Buyer("any", "any", "US", 2)) is None
    assert judge(free, Buyer("any", "any", "US", 3)) is PolicyRefusal.SEATS
    closed = msgspec.structs.replace(free, cross_border=CrossBorder.FORBIDDEN)
    assert judge(closed, Buyer("any", "any", "US", 1, "X-1")) is PolicyRefusal.BORDER_CLOSED


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        ({}, None),
        ({"right": Right.OPERATE}, TermsRefusal.RIGHT),
        ({"seats": 0}, TermsRefusal.NUMBERS),
        ({"months": 601}, TermsRefusal.NUMBERS),
        ({"quota_tokens": 1 << 53}, TermsRefusal.NUMBERS),
        ({"seats_per_buyer": 41}, TermsRefusal.NUMBERS),
        ({"seats": 20_000, "seats_per_buyer": 1}, TermsRefusal.NUMBERS),  # a basis point is two seats
        ({"seats": 20_000, "seats_per_buyer": 2}, None),
        ({"royalty_bps": 10_001}, TermsRefusal.NUMBERS),
        ({"acceptance_hours": -1}, TermsRefusal.NUMBERS),
    ],
)
def test_a_series_fits_its_entry(changed: dict[str, object], refusal: TermsRefusal | None) -> None:
    assert refuse_terms(msgspec.structs.replace(TERMS, **changed), "FT", (Right.USE,), ("FT",)) is refusal


def test_a_series_needs_a_scenario_of_its_entry() -> None:
    assert refuse_terms(TERMS, "PT", (Right.USE,), ("FT",)) is TermsRefusal.SCENARIO


def test_a_series_is_named_by_number_scenario_and_terms() -> None:
    assert symbol("0000123456", "FT", TERMS) == "DL.0000123456.FT.Y1S40"
    half = msgspec.structs.replace(TERMS, months=18)
    assert symbol("0000123456", "FT", half) == "DL.0000123456.FT.M18S40"


@pytest.mark.parametrize(("part", "whole", "share"), [(5, 40, 1_250), (3, 7, 4_286), (40, 40, 10_000), (1, 3, 3_334)])
def test_a_share_allows_the_part_and_not_one_more(part: int, whole: int, share: int) -> None:
    assert share_bps(part, whole) == share
    assert whole * share // 10_000 == part
