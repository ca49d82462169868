"""Prices by day: settlement prices and indices, folded from the events, each day's published when the day is over.

A day ends with the first event of a later one, or when the clock says so while nothing happens: both come to the same.
When a trade of one of the last days is undone, what it counted in is published again under the next version, and so is
every later day that took its price over; what was published is never changed. All of it follows from the events
and from the methodology of each day, so whoever has the journal can compute it again.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice, pairwise
from typing import NamedTuple

import numpy as np

from exchange.core.types import DAY_NS, DAY_OFFSET_NS, EventKind, Side
from exchange.events import Event, Events
from exchange.marketdata.folds.compiled import address
from exchange.marketdata.folds.pool import Pool
from exchange.marketdata.folds.prices import BOOK, GROUPS_MAX, PART, STATE, fold, used
from exchange.marketdata.indices import IndexKey, IndexRow, Tally, key_of
from exchange.marketdata.market import MarketData
from exchange.marketdata.settlements import Quote, SettlementRow, Trading
from exchange.methodology import MethodologySet, day_of, first_methodology

KEPT_DAYS = 8  # days whose prices can still be corrected
ROWS_KEPT_MAX = 200_000  # published rows that wait to be stored and told
GROUPS = 1_024  # that there is memory for at first
_BUY = int(Side.BUY)
_SUMMED = ("trade_count", "own_count", "window_count", "window_id", "sums")  # of a book, until it is taken over
_HANDLED = frozenset((EventKind.ACCOUNT_CREATED, EventKind.INSTRUMENT_LISTED, EventKind.TRADED, EventKind.TRADE_BUSTED))

Row = IndexRow | SettlementRow


class _Terms(NamedTuple):
    """What an instrument's trades need to know."""

    symbol: str
    key: IndexKey | None
    lot_units: int


class _Day:
    """Everything that was traded on one day."""

    def __init__(self, first_trade_id: int) -> None:
        self.first_trade_id = first_trade_id
        self.tallies: dict[IndexKey, Tally] = {}
        self.trading: dict[int, Trading] = {}


