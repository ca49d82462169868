"""What the demo lists: real models at list prices that fit their ticks, and one licence."""

from decimal import Decimal

import pytest
from genai_prices import Usage, calc_price

from api.demo.world import MILLION, YUAN_PER_DOLLAR, listings


@pytest.fixture(scope="module")
def world():
    return listings()


def test_every_price_is_a_positive_number_of_ticks(world):
    for listing in world:
        assert listing.price > 0
        assert listing.price % listing.tick == 0


def test_symbols_are_unique_and_fit_the_register(world):
    symbols = [listing.symbol for listing in world]
    assert len(set(symbols)) == len(symbols)
    assert all(len(symbol) <= 40 and symbol.upper() == symbol for symbol in symbols)


def test_an_output_allowance_costs_the_published_price(world):
    listing = next(listing for listing in world if listing.symbol.startswith("TA.OPENAI.GPT-4O.OUT"))
    priced = calc_price(Usage(output_tokens=MILLION), "gpt-4o", provider_id="openai")
    assert listing.price == priced.output_price * YUAN_PER_DOLLAR


def test_the_metered_blend_stands_between_input_and_output(world):
    blend = world[0]
    assert ".BLEND." in blend.symbol
    priced = calc_price(Usage(input_tokens=MILLION, output_tokens=MILLION), "deepseek-chat", provider_id="deepseek")
    assert priced.input_price * YUAN_PER_DOLLAR < blend.price < priced.output_price * YUAN_PER_DOLLAR


def test_there_is_one_dataset_licence(world):
    licences = [listing for listing in world if listing.kind == "LICENCE"]
    assert [listing.tick for listing in licences] == [Decimal("0.01")]
