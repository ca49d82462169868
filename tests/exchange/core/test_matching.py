"""Matching: whole event lists of a sweep, and every way of keeping a group apart from itself."""

import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.state import TEST
from exchange.core.types import EndReason, EventKind, OrderFlag, SelfTradePrevention, Side, TimeInForce
from tests.exchange.core.builders import ALICE, BOB, CAROL, DAVE, PLAIN, TOKENS, Market, fact


@pytest.fixture
def market() -> Market:
    """Return a market of the kernel."""
    return Market(Engine(TEST))


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
