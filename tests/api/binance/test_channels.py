"""What each kind of stream says of what happened, and when."""

from typing import Any

import pytest

from api.binance.channels import Channel, channel_of
from api.binance.streams import Stream, parse
from api.binance.texts import GONE
from api.stream.backlog import Message, latest
from exchange.core import commands
from tests.api.binance.floor import (
    INSTRUMENT,
    MINUTE_MS,
    START_MS,
    SYMBOL,
    Floor,
    buy,
    sell,
)


class Heard:
    """A channel on a floor, and what it published."""

    def __init__(self, what: str, floor: Floor | None = None) -> None:
        self.floor = floor or Floor()
        sources = self.floor.sources
        stream = parse(what if what.startswith("!") else f"{SYMBOL}@{what}", sources.directory.find)
        assert isinstance(stream, Stream)
        self.messages: list[Message] = []
        now_ms = self.floor.hub.now_ms()
        self.channel: Channel = channel_of(stream, self.messages.append, sources, now_ms)

    def act(self, *made: bytes) -> bool:
        """Let something happen; tell whether the channel has something to say at the next beat."""
        rows = self.floor.act(*made).rows
        return self.channel.on_batch(rows if not self.channel.stream.instrument else self._own(rows))

    def beat(self) -> bool:
        return self.channel.on_beat(self.floor.hub.now_ms())

    def welcome(self) -> Any:
        message = self.channel.welcome(self.floor.hub.now_ms())
        return message and message.body

    def take(self) -> list[Any]:
        bodies = [message.body for message in self.messages]
        self.messages.clear()
        return bodies

    def _own(self, rows: list[Any]) -> list[Any]:
        return [row for row in rows if row.instrument == INSTRUMENT]


@pytest.mark.parametrize(("what", "key"), [("trade", "t"), ("aggTrade", "a")])
def test_every_trade_is_told_at_once_and_none_may_be_missed(what: str, key: str) -> None:
    heard = Heard(what)

    due = heard.act(sell(100, 1), sell(101, 1), buy(101, 2), buy(90, 1))

    assert [message.merge for message in heard.messages] == [None, None]
    assert [(body[key], body["p"]) for body in heard.take()] == [(1, "1.00"), (2, "1.01")]
    assert (due, heard.beat(), heard.take(), heard.welcome()) == (False, False, [], None)


def test_depth_changes_are_told_batch_by_batch_if_asked_for() -> None:
    heard = Heard("depth@0ms")

    assert heard.act(buy(100, 1), buy(99, 1)) is False
    assert heard.act(sell(100, 1)) is False

    assert [(body["pu"], body["U"], body["u"], body["b"]) for body in heard.take()] == [
        (0, 1, 2, [["1.00", "1"], ["0.99", "1"]]),
        (2, 3, 3, [["1.00", GONE]]),
    ]


@pytest.mark.parametrize("what", ["depth", "depth@100ms"])
def test_depth_changes_are_summed_up_until_the_beat(what: str) -> None:
    heard = Heard(what)

    assert heard.act(buy(100, 1), buy(99, 1)) is True
    heard.floor.pass_ms(20)
    assert heard.act(sell(100, 1)) is True
    heard.floor.pass_ms(30)
    assert heard.take() == []
    assert heard.beat() is False

    assert [(body["E"], body["pu"], body["U"], body["u"], body["b"]) for body in heard.take()] == [
        (START_MS + 20, 0, 1, 3, [["1.00", GONE], ["0.99", "1"]]),
    ]
    heard.beat()
    assert (heard.take(), heard.welcome()) == ([], None)


def test_what_does_not_change_the_depth_is_not_told() -> None:
    heard = Heard("depth@100ms")

    assert heard.act(commands.set_fees(INSTRUMENT, 1, 2)) is False
    heard.beat()
    assert heard.take() == []


def test_updates_of_the_depth_follow_each_other_without_a_gap() -> None:
    heard = Heard("depth@100ms")
    for n in range(20):
        heard.act(buy(100 - n % 3, 1), sell(200, 1))
        if n % 4 == 3:
            heard.beat()

    bodies = heard.take()
    assert len(bodies) == 5
    assert [body["pu"] for body in bodies[1:]] == [body["u"] for body in bodies[:-1]]
    assert all(body["U"] == body["pu"] + 1 for body in bodies)


def test_the_best_levels_are_told_at_the_beat_and_on_arrival() -> None:
    heard = Heard("depth5@100ms")

    assert heard.act(*(buy(100 - n, 1) for n in range(7))) is True
    assert heard.take() == []
    assert heard.beat() is False

    assert [message.merge for message in heard.messages] == [latest]
    (body,) = heard.take()
    assert [level[0] for level in body["bids"]] == ["1.00", "0.99", "0.98", "0.97", "0.96"]
    assert heard.welcome() == body


