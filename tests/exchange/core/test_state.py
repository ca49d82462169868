"""The memory of a shard: sizes that were promised, snapshots that lose nothing, digests that tell states apart."""

import numpy as np
import pytest

from exchange.core import commands
from exchange.core import state as memory
from exchange.core.engine import Engine
from exchange.core.state import PRODUCTION, TEST
from exchange.core.types import AccountState, Side, TradingState
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CNY,
    LICENCES,
    PLAIN,
    SETUP,
    TOKENS,
    TOKENS_EACH,
    Market,
    batch,
)


def test_an_idle_book_and_an_order_cost_what_was_promised():
    assert memory.INSTRUMENT.itemsize <= 200
    assert memory.ORDER.itemsize + memory.DETAIL.itemsize <= 96


def test_the_production_state_is_one_record_below_2_gib():
    assert memory.state_dtype(PRODUCTION).itemsize < 1 << 31


TABLES = [
    memory.ACCOUNT, memory.ACCOUNT_LIMITS, memory.ASSET, memory.BALANCE, memory.ACQUISITION, memory.ORDER,
    memory.DETAIL, memory.CONDITION, memory.NODE, memory.INSTRUMENT, memory.RECENT,
]  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_every_wide_field_is_aligned(table):
    for name in table.names:
        shape, offset = table.fields[name][:2]
        base = shape.base if shape.base.names is None else np.dtype("<u4")
        assert offset % min(8, base.itemsize) == 0, name
    assert table.itemsize % 4 == 0


def test_orders_and_tables_begin_cache_lines_of_their_own():
    layout = memory.state_dtype(TEST)
    assert (memory.ORDER.itemsize, memory.DETAIL.itemsize) == (32, 64)
    large = [name for name in layout.names if layout[name].itemsize > 64]
    assert [name for name in large if layout.fields[name][1] % 64] == []
    states = memory.allocate(TEST)
    assert states.ctypes.data % 64 == 0


def busy_market() -> Market:
    """Return a market in which every table has been used, and rows given back."""
    market = Market(Engine(TEST))
    market.do(
        commands.list_instrument(3, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=99),
        commands.issue(BOB, LICENCES, 50),
        commands.set_venue_rules(3, turnaround_days=2),
        commands.set_trading_state(3, TradingState.CONTINUOUS),
        commands.set_account_limits(BOB, message_rate_max=1_000),
        commands.redeem(ALICE, TOKENS, 1, bytes([1] * 16)),
    )
    market.sell(BOB, 5, 10, instrument=3)
    market.buy(ALICE, 3, 10, instrument=3)
    for number in range(40):
        market.buy(BOB, 7, 10 + 70 * number % 500, display_lots=2, client_order_id=f"order-{number}")
    for number in range(0, 40, 2):
        market.do(commands.cancel_order(BOB, market.order_ids[-1 - number]))
    market.sell(ALICE, 9, 300)
    return market


def test_no_table_reaches_beyond_its_count():
    state = busy_market().engine._states[0]
    for name, count in memory._COUNTED.items():
        rows = state[name].view(np.ndarray)
        used = int(state[count])
        assert 1 < used < len(rows), name
        assert not np.ascontiguousarray(rows[used:]).view(np.uint8).any(), name


def test_a_snapshot_looks_wherever_a_byte_may_be_but_in_indexes():
    states = busy_market().engine._states
    seen = np.zeros(states.nbytes, bool)
    for start, end in memory._extents(states):
        assert not seen[start:end].any()
        seen[start:end] = True
    for name in ("balance_index", "client_ids", "usage_ids"):
        layout, start = states.dtype.fields[name]
        inner, first = layout.fields["index"] if layout.fields else (layout, 0)
        assert not seen[start + first : start + first + inner.itemsize].any()
        seen[start + first : start + first + inner.itemsize] = True
    assert not states.view(np.uint8).reshape(-1)[~seen].any()


def test_a_busy_state_comes_back_whole_and_goes_on_alike():
    market = busy_market()
    twin = Engine.restore(market.engine.snapshot())
    assert twin._states.tobytes() == market.engine._states.tobytes()
    following = batch(
        commands.mass_cancel(BOB),
        commands.uncross(PLAIN, TradingState.CONTINUOUS),
        commands.new_order(ALICE, 3, Side.SELL, 10, 3),
        commands.quote(BOB, PLAIN, (9, 3), (1_000, 3)),
        commands.new_order(BOB, PLAIN, Side.BUY, 10, 1, client_order_id="order-7"),
        sequence=5_000,
    )
    assert twin.apply(following).tobytes() == market.engine.apply(following).tobytes()
    assert twin.digest() == market.engine.digest()


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
    again = batch(*SETUP, sequence=500)
    assert twin.apply(again).tolist() == market.engine.apply(again).tolist()
    assert twin.digest() == market.engine.digest()


def test_a_snapshot_holds_only_what_is_used():
    assert len(Engine(PRODUCTION).snapshot()) < 1 << 20


def test_the_digest_changes_with_a_single_byte_of_any_part():
    states = busy_market().engine._states
    before = memory.digest(states)
    for start, end in list(memory._extents(states)):
        for position in (start + 9, end - 1):
            states.view(np.uint8).reshape(-1)[position] ^= 1
            assert memory.digest(states) != before, position
            states.view(np.uint8).reshape(-1)[position] ^= 1
    assert memory.digest(states) == before


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:-1], lambda data: data + b"x"])
def test_what_is_no_snapshot_is_refused(damage):
    with pytest.raises(ValueError, match=r"snapshot|buffer"):
        memory.restore(damage(bytes(busy_market().engine.snapshot())))


def test_a_snapshot_of_another_layout_is_refused():
    data = bytearray(Engine(TEST).snapshot())
    data[80:88] = (123).to_bytes(8, "little")
    with pytest.raises(ValueError, match="this version has"):
        memory.restore(bytes(data))


def test_equal_histories_give_equal_states_however_they_are_split():
    whole, split = Engine(TEST), Engine(TEST)
    script = batch(*SETUP)
    whole.apply(script)
    for position in range(len(script)):
        split.apply(script[position : position + 1])
    assert whole.digest() == split.digest()
    assert whole.balance_rows().tolist() == split.balance_rows().tolist()
    assert TOKENS_EACH in whole.balance_rows()["available"].tolist()
