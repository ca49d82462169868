"""Books on tries of pages: best prices, order of arrival, prices from one end to the other, pages given back."""

import random
import time

import numpy as np
import pytest
from sortedcontainers import SortedDict

from exchange.core import commands
from exchange.core.book import UNPRICED_BUY_TICKS, first_level, head_of, next_level, put, unlink
from exchange.core.engine import Engine
from exchange.core.jit import JIT_ENABLED, entry
from exchange.core.records import COMMAND
from exchange.core.state import PRODUCTION, TEST, allocate
from exchange.core.types import (
    PRICE_TICKS_MAX,
    SLOT_BITS,
    EventKind,
    OrderFlag,
    RejectReason,
    Side,
    TimeInForce,
)
from tests.exchange.core.builders import ALICE, BOB, PLAIN, Market, reasons

WIDE = 3  # a book whose lots are so small that every price is affordable


@pytest.fixture
def market() -> Market:
    """Return a market with one more book, for prices far apart."""
    market = Market(Engine(TEST))
    market.do(
        commands.list_instrument(WIDE, 2, 1, lot_units=1, tick_value=1, quantity_min=1, quantity_max=100),
        commands.set_trading_state(WIDE, 1),
        commands.deposit(BOB, 1, 1 << 40),
    )
    return market


def swept(market: Market, side: Side) -> list[int]:
    """Return the prices at which a large order of one side trades."""
    account, price = (BOB, PRICE_TICKS_MAX) if side == Side.BUY else (ALICE, 1)
    if side == Side.BUY:
        market.do(commands.deposit(BOB, 1, 1 << 40))
    events = market.send(
        commands.new_order(account, WIDE, side, price, 100, time_in_force=TimeInForce.IOC, self_trade_prevention=0)
    )
    return events["price_ticks"][events["kind"] == EventKind.TRADED].tolist()


PRICES = [1, 2, 63, 64, 65, 4095, 4096, 262_143, 262_144, 16_777_216, 1 << 30, PRICE_TICKS_MAX - 1, PRICE_TICKS_MAX]


@pytest.mark.parametrize("seed", range(4))
def test_asks_trade_from_the_lowest_and_bids_from_the_highest_at_every_distance(market, seed):
    shuffled = random.Random(seed).sample(PRICES, len(PRICES))
    for price in shuffled:
        market.sell(ALICE, 1, price, instrument=WIDE)
    assert swept(market, Side.BUY) == sorted(PRICES)
    small = [price for price in shuffled if price <= 1 << 30]
    for price in small:
        market.buy(BOB, 1, price, instrument=WIDE)
    assert swept(market, Side.SELL) == sorted(small, reverse=True)


def test_cancelling_the_best_finds_the_next_best_across_pages(market):
    for price in PRICES:
        market.sell(ALICE, 1, price, instrument=WIDE)
    for number, price in enumerate(PRICES[:-1], 1):
        assert market.engine._states[0]["instruments"][WIDE]["queues"][Side.SELL]["best_price"] == price
        market.do(commands.cancel_order(ALICE, market.order_id(number)))
    assert swept(market, Side.BUY) == [PRICE_TICKS_MAX]


def test_pages_are_given_back_when_a_book_empties(market):
    state = market.engine._states[0]
    before = int(state["node_count"] - state["free_node_count"])
    for price in PRICES:
        market.sell(ALICE, 1, price, instrument=WIDE)
    assert int(state["node_count"] - state["free_node_count"]) > before
    for number in range(len(PRICES), 0, -1):
        market.do(commands.cancel_order(ALICE, market.order_id(number)))
    assert int(state["node_count"] - state["free_node_count"]) == before
    assert not state["nodes"]["mask"].any()


def test_orders_of_one_price_trade_in_order_of_arrival_whoever_leaves(market):
    for _ in range(5):
        market.sell(ALICE, 1, 50)
    market.do(commands.cancel_order(ALICE, market.order_id(3)))
    market.do(commands.cancel_order(ALICE, market.order_id(1)))
    events = market.send(commands.new_order(BOB, PLAIN, Side.BUY, 50, 3))
    makers = events["counter_order_id"][events["kind"] == EventKind.TRADED].tolist()
    assert makers == [market.order_id(2), market.order_id(4), market.order_id(5)]


