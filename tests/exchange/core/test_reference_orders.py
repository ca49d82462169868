"""Orders in the readable engine: what is refused, what acceptance says and holds, cancels, replaces."""

import pytest

from exchange.core import commands, reference_limits
from exchange.core.types import (
    AccountState,
    CommandKind,
    EventKind,
    OrderFlag,
    OrderType,
    RejectReason,
    Side,
    TimeInForce,
    TradingState,
)
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CAROL,
    CASH_EACH,
    CNY,
    LICENCES,
    NOBODY,
    PLAIN,
    TOKENS,
    Fact,
    Market,
    altered,
    reasons,
    rejected,
)

BUY_ONE = commands.new_order(BOB, PLAIN, Side.BUY, 100, 1)
POST_ONLY = OrderFlag.POST_ONLY


@pytest.fixture
def market() -> Market:
    """Return a market of the readable engine."""
    return Market()


def kinds(told: list[Fact]) -> list[EventKind]:
    """Return what happened without its details."""
    return [event.kind for event in told]


@pytest.mark.parametrize(
    "fields",
    [
        {"side": Side.BOTH},
        {"order_type": 4},
        {"time_in_force": 6},
        {"self_trade_prevention": 5},
        {"flags": OrderFlag.RESTING},
        {"flags": POST_ONLY | OrderFlag.REQUEUE},
        {"flags": POST_ONLY, "time_in_force": TimeInForce.IOC},
        {"flags": POST_ONLY, "time_in_force": TimeInForce.FOK},
        {"flags": POST_ONLY, "order_type": OrderType.MARKET},
    ],
)
def test_values_without_a_meaning_are_malformed(market, fields):
    echo = {"account": BOB, "instrument": PLAIN, "price_ticks": 100, "quantity_lots": 1, "self_trade_prevention": 1}
    assert market.do(altered(BUY_ONE, **fields)) == [
        rejected(RejectReason.MALFORMED_COMMAND, CommandKind.NEW_ORDER, **{**echo, **fields})
    ]


REFUSALS = [
    ((), {"account": NOBODY}, RejectReason.UNKNOWN_ACCOUNT),
    ((), {"instrument": 0}, RejectReason.UNKNOWN_INSTRUMENT),
    ((), {"instrument": 3}, RejectReason.UNKNOWN_INSTRUMENT),
    ((commands.set_account_state(BOB, AccountState.RESTRICTED),), {}, RejectReason.ACCOUNT_NOT_ACTIVE),
    ((commands.set_trading_state(PLAIN, TradingState.HALTED),), {}, RejectReason.INSTRUMENT_NOT_TRADING),
    ((), {"quantity_lots": 0}, RejectReason.INVALID_QUANTITY),
    ((), {"quantity_lots": 1_001}, RejectReason.INVALID_QUANTITY),
    ((), {"price_ticks": 0}, RejectReason.INVALID_PRICE),
    ((), {"price_ticks": (1 << 31) + 1}, RejectReason.INVALID_PRICE),
    ((commands.set_price_band(PLAIN, 101, 200),), {}, RejectReason.PRICE_OUTSIDE_BAND),
    ((commands.set_price_band(PLAIN, 1, 99),), {}, RejectReason.PRICE_OUTSIDE_BAND),
    ((commands.new_order(ALICE, PLAIN, Side.SELL, 100, 1),), {"flags": POST_ONLY}, RejectReason.WOULD_TAKE),
    ((), {"price_ticks": CASH_EACH + 1}, RejectReason.INSUFFICIENT_BALANCE),
]


@pytest.mark.parametrize(("before", "fields", "reason"), REFUSALS)
def test_an_order_is_refused_for_its_reason(market, before, fields, reason):
    market.do(*before)
    assert reasons(market.do(altered(BUY_ONE, **fields))) == [reason]


def test_notional_and_units_of_an_order_have_a_limit(market):
    market.do(
        commands.list_instrument(
            3, TOKENS, CNY, lot_units=1 << 40, tick_value=1 << 30, quantity_min=1, quantity_max=1 << 40
        ),
        commands.set_trading_state(3, TradingState.CONTINUOUS),
    )
    told = [
        market.sell(BOB, 1 << 21, 1 << 10, instrument=3),
        market.sell(BOB, (1 << 21) + 1, 1, instrument=3),
        market.sell(BOB, 1 << 21, (1 << 10) + 1, instrument=3),
        market.sell(BOB, 1 << 21, 0, instrument=3, order_type=OrderType.MARKET),
        market.buy(BOB, 1 << 21, 0, instrument=3, order_type=OrderType.MARKET),
    ]
    assert [reasons(events)[0] for events in told] == [
        RejectReason.INSUFFICIENT_BALANCE,
        RejectReason.NOTIONAL_TOO_LARGE,
        RejectReason.NOTIONAL_TOO_LARGE,
        RejectReason.INSUFFICIENT_BALANCE,
        RejectReason.NOTIONAL_TOO_LARGE,
    ]


def test_an_account_may_have_so_many_open_orders(market, monkeypatch):
    monkeypatch.setattr(reference_limits, "OPEN_ORDERS_MAX", 2)
    told = [market.buy(BOB, 1, 100) for _ in range(3)]
    assert [reasons(events)[0] for events in told] == [0, 0, RejectReason.TOO_MANY_OPEN_ORDERS]
    market.do(commands.cancel_order(BOB, market.order_id(1)))
    assert reasons(market.buy(BOB, 1, 100)) == [RejectReason.NONE]


