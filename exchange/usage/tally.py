"""What a batch of metered use came to, as a command that the engine refuses.

Records that are left out before the engine (known ones, late ones, those of keys that nobody has) leave no event, yet
whoever watches for fraud must count them, after a restart too. So behind the redemptions of each batch stands one of an
asset that does not exist: it is journaled, it is refused whatever else is true, and its refusal carries the counts.
"""

from typing import NamedTuple

import numpy as np

from exchange.core.records import COMMAND
from exchange.core.types import CommandKind
from exchange.events import Event
from exchange.usage.plan import Outcome


class Tally(NamedTuple):
    """The records of a batch, and how many of them were known, out of time, and of keys unknown or no longer good."""

    batch: int
    records: int
    repeated: int
    late: int
    unknown: int


def tally_of(batch: int, outcome: np.ndarray) -> Tally:
    """Count what became of the records of a batch."""
    counts = np.bincount(outcome, minlength=len(Outcome))
    unknown = counts[Outcome.UNKNOWN_KEY] + counts[Outcome.KEY_ENDED]
    return Tally(batch, len(outcome), int(counts[Outcome.DUPLICATE]), int(counts[Outcome.OUTSIDE_TIME]), int(unknown))


def tally_command(issuer: int, tally: Tally) -> bytes:
    """Return the command that carries a tally."""
    made = np.zeros(1, COMMAND)
    made["kind"], made["account"] = CommandKind.REDEEM, issuer
    made["order_id"], made["amount"] = tally.batch, tally.records
    made["quantity_lots"], made["price_ticks"], made["instrument"] = tally.repeated, tally.late, tally.unknown
    return made.tobytes()


def read_tally(event: Event) -> Tally | None:
    """Return the tally that the refusal of a redemption carries, if it does."""
    if event.asset:
        return None
    return Tally(event.order_id, event.amount, event.quantity_lots, event.price_ticks, event.instrument)
