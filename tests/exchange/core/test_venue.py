"""The rules of a market and of an account in it: which may be set, when, and what is said of them."""

import pytest

from exchange.core import commands
from exchange.core.limits import Extra
from exchange.core.types import (
    BPS,
    COUNT_MAX,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    EventKind,
    OrderType,
    RejectReason,
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
    LICENCES,
    NOBODY,
    PLAIN,
    TOKENS,
    Market,
    altered,
    both_engines,
    fact,
    reasons,
)

LISTING = commands.list_instrument(3, TOKENS, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=9)
SETTINGS = [
    (commands.set_trading_state(COARSE, TradingState.UNCROSSING), RejectReason.INVALID_TRANSITION),
    (commands.set_trading_state(PLAIN, TradingState.EXPIRED), RejectReason.INVALID_TRANSITION),
    (altered(commands.set_mode(COARSE, TradingMode.CALL), state=3), RejectReason.MALFORMED_COMMAND),
    (commands.set_mode(9, TradingMode.CALL), RejectReason.UNKNOWN_INSTRUMENT),
    (commands.set_mode(COARSE, TradingMode.CALL), RejectReason.INVALID_TRANSITION),
    (commands.set_mode(PLAIN, TradingMode.CALL), RejectReason.INVALID_TRANSITION),
    (commands.set_guards(9, 1, 1), RejectReason.UNKNOWN_INSTRUMENT),
    (commands.set_guards(PLAIN, -1, 1), RejectReason.INVALID_PARAMETER),
    (commands.set_guards(PLAIN, 1, BPS + 1), RejectReason.INVALID_PARAMETER),
    (commands.set_guards(PLAIN, 1, 1, PRICE_TICKS_MAX + 1), RejectReason.INVALID_PARAMETER),
    (commands.set_instrument_limits(9), RejectReason.UNKNOWN_INSTRUMENT),
    (commands.set_instrument_limits(PLAIN, open_orders_max=COUNT_MAX + 1), RejectReason.INVALID_PARAMETER),
    (commands.set_instrument_limits(PLAIN, notional_max=-1), RejectReason.INVALID_PARAMETER),
    (commands.set_instrument_limits(PLAIN, position_bps=BPS + 1), RejectReason.INVALID_PARAMETER),
    (commands.set_account_limits(NOBODY), RejectReason.UNKNOWN_ACCOUNT),
    (commands.set_account_limits(BOB, order_rate_max=COUNT_MAX + 1), RejectReason.INVALID_PARAMETER),
    (commands.set_account_limits(BOB, notional_max=NOTIONAL_MAX + 1), RejectReason.INVALID_PARAMETER),
    (commands.set_venue_rules(9), RejectReason.UNKNOWN_INSTRUMENT),
    (commands.set_venue_rules(PLAIN), RejectReason.INVALID_TRANSITION),
    (altered(commands.set_venue_rules(COARSE), words=[2, 0, 0, 0, 0]), RejectReason.INVALID_PARAMETER),
    (commands.set_venue_rules(COARSE, turnaround_days=32), RejectReason.INVALID_PARAMETER),
    (commands.set_venue_rules(COARSE, holders_max=1), RejectReason.INVALID_PARAMETER),
]


@both_engines
@pytest.mark.parametrize(("command", "reason"), SETTINGS)
def test_a_setting_is_refused_for_its_reason(market, command, reason):
    market.do(commands.set_trading_state(PLAIN, TradingState.CLOSED))
    market.do(commands.set_trading_state(PLAIN, TradingState.CONTINUOUS))
    market.buy(BOB, 1, 100)
    market.do(commands.set_trading_state(PLAIN, TradingState.CLOSED))
    assert reasons(market.do(command)) == [reason]


