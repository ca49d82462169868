"""Instruments as exchangeInfo shows them, encoded again only when a fact changed."""

import json

from api.binance import schema
from api.binance.directory import Directory
from api.binance.instruments import InstrumentBodies, instrument_body
from exchange.core import commands
from exchange.core.types import TradingState
from tests.api.binance.floor import INSTRUMENT, SYMBOL, Floor


def test_an_instrument_keeps_to_its_schema():
    floor = Floor()
    directory = Directory(floor.registry)
    body = json.loads(json.dumps(instrument_body(directory.instrument(SYMBOL), directory)))
    schema.Symbol.model_validate(body)
    assert body["symbol"] == SYMBOL
    assert {one["filterType"] for one in body["filters"]} >= {"PRICE_FILTER", "LOT_SIZE", "NOTIONAL"}


def test_a_body_is_kept_until_a_fact_changes():
    floor = Floor()
    directory = Directory(floor.registry)
    bodies = InstrumentBodies(directory)
    instrument = directory.instrument(SYMBOL)
    first = bodies.body(instrument)
    assert bodies.body(instrument) is first
    floor.act(commands.set_price_band(INSTRUMENT, 5, 50))
    banded = json.loads(bodies.body(instrument))
    texts = directory.texts(INSTRUMENT)
    assert (banded["filters"][0]["minPrice"], banded["filters"][0]["maxPrice"]) == (texts.price(5), texts.price(50))
    floor.act(commands.set_trading_state(INSTRUMENT, TradingState.HALTED))
    assert json.loads(bodies.body(instrument))["status"] == "HALT"
