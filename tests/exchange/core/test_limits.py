"""What is counted: messages, open orders, positions, holders, and the days on which units were bought."""

import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.jit import entry
from exchange.core.limits import immature
from exchange.core.reference import Reference
from exchange.core.state import TEST
from exchange.core.types import (
    DAY_NS,
    DAY_OFFSET_NS,
    OPEN_ORDERS_MAX,
    SECOND_NS,
    TURNAROUND_DAYS_MAX,
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
    both_engines,
    each_engine,
    reasons,
)

RULED = 3
OK = RejectReason.NONE


def ruled(engine: Engine | Reference | None = None, **rules: int) -> Market:
    """Return a market with a book of licences under rules; Bob issues them, and Alice has ten."""
    market = Market(engine or Engine(TEST))
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


@both_engines
def test_messages_are_counted_by_the_second(market):
    market.do(commands.set_account_limits(BOB, message_rate_max=2))
    told = [reasons(market.buy(BOB, 1, 99))[0] for _ in range(3)]
    market.time_ns = SECOND_NS - 1
    told += reasons(market.buy(BOB, 1, 99))
    market.time_ns = SECOND_NS
    told += reasons(market.buy(BOB, 1, 99)) + reasons(market.buy(CAROL, 1, 99))
    too_many = RejectReason.TOO_MANY_MESSAGES
    assert told == [OK, OK, too_many, too_many, OK, OK]


@both_engines
def test_cancels_are_messages_but_no_orders(market):
    market.do(commands.set_account_limits(BOB, order_rate_max=2))
    market.buy(BOB, 1, 99)
    told = market.do(*[commands.cancel_order(BOB, market.order_id(1))] * 2, commands.quote(BOB, PLAIN, (0, 0), (0, 0)))
    assert reasons(told) == [OK, RejectReason.UNKNOWN_ORDER, OK]
    assert reasons(market.buy(BOB, 1, 99)) == [RejectReason.TOO_MANY_MESSAGES]


@both_engines
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


@both_engines
def test_only_sellers_wait_where_offers_are_posted(market):
    market.do(
        commands.set_trading_state(PLAIN, TradingState.CLOSED),
        commands.set_mode(PLAIN, TradingMode.LIST),
        commands.set_trading_state(PLAIN, TradingState.CONTINUOUS),
    )
    told = [market.sell(BOB, 1, 100), market.buy(ALICE, 1, 99), market.buy(ALICE, 1, 99, time_in_force=TimeInForce.IOC)]
    assert [reasons(events)[0] for events in told] == [OK, RejectReason.NOT_IN_THIS_PHASE, OK]


