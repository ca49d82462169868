"""Cash and units in the readable engine: they come, go, pass on, are taken back, and expire."""

import pytest

from exchange.core import commands
from exchange.core.types import (
    AMOUNT_MAX,
    RejectReason,
    Side,
    TradingState,
    TransferPurpose,
)
from tests.exchange.core.builders import (
    BOB,
    CAROL,
    CNY,
    DAVE,
    LICENCES,
    Market,
    reasons,
)

USAGE = b"\1" * 16


@pytest.fixture
def market() -> Market:
    """Return a market of the readable engine."""
    return Market()


def test_all_that_was_ever_issued_counts(market):
    told = market.do(
        commands.issue(BOB, LICENCES, AMOUNT_MAX),
        commands.redeem(BOB, LICENCES, AMOUNT_MAX, bytes(16)),
        commands.issue(BOB, LICENCES, 1),
    )
    assert reasons(told) == [0, 0, RejectReason.ISSUED_TOO_MUCH]


def test_a_transfer_obeys_the_rules_on_holders_and_days(market):
    market.do(
        commands.list_instrument(3, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=9),
        commands.issue(BOB, LICENCES, 9),
        commands.set_trading_state(3, TradingState.CONTINUOUS),
        commands.set_venue_rules(3, turnaround_days=1, holders_max=1),
        commands.new_order(BOB, 3, Side.SELL, 10, 2),
        commands.new_order(CAROL, 3, Side.BUY, 10, 2),
    )
    to_dave = commands.transfer(BOB, DAVE, LICENCES, 1, TransferPurpose.SUBACCOUNT)
    back = commands.transfer(CAROL, BOB, LICENCES, 1, TransferPurpose.SUBACCOUNT)
    assert reasons(market.do(to_dave, back)) == [RejectReason.HOLDER_LIMIT, RejectReason.NOT_YET_TRANSFERABLE]
