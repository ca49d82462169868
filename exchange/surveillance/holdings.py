"""Who gathers an asset, and whose usage comes again and again.

Cornering: a group other than the issuer's that within a day bought, net, at least half of what is outstanding, in
several trades. Usage fraud: within an hour, a fifth of an account's many metered records were counted before: gateways
repeat a batch now and then, not every batch.
"""

from collections.abc import Callable

from exchange.core.types import BPS, CommandKind, EventKind, RejectReason, Side
from exchange.events import Event
from exchange.surveillance.alerts import AlertKind, Finding

BOUGHT_MAX = 100_000  # groups and assets of one day; later ones are not watched
CORNER_BPS = 5_000  # of the outstanding units
CORNER_TRADES_MIN = 3
RECORDS_MIN = 500
REPEATED_BPS = 2_000
_BUY = int(Side.BUY)
_GROWTH = {EventKind.ISSUED: 1, EventKind.UNITS_EXPIRED: -1}


class _Bought:
    """What one group bought of one asset today, less what it sold."""

    __slots__ = ("count", "first_sequence", "units")

    def __init__(self, first_sequence: int) -> None:
        self.first_sequence = first_sequence
        self.count = self.units = 0


class _Records:
    """The metered records of an account in this hour."""

    __slots__ = ("count", "first_sequence", "repeated")

    def __init__(self, first_sequence: int) -> None:
        self.first_sequence = first_sequence
        self.count = self.repeated = 0


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
        records = self._records.get(event.account)
        if records is None:
            records = self._records[event.account] = _Records(event.sequence)
        records.count += 1

    def apply(self, event: Event) -> list[Finding]:
        """Apply an event about assets or usage; return what it shows."""
        match event.kind:
            case EventKind.ASSET_CREATED:
                self._issuers[event.asset] = event.account
            case EventKind.INSTRUMENT_LISTED:
                self._lot_units[event.instrument] = event.amount
            case EventKind.COMMAND_REJECTED:
                if event.state == CommandKind.REDEEM and event.reason == RejectReason.DUPLICATE_ID:
                    return self._repeat(event)
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

    def _repeat(self, event: Event) -> list[Finding]:
        records = self._records.get(event.account)
        if records is None:
            records = self._records[event.account] = _Records(event.sequence)
        records.count += 1
        records.repeated += 1
        if records.count < RECORDS_MIN or records.repeated * BPS < records.count * REPEATED_BPS:
            return []
        facts = {"records": records.count, "repeated": records.repeated}
        return [Finding(AlertKind.USAGE_FRAUD, (event.account,), 0, records.first_sequence, facts)]
