"""The commands on orders: market, fill or kill, replace in its three cases, cancel, mass cancel."""

import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.state import TEST
from exchange.core.types import (
    AccountState,
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    RejectReason,
    Side,
    TimeInForce,
    TradingState,
)
from tests.exchange.core.builders import ALICE, BOB, CAROL, CASH_EACH, COARSE, PLAIN, Market, reasons

MARKET = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}


@pytest.fixture
def market() -> Market:
    """Return a market of the kernel."""
    return Market(Engine(TEST))


def test_a_market_buy_needs_only_what_the_book_costs(market):
    market.sell(ALICE, 10, 100)
    market.sell(ALICE, 10, 9_000)
    told = market.buy(BOB, 20, 0, **MARKET)
    assert [event.kind for event in told] == [EventKind.ORDER_ACCEPTED, EventKind.TRADED, EventKind.TRADED]
    assert told[0].fields["amount"] == 91_000
    assert market.available(BOB) == CASH_EACH - 91_000


def test_a_market_order_without_a_book_expires_unfilled(market):
    told = market.buy(BOB, 20, 0, **MARKET)
    assert [event.kind for event in told] == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_EXPIRED]
    assert market.available(BOB) == CASH_EACH


def test_a_market_buy_that_costs_too_much_is_refused(market):
    market.sell(ALICE, 100, CASH_EACH)
    assert reasons(market.buy(BOB, 2, 0, **MARKET)) == [RejectReason.INSUFFICIENT_BALANCE]


def test_fill_or_kill_fills_all_or_touches_nothing(market):
    market.sell(ALICE, 5, 50)
    told = market.buy(BOB, 6, 50, time_in_force=TimeInForce.FOK)
    assert [event.kind for event in told] == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_EXPIRED]
    assert told[1].fields["reason"] == EndReason.FILL_OR_KILL
    told = market.buy(BOB, 5, 50, time_in_force=TimeInForce.FOK)
    assert [event.kind for event in told] == [EventKind.ORDER_ACCEPTED, EventKind.TRADED]


def first_maker(market: Market) -> int:
    """Return which of the orders accepted so far a sale of one lot at 50 meets."""
    told = market.sell(ALICE, 1, 50)
    return market.order_ids.index(told[1].fields["counter_order_id"]) + 1


@pytest.mark.parametrize(
    ("price", "total", "flags", "first"),
    [
        (0, 3, 0, 1),
        (50, 5, 0, 1),
        (0, 6, 0, 2),
        (50, 5, OrderFlag.REQUEUE, 2),
    ],
)
def test_only_a_decrease_keeps_the_place_in_the_queue(market, price, total, flags, first):
    market.buy(BOB, 5, 50)
    market.buy(CAROL, 5, 50)
    told = market.do(commands.replace_order(BOB, market.order_id(1), price, total, flags=flags))
    kept = OrderFlag.KEPT_PRIORITY if first == 1 else 0
    assert (told[0].kind, told[0].fields.get("flags", 0)) == (EventKind.ORDER_REPLACED, kept)
    assert first_maker(market) == first


def test_a_replaced_price_may_trade_at_once_under_the_same_id(market):
    market.sell(ALICE, 2, 60)
    market.buy(BOB, 5, 50)
    told = market.do(commands.replace_order(BOB, market.order_id(2), 60))
    assert [event.kind for event in told] == [EventKind.ORDER_REPLACED, EventKind.TRADED]
    assert told[1].fields["order_id"] == market.order_id(2)
    assert market.held(BOB) == 3 * 60


def test_a_replace_cannot_go_below_what_is_filled(market):
    market.buy(BOB, 5, 50)
    market.sell(ALICE, 2, 50)
    order = market.order_id(1)
    assert reasons(market.do(commands.replace_order(BOB, order, 0, 2))) == [RejectReason.QUANTITY_BELOW_FILLED]
    told = market.do(commands.replace_order(BOB, order, 0, 3))
    assert (told[0].fields["leaves_lots"], told[0].fields["fee"]) == (1, 3)


def test_a_replace_that_cannot_be_paid_leaves_the_order_as_it_was(market):
    market.buy(BOB, 5, 50)
    digest = market.engine.balances(BOB), market.engine.open_order_rows().tolist()
    told = market.do(commands.replace_order(BOB, market.order_id(1), CASH_EACH))
    assert reasons(told) == [RejectReason.INSUFFICIENT_BALANCE]
    assert (market.engine.balances(BOB), market.engine.open_order_rows().tolist()) == digest


def test_a_cancel_is_the_owners_alone(market):
    market.buy(BOB, 5, 50)
    assert reasons(market.do(commands.cancel_order(CAROL, market.order_id(1)))) == [RejectReason.UNKNOWN_ORDER]
    assert market.do(commands.cancel_order(BOB, market.order_id(1)))[0].kind == EventKind.ORDER_CANCELED


def test_restricted_accounts_and_halted_books_still_cancel_but_suspended_books_do_not(market):
    for _ in range(3):
        market.buy(BOB, 1, 50)
    market.do(commands.set_account_state(BOB, AccountState.RESTRICTED))
    assert reasons(market.buy(BOB, 1, 50)) == [RejectReason.ACCOUNT_NOT_ACTIVE]
    assert reasons(market.do(commands.cancel_order(BOB, market.order_id(1)))) == [RejectReason.NONE]
    market.do(commands.set_trading_state(PLAIN, TradingState.HALTED))
    assert reasons(market.do(commands.cancel_order(BOB, market.order_id(2)))) == [RejectReason.NONE]
    market.do(commands.set_trading_state(PLAIN, TradingState.SUSPENDED))
    assert reasons(market.do(commands.cancel_order(BOB, market.order_id(3)))) == [RejectReason.INSTRUMENT_NOT_TRADING]


@pytest.mark.parametrize(
    ("instrument", "side", "ended"),
    [(0, Side.BOTH, 4), (PLAIN, Side.BOTH, 2), (0, Side.SELL, 2), (COARSE, Side.BUY, 1)],
)
def test_a_mass_cancel_ends_what_it_names_and_nothing_else(market, instrument, side, ended):
    for book in (PLAIN, COARSE):
        market.buy(BOB, 1, 5, instrument=book)
        market.sell(BOB, 1, 95, instrument=book)
        market.buy(CAROL, 1, 5, instrument=book)
    told = market.do(commands.mass_cancel(BOB, instrument, side))
    assert [event.kind for event in told] == [EventKind.ORDER_CANCELED] * ended + [EventKind.MASS_CANCELED]
    assert told[-1].fields["quantity_lots"] == ended
    assert len(market.engine.open_order_rows()) == 6 - ended
