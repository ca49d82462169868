"""What must hold through phases, limits and rules, whatever is asked: checked after every command.

The readable engine is asked, which is the fast one's twin by test_engine_matches_reference.py.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
from hypothesis import HealthCheck, given, settings

from exchange.core import commands
from exchange.core.reference import Reference
from exchange.core.reference_auction import crossed
from exchange.core.state import TEST
from exchange.core.types import (
    EXCHANGE_ACCOUNT,
    CommandKind,
    EndReason,
    EventKind,
    OrderFlag,
    SelfTradePrevention,
    TimeInForce,
    TradingState,
)
from tests.exchange.core.builders import PLAIN
from tests.properties.streams import CALL_PROLOGUE, CALLS, RULED_PROLOGUE, RULED_STREAMS, Run, Step
from tests.properties.test_invariants import assert_balanced, held_by_orders

EXAMPLES = settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
RULED_ASSET = 4  # of the book under rules


@dataclass
class Tape:
    """What events tell of orders and instruments, as far as the rules need it."""

    terms: dict[int, tuple[int, int]] = field(default_factory=dict)  # base and quote asset by instrument
    states: dict[int, int] = field(default_factory=dict)
    groups: dict[int, int] = field(default_factory=lambda: {EXCHANGE_ACCOUNT: EXCHANGE_ACCOUNT})
    accepted: dict[int, np.void] = field(default_factory=dict)  # by order id
    filled: Counter[int] = field(default_factory=Counter)
    lowered: set[int] = field(default_factory=set)  # orders whose quantity is no longer that of their acceptance
    trade_count: int = 0
    used: dict[tuple[int, int], int] = field(default_factory=dict)

    def read(self, event: np.void, kind: CommandKind) -> None:
        """Take in an event of a command, and check what it claims."""
        what, instrument = EventKind(int(event["kind"])), int(event["instrument"])
        if what == EventKind.INSTRUMENT_LISTED:
            self.terms[instrument] = int(event["asset"]), int(event["counter_account"])
        elif what == EventKind.ACCOUNT_CREATED:
            self.groups[int(event["account"])] = int(event["counter_account"])
        elif what == EventKind.TRADING_STATE_SET:
            self.states[instrument] = int(event["state"])
        elif what == EventKind.ORDER_ACCEPTED:
            assert int(event["order_id"]) not in self.accepted
            self.accepted[int(event["order_id"])] = event
        elif what in {EventKind.MATCH_PREVENTED, EventKind.ORDER_REPLACED}:
            self.lowered |= {int(event["order_id"]), int(event["counter_order_id"])}
        elif what == EventKind.TRADED:
            self.trade(event, kind)

    def trade(self, event: np.void, kind: CommandKind) -> None:
        """Check a trade: one after the other, within limits, not of a group with itself, no post-only taker."""
        self.trade_count += 1
        assert event["trade_id"] == self.trade_count
        first, second = (self.accepted[int(event[name])] for name in ("order_id", "counter_order_id"))
        assert (first["side"], second["side"]) == (event["side"], 1 - event["side"])
        continuous = self.states[int(event["instrument"])] == TradingState.CONTINUOUS
        same_group = self.groups[int(event["account"])] == self.groups[int(event["counter_account"])]
        if continuous:
            assert not first["flags"] & OrderFlag.POST_ONLY
            assert not same_group or first["self_trade_prevention"] == SelfTradePrevention.NONE
        else:
            assert kind == CommandKind.UNCROSS
            assert not same_group
        for order_id in (int(event["order_id"]), int(event["counter_order_id"])):
            self.filled[order_id] += int(event["quantity_lots"])

    def all_or_nothing(self) -> None:
        """Check that what was to be filled or killed was the one or the other."""
        for order_id, order in self.accepted.items():
            if order["time_in_force"] == TimeInForce.FOK and order_id not in self.lowered:
                assert self.filled[order_id] in {0, int(order["quantity_lots"])}


def assert_not_crossed(reference: Reference) -> None:
    """Check that where trading is continuous the best bid does not reach the best ask."""
    instruments = reference.tables.instruments.values()
    assert not any(one.state == TradingState.CONTINUOUS and crossed(one) for one in instruments)


def holders(reference: Reference) -> set[int]:
    """Return the accounts that hold the asset under rules and count."""
    asset = reference.tables.assets.get(RULED_ASSET)
    return {
        account
        for account, owned, available, held in reference.balance_rows().tolist()
        if asset and owned == RULED_ASSET and available + held and account not in {EXCHANGE_ACCOUNT, asset.issuer}
    }


@EXAMPLES
@given(steps=RULED_STREAMS)
def test_the_rules_hold_after_every_command(steps):
    reference, tape = Reference(TEST), Tape()
    for command in Run(TEST, steps, RULED_PROLOGUE).commands:
        kind = CommandKind(int(command["kind"][0])) if command["kind"][0] in set(CommandKind) else CommandKind.NONE
        before = holders(reference)
        for event in reference.apply(command):
            tape.read(event, kind)
        assert_balanced(reference)
        assert_not_crossed(reference)
        held = {(account, asset): held for account, asset, _, held in reference.balance_rows().tolist() if held}
        assert held == held_by_orders(reference, tape.terms)
        limit = reference.tables.assets[RULED_ASSET].holders_max if RULED_ASSET in reference.tables.assets else 0
        came = holders(reference) - before
        assert not limit or not came or kind == CommandKind.BUST_TRADE or len(holders(reference)) <= limit
    tape.all_or_nothing()


@EXAMPLES
@given(steps=RULED_STREAMS)
def test_ids_of_use_transfers_and_busts_are_applied_once_within_their_window(steps):
    events = Run(TEST, steps, RULED_PROLOGUE).all_events()
    seen: set[tuple[int, int]] = set()
    for event in events[np.isin(events["kind"], [EventKind.REDEEMED, EventKind.TRANSFERRED, EventKind.TRADE_BUSTED])]:
        key = int(event["order_id"]), int(event["counter_order_id"])
        if event["kind"] == EventKind.TRADE_BUSTED:
            key = int(event["trade_id"]), -1
        if any(key) and event["time_ns"] < 3 * 24 * 3600 * 10**9:
            assert key not in seen
            seen.add(key)


@EXAMPLES
@given(steps=CALLS)
def test_an_auction_trades_what_was_indicated_at_one_price_that_all_accept(steps):
    finish = [
        Step(commands.indicate(PLAIN), 0, -1),
        Step(commands.uncross(PLAIN, TradingState.CLOSED), 0, -1),
    ]
    sent = Run(TEST, [*steps, *finish], CALL_PROLOGUE).all_commands()
    reference = Reference(TEST)
    reference.apply(sent[:-2])
    limits = {row[0]: row[4] for row in reference.open_order_rows().tolist()}
    (indicated,) = reference.apply(sent[-2:-1])
    events = reference.apply(sent[-1:])
    if EndReason.INSUFFICIENT_HOLD in events["reason"][events["kind"] == EventKind.ORDER_EXPIRED]:
        return
    (uncrossed,) = events[events["kind"] == EventKind.AUCTION_UNCROSSED]
    trades = events[events["kind"] == EventKind.TRADED]
    assert uncrossed[["price_ticks", "quantity_lots"]] == indicated[["price_ticks", "quantity_lots"]]
    assert trades["quantity_lots"].sum() == indicated["quantity_lots"]
    assert set(trades["price_ticks"].tolist()) <= {int(uncrossed["price_ticks"])}
    for trade in trades:
        buyer, seller = (limits[int(trade[name])] for name in ("order_id", "counter_order_id"))
        assert (buyer or trade["price_ticks"]) >= trade["price_ticks"] >= seller
