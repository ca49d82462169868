"""A market session carries out what its protocol replies, on market streams and on private ones."""

import json
from typing import Any

import pytest

from api.binance.directory import Directory
from api.binance.feed import Feed
from api.binance.session import MarketSession
from api.binance.streams import FAST_MS, SLOW_MS
from api.binance.userdata import user_data
from api.call import MICROSECOND_NS, MILLISECOND_NS
from api.stream.config import StreamConfig
from api.stream.listenkeys import LIFETIME_NS, ListenKeys
from exchange.marketdata.prices import DailyPrices
from tests.api.binance.floor import ALICE, SYMBOL, Floor, Wire, buy, sell

LOWER = SYMBOL.lower()
WRAPPED_TRADE = f"{LOWER}@trade"


class Hosted(Floor):
    """A floor with feed, private streams and listen keys."""

    def __init__(self) -> None:
        super().__init__(StreamConfig(messages_burst=5))
        directory = Directory(self.registry)
        self.feed = Feed(self.hub, self.sources, DailyPrices(self.market, str))
        self.query = lambda _: self._never()  # type: ignore[method-assign]  # nobody asks for balances here
        self.user_data = user_data(self.hub, self, directory.texts)  # type: ignore[arg-type]  # all that is asked
        self.listen_keys = ListenKeys()
        self.listeners += [self.feed.on_batch, self.user_data.on_batch]

    def _never(self) -> Any:
        class Never:
            def add_done_callback(self, _: object) -> None:
                """Never call."""

        return Never()

    def session(self, *, combined: bool = False, unit_ns: int = MILLISECOND_NS) -> tuple[MarketSession, Wire]:
        connection, wire = self.connect()
        services = (self.hub, self.feed, self.user_data, self.listen_keys)
        return MarketSession(*services, connection, combined=combined, unit_ns=unit_ns), wire

    def said(self, wire: Wire) -> list[Any]:
        self.turn()
        return wire.take()


@pytest.fixture
def hosted() -> Hosted:
    return Hosted()


def tell(session: MarketSession, method: str, *params: object) -> None:
    words = session.receive(json.dumps({"method": method, "params": params, "id": 1}))
    with pytest.raises(StopIteration):
        words.send(None)


DONE = {"result": None, "id": 1}


def test_subscribing_is_answered_before_the_stream_speaks(hosted: Hosted) -> None:
    session, wire = hosted.session()
    tell(session, "SUBSCRIBE", f"{SYMBOL}@bookTicker")
    hosted.act(buy(100, 1))

    answer, welcome, ticker = hosted.said(wire)
    assert answer == DONE
    assert (welcome["b"], ticker["b"]) == ("0.00", "1.00")


def test_unsubscribing_ends_a_stream(hosted: Hosted) -> None:
    session, wire = hosted.session()
    tell(session, "SUBSCRIBE", f"{SYMBOL}@trade")
    tell(session, "UNSUBSCRIBE", f"{SYMBOL}@trade")
    hosted.act(sell(100, 1), buy(100, 1))

    assert hosted.said(wire) == [DONE, DONE]
    assert hosted.feed._channels == {}


def test_who_comes_back_to_a_stream_while_blocked_is_not_told_of_the_gap_as_of_one_change(hosted: Hosted) -> None:
    name = f"{SYMBOL}@depth@0ms"
    session, wire = hosted.session()
    tell(session, "SUBSCRIBE", name)
    hosted.turn()
    session._connection.pause()
    hosted.act(buy(91, 1))
    tell(session, "UNSUBSCRIBE", name)
    hosted.act(buy(92, 1))
    tell(session, "SUBSCRIBE", name)
    hosted.act(buy(93, 1))
    hosted.act(buy(94, 1))
    session._connection.resume()

    updates = [(body["pu"], body["u"], len(body["b"])) for body in hosted.said(wire) if "u" in body]
    assert updates == [(0, 1, 1), (2, 4, 2)]


def test_wrapping_may_change_while_streams_are_open(hosted: Hosted) -> None:
    key = hosted.listen_keys.start(ALICE, hosted.clock.now_ns())
    session, wire = hosted.session()
    session.open([f"{SYMBOL}@trade", key])
    tell(session, "SET_PROPERTY", "combined", True)
    hosted.act(sell(100, 1), buy(100, 1))

    answer, trade, report, fill = hosted.said(wire)
    assert answer == DONE
    assert (trade["stream"], trade["data"]["e"]) == (WRAPPED_TRADE, "trade")
    assert [(body["stream"], body["data"]["x"]) for body in (report, fill)] == [(key, "NEW"), (key, "TRADE")]


def test_a_combined_address_wraps_from_the_start(hosted: Hosted) -> None:
    session, wire = hosted.session(combined=True)
    session.open([f"{SYMBOL}@trade"])
    hosted.act(sell(100, 1), buy(100, 1))

    assert [body["stream"] for body in hosted.said(wire)] == [WRAPPED_TRADE]


