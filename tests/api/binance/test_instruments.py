"""Instruments as exchangeInfo shows them, encoded again only where a fact changed."""

import json

from api.binance import schema
from api.binance.directory import Directory
from api.binance.instruments import InstrumentBodies, instrument_body
from api.limits import Limits
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


def test_a_page_is_kept_until_a_fact_of_its_instruments_changes():
    floor = Floor()
    directory = Directory(floor.registry)
    bodies = InstrumentBodies(directory)
    instruments = directory.listed()
    first = bodies.page(0, instruments)
    assert (first[0].text, first[1]) == (b",".join(map(bodies.body, instruments)), True)
    assert bodies.page(0, instruments) == (first[0], False)
    assert bodies.page(1, instruments[1:])[1]
    floor.act(commands.set_price_band(INSTRUMENT, 5, 50))
    page, was_encoded = bodies.page(0, instruments)
    assert was_encoded
    banded = json.loads(b"[" + page.text + b"]")[0]
    texts = directory.texts(INSTRUMENT)
    assert (banded["filters"][0]["minPrice"], banded["filters"][0]["maxPrice"]) == (texts.price(5), texts.price(50))
    assert not bodies.page(1, instruments[1:])[1]


def test_state_and_limits_are_those_of_now():
    floor = Floor()
    directory = Directory(floor.registry)
    instrument = directory.instrument(SYMBOL)
    floor.act(
        commands.set_trading_state(INSTRUMENT, TradingState.HALTED),
        commands.set_instrument_limits(INSTRUMENT, open_orders_max=7, notional_max=5_000_000, position_bps=0),
    )
    body = instrument_body(instrument, directory)
    filters = {one["filterType"]: one for one in body["filters"]}
    assert body["status"] == "HALT"
    assert (filters["MAX_NUM_ORDERS"]["maxNumOrders"], filters["NOTIONAL"]["maxNotional"]) == (7, "5.000000")


def test_the_tag_stands_for_limits_and_instruments():
    bodies = InstrumentBodies(Directory(Floor().registry))
    assert bodies.tag(7, Limits()) == bodies.tag(7, Limits())
    assert len({bodies.tag(7, Limits()), bodies.tag(8, Limits()), bodies.tag(7, Limits(orders_per_10s=1))}) == 3