@both_engines
def test_a_group_does_not_cross_itself_in_a_call(market):
    market.do(commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    told = [market.buy(CAROL, 1, 100), market.sell(DAVE, 1, 100), market.sell(DAVE, 1, 101), market.sell(BOB, 1, 100)]
    assert [reasons(events)[0] for events in told] == [OK, RejectReason.WOULD_CROSS_OWN_GROUP, OK, OK]


@both_engines
def test_open_orders_have_a_limit_of_the_account_and_of_the_book(market):
    market.do(
        commands.set_account_limits(BOB, open_orders_max=2), commands.set_instrument_limits(PLAIN, open_orders_max=1)
    )
    told = [market.buy(BOB, 1, 99, instrument=book) for book in (PLAIN, PLAIN, COARSE, COARSE)]
    too_many = RejectReason.TOO_MANY_OPEN_ORDERS
    assert [reasons(events)[0] for events in told] == [OK, too_many, OK, too_many]


@both_engines
def test_the_notional_of_an_order_has_a_limit_of_the_account_and_of_the_book(market):
    market.do(
        commands.set_account_limits(BOB, notional_max=500), commands.set_instrument_limits(PLAIN, notional_max=700)
    )
    told = [market.buy(account, lots, 100) for account, lots in ((BOB, 5), (BOB, 6), (CAROL, 7), (CAROL, 8))]
    too_large = RejectReason.NOTIONAL_TOO_LARGE
    assert [reasons(events)[0] for events in told] == [OK, too_large, OK, too_large]


@both_engines
def test_a_share_of_what_is_outstanding_is_all_that_one_may_have_or_bid_for(market):
    market.do(commands.set_instrument_limits(PLAIN, position_bps=2_550))  # 1,020 of 4,000
    told = [market.buy(account, lots, 1) for account, lots in ((BOB, 15), (BOB, 6), (BOB, 5), (ALICE, 999))]
    assert [reasons(events)[0] for events in told] == [OK, RejectReason.POSITION_LIMIT, OK, OK]


MIDNIGHT_NS = DAY_NS - DAY_OFFSET_NS  # the first in China after the epoch


@entry
def immature_units(states, row, time_ns):
    """Return how many units of a balance were bought too lately to be sold."""
    return immature(states[0], row, time_ns)


def locked(market: Market, account: int) -> int:
    """Return how many licences of an account were bought too lately, now."""
    rows = market.engine.balance_rows()
    mine = (rows["account"] == account) & (rows["asset"] == LICENCES)
    return immature_units(market.engine._states, int(mine.argmax()) + 1, market.time_ns)


def test_what_was_bought_before_midnight_in_china_is_a_day_old_after_it():
    market = ruled(turnaround_days=1)
    market.time_ns = MIDNIGHT_NS - 1
    assert bought(market, CAROL, 5) == OK
    told = reasons(market.sell(CAROL, 5, 20, instrument=RULED))
    market.time_ns = MIDNIGHT_NS
    assert told + reasons(market.sell(CAROL, 5, 20, instrument=RULED)) == [RejectReason.NOT_YET_TRANSFERABLE, OK]


@each_engine
def test_what_was_bought_is_passed_on_when_its_days_are_over(engine):
    market = ruled(engine(TEST), turnaround_days=2)
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
    assert locked(market, ALICE) == 12
    market.do(commands.redeem(ALICE, LICENCES, 13, bytes(16)))
    assert locked(market, ALICE) == 9
    market.time_ns = 2 * DAY_NS
    assert locked(market, ALICE) == 7
    market.time_ns = 3 * DAY_NS
    assert locked(market, ALICE) == 0


@pytest.mark.parametrize("days", [1, 2, 30, TURNAROUND_DAYS_MAX])
def test_every_day_counts_by_itself_for_as_long_as_the_rule_says(days):
    market = ruled(turnaround_days=days)
    market.do(commands.issue(BOB, LICENCES, 10_000))
    history: dict[int, int] = {}
    for day in (0, 1, 2, 5, 6, 37, 38, 68, 69, 70, 103, 135, 167):
        market.time_ns = day * DAY_NS
        lots = day % 7 + 1
        assert bought(market, CAROL, lots) == OK
        history[day] = lots
        assert locked(market, CAROL) == sum(lots for bought_on, lots in history.items() if bought_on > day - days)


def test_neither_the_issuer_nor_who_only_sells_has_days_to_wait():
    market = ruled(turnaround_days=5)
    market.sell(ALICE, 3, 10, instrument=RULED)
    assert reasons(market.buy(BOB, 3, 10, instrument=RULED))[0] == OK
    assert (locked(market, BOB), locked(market, ALICE)) == (0, 0)
    assert int(market.engine._states[0]["acquisition_count"]) == 1
    assert reasons(market.sell(BOB, 40, 10, instrument=RULED)) == [OK]


def test_a_rule_that_is_taken_back_locks_nothing():
    market = ruled(turnaround_days=5)
    bought(market, CAROL, 5)
    market.do(commands.set_venue_rules(RULED))
    assert locked(market, CAROL) == 0
    assert reasons(market.sell(CAROL, 5, 20, instrument=RULED)) == [OK]


def test_a_bid_is_no_acquisition_but_keeps_a_row_for_one():
    market = ruled(turnaround_days=5)
    market.buy(CAROL, 5, 10, instrument=RULED)
    market.buy(CAROL, 5, 10, instrument=RULED)
    assert (locked(market, CAROL), int(market.engine._states[0]["acquisition_count"])) == (0, 2)


def test_what_was_bought_in_an_auction_waits_as_well():
    market = ruled(turnaround_days=1)
    market.do(commands.set_trading_state(RULED, TradingState.CALL_OPEN))
    market.buy(CAROL, 5, 10, instrument=RULED)
    market.sell(BOB, 5, 10, instrument=RULED)
    market.do(commands.uncross(RULED, TradingState.CONTINUOUS))
    assert locked(market, CAROL) == 5


@each_engine
def test_so_many_may_hold_units_and_no_more(engine):
    market = ruled(engine(TEST), holders_max=2)
    assert [bought(market, account, 1) for account in (CAROL, DAVE, ALICE)] == [OK, RejectReason.HOLDER_LIMIT, OK]
    market.do(commands.expire_units(CAROL, LICENCES))
    assert bought(market, DAVE, 1) == OK


def test_a_holder_who_sells_all_makes_room_for_another():
    market = ruled(holders_max=1)
    market.buy(BOB, 10, 30, instrument=RULED)
    assert bought(market, CAROL, 1) == RejectReason.HOLDER_LIMIT
    market.sell(ALICE, 9, 30, instrument=RULED)
    assert bought(market, CAROL, 1) == RejectReason.HOLDER_LIMIT
    market.sell(ALICE, 1, 30, instrument=RULED)
    assert bought(market, CAROL, 1) == OK
    assert int(market.engine._states[0]["assets"]["holders"][LICENCES]) == 1


def test_the_share_of_a_position_counts_what_is_held_and_the_orders_that_are_open(market):
    market.do(commands.set_instrument_limits(PLAIN, position_bps=2_550), commands.set_price_band(PLAIN, 1, 200))
    market.sell(BOB, 600, 150)
    assert reasons(market.buy(BOB, 21, 1)) == [RejectReason.POSITION_LIMIT]
    market.buy(BOB, 20, 1)
    assert reasons(market.buy(BOB, 1, 1)) == [RejectReason.POSITION_LIMIT]
    order_id = market.order_ids[-1]
    told = [market.do(commands.replace_order(BOB, order_id, 2, lots))[0] for lots in (21, 20)]
    assert reasons(told) == [RejectReason.POSITION_LIMIT, OK]
    market.do(commands.cancel_order(BOB, order_id))
    assert reasons(market.buy(BOB, 20, 3, instrument=COARSE)) == [OK]
    assert reasons(market.buy(BOB, 20, 1)) == [OK]  # orders of another book do not count


def test_an_iceberg_counts_towards_a_position_with_what_it_hides(market):
    market.do(commands.set_instrument_limits(PLAIN, position_bps=2_550))
    market.buy(BOB, 15, 1, display_lots=1)
    told = [reasons(market.buy(BOB, lots, 1))[0] for lots in (6, 5)]
    assert told == [RejectReason.POSITION_LIMIT, OK]


def test_a_group_is_all_its_accounts_and_unpriced_orders_cross_everything(market):
    market.do(commands.create_account(5, CAROL), commands.deposit(5, CNY, 1_000))
    market.do(commands.set_price_band(PLAIN, 1, 200), commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    unpriced = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.AT_AUCTION}
    market.buy(5, 1, 100)
    crossing = RejectReason.WOULD_CROSS_OWN_GROUP
    told = [market.sell(DAVE, 1, 100), market.sell(CAROL, 1, 101), market.sell(DAVE, 1, 0, **unpriced)]
    assert [reasons(events)[0] for events in told] == [crossing, OK, crossing]
    told = [market.buy(DAVE, 1, 0, **unpriced), market.buy(DAVE, 1, 101), market.buy(DAVE, 1, 100)]
    assert [reasons(events)[0] for events in told] == [crossing, crossing, OK]


def test_neither_sleeping_orders_nor_those_of_another_book_cross_in_a_call(market):
    market.buy(CAROL, 1, 100, order_type=OrderType.STOP_LIMIT, stop_ticks=90)
    market.do(*(commands.set_trading_state(book, TradingState.CALL_OPEN) for book in (PLAIN, COARSE)))
    market.buy(CAROL, 1, 100, instrument=COARSE)
    assert reasons(market.sell(DAVE, 1, 100)) == [OK]


def test_a_refused_message_counts_and_one_of_the_next_second_begins_anew(market):
    market.do(commands.set_account_limits(BOB, message_rate_max=3))
    market.time_ns = 5 * SECOND_NS
    told = [reasons(market.buy(BOB, 0, 99))[0] for _ in range(4)]
    assert told == [RejectReason.INVALID_QUANTITY] * 3 + [RejectReason.TOO_MANY_MESSAGES]
    counts = market.engine._states[0]["account_limits"][BOB]
    assert (int(counts["messages"]), int(counts["orders"]), int(counts["second"])) == (4, 4, 5)
    market.time_ns = 6 * SECOND_NS
    market.do(commands.mass_cancel(BOB), commands.reduce_order(BOB, 1, 1), commands.replace_order(BOB, 1))
    counts = market.engine._states[0]["account_limits"][BOB]
    assert (int(counts["messages"]), int(counts["orders"]), int(counts["second"])) == (3, 1, 6)


def test_an_account_has_a_limit_of_open_orders_of_its_own_even_where_the_book_has_one(market):
    open_orders = market.engine._states[0]["accounts"]["open_orders"]
    open_orders[BOB] = OPEN_ORDERS_MAX
    assert reasons(market.buy(BOB, 1, 10)) == [RejectReason.TOO_MANY_OPEN_ORDERS]
    market.do(commands.set_instrument_limits(PLAIN, open_orders_max=5))
    assert reasons(market.buy(BOB, 1, 10)) == [RejectReason.TOO_MANY_OPEN_ORDERS]
    open_orders[BOB] = OPEN_ORDERS_MAX - 1
    assert reasons(market.buy(BOB, 1, 10)) == [OK]


@each_engine
def test_days_of_acquisition_need_room(engine):
    market = ruled(engine(TEST), turnaround_days=1)
    buyers = range(DAVE + 1, DAVE + 1 + TEST.acquisitions)
    for account in buyers:
        market.do(commands.create_account(account), commands.deposit(account, CNY, 100))
    assert {bought(market, account, 1) for account in buyers} == {OK}
    assert [bought(market, account, 1) for account in (DAVE, buyers[0])] == [RejectReason.ACQUISITIONS_FULL, OK]
    assert reasons(market.buy(BOB, 1, 5, instrument=RULED)) == [OK]


@each_engine
def test_conditions_need_room(engine):
    market = Market(engine(TINY))
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
