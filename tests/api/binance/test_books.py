"""Books kept from the stream alone: levels and single orders, equal to the exchange's own at every update."""

import random
import zlib
from typing import Any

import pytest

from api.binance import books, replies
from api.binance.streams import FAST_MS
from api.stream.backlog import Backlog, Message
from exchange.core import commands
from exchange.core.types import OrderType, SelfTradePrevention, Side, TimeInForce, TradingState
from exchange.marketdata.depth import Depth
from tests.api.binance.floor import ALICE, BOB, INSTRUMENT, SYMBOL, Floor, buy, sell
from tests.api.binance.readers import BookReader, OrdersReader
from tests.api.binance.test_feed import Fed, take

STEPS = 700


class Crowd:
    """Somebody who orders at random: every kind of order, cancels, replaces, quotes, and a call now and then."""

    def __init__(self, floor: Floor, seed: int) -> None:
        self._floor = floor
        self._chance = random.Random(seed)

    def act(self) -> None:
        """Do one thing, or several as one batch."""
        made = [self._command() for _ in range(self._chance.choice((1, 1, 1, 2, 5)))]
        self._floor.act(*made)

    def _command(self) -> bytes:
        chance = self._chance
        opened = self._floor.orders.open_orders(ALICE) + self._floor.orders.open_orders(BOB)
        if opened and chance.random() < 0.35:
            return self._change(chance.choice(opened))
        side = chance.choice((Side.BUY, Side.SELL))
        account = ALICE if side == Side.BUY else BOB
        price = 1_000 + chance.randint(-12, 12) + (-6 if side == Side.BUY else 6)
        terms: dict[str, Any] = {"self_trade_prevention": SelfTradePrevention.EXPIRE_MAKER}
        kind = chance.random()
        if kind < 0.15:
            terms["display_lots"] = chance.randint(1, 3)
            return commands.new_order(account, INSTRUMENT, side, price, chance.randint(4, 30), **terms)
        if kind < 0.3:
            terms["time_in_force"] = TimeInForce.IOC
        elif kind < 0.35:
            terms["order_type"] = OrderType.MARKET
            terms["time_in_force"] = TimeInForce.IOC
        return commands.new_order(account, INSTRUMENT, side, price, chance.randint(1, 9), **terms)

    def _change(self, order: Any) -> bytes:
        chance = self._chance
        if chance.random() < 0.5:
            return commands.cancel_order(order.account, order.order_id)
        price = 0 if chance.random() < 0.5 else order.price_ticks + chance.randint(-3, 3)
        lots = max(1, order.quantity_lots + chance.randint(-3, 2))
        return commands.replace_order(order.account, order.order_id, price, lots)


class Tolerant(Fed):
    """A floor on which a refused command is no failure: a crowd does not know what it may."""

    are_refusals_failures = False


@pytest.fixture
def fed() -> Fed:
    return Fed()


def told(fed: Fed) -> tuple[list[list[str]], list[list[str]]]:
    """Return the book as REST tells it."""
    body = replies.depth(fed.market.depth(INSTRUMENT, 5_000), fed.sources.directory.texts(INSTRUMENT))
    return body["bids"], body["asks"]


@pytest.mark.parametrize(("what", "period"), [("book", 1), ("book@100ms", 7)])
def test_a_book_kept_from_the_stream_is_the_exchange_s_at_every_update(what: str, period: int) -> None:
    fed = Tolerant()
    crowd, readers = Crowd(fed, 5), []
    for step in range(STEPS):
        if step in {0, 1, 100, 333, 334, 600}:
            readers.append((fed.subscribe(f"{SYMBOL}@{what}")[1], BookReader()))
        crowd.act()
        if step % period == period - 1:
            fed.feed.beat(FAST_MS)
        for wire, reader in readers:
            for body in take(fed, wire):
                reader.hear(body)
            if step % period == period - 1:
                assert reader.book() == told(fed)
                assert reader.update_id == fed.market.depth(INSTRUMENT, 1).last_update_id
    assert reader.update_id > STEPS


@pytest.mark.parametrize("is_anonymous", [False, True])
def test_orders_kept_from_the_stream_are_the_exchange_s_at_every_update(is_anonymous: bool) -> None:
    fed = Tolerant()
    Floor.act(fed, commands.set_venue_rules(INSTRUMENT, anonymous=is_anonymous))
    crowd, readers = Crowd(fed, 6), []
    ids: set[int] = set()
    for step in range(STEPS):
        if step in {0, 50, 400}:
            readers.append((fed.subscribe(f"{SYMBOL}@orders")[1], OrdersReader()))
        crowd.act()
        depth = fed.market.orders(INSTRUMENT, 10_000)
        texts = fed.sources.directory.texts(INSTRUMENT)
        wanted = books.orders_snapshot(depth, 0, texts)
        ids.update(order.order_id for order in (*depth.bids, *depth.asks))
        for wire, reader in readers:
            for body in take(fed, wire):
                reader.hear(body)
            assert reader.queue() == (wanted["b"], wanted["a"])
            assert reader.update_id == depth.last_update_id
            assert ids.isdisjoint(reader.orders) or not is_anonymous
    assert len(reader.orders) > 20


