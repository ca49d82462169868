"""Running balances against a plain dictionary."""

import numpy as np

from settlement import balances
from settlement.records import BALANCE, MOVEMENT
from tests.settlement.builders import postings


def _moves(*rows: tuple[int, int, int]) -> np.ndarray:
    """Return movements of an asset to an account from account -9, whose balances are of no interest."""
    return np.array([(0, asset, account, -9, amount, -amount, 0) for account, asset, amount in rows], MOVEMENT)


def _known(running: balances.Balances) -> list[tuple[int, int, int]]:
    return [row for row in balances.rows(running) if row[0] != -9]


def _logged(log: np.ndarray) -> list[tuple[int, ...]]:
    return [row for row in log.tolist() if row[0] != -9]


def test_a_batch_logs_each_balance_it_touched_once() -> None:
    running, log = balances.after(balances.empty(), _moves((2, 1, 5), (1, 1, 7), (2, 1, -2), (-1, 1, -10)), 1)
    assert _logged(log) == [(-1, 1, 1, 0, -10), (1, 1, 1, 0, 7), (2, 1, 1, 0, 3)]
    assert _known(running) == [(-1, 1, -10), (1, 1, 7), (2, 1, 3)]


def test_the_next_batch_names_the_one_before() -> None:
    running, _ = balances.after(balances.empty(), _moves((1, 1, 7), (2, 1, 3)), 1)
    running, _ = balances.after(running, _moves((3, 1, 1)), 2)
    _, log = balances.after(running, _moves((1, 1, -7), (3, 1, 1)), 3)
    assert _logged(log) == [(1, 1, 3, 1, 0), (3, 1, 3, 2, 2)]


def test_balances_before_a_batch_stay_as_they_were() -> None:
    before, _ = balances.after(balances.empty(), _moves((1, 1, 7)), 1)
    balances.after(before, _moves((1, 1, 1), (0, 1, 1)), 2)
    assert _known(before) == [(1, 1, 7)]


def test_no_movements_change_nothing() -> None:
    before, _ = balances.after(balances.empty(), _moves((1, 1, 7)), 1)
    running, log = balances.after(before, _moves(), 2)
    assert (_known(running), log.tolist()) == ([(1, 1, 7)], [])


def test_sums_are_exact_where_floats_and_single_steps_would_not_be() -> None:
    huge = 2**62
    running, _ = balances.after(balances.empty(), _moves((1, 1, huge), (1, 1, huge), (1, 1, -huge), (1, 1, 1)), 1)
    assert _known(running) == [(1, 1, huge + 1)]


def test_loaded_balances_go_on() -> None:
    running = balances.load(np.array([(5, 2, 9, 4, 50), (-1, 1, 8, 7, -3)], BALANCE))
    _, log = balances.after(running, _moves((5, 2, 1), (-1, 1, 1)), 10)
    assert _logged(log) == [(-1, 1, 10, 8, -2), (5, 2, 10, 9, 51)]


def test_a_fee_is_the_exchanges_and_a_fee_of_nothing_is_not_logged() -> None:
    trade = np.array([(0, 1, 5, 6, -12, 10, 2), (1, 2, 5, 6, 7, -7, 0)], MOVEMENT)
    _, log = balances.after(balances.empty(), trade, 1)
    assert [(row[0], row[1], row[4]) for row in log.tolist()] == [
        (0, 1, 2),
        (5, 1, -12),
        (5, 2, 7),
        (6, 1, 10),
        (6, 2, -7),
    ]


def test_random_batches_match_a_dictionary() -> None:
    draw = np.random.default_rng(3)
    running, expected = balances.empty(), {}
    for batch in range(1, 50):
        found = np.zeros(int(draw.integers(1, 40)), MOVEMENT)
        found["account"], found["contra_account"] = draw.integers(-2, 20, (2, len(found)))
        found["asset"] = draw.integers(1, 4, len(found))
        found["amount"] = draw.integers(-(10**15), 10**15, len(found))
        found["fee"] = draw.integers(-1, 2, len(found))
        found["contra_amount"] = -found["amount"] - found["fee"]
        running, log = balances.after(running, found, batch)
        for _, account, asset, amount in postings(found):
            expected[account, asset] = expected.get((account, asset), 0) + amount
        for account, asset, _, _, balance in log.tolist():
            assert balance == expected[account, asset]
    assert balances.rows(running) == [(*key, amount) for key, amount in sorted(expected.items())]
