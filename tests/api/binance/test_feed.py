"""From batches to the readers of streams: only what somebody reads is made, and it ends with its last reader."""

from typing import Any

import pytest

from api.binance.feed import Feed
from api.binance.streams import FAST_MS, SLOW_MS
from api.binance.texts import GONE
from api.stream.hub import Connection
from exchange.marketdata.prices import DailyPrices
from tests.api.binance.floor import INSTRUMENT, MINUTE_MS, SECOND, SECOND_SYMBOL, SYMBOL, Floor, Wire, buy, sell


class Fed(Floor):
    """A floor with its feed."""

    def __init__(self) -> None:
        super().__init__()
        self.feed = Feed(self.hub, self.sources, DailyPrices(self.market, str))
        self.listeners.append(self.feed.on_batch)

    def subscribe(self, *names: str, prefix: bytes = b"") -> tuple[Connection, Wire]:
        connection, wire = self.connect()
        for name in names:
            stream = self.feed.parse(name)
            assert stream is not None
            self.feed.subscribe(connection, stream, prefix)
        return connection, wire

    def leave(self, connection: Connection) -> None:
        for name in self.hub.leave(connection):
            self.feed.close(name)


@pytest.fixture
def fed() -> Fed:
    return Fed()


def take(fed: Fed, wire: Wire) -> list[Any]:
    fed.turn()
    return wire.take()


def test_readers_of_a_stream_hear_the_same_frame(fed: Fed) -> None:
    _, first = fed.subscribe(f"{SYMBOL}@trade")
    _, second = fed.subscribe(f"{SYMBOL.lower()}@trade", f"{SECOND_SYMBOL}@trade")

    fed.act(sell(100, 2), buy(100, 1), buy(100, 1))
    fed.turn()

    assert first.frames == second.frames
    assert [body["t"] for body in first.take()] == [1, 2]


def test_only_the_instruments_asked_for_are_told(fed: Fed) -> None:
    _, wire = fed.subscribe(f"{SECOND_SYMBOL}@trade")

    fed.act(sell(100, 1), buy(100, 1), sell(7, 1, instrument=SECOND), buy(7, 1, instrument=SECOND))

    assert [body["s"] for body in take(fed, wire)] == [SECOND_SYMBOL]


def test_a_wrapped_stream_is_named(fed: Fed) -> None:
    _, wire = fed.subscribe(f"{SYMBOL}@trade", prefix=b'{"stream":"x","data":')
    fed.act(sell(100, 1), buy(100, 1))

    (message,) = take(fed, wire)
    assert (message["stream"], message["data"]["t"]) == ("x", 1)


def test_streams_with_a_pace_speak_at_their_beat(fed: Fed) -> None:
    _, wire = fed.subscribe(f"{SYMBOL}@depth@100ms", f"{SYMBOL}@depth")

    fed.act(buy(100, 1))
    assert take(fed, wire) == []
    fed.feed.beat(FAST_MS)
    assert [body["u"] for body in take(fed, wire)] == [1]
    fed.act(buy(100, 1))
    fed.feed.beat(SLOW_MS)
    assert [(body["U"], body["u"]) for body in take(fed, wire)] == [(1, 2)]
    fed.feed.beat(FAST_MS)
    assert [(body["U"], body["u"]) for body in take(fed, wire)] == [(2, 2)]
    for pace in (FAST_MS, SLOW_MS):
        fed.feed.beat(pace)
    assert take(fed, wire) == []


def test_who_comes_is_told_how_things_stand_and_nobody_else_is(fed: Fed) -> None:
    fed.act(buy(100, 1))
    _, first = fed.subscribe(f"{SYMBOL}@bookTicker")
    assert [body["b"] for body in take(fed, first)] == ["1.00"]

    _, second = fed.subscribe(f"{SYMBOL}@bookTicker")

    assert [body["b"] for body in take(fed, second)] == ["1.00"]
    assert first.take() == []


