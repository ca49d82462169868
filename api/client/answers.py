"""What the exchange answers, as Structs: decimals as `Decimal`, names as in the published schema but in snake case."""

from decimal import Decimal
from typing import Any

import msgspec

Level = tuple[Decimal, Decimal]  # price, quantity


class Empty(msgspec.Struct, frozen=True):
    """Done; there is nothing to say."""


class ServerTime(msgspec.Struct, frozen=True, rename="camel"):
    """The time of the exchange, in milliseconds since 1970 as all times here."""

    server_time: int


class RateLimit(msgspec.Struct, frozen=True, rename="camel"):
    """How much may be asked within an interval."""

    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class OrderCount(RateLimit, frozen=True, rename="camel"):
    """How much of a limit is used."""

    count: int


class Symbol(msgspec.Struct, frozen=True, rename="camel"):
    """An instrument and its filters."""

    symbol: str
    status: str
    base_asset: str
    base_asset_precision: int
    quote_asset: str
    quote_precision: int
    quote_asset_precision: int
    base_commission_precision: int
    quote_commission_precision: int
    order_types: list[str]
    iceberg_allowed: bool
    oco_allowed: bool
    oto_allowed: bool
    quote_order_qty_market_allowed: bool
    allow_trailing_stop: bool
    cancel_replace_allowed: bool
    amend_allowed: bool
    is_spot_trading_allowed: bool
    is_margin_trading_allowed: bool
    filters: list[dict[str, Any]]
    permissions: list[str]
    permission_sets: list[list[str]]
    default_self_trade_prevention_mode: str
    allowed_self_trade_prevention_modes: list[str]


class ExchangeInfo(msgspec.Struct, frozen=True, rename="camel"):
    """Limits and instruments."""

    timezone: str
    server_time: int
    rate_limits: list[RateLimit]
    exchange_filters: list[dict[str, Any]]
    symbols: list[Symbol]


class Depth(msgspec.Struct, frozen=True, rename="camel"):
    """Price levels, best first, as of an update id."""

    last_update_id: int
    bids: list[Level]
    asks: list[Level]


class Trade(msgspec.Struct, frozen=True, rename="camel"):
    """One public trade."""

    id: int
    price: Decimal
    qty: Decimal
    quote_qty: Decimal
    time: int
    is_buyer_maker: bool
    is_best_match: bool


class Candle(msgspec.Struct, frozen=True, array_like=True):
    """A candle."""

    open_time: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    close_time: int
    quote_volume: Decimal
    trade_count: int
    taker_buy_volume: Decimal
    taker_buy_quote_volume: Decimal
    ignored: str


class AveragePrice(msgspec.Struct, frozen=True, rename="camel"):
    """The volume-weighted price of the last minutes."""

    mins: int
    price: Decimal
    close_time: int


class LastPrice(msgspec.Struct, frozen=True, rename="camel"):
    """The last price."""

    symbol: str
    price: Decimal


class BookTicker(msgspec.Struct, frozen=True, rename="camel"):
    """The best level of each side; 0 where nobody quotes."""

    symbol: str
    bid_price: Decimal
    bid_qty: Decimal
    ask_price: Decimal
    ask_qty: Decimal


class MiniStatistics(msgspec.Struct, frozen=True, rename="camel"):
    """The last 24 hours, in short."""

    symbol: str
    open_price: Decimal
    high_price: Decimal
    low_price: Decimal
    last_price: Decimal
    volume: Decimal
    quote_volume: Decimal
    open_time: int
    close_time: int
    first_id: int
    last_id: int
    count: int


class Statistics(MiniStatistics, frozen=True, rename="camel"):
    """The last 24 hours."""

    price_change: Decimal
    price_change_percent: Decimal
    weighted_avg_price: Decimal
    prev_close_price: Decimal
    last_qty: Decimal
    bid_price: Decimal
    bid_qty: Decimal
    ask_price: Decimal
    ask_qty: Decimal


class Fill(msgspec.Struct, frozen=True, rename="camel"):
    """One trade of an order."""

    price: Decimal
    qty: Decimal
    commission: Decimal
    commission_asset: str
    trade_id: int


