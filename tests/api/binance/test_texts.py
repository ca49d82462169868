"""Numbers are shown exactly, and never as floating point."""

import pytest

from api.binance.texts import InstrumentTexts
from tests.api.binance.floor import INSTRUMENT, Floor


@pytest.fixture(scope="module")
def texts() -> InstrumentTexts:
    instrument = Floor().registry.instrument_at(INSTRUMENT)
    assert instrument is not None
    return InstrumentTexts(instrument, quote_decimals=6)


def test_a_price_has_the_decimals_of_its_tick(texts: InstrumentTexts) -> None:
    assert (texts.price(1_234), texts.price(-1)) == ("12.34", "-0.01")


def test_a_quantity_has_the_decimals_of_its_lot(texts: InstrumentTexts) -> None:
    assert texts.quantity(7) == "7"


def test_an_amount_has_the_decimals_of_the_quote_asset(texts: InstrumentTexts) -> None:
    assert (texts.amount(-12_345), texts.amount(1_500_000)) == ("-0.012345", "1.500000")


def test_levels_are_pairs_of_texts(texts: InstrumentTexts) -> None:
    assert texts.levels([(100, 1), (99, 0)]) == [["1.00", "1"], ["0.99", "0"]]


def test_a_level_that_is_gone_is_told_by_the_text_that_clients_look_for(texts: InstrumentTexts) -> None:
    assert texts.changes([(100, 1), (99, 0)]) == [["1.00", "1"], ["0.99", "0.00000000"]]


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 3, "33.333"), (-1, 3, "-33.333"), (0, 5, "0.000"), (5, 0, "0.000"), (3, 2, "150.000")],
)
def test_per_cent_are_cut_off(texts: InstrumentTexts, part: int, whole: int, text: str) -> None:
    assert texts.percent(part, whole) == text
