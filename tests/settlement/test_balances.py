"""Running balances against a plain dictionary."""

import numpy as np

from settlement import balances
from settlement.records import BALANCE, POSTING


def _postings(*rows: tuple[int, int, int]) -> np.ndarray:
    return np.array([(number, *row) for number, row in enumerate(rows)], POSTING)


def test_a_batch_logs_each_balance_it_touched_once() -> None:
    running, log = balances.after(balances.empty(), _postings((2, 1, 5), (1, 1, 7), (2, 1, -2), (-1, 1, -10)), 1)
    assert log.tolist() == [(-1, 1, 1, 0, -10), (1, 1, 1, 0, 7), (2, 1, 1, 0, 3)]
    assert balances.rows(running) == [(-1, 1, -10), (1, 1, 7), (2, 1, 3)]


def test_the_next_batch_names_the_one_before() -> None:
    running, _ = balances.after(balances.empty(), _postings((1, 1, 7), (2, 1, 3)), 1)
    running, _ = balances.after(running, _postings((3, 1, 1)), 2)
    _, log = balances.after(running, _postings((1, 1, -7), (3, 1, 1)), 3)
    assert log.tolist() == [(1, 1, 3, 1, 0), (3, 1, 3, 2, 2)]


def test_balances_before_a_batch_stay_as_they_were() -> None:
    before, _ = balances.after(balances.empty(), _postings((1, 1, 7)), 1)
    balances.after(before, _postings((1, 1, 1), (0, 1, 1)), 2)
    assert balances.rows(before) == [(1, 1, 7)]


def test_no_postings_change_nothing() -> None:
    before, _ = balances.after(balances.empty(), _postings((1, 1, 7)), 1)
    running, log = balances.after(before, _postings(), 2)
    assert (balances.rows(running), log.tolist()) == ([(1, 1, 7)], [])


def test_sums_are_exact_where_floats_and_single_steps_would_not_be() -> None:
    huge = 2**62
    running, _ = balances.after(balances.empty(), _postings((1, 1, huge), (1, 1, huge), (1, 1, -huge), (1, 1, 1)), 1)
    assert balances.rows(running) == [(1, 1, huge + 1)]


def test_loaded_balances_go_on() -> None:
    running = balances.load(np.array([(5, 2, 9, 4, 50), (-1, 1, 8, 7, -3)], BALANCE))
    _, log = balances.after(running, _postings((5, 2, 1), (-1, 1, 1)), 10)
    assert log.tolist() == [(-1, 1, 10, 8, -2), (5, 2, 10, 9, 51)]


def test_random_batches_match_a_dictionary() -> None:
    draw = np.random.default_rng(3)
    running, expected = balances.empty(), {}
    for batch in range(1, 50):
        found = np.zeros(int(draw.integers(1, 40)), POSTING)
        found["account"] = draw.integers(-2, 20, len(found))
        found["asset"] = draw.integers(1, 4, len(found))
        found["amount"] = draw.integers(-(10**15), 10**15, len(found))
        running, log = balances.after(running, found, batch)
        for _, account, asset, amount in found.tolist():
            expected[account, asset] = expected.get((account, asset), 0) + amount
        for account, asset, _, _, balance in log.tolist():
            assert balance == expected[account, asset]
    assert balances.rows(running) == [(*key, amount) for key, amount in sorted(expected.items())]
