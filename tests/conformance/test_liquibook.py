"""The unit tests of another engine, recorded step by step: what applies is told alike, what does not is listed.

`inapplicable` decides by what a vector holds; docs/conformance.md tells the vectors it picks, by name, with the reason.
"""

import json
import re
from typing import Any

import pytest

from exchange.core.types import CommandKind, EndReason, EventKind, OrderType, RejectReason, Side, TimeInForce
from exchange.events import Event
from tests.conformance.venue import ENGINES, Venue, new_venue
from tests.conftest import ROOT

Row = dict[str, Any]
Told = tuple[str, int, int, int, int, int]  # event, order, maker, lots, price, change of the open quantity

ALL_OR_NONE = "it has an all-or-none order that is not immediate"
MARKET_RESTS = "there the rest of a market order waits on the book; here it expires"
NOTHING_LEFT = "there a replace that leaves nothing open cancels; here it is refused"
OLD_PRICE = "it was recorded with a listener that keeps the price from before the replace, and trades at that"
NO_EVENTS = "it was recorded without events; its steps are those of TestBboCancelBid"

LIFETIMES = {(0, 0): TimeInForce.GTC, (0, 1): TimeInForce.IOC, (1, 1): TimeInForce.FOK}  # by all-or-none, immediate
REFUSALS = {
    CommandKind.NEW_ORDER: "reject",
    CommandKind.CANCEL_ORDER: "cancel_reject",
    CommandKind.REPLACE_ORDER: "replace_reject",
}

pytestmark = [pytest.mark.real_data, pytest.mark.timeout(600)]  # the first use of a capacity compiles the kernels


# --- which vectors apply ----------------------------------------------------------------------------------------------


def inapplicable(steps: list[tuple[Row, list[Row]]]) -> str:
    """Return why a vector says nothing about this exchange, or nothing."""
    commands = [command for command, _ in steps]
    adds = [command for command in commands if command["op"] == "add"]
    if any(add["aon"] and not add["ioc"] for add in adds):
        return ALL_OR_NONE
    if any(_market_order_waits(command, events) for command, events in steps):
        return MARKET_RESTS
    if any(command["op"] == "replace" and "cancelled" in _names(events) for command, events in steps):
        return NOTHING_LEFT
    if _trades_at_old_price(steps):
        return OLD_PRICE
    return "" if any(events for _, events in steps) else NO_EVENTS


def _names(events: list[Row]) -> list[str]:
    return [event["ev"] for event in events]


def _market_order_waits(command: Row, events: list[Row]) -> bool:
    accepted = [event["qty"] for event in events if event["ev"] == "accept"]
    return command["op"] == "add" and not command["price"] and bool(accepted) and accepted[0] < command["qty"]


def _trades_at_old_price(steps: list[tuple[Row, list[Row]]]) -> bool:
    """Say whether a fill has another price than its maker by then."""
    prices: dict[int, int] = {}
    for command, events in steps:
        if any(event["ev"] == "fill" and event["price"] != prices[event["maker"]] for event in events):
            return True
        if command.get("price"):
            prices[command["id"]] = command["price"]
    return False


# --- commands and events of the vectors -------------------------------------------------------------------------------


def send(venue: Venue, command: Row) -> list[Event]:
    """Put a command to the engine; price 0 is a market order or a stop, or in a replace the old price."""
    order = command["id"]
    if command["op"] == "cancel":
        return venue.cancel(order)
    if command["op"] == "replace":
        return venue.requeue(order, command["price"], venue.leaves(order) + command["delta"])
    unpriced = OrderType.STOP if command["stop"] else OrderType.MARKET
    return venue.place(
        order,
        Side.BUY if command["buy"] else Side.SELL,
        command["price"],
        command["qty"],
        order_type=OrderType.LIMIT if command["price"] else unpriced,
        time_in_force=LIFETIMES[command["aon"], command["ioc"]],
        stop_ticks=command["stop"],
    )


def tell(venue: Venue, order: int, events: list[Event]) -> list[Told]:
    """Return events in the words of the vectors: there acceptance tells what is filled, and waking is silent."""
    trades = [event for event in events if event.kind == EventKind.TRADED]
    filled = sum(event.quantity_lots for event in trades if venue.foreign_ids[event.order_id] == order)
    silent = {EventKind.ORDER_TERMS, EventKind.ORDER_TRIGGERED}
    return [_tell(venue, order, event, filled) for event in events if event.kind not in silent]


