"""Matching in the readable engine: priority, trades, holds, prevention, limits of work."""

import pytest

from exchange.core import commands, reference_book, reference_matching
from exchange.core.types import (
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
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
    CNY,
    COARSE,
    DAVE,
    LICENCES,
    PLAIN,
    TOKENS,
    TOKENS_EACH,
    Fact,
    Market,
)

NONE, TAKER, MAKER, BOTH, DECREMENT = SelfTradePrevention


@pytest.fixture
def market() -> Market:
    """Return a market of the readable engine."""
    return Market()


def tape(told: list[Fact]) -> list[tuple[str, ...] | tuple[int | str, ...]]:
    """Return a short form of what happened after acceptance: what, between or of which accounts, price and lots."""
    short: list[tuple[int | str, ...]] = []
    for kind, fields in told:
        if kind == EventKind.TRADED:
            short.append(("trade", fields["counter_account"], fields["price_ticks"], fields["quantity_lots"]))
        elif kind == EventKind.ORDER_EXPIRED:
            reason = EndReason(fields["reason"]).name
            short.append(("expired", fields["account"], reason, fields.get("leaves_lots", 0)))
        elif kind == EventKind.MATCH_PREVENTED:
            short.append(
                ("prevented", fields["counter_account"], fields["quantity_lots"], fields.get("leaves_lots", 0))
            )
    return short


def test_the_best_price_trades_first_then_the_oldest(market):
    market.sell(ALICE, 1, 101)
    market.sell(BOB, 2, 100)
    market.sell(CAROL, 3, 100)
    assert tape(market.buy(DAVE, 4, 101, self_trade_prevention=NONE)) == [
        ("trade", BOB, 100, 2),
        ("trade", CAROL, 100, 2),
    ]


def test_a_sell_meets_the_highest_bid_first(market):
    market.buy(ALICE, 1, 99)
    market.buy(BOB, 2, 101)
    market.buy(CAROL, 3, 100)
    assert tape(market.sell(DAVE, 4, 100, self_trade_prevention=NONE)) == [
        ("trade", BOB, 101, 2),
        ("trade", CAROL, 100, 2),
    ]
    assert market.engine.open_order_rows()["leaves_lots"].tolist() == [1, 1]


def test_a_trade_says_all_there_is_to_say(market):
    market.do(commands.set_fees(COARSE, maker_bps=-10, taker_bps=30))
    market.sell(ALICE, 5, 200, instrument=COARSE)
    told = market.buy(BOB, 2, 210, instrument=COARSE)[1]
    assert told == Fact(
        EventKind.TRADED,
        {
            "account": BOB,
            "counter_account": ALICE,
            "instrument": COARSE,
            "asset": TOKENS,
            "order_id": market.order_id(2),
            "counter_order_id": market.order_id(1),
            "trade_id": 4,
            "price_ticks": 200,
            "quantity_lots": 2,
            "amount": 2_000,
            "fee": 6,
            "counter_fee": -2,
        },
    )


def test_a_trade_moves_assets_fees_and_the_rest_of_the_hold(market):
    market.do(commands.set_fees(COARSE, maker_bps=-10, taker_bps=30))
    market.sell(ALICE, 5, 200, instrument=COARSE)
    market.buy(BOB, 2, 210, instrument=COARSE)
    assert (market.available(BOB), market.held(BOB)) == (CASH_EACH - 2_006, 0)
    assert (market.available(BOB, TOKENS), market.held(ALICE, TOKENS)) == (TOKENS_EACH + 20, 30)
    assert (market.available(ALICE), market.available(0)) == (CASH_EACH + 2_002, 4)


def test_a_buyer_that_rests_holds_no_more_than_it_needs(market):
    market.sell(ALICE, 5, 90)
    accepted = market.buy(BOB, 8, 100)[0]
    assert accepted.fields["amount"] == 800
    assert (market.held(BOB), market.available(BOB)) == (300, CASH_EACH - 450 - 300)


def test_fees_of_several_fills_are_the_fee_of_their_sum(market):
    market.do(commands.set_fees(PLAIN, maker_bps=7, taker_bps=7))
    market.sell(ALICE, 10, 100)
    for _ in range(10):
        market.buy(BOB, 1, 100)
    maker_fees = market.events["counter_fee"][market.events["kind"] == EventKind.TRADED].tolist()[-10:]
    assert maker_fees == [1, 0, 0, 0, 0, 0, 0, 0, 0, 0]  # 7 bps of 1,000 is 0.7, rounded up once


