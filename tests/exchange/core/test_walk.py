"""What an order would find, as all-or-nothing orders, market orders and amounts of money show it."""

import pytest

from exchange.core import commands
from exchange.core.jit import entry, int64
from exchange.core.types import (
    BPS,
    EndReason,
    EventKind,
    OrderType,
    RejectReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from exchange.core.walk import _affordable, gather, is_outside
from tests.exchange.core.builders import ALICE, BOB, CAROL, CASH_EACH, CNY, DAVE, PLAIN, TOKENS, reasons

FOK = {"time_in_force": TimeInForce.FOK}
MARKET = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.IOC}


@entry
def found(states, side, price, wanted, group, prevention, stop_at_own):
    """Return lots and price times lots that an order would find on the plain book."""
    state = states[0]
    return gather(state, state.instruments[1], side, price, wanted, group, prevention, stop_at_own, 0)


@entry
def outside(states, price):
    """Tell whether a price is outside the guards of the plain book."""
    instrument = states[0].instruments[1]
    return is_outside(instrument, price, int64(instrument.last_ticks))


@entry
def affordable(amount, worst_bps):
    """Return the notional that an amount pays."""
    return _affordable(amount, worst_bps)


def is_filled(told: list) -> bool:
    """Tell whether an all-or-nothing order traded."""
    if told[-1].kind == EventKind.TRADED:
        return True
    assert told[-1].fields["reason"] == EndReason.FILL_OR_KILL
    return False


@pytest.mark.parametrize(
    ("reference", "last", "inside", "beyond"),
    [(1_000, 0, [900, 1_100], [899, 1_101]), (0, 1_000, [950, 1_050], [949, 1_051]), (0, 0, [1, 1 << 31], [])],
)
def test_guards_are_edges_that_still_trade(market, reference, last, inside, beyond):
    market.do(commands.set_guards(PLAIN, 1_000, 500, reference))
    market.engine._states[0]["instruments"]["last_ticks"][PLAIN] = last
    assert [bool(outside(market.engine._states, price)) for price in inside + beyond] == [False] * len(inside) + [
        True
    ] * len(beyond)


def test_without_guards_nothing_is_outside(market):
    market.engine._states[0]["instruments"]["reference_ticks"][PLAIN] = 5
    assert not outside(market.engine._states, 1 << 31)


@pytest.mark.parametrize("lots", [6, 7])
def test_all_or_nothing_counts_hidden_lots(market, lots):
    market.sell(ALICE, 5, 50, display_lots=1)
    market.sell(CAROL, 1, 51)
    assert is_filled(market.buy(BOB, lots, 51, **FOK)) == (lots == 6)


@pytest.mark.parametrize(
    ("policy", "filled"),
    [
        (SelfTradePrevention.NONE, True),
        (SelfTradePrevention.EXPIRE_TAKER, False),
        (SelfTradePrevention.EXPIRE_MAKER, True),
        (SelfTradePrevention.EXPIRE_BOTH, False),
        (SelfTradePrevention.DECREMENT, False),
    ],
)
def test_own_orders_count_are_passed_over_or_end_the_walk(market, policy, filled):
    market.sell(CAROL, 2, 50, display_lots=1)
    market.sell(ALICE, 3, 50)
    assert is_filled(market.buy(DAVE, 3, 50, self_trade_prevention=policy, **FOK)) == filled


def test_what_is_displayed_before_an_own_order_still_counts(market):
    market.sell(ALICE, 3, 50, display_lots=2)
    market.sell(CAROL, 2, 50)
    walk = (market.engine._states, 0, 60, 9, CAROL)
    assert tuple(found(*walk, 1, True)) == (2, 100)
    assert tuple(found(*walk, 1, False)) == (3, 150)
    assert tuple(found(*walk, 0, True)) == (5, 250)


def test_a_walk_goes_up_to_its_price_and_no_further_than_it_wants(market):
    for price in (50, 51, 52):
        market.sell(ALICE, 2, price)
    states = market.engine._states
    assert tuple(found(states, 0, 51, 9, 99, 1, True)) == (4, 202)
    assert tuple(found(states, 0, 60, 3, 99, 1, True)) == (3, 151)
    assert tuple(found(states, 1, 1, 9, 99, 1, True)) == (0, 0)


def test_a_walk_under_guards_moves_the_last_price_as_trades_would(market):
    market.sell(ALICE, 1, 98)
    market.buy(BOB, 1, 98)
    market.do(commands.set_guards(PLAIN, 0, 200))
    for price in (99, 100, 103):
        market.sell(ALICE, 1, price)
    assert is_filled(market.buy(BOB, 2, 101, **FOK))
    market.sell(ALICE, 1, 101)
    assert not is_filled(market.buy(BOB, 3, 110, **FOK))
    assert is_filled(market.buy(BOB, 2, 110, **FOK))


def test_guards_end_an_all_or_nothing_order_whole(market):
    market.do(commands.set_guards(PLAIN, 1_000, 0, 100))
    market.sell(ALICE, 1, 105)
    market.sell(ALICE, 1, 111)
    assert not is_filled(market.buy(BOB, 2, 120, **FOK))
    assert is_filled(market.buy(BOB, 1, 120, **FOK))


