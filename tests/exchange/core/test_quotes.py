"""Quotes and all-or-none batches on the kernel."""

import pytest

from exchange.core import commands
from exchange.core.types import (
    BATCH_MAX,
    AccountState,
    CommandKind,
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    RejectReason,
    Side,
    TradingMode,
    TradingState,
)
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CAROL,
    NOBODY,
    PLAIN,
    altered,
    both_engines,
    fact,
    reasons,
    rejected,
)

POST_ONLY = OrderFlag.POST_ONLY
QUOTE = commands.quote(BOB, PLAIN, (99, 5), (101, 6))
BID = commands.new_order(BOB, PLAIN, Side.BUY, 99, 1, flags=POST_ONLY)


@both_engines
def test_a_quote_is_two_orders_that_know_what_they_are(market):
    bid, ask, quoted = market.do(QUOTE)
    assert [(event.fields["flags"], event.fields["quantity_lots"]) for event in (bid, ask)] == [
        (OrderFlag.QUOTE, 5),
        (OrderFlag.QUOTE, 6),
    ]
    assert quoted == fact(EventKind.QUOTED, account=BOB, instrument=PLAIN, quantity_lots=2)


@both_engines
def test_a_quote_ends_the_former_one(market):
    market.buy(BOB, 1, 90)
    market.do(QUOTE)
    told = market.do(commands.quote(BOB, PLAIN, (0, 0), (0, 0)))
    assert [event.fields.get("reason", 0) for event in told] == [EndReason.REQUOTED, EndReason.REQUOTED, 0]
    assert told[-1].fields["leaves_lots"] == 2
    assert len(market.engine.open_order_rows()) == 1


@both_engines
def test_a_side_that_is_refused_says_so(market):
    market.sell(ALICE, 1, 99)
    told = market.do(altered(QUOTE, flags=POST_ONLY))
    echo = {"flags": POST_ONLY, "self_trade_prevention": 1, "account": BOB, "instrument": PLAIN}
    assert told[0] == rejected(RejectReason.WOULD_TAKE, CommandKind.QUOTE, price_ticks=99, quantity_lots=5, **echo)
    assert told[-1].fields["quantity_lots"] == 1


@both_engines
@pytest.mark.parametrize(
    ("before", "fields", "reason"),
    [
        ((), {"self_trade_prevention": 5}, RejectReason.MALFORMED_COMMAND),
        ((), {"flags": OrderFlag.QUOTE}, RejectReason.MALFORMED_COMMAND),
        ((), {"quantity_lots": -1}, RejectReason.MALFORMED_COMMAND),
        ((), {"words": [101, -1, 0, 0, 0]}, RejectReason.MALFORMED_COMMAND),
        ((), {"account": NOBODY}, RejectReason.UNKNOWN_ACCOUNT),
        ((), {"instrument": 9}, RejectReason.UNKNOWN_INSTRUMENT),
        ((commands.set_account_state(BOB, AccountState.RESTRICTED),), {}, RejectReason.ACCOUNT_NOT_ACTIVE),
        (
            (commands.set_account_limits(BOB, message_rate_max=1), commands.cancel_order(BOB, 1)),
            {},
            RejectReason.TOO_MANY_MESSAGES,
        ),
        ((commands.set_trading_state(PLAIN, TradingState.CALL_NO_CANCEL),), {}, RejectReason.INSTRUMENT_NOT_TRADING),
        ((), {"price_ticks": 101}, RejectReason.INVALID_PRICE),
    ],
)
def test_a_quote_is_refused_as_a_whole_for_its_reason(market, before, fields, reason):
    market.do(*before)
    assert reasons(market.do(altered(QUOTE, **fields))) == [reason]


def test_a_side_comes_into_the_phase_that_the_other_one_brought_about(market):
    market.do(commands.set_guards(PLAIN, 100, 0, 100))
    market.sell(ALICE, 1, 99)
    market.sell(ALICE, 1, 150)
    told = market.do(commands.quote(BOB, PLAIN, (160, 2), (161, 3)))
    assert [event.kind for event in told] == [
        EventKind.ORDER_ACCEPTED,
        EventKind.TRADED,
        EventKind.TRADING_STATE_SET,
        EventKind.ORDER_ACCEPTED,
        EventKind.QUOTED,
    ]
    assert told[-1].fields["quantity_lots"] == 2
    assert sorted(market.engine.open_order_rows()["price_ticks"].tolist()) == [150, 160, 161]


