"""The index: which trades count, no group above a quarter, the same whatever the order, and a twin by brute force."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.marketdata.indices import IndexKey, Quality, Tally, groups_min, key_of, weight_limit
from exchange.methodology import FIRST, Methodology, MethodologySet

KEY = IndexKey("Q3", "OUT", "GZ", 1)
DAY = 20_000
MILLION = 1_000_000
# (buyer's group, seller's group, units, amount)
TRADES = st.lists(
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 50), st.integers(1, 10**9)), max_size=40
)


def tally_of(trades):
    tally = Tally()
    for buyer, seller, units, amount in trades:
        tally.add(buyer, seller, units, amount)
    return tally


def row_of(trades, version=1, previous=None, methodology=FIRST):
    return tally_of(trades).row(KEY, DAY, version, previous, methodology)


def ruled(**figures):
    return MethodologySet(2, DAY, 0, "", Methodology(**figures))


def ring(units=10, amount=70, groups=5):
    """Return trades of each group with the next: everybody buys and sells as much."""
    return [(group, group % groups + 1, units, amount) for group in range(1, groups + 1)]


def limit_by_search(weights, cap_bps=2_500):
    """Return the limit by trying every whole number."""
    kept = [sum(min(weight, limit) for weight in weights) for limit in range(max(weights) + 1)]
    fits = [limit for limit, total in enumerate(kept) if 10_000 * limit <= cap_bps * total]
    return fits[-1]


def price_by_hand(trades):
    """Return the price by the rule's own words, in fractions from beginning to end."""
    halves = [(group, units, amount) for buyer, seller, units, amount in trades if buyer != seller
              for group in (buyer, seller)]  # fmt: skip
    weights = {group: sum(units for other, units, _ in halves if other == group) for group, _, _ in halves}
    limit = limit_by_search(list(weights.values()))
    capped = {group: min(weight, limit) for group, weight in weights.items()}
    worth = sum(
        Fraction(amount, weights[group]) * capped[group]  # each half counts by what is left of its group's weight
        for group, _, amount in halves
    )
    return int(worth * MILLION / sum(capped.values()) + Fraction(1, 2))


@given(st.lists(st.integers(1, 1_000), min_size=4, max_size=12), st.integers(2_500, 10_000))
def test_no_weight_is_above_the_cap_and_none_is_cut_without_need(weights, cap_bps):
    limit = weight_limit(weights, cap_bps)
    assert limit == limit_by_search(weights, cap_bps)
    kept = [min(weight, limit) for weight in weights]
    assert 10_000 * max(kept) <= cap_bps * sum(kept)


def test_fewer_than_four_groups_cannot_obey():
    assert weight_limit([1, 1, 1], 2_500) == weight_limit([], 2_500) == 0
    assert weight_limit([9, 1, 1, 1], 2_500) == 1
    assert weight_limit([4, 4, 4, 4], 2_500) == 4
    assert [groups_min(cap_bps) for cap_bps in (500, 2_500, 3_000, 3_334, 5_000, 10_000)] == [20, 4, 4, 3, 2, 1]
    assert (weight_limit([9, 1], 5_000), weight_limit([9], 10_000)) == (1, 9)


