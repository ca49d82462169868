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
    CLIENT_ID_WINDOW_MIN_NS,
    CLIENT_ID_WINDOW_NS,
    EXCHANGE_ACCOUNT,
    FEE_TIERS,
    GENERATION_MAX,
    PRICE_TICKS_MAX,
    SLOT_BITS,
    USAGE_ID_WINDOW_NS,
    AccountState,
    AssetKind,
    EventKind,
    OrderFlag,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
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
    until_ns: int
    stop_ticks: int
    display_lots: int


class Rates(NamedTuple):
    """What an order pays in each role, in basis points; a negative maker rate is a rebate."""

    maker_bps: int
    taker_bps: int


NO_FEES = Rates(0, 0)


class AccountLimits(NamedTuple):
    """What an account may have and send; 0 is no limit."""

    open_orders_max: int = 0
    order_rate_max: int = 0
    message_rate_max: int = 0
    notional_max: int = 0


class InstrumentLimits(NamedTuple):
    """What each account may have on an instrument; 0 is no limit."""

    open_orders_max: int = 0
    notional_max: int = 0
    position_bps: int = 0


class Guards(NamedTuple):
    """How far a price may be from the reference and from the last trade before trading is interrupted; 0: any."""

    static_bps: int = 0
    dynamic_bps: int = 0


UNLIMITED = AccountLimits()
BOUNDLESS = InstrumentLimits()
UNGUARDED = Guards()


@dataclass(slots=True)
class Account:
    """Who trades: its group for self-trade prevention, what it may do, and what it did in the running second."""

    group: int
    state: int = AccountState.ACTIVE
    open_orders: int = 0
    limits: AccountLimits = UNLIMITED
    second: int = 0
    messages: int = 0
    orders: int = 0
    deadman_ns: int = 0  # when its orders are to be ended; 0: never
    tier: int = 0


@dataclass(slots=True)
class Asset:
    """What is owned, how much of it ever came and went, and a regulator's rules on having it."""

    kind: AssetKind
    issuer: int
    issued: int = 0
    burned: int = 0
    turnaround_days: int = 0
    holders_max: int = 0


@dataclass(slots=True)
class Balance:
    """What an account owns of an asset: free to use, and reserved for its open orders."""

    available: int = 0
    held: int = 0

    @property
    def total(self) -> int:
        """Return all that is owned."""
        return self.available + self.held


@dataclass(slots=True, eq=False)
class Instrument:
    """The terms of trading, and the book: a side maps rank to the orders at a price, first come first.

    Stops sleep apart, by the rank of their stop price.
    """

    index: int
    base_asset: int
    quote_asset: int
    lot_units: int
    tick_value: int
    quantity_min: int
    quantity_max: int
    state: TradingState = TradingState.CLOSED
    rates: tuple[Rates, ...] = (NO_FEES,) * FEE_TIERS  # by an account's tier
    band_low: int = 1
    band_high: int = PRICE_TICKS_MAX
    mode: TradingMode = TradingMode.CONTINUOUS
    guards: Guards = UNGUARDED
    limits: InstrumentLimits = BOUNDLESS
    anonymous: int = 0
    last_ticks: int = 0
    reference_ticks: int = 0
    auction_ticks: int = 0  # price of the auction in progress
    sides: "tuple[SortedDict, SortedDict]" = field(default_factory=lambda: (SortedDict(), SortedDict()))
    asleep: "tuple[SortedDict, SortedDict]" = field(default_factory=lambda: (SortedDict(), SortedDict()))

    def units(self, lots: int) -> int:
        """Return units of the base asset."""
        return lots * self.lot_units

    def notional(self, price_ticks: int, lots: int) -> int:
        """Return units of the quote asset."""
        return price_ticks * lots * self.tick_value


