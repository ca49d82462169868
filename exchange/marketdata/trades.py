"""The public trades of one instrument, as many of the latest as the limit allows."""

from bisect import bisect_left
from collections import deque
from itertools import islice
from operator import itemgetter
from typing import NamedTuple

_TRADE_ID = itemgetter(0)


class Trade(NamedTuple):
    """One public print; `amount` is its notional in quote units."""

    trade_id: int
    time_ns: int
    price_ticks: int
    quantity_lots: int
    amount: int
    is_buyer_maker: bool


class Trades:
    """The latest trades, oldest first."""

    __slots__ = ("_trades", "add")

    def __init__(self, trades_max: int) -> None:
        self._trades: deque[Trade] = deque(maxlen=trades_max)
        self.add = self._trades.append  # Trade -> None; once per trade, so without a call in between

    def recent(self, since_ns: int) -> tuple[int, int]:
        """Return the lots traded since a time, and their notional."""
        lots = amount = 0
        for trade in reversed(self._trades):
            if trade.time_ns < since_ns:
                break
            lots += trade.quantity_lots
            amount += trade.amount
        return lots, amount

    def read(self, limit: int, from_id: int | None = None) -> list[Trade]:
        """Return the last `limit` trades, or with `from_id` the first `limit` from that id on; oldest first."""
        trades = self._trades
        if from_id is None:
            return list(islice(reversed(trades), limit))[::-1]
        kept = list(trades)
        begin = bisect_left(kept, from_id, key=_TRADE_ID)
        return kept[begin : begin + limit]
