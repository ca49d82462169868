"""How many orders end at once on the kernel."""

import pytest

from exchange.core import commands
from exchange.core.types import (
    AccountState,
    ClearScope,
    EndReason,
    EventKind,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CAROL,
    CNY,
    COARSE,
    LICENCES,
    NOBODY,
    PLAIN,
    Fact,
    Market,
    altered,
    both_engines,
    fact,
    reasons,
)

LISTING = {"lot_units": 1, "tick_value": 1, "quantity_min": 1, "quantity_max": 9}


@both_engines
@pytest.mark.parametrize(
    ("account", "instrument", "side", "ended"),
    [
        (BOB, 0, Side.BOTH, [3, 2, 1]),
        (BOB, PLAIN, Side.BOTH, [2, 1]),
        (BOB, 0, Side.BUY, [3, 1]),
        (BOB, PLAIN, Side.SELL, [2]),
        (CAROL, 0, Side.BOTH, []),
    ],
)
def test_a_mass_cancel_ends_what_matches(market, account, instrument, side, ended):
    market.buy(BOB, 1, 100)
    market.sell(BOB, 1, 200)
    market.buy(BOB, 1, 100, instrument=COARSE)
    market.buy(ALICE, 1, 100)
    *cancelled, told = market.do(commands.mass_cancel(account, instrument, side))
    assert [event.fields["order_id"] for event in cancelled] == [market.order_id(number) for number in ended]
    assert {event.fields["reason"] for event in cancelled} <= {EndReason.MASS_CANCEL}
    assert told == fact(
        EventKind.MASS_CANCELED, side=side, account=account, instrument=instrument, quantity_lots=len(ended)
    )


def test_a_mass_cancel_ends_so_many_at_a_time_whatever_list_they_are_in(roomy, work_max):
    roomy.do(commands.issue(BOB, LICENCES, 9), commands.list_instrument(3, LICENCES, CNY, **LISTING))
    roomy.do(commands.set_trading_state(3, TradingState.CONTINUOUS))
    roomy.send(*[commands.new_order(BOB, 3, Side.SELL, 9, 1)] * 2)
    roomy.send(*[commands.new_order(BOB, PLAIN, Side.BUY, 2, 1)] * work_max)
    counts = [roomy.do(commands.mass_cancel(BOB))[-1].fields for _ in range(2)]
    assert [(told.get("quantity_lots"), told.get("leaves_lots")) for told in counts] == [(work_max, 2), (2, None)]


def test_a_mass_cancel_goes_by_base_asset_the_latest_first_and_by_acceptance_the_latest_first(market):
    market.do(commands.list_instrument(3, LICENCES, CNY, **LISTING))
    market.do(commands.set_trading_state(3, TradingState.CONTINUOUS))
    market.buy(BOB, 1, 100)
    market.buy(BOB, 1, 10, instrument=3)
    market.buy(BOB, 1, 100, instrument=COARSE)
    market.buy(BOB, 1, 110, order_type=OrderType.STOP_LIMIT, stop_ticks=105)
    market.do(commands.replace_order(BOB, market.order_id(1), 99))
    told = market.do(commands.mass_cancel(BOB))
    assert [event.fields["order_id"] for event in told[:-1]] == [market.order_id(number) for number in (2, 4, 3, 1)]


@both_engines
def test_who_may_mass_cancel(market):
    cancel = commands.mass_cancel(BOB, PLAIN)
    told = market.do(
        altered(cancel, side=3),
        altered(cancel, account=NOBODY),
        altered(cancel, instrument=3),
        commands.set_account_state(BOB, AccountState.CLOSED),
        cancel,
    )
    assert [reason for reason in reasons(told) if reason] == [
        RejectReason.MALFORMED_COMMAND,
        RejectReason.UNKNOWN_ACCOUNT,
        RejectReason.UNKNOWN_INSTRUMENT,
        RejectReason.ACCOUNT_NOT_ACTIVE,
    ]


def ends(told: list[Fact]) -> list[int]:
    """Return the reasons of the orders that ended."""
    return [
        event.fields["reason"] for event in told if event.kind in {EventKind.ORDER_CANCELED, EventKind.ORDER_EXPIRED}
    ]


@both_engines
def test_orders_of_a_book_that_keeps_them_stay_and_count(market):
    market.buy(BOB, 1, 100)
    market.buy(BOB, 1, 100, instrument=COARSE)
    market.do(commands.set_trading_state(COARSE, TradingState.SUSPENDED))
    told = market.do(commands.mass_cancel(BOB, reason=EndReason.DISCONNECTED))
    assert ends(told) == [EndReason.DISCONNECTED]
    assert told[-1] == fact(
        EventKind.MASS_CANCELED,
        side=Side.BOTH,
        account=BOB,
        state=EndReason.DISCONNECTED,
        quantity_lots=1,
        leaves_lots=1,
    )


@both_engines
def test_a_mass_cancel_has_no_other_reason(market):
    command = altered(commands.mass_cancel(BOB), state=EndReason.KILLED)
    assert reasons(market.do(command)) == [RejectReason.MALFORMED_COMMAND]


@both_engines
def test_the_kill_switch_suspends_and_ends_whatever_the_books_do(market):
    market.buy(BOB, 1, 100)
    market.do(commands.set_trading_state(PLAIN, TradingState.SUSPENDED))
    told = market.do(commands.kill_switch(BOB))
    assert told[0] == fact(EventKind.ACCOUNT_STATE_SET, account=BOB, state=AccountState.SUSPENDED)
    assert ends(told) == [EndReason.KILLED]
    assert told[-1] == fact(EventKind.MASS_CANCELED, side=Side.BOTH, account=BOB, quantity_lots=1)