def test_a_listen_key_opens_the_private_stream_of_its_account(hosted: Hosted) -> None:
    key = hosted.listen_keys.start(ALICE, hosted.clock.now_ns())
    session, wire = hosted.session()
    tell(session, "SUBSCRIBE", key)
    hosted.act(buy(100, 1))

    assert [body.get("x") for body in hosted.said(wire)] == [None, "NEW"]
    tell(session, "UNSUBSCRIBE", key)
    hosted.act(buy(100, 1))
    assert hosted.said(wire) == [DONE]
    assert hosted.user_data._topics == {}


def test_a_word_that_is_no_key_and_no_stream_is_refused(hosted: Hosted) -> None:
    session, wire = hosted.session()
    tell(session, "SUBSCRIBE", "x" * 60)

    assert hosted.said(wire)[0]["error"]["code"] == 2


@pytest.mark.parametrize("combined", [False, True])
def test_a_private_stream_ends_with_its_key(hosted: Hosted, combined: bool) -> None:
    key = hosted.listen_keys.start(ALICE, hosted.clock.now_ns())
    session, wire = hosted.session(combined=combined)
    session.open([key])
    session.check_rights(hosted.clock.now_ns())
    hosted.pass_ms(LIFETIME_NS // 1_000_000)
    session.check_rights(hosted.clock.now_ns())
    session.check_rights(hosted.clock.now_ns())
    hosted.act(buy(100, 1))

    (message,) = hosted.said(wire)
    body = message["data"] if combined else message
    assert (body["e"], body["listenKey"]) == ("listenKeyExpired", key)
    tell(session, "LIST_SUBSCRIPTIONS")
    assert hosted.said(wire) == [{"result": [], "id": 1}]


@pytest.mark.parametrize("combined", [False, True])
def test_a_private_stream_goes_on_with_the_next_key(hosted: Hosted, combined: bool) -> None:
    now_ns = hosted.clock.now_ns()
    key = hosted.listen_keys.start(ALICE, now_ns)
    session, wire = hosted.session(combined=combined)
    session.open([key])
    hosted.listen_keys.close(key, ALICE, now_ns)
    later = hosted.listen_keys.start(ALICE, now_ns)
    tell(session, "SUBSCRIBE", later)
    session.check_rights(now_ns)
    hosted.said(wire)
    hosted.act(buy(100, 1))

    (report,) = hosted.said(wire)
    assert (report["data"] if combined else report)["x"] == "NEW"
    assert report.get("stream") == (later if combined else None)
    tell(session, "UNSUBSCRIBE", later)
    assert hosted.user_data._topics == {}


def test_who_talks_too_much_is_ended_with_the_answer(hosted: Hosted) -> None:
    session, wire = hosted.session()
    for _ in range(6):
        tell(session, "LIST_SUBSCRIPTIONS")
    hosted.turn()

    assert wire.take()[-1]["error"]["msg"] == "Too many messages: 10 a second"
    assert wire.finished == (1008, "Too many messages.", hosted.hub.config.farewell_s)


TOLD = (
    *(f"{LOWER}@{kind}" for kind in ("trade", "aggTrade", "depth@0ms", "depth5@100ms", "book", "orders", "bookTicker")),
    *(f"{LOWER}@{kind}" for kind in ("kline_1m", "ticker", "miniTicker", "avgPrice", "phase")),
    *("!ticker@arr", "!instruments", "!announcements"),
)


def refined(coarse: Any, fine: Any) -> int:
    """Return how many numbers of two messages differ, each the same time, once in milliseconds."""
    if isinstance(coarse, dict):
        assert coarse.keys() == fine.keys()
        return sum(refined(coarse[name], fine[name]) for name in coarse)
    if isinstance(coarse, list):
        assert len(coarse) == len(fine)
        return sum(map(refined, coarse, fine))
    assert coarse == fine or coarse == fine // 1_000
    return coarse != fine


def test_times_are_told_in_microseconds_to_who_asks_for_them(hosted: Hosted) -> None:
    hosted.clock.time_ns += 123_456
    heard: dict[int, list[Any]] = {}
    sessions = {unit: hosted.session(combined=True, unit_ns=unit) for unit in (MILLISECOND_NS, MICROSECOND_NS)}
    for session, _ in sessions.values():
        tell(session, "SUBSCRIBE", *TOLD)
    hosted.act(sell(100, 3), buy(100, 1))
    for pace_ms in (FAST_MS, SLOW_MS):
        hosted.feed.beat(pace_ms)
    for unit, (_, wire) in sessions.items():
        heard[unit] = [one for one in hosted.said(wire) if "stream" in one]
    coarse, fine = heard.values()
    assert {one["stream"] for one in coarse} == set(TOLD)
    untimed = ("depth5@100ms", "bookTicker")
    for one, other in zip(coarse, fine, strict=True):
        assert one["stream"] == other["stream"]
        assert bool(refined(one["data"], other["data"])) is not one["stream"].endswith(untimed)
    trade = next(one["data"] for one in fine if one["stream"].endswith("@trade"))
    assert trade["T"] == hosted.clock.time_ns // 1_000 != hosted.clock.time_ns // 1_000_000 * 1_000
    candle = next(one["data"]["k"] for one in reversed(fine) if "kline" in one["stream"])
    assert candle["T"] + 1 - candle["t"] == 60_000_000
    for session, _ in sessions.values():
        tell(session, "UNSUBSCRIBE", *TOLD)
    assert not hosted.hub.topics
