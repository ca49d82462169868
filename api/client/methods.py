"""The methods of all clients: one for each function of `operations`, `bundles` and `desk`, waiting or to be awaited."""

from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, overload

from api.client import bundles, desk, operations
from api.client.operations import Operation

P = ParamSpec("P")
T = TypeVar("T")


class _Waits(Protocol):
    def run(self, operation: Operation[T]) -> T: ...


class _Awaits(Protocol):
    async def run(self, operation: Operation[T]) -> T: ...


class Now(Generic[P, T]):
    """A method that returns the answer."""

    def __init__(self, make: Callable[P, Operation[T]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> "Now[P, T]": ...
    @overload
    def __get__(self, client: _Waits, owner: type) -> Callable[P, T]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        """Return the method of a client."""
        if client is None:
            return self
        make = self._make

        @wraps(make)
        def ask(*args: P.args, **kwargs: P.kwargs) -> T:
            answer: T = client.run(make(*args, **kwargs))
            return answer

        return ask


class Later(Generic[P, T]):
    """A method whose answer is awaited."""

    def __init__(self, make: Callable[P, Operation[T]]) -> None:
        self._make = make
        self.__doc__ = make.__doc__

    @overload
    def __get__(self, client: None, owner: type) -> "Later[P, T]": ...
    @overload
    def __get__(self, client: _Awaits, owner: type) -> Callable[P, Coroutine[Any, Any, T]]: ...
    def __get__(self, client: Any, owner: type) -> Any:
        """Return the method of a client."""
        if client is None:
            return self
        make = self._make

        @wraps(make)
        async def ask(*args: P.args, **kwargs: P.kwargs) -> T:
            answer: T = await client.run(make(*args, **kwargs))
            return answer

        return ask


class Waiting:
    """Every operation as a method that waits for its answer."""

    ping = Now(operations.ping)
    server_time = Now(operations.server_time)
    health = Now(operations.health)
    instruments = Now(operations.instruments)
    exchange_info = Now(operations.exchange_info)
    depth = Now(operations.depth)
    trades = Now(operations.trades)
    historical_trades = Now(operations.historical_trades)
    candles = Now(operations.candles)
    average_price = Now(operations.average_price)
    statistics = Now(operations.statistics)
    all_statistics = Now(operations.all_statistics)
    price = Now(operations.price)
    book_ticker = Now(operations.book_ticker)
    place = Now(operations.place)
    buy = Now(operations.buy)
    sell = Now(operations.sell)
    check_order = Now(operations.check_order)
    order = Now(operations.order)
    cancel = Now(operations.cancel)
    cancel_all = Now(operations.cancel_all)
    replace = Now(operations.replace)
    amend = Now(operations.amend)
    open_orders = Now(operations.open_orders)
    all_orders = Now(operations.all_orders)
    my_trades = Now(operations.my_trades)
    account = Now(operations.account)
    commission = Now(operations.commission)
    order_count = Now(operations.order_count)
    balances = Now(operations.balances)
    fills = Now(operations.fills)
    statement = Now(operations.statement)
    other = Now(operations.other)
    place_batch = Now(bundles.place_batch)
    cancel_batch = Now(bundles.cancel_batch)
    quote = Now(bundles.quote)
    mass_cancel = Now(bundles.mass_cancel)
    cancel_all_after = Now(bundles.cancel_all_after)
    participants = Now(desk.participants)
    set_tier = Now(desk.set_tier)
    set_account_tier = Now(desk.set_account_tier)
    fee_schedule = Now(desk.fee_schedule)
    set_fee_schedule = Now(desk.set_fee_schedule)
    set_fees = Now(desk.set_fees)


class Awaited:
    """Every operation as a method to be awaited."""

    ping = Later(operations.ping)
    server_time = Later(operations.server_time)
    health = Later(operations.health)
    instruments = Later(operations.instruments)
    exchange_info = Later(operations.exchange_info)
    depth = Later(operations.depth)
    trades = Later(operations.trades)
    historical_trades = Later(operations.historical_trades)
    candles = Later(operations.candles)
    average_price = Later(operations.average_price)
    statistics = Later(operations.statistics)
    all_statistics = Later(operations.all_statistics)
    price = Later(operations.price)
    book_ticker = Later(operations.book_ticker)
    place = Later(operations.place)
    buy = Later(operations.buy)
    sell = Later(operations.sell)
    check_order = Later(operations.check_order)
    order = Later(operations.order)
    cancel = Later(operations.cancel)
    cancel_all = Later(operations.cancel_all)
    replace = Later(operations.replace)
    amend = Later(operations.amend)
    open_orders = Later(operations.open_orders)
    all_orders = Later(operations.all_orders)
    my_trades = Later(operations.my_trades)
    account = Later(operations.account)
    commission = Later(operations.commission)
    order_count = Later(operations.order_count)
    balances = Later(operations.balances)
    fills = Later(operations.fills)
    statement = Later(operations.statement)
    other = Later(operations.other)
    place_batch = Later(bundles.place_batch)
    cancel_batch = Later(bundles.cancel_batch)
    quote = Later(bundles.quote)
    mass_cancel = Later(bundles.mass_cancel)
    cancel_all_after = Later(bundles.cancel_all_after)
    participants = Later(desk.participants)
    set_tier = Later(desk.set_tier)
    set_account_tier = Later(desk.set_account_tier)
    fee_schedule = Later(desk.fee_schedule)
    set_fee_schedule = Later(desk.set_fee_schedule)
    set_fees = Later(desk.set_fees)
