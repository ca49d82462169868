"""Fees from the event log alone: every trade's two fees computed again from the rates and the orders before it.

An order pays the rates of its account's tier, at its acceptance or at the replace that last cost it its place. Each
role pays the growth of the fee on all that the order has traded in that role, rounded up. In an auction both parties
trade as takers.
"""

from typing import NamedTuple

import numpy as np

from exchange.core.types import BPS, FEE_TIERS, EventKind, OrderFlag, TradingState
from settlement.differences import Difference

_KINDS = (
    EventKind.ORDER_ACCEPTED,
    EventKind.ORDER_REPLACED,
    EventKind.TRADED,
    EventKind.ORDER_CANCELED,
    EventKind.ORDER_EXPIRED,
    EventKind.FEES_SET,
    EventKind.ACCOUNT_TIER_SET,
    EventKind.TRADING_STATE_SET,
    EventKind.AUCTION_UNCROSSED,
)
_AUCTIONS = {
    TradingState.PRE_OPEN,
    TradingState.CALL_OPEN,
    TradingState.CALL_NO_CANCEL,
    TradingState.VOLATILITY,
    TradingState.CALL_CLOSE,
    TradingState.UNCROSSING,
}


class _Seen(NamedTuple):
    """What of an event a fee depends on."""

    kind: int
    account: int
    instrument: int
    order_id: int
    counter_order_id: int
    amount: int
    quantity_lots: int
    leaves_lots: int
    fee: int
    counter_fee: int
    flags: int
    state: int


class Order:
    """What an open order has traded, and at which rates."""

    __slots__ = ("leaves", "maker_bps", "maker_notional", "taker_bps", "taker_notional")

    def __init__(self, rates: tuple[int, int], leaves: int) -> None:
        """Begin with nothing traded; the rates are the maker's and the taker's."""
        self.maker_bps, self.taker_bps = rates
        self.leaves = leaves
        self.maker_notional = self.taker_notional = 0

    def taken(self, notional: int) -> int:
        """Return what taking so much costs."""
        before = fee(self.taker_bps, self.taker_notional)
        self.taker_notional += notional
        return fee(self.taker_bps, self.taker_notional) - before

    def made(self, notional: int) -> int:
        """Return what giving so much costs."""
        before = fee(self.maker_bps, self.maker_notional)
        self.maker_notional += notional
        return fee(self.maker_bps, self.maker_notional) - before


class Fees:
    """The rates and open orders behind the events seen so far."""

    def __init__(self) -> None:
        """Begin before the first event."""
        self._rates: dict[int, list[tuple[int, int]]] = {}  # of an instrument, once set, by tier: maker's, taker's
        self._tiers: dict[int, int] = {}  # of accounts, once set
        self._orders: dict[int, Order] = {}
        self._states: dict[int, int] = {}  # of instruments

    def check(self, events: np.ndarray, first_number: int) -> None:
        """Go through the next events; raise Difference at the first trade with another fee."""
        chosen = np.flatnonzero(np.isin(events["kind"], _KINDS))
        columns = [events[name][chosen].tolist() for name in _Seen._fields]  # whole events cost more
        for index, event in zip(chosen.tolist(), map(_Seen._make, zip(*columns, strict=True)), strict=True):
            kind = event.kind
            if kind == EventKind.TRADED:
                self._check_trade(event, first_number + index)
            elif kind == EventKind.ORDER_ACCEPTED:
                self._orders[event.order_id] = Order(self._rates_of(event), event.quantity_lots)
            elif kind == EventKind.ORDER_REPLACED:
                self._replace(event, first_number + index)
            elif kind == EventKind.FEES_SET:
                _check_tier(event, first_number + index)
                rates = self._rates.setdefault(event.instrument, [(0, 0)] * FEE_TIERS)
                rates[event.state :] = [(event.counter_fee, event.fee)] * (FEE_TIERS - event.state)
            elif kind == EventKind.ACCOUNT_TIER_SET:
                _check_tier(event, first_number + index)
                self._tiers[event.account] = event.state
            elif kind in {EventKind.TRADING_STATE_SET, EventKind.AUCTION_UNCROSSED}:
                self._states[event.instrument] = event.state
            else:
                self._orders.pop(event.order_id, None)

    def _replace(self, event: "_Seen", number: int) -> None:
        order = self._orders.get(event.order_id)
        if order is None:
            raise Difference(f"event {number} replaces order {event.order_id}, which is not open")
        order.leaves = event.leaves_lots
        if not event.flags & OrderFlag.KEPT_PRIORITY:
            order.maker_bps, order.taker_bps = self._rates_of(event)

    def _rates_of(self, event: "_Seen") -> tuple[int, int]:
        """Return what the account of an order pays on its instrument now."""
        rates = self._rates.get(event.instrument)
        return (0, 0) if rates is None else rates[self._tiers.get(event.account, 0)]

    def _check_trade(self, event: "_Seen", number: int) -> None:
        counter_role = "taker" if self._states.get(event.instrument) in _AUCTIONS else "maker"
        sides = ((event.order_id, "taker", event.fee), (event.counter_order_id, counter_role, event.counter_fee))
        for order_id, role, there in sides:
            order = self._orders.get(order_id)
            if order is None:
                raise Difference(f"the trade of event {number} names order {order_id}, which is not open")
            due = order.taken(event.amount) if role == "taker" else order.made(event.amount)
            if there != due:
                raise Difference(
                    f"the trade of event {number}: the {role}'s fee is {there}, but the rates make it {due}"
                )
            order.leaves -= event.quantity_lots
            if order.leaves == 0:
                del self._orders[order_id]


def _check_tier(event: _Seen, number: int) -> None:
    if event.state >= FEE_TIERS:
        raise Difference(f"event {number} names tier {event.state}, but the last one is {FEE_TIERS - 1}")


def fee(rate_bps: int, notional: int) -> int:
    """Return the fee on a cumulative notional, rounded up."""
    return -((-rate_bps * notional) // BPS)
