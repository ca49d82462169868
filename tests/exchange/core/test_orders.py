"""Orders on the kernel: what acceptance says and holds, cancels, reductions, replaces."""

import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.state import TEST
from exchange.core.types import (
    CLIENT_ID_WINDOW_MIN_NS,
    CLIENT_ID_WINDOW_NS,
    AccountState,
    EndReason,
    EventKind,
    OrderFlag,
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
    CASH_EACH,
    COARSE,
    DAVE,
    NOBODY,
    PLAIN,
    TINY,
    TOKENS,
    Fact,
    Market,
    altered,
    both_engines,
    each_engine,
    fact,
    reasons,
)

POST_ONLY = OrderFlag.POST_ONLY
MARKET = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}


def kinds(told: list[Fact]) -> list[EventKind]:
    """Return what happened without its details."""
    return [event.kind for event in told]


@both_engines
def test_acceptance_says_all_there_is_to_say(market):
    told = market.sell(
        BOB,
        3,
        100,
        instrument=COARSE,
        flags=POST_ONLY,
        self_trade_prevention=SelfTradePrevention.DECREMENT,
        client_order_id="mine",
    )
    order_id = market.order_id(1)
    assert told == [
        fact(
            EventKind.ORDER_ACCEPTED,
            side=Side.SELL,
            flags=POST_ONLY,
            self_trade_prevention=SelfTradePrevention.DECREMENT,
            account=BOB,
            instrument=COARSE,
            asset=TOKENS,
            order_id=order_id,
            price_ticks=100,
            quantity_lots=3,
            leaves_lots=3,
            amount=30,
        ),
        fact(
            EventKind.ORDER_NAMED,
            account=BOB,
            instrument=COARSE,
            order_id=order_id,
            price_ticks=int.from_bytes(b"mine", "little"),
        ),
    ]


@both_engines
def test_all_words_of_a_name_are_told(market):
    named = market.buy(BOB, 1, 100, client_order_id="abcdefgh" * 4 + "ijkl")[1]
    told = tuple(named.fields[name] for name in ("price_ticks", "quantity_lots", "leaves_lots", "amount", "fee"))
    assert commands.client_text(told) == "abcdefgh" * 4 + "ijkl"


@both_engines
def test_a_market_order_is_priced_at_the_band(market):
    market.do(commands.set_price_band(PLAIN, 90, 110))
    accepted = [
        market.buy(BOB, 1, 5, order_type=OrderType.MARKET)[0],
        market.sell(BOB, 1, 5, order_type=OrderType.MARKET, time_in_force=TimeInForce.FOK)[0],
    ]
    assert [event.fields["price_ticks"] for event in accepted] == [110, 90]


@both_engines
def test_a_market_order_is_not_asked_for_its_price(market):
    market.do(commands.set_price_band(PLAIN, 101, 200))
    assert reasons(market.buy(BOB, 1, -5, order_type=OrderType.MARKET))[0] == RejectReason.NONE


@each_engine
def test_orders_balances_and_names_run_out(engine):
    market = Market(engine(TINY))
    for name in "abc":
        market.buy(BOB, 1, 100, client_order_id=name)
    assert reasons(market.buy(BOB, 1, 100, client_order_id="d")) == [RejectReason.RECENT_IDS_FULL]
    market.do(commands.create_asset(4, AccountState.ACTIVE))
    market.do(*(commands.deposit(account, 4, 1) for account in (ALICE, BOB, CAROL)))
    assert reasons(market.buy(BOB, 1, 100, client_order_id="d")) == [RejectReason.BALANCES_FULL]
    market = Market(engine(TINY))
    told = [market.buy(BOB, 1, 100) for _ in range(TINY.orders + 1)]
    assert reasons(told[-1]) == [RejectReason.ORDERS_FULL]


