"""The index of a grade of tokens: what a million of them cost on a day, computed in integers from eligible trades.

Trades within an account group and trades that were undone do not count. Each trade weighs twice: once for the buyer's
group, once for the seller's, by its units; the price of the day is the mean of what the groups paid and got, by weight,
with no group above its cap, a quarter of it unless the methodology says otherwise. It does not depend on the order of
trades, and only its end is rounded, half up.
"""

from collections.abc import Iterable
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from exchange.core.types import BPS
from exchange.marketdata.folds.prices import OWN_UNITS, UNITS, total
from exchange.methodology import Methodology, MethodologySet

INDEX_UNITS = 1_000_000  # base units that an index is the price of, in quote units
_SYMBOL_PARTS = 7  # TA.issuer.grade.direction.hub.window.flags
_DIRECTIONS = frozenset(("IN", "OUT", "BLEND"))


class IndexKey(NamedTuple):
    """What an index is of: a grade or model, a direction and a hub, priced in a cash asset."""

    grade: str
    direction: str
    hub: str
    quote: int

    @property
    def name(self) -> str:
        """Return the name it is published under."""
        return f"{self.grade}.{self.direction}.{self.hub}"


class Quality(StrEnum):
    """How the price of a day came about."""

    FULL = "FULL"  # enough trades among enough groups
    PREVIOUS = "PREVIOUS"  # too few: the day before's
    THIN = "THIN"  # too few, and no day before: the plain mean of those there were
    NONE = "NONE"  # all that an earlier version counted was undone


class IndexRow(NamedTuple):
    """One version of an index on a day; price in quote units for INDEX_UNITS base units."""

    day: int  # trading days since 1970
    name: str
    quote: int
    version: int
    price: int
    quality: str
    age_days: int  # since the day whose trades made the price
    trade_count: int  # eligible
    excluded_count: int
    buyer_count: int  # groups
    seller_count: int
    capped_count: int  # groups that would have weighed more than the cap
    coverage_bps: int  # eligible units of all units traded
    units: int  # eligible
    methodology: int  # version


class _Part:
    """What one group traded."""

    __slots__ = ("amount", "bought_units", "sold_units")

    def __init__(self) -> None:
        self.bought_units = 0
        self.sold_units = 0
        self.amount = 0

    @property
    def weight(self) -> int:
        return self.bought_units + self.sold_units


class Tally:
    """The trades of one index on one day, summed up by group; a trade that is undone is subtracted again."""

    def __init__(self) -> None:
        self.trade_count = 0
        self.units = 0
        self.excluded_count = 0
        self.excluded_units = 0
        self._parts: dict[int, _Part] = {}

    def add(self, buyer_group: int, seller_group: int, units: int, amount: int, sign: int = 1) -> None:
        """Count a trade, or with sign -1 take it back."""
        if buyer_group == seller_group:
            self.excluded_count += sign
            self.excluded_units += sign * units
            return
        self.trade_count += sign
        self.units += sign * units
        buyer = self._parts.setdefault(buyer_group, _Part())
        buyer.bought_units += sign * units
        buyer.amount += sign * amount
        seller = self._parts.setdefault(seller_group, _Part())
        seller.sold_units += sign * units
        seller.amount += sign * amount

    def add_sums(self, book: np.void) -> None:
        """Count trades that were summed up already, but for what each group traded."""
        self.trade_count += int(book["trade_count"])
        self.units += total(book["sums"][UNITS])
        self.excluded_count += int(book["own_count"])
        self.excluded_units += total(book["sums"][OWN_UNITS])

    def add_parts(self, parts: np.ndarray, groups: np.ndarray) -> None:
        """Add what groups traded."""
        for group in groups.tolist():
            part, found = self._parts.setdefault(group, _Part()), parts[group]
            part.bought_units += total(found["bought"][0])
            part.sold_units += total(found["sold"][0])
            part.amount += total(found["amount"][0])

    def row(
        self, key: IndexKey, day: int, version: int, previous: IndexRow | None, methodology: MethodologySet
    ) -> IndexRow | None:
        """Return what is published for a day, None if there is nothing to say."""
        rules = methodology.rules
        parts = [part for part in self._parts.values() if part.weight]
        buyers = sum(part.bought_units > 0 for part in parts)
        sellers = sum(part.sold_units > 0 for part in parts)
        is_full = self.trade_count >= rules.index_trades_min and min(buyers, sellers) >= rules.index_counterparties_min
        limit = weight_limit([part.weight for part in parts], rules.index_cap_bps) if is_full else 0
        price, quality, age = self._price(parts, limit, previous, rules)
        if quality is Quality.NONE and version == 1:
            return None
        total = self.units + self.excluded_units
        return IndexRow(
            day=day,
            name=key.name,
            quote=key.quote,
            version=version,
            price=price,
            quality=quality.value,
            age_days=age,
            trade_count=self.trade_count,
            excluded_count=self.excluded_count,
            buyer_count=buyers,
            seller_count=sellers,
            capped_count=sum(part.weight > limit for part in parts) if limit else 0,
            coverage_bps=self.units * BPS // total if total else 0,
            units=self.units,
            methodology=methodology.version,
        )

    def _price(
        self, parts: list[_Part], limit: int, previous: IndexRow | None, rules: Methodology
    ) -> tuple[int, Quality, int]:
        if limit:
            return _mean(parts, limit), Quality.FULL, 0
        if previous is not None and previous.price and previous.age_days < rules.index_carried_days_max:
            return previous.price, Quality.PREVIOUS, previous.age_days + 1
        if parts:
            return _mean(parts, max(part.weight for part in parts)), Quality.THIN, 0
        return 0, Quality.NONE, 0


def key_of(symbol: str, quote: int) -> IndexKey | None:
    """Return the index that an instrument's trades count in, None for a licence."""
    parts = symbol.split(".")
    if len(parts) != _SYMBOL_PARTS or parts[0] != "TA" or parts[3] not in _DIRECTIONS:
        return None
    return IndexKey(parts[2], parts[3], parts[4], quote)


def groups_min(cap_bps: int) -> int:
    """Return how many groups there must be so that all can obey the cap."""
    return -(-BPS // cap_bps)


def weight_limit(weights: Iterable[int], cap_bps: int) -> int:
    """Return the highest whole weight L such that L is at most the cap's share of the sum of min(weight, L).

    The heaviest weight if it obeys as it is; 0 if there are too few weights for all of them to obey.
    """
    falling = sorted(weights, reverse=True)
    if len(falling) < groups_min(cap_bps):
        return 0
    rest, capped = sum(falling), 0
    # the last that is needed never is: it is part of the rest
    while falling[capped] > (limit := rest * cap_bps // (BPS - capped * cap_bps)):
        rest -= falling[capped]
        capped += 1
    return limit if capped else falling[0]


def _mean(parts: list[_Part], limit: int) -> int:
    """Return the mean price by weights of at most `limit`; few of them are cut, so the sum stays small."""
    amount, weight = Fraction(0), 0
    for part in parts:
        amount += part.amount if part.weight <= limit else Fraction(part.amount * limit, part.weight)
        weight += min(part.weight, limit)
    return int(amount * INDEX_UNITS / weight + Fraction(1, 2))