def test_a_walk_visits_so_many_orders_and_the_next_it_does_not_see(roomy, work_max):
    roomy.do(commands.issue(ALICE, TOKENS, 2 * work_max))
    roomy.send(*[commands.new_order(ALICE, PLAIN, Side.SELL, 50, 1)] * work_max)
    roomy.sell(ALICE, 1, 51)
    assert tuple(found(roomy.engine._states, 0, 60, 2 * work_max, 99, 1, True)) == (work_max, 50 * work_max)


def test_each_part_that_an_iceberg_would_show_is_a_visit(roomy, work_max):
    roomy.do(commands.issue(ALICE, TOKENS, 2 * work_max))
    for _ in range(work_max // 1_000 + 1):
        roomy.sell(ALICE, 1_000, 50, display_lots=1)
    roomy.sell(ALICE, 1, 51)
    lots, _ = found(roomy.engine._states, 0, 60, 1 << 40, 99, 1, True)
    assert lots >= work_max
    assert roomy.engine.open_order_rows()["leaves_lots"].sum() == (work_max // 1_000 + 1) * 1_000 + 1
    assert lots < (work_max // 1_000 + 1) * 1_000 + 1


def test_orders_passed_over_are_visits_too(roomy, work_max):
    roomy.do(commands.issue(ALICE, TOKENS, 2 * work_max), commands.transfer(ALICE, CAROL, TOKENS, work_max, 1))
    roomy.send(*[commands.new_order(CAROL, PLAIN, Side.SELL, 50, 1)] * work_max)
    roomy.sell(ALICE, 1, 50)
    assert not is_filled(roomy.buy(DAVE, 1, 50, self_trade_prevention=SelfTradePrevention.EXPIRE_MAKER, **FOK))
    roomy.do(commands.cancel_order(CAROL, roomy.order_id(1)))
    assert tuple(found(roomy.engine._states, 0, 50, 1, CAROL, 1, False)) == (1, 50)


def test_a_market_order_costs_what_it_finds_within_the_band(market):
    market.do(commands.set_fees(PLAIN, 0, 100), commands.set_price_band(PLAIN, 1, 100))
    market.sell(ALICE, 10, 60)
    market.sell(CAROL, 5, 70)
    accepted = market.buy(BOB, 12, 0, **MARKET)[0]
    assert accepted.fields["amount"] == 740 + 8 + 1


def test_an_amount_is_the_notional_with_the_worst_fee_and_one_more_unit():
    for bps in (0, 1, 7, 30, 9_999, BPS):
        for amount in (0, 1, 2, 9, 10, 11, 10_000, 10_001, 10_002, 999_999, (1 << 61) - 1):
            notional = affordable(amount, bps)
            worst = [value + (-(-bps * value // BPS) + 1 if bps and value else 0) for value in (notional, notional + 1)]
            assert worst[0] <= amount < worst[1]


@pytest.mark.parametrize(
    ("amount", "lots", "spent"),
    [(99, 1, 50), (100, 2, 100), (150, 2, 100), (151, 3, 151), (251, 4, 211), (271, 5, 271)],
)
def test_an_amount_buys_whole_lots_at_each_price_while_it_lasts(market, amount, lots, spent):
    for price, quantity in ((50, 2), (51, 1), (60, 9)):
        market.sell(ALICE, quantity, price)
    told = market.buy(BOB, 0, 0, amount=amount, **MARKET)
    assert (told[0].fields["quantity_lots"], told[0].fields["amount"]) == (lots, spent)
    assert market.available(BOB) == CASH_EACH - spent


def test_an_amount_goes_on_behind_an_order_that_it_took_whole(market):
    market.buy(BOB, 1, 100)
    market.buy(CAROL, 1, 40)
    told = market.sell(ALICE, 0, 0, amount=150, **MARKET)
    assert told[0].fields["quantity_lots"] == 2
    assert [event.fields["amount"] for event in told[1:]] == [100, 40]


def test_an_amount_buys_hidden_lots_and_passes_over_own_orders(market):
    market.sell(CAROL, 4, 50)
    market.sell(ALICE, 6, 50, display_lots=2)
    told = market.buy(DAVE, 0, 0, amount=250, self_trade_prevention=SelfTradePrevention.EXPIRE_MAKER, **MARKET)
    assert told[0].fields["quantity_lots"] == 5
    assert sum(event.fields["quantity_lots"] for event in told if event.kind == EventKind.TRADED) == 5


def test_an_amount_that_buys_nothing_is_too_small(market):
    assert reasons(market.buy(BOB, 0, 0, amount=100, **MARKET)) == [RejectReason.AMOUNT_TOO_SMALL]
    market.sell(ALICE, 6, 101)
    assert reasons(market.buy(BOB, 0, 0, amount=100, **MARKET)) == [RejectReason.AMOUNT_TOO_SMALL]
    market.do(commands.set_fees(PLAIN, 0, 100))
    told = [reasons(market.buy(BOB, 0, 0, amount=amount, **MARKET))[0] for amount in (103, 104)]
    assert told == [RejectReason.AMOUNT_TOO_SMALL, RejectReason.NONE]
    assert market.held(BOB, CNY) == 0
