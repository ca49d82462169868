"""The public market: depth, trades, candles and statistics of every instrument, folded from the events.

An order on its way in is no part of the depth: it rests when its command is over and lots are left, or when the next
order of the same command comes in: a stop that it woke, the other side of a quote. Commands are told apart by their
sequence, so a rebuild may cut the stream of events anywhere; only the depth read between the two halves of a command
is provisional.
The depth is what the market may see: the shown part of icebergs, no sleeping stops, and no orders without a price,
which have no level. An auction trades between resting orders, always the best of each side.
An instrument costs nothing until something happens to it.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from exchange.core.types import EventKind, OrderFlag, SelfTradePrevention, Side, TradingState
from exchange.events import Event
from exchange.marketdata.candles import Candle, Candles
from exchange.marketdata.depth import BookTicker, Depth, DepthBook, DepthUpdate
from exchange.marketdata.intervals import DAY_MS, MINUTE_MS, Interval
from exchange.marketdata.resting import Cause, OrdersUpdate, RestingDepth
from exchange.marketdata.statistics import Statistics, Window, empty_statistics
from exchange.marketdata.trades import Trade, Trades

TRADES_MAX = 10_000  # kept per instrument
CANDLES_MAX = 10_000  # kept per instrument, for each of minutes, half hours and days
_RESTING = int(OrderFlag.RESTING)
_KEPT_PRIORITY = int(OrderFlag.KEPT_PRIORITY)
_SLEEPING = int(OrderFlag.SLEEPING)
_UNSHOWN = int(OrderFlag.SLEEPING | OrderFlag.UNPRICED)
_DECREMENT = int(SelfTradePrevention.DECREMENT)
_BUY, _SELL = int(Side.BUY), int(Side.SELL)
_UNCROSSING = int(TradingState.UNCROSSING)
_NEW, _TRADE, _END = int(Cause.NEW), int(Cause.TRADE), int(Cause.END)
_REDUCE, _MOVE, _SHOW = int(Cause.REDUCE), int(Cause.MOVE), int(Cause.SHOW)
_new = tuple.__new__  # half the time of a NamedTuple's own constructor


class _Taker(NamedTuple):
    """Where the incoming order of the current command will rest; what is left of it changes with each event."""

    instrument: int
    side: int
    price_ticks: int
    order_id: int


class _Iceberg:
    """How much of a resting iceberg is shown, and how much is behind that."""

    __slots__ = ("display_lots", "hidden_lots", "shown_lots")

    def __init__(self, display_lots: int) -> None:
        self.display_lots = display_lots
        self.shown_lots = 0
        self.hidden_lots = 0

    def split(self, lots: int) -> int:
        """Rest with some lots; return how many are shown."""
        self.shown_lots = min(self.display_lots, lots)
        self.hidden_lots = lots - self.shown_lots
        return self.shown_lots

    def shrink(self, lots: int) -> int:
        """Lose lots, hidden ones first; return how many of those shown are lost."""
        hidden = min(lots, self.hidden_lots)
        self.hidden_lots -= hidden
        self.shown_lots -= lots - hidden
        return lots - hidden


class _Traded:
    """What an instrument has once it traded."""

    __slots__ = ("candles", "trades", "window")

    def __init__(self, trades_max: int, candles_max: int) -> None:
        self.trades = Trades(trades_max)
        self.candles = Candles(candles_max)
        self.window = Window(self.candles)


class MarketData:
    """The fold of all events since the first, to be read between calls of `apply`."""

    def __init__(self, trades_max: int = TRADES_MAX, candles_max: int = CANDLES_MAX) -> None:
        assert trades_max >= 1
        assert candles_max >= DAY_MS // MINUTE_MS, "the statistics need a day of minutes"
        self._trades_max = trades_max
        self._candles_max = candles_max
        self._books: dict[int, DepthBook] = {}
        self._traded: dict[int, _Traded] = {}
        self._touched: set[int] = set()
        self._sequence = 0  # of the command whose events came last
        self._taker: _Taker | None = None
        self._taker_lots = 0
        self._icebergs: dict[int, _Iceberg] = {}
        self._unshown: dict[int, int] = {}  # orders without a level; of unpriced ones the instrument
        self._handlers: dict[int, Callable[[Event], None]] = {
            EventKind.ORDER_ACCEPTED: self._on_accepted,
            EventKind.ORDER_TERMS: self._on_terms,
            EventKind.ORDER_TRIGGERED: self._on_triggered,
            EventKind.ORDER_REPLENISHED: self._on_replenished,
            EventKind.TRADED: self._on_traded,
            EventKind.ORDER_CANCELED: self._on_ended,
            EventKind.ORDER_EXPIRED: self._on_ended,
            EventKind.ORDER_REPLACED: self._on_replaced,
            EventKind.MATCH_PREVENTED: self._on_match_prevented,
            EventKind.AUCTION_UNCROSSED: self._on_uncrossed,
        }

    def apply(self, rows: Sequence[Event]) -> set[int]:
        """Apply the next events and return the instruments whose depth or trades they touched."""
        if rows and rows[0].sequence == self._sequence:
            self._resume()
        elif rows:
            self._taker = None  # it rests already
        for instrument in self._touched:
            self._books[instrument].begin_batch()
        self._touched = set()
        handlers = self._handlers
        sequence = self._sequence
        for event in rows:
            handler = handlers.get(event.kind)
            if handler is not None:
                if event.sequence != sequence:
                    self._rest()
                    self._taker = None
                    sequence = event.sequence
                handler(event)
        if rows:
            self._rest()
        self._sequence = sequence
        return self._touched

    def depth(self, instrument: int, limit: int) -> Depth:
        """Return at most `limit` best levels of each side."""
        book = self._books.get(instrument)
        return Depth(0, [], []) if book is None else book.depth(limit)

    def depth_changes(self, instrument: int) -> DepthUpdate:
        """Return what the last `apply` changed: ask for touched instruments after each one, as often as you like."""
        book = self._books.get(instrument)
        return DepthUpdate(1, 0, 0, [], []) if book is None else book.changes()

    def orders(self, instrument: int, limit: int) -> RestingDepth:
        """Return at most `limit` orders of each side, those that would trade first."""
        book = self._books.get(instrument)
        return RestingDepth(0, [], []) if book is None else book.orders(limit)

    def order_changes(self, instrument: int) -> OrdersUpdate:
        """Return how the last `apply` changed single orders: ask as for `depth_changes`."""
        book = self._books.get(instrument)
        return OrdersUpdate(1, 0, 0, []) if book is None else book.order_changes()

    def book_ticker(self, instrument: int) -> BookTicker:
        """Return the best level of each side."""
        book = self._books.get(instrument)
        return BookTicker(0, 0, 0, 0, 0) if book is None else book.ticker()

    def trades(self, instrument: int, limit: int, from_id: int | None = None) -> list[Trade]:
        """Return the last `limit` trades, or with `from_id` the first `limit` from that id on; oldest first."""
        traded = self._traded.get(instrument)
        return [] if traded is None else traded.trades.read(limit, from_id)

    def recent(self, instrument: int, since_ns: int) -> tuple[int, int]:
        """Return the lots traded since a time, and their notional."""
        traded = self._traded.get(instrument)
        return (0, 0) if traded is None else traded.trades.recent(since_ns)

    def candles(
        self,
        instrument: int,
        interval: Interval,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> list[Candle]:
        """Return candles that begin within [start, end], oldest first; the last `limit` unless a start is given."""
        traded = self._traded.get(instrument)
        return [] if traded is None else traded.candles.read(interval, start_ms, end_ms, limit)

    def statistics(self, instrument: int, now_ms: int) -> Statistics:
        """Return the last 24 hours."""
        traded = self._traded.get(instrument)
        return empty_statistics(now_ms) if traded is None else traded.window.statistics(now_ms)

    def _on_accepted(self, event: Event) -> None:
        if event.flags & _UNSHOWN:
            self._rest()
            self._taker = None
            self._unshown[event.order_id] = 0 if event.flags & _SLEEPING else event.instrument
            return
        self._come_in(event, event.quantity_lots)

    def _on_terms(self, event: Event) -> None:
        if event.quantity_lots:
            self._icebergs[event.order_id] = _Iceberg(event.quantity_lots)

    def _on_triggered(self, event: Event) -> None:
        self._unshown.pop(event.order_id, None)
        self._come_in(event, event.leaves_lots)

    def _come_in(self, event: Event, lots: int) -> None:
        """Take the order of an event for the incoming one; what is left of the one before rests."""
        if self._taker is not None:
            self._rest()
        self._taker = _new(_Taker, (event.instrument, event.side, event.price_ticks, event.order_id))
        self._taker_lots = lots

    def _on_traded(self, event: Event) -> None:
        side = event.side
        instrument = event.instrument
        price, lots = event.price_ticks, event.quantity_lots
        if self._taker is None:
            self._take_auctioned(event, event.order_id, _BUY)
            self._take_auctioned(event, event.counter_order_id, _SELL)
        else:
            self._taker_lots = event.leaves_lots
            self._change(instrument, 1 - side, price, -lots, event.counter_order_id, _TRADE, event.trade_id)
            if self._icebergs:
                self._show_less(event.counter_order_id, lots)
        traded = self._traded.get(instrument)
        if traded is None:
            traded = self._traded[instrument] = _Traded(self._trades_max, self._candles_max)
        is_taker_buyer = side == _BUY
        trade_id, amount = event.trade_id, event.amount
        traded.trades.add(_new(Trade, (trade_id, event.time_ns, price, lots, amount, not is_taker_buyer)))
        traded.candles.add_trade(event.time_ns, trade_id, price, lots, amount, is_taker_buyer)

    def _take_auctioned(self, event: Event, order_id: int, side: int) -> None:
        """Take lots from the best level, which is the order's own: an auction trades the best of each side."""
        instrument, lots = event.instrument, event.quantity_lots
        self._touched.add(instrument)
        if order_id in self._unshown:
            return
        ticker = self._books[instrument].ticker()
        price_ticks = ticker.bid_ticks if side == _BUY else ticker.ask_ticks
        self._change(instrument, side, price_ticks, -lots, order_id, _TRADE, event.trade_id)
        self._show_less(order_id, lots)

    def _show_less(self, order_id: int, lots: int) -> None:
        iceberg = self._icebergs.get(order_id)
        if iceberg is not None:
            iceberg.shown_lots -= lots
            if not iceberg.shown_lots and not iceberg.hidden_lots:
                del self._icebergs[order_id]

    def _on_replenished(self, event: Event) -> None:
        iceberg = self._icebergs[event.order_id]
        iceberg.shown_lots, iceberg.hidden_lots = event.quantity_lots, event.leaves_lots
        self._change(event.instrument, event.side, event.price_ticks, event.quantity_lots, event.order_id, _SHOW)

    def _on_ended(self, event: Event) -> None:
        order_id, lots = event.order_id, event.leaves_lots
        iceberg = self._icebergs.pop(order_id, None) if self._icebergs else None
        if not event.flags & _RESTING:
            if event.flags & _SLEEPING:
                self._unshown.pop(order_id, None)
            elif self._taker is not None and self._taker.order_id == order_id:
                self._taker = None
            return
        if self._unshown.pop(order_id, None) is not None:
            return
        if iceberg is not None:
            lots = iceberg.shown_lots
        if lots:
            self._change(event.instrument, event.side, event.price_ticks, -lots, order_id, _END)

    def _on_replaced(self, event: Event) -> None:
        order_id = event.order_id
        if order_id in self._unshown:
            return
        previous_ticks, previous_lots = event.counter_fee, event.fee
        iceberg = self._icebergs.get(order_id)
        if event.flags & _KEPT_PRIORITY:
            lots = previous_lots - event.leaves_lots
            if iceberg is not None:
                lots = iceberg.shrink(lots)
            if lots:
                self._change(event.instrument, event.side, previous_ticks, -lots, order_id, _REDUCE)
            return
        shown_lots = previous_lots if iceberg is None else iceberg.shown_lots
        self._change(event.instrument, event.side, previous_ticks, -shown_lots, order_id, _MOVE)
        self._come_in(event, event.leaves_lots)

    def _on_match_prevented(self, event: Event) -> None:
        if event.self_trade_prevention == _DECREMENT:
            self._taker_lots = event.leaves_lots
            maker_id, lots = event.counter_order_id, event.quantity_lots
            self._change(event.instrument, 1 - event.side, event.price_ticks, -lots, maker_id, _REDUCE)
            iceberg = self._icebergs.get(maker_id)
            if iceberg is not None:
                iceberg.shown_lots -= lots

    def _on_uncrossed(self, event: Event) -> None:
        """Forget the unpriced orders of an auction that is over: all of them have traded or ended."""
        if event.state != _UNCROSSING:
            over = [order_id for order_id, instrument in self._unshown.items() if instrument == event.instrument]
            for order_id in over:
                del self._unshown[order_id]

    def _rest(self) -> None:
        """Put what is left of the taker into the depth: its command seems to be over."""
        if self._taker is None:
            return
        instrument, side, price_ticks, order_id = self._taker
        iceberg = self._icebergs.get(order_id)
        lots = self._taker_lots
        if iceberg is not None:
            lots = iceberg.split(lots)
        if lots:
            self._change(instrument, side, price_ticks, lots, order_id, _NEW)
        elif iceberg is not None:
            del self._icebergs[order_id]

    def _resume(self) -> None:
        """Take the taker out again: the events were cut within its command."""
        if self._taker is None or not self._taker_lots:
            return
        instrument, side, price_ticks, order_id = self._taker
        iceberg = self._icebergs.get(order_id)
        lots = self._taker_lots if iceberg is None else iceberg.shown_lots
        self._books[instrument].take_back(side, price_ticks, lots, order_id)

    def _change(
        self,
        instrument: int,
        side: int,
        price_ticks: int,
        delta_lots: int,
        order_id: int,
        cause: int,
        trade_id: int = 0,
    ) -> None:
        book = self._books.get(instrument)
        if book is None:
            book = self._books[instrument] = DepthBook()
        self._touched.add(instrument)
        book.change(side, price_ticks, delta_lots, order_id, cause, trade_id)
