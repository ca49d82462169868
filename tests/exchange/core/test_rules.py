"""Admission: limits at their edges, and pools that are full, each with its own refusal."""

import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.state import TEST
from exchange.core.types import (
    AMOUNT_MAX,
    BPS,
    NOTIONAL_MAX,
    OPEN_ORDERS_MAX,
    PRICE_TICKS_MAX,
    TICK_VALUE_MAX,
    AccountState,
    CommandKind,
    OrderFlag,
    OrderType,
    RejectReason,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
)
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CNY,
    NOBODY,
    PLAIN,
    TINY,
    TOKENS,
    Market,
    altered,
    reasons,
    rejected,
)

BUY_ONE = commands.new_order(BOB, PLAIN, Side.BUY, 100, 1)
POST_ONLY = OrderFlag.POST_ONLY
LIMIT, MARKET, STOP, STOP_LIMIT = OrderType
GTC, IOC, FOK, GTD, DAY, AT_AUCTION = TimeInForce


@pytest.mark.parametrize(
    ("quantity", "price", "reason"),
    [
        (0, 10, RejectReason.INVALID_QUANTITY),
        (-1, 10, RejectReason.INVALID_QUANTITY),
        (1_001, 10, RejectReason.INVALID_QUANTITY),
        (1, 0, RejectReason.INVALID_PRICE),
        (1, -5, RejectReason.INVALID_PRICE),
        (1, PRICE_TICKS_MAX + 1, RejectReason.INVALID_PRICE),
        (1, 4, RejectReason.PRICE_OUTSIDE_BAND),
        (1, 91, RejectReason.PRICE_OUTSIDE_BAND),
        (1, 5, RejectReason.NONE),
        (1_000, 90, RejectReason.NONE),
    ],
)
def test_quantity_price_and_band_at_their_edges(market, quantity, price, reason):
    market.do(commands.set_price_band(PLAIN, 5, 90))
    assert reasons(market.buy(BOB, quantity, price))[0] == reason


def test_an_order_too_large_for_an_int64_is_refused_not_wrapped(market):
    listed = commands.list_instrument(
        3, TOKENS, CNY, lot_units=1, tick_value=TICK_VALUE_MAX, quantity_min=1, quantity_max=NOTIONAL_MAX
    )
    market.do(listed, commands.set_trading_state(3, 1))
    largest = NOTIONAL_MAX // (TICK_VALUE_MAX * PRICE_TICKS_MAX)
    told = [market.buy(BOB, lots, PRICE_TICKS_MAX, instrument=3) for lots in (largest + 1, largest, NOTIONAL_MAX)]
    assert [reasons(each)[0] for each in told] == [
        RejectReason.NOTIONAL_TOO_LARGE,
        RejectReason.INSUFFICIENT_BALANCE,
        RejectReason.NOTIONAL_TOO_LARGE,
    ]


def test_post_only_refuses_to_take_but_joins_a_level(market):
    market.sell(ALICE, 1, 50)
    post_only = {"flags": OrderFlag.POST_ONLY}
    assert reasons(market.buy(BOB, 1, 50, **post_only)) == [RejectReason.WOULD_TAKE]
    assert reasons(market.buy(BOB, 1, 49, **post_only)) == [RejectReason.NONE]
    assert reasons(market.buy(BOB, 1, 49, time_in_force=TimeInForce.IOC, **post_only)) == [
        RejectReason.MALFORMED_COMMAND
    ]


def test_an_account_has_a_limit_of_open_orders(market):
    market.engine._states[0]["accounts"][BOB]["open_orders"] = OPEN_ORDERS_MAX - 1
    assert reasons(market.buy(BOB, 1, 10)) == [RejectReason.NONE]
    assert reasons(market.buy(BOB, 1, 10)) == [RejectReason.TOO_MANY_OPEN_ORDERS]


