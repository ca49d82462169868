"""Each threshold of the table: nothing is said one short of it, and something is said at it."""

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.types import Side
from exchange.surveillance import holdings
from exchange.surveillance.alerts import AlertKind
from exchange.surveillance.thresholds import RING_MAX, TABLE, table
from exchange.usage.plan import Outcome
from exchange.usage.tally import tally_command, tally_of
from tests.exchange.marketdata.builders import ALICE, BOB, CAROL, MINUTE_NS, new_order
from tests.exchange.surveillance.scripts import MAKER, MALLORY, OSCAR, TRUDY, Floor, pass_round, spoof, wash
from tests.house.sources import ROOT

MEMBERS = (MALLORY, OSCAR, TRUDY, MAKER, BOB, CAROL)
LOTS = 10**8  # outstanding of the market's first asset


@pytest.fixture
def floor():
    return Floor()


def trade(floor, seller, buyer, lots, price=100):
    floor.do(new_order(seller, Side.SELL, price, lots), new_order(buyer, Side.BUY, price, lots))


def show(floor, lots=500, withdrawn=None, wait_ns=10**9):
    """Show lots to buy, sell ten, wait, and withdraw so many."""
    for _ in range(3):
        (shown,) = floor.do(new_order(MALLORY, Side.BUY, 98, lots))
        floor.do(new_order(MALLORY, Side.SELL, 101, 10), new_order(BOB, Side.BUY, 101, 10))
        floor.market.time_ns += wait_ns
        if withdrawn is not None:
            floor.do(commands.replace_order(MALLORY, shown, quantity_lots=lots - withdrawn))
        floor.market.time_ns += 20 * 10**9 if withdrawn is not None else 0
        floor.cancel(MALLORY, shown)
        floor.pass_time(30)


def quick(floor, count, price=100, wait_ns=0, trades=0, resting=0):
    """Withdraw so many orders at once, besides some that trade and some that rest."""
    for _ in range(trades):
        trade(floor, ALICE, MALLORY, 1)
    for _ in range(resting):
        floor.do(new_order(MALLORY, Side.BUY, 90, 1))
    for _ in range(count):
        ids = floor.do(new_order(MALLORY, Side.BUY, price, 1))
        floor.market.time_ns += wait_ns
        floor.cancel(MALLORY, *ids)


def near(floor, ticks):
    floor.do(commands.set_price_band(1, 1, 1_000))
    trade(floor, ALICE, BOB, 1, price=200)
    quick(floor, 300, price=200 - ticks)


def messages(floor, count, trades=0):
    """Send so many messages about orders, those that trade among them."""
    for _ in range(trades):
        trade(floor, ALICE, MALLORY, 1)
    (order,) = floor.do(new_order(MALLORY, Side.BUY, 90, 10_000))
    for lots in range(count - trades - 1):
        floor.do(commands.replace_order(MALLORY, order, quantity_lots=9_999 - lots))


def share(floor, elsewhere):
    trade(floor, MALLORY, BOB, elsewhere)
    pass_round(floor, (MALLORY, OSCAR), rounds=3, lots=80)


def net(floor, last):
    for back in (30, 30, last):
        trade(floor, MALLORY, OSCAR, 50)
        trade(floor, OSCAR, MALLORY, back)


def close(floor, before=100, price=101, lots=20, trades=3, others=0):
    """Take lots in the last half hour of a day, and let the day end."""
    trade(floor, ALICE, BOB, 1, price=before)
    day_ns = 24 * 60 * MINUTE_NS
    floor.market.time_ns += day_ns - (floor.market.time_ns + 8 * 60 * MINUTE_NS) % day_ns - 15 * MINUTE_NS
    for _ in range(trades):
        trade(floor, ALICE, MALLORY, lots, price=price)
    if others:
        trade(floor, ALICE, CAROL, others, price=price)
    floor.pass_time(3_600)
    floor.do(new_order(ALICE, Side.SELL, 110, 5))


