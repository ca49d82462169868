"""Who trades with whom: pairs, rings, and the end of the day."""

import pytest

from exchange.core import commands
from exchange.core.types import Side, TradingState
from exchange.surveillance import flows
from exchange.surveillance.alerts import AlertKind
from tests.exchange.marketdata.builders import ALICE, BOB, CAROL, MINUTE_NS, new_order
from tests.exchange.surveillance.scripts import MAKER, MALLORY, OSCAR, TRUDY, Floor, pass_round

HOUR_S = 3_600


@pytest.fixture
def floor():
    return Floor()


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ((MALLORY, OSCAR), AlertKind.MATCHED_PAIR),
        ((MALLORY, OSCAR, TRUDY), AlertKind.CIRCULAR_TRADES),
        ((TRUDY, MALLORY, MAKER, OSCAR, BOB), AlertKind.CIRCULAR_TRADES),
    ],
)
def test_a_ring_is_found_in_its_third_round(floor, members, kind):
    pass_round(floor, members, rounds=flows.ROUNDS_MIN - 1)
    assert floor.kinds() == []
    begin = floor.market.sequence
    pass_round(floor, members, rounds=1)
    (alert,) = floor.alerts(kind)
    assert (alert.groups, alert.facts["groups"]) == (tuple(sorted(members)), len(members))
    assert alert.first_sequence < begin < alert.last_sequence


def test_a_larger_ring_is_not_looked_for(floor):
    pass_round(floor, (MALLORY, OSCAR, TRUDY, MAKER, BOB, CAROL))
    assert floor.kinds() == []


def test_who_trades_with_others_too_is_in_no_ring(floor):
    for _ in range(6):
        pass_round(floor, (MALLORY, OSCAR), rounds=1)
        floor.do(new_order(MALLORY, Side.SELL, 100, 20), new_order(BOB, Side.BUY, 100, 20))
        floor.do(new_order(BOB, Side.SELL, 100, 20), new_order(OSCAR, Side.BUY, 100, 20))
    assert floor.kinds() == []


def test_who_sells_and_does_not_buy_back_is_in_no_ring(floor):
    for _ in range(6):
        floor.do(new_order(ALICE, Side.SELL, 100, 20), new_order(MALLORY, Side.BUY, 100, 20))
        floor.do(new_order(MALLORY, Side.SELL, 100, 2), new_order(ALICE, Side.BUY, 100, 2))
    assert floor.kinds() == []


def test_another_hour_begins_a_ring_anew(floor):
    for _ in range(3):
        pass_round(floor, (MALLORY, OSCAR), rounds=2)
        floor.pass_time(HOUR_S)
    assert floor.kinds() == []


def test_the_groups_watched_are_bounded(floor, monkeypatch):
    monkeypatch.setattr(flows, "FLOWS_MAX", 1)
    pass_round(floor, (MALLORY, OSCAR))
    assert floor.kinds() == []


def test_a_pair_does_not_hide_behind_small_sales_to_others(floor, monkeypatch):
    monkeypatch.setattr(flows, "COUNTERPARTIES_MAX", 2)
    others = (BOB, CAROL, TRUDY, MAKER)
    for buyer in others:
        floor.do(new_order(MALLORY, Side.SELL, 100, 1), new_order(buyer, Side.BUY, 100, 1))
    pass_round(floor, (MALLORY, OSCAR), rounds=3)
    assert floor.kinds() == [AlertKind.MATCHED_PAIR]
    for buyer in others:
        floor.do(new_order(MALLORY, Side.SELL, 100, 1), new_order(buyer, Side.BUY, 100, 1))
    assert len(floor.watch._flows._flows[1, MALLORY].buyers) == 2
    assert OSCAR in floor.watch._flows._flows[1, MALLORY].buyers


def late(floor):
    """Go to a quarter to midnight in China."""
    day_ns = 24 * 60 * MINUTE_NS
    floor.market.time_ns += day_ns - (floor.market.time_ns + 8 * 60 * MINUTE_NS) % day_ns - 15 * MINUTE_NS


def push(floor, pusher, to_ticks=(101, 102, 103)):
    for price in to_ticks:
        floor.do(new_order(ALICE, Side.SELL, price, 5), new_order(pusher, Side.BUY, price, 5))


def test_who_moves_the_end_of_the_day_is_found_when_it_is_over(floor):
    floor.do(new_order(ALICE, Side.SELL, 100, 5), new_order(BOB, Side.BUY, 100, 5))
    late(floor)
    push(floor, MALLORY)
    assert floor.kinds() == []
    floor.pass_time(HOUR_S)
    floor.do(new_order(ALICE, Side.SELL, 110, 5))
    (alert,) = floor.alerts(AlertKind.MARKING_THE_CLOSE)
    assert (alert.groups, alert.facts) == ((MALLORY,), {"lots": 15, "of_lots": 15, "from_ticks": 100, "to_ticks": 103})


@pytest.mark.parametrize("why", ["many", "flat", "few"])
def test_an_end_of_day_that_moves_by_many_is_nobodys(floor, why):
    late(floor)
    if why == "many":
        for price, buyer in ((101, BOB), (102, CAROL), (103, OSCAR), (104, TRUDY)):
            push(floor, buyer, (price,))
    else:
        push(floor, MALLORY, (100, 100, 100) if why == "flat" else (104,))
    floor.pass_time(HOUR_S)
    floor.do(new_order(ALICE, Side.SELL, 110, 5))
    assert floor.alerts(AlertKind.MARKING_THE_CLOSE) == []


@pytest.mark.parametrize(("pusher_side", "price"), [(Side.SELL, 97), (Side.BUY, 103)])
def test_who_moves_a_closing_auction_is_found_whatever_side_he_is_on(floor, pusher_side, price):
    floor.do(new_order(ALICE, Side.SELL, 100, 5), new_order(BOB, Side.BUY, 100, 5))
    late(floor)
    floor.do(commands.set_trading_state(1, TradingState.CALL_CLOSE))
    other = Side.BUY if pusher_side == Side.SELL else Side.SELL
    floor.do(*[new_order(account, other, price, 5) for account in (ALICE, BOB, CAROL)])
    floor.do(new_order(MALLORY, pusher_side, price, 15))
    floor.do(commands.uncross(1, TradingState.CLOSED))
    floor.pass_time(HOUR_S)
    floor.do(commands.set_trading_state(1, TradingState.PRE_OPEN))
    (alert,) = floor.alerts(AlertKind.MARKING_THE_CLOSE)
    expected = {"lots": 15, "of_lots": 15, "from_ticks": 100, "to_ticks": price}
    assert (alert.groups, alert.facts) == ((MALLORY,), expected)


def test_whose_bids_are_sold_into_has_taken_nothing_once_orders_match_as_they_come(floor):
    late(floor)
    for state in (TradingState.CALL_CLOSE, TradingState.PRE_OPEN, TradingState.CONTINUOUS):
        floor.do(commands.set_trading_state(1, state))
    for price, seller in ((101, BOB), (102, CAROL), (103, OSCAR), (104, TRUDY)):
        floor.do(new_order(MALLORY, Side.BUY, price, 5), new_order(seller, Side.SELL, price, 5))
    floor.pass_time(HOUR_S)
    floor.do(new_order(ALICE, Side.SELL, 110, 5))
    assert floor.alerts(AlertKind.MARKING_THE_CLOSE) == []
