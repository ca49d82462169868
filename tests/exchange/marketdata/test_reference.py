"""Reference prices: exact factors, one rounding, and a methodology that says what the code does."""

import re
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.marketdata.reference import (
    Factors,
    allowance_factors,
    appraise,
    base_grade,
    reference_price,
    scarcity_bps,
)
from exchange.methodology import FIRST, Methodology
from exchange.registry.allowances import HUBS

DOCUMENT = (Path(__file__).parents[3] / "docs" / "methodology.md").read_text(encoding="utf-8")
RULES = FIRST.rules
HALF = dict.fromkeys(RULES.quality_weights, 5_000)


@given(st.integers(0, 1 << 60), st.lists(st.integers(0, 20_000), min_size=5, max_size=5))
def test_the_product_is_exact_and_rounded_half_up_once(base, factors):
    exact = Fraction(base)
    for factor in factors:
        exact *= Fraction(factor, 10_000)
    assert reference_price(base, Factors(*factors)) == int(exact + Fraction(1, 2))


def test_factors_follow_the_symbol():
    assert allowance_factors(RULES, "TA.CTEL.Q5.OUT.GZ.M2701.G80A", 11_000) == Factors(
        15_000, 11_000, 10_000, 10_200, 9_500
    )
    assert allowance_factors(RULES, "TA.OPENAI.GPT-4O.IN.NAT.E90.G0A", 10_000) == Factors()
    assert [base_grade(RULES, grade) for grade in ("Q1", "Q3", "GPT-4O")] == ["Q3", "Q3", "GPT-4O"]


@pytest.mark.parametrize(
    ("issued", "burned", "wanted"),
    [(0, 0, 10_000), (100, 0, 10_000), (100, 50, 10_000), (100, 60, 10_500), (100, 100, 12_500)],
)
def test_what_is_used_up_makes_the_rest_dearer(issued, burned, wanted):
    assert scarcity_bps(RULES, issued, burned) == wanted


def test_a_dataset_is_worth_its_tokens_quality_scenario_and_rarity():
    ordinary = appraise(RULES, 1_000_000_000, HALF, "PT", 10**9)
    assert (ordinary.base, ordinary.value, ordinary.factors) == (20_000_000, 20_000_000, Factors())
    perfect = appraise(RULES, 1_000_000_000, dict.fromkeys(HALF, 10_000), "FT", 0)
    assert perfect.factors == Factors(quality=15_000, scarcity=15_000, scenario=12_000)
    assert perfect.value == 54_000_000
    assert appraise(RULES, 25, HALF, "?", 10**9).base == 1  # half a millionth is rounded up


@given(st.integers(0, 1 << 60), st.integers(0, 10_000), st.sampled_from(sorted(RULES.scenario_bps)), st.integers(0, 5))
def test_what_a_dataset_is_worth_is_rounded_once(tokens, accuracy, scenario, alike):
    found = appraise(RULES, tokens, HALF | {"accuracy": accuracy}, scenario, alike)
    exact = Fraction(tokens * RULES.dataset_base, 1_000_000)
    assert found.base == int(exact + Fraction(1, 2))
    for factor in found.factors:
        exact *= Fraction(factor, 10_000)
    assert found.value == int(exact + Fraction(1, 2))


def test_another_methodology_has_other_factors():
    rules = Methodology(
        hub_bps=RULES.hub_bps | {"GZ": 9_000}, scarce_from_bps=0, scarcity_bps=10_000, quality_floor_bps=0, rarity_bps=0
    )
    assert allowance_factors(rules, "TA.CTEL.Q5.OUT.GZ.M2701.G80A", scarcity_bps(rules, 100, 30)) == Factors(
        15_000, 13_000, 10_000, 10_200, 9_000
    )
    assert appraise(rules, 1_000_000_000, HALF, "PT", 0).factors == Factors(quality=5_000)


def test_the_document_says_what_the_code_does():
    assert f"version {FIRST.version}" in DOCUMENT
    said = {name: int(figure) for name, figure in re.findall(r"\| (\w+) \| (\d+) (?=\|)", DOCUMENT)}
    tables = (RULES.quality_bps, RULES.green_bps, RULES.hub_bps, RULES.scenario_bps)
    known = {name: figure for table in (*tables, RULES.quality_weights) for name, figure in table.items()}
    assert said == known
    assert RULES.hub_bps.keys() == set(HUBS)
    for text in ("0.02 yuan", "four bytes", "31\ndays", "8 days", "5 trades, 3 groups a side and 4 groups"):
        assert text in DOCUMENT
