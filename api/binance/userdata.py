"""The private stream of each account: a report of every event of its orders, and its balances whenever they changed.

Reports go out with the batch that caused them. Balances are asked of the engine, once for all accounts at a time: what
changes while an answer is on its way is in the next one, so a busy account costs one question, not one a fill.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol

from api.binance import reports
from api.binance.texts import InstrumentTexts
from api.orders import name_of
from api.stream.backlog import Message
from api.stream.hub import Connection, Hub, Topic
from exchange.core.engine import Engine
from exchange.core.types import EventKind
from exchange.events import Event
from exchange.marketdata.orders import OrderHistory
from exchange.registry.registry import Registry
from exchange.registry.units import format_units
from exchange.sequencer import Batch, Stopped

_OF_ORDERS = frozenset(
    (
        EventKind.ORDER_ACCEPTED,
        EventKind.TRADED,
        EventKind.ORDER_CANCELED,
        EventKind.ORDER_EXPIRED,
        EventKind.ORDER_REPLACED,
        EventKind.MATCH_PREVENTED,
    )
)
_GAINS = frozenset((EventKind.DEPOSITED, EventKind.ISSUED))
_LOSSES = frozenset((EventKind.WITHDRAWN, EventKind.REDEEMED))
_TWO_ACCOUNTS = frozenset((EventKind.TRADED, EventKind.MATCH_PREVENTED))

_PREFIX = "account "

Balances = dict[int, list[tuple[int, int, int]]]  # account: (asset, available, held)


class Query(Protocol):
    """The sequencer's way to ask the engine."""

    def __call__(self, function: Callable[[Engine], Balances], /) -> "asyncio.Future[Balances]":
        """Call a function with the engine, between batches."""


def topic_name(account: int) -> str:
    """Return the name of an account's stream, which no market stream has."""
    return f"{_PREFIX}{account}"


def is_private(name: str) -> bool:
    """Return whether a stream is an account's."""
    return name.startswith(_PREFIX)


class UserData:
    """The private streams that somebody reads."""

    def __init__(
        self,
        hub: Hub,
        orders: OrderHistory,
        registry: Registry,
        texts_of: Callable[[int], InstrumentTexts],
        query: Query,
    ) -> None:
        """Take the order histories, names and numbers of what is traded, and the way to ask the engine."""
        self._hub = hub
        self._orders = orders
        self._registry = registry
        self._texts_of = texts_of
        self._query = query
        self._topics: dict[int, Topic] = {}
        self._changed: dict[int, set[int]] = {}  # account: assets whose balance is to be told
        self._update_ns = 0
        self._asked: asyncio.Future[Balances] | None = None

    def subscribe(self, connection: Connection, account: int, prefix: bytes = b"") -> str:
        """Let a connection read an account's stream; return the stream's name."""
        name = topic_name(account)
        self._topics[account] = self._hub.subscribe(connection, name, prefix)
        return name

    def close(self, name: str) -> None:
        """Forget a stream that nobody reads any more."""
        account = int(name.removeprefix(_PREFIX))
        del self._topics[account]
        self._changed.pop(account, None)

    def on_batch(self, batch: Batch) -> None:
        """Tell the owners what happened."""
        if not self._topics:
            return
        rows = [event for event in batch.rows if self._concerns(event)]
        if not rows:
            return
        self._report(batch)
        for event in rows:
            self._note(event)
        if self._changed:
            self._update_ns = rows[-1].time_ns
            self._ask()

    def _concerns(self, event: Event) -> bool:
        topics = self._topics
        return event.account in topics or (event.kind in _TWO_ACCOUNTS and event.counter_account in topics)

    def _report(self, batch: Batch) -> None:
        try:
            found = reports.executions(batch.rows, batch.first_event_number, self._topics, self._orders.order)
        except LookupError:
            self._cut_all()
            return
        for execution in found:
            order = execution.order
            instrument = self._registry.instrument_at(order.instrument)
            assert instrument is not None
            texts = self._texts_of(order.instrument)
            body = reports.execution_report(execution, name_of(order), texts, instrument.quote_asset)
            self._publish(order.account, body)

    def _note(self, event: Event) -> None:
        """Remember whose balances changed; say what came or went."""
        if event.kind in _OF_ORDERS:
            instrument = self._registry.instrument_at(event.instrument)
            assert instrument is not None
            assets = (instrument.base, instrument.quote)
            accounts = (event.account, event.counter_account) if event.kind in _TWO_ACCOUNTS else (event.account,)
            for account in accounts:
                if account in self._topics:
                    self._changed.setdefault(account, set()).update(assets)
        elif event.kind in _GAINS or event.kind in _LOSSES:
            units = event.amount if event.kind in _GAINS else -event.amount
            self._publish(event.account, reports.balance_update(event, *self._shown(event.asset, units)))
            self._changed.setdefault(event.account, set()).add(event.asset)

    def _ask(self) -> None:
        if self._asked is not None:
            return
        changed, self._changed = self._changed, {}

        def balances(engine: Engine) -> Balances:
            return {
                account: [row for row in engine.balances(account) if row[0] in assets]
                for account, assets in changed.items()
            }

        try:
            self._asked = self._query(balances)
        except Stopped:
            return  # every reader is about to be told that the server stops
        self._asked.add_done_callback(self._tell)

    def _tell(self, asked: "asyncio.Future[Balances]") -> None:
        self._asked = None
        if asked.cancelled() or asked.exception() is not None:
            return  # the exchange has stopped
        now_ms = self._hub.now_ms()
        for account, rows in asked.result().items():
            if account in self._topics:
                balances = [
                    (*self._shown(asset, available), self._shown(asset, held)[1]) for asset, available, held in rows
                ]
                self._publish(account, reports.account_position(now_ms, self._update_ns, balances))
        if self._changed:
            self._ask()

    def _shown(self, index: int, units: int) -> tuple[str, str]:
        """Return an asset's name, and an amount of it as text."""
        asset = self._registry.asset_at(index)
        assert asset is not None
        return asset.name, format_units(units, asset.decimals)

    def _publish(self, account: int, body: reports.Body) -> None:
        topic = self._topics[account]
        topic.publish(Message(topic.name, body))

    def _cut_all(self) -> None:
        """End every private stream: reports are missing, and nobody may believe that none are."""
        for topic in self._topics.values():
            for connection in topic.subscribers:
                self._hub.condemn(connection, "Reports are missing: ask for the state of your orders.")
