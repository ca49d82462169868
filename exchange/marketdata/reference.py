"""Reference prices: what a thing would cost by its properties, for bands, collateral and ties of auctions.

base x quality x scarcity x scenario x green x hub, each factor in basis points, multiplied exactly and rounded half up
once. The factors are the methodology; it has a version, and docs/methodology.md explains it. A reference price never
stands in for a market price.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from exchange.core.types import BPS

METHODOLOGY_VERSION = 1
BASE_GRADE = "Q3"
BASE_HUB = "NAT"
DATASET_BASE = 20_000  # millionths of a yuan for a million tokens of an ordinary dataset
BYTES_PER_TOKEN = 4  # of a dataset whose tokens nobody counted
SCARCE_FROM_BPS = 5_000  # share of the issued units that is used up, above which the rest is scarce
SCENARIO_DEFAULT = BPS
QUALITY_BPS = MappingProxyType({"Q1": 7_000, "Q2": 8_500, "Q3": 10_000, "Q4": 12_000, "Q5": 15_000})
GREEN_BPS = MappingProxyType({"G0": 10_000, "G80": 10_200, "G100": 10_500})
HUB_BPS = MappingProxyType({
    "NAT": 10_000,
    "JJJ": 10_300,
    "YRD": 10_300,
    "GBA": 10_300,
    "CY": 10_000,
    "NM": 9_500,
    "GZ": 9_500,
    "GS": 9_500,
    "NX": 9_500,
    "EDGE": 11_000,
})  # fmt: skip
SCENARIO_BPS = MappingProxyType({"PT": 10_000, "FT": 12_000, "RAG": 11_000, "EVAL": 6_000})
QUALITY_WEIGHTS = MappingProxyType({
    "completeness": 15,
    "accuracy": 20,
    "consistency": 10,
    "diversity": 15,
    "authenticity": 15,
    "compliance": 15,
    "benchmark_gain": 10,
})  # fmt: skip


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
    methodology: int


assert sum(QUALITY_WEIGHTS.values()) == 100


def reference_price(base: int, factors: Factors) -> int:
    """Return base x factors, rounded half up once, in the unit of the base."""
    product, whole = base, 1
    for factor in factors:
        product *= factor
        whole *= BPS
    return (2 * product + whole) // (2 * whole)


def scarcity_bps(issued_units: int, burned_units: int) -> int:
    """Return how much dearer units are once more than half of those issued are used up: at most a quarter."""
    if not issued_units:
        return BPS
    return BPS + max(0, burned_units * BPS // issued_units - SCARCE_FROM_BPS) // 2


def allowance_factors(symbol: str, scarcity: int) -> Factors:
    """Return the factors of an allowance relative to its base: grade 3, no green power, national hub."""
    _, _, grade, _, hub, _, flags = symbol.split(".")
    return Factors(
        quality=QUALITY_BPS.get(grade, BPS),
        scarcity=scarcity,
        green=GREEN_BPS.get(flags[:-1], BPS),
        hub=HUB_BPS.get(hub, BPS),
    )


def base_grade(grade: str) -> str:
    """Return the grade whose index is the base: grade 3 for graded tokens, the model itself for named ones."""
    return BASE_GRADE if grade in QUALITY_BPS else grade


def quality_bps(vector: Mapping[str, int]) -> int:
    """Return the factor of a quality vector in basis points: 5,000 for none of anything, 15,000 for all of it."""
    mean = sum(vector[name] * weight for name, weight in QUALITY_WEIGHTS.items()) // 100
    return BPS // 2 + mean


def appraise(tokens: int, vector: Mapping[str, int], scenario: str, alike_count: int) -> Appraisal:
    """Return what access to a dataset is worth; `alike_count` other datasets could take its place."""
    base = (2 * tokens * DATASET_BASE + 1_000_000) // 2_000_000
    factors = Factors(
        quality=quality_bps(vector),
        scarcity=BPS + BPS // (2 * (1 + alike_count)),
        scenario=SCENARIO_BPS.get(scenario, SCENARIO_DEFAULT),
    )
    return Appraisal(base, factors, reference_price(base, factors), METHODOLOGY_VERSION)
