"""Running balances of every account and asset, kept beside the ledger by whoever extends or checks it.

A value: `after` returns new balances and leaves the old ones as they were, so that a batch that Postgres
did not take is forgotten by forgetting its result.
"""

from typing import NamedTuple

import numpy as np

from exchange.core.types import EXCHANGE_ACCOUNT
from settlement.records import BALANCE, MOVEMENT

_ASSET_BITS = 32


class Balances(NamedTuple):
    """Parallel arrays: account and asset as one sorted key, what is held, and the batch that touched it last."""

    keys: np.ndarray
    amounts: np.ndarray
    batches: np.ndarray
    base: int = 0  # the batch that a balance names which was never touched: its shard's number 0


def empty(base: int = 0) -> Balances:
    """Return balances before the first posting."""
    none = np.empty(0, np.int64)
    return Balances(none, none, none, base)


def load(log: np.ndarray, base: int = 0) -> Balances:
    """Return the balances that BALANCE records state, the latest of each account and asset."""
    keys = _keys(log["account"], log["asset"])
    order = np.argsort(keys)
    return Balances(keys[order], log["balance"][order].astype(np.int64), log["batch"][order].astype(np.int64), base)


def after(balances: Balances, movements: np.ndarray, batch: int) -> tuple[Balances, np.ndarray]:
    """Return the balances after a batch's MOVEMENT records, and a BALANCE record for each that was touched.

    Sums wrap around within a batch and are exact at its end: no balance comes near 2**63.
    """
    if len(movements) == 0:
        return balances, np.empty(0, BALANCE)
    keys, changes = _legs(movements)
    order = np.argsort(keys, kind="stable")
    keys = keys[order]
    begins = np.flatnonzero(np.concatenate(([True], keys[1:] != keys[:-1])))
    touched = keys[begins]
    known, amounts, batches, base = _with_keys(balances, touched)
    where = np.searchsorted(known, touched)
    amounts[where] += np.add.reduceat(changes[order], begins)
    log = np.empty(len(touched), BALANCE)
    log["account"] = touched >> _ASSET_BITS
    log["asset"] = touched & ((1 << _ASSET_BITS) - 1)
    log["batch"] = batch
    log["previous_batch"] = batches[where]
    log["balance"] = amounts[where]
    batches[where] = batch
    return Balances(known, amounts, batches, base), log


def rows(balances: Balances) -> list[tuple[int, int, int]]:
    """Return (account, asset, balance) of each, sorted."""
    accounts, assets = balances.keys >> _ASSET_BITS, balances.keys & ((1 << _ASSET_BITS) - 1)
    return list(zip(accounts.tolist(), assets.tolist(), balances.amounts.tolist(), strict=True))


def _legs(movements: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return key and amount of every posting that the movements mean; a fee of nothing is none."""
    with_fee = movements[movements["fee"] != 0]
    fees = np.full(len(with_fee), EXCHANGE_ACCOUNT, MOVEMENT["account"])
    keys = (
        _keys(movements["account"], movements["asset"]),
        _keys(movements["contra_account"], movements["asset"]),
        _keys(fees, with_fee["asset"]),
    )
    return np.concatenate(keys), np.concatenate((movements["amount"], movements["contra_amount"], with_fee["fee"]))


def _keys(accounts: np.ndarray, assets: np.ndarray) -> np.ndarray:
    keys: np.ndarray = (accounts.astype(np.int64) << _ASSET_BITS) | assets.astype(np.int64)
    return keys


def _with_keys(balances: Balances, keys: np.ndarray) -> Balances:
    """Return copies of the arrays with a zero balance for each key that was not there."""
    where = np.searchsorted(balances.keys, keys)
    inside = where < len(balances.keys)
    missing = ~inside
    missing[inside] = balances.keys[where[inside]] != keys[inside]
    gaps = where[missing]
    return Balances(
        np.insert(balances.keys, gaps, keys[missing]),
        np.insert(balances.amounts, gaps, 0),
        np.insert(balances.batches, gaps, balances.base),
        balances.base,
    )
