"""The public market again, one event at a time in plain Python: what the compiled fold is compared with."""

from collections import Counter, defaultdict
from types import SimpleNamespace

from exchange.core.types import EventKind, OrderFlag, SelfTradePrevention, Side, TradingState
from exchange.marketdata.depth import Depth, DepthUpdate
from exchange.marketdata.resting import Cause, OrderChange, OrdersUpdate, RestingDepth, RestingOrder
from exchange.marketdata.trades import Trade

UNSHOWN = OrderFlag.SLEEPING | OrderFlag.UNPRICED
HANDLED = frozenset((*range(EventKind.TRADED, EventKind.MATCH_PREVENTED + 1), EventKind.ORDER_ACCEPTED,
                     EventKind.ORDER_TERMS, EventKind.ORDER_TRIGGERED, EventKind.ORDER_REPLENISHED,
                     EventKind.AUCTION_UNCROSSED))  # fmt: skip


class PlainBook:
    """One instrument: lots by price, and orders by id in the order of their places."""

    def __init__(self):
        self.levels, self.orders, self.trades = (Counter(), Counter()), {}, []
        self.changes, self.last, self.previous = [], 0, 0

    def change(self, side, price, lots, order_id, cause, trade_id=0):
        self.last += 1
        self.levels[side][price] += lots
        _, _, before, place = self.orders.get(order_id, (side, price, 0, self.last))
        self.orders[order_id] = (side, price, before + lots, place)
        self.changes.append(OrderChange(order_id, place, side, price, before + lots, cause, trade_id))
        if not before + lots:
            del self.orders[order_id]

    def take_back(self, order_id):
        side, price, lots, _ = self.orders.pop(order_id)
        self.levels[side][price] -= lots
        self.last -= 1

    def side(self, side, prices=None):
        levels = ((price, self.levels[side][price]) for price in prices or self.levels[side])
        return sorted([level for level in levels if prices or level[1]], reverse=side == Side.BUY)

    def depth(self):
        return Depth(self.last, self.side(Side.BUY), self.side(Side.SELL))

    def depth_changes(self):
        changed = [{change.price_ticks for change in self.changes if change.side == side} for side in (0, 1)]
        sides = [self.side(side, prices) if prices else [] for side, prices in enumerate(changed)]
        return DepthUpdate(self.previous + 1, self.last, self.previous, *sides)

    def order_changes(self):
        return OrdersUpdate(self.previous + 1, self.last, self.previous, self.changes)

    def resting(self):
        rows = [(side, RestingOrder(of, place, price, lots)) for of, (side, price, lots, place) in self.orders.items()]
        bids = sorted((row for side, row in rows if side == Side.BUY), key=lambda row: -row.price_ticks)
        asks = sorted((row for side, row in rows if side == Side.SELL), key=lambda row: row.price_ticks)
        return RestingDepth(self.last, bids, asks)


