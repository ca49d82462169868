"""The engine: one dispatch, batches of any size, queries that agree with what happened."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from numba import njit

from exchange.core import commands
from exchange.core import engine as core
from exchange.core.engine import Engine
from exchange.core.jit import JIT_ENABLED, kernel
from exchange.core.records import COMMAND, EVENT
from exchange.core.state import EVENTS_MAX, TEST
from exchange.core.types import (
    EVENTS_PER_COMMAND_MAX,
    CommandKind,
    EventKind,
    OrderType,
    RejectReason,
    Side,
    TradingState,
)
from tests.exchange.core.builders import ALICE, BOB, CAROL, CNY, DAVE, PLAIN, SETUP, TOKENS, Market, batch, reasons
from tests.properties.long_run import drawn

_PROGRAM = core._program(TEST)
_INNER = kernel(getattr(_PROGRAM, "py_func", _PROGRAM))


def test_no_commands_no_events():
    engine = Engine(TEST)
    events = engine.apply(np.zeros(0, COMMAND))
    assert (events.dtype, len(events), engine.event_count) == (EVENT, 0, 0)


@pytest.mark.parametrize("kind", [CommandKind.NONE, len(CommandKind), 255])
def test_an_unknown_kind_is_refused(kind):
    command = np.zeros(1, COMMAND)
    command["kind"] = kind
    events = Engine(TEST).apply(command)
    assert events[["kind", "reason", "state"]].tolist() == [
        (EventKind.COMMAND_REJECTED, RejectReason.UNKNOWN_COMMAND, kind)
    ]


def test_events_belong_to_their_command_and_are_counted():
    market = Market(Engine(TEST))
    market.time_ns = 77
    events = market.send(commands.deposit(BOB, CNY, 1), commands.deposit(BOB, CNY, 0))
    assert events["sequence"].tolist() == [market.sequence - 1, market.sequence]
    assert events["time_ns"].tolist() == [77, 77]
    assert market.engine.command_sequence == market.sequence
    assert market.engine.event_count == len(market.events)


@pytest.mark.parametrize("kind", [kind for kind in CommandKind if kind != CommandKind.NONE])
def test_every_kind_is_known(kind):
    command = np.zeros(1, COMMAND)
    command["kind"] = kind
    events = Engine(TEST).apply(command)
    assert RejectReason.UNKNOWN_COMMAND not in events["reason"][events["kind"] == EventKind.COMMAND_REJECTED]


def test_a_batch_whose_events_outgrow_the_buffer_is_applied_whole(monkeypatch):
    count = EVENTS_MAX + 10
    if not JIT_ENABLED:  # which takes its time for each
        monkeypatch.setattr(core, "EVENTS_MAX", EVENTS_PER_COMMAND_MAX + 20)
        count = 50
    engine = Engine(TEST)
    commands_in = np.zeros(count, COMMAND)
    commands_in["sequence"] = np.arange(count)
    events = engine.apply(commands_in)
    assert events["sequence"].tolist() == list(range(count))
    assert engine.event_count == count


def stream() -> np.ndarray:
    """Return commands of every kind that trade, wait, wake, call, end and refuse."""
    stop = {"order_type": OrderType.STOP_LIMIT, "stop_ticks": 53}
    rounds = [
        step
        for number in range(14)
        for step in (
            commands.new_order(
                ALICE, PLAIN, Side.SELL, 50 + number % 9, 7, display_lots=2, client_order_id=f"a{number}"
            ),
            commands.new_order(BOB, PLAIN, Side.BUY, 70, 1, **stop),
            commands.new_order(CAROL, PLAIN, Side.BUY, 49 + number % 11, 5, time_in_force=number % 3),
            commands.quote(DAVE, PLAIN, (40, 2), (61 + number % 3, 2)),
            commands.begin_batch(BOB, 2),
            commands.new_order(BOB, PLAIN, Side.BUY, 30, 1, flags=1),
            commands.new_order(BOB, PLAIN, Side.BUY, 20 + 90 * (number % 2), 1, flags=1),
            commands.set_trading_state(PLAIN, TradingState.CALL_OPEN),
            commands.new_order(CAROL, PLAIN, Side.BUY, 58, 3, time_in_force=5),
            commands.uncross(PLAIN, TradingState.CONTINUOUS),
            commands.mass_cancel(CAROL),
            commands.redeem(ALICE, TOKENS, 1, number.to_bytes(16, "little")),
        )
    ]
    return batch(*SETUP, *rounds, *(bytes([0] * 16 + [kind]) + bytes(111) for kind in range(40)))


@pytest.mark.parametrize("sizes", [(1,), (2, 5, 1), (13, 40), (400,)])
def test_events_and_state_do_not_depend_on_the_split(sizes):
    script = stream()
    whole, split = Engine(TEST), Engine(TEST)
    expected = whole.apply(script)
    parts, position, turn = [], 0, 0
    while position < len(script):
        size = sizes[turn % len(sizes)]
        parts.append(split.apply(script[position : position + size]))
        position, turn = position + size, turn + 1
    assert np.concatenate(parts).tobytes() == expected.tobytes()
    assert {EventKind.TRADED, EventKind.ORDER_TRIGGERED, EventKind.AUCTION_UNCROSSED} <= set(expected["kind"].tolist())
    assert whole.digest() == split.digest()
    assert whole.event_count == len(expected)


def test_the_events_handed_out_are_not_touched_by_the_next_batch():
    engine = Engine(TEST)
    first = engine.apply(batch(*SETUP))
    copy = first.tolist()
    engine.apply(batch(*SETUP, sequence=1_000))
    assert first.tolist() == copy


def test_queries_show_balances_orders_and_assets():
    market = Market(Engine(TEST))
    market.buy(BOB, 3, 20)
    engine = market.engine
    mine = {asset: (available, held) for asset, available, held in engine.balances(BOB)}
    rows = engine.balance_rows()
    assert {int(row["asset"]): (row["available"], row["held"]) for row in rows[rows["account"] == BOB]} == mine
    assert mine[CNY][1] == 60
    assert engine.balances(60) == []
    order = engine.open_order_rows()[0]
    assert order[["order_id", "account", "instrument", "side", "price_ticks", "leaves_lots", "held"]].tolist() == (
        market.order_id(1), BOB, PLAIN, Side.BUY, 20, 3, 60,
    )  # fmt: skip
    assert engine.asset_rows()["asset"].tolist() == [CNY, TOKENS, 3]


_DIGEST = """
from exchange.core.engine import Engine
from exchange.core.state import TEST
from tests.exchange.core.test_engine import stream
engine = Engine(TEST)
engine.apply(stream())
print(engine.digest().hex())
"""
_STRICT = """
import sys
import numpy as np
from numba import njit
from numba.core.errors import NumbaError
from exchange.core import engine as core
from exchange.core.state import TEST
from exchange.core.jit import kernel
from exchange.core.records import COMMAND
from tests.exchange.core.test_engine import without_memory