def test_the_book_ticker_is_told_when_the_best_changes() -> None:
    heard = Heard("bookTicker")

    heard.act(buy(100, 1))
    heard.act(buy(90, 1))
    heard.act(buy(100, 1))

    assert [message.merge for message in heard.messages] == [latest] * 2
    bodies = heard.take()
    assert [(body["u"], body["b"], body["B"]) for body in bodies] == [(1, "1.00", "1"), (3, "1.00", "2")]
    assert heard.welcome() == bodies[-1]
    assert (heard.beat(), heard.take()) == (False, [])


def test_a_candle_is_told_at_each_beat_that_changed_it_and_once_when_it_closes() -> None:
    heard = Heard("kline_1m")
    assert heard.act(buy(90, 1)) is False
    assert heard.act(sell(100, 2), buy(100, 1)) is True
    assert heard.beat() is True
    assert heard.beat() is True
    heard.act(buy(100, 1))
    heard.beat()
    heard.floor.pass_ms(MINUTE_MS + 400)
    assert heard.beat() is True, "what happened at the end of the minute may be on its way"
    heard.floor.pass_ms(200)
    assert heard.beat() is False

    merges = [message.merge for message in heard.messages]
    told = [(body["k"]["t"], body["k"]["v"], body["k"]["x"]) for body in heard.take()]
    assert told == [(START_MS, "1", False), (START_MS, "2", False), (START_MS, "2", True)]
    assert merges == [latest, latest, None]


def test_a_candle_that_closed_unseen_is_told_before_the_next() -> None:
    heard = Heard("kline_1m")
    heard.act(sell(100, 5), buy(100, 1))
    heard.floor.pass_ms(3 * MINUTE_MS)
    heard.act(buy(100, 2))

    assert heard.beat() is True
    told = [(body["k"]["t"], body["k"]["x"]) for body in heard.take()]
    assert told == [(START_MS, True), (START_MS + 3 * MINUTE_MS, False)]


def test_a_candle_that_closed_is_told_so_once_while_the_next_one_grows() -> None:
    heard = Heard("kline_1m")
    heard.act(sell(100, 9), buy(100, 1))
    heard.beat()
    heard.floor.pass_ms(MINUTE_MS)
    heard.act(buy(100, 1))
    heard.take()

    heard.floor.pass_ms(1000)
    assert heard.beat() is True
    assert [(body["k"]["t"], body["k"]["x"]) for body in heard.take()] == [
        (START_MS, True),
        (START_MS + MINUTE_MS, False),
    ]
    assert heard.beat() is True
    assert heard.take() == [], "nothing has happened since"
    heard.floor.pass_ms(MINUTE_MS)
    assert heard.beat() is False
    assert [(body["k"]["t"], body["k"]["x"]) for body in heard.take()] == [(START_MS + MINUTE_MS, True)]


def test_a_trade_that_came_after_the_end_of_its_candle_has_it_told_again() -> None:
    heard = Heard("kline_1m")
    heard.act(sell(100, 5), buy(100, 1))
    heard.channel.on_beat(START_MS + MINUTE_MS + 600)
    heard.take()

    heard.act(buy(100, 1))
    heard.channel.on_beat(START_MS + MINUTE_MS + 700)

    assert [(body["k"]["v"], body["k"]["x"]) for body in heard.take()] == [("2", True)]


def test_who_asks_for_candles_is_told_the_last_one() -> None:
    heard = Heard("kline_1m")
    assert heard.welcome() is None
    heard.act(sell(100, 1), buy(100, 1))

    assert heard.welcome()["k"]["v"] == "1"


def test_who_asks_for_candles_just_after_the_end_of_one_is_told_that_it_closed() -> None:
    floor = Floor()
    floor.act(sell(100, 1), buy(100, 1))
    floor.pass_ms(MINUTE_MS + 200)
    heard = Heard("kline_1m", floor)
    assert heard.welcome()["k"]["x"] is False
    floor.pass_ms(1000)

    assert heard.beat() is False
    assert [(body["k"]["t"], body["k"]["x"]) for body in heard.take()] == [(START_MS, True)]


def test_the_mini_ticker_is_told_after_trades_alone() -> None:
    heard = Heard("miniTicker")

    assert heard.act(sell(100, 1)) is False
    assert heard.act(buy(100, 1)) is True
    assert heard.beat() is False
    (body,) = heard.take()
    assert (body["e"], body["c"]) == ("24hrMiniTicker", "1.00")


def test_the_ticker_is_told_after_anything() -> None:
    heard = Heard("ticker")

    assert heard.act(sell(100, 3)) is True
    heard.beat()
    heard.act(buy(100, 1))
    heard.beat()

    assert [(body["a"], body["A"], body["Q"]) for body in heard.take()] == [("1.00", "3", "0"), ("1.00", "2", "1")]
    assert heard.welcome()["e"] == "24hrTicker"
