"""The orders and fills of every account, folded from the events: open ones all, closed ones up to a limit.

Fills are kept per account and, for a single order, with the order; the oldest go first. What an order's sums say
(filled, notional, fee) is exact however many of its fills are forgotten.
"""

from collections.abc import Iterable
from enum import StrEnum
from struct import Struct
from typing import NamedTuple

import msgspec
import numpy as np

from exchange.core.types import EndReason
from exchange.events import Event, Events
from exchange.marketdata.folds.compiled import SLOT_MASK, address
from exchange.marketdata.folds.orderlists import (
    find_name,
    find_order,
    list_fills,
    list_order_fills,
    list_orders,
    spread,
)
from exchange.marketdata.folds.orders import FILLS_OF_TRADE, fold
from exchange.marketdata.folds.ordertables import ACCOUNT, ACCOUNTS, CHOICE, FILL, FILLS, ORDER, ORDERS, STATE
from exchange.marketdata.folds.pool import Pool

CLOSED_ORDERS_MAX = 10_000  # kept per account
FILLS_MAX = 10_000  # kept per account
ORDER_FILLS_MAX = 1_000  # kept with an order
NS_PER_MS = 1_000_000
TABLE_BITS = 10  # of the tables of ids and names, at first
ANY_NUMBER = ALWAYS_NS = (1 << 63) - 1
_WORDS = Struct("<5q")  # of ORDER_NAMED: the same bytes as core.commands.client_text, five times faster, of any words
_ORDER = Struct("<qqII8B17q8Iq")  # a row of the fold
_FILL = Struct("<9qII4BIII")
_new = tuple.__new__  # half the time of a NamedTuple's own constructor

assert _ORDER.size == ORDER.itemsize
assert _FILL.size == FILL.itemsize


class OrderStatus(StrEnum):
    """Where an order stands."""

    NEW = "NEW"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


_STATUSES = tuple(OrderStatus)  # as the fold numbers them


class FillView(NamedTuple):
    """One side's part of a trade; `amount` is its notional, `fee` may be negative, both in quote units."""

    trade_id: int
    order_id: int
    account: int
    instrument: int
    price_ticks: int
    quantity_lots: int
    amount: int
    fee: int
    is_maker: bool
    is_buyer: bool
    time_ns: int
    event_number: int


class OrderView(msgspec.Struct, gc=False):
    """An order as its owner saw it when it was asked for."""

    order_id: int
    account: int
    instrument: int
    side: int
    order_type: int
    time_in_force: int
    self_trade_prevention: int
    flags: int  # POST_ONLY, ICEBERG, QUOTE, UNPRICED, and SLEEPING while no trade has woken a stop
    price_ticks: int
    quantity_lots: int  # total; a replacement and the DECREMENT prevention of self-trades change it
    time_ns: int
    update_ns: int
    client_order_id: str = ""
    filled_lots: int = 0
    quote_filled: int = 0  # sum of the notionals of its fills
    fee: int = 0
    status: OrderStatus = OrderStatus.NEW
    end_reason: int = EndReason.NONE  # why it was cancelled or expired
    stop_ticks: int = 0  # the trade price that wakes a stop
    display_lots: int = 0  # what an iceberg shows at a time
    until_ns: int = 0  # the end of a GTD order
    triggered_ns: int = 0  # when a stop was woken
    event_number: int = 0  # of its acceptance

    @property
    def leaves_lots(self) -> int:
        """Return what is still to be filled, or was when the order ended."""
        return self.quantity_lots - self.filled_lots

    @property
    def is_open(self) -> bool:
        """Return whether the order can still be filled."""
        return self.status is OrderStatus.NEW or self.status is OrderStatus.PARTIALLY_FILLED