def test_a_refused_order_makes_no_balance():
    market = Market(setup=(commands.create_account(1),))
    assert reasons(market.buy(1, 1, 100)) == [RejectReason.UNKNOWN_INSTRUMENT]
    assert market.engine.balance_rows().tolist() == []


def replaced(market: Market, price_ticks: int = 0, quantity_lots: int = 0, flags: int = 0) -> list[Fact]:
    """Replace Bob's first order."""
    return market.do(commands.replace_order(BOB, market.order_id(1), price_ticks, quantity_lots, flags=flags))


AUCTION = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.AT_AUCTION}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"display_lots": 6}, RejectReason.INVALID_QUANTITY),
        ({"time_in_force": TimeInForce.GTD}, RejectReason.INVALID_EXPIRY),
        ({"order_type": OrderType.STOP_LIMIT, "stop_ticks": (1 << 31) + 1}, RejectReason.INVALID_PRICE),
        (
            {"order_type": OrderType.STOP, "stop_ticks": 5, "time_in_force": 3, "until_ns": 9},
            RejectReason.MALFORMED_COMMAND,
        ),
        ({"until_ns": 9}, RejectReason.MALFORMED_COMMAND),
        ({"amount": 9}, RejectReason.MALFORMED_COMMAND),
        ({"stop_ticks": 9}, RejectReason.MALFORMED_COMMAND),
        ({"order_type": OrderType.MARKET, "display_lots": 1}, RejectReason.MALFORMED_COMMAND),
        ({"order_type": OrderType.MARKET, "quantity_lots": 0, "amount": 9}, RejectReason.AMOUNT_TOO_SMALL),
        (
            {"order_type": OrderType.MARKET, "quantity_lots": 0, "amount": (1 << 61) + 1},
            RejectReason.NOTIONAL_TOO_LARGE,
        ),
    ],
)
def test_terms_of_orders_with_conditions_are_refused_for_their_reason(market, fields, reason):
    assert reasons(market.do(altered(BUY_ONE, **{"quantity_lots": 5, **fields}))) == [reason]


def test_too_many_messages_are_refused_before_the_book_is_looked_at(market):
    market.do(
        commands.set_account_limits(BOB, order_rate_max=1), commands.set_trading_state(PLAIN, TradingState.HALTED)
    )
    assert reasons(market.do(BUY_ONE, BUY_ONE)) == [
        RejectReason.INSTRUMENT_NOT_TRADING,
        RejectReason.TOO_MANY_MESSAGES,
    ]


def test_lots_are_taken_off_an_order_and_its_place_is_kept(market):
    market.buy(BOB, 5, 100)
    reduce = commands.reduce_order(BOB, market.order_id(1), 2)
    (told,) = market.do(reduce)
    assert (told.fields["flags"], told.fields["leaves_lots"], told.fields["amount"]) == (
        OrderFlag.KEPT_PRIORITY,
        3,
        300,
    )
    told = market.do(altered(reduce, quantity_lots=0), altered(reduce, account=ALICE), altered(reduce, quantity_lots=3))
    assert reasons(told) == [RejectReason.INVALID_QUANTITY, RejectReason.UNKNOWN_ORDER, RejectReason.NONE]
    assert told[-1].kind == EventKind.ORDER_CANCELED


def test_a_replace_in_a_call_does_not_trade_and_does_not_cross_its_own_group(market):
    market.do(commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    market.buy(BOB, 5, 100)
    market.sell(ALICE, 5, 101)
    market.sell(BOB, 5, 105)
    assert kinds(replaced(market, 102)) == [EventKind.ORDER_REPLACED]
    assert reasons(replaced(market, 105)) == [RejectReason.WOULD_CROSS_OWN_GROUP]


def test_an_order_that_sleeps_or_has_no_price_only_gets_less(market):
    market.do(commands.set_price_band(PLAIN, 50, 150), commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    market.buy(BOB, 5, 0, **AUCTION)
    told = [replaced(market, 100), replaced(market, 0, 6), replaced(market, 0, 4)]
    assert [reasons(events)[0] for events in told] == [RejectReason.NOT_REPLACEABLE, RejectReason.NOT_REPLACEABLE, 0]
    assert "price_ticks" not in told[-1][0].fields
    assert told[-1][0].fields["amount"] == 600


def test_a_replace_is_held_to_limits_and_rules(market):
    market.do(
        commands.list_instrument(3, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=99),
        commands.issue(ALICE, TOKENS, 1),
        altered(commands.issue(BOB, LICENCES, 20), account=BOB),
        commands.set_trading_state(3, TradingState.CONTINUOUS),
        commands.set_venue_rules(3, turnaround_days=1),
    )
    market.sell(BOB, 9, 10, instrument=3)
    market.buy(CAROL, 9, 10, instrument=3)
    market.do(commands.transfer(BOB, CAROL, LICENCES, 2, 1))
    market.sell(CAROL, 2, 20, instrument=3)
    more = commands.replace_order(CAROL, market.order_ids[-1], 0, 3)
    assert reasons(market.do(more)) == [RejectReason.NOT_YET_TRANSFERABLE]
    market.do(commands.set_instrument_limits(PLAIN, position_bps=3_000, notional_max=999))
    market.buy(BOB, 5, 1)
    more = commands.replace_order(BOB, market.order_ids[-1], 0, 999)
    told = market.do(altered(more, price_ticks=2), more, commands.set_account_limits(BOB, order_rate_max=1), more, more)
    assert [reason for reason in reasons(told) if reason] == [
        RejectReason.NOTIONAL_TOO_LARGE,
        RejectReason.POSITION_LIMIT,
        RejectReason.POSITION_LIMIT,
        RejectReason.TOO_MANY_MESSAGES,
    ]
