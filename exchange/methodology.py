"""The methodology of published prices: every figure they depend on, as integers, in versions that each begin on a day.

A version is a document of the journal, written down before its first day begins. Which one is in force on a day
therefore follows from the documents alone, and a price of that day, a correction of it included, is of that version.
"""

from collections.abc import Sequence

import msgspec

from exchange.core.types import BPS, DAY_NS, DAY_OFFSET_NS, SECOND_NS

METHODOLOGIES_MAX = 1_000  # versions, those never in force included
NOTE_CHARACTERS_MAX = 500
_MINUTE_NS = 60 * SECOND_NS


def _quality() -> dict[str, int]:
    return {"Q1": 7_000, "Q2": 8_500, "Q3": 10_000, "Q4": 12_000, "Q5": 15_000}


def _green() -> dict[str, int]:
    return {"G0": 10_000, "G80": 10_200, "G100": 10_500}


def _hubs() -> dict[str, int]:
    dear, plain, cheap = ("JJJ", "CSJ", "YGA"), ("NAT", "CY"), ("NM", "GZ", "GS", "NX")
    factors = dict.fromkeys(plain, 10_000) | dict.fromkeys(dear, 10_300) | dict.fromkeys(cheap, 9_500)
    return factors | {"EDGE": 11_000}


def _scenarios() -> dict[str, int]:
    return {"PT": 10_000, "FT": 12_000, "RAG": 11_000, "EVAL": 6_000}


def _weights() -> dict[str, int]:
    heavy = dict.fromkeys(("completeness", "diversity", "authenticity", "compliance"), 15)
    return heavy | {"accuracy": 20, "consistency": 10, "benchmark_gain": 10}


class Methodology(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All figures; the defaults are those of the first version, which docs/methodology.md explains."""

    quality_bps: dict[str, int] = msgspec.field(default_factory=_quality)  # by grade; a model of another name: 10,000
    green_bps: dict[str, int] = msgspec.field(default_factory=_green)
    hub_bps: dict[str, int] = msgspec.field(default_factory=_hubs)
    scenario_bps: dict[str, int] = msgspec.field(default_factory=_scenarios)
    quality_weights: dict[str, int] = msgspec.field(default_factory=_weights)  # hundredths
    quality_floor_bps: int = BPS // 2  # of a dataset without any quality
    base_grade: str = "Q3"
    base_hub: str = "NAT"
    dataset_base: int = 20_000  # millionths of a yuan for a million tokens of an ordinary dataset
    bytes_per_token: int = 4  # of a dataset whose tokens nobody counted
    scarce_from_bps: int = 5_000  # share of the issued units that is used up, above which the rest is scarce
    scarcity_bps: int = 5_000  # what each basis point above is worth, in ten-thousandths
    rarity_bps: int = 5_000  # what a dataset is worth more that none could take the place of
    index_trades_min: int = 5
    index_counterparties_min: int = 3  # groups that bought, and groups that sold
    index_cap_bps: int = 2_500  # weight of one group
    index_carried_days_max: int = 31  # an index without an eligible trade lapses after this
    settlement_window_minutes: int = 30

    @property
    def window_ns(self) -> int:
        """Return the length of the window at the end of a day whose mean is the settlement price."""
        return self.settlement_window_minutes * _MINUTE_NS


class MethodologySet(msgspec.Struct, tag=True, frozen=True, forbid_unknown_fields=True):
    """The next version: in force from its first day on, unless a later one begins before."""

    version: int
    first_day: int  # trading days since 1970
    set_ns: int
    note: str
    rules: Methodology


FIRST = MethodologySet(1, 0, 0, "The first methodology.", Methodology())


def day_of(time_ns: int) -> int:
    """Return the trading day of a time: days of China Standard Time since 1970."""
    return (time_ns + DAY_OFFSET_NS) // DAY_NS


def in_force(versions: Sequence[MethodologySet], day: int) -> MethodologySet:
    """Return the version of a day: the latest that has begun; before all of them the first methodology."""
    return next((one for one in reversed(versions) if one.first_day <= day), FIRST)


def first_methodology(_day: int) -> MethodologySet:
    """Return what is in force on any day where nobody ever set another."""
    return FIRST