class OrderHistory:
    """The fold of all events since the first, to be read between calls of `apply`."""

    def __init__(
        self,
        closed_orders_max: int = CLOSED_ORDERS_MAX,
        fills_max: int = FILLS_MAX,
        order_fills_max: int = ORDER_FILLS_MAX,
    ) -> None:
        assert min(closed_orders_max, fills_max, order_fills_max) >= 1
        self._states = np.zeros(1, STATE)
        self._state_at = address(self._states)
        self._states["closed_max"], self._states["fills_max"] = closed_orders_max, fills_max
        self._states["order_fills_max"] = order_fills_max
        shapes = ((ORDERS, ORDER), (FILLS, FILL), (ACCOUNTS, ACCOUNT))
        self._pools = [Pool(self._states["pools"][:, which], shape) for which, shape in shapes]
        self._slots = np.zeros(SLOT_MASK + 1, "<u4")  # what is not used costs no memory
        self._states["slots"] = address(self._slots)
        self._make_tables(TABLE_BITS)
        self._make_ready()

    @property
    def event_count(self) -> int:
        """Return how many events were applied so far, so also the number of the latest."""
        return int(self._states["event_count"][0])

    def apply(self, rows: Iterable[Event]) -> None:
        """Apply the next events; one at a time will do as well, where the state between them matters."""
        events = Events.of(rows)
        done, count = 0, len(events)
        while done < count:
            done = fold(self._state_at, events.address, done, count)
            if done < count:
                self._make_room(events.array[done])

    def order(self, order_id: int) -> OrderView | None:
        """Return an order as it stands now, None if there never was one or it is forgotten."""
        row = find_order(self._state_at, order_id)
        return self._view(row) if row else None

    def now(self, order: OrderView) -> OrderView:
        """Return an order as it stands now, or as it is known to the caller if it is forgotten."""
        return self.order(order.order_id) or order

    def by_client_id(self, account: int, client_order_id: str) -> OrderView | None:
        """Return the latest order an account gave this id."""
        text = client_order_id.encode("ascii", "replace")
        if not 0 <= account < self._account_count or len(text) > _WORDS.size:
            return None
        wanted = np.zeros(1, ORDER)
        wanted["account"] = account
        names = _WORDS.unpack(text.ljust(_WORDS.size, b"\0"))
        for place, word in enumerate(names):
            wanted[f"word_{place}"] = word
        row = find_name(self._state_at, address(wanted))
        return self._view(row) if row else None

    def has_forgotten(self, account: int) -> bool:
        """Return whether an order of the account is no longer known here, so that there may have been any."""
        return self._has(account) and bool(self._account(account)["forgot"][0])

    def open_orders(self, account: int, instrument: int = 0) -> list[OrderView]:
        """Return the open orders on one instrument or (0) on all, in the order of acceptance."""
        return self._chosen(account, instrument=instrument, is_open=True, is_forward=True)

    def all_orders(
        self,
        account: int,
        instrument: int = 0,
        *,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> list[OrderView]:
        """Return open and closed orders accepted within [start, end], in the order of acceptance.

        The first `limit` from the order `from_id` on (from the oldest kept if that one is forgotten) or from
        the start, the last `limit` if neither is given.
        """
        first, last = _window_ns(start_ms, end_ms)
        is_forward = from_id is not None or start_ms is not None
        begin = 0 if from_id is None else find_order(self._state_at, from_id)
        if begin and self._view(begin).account != account:
            begin = 0
        terms = {"instrument": instrument, "first_ns": first, "last_ns": last, "begin": begin, "limit": limit}
        found = self._chosen(account, **terms, is_forward=is_forward)
        return found if is_forward else found[::-1]

    def fills(
        self,
        account: int,
        instrument: int = 0,
        *,
        order_id: int | None = None,
        from_id: int | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int = 500,
    ) -> list[FillView]:
        """Return fills within [start, end], of one order if given, by rising trade id.

        The first `limit` from trade `from_id` on or from the start, the last `limit` if neither is given.
        """
        if not self._has(account) or limit < 1:
            return []
        first, last = _window_ns(start_ms, end_ms)
        choice = np.zeros(1, CHOICE)
        choice["account"], choice["instrument"] = account, instrument
        choice["order_id"], choice["from_id"] = -1 if order_id is None else order_id, from_id or 0
        choice["first_ns"], choice["last_ns"] = first, last
        choice["is_forward"] = from_id is not None or start_ms is not None
        choice["limit"] = limit = min(limit, max(1, int(self._account(account)["fill_count"][0])))
        found = np.zeros(limit, "<u4")
        count = list_fills(self._state_at, address(choice), address(found))
        ordered = np.roll(found, -count % limit) if count > limit else found[:count]
        return [self._fill(row) for row in ordered.tolist()]

    def order_fills(self, order_id: int) -> list[FillView]:
        """Return the fills that are kept with an order, the latest ones, oldest first."""
        row = find_order(self._state_at, order_id)
        found = np.zeros(int(self._states["order_fills_max"][0]), "<u4")
        count = list_order_fills(self._state_at, row, address(found)) if row else 0
        return [self._fill(place) for place in found[:count].tolist()]

    def _chosen(self, account: int, *, limit: int = ANY_NUMBER, **terms: int) -> list[OrderView]:
        """Return what is chosen of an account's orders."""
        if not self._has(account):
            return []
        choice = np.zeros(1, CHOICE)
        choice["account"], choice["last_ns"] = account, ALWAYS_NS
        choice["limit"] = limit = min(limit, int(self._account(account)["order_count"][0]))
        for name, value in terms.items():
            choice[name] = value
        found = np.zeros(max(0, limit), "<u4")
        count = list_orders(self._state_at, address(choice), address(found))
        return [self._view(row) for row in found[:count].tolist()]

    @property
    def _account_count(self) -> int:
        """Return how many accounts there is memory for: those of higher numbers have done nothing."""
        return int(self._states["pools"]["capacity"][0, ACCOUNTS]) - 1

    def _has(self, account: int) -> bool:
        return 0 <= account < self._account_count

    def _account(self, account: int) -> np.ndarray:
        return np.frombuffer(self._pools[ACCOUNTS].bytes_of(account + 1), ACCOUNT)

    def _view(self, row: int) -> OrderView:
        """Return an order as its owner sees it."""
        (
            _, order_id, account, instrument, side, order_type, time_in_force, prevention, flags, status, end_reason,
            named, price, quantity, time_ns, update_ns, filled, quote_filled, fee, stop, display, until, triggered,
            number, *words, _, _, _, _, _, _, _, _, _,
        ) = _ORDER.unpack(self._pools[ORDERS].bytes_of(row))  # fmt: skip
        return OrderView(
            order_id, account, instrument, side, order_type, time_in_force, prevention, flags, price, quantity, time_ns,
            update_ns, _name(words) if named else "", filled, quote_filled, fee, _STATUSES[status], end_reason, stop,
            display, until, triggered, number,
        )  # fmt: skip

    def _fill(self, row: int) -> FillView:
        (
            _, trade_id, order_id, price, quantity, amount, fee, time_ns, number, account, instrument, is_maker,
            is_buyer, _, _, _, _, _,
        ) = _FILL.unpack(self._pools[FILLS].bytes_of(row))  # fmt: skip
        fill = (trade_id, order_id, account, instrument, price, quantity, amount, fee, bool(is_maker), bool(is_buyer))
        return _new(FillView, (*fill, time_ns, number))

    def _make_room(self, event: np.void) -> None:
        """Grow what the fold stopped for."""
        orders, fills, accounts = self._pools
        while max(int(event["account"]), int(event["counter_account"])) >= self._account_count:
            accounts.grow()
        if not orders.room:
            orders.grow()
        if fills.room < FILLS_OF_TRADE:
            fills.grow()
        if int(self._states["pools"]["taken"][0, ORDERS]) >= len(self._ids):
            self._make_tables(int(self._states["bits"][0]) + 1)

    def _make_ready(self) -> None:
        """Call everything that is compiled once, with nothing to do, lest somebody wait for it later."""
        fold(self._state_at, 0, 0, 0)
        find_order(self._state_at, 0)
        find_name(self._state_at, address(np.zeros(1, ORDER)))
        choice = address(np.zeros(1, CHOICE))
        list_orders(self._state_at, choice, 0)
        list_fills(self._state_at, choice, 0)
        list_order_fills(self._state_at, 0, 0)

    def _make_tables(self, bits: int) -> None:
        """Make new tables of order ids and names, and put all orders into them."""
        self._ids, self._names = np.zeros(1 << bits, "<u4"), np.zeros(1 << bits, "<u4")
        self._states["ids"], self._states["names"] = address(self._ids), address(self._names)
        self._states["bits"] = bits
        spread(self._state_at, self._account_count)


def _name(words: list[int]) -> str:
    """Return the client order id that the words of an event are, whatever stands in them."""
    return str(_WORDS.pack(*words), "ascii", "replace").rstrip("\0")


def _window_ns(start_ms: int | None, end_ms: int | None) -> tuple[int, int]:
    """Return the first and last nanosecond of a window of whole milliseconds, either end of which may be open."""
    first = 0 if start_ms is None else start_ms * NS_PER_MS
    last = ALWAYS_NS if end_ms is None else (end_ms + 1) * NS_PER_MS - 1
    return min(first, ALWAYS_NS), min(last, ALWAYS_NS)
