"""What orders asked for that no event tells: read from their commands, the last batch's at hand, others in the journal.

Events say what became of an order. The amount that a market order named, and the name of one that was refused, stand
in the command alone.
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np

from exchange.core.commands import client_text
from exchange.core.records import COMMAND, COMMAND_STRUCT
from exchange.core.types import CommandKind
from exchange.journal.contract import Journal


class Asked(NamedTuple):
    """The terms of a new order beyond those that its first event repeats."""

    client_order_id: str = ""
    amount: int = 0  # quote units that a market order spends or earns, in place of a quantity
    until_ns: int = 0
    stop_ticks: int = 0
    display_lots: int = 0


NOTHING = Asked()


class AskedOrders:
    """Looks up the commands of orders, on the event loop's thread."""

    def __init__(self, journal: Journal, kept_max: int) -> None:
        """Read in a journal, and remember so many of those that were looked up."""
        self._journal = journal
        self._latest = np.zeros(0, COMMAND)
        self._kept = lru_cache(kept_max)(self._read)

    def hear(self, commands: np.ndarray) -> None:
        """Have the commands of the last batch at hand."""
        self._latest = commands

    def of(self, sequence: int) -> Asked:
        """Return what the order of a command asked for, nothing if its part of the journal was trimmed away."""
        latest = self._latest
        place = sequence - int(latest["sequence"][0]) if len(latest) else -1
        if 0 <= place < len(latest):
            return _asked(latest[place].tobytes())
        return self._kept(sequence)

    def _read(self, sequence: int) -> Asked:
        found = self._journal.command(sequence)
        return NOTHING if found is None else _asked(found)


def _asked(command: bytes) -> Asked:
    (
        _, _, kind, _, _, _, _, _, _, _, _, _, _, _, _, _, _, amount, one, two, three, four, five, until_ns, stop_ticks,
        display_lots,
    ) = COMMAND_STRUCT.unpack(command)  # fmt: skip
    if kind != CommandKind.NEW_ORDER:
        return NOTHING
    return Asked(client_text((one, two, three, four, five)), amount, until_ns, stop_ticks, display_lots)
