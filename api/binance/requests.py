"""What the requests of the Binance dialect may hold; authentication (timestamp, recvWindow, signature) apart.

Names are in the dialect's camel case outside and in ours inside.
"""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from api.errors import ICEBERG_TIF, RequestError, missing, missing_both, not_required
from api.schemas import (
    STRICT,
    ClientOrderId,
    Decimal,
    Flag,
    IntervalName,
    Long,
    NewClientOrderId,
    PreventionName,
    ResponseType,
    SideName,
    Symbol,
    Symbols,
    Time,
    TimeInForceName,
    TypeName,
)

CancelRestriction = Literal["ONLY_NEW", "ONLY_PARTIALLY_FILLED"]
HISTORY_MAX = 1000  # rows of one answer
DEPTH_MAX = 5000  # levels of one side


def _limit(default: int) -> int:
    return Field(default, ge=1, le=HISTORY_MAX, description=f"Default {default}, at most {HISTORY_MAX}.")


class Nothing(BaseModel):
    """No parameters at all."""

    model_config = STRICT


class OneSymbol(BaseModel):
    """The name of an instrument."""

    model_config = STRICT
    symbol: Symbol


class ExchangeInfoRequest(BaseModel):
    """All instruments, or those named."""

    model_config = STRICT
    symbol: Symbol = ""
    symbols: Symbols = ()
    permissions: str = ""
    symbol_status: Literal["TRADING", "HALT", "BREAK", "AUCTION_MATCH", "END_OF_DAY", ""] = ""
    show_permission_sets: Flag = True


class DepthRequest(BaseModel):
    """The best levels of one book; more than there may be are simply fewer."""

    model_config = STRICT
    symbol: Symbol
    limit: Long = Field(100, ge=1, description=f"Default 100; never more than {DEPTH_MAX} levels a side are given.")


class TradesRequest(BaseModel):
    """The last trades."""

    model_config = STRICT
    symbol: Symbol
    limit: Long = _limit(500)


class HistoricalTradesRequest(BaseModel):
    """Trades from an id on, or the last ones."""

    model_config = STRICT
    symbol: Symbol
    from_id: Long | None = None
    limit: Long = _limit(500)


class AggregateTradesRequest(BaseModel):
    """Trades from an id on, of a time, or the last ones."""

    model_config = STRICT
    symbol: Symbol
    from_id: Long | None = None
    start_time: Time | None = None
    end_time: Time | None = None
    limit: Long = _limit(500)


class CandlesRequest(BaseModel):
    """Candles of a time, or the last ones."""

    model_config = STRICT
    symbol: Symbol
    interval: IntervalName
    start_time: Time | None = None
    end_time: Time | None = None
    time_zone: Literal["0", "00:00", "+00:00"] = "0"
    limit: Long = _limit(500)


class TickerRequest(BaseModel):
    """One instrument, those named, or all."""

    model_config = STRICT
    symbol: Symbol = ""
    symbols: Symbols = ()


class StatisticsRequest(BaseModel):
    """One instrument, those named, or all; the short form leaves out the quotes and the changes."""

    model_config = STRICT
    symbol: Symbol = ""
    symbols: Symbols = ()
    type: Literal["FULL", "MINI"] = "FULL"


