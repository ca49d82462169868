"""What the clerk reads out of the event log: trades of licences, their busts, and the transfers of their escrows."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from exchange.core import commands
from exchange.core.types import EventKind, Side, TransferPurpose
from exchange.events import Event, rows
from settlement.licences import Case, Followed, Leg, Traded, leg_of, transfer_id
from settlement.seats import Burned


class Watched(NamedTuple):
    """The licences whose trades are followed: the quote asset of each, and a table of instruments."""

    quotes: Mapping[int, int]
    table: np.ndarray  # of truth values, by instrument
    bases: Mapping[int, int]  # the instrument of each licence asset


def watched(quotes: Mapping[int, int], bases: Mapping[int, int] | None = None) -> Watched:
    """Return what to follow for the instruments with these quote assets, and of these base assets."""
    table = np.zeros(max(quotes, default=0) + 1, bool)
    table[list(quotes)] = True
    return Watched(quotes, table, bases or {})


def concerning(events: np.ndarray, watch: Watched) -> list[tuple[int, Event]]:
    """Return the events that the clerk acts on, with their places; the cost is that of arrays, for most have none."""
    kinds = events["kind"]
    found = np.flatnonzero(
        (kinds == EventKind.TRADED)
        | (kinds == EventKind.TRADE_BUSTED)
        | (kinds == EventKind.TRANSFERRED)
        | (kinds == EventKind.UNITS_EXPIRED)
    )
    if not len(found):
        return []
    instruments = events["instrument"][found]
    is_licence = (instruments < len(watch.table)) & watch.table[np.minimum(instruments, len(watch.table) - 1)]
    is_other = (kinds[found] == EventKind.TRANSFERRED) | (kinds[found] == EventKind.UNITS_EXPIRED)
    places = found[is_licence | is_other]
    return list(zip(places.tolist(), rows(events[places]), strict=True))


def find(events: np.ndarray, after: int, watch: Watched) -> Followed:
    """Return what events behind number `after` say."""
    trades, legs, busts, burns = [], [], [], []
    for place, event in concerning(events, watch):
        number = after + 1 + place
        if event.kind == EventKind.TRADED:
            trades.append(traded(number, event, watch.quotes[event.instrument]))
        elif event.kind == EventKind.TRADE_BUSTED:
            busts.append((event.instrument, event.trade_id, number))
        elif event.kind == EventKind.UNITS_EXPIRED:
            if (instrument := watch.bases.get(event.asset)) is not None:
                burns.append(Burned(instrument, event.account, event.amount, number))
        elif (leg := leg_of(event.order_id, event.counter_order_id)) is not None:
            legs.append((*leg, number))
    time_ns = int(events["time_ns"][-1]) if len(events) else 0
    return Followed(after + len(events), trades, legs, busts, time_ns, burns)


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
