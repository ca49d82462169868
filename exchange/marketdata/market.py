"""The public market: depth, trades, candles and statistics of every instrument, folded from the events.

An order on its way in is no part of the depth: it rests when its command is over and lots are left, or when the next
order of the same command comes in: a stop that it woke, the other side of a quote. Commands are told apart by their
sequence, so a rebuild may cut the stream of events anywhere; only the depth read between the two halves of a command
is provisional.
The depth is what the market may see: the shown part of icebergs, no sleeping stops, and no orders without a price,
which have no level. An auction trades between resting orders, always the best of each side.
An instrument costs nothing until something happens to it.

What happens for each event is compiled (`exchange.marketdata.folds`); here is the memory it works on, and what is read.
"""

from collections.abc import Iterable
from struct import Struct

import numpy as np

from exchange.core.types import EventKind, Side
from exchange.events import Event, Events
from exchange.marketdata.candles import Candle, Candles
from exchange.marketdata.depth import BookTicker, Depth, DepthUpdate, Levels
from exchange.marketdata.folds.books import BOOK, CHANGE, RESTING, STATE, TRADE
from exchange.marketdata.folds.compiled import SLOT_MASK, address
from exchange.marketdata.folds.market import CHANGES_ROOM, LEVELS_ROOM, TOUCHED_ROOM, fold, list_resting
from exchange.marketdata.folds.pool import Pool
from exchange.marketdata.intervals import DAY_MS, MINUTE_MS, Interval
from exchange.marketdata.resting import OrderChange, OrdersUpdate, RestingDepth, RestingOrder
from exchange.marketdata.statistics import Statistics, Window, empty_statistics
from exchange.marketdata.trades import Trade

TRADES_MAX = 10_000  # kept per instrument
CANDLES_MAX = 10_000  # kept per instrument, for each of minutes, half hours and days
FIRST_ROOM = 64  # of tables that grow as they are needed, at first
_BOOK = Struct("<6q2I8q16q")  # a row of the fold
_CHANGE = Struct("<6qI2B2x")
_TRADE = Struct("<6q")
_MINUTE = slice(-13, None)  # of a book: a Candle, field for field
_SIDES = slice(8, 16)
_new = tuple.__new__  # half the time of a NamedTuple's own constructor

assert _BOOK.size == BOOK.itemsize
assert _CHANGE.size == CHANGE.itemsize
assert _TRADE.size == TRADE.itemsize


class _Book:
    """The memory of one instrument, which grows, and what it has once it traded."""

    __slots__ = ("candles", "keys", "lots", "trades", "window")

    def __init__(self, candles_max: int) -> None:
        self.keys = [np.zeros(0, "<i8")] * 2  # by Side, as are the lots
        self.lots = [np.zeros(0, "<i8")] * 2
        self.trades = np.zeros(0, TRADE)
        self.candles = Candles(candles_max)
        self.window = Window(self.candles)