class Full(msgspec.Struct, frozen=True, rename="camel"):
    """What became of an order, trade by trade."""

    symbol: str
    order_id: int
    order_list_id: int
    client_order_id: str
    transact_time: int
    price: Decimal
    orig_qty: Decimal
    executed_qty: Decimal
    orig_quote_order_qty: Decimal
    cummulative_quote_qty: Decimal
    status: str
    time_in_force: str
    type: str
    side: str
    working_time: int
    self_trade_prevention_mode: str
    fills: list[Fill]
    stop_price: Decimal | None = None  # of stops alone
    iceberg_qty: Decimal | None = None  # of icebergs alone


class Order(msgspec.Struct, frozen=True, rename="camel"):
    """How an order stands."""

    symbol: str
    order_id: int
    order_list_id: int
    client_order_id: str
    price: Decimal
    orig_qty: Decimal
    executed_qty: Decimal
    cummulative_quote_qty: Decimal
    status: str
    time_in_force: str
    type: str
    side: str
    stop_price: Decimal
    iceberg_qty: Decimal
    time: int
    update_time: int
    is_working: bool
    working_time: int
    orig_quote_order_qty: Decimal
    self_trade_prevention_mode: str


class Canceled(msgspec.Struct, frozen=True, rename="camel"):
    """An order that was cancelled."""

    symbol: str
    orig_client_order_id: str
    order_id: int
    order_list_id: int
    client_order_id: str
    transact_time: int
    price: Decimal
    orig_qty: Decimal
    executed_qty: Decimal
    orig_quote_order_qty: Decimal
    cummulative_quote_qty: Decimal
    status: str
    time_in_force: str
    type: str
    side: str
    self_trade_prevention_mode: str
    stop_price: Decimal | None = None  # of stops alone
    iceberg_qty: Decimal | None = None  # of icebergs alone
    working_time: int | None = None  # -1: a stop that slept


class CancelReplaced(msgspec.Struct, frozen=True, rename="camel"):
    """An order cancelled and another placed."""

    cancel_result: str
    new_order_result: str
    cancel_response: Canceled
    new_order_response: Full


class AmendedOrder(msgspec.Struct, frozen=True, rename="camel"):
    """How an order stands after its quantity was lowered."""

    symbol: str
    order_id: int
    order_list_id: int
    orig_client_order_id: str
    client_order_id: str
    price: Decimal
    qty: Decimal
    executed_qty: Decimal
    prevented_qty: Decimal
    quote_order_qty: Decimal
    cumulative_quote_qty: Decimal
    status: str
    time_in_force: str
    type: str
    side: str
    working_time: int
    self_trade_prevention_mode: str


class Amended(msgspec.Struct, frozen=True, rename="camel"):
    """An order whose quantity was lowered."""

    transact_time: int
    execution_id: int
    amended_order: AmendedOrder


class OwnTrade(msgspec.Struct, frozen=True, rename="camel"):
    """One side of a trade."""

    symbol: str
    id: int
    order_id: int
    order_list_id: int
    price: Decimal
    qty: Decimal
    quote_qty: Decimal
    commission: Decimal
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool
    is_best_match: bool


class Balance(msgspec.Struct, frozen=True, rename="camel"):
    """What an account has of an asset: free to use, and held for open orders."""

    asset: str
    free: Decimal
    locked: Decimal


class Rates(msgspec.Struct, frozen=True, rename="camel"):
    """Fee rates as fractions."""

    maker: Decimal
    taker: Decimal
    buyer: Decimal
    seller: Decimal


class Account(msgspec.Struct, frozen=True, rename="camel"):
    """An account's balances and permissions."""

    maker_commission: int
    taker_commission: int
    buyer_commission: int
    seller_commission: int
    commission_rates: Rates
    can_trade: bool
    can_withdraw: bool
    can_deposit: bool
    brokered: bool
    require_self_trade_prevention: bool
    prevent_sor: bool
    update_time: int
    account_type: str
    balances: list[Balance]
    permissions: list[str]
    uid: int


class Discount(msgspec.Struct, frozen=True, rename="camel"):
    """A discount on fees; there is none."""

    enabled_for_account: bool
    enabled_for_symbol: bool
    discount_asset: str
    discount: Decimal


class Commission(msgspec.Struct, frozen=True, rename="camel"):
    """The fee rates of an instrument."""

    symbol: str
    standard_commission: Rates
    special_commission: Rates
    tax_commission: Rates
    discount: Discount
