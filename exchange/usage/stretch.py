"""How many of a key's next records can be paid in one go: until a record needs more than one series for a side.

Within such a stretch a record is covered by the first series that has units for each of its sides, or refused because
what is left cannot cover it, or, where there are no units at all, paid in cash. A refused record takes nothing, and
what is left only falls, so all of that is decided on what there was at the beginning. Pure functions over arrays.
"""

from typing import NamedTuple

import numpy as np

from exchange.registry.units import INT64_MAX


class Standing(NamedTuple):
    """What a key has: units by series in the order of use, which side each pays for, and cash."""

    left: np.ndarray  # (series,)
    pays: np.ndarray  # (2, series), bool
    price: np.ndarray  # of a lot beyond the units, 0: none is known
    lot_units: np.ndarray
    cash: int
    pays_overrun: bool


class Stretch(NamedTuple):
    """The first `length` records: each is covered, paid in cash, or neither."""

    length: int
    covered: np.ndarray
    first: np.ndarray  # (n, 2): the series that covers each side
    bought: np.ndarray  # paid in cash altogether
    price: np.ndarray  # what those cost


def stretch(need: np.ndarray, usable: np.ndarray, standing: Standing) -> Stretch:
    """Return what may be paid at once; need is (n, 2), usable (n, series): which series may pay for which record."""
    by_side = usable[:, None, :] & standing.pays[None, :, :]
    first = (by_side & (standing.left > 0)).argmax(axis=2)
    there = by_side @ standing.left
    reachable = by_side.any(axis=2)
    covered = ((need == 0) | ((there > 0) & (need <= standing.left[first]))).all(axis=1)
    short = need > there
    if standing.pays_overrun:
        dry = ((need == 0) | (there == 0)).all(axis=1) & ~covered
        price, is_known = _prices(need, by_side, standing)
        bought = dry & is_known & (price <= standing.cash)
        refused = dry & ~bought & (is_known | ~(reachable | (need == 0)).all(axis=1))
    else:
        price, bought = np.zeros(len(need), np.int64), np.zeros(len(need), bool)
        refused = short.any(axis=1)
    sound = covered | bought | refused
    taken = np.zeros((len(need), len(standing.left)), np.int64)
    rows = np.arange(len(need))
    for side in (0, 1):
        taken[rows, first[:, side]] += need[:, side] * covered
    sound &= (taken.cumsum(axis=0) <= standing.left).all(axis=1)
    sound &= (price * bought).cumsum() <= standing.cash
    length = len(need) if sound.all() else int(sound.argmin())
    return Stretch(length, covered, first, bought, price)


def _prices(need: np.ndarray, by_side: np.ndarray, standing: Standing) -> tuple[np.ndarray, np.ndarray]:
    """Return what each record costs in cash, and whether that is known: at the last series that may pay for a side."""
    last = by_side.shape[2] - 1 - by_side[:, :, ::-1].argmax(axis=2)
    price, lot_units = standing.price[last], standing.lot_units[last]
    known = (need == 0) | (by_side.any(axis=2) & (price > 0))
    known &= price <= INT64_MAX // 4 // (np.maximum(need, 1) * max(1, len(need)))
    cost = -(-np.where(known, need * price, 0) // lot_units)
    return cost.sum(axis=1), known.all(axis=1)