class DailyPrices:
    """The fold of all events since the first; the market data is at the same event."""

    def __init__(
        self,
        market: MarketData,
        symbol_of: Callable[[int], str],
        methodology_on: Callable[[int], MethodologySet] = first_methodology,
    ) -> None:
        """`symbol_of` names an instrument by its number, empty if nobody did; a day has one methodology for good."""
        self._market = market
        self._symbol_of = symbol_of
        self._methodology_on = methodology_on
        self._states = np.zeros(1, STATE)
        self._state_at = address(self._states)
        self._first_trade_id = self._states["first_trade_id"]  # in place
        self._window_ns = self._states["window_ns"]  # in place
        self._pool = Pool(self._states["books"][:, 0], BOOK)
        self._parts: dict[IndexKey, np.ndarray] = {}  # what groups traded since it was taken over, if ever
        self._groups = np.arange(0)  # by account
        self._terms: dict[int, _Terms] = {}
        self._days: dict[int, _Day] = {}
        self._open_day = 0  # 0: nothing was traded yet
        self._next_trade_id = 1
        self._indices: dict[IndexKey, dict[int, IndexRow]] = {}  # latest versions, by day
        self._settled: dict[int, dict[int, SettlementRow]] = {}
        self._published: deque[Row] = deque(maxlen=ROWS_KEPT_MAX)
        self.published_count = 0
        self._set_groups(GROUPS)
        fold(self._state_at, 0, 0, 0)  # it is compiled now, not when somebody waits for it

    def parts(self, rows: Sequence[Event]) -> Iterator[Events]:
        """Yield the events of one day at a time; what was before a part is published when it is asked for."""
        events = Events.of(rows)
        times = events.array["time_ns"]
        if len(times) == 0:
            return
        if day_of(int(times[0])) == day_of(int(times[-1])):  # nearly always
            self.close_until(int(times[0]))
            yield events
            return
        begins = np.flatnonzero(np.diff((times + DAY_OFFSET_NS) // DAY_NS, prepend=-1))
        for begin, end in pairwise([*begins.tolist(), len(times)]):
            self.close_until(int(times[begin]))
            yield Events(events.array[begin:end])

    def apply(self, rows: Sequence[Event]) -> None:
        """Apply the next events, all of one day."""
        events = Events.of(rows)
        if events.kinds.isdisjoint(_HANDLED):
            return
        done, count = 0, len(events)
        self._window_ns[0] = self._methodology_on(day_of(int(events.array["time_ns"][0]))).rules.window_ns
        while done < count:
            done = fold(self._state_at, events.address, done, count)
            if self._first_trade_id.item():
                self._open_day = max(self._open_day, day_of(int(events.array["time_ns"][0])))
            if done < count:
                done += self._apply(events[done])

    def close_until(self, time_ns: int) -> None:
        """Publish the days that are over at a time."""
        today = day_of(time_ns)
        if self._open_day < today:
            self._settle()
        while self._open_day and self._open_day < today:
            if not self._days and not self._indices:
                self._open_day = today  # every index lapsed: there is nothing to say about the days between
            else:
                self._close()

    def published_after(self, count: int) -> list[Row]:
        """Return the rows published behind the first `count`, as far as they are kept."""
        skipped = max(0, count - (self.published_count - len(self._published)))
        return list(islice(self._published, skipped, None))

    @property
    def last_day(self) -> int:
        """Return the last day that is over, negative before the first trade."""
        return self._open_day - 1

    def index(self, key: IndexKey) -> IndexRow | None:
        """Return the latest version of an index on the last day that is over."""
        return self._indices.get(key, {}).get(self._open_day - 1)

    def indices(self) -> list[IndexRow]:
        """Return every index as of the last day that is over."""
        return [row for days in self._indices.values() if (row := days.get(self._open_day - 1)) is not None]

    def _apply(self, event: Event) -> int:
        """Apply an event that the fold stopped for, and return 1; or make room for it, and return 0."""
        match event.kind:
            case EventKind.INSTRUMENT_LISTED:
                symbol = self._symbol_of(event.instrument)
                self._list(event.instrument, _Terms(symbol, key_of(symbol, event.counter_account), event.amount))
            case EventKind.TRADE_BUSTED:
                self._settle()
                self._bust(event)
            case _:
                self._make_room(event)
                return 0
        return 1

    def _make_room(self, event: Event) -> None:
        """Have a group for the accounts of an event, or parts for the index of its instrument, which cost much."""
        named = max(number for number in (event.account, event.counter_account) if number < GROUPS_MAX)
        if named >= len(self._groups):
            self._set_groups(2 * named + 2)
            return
        key = self._terms[event.instrument].key
        assert key is not None
        if key not in self._parts:
            self._parts[key] = np.zeros(len(self._groups), PART)
        self._book(event.instrument)["parts"] = address(self._parts[key])

    def _list(self, instrument: int, terms: _Terms) -> None:
        """Let the trades of an instrument count."""
        self._terms[instrument] = terms
        while instrument >= int(self._states["books"]["capacity"][0, 0]) - 1:
            self._pool.grow()
        book = self._book(instrument)
        book["is_known"], book["lot_units"], book["has_index"] = 1, terms.lot_units, terms.key is not None

    def _book(self, instrument: int) -> np.void:
        """Return what an instrument's trades were summed up to, in place."""
        row: np.void = np.frombuffer(self._pool.bytes_of(instrument + 1), BOOK)[0]
        return row

    def _set_groups(self, size: int) -> None:
        """Have a group for so many accounts: each its own until it is said to be another."""
        groups = np.arange(size)
        groups[: len(self._groups)] = self._groups
        self._groups = groups
        self._states["groups"], self._states["group_count"] = address(groups), size
        for key, parts in self._parts.items():
            self._parts[key], known = np.zeros(size, PART), used(parts)
            self._parts[key][known] = parts[known]  # memory is taken where something is written
        for instrument, terms in self._terms.items():
            if terms.key in self._parts:
                self._book(instrument)["parts"] = address(self._parts[terms.key])

    def _group(self, account: int) -> int:
        return int(self._groups[account]) if account < len(self._groups) else account

    def _settle(self) -> None:
        """Take over what was summed up of the open day."""
        first, last = int(self._states["first_trade_id"][0]), int(self._states["last_trade_id"][0])
        if not first:
            return
        self._states["first_trade_id"] = 0
        self._next_trade_id = last + 1
        day = self._days.get(self._open_day)
        if day is None:
            day = self._days[self._open_day] = _Day(first)
        for instrument, terms in self._terms.items():
            book = self._book(instrument)
            if book["trade_count"] or book["own_count"]:
                day.trading.setdefault(instrument, Trading()).add_sums(book)
                if terms.key is not None:
                    day.tallies.setdefault(terms.key, Tally()).add_sums(book)
                for name in _SUMMED:
                    book[name] = 0
        for key, parts in self._parts.items():
            if key in day.tallies:
                groups = used(parts)
                day.tallies[key].add_parts(parts, groups)
                parts[groups] = 0

    def _bust(self, event: Event) -> None:
        """Take a trade back, and publish again what it counted in if its day is over and still kept."""
        found = [number for number, day in self._days.items() if day.first_trade_id <= event.trade_id]
        if not found:
            return
        number = max(found)
        self._take_back(self._days[number], event)
        if number < self._open_day:
            terms = self._terms[event.instrument]
            if terms.key is not None:
                self._publish_index(terms.key, number)
            self._publish_settlement(event.instrument, number)

    def _take_back(self, day: _Day, event: Event) -> None:
        terms = self._terms.get(event.instrument)
        if terms is None:
            return
        taker, maker = self._group(event.account), self._group(event.counter_account)
        buyer, seller = (taker, maker) if event.side == _BUY else (maker, taker)
        if terms.key is not None:
            tally = day.tallies.setdefault(terms.key, Tally())
            tally.add(buyer, seller, event.quantity_lots * terms.lot_units, event.amount, -1)
        trading = day.trading.setdefault(event.instrument, Trading())
        if buyer != seller:
            trading.take_back(event.trade_id, event.price_ticks, event.quantity_lots)

    def _close(self) -> None:
        """Publish the open day and go on to the next."""
        number = self._open_day
        self._open_day = number + 1
        day = self._days.get(number, _Day(self._next_trade_id))
        for instrument, trading in day.trading.items():
            best = self._market.book_ticker(instrument)
            trading.closing = Quote(best.bid_ticks, best.ask_ticks)
        carried = [key for key, days in self._indices.items() if number - 1 in days]
        for key in sorted({*day.tallies, *carried}):
            self._publish_index(key, number)
        for instrument in sorted(day.trading):
            self._publish_settlement(instrument, number)
        self._forget(number - KEPT_DAYS)

    def _publish_index(self, key: IndexKey, first: int) -> None:
        """Publish what is new about an index on a day, and on those after it that took its price over."""
        rows = self._indices.setdefault(key, {})
        for number in range(first, self._open_day):
            known = rows.get(number)
            tally = self._days[number].tallies.get(key, Tally()) if number in self._days else Tally()
            row = tally.row(
                key, number, known.version + 1 if known else 1, rows.get(number - 1), self._methodology_on(number)
            )
            if row is None or (known is not None and row._replace(version=known.version) == known):
                break
            rows[number] = row
            self._publish(row)
        if not rows:
            del self._indices[key]

    def _publish_settlement(self, instrument: int, first: int) -> None:
        rows = self._settled.setdefault(instrument, {})
        symbol = self._terms[instrument].symbol
        for number in range(first, self._open_day):
            day = self._days.get(number)
            trading = day.trading.get(instrument) if day is not None else None
            if trading is None:
                continue
            known = rows.get(number)
            before = max((other for other in rows if other < number), default=None)
            previous = None if before is None else rows[before]
            version = known.version + 1 if known else 1
            row = trading.row(symbol, number, version, previous, self._methodology_on(number).version)
            if known is not None and row._replace(version=known.version) == known:
                break
            rows[number] = row
            self._publish(row)

    def _publish(self, row: Row) -> None:
        self._published.append(row)
        self.published_count += 1

    def _forget(self, last: int) -> None:
        """Drop a day that is not corrected any more, and the prices before it that nothing takes over any more."""
        ended = self._days.pop(last, None)
        for key in [key for key, rows in self._indices.items() if last - 1 in rows]:
            rows = self._indices[key]
            del rows[last - 1]
            if not rows:
                del self._indices[key]
        for instrument in ended.trading if ended is not None else ():
            settled = self._settled[instrument]
            for number in sorted(number for number in settled if number <= last)[:-1]:
                del settled[number]
