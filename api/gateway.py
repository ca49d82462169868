"""The way of an order in: texts, numbers, command bytes, sequencer, events, and what became of it.

What only texts show is refused here (a price off its tick, a quantity off its lot, a number too long); everything else
is the engine's decision. An order without a client order id goes by a name made of its order id: that costs the
engine nothing, and it is found by it like by any other.
"""

import asyncio
from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import NamedTuple

import numpy as np
from msgspec import structs

from api import orders, parameters
from api.errors import (
    CANCEL_RESTRICTED,
    DUPLICATE_ORDER,
    LOT_SIZE,
    ORDER_ARCHIVED,
    PRICE_FILTER,
    ZERO_ICEBERG,
    ZERO_PRICE,
    ZERO_QUANTITY,
    ZERO_QUOTE_QUANTITY,
    ZERO_STOP,
    Problem,
    RequestError,
    illegal,
    overflowed,
    rejection,
    too_precise,
)
from api.gate import check_gate
from api.orders import OrderTexts, Placed
from api.shapes import Shapes
from api.turn import Receiver, Turn
from exchange.asked import NOTHING
from exchange.core import commands
from exchange.core.types import (
    PRICE_TICKS_MAX,
    AccountState,
    CommandKind,
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    RejectReason,
    Side,
    TimeInForce,
    TradingState,
)
from exchange.events import Event
from exchange.marketdata.orders import OrderStatus, OrderView
from exchange.registry.entries import Instrument
from exchange.registry.units import NumberRefusal, parse_steps, parse_units
from exchange.server import Exchange

NUMBERS_CACHED_MAX = 1 << 16  # texts of prices and quantities, which come again and again
_steps = lru_cache(NUMBERS_CACHED_MAX)(parse_steps)
# a command as `commands.new_order` makes it, for whom the name need not become five integers first
_PACK = Struct("<qq8B4Iqqqq40sqII").pack
_NEW_ORDER = int(CommandKind.NEW_ORDER)
_REJECTED, _DUPLICATED = int(EventKind.COMMAND_REJECTED), int(EventKind.ORDER_DUPLICATED)
_PRICED = frozenset((OrderType.LIMIT, OrderType.STOP_LIMIT))


class Names(NamedTuple):
    """What a dialect calls the numbers of an order, for refusals."""

    quantity: str = "quantity"
    price: str = "price"
    stop_price: str = "stopPrice"
    iceberg: str = "icebergQty"
    amount: str = "quoteOrderQty"