def test_an_order_id_never_comes_twice_and_an_old_one_names_nothing(market):
    market.sell(ALICE, 1, 50)
    old = market.order_id(1)
    market.do(commands.cancel_order(ALICE, old))
    market.sell(ALICE, 1, 50)
    new = market.order_id(2)
    assert (new & ((1 << SLOT_BITS) - 1), new >> SLOT_BITS) == (old & ((1 << SLOT_BITS) - 1), (old >> SLOT_BITS) + 1)
    assert reasons(market.do(commands.cancel_order(ALICE, old))) == [RejectReason.UNKNOWN_ORDER]


@pytest.mark.parametrize("order_id", [0, -1, 1, (1 << SLOT_BITS) - 1, 1 << 60, -(1 << 63), (1 << 63) - 1])
def test_an_id_that_was_never_given_names_nothing(market, order_id):
    market.sell(ALICE, 1, 50)
    assert reasons(market.do(commands.cancel_order(ALICE, order_id))) == [RejectReason.UNKNOWN_ORDER]


def test_a_slot_whose_generations_are_used_up_is_retired(market):
    market.sell(ALICE, 1, 50)
    slot = market.order_id(1) & ((1 << SLOT_BITS) - 1)
    market.engine._states[0]["details"][slot]["generation"] = (1 << 31) - 1
    last = ((1 << 31) - 1) << SLOT_BITS | slot
    market.do(commands.cancel_order(ALICE, last))
    market.sell(ALICE, 1, 50)
    assert market.order_id(2) & ((1 << SLOT_BITS) - 1) != slot


QUEUES = 4  # buys, sells, sleeping sells, sleeping buys
BOOKS = 2
STEPS = 20_000 if JIT_ENABLED else 1_500


@entry
def move(states, steps):
    """Put orders on their books (their slots) or take them off (below 0); return the most pages in use."""
    state = states[0]
    most = 0
    for index in range(len(steps)):
        if steps[index] > 0:
            put(state, steps[index])
        else:
            unlink(state, -steps[index])
        most = max(most, state.node_count - state.free_node_count)
    return most


@entry
def walk(states, instrument, which, order, prices, slots):
    """Write the price of each order of a queue, and its slot, level by level; return how many there are."""
    state = states[0]
    queue = state.instruments[instrument].queues[which]
    leaf, price = first_level(state, queue, order)
    count = 0
    while leaf != 0:
        slot = head_of(state, leaf, price)
        while slot != 0:
            prices[count], slots[count] = price, slot
            count += 1
            slot = state.orders[slot].next
        leaf, price = next_level(state, order, leaf, price)
    return count


def drawn_price(chance: random.Random) -> int:
    """Draw a price near others, or at any distance, or at the very ends."""
    kind = chance.randrange(8)
    if kind < 4:
        return 1_000 + chance.randrange(200)
    if kind == 4:
        return chance.choice((0, 1, 63, 64, 4095, 4096, PRICE_TICKS_MAX, UNPRICED_BUY_TICKS))
    return chance.randrange(1 << chance.randint(1, 31))


