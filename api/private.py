"""The private stream of each account: every event of its own sequence, and its balances whenever they changed.

Events go out with the batch that caused them, each under its number in the account's sequence. Who names a number
when it connects is first told what came behind it, out of the event log, and then hears of what comes without a gap
in between. Balances are asked of the engine, once for all accounts at a time: what changes while an answer is on its
way is in the next one, so a busy account costs one question, not one a fill.
"""

import asyncio
from collections.abc import Callable, Iterator, KeysView
from itertools import islice
from typing import Any, Protocol

import numpy as np
import orjson

from api.errors import Problem
from api.executions import Entry, Execution, entries_of, executions
from api.stream.backlog import Message
from api.stream.hub import Connection, Hub, Topic
from exchange.asked import AskedOrders
from exchange.core.engine import Engine
from exchange.core.types import EventKind
from exchange.events import Event, EventLog, Events, rows
from exchange.marketdata.accountevents import AccountEvents
from exchange.marketdata.orders import OrderHistory
from exchange.registry.registry import Registry
from exchange.sequencer import Batch, Stopped

MANY_EVENTS = 64  # of one batch, among which accounts are first looked for in the array
REPLAY_CHUNK = 256  # messages between two looks at whether the reader keeps up
REPLAY_WINDOW_EVENTS = 1_024  # read of the log at once
ROOM_S = 0.01  # between two looks at whether a blocked line is free again
_TWO_ACCOUNTS = frozenset((EventKind.TRADED, EventKind.MATCH_PREVENTED, EventKind.TRANSFERRED, EventKind.TRADE_BUSTED))
_OF_INSTRUMENTS = frozenset(
    (
        EventKind.ORDER_ACCEPTED,
        EventKind.TRADED,
        EventKind.ORDER_CANCELED,
        EventKind.ORDER_EXPIRED,
        EventKind.ORDER_REPLACED,
        EventKind.MATCH_PREVENTED,
        EventKind.TRADE_BUSTED,
    )
)
_OF_ASSETS = frozenset(
    (
        EventKind.DEPOSITED,
        EventKind.WITHDRAWN,
        EventKind.ISSUED,
        EventKind.REDEEMED,
        EventKind.TRANSFERRED,
        EventKind.UNITS_EXPIRED,
    )
)
_PREFIX = "account "

Body = dict[str, Any] | orjson.Fragment  # what is not JSON yet, or is
# by account asset, available, held; and how many events there were by then
Balances = tuple[dict[int, list[tuple[int, int, int]]], int]


class Words(Protocol):
    """A dialect of the private stream."""

    def event(self, entry: Entry, execution: Execution | None, /) -> Body:
        """Tell one event of an account; what it did to an order stands beside it."""

    def balances(self, now_ns: int, update_ns: int, sequence: int, rows: list[tuple[int, int, int]], /) -> Body:
        """Tell how balances stand: asset, available, held; `sequence` is the account's latest event by then."""


class Accounts(Protocol):
    """What an exchange knows of its accounts."""

    @property
    def orders(self) -> OrderHistory:
        """Return the orders and fills of every account."""

    @property
    def account_events(self) -> AccountEvents:
        """Return the sequences of all accounts."""

    @property
    def events(self) -> EventLog:
        """Return the event log."""

    @property
    def asked(self) -> AskedOrders:
        """Return what orders asked for that no event tells."""

    @property
    def registry(self) -> Registry:
        """Return names and terms."""

    def query(self, function: Callable[[Engine], Balances], /) -> "asyncio.Future[Balances]":
        """Call a function with the engine, between batches."""


def is_private(name: str) -> bool:
    """Return whether a stream is an account's."""
    return name.startswith(_PREFIX)


def too_far_back(earliest: int) -> Problem:
    """Refuse to replay what is no longer kept."""
    return Problem(
        410, -8120, f"Events before {earliest} are not replayed: ask for orders and balances, then go on from there."
    )


def ahead(latest: int) -> Problem:
    """Refuse a number that no event of the account has yet."""
    return Problem(400, -8121, f"No event of this account has that number yet: the latest is {latest}.")


