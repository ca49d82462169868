"""Who trades with whom: with oneself, to and fro in a pair, round in a ring; and who moves the end of a day.

Within an hour, by instrument and group, what was bought and sold and to whom. Somebody who sells nearly everything to
one buyer points at that buyer; pointers that lead back to where they began, with nobody much richer or poorer, are a
ring, and a ring of two is a matched pair. In a real market hardly anybody has a single counterparty.
"""

from exchange.core.types import BPS, DAY_NS, DAY_OFFSET_NS, SECOND_NS, Side, TradingState
from exchange.events import Event
from exchange.surveillance.alerts import AlertKind, Finding
from exchange.surveillance.thresholds import (
    CLOSE_MOVE_BPS,
    CLOSE_SHARE_BPS,
    CLOSE_TRADES_MIN,
    NET_BPS,
    RING_MAX,
    ROUNDS_MIN,
    SHARE_BPS,
)

CLOSE_NS = 30 * 60 * SECOND_NS  # the end of a day that is watched, whichever window settlement prices are made of
FLOWS_MAX = 100_000  # groups and instruments of one hour; later ones are not watched
COUNTERPARTIES_MAX = 16  # told apart; whoever bought least makes room for another
_BUY = int(Side.BUY)


class _Sum:
    """Trades of one group, with another or on one side."""

    __slots__ = ("lots", "trades")

    def __init__(self) -> None:
        self.trades = self.lots = 0

    def add(self, lots: int) -> None:
        self.trades += 1
        self.lots += lots


class _Flow:
    """What one group traded in one instrument in this hour."""

    __slots__ = ("bought_lots", "buyers", "first_sequence", "sold_lots")

    def __init__(self, first_sequence: int) -> None:
        self.first_sequence = first_sequence
        self.bought_lots = self.sold_lots = 0
        self.buyers: dict[int, _Sum] = {}

    def sell(self, buyer: int, lots: int) -> None:
        self.sold_lots += lots
        sold = self.buyers.get(buyer)
        if sold is None:
            if len(self.buyers) >= COUNTERPARTIES_MAX:
                del self.buyers[min(self.buyers, key=lambda one: self.buyers[one].lots)]
            sold = self.buyers[buyer] = _Sum()
        sold.add(lots)

    def next(self) -> int | None:
        """Return the group that nearly everything goes to."""
        for buyer, sold in self.buyers.items():
            if sold.trades >= ROUNDS_MIN and sold.lots * BPS >= self.sold_lots * SHARE_BPS:
                return buyer
        return None

    def is_even(self) -> bool:
        both = self.bought_lots + self.sold_lots
        return abs(self.bought_lots - self.sold_lots) * BPS <= both * NET_BPS


class _Close:
    """The last half hour of an instrument's day."""

    __slots__ = ("count", "first_sequence", "last_ticks", "lots", "start_ticks", "taken")

    def __init__(self, start_ticks: int, first_sequence: int) -> None:
        self.start_ticks = self.last_ticks = start_ticks
        self.first_sequence = first_sequence
        self.count = self.lots = 0
        self.taken: dict[tuple[int, int], _Sum] = {}  # by group and side

    def take(self, group: int, side: int, lots: int) -> None:
        taken = self.taken.get((group, side))
        if taken is None:
            taken = self.taken[group, side] = _Sum()
        taken.add(lots)


