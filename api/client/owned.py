"""What the exchange answers under /v1, as Structs: instruments, balances, fills, statements, health."""

from decimal import Decimal

import msgspec


class InstrumentAnswer(msgspec.Struct, frozen=True):
    """An instrument: its terms, and all that may change, as of command `sequence`. A limit of 0 is none."""

    symbol: str
    base: str
    quote: str
    kind: str
    issuer: int
    tick_size: Decimal
    lot_units: int
    quantity_min: int
    quantity_max: int
    price_low: Decimal
    price_high: Decimal
    maker_bps: int
    taker_bps: int
    self_trade_prevention: str
    state: str
    mode: str
    static_guard_bps: int
    dynamic_guard_bps: int
    reference_price: Decimal
    open_orders_max: int
    notional_max: Decimal
    position_bps: int
    anonymous: bool
    turnaround_days: int
    holders_max: int
    description: str
    sequence: int
    time: int


class InstrumentsAnswer(msgspec.Struct, frozen=True):
    """A page of instruments, in the order of listing."""

    instruments: list[InstrumentAnswer]


class BalanceAnswer(msgspec.Struct, frozen=True):
    """What an account owns of one asset: total = available + held."""

    asset: str
    available: Decimal
    held: Decimal
    total: Decimal


class BalancesAnswer(msgspec.Struct, frozen=True):
    """Balances as of the command with this sequence number."""

    account: int
    sequence: int
    balances: list[BalanceAnswer]


class FillAnswer(msgspec.Struct, frozen=True):
    """One side's part of a trade. `event` numbers the entry in event log and ledger."""

    event: int
    trade_id: int
    order_id: int
    symbol: str
    side: str
    role: str
    price: Decimal
    quantity: Decimal
    amount: Decimal
    fee: Decimal
    fee_asset: str
    time: int


class FillsAnswer(msgspec.Struct, frozen=True):
    """Fills by rising trade id."""

    account: int
    fills: list[FillAnswer]


class StatementLine(msgspec.Struct, frozen=True):
    """One posting and the balance after it; symbol, price and quantity are of a trade, empty otherwise."""

    event: int
    time: int
    kind: str
    amount: Decimal
    balance: Decimal
    symbol: str = ""
    price: str = ""
    quantity: str = ""


class StatementAnswer(msgspec.Struct, frozen=True):
    """Opening balance, postings, closing balance: they add up."""

    account: int
    asset: str
    after: int
    upto: int
    opening: Decimal
    entries: list[StatementLine]
    closing: Decimal


class LedgerHealth(msgspec.Struct, frozen=True):
    """How far the ledger has followed."""

    connected: bool
    event: int
    lag: int


class HealthAnswer(msgspec.Struct, frozen=True):
    """Where each part of an exchange that takes orders stands."""

    ready: bool
    version: str
    uptime_s: int
    journal_position: int
    events: int
    pending_commands: int
    ledger: LedgerHealth
