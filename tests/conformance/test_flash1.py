"""The vectors of a public benchmark of matching engines: the same report stream, byte for byte.

Its modify takes an order out and puts it in again, so it is a replace that always requeues (docs/conformance.md).
"""

import hashlib
import json
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import numpy as np
import pytest

from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.state import EVENTS_MAX, TEST
from exchange.core.types import EventKind, OrderFlag, RejectReason, Side, TimeInForce
from exchange.events import Event, rows
from tests.conformance.venue import ENGINES, SETUP, Venue, new_venue

NEW, CANCEL, MODIFY = 0, 1, 2
KINDS = {"new": NEW, "cancel": CANCEL, "modify": MODIFY}
SIDES = {"buy": Side.BUY, "sell": Side.SELL}

pytestmark = [pytest.mark.real_data, pytest.mark.timeout(600)]  # the first use of a capacity compiles the kernels


class Message(NamedTuple):
    """A line of the benchmark; a cancel uses no more than the id."""

    kind: int
    side: int
    ioc: bool
    quantity: int
    order: int
    price: int


def send(venue: Venue, message: Message) -> list[Event]:
    """Put a message to the engine."""
    if message.kind == CANCEL:
        return venue.cancel(message.order)
    if message.kind == MODIFY:
        return venue.requeue(message.order, message.price, message.quantity)
    time_in_force = TimeInForce.IOC if message.ioc else TimeInForce.GTC
    return venue.place(message.order, Side(message.side), message.price, message.quantity, time_in_force=time_in_force)


def report(foreign_ids: dict[int, int], number: int, message: Message, event: Event) -> str:
    """Return the benchmark's line for an event."""
    order = foreign_ids.get(event.order_id)
    if event.kind == EventKind.ORDER_ACCEPTED:
        return f"0,{number},{event.side},{order},{event.price_ticks},{event.quantity_lots}"
    if event.kind == EventKind.TRADED:
        return f"1,{number},{event.price_ticks},{event.quantity_lots},{foreign_ids[event.counter_order_id]},{order}"
    if event.kind in {EventKind.ORDER_CANCELED, EventKind.ORDER_EXPIRED}:
        return f"2,{number},{event.side},{order},{event.price_ticks}"
    if event.kind == EventKind.ORDER_REPLACED:
        assert not event.flags & OrderFlag.KEPT_PRIORITY
        return f"3,{number},{event.side},{order},{event.price_ticks},{event.leaves_lots}"
    assert (event.kind, event.reason) == (EventKind.COMMAND_REJECTED, RejectReason.UNKNOWN_ORDER)
    return f"{4 if message.kind == CANCEL else 5},{number},{message.order}"


def reports(foreign_ids: dict[int, int], messages: list[Message], events: list[Event]) -> Iterator[str]:
    """Yield the report stream: what changes an order is told after the trades that the change leads to."""
    for event in sorted(events, key=lambda event: (event.sequence, event.kind == EventKind.ORDER_REPLACED)):
        number = event.sequence - len(SETUP) - 1
        yield report(foreign_ids, number, messages[number], event)


def sha256(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


@pytest.fixture(scope="module")
def published(data_dir):
    return json.loads((data_dir / "conformance/flash1_hashes.json").read_text())["normal_first200000"]


@pytest.fixture(scope="module")
def messages(data_dir):
    with np.load(data_dir / "conformance/flash1_normal_first200000.npz") as arrays:
        columns = [arrays[name].tolist() for name in ("kind", "side", "ioc", "qty", "oid", "px")]
    return [Message(*row) for row in zip(*columns, strict=True)]


@pytest.fixture(scope="module")
def venue(messages):
    """Return the fast engine's book after all messages, sent one by one as order ids became known."""
    venue = new_venue(Engine)
    for message in messages:
        send(venue, message)
    return venue


@pytest.mark.parametrize("engine", ENGINES)
def test_the_report_stream_of_200_000_messages_is_the_published_one(engine, messages, venue, published):
    replayed = engine(TEST)
    events = rows(replayed.apply(np.frombuffer(b"".join(venue.sent), COMMAND)))
    lines = list(reports(venue.foreign_ids, messages, [event for event in events if event.sequence > len(SETUP)]))
    trades = [line.split(",") for line in lines if line.startswith("1,")]
    assert len(messages) == 200_000
    assert {
        "sha256": sha256(lines),
        "reports": len(lines),
        "trades": len(trades),
        "volume": sum(int(trade[3]) for trade in trades),
        "resting": len(replayed.open_order_rows()),
    } == {name: value for name, value in published.items() if name != "oracle"}


def test_one_batch_leaves_the_same_state_as_one_command_at_a_time(venue):
    replayed = Engine(TEST)
    replayed.apply(np.frombuffer(b"".join(venue.sent), COMMAND))
    assert replayed.event_count > EVENTS_MAX  # the kernel stopped for room and went on
    assert replayed.digest() == venue.engine.digest()


def test_the_public_depth_is_that_of_the_orders(venue):
    assert venue.depth() == venue.depth_of_orders()


@pytest.mark.parametrize("engine", ENGINES)
def test_the_edge_cases_are_reported_as_published(engine, data_dir):
    cases = json.loads((data_dir / "conformance/flash1_edge_cases_A.json").read_text())
    expected = {name: (case["reports"], case["sha256"], case["resting"]) for name, case in cases.items()}
    found = {}
    for name, case in cases.items():
        venue = new_venue(engine)
        messages = [
            Message(KINDS[row["kind"]], SIDES[row["side"]], row["ioc"], row["qty"], row["id"], row["price"])
            for row in case["messages"]
        ]
        events = [event for message in messages for event in send(venue, message)]
        lines = list(reports(venue.foreign_ids, messages, events))
        found[name] = (lines, sha256(lines), len(venue.engine.open_order_rows()))
    assert len(cases) == 17
    assert found == expected
    kinds = {line[0] for line in chain.from_iterable(case["reports"] for case in cases.values())}
    assert kinds == set("01235")
