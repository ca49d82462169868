"""The end of a series: the gate closes, the window ends, units expire or roll over, collateral goes back.

What is left to do is read off what stands: the trading state, and who still has units. So a restart goes on where the
crash cut it short, and doing a step twice changes nothing. Units that are nominated to a key stay for the grace of the
series, because use in the window may be reported after it.

What rolls over is there before what it comes from is burned. Whoever cannot be given the new units keeps the old ones,
and is tried again.
"""

from collections.abc import Awaitable, Callable, Iterator
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar

import numpy as np
import structlog

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.types import BPS, AccountState, AssetKind, EventKind, RejectReason, TradingState, TransferPurpose
from exchange.events import Event
from exchange.registry.documents import encode
from exchange.registry.registry import Registry
from exchange.registry.series import MINUTE_NS, SeriesNamed, UnitsRolledOver, collateral
from exchange.submitting import Submit, submit_when_taken

T = TypeVar("T")
KEY_PREFIX = "key."  # of the accounts that stand behind API keys
FOREVER_NS = 1 << 62
HOLDERS_MAX = 4_096  # whose units expire with one submission
RETRY_NS = MINUTE_NS  # until those are tried again whose units could not roll over
_STOPPED = (TradingState.GATE_CLOSED, TradingState.EXPIRED)
Query = Callable[[Callable[[Engine], Any]], Awaitable[Any]]
log = structlog.get_logger()


class Holder(NamedTuple):
    """An account that still has units of a series."""

    account: int
    units: int


