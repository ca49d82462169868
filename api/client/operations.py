"""Every request of the exchange as a value: what is asked, how it is signed, what is answered, may it be repeated.

Nothing is sent from here. The blocking client and the asynchronous one, over HTTP and over websockets, have one method
for each function below, with the same parameters.
"""

import secrets
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any, Generic, Literal, TypeVar

import msgspec

from api.client import answers, owned

T = TypeVar("T")
Number = Decimal | int | str  # a float would not say what it means
SideName = Literal["BUY", "SELL"]
TimeInForce = Literal["GTC", "IOC", "FOK"]


class Access(Enum):
    """Who may ask."""

    PUBLIC = "everybody"
    KEYED = "whoever names a key"
    SIGNED = "whoever signs"


@dataclass(frozen=True)
class Operation(Generic[T]):
    """One request."""

    verb: str
    path: str
    answer: type[T]
    texts: dict[str, str] = field(default_factory=dict)
    access: Access = Access.PUBLIC
    method: str = ""  # of the websocket API; none: HTTP alone serves it
    body: bytes = b""  # JSON
    is_repeatable: bool = True  # done twice is done once


def new_order_id() -> str:
    """Return a new client order id: with one of its own, an order may be sent again without being placed again."""
    return f"c-{secrets.token_hex(12)}"


def text_of(value: object) -> str:
    """Return a number or a text as it is sent; a float is refused."""
    if isinstance(value, float):
        raise TypeError("send a Decimal, a whole number or a text: a float is rarely the number that it looks like")
    return format(value, "f") if isinstance(value, Decimal) else str(value)


# --- for everybody ---


def ping() -> Operation[answers.Empty]:
    """See whether somebody answers."""
    return Operation("GET", "/api/v3/ping", answers.Empty, method="ping")


def server_time() -> Operation[answers.ServerTime]:
    """Return the time of the exchange."""
    return Operation("GET", "/api/v3/time", answers.ServerTime, method="time")


def health() -> Operation[owned.HealthAnswer]:
    """Return where each part of the exchange stands; `Unavailable` while it takes no orders."""
    return Operation("GET", "/v1/health", owned.HealthAnswer)


def instruments(after: str = "", limit: int = 1000) -> Operation[owned.InstrumentsAnswer]:
    """Return a page of instruments with terms, fees, band and state: those behind the symbol `after`."""
    return Operation("GET", "/v1/instruments", owned.InstrumentsAnswer, _texts(after=after, limit=limit))


def exchange_info(*symbols: str) -> Operation[answers.ExchangeInfo]:
    """Return limits, and the instruments named, or all."""
    return Operation("GET", "/api/v3/exchangeInfo", answers.ExchangeInfo, _symbols(symbols), method="exchangeInfo")


def depth(symbol: str, limit: int = 100) -> Operation[answers.Depth]:
    """Return the best levels of a book."""
    return Operation("GET", "/api/v3/depth", answers.Depth, _texts(symbol=symbol, limit=limit), method="depth")


def trades(symbol: str, limit: int = 500) -> Operation[list[answers.Trade]]:
    """Return the last trades, oldest first."""
    texts = _texts(symbol=symbol, limit=limit)
    return Operation("GET", "/api/v3/trades", list[answers.Trade], texts, method="trades.recent")


def historical_trades(symbol: str, from_id: int, limit: int = 500) -> Operation[list[answers.Trade]]:
    """Return trades from an id on."""
    texts = _texts(symbol=symbol, fromId=from_id, limit=limit)
    return Operation("GET", "/api/v3/historicalTrades", list[answers.Trade], texts, method="trades.historical")


def candles(
    symbol: str, interval: str, start_time: int | None = None, end_time: int | None = None, limit: int = 500
) -> Operation[list[answers.Candle]]:
    """Return candles of a time, or the last ones."""
    texts = _texts(symbol=symbol, interval=interval, startTime=start_time, endTime=end_time, limit=limit)
    return Operation("GET", "/api/v3/klines", list[answers.Candle], texts, method="klines")


def average_price(symbol: str) -> Operation[answers.AveragePrice]:
    """Return the volume-weighted price of the last minutes."""
    return Operation("GET", "/api/v3/avgPrice", answers.AveragePrice, {"symbol": symbol}, method="avgPrice")


def statistics(symbol: str) -> Operation[answers.Statistics]:
    """Return how the last 24 hours of an instrument were."""
    return Operation("GET", "/api/v3/ticker/24hr", answers.Statistics, {"symbol": symbol}, method="ticker.24hr")


def all_statistics(*symbols: str) -> Operation[list[answers.Statistics]]:
    """Return how the last 24 hours of the instruments named, or of all, were."""
    texts = _symbols(symbols)
    return Operation("GET", "/api/v3/ticker/24hr", list[answers.Statistics], texts, method="ticker.24hr")


