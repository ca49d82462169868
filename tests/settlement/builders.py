"""Events as numpy records, without an engine: a market with rich accounts, and trades in it."""

from typing import Any

import numpy as np

from exchange.core.records import EVENT
from exchange.core.types import AssetKind, EventKind, Side

CASH = 1  # the only cash asset; instrument n trades asset n + 1
LOT_UNITS = 1_000_000
TICK_VALUE = 100
CASH_AT_START = 10**15
UNITS_AT_START = 10**13


def event(kind: EventKind, **fields: Any) -> np.ndarray:
    """Return one EVENT record as an array; sequence and time are set by `stream`."""
    found = np.zeros(1, EVENT)
    found["kind"] = kind
    for name, value in fields.items():
        found[name] = value
    return found


def stream(*parts: np.ndarray, start: int = 1) -> np.ndarray:
    """Return the parts as one stream, numbered and timed from event `start` on: event n happens at n microseconds."""
    events = np.concatenate(parts)
    events["sequence"] = np.arange(start, start + len(events))
    events["time_ns"] = events["sequence"] * 1000
    return events


def market(accounts: int = 4, instruments: int = 2) -> np.ndarray:
    """Return what opens a market: assets, accounts 1.., instruments 1.., and plenty of cash and units for each."""
    parts = [event(EventKind.ASSET_CREATED, asset=CASH, state=AssetKind.CASH)]
    parts += [
        event(EventKind.ACCOUNT_CREATED, account=account, counter_account=account, state=1)
        for account in range(1, accounts + 1)
    ]
    for instrument in range(1, instruments + 1):
        base = instrument + 1
        parts.append(event(EventKind.ASSET_CREATED, asset=base, state=AssetKind.ALLOWANCE, account=1))
        parts.append(
            event(
                EventKind.INSTRUMENT_LISTED,
                instrument=instrument,
                asset=base,
                counter_account=CASH,
                amount=LOT_UNITS,
                price_ticks=TICK_VALUE,
                quantity_lots=1,
                leaves_lots=10**6,
            )
        )
    for account in range(1, accounts + 1):
        parts.append(event(EventKind.DEPOSITED, account=account, asset=CASH, amount=CASH_AT_START))
        parts += [
            event(EventKind.ISSUED, account=account, asset=instrument + 1, amount=UNITS_AT_START)
            for instrument in range(1, instruments + 1)
        ]
    return stream(*parts)


def trade(
    taker: int,
    maker: int,
    side: Side,
    price_ticks: int,
    quantity_lots: int,
    *,
    instrument: int = 1,
    fee: int = 0,
    counter_fee: int = 0,
    **fields: Any,
) -> np.ndarray:
    """Return one TRADED event; `fee` is the taker's."""
    return event(
        EventKind.TRADED,
        account=taker,
        counter_account=maker,
        side=side,
        instrument=instrument,
        asset=instrument + 1,
        price_ticks=price_ticks,
        quantity_lots=quantity_lots,
        amount=price_ticks * quantity_lots * TICK_VALUE,
        fee=fee,
        counter_fee=counter_fee,
        **fields,
    )


def trades(count: int, seed: int = 1, accounts: int = 4, instruments: int = 2) -> np.ndarray:
    """Return random trades with fees and rebates between the accounts of `market`."""
    draw = np.random.default_rng(seed)
    events = np.zeros(count, EVENT)
    events["kind"] = EventKind.TRADED
    events["side"] = draw.integers(0, 2, count)
    events["account"] = draw.integers(1, accounts + 1, count)
    events["counter_account"] = draw.integers(1, accounts + 1, count)
    events["instrument"] = draw.integers(1, instruments + 1, count)
    events["asset"] = events["instrument"] + 1
    events["price_ticks"] = draw.integers(900, 1100, count)
    events["quantity_lots"] = draw.integers(1, 10, count)
    events["amount"] = events["price_ticks"] * events["quantity_lots"] * TICK_VALUE
    events["fee"] = draw.integers(0, 1000, count)
    events["counter_fee"] = draw.integers(-100, 100, count)
    events["trade_id"] = np.arange(1, count + 1)
    events["order_id"] = draw.integers(1, 1 << 50, count)
    events["counter_order_id"] = draw.integers(1, 1 << 50, count)
    return events


def quiet(count: int) -> np.ndarray:
    """Return events that mean nothing to the ledger."""
    return np.concatenate([event(EventKind.ORDER_CANCELED, account=1, order_id=7)] * count)


def history(count: int = 100, seed: int = 1) -> np.ndarray:
    """Return a market, `count` random trades, and movements and quiet events among them."""
    moves = [
        event(EventKind.WITHDRAWN, account=1, asset=CASH, amount=1000),
        event(EventKind.REDEEMED, account=2, asset=2, amount=5, order_id=77, counter_order_id=-1),
        event(EventKind.DEPOSITED, account=3, asset=CASH, amount=12),
    ]
    random = trades(count, seed)
    half = count // 2
    busted = random[:1].copy()
    busted["kind"] = EventKind.TRADE_BUSTED
    moves += [
        event(EventKind.TRANSFERRED, account=1, counter_account=2, asset=CASH, amount=9, state=1, order_id=3),
        event(EventKind.UNITS_EXPIRED, account=4, asset=3, amount=8),
        busted,
    ]
    return stream(market(), random[:half], quiet(3), *moves, random[half:], quiet(2))


def postings(movements: np.ndarray) -> list[tuple[int, int, int, int]]:
    """Return posting id, account, asset and amount of every posting that MOVEMENT records mean."""
    found = []
    for movement_id, asset, account, contra_account, amount, contra_amount, fee in movements.tolist():
        legs = [(0, account, amount), (1, contra_account, contra_amount), (2, 0, fee)]
        found += [(movement_id * 4 + leg, who, asset, change) for leg, who, change in legs if leg < 2 or change]
    return found


class Events:
    """An event source in memory that grows when told to."""

    def __init__(self, events: np.ndarray, count: int | None = None) -> None:
        """Show the first `count` events, all if not given."""
        self.events = events
        self.count = len(events) if count is None else count

    def read(self, after: int, limit: int) -> np.ndarray:
        """Return events from number `after` + 1 on."""
        return self.events[after : min(after + limit, self.count)]
