"""Numbers are shown exactly, and never as floating point; what the engine numbers has a name."""

import pytest

from api.binance.texts import InstrumentTexts, Names
from tests.api.binance.floor import ALLOWANCE, CNY, INSTRUMENT, LOT, SYMBOL, Floor


@pytest.fixture(scope="module")
def names() -> Names:
    return Names(Floor().registry)


@pytest.fixture(scope="module")
def texts(names: Names) -> InstrumentTexts:
    return names.texts(INSTRUMENT)


def test_a_price_has_the_decimals_of_its_tick(texts: InstrumentTexts) -> None:
    assert (texts.price(1_234), texts.price(-1)) == ("12.34", "-0.01")


def test_a_quantity_has_the_decimals_of_its_lot(texts: InstrumentTexts) -> None:
    assert texts.quantity(7) == "7"


def test_an_amount_has_the_decimals_of_the_quote_asset(texts: InstrumentTexts) -> None:
    assert (texts.amount(-12_345), texts.amount(1_500_000)) == ("-0.012345", "1.500000")


def test_levels_are_pairs_of_texts(texts: InstrumentTexts) -> None:
    assert texts.levels([(100, 1), (99, 0)]) == [["1.00", "1"], ["0.99", "0"]]


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(1, 3, "33.333"), (-1, 3, "-33.333"), (0, 5, "0.000"), (5, 0, "0.000"), (3, 2, "150.000")],
)
def test_per_cent_are_cut_off(texts: InstrumentTexts, part: int, whole: int, text: str) -> None:
    assert texts.percent(part, whole) == text


def test_an_instrument_is_found_by_its_symbol(names: Names) -> None:
    assert (names.find(SYMBOL), names.find("NONE"), names.texts(INSTRUMENT).symbol) == (INSTRUMENT, 0, SYMBOL)


def test_an_instrument_that_is_not_listed_yet_is_not_found() -> None:
    floor = Floor()
    instrument = floor.registry.instrument(SYMBOL)
    assert instrument is not None
    instrument.is_listed = False

    assert Names(floor.registry).find(SYMBOL) == 0


def test_texts_are_made_once(names: Names) -> None:
    assert names.texts(INSTRUMENT) is names.texts(INSTRUMENT)


def test_assets_are_known_by_index(names: Names) -> None:
    assert names.assets(INSTRUMENT) == (ALLOWANCE, CNY)
    assert (names.asset_name(CNY), names.asset_name(ALLOWANCE)) == ("CNY", SYMBOL)
    assert (names.asset_amount(CNY, 5), names.asset_amount(ALLOWANCE, 7 * LOT)) == ("0.000005", "7.000000")
