"""The memory of a shard: sizes that were promised, snapshots that lose nothing, digests that tell states apart."""

import numpy as np
import pytest

from exchange.core import state as memory
from exchange.core.engine import Engine
from exchange.core.state import PRODUCTION, TEST
from exchange.core.types import AccountState
from tests.exchange.core.builders import BOB, SETUP, TOKENS_EACH, Market, batch


def test_an_idle_book_and_an_order_cost_what_was_promised():
    assert memory.INSTRUMENT.itemsize <= 200
    assert memory.ORDER.itemsize + memory.DETAIL.itemsize <= 96


def test_the_production_state_is_one_record_below_2_gib():
    assert memory.state_dtype(PRODUCTION).itemsize < 1 << 31


def test_every_wide_field_is_aligned():
    for table in (memory.ORDER, memory.DETAIL, memory.NODE, memory.BALANCE, memory.INSTRUMENT, memory.RECENT):
        for name in table.names:
            shape, offset = table.fields[name][:2]
            assert offset % min(8, shape.base.itemsize) == 0, name


def test_an_empty_state_holds_the_exchange_alone():
    state = memory.allocate(TEST)[0]
    assert state["account_count"] == state["asset_count"] == state["instrument_count"] == 1
    assert state["accounts"][0]["state"] == AccountState.ACTIVE
    assert not state["accounts"][1:]["state"].any()


def test_a_snapshot_restores_the_same_bytes_and_the_same_future():
    market = Market(Engine(TEST))
    market.buy(BOB, 7, 50, client_order_id="kept")
    twin = Engine.restore(market.engine.snapshot())
    assert twin.digest() == market.engine.digest()
    assert twin.capacity == TEST
    commands = batch(*SETUP, sequence=500)
    assert twin.apply(commands).tolist() == market.engine.apply(commands).tolist()
    assert twin.digest() == market.engine.digest()


def test_a_snapshot_holds_only_what_is_used():
    assert len(Engine(PRODUCTION).snapshot()) < 1 << 20


def test_the_digest_changes_with_a_single_byte_anywhere():
    states = memory.allocate(TEST)
    before = memory.digest(states)
    for position in (9, states.nbytes // 2, states.nbytes - 1):
        states.view(np.uint8).reshape(-1)[position] ^= 1
        assert memory.digest(states) != before
        states.view(np.uint8).reshape(-1)[position] ^= 1
    assert memory.digest(states) == before


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-1], lambda data: data + b"x"])
def test_what_is_no_snapshot_is_refused(damage):
    with pytest.raises(ValueError, match=r"snapshot|buffer"):
        memory.restore(damage(Engine(TEST).snapshot()))


def test_a_snapshot_of_another_layout_is_refused():
    data = bytearray(Engine(TEST).snapshot())
    data[56:64] = (123).to_bytes(8, "little")
    with pytest.raises(ValueError, match="this version has"):
        memory.restore(bytes(data))


def test_equal_histories_give_equal_states_however_they_are_split():
    whole, split = Engine(TEST), Engine(TEST)
    commands = batch(*SETUP)
    whole.apply(commands)
    for position in range(len(commands)):
        split.apply(commands[position : position + 1])
    assert whole.digest() == split.digest()
    assert whole.balance_rows().tolist() == split.balance_rows().tolist()
    assert TOKENS_EACH in whole.balance_rows()["available"].tolist()
