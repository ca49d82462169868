"""Events: their command's sequence and time, and nothing of the event that lay there before."""

import numpy as np
import pytest

from exchange.core.engine import _COMMAND
from exchange.core.jit import entry
from exchange.core.records import COMMAND, EVENT
from exchange.core.state import OUTPUT
from exchange.core.telling import emit, reject
from exchange.core.types import CommandKind, EventKind, RejectReason


@entry
def tell(commands, outputs, kind):
    """Add an event with an order id to what is told."""
    event = emit(commands[0], outputs[0], kind)
    event.order_id = 5


@entry
def refuse(commands, outputs, reason):
    """Refuse a command."""
    reject(commands[0], outputs[0], reason)


@pytest.fixture
def command() -> np.ndarray:
    """Return a command in which every number is another."""
    array = np.zeros(1, COMMAND)
    for number, name in enumerate(COMMAND.names, 1):
        array[name] = number
    return array.view(_COMMAND)


@pytest.fixture
def outputs() -> np.ndarray:
    """Return room for events in which older ones lie."""
    array = np.zeros(1, OUTPUT)
    array["rows"][0, :3].view(np.uint8)[:] = 0xFF
    return array


def told(outputs: np.ndarray) -> list[dict[str, int]]:
    """Return the fields of the events that are not 0."""
    rows = outputs["rows"][0, : int(outputs["count"][0])].view(np.ndarray)
    return [{name: int(row[name]) for name in EVENT.names if row[name]} for row in rows]


def test_an_event_is_of_its_command_and_otherwise_empty_whatever_lay_there(command, outputs):
    tell(command, outputs, EventKind.DEPOSITED)
    tell(command, outputs, EventKind.TRADED)
    stamp = {"sequence": 1, "time_ns": 2, "order_id": 5}
    assert told(outputs) == [{**stamp, "kind": EventKind.DEPOSITED}, {**stamp, "kind": EventKind.TRADED}]


def test_a_refusal_repeats_what_was_asked(command, outputs):
    command["kind"] = CommandKind.NEW_ORDER
    refuse(command, outputs, RejectReason.WOULD_TAKE)
    echoed = (
        "side order_type time_in_force self_trade_prevention flags account instrument asset order_id "
        "price_ticks quantity_lots amount"
    )
    assert told(outputs) == [
        {
            "sequence": 1,
            "time_ns": 2,
            "kind": EventKind.COMMAND_REJECTED,
            "reason": RejectReason.WOULD_TAKE,
            "state": CommandKind.NEW_ORDER,
            **{name: COMMAND.names.index(name) + 1 for name in echoed.split()},
        }
    ]
