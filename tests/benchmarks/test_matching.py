"""The benchmark of the core: the trades are those of the oracle, and what trades otherwise is said so."""

import sys
from importlib.util import find_spec

import numpy as np
import pytest

from benchmarks import matching, peers
from benchmarks.peers import PEERS, Timing
from benchmarks.workload import LIMIT, MIXES, MOVE, ROW, Workload, generate, trades_of
from exchange.core.types import EventKind

ROWS = 3_000

pytestmark = pytest.mark.timeout(600)  # the first use of a capacity compiles the kernels


@pytest.fixture(scope="module", params=MIXES, ids=lambda mix: mix.name)
def workload(request):
    return generate(request.param, ROWS)


def test_the_core_makes_the_trades_of_the_oracle(workload):
    encoded, told = matching.resolve(workload)
    assert matching.deviation(workload, told) == ""
    _, _, events = matching.run(encoded)
    assert events == sum(map(len, told))


def test_the_whole_core_works_fees_are_paid_and_nothing_is_prevented(workload):
    events = np.concatenate(matching.resolve(workload)[1])
    trades = events[events["kind"] == EventKind.TRADED]
    assert (trades["fee"] >= 0).all()
    assert trades["fee"].sum() > 0 > trades["counter_fee"].sum()
    assert not (events["kind"] == EventKind.MATCH_PREVENTED).any()


def test_another_trade_than_the_oracle_s_is_noticed(workload):
    _, told = matching.resolve(workload)
    altered = workload.trades.copy()
    altered["qty"][-1] += 1
    assert matching.deviation(workload._replace(trades=altered), told) == "the trades differ from the oracle's"


def test_a_refusal_is_noticed():
    rows = np.array([(LIMIT, 0, 1, 0, 5, 1)], ROW)  # price 0
    workload = Workload("refused", rows, *trades_of(rows))
    assert matching.deviation(workload, matching.resolve(workload)[1]) == "a command was refused"


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.package)
def test_peers_that_are_installed_make_the_same_trades(peer, workload):
    if find_spec(peer.module) is None:
        pytest.skip(f"{peer.package} is not installed")
    timed = peers.measure(peer, workload, 1)
    assert timed.deviation in {"", "tells no trades; its book is right"}
    assert timed.commands_per_second > 0


def test_trades_of_a_peer_are_compared(workload):
    trades = workload.trades.tolist()
    assert peers.same_trades(trades, workload) == ""
    assert peers.same_trades(trades[:-1], workload) == f"{len(trades) - 1} trades instead of {len(trades)}"
    assert peers.same_trades([(0, 0, 0, 0), *trades[1:]], workload) == f"trade 1 of {len(trades)} differs"


def test_a_move_to_the_same_price_goes_to_the_back():
    rows = np.array(
        [(LIMIT, 0, 1, 100, 5, 1), (LIMIT, 0, 2, 100, 5, 2), (MOVE, 0, 1, 100, 0, 0), (LIMIT, 1, 3, 100, 7, 3)], ROW
    )
    workload = Workload("back", rows, *trades_of(rows))
    assert workload.trades.tolist() == [(3, 2, 100, 5), (3, 1, 100, 2)]
    assert matching.deviation(workload, matching.resolve(workload)[1]) == ""


def test_a_peer_that_fails_is_told_and_one_that_is_nowhere_is_left_out(tmp_path):
    failed = peers.timing(sys.executable, PEERS[0], tmp_path, "nothing", 1)
    assert isinstance(failed, str)
    assert failed.startswith("exit 1: ")
    assert not peers.has(sys.executable, PEERS[0]._replace(module="no_such_module"))


def test_one_table_is_printed(capsys):
    matching.main(["--commands", "500", "--runs", "1", "--workload", "mixed", "--no-peers"])
    printed = capsys.readouterr().out
    assert "mixed: 500 commands" in printed
    assert "tokenbourse" in printed
    assert "those of the oracle" in printed


def test_the_table_has_a_row_for_each_book():
    ours, twice = Timing(2_000_000, 123.4, ""), Timing(1_000_000, 246.8, "")
    table = matching.table({"mixed": ours}, {"the limit": {"mixed": twice}, "bourse": {"mixed": "exit 1: no"}})
    assert table.row_count == 3
    assert list(table.columns[1].cells) == [
        "2.00 M/s\n123 ns\n1.00 of ours",
        "1.00 M/s\n247 ns\n2.00 of ours",
        "[red]exit 1: no[/]",
    ]
