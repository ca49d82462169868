"""The fast engine and the readable one are the same function: event for event, balance for balance."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.reference import Reference
from exchange.core.state import TEST, Capacity
from exchange.core.types import EndReason, EventKind, RejectReason, TradingState
from tests.exchange.core.builders import PLAIN, TINY, facts
from tests.properties.streams import (
    CALL_PROLOGUE,
    CALLS,
    RULED_PROLOGUE,
    RULED_STREAMS,
    STREAMS,
    TRADING_STREAMS,
    WIDE_STREAMS,
    Run,
    Step,
)

EXAMPLES = settings(max_examples=75, suppress_health_check=[HealthCheck.too_slow])
MANY_EXAMPLES = settings(EXAMPLES, max_examples=200)
CUTS = st.lists(st.integers(0, 100), max_size=6)

pytestmark = pytest.mark.timeout(600)  # the first use of a capacity compiles the kernels for it


def apply_in_parts(engine: Engine, all_commands: np.ndarray, cuts: list[int]) -> np.ndarray:
    """Apply commands in batches that end where the cuts say, and return all events."""
    bounds = [0, *sorted(min(cut, len(all_commands)) for cut in cuts), len(all_commands)]
    return np.concatenate([engine.apply(all_commands[start:end]) for start, end in pairwise(bounds)])


def assert_same_events(expected: np.ndarray, found: np.ndarray) -> None:
    """Compare events exactly; where they differ, show them as facts."""
    if expected.tobytes() != found.tobytes():
        assert list(zip(found["sequence"].tolist(), facts(found), strict=True)) == list(
            zip(expected["sequence"].tolist(), facts(expected), strict=True)
        )
        raise AssertionError("events differ in their times")


def assert_same_state(reference: Reference, engine: Engine) -> None:
    """Compare everything that may be asked of an engine."""
    assert engine.balance_rows().tolist() == reference.balance_rows().tolist()
    assert engine.open_order_rows().tolist() == reference.open_order_rows().tolist()
    assert engine.asset_rows().tolist() == reference.asset_rows().tolist()
    assert [engine.balances(account) for account in range(8)] == [reference.balances(account) for account in range(8)]
    assert engine.event_count == reference.event_count
    assert engine.command_sequence == reference.command_sequence


def assert_agreement(run: Run, capacity: Capacity, cuts: list[int]) -> None:
    """Put the commands of a run through the fast engine and compare."""
    engine = Engine(capacity)
    assert_same_events(run.all_events(), apply_in_parts(engine, run.all_commands(), cuts))
    assert_same_state(run.reference, engine)


@EXAMPLES
@given(steps=STREAMS, cuts=CUTS)
def test_both_engines_agree_on_anything(steps, cuts):
    assert_agreement(Run(TEST, steps), TEST, cuts)


@EXAMPLES
@given(steps=TRADING_STREAMS, cuts=CUTS)
def test_both_engines_agree_while_orders_meet(steps, cuts):
    assert_agreement(Run(TEST, steps), TEST, cuts)


@MANY_EXAMPLES
@given(steps=RULED_STREAMS, cuts=CUTS)
def test_both_engines_agree_through_phases_limits_and_rules(steps, cuts):
    assert_agreement(Run(TEST, steps, RULED_PROLOGUE), TEST, cuts)


@EXAMPLES
@given(steps=CALLS, state=st.sampled_from([TradingState.CONTINUOUS, TradingState.CALL_OPEN]), cuts=CUTS)
def test_both_engines_agree_on_the_price_and_the_trades_of_an_auction(steps, state, cuts):
    call = [*steps, Step(commands.uncross(PLAIN, state), 0, -1), Step(commands.wake_stops(PLAIN), 0, -1)]
    assert_agreement(Run(TEST, call, CALL_PROLOGUE), TEST, cuts)


@EXAMPLES
@given(steps=STREAMS, cuts=CUTS)
def test_both_engines_agree_while_pools_run_out(steps, cuts):
    assert_agreement(Run(TINY, steps), TINY, cuts)


@EXAMPLES
@given(steps=WIDE_STREAMS, cuts=CUTS)
def test_both_engines_agree_on_prices_of_any_size(steps, cuts):
    assert_agreement(Run(TEST, steps), TEST, cuts)


@EXAMPLES
@given(steps=WIDE_STREAMS)
def test_both_engines_agree_but_for_orders_refused_as_prices_need_too_many_pages(steps):
    engine, reference = Engine(TINY), Reference(TINY)
    for command in Run(TINY, steps).commands:
        events = engine.apply(command)
        if events["reason"][0] != RejectReason.LEVELS_FULL or events["kind"][0] != EventKind.COMMAND_REJECTED:
            assert_same_events(reference.apply(command), events)
    assert engine.open_order_rows().tolist() == reference.open_order_rows().tolist()
    assert engine.balance_rows().tolist() == reference.balance_rows().tolist()


@EXAMPLES
@given(steps=RULED_STREAMS)
def test_both_engines_agree_through_phases_and_rules_while_pools_run_out(steps):
    engine, reference = Engine(TINY), Reference(TINY)
    for command in Run(TINY, steps, RULED_PROLOGUE).commands:
        events = engine.apply(command)
        refused = events["kind"] == EventKind.COMMAND_REJECTED
        if RejectReason.LEVELS_FULL in events["reason"][refused] or EndReason.BOOK_FULL in events["reason"][~refused]:
            return  # pages of prices ran out, of which the readable engine has none
        assert_same_events(reference.apply(command), events)
    assert_same_state(reference, engine)


@EXAMPLES
@given(steps=STREAMS, cuts=CUTS)
def test_results_do_not_depend_on_how_commands_are_split_into_batches(steps, cuts):
    sent = Run(TEST, steps).all_commands()
    whole, parts, singles = Engine(TEST), Engine(TEST), Engine(TEST)
    events = whole.apply(sent)
    assert_same_events(events, apply_in_parts(parts, sent, cuts))
    assert_same_events(events, apply_in_parts(singles, sent, list(range(len(sent)))))
    assert whole.digest() == parts.digest() == singles.digest()


@EXAMPLES
@given(steps=RULED_STREAMS, cut=st.integers(0, 120))
def test_an_engine_restored_from_a_snapshot_goes_on_alike(steps, cut):
    sent = Run(TEST, steps, RULED_PROLOGUE).all_commands()
    engine = Engine(TEST)
    before = engine.apply(sent[:cut])
    restored = Engine.restore(engine.snapshot())
    assert_same_events(engine.apply(sent[cut:]), restored.apply(sent[cut:]))
    assert restored.digest() == engine.digest()
    assert restored.event_count >= len(before)