@both_engines
def test_what_was_set_of_markets_and_limits_is_told(market):
    told = market.do(
        commands.set_guards(PLAIN, 1, 2, 3),
        commands.set_guards(PLAIN, 4, 5),
        commands.set_instrument_limits(PLAIN, open_orders_max=6, notional_max=7, position_bps=8),
        commands.set_account_limits(BOB, open_orders_max=9, order_rate_max=10, message_rate_max=11, notional_max=12),
        commands.set_venue_rules(PLAIN, anonymous=True),
        commands.set_trading_state(PLAIN, TradingState.CLOSED),
        commands.set_mode(PLAIN, TradingMode.LIST),
    )
    limits = {"price_ticks": 9, "quantity_lots": 10, "leaves_lots": 11, "amount": 12}
    assert told == [
        fact(EventKind.GUARDS_SET, instrument=PLAIN, price_ticks=3, quantity_lots=1, leaves_lots=2),
        fact(EventKind.GUARDS_SET, instrument=PLAIN, price_ticks=3, quantity_lots=4, leaves_lots=5),
        fact(EventKind.INSTRUMENT_LIMITS_SET, instrument=PLAIN, price_ticks=6, amount=7, quantity_lots=8),
        fact(EventKind.ACCOUNT_LIMITS_SET, account=BOB, **limits),
        fact(EventKind.VENUE_RULES_SET, instrument=PLAIN, price_ticks=1),
        fact(EventKind.TRADING_STATE_SET, instrument=PLAIN, state=TradingState.CLOSED),
        fact(EventKind.MODE_SET, instrument=PLAIN, state=TradingMode.LIST),
    ]


@both_engines
def test_an_asset_under_rules_gets_no_further_book(market):
    second = commands.list_instrument(4, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=9)
    told = market.do(altered(LISTING, asset=LICENCES), commands.set_venue_rules(3, turnaround_days=1), second)
    assert reasons(told) == [0, 0, RejectReason.INVALID_PARAMETER]


@both_engines
@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (TradingState.CALL_OPEN, TradingState.CONTINUOUS, RejectReason.NONE),
        (TradingState.CALL_OPEN, TradingState.EXPIRED, RejectReason.NONE),
        (TradingState.EXPIRED, TradingState.CLOSED, RejectReason.INVALID_TRANSITION),
    ],
)
def test_some_states_do_not_follow_others(market, before, after, reason):
    told = market.do(commands.set_trading_state(PLAIN, before), commands.set_trading_state(PLAIN, after))
    assert reasons(told) == [0, reason]


@both_engines
def test_continuous_trading_does_not_begin_with_orders_for_an_auction_or_a_crossed_book(market):
    begin = commands.set_trading_state(PLAIN, TradingState.CONTINUOUS)
    market.do(commands.set_trading_state(PLAIN, TradingState.PRE_OPEN))
    market.buy(BOB, 1, 100, time_in_force=TimeInForce.AT_AUCTION)
    told = market.do(begin, commands.cancel_order(BOB, market.order_id(1)))
    market.buy(BOB, 1, 100)
    market.sell(ALICE, 1, 100)
    told += market.do(begin)
    assert [reason for reason in reasons(told) if reason] == [RejectReason.INVALID_TRANSITION] * 2


@both_engines
def test_calls_never_trade_continuously_and_posted_offers_are_never_called(market):
    told = market.do(
        commands.set_trading_state(PLAIN, TradingState.CLOSED),
        commands.set_mode(PLAIN, TradingMode.CALL),
        commands.set_trading_state(PLAIN, TradingState.CONTINUOUS),
        commands.set_mode(PLAIN, TradingMode.LIST),
        commands.set_trading_state(PLAIN, TradingState.CALL_OPEN),
        commands.set_trading_state(PLAIN, TradingState.CONTINUOUS),
    )
    assert reasons(told) == [0, 0, RejectReason.INVALID_TRANSITION, 0, RejectReason.INVALID_TRANSITION, 0]


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (commands.set_trading_state(9, TradingState.CLOSED), RejectReason.UNKNOWN_INSTRUMENT),
        (altered(commands.set_trading_state(PLAIN, TradingState.CLOSED), state=12), RejectReason.MALFORMED_COMMAND),
        (commands.wake_stops(9), RejectReason.UNKNOWN_INSTRUMENT),
        (commands.wake_stops(PLAIN), RejectReason.INSTRUMENT_NOT_TRADING),
    ],
)
def test_a_state_that_is_none_and_a_book_that_is_none_are_refused(market, command, reason):
    market.do(commands.set_trading_state(PLAIN, TradingState.HALTED))
    assert reasons(market.do(command)) == [reason]


