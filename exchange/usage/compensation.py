"""What holders get when an issuer does not deliver: min(collateral, 110 % of the index), shared in proportion."""

from typing import NamedTuple

from exchange.core.types import BPS
from exchange.expiry import Holder

CLAIM_BPS = 11_000  # of the index


class Payment(NamedTuple):
    """What one holder gets, in units of cash."""

    account: int
    units: int
    amount: int


def payments(holders: list[Holder], share_bps: int, price: int, lot_units: int, collateral: int) -> list[Payment]:
    """Return what everybody gets for the share of units that was not delivered; `price` is of a lot.

    A claim is rounded down. Where the collateral is short all of it is paid, in proportion to the claims: what rounding
    leaves over goes, one unit each, to the largest fractions, among equals to the first.
    """
    divisor = lot_units * BPS * BPS
    claims = [one.units * share_bps * price * CLAIM_BPS // divisor for one in holders]
    total = sum(claims)
    if total > collateral:
        parts = [divmod(collateral * claim, total) for claim in claims]
        claims = [amount for amount, _ in parts]
        order = sorted(range(len(parts)), key=lambda place: -parts[place][1])
        for place in order[: collateral - sum(claims)]:
            claims[place] += 1
    return [Payment(*one, amount) for one, amount in zip(holders, claims, strict=True)]