def test_an_open_candle_closes_though_nothing_trades_any_more(fed: Fed) -> None:
    fed.act(sell(100, 1), buy(100, 1))
    _, wire = fed.subscribe(f"{SYMBOL}@kline_1m")
    fed.pass_ms(MINUTE_MS + 1000)
    fed.feed.beat(SLOW_MS)
    fed.feed.beat(SLOW_MS)

    assert [body["k"]["x"] for body in take(fed, wire)] == [False, True]


def test_a_stream_of_all_instruments_hears_all(fed: Fed) -> None:
    _, wire = fed.subscribe("!miniTicker@arr")
    fed.act(sell(100, 1), buy(100, 1))
    fed.act(sell(7, 1, instrument=SECOND), buy(7, 1, instrument=SECOND))
    fed.feed.beat(SLOW_MS)

    (bodies,) = take(fed, wire)
    assert [body["s"] for body in bodies] == [SYMBOL, SECOND_SYMBOL]


def test_a_stream_ends_with_its_last_reader(fed: Fed) -> None:
    names = (f"{SYMBOL}@trade", f"{SYMBOL}@depth@100ms", f"{SYMBOL}@kline_1m", "!ticker@arr")
    readers = [fed.subscribe(*names)[0] for _ in range(2)]
    fed.act(sell(100, 2), buy(100, 1))

    fed.leave(readers[0])
    fed.act(buy(100, 1))
    fed.leave(readers[1])

    assert fed.feed._channels == {}
    assert fed.feed._watched == {}
    assert fed.feed._due == {FAST_MS: {}, SLOW_MS: {}}
    assert fed.hub.topics == {}
    fed.feed.beat(FAST_MS)
    fed.act(buy(100, 1))


def test_closing_what_is_not_open_does_nothing(fed: Fed) -> None:
    fed.feed.close("nothing@trade")

    assert fed.feed._channels == {}


def test_one_stream_of_an_instrument_ends_and_the_others_go_on(fed: Fed) -> None:
    connection, wire = fed.subscribe(f"{SYMBOL}@trade", f"{SYMBOL}@bookTicker")
    take(fed, wire)
    assert fed.hub.unsubscribe(connection, f"{SYMBOL.lower()}@bookTicker")
    fed.feed.close(f"{SYMBOL.lower()}@bookTicker")

    fed.act(sell(100, 1), buy(100, 1))

    assert [body["e"] for body in take(fed, wire)] == ["trade"]
    assert list(fed.feed._watched[INSTRUMENT]) == [f"{SYMBOL.lower()}@trade"]


def test_an_unknown_name_is_no_stream(fed: Fed) -> None:
    assert fed.feed.parse("nothing@trade") is None


@pytest.mark.parametrize("period", [1, 3])
def test_the_updates_on_a_snapshot_give_the_book_at_every_update(fed: Fed, period: int) -> None:
    what = "depth@0ms" if period == 1 else "depth@100ms"
    _, wire = fed.subscribe(f"{SYMBOL}@{what}")
    book: dict[str, dict[str, str]] = {"b": {}, "a": {}}
    snapshots = {}
    for n in range(60):
        fed.act(buy(100 - n % 7, 1 + n % 3, account=1 + 2 * (n % 2)), sell(97 + n % 9, 2 + n % 4))
        depth = fed.market.depth(INSTRUMENT, 1000)
        snapshots[depth.last_update_id] = depth
        if n % period == period - 1:
            fed.feed.beat(FAST_MS)
    texts = fed.sources.directory.texts(INSTRUMENT)
    updates = take(fed, wire)
    assert len(updates) == 60 // period
    for update in updates:
        for side in ("b", "a"):
            book[side].update(update[side])
            book[side] = {price: lots for price, lots in book[side].items() if lots != GONE}
        depth = snapshots[update["u"]]
        assert book["b"] == dict(texts.levels(depth.bids))
        assert book["a"] == dict(texts.levels(depth.asks))