def price(symbol: str) -> Operation[answers.LastPrice]:
    """Return the last price, 0 where nothing traded yet."""
    return Operation("GET", "/api/v3/ticker/price", answers.LastPrice, {"symbol": symbol}, method="ticker.price")


def book_ticker(symbol: str) -> Operation[answers.BookTicker]:
    """Return the best level of each side."""
    path = "/api/v3/ticker/bookTicker"
    return Operation("GET", path, answers.BookTicker, {"symbol": symbol}, method="ticker.book")


# --- orders ---


def place(
    symbol: str,
    side: SideName,
    type: str,  # noqa: A002 - the dialect's name
    *,
    quantity: Number | None = None,
    price: Number | None = None,
    amount: Number | None = None,
    time_in_force: TimeInForce | None = None,
    stop_price: Number | None = None,
    iceberg: Number | None = None,
    client_order_id: str | None = None,
    self_trade_prevention: str | None = None,
) -> Operation[answers.Full]:
    """Place an order. Without a client order id it gets a new one: sent twice it is still one order."""
    terms = _terms(symbol, side, type, quantity, price, amount, time_in_force, stop_price, iceberg)
    terms |= _texts(selfTradePreventionMode=self_trade_prevention, newClientOrderId=client_order_id or new_order_id())
    return Operation("POST", "/api/v3/order", answers.Full, terms, Access.SIGNED, "order.place")


def buy(
    symbol: str,
    quantity: Number,
    price: Number | None = None,
    *,
    time_in_force: TimeInForce = "GTC",
    post_only: bool = False,
    client_order_id: str | None = None,
) -> Operation[answers.Full]:
    """Buy at a limit price or better; without a price at the market."""
    return _simple(symbol, "BUY", quantity, price, time_in_force, client_order_id, post_only=post_only)


def sell(
    symbol: str,
    quantity: Number,
    price: Number | None = None,
    *,
    time_in_force: TimeInForce = "GTC",
    post_only: bool = False,
    client_order_id: str | None = None,
) -> Operation[answers.Full]:
    """Sell at a limit price or better; without a price at the market."""
    return _simple(symbol, "SELL", quantity, price, time_in_force, client_order_id, post_only=post_only)


def check_order(
    symbol: str, side: SideName, quantity: Number, price: Number, time_in_force: TimeInForce = "GTC"
) -> Operation[answers.Empty]:
    """See whether a limit order would be taken, as far as can be known without the engine."""
    terms = _terms(symbol, side, "LIMIT", quantity, price, None, time_in_force, None, None)
    return Operation("POST", "/api/v3/order/test", answers.Empty, terms, Access.SIGNED, "order.test")


def order(symbol: str, order_id: int | None = None, client_order_id: str | None = None) -> Operation[answers.Order]:
    """Return how an order stands, by either of its ids."""
    texts = _texts(symbol=symbol, orderId=order_id, origClientOrderId=client_order_id)
    return Operation("GET", "/api/v3/order", answers.Order, texts, Access.SIGNED, "order.status")


def cancel(symbol: str, order_id: int | None = None, client_order_id: str | None = None) -> Operation[answers.Canceled]:
    """End an open order, by either of its ids."""
    texts = _texts(symbol=symbol, orderId=order_id, origClientOrderId=client_order_id)
    return Operation("DELETE", "/api/v3/order", answers.Canceled, texts, Access.SIGNED, "order.cancel")


def cancel_all(symbol: str) -> Operation[list[answers.Canceled]]:
    """End all open orders on an instrument; `UnknownOrder` if there are none."""
    method = "openOrders.cancelAll"
    return Operation("DELETE", "/api/v3/openOrders", list[answers.Canceled], {"symbol": symbol}, Access.SIGNED, method)


def replace(
    symbol: str,
    order_id: int,
    side: SideName,
    quantity: Number,
    price: Number,
    *,
    time_in_force: TimeInForce = "GTC",
    client_order_id: str | None = None,
) -> Operation[answers.CancelReplaced]:
    """Cancel an order and place a limit order in its stead; if it cannot be cancelled nothing is placed."""
    terms = _terms(symbol, side, "LIMIT", quantity, price, None, time_in_force, None, None)
    terms |= _texts(cancelReplaceMode="STOP_ON_FAILURE", cancelOrderId=order_id)
    terms |= _texts(newClientOrderId=client_order_id or new_order_id())
    path = "/api/v3/order/cancelReplace"
    return Operation(
        "POST", path, answers.CancelReplaced, terms, Access.SIGNED, "order.cancelReplace", is_repeatable=False
    )


def amend(symbol: str, order_id: int, quantity: Number) -> Operation[answers.Amended]:
    """Lower an order's total quantity; it keeps its place at its price."""
    texts = _texts(symbol=symbol, orderId=order_id, newQty=quantity)
    path = "/api/v3/order/amend/keepPriority"
    return Operation(
        "PUT", path, answers.Amended, texts, Access.SIGNED, "order.amend.keepPriority", is_repeatable=False
    )


