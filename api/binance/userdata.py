"""The words of the Binance dialect for an account's private stream."""

from collections.abc import Callable

from orjson import Fragment

from api.binance import reports
from api.binance.reports import MILLISECOND_NS
from api.binance.texts import InstrumentTexts
from api.executions import Entry, Execution, is_refused_order, refused_order
from api.orders import name_of
from api.private import Accounts, Body, PrivateStreams
from api.stream.hub import Hub
from exchange.asked import AskedOrders
from exchange.core.types import EventKind, OrderType
from exchange.registry.registry import Registry
from exchange.registry.units import format_units

_GAINS = frozenset((EventKind.DEPOSITED, EventKind.ISSUED))
_OF_ASSETS = _GAINS | {EventKind.WITHDRAWN, EventKind.REDEEMED, EventKind.UNITS_EXPIRED, EventKind.TRANSFERRED}
_MARKET = int(OrderType.MARKET)
DIALECT = "binance"


class UserDataWords:
    """executionReport, balanceUpdate and outboundAccountPosition, and words of our own where there is none."""

    def __init__(
        self, registry: Registry, texts_of: Callable[[int], InstrumentTexts], asked: AskedOrders, unit_ns: int
    ) -> None:
        """Take names, the numbers of what is traded, what orders asked for, and the unit that times are told in."""
        self._unit_ns = unit_ns
        self._asked = asked
        self._registry = registry
        self._texts_of = texts_of

    def event(self, entry: Entry, execution: Execution | None) -> Body:
        """Tell one event of an account."""
        event = entry.event
        if is_refused_order(event):
            return self._report(refused_order(entry, self._asked.of(event.sequence), reports.REJECTED_ID))
        if execution is not None:
            return self._report(execution)
        if event.kind in _OF_ASSETS:
            gains = event.kind in _GAINS or (event.kind == EventKind.TRANSFERRED and entry.is_counter)
            asset, amount = self._shown(event.asset, event.amount if gains else -event.amount)
            return reports.balance_update(entry, asset, amount, self._unit_ns)
        if event.kind == EventKind.TRADE_BUSTED:
            return reports.trade_busted(entry, self._texts_of(event.instrument), self._unit_ns)
        return reports.account_notice(entry, self._unit_ns)

    def _report(self, execution: Execution) -> Body:
        order = execution.order
        instrument = self._registry.instrument_at(order.instrument)
        assert instrument is not None
        texts, amount = self._texts_of(order.instrument), 0
        if order.order_type == _MARKET:  # all of its events are of one command, but for those in an auction
            amount = self._asked.of(execution.entry.event.sequence).amount
        name = order.client_order_id if order.order_id == reports.REJECTED_ID else name_of(order)
        return Fragment(reports.execution_report(execution, name, texts, instrument.quote_asset, self._unit_ns, amount))

    def balances(self, now_ns: int, update_ns: int, sequence: int, rows: list[tuple[int, int, int]]) -> Body:
        """Tell how balances stand, and after which event of the account."""
        shown = [(*self._shown(asset, free), self._shown(asset, held)[1]) for asset, free, held in rows]
        return reports.account_position(now_ns, update_ns, shown, self._unit_ns) | {"sq": sequence}

    def _shown(self, index: int, units: int) -> tuple[str, str]:
        """Return an asset's name, and an amount of it as text."""
        asset = self._registry.asset_at(index)
        assert asset is not None
        return asset.name, format_units(units, asset.decimals)


def user_data(
    hub: Hub, exchange: Accounts, texts_of: Callable[[int], InstrumentTexts], unit_ns: int = MILLISECOND_NS
) -> PrivateStreams:
    """Return the private streams of an exchange in this dialect, with times in milliseconds or in another unit."""
    dialect = DIALECT if unit_ns == MILLISECOND_NS else f"{DIALECT}-{unit_ns}"
    return PrivateStreams(hub, exchange, UserDataWords(exchange.registry, texts_of, exchange.asked, unit_ns), dialect)
