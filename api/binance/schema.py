"""What the endpoints of the dialect answer, as pydantic models: published as OpenAPI, and held against by tests."""

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

EXACT = ConfigDict(extra="forbid", strict=True, alias_generator=to_camel)
CandleRow = tuple[int, str, str, str, str, str, int, str, int, str, str, str]
PriceLevel = tuple[str, str]


class Empty(BaseModel):
    """Done; there is nothing to say."""

    model_config = EXACT


class Refusal(BaseModel):
    """What is wrong with a request; codes and messages are those of the dialect."""

    model_config = EXACT
    code: int
    msg: str
    data: dict[str, Any] | None = None  # what became of the parts, where a request has parts


class ServerTime(BaseModel):
    """The time of the exchange."""

    model_config = EXACT
    server_time: int


class RateLimit(BaseModel):
    """How much may be asked within an interval."""

    model_config = EXACT
    rate_limit_type: str
    interval: str
    interval_num: int
    limit: int


class OrderCount(RateLimit):
    """How much of a limit is used."""

    count: int


class Symbol(BaseModel):
    """An instrument and its filters."""

    model_config = EXACT
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


class ExchangeInfo(BaseModel):
    """Limits and instruments."""

    model_config = EXACT
    timezone: str
    server_time: int
    rate_limits: list[RateLimit]
    exchange_filters: list[dict[str, Any]]
    symbols: list[Symbol]


class Depth(BaseModel):
    """Price levels, best first, as of an update id."""

    model_config = EXACT
    last_update_id: int
    bids: list[PriceLevel]
    asks: list[PriceLevel]


class Trade(BaseModel):
    """One public trade."""

    model_config = EXACT
    id: int
    price: str
    qty: str
    quote_qty: str
    time: int
    is_buyer_maker: bool
    is_best_match: bool


class AggregateTrade(BaseModel):
    """One public trade in short: id, price, quantity, first and last id, time, whether the buyer was the maker."""

    model_config = ConfigDict(extra="forbid", strict=True)
    a: int
    p: str
    q: str
    f: int
    l: int  # noqa: E741 - the dialect's name
    T: int
    m: bool
    M: bool


class AveragePrice(BaseModel):
    """The volume-weighted price of the last minutes."""

    model_config = EXACT
    mins: int
    price: str
    close_time: int


class LastPrice(BaseModel):
    """The last price."""

    model_config = EXACT
    symbol: str
    price: str


class BookTicker(BaseModel):
    """The best level of each side."""

    model_config = EXACT
    symbol: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str


class MiniStatistics(BaseModel):
    """The last 24 hours, in short."""

    model_config = EXACT
    symbol: str
    open_price: str
    high_price: str
    low_price: str
    last_price: str
    volume: str
    quote_volume: str
    open_time: int
    close_time: int
    first_id: int
    last_id: int
    count: int


class Statistics(MiniStatistics):
    """The last 24 hours."""

    price_change: str
    price_change_percent: str
    weighted_avg_price: str
    prev_close_price: str
    last_qty: str
    bid_price: str
    bid_qty: str
    ask_price: str
    ask_qty: str


class Fill(BaseModel):
    """One trade of an order."""

    model_config = EXACT
    price: str
    qty: str
    commission: str
    commission_asset: str
    trade_id: int


class Acknowledged(BaseModel):
    """An order that was accepted."""

    model_config = EXACT
    symbol: str
    order_id: int
    order_list_id: int
    client_order_id: str
    transact_time: int


class Result(Acknowledged):
    """What became of an order."""

    price: str
    orig_qty: str
    executed_qty: str
    orig_quote_order_qty: str
    cummulative_quote_qty: str
    status: str
    time_in_force: str
    type: str
    side: str
    working_time: int
    self_trade_prevention_mode: str
    stop_price: str = ""  # of stops alone
    iceberg_qty: str = ""  # of icebergs alone


class Full(Result):
    """What became of an order, trade by trade."""

    fills: list[Fill]