def test_a_market_order_expires_what_the_book_cannot_fill(market):
    market.sell(ALICE, 5, 100)
    assert tape(market.buy(BOB, 8, 0, order_type=OrderType.MARKET)) == [
        ("trade", ALICE, 100, 5),
        ("expired", BOB, "IMMEDIATE_REMAINDER", 3),
    ]


def test_a_market_buy_holds_the_cost_of_the_book_without_its_own_group(market):
    market.sell(CAROL, 5, 100)
    market.sell(ALICE, 5, 110)
    market.sell(ALICE, 5, 120)
    (accepted, *_) = market.buy(DAVE, 6, 0, order_type=OrderType.MARKET, self_trade_prevention=MAKER)
    assert accepted.fields["amount"] == 5 * 110 + 120
    market.sell(CAROL, 5, 100)
    (accepted, *_) = market.buy(DAVE, 6, 0, order_type=OrderType.MARKET, self_trade_prevention=NONE)
    assert accepted.fields["amount"] == 5 * 100 + 120


def test_fill_or_kill_fills_all_or_nothing(market):
    market.sell(ALICE, 5, 100)
    assert tape(market.buy(BOB, 6, 100, time_in_force=TimeInForce.FOK)) == [("expired", BOB, "FILL_OR_KILL", 6)]
    assert tape(market.buy(BOB, 5, 100, time_in_force=TimeInForce.FOK)) == [("trade", ALICE, 100, 5)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (NONE, [("trade", CAROL, 99, 2), ("trade", ALICE, 100, 4)]),
        (TAKER, [("expired", DAVE, "FILL_OR_KILL", 6)]),
        (MAKER, [("expired", DAVE, "FILL_OR_KILL", 6)]),
        (BOTH, [("expired", DAVE, "FILL_OR_KILL", 6)]),
        (DECREMENT, [("expired", DAVE, "FILL_OR_KILL", 6)]),
    ],
)
def test_fill_or_kill_counts_its_own_group_only_where_it_may_trade_with_it(market, policy, expected):
    market.sell(CAROL, 2, 99)
    market.sell(ALICE, 5, 100)
    told = market.buy(DAVE, 6, 100, time_in_force=TimeInForce.FOK, self_trade_prevention=policy)
    assert tape(told) == expected


def test_fill_or_kill_passes_over_makers_that_would_expire(market):
    market.sell(CAROL, 2, 99)
    market.sell(ALICE, 5, 100)
    told = market.buy(DAVE, 5, 100, time_in_force=TimeInForce.FOK, self_trade_prevention=MAKER)
    assert tape(told) == [("prevented", CAROL, 2, 5), ("expired", CAROL, "SELF_TRADE", 2), ("trade", ALICE, 100, 5)]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (NONE, [("trade", CAROL, 100, 4), ("trade", ALICE, 100, 2)]),
        (TAKER, [("prevented", CAROL, 4, 6), ("expired", DAVE, "SELF_TRADE", 6)]),
        (MAKER, [("prevented", CAROL, 4, 6), ("expired", CAROL, "SELF_TRADE", 4), ("trade", ALICE, 100, 5)]),
        (
            BOTH,
            [("prevented", CAROL, 4, 6), ("expired", CAROL, "SELF_TRADE", 4), ("expired", DAVE, "SELF_TRADE", 6)],
        ),
        (DECREMENT, [("prevented", CAROL, 4, 2), ("expired", CAROL, "SELF_TRADE", 0), ("trade", ALICE, 100, 2)]),
    ],
)
def test_each_policy_keeps_a_group_from_itself_in_its_way(market, policy, expected):
    market.sell(CAROL, 4, 100)
    market.sell(ALICE, 5, 100)
    assert tape(market.buy(DAVE, 6, 100, self_trade_prevention=policy)) == expected


def test_decrement_shortens_a_larger_maker_and_ends_the_taker(market):
    market.buy(CAROL, 9, 100)
    told = market.sell(DAVE, 6, 100, self_trade_prevention=DECREMENT)
    assert tape(told) == [("prevented", CAROL, 6, 0), ("expired", DAVE, "SELF_TRADE", 0)]
    (row,) = market.engine.open_order_rows().tolist()
    assert row[4:] == (100, 3, 3, 300)
    assert (market.held(CAROL), market.held(DAVE, TOKENS)) == (300, 0)


