"""Tickers of many instruments: those that changed, of those asked for, each encoded once."""

from typing import Any

import orjson
import pytest

from api.binance import tickers
from api.binance.streams import FAST_MS, SLOW_MS, Kind, Stream
from api.stream.backlog import Backlog, Message
from tests.api.binance.floor import INSTRUMENT, SECOND, SECOND_SYMBOL, START_MS, SYMBOL, buy, sell
from tests.api.binance.test_feed import Fed, take


@pytest.fixture
def fed() -> Fed:
    return Fed()


def trade_both(fed: Fed) -> None:
    fed.act(sell(100, 1), buy(100, 1), sell(7, 1, instrument=SECOND), buy(7, 1, instrument=SECOND))


@pytest.mark.parametrize(("what", "name"), [("!ticker@arr", "24hrTicker"), ("!miniTicker@arr", "24hrMiniTicker")])
def test_the_tickers_of_all_that_traded_are_told_together_and_once(fed: Fed, what: str, name: str) -> None:
    _, wire = fed.subscribe(what)
    fed.act(sell(101, 1))
    fed.feed.beat(SLOW_MS)
    assert take(fed, wire) == []
    trade_both(fed)
    fed.feed.beat(SLOW_MS)
    (rows,) = take(fed, wire)
    assert [(row["e"], row["s"], row["c"]) for row in rows] == [(name, SYMBOL, "1.00"), (name, SECOND_SYMBOL, "0.07")]
    fed.feed.beat(SLOW_MS)
    assert take(fed, wire) == []


def test_only_what_fits_a_pattern_is_told(fed: Fed) -> None:
    chosen = {}
    for patterns in ("TA.OTHER", "TA.CTEL.*,X", "ta.*", "*.G8?A", "DL.*"):
        chosen[patterns] = fed.subscribe(f"!miniTicker@arr@100ms@{patterns}")[1]
    trade_both(fed)
    fed.feed.beat(FAST_MS)
    said = {patterns: [row["s"] for rows in take(fed, wire) for row in rows] for patterns, wire in chosen.items()}
    assert said == {
        "TA.OTHER": [SECOND_SYMBOL],
        "TA.CTEL.*,X": [SYMBOL],
        "ta.*": [SYMBOL, SECOND_SYMBOL],
        "*.G8?A": [SYMBOL],
        "DL.*": [],
    }


def test_what_happened_is_looked_through_once_for_all_streams(fed: Fed) -> None:
    found = fed.sources.tickers
    rows = fed.act(sell(100, 1), buy(100, 1), sell(7, 1, instrument=SECOND)).rows.rows
    assert found.touched(rows, books=False) == {INSTRUMENT}
    assert found.touched(rows, books=True) == {INSTRUMENT, SECOND}
    assert found.touched(rows, books=True) is found.touched(rows, books=True)
    assert found.touched([], books=True) == set()


def test_best_levels_are_told_when_they_moved(fed: Fed) -> None:
    _, wire = fed.subscribe("!bookTicker@arr@100ms")

    def beat() -> list[Any]:
        fed.feed.beat(FAST_MS)
        return [(row["s"], row["b"], row["B"]) for rows in take(fed, wire) for row in rows]

    fed.act(buy(100, 1), buy(7, 1, instrument=SECOND))
    assert beat() == [(SYMBOL, "1.00", "1"), (SECOND_SYMBOL, "0.07", "1")]
    fed.act(buy(99, 1))
    assert beat() == []
    fed.act(buy(100, 4))
    assert beat() == [(SYMBOL, "1.00", "5")]


def test_a_ticker_is_encoded_once_a_beat_however_many_streams_it_is_in(fed: Fed) -> None:
    trade_both(fed)
    source = tickers.Tickers(fed.market, fed.sources.directory)
    stream = Stream("!ticker@arr", Kind.ALL_TICKERS, 0)
    first = source.encoded(stream, INSTRUMENT, START_MS)
    assert source.encoded(stream, INSTRUMENT, START_MS) is first
    assert source.encoded(stream._replace(kind=Kind.ALL_MINI_TICKERS), INSTRUMENT, START_MS) is not first
    assert source.encoded(stream._replace(unit_ns=1_000), INSTRUMENT, START_MS) is not first
    source.begin_beat()
    assert source.encoded(stream, INSTRUMENT, START_MS) is not first


def test_many_tickers_come_in_several_messages_and_beats(fed: Fed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tickers, "TICKERS_PER_MESSAGE", 1)
    _, wire = fed.subscribe("!ticker@arr")
    trade_both(fed)
    fed.feed.beat(SLOW_MS)
    assert [len(rows) for rows in take(fed, wire)] == [1, 1]
    monkeypatch.setattr(tickers, "TICKERS_PER_BEAT", 1)
    trade_both(fed)
    for pace, symbol in ((SLOW_MS, SYMBOL), (FAST_MS, SECOND_SYMBOL)):
        fed.feed.beat(pace)
        assert [row["s"] for rows in take(fed, wire) for row in rows] == [symbol]


def test_of_what_was_not_read_the_latest_of_each_symbol_is_kept() -> None:
    backlog = Backlog()
    for rows in ({"a": 1, "b": 1}, {"a": 2, "c": 2}):
        encoded = {symbol: orjson.Fragment(b"%d" % number) for symbol, number in rows.items()}
        backlog.add(Message("!ticker@arr", encoded, tickers.merge_rows, tickers.encode_rows), b"")
    assert orjson.loads(backlog._entries[0][0].payload) == [2, 1, 2]
