"""The streams of allowances: what API keys have left, told whenever it changes, merged for who reads slowly.

A reader begins with how things stand as of a command, and then hears what changed, each message naming the one before.
Balances are asked of the engine, once for all readers at a time; the causes are counted from the events. Both meet when
an answer comes: all that the engine had done by then has been heard by then, so balance and changes always add up.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, NamedTuple, Protocol

import numpy as np
import orjson

from api.stream.backlog import Message
from api.stream.hub import Connection, Hub, Topic
from api.v1.purses import account_name
from exchange.core.engine import Engine
from exchange.core.types import EventKind, TransferPurpose
from exchange.events import Event
from exchange.expiry import KEY_PREFIX
from exchange.registry.registry import Registry
from exchange.registry.units import format_units
from exchange.sequencer import Batch, Stopped

MILLISECOND_NS = 1_000_000
PREFIX = "allowances "
_USED = "USED"
_REDEEMED = int(EventKind.REDEEMED)
_TRANSFERRED = int(EventKind.TRANSFERRED)
_PLAIN = {
    int(EventKind.UNITS_EXPIRED): ("EXPIRED", -1),
    int(EventKind.WITHDRAWN): ("OTHER", -1),
    int(EventKind.DEPOSITED): ("OTHER", 1),
    int(EventKind.ISSUED): ("OTHER", 1),
}
_MOVED = frozenset({_TRANSFERRED, *_PLAIN})
_INTO = {
    int(TransferPurpose.SUBACCOUNT): "NOMINATED",
    int(TransferPurpose.CORRECTION): "REVERSED",
    int(TransferPurpose.COMPENSATION): "COMPENSATED",
}
_OUT_OF = {int(TransferPurpose.SUBACCOUNT): "RETURNED", int(TransferPurpose.OVERRUN): "OVERRUN"}

Place = tuple[int, int]  # account behind a key, asset
Changes = dict[str, int]  # units by cause
Answer = tuple[int, dict[int, list[tuple[int, int, int]]]]  # sequence; by account asset, available, held


class Eyes(NamedTuple):
    """What a reader may see: the keys of its participant, and whatever keys have of what it issues."""

    participant: str  # "": no key for being its own
    issuer: int  # 0: nothing for being its issuer
    keys: frozenset[str]  # of which alone it wants to hear; none: of all


class Told(NamedTuple):
    """What a message says, in units: how much there is of each, and what changed it."""

    after: int
    sequence: int
    time_ns: int
    rows: dict[Place, tuple[int, Changes]]


class Source(Protocol):
    """What an exchange knows of its keys."""

    @property
    def registry(self) -> Registry:
        """Return names and terms."""

    def query(self, function: Callable[[Engine], Answer], /) -> "asyncio.Future[Answer]":
        """Call a function with the engine, between batches."""


class _Reader:
    """One connection: what it may see, what it was told last, what it has yet to hear of."""

    def __init__(self, topic: Topic, eyes: Eyes) -> None:
        self.topic = topic
        self.eyes = eyes
        self.sequence = 0
        self.pending: dict[Place, Changes] | None = None  # None: it has not been told how things stand


class AllowanceStreams:
    """Who reads what is left behind keys."""

    def __init__(self, hub: Hub, exchange: Source) -> None:
        """Take what the exchange knows."""
        self._hub = hub
        self._exchange = exchange
        self._names: dict[str, str] = {}  # of accounts behind keys: the key
        self._keys_known = 0
        self._behind = np.zeros(0, bool)  # by account: whether it stands behind a key
        self._readers: dict[str, _Reader] = {}
        self._count = 0
        self._update_ns = 0
        self._asked: asyncio.Future[Answer] | None = None

    def open(self, connection: Connection, eyes: Eyes) -> None:
        """Tell a connection how things stand, and from then on what changes."""
        self._count += 1
        topic = self._hub.subscribe(connection, f"{PREFIX}{self._count}")
        reader = self._readers[topic.name] = _Reader(topic, eyes)
        self._learn()
        accounts = [one.index for one in self._exchange.registry.accounts if one.name.startswith(KEY_PREFIX)]
        seen = set(accounts) if eyes.issuer else {one for one in accounts if self._owner(one) == eyes.participant}
        try:
            asked = self._exchange.query(partial(_standing, accounts=seen))
        except Stopped:
            return  # every reader is about to be told that the server stops
        asked.add_done_callback(partial(self._begin, reader))

    def close(self, name: str) -> None:
        """Forget a stream that nobody reads any more."""
        del self._readers[name]

    def on_batch(self, batch: Batch) -> None:
        """Note what changed, and ask how much there is now."""
        if not self._readers:
            return
        self._learn()
        changes = self._changes(batch)
        if not changes:
            return
        for reader in self._readers.values():
            if reader.pending is not None:
                for place, causes in changes.items():
                    if self._sees(reader.eyes, place):
                        _add(reader.pending.setdefault(place, {}), causes)
        self._update_ns = int(batch.events["time_ns"][-1])
        self._ask()

    def _learn(self) -> None:
        """Learn of keys and accounts that are new."""
        registry = self._exchange.registry
        keys, accounts = registry.keys, registry.accounts
        for key in keys[self._keys_known :]:
            self._names[account_name(key.key)] = key.key
        self._keys_known = len(keys)
        known = len(self._behind)
        if known < len(accounts):
            fresh = [account.name.startswith(KEY_PREFIX) for account in accounts[known:]]
            self._behind = np.concatenate([self._behind, np.array(fresh, bool)])

    def _changes(self, batch: Batch) -> dict[Place, Changes]:
        """Return by how much what changed behind keys."""
        found: dict[Place, Changes] = {}
        events, behind = batch.events, self._behind
        if EventKind.REDEEMED in batch.rows.kinds:
            used = events[(events["kind"] == _REDEEMED) & behind[events["account"]]]
            places, where = np.unique(used["account"].astype(np.int64) << 32 | used["asset"], return_inverse=True)
            amounts = np.zeros(len(places), np.int64)
            np.add.at(amounts, where, used["amount"])
            for place, amount in zip(places.tolist(), amounts.tolist(), strict=True):
                found[place >> 32, place & 0xFFFFFFFF] = {_USED: -amount}
        expired: set[int] = set()
        for _, event in batch.rows.chosen(_MOVED):
            for account, cause, sign in _causes(event):
                if behind[account]:
                    name = "ROLLED_OVER" if cause == "REVERSED" and account in expired else cause
                    expired |= {account} if cause == "EXPIRED" else set()
                    _add(found.setdefault((account, event.asset), {}), {name: sign * event.amount})
        return found

    def _owner(self, account: int) -> str:
        found = self._exchange.registry.account_at(account)
        return "" if found is None else found.participant

    def _key(self, account: int) -> str:
        found = self._exchange.registry.account_at(account)
        return "" if found is None else self._names.get(found.name, "")

    def _sees(self, eyes: Eyes, place: Place) -> bool:
        account, index = place
        if eyes.keys and self._key(account) not in eyes.keys:
            return False
        if eyes.participant and self._owner(account) == eyes.participant:
            return True
        asset = self._exchange.registry.asset_at(index)
        return eyes.issuer != 0 and asset is not None and asset.issuer_account == eyes.issuer

    def _begin(self, reader: _Reader, asked: "asyncio.Future[Answer]") -> None:
        """Tell a reader how things stand, unless it has gone."""
        if reader.topic.name not in self._readers or asked.cancelled() or asked.exception() is not None:
            return
        reader.sequence, balances = asked.result()
        found: dict[Place, tuple[int, Changes]] = {
            (account, asset): (available, {})
            for account, rows in balances.items()
            for asset, available, _ in rows
            if available and self._sees(reader.eyes, (account, asset))
        }
        told = Told(0, reader.sequence, self._hub.clock.now_ns(), found)
        reader.pending = {}
        reader.topic.publish(Message(reader.topic.name, told, None, self._standing_text))

    def _ask(self) -> None:
        accounts = {account for reader in self._readers.values() for account, _ in reader.pending or ()}
        if self._asked is not None or not accounts:
            return
        try:
            self._asked = self._exchange.query(partial(_standing, accounts=accounts))
        except Stopped:
            return
        self._asked.add_done_callback(self._tell)

    def _tell(self, asked: "asyncio.Future[Answer]") -> None:
        self._asked = None
        if asked.cancelled() or asked.exception() is not None:
            return  # the exchange has stopped
        sequence, balances = asked.result()
        left = {(account, asset): free for account, rows in balances.items() for asset, free, _ in rows}
        for reader in self._readers.values():
            pending = reader.pending
            ready = [place for place in pending or () if place[0] in balances]
            if pending is None or not ready:
                continue
            rows = {place: (left.get(place, 0), pending.pop(place)) for place in ready}
            told = Told(reader.sequence, sequence, self._update_ns, rows)
            reader.sequence = sequence
            reader.topic.publish(Message(reader.topic.name, told, merged, self._changed_text))
        self._ask()

    def _standing_text(self, told: Told) -> bytes:
        rows = [self._row(place, available) for place, (available, _) in told.rows.items()]
        time_ms = told.time_ns // MILLISECOND_NS
        return orjson.dumps({"type": "ALLOWANCES", "sequence": told.sequence, "time": time_ms, "rows": rows})

    def _changed_text(self, told: Told) -> bytes:
        rows = []
        for place, (available, causes) in told.rows.items():
            decimals = self._decimals(place[1])
            changes = {cause: format_units(amount, decimals) for cause, amount in causes.items()}
            rows.append(self._row(place, available) | {"changes": changes})
        head = {"after": told.after, "sequence": told.sequence, "time": told.time_ns // MILLISECOND_NS}
        return orjson.dumps({"type": "CHANGED"} | head | {"rows": rows})

    def _row(self, place: Place, available: int) -> dict[str, Any]:
        account, index = place
        registry = self._exchange.registry
        asset, series = registry.asset_at(index), registry.allowances.series.get(index)
        assert asset is not None
        until = 0 if series is None else (series.end_ns + series.grace_ns) // MILLISECOND_NS
        left = format_units(available, asset.decimals)
        return {"key": self._key(account), "asset": asset.name, "available": left, "until": until}

    def _decimals(self, index: int) -> int:
        asset = self._exchange.registry.asset_at(index)
        assert asset is not None
        return asset.decimals


def merged(older: Told, newer: Told) -> Told:
    """Return one message in place of two: what is left in the end, and all that changed it."""
    rows = {place: (available, dict(causes)) for place, (available, causes) in older.rows.items()}
    for place, (available, causes) in newer.rows.items():
        changes = rows[place][1] if place in rows else {}
        _add(changes, causes)
        rows[place] = (available, changes)
    return Told(older.after, newer.sequence, newer.time_ns, rows)


def _add(changes: Changes, causes: Changes) -> None:
    for cause, amount in causes.items():
        changes[cause] = changes.get(cause, 0) + amount


def _causes(event: Event) -> Iterable[tuple[int, str, int]]:
    """Yield account, cause and sign of what an event changes."""
    if event.kind != _TRANSFERRED:
        cause, sign = _PLAIN[event.kind]
        return ((event.account, cause, sign),)
    return (
        (event.account, _OUT_OF.get(event.state, "OTHER"), -1),
        (event.counter_account, _INTO.get(event.state, "OTHER"), 1),
    )


def _standing(engine: Engine, accounts: set[int]) -> Answer:
    """Return what accounts have, and as of which command."""
    return engine.command_sequence, {account: engine.balances(account) for account in accounts}