def test_full_pools_refuse_and_lose_nothing():
    market = Market(Engine(TINY))
    for _ in range(TINY.orders):
        assert reasons(market.buy(BOB, 1, 10)) == [RejectReason.NONE]
    digest = market.engine.digest()
    told = market.buy(BOB, 1, 10)
    assert reasons(told) == [RejectReason.ORDERS_FULL]
    market.do(commands.cancel_order(BOB, market.order_id(2)))
    assert reasons(market.buy(BOB, 1, 10)) == [RejectReason.NONE]
    assert market.engine.digest() != digest


def test_a_price_that_needs_more_pages_than_are_left_is_refused():
    market = Market(Engine(TINY))
    market.do(commands.deposit(BOB, CNY, 1 << 40))
    prices = [1 << 24, 1 << 30, 1 << 18, 1 << 12, 1 << 6, 3]
    told = [reasons(market.buy(BOB, 1, price))[0] for price in prices]
    assert RejectReason.LEVELS_FULL in told
    assert told[0] == RejectReason.NONE


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"lot_units": 0}, RejectReason.INVALID_PARAMETER),
        ({"lot_units": NOTIONAL_MAX + 1}, RejectReason.INVALID_PARAMETER),
        ({"tick_value": 0}, RejectReason.INVALID_PARAMETER),
        ({"tick_value": TICK_VALUE_MAX + 1}, RejectReason.INVALID_PARAMETER),
        ({"quantity_min": 0}, RejectReason.INVALID_PARAMETER),
        ({"quantity_min": 11}, RejectReason.INVALID_PARAMETER),
        ({"base_asset": CNY}, RejectReason.WRONG_ASSET_KIND),
        ({"quote_asset": TOKENS}, RejectReason.WRONG_ASSET_KIND),
        ({"base_asset": 9}, RejectReason.UNKNOWN_ASSET),
        ({"instrument": 9}, RejectReason.ID_NOT_NEXT),
        ({}, RejectReason.NONE),
    ],
)
def test_a_listing_is_checked_term_by_term(market, terms, reason):
    usual = {"instrument": 3, "base_asset": TOKENS, "quote_asset": CNY}
    usual |= {"lot_units": 1, "tick_value": 1, "quantity_min": 1, "quantity_max": 10}
    assert reasons(market.do(commands.list_instrument(**(usual | terms)))) == [reason]


@pytest.mark.parametrize(
    ("maker", "taker", "reason"),
    [
        (0, -1, RejectReason.INVALID_PARAMETER),
        (0, BPS + 1, RejectReason.INVALID_PARAMETER),
        (-6, 5, RejectReason.INVALID_PARAMETER),
        (BPS + 1, 5, RejectReason.INVALID_PARAMETER),
        (-5, 5, RejectReason.NONE),
        (BPS, BPS, RejectReason.NONE),
    ],
)
def test_a_rebate_is_never_more_than_the_taker_pays(market, maker, taker, reason):
    assert reasons(market.do(commands.set_fees(PLAIN, maker, taker))) == [reason]


@pytest.mark.parametrize(("low", "high"), [(0, 5), (6, 5), (1, PRICE_TICKS_MAX + 1)])
def test_a_band_that_is_none_is_refused(market, low, high):
    assert reasons(market.do(commands.set_price_band(PLAIN, low, high))) == [RejectReason.INVALID_PARAMETER]


def test_nothing_overflows_what_an_asset_may_ever_be(market):
    assert reasons(market.do(commands.deposit(BOB, CNY, AMOUNT_MAX + 1))) == [RejectReason.INVALID_PARAMETER]
    assert reasons(market.do(commands.deposit(BOB, CNY, AMOUNT_MAX))) == [RejectReason.ISSUED_TOO_MUCH]