@kernel
def allocates(count):
    return np.zeros(count)

@njit(_nrt=False)
def refused(count):
    return allocates(count)[0]

try:
    refused(5)
except NumbaError:
    pass
else:
    raise SystemExit("memory may be allocated")

@njit
def beyond(rows):
    return rows[len(rows)]

try:
    beyond(np.zeros(5))
except IndexError:
    pass
else:
    raise SystemExit("bounds are not checked")

engine = core.Engine(TEST)
script = np.fromfile(sys.argv[1], COMMAND)
at = engine._state_at, script.ctypes.data, 0, len(script), engine._output.at
assert without_memory(*at) == len(script)
print(engine.digest().hex())
"""


@njit(cache=True, nogil=True, _nrt=False)
def without_memory(state_at, commands_at, start, end, output_at):
    """Run the engine's own loop where nothing that allocates compiles."""
    return _INNER(state_at, commands_at, start, end, output_at)


_AHEAD = """
from exchange.core import engine as core
from exchange.core.state import TEST
from tests.exchange.core.test_engine import strays
core._CACHED_ORDERS = 0  # as if every book were large
engine = core.Engine(TEST)
engine.apply(strays())
print(engine.digest().hex())
"""


def strays() -> np.ndarray:
    """Return commands, among them many that name orders far beyond those there are."""
    far = [commands.cancel_order(BOB, 1 << 22 | slot) for slot in (0, TEST.orders, TEST.orders + 1, (1 << 22) - 1)]
    return np.concatenate([stream(), batch(*far * 8), stream()])


