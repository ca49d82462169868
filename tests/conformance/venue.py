"""Another venue's rules played on our engine: one book, a rich buyer and a rich seller, orders under that venue's ids.

Its vectors know neither accounts nor balances. Here all buys come from one account and all sells from another, each
with more than it can spend, so that no order is refused for want of balance and none meets its own.
"""

from itertools import groupby
from typing import Any

import numpy as np

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.reference import Reference
from exchange.core.state import TEST
from exchange.core.types import AssetKind, EventKind, OrderFlag, Side, TradingState
from exchange.events import Event, rows
from exchange.marketdata.market import MarketData

ENGINES = (Engine, Reference)
OWNERS = {Side.BUY: 1, Side.SELL: 2}
CASH, UNITS, BOOK = 1, 2, 1
PLENTY = 1 << 60
SETUP = (
    commands.create_account(OWNERS[Side.BUY]),
    commands.create_account(OWNERS[Side.SELL]),
    commands.create_asset(CASH, AssetKind.CASH),
    commands.create_asset(UNITS, AssetKind.ALLOWANCE, OWNERS[Side.SELL]),
    commands.deposit(OWNERS[Side.BUY], CASH, PLENTY),
    commands.issue(OWNERS[Side.SELL], UNITS, PLENTY),
    commands.list_instrument(BOOK, UNITS, CASH, lot_units=1, tick_value=1, quantity_min=1, quantity_max=1 << 20),
    commands.set_trading_state(BOOK, TradingState.CONTINUOUS),
)


class Venue:
    """An engine, the public view of its book, and who is who; a foreign id may be used again, the latest order has it.

    An id that was never used asks for order 0, which is nobody's.
    """

    def __init__(self, engine: Engine | Reference) -> None:
        self.engine = engine
        self.market = MarketData()
        self.sent: list[bytes] = []
        self.foreign_ids: dict[int, int] = {}  # by order id, of all orders ever
        self._order_ids: dict[int, int] = {}  # by foreign id
        self._owners: dict[int, int] = {}  # by foreign id
        self._filled: dict[int, int] = {}  # lots by order id
        assert not [event for told in SETUP for event in self.send(told) if event.kind == EventKind.COMMAND_REJECTED]

    def send(self, encoded: bytes) -> list[Event]:
        """Apply one command and return its events."""
        command = np.frombuffer(encoded, COMMAND).copy()
        command["sequence"] = len(self.sent) + 1
        self.sent.append(command.tobytes())
        events = rows(self.engine.apply(command))
        self.market.apply(events)
        for event in events:
            if event.kind == EventKind.TRADED:
                self._filled[event.order_id] += event.quantity_lots
                self._filled[event.counter_order_id] += event.quantity_lots
            elif event.kind == EventKind.ORDER_ACCEPTED:
                self._filled[event.order_id] = 0
        return events

    def place(self, foreign_id: int, side: Side, price_ticks: int, quantity_lots: int, **options: Any) -> list[Event]:
        """Send a new order."""
        owner = OWNERS[side]
        events = self.send(commands.new_order(owner, BOOK, side, price_ticks, quantity_lots, **options))
        if events[0].kind == EventKind.ORDER_ACCEPTED:
            self._order_ids[foreign_id], self._owners[foreign_id] = events[0].order_id, owner
            self.foreign_ids[events[0].order_id] = foreign_id
        return events

    def cancel(self, foreign_id: int) -> list[Event]:
        """Cancel the latest order of that id."""
        return self.send(commands.cancel_order(*self._order(foreign_id)))

    def requeue(self, foreign_id: int, price_ticks: int, leaves_lots: int) -> list[Event]:
        """Give the latest order of that id a price and an open quantity, behind all others at that price."""
        account, order_id = self._order(foreign_id)
        total = self._filled.get(order_id, 0) + leaves_lots
        return self.send(commands.replace_order(account, order_id, price_ticks, total, flags=OrderFlag.REQUEUE))

    def leaves(self, foreign_id: int) -> int:
        """Return the lots that the latest order of that id has open, 0 if it is gone."""
        _, order_id = self._order(foreign_id)
        open_orders = self.engine.open_order_rows()
        return int(open_orders["leaves_lots"][open_orders["order_id"] == order_id].sum())

    def depth(self, limit: int = 1 << 20) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return bids and asks as (price, lots), best first, as the public sees them."""
        depth = self.market.depth(BOOK, limit)
        return depth.bids, depth.asks

    def depth_of_orders(self) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
        """Return the same, added up from the engine's own orders."""
        return _levels(self.engine, Side.BUY)[::-1], _levels(self.engine, Side.SELL)

    def _order(self, foreign_id: int) -> tuple[int, int]:
        return self._owners.get(foreign_id, OWNERS[Side.BUY]), self._order_ids.get(foreign_id, 0)


def new_venue(engine: type[Engine] | type[Reference]) -> Venue:
    """Return an empty book in a new engine."""
    return Venue(engine(TEST))


def _levels(engine: Engine | Reference, side: Side) -> list[tuple[int, int]]:
    orders = engine.open_order_rows()
    open_lots = sorted(orders[["price_ticks", "leaves_lots"]][orders["side"] == side].tolist())
    return [(price, sum(lots for _, lots in level)) for price, level in groupby(open_lots, key=lambda row: row[0])]
