"""The watch: scripted abuse is found with the commands that show it, an honest market is left alone."""

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.records import EVENT
from exchange.core.types import Side
from exchange.surveillance.alerts import AlertKind
from exchange.surveillance.watch import Watch
from tests.exchange.marketdata.builders import ALICE, BOB, new_order
from tests.exchange.surveillance.scripts import (
    MAKER,
    MALLORY,
    OSCAR,
    TRUDY,
    Floor,
    make_market,
    pass_round,
    spoof,
    wash,
)


@pytest.fixture
def floor():
    return Floor()


def test_an_honest_market_is_left_alone(floor):
    make_market(floor)
    assert floor.kinds() == []


def test_the_guilty_are_found_among_the_honest(floor):
    make_market(floor, 50)
    begin = floor.market.sequence
    spoof(floor)
    make_market(floor, 50)
    spoof(floor, layers=5, account=OSCAR)
    wash(floor, price=101)  # between the bid and the ask
    pass_round(floor, (MALLORY, OSCAR, TRUDY), lots=500, price=101)
    make_market(floor, 50)
    found = {(alert.kind, alert.groups) for alert in floor.watch.alerts.after(0, 100)}
    assert found == {
        (AlertKind.SPOOFING, (MALLORY,)),
        (AlertKind.LAYERING, (OSCAR,)),
        (AlertKind.WASH_TRADE, (MALLORY,)),
        (AlertKind.CIRCULAR_TRADES, (MALLORY, OSCAR, TRUDY)),
    }
    assert all(MAKER not in groups for _, groups in found)
    (alert,) = floor.alerts(AlertKind.SPOOFING)
    assert begin < alert.first_sequence < alert.last_sequence <= floor.market.sequence


def test_any_cut_of_the_tape_finds_the_same():
    tape = []
    floor = Floor(setup=False)
    apply = floor.watch.apply
    floor.watch.apply = lambda rows: (tape.extend(rows), apply(rows))
    wash(Floor())
    floor.do(new_order(ALICE, Side.SELL, 100, 5), new_order(BOB, Side.BUY, 100, 5))
    for account in (ALICE, BOB):
        floor.do(new_order(account, Side.SELL, 100, 5), new_order(account, Side.BUY, 100, 5))
    for size in (1, 3, len(tape)):
        again = Watch()
        again.apply(floor.market.setup_events)
        for start in range(0, len(tape), size):
            again.apply(tape[start : start + size])
        assert again.alerts.after(0, 100) == floor.watch.alerts.after(0, 100)
    assert floor.kinds() == [AlertKind.WASH_TRADE, AlertKind.WASH_TRADE]


def test_what_goes_on_is_one_alert_an_hour(floor):
    wash(floor, 3)
    (alert,) = floor.alerts(AlertKind.WASH_TRADE)
    assert (alert.found_count, alert.last_sequence - alert.first_sequence) == (3, 4)
    floor.pass_time(3_600)
    wash(floor)
    assert len(floor.alerts(AlertKind.WASH_TRADE)) == 2
    assert [len(alerts) for alerts in floor.watch.alerts.cases().values()] == [2]


def test_redemptions_all_at_once_are_seen_like_one_after_the_other(floor):
    made = [commands.redeem(MALLORY, 2, 7, b"%016d" % number) for number in range(150)]
    events = [row for rows in floor.market.send(*made[:70]) for row in rows]
    floor.pass_time(25 * 3_600)
    events += [row for rows in floor.market.send(*made[70:], commands.create_account(9)) for row in rows]
    plain, fast = Watch(), Watch()
    for watch in (plain, fast):
        watch.apply(floor.market.setup_events)
    plain.apply(events)
    array = np.zeros(len(events), EVENT)
    for place, event in enumerate(events):
        array[place] = tuple(event)
    fast.apply_array(array)
    assert (fast._hour, fast._day) == (plain._hour, plain._day)
    assert fast._holdings._outstanding == plain._holdings._outstanding
