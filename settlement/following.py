"""What the clerk reads out of the event log: trades of licences, their busts, and the transfers of their escrows."""

from collections.abc import Mapping

import numpy as np

from exchange.core import commands
from exchange.core.types import EventKind, Side, TransferPurpose
from exchange.events import Event, rows
from settlement.licences import Case, Followed, Leg, Traded, leg_of, transfer_id

_TRADES = (EventKind.TRADED, EventKind.TRADE_BUSTED)


def concerning(events: np.ndarray, quotes: Mapping[int, int]) -> list[tuple[int, Event]]:
    """Return the events that the clerk acts on, with their places; `quotes` is the quote asset of each licence."""
    kinds = events["kind"]
    traded = np.flatnonzero(np.isin(kinds, _TRADES))
    places = traded[np.isin(events["instrument"][traded], list(quotes))]
    moved = np.flatnonzero(kinds == EventKind.TRANSFERRED)
    places = np.sort(np.concatenate([places, moved]))
    return list(zip(places.tolist(), rows(events[places]), strict=True))


def find(events: np.ndarray, after: int, quotes: Mapping[int, int]) -> Followed:
    """Return what events behind number `after` say."""
    trades, legs, busts = [], [], []
    for place, event in concerning(events, quotes):
        number = after + 1 + place
        if event.kind == EventKind.TRADED:
            trades.append(traded(number, event, quotes[event.instrument]))
        elif event.kind == EventKind.TRADE_BUSTED:
            busts.append((event.instrument, event.trade_id or event.order_id, number))
        elif (leg := leg_of(event.order_id, event.counter_order_id)) is not None:
            legs.append((*leg, number))
    time_ns = int(events["time_ns"][-1]) if len(events) else 0
    return Followed(after + len(events), trades, legs, busts, time_ns)


def traded(number: int, event: Event, quote: int) -> Traded:
    """Return what a TRADED event says; the seller's proceeds are the notional less its fee."""
    is_buyer_told = event.side == Side.BUY
    buyer, seller = (event.account, event.counter_account)[:: 1 if is_buyer_told else -1]
    seller_fee = event.counter_fee if is_buyer_told else event.fee
    return Traded(
        number,
        event.trade_id,
        event.sequence,
        event.time_ns,
        event.instrument,
        buyer,
        seller,
        event.quantity_lots,
        quote,
        event.amount,
        event.amount - seller_fee,
    )


def hold(trade: Traded, escrow_account: int) -> bytes:
    """Return the command that takes a trade's proceeds into escrow; nothing where there are none."""
    if trade.proceeds <= 0:
        return b""
    return commands.transfer(
        trade.seller,
        escrow_account,
        trade.quote,
        trade.proceeds,
        TransferPurpose.ESCROW_HELD,
        transfer_id(trade.trade, Leg.HELD),
    )


def transfers(case: Case, escrow_account: int, base: int, lot_units: int) -> list[tuple[Leg, bytes]]:
    """Return the transfers that an escrow waits for, those of units first: cash goes back only once they did."""
    row, into = case.escrow, TransferPurpose
    made = {
        Leg.HELD: (row.seller, escrow_account, row.quote, row.proceeds, into.ESCROW_HELD),
        Leg.PAID: (escrow_account, row.seller, row.quote, row.proceeds - row.royalty, into.ESCROW_RELEASED),
        Leg.ROYALTY: (escrow_account, row.holder, row.quote, row.royalty, into.ROYALTY),
        Leg.UNITS_BACK: (row.buyer, row.seller, base, row.lots * lot_units, into.CORRECTION),
        Leg.CASH_BACK: (escrow_account, row.buyer, row.quote, row.proceeds, into.ESCROW_RELEASED),
    }
    return [(leg, commands.transfer(*made[leg], transfer_id(row.trade, leg))) for leg in sorted(row.wanted)]