@given(TRADES)
def test_the_price_is_the_one_computed_by_hand(trades):
    row = row_of(trades)
    eligible = [trade for trade in trades if trade[0] != trade[1]]
    if not eligible:
        assert row is None
        return
    buyers, sellers = {trade[0] for trade in eligible}, {trade[1] for trade in eligible}
    full = len(eligible) >= 5 and min(len(buyers), len(sellers)) >= 3 and len(buyers | sellers) >= 4
    assert (row.quality == Quality.FULL) is full
    if full:
        assert row.price == price_by_hand(trades)
    assert (row.trade_count, row.excluded_count) == (len(eligible), len(trades) - len(eligible))
    assert (row.buyer_count, row.seller_count) == (len(buyers), len(sellers))
    units, total = sum(trade[2] for trade in eligible), sum(trade[2] for trade in trades)
    assert (row.units, row.coverage_bps) == (units, units * 10_000 // total)


@given(TRADES, st.randoms(use_true_random=False))
def test_the_order_of_trades_does_not_matter(trades, chance):
    mixed = list(trades)
    chance.shuffle(mixed)
    assert row_of(mixed) == row_of(trades)


@given(TRADES, TRADES)
def test_an_undone_trade_was_never_there(trades, undone):
    tally = tally_of(trades + undone)
    for buyer, seller, units, amount in undone:
        tally.add(buyer, seller, units, amount, -1)
    assert tally.row(KEY, DAY, 1, None, FIRST) == row_of(trades)


def test_one_group_moves_the_price_by_a_quarter_at_most():
    honest = ring()
    assert row_of(honest).price == 7 * MILLION
    pushed = row_of([*honest, *[(9, group, 10**6, 10**9) for group in (1, 2, 3, 4)]])
    assert pushed.capped_count == 1
    assert row_of([*honest, (9, 9, 10**6, 10**12)]).price == 7 * MILLION


@pytest.mark.parametrize(
    "trades",
    [
        ring(groups=4),  # four trades
        [(1, 2, 1, 7), (1, 2, 1, 7), (2, 3, 1, 7), (1, 3, 1, 7), (2, 1, 1, 7), (3, 1, 1, 7)],  # three groups
        [(1, group, 1, 7) for group in (3, 4, 5, 6)] + [(2, 3, 1, 7)],  # two buyers
        [(group, 1, 1, 7) for group in (3, 4, 5, 6)] + [(3, 2, 1, 7)],  # two sellers
        [],
    ],
)
def test_too_few_trades_or_groups_fall_back(trades):
    previous = row_of(ring(amount=50))._replace(day=DAY - 1)
    carried = row_of(trades, previous=previous)
    assert (carried.price, carried.quality, carried.age_days) == (5 * MILLION, Quality.PREVIOUS, 1)
    thin = row_of(trades)
    if trades:
        assert (thin.price, thin.quality, thin.age_days) == (7 * MILLION, Quality.THIN, 0)
        assert thin.trade_count == len(trades)
    else:
        assert thin is None


def test_a_price_is_carried_for_a_month():
    old = row_of(ring())._replace(age_days=31)
    assert row_of([], previous=old) is None
    assert row_of([], previous=old._replace(age_days=30)).quality == Quality.PREVIOUS
    assert row_of([], previous=old, methodology=ruled(index_carried_days_max=32)).quality == Quality.PREVIOUS


def test_the_rules_are_those_of_the_methodology():
    four = ring(groups=4)
    assert [row_of(four).quality, row_of(four, methodology=ruled(index_trades_min=4)).quality] == ["THIN", "FULL"]
    assert row_of(ring(), methodology=ruled(index_counterparties_min=6)).quality == Quality.THIN
    pushed = [*ring(), *[(9, group, 10**6, 10**9) for group in (1, 2, 3, 4)]]
    loose, tight = (row_of(pushed, methodology=ruled(index_cap_bps=cap)) for cap in (10_000, 2_000))
    assert (loose.capped_count, loose.methodology, row_of(pushed).methodology) == (0, 2, 1)
    assert abs(loose.price - 10**9) < abs(tight.price - 10**9)


def test_a_correction_that_leaves_nothing_says_so():
    gone = row_of([], version=2)
    assert (gone.price, gone.quality, gone.version) == (0, Quality.NONE, 2)
    assert row_of([], previous=gone) is None


def test_the_price_is_of_a_million_units_and_rounded_half_up():
    assert row_of(ring(units=2_000_000, amount=3)).price == 2  # 1.5 rounded up
    assert row_of(ring(units=3_000_000, amount=4)).price == 1


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("TA.CTEL.Q3.OUT.GZ.M2701.G80A", "Q3.OUT.GZ"),
        ("TA.OPENAI.GPT-4O.IN.NAT.E90.G0A", "GPT-4O.IN.NAT"),
        ("DL.0000123456.FT.Y1S5", None),
        ("TA.CTEL.Q3.BOTH.GZ.M2701.G80A", None),
        ("XX.CTEL.Q3.OUT.GZ.M2701.G80A", None),
        ("", None),
    ],
)
def test_a_symbol_says_what_it_counts_in(symbol, name):
    key = key_of(symbol, 1)
    assert (key and key.name) == name
