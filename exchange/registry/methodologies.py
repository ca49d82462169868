"""What a version of the methodology must fulfil before it is written down."""

import re
from collections.abc import Mapping, Sequence

from exchange.core.types import BPS
from exchange.methodology import METHODOLOGIES_MAX, NOTE_CHARACTERS_MAX, Methodology, MethodologySet, day_of
from exchange.registry.refusals import DocumentRefusal
from exchange.registry.units import INT64_MAX

FACTORS_MAX = 200  # of one table
FACTOR_MAX = 100 * BPS
DAY_MAX = 1 << 20
WINDOW_MINUTES_MAX = 12 * 60  # a version is written down before its first day, so long before any window of it
CAP_BPS_MIN = 500
CARRIED_DAYS_MAX = 366
COUNT_MAX = 10_000
_NAME = re.compile(r"[A-Z0-9][A-Z0-9_-]{0,15}").fullmatch


def refuse_methodology(known: Sequence[MethodologySet], document: MethodologySet) -> DocumentRefusal | None:
    """Return why a version cannot be the next one behind those known, None if it can."""
    rules = document.rules
    tables = (rules.quality_bps, rules.green_bps, rules.hub_bps, rules.scenario_bps)
    if not all(_NAME(name) for table in tables for name in table):
        return DocumentRefusal.BAD_NAME
    if document.version != known[-1].version + 1:
        return DocumentRefusal.INDEX_NOT_NEXT
    is_long = len(document.note) > NOTE_CHARACTERS_MAX or max(map(len, tables)) > FACTORS_MAX
    if is_long or len(known) >= METHODOLOGIES_MAX:
        return DocumentRefusal.TOO_LONG
    is_ahead = 0 <= document.set_ns <= INT64_MAX and day_of(document.set_ns) < document.first_day <= DAY_MAX
    in_range = all(0 < factor <= FACTOR_MAX for table in tables for factor in table.values())
    if is_ahead and in_range and _are_weights(rules.quality_weights) and _are_within_limits(rules):
        return None
    return DocumentRefusal.BAD_TERMS


def _are_weights(weights: Mapping[str, int]) -> bool:
    return (
        weights.keys() == Methodology().quality_weights.keys()
        and min(weights.values()) >= 0
        and (sum(weights.values()) == 100)
    )


def _are_within_limits(rules: Methodology) -> bool:
    return (
        rules.quality_bps.get(rules.base_grade) == BPS  # indices are of the base: its own factors count for nothing
        and rules.hub_bps.get(rules.base_hub) == BPS
        and 0 < rules.dataset_base < 1 << 40
        and 0 < rules.bytes_per_token <= 1_000
        and 0 <= rules.quality_floor_bps <= FACTOR_MAX
        and 0 <= rules.scarce_from_bps <= BPS
        and 0 <= rules.scarcity_bps <= FACTOR_MAX
        and 0 <= rules.rarity_bps <= FACTOR_MAX
        and 1 <= rules.index_trades_min <= COUNT_MAX
        and 1 <= rules.index_counterparties_min <= COUNT_MAX
        and CAP_BPS_MIN <= rules.index_cap_bps <= BPS
        and 0 <= rules.index_carried_days_max <= CARRIED_DAYS_MAX
        and 1 <= rules.settlement_window_minutes <= WINDOW_MINUTES_MAX
    )
