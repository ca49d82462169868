"""Which series of a pool pays for which record, for many keys at a time: each drawn empty before the next is touched.

A pool is what the records of one key draw on, all in the same order: everything it has, or what it has for one side. As
long as a pool holds enough for all its records this is a matter of where two rows of numbers, laid end to end, meet.
"""

from typing import NamedTuple

import numpy as np

LOTS_MAX = 63  # of a pool: a record has fewer parts than its ids allow
TOTAL_MAX = 1 << 55  # needed of one pool: so that sums over a pool stay far from the edge


class Drawn(NamedTuple):
    """What entries take of lots, by entry and lot."""

    entry: np.ndarray
    lot: np.ndarray
    amount: np.ndarray


def cascade(pool: np.ndarray, need: np.ndarray, lot_pool: np.ndarray, units: np.ndarray) -> Drawn:
    """Return what each entry takes of each lot.

    Entries and lots come pool by pool, pools counting from 0; each pool has at least what its entries need, and need is
    at least 1.
    """
    totals = np.zeros(int(lot_pool[-1]) + 1, np.int64)
    np.add.at(totals, pool, need)
    bases = totals.cumsum() - totals
    stop = need.cumsum()
    start = stop - need
    capped = np.minimum(units, totals[lot_pool])
    held = capped.cumsum()
    firsts = np.searchsorted(lot_pool, np.arange(len(totals)))
    before = (held - capped)[firsts]
    ends = np.minimum(held - before[lot_pool], totals[lot_pool]) + bases[lot_pool]
    first, last = ends.searchsorted(start, "right"), ends.searchsorted(stop - 1, "right")
    counts = last - first + 1
    entry = np.repeat(np.arange(len(need)), counts)
    lot = np.arange(len(entry)) - np.repeat(counts.cumsum() - counts, counts) + first[entry]
    begins = np.concatenate(([0], ends[:-1]))
    amount = np.minimum(stop[entry], ends[lot]) - np.maximum(start[entry], begins[lot])
    kept = amount > 0
    return Drawn(entry[kept], lot[kept], amount[kept])
