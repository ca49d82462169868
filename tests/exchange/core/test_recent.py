"""Ids seen lately: once within the window, forgotten after it, and never confused when the table is full of them."""

import random

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.jit import JIT_ENABLED, entry
from exchange.core.recent import enter_all, find, has_room, remember
from exchange.core.state import TEST, allocate
from exchange.core.types import CLIENT_ID_WINDOW_NS, USAGE_ID_WINDOW_NS, EventKind, RejectReason
from tests.exchange.core.builders import ALICE, BOB, TOKENS, Market, reasons


def usage(number: int) -> bytes:
    """Return a usage id."""
    return number.to_bytes(16, "little")


def redeem(market: Market, number: int) -> RejectReason:
    """Burn one unit under a usage id; return the refusal."""
    return reasons(market.do(commands.redeem(BOB, TOKENS, 1, usage(number))))[0]


def test_an_id_counts_once_until_its_window_has_passed():
    market = Market(Engine(TEST))
    assert redeem(market, 7) == RejectReason.NONE
    market.time_ns = USAGE_ID_WINDOW_NS - 1
    assert redeem(market, 7) == RejectReason.DUPLICATE_ID
    market.time_ns = USAGE_ID_WINDOW_NS
    assert redeem(market, 7) == RejectReason.NONE
    assert redeem(market, 7) == RejectReason.DUPLICATE_ID


def test_a_full_table_refuses_until_the_oldest_may_be_forgotten():
    market = Market(Engine(TEST))
    market.do(commands.issue(ALICE, TOKENS, 10_000))
    for number in range(1, TEST.client_ids + 1):
        market.time_ns = number
        assert reasons(market.do(commands.redeem(ALICE, TOKENS, 1, usage(number)))) == [RejectReason.NONE]
    late = commands.redeem(ALICE, TOKENS, 1, usage(0xFFFF))
    assert reasons(market.do(late)) == [RejectReason.RECENT_IDS_FULL]
    market.time_ns = 1 + USAGE_ID_WINDOW_NS
    assert reasons(market.do(late)) == [RejectReason.NONE]


def test_a_table_in_motion_knows_exactly_what_is_in_its_window():
    market = Market(Engine(TEST))
    market.do(commands.issue(ALICE, TOKENS, 100_000))
    chance = random.Random(5)
    seen: dict[int, int] = {}
    for _ in range(4_000):
        market.time_ns += chance.choice((0, 1, USAGE_ID_WINDOW_NS // 300))
        number = chance.randint(1, 900)
        known = number in seen and market.time_ns - seen[number] < USAGE_ID_WINDOW_NS
        told = reasons(market.do(commands.redeem(ALICE, TOKENS, 1, usage(number))))[0]
        assert told == (RejectReason.DUPLICATE_ID if known else RejectReason.NONE)
        if not known:
            seen[number] = market.time_ns


def test_a_client_order_id_belongs_to_its_account_and_names_the_original_order():
    market = Market(Engine(TEST))
    market.buy(BOB, 1, 10, client_order_id="same")
    market.buy(ALICE, 1, 10, client_order_id="same")
    again = market.buy(BOB, 5, 99, client_order_id="same")
    assert [(told.kind, told.fields["order_id"]) for told in again] == [
        (EventKind.ORDER_DUPLICATED, market.order_id(1))
    ]
    assert len(market.order_ids) == 2
    market.time_ns = CLIENT_ID_WINDOW_NS
    assert market.buy(BOB, 1, 10, client_order_id="same")[0].kind == EventKind.ORDER_ACCEPTED


def test_ids_that_differ_in_one_character_at_any_place_are_different():
    market = Market(Engine(TEST))
    for place in range(36):
        text = "a" * place + "b" + "a" * (35 - place)
        assert market.buy(BOB, 1, 1, client_order_id=text)[0].kind == EventKind.ORDER_ACCEPTED


@entry
def use(states, keys, times, window, found):
    """Look each id up, and add those that are not there; write what was found, or -1 where there was no room."""
    ids = states[0].client_ids
    for index in range(len(keys)):
        low, high = keys[index, 0], keys[index, 1]
        found[index] = find(ids, low, high, times[index], window)
        if found[index] == 0:
            if has_room(ids, times[index], 1):
                remember(ids, low, high, times[index], index + 1, window)
            else:
                found[index] = -1


def test_the_oldest_gives_way_and_the_index_finds_exactly_what_is_left_however_keys_collide():
    count = 60_000 if JIT_ENABLED else 3_000
    chance = np.random.default_rng(3)
    window, rows = 2_000, TEST.client_ids
    low = chance.integers(0, 40, count) << 55 | chance.integers(0, 30, count)  # few places in the index
    keys = np.stack([low, chance.integers(0, 4, count)], axis=1).astype(np.int64)
    times = np.cumsum(chance.integers(0, 3, count)).astype(np.int64)
    found = np.zeros(count, np.int64)
    states = allocate(TEST)
    use(states, keys, times, window, found)
    kept: dict[tuple[int, int], tuple[int, int]] = {}
    for index, (key, now) in enumerate(zip(map(tuple, keys.tolist()), times.tolist(), strict=True)):
        value = kept.get(key, (now - window, 0))
        expected = value[1] if now - value[0] < window else 0
        if expected == 0:
            alive = {name: entry for name, entry in kept.items() if now - entry[0] < window}
            if len(alive) == rows:
                oldest = next(iter(alive))
                if now - alive[oldest][0] < 1:
                    expected = -1
                else:
                    del alive[oldest]
            kept = alive
            if expected == 0:
                kept[key] = now, index + 1
        assert int(found[index]) == expected
    assert (found > 0).any()


@entry
def index_again(states):
    """Make the index of an emptied one."""
    enter_all(states[0].client_ids)


@pytest.mark.parametrize("places", [3, 40, 1 << 20])
def test_an_index_made_again_is_the_same_to_the_byte_whatever_was_forgotten(places):
    chance = np.random.default_rng(places)
    states = allocate(TEST)
    index = states[0]["client_ids"]["index"]
    now = 0
    for _ in range(40):
        count = int(chance.integers(1, 200))
        times = now + np.cumsum(chance.integers(0, 3, count)).astype(np.int64)
        keys = np.stack([chance.integers(0, places, count) << 43, chance.integers(0, 1 << 40, count)], axis=1)
        use(states, keys, times, 400, np.zeros(count, np.int64))
        now = int(times[-1])
        before = index.copy()
        index[:] = 0
        index_again(states)
        assert before.any()
        assert index.tobytes() == before.tobytes()


def test_an_emptied_ring_leaves_an_empty_index():
    states = allocate(TEST)
    keys = np.arange(2 * 50, dtype=np.int64).reshape(50, 2)
    found = np.zeros(50, np.int64)
    use(states, keys, np.arange(50), 1_000, found)
    assert np.count_nonzero(states[0]["client_ids"]["index"]) == 50
    use(states, keys[:1] - 1, np.array([5_000]), 1_000, found)
    assert np.count_nonzero(states[0]["client_ids"]["index"]) == 1
    ids = states[0]["client_ids"]
    assert (int(ids["first"]), int(ids["last"])) == (50, 51)