def test_decrement_of_equals_ends_both_maker_first(market):
    market.buy(CAROL, 6, 100)
    told = market.sell(DAVE, 6, 100, self_trade_prevention=DECREMENT)
    assert tape(told) == [
        ("prevented", CAROL, 6, 0),
        ("expired", CAROL, "SELF_TRADE", 0),
        ("expired", DAVE, "SELF_TRADE", 0),
    ]


def test_an_expired_order_tells_its_terms_and_what_it_releases(market):
    market.sell(CAROL, 4, 100)
    told = market.buy(DAVE, 6, 101, self_trade_prevention=BOTH)
    common = {"reason": EndReason.SELF_TRADE, "instrument": PLAIN}
    assert told[2:] == [
        Fact(
            EventKind.ORDER_EXPIRED,
            {
                **common,
                "side": Side.SELL,
                "flags": OrderFlag.RESTING,
                "account": CAROL,
                "order_id": market.order_id(1),
                "price_ticks": 100,
                "quantity_lots": 4,
                "leaves_lots": 4,
                "amount": 4,
            },
        ),
        Fact(
            EventKind.ORDER_EXPIRED,
            {
                **common,
                "account": DAVE,
                "order_id": market.order_id(2),
                "price_ticks": 101,
                "quantity_lots": 6,
                "leaves_lots": 6,
                "amount": 606,
            },
        ),
    ]


def test_an_order_that_would_meet_too_many_makers_expires(market, monkeypatch):
    monkeypatch.setattr(reference_matching, "WORK_MAX", 3)
    for _ in range(4):
        market.sell(ALICE, 1, 100)
    assert tape(market.buy(BOB, 5, 100)) == [*[("trade", ALICE, 100, 1)] * 3, ("expired", BOB, "WORK_LIMIT", 2)]


def test_an_order_that_is_done_at_the_limit_of_work_is_done(market, monkeypatch):
    monkeypatch.setattr(reference_matching, "WORK_MAX", 3)
    for _ in range(3):
        market.sell(ALICE, 1, 100)
    assert tape(market.buy(BOB, 4, 100)) == [("trade", ALICE, 100, 1)] * 3
    assert market.engine.open_order_rows()["leaves_lots"].tolist() == [1]


def test_fill_or_kill_and_market_cost_look_no_further_than_the_limit_of_work(market, monkeypatch):
    for module in (reference_book, reference_matching):
        monkeypatch.setattr(module, "WORK_MAX", 3)
    for _ in range(4):
        market.sell(ALICE, 1, 100)
    assert tape(market.buy(BOB, 4, 100, time_in_force=TimeInForce.FOK)) == [("expired", BOB, "FILL_OR_KILL", 4)]
    (accepted, *_) = market.buy(BOB, 4, 0, order_type=OrderType.MARKET)
    assert accepted.fields["amount"] == 300


def test_a_market_buy_holds_nothing_where_nothing_is_for_sale(market):
    (accepted, expired) = market.buy(BOB, 4, 0, order_type=OrderType.MARKET)
    assert "amount" not in accepted.fields
    assert tape([expired]) == [("expired", BOB, "IMMEDIATE_REMAINDER", 4)]
    assert market.available(BOB, CNY) == CASH_EACH


def last_trade(market: Market, price_ticks: int) -> None:
    """Let a lot trade at a price."""
    market.sell(ALICE, 1, price_ticks)
    market.buy(BOB, 1, price_ticks)


GUARDED = (commands.set_guards(PLAIN, 500, 0, 100),)


def test_trading_stops_before_a_price_too_far_away_and_the_rest_waits(market):
    market.do(*GUARDED)
    market.sell(ALICE, 1, 105)
    market.sell(ALICE, 1, 106)
    told = market.buy(BOB, 3, 110)
    assert tape(told) == [("trade", ALICE, 105, 1)]
    assert told[-1] == Fact(
        EventKind.TRADING_STATE_SET, {"state": TradingState.VOLATILITY, "instrument": PLAIN, "price_ticks": 106}
    )
    assert market.engine.open_order_rows()["leaves_lots"].tolist() == [1, 2]