@both_engines
def test_a_name_used_again_yields_its_first_order_and_nothing_else(market):
    market.buy(BOB, 1, 100, client_order_id="a")
    told = market.sell(BOB, 9, 70, instrument=NOBODY, client_order_id="a")
    assert told == [fact(EventKind.ORDER_DUPLICATED, account=BOB, instrument=NOBODY, order_id=market.order_id(1))]


@both_engines
def test_a_name_is_known_even_when_the_account_may_no_longer_trade(market):
    market.buy(BOB, 1, 100, client_order_id="a")
    market.do(commands.set_account_state(BOB, AccountState.CLOSED))
    assert kinds(market.buy(BOB, 1, 100, client_order_id="a")) == [EventKind.ORDER_DUPLICATED]


@both_engines
def test_names_are_of_one_account_and_of_one_day(market):
    market.buy(BOB, 1, 100, client_order_id="a")
    assert kinds(market.buy(CAROL, 1, 100, client_order_id="a"))[0] == EventKind.ORDER_ACCEPTED
    market.time_ns += CLIENT_ID_WINDOW_NS - 1
    assert kinds(market.buy(BOB, 1, 100, client_order_id="a")) == [EventKind.ORDER_DUPLICATED]
    market.time_ns += 1
    assert kinds(market.buy(BOB, 1, 100, client_order_id="a"))[0] == EventKind.ORDER_ACCEPTED


@both_engines
def test_a_refused_order_does_not_use_its_name_up(market):
    market.buy(BOB, 0, 100, client_order_id="a")
    assert kinds(market.buy(BOB, 1, 100, client_order_id="a"))[0] == EventKind.ORDER_ACCEPTED


def test_a_refused_order_makes_no_balance():
    market = Market(Engine(TEST), setup=(commands.create_account(1),))
    assert reasons(market.buy(1, 1, 100)) == [RejectReason.UNKNOWN_INSTRUMENT]
    assert market.engine.balance_rows().tolist() == []


@both_engines
def test_a_cancel_releases_and_tells(market):
    market.buy(BOB, 3, 100)
    order_id = market.order_id(1)
    assert market.do(commands.cancel_order(BOB, order_id)) == [
        fact(
            EventKind.ORDER_CANCELED,
            reason=EndReason.REQUESTED,
            flags=OrderFlag.RESTING,
            account=BOB,
            instrument=PLAIN,
            order_id=order_id,
            price_ticks=100,
            quantity_lots=3,
            leaves_lots=3,
            amount=300,
        )
    ]
    assert (market.available(BOB), market.held(BOB)) == (CASH_EACH, 0)
    assert reasons(market.do(commands.cancel_order(BOB, order_id))) == [RejectReason.UNKNOWN_ORDER]


@both_engines
def test_who_may_cancel_what_and_when(market):
    market.buy(BOB, 3, 100)
    cancel = commands.cancel_order(BOB, market.order_id(1))
    told = market.do(
        altered(cancel, account=NOBODY),
        altered(cancel, account=ALICE),
        altered(cancel, order_id=-1),
        commands.set_account_state(BOB, AccountState.CLOSED),
        commands.set_trading_state(PLAIN, TradingState.SUSPENDED),
        cancel,
        commands.set_account_state(BOB, AccountState.SUSPENDED),
        cancel,
        commands.set_trading_state(PLAIN, TradingState.HALTED),
        cancel,
    )
    assert [reason for reason in reasons(told) if reason] == [
        RejectReason.UNKNOWN_ACCOUNT,
        RejectReason.UNKNOWN_ORDER,
        RejectReason.UNKNOWN_ORDER,
        RejectReason.ACCOUNT_NOT_ACTIVE,
        RejectReason.INSTRUMENT_NOT_TRADING,
    ]
    assert told[-1].kind == EventKind.ORDER_CANCELED


def replaced(market: Market, price_ticks: int = 0, quantity_lots: int = 0, flags: int = 0) -> list[Fact]:
    """Replace Bob's first order."""
    return market.do(commands.replace_order(BOB, market.order_id(1), price_ticks, quantity_lots, flags=flags))