class NewOrderRequest(BaseModel):
    """An order: LIMIT needs timeInForce and price, LIMIT_MAKER price, STOP_LOSS stopPrice, STOP_LOSS_LIMIT all three.

    All of them need a quantity; MARKET may have quoteOrderQty instead, what is to be spent or earned.
    """

    model_config = STRICT
    symbol: Symbol
    side: SideName
    type: TypeName
    time_in_force: TimeInForceName | None = None
    quantity: Decimal | None = None
    price: Decimal | None = None
    quote_order_qty: Decimal | None = None
    stop_price: Decimal | None = Field(None, description="The trade price that wakes a stop.")
    iceberg_qty: Decimal | None = Field(None, description="What a LIMIT order that rests shows at a time.")
    new_client_order_id: NewClientOrderId | None = Field(
        None, description="Idempotency key: repeats return the first order."
    )
    self_trade_prevention_mode: PreventionName | None = None
    new_order_resp_type: ResponseType | None = Field(None, description="FULL unless given.")

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        by_amount = self.type == "MARKET" and self.quote_order_qty is not None
        has_price, has_stop = self.type not in {"MARKET", "STOP_LOSS"}, self.type.startswith("STOP_LOSS")
        parts = (
            ("quantity", not by_amount, self.quantity),
            ("price", has_price, self.price),
            ("timeInForce", self.type in {"LIMIT", "STOP_LOSS_LIMIT"}, self.time_in_force),
            ("stopPrice", has_stop, self.stop_price),
            ("quoteOrderQty", by_amount, self.quote_order_qty),
        )
        for name, needed, value in parts:
            if needed != (value is not None):
                raise RequestError(missing(name) if needed else not_required(name))
        if self.iceberg_qty is not None:
            self._may_hide()
        return self

    def _may_hide(self) -> None:
        if self.type not in {"LIMIT", "LIMIT_MAKER"}:
            raise RequestError(not_required("icebergQty"))
        if self.type == "LIMIT" and self.time_in_force != "GTC":
            raise RequestError(ICEBERG_TIF)


class OrderRequest(BaseModel):
    """One order, by either of its ids."""

    model_config = STRICT
    symbol: Symbol
    order_id: Long | None = None
    orig_client_order_id: ClientOrderId | None = None

    @model_validator(mode="after")
    def _has_an_id(self) -> Self:
        if self.order_id is None and self.orig_client_order_id is None:
            raise RequestError(missing_both("orderId", "origClientOrderId"))
        return self


class CancelRequest(OrderRequest):
    """One order, by either of its ids, and a name for the cancellation itself, which is only echoed."""

    new_client_order_id: ClientOrderId | None = None
    cancel_restrictions: CancelRestriction | None = None


class CancelPart(BaseModel):
    """Which order to cancel for another one, and whether to place that even if this one cannot be cancelled."""

    model_config = STRICT
    symbol: Symbol
    cancel_replace_mode: Literal["STOP_ON_FAILURE", "ALLOW_FAILURE"]
    cancel_order_id: Long | None = None
    cancel_orig_client_order_id: ClientOrderId | None = None
    cancel_new_client_order_id: ClientOrderId | None = None
    cancel_restrictions: CancelRestriction | None = None

    @model_validator(mode="after")
    def _has_an_id(self) -> Self:
        if self.cancel_order_id is None and self.cancel_orig_client_order_id is None:
            raise RequestError(missing_both("cancelOrderId", "cancelOrigClientOrderId"))
        return self


class CancelReplaceRequest(NewOrderRequest, CancelPart):
    """An order in place of another one."""


class AmendRequest(OrderRequest):
    """A smaller total quantity for one order, and a name for the change itself, which is only echoed."""

    new_qty: Decimal
    new_client_order_id: ClientOrderId | None = None


class OpenOrdersRequest(BaseModel):
    """Open orders of one instrument, or of all."""

    model_config = STRICT
    symbol: Symbol = ""


class OrdersRequest(BaseModel):
    """Orders from an id on, of a time, or the last ones."""

    model_config = STRICT
    symbol: Symbol
    order_id: Long | None = None
    start_time: Time | None = None
    end_time: Time | None = None
    limit: Long = _limit(500)


class FillsRequest(BaseModel):
    """Own trades: of an order, from an id on, of a time, or the last ones."""

    model_config = STRICT
    symbol: Symbol
    order_id: Long | None = None
    start_time: Time | None = None
    end_time: Time | None = None
    from_id: Long | None = None
    limit: Long = _limit(500)


class AccountRequest(BaseModel):
    """Balances, with or without those that are zero."""

    model_config = STRICT
    omit_zero_balances: Flag = False


class FeesRequest(BaseModel):
    """Fee rates of one instrument, or of all."""

    model_config = STRICT
    symbol: Symbol = ""


class ListenKeyRequest(BaseModel):
    """The key of a user data stream."""

    model_config = STRICT
    listen_key: Annotated[str, Field(min_length=1, max_length=128)]