def test_what_may_not_wait_for_the_auction_expires(market):
    market.do(*GUARDED)
    market.sell(ALICE, 1, 106)
    told = market.buy(BOB, 3, 110, time_in_force=TimeInForce.IOC)
    assert tape(told) == [("expired", BOB, "VOLATILITY_HALT", 3)]


def test_who_would_wait_across_its_own_group_expires(market):
    market.do(*GUARDED)
    market.sell(ALICE, 1, 106)
    market.sell(CAROL, 1, 107)
    assert tape(market.buy(DAVE, 3, 107, self_trade_prevention=NONE)) == [("expired", DAVE, "SELF_TRADE", 3)]


@pytest.mark.parametrize(
    ("last", "asks", "filled"),
    [(100, (102, 105), False), (100, (102, 104), True), (98, (99, 100), True), (100, (97, 98), False)],
)
def test_fill_or_kill_sees_the_guards_move_with_its_own_trades(market, last, asks, filled):
    last_trade(market, last)
    market.do(commands.set_guards(PLAIN, 0, 200))
    for price in asks:
        market.sell(ALICE, 1, price)
    told = tape(market.buy(BOB, 2, 110, time_in_force=TimeInForce.FOK))
    expected = [("trade", ALICE, price, 1) for price in asks]
    assert told == (expected if filled else [("expired", BOB, "FILL_OR_KILL", 2)])


def under_rules(holders_max: int) -> Market:
    """Return a market with a book of Bob's licences, and that many who may hold any."""
    market = Market()
    market.do(
        commands.list_instrument(3, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=9),
        commands.issue(BOB, LICENCES, 9),
        commands.set_trading_state(3, TradingState.CONTINUOUS),
        commands.set_venue_rules(3, holders_max=holders_max),
    )
    return market


def test_a_buyer_too_many_expires_as_a_maker_and_as_a_taker():
    market = under_rules(1)
    market.buy(CAROL, 2, 10, instrument=3)
    market.buy(ALICE, 1, 9, instrument=3)
    assert tape(market.sell(BOB, 2, 9, instrument=3))[:1] == [("trade", CAROL, 10, 2)]
    assert tape(market.sell(BOB, 1, 9, instrument=3)) == [("expired", ALICE, "HOLDER_LIMIT", 1)]
    market = under_rules(1)
    market.buy(CAROL, 1, 11, instrument=3, order_type=OrderType.STOP_LIMIT, stop_ticks=10)
    market.sell(BOB, 2, 10, instrument=3)
    told = market.buy(ALICE, 1, 10, instrument=3)
    assert tape(told) == [("trade", BOB, 10, 1), ("expired", CAROL, "HOLDER_LIMIT", 1)]


def test_fill_or_kill_does_not_count_on_a_buyer_who_may_be_one_too_many():
    market = under_rules(5)
    market.buy(CAROL, 1, 10, instrument=3)
    fok = {"instrument": 3, "time_in_force": TimeInForce.FOK}
    assert tape(market.sell(BOB, 1, 10, **fok)) == [("expired", BOB, "FILL_OR_KILL", 1)]


@pytest.mark.parametrize(
    ("amount", "taker_bps", "lots", "held"),
    [(499, 0, 3, 350), (500, 0, 4, 500), (505, 100, 3, 355), (506, 100, 4, 506), (50, 0, 0, 0)],
)
def test_an_amount_buys_what_it_pays_for_with_the_fee(market, amount, taker_bps, lots, held):
    market.do(commands.set_fees(PLAIN, maker_bps=0, taker_bps=taker_bps))
    market.sell(ALICE, 2, 100)
    market.sell(ALICE, 9, 150)
    told = market.buy(BOB, 0, 0, order_type=OrderType.MARKET, amount=amount)
    accepted = told[0].fields if told[0].kind == EventKind.ORDER_ACCEPTED else {}
    assert (accepted.get("quantity_lots", 0), accepted.get("amount", 0)) == (lots, held)


@pytest.mark.parametrize(("amount", "lots"), [(99, 0), (100, 1), (139, 1), (140, 2), (180, 3)])
def test_an_amount_sells_what_brings_no_more(market, amount, lots):
    market.buy(ALICE, 1, 100)
    market.buy(ALICE, 9, 40)
    told = market.sell(BOB, 0, 0, order_type=OrderType.MARKET, amount=amount)
    assert sum(price for what, _, price, _ in tape(told) if what == "trade") <= amount
    assert told[0].fields.get("quantity_lots", 0) == lots
