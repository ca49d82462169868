"""The public trades of one instrument: what is told of each."""

from typing import NamedTuple


class Trade(NamedTuple):
    """One public print; `amount` is its notional in quote units."""

    trade_id: int
    time_ns: int
    price_ticks: int
    quantity_lots: int
    amount: int
    is_buyer_maker: bool
