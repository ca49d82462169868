"""Instruments and assets by name and by index."""

import pytest

from api import errors
from api.binance.directory import Directory
from api.errors import RequestError
from exchange.registry.documents import encode
from tests.api.binance.floor import (
    ALLOWANCE,
    CNY,
    INSTRUMENT,
    LOT,
    OTHER,
    SECOND,
    SECOND_SYMBOL,
    SYMBOL,
    Floor,
    listing,
)


@pytest.fixture(scope="module")
def floor():
    return Floor()


@pytest.fixture
def directory(floor):
    return Directory(floor.registry)


def problem(function, *arguments):
    with pytest.raises(RequestError) as caught:
        function(*arguments)
    return caught.value.problem


def test_instruments_are_found_by_symbol(directory):
    assert directory.instrument(SYMBOL).index == INSTRUMENT
    assert directory.find(SYMBOL) == INSTRUMENT
    assert directory.find("TA.NONE") == 0
    assert problem(directory.instrument, "TA.NONE") == errors.INVALID_SYMBOL
    assert problem(directory.instrument, "ta.none").code == -1100


def test_one_several_or_all_are_listed(directory):
    assert [one.symbol for one in directory.listed(SYMBOL)] == [SYMBOL]
    assert [one.symbol for one in directory.listed(symbols=(SECOND_SYMBOL, SYMBOL))] == [SECOND_SYMBOL, SYMBOL]
    assert [one.index for one in directory.listed()] == [INSTRUMENT, SECOND]
    assert problem(directory.listed, "", ("TA.NONE",)) == errors.INVALID_SYMBOL


def test_what_is_named_but_not_listed_is_unknown():
    floor = Floor()
    floor.registry.apply(encode(listing(3, "TA.NEXT", ALLOWANCE)))
    directory = Directory(floor.registry)
    assert floor.registry.instrument("TA.NEXT") is not None
    assert directory.find("TA.NEXT") == 0
    assert problem(directory.instrument, "TA.NEXT") == errors.INVALID_SYMBOL
    assert len(directory.listed()) == 2


def test_numbers_are_shown_by_the_terms(directory):
    assert directory.texts(INSTRUMENT) is directory.texts(INSTRUMENT)
    assert directory.texts(INSTRUMENT).symbol == SYMBOL
    assert directory.assets(SECOND) == (OTHER, CNY)
    assert (directory.asset_name(CNY), directory.decimals(CNY)) == ("CNY", 6)
    assert directory.asset_amount(CNY, -LOT) == "-1.000000"
