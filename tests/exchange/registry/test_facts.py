"""How each kind of event changes an entry, and which command did so last."""

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.records import COMMAND
from exchange.core.reference import Reference
from exchange.core.state import TEST
from exchange.core.types import EventKind, TradingMode, TradingState
from exchange.events import Event, rows
from exchange.registry.documents import commands_of
from exchange.registry.facts import FACTS, apply_fact
from tests.exchange.registry.builders import ALL, registry_of

NO_EVENT = Event(*(0,) * len(Event._fields))
CLOSED_BOOK = (commands.set_trading_state(1, TradingState.CLOSED),)


def registry_after(*made, times=1):
    batch = np.frombuffer(bytearray(b"".join((*map(commands_of, ALL), *made))), COMMAND)
    batch["sequence"] = np.arange(1, len(batch) + 1)
    batch["time_ns"] = batch["sequence"] * 1_000
    found = rows(Reference(TEST).apply(batch))
    assert not [event for event in found if event.kind == EventKind.COMMAND_REJECTED]
    registry = registry_of(*ALL)
    for _ in range(times):
        registry.apply_events(found)
    return registry, len(batch)


@pytest.mark.parametrize(
    ("made", "fields"),
    [
        (commands.set_mode(1, TradingMode.CALL), {"mode": TradingMode.CALL}),
        (
            commands.set_guards(1, 100, 50, 1_234),
            {"static_bps": 100, "dynamic_bps": 50, "reference_ticks": 1_234},
        ),
        (
            commands.set_instrument_limits(1, open_orders_max=3, notional_max=4, position_bps=5),
            {"open_orders_max": 3, "notional_max": 4, "position_bps": 5},
        ),
        (
            commands.set_venue_rules(1, anonymous=True, turnaround_days=2, holders_max=200),
            {"anonymous": True, "turnaround_days": 2, "holders_max": 200},
        ),
    ],
)
def test_a_rule_is_taken_down_with_the_command_that_set_it(made, fields):
    registry, last = registry_after(made)
    instrument = registry.instrument_at(1)
    assert {name: getattr(instrument, name) for name in fields} == fields
    assert (instrument.changed_sequence, instrument.changed_ns) == (last, last * 1_000)
    assert registry.instruments_sequence == last


def test_an_auction_leaves_its_price_as_the_reference_and_the_state_it_goes_on_in():
    registry = registry_of(*ALL)
    instrument = registry.instrument_at(1)
    uncrossed = NO_EVENT._replace(kind=int(EventKind.AUCTION_UNCROSSED), instrument=1, price_ticks=77, sequence=9)
    registry.apply_events([uncrossed._replace(state=int(TradingState.UNCROSSING))])
    assert (instrument.trading_state, instrument.reference_ticks) == (TradingState.UNCROSSING, 0)
    registry.apply_events([uncrossed._replace(state=int(TradingState.CONTINUOUS))])
    assert (instrument.trading_state, instrument.reference_ticks) == (TradingState.CONTINUOUS, 77)
    registry.apply_events([uncrossed._replace(state=int(TradingState.CALL_OPEN), price_ticks=0)])
    assert (instrument.trading_state, instrument.reference_ticks) == (TradingState.CALL_OPEN, 77)


def test_what_changed_behind_a_command_comes_once_in_the_order_of_the_last_change():
    registry, last = registry_after(commands.set_fees(1, 1, 2), *CLOSED_BOOK)
    assert [found.index for found in registry.instruments_changed(last - 1)] == [1]
    assert registry.instruments_changed(last) == []
    assert [found.index for found in registry.instruments_changed(0)] == [1]


def test_events_that_were_applied_before_change_nothing_in_the_end():
    made = (commands.set_fees(1, 1, 2), commands.set_mode(1, TradingMode.LIST), *CLOSED_BOOK)
    once, twice = registry_after(*made)[0], registry_after(*made, times=2)[0]
    assert once.instrument_at(1) == twice.instrument_at(1)
    assert once.instruments_sequence == twice.instruments_sequence


def test_the_last_changes_survive_a_snapshot():
    registry, last = registry_after(commands.set_guards(1, 100, 0, 0))
    restored = registry_of()
    restored.restore(registry.snapshot())
    assert restored.instruments_sequence == last
    assert restored.instruments_changed(last - 1) == [registry.instrument_at(1)]


def test_nothing_else_is_a_fact():
    assert int(EventKind.TRADED) not in FACTS
    tables = registry_of(*ALL)._tables
    apply_fact(tables, NO_EVENT._replace(kind=int(EventKind.FEES_SET), instrument=5, sequence=3))
    assert tables.changed == {}
