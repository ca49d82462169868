"""What a group shows and withdraws, and how many of its orders trade: found from the least on, not below."""

import pytest

from exchange.core import commands
from exchange.core.types import EndReason, OrderType, SelfTradePrevention, Side, TimeInForce
from exchange.surveillance import thresholds
from exchange.surveillance.alerts import AlertKind
from exchange.surveillance.folds.tables import LEVELS
from exchange.surveillance.interest import Bounds
from exchange.surveillance.watch import Watch
from tests.exchange.marketdata.builders import ALICE, BOB, new_order
from tests.exchange.surveillance.scripts import MALLORY, Floor, spoof


@pytest.fixture
def floor():
    return Floor()


def test_three_withdrawals_in_an_hour_are_spoofing(floor):
    spoof(floor, rounds=2)
    assert floor.kinds() == []
    spoof(floor, rounds=1)
    (alert,) = floor.alerts(AlertKind.SPOOFING)
    assert (alert.groups, alert.instrument, alert.facts["incidents"], alert.facts["shown_lots"]) == (
        (MALLORY,),
        1,
        3,
        500,
    )
    assert {type(figure) for figure in alert.facts.values()} == {int}


def test_another_hour_counts_anew(floor):
    spoof(floor, rounds=2)
    floor.pass_time(3_600)
    spoof(floor, rounds=2)
    assert floor.kinds() == []


def test_many_prices_are_layering(floor):
    spoof(floor, layers=thresholds.LAYERS_MIN)
    assert set(floor.kinds()) == {AlertKind.LAYERING}


def test_moving_the_show_away_is_withdrawing_it(floor):
    for _ in range(3):
        (shown,) = floor.do(new_order(MALLORY, Side.BUY, 98, 500))
        floor.do(new_order(MALLORY, Side.SELL, 101, 10), new_order(BOB, Side.BUY, 101, 10))
        floor.do(commands.replace_order(MALLORY, shown, price_ticks=85))
        floor.cancel(MALLORY, shown)
        floor.pass_time(20)
    assert floor.kinds() == [AlertKind.SPOOFING]


def _expire(floor, order):
    floor.pass_time(5)
    floor.do(commands.expire_order(order))


def _fire(floor, order):
    floor.do(commands.set_deadman(MALLORY, floor.market.time_ns + 10**9))
    floor.pass_time(2)
    floor.do(commands.fire_deadman(MALLORY))


def _trade_with_oneself(policy, lots):
    return lambda floor, order: floor.do(new_order(MALLORY, Side.SELL, 98, lots, self_trade_prevention=policy))


WAYS_BACK = {
    "cancel": lambda floor, order: floor.cancel(MALLORY, order),
    "reductions": lambda floor, order: floor.do(*[commands.reduce_order(MALLORY, order, 90)] * 5),
    "mass cancel": lambda floor, order: floor.do(commands.mass_cancel(MALLORY, 1)),
    "disconnection": lambda floor, order: floor.do(commands.mass_cancel(MALLORY, 0, Side.BOTH, EndReason.DISCONNECTED)),
    "timer": _fire,
    "end of its time": _expire,
    "own order against it": _trade_with_oneself(SelfTradePrevention.EXPIRE_BOTH, 1),
    "own order as large": _trade_with_oneself(SelfTradePrevention.DECREMENT, 500),
    "own order nearly as large": _trade_with_oneself(SelfTradePrevention.DECREMENT, 450),
}


@pytest.mark.parametrize("way", WAYS_BACK)
def test_whichever_way_a_show_is_taken_back_it_is_withdrawn(floor, way):
    for _ in range(3):
        terms = {"time_in_force": TimeInForce.GTD, "until_ns": floor.market.time_ns + 4 * 10**9}
        (shown,) = floor.do(new_order(MALLORY, Side.BUY, 98, 500, **(terms if way == "end of its time" else {})))
        floor.do(new_order(MALLORY, Side.SELL, 101, 10), new_order(BOB, Side.BUY, 101, 10))
        WAYS_BACK[way](floor, shown)
        floor.pass_time(20)
        floor.do(commands.mass_cancel(MALLORY, 1))
    assert floor.kinds() == [AlertKind.SPOOFING]