@pytest.mark.parametrize(
    "fields",
    [
        {"side": Side.BOTH},
        {"order_type": 4},
        {"time_in_force": 6},
        {"self_trade_prevention": 5},
        {"flags": OrderFlag.RESTING},
        {"flags": POST_ONLY | OrderFlag.REQUEUE},
        {"flags": POST_ONLY, "time_in_force": IOC},
        {"flags": POST_ONLY, "time_in_force": FOK},
        {"flags": POST_ONLY, "time_in_force": AT_AUCTION},
        {"flags": POST_ONLY, "order_type": MARKET},
        {"flags": POST_ONLY, "order_type": STOP_LIMIT, "stop_ticks": 5},
        {"stop_ticks": 5},
        {"stop_ticks": 5, "order_type": MARKET},
        {"order_type": STOP},
        {"order_type": STOP_LIMIT},
        {"order_type": STOP, "stop_ticks": 5, "time_in_force": AT_AUCTION},
        {"order_type": STOP_LIMIT, "stop_ticks": 5, "time_in_force": AT_AUCTION},
        {"display_lots": 1, "time_in_force": IOC},
        {"display_lots": 1, "time_in_force": FOK},
        {"display_lots": 1, "time_in_force": AT_AUCTION},
        {"display_lots": 1, "order_type": MARKET},
        {"display_lots": 1, "order_type": STOP_LIMIT, "stop_ticks": 5},
        {"until_ns": 5},
        {"until_ns": 5, "time_in_force": DAY},
        {"until_ns": 5, "order_type": MARKET, "time_in_force": GTD},
        {"until_ns": 5, "order_type": STOP, "stop_ticks": 5, "time_in_force": GTD},
        {"amount": 5, "quantity_lots": 0},
        {"amount": 5, "order_type": MARKET},
        {"amount": -5, "order_type": MARKET, "quantity_lots": 0},
        {"amount": 5, "order_type": MARKET, "quantity_lots": 0, "time_in_force": AT_AUCTION},
        {"amount": 5, "order_type": STOP, "stop_ticks": 5, "quantity_lots": 0},
    ],
)
def test_terms_that_do_not_go_together_are_malformed_whoever_sends_them(market, fields):
    told = market.do(altered(BUY_ONE, account=NOBODY, **fields))
    echo = {"account": NOBODY, "instrument": PLAIN, "price_ticks": 100, "quantity_lots": 1, "self_trade_prevention": 1}
    echo |= {name: value for name, value in fields.items() if name not in {"stop_ticks", "display_lots", "until_ns"}}
    assert told == [rejected(RejectReason.MALFORMED_COMMAND, CommandKind.NEW_ORDER, **echo)]


@pytest.mark.parametrize(
    "fields",
    [
        {"flags": POST_ONLY, "time_in_force": DAY},
        {"flags": POST_ONLY, "time_in_force": GTD, "until_ns": 5},
        {"display_lots": 1, "time_in_force": DAY},
        {"display_lots": 1, "time_in_force": GTD, "until_ns": 5},
        {"order_type": STOP, "stop_ticks": 5, "time_in_force": DAY},
        {"order_type": STOP_LIMIT, "stop_ticks": 5, "time_in_force": FOK},
        {"order_type": STOP_LIMIT, "stop_ticks": 5, "time_in_force": GTD, "until_ns": 5},
        {"order_type": MARKET, "time_in_force": DAY},
        {"order_type": MARKET, "time_in_force": FOK},
    ],
)
def test_terms_that_go_together_are_admitted(market, fields):
    market.do(commands.set_price_band(PLAIN, 1, 1_000))
    assert reasons(market.do(altered(BUY_ONE, **fields)))[0] == RejectReason.NONE