def corner(floor, missing):
    floor.pass_time(24 * 3_600)
    floor.do(commands.deposit(MALLORY, 1, 10**18))
    for _ in range(49):
        trade(floor, ALICE, MALLORY, LOTS // 100)
    trade(floor, ALICE, MALLORY, LOTS // 100 - missing)


def buy_all(floor, trades):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(holdings, "CORNER_BPS", 0)
        floor.pass_time(24 * 3_600)
        for _ in range(trades):
            trade(floor, ALICE, MALLORY, 1)


def report(floor, records, wrong):
    outcomes = [Outcome.APPLIED] * (records - wrong) + [Outcome.DUPLICATE] * wrong
    for rows in floor.market.send(tally_command(MALLORY, tally_of(1, np.array(outcomes)))):
        floor.watch.apply(rows)


K = AlertKind
SCENES = {  # by name: what happens, with what at the threshold, with what one short of it, and what is said then
    "-": (wash, 1, 0, K.WASH_TRADE),
    "SHOW_FACTOR": (show, 30, 29, K.SPOOFING),
    "WITHDRAWN_BPS": (lambda floor, n: show(floor, 500, n), 400, 399, K.SPOOFING),
    "WITHDRAWN_NS": (lambda floor, n: show(floor, wait_ns=n), 10**10, 10**10 + 1, K.SPOOFING),
    "INCIDENTS_MIN": (spoof, 3, 2, K.SPOOFING),
    "LAYERS_MIN": (lambda floor, n: spoof(floor, layers=n), 4, 3, K.LAYERING),
    "QUICK_NS": (lambda floor, n: quick(floor, 300, wait_ns=n), 10**9, 10**9 + 1, K.QUICK_CANCELS),
    "NEAR_BPS": (near, 1, 2, K.QUICK_CANCELS),
    "QUICK_MIN": (quick, 300, 299, K.QUICK_CANCELS),
    "QUICK_BPS": (lambda floor, n: quick(floor, 300, resting=n), 75, 76, K.QUICK_CANCELS),
    "QUICK_PER_TRADE": (lambda floor, n: quick(floor, n, trades=4), 401, 400, K.QUICK_CANCELS),
    "MESSAGES_MIN": (messages, 2_000, 1_999, K.ORDER_TO_TRADE),
    "MESSAGES_PER_TRADE": (lambda floor, n: messages(floor, n, 11), 2_201, 2_200, K.ORDER_TO_TRADE),
    "ROUNDS_MIN": (lambda floor, n: pass_round(floor, MEMBERS[:2], n), 3, 2, K.MATCHED_PAIR),
    "SHARE_BPS": (share, 60, 61, K.MATCHED_PAIR),
    "NET_BPS": (net, 30, 29, K.MATCHED_PAIR),
    "RING_MAX": (lambda floor, n: pass_round(floor, MEMBERS[:n]), RING_MAX, RING_MAX + 1, K.CIRCULAR_TRADES),
    "CLOSE_MOVE_BPS": (lambda floor, n: close(floor, n, n + 1), 100, 101, K.MARKING_THE_CLOSE),
    "CLOSE_SHARE_BPS": (lambda floor, n: close(floor, others=n), 40, 41, K.MARKING_THE_CLOSE),
    "CLOSE_TRADES_MIN": (lambda floor, n: close(floor, trades=n), 3, 2, K.MARKING_THE_CLOSE),
    "CORNER_BPS": (corner, 0, 1, K.CORNERING),
    "CORNER_TRADES_MIN": (buy_all, 3, 2, K.CORNERING),
    "RECORDS_MIN": (lambda floor, n: report(floor, n, 100), 500, 499, K.USAGE_FRAUD),
    "IRREGULAR_BPS": (lambda floor, n: report(floor, 1_000, n), 200, 199, K.USAGE_FRAUD),
}


@pytest.mark.parametrize("name", SCENES)
def test_nothing_is_said_one_short_of_it_and_something_at_it(floor, name):
    scene, at, short, kind = SCENES[name]
    scene(floor, short)
    assert kind not in floor.kinds()
    other = Floor()
    scene(other, at)
    assert kind in other.kinds()


def test_every_row_of_the_table_has_a_scene_and_a_reason():
    assert sorted(row.name for row in TABLE) == sorted(SCENES)
    assert {kind for row in TABLE for kind in row.kinds} == set(AlertKind)
    assert all(row.why and row.counts for row in TABLE)


def test_the_documentation_shows_this_table():
    assert table() in (ROOT / "docs" / "surveillance.md").read_text(encoding="utf-8")