class Model:
    """Queues as sorted dicts of lists, and the orders of a state that they stand for."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)
        self.states = allocate(TEST)
        self.queues = {(book, which): SortedDict() for book in range(1, BOOKS + 1) for which in range(QUEUES)}
        self.places: dict[int, tuple[tuple[int, int], int]] = {}
        self.most_pages = 1

    def step(self) -> int:
        """Put an order, or take one off, in the model; return the step for the book."""
        free = len(self.places) < 300
        if free and (not self.places or self.chance.random() < 0.55):
            return self._put()
        slot = self.chance.choice(list(self.places))
        queue, price = self.places.pop(slot)
        level = self.queues[queue][price]
        level.remove(slot)
        if not level:
            del self.queues[queue][price]
        return -slot

    def _put(self) -> int:
        slot = next(slot for slot in iter(lambda: self.chance.randint(1, TEST.orders), 0) if slot not in self.places)
        book, which, price = self.chance.randint(1, BOOKS), self.chance.randrange(QUEUES), drawn_price(self.chance)
        state = self.states[0]
        state["orders"]["price_ticks"][slot] = price
        state["orders"]["side"][slot] = which if which < 2 else 3 - which
        state["orders"]["flags"][slot] = OrderFlag.SLEEPING if which > 1 else 0
        state["details"]["instrument"][slot] = book
        self.places[slot] = (book, which), price
        self.queues[book, which].setdefault(price, []).append(slot)
        return slot

    def run(self, count: int) -> None:
        """Take steps one by one."""
        for _ in range(count):
            self.most_pages = max(self.most_pages, move(self.states, np.array([self.step()])))

    def check(self) -> None:
        """Compare every queue, upwards and downwards, and its best price."""
        prices, slots = np.zeros(400, np.int64), np.zeros(400, np.int64)
        for (book, which), queue in self.queues.items():
            levels = [(price, slot) for price, level in queue.items() for slot in level]
            count = walk(self.states, book, which, 1, prices, slots)
            assert list(zip(prices[:count].tolist(), slots[:count].tolist(), strict=True)) == levels
            count = walk(self.states, book, which, 0, prices, slots)
            assert prices[:count].tolist() == sorted(prices[:count].tolist(), reverse=True)
            assert sorted(slots[:count].tolist()) == sorted(slot for _, slot in levels)
            row = self.states[0]["instruments"][book]["queues"][which]
            best = (queue.keys()[-1] if which % 2 == 0 else queue.keys()[0]) if queue else 0
            assert (int(row["best_price"]), bool(row["best_node"])) == (best, bool(queue))


@pytest.mark.parametrize("seed", range(3))
def test_books_agree_with_sorted_dicts_whatever_comes_and_goes(seed):
    model = Model(seed)
    for _ in range(STEPS // 250):
        model.run(250)
        model.check()
    state = model.states[0]
    assert int(state["node_count"]) == model.most_pages  # no page is made while one is free
    move(model.states, np.array([-slot for slot in model.places]))
    assert int(state["node_count"]) == int(state["free_node_count"]) + 1
    assert not state["nodes"]["mask"].any()
    assert not state["nodes"]["heads"].any()
    assert not state["instruments"]["queues"]["root"].any()


def test_a_level_keeps_its_order_when_its_first_middle_or_last_order_leaves():
    states = allocate(TEST)
    states[0]["details"]["instrument"][1:7] = 1
    states[0]["orders"]["price_ticks"][1:7] = 5
    move(states, np.array([1, 2, 3, 4, 5, 6, -1, -4, -6]))
    prices, slots = np.zeros(9, np.int64), np.zeros(9, np.int64)
    assert walk(states, 1, 0, 1, prices, slots) == 3
    assert slots[:3].tolist() == [2, 3, 5]
    assert states[0]["orders"]["prev"][2] == 5  # the first knows the last
    move(states, np.array([-5, 4]))
    assert walk(states, 1, 0, 1, prices, slots) == 3
    assert slots[:3].tolist() == [2, 3, 4]


@pytest.mark.skipif(not JIT_ENABLED, reason="a statement about the compiled core")
def test_to_cancel_from_a_long_level_costs_as_much_an_order_as_from_a_short_one():
    market = Market(Engine(PRODUCTION))
    market.do(commands.issue(ALICE, 2, 1 << 30))

    def nanoseconds_an_order(count: int) -> float:
        placed = market.engine.apply(np.frombuffer(commands.new_order(ALICE, PLAIN, Side.SELL, 50, 1) * count, COMMAND))
        orders = np.frombuffer(commands.cancel_order(ALICE, 0) * count, COMMAND).copy()
        orders["order_id"] = placed["order_id"]
        np.random.default_rng(1).shuffle(orders)
        begun = time.thread_time_ns()  # of this thread's own: the machine may have others
        ended = market.engine.apply(orders)
        assert (ended["kind"] == EventKind.ORDER_CANCELED).all()
        return (time.thread_time_ns() - begun) / count

    nanoseconds_an_order(100_000)  # memory is touched for the first time
    short = min(nanoseconds_an_order(1_000) for _ in range(5))
    long = min(nanoseconds_an_order(100_000) for _ in range(3))
    assert long < 12 * short  # what is cold costs more, what is searched would cost 100 times
