"""From what the exchange knows of an order to what its owner is told under /v1."""

from collections.abc import Iterable, Sequence

from api.binance.directory import Directory
from api.orders import Fill, Placed, name_of, status_of
from api.v1.orderschemas import OrderAnswer, PlacedAnswer
from api.v1.schemas import FillAnswer
from exchange.core.types import (
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from exchange.events import Event, EventLog
from exchange.marketdata.orders import OrderView
from exchange.registry.entries import Instrument

MILLISECOND_NS = 1_000_000
_PRICED = frozenset((OrderType.LIMIT, OrderType.STOP_LIMIT))


class OrderAnswers:
    """Reads names and numbers of instruments, and the event log for the numbers of fills."""

    def __init__(self, directory: Directory, events: EventLog) -> None:
        """Take both of an exchange."""
        self._directory = directory
        self._events = events

    def order(self, order: OrderView) -> OrderAnswer:
        """Say how an order stands."""
        instrument = self._directory.at(order.instrument)
        return OrderAnswer(**self._terms(order, instrument, name_of(order), status_of(order), order.fee))

    def placed(self, order: Placed, instrument: Instrument, offset: int = 0) -> PlacedAnswer:
        """Say what became of an order by its command, of which its acceptance was the event at `offset`."""
        fee = sum(fill.fee for fill in order.fills)
        terms = self._terms(order, instrument, order.client_order_id, order.status, fee)
        first = self._events.first_of(order.sequence) if order.fills else 0
        return PlacedAnswer(
            **terms,
            sequence=order.sequence,
            fills=self._fills(order.order_id, order.side, order.fills, instrument, order.time_ns, first + offset),
        )

    def fills(self, order: OrderView, events: Sequence[Event]) -> list[FillAnswer]:
        """Say what an order traded by the events of one command."""
        found = list(fills_in(order.order_id, events))
        if not found:
            return []
        instrument, first = self._directory.at(order.instrument), self._events.first_of(events[0].sequence)
        return self._fills(order.order_id, order.side, found, instrument, events[0].time_ns, first)

    def _terms(
        self, order: OrderView | Placed, instrument: Instrument, name: str, status: str, fee: int
    ) -> dict[str, object]:
        texts = self._directory.texts(instrument.index)
        return {
            "order_id": order.order_id,
            "client_order_id": name,
            "symbol": instrument.symbol,
            "side": Side(order.side).name,
            "type": OrderType(order.order_type).name,
            "time_in_force": TimeInForce(order.time_in_force).name,
            "post_only": bool(order.flags & OrderFlag.POST_ONLY),
            "self_trade_prevention": SelfTradePrevention(order.self_trade_prevention).name,
            "price": texts.price(order.price_ticks) if order.order_type in _PRICED else None,
            "quantity": texts.quantity(order.quantity_lots),
            "filled": texts.quantity(order.filled_lots),
            "amount": texts.amount(order.quote_filled),
            "fee": texts.amount(fee),
            "fee_asset": instrument.quote_asset,
            "stop_price": texts.price(order.stop_ticks) if order.stop_ticks else None,
            "displayed": texts.quantity(order.display_lots) if order.display_lots else None,
            "expires": order.until_ns // MILLISECOND_NS if order.until_ns else None,
            "is_asleep": bool(order.flags & OrderFlag.SLEEPING),
            "status": status,
            "reason": EndReason(order.end_reason).name if order.end_reason else None,
            "time": order.time_ns // MILLISECOND_NS,
        }

    def _fills(
        self, order_id: int, side: int, fills: Iterable[Fill], instrument: Instrument, time_ns: int, first: int
    ) -> list[FillAnswer]:
        texts = self._directory.texts(instrument.index)
        return [
            FillAnswer(
                event=first + fill.offset,
                trade_id=fill.trade_id,
                order_id=order_id,
                symbol=instrument.symbol,
                side="BUY" if side == Side.BUY else "SELL",
                role="MAKER" if fill.is_maker else "TAKER",
                price=texts.price(fill.price_ticks),
                quantity=texts.quantity(fill.quantity_lots),
                amount=texts.amount(fill.amount),
                fee=texts.amount(fill.fee),
                fee_asset=instrument.quote_asset,
                time=time_ns // MILLISECOND_NS,
            )
            for fill in fills
        ]


def fills_in(order_id: int, events: Sequence[Event]) -> Iterable[Fill]:
    """Yield the fills of an order among the events of one command, with their offset from the first."""
    for offset, event in enumerate(events):
        is_maker = event.counter_order_id == order_id
        if event.kind == EventKind.TRADED and (is_maker or event.order_id == order_id):
            fee = event.counter_fee if is_maker else event.fee
            price, lots, amount = event.price_ticks, event.quantity_lots, event.amount
            yield Fill(price, lots, fee, event.trade_id, amount, is_maker, offset)
