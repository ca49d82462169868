"""The names of the market streams and what each of them says, field for field."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.binance import streams
from api.binance.directory import Directory
from api.binance.streams import Kind, Stream, parse
from api.binance.texts import GONE
from exchange.marketdata.depth import DepthUpdate, Levels
from exchange.marketdata.intervals import Interval
from tests.api.binance.floor import INSTRUMENT, START_MS, SYMBOL, Floor, buy, sell

SYMBOLS = {"TA.CTEL.Q3.OUT.GZ.M2701.G80A": 1, "X-1_A": 2}
LOWER = "ta.ctel.q3.out.gz.m2701.g80a"
TEXTS = Directory(Floor().registry).texts(INSTRUMENT)


def find(symbol: str) -> int:
    return SYMBOLS.get(symbol, 0)


@pytest.mark.parametrize(
    ("what", "stream"),
    [
        ("trade", Stream(f"{LOWER}@trade", Kind.TRADE, 1)),
        ("aggTrade", Stream(f"{LOWER}@aggTrade", Kind.AGGREGATE_TRADE, 1)),
        ("bookTicker", Stream(f"{LOWER}@bookTicker", Kind.BOOK_TICKER, 1)),
        ("miniTicker", Stream(f"{LOWER}@miniTicker", Kind.MINI_TICKER, 1, 1000)),
        ("ticker", Stream(f"{LOWER}@ticker", Kind.TICKER, 1, 1000)),
        ("depth", Stream(f"{LOWER}@depth", Kind.DEPTH, 1, 1000)),
        ("depth@1000ms", Stream(f"{LOWER}@depth", Kind.DEPTH, 1, 1000)),
        ("depth@100ms", Stream(f"{LOWER}@depth@100ms", Kind.DEPTH, 1, 100)),
        ("depth@0ms", Stream(f"{LOWER}@depth@0ms", Kind.DEPTH, 1, 0)),
        ("depth5", Stream(f"{LOWER}@depth5", Kind.PARTIAL_DEPTH, 1, 1000, 5)),
        ("depth20@100ms", Stream(f"{LOWER}@depth20@100ms", Kind.PARTIAL_DEPTH, 1, 100, 20)),
        ("avgPrice", Stream(f"{LOWER}@avgPrice", Kind.AVERAGE_PRICE, 1, 1000)),
        ("book", Stream(f"{LOWER}@book", Kind.BOOK, 1)),
        ("book@100ms", Stream(f"{LOWER}@book@100ms", Kind.BOOK, 1, 100)),
        ("orders", Stream(f"{LOWER}@orders", Kind.ORDERS, 1)),
        ("phase", Stream(f"{LOWER}@phase", Kind.PHASE, 1)),
        ("kline_1m", Stream(f"{LOWER}@kline_1m", Kind.CANDLE, 1, 1000, interval=Interval.MINUTE_1)),
        ("kline_1M", Stream(f"{LOWER}@kline_1M", Kind.CANDLE, 1, 1000, interval=Interval.MONTH_1)),
    ],
)
def test_a_stream_is_found_whatever_the_case_of_its_symbol(what: str, stream: Stream) -> None:
    for symbol in (SYMBOL, LOWER, "Ta.Ctel.Q3.Out.Gz.M2701.G80a"):
        assert parse(f"{symbol}@{what}", find) == stream


@pytest.mark.parametrize("name", ["!miniTicker@arr", "!ticker@arr", "!bookTicker@arr"])
def test_a_stream_of_all_instruments_has_no_symbol(name: str) -> None:
    assert parse(name, find) == Stream(name, Kind(name), 0, 1000)
    assert parse(f"{name}@1000ms", find) == Stream(name, Kind(name), 0, 1000)
    assert parse(f"{name}@100ms", find) == Stream(f"{name}@100ms", Kind(name), 0, 100)


def test_of_all_instruments_some_may_be_chosen() -> None:
    found = parse("!ticker@arr@ta.z*,DL.000?", find)
    assert found == Stream("!ticker@arr@DL.000?,TA.Z*", Kind.ALL_TICKERS, 0, 1000, symbols="DL.000?,TA.Z*")
    fast = parse("!bookTicker@arr@100ms@X-1_A", find)
    assert fast == Stream("!bookTicker@arr@100ms@X-1_A", Kind.ALL_BOOK_TICKERS, 0, 100, symbols="X-1_A")
    assert parse("!ticker@arr@" + ",".join(["TA.A"] * 100), find) is not None
    assert parse("!ticker@arr@" + ",".join(["TA.A"] * 1_000), find) is None


@pytest.mark.parametrize("name", ["!phases", "!instruments", "!announcements"])
def test_what_concerns_all_is_told_at_once(name: str) -> None:
    assert parse(name, find) == Stream(name, Kind(name), 0)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "@",
        "@trade",
        SYMBOL,
        f"{LOWER}@",
        f"{LOWER}@trades",
        f"{LOWER}@TRADE",
        f"{LOWER}@depth7",
        f"{LOWER}@depth@250ms",
        f"{LOWER}@depth5@0ms",
        f"{LOWER}@depth@100ms@100ms",
        f"{LOWER}@kline_",
        f"{LOWER}@kline_7m",
        f"{LOWER}@partialDepth",
        "unlisted@trade",
        "!bookTicker",
        "!ticker@arr@TA.*,",
        "!ticker@arr@TA/",
        "!trade@arr",
        f"{LOWER}@book@0ms",
        f"{LOWER}@phases",
        "x" * 1_000_000,
    ],
)
def test_what_is_no_stream_is_none(name: str) -> None:
    assert parse(name, find) is None


@given(st.text(max_size=60))
def test_no_text_breaks_the_search(name: str) -> None:
    found = parse(name, find)

    assert found is None or parse(found.name, find) == found


def test_a_trade_is_told() -> None:
    floor = Floor()
    floor.act(sell(1_250, 5))
    event = floor.act(buy(1_300, 3)).rows[-1]

    assert streams.trade(event, TEXTS) == {
        "e": "trade",
        "E": START_MS,
        "s": SYMBOL,
        "t": 1,
        "p": "12.50",
        "q": "3",
        "T": START_MS,
        "m": False,
        "M": True,
    }


def test_an_aggregate_trade_is_one_trade() -> None:
    floor = Floor()
    floor.act(buy(1_250, 5))
    event = floor.act(sell(1_200, 3)).rows[-1]

    assert streams.aggregate_trade(event, TEXTS) == {
        "e": "aggTrade",
        "E": START_MS,
        "s": SYMBOL,
        "a": 1,
        "p": "12.50",
        "q": "3",
        "f": 1,
        "l": 1,
        "T": START_MS,
        "m": True,
        "M": True,
    }


def test_a_depth_update_is_told() -> None:
    update = DepthUpdate(5, 7, 4, [(100, 2), (99, 0)], [(101, 1)])

    assert streams.depth_update(update, 9, TEXTS) == {
        "e": "depthUpdate",
        "E": 9,
        "s": SYMBOL,
        "U": 5,
        "u": 7,
        "pu": 4,
        "b": [["1.00", "2"], ["0.99", GONE]],
        "a": [["1.01", "1"]],
    }


def test_two_updates_merge_into_one_without_a_gap() -> None:
    older = streams.depth_update(DepthUpdate(5, 7, 4, [(100, 2), (99, 0)], []), 9, TEXTS)
    newer = streams.depth_update(DepthUpdate(8, 8, 7, [(100, 0)], [(101, 1)]), 10, TEXTS)

    merged = streams.merge_depth(older, newer)

    assert {name: merged[name] for name in ("E", "U", "u", "pu")} == {"E": 10, "U": 5, "u": 8, "pu": 4}
    assert sorted(merged["b"]) == [["0.99", GONE], ["1.00", GONE]]
    assert merged["a"] == [["1.01", "1"]]
    assert older["b"] == [["1.00", "2"], ["0.99", GONE]]


LEVELS = st.lists(st.tuples(st.integers(90, 110), st.integers(0, 5)), max_size=5, unique_by=lambda level: level[0])


@given(st.lists(st.tuples(LEVELS, LEVELS), min_size=1, max_size=6))
def test_merged_updates_lead_to_the_same_book(changes: list[tuple[Levels, Levels]]) -> None:
    updates = [
        streams.depth_update(DepthUpdate(n + 1, n + 1, n, bids, asks), n, TEXTS)
        for n, (bids, asks) in enumerate(changes)
    ]
    merged = updates[0]
    for update in updates[1:]:
        merged = streams.merge_depth(merged, update)

    for side in ("b", "a"):
        book: dict[str, str] = {}
        for update in updates:
            book.update(update[side])
        assert dict(merged[side]) == book
        assert len(merged[side]) == len(book), "no price twice"


def test_the_best_levels_are_told() -> None:
    floor = Floor()
    floor.act(buy(100, 1), buy(99, 2), sell(101, 3))

    assert streams.partial_depth(floor.market.depth(INSTRUMENT, 5), TEXTS) == {
        "lastUpdateId": 3,
        "bids": [["1.00", "1"], ["0.99", "2"]],
        "asks": [["1.01", "3"]],
    }


def test_the_best_of_each_side_is_told_and_is_zero_where_there_is_none() -> None:
    floor = Floor()
    floor.act(buy(100, 1))

    assert streams.book_ticker(floor.market.book_ticker(INSTRUMENT), TEXTS) == {
        "u": 1,
        "s": SYMBOL,
        "b": "1.00",
        "B": "1",
        "a": "0.00",
        "A": "0",
    }


def test_a_candle_is_told() -> None:
    floor = Floor()
    floor.act(sell(100, 5), buy(100, 2), buy(90, 4), sell(90, 1))
    candle = floor.market.candles(INSTRUMENT, Interval.MINUTE_1)[0]

    assert streams.candle(candle, Interval.MINUTE_1, START_MS + 5, TEXTS, closed=False) == {
        "e": "kline",
        "E": START_MS + 5,
        "s": SYMBOL,
        "k": {
            "t": START_MS,
            "T": START_MS + 59_999,
            "s": SYMBOL,
            "i": "1m",
            "f": 1,
            "L": 2,
            "o": "1.00",
            "c": "0.90",
            "h": "1.00",
            "l": "0.90",
            "v": "3",
            "n": 2,
            "x": False,
            "q": "2.900000",
            "V": "2",
            "Q": "2.000000",
            "B": "0",
        },
    }


def test_the_last_day_is_told_in_short_and_in_full() -> None:
    floor = Floor()
    floor.act(sell(100, 2), buy(100, 2), sell(110, 5), buy(110, 1), buy(90, 3))
    day = floor.market.statistics(INSTRUMENT, START_MS)

    short = streams.mini_ticker(day, START_MS, TEXTS)
    full = streams.ticker(day, floor.market.book_ticker(INSTRUMENT), 1, START_MS, TEXTS)

    prices = {"s": SYMBOL, "E": START_MS, "c": "1.10", "o": "1.00", "h": "1.10", "l": "1.00", "v": "3", "q": "3.100000"}
    assert short == {"e": "24hrMiniTicker", **prices}
    assert full == {
        "e": "24hrTicker",
        **prices,
        "p": "0.10",
        "P": "10.000",
        "w": "1.033333",
        "x": "0.00",
        "Q": "1",
        "b": "0.90",
        "B": "3",
        "a": "1.10",
        "A": "4",
        "O": day.open_ms,
        "C": day.close_ms,
        "F": 1,
        "L": 2,
        "n": 2,
    }
