"""What our own private stream says: every event of an account under its number in the account's sequence."""

from decimal import Decimal

import msgspec


class Welcome(msgspec.Struct, frozen=True, tag_field="type", tag="WELCOME"):
    """Where the sequence stands: its latest event, and the earliest that can still be told again."""

    account: int
    latest: int
    earliest: int
    cancel_on_disconnect: bool = False


class PrivateOrder(msgspec.Struct, frozen=True):
    """How an order stood right after an event; one that was refused has the id 0."""

    order_id: int
    client_order_id: str
    symbol: str
    side: str
    type: str
    time_in_force: str
    price: Decimal | None
    stop_price: Decimal | None
    quantity: Decimal
    filled: Decimal
    amount: Decimal
    status: str


class PrivateFill(msgspec.Struct, frozen=True):
    """The account's side of a trade."""

    trade_id: int
    symbol: str
    side: str
    role: str
    price: Decimal
    quantity: Decimal
    amount: Decimal
    fee: Decimal
    fee_asset: str


class HeldBalance(msgspec.Struct, frozen=True):
    """A balance: free to use, and held for open orders."""

    asset: str
    available: Decimal
    held: Decimal


class Balances(msgspec.Struct, frozen=True, tag_field="type", tag="BALANCES"):
    """How the balances stand that have changed, after the account's event with this number."""

    after: int
    changed: int
    time: int
    balances: list[HeldBalance]


class PrivateEvent(msgspec.Struct, frozen=True):
    """One event of the account: `sequence` has no gap, `event` is its number in event log and ledger."""

    type: str
    sequence: int
    event: int
    time: int
    order: PrivateOrder | None = None
    fill: PrivateFill | None = None
    reason: str | None = None
    kept_priority: bool | None = None
    prevented: Decimal | None = None
    state: str | None = None
    trigger: int | None = None
    asset: str | None = None
    amount: Decimal | None = None
    counter_account: int | None = None
    purpose: str | None = None
    trade_id: int | None = None  # of a trade that was taken back, as all that follows
    symbol: str | None = None
    side: str | None = None
    role: str | None = None
    price: Decimal | None = None
    quantity: Decimal | None = None
    fee: Decimal | None = None
    fee_asset: str | None = None
