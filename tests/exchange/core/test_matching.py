"""Matching: whole event lists of a sweep, and every way of keeping a group apart from itself."""

import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.state import TEST
from exchange.core.types import (
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
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
    TOKENS,
    Fact,
    Market,
    fact,
    reasons,
)


def test_a_sweep_trades_at_the_makers_prices_and_says_what_is_left(market):
    market.sell(ALICE, 2, 50)
    market.sell(CAROL, 3, 51)
    told = market.buy(BOB, 9, 51, time_in_force=TimeInForce.IOC)
    mine = {"account": BOB, "instrument": PLAIN, "order_id": market.order_id(3)}
    first = told[1].fields["trade_id"]
    alice = {"counter_account": ALICE, "counter_order_id": market.order_id(1), "price_ticks": 50, "amount": 100}
    carol = {"counter_account": CAROL, "counter_order_id": market.order_id(2), "price_ticks": 51, "amount": 153}
    rest = {"price_ticks": 51, "quantity_lots": 9, "leaves_lots": 4, "amount": 9 * 51 - 253}
    assert told[1:] == [
        fact(EventKind.TRADED, **mine, **alice, asset=TOKENS, trade_id=first, quantity_lots=2, leaves_lots=7),
        fact(EventKind.TRADED, **mine, **carol, asset=TOKENS, trade_id=first + 1, quantity_lots=3, leaves_lots=4),
        fact(EventKind.ORDER_EXPIRED, **mine, **rest, reason=EndReason.IMMEDIATE_REMAINDER),
    ]


@pytest.mark.parametrize(
    ("policy", "kinds"),
    [
        (SelfTradePrevention.NONE, [EventKind.TRADED, EventKind.TRADED]),
        (SelfTradePrevention.EXPIRE_TAKER, [EventKind.MATCH_PREVENTED, EventKind.ORDER_EXPIRED]),
        (SelfTradePrevention.EXPIRE_MAKER, [EventKind.MATCH_PREVENTED, EventKind.ORDER_EXPIRED, EventKind.TRADED]),
        (
            SelfTradePrevention.EXPIRE_BOTH,
            [EventKind.MATCH_PREVENTED, EventKind.ORDER_EXPIRED, EventKind.ORDER_EXPIRED],
        ),
        (SelfTradePrevention.DECREMENT, [EventKind.MATCH_PREVENTED, EventKind.ORDER_EXPIRED, EventKind.TRADED]),
    ],
)
def test_a_group_meets_itself_and_then_another(market, policy, kinds):
    market.sell(CAROL, 3, 50)
    market.sell(ALICE, 9, 50)
    told = market.buy(DAVE, 5, 50, self_trade_prevention=policy)
    assert [event.kind for event in told[1:]] == kinds
    traded = sum(event.fields["quantity_lots"] for event in told if event.kind == EventKind.TRADED)
    assert traded == {"NONE": 5, "EXPIRE_MAKER": 5, "DECREMENT": 2}.get(policy.name, 0)


def test_decrement_takes_the_smaller_quantity_off_both(market):
    market.sell(CAROL, 8, 50)
    told = market.buy(DAVE, 5, 50, self_trade_prevention=SelfTradePrevention.DECREMENT)
    assert [event.kind for event in told] == [
        EventKind.ORDER_ACCEPTED,
        EventKind.MATCH_PREVENTED,
        EventKind.ORDER_EXPIRED,
    ]
    rows = market.engine.open_order_rows()
    assert rows[["quantity_lots", "leaves_lots", "held"]].tolist() == [(3, 3, 3)]


def test_a_maker_that_expires_says_that_it_rested(market):
    market.sell(CAROL, 3, 50)
    told = market.buy(DAVE, 5, 50, self_trade_prevention=SelfTradePrevention.EXPIRE_MAKER)
    expired = next(event for event in told if event.kind == EventKind.ORDER_EXPIRED)
    assert (expired.fields["flags"], expired.fields["account"]) == (OrderFlag.RESTING, CAROL)


def test_one_taker_sweeps_hundreds_of_small_makers_in_one_command(market):
    market.send(*[commands.new_order(ALICE, PLAIN, Side.SELL, 50, 1) for _ in range(800)])
    events = market.send(commands.new_order(BOB, PLAIN, Side.BUY, 50, 1_000, time_in_force=TimeInForce.IOC))
    traded = events[events["kind"] == EventKind.TRADED]
    assert traded["counter_order_id"].tolist() == market.order_ids[:800]
    assert traded["trade_id"].tolist() == list(range(int(traded["trade_id"][0]), int(traded["trade_id"][0]) + 800))
    assert market.engine.open_order_rows().size == 0