class Gateway:
    """Puts orders and cancellations into the one order of commands, and says what became of them."""

    def __init__(self, exchange: Exchange, names: Names | None = None) -> None:
        """Work with an exchange, which another starts and stops; speak of numbers by their names."""
        self._turn = Turn(exchange.submit)
        self._exchange = exchange
        self._registry = exchange.registry
        self._orders = exchange.orders
        self._names = names or Names()
        self.bodies = Shapes("signature")  # of orders over REST
        self.requests = Shapes("id")  # and over the websocket API, of sessions that have logged on

    async def place(self, account: int, order: OrderTexts, instrument: Instrument, replaced: int = 0) -> Placed:
        """Place an order. A client order id that was used before returns what became of the order that has it.

        `replaced` is the order that was cancelled for it: a refusal that repeats it is told to the owner.
        """
        made = self.command(account, order, instrument, replaced)
        return self.outcome(await self._turn.submit(made), order, instrument)

    def begin(self, account: int, order: OrderTexts, instrument: Instrument, receiver: Receiver) -> None:
        """Place an order whose events a receiver takes: `outcome` says what they mean."""
        self._turn.add(self.command(account, order, instrument), receiver)

    def outcome(self, events: Sequence[Event], order: OrderTexts, instrument: Instrument) -> Placed:
        """Say what became of an order by the events of its command."""
        first = events[0]
        if first.kind == _REJECTED:
            raise RequestError(rejection(first.reason))
        if first.kind == _DUPLICATED:
            return self._placed_before(first.order_id, order, instrument)
        return orders.placed(events, order.client_order_id)

    async def send(self, command: bytes) -> list[Event]:
        """Submit a command; return its events, or refuse for the reason that the first of them gives."""
        events = await self._turn.submit(command)
        if events[0].kind == _REJECTED:
            raise RequestError(rejection(events[0].reason, events[0].state))
        return events

    def send_many(self, commands: bytes) -> "asyncio.Future[np.ndarray]":
        """Submit commands behind all that were sent before; the result is their events as an array, EVENT.

        Raises Overloaded or Stopped.
        """
        self._turn.end()
        return self._exchange.submit_many(commands)

    async def send_together(self, made: Sequence[bytes]) -> list[list[Event]]:
        """Submit commands that stand one behind the other, with none of anybody else's between them."""
        return await self._turn.submit_together(made)

    def check(self, account: int, order: OrderTexts, instrument: Instrument) -> None:
        """Refuse what can be known to be refused without placing the order."""
        check_gate(self._registry, account, order.side, instrument)
        ticks, lots = self._numbers(order, instrument)
        if instrument.trading_state is not TradingState.CONTINUOUS:
            raise RequestError(rejection(RejectReason.INSTRUMENT_NOT_TRADING))
        if not order.amount and not instrument.quantity_min <= lots <= instrument.quantity_max:
            raise RequestError(rejection(RejectReason.INVALID_QUANTITY))
        if order.price and not instrument.band_low_ticks <= ticks <= instrument.band_high_ticks:
            raise RequestError(rejection(RejectReason.PRICE_OUTSIDE_BAND))
        owner = self._registry.account_at(account)
        if owner is None or owner.state is not AccountState.ACTIVE:
            raise RequestError(rejection(RejectReason.ACCOUNT_NOT_ACTIVE))

    def find(
        self, account: int, instrument: Instrument | None, order_id: int | None, name: str | None
    ) -> OrderView | None:
        """Return the account's order with this order id, or this name, or, where both are given, with both."""
        order = self._named(account, name) if name is not None else None
        if order_id is not None:
            named, order = order, self._orders.order(order_id)
            if name is not None and (named is None or named.order_id != order_id):
                return None
        if order is None or order.account != account:
            return None
        return order if instrument is None or order.instrument == instrument.index else None

    async def cancel(self, account: int, order: OrderView, only: str | None = None) -> OrderView:
        """End an open order; where its sender restricts that, only if it is new, or only if it is partly filled."""
        if only is not None and order.is_open and (only == "ONLY_NEW") is not (order.status is OrderStatus.NEW):
            raise RequestError(CANCEL_RESTRICTED)
        events = await self._turn.submit(commands.cancel_order(account, order.order_id))
        if events[0].kind == _REJECTED:
            raise RequestError(rejection(events[0].reason, CommandKind.CANCEL_ORDER))
        return self._ended(events[0], order)

    async def cancel_all(self, account: int, instrument: Instrument | None = None) -> list[OrderView]:
        """End all open orders of an account on one instrument, or on all; return those that ended, oldest first."""
        index = 0 if instrument is None else instrument.index
        known = {order.order_id: order for order in self._orders.open_orders(account, index)}
        events, _ = await self.mass_cancel(account, index)
        ended = [self._ended(event, known.get(event.order_id)) for event in events]
        return sorted(ended, key=lambda order: order.time_ns)

    async def mass_cancel(
        self, account: int, index: int = 0, side: Side = Side.BOTH, reason: EndReason = EndReason.NONE
    ) -> tuple[list[Event], int]:
        """End open orders; return the event of each end, and how many are left that may not be ended now."""
        ended: list[Event] = []
        while True:  # one command ends a bounded number
            *ends, last = await self._turn.submit(commands.mass_cancel(account, index, side, reason))
            if last.kind == _REJECTED:
                raise RequestError(rejection(last.reason, CommandKind.MASS_CANCEL))
            ended += ends
            if not last.leaves_lots or not ends:
                return ended, last.leaves_lots

    async def shrink(self, account: int, order: OrderView, quantity_lots: int) -> Event:
        """Lower an open order's total quantity; it keeps its priority."""
        events = await self._turn.submit(commands.replace_order(account, order.order_id, quantity_lots=quantity_lots))
        if events[0].kind == _REJECTED:
            raise RequestError(rejection(events[0].reason, CommandKind.REPLACE_ORDER))
        return events[0]

    def _ended(self, event: Event, known: OrderView | None) -> OrderView:
        """Return how an order ended; of one that is not known, as far as its last event says it."""
        order = self._orders.order(event.order_id)
        if order is not None:
            return order
        filled = event.quantity_lots - event.leaves_lots
        if known is not None:
            return structs.replace(known, filled_lots=filled, status=OrderStatus.CANCELED, update_ns=event.time_ns)
        return OrderView(
            event.order_id, event.account, event.instrument, event.side, event.order_type, TimeInForce.GTC, 0, 0,
            event.price_ticks, event.quantity_lots, event.time_ns, event.time_ns,
            filled_lots=filled, status=OrderStatus.CANCELED,
        )  # fmt: skip

    def command(self, account: int, order: OrderTexts, instrument: Instrument, replaced: int = 0) -> bytes:
        """Return the command of a new order, or refuse a number that only its text shows to be wrong."""
        check_gate(self._registry, account, order.side, instrument)
        ticks, lots = self._numbers(order, instrument)
        prevention, names = order.self_trade_prevention, self._names
        return _PACK(
            0, 0, _NEW_ORDER, order.side, order.order_type, order.time_in_force,
            instrument.self_trade_prevention if prevention is None else prevention, order.flags, 0, 0,
            account, instrument.index, 0, 0, replaced, ticks, lots,
            self.amount(order, instrument) if order.amount else 0,
            order.client_order_id.encode("ascii"),
            order.until_ns,
            self.ticks(names.stop_price, order.stop_price, instrument, ZERO_STOP) if order.stop_price else 0,
            self.lots(names.iceberg, order.iceberg, instrument, ZERO_ICEBERG) if order.iceberg else 0,
        )  # fmt: skip

    def _numbers(self, order: OrderTexts, instrument: Instrument) -> tuple[int, int]:
        """Return ticks (0 without a price) and lots (0 with an amount)."""
        names = self._names
        lots = self.lots(names.quantity, order.quantity, instrument) if order.quantity else 0
        ticks = self.ticks(names.price, order.price, instrument) if order.price else 0
        return ticks, lots

    def lots(self, name: str, text: str, instrument: Instrument, zero: Problem = ZERO_QUANTITY) -> int:
        """Return the lots of a quantity, or refuse it."""
        lots = _steps(text, instrument.quantity_step, instrument.quantity_decimals)
        if isinstance(lots, NumberRefusal):
            raise RequestError(self._refused(name, text, lots, instrument.base, LOT_SIZE))
        if lots == 0:
            raise RequestError(zero)
        return lots

    def ticks(self, name: str, text: str, instrument: Instrument, zero: Problem = ZERO_PRICE) -> int:
        """Return the ticks of a price, or refuse it."""
        ticks = _steps(text, instrument.price_step, instrument.price_decimals)
        if isinstance(ticks, NumberRefusal):
            raise RequestError(self._refused(name, text, ticks, instrument.quote, PRICE_FILTER))
        if ticks == 0:
            raise RequestError(zero)
        if ticks > PRICE_TICKS_MAX:
            raise RequestError(PRICE_FILTER)
        return ticks

    def amount(self, order: OrderTexts, instrument: Instrument) -> int:
        """Return the units that an order names to spend or to earn, 0 if it names a quantity; or refuse them."""
        quote = self._registry.asset_at(instrument.quote)
        assert quote is not None
        units = parse_units(order.amount, quote.decimals)
        if isinstance(units, NumberRefusal):
            name = self._names.amount
            raise RequestError(self._refused(name, order.amount, units, instrument.quote, too_precise(name)))
        if units == 0:
            raise RequestError(ZERO_QUOTE_QUANTITY)
        return units

    def _refused(self, name: str, text: str, refusal: NumberRefusal, asset: int, filter_problem: Problem) -> Problem:
        if refusal is NumberRefusal.TOO_LARGE:
            return overflowed(name)
        if refusal is not NumberRefusal.TOO_FINE:
            return illegal(name, parameters.DECIMAL_RANGE)
        found = self._registry.asset_at(asset)
        assert found is not None
        return too_precise(name) if len(text.partition(".")[2].rstrip("0")) > found.decimals else filter_problem

    def _placed_before(self, order_id: int, order: OrderTexts, instrument: Instrument) -> Placed:
        """Return what became of the first order of a client order id by its own command, whatever happened since."""
        known = self._orders.order(order_id)
        if known is None:
            raise RequestError(ORDER_ARCHIVED)
        if known.end_reason == EndReason.BATCH:
            raise RequestError(rejection(RejectReason.BATCH_REFUSED))
        events = self._exchange.events.of_command(known.event_number)
        if not self.is_same(events[0], order, instrument):
            raise RequestError(DUPLICATE_ORDER)
        return orders.placed(events, known.client_order_id)

    def is_same(self, accepted: Event, order: OrderTexts, instrument: Instrument) -> bool:
        """Return whether an order asks for what another one asked for when it was accepted, or refused."""
        asked = (instrument.index, order.side, order.order_type, order.time_in_force, order.flags)
        flags = accepted.flags & OrderFlag.POST_ONLY  # the others say how it stood
        if asked != (accepted.instrument, accepted.side, accepted.order_type, accepted.time_in_force, flags):
            return False
        ticks, lots = self._numbers(order, instrument)
        same_price = order.order_type not in _PRICED or ticks == accepted.price_ticks
        if order.order_type is OrderType.MARKET and not self._names_amount(order, instrument, accepted.sequence):
            return False
        return same_price and (not order.quantity or lots == accepted.quantity_lots)

    def _names_amount(self, order: OrderTexts, instrument: Instrument, sequence: int) -> bool:
        """Return whether a market order names the amount, if any, that the order of a command named."""
        asked = self._exchange.asked.of(sequence)
        return asked == NOTHING or asked.amount == (self.amount(order, instrument) if order.amount else 0)

    def _named(self, account: int, name: str) -> OrderView | None:
        digits = name.removeprefix(parameters.OWN_NAME)
        if digits == name or not digits.isdecimal():
            return self._orders.by_client_id(account, name)
        order = self._orders.order(int(digits))
        return order if order is not None and not order.client_order_id else None
