"""What limits orders beyond their terms in the readable engine."""

import pytest

from exchange.core import commands
from exchange.core.reference import Reference
from exchange.core.reference_limits import day_of, immature
from exchange.core.state import TEST
from exchange.core.types import (
    DAY_NS,
    DAY_OFFSET_NS,
    SECOND_NS,
    OrderType,
    RejectReason,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
    TransferPurpose,
)
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CAROL,
    CNY,
    COARSE,
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


def test_messages_are_counted_by_the_second(market):
    market.do(commands.set_account_limits(BOB, message_rate_max=2))
    told = [reasons(market.buy(BOB, 1, 99))[0] for _ in range(3)]
    market.time_ns = SECOND_NS - 1
    told += reasons(market.buy(BOB, 1, 99))
    market.time_ns = SECOND_NS
    told += reasons(market.buy(BOB, 1, 99)) + reasons(market.buy(CAROL, 1, 99))
    too_many = RejectReason.TOO_MANY_MESSAGES
    assert told == [OK, OK, too_many, too_many, OK, OK]


def test_cancels_are_messages_but_no_orders(market):
    market.do(commands.set_account_limits(BOB, order_rate_max=2))
    market.buy(BOB, 1, 99)
    told = market.do(*[commands.cancel_order(BOB, market.order_id(1))] * 2, commands.quote(BOB, PLAIN, (0, 0), (0, 0)))
    assert reasons(told) == [OK, RejectReason.UNKNOWN_ORDER, OK]
    assert reasons(market.buy(BOB, 1, 99)) == [RejectReason.TOO_MANY_MESSAGES]


@pytest.mark.parametrize(
    ("state", "order_type", "life", "reason"),
    [
        (TradingState.CONTINUOUS, OrderType.LIMIT, TimeInForce.AT_AUCTION, RejectReason.NOT_IN_THIS_PHASE),
        (TradingState.PRE_OPEN, OrderType.LIMIT, TimeInForce.IOC, RejectReason.NOT_IN_THIS_PHASE),
        (TradingState.CALL_OPEN, OrderType.LIMIT, TimeInForce.FOK, RejectReason.NOT_IN_THIS_PHASE),
        (TradingState.VOLATILITY, OrderType.MARKET, TimeInForce.GTC, RejectReason.NOT_IN_THIS_PHASE),
        (TradingState.CALL_CLOSE, OrderType.MARKET, TimeInForce.AT_AUCTION, OK),
        (TradingState.CALL_NO_CANCEL, OrderType.LIMIT, TimeInForce.DAY, OK),
        (TradingState.GATE_CLOSED, OrderType.LIMIT, TimeInForce.GTC, RejectReason.INSTRUMENT_NOT_TRADING),
    ],
)
def test_each_phase_takes_its_orders(market, state, order_type, life, reason):
    market.do(commands.set_price_band(PLAIN, 1, 200), commands.set_trading_state(PLAIN, state))
    assert reasons(market.buy(BOB, 1, 100, order_type=order_type, time_in_force=life)) == [reason]


def test_only_sellers_wait_where_offers_are_posted(market):
    market.do(
        commands.set_trading_state(PLAIN, TradingState.CLOSED),
        commands.set_mode(PLAIN, TradingMode.LIST),
        commands.set_trading_state(PLAIN, TradingState.CONTINUOUS),
    )
    told = [market.sell(BOB, 1, 100), market.buy(ALICE, 1, 99), market.buy(ALICE, 1, 99, time_in_force=TimeInForce.IOC)]
    assert [reasons(events)[0] for events in told] == [OK, RejectReason.NOT_IN_THIS_PHASE, OK]


def test_a_group_does_not_cross_itself_in_a_call(market):
    market.do(commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    told = [market.buy(CAROL, 1, 100), market.sell(DAVE, 1, 100), market.sell(DAVE, 1, 101), market.sell(BOB, 1, 100)]
    assert [reasons(events)[0] for events in told] == [OK, RejectReason.WOULD_CROSS_OWN_GROUP, OK, OK]


def test_open_orders_have_a_limit_of_the_account_and_of_the_book(market):
    market.do(
        commands.set_account_limits(BOB, open_orders_max=2), commands.set_instrument_limits(PLAIN, open_orders_max=1)
    )
    told = [market.buy(BOB, 1, 99, instrument=book) for book in (PLAIN, PLAIN, COARSE, COARSE)]
    too_many = RejectReason.TOO_MANY_OPEN_ORDERS
    assert [reasons(events)[0] for events in told] == [OK, too_many, OK, too_many]


def test_the_notional_of_an_order_has_a_limit_of_the_account_and_of_the_book(market):
    market.do(
        commands.set_account_limits(BOB, notional_max=500), commands.set_instrument_limits(PLAIN, notional_max=700)
    )
    told = [market.buy(account, lots, 100) for account, lots in ((BOB, 5), (BOB, 6), (CAROL, 7), (CAROL, 8))]
    too_large = RejectReason.NOTIONAL_TOO_LARGE
    assert [reasons(events)[0] for events in told] == [OK, too_large, OK, too_large]


def test_a_share_of_what_is_outstanding_is_all_that_one_may_have_or_bid_for(market):
    market.do(commands.set_instrument_limits(PLAIN, position_bps=2_550))  # 1,020 of 4,000
    told = [market.buy(account, lots, 1) for account, lots in ((BOB, 15), (BOB, 6), (BOB, 5), (ALICE, 999))]
    assert [reasons(events)[0] for events in told] == [OK, RejectReason.POSITION_LIMIT, OK, OK]


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