def test_the_checksum_is_of_the_ten_best_levels_as_they_are_shown() -> None:
    texts = Floor().sources.directory.texts(INSTRUMENT)
    bids, asks = [(1_000 - n, n + 1) for n in range(12)], [(1_001, 7)]
    text = ",".join(f"{(1_000 - n) / 100:.2f}:{n + 1}" for n in range(10)) + "|10.01:7"
    assert books.checksum(Depth(1, bids, asks), texts) == zlib.crc32(text.encode())
    assert books.checksum(Depth(1, [], []), texts) == zlib.crc32(b"|")


def test_a_snapshot_is_encoded_once_while_nothing_changes(fed: Fed) -> None:
    for what in ("book", "orders"):
        _, first = fed.subscribe(f"{SYMBOL}@{what}")
        channel = fed.feed._channels[f"{SYMBOL.lower()}@{what}"]
        assert channel.welcome(0) is channel.welcome(1)
        before = channel.welcome(0)
        fed.act(buy(100, 1))
        assert channel.welcome(0) is not before
        assert [body["u"] for body in take(fed, first)][-1] == fed.market.depth(INSTRUMENT, 1).last_update_id


def test_a_newcomer_to_a_paced_book_goes_on_from_its_snapshot_and_so_do_the_others(fed: Fed) -> None:
    _, first = fed.subscribe(f"{SYMBOL}@book@100ms")
    fed.act(buy(100, 1))
    _, second = fed.subscribe(f"{SYMBOL}@book@100ms")
    fed.act(sell(103, 2))
    fed.feed.beat(FAST_MS)
    bodies = take(fed, first)
    assert [(body["e"], body["u"]) for body in bodies] == [("bookSnapshot", 0), ("bookUpdate", 1), ("bookUpdate", 2)]
    assert [(body["e"], body["u"]) for body in take(fed, second)] == [("bookSnapshot", 1), ("bookUpdate", 2)]


def test_updates_of_a_book_merge_without_a_gap_and_keep_the_checksum(fed: Fed) -> None:
    _, wire = fed.subscribe(f"{SYMBOL}@book")
    fed.act(buy(100, 1))
    fed.act(buy(100, 2), sell(103, 2))
    snapshot, *updates = take(fed, wire)
    backlog = Backlog()
    channel = fed.feed._channels[f"{SYMBOL.lower()}@book"]
    for update in updates:
        backlog.add(Message(channel.stream.name, update, books.merge_depth), b"")
    reader = BookReader()
    reader.hear(snapshot)
    reader.hear(backlog._entries[0][0].body)
    assert reader.book() == told(fed)


def test_each_change_of_an_order_says_why(fed: Fed) -> None:
    fed.act(buy(100, 5, display_lots=2), buy(100, 3))
    _, wire = fed.subscribe(f"{SYMBOL}@orders")
    first, second = (order.order_id for order in fed.orders.open_orders(ALICE))
    fed.act(sell(100, 3), commands.replace_order(ALICE, second, 0, 2))
    fed.act(commands.replace_order(ALICE, second, 99, 2), commands.cancel_order(ALICE, first))
    snapshot, *updates = take(fed, wire)
    assert snapshot["b"] == [[first, "1.00", "2"], [second, "1.00", "3"]]
    assert [change for update in updates for change in update["c"]] == [
        ["B", first, "1.00", "0", "TRADE", 1],
        ["B", first, "1.00", "2", "SHOW"],
        ["B", second, "1.00", "2", "TRADE", 2],
        ["B", second, "1.00", "1", "REDUCE"],
        ["B", second, "1.00", "0", "MOVE"],
        ["B", second, "0.99", "1", "NEW"],
        ["B", first, "1.00", "0", "END"],
    ]


def test_a_call_shows_what_it_collects_and_what_it_trades(fed: Fed) -> None:
    fed.act(commands.set_trading_state(INSTRUMENT, TradingState.CALL_OPEN))
    _, wire = fed.subscribe(f"{SYMBOL}@orders")
    fed.act(buy(102, 5), sell(100, 3), buy(101, 1))
    fed.act(commands.uncross(INSTRUMENT, TradingState.CONTINUOUS))
    reader = OrdersReader()
    bodies = take(fed, wire)
    for body in bodies:
        reader.hear(body)
    assert [change[4] for change in bodies[-1]["c"]] == ["TRADE", "TRADE"]
    assert [row[1:] for row in reader.queue()[0]] == [["1.02", "2"], ["1.01", "1"]]
