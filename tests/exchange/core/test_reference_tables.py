"""The tables of the readable engine: fees, holds, slots, remembered ids, balances."""

from fractions import Fraction
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core.records import EVENT
from exchange.core.reference_tables import (
    NO_FEES,
    Instrument,
    Order,
    Rates,
    RecentIds,
    Slots,
    Tables,
    fee,
    with_worst_fee,
)
from exchange.core.state import TEST
from exchange.core.types import (
    BPS,
    GENERATION_MAX,
    SLOT_BITS,
    AccountState,
    EventKind,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.exchange.core.builders import TINY, facts

RATES = st.integers(-BPS, BPS)
NOTIONALS = st.integers(0, 1 << 62)


def draft(side: Side, leaves_lots: int, rates: Rates = NO_FEES) -> Order:
    """Return an order at 100 on a book of ten units a lot and five a tick."""
    return Order(
        account=1,
        instrument=Instrument(1, 2, 1, lot_units=10, tick_value=5, quantity_min=1, quantity_max=100),
        side=side,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        self_trade_prevention=SelfTradePrevention.NONE,
        flags=0,
        price_ticks=100,
        quantity_lots=leaves_lots,
        leaves_lots=leaves_lots,
        rates=rates,
        order_id=7 << SLOT_BITS | 3,
    )


@given(RATES, NOTIONALS)
def test_a_fee_is_rounded_up_whatever_its_sign(rate_bps, notional):
    assert fee(rate_bps, notional) == ceil(Fraction(rate_bps * notional, BPS))


@pytest.mark.parametrize(
    ("rate_bps", "notional", "expected"),
    [(5, 0, 0), (5, 1, 1), (5, 2_000, 1), (5, 2_001, 2), (-5, 1, 0), (-5, 1_999, 0), (-5, 2_000, -1), (0, 999, 0)],
)
def test_fees_by_hand(rate_bps, notional, expected):
    assert fee(rate_bps, notional) == expected


@given(st.integers(-100, 100), st.integers(0, 100), st.lists(st.tuples(st.booleans(), st.integers(1, 10_000))))
def test_a_hold_covers_any_fills_in_any_roles(maker_bps, taker_bps, fills):
    maker = sum(notional for is_maker, notional in fills if is_maker)
    taker = sum(notional for is_maker, notional in fills if not is_maker)
    paid = maker + fee(maker_bps, maker) + taker + fee(taker_bps, taker)
    assert paid <= with_worst_fee(maker + taker, Rates(maker_bps, taker_bps))


@pytest.mark.parametrize(
    ("notional", "rates", "expected"),
    [
        (0, Rates(10, 20), 0),
        (1_000, Rates(0, 0), 1_000),
        (1_000, Rates(-5, 0), 1_000),
        (1_000, Rates(-5, 10), 1_002),
        (1_000, Rates(20, 10), 1_003),
    ],
)
def test_a_hold_has_the_worst_fee_and_one_unit_more(notional, rates, expected):
    assert with_worst_fee(notional, rates) == expected


def test_a_sell_needs_its_units():
    assert (draft(Side.SELL, 4).need(), draft(Side.SELL, 4).held_asset) == (40, 2)


def test_a_buy_needs_its_notional_and_the_worst_fee():
    order = draft(Side.BUY, 4, Rates(0, 10))
    assert (order.need(), order.held_asset) == (4 * 100 * 5 + 2 + 1, 1)


def test_an_order_with_nothing_open_needs_nothing():
    assert draft(Side.BUY, 0, Rates(0, 10)).need() == draft(Side.SELL, 0).need() == 0


def test_an_order_knows_its_slot():
    assert draft(Side.BUY, 1).slot == 3


def ids(slots: Slots, count: int) -> list[tuple[int, int]]:
    """Allocate, and return generations and slots."""
    allocated = [slots.allocate() for _ in range(count)]
    return [(order_id >> SLOT_BITS, order_id & ((1 << SLOT_BITS) - 1)) for order_id in allocated]


def test_slots_never_used_come_in_order():
    assert ids(Slots(9), 3) == [(1, 1), (1, 2), (1, 3)]


def test_the_slot_freed_last_comes_first_with_a_new_generation():
    slots = Slots(9)
    ids(slots, 3)
    slots.release(1)
    slots.release(3)
    assert ids(slots, 3) == [(2, 3), (2, 1), (1, 4)]


def test_slots_run_out_and_come_back():
    slots = Slots(2)
    assert not slots.full()
    ids(slots, 2)
    assert slots.full()
    slots.release(2)
    assert not slots.full()


def test_a_slot_whose_generations_are_used_up_never_comes_back():
    slots = Slots(2)
    slots.generations = [0, GENERATION_MAX - 2]
    slots.release(1)
    assert ids(slots, 1) == [(GENERATION_MAX - 1, 1)]
    slots.release(1)
    assert ids(slots, 1) == [(GENERATION_MAX, 1)]
    slots.release(1)
    assert ids(slots, 1) == [(1, 2)]
    assert slots.full()


def test_an_id_is_found_until_its_window_ends():
    recent = RecentIds(4, window_ns=100)
    recent.remember("a", 50, 7)
    assert [recent.find("a", time_ns) for time_ns in (50, 149, 150)] == [7, 7, None]
    assert recent.find("b", 50) is None


def test_ids_fill_the_ring_until_the_oldest_is_older_than_the_window():
    recent = RecentIds(2, window_ns=100)
    recent.remember("a", 50, 1)
    assert not recent.full(60)
    recent.remember("b", 60, 2)
    assert [recent.full(149), recent.full(150)] == [True, False]
    recent.remember("a", 150, 3)
    assert (recent.find("a", 151), recent.find("b", 151)) == (3, 2)


def test_a_full_ring_forgets_its_oldest_id_early_if_it_is_old_enough():
    recent = RecentIds(2, window_ns=100, window_min_ns=10)
    recent.remember("a", 50, 1)
    recent.remember("b", 55, 2)
    assert [recent.full(59), recent.full(60)] == [True, False]
    recent.remember("c", 60, 3)
    assert [recent.find(name, 60) for name in "abc"] == [None, 2, 3]


def test_the_exchange_has_the_first_account():
    (account,) = Tables(TEST).accounts
    assert (account.group, account.state, account.open_orders) == (0, AccountState.ACTIVE, 0)


def test_accounts_of_one_group_are_known():
    tables = Tables(TEST)
    tables.accounts += [type(tables.accounts[0])(group) for group in (7, 7, 8)]
    assert [tables.same_group(1, other) for other in (1, 2, 3, 0)] == [True, True, False, False]
    assert [tables.knows_account(account) for account in (0, 3, 4)] == [True, True, False]


def test_balances_are_made_once_and_counted():
    tables = Tables(TINY._replace(balances=2))
    tables.balance(1, 1).available += 5
    tables.balance(1, 1).available += 5
    assert (tables.available(1, 1), tables.available(1, 2)) == (10, 0)
    assert not tables.lacks_balance(1, 2)
    tables.balance(1, 2)
    assert [tables.lacks_balance(1, asset) for asset in (1, 2, 3)] == [False, False, True]
    with pytest.raises(AssertionError):
        tables.balance(1, 3)


def test_an_event_has_its_command_and_zeros_where_nothing_is_said():
    tables = Tables(TEST)
    tables.sequence, tables.time_ns = 9, 77
    tables.emit(EventKind.TRADED, fee=-3)
    events = tables.take_events()
    assert events.dtype == EVENT
    assert [told.fields for told in facts(events)] == [{"fee": -3}]
    assert (events["sequence"].tolist(), events["time_ns"].tolist()) == ([9], [77])
    assert (len(tables.take_events()), tables.event_count) == (0, 1)


def test_an_event_has_no_field_of_another_name():
    with pytest.raises(AssertionError):
        Tables(TEST).emit(EventKind.TRADED, tip=1)