def kinds(told: list[Fact]) -> list[EventKind]:
    """Return what happened without its details."""
    return [event.kind for event in told]


def ends(told: list[Fact]) -> list[tuple[int, int, int]]:
    """Return account, reason and open lots of the orders that expired."""
    return [
        (event.fields["account"], event.fields["reason"], event.fields.get("leaves_lots", 0))
        for event in told
        if event.kind == EventKind.ORDER_EXPIRED
    ]


DECREMENT = {"self_trade_prevention": SelfTradePrevention.DECREMENT}


@pytest.mark.parametrize(
    ("makers", "takers", "told"),
    [
        (6, 6, [(CAROL, EndReason.SELF_TRADE, 0), (DAVE, EndReason.SELF_TRADE, 0)]),
        (6, 4, [(DAVE, EndReason.SELF_TRADE, 0)]),
        (4, 6, [(CAROL, EndReason.SELF_TRADE, 0)]),
    ],
)
def test_decrement_ends_whom_it_leaves_nothing_maker_first(market, makers, takers, told):
    market.sell(CAROL, makers, 50)
    assert ends(market.buy(DAVE, takers, 50, **DECREMENT)) == told
    assert market.engine.open_order_rows()["leaves_lots"].tolist() == [abs(makers - takers)] * (makers != takers)
    assert market.held(CAROL, TOKENS) == max(makers - takers, 0)


def test_decrement_of_a_displayed_part_shows_the_next_one(market):
    market.sell(CAROL, 9, 50, display_lots=4)
    told = market.buy(DAVE, 6, 50, **DECREMENT)
    assert kinds(told) == [
        EventKind.ORDER_ACCEPTED,
        EventKind.MATCH_PREVENTED,
        EventKind.ORDER_REPLENISHED,
        EventKind.MATCH_PREVENTED,
        EventKind.ORDER_EXPIRED,
    ]
    assert [told[1].fields["quantity_lots"], told[3].fields["quantity_lots"]] == [4, 2]
    rows = market.engine.open_order_rows()
    assert rows[["quantity_lots", "leaves_lots", "held"]].tolist() == [(3, 3, 3)]


def test_an_iceberg_maker_of_the_own_group_ends_with_what_it_hides(market):
    market.sell(CAROL, 9, 50, display_lots=4)
    told = market.buy(DAVE, 6, 50, self_trade_prevention=SelfTradePrevention.EXPIRE_MAKER)
    assert ends(told) == [(CAROL, EndReason.SELF_TRADE, 9)]


def test_an_order_that_would_meet_too_many_makers_expires(market, work_max):
    market.do(commands.list_instrument(3, TOKENS, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=10**6))
    market.do(commands.set_trading_state(3, TradingState.CONTINUOUS), commands.deposit(BOB, CNY, 10**9))
    market.do(commands.issue(ALICE, TOKENS, 2 * work_max))
    market.sell(ALICE, work_max + 1, 50, display_lots=1, instrument=3)
    told = market.buy(BOB, work_max + 9, 50, instrument=3)
    assert kinds(told[1:-1]) == [EventKind.TRADED, EventKind.ORDER_REPLENISHED] * work_max
    assert ends(told) == [(BOB, EndReason.WORK_LIMIT, 9)]


def test_an_order_that_is_done_at_the_limit_of_work_rests(market, work_max):
    market.do(commands.list_instrument(3, TOKENS, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=10**6))
    market.do(commands.set_trading_state(3, TradingState.CONTINUOUS), commands.deposit(BOB, CNY, 10**9))
    market.do(commands.issue(ALICE, TOKENS, 2 * work_max))
    market.sell(ALICE, work_max, 50, display_lots=1, instrument=3)
    told = market.buy(BOB, work_max + 9, 50, instrument=3)
    assert ends(told) == []
    assert market.engine.open_order_rows()["leaves_lots"].tolist() == [9]
    assert market.held(BOB) == 9 * 50


def guarded(market: Market) -> None:
    """Let the plain book interrupt beyond a tenth from 100, with offers at 105 and 120."""
    market.do(commands.set_guards(PLAIN, 1_000, 0, 100))
    market.sell(ALICE, 2, 105)
    market.sell(CAROL, 2, 120)


