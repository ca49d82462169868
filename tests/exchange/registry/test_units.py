"""Text to integers and back, against exact decimal arithmetic."""

from decimal import Context, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.registry.units import (
    DECIMALS_MAX,
    INT64_MAX,
    NumberRefusal,
    format_steps,
    format_units,
    parse_steps,
    parse_units,
)

NUMBERS = st.from_regex(r"[0-9]{1,20}(\.[0-9]{1,20})?", fullmatch=True)
DECIMALS = st.integers(0, DECIMALS_MAX)
EXACT = Context(prec=100)  # the default rounds to 28 digits


@pytest.mark.parametrize(
    ("text", "decimals", "units"),
    [
        ("0", 6, 0),
        ("1", 6, 1_000_000),
        ("1.5", 6, 1_500_000),
        ("0.000001", 6, 1),
        ("12.340000000", 6, 12_340_000),
        ("007.10", 1, 71),
        ("3", 0, 3),
        ("3.0", 0, 3),
        ("9223372036854775807", 0, INT64_MAX),
        ("9223372036854.775807", 6, INT64_MAX),
    ],
)
def test_a_number_is_taken_exactly(text, decimals, units):
    assert parse_units(text, decimals) == units


@pytest.mark.parametrize(
    ("text", "refusal"),
    [
        ("", NumberRefusal.NOT_A_NUMBER),
        (".", NumberRefusal.NOT_A_NUMBER),
        (".5", NumberRefusal.NOT_A_NUMBER),
        ("5.", NumberRefusal.NOT_A_NUMBER),
        ("+5", NumberRefusal.NOT_A_NUMBER),
        (" 5", NumberRefusal.NOT_A_NUMBER),
        ("5\n", NumberRefusal.NOT_A_NUMBER),
        ("1_000", NumberRefusal.NOT_A_NUMBER),
        ("1,5", NumberRefusal.NOT_A_NUMBER),
        ("1e5", NumberRefusal.NOT_A_NUMBER),
        ("1E-5", NumberRefusal.NOT_A_NUMBER),
        ("0x10", NumberRefusal.NOT_A_NUMBER),
        ("NaN", NumberRefusal.NOT_A_NUMBER),
        ("inf", NumberRefusal.NOT_A_NUMBER),
        ("-inf", NumberRefusal.NOT_A_NUMBER),
        ("--1", NumberRefusal.NOT_A_NUMBER),
        ("\u0661\u0662", NumberRefusal.NOT_A_NUMBER),
        ("\u00b2", NumberRefusal.NOT_A_NUMBER),
        ("1" * 21, NumberRefusal.NOT_A_NUMBER),
        ("1." + "0" * 21, NumberRefusal.NOT_A_NUMBER),
        ("-1", NumberRefusal.NEGATIVE),
        ("-0.5", NumberRefusal.NEGATIVE),
        ("0.0000001", NumberRefusal.TOO_FINE),
        ("9223372036854.775808", NumberRefusal.TOO_LARGE),
        ("99999999999999999999", NumberRefusal.TOO_LARGE),
    ],
)
def test_what_is_no_number_says_why(text, refusal):
    assert parse_units(text, 6) is refusal
    assert parse_steps(text, 100, 6) is refusal


@pytest.mark.parametrize(
    ("text", "step", "decimals", "count"),
    [
        ("12.3457", 1, 4, 123_457),
        ("12.3457", 100, 6, 123_457),
        ("12.34575", 100, 6, NumberRefusal.TOO_FINE),
        ("0.05", 5, 2, 1),
        ("0.07", 5, 2, NumberRefusal.TOO_FINE),
        ("7", 1, 0, 7),
        ("7.5", 1, 0, NumberRefusal.TOO_FINE),
    ],
)
def test_a_price_is_whole_ticks_and_a_quantity_whole_lots(text, step, decimals, count):
    assert parse_steps(text, step, decimals) == count


@pytest.mark.parametrize(
    ("units", "decimals", "text"),
    [(0, 6, "0.000000"), (1, 6, "0.000001"), (1_500_000, 6, "1.500000"), (42, 0, "42"), (-5, 2, "-0.05")],
)
def test_an_integer_is_written_with_all_its_decimals(units, decimals, text):
    assert format_units(units, decimals) == text


def test_steps_are_written_as_what_they_are_worth():
    assert format_steps(123_457, 1, 4) == "12.3457"
    assert format_steps(3, 5, 2) == "0.15"


@given(NUMBERS, DECIMALS)
def test_every_number_is_what_decimal_arithmetic_says(text, decimals):
    exact = Decimal(text).scaleb(decimals, EXACT)
    if exact != exact.to_integral_value():
        expected = NumberRefusal.TOO_FINE
    else:
        expected = int(exact) if exact <= INT64_MAX else NumberRefusal.TOO_LARGE
    assert parse_units(text, decimals) == expected


@given(st.text(max_size=25), DECIMALS)
def test_no_text_breaks_the_parser_and_only_plain_numbers_pass(text, decimals):
    found = parse_units(text, decimals)
    if isinstance(found, int):
        assert set(text) <= set("0123456789.")
        assert found == Decimal(text).scaleb(decimals, EXACT)


@given(st.integers(0, INT64_MAX), DECIMALS)
def test_what_is_written_is_read_back(units, decimals):
    assert parse_units(format_units(units, decimals), decimals) == units


@given(st.integers(-INT64_MAX, INT64_MAX), DECIMALS)
def test_what_is_written_is_exact(units, decimals):
    assert Decimal(format_units(units, decimals)) == Decimal(units).scaleb(-decimals)


@given(st.integers(0, 1 << 31), st.integers(1, 1 << 30), DECIMALS)
def test_steps_are_read_back(count, step, decimals):
    assert parse_steps(format_steps(count, step, decimals), step, decimals) == count