@both_engines
def test_less_of_the_same_price_keeps_its_place(market):
    market.buy(BOB, 5, 100)
    market.buy(CAROL, 5, 100)
    assert replaced(market, 100, 3) == [
        fact(
            EventKind.ORDER_REPLACED,
            flags=OrderFlag.KEPT_PRIORITY,
            account=BOB,
            instrument=PLAIN,
            order_id=market.order_id(1),
            price_ticks=100,
            quantity_lots=3,
            leaves_lots=3,
            amount=300,
            fee=5,
            counter_fee=100,
        )
    ]
    assert market.sell(ALICE, 1, 100)[1].fields["counter_account"] == BOB


@both_engines
@pytest.mark.parametrize("terms", [(0, 6, 0), (99, 0, 0), (0, 0, OrderFlag.REQUEUE), (0, 3, OrderFlag.REQUEUE)])
def test_anything_else_loses_its_place(market, terms):
    market.buy(BOB, 5, 100)
    market.buy(CAROL, 5, terms[0] or 100)
    (told,) = replaced(market, *terms)
    assert (told.kind, told.fields.get("flags", 0)) == (EventKind.ORDER_REPLACED, 0)
    assert market.sell(ALICE, 1, 99)[1].fields["counter_account"] == CAROL


@both_engines
def test_a_replace_counts_what_was_filled(market):
    market.buy(BOB, 5, 100)
    market.sell(ALICE, 2, 100)
    assert [reasons(replaced(market, 0, total))[0] for total in (1, 2, 3)] == [
        RejectReason.QUANTITY_BELOW_FILLED,
        RejectReason.QUANTITY_BELOW_FILLED,
        RejectReason.NONE,
    ]
    assert (market.held(BOB), market.engine.open_order_rows()["leaves_lots"].tolist()) == (100, [1])


@both_engines
def test_a_replace_may_trade(market):
    market.buy(BOB, 5, 100)
    market.sell(ALICE, 2, 101)
    told = replaced(market, 101, 6)
    assert kinds(told) == [EventKind.ORDER_REPLACED, EventKind.TRADED]
    assert told[0].fields["amount"] == 606
    assert (market.held(BOB), market.available(BOB)) == (404, CASH_EACH - 606)


@both_engines
def test_a_replace_that_loses_its_place_pays_the_rates_of_today(market):
    market.buy(BOB, 5, 100)
    market.buy(CAROL, 5, 100)
    market.do(commands.set_fees(PLAIN, maker_bps=100, taker_bps=100))
    kept = replaced(market, 0, 4)
    lost = replaced(market, 0, 5)
    assert [told[0].fields["amount"] for told in (kept, lost)] == [400, 500 + 5 + 1]
    trades = [event.fields.get("counter_fee", 0) for event in market.sell(ALICE, 10, 100)[1:]]
    assert trades == [0, 5]


@both_engines
def test_who_may_replace_what_and_when(market):
    market.do(commands.set_price_band(PLAIN, 90, 110))
    market.buy(BOB, 5, 100, flags=POST_ONLY)
    market.sell(ALICE, 5, 105)
    replace = commands.replace_order(BOB, market.order_id(1), 101, 6)
    told = market.do(
        altered(replace, account=NOBODY),
        altered(replace, account=ALICE),
        altered(replace, quantity_lots=-1),
        altered(replace, price_ticks=-1),
        altered(replace, price_ticks=111),
        altered(replace, price_ticks=105),
        altered(replace, price_ticks=104, quantity_lots=1_000),
        commands.set_account_state(BOB, AccountState.RESTRICTED),
        commands.set_trading_state(PLAIN, TradingState.HALTED),
        replace,
        commands.set_account_state(BOB, AccountState.ACTIVE),
        replace,
    )
    assert [reason for reason in reasons(told) if reason] == [
        RejectReason.UNKNOWN_ACCOUNT,
        RejectReason.UNKNOWN_ORDER,
        RejectReason.INVALID_QUANTITY,
        RejectReason.INVALID_PRICE,
        RejectReason.PRICE_OUTSIDE_BAND,
        RejectReason.WOULD_TAKE,
        RejectReason.INSUFFICIENT_BALANCE,
        RejectReason.ACCOUNT_NOT_ACTIVE,
        RejectReason.INSTRUMENT_NOT_TRADING,
    ]


