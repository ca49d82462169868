"""Events in, rows of the ledger out: pure numpy, a whole batch at a time.

The chart: accounts above 0 are participants', 0 is the exchange's own, -1 the world outside, -2 what is owed as issued.

| event | gives | receives |
|---|---|---|
| traded | buyer: notional and fee; seller: units | seller: notional less fee; buyer: units; 0: both fees |
| trade busted | the two movements of that trade with opposite signs | |
| deposited | -1 | account |
| withdrawn | account | -1 |
| issued | -2 | account |
| redeemed, units expired | account | -2 |
| transferred, whatever the purpose | account | counter account |

Each row of this table is a movement, a trade two: one asset, an account, another one, and what account 0 gets of it.
A movement's two or three postings sum to zero; a fee of nothing is not posted.
"""

from typing import NamedTuple

import numpy as np

from exchange.core.records import EVENT
from exchange.core.types import EventKind, Side
from settlement.records import (
    ACCOUNT,
    ASSET,
    ENTRY,
    INSTRUMENT,
    ISSUANCE_ACCOUNT,
    MOVEMENT,
    MOVEMENTS_PER_ENTRY_MAX,
    OUTSIDE_ACCOUNT,
    TRADE,
)

CONTRA_ACCOUNTS = {
    EventKind.DEPOSITED: OUTSIDE_ACCOUNT,
    EventKind.WITHDRAWN: OUTSIDE_ACCOUNT,
    EventKind.ISSUED: ISSUANCE_ACCOUNT,
    EventKind.REDEEMED: ISSUANCE_ACCOUNT,
    EventKind.UNITS_EXPIRED: ISSUANCE_ACCOUNT,
}
ENTRY_KINDS = (*CONTRA_ACCOUNTS, EventKind.TRANSFERRED, EventKind.TRADE_BUSTED)
_INCREASES = (EventKind.DEPOSITED, EventKind.ISSUED)


class Rows(NamedTuple):
    """What a range of events means to the ledger, each table in the order of the events."""

    assets: np.ndarray
    accounts: np.ndarray
    instruments: np.ndarray
    trades: np.ndarray
    entries: np.ndarray
    movements: np.ndarray


def rows(events: np.ndarray, first_seq: int, instruments: np.ndarray) -> Rows:
    """Return the rows of EVENT records numbered from `first_seq`; `instruments` are those listed before them."""
    seq = np.arange(first_seq, first_seq + len(events), dtype=np.int64)
    kind = events["kind"]
    traded = kind == EventKind.TRADED
    listed = _listed(events, seq)
    known = np.concatenate((instruments, listed))
    trades = _trades(_chosen(events, traded), seq[traded])
    movements = trade_movements(trades, known)
    _check_notional(movements, trades["seller_fee"], events["amount"][traded])
    entered = np.isin(kind, ENTRY_KINDS)
    entries = _chosen(events, entered)
    if len(entries):
        movements = np.concatenate((movements, *_entry_movements(entries, seq[entered], known)))
        movements = movements[np.argsort(movements["movement_id"])]
    return Rows(
        _assets(events, seq), _accounts(events, seq), listed, trades, _entries(entries, seq[entered]), movements
    )


def trade_movements(trades: np.ndarray, instruments: np.ndarray) -> np.ndarray:
    """Return the two movements of each TRADE record, cash and units; instrument n is the n-th of `instruments`."""
    index = trades["instrument"] - 1
    notional = trades["price_ticks"] * trades["quantity_lots"] * instruments["tick_value"][index]
    movements = np.empty((len(trades), MOVEMENTS_PER_ENTRY_MAX), MOVEMENT)
    movements["movement_id"] = trades["seq"][:, None] * MOVEMENTS_PER_ENTRY_MAX + range(MOVEMENTS_PER_ENTRY_MAX)
    movements["account"] = trades["buyer"][:, None]
    movements["contra_account"] = trades["seller"][:, None]
    cash, units = movements[:, 0], movements[:, 1]
    cash["asset"], units["asset"] = instruments["quote"][index], instruments["base"][index]
    cash["amount"] = -notional - trades["buyer_fee"]
    cash["contra_amount"] = notional - trades["seller_fee"]
    cash["fee"] = trades["buyer_fee"] + trades["seller_fee"]
    units["amount"] = trades["quantity_lots"] * instruments["lot_units"][index]
    units["contra_amount"] = -units["amount"]
    units["fee"] = 0
    return movements.reshape(-1)


def _check_notional(movements: np.ndarray, seller_fee: np.ndarray, notional: np.ndarray) -> None:
    cash_to_seller = movements["contra_amount"][::MOVEMENTS_PER_ENTRY_MAX]
    assert np.array_equal(cash_to_seller + seller_fee, notional), "another notional"


def _chosen(events: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Return the events under the mask; as bytes, for numpy copies records field by field."""
    chosen: np.ndarray = np.ascontiguousarray(events).view(f"V{EVENT.itemsize}")[mask].view(EVENT)
    return chosen


def _entry_movements(events: np.ndarray, seq: np.ndarray, instruments: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the movements of all that is no trade: one each, and a trade's two reversed for each bust."""
    busted = events["kind"] == EventKind.TRADE_BUSTED
    undone = _trades(events[busted], seq[busted])
    reversals = trade_movements(undone, instruments)
    _check_notional(reversals, undone["seller_fee"], events["amount"][busted])
    for name in ("amount", "contra_amount", "fee"):
        reversals[name] = -reversals[name]
    return _single_movements(events[~busted], seq[~busted]), reversals


def _single_movements(events: np.ndarray, seq: np.ndarray) -> np.ndarray:
    """Return a movement for each event: of the account, and of the one on the other side."""
    movements = np.zeros(len(seq), MOVEMENT)
    movements["movement_id"] = seq * MOVEMENTS_PER_ENTRY_MAX
    movements["account"], movements["asset"] = events["account"], events["asset"]
    movements["contra_account"] = events["counter_account"]
    for kind, account in CONTRA_ACCOUNTS.items():
        movements["contra_account"][events["kind"] == kind] = account
    amount = np.where(np.isin(events["kind"], _INCREASES), events["amount"], -events["amount"])
    movements["amount"], movements["contra_amount"] = amount, -amount
    return movements


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
    entries = np.zeros(len(events), ENTRY)
    entries["seq"] = seq
    entries["time_ns"] = events["time_ns"]
    entries["kind"] = events["kind"]
    entries["purpose"] = np.where(events["kind"] == EventKind.TRANSFERRED, events["state"], 0)
    busted = events["kind"] == EventKind.TRADE_BUSTED
    entries["instrument"] = np.where(busted, events["instrument"], 0)
    entries["trade_id"] = np.where(busted, events["trade_id"], 0)
    # a usage id, or the idempotency id of a transfer, travels in these two fields; they are zero in every other kind
    reference = np.stack((events["order_id"], events["counter_order_id"]), axis=1)
    entries["reference"] = np.ascontiguousarray(reference).view("V16").reshape(-1)
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
