"""The engine: one dispatch, batches of any size, queries that agree with what happened."""

import os
import subprocess
import sys

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.records import COMMAND, EVENT
from exchange.core.state import EVENTS_MAX, TEST
from exchange.core.types import CommandKind, EventKind, RejectReason, Side
from tests.exchange.core.builders import ALICE, BOB, CNY, PLAIN, SETUP, TOKENS, Market, batch, reasons


def test_no_commands_no_events():
    engine = Engine(TEST)
    events = engine.apply(np.zeros(0, COMMAND))
    assert (events.dtype, len(events), engine.event_count) == (EVENT, 0, 0)


@pytest.mark.parametrize("kind", [CommandKind.NONE, 16, 255])
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


def test_a_batch_whose_events_outgrow_the_buffer_is_applied_whole():
    engine = Engine(TEST)
    count = EVENTS_MAX + 10
    events = engine.apply(np.zeros(count, COMMAND))
    assert len(events) == count == engine.event_count


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


_PLAIN = """
import numpy as np
from exchange.core.engine import Engine
from tests.exchange.core.builders import ALICE, BOB, Market
from exchange.core import commands
from exchange.core.state import TEST
market = Market(Engine(TEST))
market.do(commands.set_fees(1, -1, 5))
for price in (50, 64, 4096, 70):
    market.sell(ALICE, 3, price, client_order_id=f"ask-{price}")
market.buy(BOB, 10, 90, time_in_force=1)
market.do(commands.replace_order(ALICE, market.order_id(3), 5000, 9), commands.mass_cancel(ALICE))
market.do(commands.redeem(BOB, 2, 5, bytes(range(16))))
print(market.engine.digest().hex())
"""


def test_the_kernel_is_the_same_function_without_the_compiler():
    def run(**environment: str) -> str:
        settings = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(sys.path)}
        told = subprocess.run([sys.executable, "-c", _PLAIN], env=settings, capture_output=True, text=True, check=True)
        return told.stdout

    assert run(NUMBA_DISABLE_JIT="1") == run()


def test_a_refused_command_says_what_it_asked():
    market = Market(Engine(TEST))
    told = market.sell(ALICE, 5_000, 33)
    assert reasons(told) == [RejectReason.INVALID_QUANTITY]
    assert (told[0].fields["quantity_lots"], told[0].fields["price_ticks"], told[0].fields["side"]) == (5_000, 33, 1)