def test_a_side_that_the_other_one_has_shut_out_is_refused_by_itself(market):
    market.do(
        commands.set_trading_state(PLAIN, TradingState.CLOSED),
        commands.set_mode(PLAIN, TradingMode.LIST),
        commands.set_trading_state(PLAIN, TradingState.CONTINUOUS),
    )
    told = market.do(QUOTE)
    echo = {"self_trade_prevention": 1, "account": BOB, "instrument": PLAIN, "price_ticks": 99, "quantity_lots": 5}
    assert told[0] == rejected(RejectReason.NOT_IN_THIS_PHASE, CommandKind.QUOTE, **echo)
    assert told[-1] == fact(EventKind.QUOTED, account=BOB, instrument=PLAIN, quantity_lots=1)


def test_a_quote_that_trades_wakes_stops_after_both_sides(market):
    market.sell(ALICE, 1, 99)
    market.buy(CAROL, 1, 120, order_type=OrderType.STOP_LIMIT, stop_ticks=99)
    told = market.do(QUOTE)
    assert [event.kind for event in told] == [
        EventKind.ORDER_ACCEPTED,
        EventKind.TRADED,
        EventKind.ORDER_ACCEPTED,
        EventKind.QUOTED,
        EventKind.ORDER_TRIGGERED,
        EventKind.TRADED,
    ]


@both_engines
def test_a_batch_that_is_refused_in_part_does_not_last(market):
    market.sell(ALICE, 1, 100)
    told = market.do(
        commands.begin_batch(BOB, 4), BID, altered(BID, price_ticks=98), altered(BID, price_ticks=100), BID, BID
    )
    assert told[0] == fact(EventKind.BATCH_BEGUN, account=BOB, quantity_lots=4)
    assert [reason for reason in reasons(told) if reason] == [RejectReason.WOULD_TAKE, RejectReason.BATCH_REFUSED]
    assert [event.fields["price_ticks"] for event in told if event.kind == EventKind.ORDER_EXPIRED] == [99, 98]
    assert {event.fields["reason"] for event in told if event.kind == EventKind.ORDER_EXPIRED} == {EndReason.BATCH}
    assert told[-1].kind == EventKind.ORDER_ACCEPTED


@both_engines
def test_a_batch_that_is_accepted_lasts(market):
    told = market.do(commands.begin_batch(BOB, 2), BID, BID, altered(BID, price_ticks=0))
    assert reasons(told) == [0, 0, 0, RejectReason.INVALID_PRICE]
    assert len(market.engine.open_order_rows()) == 2


@both_engines
@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (altered(BID, flags=0), RejectReason.MALFORMED_COMMAND),
        (altered(BID, account=CAROL), RejectReason.MALFORMED_COMMAND),
        (commands.begin_batch(BOB, 1), RejectReason.MALFORMED_COMMAND),
        (altered(BID, kind=0), RejectReason.UNKNOWN_COMMAND),
    ],
)
def test_what_is_not_of_the_batch_fails_it(market, command, reason):
    told = market.do(commands.begin_batch(BOB, 3), BID, command, BID)
    assert reasons(told) == [0, 0, reason, 0, RejectReason.BATCH_REFUSED]


@both_engines
def test_an_order_of_a_batch_that_has_traded_is_not_ended_again(market):
    market.sell(ALICE, 1, 100)
    market.buy(BOB, 1, 100)
    market.buy(ALICE, 1, 90)
    market.sell(CAROL, 1, 99, stop_ticks=95, order_type=3)
    market.do(commands.set_trading_state(PLAIN, TradingState.PRE_OPEN))
    market.sell(CAROL, 1, 90)
    market.do(commands.uncross(PLAIN, TradingState.HALTED))
    market.do(commands.set_trading_state(PLAIN, TradingState.CONTINUOUS))
    told = market.do(commands.begin_batch(BOB, 2), BID, altered(BID, price_ticks=0))
    assert [event.kind for event in told] == [
        EventKind.BATCH_BEGUN,
        EventKind.ORDER_ACCEPTED,
        EventKind.ORDER_TRIGGERED,
        EventKind.TRADED,
        EventKind.COMMAND_REJECTED,
    ]


@both_engines
def test_a_duplicate_is_neither_accepted_nor_refused(market):
    named = commands.new_order(BOB, PLAIN, Side.BUY, 99, 1, flags=POST_ONLY, client_order_id="a")
    told = market.do(named, commands.begin_batch(BOB, 2), named, BID)
    assert [event.kind for event in told[3:]] == [EventKind.ORDER_DUPLICATED, EventKind.ORDER_ACCEPTED]


@both_engines
@pytest.mark.parametrize(
    ("account", "count", "reason"),
    [
        (NOBODY, 1, RejectReason.UNKNOWN_ACCOUNT),
        (BOB, 0, RejectReason.INVALID_QUANTITY),
        (BOB, BATCH_MAX + 1, RejectReason.INVALID_QUANTITY),
        (BOB, BATCH_MAX, RejectReason.NONE),
    ],
)
def test_who_may_begin_a_batch_of_what_size(market, account, count, reason):
    assert reasons(market.do(commands.begin_batch(account, count))) == [reason]