class MarketData:
    """The fold of all events since the first, to be read between calls of `apply`."""

    def __init__(self, trades_max: int = TRADES_MAX, candles_max: int = CANDLES_MAX) -> None:
        assert trades_max >= 1
        assert candles_max >= DAY_MS // MINUTE_MS, "the statistics need a day of minutes"
        self._trades_max = trades_max
        self._candles_max = candles_max
        self._books: dict[int, _Book] = {}
        self._states = np.zeros(1, STATE)
        self._state = self._states[0]
        self._state_at = address(self._states)
        # each an array of one number in place: a field of a row takes Python ten times as long to read
        self._batch, self._change_count, self._touched_count = (
            self._states[name] for name in ("batch", "change_count", "touched_count")
        )
        self._pool = Pool(self._states["books"][:, 0], BOOK)
        self._orders = np.zeros(SLOT_MASK + 1, RESTING)  # what is not used costs no memory
        self._state["orders"], self._state["trades_max"] = address(self._orders), trades_max
        self._set_changes(FIRST_ROOM)
        self._set_touched(FIRST_ROOM)
        self._told: dict[int, list[tuple[int, ...]]] | None = None  # the changes of the last batch, by instrument
        fold(self._state_at, 0, 0, 0)  # what will be called is compiled now, not when somebody waits for it
        list_resting(self._state_at, 0, 0)

    def apply(self, rows: Iterable[Event]) -> set[int]:
        """Apply the next events and return the instruments whose depth or trades they touched."""
        events = Events.of(rows)
        self._told = None
        done, count = 0, len(events)
        while (done := fold(self._state_at, events.address, done, count)) < count:
            self._make_room(events[done])
        return set(self._touched[: self._touched_count.item()].tolist())

    def depth(self, instrument: int, limit: int) -> Depth:
        """Return at most `limit` best levels of each side."""
        if instrument not in self._books:
            return Depth(0, [], [])
        row = self._row(instrument)
        return Depth(
            row[1], self._levels(instrument, row, Side.BUY, limit), self._levels(instrument, row, Side.SELL, limit)
        )

    def depth_changes(self, instrument: int) -> DepthUpdate:
        """Return what the last `apply` changed: ask for touched instruments after each one, as often as you like."""
        previous, last = self._span(instrument)
        levels: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for _, _, price, _, lots, _, _, side, _ in self._changes_of(instrument):
            levels[side][price] = lots
        bids, asks = levels
        return DepthUpdate(previous + 1, last, previous, sorted(bids.items(), reverse=True), sorted(asks.items()))

    def orders(self, instrument: int, limit: int) -> RestingDepth:
        """Return at most `limit` orders of each side, those that would trade first."""
        if instrument not in self._books:
            return RestingDepth(0, [], [])
        row = self._row(instrument)
        slots = np.zeros(row[5], "<i8")
        list_resting(self._state_at, instrument, address(slots))
        found = self._orders[slots]
        sides = [_first_to_trade(found[found["side"] == side], side, limit) for side in (Side.BUY, Side.SELL)]
        return RestingDepth(row[1], *sides)

    def order_changes(self, instrument: int) -> OrdersUpdate:
        """Return how the last `apply` changed single orders: ask as for `depth_changes`."""
        previous, last = self._span(instrument)
        changes = [
            _new(OrderChange, (order_id, place, side, price, lots, cause, trade_id))
            for order_id, place, price, lots, _, trade_id, _, side, cause in self._changes_of(instrument)
        ]
        return OrdersUpdate(previous + 1, last, previous, changes)

    def book_ticker(self, instrument: int) -> BookTicker:
        """Return the best level of each side."""
        book = self._books.get(instrument)
        if book is None:
            return BookTicker(0, 0, 0, 0, 0)
        row = self._row(instrument)
        bids, asks = row[10] - 1, row[14] - 1
        bid = (int(book.keys[0][bids]), int(book.lots[0][bids])) if bids >= 0 else (0, 0)
        ask = (-int(book.keys[1][asks]), int(book.lots[1][asks])) if asks >= 0 else (0, 0)
        return BookTicker(row[1], *bid, *ask)

    def trades(self, instrument: int, limit: int, from_id: int | None = None) -> list[Trade]:
        """Return the last `limit` trades, or with `from_id` the first `limit` from that id on; oldest first."""
        found = self._trades_of(instrument)
        if from_id is None:
            found = found[max(0, len(found) - limit) :]
        else:
            begin = int(found["trade_id"].searchsorted(from_id))
            found = found[begin : begin + limit]
        return [
            _new(Trade, (trade_id, time_ns, price, lots, amount, bool(is_buyer_maker)))
            for trade_id, time_ns, price, lots, amount, is_buyer_maker in _TRADE.iter_unpack(found.tobytes())
        ]

    def recent(self, instrument: int, since_ns: int) -> tuple[int, int]:
        """Return the lots traded since a time, and their notional; by whole minutes if too many traded to keep each."""
        found = self._trades_of(instrument)
        is_cut = len(found) == self._trades_max < self._row(instrument)[17]
        if is_cut and found["time_ns"][0] >= since_ns:
            since_ms = -(-since_ns // 1_000_000)
            minutes = self.candles(instrument, Interval.MINUTE_1, since_ms, limit=self._candles_max)
            return sum(minute.volume_lots for minute in minutes), sum(minute.amount for minute in minutes)
        recent = found[int(found["time_ns"].searchsorted(since_ns)) :]
        return sum(recent["quantity_lots"].tolist()), sum(recent["amount"].tolist())

    def candles(
        self,
        instrument: int,
        interval: Interval,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> list[Candle]:
        """Return candles that begin within [start, end], oldest first; the last `limit` unless a start is given."""
        traded = self._traded(instrument)
        return [] if traded is None else traded.candles.read(interval, start_ms, end_ms, limit)

    def statistics(self, instrument: int, now_ms: int) -> Statistics:
        """Return the last 24 hours."""
        traded = self._traded(instrument)
        return empty_statistics(now_ms) if traded is None else traded.window.statistics(now_ms)

    # --- what stands in memory ---

    def _row(self, instrument: int) -> tuple[int, ...]:
        return _BOOK.unpack(self._pool.bytes_of(instrument + 1))

    def _span(self, instrument: int) -> tuple[int, int]:
        """Return the update ids before and after the last batch."""
        if instrument not in self._books:
            return 0, 0
        _, last, previous, batch, *_ = self._row(instrument)
        return (previous, last) if batch == self._batch.item() else (last, last)

    def _levels(self, instrument: int, row: tuple[int, ...], side: int, limit: int) -> Levels:
        book, end = self._books[instrument], row[10 + 4 * side]
        best = slice(max(0, end - limit), end)
        keys, lots = book.keys[side][best][::-1], book.lots[side][best][::-1]
        return list(zip((-keys if side else keys).tolist(), lots.tolist(), strict=True))

    def _changes_of(self, instrument: int) -> list[tuple[int, ...]]:
        """Return how the last batch changed an instrument's orders, one after the other."""
        if self._told is None:
            self._told = {}
            for change in _CHANGE.iter_unpack(self._changes[: self._change_count.item()].tobytes()):
                self._told.setdefault(change[6], []).append(change)
        return self._told.get(instrument, [])

    def _trades_of(self, instrument: int) -> np.ndarray:
        """Return the trades that are kept, oldest first."""
        book = self._books.get(instrument)
        if book is None:
            return np.zeros(0, TRADE)
        count, capacity = self._row(instrument)[17:19]
        if count <= capacity:
            return book.trades[:count]
        return np.roll(book.trades, -(count % capacity))

    def _traded(self, instrument: int) -> _Book | None:
        """Return an instrument that has traded, its candles up to date."""
        book = self._books.get(instrument)
        if book is None:
            return None
        row = self._row(instrument)
        if not row[17]:
            return None
        self._put_minute(book, row)
        return book

    @staticmethod
    def _put_minute(book: _Book, row: tuple[int, ...]) -> None:
        minute = _new(Candle, row[_MINUTE])
        if minute.trade_count:
            book.candles.put(minute)

    # --- room ---

    def _make_room(self, event: Event) -> None:
        """Grow what the fold stopped for, or close the minute that is over."""
        instrument = event.instrument
        while instrument >= int(self._state["books"][0]["capacity"]) - 1:
            self._pool.grow()
        book = self._books.get(instrument)
        if book is None:
            book = self._books[instrument] = _Book(self._candles_max)
        row = np.frombuffer(self._pool.bytes_of(instrument + 1), BOOK)[0]
        for side in (0, 1):
            if row["sides"][side]["count"] + LEVELS_ROOM > row["sides"][side]["capacity"]:
                _grow_levels(book, row["sides"][side], side)
        if self._state["change_count"] + CHANGES_ROOM > self._state["change_capacity"]:
            self._set_changes(2 * len(self._changes))
        if self._state["touched_count"] + TOUCHED_ROOM > self._state["touched_capacity"]:
            self._set_touched(2 * len(self._touched))
        if event.kind == EventKind.TRADED:
            self._make_room_for_trade(book, row, event.time_ns)

    def _make_room_for_trade(self, book: _Book, row: np.void, time_ns: int) -> None:
        if row["trade_count"] == row["trade_capacity"] < self._trades_max:
            size = min(self._trades_max, max(FIRST_ROOM, 2 * len(book.trades)))
            book.trades = _grown(book.trades, size)
            row["trades"], row["trade_capacity"] = address(book.trades), size
        if row["trades_in_minute"] and time_ns // (MINUTE_MS * 1_000_000) * MINUTE_MS != row["open_ms"]:
            self._put_minute(book, _BOOK.unpack(row.tobytes()))
            row["trades_in_minute"] = 0

    def _set_changes(self, size: int) -> None:
        self._changes = _grown(getattr(self, "_changes", np.zeros(0, CHANGE)), size)
        self._state["changes"], self._state["change_capacity"] = address(self._changes), size

    def _set_touched(self, size: int) -> None:
        self._touched = _grown(getattr(self, "_touched", np.zeros(0, "<i8")), size)
        self._state["touched"], self._state["touched_capacity"] = address(self._touched), size


def _grown(array: np.ndarray, size: int) -> np.ndarray:
    """Return a larger array that begins with what another holds."""
    larger = np.zeros(size, array.dtype)
    larger[: len(array)] = array
    return larger


def _grow_levels(book: _Book, levels: np.void, side: int) -> None:
    size = max(FIRST_ROOM, 2 * len(book.keys[side]))
    book.keys[side], book.lots[side] = _grown(book.keys[side], size), _grown(book.lots[side], size)
    levels["keys"], levels["lots"] = address(book.keys[side]), address(book.lots[side])
    levels["capacity"] = size


def _first_to_trade(orders: np.ndarray, side: int, limit: int) -> list[RestingOrder]:
    """Return the best orders of a side, which come in the order of their places."""
    prices = orders["price_ticks"]
    best = orders[np.argsort(-prices if side == Side.BUY else prices, kind="stable")[:limit]]
    rows = zip(*[best[name].tolist() for name in ("order_id", "place", "price_ticks", "lots")], strict=True)
    return [_new(RestingOrder, row) for row in rows]
