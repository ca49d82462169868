"""Books that a reader can rebuild from the stream alone: levels, or single orders, each beginning with a snapshot.

`<symbol>@book` says every batch of changes as it happens, `<symbol>@book@100ms` their sum; `<symbol>@orders` says
every change of every single order. The first message is a snapshot with the update id `u` it is valid at, and the next
update follows it: its `pu` is that `u`. In `c` of a book's messages stands a checksum of the best levels: CRC-32 (that
of zlib) of the ASCII text `price:quantity` of the ten best bids, best first, with commas between them, then `|`, then
the same of the ten best asks, each number as it stands in the messages; with fewer levels the text is as much shorter.
"""

import zlib
from collections.abc import Callable, Sequence
from typing import Any

from api.binance.streams import Body, Stream, merge_depth
from api.binance.texts import InstrumentTexts
from api.stream.backlog import Message
from exchange.core.types import Side
from exchange.events import Event
from exchange.marketdata.depth import Depth, DepthAccumulator, DepthUpdate
from exchange.marketdata.market import MarketData
from exchange.marketdata.resting import Cause, OrderChange, OrdersUpdate, RestingDepth, RestingOrder

LEVELS_MAX = 5_000  # of each side of a snapshot, as in the REST answer; the others show when they change
ORDERS_MAX = 10_000  # likewise
CHECKED_LEVELS = 10
_CAUSES = [cause.name for cause in Cause]
_BUY = int(Side.BUY)

Publish = Callable[[Message], None]


def checksum(best: Depth, texts: InstrumentTexts) -> int:
    """Return the CRC-32 of the best levels."""
    sides = [
        ",".join([f"{texts.price(ticks)}:{texts.quantity(lots)}" for ticks, lots in side[:CHECKED_LEVELS]])
        for side in (best.bids, best.asks)
    ]
    return zlib.crc32("|".join(sides).encode("ascii"))


def book_snapshot(depth: Depth, check: int, now: int, texts: InstrumentTexts) -> Body:
    """Say how the levels stand."""
    return {
        "e": "bookSnapshot",
        "E": now,
        "s": texts.symbol,
        "u": depth.last_update_id,
        "b": texts.levels(depth.bids),
        "a": texts.levels(depth.asks),
        "c": check,
    }


def book_update(update: DepthUpdate, check: int, time: int, texts: InstrumentTexts) -> Body:
    """Say which levels changed, between which update ids, and what the best levels come to afterwards."""
    return {
        "e": "bookUpdate",
        "E": time,
        "s": texts.symbol,
        "U": update.first_update_id,
        "u": update.last_update_id,
        "pu": update.previous_update_id,
        "b": texts.levels(update.bids),
        "a": texts.levels(update.asks),
        "c": check,
    }


def orders_snapshot(depth: RestingDepth, now: int, texts: InstrumentTexts) -> Body:
    """Say which orders rest, each as [id, price, quantity], the one that trades first first."""
    return {
        "e": "ordersSnapshot",
        "E": now,
        "s": texts.symbol,
        "u": depth.last_update_id,
        "b": [_resting(order, texts) for order in depth.bids],
        "a": [_resting(order, texts) for order in depth.asks],
    }


def orders_update(update: OrdersUpdate, time: int, texts: InstrumentTexts) -> Body:
    """Say how single orders changed, one change an update id: [side, id, price, quantity now, why, trade id if any]."""
    return {
        "e": "ordersUpdate",
        "E": time,
        "s": texts.symbol,
        "U": update.first_update_id,
        "u": update.last_update_id,
        "pu": update.previous_update_id,
        "c": [_changed(change, texts) for change in update.changes],
    }


def _resting(order: RestingOrder, texts: InstrumentTexts) -> list[Any]:
    shown_id = order.place if texts.instrument.anonymous else order.order_id
    return [shown_id, texts.price(order.price_ticks), texts.quantity(order.lots)]


def _changed(change: OrderChange, texts: InstrumentTexts) -> list[Any]:
    shown_id = change.place if texts.instrument.anonymous else change.order_id
    side = "B" if change.side == _BUY else "A"
    row = [side, shown_id, texts.price(change.price_ticks), texts.quantity(change.lots), _CAUSES[change.cause]]
    return [*row, change.trade_id] if change.trade_id else row


class Books:
    """The levels of a book: a snapshot to each reader, then every change, at once or summed up at the stream's pace."""

    def __init__(self, stream: Stream, publish: Publish, texts: InstrumentTexts, market: MarketData) -> None:
        self.stream = stream
        self._publish = publish
        self._texts = texts
        self._market = market
        self._sum = DepthAccumulator()
        self._time = 0
        self._snapshot: Message | None = None  # kept until something changes, so that many may come at once

    def on_batch(self, events: Sequence[Event]) -> bool:
        """Add what changed."""
        update = self._market.depth_changes(self.stream.instrument)
        if not update.bids and not update.asks:
            return False
        self._snapshot = None
        self._time = events[-1].time_ns // self.stream.unit_ns
        self._sum.add(update)
        return bool(self.stream.pace_ms) or self.on_beat(0)

    def on_beat(self, now_ms: int) -> bool:  # noqa: ARG002 - an update is of the time of its last event
        """Say the sum."""
        update = self._sum.take()
        if update is not None:
            body = book_update(update, self._check(), self._time, self._texts)
            self._publish(Message(self.stream.name, body, merge_depth))
        return False

    def welcome(self, now_ms: int) -> Message | None:
        """Return the snapshot; the readers there are first hear what led to it, so that both go on from there."""
        self.on_beat(now_ms)
        if self._snapshot is None:
            depth = self._market.depth(self.stream.instrument, LEVELS_MAX)
            body = book_snapshot(depth, self._check(), self.stream.shown(now_ms), self._texts)
            self._snapshot = Message(self.stream.name, body)
        return self._snapshot

    def _check(self) -> int:
        return checksum(self._market.depth(self.stream.instrument, CHECKED_LEVELS), self._texts)


class Orders:
    """Single orders: a snapshot to each reader, then every change."""

    def __init__(self, stream: Stream, publish: Publish, texts: InstrumentTexts, market: MarketData) -> None:
        self.stream = stream
        self._publish = publish
        self._texts = texts
        self._market = market
        self._snapshot: Message | None = None

    def on_batch(self, events: Sequence[Event]) -> bool:
        """Say what changed."""
        update = self._market.order_changes(self.stream.instrument)
        if update.changes:
            self._snapshot = None
            body = orders_update(update, events[-1].time_ns // self.stream.unit_ns, self._texts)
            self._publish(Message(self.stream.name, body))
        return False

    def on_beat(self, now_ms: int) -> bool:  # noqa: ARG002 - a channel may be called at a beat
        """Do nothing: all is said."""
        return False

    def welcome(self, now_ms: int) -> Message | None:
        """Return the snapshot."""
        if self._snapshot is None:
            depth = self._market.orders(self.stream.instrument, ORDERS_MAX)
            body = orders_snapshot(depth, self.stream.shown(now_ms), self._texts)
            self._snapshot = Message(self.stream.name, body)
        return self._snapshot