@pytest.mark.parametrize("way", ["cancelled", "reduced"])
def test_what_is_taken_back_before_the_fill_was_not_wanted(floor, way):
    for _ in range(3):
        floor.do(new_order(MALLORY, Side.BUY, 98, 500), new_order(MALLORY, Side.SELL, 101, 10))
        (pretended,) = floor.do(new_order(MALLORY, Side.SELL, 102, 400))
        floor.do(commands.reduce_order(MALLORY, pretended, 400 if way == "cancelled" else 395))
        floor.do(new_order(BOB, Side.BUY, 101, 10))
        floor.do(commands.mass_cancel(MALLORY, 1))
        floor.pass_time(20)
    assert floor.kinds() == [AlertKind.SPOOFING]


def test_an_order_made_larger_is_wanted_as_it_stands(floor):
    for _ in range(3):
        (bid,) = floor.do(new_order(MALLORY, Side.BUY, 98, 500))
        (ask,) = floor.do(new_order(MALLORY, Side.SELL, 101, 10))
        floor.do(commands.replace_order(MALLORY, ask, quantity_lots=400))
        floor.do(new_order(BOB, Side.BUY, 101, 10))
        floor.cancel(MALLORY, bid, ask)
        floor.pass_time(20)
    assert floor.kinds() == []


def test_a_fifth_of_the_show_that_trades_excuses_nothing(floor):
    for _ in range(3):
        (shown,) = floor.do(new_order(MALLORY, Side.BUY, 98, 500))
        floor.do(new_order(MALLORY, Side.SELL, 101, 10), new_order(BOB, Side.BUY, 101, 10))
        floor.do(new_order(BOB, Side.SELL, 98, 99), new_order(BOB, Side.SELL, 98, 1))
        floor.cancel(MALLORY, shown)
        floor.pass_time(20)
    assert floor.kinds() == [AlertKind.SPOOFING]


def test_the_evidence_begins_with_the_first_show(floor):
    floor.do(new_order(MALLORY, Side.BUY, 90, 1))  # an old order that shows next to nothing
    begun = floor.market.sequence + 1
    spoof(floor, rounds=3, layers=5)
    (alert,) = floor.alerts(AlertKind.LAYERING)
    assert (alert.first_sequence, alert.last_sequence) == (begun, floor.market.sequence)


@pytest.mark.parametrize("why", ["late", "traded", "small", "stop"])
def test_what_was_meant_is_no_spoofing(floor, why):
    for _ in range(5):
        lots = 25 if why == "small" else 500
        stop = {"order_type": OrderType.STOP_LIMIT, "stop_ticks": 110} if why == "stop" else {}
        (shown,) = floor.do(new_order(MALLORY, Side.BUY, 98, lots, **stop))
        floor.do(new_order(MALLORY, Side.SELL, 101, 10), new_order(BOB, Side.BUY, 101, 10))
        if why == "traded":
            floor.do(new_order(BOB, Side.SELL, 98, 101))  # more than a fifth
        floor.pass_time(thresholds.WITHDRAWN_NS / 10**9 + 1 if why == "late" else 1)
        floor.cancel(MALLORY, shown)
    assert floor.kinds() == []


def test_a_maker_whose_offer_is_used_up_withdraws_his_bid_unsuspected(floor):
    for _ in range(5):
        bid, _ = floor.do(new_order(MALLORY, Side.BUY, 99, 100), new_order(MALLORY, Side.SELL, 101, 100))
        for _ in range(10):
            floor.do(new_order(BOB, Side.BUY, 101, 10))
        floor.cancel(MALLORY, bid)
    assert floor.kinds() == []


def test_orders_withdrawn_at_once_near_the_price_are_found(floor):
    for _ in range(thresholds.QUICK_MIN - 1):
        floor.cancel(MALLORY, *floor.do(new_order(MALLORY, Side.BUY, 100, 1)))
    assert floor.kinds() == []
    floor.cancel(MALLORY, *floor.do(new_order(MALLORY, Side.BUY, 100, 1)))
    (alert,) = floor.alerts(AlertKind.QUICK_CANCELS)
    assert alert.facts == {"quick_cancels": thresholds.QUICK_MIN, "orders": thresholds.QUICK_MIN, "trades": 0}


