"""The readable engine as a whole: commands in, events out, queries answered."""

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.records import COMMAND, EVENT
from exchange.core.reference import Reference
from exchange.core.state import TEST
from exchange.core.types import (
    AssetKind,
    CommandKind,
    EventKind,
    RejectReason,
    Side,
)
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CASH_EACH,
    CNY,
    COARSE,
    NOBODY,
    SETUP,
    TOKENS,
    TOKENS_EACH,
    Market,
    altered,
    batch,
    rejected,
)


@pytest.fixture
def market() -> Market:
    """Return a market of the readable engine."""
    return Market()


def test_nothing_in_nothing_out():
    reference = Reference()
    assert reference.apply(np.zeros(0, COMMAND)).dtype == EVENT
    assert (reference.event_count, reference.command_sequence) == (0, 0)
    for rows in (reference.balance_rows(), reference.open_order_rows(), reference.asset_rows()):
        assert len(rows) == 0


def test_events_carry_sequence_and_time_of_their_command():
    reference = Reference(TEST)
    commands_ = batch(commands.create_account(1), commands.create_account(1), sequence=40, time_ns=5)
    events = reference.apply(commands_)
    assert events[["sequence", "time_ns", "kind"]].tolist() == [
        (40, 5, EventKind.ACCOUNT_CREATED),
        (41, 5, EventKind.COMMAND_REJECTED),
    ]
    assert (reference.event_count, reference.command_sequence) == (2, 41)


def test_events_do_not_depend_on_batches():
    whole, parts = Reference(TEST), Reference(TEST)
    all_commands = batch(*SETUP)
    events = np.concatenate([parts.apply(all_commands[:7]), parts.apply(all_commands[7:])])
    assert whole.apply(all_commands).tobytes() == events.tobytes()


@pytest.mark.parametrize("kind", [0, 36, 255])
def test_an_unknown_command_is_refused_with_all_it_said(market, kind):
    fields = {
        "side": 1,
        "order_type": 2,
        "time_in_force": 3,
        "self_trade_prevention": 4,
        "flags": 5,
        "account": 6,
        "instrument": 7,
        "asset": 8,
        "order_id": 9,
        "price_ticks": 10,
        "quantity_lots": -11,
        "amount": 12,
    }
    command = altered(commands.mass_cancel(ALICE), kind=kind, state=13, group=14, words=[15] * 5, **fields)
    assert market.do(command) == [rejected(RejectReason.UNKNOWN_COMMAND, kind, **fields)]


def test_queries_tell_accounts_orders_and_assets(market):
    market.sell(BOB, 3, 100, instrument=COARSE)
    assert market.engine.balances(BOB) == [(CNY, CASH_EACH, 0), (TOKENS, TOKENS_EACH - 30, 30)]
    assert market.engine.balances(NOBODY) == []
    assert market.engine.open_order_rows().tolist() == [(market.order_id(1), BOB, COARSE, Side.SELL, 100, 3, 3, 30)]
    assert market.engine.asset_rows().tolist()[1] == (TOKENS, AssetKind.ALLOWANCE, ALICE, 4 * TOKENS_EACH, 0)
    assert market.engine.balance_rows()[["account", "asset"]].tolist()[:3] == [(0, CNY), (ALICE, TOKENS), (ALICE, CNY)]


def test_rejections_name_their_command(market):
    told = market.do(commands.withdraw(BOB, CNY, 10**9))
    assert told == [
        rejected(RejectReason.INSUFFICIENT_BALANCE, CommandKind.WITHDRAW, account=BOB, asset=CNY, amount=10**9)
    ]
