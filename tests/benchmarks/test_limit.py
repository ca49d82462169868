"""The bare book beside which the core is read makes the trades of the oracle, and says so when it does not."""

import pytest

from benchmarks import limit
from benchmarks.workload import MIXES, generate

pytestmark = pytest.mark.timeout(600)  # it is compiled at its first use

ROWS = 3_000


@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: mix.name)
def test_the_bare_book_makes_the_trades_of_the_oracle(mix):
    timed = limit.measure(generate(mix, ROWS), 1)
    assert timed.deviation == ""
    assert timed.commands_per_second > 0


def test_another_trade_than_the_oracle_s_is_noticed():
    workload = generate(MIXES[0], ROWS)
    altered = workload.trades.copy()
    altered["qty"][-1] += 1
    assert limit.measure(workload._replace(trades=altered), 1).deviation == "the trades differ from the oracle's"
