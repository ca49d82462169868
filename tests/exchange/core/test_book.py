"""Books on tries of pages: best prices, order of arrival, prices from one end to the other, pages given back."""

import random

import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.state import TEST
from exchange.core.types import PRICE_TICKS_MAX, SLOT_BITS, EventKind, RejectReason, Side, TimeInForce
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
        assert market.engine._states[0]["instruments"][WIDE]["sides"][Side.SELL]["best_price"] == price
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