@pytest.mark.parametrize(
    ("before", "fields", "reason"),
    [
        ((), {"account": NOBODY}, RejectReason.UNKNOWN_ACCOUNT),
        ((), {"instrument": 0}, RejectReason.UNKNOWN_INSTRUMENT),
        ((), {"instrument": 3}, RejectReason.UNKNOWN_INSTRUMENT),
        ((commands.set_account_state(BOB, AccountState.RESTRICTED),), {}, RejectReason.ACCOUNT_NOT_ACTIVE),
        ((), {"display_lots": 2}, RejectReason.INVALID_QUANTITY),
        ((), {"order_type": STOP, "stop_ticks": PRICE_TICKS_MAX + 1}, RejectReason.INVALID_PRICE),
        ((), {"order_type": STOP_LIMIT, "stop_ticks": 5, "price_ticks": 0}, RejectReason.INVALID_PRICE),
        ((), {"time_in_force": GTD}, RejectReason.INVALID_EXPIRY),
        ((), {"time_in_force": GTD, "until_ns": 5, "price_ticks": 0}, RejectReason.INVALID_PRICE),
        (
            (commands.set_price_band(PLAIN, 101, 200),),
            {"order_type": STOP_LIMIT, "stop_ticks": 5},
            RejectReason.PRICE_OUTSIDE_BAND,
        ),
        ((commands.set_price_band(PLAIN, 1, 99),), {"time_in_force": GTD}, RejectReason.INVALID_EXPIRY),
        ((), {"order_type": STOP_LIMIT, "stop_ticks": 1}, RejectReason.WOULD_TRIGGER),
        (
            (),
            {"order_type": MARKET, "amount": NOTIONAL_MAX + 1, "quantity_lots": 0},
            RejectReason.NOTIONAL_TOO_LARGE,
        ),
        ((), {"price_ticks": 100_001}, RejectReason.INSUFFICIENT_BALANCE),
    ],
)
def test_an_order_is_refused_for_its_reason(market, before, fields, reason):
    market.do(*before)
    assert reasons(market.do(altered(BUY_ONE, **fields))) == [reason]


def test_an_amount_that_finds_more_than_one_order_may_have_is_refused(market):
    market.sell(ALICE, 900, 1)
    market.sell(BOB, 101, 1)
    told = market.do(altered(BUY_ONE, account=4, order_type=MARKET, amount=5_000, quantity_lots=0))
    assert reasons(told) == [RejectReason.INVALID_QUANTITY]


ALL_STATES = {
    TradingState.CLOSED: RejectReason.INSTRUMENT_NOT_TRADING,
    TradingState.HALTED: RejectReason.INSTRUMENT_NOT_TRADING,
    TradingState.SUSPENDED: RejectReason.INSTRUMENT_NOT_TRADING,
    TradingState.GATE_CLOSED: RejectReason.INSTRUMENT_NOT_TRADING,
    TradingState.EXPIRED: RejectReason.INSTRUMENT_NOT_TRADING,
    TradingState.PRE_OPEN: RejectReason.NONE,
    TradingState.CALL_OPEN: RejectReason.NONE,
    TradingState.CALL_NO_CANCEL: RejectReason.NONE,
    TradingState.VOLATILITY: RejectReason.NONE,
    TradingState.CALL_CLOSE: RejectReason.NONE,
    TradingState.CONTINUOUS: RejectReason.NONE,
}


@pytest.mark.parametrize(("trading", "reason"), ALL_STATES.items())
def test_orders_that_wait_come_where_an_instrument_trades_or_collects(market, trading, reason):
    market.do(commands.set_trading_state(PLAIN, trading))
    assert reasons(market.do(BUY_ONE)) == [reason]


