"""What requests and answers about orders under /v1 look like: everything that the engine knows of an order."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, Field, model_validator

from api.parameters import INT64_MAX, OWN_NAME
from api.v1.schemas import REQUEST, ROWS_MAX, FillAnswer, Number, PreventionName, SymbolName
from exchange.core.types import BATCH_MAX

TIMEOUT_MS_MAX = 24 * 3600 * 1000  # of a dead-man timer
OrderId = Annotated[int, Field(ge=0, le=INT64_MAX)]
ClientOrderId = Annotated[str, Field(pattern="^[a-zA-Z0-9_.:/-]{1,36}$", examples=["my-order-1"])]
SideName = Literal["BUY", "SELL"]
TypeName = Literal["LIMIT", "MARKET", "STOP", "STOP_LIMIT"]
TimeName = Literal["GTC", "IOC", "FOK", "GTD", "DAY", "AT_AUCTION"]
Milliseconds = Annotated[int, Field(gt=0, lt=1 << 43)]


class NewOrder(BaseModel):
    """An order. A market order has a quantity, or an amount of the quote asset to spend or to earn in its place."""

    model_config = REQUEST
    symbol: SymbolName
    side: SideName
    type: TypeName = "LIMIT"
    quantity: Number | None = None
    amount: Number | None = None
    price: Number | None = None
    stop_price: Number | None = Field(None, description="The price of the trade that wakes a stop.")
    time_in_force: TimeName | None = Field(None, description="GTC for what has a price, IOC for what has none.")
    expires: Milliseconds | None = Field(None, description="End of a GTD order, in milliseconds since 1970.")
    post_only: bool = Field(default=False, description="Refuse rather than match on entry.")
    displayed: Number | None = Field(None, description="What an iceberg shows at a time.")
    self_trade_prevention: PreventionName | None = Field(None, description="As the instrument says unless given.")
    client_order_id: ClientOrderId | None = Field(
        None, description="Idempotency key of the account: a repeat returns what the first request returned."
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        has_price, has_stop = self.type in {"LIMIT", "STOP_LIMIT"}, self.type.startswith("STOP")
        needs = (
            (has_price, self.price, "price", f"of a {self.type} order"),
            (has_stop, self.stop_price, "stop_price", f"of a {self.type} order"),
            (self.time_in_force == "GTD", self.expires, "expires", "of this time_in_force"),
            (self.amount is None, self.quantity, "quantity", "of this order, or an amount in its place"),
        )
        for needed, value, name, whose in needs:
            if needed is not (value is not None):
                raise ValueError(f"{name} {'is a part' if needed else 'is no part'} {whose}")
        if self.amount is not None and self.type != "MARKET":
            raise ValueError("amount is for MARKET orders alone")
        if self.client_order_id is not None and self.client_order_id.startswith(OWN_NAME):
            raise ValueError(f"client_order_id begins with {OWN_NAME}, as the names do that the exchange gives")
        return self


class Which(BaseModel):
    """One order, by its id, by its sender's id, or by both."""

    model_config = REQUEST
    order_id: OrderId | None = None
    client_order_id: ClientOrderId | None = None

    @model_validator(mode="after")
    def _says_which(self) -> Self:
        if self.order_id is None and self.client_order_id is None:
            raise ValueError("send order_id or client_order_id")
        return self


class ReplaceRequest(Which):
    """Another price or another total quantity, filled part included, of an open order."""

    price: Number | None = None
    quantity: Number | None = None
    requeue: bool = Field(default=False, description="Go to the back of the queue even if the place could be kept.")

    @model_validator(mode="after")
    def _changes(self) -> Self:
        if self.price is None and self.quantity is None and not self.requeue:
            raise ValueError("send price, quantity or requeue")
        return self


class ReduceRequest(Which):
    """How much to take off an open order, which keeps its place; all that is open, or more, ends it."""

    quantity: Number


class OrdersRequest(BaseModel):
    """Open orders, or all that are kept: of one instrument, from an id on, of a time, or the last ones."""

    model_config = REQUEST
    symbol: str = ""
    state: Literal["OPEN", "ALL"] = "OPEN"
    from_id: OrderId | None = None
    start: Milliseconds | None = None
    end: Milliseconds | None = None
    limit: int = Field(500, ge=1, le=ROWS_MAX)


class OrderAnswer(BaseModel):
    """How an order stands, or stood when its request was answered."""

    order_id: int
    client_order_id: str
    symbol: str
    side: SideName
    type: TypeName
    time_in_force: TimeName
    post_only: bool
    self_trade_prevention: str
    price: str | None
    quantity: str
    filled: str
    amount: str = Field(description="Sum of price times quantity of its fills.")
    fee: str
    fee_asset: str
    stop_price: str | None
    displayed: str | None
    expires: int | None
    is_asleep: bool = Field(description="A stop that no trade has woken.")
    status: str
    reason: str | None = Field(description="Why it was cancelled or expired.")
    time: int


