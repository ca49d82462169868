"""What the stream of allowances says: what is left behind API keys, then each change of it."""

from decimal import Decimal

import msgspec


class Remaining(msgspec.Struct, frozen=True):
    """What a key has left of a series, or of cash; `until` is when units expire, in milliseconds, 0 for never."""

    key: str
    asset: str
    available: Decimal
    until: int


class Allowances(msgspec.Struct, frozen=True, tag_field="type", tag="ALLOWANCES"):
    """All there is behind the keys, as of the command with this sequence number."""

    sequence: int
    time: int
    rows: list[Remaining]


class RemainingChanged(msgspec.Struct, frozen=True):
    """What a key has left now, and by how much each cause changed that since the message before."""

    key: str
    asset: str
    available: Decimal
    until: int
    changes: dict[str, Decimal]


class AllowancesChanged(msgspec.Struct, frozen=True, tag_field="type", tag="CHANGED"):
    """What changed behind the command `after`, which is the `sequence` of the message before, up to `sequence`."""

    after: int
    sequence: int
    time: int
    rows: list[RemainingChanged]
