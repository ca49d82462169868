"""What a group shows and withdraws, and how many of its orders trade: found from the least on, not below."""

import pytest

from exchange.core import commands
from exchange.core.types import OrderType, Side
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


@pytest.mark.parametrize("why", ["late", "traded", "small", "stop"])
def test_what_was_meant_is_no_spoofing(floor, why):
    for _ in range(5):
        lots = 25 if why == "small" else 500
        stop = {"order_type": OrderType.STOP_LIMIT, "stop_ticks": 110} if why == "stop" else {}
        (shown,) = floor.do(new_order(MALLORY, Side.BUY, 98, lots, **stop))
        floor.do(new_order(MALLORY, Side.SELL, 101, 10), new_order(BOB, Side.BUY, 101, 10))
        if why == "traded":
            floor.do(new_order(BOB, Side.SELL, 98, 50))
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