class PrivateStreams:
    """The private streams that somebody reads, in one dialect."""

    def __init__(self, hub: Hub, exchange: Accounts, words: Words, dialect: str) -> None:
        """Take what the exchange knows, and how to say it; the dialect's name is part of the streams' names."""
        self._hub = hub
        self._exchange = exchange
        self._words = words
        self._dialect = dialect
        self._topics: dict[int, Topic] = {}
        self._changed: dict[int, set[int]] = {}  # account: assets whose balance is to be told
        self._update_ns = 0
        self._asked: asyncio.Future[Balances] | None = None

    def topic_name(self, account: int) -> str:
        """Return the name of an account's stream, which no market stream has."""
        return f"{_PREFIX}{account} {self._dialect}"

    def problem(self, account: int, after: int) -> Problem | None:
        """Return why what came behind a number cannot be told, None if it can."""
        view = self._exchange.account_events
        if after > view.latest(account):
            return ahead(view.latest(account))
        earliest = view.earliest(account)
        return too_far_back(earliest) if after < earliest - 1 else None

    def subscribe(self, connection: Connection, account: int, prefix: bytes = b"") -> str:
        """Let a connection read an account's stream from now on; return the stream's name."""
        name = self.topic_name(account)
        self._topics[account] = self._hub.subscribe(connection, name, prefix)
        return name

    async def follow(self, connection: Connection, account: int, after: int, prefix: bytes = b"") -> None:
        """Tell a connection what came behind a number, no faster than it reads, then let it read on from there."""
        name = self.topic_name(account)
        while not connection.closing:
            problem = self.problem(account, after)
            if problem is not None:  # it read so slowly that the rest is no longer kept
                connection.cut(problem.message)
                return
            told = self._told(account, self._exchange.account_events.after(account, after), self._logged)
            if not told:
                self.subscribe(connection, account, prefix)
                return
            after = told[-1][0].sequence
            pending = iter(told)
            while chunk := list(islice(pending, REPLAY_CHUNK)):
                for entry, execution in chunk:
                    connection.push(Message(name, self._words.event(entry, execution)), prefix)
                await _room(connection)

    def close(self, name: str) -> None:
        """Forget a stream that nobody reads any more, if it is of this dialect."""
        account, dialect = name.removeprefix(_PREFIX).split(" ")
        if dialect == self._dialect:
            del self._topics[int(account)]
            self._changed.pop(int(account), None)

    def on_batch(self, batch: Batch) -> None:
        """Tell the owners what happened."""
        if not self._topics:
            return
        concerned = self._concerned(batch.rows)
        if not concerned:
            return
        first, view = batch.first_event_number, self._exchange.account_events
        try:
            for account in concerned:
                numbered = view.since(account, first)
                told = self._told(account, numbered, lambda numbers: {n: batch.rows[n - first] for n in numbers})
                for entry, execution in told:
                    self._publish(account, self._words.event(entry, execution))
                    self._note(account, entry.event)
        except LookupError:
            self._cut_all()
            return
        if self._changed:
            self._update_ns = batch.rows[-1].time_ns
            self._ask()

    def _concerned(self, events: Events) -> dict[int, None]:
        """Return the accounts that somebody reads of and that these events may be about, in order."""
        topics, found = self._topics, dict[int, None]()
        if len(events) > MANY_EVENTS and not _are_among(topics.keys(), events.array):
            return found
        for event in events:
            if event.account in topics:
                found[event.account] = None
            if event.counter_account in topics and event.kind in _TWO_ACCOUNTS:
                found[event.counter_account] = None
        return found

    def _told(
        self,
        account: int,
        numbered: list[tuple[int, int]],
        rows_of: Callable[[list[int]], dict[int, Event]],
    ) -> list[tuple[Entry, Execution | None]]:
        """Return what the latest events of an account were, and what they did to its orders."""
        events = rows_of([number for _, number in numbered])
        entries = entries_of(account, numbered, events.__getitem__)
        return list(zip(entries, executions(entries, self._exchange.orders.order), strict=True))

    def _logged(self, numbers: list[int]) -> dict[int, Event]:
        """Return events by number out of the log, neighbours read together."""
        read = self._exchange.events.read
        return {
            number: event
            for first, last in _windows(numbers)
            for number, event in enumerate(rows(read(first - 1, last - first + 1)), first)
        }

    def _note(self, account: int, event: Event) -> None:
        """Remember whose balances changed."""
        if event.kind in _OF_ASSETS:
            self._changed.setdefault(account, set()).add(event.asset)
        elif event.kind in _OF_INSTRUMENTS:
            instrument = self._exchange.registry.instrument_at(event.instrument)
            assert instrument is not None
            self._changed.setdefault(account, set()).update((instrument.base, instrument.quote))

    def _ask(self) -> None:
        if self._asked is not None:
            return
        changed, self._changed = self._changed, {}

        def balances(engine: Engine) -> Balances:
            found = {
                account: [row for row in engine.balances(account) if row[0] in assets]
                for account, assets in changed.items()
            }
            return found, engine.event_count

        try:
            self._asked = self._exchange.query(balances)
        except Stopped:
            return  # every reader is about to be told that the server stops
        self._asked.add_done_callback(self._tell)

    def _tell(self, asked: "asyncio.Future[Balances]") -> None:
        self._asked = None
        if asked.cancelled() or asked.exception() is not None:
            return  # the exchange has stopped
        found, count = asked.result()
        now_ns, view = self._hub.clock.now_ns(), self._exchange.account_events
        for account, held in found.items():
            if account in self._topics:
                latest = view.latest_by(account, count)
                self._publish(account, self._words.balances(now_ns, self._update_ns, latest, held))
        if self._changed:
            self._ask()

    def _publish(self, account: int, body: Body) -> None:
        topic = self._topics[account]
        topic.publish(Message(topic.name, body))

    def _cut_all(self) -> None:
        """End every private stream: reports are missing, and nobody may believe that none are."""
        for topic in self._topics.values():
            for connection in topic.subscribers:
                self._hub.condemn(connection, "Reports are missing: ask for the state of your orders.")


def _are_among(accounts: KeysView[int], events: np.ndarray) -> bool:
    """Tell whether any of some accounts is a party to one of many events."""
    return not all(accounts.isdisjoint(events[party].tolist()) for party in ("account", "counter_account"))


def _windows(numbers: list[int]) -> Iterator[tuple[int, int]]:
    """Yield spans of a bounded length that cover rising numbers, each beginning and ending with one of them."""
    first = last = 0
    for number in numbers:
        if first and number - first >= REPLAY_WINDOW_EVENTS:
            yield first, last
            first = 0
        first, last = first or number, number
    if first:
        yield first, last


async def _room(connection: Connection) -> None:
    """Wait until what was sent is on its way."""
    await asyncio.sleep(0)
    while connection.blocked and not connection.closing:  # noqa: ASYNC110 - a line has no event of its being free
        await asyncio.sleep(ROOM_S)
