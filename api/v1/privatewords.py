"""The words of our own dialect for an account's private stream."""

from typing import Any

from api.binance.directory import Directory
from api.binance.reports import kind_and_status
from api.executions import Entry, Execution, is_refused_order, refused_order
from api.orders import name_of
from api.private import Accounts, PrivateStreams
from api.stream.hub import Hub
from exchange.asked import AskedOrders
from exchange.core.types import (
    AccountState,
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    RejectReason,
    Side,
    TimeInForce,
    TransferPurpose,
)
from exchange.events import Event

Body = dict[str, Any]
MILLISECOND_NS = 1_000_000
REJECTED_ID = 0  # of an order that never was one
DIALECT = "v1"
_ENDS = frozenset((EventKind.ORDER_CANCELED, EventKind.ORDER_EXPIRED))
_LOSSES = frozenset((EventKind.WITHDRAWN, EventKind.REDEEMED, EventKind.UNITS_EXPIRED))
_PRICED = frozenset((OrderType.LIMIT, OrderType.STOP_LIMIT))
_KINDS: dict[int, str] = {kind: kind.name for kind in EventKind}
_SIDES: dict[int, str] = {side: side.name for side in Side}
_TYPES: dict[int, str] = {order_type: order_type.name for order_type in OrderType}
_TIMES: dict[int, str] = {time: time.name for time in TimeInForce}
_REJECTED, _TRADED = int(EventKind.COMMAND_REJECTED), int(EventKind.TRADED)


class PrivateWords:
    """Each event by its own name, with its sequence and its number in event log and ledger."""

    def __init__(self, directory: Directory, asked: AskedOrders) -> None:
        """Take names and numbers of what is traded, and what orders asked for."""
        self._directory = directory
        self._asked = asked

    def event(self, entry: Entry, execution: Execution | None) -> Body:
        """Tell one event of an account."""
        event = entry.event
        if is_refused_order(event):
            execution = refused_order(entry, self._asked.of(event.sequence), REJECTED_ID)
        body: Body = {
            "type": _type(event),
            "sequence": entry.sequence,
            "event": entry.number,
            "time": event.time_ns // MILLISECOND_NS,
        }
        if execution is not None:
            return body | self._of_order(execution)
        match event.kind:
            case EventKind.TRADE_BUSTED:
                return body | self._trade(entry, event.instrument)
            case EventKind.ACCOUNT_STATE_SET:
                return body | {"state": AccountState(event.state).name}
            case EventKind.DEADMAN_SET:
                return body | {"trigger": event.amount // MILLISECOND_NS}
            case EventKind.COMMAND_REJECTED:
                return body
            case _:
                return body | self._of_asset(entry)

    def balances(self, now_ns: int, update_ns: int, sequence: int, rows: list[tuple[int, int, int]]) -> Body:
        """Tell how balances stand, and after which event of the account."""
        names = self._directory
        told = [
            {
                "asset": names.asset_name(asset),
                "available": names.asset_amount(asset, free),
                "held": names.asset_amount(asset, held),
            }
            for asset, free, held in rows
        ]
        changed_ms = update_ns // MILLISECOND_NS
        return {
            "type": "BALANCES",
            "after": sequence,
            "changed": changed_ms,
            "time": now_ns // MILLISECOND_NS,
            "balances": told,
        }

    def _of_order(self, execution: Execution) -> Body:
        event = execution.entry.event
        body: Body = {"order": self._order(execution)}
        if event.kind == _TRADED:
            body["fill"] = self._trade(execution.entry, event.instrument)
        elif event.kind == _REJECTED:
            body["reason"] = RejectReason(event.reason).name
        elif event.kind in _ENDS:
            body["reason"] = EndReason(event.reason).name
        elif event.kind == EventKind.ORDER_REPLACED:
            body["kept_priority"] = bool(event.flags & OrderFlag.KEPT_PRIORITY)
        elif event.kind == EventKind.MATCH_PREVENTED:
            body["prevented"] = self._directory.texts(event.instrument).quantity(event.quantity_lots)
        return body

    def _order(self, execution: Execution) -> Body:
        order = execution.order
        texts = self._directory.texts(order.instrument)
        is_priced = order.order_type in _PRICED
        return {
            "order_id": order.order_id,
            "client_order_id": name_of(order) if order.order_id else order.client_order_id,
            "symbol": texts.symbol,
            "side": _SIDES[order.side],
            "type": _TYPES[order.order_type],
            "time_in_force": _TIMES[order.time_in_force],
            "price": texts.price(execution.price_ticks) if is_priced else None,
            "stop_price": texts.price(order.stop_ticks) if order.stop_ticks else None,
            "quantity": texts.quantity(execution.quantity_lots),
            "filled": texts.quantity(execution.filled_lots),
            "amount": texts.amount(execution.quote_filled),
            "status": kind_and_status(execution)[1],
        }

    def _trade(self, entry: Entry, index: int) -> Body:
        """Tell one party's side of a trade; `event` beside it is the trade's entry in the ledger."""
        event, texts = entry.event, self._directory.texts(index)
        return {
            "trade_id": event.trade_id,
            "symbol": texts.symbol,
            "side": "BUY" if (event.side == Side.BUY) is not entry.is_counter else "SELL",
            "role": "MAKER" if entry.is_counter else "TAKER",
            "price": texts.price(event.price_ticks),
            "quantity": texts.quantity(event.quantity_lots),
            "amount": texts.amount(event.amount),
            "fee": texts.amount(event.counter_fee if entry.is_counter else event.fee),
            "fee_asset": self._directory.at(index).quote_asset,
        }

    def _of_asset(self, entry: Entry) -> Body:
        event, names = entry.event, self._directory
        is_transfer = event.kind == EventKind.TRANSFERRED
        is_loss = event.kind in _LOSSES or (is_transfer and not entry.is_counter)
        body: Body = {
            "asset": names.asset_name(event.asset),
            "amount": names.asset_amount(event.asset, -event.amount if is_loss else event.amount),
        }
        if is_transfer:
            body["counter_account"] = event.account if entry.is_counter else event.counter_account
            body["purpose"] = TransferPurpose(event.state).name
        return body


def _type(event: Event) -> str:
    """Return what an event goes by; a refusal is none of the account's events unless it is one of these."""
    if is_refused_order(event):
        return "ORDER_REJECTED"
    return "DEADMAN_FIRED" if event.kind == _REJECTED else _KINDS[event.kind]


def private_streams(hub: Hub, exchange: Accounts, directory: Directory) -> PrivateStreams:
    """Return the private streams of an exchange in this dialect."""
    return PrivateStreams(hub, exchange, PrivateWords(directory, exchange.asked), DIALECT)
