"""What the dialect's private streams say of an account; `sequence` counts the account's events without a gap."""

from decimal import Decimal

import msgspec


class ExecutionReport(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="executionReport",
    rename={
        "event_time": "E",
        "symbol": "s",
        "client_order_id": "c",
        "side": "S",
        "type": "o",
        "time_in_force": "f",
        "quantity": "q",
        "price": "p",
        "stop_price": "P",
        "iceberg_quantity": "F",
        "order_list_id": "g",
        "original_client_order_id": "C",
        "execution_type": "x",
        "status": "X",
        "reject_reason": "r",
        "order_id": "i",
        "last_quantity": "l",
        "filled_quantity": "z",
        "last_price": "L",
        "commission": "n",
        "commission_asset": "N",
        "time": "T",
        "trade_id": "t",
        "execution_id": "I",
        "is_on_book": "w",
        "is_maker": "m",
        "is_traded": "M",
        "order_time": "O",
        "filled_amount": "Z",
        "last_amount": "Y",
        "quote_order_quantity": "Q",
        "self_trade_prevention_mode": "V",
        "sequence": "sq",
        "working_time": "W",
        "prevented_match_id": "v",
        "counter_order_id": "U",
        "last_prevented_quantity": "B",
    },
):
    """One event of one order of the account, and how the order stood right after it.

    `execution_type` is NEW, TRADE, CANCELED, REPLACED, REJECTED, EXPIRED or TRADE_PREVENTION; `execution_id` is the
    number of the event in the event log. An order that was to take the place of one that is cancelled, and was refused,
    is REJECTED, without an id: `reject_reason` says why. A stop that is asleep and an order that was refused have no
    `working_time`; the last three are of a prevented match alone.
    """

    event_time: int
    symbol: str
    client_order_id: str
    side: str
    type: str
    time_in_force: str
    quantity: Decimal
    price: Decimal
    stop_price: Decimal
    iceberg_quantity: Decimal
    order_list_id: int
    original_client_order_id: str
    execution_type: str
    status: str
    reject_reason: str
    order_id: int
    last_quantity: Decimal
    filled_quantity: Decimal
    last_price: Decimal
    commission: Decimal
    commission_asset: str | None
    time: int
    trade_id: int
    execution_id: int
    is_on_book: bool
    is_maker: bool
    is_traded: bool
    order_time: int
    filled_amount: Decimal
    last_amount: Decimal
    quote_order_quantity: Decimal
    self_trade_prevention_mode: str
    sequence: int
    working_time: int | None = None
    prevented_match_id: int | None = None
    counter_order_id: int | None = None
    last_prevented_quantity: Decimal | None = None


class PositionBalance(msgspec.Struct, frozen=True, rename={"asset": "a", "free": "f", "locked": "l"}):
    """A balance: free to use, and held for open orders."""

    asset: str
    free: Decimal
    locked: Decimal


class AccountPosition(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="outboundAccountPosition",
    rename={"event_time": "E", "update_time": "u", "balances": "B", "sequence": "sq"},
):
    """How the balances stand that have changed."""

    event_time: int
    update_time: int
    balances: list[PositionBalance]
    sequence: int


class BalanceUpdate(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="balanceUpdate",
    rename={"event_time": "E", "asset": "a", "change": "d", "time": "T", "sequence": "sq"},
):
    """Money or rights that came or went."""

    event_time: int
    asset: str
    change: Decimal
    time: int
    sequence: int


class TradeBusted(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="tradeBusted",
    rename={
        "event_time": "E",
        "symbol": "s",
        "trade_id": "t",
        "side": "S",
        "price": "p",
        "quantity": "q",
        "commission": "n",
        "sequence": "sq",
    },
):
    """A trade of the account was taken back."""

    event_time: int
    symbol: str
    trade_id: int
    side: str
    price: Decimal
    quantity: Decimal
    commission: Decimal
    sequence: int


class AccountStateSet(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="accountState",
    rename={"event_time": "E", "state": "X", "sequence": "sq"},
):
    """What the account may do has changed."""

    event_time: int
    state: str
    sequence: int


class DeadmanSet(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="deadmanSet",
    rename={"event_time": "E", "time": "T", "sequence": "sq"},
):
    """All orders end at this time unless it is put off; 0: never."""

    event_time: int
    time: int
    sequence: int


class DeadmanFired(
    msgspec.Struct, frozen=True, tag_field="e", tag="deadmanFired", rename={"event_time": "E", "sequence": "sq"}
):
    """All orders ended, as nobody put it off."""

    event_time: int
    sequence: int


class StreamTerminated(
    msgspec.Struct, frozen=True, tag_field="e", tag="eventStreamTerminated", rename={"event_time": "E"}
):
    """A private subscription ended: its key is no longer good, or its session logged out."""

    event_time: int


class ListenKeyExpired(
    msgspec.Struct,
    frozen=True,
    tag_field="e",
    tag="listenKeyExpired",
    rename={"event_time": "E", "listen_key": "listenKey"},
):
    """A private stream ended: its listen key is no longer good."""

    event_time: int
    listen_key: str


UserData = (
    ExecutionReport
    | AccountPosition
    | BalanceUpdate
    | TradeBusted
    | AccountStateSet
    | DeadmanSet
    | DeadmanFired
    | StreamTerminated
)


class AccountEvent(msgspec.Struct, frozen=True, rename={"subscription_id": "subscriptionId"}):
    """Something that happened on an account, as a subscription of the websocket API tells it."""

    subscription_id: int
    event: UserData


PrivateMessage = UserData | ListenKeyExpired