@both_engines
def test_the_hold_of_a_replace_counts_towards_its_new_need(market):
    market.buy(BOB, 1_000, 100)
    assert reasons(replaced(market, 99, 0)) == [RejectReason.NONE]
    assert reasons(replaced(market, 100, 0)) == [RejectReason.NONE]
    assert market.available(BOB) == 0
    assert reasons(replaced(market, 101, 0)) == [RejectReason.INSUFFICIENT_BALANCE]


@both_engines
def test_a_replaced_order_that_expires_was_not_on_the_book(market):
    market.buy(DAVE, 1, 90)
    market.sell(CAROL, 1, 100)
    expired = market.do(commands.replace_order(DAVE, market.order_id(1), 100))[-1]
    assert (expired.kind, expired.fields.get("flags", 0)) == (EventKind.ORDER_EXPIRED, 0)


@each_engine
def test_slots_are_freed_maker_first_taker_last(engine):
    market = Market(engine(TEST))
    for _ in range(2):
        market.sell(ALICE, 1, 100)
    market.buy(BOB, 2, 100)
    before = [order_id & 0x3FFFFF for order_id in market.order_ids]
    for _ in range(3):
        market.sell(ALICE, 1, 100)
    after = [order_id & 0x3FFFFF for order_id in market.order_ids[3:]]
    assert after == [before[2], before[1], before[0]]


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


def test_a_reduction_keeps_the_place_and_trims_the_hold(market):
    market.buy(BOB, 5, 50)
    market.buy(CAROL, 5, 50)
    assert market.do(commands.reduce_order(BOB, market.order_id(1), 2)) == [
        fact(
            EventKind.ORDER_REPLACED, flags=OrderFlag.KEPT_PRIORITY, account=BOB, instrument=PLAIN,
            order_id=market.order_id(1), price_ticks=50, quantity_lots=3, leaves_lots=3, amount=150, fee=5,
            counter_fee=50,
        )
    ]  # fmt: skip
    assert market.held(BOB) == 150
    assert market.sell(ALICE, 1, 50)[1].fields["counter_account"] == BOB


@pytest.mark.parametrize("lots", [5, 6])
def test_a_reduction_by_all_that_is_open_or_more_cancels(market, lots):
    market.buy(BOB, 5, 50)
    (told,) = market.do(commands.reduce_order(BOB, market.order_id(1), lots))
    assert (told.kind, told.fields["reason"]) == (EventKind.ORDER_CANCELED, EndReason.REQUESTED)
    assert market.held(BOB) == 0


def test_who_may_reduce_what_and_when(market):
    market.buy(BOB, 5, 50)
    reduce = commands.reduce_order(BOB, market.order_id(1), 1)
    told = market.do(
        altered(reduce, account=NOBODY),
        altered(reduce, account=CAROL),
        altered(reduce, quantity_lots=0),
        commands.set_account_state(BOB, AccountState.CLOSED),
        reduce,
        commands.set_account_state(BOB, AccountState.SUSPENDED),
        commands.set_trading_state(PLAIN, TradingState.CALL_NO_CANCEL),
        reduce,
        commands.set_trading_state(PLAIN, TradingState.HALTED),
        reduce,
    )
    assert [reason for reason in reasons(told) if reason] == [
        RejectReason.UNKNOWN_ACCOUNT,
        RejectReason.UNKNOWN_ORDER,
        RejectReason.INVALID_QUANTITY,
        RejectReason.ACCOUNT_NOT_ACTIVE,
        RejectReason.INSTRUMENT_NOT_TRADING,
    ]


