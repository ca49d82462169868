"""Many orders with one request, and what ends all of them at once: operations under /v1 and their answers.

Each order of a batch has a client order id, so that the batch may be sent again: what was placed is not placed again.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import TypeVar

import msgspec

from api.client.operations import Access, Number, Operation, SideName, new_order_id, text_of
from api.client.owned import FillAnswer

T = TypeVar("T")
_ENCODER = msgspec.json.Encoder()
_NUMBERS = frozenset(("quantity", "price", "amount", "stop_price", "displayed"))


class NewOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """An order as /v1 takes it: LIMIT unless something else is said."""

    symbol: str
    side: SideName
    quantity: Number | None = None
    price: Number | None = None
    type: str = "LIMIT"
    amount: Number | None = None
    stop_price: Number | None = None
    time_in_force: str | None = None
    expires: int | None = None
    post_only: bool = False
    displayed: Number | None = None
    self_trade_prevention: str | None = None
    client_order_id: str | None = None


class Side(msgspec.Struct, frozen=True):
    """A price and a quantity."""

    price: Number
    quantity: Number


class Quote(msgspec.Struct, frozen=True, omit_defaults=True):
    """A bid and an ask in place of the account's former quote on the instrument; neither of them ends that alone."""

    symbol: str
    bid: Side | None = None
    ask: Side | None = None


class OrderAnswer(msgspec.Struct, frozen=True):
    """How an order stands, or stood when its request was answered."""

    order_id: int
    client_order_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    post_only: bool
    self_trade_prevention: str
    price: Decimal | None
    quantity: Decimal
    filled: Decimal
    amount: Decimal
    fee: Decimal
    fee_asset: str
    stop_price: Decimal | None
    displayed: Decimal | None
    expires: int | None
    is_asleep: bool
    status: str
    reason: str | None
    time: int


class PlacedAnswer(OrderAnswer, frozen=True, kw_only=True):
    """What became of an order by its own command."""

    sequence: int
    fills: list[FillAnswer]


class BatchItem(msgspec.Struct, frozen=True):
    """What became of one order of a batch: the order, or why it was refused."""

    order: PlacedAnswer | None = None
    code: int = 0
    msg: str = ""


class BatchAnswer(msgspec.Struct, frozen=True):
    """What became of each order, in the order of the request."""

    results: list[BatchItem]


class CancelItem(msgspec.Struct, frozen=True):
    """What became of one cancellation: the order as it ended, or why it was refused."""

    order: OrderAnswer | None = None
    code: int = 0
    msg: str = ""


class CancelBatchAnswer(msgspec.Struct, frozen=True):
    """What became of each cancellation, in the order of the request."""

    results: list[CancelItem]


class QuoteItem(msgspec.Struct, frozen=True):
    """What became of a quote: each side's order or refusal, or why all of it was refused."""

    symbol: str
    bid: BatchItem | None = None
    ask: BatchItem | None = None
    ended: int = 0
    code: int = 0
    msg: str = ""


class QuotesAnswer(msgspec.Struct, frozen=True):
    """What became of each quote, in the order of the request."""

    results: list[QuoteItem]


class MassCancelAnswer(msgspec.Struct, frozen=True):
    """The orders that ended, and how many of those meant cannot be cancelled in their market's present phase."""

    order_ids: list[int]
    still_open: int


class TimerAnswer(msgspec.Struct, frozen=True):
    """When the timer runs out, in milliseconds since 1970; 0: it is off."""

    trigger: int


def place_batch(orders: Iterable[NewOrder], *, all_or_none: bool = False) -> Operation[BatchAnswer]:
    """Place orders behind each other; with `all_or_none` they are post-only, and a refusal undoes all of them."""
    named = [_named(order) for order in orders]
    return _post("/v1/orders/batch", BatchAnswer, {"orders": named, "all_or_none": all_or_none}, is_repeatable=True)


def cancel_batch(order_ids: Sequence[int] = (), client_order_ids: Sequence[str] = ()) -> Operation[CancelBatchAnswer]:
    """Cancel orders, by either of their ids."""
    which: list[dict[str, object]] = [{"order_id": one} for one in order_ids]
    which += [{"client_order_id": one} for one in client_order_ids]
    return _post("/v1/orders/cancel", CancelBatchAnswer, {"orders": which}, is_repeatable=True)


def quote(quotes: Iterable[Quote], *, post_only: bool = False) -> Operation[QuotesAnswer]:
    """Put a bid and an ask on each of many instruments, in place of the account's former quotes there."""
    told = list(quotes)
    return _post("/v1/quotes", QuotesAnswer, {"quotes": told, "post_only": post_only}, is_repeatable=False)


def mass_cancel(symbol: str = "", side: str = "BOTH") -> Operation[MassCancelAnswer]:
    """End all open orders: of one instrument or of all, of one side or both."""
    return _post("/v1/mass-cancel", MassCancelAnswer, {"symbol": symbol, "side": side}, is_repeatable=True)


def cancel_all_after(timeout_ms: int) -> Operation[TimerAnswer]:
    """Let all orders end so many milliseconds from now, unless this is sent again before; 0 turns the timer off."""
    return _post("/v1/cancel-all-after", TimerAnswer, {"timeout": timeout_ms}, is_repeatable=True)


def _named(order: NewOrder) -> NewOrder:
    return order if order.client_order_id else msgspec.structs.replace(order, client_order_id=new_order_id())


def _post(path: str, answer: type[T], fields: dict[str, object], *, is_repeatable: bool) -> Operation[T]:
    return Operation("POST", path, answer, {}, Access.SIGNED, "", _ENCODER.encode(_texts(fields)), is_repeatable)


def _texts(value: object) -> object:
    """Return what is sent with its numbers as plain texts."""
    fields = msgspec.to_builtins(value, builtin_types=(Decimal,))
    return _plain(fields)


def _plain(value: object, name: str = "") -> object:
    if isinstance(value, dict):
        return {key: _plain(one, key) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return text_of(value) if name in _NUMBERS else value
