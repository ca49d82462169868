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

    Every amount is rounded down, so no more than the collateral is paid.
    """
    divisor = lot_units * BPS * BPS
    claims = [one.units * share_bps * price * CLAIM_BPS // divisor for one in holders]
    total = sum(claims)
    if total > collateral:
        claims = [collateral * claim // total for claim in claims]
    return [Payment(*one, amount) for one, amount in zip(holders, claims, strict=True)]