@dataclass(slots=True, eq=False)
class Order:
    """An order from acceptance to end; `rates` are those of the acceptance or of the last re-pricing.

    Of the lots that are open, an iceberg on the book hides some. An order without a price has the band's, which only
    its hold knows.
    """

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
    asleep: bool = False
    stop_ticks: int = 0  # until it is woken
    display_lots: int = 0
    until_ns: int = 0
    hidden_lots: int = 0
    conditional: bool = False  # whether it came as a stop, as an iceberg, with an end in time, or without a price

    @property
    def displayed_lots(self) -> int:
        """Return the open lots that others see."""
        return self.leaves_lots - self.hidden_lots

    @property
    def unpriced(self) -> bool:
        """Say whether it is a market order that waits for an auction."""
        return self.flags & OrderFlag.UNPRICED != 0

    @property
    def told_price_ticks(self) -> int:
        """Return the price that events tell."""
        return 0 if self.unpriced else self.price_ticks

    @property
    def may_rest(self) -> bool:
        """Say whether what does not trade at once stays on the book."""
        return self.order_type in {OrderType.LIMIT, OrderType.STOP_LIMIT} and self.time_in_force in {
            TimeInForce.GTC,
            TimeInForce.GTD,
            TimeInForce.DAY,
        }

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
    """Ids seen within a window of time, oldest first, at most `rows` of them.

    When all rows are taken, the oldest id makes room if it is at least `window_min_ns` old.
    """

    def __init__(self, rows: int, window_ns: int, window_min_ns: int = 0) -> None:
        self._rows = rows
        self._window_ns = window_ns
        self._window_min_ns = window_min_ns or window_ns
        self._entries: OrderedDict[Hashable, tuple[int, int]] = OrderedDict()  # id -> time, value

    def find(self, id_: Hashable, time_ns: int) -> int | None:
        """Return the value remembered with an id that is younger than the window."""
        seen_ns, value = self._entries.get(id_, (time_ns - self._window_ns, 0))
        return value if time_ns - seen_ns < self._window_ns else None

    def full(self, time_ns: int) -> bool:
        """Drop what is older than the window, and say whether the rest leaves no room."""
        while self._entries and self._age_ns(time_ns) >= self._window_ns:
            self._entries.popitem(last=False)
        return len(self._entries) >= self._rows and self._age_ns(time_ns) < self._window_min_ns

    def remember(self, id_: Hashable, time_ns: int, value: int) -> None:
        """Add an id as the youngest; the caller has seen that there is room."""
        assert id_ not in self._entries
        assert not self.full(time_ns)
        if len(self._entries) >= self._rows:
            self._entries.popitem(last=False)
        self._entries[id_] = (time_ns, value)

    def _age_ns(self, time_ns: int) -> int:
        oldest_ns, _ = next(iter(self._entries.values()))
        return time_ns - oldest_ns


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


@dataclass(slots=True)
class AllOrNone:
    """Commands of one account of which all are accepted or none lasts."""

    account: int
    left: int  # commands still to come
    failed: bool = False
    order_ids: list[int] = field(default_factory=list)


PLACES = {name: place for place, name in enumerate(EVENT.names or ())}  # of the fields of an event


class Tables:
    """The whole state, and the events that nobody has taken yet."""

    def __init__(self, capacity: Capacity) -> None:
        self.capacity = capacity
        self.accounts = [Account(group=EXCHANGE_ACCOUNT)]
        self.assets: dict[int, Asset] = {}
        self.instruments: dict[int, Instrument] = {}
        self.balances: dict[tuple[int, int], Balance] = {}  # by account and asset, in order of creation
        self.orders: dict[int, Order] = {}  # open ones, by order id
        self.slots = Slots(capacity.orders)
        self.client_ids = RecentIds(capacity.client_ids, CLIENT_ID_WINDOW_NS, CLIENT_ID_WINDOW_MIN_NS)
        self.usage_ids = RecentIds(capacity.usage_ids, USAGE_ID_WINDOW_NS)
        self.acquired: dict[tuple[int, int], dict[int, int]] = {}  # units bought, by account and asset, by day
        self.all_or_none: AllOrNone | None = None
        self.sequence = 0
        self.time_ns = 0
        self.trade_count = 0
        self.event_count = 0
        self._events: list[tuple[int, ...]] = []

    def emit(self, kind: EventKind, **fields: int) -> None:
        """Add an event; a field that is not given is 0."""
        assert fields.keys() <= PLACES.keys()
        row = [0] * len(PLACES)
        row[:3] = self.sequence, self.time_ns, kind
        for name, value in fields.items():
            row[PLACES[name]] = value
        self._events.append(tuple(row))
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

    def owned(self, account: int, asset: int) -> int:
        """Return all that an account has, 0 where it has no balance."""
        balance = self.balances.get((account, asset))
        return balance.total if balance else 0

    def balance(self, account: int, asset: int) -> Balance:
        """Return a balance, created where it is missing; the caller has seen that there is room."""
        assert (account, asset) in self.balances or len(self.balances) < self.capacity.balances
        return self.balances.setdefault((account, asset), Balance())

    def lacks_balance(self, account: int, asset: int) -> bool:
        """Say whether a balance does not exist and cannot be created."""
        return (account, asset) not in self.balances and len(self.balances) >= self.capacity.balances
