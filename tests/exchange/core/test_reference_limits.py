"""What limits orders beyond their terms in the readable engine."""

import pytest

from exchange.core import commands
from exchange.core.reference import Reference
from exchange.core.reference_limits import day_of, immature
from exchange.core.state import TEST
from exchange.core.types import (
    DAY_NS,
    DAY_OFFSET_NS,
    OrderType,
    RejectReason,
    Side,
    TimeInForce,
    TradingState,
    TransferPurpose,
)
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CAROL,
    CNY,
    DAVE,
    LICENCES,
    PLAIN,
    TINY,
    Market,
    reasons,
)

RULED = 3
OK = RejectReason.NONE


@pytest.fixture
def market() -> Market:
    """Return a market of the readable engine."""
    return Market()


def ruled(engine: Reference | None = None, **rules: int) -> Market:
    """Return a market with a book of licences under rules; Bob issues them, and Alice has ten."""
    market = Market(engine)
    market.do(
        commands.list_instrument(RULED, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=99),
        commands.issue(BOB, LICENCES, 50),
        commands.transfer(BOB, ALICE, LICENCES, 10, TransferPurpose.SUBACCOUNT),
        commands.set_trading_state(RULED, TradingState.CONTINUOUS),
        commands.set_venue_rules(RULED, **rules),
    )
    return market


def bought(market: Market, account: int, lots: int) -> RejectReason:
    """Let an account buy licences of Bob, and return why not."""
    market.sell(BOB, lots, 10, instrument=RULED)
    return reasons(market.buy(account, lots, 10, instrument=RULED))[0]


def test_a_day_begins_at_midnight_in_china():
    assert [day_of(time_ns) for time_ns in (0, DAY_NS - DAY_OFFSET_NS - 1, DAY_NS - DAY_OFFSET_NS)] == [0, 0, 1]


def test_what_was_bought_is_passed_on_when_its_days_are_over():
    market = ruled(turnaround_days=2)
    assert bought(market, ALICE, 5) == OK
    told = []
    for day in range(3):
        market.time_ns = day * DAY_NS
        told += reasons(market.sell(ALICE, 11, 20, instrument=RULED))
    assert told == [RejectReason.NOT_YET_TRANSFERABLE, RejectReason.NOT_YET_TRANSFERABLE, OK]


def test_what_goes_was_bought_first():
    market = ruled(turnaround_days=2)
    bought(market, ALICE, 5)
    market.time_ns = DAY_NS
    bought(market, ALICE, 7)
    tables = market.engine.tables
    assert immature(tables, ALICE, LICENCES) == 12
    market.do(commands.redeem(ALICE, LICENCES, 13, bytes(16)))
    assert (immature(tables, ALICE, LICENCES), tables.acquired[ALICE, LICENCES]) == (9, {0: 2, 1: 7})


def test_so_many_may_hold_units_and_no_more():
    market = ruled(holders_max=2)
    assert [bought(market, account, 1) for account in (CAROL, DAVE, ALICE)] == [OK, RejectReason.HOLDER_LIMIT, OK]
    market.do(commands.expire_units(CAROL, LICENCES))
    assert bought(market, DAVE, 1) == OK


def test_days_of_acquisition_need_room():
    market = ruled(Reference(TEST._replace(acquisitions=1)), turnaround_days=1)
    assert [bought(market, account, 1) for account in (CAROL, DAVE, CAROL)] == [OK, RejectReason.ACQUISITIONS_FULL, OK]
    assert reasons(market.buy(BOB, 1, 5, instrument=RULED)) == [OK]


def test_conditions_need_room():
    market = Market(Reference(TINY))
    market.do(commands.set_price_band(PLAIN, 1, 200))
    told = [
        market.buy(BOB, 5, 99, display_lots=1),
        market.buy(BOB, 5, 99, time_in_force=TimeInForce.GTD, until_ns=9),
        market.buy(BOB, 5, 99, order_type=OrderType.STOP, stop_ticks=199),
        market.buy(BOB, 5, 99),
    ]
    assert [reasons(events)[0] for events in told] == [OK, OK, RejectReason.CONDITIONS_FULL, OK]
    market.do(commands.cancel_order(BOB, market.order_id(1)), commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    unpriced = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.AT_AUCTION}
    told = [market.do(commands.new_order(BOB, PLAIN, Side.BUY, 0, 1, **unpriced)) for _ in range(2)]
    assert [reasons(events)[0] for events in told] == [OK, RejectReason.CONDITIONS_FULL]