class Expiry:
    """Takes every series to its end, one step at a time."""

    def __init__(self, registry: Registry, submit: Submit, query: Query) -> None:
        """Read names and terms, and act through commands like anybody else."""
        self._registry = registry
        self._submit = submit
        self._query = query
        self._over: set[int] = set()  # assets of which nobody has anything left
        self._swept: set[int] = set()  # assets that are over but for the grace of keys
        self._later: dict[int, int] = {}  # by asset: when to try again to roll over what was refused
        self._wake_ns = 0  # nothing is due before, unless a series is added
        self._known = 0  # how many there were

    async def step(self, now_ns: int) -> None:
        """Do what is due; what is left after this call is done by the next ones."""
        if now_ns < self._wake_ns and self._known == len(self._registry.allowances.series):
            return
        for series in self._due(now_ns):
            if await self._stop_trading(series, now_ns):
                await self._expire(series, now_ns)

        self._known = len(self._registry.allowances.series)
        self._wake_ns = min((self._next_ns(series) for series in self._unfinished()), default=FOREVER_NS)

    def _unfinished(self) -> Iterator[SeriesNamed]:
        series = self._registry.allowances.series
        return (one for asset, one in series.items() if asset not in self._over)

    def _next_ns(self, series: SeriesNamed) -> int:
        if series.asset in self._swept:
            return series.end_ns + series.grace_ns
        return self._later.get(series.asset, series.end_ns - series.gate_ns)

    def _due(self, now_ns: int) -> Iterator[SeriesNamed]:
        for series in list(self._unfinished()):
            if self._next_ns(series) <= now_ns:
                yield series

    async def _stop_trading(self, series: SeriesNamed, now_ns: int) -> bool:
        """Close the gate, and at the end of the window the market; tell whether that is done."""
        asset = self._registry.asset_at(series.asset)
        instrument = None if asset is None else self._registry.instrument(asset.name)
        if instrument is None:
            return now_ns >= series.end_ns
        if instrument.trading_state not in _STOPPED:
            closed = commands.set_trading_state(instrument.index, TradingState.GATE_CLOSED)
            await self._submit(closed + commands.clear_book(instrument.index), b"")
        if now_ns < series.end_ns:
            return False
        if instrument.trading_state is not TradingState.EXPIRED:
            events = await self._submit(commands.clear_book(instrument.index), b"")
            if any(event.kind == EventKind.BOOK_CLEARED and event.leaves_lots for event in events):
                return False
            await self._submit(commands.set_trading_state(instrument.index, TradingState.EXPIRED), b"")
        return True

    async def _expire(self, series: SeriesNamed, now_ns: int) -> None:
        with_keys = now_ns >= series.end_ns + series.grace_ns
        everybody = await self._query(lambda engine: holders(engine, series.asset))
        due = [one for one in everybody if with_keys or not self._is_key(one.account)]
        parts = [due[start : start + HOLDERS_MAX] for start in range(0, len(due), HOLDERS_MAX)]
        waiting = sum([await self._expire_part(series, part) for part in parts])
        await self._release(series)
        if waiting:
            self._later[series.asset] = now_ns + RETRY_NS
            log.warning("units wait to roll over", asset=series.asset, holders=waiting)
            return
        self._swept.add(series.asset)
        if with_keys and not due:
            self._over.add(series.asset)
            log.info("a series is over", asset=series.asset)

    async def _expire_part(self, series: SeriesNamed, due: list[Holder]) -> int:
        """Roll over and burn what some holders have; return how many keep theirs, having been refused the new units."""
        kept = [(one, one.units * series.rollover_bps // BPS) for one in due if one.account != series.issuer]
        rolling = [(one, units) for one, units in kept if units]
        rolled, made, document = await self._roll_over(series, rolling)
        waiting = {one.account for one, _ in rolling} - rolled
        made += [
            commands.expire_units(one.account, series.asset, one.units) for one in due if one.account not in waiting
        ]
        if made or document:
            await submit_when_taken(self._submit, b"".join(made), document)
        return len(waiting)

    async def _roll_over(
        self, series: SeriesNamed, rolling: list[tuple[Holder, int]]
    ) -> tuple[set[int], list[bytes], bytes]:
        """Give holders units of the next series; return who has them, and what to submit as they lose the old ones.

        A kill before that is submitted leaves holders with both. The next round issues once more, is refused the
        transfers as made already, and burns what it issued with the rest.
        """
        issuer = self._registry.account_at(series.issuer)
        if not rolling or issuer is None or issuer.state is not AccountState.ACTIVE:
            return set(), [], b""
        total = sum(units for _, units in rolling)
        made = [commands.issue(series.issuer, series.next_asset, total)]
        made += [self._roll(series, one, units) for one, units in rolling]
        issued, *moved = await self._submit(b"".join(made), b"")
        rolled = [row for row, event in zip(rolling, moved, strict=True) if _was_made(event)]
        accounts = {one.account for one, _ in rolled}
        if issued.kind != EventKind.ISSUED:  # then what was given is the issuer's own
            return accounts, [], b""
        left = total - sum(event.amount for event in moved if event.kind == EventKind.TRANSFERRED)
        burned = [commands.expire_units(series.issuer, series.next_asset, left)] if left else []
        given = sum(units for _, units in rolled)
        document = encode(UnitsRolledOver(series.asset, series.next_asset, given)) if given else b""
        return accounts, burned, document

    def _roll(self, series: SeriesNamed, holder: Holder, units: int) -> bytes:
        identity = blake2b(f"roll-over {series.asset} {holder.account}".encode(), digest_size=16).digest()
        purpose = TransferPurpose.CORRECTION
        return commands.transfer(series.issuer, holder.account, series.next_asset, units, purpose, identity)

    async def _release(self, series: SeriesNamed) -> None:
        """Let collateral follow the units: first to the series they rolled into, the rest to the issuer."""
        following = self._registry.allowances.series.get(series.next_asset)
        excess = -await self._missing(series)
        if excess <= 0:
            return
        cash, made = self._cash(), b""
        missing = 0 if following is None else max(0, min(excess, await self._missing(following)))
        if missing and following is not None:
            purpose = TransferPurpose.COLLATERAL_HELD
            made = commands.transfer(series.collateral_account, following.collateral_account, cash, missing, purpose)
        if excess > missing:
            purpose = TransferPurpose.COLLATERAL_RELEASED
            made += commands.transfer(series.collateral_account, series.issuer, cash, excess - missing, purpose)
        await self._submit(made, b"")

    async def _missing(self, series: SeriesNamed) -> int:
        """Return what the collateral lacks, negative if there is too much of it."""
        outstanding, held = await self._query(lambda engine: standing(engine, series, self._cash()))
        owed = self._registry.allowances.payments.owed(series.asset)
        return collateral(series, outstanding) + owed - int(held)

    def _cash(self) -> int:
        return next(asset.index for asset in self._registry.assets if asset.kind is AssetKind.CASH)

    def _is_key(self, account: int) -> bool:
        found = self._registry.account_at(account)
        return found is not None and found.name.startswith(KEY_PREFIX)


def _was_made(moved: Event) -> bool:
    """Say whether units were given, now or before."""
    return moved.kind == EventKind.TRANSFERRED or moved.reason == RejectReason.DUPLICATE_ID


def holders(engine: Engine, asset: int, *, with_held: bool = False) -> list[Holder]:
    """Return who has available units of an asset, or units held for open orders too, by account."""
    rows = engine.balance_rows()
    rows = rows[rows["asset"] == asset]
    units = rows["available"] + rows["held"] if with_held else rows["available"]
    order = np.argsort(rows["account"], kind="stable")
    order = order[units[order] > 0]
    return [Holder(*pair) for pair in zip(rows["account"][order].tolist(), units[order].tolist(), strict=True)]


def standing(engine: Engine, series: SeriesNamed, cash: int) -> tuple[int, int]:
    """Return the outstanding tokens of a series and the cash behind it."""
    row = engine.asset_rows()[series.asset - 1]
    held = sum(free for asset, free, _ in engine.balances(series.collateral_account) if asset == cash)
    return int(row["issued"] - row["burned"]), held
