"""What surveillance looks for, in plain Python: what the compiled fold is compared with."""

from collections import OrderedDict, deque
from typing import NamedTuple

from exchange.core.types import BPS, EndReason, EventKind, OrderFlag, SelfTradePrevention, Side
from exchange.events import Event
from exchange.methodology import day_of
from exchange.surveillance.alerts import ALERTS_MAX, AlertKind, AlertLog, Finding
from exchange.surveillance.flows import Flows
from exchange.surveillance.holdings import Holdings
from exchange.surveillance.interest import Bounds
from exchange.surveillance.thresholds import (
    INCIDENTS_MIN,
    LAYERS_MIN,
    MESSAGES_MIN,
    MESSAGES_PER_TRADE,
    NEAR_BPS,
    QUICK_BPS,
    QUICK_MIN,
    QUICK_NS,
    QUICK_PER_TRADE,
    SHOW_FACTOR,
    WITHDRAWN_BPS,
    WITHDRAWN_NS,
)
from exchange.surveillance.watch import HOUR_NS

BOUNDS = Bounds()
_QUOTE = int(OrderFlag.QUOTE)
_SLEEPING = int(OrderFlag.SLEEPING)
_ACCEPTED = int(EventKind.ORDER_ACCEPTED)
_ASKED = frozenset((int(EndReason.REQUESTED), int(EndReason.MASS_CANCEL)))
_OWN_DOING = frozenset((EndReason.SELF_TRADE, EndReason.TIME_OVER, EndReason.DISCONNECTED, EndReason.DEADMAN))
_BUY = int(Side.BUY)


class _Suspicion(NamedTuple):
    """A fill while the other side showed much."""

    side: int  # the shown one
    time_ns: int
    sequence: int
    shown_lots: int
    layers: int


class _Interest:
    """What one group has open in one instrument."""

    __slots__ = (
        "incidents",
        "levels",
        "levels_max",
        "open_lots",
        "since",
        "suspicion",
        "traded_lots",
        "wanted_lots",
        "window",
        "withdrawn_lots",
    )

    def __init__(self, levels_max) -> None:
        self.levels_max = levels_max
        self.levels: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self.since: tuple[dict[int, int], dict[int, int]] = ({}, {})  # the command that made each level
        self.open_lots = [0, 0]
        self.wanted_lots = [0, 0]  # open on each side when it was added to last, less what was withdrawn since
        self.suspicion: _Suspicion | None = None
        self.withdrawn_lots = self.traded_lots = 0
        self.incidents: list[int] = []  # the command that began each
        self.window = 0

    def change(self, side: int, price_ticks: int, lots: int, sequence: int) -> None:
        levels = self.levels[side]
        known = levels.get(price_ticks, 0)
        left = known + lots
        if left > 0 and (known or len(levels) < self.levels_max):
            levels[price_ticks] = left
            self.since[side].setdefault(price_ticks, sequence)
            self.open_lots[side] += lots
        elif known:
            del levels[price_ticks], self.since[side][price_ticks]
            self.open_lots[side] -= known

    def add(self, side: int, price_ticks: int, lots: int, sequence: int) -> None:
        self.change(side, price_ticks, lots, sequence)
        self.wanted_lots[side] = self.open_lots[side]

    def want_less(self, side: int, lots: int) -> None:
        self.wanted_lots[side] = max(0, self.wanted_lots[side] - lots)

    def shown_since(self, side: int, sequence: int) -> int:
        """Return the command that began to show what a side shows, but for levels that are less than a fifth."""
        part = self.open_lots[side] // (5 * self.levels_max)
        return min([sequence, *(self.since[side][price] for price, lots in self.levels[side].items() if lots > part)])

    def fill(self, side: int, event: Event, *, is_maker: bool) -> None:
        """Take a fill off: a maker's off its price, a taker's off the best, where the incoming order is."""
        levels, price_ticks = self.levels[side], event.price_ticks
        if not (is_maker and price_ticks in levels) and levels:
            price_ticks = max(levels) if side == _BUY else min(levels)
        self.change(side, price_ticks, -event.quantity_lots, event.sequence)


