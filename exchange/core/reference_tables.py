"""The state of the readable engine: one plain object a concept, one dictionary a table.

Nothing here is fast. Everything is meant to be checked against the rules of the market by reading it once.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from sortedcontainers import SortedDict

from exchange.core.records import EVENT
from exchange.core.state import Capacity
from exchange.core.types import (
    BPS,
    CLIENT_ID_WINDOW_NS,
    EXCHANGE_ACCOUNT,
    GENERATION_MAX,
    PRICE_TICKS_MAX,
    SLOT_BITS,
    USAGE_ID_WINDOW_NS,
    AccountState,
    AssetKind,
    EventKind,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)


class Command(NamedTuple):
    """One command, its fields in the order of `records.COMMAND`."""

    sequence: int
    time_ns: int
    kind: int
    side: int
    order_type: int
    time_in_force: int
    self_trade_prevention: int
    flags: int
    state: int
    spare: int
    account: int
    instrument: int
    asset: int
    group: int
    order_id: int
    price_ticks: int
    quantity_lots: int
    amount: int
    words: tuple[int, int, int, int, int]


class Rates(NamedTuple):
    """What an order pays in each role, in basis points; a negative maker rate is a rebate."""

    maker_bps: int
    taker_bps: int


NO_FEES = Rates(0, 0)


@dataclass(slots=True)
class Account:
    """Who trades: its group for self-trade prevention, what it may do, how many orders it has open."""

    group: int
    state: int = AccountState.ACTIVE
    open_orders: int = 0


@dataclass(slots=True)
class Asset:
    """What is owned, and how much of it ever came and went."""

    kind: AssetKind
    issuer: int
    issued: int = 0
    burned: int = 0


@dataclass(slots=True)
class Balance:
    """What an account owns of an asset: free to use, and reserved for its open orders."""

    available: int = 0
    held: int = 0


@dataclass(slots=True, eq=False)
class Instrument:
    """The terms of trading, and the book: a side maps rank to the orders at a price, first come first."""

    index: int
    base_asset: int
    quote_asset: int
    lot_units: int
    tick_value: int
    quantity_min: int
    quantity_max: int
    state: TradingState = TradingState.CLOSED
    rates: Rates = NO_FEES
    band_low: int = 1
    band_high: int = PRICE_TICKS_MAX
    sides: "tuple[SortedDict, SortedDict]" = field(default_factory=lambda: (SortedDict(), SortedDict()))

    def units(self, lots: int) -> int:
        """Return units of the base asset."""
        return lots * self.lot_units

    def notional(self, price_ticks: int, lots: int) -> int:
        """Return units of the quote asset."""
        return price_ticks * lots * self.tick_value


@dataclass(slots=True, eq=False)
class Order:
    """An order from acceptance to end; `rates` are those of the acceptance or of the last re-pricing."""

    account: int
    instrument: Instrument
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    self_trade_prevention: SelfTradePrevention
    flags: int
    price_ticks: int
    quantity_lots: int
    leaves_lots: int
    rates: Rates
    order_id: int = 0
    held: int = 0
    maker_notional: int = 0
    taker_notional: int = 0
    resting: bool = False

    @property
    def slot(self) -> int:
        """Return the row that the order id carries."""
        return self.order_id & ((1 << SLOT_BITS) - 1)

    @property
    def held_asset(self) -> int:
        """Return the asset that the order reserves and spends."""
        return self.instrument.quote_asset if self.side == Side.BUY else self.instrument.base_asset

    def need(self) -> int:
        """Return the hold that covers the worst outcome of what is still open, at the order's own price."""
        if self.side == Side.SELL:
            return self.instrument.units(self.leaves_lots)
        return with_worst_fee(self.instrument.notional(self.price_ticks, self.leaves_lots), self.rates)