class Flows:
    """The fold of trades."""

    def __init__(self) -> None:
        self._flows: dict[tuple[int, int], _Flow] = {}
        self._closes: dict[int, _Close] = {}
        self._last_ticks: dict[int, int] = {}
        self._continuous: set[int] = set()  # instruments that match orders as they come

    def set_state(self, event: Event) -> None:
        """Note whether an instrument's next trades are those of an auction."""
        if event.state == TradingState.CONTINUOUS:
            self._continuous.add(event.instrument)
        else:
            self._continuous.discard(event.instrument)

    def begin_window(self) -> None:
        """Begin another hour."""
        self._flows.clear()

    def apply(self, event: Event, taker: int, maker: int) -> list[Finding]:
        """Apply a trade between two groups; return what it shows."""
        self._note_close(event, taker, maker)
        self._last_ticks[event.instrument] = event.price_ticks
        if taker == maker:
            facts = {"trade_id": event.trade_id, "lots": event.quantity_lots}
            return [Finding(AlertKind.WASH_TRADE, (taker,), event.instrument, event.sequence, facts)]
        seller, buyer = (maker, taker) if event.side == _BUY else (taker, maker)
        sold, bought = self._flow(event, seller), self._flow(event, buyer)
        if sold is None or bought is None:
            return []
        sold.sell(buyer, event.quantity_lots)
        bought.bought_lots += event.quantity_lots
        return self._ring(event.instrument, seller)

    def end_day(self) -> list[Finding]:
        """Return who moved the end of a day that is over."""
        found = [finding for instrument, close in self._closes.items() for finding in _marked(instrument, close)]
        self._closes.clear()
        return found

    def _note_close(self, event: Event, taker: int, maker: int) -> None:
        """Count a trade of the day's end for who took; in an auction both did, and its event begins with the buyer."""
        if (event.time_ns + DAY_OFFSET_NS) % DAY_NS < DAY_NS - CLOSE_NS:
            return
        close = self._closes.get(event.instrument)
        if close is None:
            start = self._last_ticks.get(event.instrument, event.price_ticks)
            close = self._closes[event.instrument] = _Close(start, event.sequence)
        close.last_ticks = event.price_ticks
        close.count += 1
        close.lots += event.quantity_lots
        close.take(taker, event.side, event.quantity_lots)
        if event.instrument not in self._continuous:
            close.take(maker, 1 - event.side, event.quantity_lots)

    def _flow(self, event: Event, group: int) -> _Flow | None:
        key = (event.instrument, group)
        flow = self._flows.get(key)
        if flow is None and len(self._flows) < FLOWS_MAX:
            flow = self._flows[key] = _Flow(event.sequence)
        return flow

    def _ring(self, instrument: int, first: int) -> list[Finding]:
        """Follow the pointers from a group back to itself."""
        members = [first]
        while len(members) <= RING_MAX:
            flow = self._flows[instrument, members[-1]]
            following = flow.next()
            if following is None or not flow.is_even():
                return []
            if following == first:
                return [self._found(instrument, members)]
            if following in members or (instrument, following) not in self._flows:
                return []
            members.append(following)
        return []

    def _found(self, instrument: int, members: list[int]) -> Finding:
        flows = [self._flows[instrument, member] for member in members]
        kind = AlertKind.MATCHED_PAIR if len(members) == 2 else AlertKind.CIRCULAR_TRADES
        facts = {"groups": len(members), "lots": sum(flow.sold_lots for flow in flows)}
        return Finding(kind, tuple(sorted(members)), instrument, min(flow.first_sequence for flow in flows), facts)


def _marked(instrument: int, close: _Close) -> list[Finding]:
    """Return who took most of the last half hour and moved the price his way by it."""
    move = close.last_ticks - close.start_ticks
    if abs(move) * BPS < close.start_ticks * CLOSE_MOVE_BPS:
        return []
    side = _BUY if move > 0 else 1 - _BUY
    return [
        Finding(
            AlertKind.MARKING_THE_CLOSE,
            (group,),
            instrument,
            close.first_sequence,
            {"lots": taken.lots, "of_lots": close.lots, "from_ticks": close.start_ticks, "to_ticks": close.last_ticks},
        )
        for (group, taken_side), taken in close.taken.items()
        if taken_side == side and taken.trades >= CLOSE_TRADES_MIN and taken.lots * BPS >= close.lots * CLOSE_SHARE_BPS
    ]