def test_an_order_moved_to_the_price_and_away_again_is_found_as_well(floor):
    (order,) = floor.do(new_order(MALLORY, Side.BUY, 90, 10))
    for _ in range(thresholds.QUICK_MIN):
        assert floor.kinds() == []
        floor.do(*[commands.replace_order(MALLORY, order, price_ticks=price) for price in (100, 90)])
        floor.pass_time(2)
    assert floor.kinds() == [AlertKind.QUICK_CANCELS]


def test_orders_reduced_at_once_bit_by_bit_are_found_as_well(floor):
    for _ in range(thresholds.QUICK_MIN):
        assert floor.kinds() == []
        (order,) = floor.do(new_order(MALLORY, Side.BUY, 100, 10))
        floor.do(*[commands.reduce_order(MALLORY, order, 4)] * 2)
        floor.pass_time(2)
        floor.cancel(MALLORY, order)
    assert floor.kinds() == [AlertKind.QUICK_CANCELS]


def test_a_small_reduction_or_a_better_price_is_no_withdrawal(floor):
    for _ in range(thresholds.QUICK_MIN + 10):
        (order,) = floor.do(new_order(MALLORY, Side.BUY, 100, 10))
        floor.do(commands.reduce_order(MALLORY, order, 7))
        floor.pass_time(2)
        floor.cancel(MALLORY, order)
    (order,) = floor.do(new_order(MALLORY, Side.BUY, 90, 10))
    for _ in range(thresholds.QUICK_MIN + 10):
        floor.do(commands.replace_order(MALLORY, order, price_ticks=100))
        floor.pass_time(2)
        floor.do(commands.replace_order(MALLORY, order, price_ticks=90))
    assert floor.kinds() == []


@pytest.mark.parametrize(("price", "wait_s"), [(90, 0), (100, 2)])
def test_orders_far_away_or_left_a_while_are_not(floor, price, wait_s):
    for _ in range(thresholds.QUICK_MIN + 10):
        ids = floor.do(new_order(MALLORY, Side.BUY, price, 1))
        floor.pass_time(wait_s)
        floor.cancel(MALLORY, *ids)
    assert floor.kinds() == []


def test_too_many_messages_for_a_trade_are_found(floor):
    last = thresholds.MESSAGES_MIN - 1
    (order,) = floor.do(new_order(MALLORY, Side.BUY, 90, 9_000))
    floor.do(*[commands.replace_order(MALLORY, order, quantity_lots=9_000 - number) for number in range(1, last)])
    assert floor.kinds() == []
    floor.cancel(MALLORY, order)
    (alert,) = floor.alerts(AlertKind.ORDER_TO_TRADE)
    assert alert.facts == {"messages": thresholds.MESSAGES_MIN, "trades": 0}
    floor.pass_time(3_600)
    floor.cancel(MALLORY, *floor.do(new_order(MALLORY, Side.BUY, 90, 1)))
    assert len(floor.alerts(AlertKind.ORDER_TO_TRADE)) == 1


def test_a_stop_shows_once_it_wakes(floor):
    for _ in range(3):
        (stop,) = floor.do(
            new_order(MALLORY, Side.BUY, 99, 500, order_type=OrderType.STOP_LIMIT, stop_ticks=101)
        )  # it rests below the trade that wakes it
        floor.do(new_order(ALICE, Side.SELL, 101, 1), new_order(BOB, Side.BUY, 101, 1))
        floor.do(new_order(MALLORY, Side.SELL, 100, 5), new_order(BOB, Side.BUY, 100, 5))
        floor.cancel(MALLORY, stop)
    assert AlertKind.SPOOFING in floor.kinds()


def test_only_so_many_books_are_watched():
    watched = Floor(setup=False)
    watched.watch = Watch(bounds=Bounds(2, 2, 2))
    watched.watch.apply(watched.seen)
    for price in (99, 98, 97):
        watched.do(new_order(BOB, Side.BUY, price, 1), new_order(BOB, Side.BUY, price, 1, instrument=2))
    state = watched.watch._interests._state
    assert int(state["interest_count"]) == 2
    assert int(state["pools"]["taken"][LEVELS]) == 4