def open_orders(symbol: str | None = None) -> Operation[list[answers.Order]]:
    """Return the open orders on one instrument, or on all."""
    texts = _texts(symbol=symbol)
    return Operation("GET", "/api/v3/openOrders", list[answers.Order], texts, Access.SIGNED, "openOrders.status")


def all_orders(
    symbol: str,
    from_id: int | None = None,
    start_time: int | None = None,
    end_time: int | None = None,
    limit: int = 500,
) -> Operation[list[answers.Order]]:
    """Return orders, open or ended."""
    texts = _texts(symbol=symbol, orderId=from_id, startTime=start_time, endTime=end_time, limit=limit)
    return Operation("GET", "/api/v3/allOrders", list[answers.Order], texts, Access.SIGNED, "allOrders")


# --- one's own account ---


def my_trades(
    symbol: str, from_id: int | None = None, order_id: int | None = None, limit: int = 500
) -> Operation[list[answers.OwnTrade]]:
    """Return the account's side of trades."""
    texts = _texts(symbol=symbol, fromId=from_id, orderId=order_id, limit=limit)
    return Operation("GET", "/api/v3/myTrades", list[answers.OwnTrade], texts, Access.SIGNED, "myTrades")


def account() -> Operation[answers.Account]:
    """Return balances and permissions."""
    return Operation("GET", "/api/v3/account", answers.Account, {}, Access.SIGNED, "account.status")


def commission(symbol: str) -> Operation[answers.Commission]:
    """Return the fee rates of an instrument."""
    path = "/api/v3/account/commission"
    return Operation("GET", path, answers.Commission, {"symbol": symbol}, Access.SIGNED, "account.commission")


def order_count() -> Operation[list[answers.OrderCount]]:
    """Return how much of its order limit the account has used."""
    path, method = "/api/v3/rateLimit/order", "account.rateLimits.orders"
    return Operation("GET", path, list[answers.OrderCount], {}, Access.SIGNED, method)


def balances(account: int | None = None) -> Operation[owned.BalancesAnswer]:
    """Return what an account owns as of a command of the journal; another's for the operator and the auditor alone."""
    return Operation("GET", "/v1/balances", owned.BalancesAnswer, _texts(account=account), Access.SIGNED)


def fills(
    symbol: str | None = None, from_id: int | None = None, account: int | None = None, limit: int = 500
) -> Operation[owned.FillsAnswer]:
    """Return fills with exact fees and the number of their ledger entry."""
    texts = _texts(symbol=symbol, from_id=from_id, account=account, limit=limit)
    return Operation("GET", "/v1/fills", owned.FillsAnswer, texts, Access.SIGNED)


def statement(
    asset: str = "CNY", start: int | None = None, end: int | None = None, account: int | None = None
) -> Operation[owned.StatementAnswer]:
    """Return opening balance, every posting, closing balance of one asset, from the ledger."""
    texts = _texts(asset=asset, start=start, end=end, account=account)
    return Operation("GET", "/v1/statement", owned.StatementAnswer, texts, Access.SIGNED)


def other(verb: str, path: str, *, is_repeatable: bool = False, **fields: object) -> Operation[Any]:
    """Return any request under /v1 that has no function of its own, such as the operator's; the answer is plain JSON.

    Fields are the query of GET and DELETE, the JSON body of POST and PUT.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    if verb in {"POST", "PUT"}:
        body = msgspec.json.encode(given)
        return Operation(verb, path, Any, {}, Access.SIGNED, "", body, is_repeatable)
    return Operation(verb, path, Any, _texts(**given), Access.SIGNED, "", b"", is_repeatable or verb == "GET")


def _simple(
    symbol: str,
    side: SideName,
    quantity: Number,
    price: Number | None,
    time_in_force: TimeInForce,
    client_order_id: str | None,
    *,
    post_only: bool,
) -> Operation[answers.Full]:
    kind = "MARKET" if price is None else "LIMIT_MAKER" if post_only else "LIMIT"
    lasting = time_in_force if kind == "LIMIT" else None
    return place(
        symbol, side, kind, quantity=quantity, price=price, time_in_force=lasting, client_order_id=client_order_id
    )


def _terms(
    symbol: str,
    side: str,
    kind: str,
    quantity: Number | None,
    price: Number | None,
    amount: Number | None,
    time_in_force: str | None,
    stop_price: Number | None,
    iceberg: Number | None,
) -> dict[str, str]:
    return _texts(
        symbol=symbol,
        side=side,
        type=kind,
        quantity=quantity,
        price=price,
        quoteOrderQty=amount,
        timeInForce=time_in_force,
        stopPrice=stop_price,
        icebergQty=iceberg,
    )


def _symbols(symbols: tuple[str, ...]) -> dict[str, str]:
    return {"symbols": msgspec.json.encode(symbols).decode()} if symbols else {}


def _texts(**values: object) -> dict[str, str]:
    """Return what is given as texts."""
    return {name: text_of(value) for name, value in values.items() if value is not None and value != ""}
