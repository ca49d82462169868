"""What wordings are learned, how far messages are read, and when all is forgotten."""

from api import wordings
from api.wordings import Messages, Tables
from tests.api.binance.floor import SECOND_SYMBOL, SYMBOL
from tests.api.written import LIMIT, MARKET, NOW_NS, WAYS
from tests.api.written import _knows_all_ways as _knows_all_ways
from tests.api.written import desk as desk


def test_reading_ends_with_the_first_that_is_another_s_business(desk):
    good, bad = desk.written(LIMIT), desk.written(LIMIT | {"price": "0.001"})
    messages = Messages([good, bad, good], NOW_NS)
    assert len(desk.wordings.read(messages, 0).commands) == 1
    assert desk.wordings.read(messages, 1) is None
    assert len(desk.wordings.read(messages, 2).commands) == 1


def test_what_is_not_plain_is_not_learned(desk):
    desk.wordings._tables = Tables()
    stop = LIMIT | {"type": "STOP_LOSS_LIMIT", "stopPrice": "0.30"}
    amount = {name: value for name, value in MARKET.items() if name != "quantity"} | {"quoteOrderQty": "5"}
    for way in (stop, LIMIT | {"icebergQty": "1"}, amount):
        desk.learn(desk.written(way))
        assert desk.read([desk.written(way)]) is None
    desk.wordings.learn(b"anything", None, desk.parsed(desk.written(LIMIT))[2])
    assert not desk.wordings._tables.numbers


def test_all_is_forgotten_when_there_is_no_room(desk, monkeypatch):
    desk.wordings._tables = Tables()
    monkeypatch.setattr(wordings, "WORDINGS_MAX", 2)
    for way in WAYS[:3]:
        desk.learn(desk.written(way))
    found = [desk.read([desk.written(way)]) is not None for way in WAYS[:3]]
    assert found == [False, False, True]


def test_a_known_wording_has_room_for_another_instrument(desk, monkeypatch):
    desk.wordings._tables = tables = Tables()
    monkeypatch.setattr(wordings, "WORDINGS_MAX", 1)
    for symbol in (SYMBOL, SECOND_SYMBOL):
        desk.learn(desk.written(LIMIT | {"symbol": symbol}))
    assert desk.wordings._tables is tables
    assert (
        len(desk.read([desk.written(LIMIT | {"symbol": symbol}) for symbol in (SYMBOL, SECOND_SYMBOL)]).commands) == 2
    )


def test_an_instrument_that_is_no_more_or_behind_a_gate_is_not_read(desk):
    message = desk.written(LIMIT)
    instrument = desk.directory.instrument(SYMBOL)
    instrument.is_listed = False
    assert desk.read([message]) is None
    instrument.is_listed = True
    desk.learn(message)
    assert desk.read([message]) is not None
    desk.floor.registry.gates[instrument.index] = object()
    assert desk.read([message]) is None
    desk.floor.registry.gates.clear()
