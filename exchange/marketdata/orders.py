"""The orders and fills of every account, folded from the events: open ones all, closed ones up to a limit.

Fills are kept per account and, for a single order, with the order; the oldest go first. What an order's sums say
(filled, notional, fee) is exact however many of its fills are forgotten.
"""

from collections import deque
from collections.abc import Callable, Iterable
from enum import StrEnum
from itertools import dropwhile, islice
from struct import Struct
from typing import NamedTuple, TypeVar

import msgspec

from exchange.core.types import EndReason, EventKind, OrderFlag, SelfTradePrevention, Side
from exchange.events import Event

CLOSED_ORDERS_MAX = 10_000  # kept per account
FILLS_MAX = 10_000  # kept per account
ORDER_FILLS_MAX = 1_000  # kept with an order
NS_PER_MS = 1_000_000
_SLEEPING = int(OrderFlag.SLEEPING)
_KEPT_PRIORITY = int(OrderFlag.KEPT_PRIORITY)
_DECREMENT = int(SelfTradePrevention.DECREMENT)
_BUY = int(Side.BUY)
_WORDS = Struct("<5q")  # of ORDER_NAMED: the same bytes as core.commands.client_text, five times faster, of any words
_FIRST_WORD, _END_WORD = Event._fields.index("price_ticks"), Event._fields.index("fee") + 1
_new = tuple.__new__  # half the time of a NamedTuple's own constructor
_Row = TypeVar("_Row")


class OrderStatus(StrEnum):
    """Where an order stands."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


_FILLED = OrderStatus.FILLED  # a global is found faster than a member of an enumeration
_PARTIALLY_FILLED = OrderStatus.PARTIALLY_FILLED


class FillView(NamedTuple):
    """One side's part of a trade; `amount` is its notional, `fee` may be negative, both in quote units."""

    trade_id: int
    order_id: int
    account: int
    instrument: int
    price_ticks: int
    quantity_lots: int
    amount: int
    fee: int
    is_maker: bool
    is_buyer: bool
    time_ns: int
    event_number: int


class OrderView(msgspec.Struct, gc=False):
    """An order as its owner sees it now. Read it, or copy it: it changes with the next events."""

    order_id: int
    account: int
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    self_trade_prevention: int
    flags: int  # POST_ONLY, ICEBERG, QUOTE, UNPRICED, and SLEEPING while no trade has woken a stop
    price_ticks: int
    quantity_lots: int  # total; a replacement and the DECREMENT prevention of self-trades change it
    time_ns: int
    update_ns: int
    client_order_id: str = ""
    filled_lots: int = 0
    quote_filled: int = 0  # sum of the notionals of its fills
    fee: int = 0
    status: OrderStatus = OrderStatus.NEW
    end_reason: int = EndReason.NONE  # why it was cancelled or expired
    stop_ticks: int = 0  # the trade price that wakes a stop
    display_lots: int = 0  # what an iceberg shows at a time
    until_ns: int = 0  # the end of a GTD order
    triggered_ns: int = 0  # when a stop was woken
    event_number: int = 0  # of its acceptance
    fills: list[FillView] = []  # the latest ones

    @property
    def leaves_lots(self) -> int:
        """Return what is still to be filled, or was when the order ended."""
        return self.quantity_lots - self.filled_lots

    @property
    def is_open(self) -> bool:
        """Return whether the order can still be filled."""
        return self.status is OrderStatus.NEW or self.status is OrderStatus.PARTIALLY_FILLED


class _Account:
    """One account's orders in the order of their acceptance, and its fills."""

    __slots__ = ("closed", "fills", "forgot", "named", "opened", "orders")

    def __init__(self, fills_max: int) -> None:
        self.orders: dict[int, OrderView] = {}
        self.opened: dict[int, OrderView] = {}
        self.closed: deque[OrderView] = deque()
        self.named: dict[str, OrderView] = {}
        self.fills: deque[FillView] = deque(maxlen=fills_max)
        self.forgot = False  # any order