class Order(BaseModel):
    """How an order stands."""

    model_config = EXACT
    symbol: str
    order_id: int
    order_list_id: int
    client_order_id: str
    price: str
    orig_qty: str
    executed_qty: str
    cummulative_quote_qty: str
    status: str
    time_in_force: str
    type: str
    side: str
    stop_price: str
    iceberg_qty: str
    time: int
    update_time: int
    is_working: bool
    working_time: int
    orig_quote_order_qty: str
    self_trade_prevention_mode: str


class Canceled(BaseModel):
    """An order that was cancelled."""

    model_config = EXACT
    symbol: str
    orig_client_order_id: str
    order_id: int
    order_list_id: int
    client_order_id: str
    transact_time: int
    price: str
    orig_qty: str
    executed_qty: str
    orig_quote_order_qty: str
    cummulative_quote_qty: str
    status: str
    time_in_force: str
    type: str
    side: str
    self_trade_prevention_mode: str
    stop_price: str = ""  # of stops alone
    iceberg_qty: str = ""  # of icebergs alone
    working_time: int = 0  # -1: a stop that slept


class CancelReplaced(BaseModel):
    """An order cancelled and another placed."""

    model_config = EXACT
    cancel_result: str
    new_order_result: str
    cancel_response: Canceled
    new_order_response: Full


class AmendedOrder(BaseModel):
    """How an order stands after its quantity was lowered."""

    model_config = EXACT
    symbol: str
    order_id: int
    order_list_id: int
    orig_client_order_id: str
    client_order_id: str
    price: str
    qty: str
    executed_qty: str
    prevented_qty: str
    quote_order_qty: str
    cumulative_quote_qty: str
    status: str
    time_in_force: str
    type: str
    side: str
    working_time: int
    self_trade_prevention_mode: str


class Amended(BaseModel):
    """An order whose quantity was lowered."""

    model_config = EXACT
    transact_time: int
    execution_id: int
    amended_order: AmendedOrder


class OwnTrade(BaseModel):
    """One side of a trade."""

    model_config = EXACT
    symbol: str
    id: int
    order_id: int
    order_list_id: int
    price: str
    qty: str
    quote_qty: str
    commission: str
    commission_asset: str
    time: int
    is_buyer: bool
    is_maker: bool
    is_best_match: bool


class Balance(BaseModel):
    """What an account has of an asset: free to use, and held for open orders."""

    model_config = EXACT
    asset: str
    free: str
    locked: str


class Rates(BaseModel):
    """Fee rates as fractions."""

    model_config = EXACT
    maker: str
    taker: str
    buyer: str
    seller: str


class Account(BaseModel):
    """An account's balances and permissions."""

    model_config = EXACT
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


class Discount(BaseModel):
    """A discount on fees; there is none."""

    model_config = EXACT
    enabled_for_account: bool
    enabled_for_symbol: bool
    discount_asset: str
    discount: str


class Commission(BaseModel):
    """The fee rates of an instrument."""

    model_config = EXACT
    symbol: str
    standard_commission: Rates
    special_commission: Rates
    tax_commission: Rates
    discount: Discount


class ListenKey(BaseModel):
    """The key of a private stream."""

    model_config = EXACT
    listen_key: str


class TradeFee(BaseModel):
    """The fee rates of an instrument, in short."""

    model_config = EXACT
    symbol: str
    maker_commission: str
    taker_commission: str


class Status(BaseModel):
    """Whether the exchange takes orders: 0 if it does, 1 if it is being looked after."""

    model_config = EXACT
    status: int
    msg: str


class NoSymbols(BaseModel):
    """A venue without instruments."""

    model_config = EXACT
    symbols: list[Any]


class KeyPermissions(BaseModel):
    """What a key may do."""

    model_config = EXACT
    ip_restrict: bool
    create_time: int
    enable_reading: bool
    enable_spot_and_margin_trading: bool
    enable_withdrawals: bool
    enable_internal_transfer: bool
    enable_margin: bool
    enable_futures: bool
