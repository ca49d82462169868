"""What orders asked for is read from the last batch, or else from the journal, and remembered."""

import numpy as np

from exchange.asked import NOTHING, Asked, AskedOrders
from exchange.core import commands
from exchange.core.records import COMMAND
from exchange.core.types import OrderType, Side, TimeInForce

STOP = commands.new_order(
    1, 1, Side.BUY, 9, 5, order_type=OrderType.STOP_LIMIT, time_in_force=TimeInForce.GTD, client_order_id="mine",
    until_ns=77, stop_ticks=8,
)  # fmt: skip
BY_AMOUNT = commands.new_order(1, 1, Side.BUY, 0, 0, order_type=OrderType.MARKET, amount=250)


class Kept:
    """In the place of a journal: it counts how often it is read."""

    def __init__(self) -> None:
        self.read: list[int] = []

    def command(self, sequence: int) -> bytes | None:
        self.read.append(sequence)
        return {1: STOP, 2: BY_AMOUNT, 3: commands.cancel_order(1, 1)}.get(sequence)


def batch(first: int, *made: bytes) -> np.ndarray:
    found = np.frombuffer(bytearray(b"".join(made)), COMMAND)
    found["sequence"] = range(first, first + len(made))
    return found


def test_a_command_is_read_once() -> None:
    journal = Kept()
    asked = AskedOrders(journal, 10)  # type: ignore[arg-type]  # all that is asked of a journal
    assert [asked.of(1) for _ in range(3)] == [Asked("mine", 0, 77, 8, 0)] * 3
    assert asked.of(2) == Asked("", 250)
    assert [asked.of(3), asked.of(4)] == [NOTHING] * 2  # no order, and nothing at all
    assert journal.read == [1, 2, 3, 4]


def test_the_last_batch_is_at_hand() -> None:
    journal = Kept()
    asked = AskedOrders(journal, 10)  # type: ignore[arg-type]  # all that is asked of a journal
    asked.hear(batch(7, BY_AMOUNT, STOP))
    assert [asked.of(7), asked.of(8)] == [Asked("", 250), Asked("mine", 0, 77, 8, 0)]
    assert journal.read == []
    assert [asked.of(6), asked.of(9)] == [NOTHING] * 2
    assert journal.read == [6, 9]
