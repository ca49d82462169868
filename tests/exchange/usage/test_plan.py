"""Who pays for which record: the array program does what a plain loop over records does."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exchange.core.types import CommandKind, TransferPurpose
from exchange.registry.series import Direction, Factors
from exchange.usage import plan as planning
from exchange.usage.ids import usage_words
from exchange.usage.plan import AHEAD_MS_MAX, LATE_MS_MAX, Batch, Lot, Outcome, Planned, Purse, in_order, needs, plan

NOW_MS = 1_800_000_000_000
ISSUER, CASH = 7, 1
DAY_MS = 86_400_000


def _lot(asset: int, units: int, direction: Direction = Direction.BLEND, **terms: int) -> Lot:
    facts = {"start_ms": 0, "end_ms": NOW_MS + DAY_MS, "price": 2_000_000} | terms
    return Lot(asset, f"TA{asset}", "Q3", direction, facts["start_ms"], facts["end_ms"], units, facts["price"], 10**6)


def _batch(*records: tuple[str, str, int, int], time_ms: int = NOW_MS) -> Batch:
    """Return a batch of (id, key, input, output)."""
    keys = list(dict.fromkeys(key for _, key, _, _ in records))
    return Batch(
        usage_words(ISSUER, [name for name, *_ in records]),
        np.full(len(records), time_ms),
        np.array([[tokens_in, tokens_out] for *_, tokens_in, tokens_out in records]),
        np.array([keys.index(key) for _, key, _, _ in records]),
        [(key, "", "") for key in keys],
    )


def _plan(batch: Batch, **purses: Purse) -> Planned:
    return plan(batch, purses, np.zeros(len(batch.words), bool), NOW_MS * 10**6, ISSUER, CASH)


def _rows(planned: Planned) -> list[tuple[int, int, int]]:
    made = planned.commands
    return list(zip(planned.record.tolist(), made["asset"].tolist(), made["amount"].tolist(), strict=True))


def test_units_that_expire_first_are_used_first_then_those_that_came_first() -> None:
    late, soon, soon_too = _lot(5, 100), _lot(9, 50, end_ms=NOW_MS + 9), _lot(6, 50, end_ms=NOW_MS + 9)
    purse = Purse(3, in_order([late, soon, soon_too]), 0, False)
    assert [lot.asset for lot in purse.lots] == [9, 6, 5]
    planned = _plan(_batch(("a", "k", 30, 10), ("b", "k", 30, 10), ("c", "k", 30, 10)), k=purse)
    assert _rows(planned) == [(0, 9, 40), (1, 9, 10), (1, 6, 30), (2, 6, 20), (2, 5, 20)]
    assert planned.left == {"k": 80}
    words = planned.commands["words"][:, 1] & 0xFF
    assert words.tolist() == [0, 0, 1, 0, 1]


def test_input_and_output_are_paid_by_series_of_their_direction() -> None:
    lots = in_order([_lot(4, 100, Direction.OUT), _lot(5, 100, Direction.IN), _lot(6, 100)])
    planned = _plan(_batch(("a", "k", 70, 20), ("b", "k", 70, 0), ("c", "k", 0, 5)), k=Purse(3, lots, 0, False))
    assert _rows(planned) == [(0, 5, 70), (0, 4, 20), (1, 5, 30), (1, 6, 40), (2, 4, 5)]
    at_once = _plan(_batch(("a", "k", 7, 2), ("b", "k", 7, 0), ("c", "k", 0, 5)), k=Purse(3, lots, 0, False))
    assert _rows(at_once) == [(0, 5, 7), (0, 4, 2), (1, 5, 7), (2, 4, 5)]


def test_what_units_do_not_cover_is_paid_in_cash_or_refused_as_a_whole() -> None:
    batch = _batch(("a", "k", 60, 0), ("b", "k", 60, 0), ("c", "k", 40, 0))
    refused = _plan(batch, k=Purse(3, (_lot(4, 100),), 10**9, False))
    assert refused.outcome.tolist() == [Outcome.APPLIED, Outcome.EXHAUSTED, Outcome.APPLIED]
    paid = _plan(batch, k=Purse(3, (_lot(4, 100),), 40, True))
    assert paid.outcome.tolist() == [Outcome.APPLIED, Outcome.APPLIED, Outcome.NO_MEANS]
    assert (paid.burned.tolist(), paid.overrun.tolist(), paid.cost.tolist()) == ([60, 40, 0], [0, 20, 0], [0, 40, 0])
    transfer = paid.commands[-1]
    facts = [int(transfer[name]) for name in ("kind", "account", "group", "asset", "amount", "state")]
    assert facts == [CommandKind.TRANSFER, 3, ISSUER, CASH, 40, TransferPurpose.OVERRUN]


def test_a_price_is_rounded_up_and_without_one_nothing_is_sold() -> None:
    batch = _batch(("a", "k", 101, 0))
    lot = _lot(4, 100, price=1)
    assert _plan(batch, k=Purse(3, (lot,), 5, True)).cost.tolist() == [1]
    nothing = _plan(batch, k=Purse(3, (_lot(4, 100, price=0),), 5, True))
    assert (nothing.outcome.tolist(), len(nothing.commands)) == ([Outcome.NO_MEANS], 0)


@pytest.mark.parametrize(
    ("time_ms", "outcome"),
    [
        (NOW_MS + AHEAD_MS_MAX, Outcome.APPLIED),
        (NOW_MS + AHEAD_MS_MAX + 1, Outcome.OUTSIDE_TIME),
        (NOW_MS - LATE_MS_MAX, Outcome.APPLIED),
        (NOW_MS - LATE_MS_MAX - 1, Outcome.OUTSIDE_TIME),
    ],
)
def test_a_record_is_taken_for_72_hours(time_ms: int, outcome: Outcome) -> None:
    assert _plan(_batch(("a", "k", 1, 0), time_ms=time_ms), k=Purse(3, (_lot(4, 9),), 0, False)).outcome[0] == outcome


@pytest.mark.parametrize(
    ("time_ms", "outcome"),
    [(NOW_MS - 1, Outcome.APPLIED), (NOW_MS, Outcome.KEY_ENDED), (NOW_MS + 1, Outcome.KEY_ENDED)],
)
def test_a_key_pays_for_use_before_its_end_alone(time_ms: int, outcome: Outcome) -> None:
    ended, good = Purse(3, (_lot(4, 9),), 0, False, NOW_MS), Purse(4, (_lot(4, 9),), 0, False)
    planned = _plan(_batch(("a", "k", 1, 0), ("b", "other", 1, 0), time_ms=time_ms), k=ended, other=good)
    assert planned.outcome.tolist() == [outcome, Outcome.APPLIED]
    assert planned.left == {"k": 9 - (outcome is Outcome.APPLIED), "other": 8}


def test_a_series_pays_for_use_in_its_window_alone() -> None:
    lots = in_order([_lot(4, 100, start_ms=NOW_MS + 1), _lot(5, 100, end_ms=NOW_MS), _lot(6, 100)])
    assert _rows(_plan(_batch(("a", "k", 1, 0)), k=Purse(3, lots, 0, False))) == [(0, 6, 1)]


def test_who_comes_twice_counts_once_and_what_counts_nothing_is_refused() -> None:
    batch = _batch(("a", "k", 1, 0), ("a", "k", 1, 0), ("b", "k", 0, 0), ("c", "x", 1, 0))
    outcome = _plan(batch, k=Purse(3, (_lot(4, 9),), 0, False)).outcome.tolist()
    assert outcome == [Outcome.APPLIED, Outcome.DUPLICATE, Outcome.NOTHING_METERED, Outcome.UNKNOWN_KEY]


def test_factors_are_rounded_up_by_record_and_side() -> None:
    counts = {"tokens_in": np.array([1, 3]), "cached": np.array([1, 0]), "tokens_out": np.array([0, 1])}
    assert needs(counts, Factors(cached=1, tokens_out=5_000)).tolist() == [[2, 0], [3, 1]]


_LOTS = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from(list(Direction)), st.integers(0, 2), st.booleans()), max_size=4
)
_RECORDS = st.lists(st.tuples(st.sampled_from("kl"), st.integers(0, 15), st.integers(0, 15)), min_size=1, max_size=12)


def _reference(batch: Batch, purses: dict[str, Purse]) -> list[tuple[int, int, int]]:
    """Pay record by record, as a person would."""
    left = {(key, lot.asset): lot.units for key, purse in purses.items() for lot in purse.lots}
    cash = {key: purse.cash for key, purse in purses.items()}
    found = []
    for row, group in enumerate(batch.group.tolist()):
        key = batch.groups[group][0]
        purse, parts, price, known = purses[key], {}, 0, True
        lots = [lot for lot in purse.lots if lot.start_ms <= NOW_MS < lot.end_ms]
        for need, direction in zip(batch.need[row].tolist(), (Direction.IN, Direction.OUT), strict=True):
            usable = [lot for lot in lots if lot.direction in {direction, Direction.BLEND}]
            rest = need
            for lot in usable:
                part = min(rest, left[key, lot.asset] - parts.get(lot.asset, 0))
                parts[lot.asset] = parts.get(lot.asset, 0) + part
                rest -= part
            if rest:
                known = known and bool(usable) and purse.pays_overrun
                price += -(-rest * 2) if known else 0
        if not batch.need[row].any() or not known or price > cash[key]:
            continue
        cash[key] -= price
        for asset, part in parts.items():
            left[key, asset] -= part
        found += [(row, asset, part) for asset, part in parts.items() if part]
        found += [(row, CASH, price)] if price else []
    return found


@pytest.fixture(params=[(64, 8), (2, 1)], ids=["wide", "narrow"])
def stretches(request, monkeypatch) -> None:
    """Let records be looked at in stretches of this length."""
    monkeypatch.setattr(planning, "STRETCH_MIN", request.param[0])
    monkeypatch.setattr(planning, "SINGLE_MAX", request.param[1])


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_LOTS, _LOTS, _RECORDS, st.integers(0, 40), st.booleans())
def test_arrays_pay_as_a_loop_over_records_pays(stretches, first, second, records, cash, pays) -> None:
    purses = {}
    for number, (key, lots) in enumerate((("k", first), ("l", second))):
        made = [
            _lot(10 * number + place, units, side, end_ms=NOW_MS + days * DAY_MS, price=2_000_000 * whole or 2_000_000)
            for place, (units, side, days, whole) in enumerate(lots, 2)
        ]
        purses[key] = Purse(3 + number, in_order(made), cash, pays)
    batch = _batch(*[(str(name), *record) for name, record in enumerate(records)])
    planned = plan(batch, purses, np.zeros(len(records), bool), NOW_MS * 10**6, ISSUER, CASH)
    paid = _reference(batch, purses)
    assert _rows(planned) == sorted(paid, key=lambda row: row[1] == CASH)
    burned = sum(amount for _, asset, amount in _rows(planned) if asset != CASH)
    units = sum(lot.units for purse in purses.values() for lot in purse.lots)
    assert sum(planned.left.get(key, sum(lot.units for lot in purses[key].lots)) for key in purses) == units - burned
