"""Events in, rows of the ledger out: pure numpy, a whole batch at a time.

A trade is five postings: the buyer pays notional and fee, the seller receives notional less fee, the units change
hands, and the exchange earns both fees. Whatever enters or leaves is posted against a contra account.
Per event and asset the postings sum to zero.
"""

from typing import NamedTuple

import numpy as np

from exchange.core.records import EVENT
from exchange.core.types import EXCHANGE_ACCOUNT, EventKind, Side
from settlement.records import (
    ACCOUNT,
    ASSET,
    ENTRY,
    INSTRUMENT,
    ISSUANCE_ACCOUNT,
    OUTSIDE_ACCOUNT,
    POSTING,
    POSTINGS_PER_ENTRY_MAX,
    POSTINGS_PER_TRADE,
    TRADE,
)

CONTRA_ACCOUNTS = {
    EventKind.DEPOSITED: OUTSIDE_ACCOUNT,
    EventKind.WITHDRAWN: OUTSIDE_ACCOUNT,
    EventKind.ISSUED: ISSUANCE_ACCOUNT,
    EventKind.REDEEMED: ISSUANCE_ACCOUNT,
}
_INCREASES = (EventKind.DEPOSITED, EventKind.ISSUED)


class Rows(NamedTuple):
    """What a range of events means to the ledger, each table in the order of the events."""

    assets: np.ndarray
    accounts: np.ndarray
    instruments: np.ndarray
    trades: np.ndarray
    entries: np.ndarray
    postings: np.ndarray


def rows(events: np.ndarray, first_seq: int, instruments: np.ndarray) -> Rows:
    """Return the rows of EVENT records numbered from `first_seq`; `instruments` are those listed before them."""
    seq = np.arange(first_seq, first_seq + len(events), dtype=np.int64)
    kind = events["kind"]
    traded = kind == EventKind.TRADED
    moved = np.isin(kind, list(CONTRA_ACCOUNTS))
    listed = _listed(events, seq)
    trades = _trades(_chosen(events, traded), seq[traded])
    movements = _chosen(events, moved)
    postings = trade_postings(trades, np.concatenate((instruments, listed)))
    cash_to_seller = postings["amount"][1::POSTINGS_PER_TRADE]
    assert np.array_equal(cash_to_seller + trades["seller_fee"], events["amount"][traded]), "another notional"
    if len(movements):
        postings = np.concatenate((postings, _movement_postings(movements, seq[moved])))
        postings = postings[np.argsort(postings["posting_id"])]
    return Rows(
        _assets(events, seq),
        _accounts(events, seq),
        listed,
        trades,
        _entries(movements, seq[moved]),
        postings,
    )


def trade_postings(trades: np.ndarray, instruments: np.ndarray) -> np.ndarray:
    """Return the five postings of each TRADE record; instrument n is the n-th of `instruments`."""
    index = trades["instrument"] - 1
    base, quote = instruments["base"][index], instruments["quote"][index]
    notional = trades["price_ticks"] * trades["quantity_lots"] * instruments["tick_value"][index]
    units = trades["quantity_lots"] * instruments["lot_units"][index]
    legs = (
        (trades["buyer"], quote, -notional - trades["buyer_fee"]),
        (trades["seller"], quote, notional - trades["seller_fee"]),
        (trades["buyer"], base, units),
        (trades["seller"], base, -units),
        (EXCHANGE_ACCOUNT, quote, trades["buyer_fee"] + trades["seller_fee"]),
    )
    assert len(legs) == POSTINGS_PER_TRADE
    return _legs(trades["seq"], legs)


def _chosen(events: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the events under the mask; as bytes, for numpy copies records field by field."""
    chosen: np.ndarray = np.ascontiguousarray(events).view(f"V{EVENT.itemsize}")[mask].view(EVENT)
    return chosen


def _legs(seq: np.ndarray, legs: tuple[tuple[object, object, object], ...]) -> np.ndarray:
    postings = np.empty((len(seq), len(legs)), POSTING)
    for leg, (account, asset, amount) in enumerate(legs):
        postings["posting_id"][:, leg] = seq * POSTINGS_PER_ENTRY_MAX + leg
        postings["account"][:, leg] = account
        postings["asset"][:, leg] = asset
        postings["amount"][:, leg] = amount
    return postings.reshape(-1)


def _movement_postings(events: np.ndarray, seq: np.ndarray) -> np.ndarray:
    """Return two postings for each deposit, withdrawal, issuance and redemption."""
    contra = np.zeros(len(events), np.int32)
    for kind, account in CONTRA_ACCOUNTS.items():
        contra[events["kind"] == kind] = account
    amount = np.where(np.isin(events["kind"], _INCREASES), events["amount"], -events["amount"])
    return _legs(seq, ((events["account"], events["asset"], amount), (contra, events["asset"], -amount)))


def _trades(events: np.ndarray, seq: np.ndarray) -> np.ndarray:
    bought = events["side"] == Side.BUY  # by the taker, whose fields have no `counter_`
    trades = np.empty(len(events), TRADE)
    trades["seq"] = seq
    for name in ("time_ns", "trade_id", "instrument", "price_ticks", "quantity_lots"):
        trades[name] = events[name]
    for buyer, seller, taker in (
        ("buyer", "seller", "account"),
        ("buyer_order_id", "seller_order_id", "order_id"),
        ("buyer_fee", "seller_fee", "fee"),
    ):
        maker = f"counter_{taker}"
        trades[buyer] = np.where(bought, events[taker], events[maker])
        trades[seller] = np.where(bought, events[maker], events[taker])
    trades["taker_side"] = events["side"]
    return trades


def _entries(events: np.ndarray, seq: np.ndarray) -> np.ndarray:
    entries = np.empty(len(events), ENTRY)
    entries["seq"] = seq
    entries["time_ns"] = events["time_ns"]
    entries["kind"] = events["kind"]
    # the usage id of a redemption travels in these two fields; they are zero in every other kind
    usage = np.stack((events["order_id"], events["counter_order_id"]), axis=1)
    entries["usage_id"] = np.ascontiguousarray(usage).view("V16").reshape(-1)
    return entries


def _assets(events: np.ndarray, seq: np.ndarray) -> np.ndarray:
    return _register(
        events, seq, EventKind.ASSET_CREATED, ASSET, {"asset": "asset", "kind": "state", "issuer": "account"}
    )


def _accounts(events: np.ndarray, seq: np.ndarray) -> np.ndarray:
    fields = {"account": "account", "account_group": "counter_account"}
    return _register(events, seq, EventKind.ACCOUNT_CREATED, ACCOUNT, fields)


def _listed(events: np.ndarray, seq: np.ndarray) -> np.ndarray:
    fields = {
        "instrument": "instrument",
        "base": "asset",
        "quote": "counter_account",
        "lot_units": "amount",
        "tick_value": "price_ticks",
    }
    return _register(events, seq, EventKind.INSTRUMENT_LISTED, INSTRUMENT, fields)


def _register(
    events: np.ndarray, seq: np.ndarray, kind: EventKind, dtype: np.dtype, fields: dict[str, str]
) -> np.ndarray:
    """Return a row for each event of the kind, its columns taken from the named fields."""
    chosen = events["kind"] == kind
    found = np.empty(int(chosen.sum()), dtype)
    for column, field in fields.items():
        found[column] = events[field][chosen]
    found["seq"] = seq[chosen]
    return found
