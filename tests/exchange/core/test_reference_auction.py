"""Call auctions in the readable engine: the price, who trades, what is over."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import commands, reference_auction, reference_stops
from exchange.core.types import (
    EndReason,
    EventKind,
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
    CAROL,
    CNY,
    DAVE,
    LICENCES,
    PLAIN,
    TOKENS,
    Fact,
    Market,
    altered,
    fact,
    reasons,
)

MARKET = 0  # a price that is none
RICH = (
    commands.deposit(BOB, CNY, 1 << 40),
    commands.deposit(CAROL, CNY, 1 << 40),
    commands.issue(ALICE, TOKENS, 1 << 20),
    commands.set_price_band(PLAIN, 1, 1_000),
)

VECTORS = [
    ([(202, 200), (201, 200), (200, 300)], [(200, 100), (198, 200), (197, 400)], 0, (200, 700, 0)),
    ([(202, 400), (201, 200)], [(200, 300), (199, 100)], 205, (202, 400, 0)),
    ([(100, 100)], [(90, 200)], 95, (90, 100, -100)),
    ([(100, 200)], [(90, 100)], 95, (100, 100, 100)),
    ([(100, 100)], [(90, 100)], 95, (95, 100, 0)),
    ([(100, 100)], [(90, 100)], 120, (100, 100, 0)),
    ([(100, 100)], [(90, 100)], 0, (90, 100, 0)),
    ([(MARKET, 10)], [(MARKET, 7)], 55, (55, 7, 3)),
    ([(MARKET, 10)], [(MARKET, 7)], 0, (0, 0, 0)),
    ([(MARKET, 10)], [(70, 7)], 55, (70, 7, 3)),
    ([(99, 5)], [(100, 5)], 99, (0, 0, 0)),
    ([], [], 55, (0, 0, 0)),
]


@pytest.fixture
def market() -> Market:
    """Return a market of the readable engine in a call."""
    return called(0)


def called(reference_ticks: int) -> Market:
    """Return a market of the readable engine in a call, with a reference price."""
    market = Market()
    market.do(*RICH, commands.set_guards(PLAIN, 0, 0, reference_ticks))
    market.do(commands.set_trading_state(PLAIN, TradingState.CALL_OPEN))
    market.order_ids.clear()
    return market


def place(market: Market, account: int, side: Side, price: int, lots: int, **terms: int) -> None:
    """Place an order, one for the auction only if it has no price."""
    if price == MARKET:
        terms |= {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.AT_AUCTION}
    market.do(commands.new_order(account, PLAIN, side, price, lots, **terms))


def indicated(market: Market) -> tuple[int, ...]:
    """Return price, volume and surplus of the auction as it would be now."""
    (told,) = market.do(commands.indicate(PLAIN))
    assert told.kind == EventKind.AUCTION_INDICATED
    return tuple(told.fields.get(name, 0) for name in ("price_ticks", "quantity_lots", "leaves_lots"))


def uncross(market: Market, afterwards: TradingState = TradingState.CONTINUOUS) -> list[Fact]:
    """End the call."""
    return market.do(commands.uncross(PLAIN, afterwards))


@pytest.mark.parametrize(("bids", "asks", "reference", "expected"), VECTORS)
def test_the_price_is_the_published_one(bids, asks, reference, expected):
    market = called(reference)
    for account, side, orders in ((BOB, Side.BUY, bids), (ALICE, Side.SELL, asks)):
        for price, lots in orders:
            place(market, account, side, price, lots)
    assert indicated(market) == expected
    traded = [event.fields for event in uncross(market) if event.kind == EventKind.TRADED]
    assert sum(fields["quantity_lots"] for fields in traded) == expected[1]
    assert {fields["price_ticks"] for fields in traded} <= {expected[0]}


ORDERS = st.lists(st.tuples(st.integers(95, 105), st.integers(1, 9)), max_size=6)


@given(ORDERS, ORDERS, st.integers(90, 110))
def test_no_other_price_trades_more(bids, asks, reference):
    market = called(reference)
    for account, side, orders in ((BOB, Side.BUY, bids), (ALICE, Side.SELL, asks)):
        for price, lots in orders:
            place(market, account, side, price, lots)
    volumes = [
        min(sum(lots for limit, lots in bids if limit >= price), sum(lots for limit, lots in asks if limit <= price))
        for price in range(90, 111)
    ]
    assert indicated(market)[1] == max(volumes)
    told = uncross(market)
    assert told[-1] == fact(EventKind.TRADING_STATE_SET, instrument=PLAIN, state=TradingState.CONTINUOUS)


def test_buyers_and_sellers_trade_in_their_order_and_pay_as_takers(market):
    market.do(commands.set_fees(PLAIN, maker_bps=0, taker_bps=100))
    place(market, BOB, Side.BUY, 101, 2)
    place(market, CAROL, Side.BUY, 102, 2)
    place(market, BOB, Side.BUY, MARKET, 1)
    place(market, ALICE, Side.SELL, 100, 4)
    *told, uncrossed, _ = uncross(market)
    assert [(event.fields["account"], event.fields["quantity_lots"]) for event in told] == [
        (BOB, 1),
        (CAROL, 2),
        (BOB, 1),
    ]
    assert {event.fields["price_ticks"] for event in told} == {101}
    assert [(event.fields["fee"], event.fields["counter_fee"]) for event in told] == [(2, 2), (3, 2), (2, 1)]
    assert uncrossed == fact(
        EventKind.AUCTION_UNCROSSED, instrument=PLAIN, price_ticks=101, quantity_lots=4, state=TradingState.CONTINUOUS
    )


def test_what_is_for_the_auction_only_ends_with_it(market):
    place(market, BOB, Side.BUY, 99, 1, time_in_force=TimeInForce.AT_AUCTION)
    place(market, ALICE, Side.SELL, MARKET, 5)
    told = uncross(market)
    (expired,) = (event.fields for event in told if event.kind == EventKind.ORDER_EXPIRED)
    assert (expired["reason"], expired["leaves_lots"]) == (EndReason.AUCTION_OVER, 4)


def test_a_buyer_without_a_price_must_be_able_to_pay_the_one_that_is_found(market):
    market.do(commands.set_price_band(PLAIN, 1, 100))
    place(market, BOB, Side.BUY, MARKET, 1)
    market.do(commands.set_price_band(PLAIN, 1, 200))
    place(market, CAROL, Side.BUY, 150, 1)
    place(market, ALICE, Side.SELL, 140, 2)
    told = uncross(market)
    assert told[0].fields["reason"] == EndReason.INSUFFICIENT_HOLD
    assert told[1].fields["account"] == CAROL


def test_the_price_may_take_several_commands_too(market, monkeypatch):
    monkeypatch.setattr(reference_auction, "WORK_MAX", 2)
    market.do(commands.set_price_band(PLAIN, 1, 100))
    for _ in range(3):
        place(market, BOB, Side.BUY, MARKET, 1)
    market.do(commands.set_price_band(PLAIN, 1, 200))
    place(market, CAROL, Side.BUY, 150, 1)
    place(market, ALICE, Side.SELL, 140, 1)
    told = uncross(market)
    assert [event.kind for event in told] == [EventKind.ORDER_EXPIRED] * 2 + [EventKind.AUCTION_UNCROSSED]
    assert told[-1] == fact(EventKind.AUCTION_UNCROSSED, instrument=PLAIN, state=TradingState.CALL_OPEN)
    told = uncross(market)
    assert [event.kind for event in told] == [
        EventKind.ORDER_EXPIRED,
        EventKind.TRADED,
        EventKind.AUCTION_UNCROSSED,
        EventKind.TRADING_STATE_SET,
    ]


def test_the_work_of_an_auction_counts_for_the_stops_it_wakes(market, monkeypatch):
    for module in (reference_auction, reference_stops):
        monkeypatch.setattr(module, "WORK_MAX", 2)
    for _ in range(2):
        market.buy(BOB, 1, 90, order_type=OrderType.STOP_LIMIT, stop_ticks=100)
    place(market, BOB, Side.BUY, 100, 1)
    place(market, ALICE, Side.SELL, 100, 1)
    told = uncross(market)
    assert [event.kind for event in told[-3:]] == [
        EventKind.TRADING_STATE_SET,
        EventKind.ORDER_TRIGGERED,
        EventKind.STOPS_WAITING,
    ]


def test_an_auction_may_take_several_commands(market, monkeypatch):
    monkeypatch.setattr(reference_auction, "WORK_MAX", 2)
    for _ in range(3):
        place(market, BOB, Side.BUY, 100, 1)
        place(market, ALICE, Side.SELL, 100, 1)
    place(market, BOB, Side.BUY, 90, 1, time_in_force=TimeInForce.AT_AUCTION)
    place(market, BOB, Side.BUY, 91, 1, time_in_force=TimeInForce.AT_AUCTION)
    told = uncross(market)
    assert [event.kind for event in told] == [EventKind.TRADED, EventKind.TRADED, EventKind.AUCTION_UNCROSSED]
    assert told[-1].fields["state"] == TradingState.UNCROSSING
    refusals = market.do(commands.indicate(PLAIN), commands.set_trading_state(PLAIN, TradingState.HALTED))
    assert reasons(refusals) == [RejectReason.NOT_IN_THIS_PHASE, RejectReason.INVALID_TRANSITION]
    told = uncross(market)
    assert [event.kind for event in told] == [EventKind.TRADED, EventKind.ORDER_EXPIRED, EventKind.AUCTION_UNCROSSED]
    told = uncross(market)
    assert [event.kind for event in told] == [
        EventKind.ORDER_EXPIRED,
        EventKind.AUCTION_UNCROSSED,
        EventKind.TRADING_STATE_SET,
    ]


def test_the_price_of_an_auction_is_the_next_reference(market):
    place(market, BOB, Side.BUY, 100, 1)
    place(market, ALICE, Side.SELL, 100, 1)
    uncross(market, TradingState.CALL_OPEN)
    uncross(market)
    assert market.do(commands.set_guards(PLAIN, 1, 1))[0].fields["price_ticks"] == 100


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"state": 12}, RejectReason.MALFORMED_COMMAND),
        ({"instrument": 9}, RejectReason.UNKNOWN_INSTRUMENT),
        ({"instrument": 2}, RejectReason.NOT_IN_THIS_PHASE),
        ({"state": TradingState.SUSPENDED}, RejectReason.INVALID_TRANSITION),
        ({"state": TradingState.CONTINUOUS, "instrument": 3}, RejectReason.INVALID_TRANSITION),
        ({"state": TradingState.GATE_CLOSED, "instrument": 3}, RejectReason.NONE),
    ],
)
def test_an_auction_is_refused_for_its_reason(market, fields, reason):
    market.do(
        commands.list_instrument(3, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=9),
        commands.set_mode(3, TradingMode.CALL),
        commands.set_trading_state(3, TradingState.CALL_OPEN),
    )
    told = market.do(altered(commands.uncross(PLAIN, TradingState.CONTINUOUS), **fields))
    assert reasons(told)[0] == reason


def test_only_a_call_of_a_book_that_is_there_is_indicated(market):
    told = market.do(commands.indicate(9), commands.indicate(2))
    assert reasons(told) == [RejectReason.UNKNOWN_INSTRUMENT, RejectReason.NOT_IN_THIS_PHASE]


def test_a_book_that_still_crosses_is_called_again(market):
    market.do(
        commands.list_instrument(3, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=9),
        commands.issue(BOB, LICENCES, 9),
        commands.set_trading_state(3, TradingState.CALL_OPEN),
        commands.set_venue_rules(3, holders_max=1),
        commands.new_order(CAROL, 3, Side.BUY, 105, 9),
        commands.new_order(ALICE, 3, Side.BUY, 104, 2),
        commands.new_order(BOB, 3, Side.SELL, 100, 2),
        commands.transfer(BOB, DAVE, LICENCES, 1, 1),
    )
    told = market.do(commands.uncross(3, TradingState.CONTINUOUS))
    assert [event.fields.get("reason", 0) for event in told] == [EndReason.HOLDER_LIMIT, 0, 0]
    assert {event.fields["state"] for event in told[1:]} == {TradingState.VOLATILITY}
