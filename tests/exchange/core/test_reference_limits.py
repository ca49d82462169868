"""What limits orders beyond their terms in the readable engine."""

import pytest

from exchange.core import commands
from exchange.core.reference import Reference
from exchange.core.reference_limits import day_of, immature
from exchange.core.types import (
    DAY_NS,
    DAY_OFFSET_NS,
    RejectReason,
    TradingState,
    TransferPurpose,
)
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CNY,
    LICENCES,
    Market,
    reasons,
)

RULED = 3


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


def test_what_goes_was_bought_first():
    market = ruled(turnaround_days=2)
    bought(market, ALICE, 5)
    market.time_ns = DAY_NS
    bought(market, ALICE, 7)
    tables = market.engine.tables
    assert immature(tables, ALICE, LICENCES) == 12
    market.do(commands.redeem(ALICE, LICENCES, 13, bytes(16)))
    assert (immature(tables, ALICE, LICENCES), tables.acquired[ALICE, LICENCES]) == (9, {0: 2, 1: 7})
