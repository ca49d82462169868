"""Reference prices: what a thing would cost by its properties, for bands, collateral and ties of auctions.

base x quality x scarcity x scenario x green x hub, each factor in basis points, multiplied exactly and rounded half up
once. The factors are those of a version of the methodology; docs/methodology.md explains the first. A reference price
never stands in for a market price.
"""

from collections.abc import Mapping
from typing import NamedTuple

from exchange.core.types import BPS
from exchange.methodology import Methodology

TOKENS_OF_BASE = 1_000_000  # of a dataset, that its base is the price of


class Factors(NamedTuple):
    """What a base price is multiplied with, in basis points."""

    quality: int = BPS
    scarcity: int = BPS
    scenario: int = BPS
    green: int = BPS
    hub: int = BPS


class Appraisal(NamedTuple):
    """What a dataset is worth by the methodology, in quote units of six decimals."""

    base: int
    factors: Factors
    value: int


def reference_price(base: int, factors: Factors, base_of: int = 1) -> int:
    """Return base x factors, rounded half up once, where the base is of so many of what the price is of one."""
    product, whole = base, base_of
    for factor in factors:
        product *= factor
        whole *= BPS
    return (2 * product + whole) // (2 * whole)


def scarcity_bps(rules: Methodology, issued_units: int, burned_units: int) -> int:
    """Return how much dearer units are once more of those issued are used up than leaves plenty."""
    if not issued_units:
        return BPS
    above = max(0, burned_units * BPS // issued_units - rules.scarce_from_bps)
    return BPS + above * rules.scarcity_bps // BPS


def allowance_factors(rules: Methodology, symbol: str, scarcity: int) -> Factors:
    """Return the factors of an allowance relative to its base: the base grade, no green power, the base hub."""
    _, _, grade, _, hub, _, flags = symbol.split(".")
    return Factors(
        quality=rules.quality_bps.get(grade, BPS),
        scarcity=scarcity,
        green=rules.green_bps.get(flags[:-1], BPS),
        hub=rules.hub_bps.get(hub, BPS),
    )


def base_grade(rules: Methodology, grade: str) -> str:
    """Return the grade whose index is the base: one for all graded tokens, the model itself for named ones."""
    return rules.base_grade if grade in rules.quality_bps else grade


def quality_bps(rules: Methodology, vector: Mapping[str, int]) -> int:
    """Return the factor of a quality vector: from that of none of anything to 10,000 more for all of it."""
    weighted = sum(vector[name] * weight for name, weight in rules.quality_weights.items())
    return rules.quality_floor_bps + weighted // 100


def appraise(rules: Methodology, tokens: int, vector: Mapping[str, int], scenario: str, alike_count: int) -> Appraisal:
    """Return what access to a dataset is worth; `alike_count` other datasets could take its place."""
    base = tokens * rules.dataset_base  # of a million tokens each
    factors = Factors(
        quality=quality_bps(rules, vector),
        scarcity=BPS + rules.rarity_bps // (1 + alike_count),
        scenario=rules.scenario_bps.get(scenario, BPS),
    )
    rounded, value = (reference_price(base, each, TOKENS_OF_BASE) for each in (Factors(), factors))
    return Appraisal(rounded, factors, value)
