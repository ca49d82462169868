"""From usage records to redemptions: who used how much of what, under which id; nothing is sent from here.

The usage id is a hash of issuer and record id. The engine remembers usage ids for a window, and a record is taken only
while its own time lies inside that window: one that comes after its id was forgotten is refused, not counted twice.
"""

from hashlib import blake2b
from typing import Annotated, NamedTuple

import msgspec
import numpy as np

from api.errors import Problem
from api.v1.problems import (
    NO_HOLDER,
    NOT_AN_ALLOWANCE,
    NOT_ITS_ISSUER,
    NOTHING_METERED,
    OUTSIDE_TIME,
    UNKNOWN_HOLDER,
)
from exchange.core.records import COMMAND
from exchange.core.types import USAGE_ID_WINDOW_NS, AssetKind, CommandKind
from exchange.registry.registry import Registry

RECORDS_MAX = 10_000  # of one batch
NUMBER_MAX = 1 << 53  # exact in every JSON reader
ID_LENGTH_MAX = 128
KEY_LENGTH_MAX = 128
USAGE_ID_BYTES = 16
MILLISECOND_NS = 1_000_000
AHEAD_NS_MAX = 60_000 * MILLISECOND_NS  # of the sender's clock
AGE_NS_MAX = USAGE_ID_WINDOW_NS - 3_600_000 * MILLISECOND_NS  # an hour below the window, for what is under way
DIRECTION_PART = 3  # of a symbol like TA.CTEL.Q3.OUT.GZ.M2701.G80A
_COUNTED = {"IN": (1, 0), "OUT": (0, 1)}

_Number = Annotated[int, msgspec.Meta(ge=0, le=NUMBER_MAX)]


class Record(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """One metered request, as in the schema UsageRecord."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=ID_LENGTH_MAX)]
    time: _Number
    symbol: str
    tokens_in: _Number
    tokens_out: _Number
    account: Annotated[int, msgspec.Meta(ge=0, lt=1 << 32)] = 0
    key: Annotated[str, msgspec.Meta(max_length=KEY_LENGTH_MAX)] = ""


class Usage(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """A numbered batch, as in the schema UsageRequest."""

    batch: _Number
    records: Annotated[list[Record], msgspec.Meta(min_length=1, max_length=RECORDS_MAX)]


class Series(NamedTuple):
    """An allowance: its asset, and whether input and output count, each 0 or 1."""

    asset: int
    counts_in: int
    counts_out: int


Holding = tuple[int, int]  # account, asset


class Plan:
    """What a batch asks of the engine: one redemption for each record, or the problem why there is none."""

    def __init__(self, registry: Registry, issuer: int, now_ns: int) -> None:
        """Plan for an issuer and a moment."""
        self._registry = registry
        self._issuer = issuer
        self._from_ms = (now_ns - AGE_NS_MAX) // MILLISECOND_NS
        self._upto_ms = (now_ns + AHEAD_NS_MAX) // MILLISECOND_NS
        self._series: dict[str, Series | Problem] = {}
        self._holders: dict[tuple[int, str], int | Problem] = {}
        self.problems: list[Problem | None] = []  # of every record
        self.holdings: list[Holding] = []  # of those without a problem, as the lists below
        self._tokens: list[int] = []
        self._usage_ids: list[bytes] = []

    def add(self, record: Record) -> None:
        """Plan the next record."""
        series = self._series.get(record.symbol) or self._find_series(record.symbol)
        holder = self._holders.get((record.account, record.key)) or self._find_holder(record.account, record.key)
        problem = None
        if isinstance(series, Problem):
            problem = series
        elif isinstance(holder, Problem):
            problem = holder
        elif not self._from_ms <= record.time <= self._upto_ms:
            problem = OUTSIDE_TIME
        elif not (tokens := series.counts_in * record.tokens_in + series.counts_out * record.tokens_out):
            problem = NOTHING_METERED
        else:
            self.holdings.append((holder, series.asset))
            self._tokens.append(tokens)
            self._usage_ids.append(usage_id(self._issuer, record.id))
        self.problems.append(problem)

    def commands(self) -> bytes:
        """Return what `redeem` makes of each redemption, one after the other, at a fraction of its time."""
        made = np.zeros(len(self.holdings), COMMAND)
        if len(made):
            made["kind"] = CommandKind.REDEEM
            made["account"], made["asset"] = zip(*self.holdings, strict=True)
            made["amount"] = self._tokens
            made["words"][:, :2] = np.frombuffer(b"".join(self._usage_ids), "<i8").reshape(-1, 2)
        return made.tobytes()

    def _find_series(self, symbol: str) -> Series | Problem:
        asset = self._registry.asset(symbol)
        found: Series | Problem
        if asset is None or asset.kind is not AssetKind.ALLOWANCE:
            found = NOT_AN_ALLOWANCE
        elif asset.issuer_account != self._issuer:
            found = NOT_ITS_ISSUER
        else:
            found = Series(asset.index, *counted(symbol))
        self._series[symbol] = found
        return found

    def _find_holder(self, account: int, key: str) -> int | Problem:
        """Return the account whose allowance is used."""
        found: int | Problem = UNKNOWN_HOLDER
        if bool(account) == bool(key):
            found = NO_HOLDER
        elif account and self._registry.account_at(account) is not None:
            found = account
        elif key and (known := self._registry.key(key)) is not None:
            found = known.account
        self._holders[account, key] = found
        return found


def usage_id(issuer: int, record_id: str) -> bytes:
    """Return the 16 bytes under which the engine remembers a record of an issuer."""
    return blake2b(record_id.encode(), digest_size=USAGE_ID_BYTES, salt=issuer.to_bytes(8, "little")).digest()


def counted(symbol: str) -> tuple[int, int]:
    """Return whether an allowance counts input and output: by its direction, both where it is BLEND or none."""
    parts = symbol.split(".")
    return _COUNTED.get(parts[DIRECTION_PART] if len(parts) > DIRECTION_PART else "", (1, 1))
