"""Cornering an asset, and usage that comes again and again."""

import pytest

from exchange.core import commands
from exchange.core.types import EventKind, Side
from exchange.surveillance import holdings
from exchange.surveillance.alerts import AlertKind
from tests.exchange.marketdata.builders import ALICE, BOB, new_order
from tests.exchange.surveillance.scripts import MALLORY, Floor

LOTS = 10**8  # outstanding of the market's first asset


@pytest.fixture
def floor():
    return Floor()


def buy(floor, buyer, lots, seller=ALICE):
    floor.do(new_order(seller, Side.SELL, 100, lots), new_order(buyer, Side.BUY, 100, lots))


def test_who_buys_half_of_what_there_is_in_a_day_is_found(floor):
    floor.pass_time(24 * 3_600)
    floor.do(commands.deposit(MALLORY, 1, 10**18))
    for _ in range(49):
        buy(floor, MALLORY, LOTS // 100)
    assert floor.alerts(AlertKind.CORNERING) == []
    buy(floor, MALLORY, LOTS // 100)
    (alert,) = floor.alerts(AlertKind.CORNERING)
    assert (alert.groups, alert.facts["outstanding_units"], alert.facts["trades"]) == ((MALLORY,), 10**9, 50)
    floor.pass_time(24 * 3_600)
    buy(floor, MALLORY, 1)
    assert len(floor.alerts(AlertKind.CORNERING)) == 1


def test_the_issuer_may_buy_his_own_back(floor, monkeypatch):
    monkeypatch.setattr(holdings, "CORNER_BPS", 0)
    for _ in range(3):
        buy(floor, ALICE, 5, BOB)
    assert floor.alerts(AlertKind.CORNERING) == []


def test_only_so_many_buyers_are_watched(floor, monkeypatch):
    monkeypatch.setattr(holdings, "CORNER_BPS", 0)
    monkeypatch.setattr(holdings, "BOUGHT_MAX", 1)
    floor.pass_time(24 * 3_600)
    for _ in range(4):
        buy(floor, MALLORY, 5)
    assert floor.alerts(AlertKind.CORNERING) == []


def redeem(floor, *numbers):
    for number in numbers:
        for rows in floor.market.send(commands.redeem(MALLORY, 2, 1, b"%016d" % number)):
            assert rows[0].kind in {EventKind.REDEEMED, EventKind.COMMAND_REJECTED}
            floor.watch.apply(rows)


def test_usage_that_comes_again_and_again_is_found(floor, monkeypatch):
    monkeypatch.setattr(holdings, "RECORDS_MIN", 50)
    redeem(floor, *range(45), *range(9))
    assert floor.kinds() == []
    redeem(floor, 10, 11, 12)
    (alert,) = floor.alerts(AlertKind.USAGE_FRAUD)
    assert (alert.groups, alert.facts) == ((MALLORY,), {"records": 57, "repeated": 12})
    floor.pass_time(3_600)
    redeem(floor, *range(40))
    assert len(floor.alerts(AlertKind.USAGE_FRAUD)) == 1