def test_a_price_outside_the_guards_interrupts_and_the_taker_waits(market):
    guarded(market)
    told = market.buy(BOB, 5, 130, display_lots=2)
    assert kinds(told) == [
        EventKind.ORDER_ACCEPTED,
        EventKind.ORDER_TERMS,
        EventKind.TRADED,
        EventKind.TRADING_STATE_SET,
    ]
    assert told[-1] == fact(
        EventKind.TRADING_STATE_SET, instrument=PLAIN, state=TradingState.VOLATILITY, price_ticks=120
    )
    assert market.held(BOB) == 3 * 130
    assert market.engine.open_order_rows()["leaves_lots"].tolist() == [2, 3]


@pytest.mark.parametrize("terms", [{"time_in_force": TimeInForce.IOC}, {"order_type": OrderType.MARKET}])
def test_a_taker_that_may_not_wait_ends_with_the_interruption(market, terms):
    guarded(market)
    assert ends(market.buy(BOB, 3, 130, **terms)) == [(BOB, EndReason.VOLATILITY_HALT, 1)]


def test_a_taker_that_would_wait_across_its_own_group_ends(market):
    guarded(market)
    assert ends(market.buy(DAVE, 3, 130)) == [(DAVE, EndReason.SELF_TRADE, 1)]


def licences(**rules: int) -> Market:
    """Return a market in which licences of Bob, of whom Alice has ten, trade under rules as instrument 3."""
    market = Market(Engine(TEST))
    market.do(
        commands.list_instrument(3, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=99),
        commands.issue(BOB, LICENCES, 50),
        commands.transfer(BOB, ALICE, LICENCES, 10, TransferPurpose.SUBACCOUNT),
        commands.set_trading_state(3, TradingState.CONTINUOUS),
        commands.set_venue_rules(3, **rules),
    )
    return market


def test_a_maker_who_would_be_a_holder_too_many_ends_and_the_next_trades():
    market = licences(holders_max=2)
    for account in (CAROL, DAVE, CAROL):
        market.buy(account, 1, 10, instrument=3)
    told = market.sell(BOB, 3, 10, instrument=3)
    assert kinds(told) == [EventKind.ORDER_ACCEPTED, EventKind.TRADED, EventKind.ORDER_EXPIRED, EventKind.TRADED]
    assert ends(told) == [(DAVE, EndReason.HOLDER_LIMIT, 1)]


def test_a_stop_whose_buyer_has_become_a_holder_too_many_ends_when_it_wakes():
    market = licences(holders_max=2)
    market.buy(DAVE, 1, 20, instrument=3, order_type=OrderType.STOP_LIMIT, stop_ticks=10)
    market.sell(BOB, 3, 10, instrument=3)
    told = market.buy(CAROL, 1, 10, instrument=3)
    assert ends(told) == [(DAVE, EndReason.HOLDER_LIMIT, 1)]


def test_all_or_nothing_does_not_count_on_buyers_who_may_not_hold():
    market = licences(holders_max=2)
    for account in (CAROL, DAVE):
        market.buy(account, 1, 10, instrument=3)
    told = market.sell(ALICE, 2, 10, instrument=3, time_in_force=TimeInForce.FOK)
    assert ends(told) == [(ALICE, EndReason.FILL_OR_KILL, 2)]


def test_a_stop_that_finds_no_page_to_rest_on_ends():
    market = Market(Engine(TINY))
    market.sell(ALICE, 2, 110)
    market.buy(BOB, 1, 1 << 6, order_type=OrderType.STOP_LIMIT, stop_ticks=110)
    for price in (1 << 24, 1 << 18, 1 << 24 | 1 << 18):
        assert reasons(market.sell(ALICE, 1, price)) == [RejectReason.NONE]
    assert ends(market.buy(CAROL, 1, 110, time_in_force=TimeInForce.IOC)) == [(BOB, EndReason.BOOK_FULL, 1)]
    assert market.held(BOB) == 0


def test_an_order_that_is_for_the_auction_counts_until_it_leaves_the_book(market):
    count = market.engine._states[0]["instruments"]["auction_orders"]
    market.do(commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    market.buy(BOB, 1, 50, time_in_force=TimeInForce.AT_AUCTION)
    market.buy(BOB, 1, 50)
    assert (count[PLAIN], count[COARSE]) == (1, 0)
    market.do(commands.replace_order(BOB, market.order_id(1), 51))
    assert count[PLAIN] == 1
    market.do(commands.mass_cancel(BOB))
    assert count[PLAIN] == 0