@pytest.mark.parametrize("trading", list(ALL_STATES))
def test_orders_are_taken_back_unless_the_state_forbids_it(market, trading):
    market.do(BUY_ONE, commands.set_trading_state(PLAIN, trading))
    forbidden = trading in {TradingState.SUSPENDED, TradingState.CALL_NO_CANCEL}
    told = market.do(commands.cancel_order(BOB, market.order_id(1)))
    assert reasons(told) == [RejectReason.INSTRUMENT_NOT_TRADING if forbidden else RejectReason.NONE]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"time_in_force": IOC}, RejectReason.NOT_IN_THIS_PHASE),
        ({"time_in_force": FOK}, RejectReason.NOT_IN_THIS_PHASE),
        ({"order_type": MARKET}, RejectReason.NOT_IN_THIS_PHASE),
        ({"order_type": MARKET, "time_in_force": FOK}, RejectReason.NOT_IN_THIS_PHASE),
        ({"time_in_force": AT_AUCTION}, RejectReason.NONE),
        ({"order_type": MARKET, "time_in_force": AT_AUCTION}, RejectReason.NONE),
        ({"order_type": STOP, "stop_ticks": 5, "time_in_force": IOC}, RejectReason.NONE),
        ({"time_in_force": DAY, "display_lots": 1}, RejectReason.NONE),
    ],
)
def test_a_call_takes_what_can_wait_for_it(market, fields, reason):
    market.do(commands.set_price_band(PLAIN, 1, 1_000), commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    assert reasons(market.do(altered(BUY_ONE, **fields)))[0] == reason


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({}, RejectReason.NOT_IN_THIS_PHASE),
        ({"time_in_force": DAY}, RejectReason.NOT_IN_THIS_PHASE),
        ({"order_type": STOP_LIMIT, "stop_ticks": 5}, RejectReason.NOT_IN_THIS_PHASE),
        ({"side": Side.SELL, "time_in_force": AT_AUCTION}, RejectReason.NOT_IN_THIS_PHASE),
        ({"time_in_force": IOC}, RejectReason.NONE),
        ({"side": Side.SELL}, RejectReason.NONE),
    ],
)
def test_only_sellers_wait_where_offers_are_posted(market, fields, reason):
    market.do(
        commands.set_trading_state(PLAIN, TradingState.CLOSED),
        commands.set_mode(PLAIN, TradingMode.LIST),
        commands.set_trading_state(PLAIN, TradingState.CONTINUOUS),
    )
    assert reasons(market.do(altered(BUY_ONE, **fields)))[0] == reason


def test_an_order_for_an_auction_does_not_come_while_trading_is_continuous(market):
    assert reasons(market.do(altered(BUY_ONE, time_in_force=AT_AUCTION))) == [RejectReason.NOT_IN_THIS_PHASE]


def test_post_only_is_not_asked_in_a_call(market):
    market.sell(ALICE, 1, 100)
    market.do(commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    assert reasons(market.do(altered(BUY_ONE, flags=POST_ONLY))) == [RejectReason.NONE]


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"price_ticks": 104}, RejectReason.NONE),
        ({"quantity_lots": -1}, RejectReason.INVALID_QUANTITY),
        ({"quantity_lots": 1_001}, RejectReason.INVALID_QUANTITY),
        ({"price_ticks": -1}, RejectReason.INVALID_PRICE),
        ({"price_ticks": PRICE_TICKS_MAX + 1}, RejectReason.INVALID_PRICE),
        ({"price_ticks": 111}, RejectReason.PRICE_OUTSIDE_BAND),
        ({"price_ticks": 89}, RejectReason.PRICE_OUTSIDE_BAND),
        ({"quantity_lots": 600}, RejectReason.NOTIONAL_TOO_LARGE),
        ({"quantity_lots": 2}, RejectReason.QUANTITY_BELOW_FILLED),
        ({"price_ticks": 105}, RejectReason.WOULD_TAKE),
        ({"flags": OrderFlag.REQUEUE}, RejectReason.NONE),
    ],
)
def test_a_replace_is_refused_for_its_reason(market, terms, reason):
    market.do(commands.set_price_band(PLAIN, 90, 110), commands.set_instrument_limits(PLAIN, notional_max=50_000))
    market.buy(BOB, 5, 100, flags=POST_ONLY)
    market.sell(ALICE, 2, 100)
    market.sell(ALICE, 5, 105)
    replace = commands.replace_order(BOB, market.order_id(1))
    assert reasons(market.do(altered(replace, **terms)))[0] == reason


def test_an_accounts_notional_limits_a_replace_too(market):
    market.do(commands.set_account_limits(BOB, notional_max=500))
    market.buy(BOB, 5, 100)
    told = market.do(commands.replace_order(BOB, market.order_id(1), 101))
    assert reasons(told) == [RejectReason.NOTIONAL_TOO_LARGE]


@pytest.mark.parametrize(("flags", "total", "reason"), [(0, 2, 0), (0, 9, 1), (OrderFlag.REQUEUE, 2, 1)])
def test_a_sleeping_order_changes_only_in_place(market, flags, total, reason):
    market.buy(BOB, 5, 100, order_type=STOP_LIMIT, stop_ticks=50)
    told = market.do(commands.replace_order(BOB, market.order_id(1), 0, total, flags=flags))
    assert reasons(told) == [RejectReason.NOT_REPLACEABLE if reason else RejectReason.NONE]