def extras(market: Market) -> int:
    """Return which extra rules the plain book has."""
    return int(market.engine._states[0]["instruments"][PLAIN]["extras"])


def test_each_rule_is_looked_at_only_while_it_is_set(market):
    market.do(
        commands.set_guards(PLAIN, 1, 0), commands.set_instrument_limits(PLAIN, open_orders_max=1, position_bps=1)
    )
    assert extras(market) == Extra.GUARDS | Extra.OPEN_ORDERS | Extra.POSITION
    market.do(commands.set_guards(PLAIN, 0, 0), commands.set_instrument_limits(PLAIN, position_bps=1))
    assert extras(market) == Extra.POSITION
    market.do(commands.set_instrument_limits(PLAIN))
    assert extras(market) == 0


def test_an_account_is_limited_while_any_limit_is_set(market):
    limited = market.engine._states[0]["accounts"]["limited"]
    for limit in ("open_orders_max", "order_rate_max", "message_rate_max", "notional_max"):
        market.do(commands.set_account_limits(BOB, **{limit: 5}))
        assert (limited[BOB], limited[CAROL]) == (1, 0)
        market.do(commands.set_account_limits(BOB))
        assert limited[BOB] == 0


def test_holders_are_counted_when_their_number_is_limited(market):
    market.do(altered(LISTING, asset=LICENCES), commands.issue(BOB, LICENCES, 9))
    for receiver in (0, ALICE, CAROL):
        market.do(commands.transfer(BOB, receiver, LICENCES, 1, TransferPurpose.CORRECTION))
    holders = market.engine._states[0]["assets"]["holders"]
    market.do(commands.set_venue_rules(3, holders_max=7))
    assert holders[LICENCES] == 2  # neither the issuer nor the exchange
    assert int(market.engine._states[0]["instruments"][3]["extras"]) == Extra.HOLDERS
    market.do(commands.set_venue_rules(3, turnaround_days=1))
    assert holders[LICENCES] == 0
    assert int(market.engine._states[0]["instruments"][3]["extras"]) == Extra.TURNAROUND


def test_a_limit_of_notional_holds_for_prices_that_were_safe_before(market):
    assert reasons(market.buy(BOB, 10, 100)) == [RejectReason.NONE]
    market.do(commands.set_instrument_limits(PLAIN, notional_max=999))
    assert reasons(market.buy(BOB, 10, 100)) == [RejectReason.NOTIONAL_TOO_LARGE]
    assert reasons(market.buy(BOB, 9, 111)) == [RejectReason.NONE]
    market.do(commands.set_instrument_limits(PLAIN))
    assert reasons(market.buy(BOB, 10, 100)) == [RejectReason.NONE]


def test_an_instrument_of_units_too_many_for_one_order_has_no_safe_price(market):
    large = altered(LISTING, amount=NOTIONAL_MAX, words=[1, 1, 2, 0, 0])
    market.do(large)
    safe = market.engine._states[0]["instruments"]["price_safe"]
    assert (safe[3], safe[PLAIN]) == (0, NOTIONAL_MAX // 1_000)


def test_a_book_with_market_orders_on_both_sides_is_crossed(market):
    unpriced = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.AT_AUCTION}
    market.do(commands.set_price_band(PLAIN, 1, 100), commands.set_trading_state(PLAIN, TradingState.PRE_OPEN))
    market.buy(BOB, 1, 0, **unpriced)
    market.sell(ALICE, 1, 0, **unpriced)
    told = market.do(commands.set_trading_state(PLAIN, TradingState.CONTINUOUS))
    assert reasons(told) == [RejectReason.INVALID_TRANSITION]