class _Counts:
    """What one group did in one window."""

    __slots__ = ("first_sequence", "messages", "orders", "quick", "trades")

    def __init__(self, first_sequence: int) -> None:
        self.first_sequence = first_sequence
        self.messages = self.orders = self.quick = self.trades = 0


class Interests:
    """The fold of what happens to orders."""

    def __init__(self, bounds=BOUNDS) -> None:
        self.bounds = bounds
        self.found: list[Finding] = []  # what events have shown; whoever reads it clears it
        self._interests: OrderedDict[tuple[int, int], _Interest] = OrderedDict()
        self._counts: dict[int, _Counts] = {}
        self._window = 0
        self._recent: dict[int, list[int]] = {}  # orders near the last price: when they came, lots, withdrawn lots
        self._recent_order: deque[tuple[int, int, int]] = deque()
        self._places = 0
        self._last_ticks: dict[int, int] = {}

    def begin_window(self, window: int) -> None:
        """Count anew."""
        self._window = window
        self._counts.clear()

    def apply(self, event: Event, group: int) -> None:
        """Apply an event about an order of a group."""
        if event.flags & _SLEEPING:
            return  # nobody sees it
        kind = event.kind
        if kind == EventKind.MATCH_PREVENTED and event.self_trade_prevention != SelfTradePrevention.DECREMENT:
            return
        if kind == _ACCEPTED:
            self._accept(event, group)
        elif kind == EventKind.ORDER_TRIGGERED:
            interest = self._interest(group, event.instrument)
            interest.add(event.side, event.price_ticks, event.leaves_lots, event.sequence)
        elif kind == EventKind.ORDER_REPLACED:
            self._replace(event, group)
        elif kind == EventKind.MATCH_PREVENTED:
            self._prevent(event, group)
        else:
            self._end(event, group)

    def trade(self, event: Event, taker: int, maker: int) -> None:
        """Apply a trade between two groups."""
        self._last_ticks[event.instrument] = event.price_ticks
        for group, side, is_maker in ((taker, event.side, False), (maker, 1 - event.side, True)):
            interest = self._interest(group, event.instrument)
            interest.fill(side, event, is_maker=is_maker)
            self._suspect(interest, side, event)
            self._count(group, event).trades += 1

    def _accept(self, event: Event, group: int) -> None:
        interest = self._interest(group, event.instrument)
        interest.add(event.side, event.price_ticks, event.quantity_lots, event.sequence)
        if event.flags & _QUOTE:
            return
        self._remember(event)
        counts = self._count(group, event)
        counts.orders += 1
        self._count_message(group, counts)

    @staticmethod
    def _suspect(interest: _Interest, side: int, event: Event) -> None:
        """Note a fill of one side if the other shows several times what is wanted here."""
        shown = interest.open_lots[1 - side]
        if shown >= SHOW_FACTOR * max(interest.wanted_lots[side], event.quantity_lots):
            layers = len(interest.levels[1 - side])
            since = interest.shown_since(1 - side, event.sequence)
            interest.suspicion = _Suspicion(1 - side, event.time_ns, since, shown, layers)
            interest.withdrawn_lots = interest.traded_lots = 0
        elif interest.suspicion is not None and interest.suspicion.side == side:
            interest.traded_lots += event.quantity_lots
            if interest.traded_lots * 5 > interest.suspicion.shown_lots:
                interest.suspicion = None  # what was shown was meant: it traded

    def _replace(self, event: Event, group: int) -> None:
        interest, side = self._interest(group, event.instrument), event.side
        previous_ticks, previous_lots = event.counter_fee, event.fee
        interest.change(side, previous_ticks, -previous_lots, event.sequence)
        is_worse = event.price_ticks < previous_ticks if side == _BUY else event.price_ticks > previous_ticks
        counts = self._count(group, event)
        self._count_message(group, counts)
        lots = previous_lots if is_worse else max(0, previous_lots - event.leaves_lots)
        recent = self._recent.get(event.order_id)
        if recent is not None:
            recent[2] += lots
            if lots and (is_worse or recent[2] * BPS >= recent[1] * WITHDRAWN_BPS):
                self._count_if_quick(group, event, counts)
        if event.price_ticks != previous_ticks or event.leaves_lots > previous_lots:
            self._recent.pop(event.order_id, None)
            counts.orders += self._remember(event)
        self._withdraw(interest, group, event, side, lots)
        interest.change(side, event.price_ticks, event.leaves_lots, event.sequence)
        if event.leaves_lots > previous_lots:
            interest.wanted_lots[side] = interest.open_lots[side]
        else:
            interest.want_less(side, previous_lots - event.leaves_lots)

    def _prevent(self, event: Event, group: int) -> None:
        """Take off both sides what a group kept itself from trading."""
        interest = self._interest(group, event.instrument)
        for side, is_maker in ((event.side, False), (1 - event.side, True)):
            interest.fill(side, event, is_maker=is_maker)
            interest.want_less(side, event.quantity_lots)
        self._withdraw(interest, group, event, 1 - event.side, event.quantity_lots)

    def _end(self, event: Event, group: int) -> None:
        interest = self._interest(group, event.instrument)
        interest.change(event.side, event.price_ticks, -event.leaves_lots, event.sequence)
        interest.want_less(event.side, event.leaves_lots)
        is_own_doing = event.reason in _OWN_DOING and event.flags & OrderFlag.RESTING
        if not (event.reason in _ASKED or is_own_doing) or event.flags & _QUOTE:
            self._recent.pop(event.order_id, None)
            return
        counts = self._count(group, event)
        if event.reason in _ASKED:
            self._count_message(group, counts)
        self._count_if_quick(group, event, counts)
        self._withdraw(interest, group, event, event.side, event.leaves_lots)

    def _count_if_quick(self, group: int, event: Event, counts: _Counts) -> None:
        recent = self._recent.pop(event.order_id, None)
        if recent is not None and event.time_ns - recent[0] <= QUICK_NS:
            self._count_quick(group, event, counts)

    def _withdraw(self, interest: _Interest, group: int, event: Event, side: int, lots: int) -> None:
        suspicion = interest.suspicion
        if suspicion is None or suspicion.side != side or event.time_ns - suspicion.time_ns > WITHDRAWN_NS:
            return
        interest.withdrawn_lots += lots
        if interest.withdrawn_lots * BPS < suspicion.shown_lots * WITHDRAWN_BPS:
            return
        if interest.window != self._window:
            interest.incidents, interest.window = [], self._window
        interest.incidents.append(suspicion.sequence)
        interest.suspicion = None
        if len(interest.incidents) >= INCIDENTS_MIN:
            kind = AlertKind.LAYERING if suspicion.layers >= LAYERS_MIN else AlertKind.SPOOFING
            facts = {"incidents": len(interest.incidents), "shown_lots": suspicion.shown_lots}
            facts["prices"] = suspicion.layers
            self.found.append(Finding(kind, (group,), event.instrument, interest.incidents[0], facts))

    def _count_message(self, group: int, counts: _Counts) -> None:
        counts.messages += 1
        if counts.messages >= MESSAGES_MIN and counts.messages > MESSAGES_PER_TRADE * counts.trades:
            facts = {"messages": counts.messages, "trades": counts.trades}
            self.found.append(Finding(AlertKind.ORDER_TO_TRADE, (group,), 0, counts.first_sequence, facts))

    def _count_quick(self, group: int, event: Event, counts: _Counts) -> None:
        counts.quick += 1
        trades = counts.trades
        if counts.quick < QUICK_MIN or counts.quick <= QUICK_PER_TRADE * trades:
            return
        if counts.quick * BPS >= counts.orders * QUICK_BPS:
            facts = {"quick_cancels": counts.quick, "orders": counts.orders, "trades": trades}
            found = Finding(AlertKind.QUICK_CANCELS, (group,), event.instrument, counts.first_sequence, facts)
            self.found.append(found)

    def _remember(self, event: Event) -> bool:
        """Keep when an order near the last price came in, for as long as its end would be quick."""
        recent = self._recent_order
        while recent and (event.time_ns - recent[0][1] > QUICK_NS or len(recent) >= self.bounds.recent):
            order_id, _, place = recent.popleft()
            if self._recent.get(order_id, [0] * 4)[3] == place:
                del self._recent[order_id]
        last = self._last_ticks.get(event.instrument, 0)
        if abs(event.price_ticks - last) * BPS > last * NEAR_BPS:
            return False
        self._places += 1
        self._recent[event.order_id] = [event.time_ns, event.leaves_lots, 0, self._places]
        recent.append((event.order_id, event.time_ns, self._places))
        return True

    def _count(self, group: int, event: Event) -> _Counts:
        counts = self._counts.get(group)
        if counts is None:
            counts = self._counts[group] = _Counts(event.sequence)
        return counts

    def _interest(self, group: int, instrument: int) -> _Interest:
        key = (group, instrument)
        interest = self._interests.get(key)
        if interest is None:
            interest = self._interests[key] = _Interest(self.bounds.levels)
            if len(self._interests) > self.bounds.interests:
                self._interests.popitem(last=False)
        else:
            self._interests.move_to_end(key)
        return interest