def test_an_unpriced_order_changes_only_in_place_and_is_asked_for_no_price(market):
    market.do(commands.set_price_band(PLAIN, 1, 10), commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    market.buy(BOB, 5, 0, order_type=MARKET, time_in_force=AT_AUCTION)
    market.do(commands.set_price_band(PLAIN, 1, 5))
    order_id = market.order_id(1)
    told = market.do(commands.replace_order(BOB, order_id, 4), commands.replace_order(BOB, order_id, 0, 4))
    assert reasons(told) == [RejectReason.NOT_REPLACEABLE, RejectReason.NONE]
    assert market.held(BOB) == 40


def test_a_replace_in_a_call_does_not_cross_its_own_group(market):
    market.do(commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    market.buy(3, 1, 100)
    market.sell(4, 1, 110)
    told = market.do(commands.replace_order(4, market.order_id(2), 100))
    assert reasons(told) == [RejectReason.WOULD_CROSS_OWN_GROUP]


def test_a_sell_that_moves_needs_units_and_one_bought_lately_may_not_move(market):
    market.sell(BOB, 5, 100)
    market.sell(BOB, 990, 100)
    told = market.do(commands.replace_order(BOB, market.order_id(1), 0, 11))
    assert reasons(told) == [RejectReason.INSUFFICIENT_BALANCE]
    assert reasons(market.do(commands.replace_order(BOB, market.order_id(1), 0, 10))) == [RejectReason.NONE]


def licences() -> Market:
    """Return a market in which Alice may sell three of her eight licences of instrument 3 today."""
    market = Market(Engine(TEST))
    market.do(
        commands.list_instrument(3, 3, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=99),
        commands.issue(BOB, 3, 50),
        commands.transfer(BOB, ALICE, 3, 3, 1),
        commands.set_trading_state(3, TradingState.CONTINUOUS),
        commands.set_venue_rules(3, turnaround_days=1),
    )
    market.sell(BOB, 5, 10, instrument=3)
    market.buy(ALICE, 5, 10, instrument=3)
    return market


def test_a_sell_that_moves_takes_no_units_bought_lately():
    market = licences()
    market.sell(ALICE, 2, 20, instrument=3)
    told = [market.do(commands.replace_order(ALICE, market.order_ids[-1], 0, lots))[0] for lots in (4, 3)]
    assert reasons(told) == [RejectReason.NOT_YET_TRANSFERABLE, RejectReason.NONE]


def test_rows_of_balances_run_out():
    market = Market(Engine(TINY))
    told = market.do(commands.create_asset(4, 1), *(commands.deposit(account, 4, 1) for account in (0, 1, 2, 3, 4)))
    assert RejectReason.BALANCES_FULL in reasons(told)
    assert reasons(market.do(BUY_ONE)) == [RejectReason.BALANCES_FULL]


def test_rows_of_conditions_run_out():
    market = Market(Engine(TINY))
    told = [market.buy(BOB, 5, 99, display_lots=1) for _ in range(3)]
    assert [reasons(each)[0] for each in told] == [0, 0, RejectReason.CONDITIONS_FULL]
    assert reasons(market.buy(BOB, 5, 99, time_in_force=DAY)) == [RejectReason.NONE]


def test_rows_of_acquisitions_run_out_but_not_for_the_issuer_or_a_seller():
    market = Market(Engine(TINY))
    market.do(
        commands.list_instrument(3, 3, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=99),
        commands.issue(BOB, 3, 50),
        commands.set_trading_state(3, TradingState.CONTINUOUS),
        commands.set_venue_rules(3, turnaround_days=1),
    )
    told = [market.buy(account, 1, 5, instrument=3) for account in (ALICE, 3, ALICE, BOB)]
    assert [reasons(each)[0] for each in told] == [0, RejectReason.ACQUISITIONS_FULL, 0, 0]
    assert reasons(market.sell(BOB, 1, 9, instrument=3)) == [0]