def digest_of(script: str, *words: str, **environment: str) -> str:
    """Run a script in a process of its own, and return what it says."""
    settings = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", script, *words]
    told = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return told.stdout


def test_the_kernel_is_the_same_function_without_the_compiler():
    engine = Engine(TEST)
    engine.apply(stream())
    there = "0" if os.environ.get("NUMBA_DISABLE_JIT") == "1" else "1"
    assert digest_of(_DIGEST, NUMBA_DISABLE_JIT=there).strip() == engine.digest().hex()


@pytest.mark.skipif(not JIT_ENABLED, reason="a statement about the compiled core")
def test_the_kernel_allocates_nothing_and_stays_within_its_tables(tmp_path):
    script, engine = drawn(20_000, seed=5), Engine(TEST)
    engine.apply(script)
    script.tofile(tmp_path / "commands")
    told = digest_of(_STRICT, str(tmp_path / "commands"), NUMBA_BOUNDSCHECK="1")
    assert told.strip() == engine.digest().hex()


def test_orders_that_never_were_are_not_asked_for_ahead():  # without the compiler an index beyond is an error
    engine = Engine(TEST)
    engine.apply(strays())
    assert digest_of(_AHEAD, NUMBA_DISABLE_JIT="1").strip() == engine.digest().hex()


_CROWDED = """
import hashlib
from exchange.core import book
from exchange.core.engine import Engine
from exchange.core.state import TEST
from tests.exchange.core.test_engine import drawn
book.LEAF_BITS = 0  # every page of prices is looked for in one place
print(hashlib.sha256(Engine(TEST).apply(drawn(3_000, seed=6)).tobytes()).hexdigest())
"""


def test_a_page_of_prices_is_never_taken_for_another():
    events = Engine(TEST).apply(drawn(3_000, seed=6))
    assert digest_of(_CROWDED, NUMBA_DISABLE_JIT="1").strip() == hashlib.sha256(events.tobytes()).hexdigest()


def test_events_that_somebody_has_are_not_written_over():
    script, engine = drawn(3_000, seed=7), Engine(TEST)
    kept = [engine.apply(script[first : first + 100]) for first in range(0, len(script), 100)]
    assert np.concatenate(kept).tobytes() == Engine(TEST).apply(script).tobytes()


def test_room_for_events_is_used_again_when_nobody_has_them():
    script, engine = drawn(3_000, seed=7), Engine(TEST)
    places = {engine.apply(script[first : first + 100]).ctypes.data for first in range(0, 2_901, 100)}
    assert len(places) == 1


def test_open_orders_show_the_limits_and_lots_of_what_sleeps_hides_or_has_no_price():
    market = Market(Engine(TEST))
    market.do(commands.set_price_band(PLAIN, 1, 100))
    market.buy(BOB, 3, 90, order_type=OrderType.STOP_LIMIT, stop_ticks=60)
    market.buy(BOB, 9, 20, display_lots=2)
    market.do(commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    market.buy(BOB, 4, 0, order_type=OrderType.MARKET, time_in_force=5)
    rows = market.engine.open_order_rows()
    assert sorted(rows[["price_ticks", "quantity_lots", "leaves_lots", "held"]].tolist()) == [
        (0, 4, 4, 400),
        (20, 9, 9, 180),
        (90, 3, 3, 270),
    ]


def test_a_refused_command_says_what_it_asked():
    market = Market(Engine(TEST))
    told = market.sell(ALICE, 5_000, 33)
    assert reasons(told) == [RejectReason.INVALID_QUANTITY]
    assert (told[0].fields["quantity_lots"], told[0].fields["price_ticks"], told[0].fields["side"]) == (5_000, 33, 1)