class OrderHistory:
    """The fold of all events since the first, to be read between calls of `apply`."""

    def __init__(
        self,
        closed_orders_max: int = CLOSED_ORDERS_MAX,
        fills_max: int = FILLS_MAX,
        order_fills_max: int = ORDER_FILLS_MAX,
    ) -> None:
        assert min(closed_orders_max, fills_max, order_fills_max) >= 1
        self._closed_orders_max = closed_orders_max
        self._fills_max = fills_max
        self._order_fills_max = order_fills_max
        self._accounts: dict[int, _Account] = {}
        self._orders: dict[int, OrderView] = {}
        self._incoming_sequence = 0  # of the command whose order came in last: a trade of another is an auction's
        self.event_count = 0  # applied so far, so also the number of the latest
        self._handlers: dict[int, Callable[[Event], None]] = {
            EventKind.ORDER_ACCEPTED: self._on_accepted,
            EventKind.ORDER_NAMED: self._on_named,
            EventKind.ORDER_TERMS: self._on_terms,
            EventKind.ORDER_TRIGGERED: self._on_triggered,
            EventKind.TRADED: self._on_traded,
            EventKind.ORDER_CANCELED: self._on_canceled,
            EventKind.ORDER_EXPIRED: self._on_expired,
            EventKind.ORDER_REPLACED: self._on_replaced,
            EventKind.MATCH_PREVENTED: self._on_match_prevented,
        }

    def apply(self, rows: Iterable[Event]) -> None:
        """Apply the next events; one at a time will do as well, where the state between them matters."""
        handlers = self._handlers
        for event in rows:
            self.event_count += 1
            handler = handlers.get(event.kind)
            if handler is not None:
                handler(event)

    def order(self, order_id: int) -> OrderView | None:
        """Return an order, None if there never was one or it is forgotten."""
        return self._orders.get(order_id)

    def by_client_id(self, account: int, client_order_id: str) -> OrderView | None:
        """Return the latest order an account gave this id."""
        owner = self._accounts.get(account)
        return None if owner is None else owner.named.get(client_order_id)

    def has_forgotten(self, account: int) -> bool:
        """Return whether an order of the account is no longer known here, so that there may have been any."""
        owner = self._accounts.get(account)
        return owner is not None and owner.forgot

    def open_orders(self, account: int, instrument: int = 0) -> list[OrderView]:
        """Return the open orders on one instrument or (0) on all, in the order of acceptance."""
        owner = self._accounts.get(account)
        opened = [] if owner is None else owner.opened.values()
        return [order for order in opened if instrument in {0, order.instrument}]

    def all_orders(
        self,
        account: int,
        instrument: int = 0,
        *,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> list[OrderView]:
        """Return open and closed orders accepted within [start, end], in the order of acceptance.

        The first `limit` from the order `from_id` on (from the oldest kept if that one is forgotten) or from
        the start, the last `limit` if neither is given.
        """
        owner = self._accounts.get(account)
        if owner is None:
            return []
        first, last = _window_ns(start_ms, end_ms)
        is_forward = from_id is not None or start_ms is not None
        ordered = _from_order(owner.orders, from_id) if is_forward else reversed(owner.orders.values())
        wanted = (order for order in ordered if instrument in {0, order.instrument} and first <= order.time_ns <= last)
        return _take(wanted, limit, is_forward=is_forward)

    def fills(
        self,
        account: int,
        instrument: int = 0,
        *,
        order_id: int | None = None,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> list[FillView]:
        """Return fills within [start, end], of one order if given, by rising trade id.

        The first `limit` from trade `from_id` on or from the start, the last `limit` if neither is given.
        """
        owner = self._accounts.get(account)
        if owner is None:
            return []
        first, last = _window_ns(start_ms, end_ms)
        is_forward = from_id is not None or start_ms is not None
        wanted = (
            fill
            for fill in (owner.fills if is_forward else reversed(owner.fills))
            if instrument in {0, fill.instrument}
            and order_id in {None, fill.order_id}
            and (from_id is None or fill.trade_id >= from_id)
            and first <= fill.time_ns <= last
        )
        return _take(wanted, limit, is_forward=is_forward)

    def _on_accepted(self, event: Event) -> None:
        order_id, account, time_ns = event.order_id, event.account, event.time_ns
        order = OrderView(
            order_id,
            account,
            event.instrument,
            event.side,
            event.order_type,
            event.time_in_force,
            event.self_trade_prevention,
            event.flags,
            event.price_ticks,
            event.quantity_lots,
            time_ns,
            time_ns,
            event_number=self.event_count,
        )
        owner = self._accounts.get(account)
        if owner is None:
            owner = self._accounts[account] = _Account(self._fills_max)
        self._orders[order_id] = owner.orders[order_id] = owner.opened[order_id] = order
        self._incoming_sequence = event.sequence

    def _on_named(self, event: Event) -> None:
        order = self._orders[event.order_id]
        text = str(_WORDS.pack(*event[_FIRST_WORD:_END_WORD]), "ascii", "replace").rstrip("\0")
        order.client_order_id = text
        self._accounts[event.account].named[text] = order

    def _on_terms(self, event: Event) -> None:
        order = self._orders[event.order_id]
        order.stop_ticks, order.display_lots, order.until_ns = event.price_ticks, event.quantity_lots, event.amount

    def _on_triggered(self, event: Event) -> None:
        order = self._orders[event.order_id]
        order.flags &= ~_SLEEPING
        order.triggered_ns = order.update_ns = event.time_ns
        self._incoming_sequence = event.sequence

    def _on_traded(self, event: Event) -> None:
        # every field of an event is read once: this runs twice for each trade
        trade_id, instrument, price, lots = event.trade_id, event.instrument, event.price_ticks, event.quantity_lots
        amount, time_ns, number = event.amount, event.time_ns, self.event_count
        buys = event.side == _BUY
        rested = event.sequence == self._incoming_sequence  # nobody is the maker of an auction's trade
        order_id, account, fee = event.order_id, event.account, event.fee
        fill = (trade_id, order_id, account, instrument, price, lots, amount, fee, False, buys, time_ns, number)
        self._fill(_new(FillView, fill), order_id, account, lots, amount, fee, time_ns)
        order_id, account, fee = event.counter_order_id, event.counter_account, event.counter_fee
        fill = (trade_id, order_id, account, instrument, price, lots, amount, fee, rested, not buys, time_ns, number)
        self._fill(_new(FillView, fill), order_id, account, lots, amount, fee, time_ns)

    def _fill(
        self, fill: FillView, order_id: int, account: int, lots: int, amount: int, fee: int, time_ns: int
    ) -> None:
        owner = self._accounts[account]
        owner.fills.append(fill)
        order = self._orders[order_id]
        fills = order.fills
        fills.append(fill)
        if len(fills) > self._order_fills_max:
            del fills[0]
        order.quote_filled += amount
        order.fee += fee
        order.update_ns = time_ns
        order.filled_lots = filled = order.filled_lots + lots
        if filled == order.quantity_lots:
            self._close(owner, order, _FILLED)
        else:
            order.status = _PARTIALLY_FILLED

    def _on_canceled(self, event: Event) -> None:
        self._end(event, OrderStatus.CANCELED)

    def _on_expired(self, event: Event) -> None:
        self._end(event, OrderStatus.EXPIRED)

    def _end(self, event: Event, status: OrderStatus) -> None:
        order = self._orders[event.order_id]
        order.end_reason = event.reason
        order.update_ns = event.time_ns
        self._close(self._accounts[event.account], order, status)

    def _on_replaced(self, event: Event) -> None:
        order = self._orders[event.order_id]
        order.price_ticks = event.price_ticks
        order.quantity_lots = event.quantity_lots
        order.update_ns = event.time_ns
        if not event.flags & _KEPT_PRIORITY:
            self._incoming_sequence = event.sequence

    def _on_match_prevented(self, event: Event) -> None:
        if event.self_trade_prevention != _DECREMENT:
            return
        for order in (self._orders[event.order_id], self._orders[event.counter_order_id]):
            order.quantity_lots -= event.quantity_lots
            order.update_ns = event.time_ns

    def _close(self, owner: _Account, order: OrderView, status: OrderStatus) -> None:
        order.status = status
        del owner.opened[order.order_id]
        owner.closed.append(order)
        if len(owner.closed) > self._closed_orders_max:
            self._forget(owner, owner.closed.popleft())

    def _forget(self, owner: _Account, order: OrderView) -> None:
        owner.forgot = True
        del self._orders[order.order_id]
        del owner.orders[order.order_id]
        if owner.named.get(order.client_order_id) is order:
            del owner.named[order.client_order_id]


def _window_ns(start_ms: int | None, end_ms: int | None) -> tuple[int, int]:
    """Return the first and last nanosecond of a window of whole milliseconds, either end of which may be open."""
    first = 0 if start_ms is None else start_ms * NS_PER_MS
    last = (1 << 63) - 1 if end_ms is None else (end_ms + 1) * NS_PER_MS - 1
    return first, last


def _from_order(orders: dict[int, OrderView], from_id: int | None) -> Iterable[OrderView]:
    """Return the orders from one on, all of them if that one is not there."""
    if from_id not in orders:
        return orders.values()
    return dropwhile(lambda order: order.order_id != from_id, orders.values())


def _take(rows: Iterable[_Row], limit: int, *, is_forward: bool) -> list[_Row]:
    """Return the first `limit` rows, turned round if they come backward."""
    found = list(islice(rows, limit))
    return found if is_forward else found[::-1]