def fee(rate_bps: int, notional: int) -> int:
    """Return the fee on a cumulative notional, rounded up: rebates are rounded towards the exchange too."""
    return -((-rate_bps * notional) // BPS)


def with_worst_fee(notional: int, rates: Rates) -> int:
    """Return a buyer's hold: one unit more than the worst fee, as each role rounds up once."""
    worst = max(*rates, 0)
    if notional == 0 or worst == 0:
        return notional
    return notional + fee(worst, notional) + 1


class RecentIds:
    """Ids seen within a window of time, oldest first, at most `rows` of them."""

    def __init__(self, rows: int, window_ns: int) -> None:
        self._rows = rows
        self._window_ns = window_ns
        self._entries: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()  # id -> time, value

    def find(self, id_: Hashable, time_ns: int) -> int | None:
        """Return the value remembered with an id that is younger than the window."""
        seen_ns, value = self._entries.get(id_, (time_ns - self._window_ns, 0))
        return value if time_ns - seen_ns < self._window_ns else None

    def full(self, time_ns: int) -> bool:
        """Drop what is older than the window, and say whether the rest leaves no room."""
        while self._entries and time_ns - next(iter(self._entries.values()))[0] >= self._window_ns:
            self._entries.popitem(last=False)
        return len(self._entries) >= self._rows

    def remember(self, id_: Hashable, time_ns: int, value: int) -> None:
        """Add an id as the youngest; the caller has seen that there is room."""
        assert id_ not in self._entries
        self._entries[id_] = (time_ns, value)


class Slots:
    """Which row each order takes: the one freed last, else the next never used. Ids do not come back."""

    def __init__(self, rows: int) -> None:
        self._rows = rows
        self._free: list[int] = []
        self.generations = [0]  # by slot; slot 0 is not used

    def full(self) -> bool:
        """Say whether no slot can be allocated."""
        return not self._free and len(self.generations) > self._rows

    def allocate(self) -> int:
        """Return a new order id: generation above, slot below."""
        if self._free:
            slot = self._free.pop()
        else:
            slot = len(self.generations)
            self.generations.append(0)
        self.generations[slot] += 1
        return self.generations[slot] << SLOT_BITS | slot

    def release(self, slot: int) -> None:
        """Take a slot back, unless its generations are used up."""
        if self.generations[slot] < GENERATION_MAX:
            self._free.append(slot)


class Tables:
    """The whole state, and the events of the batch in progress."""

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self.accounts = [Account(group=EXCHANGE_ACCOUNT)]
        self.assets: dict[int, Asset] = {}
        self.instruments: dict[int, Instrument] = {}
        self.balances: dict[tuple[int, int], Balance] = {}  # by account and asset, in order of creation
        self.orders: dict[int, Order] = {}  # open ones, by order id
        self.slots = Slots(capacity.orders)
        self.client_ids = RecentIds(capacity.recent_ids, CLIENT_ID_WINDOW_NS)
        self.usage_ids = RecentIds(capacity.recent_ids, USAGE_ID_WINDOW_NS)
        self.sequence = 0
        self.time_ns = 0
        self.trade_count = 0
        self.event_count = 0
        self._events: list[tuple[int, ...]] = []

    def emit(self, kind: EventKind, **fields: int) -> None:
        """Add an event; a field that is not given is 0."""
        values = {"sequence": self.sequence, "time_ns": self.time_ns, "kind": kind, **fields}
        assert values.keys() <= set(EVENT.names or ())
        self._events.append(tuple(values.get(name, 0) for name in EVENT.names or ()))
        self.event_count += 1

    def take_events(self) -> np.ndarray:
        """Return the events since the last call as EVENT[n]."""
        events = np.array(self._events, EVENT)
        self._events.clear()
        return events

    def knows_account(self, account: int) -> bool:
        """Say whether an account exists."""
        return account < len(self.accounts)

    def same_group(self, account: int, other: int) -> bool:
        """Say whether two accounts must not trade with each other."""
        return self.accounts[account].group == self.accounts[other].group

    def available(self, account: int, asset: int) -> int:
        """Return what an account may use, 0 where it has no balance."""
        balance = self.balances.get((account, asset))
        return balance.available if balance else 0

    def balance(self, account: int, asset: int) -> Balance:
        """Return a balance, created where it is missing; the caller has seen that there is room."""
        assert (account, asset) in self.balances or len(self.balances) < self.capacity.balances
        return self.balances.setdefault((account, asset), Balance())

    def lacks_balance(self, account: int, asset: int) -> bool:
        """Say whether a balance does not exist and cannot be created."""
        return (account, asset) not in self.balances and len(self.balances) >= self.capacity.balances
