"""Who gathers an asset, and who reports use that was reported before, came too late or was of nobody.

Cornering: a group other than the issuer's that within a day bought, net, at least half of what is outstanding, in
several trades. Usage fraud: within an hour, a fifth of the many records that an issuer reported were known already, too
old, of keys that do not exist, or of keys that may not use anything. What it counts are the tallies behind the batches
and what the engine refused; a batch that comes again as it was is answered without either, so a retry counts nothing.
"""

from collections.abc import Callable

import numpy as np

from exchange.core.types import BPS, CommandKind, EventKind, RejectReason, Side
from exchange.events import Event
from exchange.surveillance.alerts import AlertKind, Finding
from exchange.surveillance.thresholds import CORNER_BPS, CORNER_TRADES_MIN, IRREGULAR_BPS, RECORDS_MIN
from exchange.usage.tally import read_tally

BOUGHT_MAX = 100_000  # groups and assets of one day; later ones are not watched
ISSUERS_MAX = 100_000  # of one hour; later ones are not watched
_BUY = int(Side.BUY)
_GROWTH = {EventKind.ISSUED: 1, EventKind.UNITS_EXPIRED: -1}


class _Bought:
    """What one group bought of one asset today, less what it sold."""

    __slots__ = ("count", "first_sequence", "units")

    def __init__(self, first_sequence: int) -> None:
        self.first_sequence = first_sequence
        self.count = self.units = 0


class _Records:
    """What an issuer reported in this hour."""

    __slots__ = ("count", "first_sequence", "late", "refused", "repeated", "unknown")

    def __init__(self, first_sequence: int) -> None:
        self.first_sequence = first_sequence
        self.count = self.repeated = self.late = self.unknown = self.refused = 0

    def facts(self) -> dict[str, int]:
        return {
            "records": self.count,
            "repeated": self.repeated,
            "late": self.late,
            "unknown_key": self.unknown,
            "refused": self.refused,
        }


class Holdings:
    """The fold of what comes into being, changes hands and is used up."""

    def __init__(self, group_of: Callable[[int], int]) -> None:
        """`group_of` gives the group of an account."""
        self._group_of = group_of
        self._outstanding: dict[int, int] = {}
        self._issuers: dict[int, int] = {}
        self._lot_units: dict[int, int] = {}
        self._bought: dict[tuple[int, int], _Bought] = {}
        self._records: dict[int, _Records] = {}

    def begin_hour(self) -> None:
        """Count records anew."""
        self._records.clear()

    def begin_day(self) -> None:
        """Count purchases anew."""
        self._bought.clear()

    def redeem(self, event: Event) -> None:
        """Apply a redemption, of which there are more than of all other events, and which alone shows nothing."""
        outstanding = self._outstanding
        outstanding[event.asset] = outstanding.get(event.asset, 0) - event.amount

    def redeem_many(self, assets: np.ndarray, amounts: np.ndarray) -> None:
        """Apply redemptions all at once."""
        order = assets.argsort(kind="stable")
        names, begins = np.unique(assets[order], return_index=True)
        for asset, amount in zip(names.tolist(), np.add.reduceat(amounts[order], begins).tolist(), strict=True):
            self._outstanding[asset] = self._outstanding.get(asset, 0) - amount

    def apply(self, event: Event) -> list[Finding]:
        """Apply an event about assets or usage; return what it shows."""
        match event.kind:
            case EventKind.ASSET_CREATED:
                self._issuers[event.asset] = event.account
            case EventKind.INSTRUMENT_LISTED:
                self._lot_units[event.instrument] = event.amount
            case EventKind.COMMAND_REJECTED:
                if event.state == CommandKind.REDEEM:
                    return self._refused_use(event)
            case _:
                growth = _GROWTH[EventKind(event.kind)] * event.amount
                self._outstanding[event.asset] = self._outstanding.get(event.asset, 0) + growth
        return []

    def trade(self, event: Event, taker: int, maker: int) -> list[Finding]:
        """Apply a trade between two groups; return whether one of them corners the asset."""
        units = event.quantity_lots * self._lot_units.get(event.instrument, 0)
        buyer, seller = (taker, maker) if event.side == _BUY else (maker, taker)
        self._add(event, seller, -units)
        return self._corner(event, buyer, self._add(event, buyer, units))

    def _add(self, event: Event, group: int, units: int) -> _Bought | None:
        key = (group, event.asset)
        bought = self._bought.get(key)
        if bought is None:
            if len(self._bought) >= BOUGHT_MAX:
                return None
            bought = self._bought[key] = _Bought(event.sequence)
        bought.count += 1
        bought.units += units
        return bought

    def _corner(self, event: Event, group: int, bought: _Bought | None) -> list[Finding]:
        outstanding = self._outstanding.get(event.asset, 0)
        if (
            bought is None
            or bought.count < CORNER_TRADES_MIN
            or group == self._group_of(self._issuers.get(event.asset, 0))
        ):
            return []
        if bought.units * BPS < outstanding * CORNER_BPS:
            return []
        facts = {"bought_units": bought.units, "outstanding_units": outstanding, "trades": bought.count}
        return [Finding(AlertKind.CORNERING, (group,), event.instrument, bought.first_sequence, facts)]

    def _refused_use(self, event: Event) -> list[Finding]:
        """Count what a batch came to, or one of its records that the engine refused; return what it shows."""
        tally = read_tally(event)
        issuer = event.account if tally is not None else self._issuers.get(event.asset, 0)
        records = self._records.get(issuer)
        if records is None:
            if not issuer or len(self._records) >= ISSUERS_MAX:
                return []
            records = self._records[issuer] = _Records(event.sequence)
        if tally is None:
            records.repeated += event.reason == RejectReason.DUPLICATE_ID
            records.refused += event.reason != RejectReason.DUPLICATE_ID
        else:
            records.count += tally.records
            records.repeated += tally.repeated
            records.late += tally.late
            records.unknown += tally.unknown
        irregular = records.repeated + records.late + records.unknown + records.refused
        if records.count < RECORDS_MIN or irregular * BPS < records.count * IRREGULAR_BPS:
            return []
        group = self._group_of(issuer)
        return [Finding(AlertKind.USAGE_FRAUD, (group,), 0, records.first_sequence, records.facts())]
