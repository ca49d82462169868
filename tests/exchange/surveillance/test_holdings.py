"""Cornering an asset, and use that is reported although it cannot be counted."""

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.types import AccountState, EventKind, Side
from exchange.surveillance import holdings
from exchange.surveillance.alerts import AlertKind
from exchange.usage.plan import Outcome
from exchange.usage.tally import tally_command, tally_of
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


def report(floor, number, outcome, issuer=MALLORY):
    """Let an issuer report a batch of which this became."""
    made = tally_command(issuer, tally_of(number, np.array(outcome)))
    for rows in floor.market.send(made):
        assert rows[0].kind == EventKind.COMMAND_REJECTED
        floor.watch.apply(rows)


@pytest.mark.parametrize("wrong", [Outcome.DUPLICATE, Outcome.OUTSIDE_TIME, Outcome.UNKNOWN_KEY, Outcome.KEY_ENDED])
def test_who_reports_what_cannot_be_counted_again_and_again_is_found(floor, wrong):
    begin = floor.market.sequence + 1
    report(floor, 1, [Outcome.APPLIED] * 600 + [wrong] * 149)
    assert floor.kinds() == []
    report(floor, 2, [wrong])
    report(floor, 3, [wrong])
    (alert,) = floor.alerts(AlertKind.USAGE_FRAUD)
    found = {Outcome.DUPLICATE: "repeated", Outcome.OUTSIDE_TIME: "late"}
    assert (alert.groups, alert.facts["records"], alert.facts[found.get(wrong, "unknown_key")]) == (
        (MALLORY,),
        751,
        151,
    )
    assert (alert.first_sequence, alert.last_sequence) == (begin, begin + 2)
    floor.pass_time(3_600)
    report(floor, 4, [Outcome.APPLIED] * 600)
    assert len(floor.alerts(AlertKind.USAGE_FRAUD)) == 1


def test_an_allowance_that_is_used_up_is_no_fraud(floor):
    report(floor, 1, [Outcome.EXHAUSTED] * 400 + [Outcome.NO_MEANS] * 400 + [Outcome.NO_ALLOWANCE] * 400)
    assert floor.kinds() == []


def test_what_the_engine_refuses_counts_for_the_issuer_of_the_units(floor, monkeypatch):
    monkeypatch.setattr(holdings, "RECORDS_MIN", 10)
    report(floor, 1, [Outcome.APPLIED] * 10, issuer=ALICE)
    floor.do(commands.set_account_state(MALLORY, AccountState.SUSPENDED))
    for number in range(2):
        for rows in floor.market.send(commands.redeem(MALLORY, 2, 1, b"%016d" % number)):
            floor.watch.apply(rows)
    (alert,) = floor.alerts(AlertKind.USAGE_FRAUD)
    assert (alert.groups, alert.facts["refused"]) == ((ALICE,), 2)


def test_only_so_many_issuers_are_watched(floor, monkeypatch):
    monkeypatch.setattr(holdings, "ISSUERS_MAX", 0)
    report(floor, 1, [Outcome.DUPLICATE] * 600)
    assert floor.kinds() == []
