"""The flows of the benchmark: reproducible, of the mix they promise, with the trades of price and time priority."""

import numpy as np
import pytest

from benchmarks.workload import (
    BUY,
    CANCEL,
    IMMEDIATE,
    LIMIT,
    MIXES,
    MOVE,
    ROW,
    SELL,
    TRADE,
    Book,
    Workload,
    generate,
    trades_of,
)

ROWS = 20_000


@pytest.fixture(scope="module")
def flows():
    return {mix.name: generate(mix, ROWS) for mix in MIXES}


def flow(*rows):
    return np.array([(operation, side, order, price, lots, 1) for operation, side, order, price, lots in rows], ROW)


def test_the_best_price_trades_first_then_the_oldest_at_the_resting_price():
    trades, _ = trades_of(
        flow(
            (LIMIT, SELL, 1, 101, 5),
            (LIMIT, SELL, 2, 100, 5),
            (LIMIT, SELL, 3, 100, 5),
            (LIMIT, BUY, 4, 101, 12),
        )
    )
    assert trades.tolist() == [(4, 2, 100, 5), (4, 3, 100, 5), (4, 1, 101, 2)]


def test_a_limit_is_not_crossed_and_only_a_limit_order_rests():
    rows = flow((LIMIT, BUY, 1, 100, 5), (IMMEDIATE, SELL, 2, 100, 7), (LIMIT, BUY, 3, 99, 1), (LIMIT, SELL, 4, 100, 1))
    book = Book()
    for row in rows[["op", "side", "id", "price", "qty"]].tolist():
        book.apply(*row)
    assert book.trades == [(2, 1, 100, 5)]
    assert (book.levels(BUY), book.levels(SELL)) == ({99: (1, 1)}, {100: (1, 1)})


def test_a_moved_order_takes_what_is_left_of_it_behind_the_others():
    trades, leaves = trades_of(
        flow(
            (LIMIT, BUY, 1, 100, 5),
            (LIMIT, BUY, 2, 100, 5),
            (IMMEDIATE, SELL, 3, 100, 2),
            (MOVE, BUY, 1, 100, 0),
            (IMMEDIATE, SELL, 4, 100, 6),
            (CANCEL, BUY, 1, 0, 0),
            (CANCEL, BUY, 1, 0, 0),
        )
    )
    assert trades.tolist() == [(3, 1, 100, 2), (4, 2, 100, 5), (4, 1, 100, 1)]
    assert leaves.tolist() == [0, 0, 0, 3, 0, 2, 0]


@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: mix.name)
def test_the_same_seed_gives_the_same_flow_and_another_one_another(mix, flows):
    again = generate(mix, ROWS)
    assert again.commands.tolist() == flows[mix.name].commands.tolist()
    assert again.trades.tolist() == flows[mix.name].trades.tolist()
    other = generate(mix._replace(seed=99), ROWS)
    assert other.commands.tolist() != again.commands.tolist()


@pytest.mark.parametrize("mix", MIXES, ids=lambda mix: mix.name)
def test_cancels_and_moves_always_find_an_open_order(mix, flows):
    workload = flows[mix.name]
    assert (workload.leaves[workload.commands["op"] >= CANCEL] > 0).all()
    assert (workload.leaves[workload.commands["op"] < CANCEL] == 0).all()


@pytest.mark.parametrize(("name", "operation", "least"), [("moves", MOVE, 0.6), ("mixed", CANCEL, 0.35)])
def test_the_shares_are_those_of_the_mix_once_enough_orders_rest(name, operation, least, flows):
    assert (flows[name].commands["op"][ROWS // 2 :] == operation).mean() > least


@pytest.mark.parametrize("mix", [mix for mix in MIXES if mix.resting < ROWS // 4], ids=lambda mix: mix.name)
def test_about_as_many_orders_rest_as_the_mix_wants(mix, flows):
    book = Book()
    for row in flows[mix.name].commands[["op", "side", "id", "price", "qty"]].tolist():
        book.apply(*row)
    assert 0.7 * mix.resting < len(book.places) < 1.3 * mix.resting


def test_a_flow_is_read_as_it_was_written(flows, tmp_path):
    written = flows["cross"]
    written.write(tmp_path)
    read = Workload.read(tmp_path, "cross")
    assert [part.tolist() for part in read[1:]] == [part.tolist() for part in written[1:]]


def test_a_flow_with_other_trades_is_refused(flows, tmp_path):
    flows["cross"]._replace(trades=np.zeros(1, TRADE)).write(tmp_path)
    with pytest.raises(ValueError, match=r"cross: the trades in .* are not those of price and time priority"):
        Workload.read(tmp_path, "cross")