def _tell(venue: Venue, order: int, event: Event, filled: int) -> Told:
    if event.kind == EventKind.ORDER_ACCEPTED:
        return "accept", order, 0, filled, 0, 0
    if event.kind == EventKind.TRADED:
        maker = venue.foreign_ids[event.counter_order_id]
        return "fill", venue.foreign_ids[event.order_id], maker, event.quantity_lots, event.price_ticks, 0
    if event.kind == EventKind.ORDER_REPLACED:
        return "replaced", order, 0, event.fee, event.price_ticks, event.leaves_lots - event.fee
    if event.kind == EventKind.ORDER_CANCELED:
        return "cancelled", order, 0, event.leaves_lots, 0, 0
    if event.kind == EventKind.ORDER_EXPIRED:  # there the open quantity of an immediate order is not told
        assert event.reason in {EndReason.IMMEDIATE_REMAINDER, EndReason.FILL_OR_KILL}
        return "cancelled", order, 0, 0, 0, 0
    return REFUSALS[event.state], order, 0, 0, 0, 0


def expect(events: list[Row]) -> list[Told]:
    names = ("ev", "id", "maker", "qty", "price", "delta")
    return [tuple(event[name] for name in names) for event in events]


def play(engine: Any, steps: list[tuple[Row, list[Row]]]) -> list[list[Told]]:
    """Return what the engine tells, step by step."""
    venue = new_venue(engine)
    told = [tell(venue, command["id"], send(venue, command)) for command, _ in steps]
    assert venue.depth() == venue.depth_of_orders()
    return told


# --- tests ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def vectors(data_dir):
    rows = json.loads((data_dir / "conformance/liquibook_vectors_A.json").read_text())
    return {row["name"].removeprefix("test/unit/"): row["steps"] for row in rows}


@pytest.fixture(scope="module")
def listed():
    """Return the table of what does not apply, by name."""
    text = (ROOT / "docs/conformance.md").read_text(encoding="utf-8")
    return dict(re.findall(r"^\| `(ut_\w+\.cpp::\w+)` \| (.+) \|$", text, re.MULTILINE))


def test_the_document_lists_exactly_what_does_not_apply(vectors, listed):
    assert len(vectors) == 41
    assert listed == {name: reason for name, steps in vectors.items() if (reason := inapplicable(steps))}


@pytest.mark.parametrize("engine", ENGINES)
def test_what_applies_is_told_alike(engine, vectors):
    applicable = {name: steps for name, steps in vectors.items() if not inapplicable(steps)}
    expected = {name: [expect(events) for _, events in steps] for name, steps in applicable.items()}
    assert {name: play(engine, steps) for name, steps in applicable.items()} == expected


def only(vectors, reason):
    return [steps for steps in vectors.values() if inapplicable(steps) == reason]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_rest_of_a_market_order_expires(engine, vectors):
    for steps in only(vectors, MARKET_RESTS):
        venue = new_venue(engine)
        for command, events in steps:
            found = send(venue, command)
            if _market_order_waits(command, events):
                assert (found[-1].kind, found[-1].reason) == (EventKind.ORDER_EXPIRED, EndReason.IMMEDIATE_REMAINDER)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_replace_that_leaves_nothing_open_is_refused(engine, vectors):
    for steps in only(vectors, NOTHING_LEFT):
        venue = new_venue(engine)
        for command, events in steps:
            found = send(venue, command)
            refused = [event.reason for event in found if event.kind == EventKind.COMMAND_REJECTED]
            leaves_nothing = command["op"] == "replace" and "cancelled" in _names(events)
            assert refused == ([RejectReason.QUANTITY_BELOW_FILLED] if leaves_nothing else [])


@pytest.mark.parametrize("engine", ENGINES)
def test_a_replaced_order_trades_at_its_new_price(engine, vectors):
    (steps,) = only(vectors, OLD_PRICE)
    expected = [expect(events) for _, events in steps]
    told = play(engine, steps)
    differences = [(theirs, ours) for theirs, ours in zip(expected, told, strict=True) if theirs != ours]
    assert differences == [
        (
            [("accept", 5, 0, 200, 0, 0), ("fill", 5, 4, 200, 3240, 0)],
            [("accept", 5, 0, 200, 0, 0), ("fill", 5, 4, 200, 3250, 0)],
        )
    ]


def test_a_vector_without_events_repeats_one_with_events(vectors):
    (steps,) = only(vectors, NO_EVENTS)
    twin = vectors["ut_bbo_order_book.cpp::TestBboCancelBid"]
    assert [command for command, _ in steps] == [command for command, _ in twin]


@pytest.mark.parametrize("engine", ENGINES)
def test_stops_wake_alike_where_all_or_none_decides_nothing(engine, vectors):
    steps = vectors["ut_stop_orders.cpp::TestStopMarketOrdersTradeWhenStopPriceReached"]
    plain = [({**command, "aon": 0}, events) for command, events in steps]  # each of these finds its whole quantity
    assert play(engine, plain) == [expect(events) for _, events in steps]
