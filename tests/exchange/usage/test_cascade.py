"""Pools drawn in order: what a loop over entries and lots would take."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from exchange.usage.cascade import cascade

_POOLS = st.lists(
    st.tuples(
        st.lists(st.integers(1, 30), min_size=1, max_size=6), st.lists(st.integers(0, 40), min_size=1, max_size=5)
    ),
    min_size=1,
    max_size=5,
)


@given(_POOLS)
def test_each_lot_is_drawn_empty_before_the_next(pools: list[tuple[list[int], list[int]]]) -> None:
    pools = [(needs, [*lots, sum(needs)]) for needs, lots in pools]  # so that there is enough
    pool = np.repeat(np.arange(len(pools)), [len(needs) for needs, _ in pools])
    lot_pool = np.repeat(np.arange(len(pools)), [len(lots) for _, lots in pools])
    need = np.array([one for needs, _ in pools for one in needs])
    units = np.array([one for _, lots in pools for one in lots])
    expected, left = [], units.tolist()
    for entry, (number, wanted) in enumerate(zip(pool.tolist(), need.tolist(), strict=True)):
        rest = wanted
        for lot in np.flatnonzero(lot_pool == number).tolist():
            part = min(rest, left[lot])
            left[lot] -= part
            rest -= part
            expected += [(entry, lot, part)] if part else []
    drawn = cascade(pool, need, lot_pool, units)
    assert list(zip(*[column.tolist() for column in drawn], strict=True)) == expected