_ORDERS = frozenset((
    int(EventKind.ORDER_ACCEPTED),
    int(EventKind.ORDER_TRIGGERED),
    int(EventKind.ORDER_REPLACED),
    int(EventKind.ORDER_CANCELED),
    int(EventKind.ORDER_EXPIRED),
    int(EventKind.MATCH_PREVENTED),
))  # fmt: skip
_ASSETS = frozenset((
    int(EventKind.ASSET_CREATED),
    int(EventKind.INSTRUMENT_LISTED),
    int(EventKind.ISSUED),
    int(EventKind.UNITS_EXPIRED),
    int(EventKind.COMMAND_REJECTED),
))  # fmt: skip
_REDEEMED = int(EventKind.REDEEMED)
_TRADED = int(EventKind.TRADED)
_ACCOUNT_CREATED = int(EventKind.ACCOUNT_CREATED)


class PlainWatch:
    """The fold of all events since the first."""

    def __init__(self, alerts_max=ALERTS_MAX, bounds=BOUNDS) -> None:
        self.alerts = AlertLog(alerts_max)
        self._groups: dict[int, int] = {}
        self._interests = Interests(bounds)
        self._flows = Flows()
        self._holdings = Holdings(self._group)
        self._hour = 0
        self._turn_ns = 0
        self._day = 0

    def apply(self, events: list[Event]) -> None:
        """Apply the next events."""
        groups, interests = self._groups, self._interests
        for event in events:
            kind = event.kind
            if event.time_ns >= self._turn_ns:
                self._turn(event)
            if kind == _REDEEMED:
                self._holdings.redeem(event)
                continue
            if kind in _ORDERS:
                interests.apply(event, groups.get(event.account, event.account))
            elif kind == _TRADED:
                self._trade(event)
            elif kind in _ASSETS:
                self._note(event, self._holdings.apply(event))
            elif kind == _ACCOUNT_CREATED:
                groups[event.account] = event.counter_account
            if interests.found:
                self._note(event, interests.found)
                interests.found.clear()

    def _trade(self, event: Event) -> None:
        taker, maker = self._group(event.account), self._group(event.counter_account)
        self._interests.trade(event, taker, maker)
        self._note(event, self._flows.apply(event, taker, maker))
        if taker != maker:
            self._note(event, self._holdings.trade(event, taker, maker))

    def _turn(self, event: Event) -> None:
        """Begin another hour, and another day, when an event is of one."""
        self._hour = hour = event.time_ns // HOUR_NS
        self._turn_ns = (hour + 1) * HOUR_NS
        self._interests.begin_window(hour)
        self._flows.begin_window()
        self._holdings.begin_hour()
        day = day_of(event.time_ns)
        if day != self._day:
            self._note(event, self._flows.end_day())
            self._day = day
            self._holdings.begin_day()

    def _note(self, event: Event, found: list[Finding]) -> None:
        for finding in found:
            self.alerts.add(finding, self._hour, event.sequence, event.time_ns)

    def _group(self, account: int) -> int:
        return self._groups.get(account, account)