class PlacedAnswer(OrderAnswer):
    """What became of an order by its own command; `event` of a fill is its entry in event log and ledger."""

    sequence: int
    fills: list[FillAnswer]


class ReplacedAnswer(BaseModel):
    """How a changed order stands, whether it kept its place, and what it traded if it did not."""

    order: OrderAnswer
    kept_priority: bool
    fills: list[FillAnswer]


class OrdersAnswer(BaseModel):
    """Orders in the order of acceptance."""

    orders: list[OrderAnswer]


class BatchRequest(BaseModel):
    """Orders placed behind each other with none of anybody else's between them.

    With `all_or_none` they are post-only, and one that is refused undoes those before it.
    """

    model_config = REQUEST
    orders: tuple[NewOrder, ...] = Field(min_length=1, max_length=BATCH_MAX)
    all_or_none: bool = False

    @model_validator(mode="after")
    def _can_be_undone(self) -> Self:
        if self.all_or_none and not all(order.post_only for order in self.orders):
            raise ValueError("every order of an all_or_none batch is post_only")
        return self


class BatchItem(BaseModel):
    """What became of one order of a batch: the order, or why it was refused."""

    order: PlacedAnswer | None = None
    code: int = 0
    msg: str = ""


class BatchAnswer(BaseModel):
    """What became of each order, in the order of the request."""

    results: list[BatchItem]


class CancelBatchRequest(BaseModel):
    """Orders to cancel."""

    model_config = REQUEST
    orders: tuple[Which, ...] = Field(min_length=1, max_length=BATCH_MAX)


class CancelItem(BaseModel):
    """What became of one cancellation: the order as it ended, or why it was refused."""

    order: OrderAnswer | None = None
    code: int = 0
    msg: str = ""


class CancelBatchAnswer(BaseModel):
    """What became of each cancellation, in the order of the request."""

    results: list[CancelItem]


class QuoteSide(BaseModel):
    """A price and a quantity."""

    model_config = REQUEST
    price: Number
    quantity: Number


class Quote(BaseModel):
    """A bid and an ask in place of the account's former quote on the instrument; neither of them ends that alone."""

    model_config = REQUEST
    symbol: SymbolName
    bid: QuoteSide | None = None
    ask: QuoteSide | None = None


class QuotesRequest(BaseModel):
    """Quotes on many instruments."""

    model_config = REQUEST
    quotes: tuple[Quote, ...] = Field(min_length=1, max_length=BATCH_MAX)
    post_only: bool = False
    self_trade_prevention: PreventionName | None = None


class QuoteItem(BaseModel):
    """What became of a quote: each side's order or refusal, or why all of it was refused."""

    symbol: str
    bid: BatchItem | None = None
    ask: BatchItem | None = None
    ended: int = Field(0, description="Orders of the former quote that ended.")
    code: int = 0
    msg: str = ""


class QuotesAnswer(BaseModel):
    """What became of each quote, in the order of the request."""

    results: list[QuoteItem]


class MassCancelRequest(BaseModel):
    """Which open orders to end: of one instrument or of all, of one side or both."""

    model_config = REQUEST
    symbol: str = ""
    side: Literal["BUY", "SELL", "BOTH"] = "BOTH"


class MassCancelAnswer(BaseModel):
    """The orders that ended, and how many of those meant cannot be cancelled in their market's present phase."""

    order_ids: list[int]
    still_open: int


class TimerRequest(BaseModel):
    """When all orders of the account end, unless this is sent again before; 0 turns the timer off."""

    model_config = REQUEST
    timeout: int = Field(ge=0, le=TIMEOUT_MS_MAX, description="Milliseconds from now.")


class TimerAnswer(BaseModel):
    """When the timer runs out, in milliseconds since 1970; 0: it is off."""

    trigger: int


class SubaccountTransfer(BaseModel):
    """Cash or units for another account of the same participant."""

    model_config = REQUEST
    source: int | None = Field(None, ge=0, lt=1 << 32, description="The key's own account unless given.")
    receiver: int = Field(ge=0, lt=1 << 32)
    asset: str
    amount: Number
    transfer_id: ClientOrderId = Field(description="Moves once, however often it is sent.")


class SubaccountTransferAnswer(BaseModel):
    """A transfer as the ledger has it; `event` is its entry."""

    event: int
    time: int
    source: int
    receiver: int
    asset: str
    amount: str
    transfer_id: str


class BustRequest(BaseModel):
    """The trade to take back: the number of its event, which is its entry in the ledger."""

    model_config = REQUEST
    event: int = Field(ge=1, le=INT64_MAX)


class BustAnswer(BaseModel):
    """A trade that was taken back, and the event that says so."""

    event: int
    symbol: str
    trade_id: int
    price: str
    quantity: str
    buyer: int
    seller: int
    time: int