def test_terms_beyond_price_and_quantity_are_told_after_acceptance_and_name(market):
    market.time_ns = 5
    told = market.buy(BOB, 9, 50, time_in_force=TimeInForce.GTD, until_ns=6, display_lots=2, client_order_id="a")
    assert kinds(told) == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_NAMED, EventKind.ORDER_TERMS]
    assert told[2] == fact(
        EventKind.ORDER_TERMS, account=BOB, instrument=PLAIN, order_id=market.order_id(1), quantity_lots=2, amount=6
    )


def test_in_a_call_orders_wait_without_matching_and_a_replace_only_moves(market):
    market.do(commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    market.sell(ALICE, 2, 50)
    assert kinds(market.buy(BOB, 2, 60)) == [EventKind.ORDER_ACCEPTED]
    assert market.held(BOB) == 120
    told = market.do(commands.replace_order(BOB, market.order_id(2), 70))
    assert kinds(told) == [EventKind.ORDER_REPLACED]
    assert sorted(market.engine.open_order_rows()["price_ticks"].tolist()) == [50, 70]


def test_a_replace_that_trades_wakes_stops_and_one_in_place_does_not(market):
    market.sell(ALICE, 1, 60)
    market.buy(CAROL, 1, 70, order_type=OrderType.STOP_LIMIT, stop_ticks=60)
    market.buy(BOB, 3, 50)
    order = market.order_id(3)
    assert kinds(market.do(commands.replace_order(BOB, order, 0, 2))) == [EventKind.ORDER_REPLACED]
    told = market.do(commands.replace_order(BOB, order, 60))
    assert kinds(told) == [EventKind.ORDER_REPLACED, EventKind.TRADED, EventKind.ORDER_TRIGGERED]


def test_a_replace_too_many_of_a_second_is_refused(market):
    market.buy(BOB, 3, 50)
    market.do(commands.set_account_limits(BOB, order_rate_max=1))
    told = [replaced(market, 51)[0], replaced(market, 52)[0]]
    assert reasons(told) == [RejectReason.NONE, RejectReason.TOO_MANY_MESSAGES]


def test_a_name_gives_way_to_newer_ones_when_the_ring_is_full_and_it_is_old_enough():
    market = Market(Engine(TINY))
    for name in "abc":
        market.buy(BOB, 1, 100, client_order_id=name)
    market.time_ns = CLIENT_ID_WINDOW_MIN_NS - 1
    assert reasons(market.buy(BOB, 1, 100, client_order_id="d")) == [RejectReason.RECENT_IDS_FULL]
    market.time_ns += 1
    assert kinds(market.buy(BOB, 1, 100, client_order_id="d"))[0] == EventKind.ORDER_ACCEPTED
    assert kinds(market.buy(BOB, 1, 100, client_order_id="b")) == [EventKind.ORDER_DUPLICATED]
    assert kinds(market.buy(BOB, 1, 100, client_order_id="a"))[0] == EventKind.ORDER_ACCEPTED


def test_a_market_sell_of_an_amount_holds_the_units_of_what_it_finds(market):
    market.buy(BOB, 3, 50, instrument=COARSE)
    told = market.sell(ALICE, 0, 0, amount=500, instrument=COARSE, **MARKET)
    assert (told[0].fields["quantity_lots"], told[0].fields["amount"]) == (2, 20)
    assert told[1].fields["amount"] == 500


def test_rows_of_an_account_are_found_again_after_another_book(market):
    market.buy(BOB, 1, 10)
    market.buy(BOB, 1, 10, instrument=COARSE)
    market.buy(BOB, 1, 10)
    assert market.held(BOB) == 10 + 50 + 10
    assert len(market.engine.balances(BOB)) == 2