@both_engines
def test_there_is_nothing_to_kill_of_nobody_or_of_a_closed_account(market):
    market.do(commands.set_account_state(BOB, AccountState.CLOSED))
    told = market.do(commands.kill_switch(NOBODY), commands.kill_switch(BOB))
    assert reasons(told) == [RejectReason.UNKNOWN_ACCOUNT, RejectReason.ACCOUNT_NOT_ACTIVE]


@both_engines
def test_a_timer_fires_once_when_it_is_due(market):
    market.buy(BOB, 1, 100)
    assert market.do(commands.set_deadman(BOB, 10)) == [fact(EventKind.DEADMAN_SET, account=BOB, amount=10)]
    told = market.do(commands.fire_deadman(BOB), commands.fire_deadman(CAROL), commands.fire_deadman(NOBODY))
    assert reasons(told) == [RejectReason.TIMER_NOT_DUE, RejectReason.TIMER_NOT_DUE, RejectReason.UNKNOWN_ACCOUNT]
    market.time_ns = 10
    assert ends(market.do(commands.fire_deadman(BOB))) == [EndReason.DEADMAN]
    assert reasons(market.do(commands.fire_deadman(BOB))) == [RejectReason.TIMER_NOT_DUE]


@both_engines
def test_a_timer_is_of_somebody_and_in_the_future(market):
    market.time_ns = 10
    told = market.do(commands.set_deadman(NOBODY, 0), commands.set_deadman(BOB, 10), commands.set_deadman(BOB, 0))
    assert reasons(told) == [RejectReason.UNKNOWN_ACCOUNT, RejectReason.INVALID_EXPIRY, 0]


@both_engines
def test_an_order_with_an_end_expires_at_it(market):
    market.buy(BOB, 1, 100, time_in_force=TimeInForce.GTD, until_ns=10)
    market.buy(BOB, 1, 100)
    expiries = [commands.expire_order(order_id) for order_id in (*market.order_ids, 7)]
    assert reasons(market.do(*expiries)) == [
        RejectReason.TIMER_NOT_DUE,
        RejectReason.TIMER_NOT_DUE,
        RejectReason.UNKNOWN_ORDER,
    ]
    market.time_ns = 10
    assert ends(market.do(*expiries)) == [EndReason.TIME_OVER]


def crowd(market: Market) -> None:
    """Put orders of every queue and of every end on the plain book."""
    market.sell(ALICE, 1, 100)
    market.buy(ALICE, 1, 100, self_trade_prevention=SelfTradePrevention.NONE)
    market.buy(BOB, 1, 110, order_type=OrderType.STOP_LIMIT, stop_ticks=105)
    market.sell(BOB, 1, 90, order_type=OrderType.STOP_LIMIT, stop_ticks=95)
    market.sell(BOB, 1, 101, time_in_force=TimeInForce.DAY)
    market.sell(BOB, 1, 102, time_in_force=TimeInForce.GTD, until_ns=10)
    market.buy(BOB, 1, 98, time_in_force=TimeInForce.GTD, until_ns=11)
    market.buy(BOB, 1, 99)
    market.buy(CAROL, 1, 99)


@pytest.mark.parametrize(
    ("side", "prices"),
    [(Side.BOTH, [99, 99, 98, 101, 102, 90, 110]), (Side.BUY, [99, 99, 98, 110]), (Side.SELL, [101, 102, 90])],
)
def test_a_book_is_cleared_best_first_buys_before_sells_and_sleeping_sells_before_sleeping_buys(market, side, prices):
    crowd(market)
    told = market.do(commands.clear_book(PLAIN, side))
    assert {event.fields["reason"] for event in told[:-1]} == {EndReason.BOOK_CLEARED}
    assert [event.fields["price_ticks"] for event in told[:-1]] == prices
    assert told[-1] == fact(EventKind.BOOK_CLEARED, side=side, instrument=PLAIN, quantity_lots=len(prices))


def test_a_day_that_is_over_ends_what_was_for_the_day_or_is_due(market):
    crowd(market)
    market.time_ns = 10
    told = market.do(commands.clear_book(PLAIN, scope=ClearScope.DAY))
    assert [(event.fields["reason"], event.fields["price_ticks"]) for event in told[:-1]] == [
        (EndReason.TIME_OVER, 101),
        (EndReason.TIME_OVER, 102),
    ]
    assert told[-1] == fact(
        EventKind.BOOK_CLEARED, side=Side.BOTH, state=ClearScope.DAY, instrument=PLAIN, quantity_lots=2
    )


def test_a_book_is_cleared_so_far_and_the_rest_counted(roomy, work_max):
    roomy.send(*[commands.new_order(BOB, PLAIN, Side.BUY, 2, 1)] * (work_max + 3))
    counts = [roomy.do(commands.clear_book(PLAIN))[-1].fields for _ in range(3)]
    assert [(told.get("quantity_lots", 0), told.get("leaves_lots", 0)) for told in counts] == [
        (work_max, 3),
        (3, 0),
        (0, 0),
    ]


@both_engines
def test_a_book_that_is_none_is_not_cleared(market):
    clear = commands.clear_book(PLAIN)
    told = market.do(altered(clear, side=3), altered(clear, state=2), altered(clear, instrument=9))
    assert reasons(told) == [RejectReason.MALFORMED_COMMAND] * 2 + [RejectReason.UNKNOWN_INSTRUMENT]
