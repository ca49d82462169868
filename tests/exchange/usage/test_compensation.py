"""What holders get of a collateral: their claim, or their share, and never more than there is."""

from hypothesis import given
from hypothesis import strategies as st

from exchange.core.types import BPS
from exchange.expiry import Holder
from exchange.usage.compensation import CLAIM_BPS, payments

LOT = 1_000_000


def test_110_percent_of_the_index_while_the_collateral_lasts() -> None:
    owed = payments([Holder(1, 10 * LOT), Holder(2, LOT // 2)], BPS, 2_000_000, LOT, 10**9)
    assert [one.amount for one in owed] == [22_000_000, 1_100_000]
    assert [one.amount for one in payments([Holder(1, 10 * LOT)], 500, 2_000_000, LOT, 10**9)] == [1_100_000]


def test_in_proportion_when_it_does_not() -> None:
    owed = payments([Holder(1, 3 * LOT), Holder(2, LOT)], BPS, 2_000_000, LOT, 4_000_001)
    assert [one.amount for one in owed] == [3_000_001, 1_000_000]
    assert [one.amount for one in payments([Holder(1, 3)], BPS, 1, LOT, 0)] == [0]


def test_what_rounding_leaves_goes_to_the_largest_fractions_first_come_first() -> None:
    owed = payments([Holder(1, LOT), Holder(2, LOT), Holder(3, LOT)], BPS, 10**6, LOT, 11)
    assert [one.amount for one in owed] == [4, 4, 3]
    owed = payments([Holder(1, LOT), Holder(2, 5 * LOT)], BPS, 10**6, LOT, 10)
    assert [one.amount for one in owed] == [2, 8]


@given(st.lists(st.integers(1, 10**15), max_size=6), st.integers(1, BPS), st.integers(1, 10**9), st.integers(0, 10**12))
def test_all_claims_are_paid_or_all_of_the_collateral(units, share, price, collateral) -> None:
    holders = [Holder(number, amount) for number, amount in enumerate(units)]
    owed = payments(holders, share, price, LOT, collateral)
    claims = [amount * share * price * CLAIM_BPS // (LOT * BPS * BPS) for amount in units]
    assert sum(one.amount for one in owed) == min(collateral, sum(claims))
    assert all(one.amount <= claim for one, claim in zip(owed, claims, strict=True))
    assert [(one.account, one.units) for one in owed] == holders