class PlainMarket:
    """The books of all instruments."""

    def __init__(self):
        self.books = defaultdict(PlainBook)
        self.touched, self.sequence, self.taker = set(), 0, None
        self.icebergs = {}  # by order: how much is shown at a time, is shown, is hidden
        self.unshown = {}  # by order: the instrument, 0 of a sleeping stop

    def apply(self, rows):
        if rows and rows[0].sequence == self.sequence:
            if self.taker and self.taker.lots:
                self.books[self.taker.instrument].take_back(self.taker.order_id)
        elif rows:
            self.taker = None
        for book in self.books.values():
            book.changes, book.previous = [], book.last
        self.touched = set()
        for event in rows:
            if event.kind in HANDLED:
                if event.sequence != self.sequence:
                    self._rest()
                    self.taker, self.sequence = None, event.sequence
                self._apply(event)
        if rows:
            self._rest()
        return self.touched

    def _apply(self, event):
        match event.kind:
            case EventKind.ORDER_ACCEPTED if event.flags & UNSHOWN:
                self._rest()
                self.taker = None
                self.unshown[event.order_id] = 0 if event.flags & OrderFlag.SLEEPING else event.instrument
            case EventKind.ORDER_ACCEPTED:
                self._come_in(event, event.quantity_lots)
            case EventKind.ORDER_TERMS if event.quantity_lots:
                self.icebergs[event.order_id] = SimpleNamespace(display=event.quantity_lots, shown=0, hidden=0)
            case EventKind.ORDER_TRIGGERED:
                self.unshown.pop(event.order_id)
                self._come_in(event, event.leaves_lots)
            case EventKind.ORDER_REPLENISHED:
                iceberg = self.icebergs[event.order_id]
                iceberg.shown, iceberg.hidden = event.quantity_lots, event.leaves_lots
                self._change(event, event.side, event.price_ticks, event.quantity_lots, event.order_id, Cause.SHOW)
            case EventKind.TRADED:
                self._trade(event)
            case EventKind.ORDER_CANCELED | EventKind.ORDER_EXPIRED:
                self._end(event)
            case EventKind.ORDER_REPLACED if event.order_id not in self.unshown:
                self._replace(event)
            case EventKind.MATCH_PREVENTED if event.self_trade_prevention == SelfTradePrevention.DECREMENT:
                self.taker.lots = event.leaves_lots
                maker, lots = event.counter_order_id, event.quantity_lots
                self._change(event, 1 - event.side, event.price_ticks, -lots, maker, Cause.REDUCE)
                if maker in self.icebergs:
                    self.icebergs[maker].shown -= lots
            case EventKind.AUCTION_UNCROSSED if event.state != TradingState.UNCROSSING:
                self.unshown = {of: where for of, where in self.unshown.items() if where != event.instrument}

    def _come_in(self, event, lots):
        self._rest()
        self.taker = SimpleNamespace(
            instrument=event.instrument, side=event.side, price=event.price_ticks, order_id=event.order_id, lots=lots
        )

    def _rest(self):
        taker = self.taker
        if taker is None:
            return
        lots, iceberg = taker.lots, self.icebergs.get(taker.order_id)
        if iceberg is not None:
            iceberg.shown = min(iceberg.display, lots)
            iceberg.hidden = lots - iceberg.shown
            lots = iceberg.shown
        if lots:
            self._change(taker, taker.side, taker.price, lots, taker.order_id, Cause.NEW)
        elif iceberg is not None:
            del self.icebergs[taker.order_id]

    def _trade(self, event):
        book, lots = self.books[event.instrument], event.quantity_lots
        if self.taker is None:
            self.touched.add(event.instrument)
            for order_id in (event.order_id, event.counter_order_id):
                if order_id not in self.unshown:
                    side, price, *_ = book.orders[order_id]
                    self._take_off(event, side, price, order_id)
        else:
            self.taker.lots = event.leaves_lots
            self._take_off(event, 1 - event.side, event.price_ticks, event.counter_order_id)
        is_buyer_maker = event.side != Side.BUY
        terms = (event.time_ns, event.price_ticks, lots, event.amount, is_buyer_maker)
        book.trades.append(Trade(event.trade_id, *terms))

    def _take_off(self, event, side, price, order_id):
        self._change(event, side, price, -event.quantity_lots, order_id, Cause.TRADE, event.trade_id)
        iceberg = self.icebergs.get(order_id)
        if iceberg is not None:
            iceberg.shown -= event.quantity_lots
            if not iceberg.shown and not iceberg.hidden:
                del self.icebergs[order_id]

    def _end(self, event):
        iceberg = self.icebergs.pop(event.order_id, None)
        if not event.flags & OrderFlag.RESTING:
            if event.flags & OrderFlag.SLEEPING:
                self.unshown.pop(event.order_id)
            elif self.taker is not None and self.taker.order_id == event.order_id:
                self.taker = None
        elif self.unshown.pop(event.order_id, None) is None:
            lots = event.leaves_lots if iceberg is None else iceberg.shown
            if lots:
                self._change(event, event.side, event.price_ticks, -lots, event.order_id, Cause.END)

    def _replace(self, event):
        iceberg, order_id, lots = self.icebergs.get(event.order_id), event.order_id, event.fee
        if not event.flags & OrderFlag.KEPT_PRIORITY:
            shown = lots if iceberg is None else iceberg.shown
            self._change(event, event.side, event.counter_fee, -shown, order_id, Cause.MOVE)
            self._come_in(event, event.leaves_lots)
            return
        lots -= event.leaves_lots
        if iceberg is not None:
            hidden = min(lots, iceberg.hidden)
            iceberg.hidden -= hidden
            lots -= hidden
            iceberg.shown -= lots
        if lots:
            self._change(event, event.side, event.counter_fee, -lots, order_id, Cause.REDUCE)

    def _change(self, where, side, price, lots, order_id, cause, trade_id=0):
        self.touched.add(where.instrument)
        self.books[where.instrument].change(side, price, lots, order_id, cause, trade_id)
