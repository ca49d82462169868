"""The order histories again, one event at a time in plain Python: what the compiled fold is compared with."""

from collections import defaultdict, deque
from types import SimpleNamespace

from exchange.core.commands import client_text
from exchange.core.types import EventKind, OrderFlag, SelfTradePrevention, Side
from exchange.marketdata.orders import FillView, OrderStatus, OrderView

CLOSED = {EventKind.ORDER_CANCELED: OrderStatus.CANCELED, EventKind.ORDER_EXPIRED: OrderStatus.EXPIRED}


class PlainOrders:
    """Every account's orders and fills."""

    def __init__(self, closed_orders_max, fills_max, order_fills_max):
        self.closed_max, self.order_fills_max = closed_orders_max, order_fills_max
        self.orders, self.fills = {}, {}  # by order id
        self.accounts = defaultdict(
            lambda: SimpleNamespace(orders={}, closed=deque(), named={}, fills=deque(maxlen=fills_max), forgot=False)
        )
        self.event_count = self.incoming_sequence = 0

    def apply(self, rows):
        for event in rows:
            self.event_count += 1
            self._apply(event)

    def _apply(self, event):
        order = self.orders.get(event.order_id)
        match event.kind:
            case EventKind.ORDER_ACCEPTED:
                self._accept(event)
            case EventKind.ORDER_NAMED:
                order.client_order_id = client_text(event[17:22])
                self.accounts[event.account].named[order.client_order_id] = order
            case EventKind.ORDER_TERMS:
                order.stop_ticks, order.display_lots = event.price_ticks, event.quantity_lots
                order.until_ns = event.amount
            case EventKind.ORDER_TRIGGERED:
                order.flags &= ~OrderFlag.SLEEPING
                order.triggered_ns = order.update_ns = event.time_ns
                self.incoming_sequence = event.sequence
            case EventKind.TRADED:
                self._trade(event)
            case EventKind.ORDER_CANCELED | EventKind.ORDER_EXPIRED:
                order.end_reason, order.update_ns = event.reason, event.time_ns
                self._close(order, CLOSED[event.kind])
            case EventKind.ORDER_REPLACED:
                order.price_ticks, order.quantity_lots = event.price_ticks, event.quantity_lots
                order.update_ns = event.time_ns
                if not event.flags & OrderFlag.KEPT_PRIORITY:
                    self.incoming_sequence = event.sequence
            case EventKind.MATCH_PREVENTED if event.self_trade_prevention == SelfTradePrevention.DECREMENT:
                for one in (order, self.orders[event.counter_order_id]):
                    one.quantity_lots -= event.quantity_lots
                    one.update_ns = event.time_ns

    def _accept(self, event):
        names = ("side", "order_type", "time_in_force", "self_trade_prevention", "flags", "price_ticks")
        terms = [getattr(event, name) for name in names]
        order = OrderView(
            event.order_id, event.account, event.instrument, *terms, event.quantity_lots, event.time_ns, event.time_ns,
            event_number=self.event_count,
        )  # fmt: skip
        self.orders[event.order_id] = self.accounts[event.account].orders[event.order_id] = order
        self.fills[event.order_id] = deque(maxlen=self.order_fills_max)
        self.incoming_sequence = event.sequence

    def _trade(self, event):
        buys, rested = event.side == Side.BUY, event.sequence == self.incoming_sequence
        self._fill(event, event.order_id, event.account, event.fee, is_maker=False, is_buyer=buys)
        self._fill(event, event.counter_order_id, event.counter_account, event.counter_fee, rested, not buys)

    def _fill(self, event, order_id, account, fee, is_maker, is_buyer):
        terms = (event.instrument, event.price_ticks, event.quantity_lots, event.amount, fee, is_maker, is_buyer)
        fill = FillView(event.trade_id, order_id, account, *terms, event.time_ns, self.event_count)
        self.accounts[account].fills.append(fill)
        self.fills[order_id].append(fill)
        order = self.orders[order_id]
        order.filled_lots += event.quantity_lots
        order.quote_filled += event.amount
        order.fee += fee
        order.update_ns = event.time_ns
        order.status = OrderStatus.PARTIALLY_FILLED
        if order.filled_lots == order.quantity_lots:
            self._close(order, OrderStatus.FILLED)

    def _close(self, order, status):
        order.status = status
        owner = self.accounts[order.account]
        owner.closed.append(order)
        if len(owner.closed) > self.closed_max:
            self._forget(owner, owner.closed.popleft())

    def _forget(self, owner, order):
        owner.forgot = True
        del self.orders[order.order_id], self.fills[order.order_id], owner.orders[order.order_id]
        if owner.named.get(order.client_order_id) is order:
            del owner.named[order.client_order_id]
