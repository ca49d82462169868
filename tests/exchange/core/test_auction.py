"""Call auctions: the published prices, every price there could be, one price for all, and who trades at it."""

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.auction import clearing_price
from exchange.core.book import UNPRICED_BUY_TICKS, put, unlink
from exchange.core.engine import Engine
from exchange.core.jit import JIT_ENABLED, entry
from exchange.core.records import COMMAND
from exchange.core.state import TEST, allocate
from exchange.core.types import (
    EVENTS_PER_COMMAND_MAX,
    CommandKind,
    EndReason,
    EventKind,
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

MARKET = 0  # the price of an order that has none
BOOKS = 25_000 if JIT_ENABLED else 300
BAND = (97, 112)  # narrower than the references that are tried
AUCTIONS = 10_000 if JIT_ENABLED else 60
VECTORS = [
    ([(202, 200), (201, 200), (200, 300)], [(200, 100), (198, 200), (197, 400)], 0, (200, 700, 0)),
    ([(202, 400), (201, 200)], [(200, 300), (199, 100)], 205, (202, 400, 0)),
    ([(100, 100)], [(90, 200)], 95, (90, 100, -100)),
    ([(100, 200)], [(90, 100)], 95, (100, 100, 100)),
    ([(100, 100)], [(90, 100)], 95, (95, 100, 0)),
    ([(100, 100)], [(90, 100)], 120, (100, 100, 0)),
    ([(MARKET, 10)], [(MARKET, 7)], 55, (55, 7, 3)),
    ([(99, 5)], [(100, 5)], 0, (0, 0, 0)),
]


@pytest.fixture
def call() -> Market:
    """Return a market in which the plain book collects orders, and all can pay."""
    market = Market(Engine(TEST))
    market.do(
        commands.deposit(BOB, CNY, 1 << 40),
        commands.deposit(CAROL, CNY, 1 << 40),
        commands.issue(ALICE, TOKENS, 1 << 30),
        commands.set_price_band(PLAIN, 1, 1_000),
        commands.set_trading_state(PLAIN, TradingState.CALL_OPEN),
    )
    return market


def place(market: Market, account: int, side: Side, price: int, lots: int, **terms: int) -> list[Fact]:
    """Place an order; one without a price only for the auction."""
    if price == MARKET:
        terms |= {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.AT_AUCTION}
    return market.do(commands.new_order(account, PLAIN, side, price, lots, **terms))


def place_all(market: Market, bids: list[tuple[int, int]], asks: list[tuple[int, int]]) -> None:
    """Let Bob buy and Alice sell."""
    for account, side, orders in ((BOB, Side.BUY, bids), (ALICE, Side.SELL, asks)):
        for price, lots in orders:
            place(market, account, side, price, lots)


def uncross(market: Market, afterwards: TradingState = TradingState.CONTINUOUS) -> list[Fact]:
    """End the call."""
    return market.do(commands.uncross(PLAIN, afterwards))


@pytest.mark.parametrize(("bids", "asks", "reference", "expected"), VECTORS)
def test_the_published_auctions_are_indicated_and_traded(call, bids, asks, reference, expected):
    call.do(commands.set_guards(PLAIN, 0, 0, reference))
    place_all(call, bids, asks)
    price, volume, surplus = expected
    assert call.do(commands.indicate(PLAIN)) == [
        fact(
            EventKind.AUCTION_INDICATED, instrument=PLAIN, price_ticks=price, quantity_lots=volume, leaves_lots=surplus
        )
    ]
    told = [event.fields for event in uncross(call) if event.kind == EventKind.TRADED]
    assert sum(fields["quantity_lots"] for fields in told) == volume
    assert {fields["price_ticks"] for fields in told} <= {price}


@entry
def find_prices(states, books, references, prices):
    """Price books of (side, price, lots), lots 0 for none; write price, volume and surplus of each."""
    state = states[0]
    instrument = state.instruments[1]
    for number in range(len(books)):
        instrument.reference_ticks = references[number]
        for index in range(books.shape[1]):
            order = state.orders[index + 1]
            order.side = books[number, index, 0]
            order.price_ticks = books[number, index, 1]
            order.leaves = books[number, index, 2]
            if order.leaves > 0:
                put(state, index + 1)
        price, volume, surplus = clearing_price(state, instrument)
        prices[number, 0], prices[number, 1], prices[number, 2] = price, volume, surplus
        for index in range(books.shape[1]):
            if state.orders[index + 1].leaves > 0:
                unlink(state, index + 1)


def demand_and_supply(book: list[list[int]], price: int) -> tuple[int, int]:
    """Return the lots that would be bought and sold at a price."""
    demand = sum(lots for side, limit, lots in book if side == Side.BUY and limit >= price)
    return demand, sum(lots for side, limit, lots in book if side == Side.SELL and limit <= price)


def best_price(book: list[list[int]], reference: int) -> tuple[int, int, int]:
    """Try every candidate, by the published rule, word for word."""
    candidates = {limit for _, limit, lots in book if lots and limit not in {0, UNPRICED_BUY_TICKS}}
    if not candidates:
        price = min(max(reference, BAND[0]), BAND[1])
        demand, supply = demand_and_supply(book, price)
        return (price, min(demand, supply), demand - supply) if reference and min(demand, supply) else (0, 0, 0)
    found = {price: demand_and_supply(book, price) for price in candidates}
    volume = max(min(pair) for pair in found.values())
    if volume == 0:
        return 0, 0, 0
    found = {price: pair for price, pair in found.items() if min(pair) == volume}
    least = min(abs(demand - supply) for demand, supply in found.values())
    left = {price: demand - supply for price, (demand, supply) in found.items() if abs(demand - supply) == least}
    lowest, highest = min(left), max(left)
    if all(surplus > 0 for surplus in left.values()):
        price = highest
    elif all(surplus < 0 for surplus in left.values()) or not reference:
        price = lowest
    else:
        price = min(max(reference, lowest), highest)
    demand, supply = demand_and_supply(book, price)
    return price, min(demand, supply), demand - supply


def drawn_books(count: int) -> np.ndarray:
    """Draw books of up to ten orders on few prices and of few lots, so that ties are many."""
    chance = np.random.default_rng(4)
    shape = (count, 10)
    side, lots = chance.integers(0, 2, shape), chance.integers(0, 5, shape)
    width = chance.integers(1, 12, (count, 1))
    price = 100 + chance.integers(0, 12, shape) % width
    unpriced = chance.integers(0, 8, shape) == 0
    price = np.where(unpriced, np.where(side == Side.BUY, UNPRICED_BUY_TICKS, 0), price)
    only_market = chance.integers(0, 40, (count, 1)) == 0
    lots = np.where(only_market & ~unpriced, 0, lots)
    return np.stack([side, price, lots], axis=2).astype(np.int64)


def test_the_price_is_that_of_trying_every_price():
    states = allocate(TEST)
    states[0]["details"]["instrument"][1:11] = 1
    states[0]["instruments"]["band_low"][1], states[0]["instruments"]["band_high"][1] = BAND
    books = drawn_books(BOOKS)
    references = np.random.default_rng(5).integers(95, 115, BOOKS) * (np.arange(BOOKS) % 4 != 0)
    prices = np.zeros((BOOKS, 3), np.int64)
    find_prices(states, books, references, prices)
    expected = [
        best_price(book, reference) for book, reference in zip(books.tolist(), references.tolist(), strict=True)
    ]
    assert list(map(tuple, prices.tolist())) == expected
    assert sum(price > 0 for price, _, _ in expected) > BOOKS // 4


def test_no_auction_makes_a_group_trade_with_itself_and_each_has_one_price(call):
    groups = {ALICE: 1, BOB: 2, CAROL: 3, DAVE: 3, 5: 2, 6: 1}
    call.do(commands.create_account(5, BOB), commands.create_account(6, ALICE))
    for account in groups:
        call.do(commands.deposit(account, CNY, 1 << 40))
        if account != ALICE:
            call.do(commands.transfer(ALICE, account, TOKENS, 1 << 20, 1))
    chance = np.random.default_rng(6)
    script = np.zeros((AUCTIONS, 12), COMMAND)
    orders = script[:, :10]
    orders["kind"], orders["instrument"] = CommandKind.NEW_ORDER, PLAIN
    orders["account"] = chance.integers(1, 7, orders.shape)
    orders["side"] = chance.integers(0, 2, orders.shape)
    orders["price_ticks"] = chance.integers(95, 106, orders.shape)
    orders["quantity_lots"] = chance.integers(1, 9, orders.shape)
    unpriced = chance.integers(0, 6, orders.shape) == 0
    orders["order_type"][unpriced] = OrderType.MARKET
    orders["time_in_force"][unpriced] = TimeInForce.AT_AUCTION
    icebergs = ~unpriced & (orders["quantity_lots"] > 3)
    orders["display_lots"][icebergs] = 2
    script[:, 10] = np.frombuffer(commands.uncross(PLAIN, TradingState.CALL_OPEN), COMMAND)[0]
    script[:, 11] = np.frombuffer(commands.clear_book(PLAIN), COMMAND)[0]
    script["sequence"] = np.arange(script.size).reshape(script.shape)
    events = call.engine.apply(script.reshape(-1))
    traded = events[events["kind"] == EventKind.TRADED]
    group = np.array([0, *(groups[account] for account in range(1, 7))])
    assert len(traded) > AUCTIONS
    assert (group[traded["account"]] != group[traded["counter_account"]]).all()
    ends = events[events["kind"] == EventKind.AUCTION_UNCROSSED]
    prices = dict(zip(ends["sequence"].tolist(), ends["price_ticks"].tolist(), strict=True))
    assert [prices[number] for number in traded["sequence"].tolist()] == traded["price_ticks"].tolist()
    assert (events["reason"] == RejectReason.WOULD_CROSS_OWN_GROUP).sum() > AUCTIONS // 2
    assert len(call.engine.open_order_rows()) == 0


def test_market_orders_go_first_then_better_limits_then_time_and_both_pay_as_takers(call):
    call.do(commands.set_fees(PLAIN, maker_bps=0, taker_bps=100))
    place(call, BOB, Side.BUY, 101, 2)
    place(call, CAROL, Side.BUY, 102, 2)
    place(call, BOB, Side.BUY, MARKET, 1)
    place(call, ALICE, Side.SELL, 100, 4)
    first = int(call.engine._states[0]["trade_count"]) + 1
    terms = {"instrument": PLAIN, "asset": TOKENS, "price_ticks": 101, "counter_account": ALICE}
    terms |= {"counter_order_id": call.order_id(4)}
    assert uncross(call) == [
        fact(
            EventKind.TRADED, account=BOB, order_id=call.order_id(3), trade_id=first, quantity_lots=1,
            amount=101, fee=2, counter_fee=2, **terms,
        ),
        fact(
            EventKind.TRADED, account=CAROL, order_id=call.order_id(2), trade_id=first + 1, quantity_lots=2,
            amount=202, fee=3, counter_fee=2, **terms,
        ),
        fact(
            EventKind.TRADED, account=BOB, order_id=call.order_id(1), trade_id=first + 2, quantity_lots=1,
            leaves_lots=1, amount=101, fee=2, counter_fee=1, **terms,
        ),
        fact(
            EventKind.AUCTION_UNCROSSED, instrument=PLAIN, price_ticks=101, quantity_lots=4,
            state=TradingState.CONTINUOUS,
        ),
        fact(EventKind.TRADING_STATE_SET, instrument=PLAIN, state=TradingState.CONTINUOUS),
    ]  # fmt: skip


def test_an_iceberg_shows_its_next_part_behind_the_others_of_its_price(call):
    place(call, BOB, Side.BUY, 100, 3, display_lots=1)
    place(call, CAROL, Side.BUY, 100, 1)
    place(call, ALICE, Side.SELL, 100, 3)
    told = uncross(call)
    assert [(event.kind, event.fields.get("account"), event.fields.get("leaves_lots", 0)) for event in told[:4]] == [
        (EventKind.TRADED, BOB, 2),
        (EventKind.ORDER_REPLENISHED, BOB, 1),
        (EventKind.TRADED, CAROL, 0),
        (EventKind.TRADED, BOB, 1),
    ]


def test_what_was_only_for_the_auction_ends_with_it_best_first_and_buys_before_sells(call):
    auction = {"time_in_force": TimeInForce.AT_AUCTION}
    place(call, BOB, Side.BUY, 98, 1, **auction)
    place(call, BOB, Side.BUY, 97, 1)
    place(call, CAROL, Side.BUY, 99, 2, **auction)
    place(call, ALICE, Side.SELL, 101, 3, **auction)
    place(call, ALICE, Side.SELL, MARKET, 1)
    told = uncross(call, TradingState.CLOSED)
    over = [event.fields for event in told if event.kind == EventKind.ORDER_EXPIRED]
    assert {fields["reason"] for fields in over} == {EndReason.AUCTION_OVER}
    assert [(fields["account"], fields["price_ticks"], fields["leaves_lots"]) for fields in over] == [
        (CAROL, 99, 1),
        (BOB, 98, 1),
        (ALICE, 101, 3),
    ]
    assert call.engine.open_order_rows()["price_ticks"].tolist() == [97]


def test_a_market_order_that_nobody_meets_ends_unpriced(call):
    place(call, BOB, Side.BUY, MARKET, 4)
    told = uncross(call)
    assert told[0].fields["flags"] == OrderFlag.RESTING | OrderFlag.UNPRICED
    assert (told[0].fields["reason"], told[0].fields.get("price_ticks", 0)) == (EndReason.AUCTION_OVER, 0)
    assert told[1] == fact(EventKind.AUCTION_UNCROSSED, instrument=PLAIN, state=TradingState.CONTINUOUS)
    assert call.held(BOB) == 0


def test_without_a_reference_market_orders_alone_have_no_price(call):
    place_all(call, [(MARKET, 10)], [(MARKET, 7)])
    assert call.do(commands.indicate(PLAIN)) == [fact(EventKind.AUCTION_INDICATED, instrument=PLAIN)]


def test_a_market_buy_whose_hold_is_too_small_for_the_price_ends_before_it_trades(call):
    call.do(commands.set_price_band(PLAIN, 1, 100))
    place(call, BOB, Side.BUY, MARKET, 1)
    place(call, BOB, Side.BUY, MARKET, 2)
    call.do(commands.set_price_band(PLAIN, 1, 200))
    place(call, BOB, Side.BUY, MARKET, 1)
    place(call, CAROL, Side.BUY, 150, 1)
    place(call, ALICE, Side.SELL, 140, 9)
    told = uncross(call)
    assert [
        (event.kind, event.fields.get("order_id"), event.fields.get("reason", 0), event.fields.get("price_ticks", 0))
        for event in told[:4]
    ] == [
        (EventKind.ORDER_EXPIRED, call.order_id(1), EndReason.INSUFFICIENT_HOLD, 0),
        (EventKind.ORDER_EXPIRED, call.order_id(2), EndReason.INSUFFICIENT_HOLD, 0),
        (EventKind.TRADED, call.order_id(3), 0, 140),
        (EventKind.TRADED, call.order_id(4), 0, 140),
    ]


def test_an_auction_ends_so_many_who_cannot_pay_and_leaves_its_price_to_the_next_command(roomy, work_max):
    roomy.do(
        commands.deposit(BOB, CNY, 1 << 40),
        commands.set_price_band(PLAIN, 1, 100),
        commands.set_trading_state(PLAIN, TradingState.CALL_OPEN),
    )
    unpriced = {"order_type": OrderType.MARKET, "time_in_force": TimeInForce.AT_AUCTION}
    roomy.send(*[commands.new_order(BOB, PLAIN, Side.BUY, 0, 1, **unpriced)] * (work_max + 2))
    roomy.do(commands.set_price_band(PLAIN, 1, 200))
    place(roomy, CAROL, Side.BUY, 150, 1)
    place(roomy, ALICE, Side.SELL, 140, 9)
    told = uncross(roomy)
    assert [event.fields.get("reason", 0) for event in told] == [EndReason.INSUFFICIENT_HOLD] * work_max + [0]
    assert told[-1] == fact(EventKind.AUCTION_UNCROSSED, instrument=PLAIN, state=TradingState.CALL_OPEN)
    assert [event.kind for event in uncross(roomy)] == [
        EventKind.ORDER_EXPIRED,
        EventKind.ORDER_EXPIRED,
        EventKind.TRADED,
        EventKind.AUCTION_UNCROSSED,
        EventKind.TRADING_STATE_SET,
    ]


def test_the_price_becomes_the_reference_and_no_price_leaves_it(call):
    place_all(call, [(100, 1)], [(100, 1)])
    uncross(call, TradingState.CALL_OPEN)
    uncross(call, TradingState.CALL_OPEN)
    assert call.do(commands.set_guards(PLAIN, 1, 1))[0].fields["price_ticks"] == 100


def icebergs(market: Market, pairs: int) -> None:
    """Let pairs of orders of 1,000 lots, shown one by one, meet at 100."""
    for _ in range(pairs):
        place(market, BOB, Side.BUY, 100, 1_000, display_lots=1)
        place(market, ALICE, Side.SELL, 100, 1_000, display_lots=1)


def test_an_auction_too_long_for_one_command_goes_on_at_the_same_price(call, work_max):
    pairs = work_max // 1_000 + 1
    icebergs(call, pairs)
    place(call, CAROL, Side.BUY, 90, 1, time_in_force=TimeInForce.AT_AUCTION)
    traded = 0
    while (told := uncross(call, TradingState.HALTED))[-1].kind == EventKind.AUCTION_UNCROSSED:
        assert told[-1].fields["state"] == TradingState.UNCROSSING
        assert told[-1].fields["quantity_lots"] == work_max
        traded += work_max
        refusals = call.do(
            commands.indicate(PLAIN),
            commands.set_trading_state(PLAIN, TradingState.HALTED),
            commands.cancel_order(CAROL, call.order_ids[-1]),
        )
        assert reasons(refusals) == [
            RejectReason.NOT_IN_THIS_PHASE,
            RejectReason.INVALID_TRANSITION,
            RejectReason.INSTRUMENT_NOT_TRADING,
        ]
    assert traded + told[-2].fields["quantity_lots"] == pairs * 1_000
    assert told[-3].fields["reason"] == EndReason.AUCTION_OVER
    assert {event.fields["price_ticks"] for event in told if event.kind == EventKind.TRADED} == {100}
    assert call.engine.open_order_rows().size == 0


def test_an_auction_whose_work_ends_with_its_last_trade_leaves_the_rest_to_the_next(call, work_max):
    whole, rest = divmod(work_max, 1_000)
    for lots in [1_000] * whole + [rest]:
        place(call, BOB, Side.BUY, 100, lots, display_lots=1)
        place(call, ALICE, Side.SELL, 100, lots, display_lots=1)
    place(call, CAROL, Side.BUY, 90, 1, time_in_force=TimeInForce.AT_AUCTION)
    assert uncross(call)[-1].fields["state"] == TradingState.UNCROSSING
    assert [event.kind for event in uncross(call)] == [
        EventKind.ORDER_EXPIRED,
        EventKind.AUCTION_UNCROSSED,
        EventKind.TRADING_STATE_SET,
    ]


@pytest.mark.skipif(not JIT_ENABLED, reason="tens of thousands of trades")
def test_an_auction_and_the_stops_after_it_fit_the_room_kept_for_a_command(call):
    stop = {"order_type": OrderType.STOP, "time_in_force": TimeInForce.IOC, "stop_ticks": 100}
    icebergs(call, 8)
    for _ in range(8):
        place(call, ALICE, Side.SELL, 101, 1_000, display_lots=1)
        assert reasons(place(call, BOB, Side.BUY, 101, 1_000, **stop))[0] == RejectReason.NONE
    assert len(call.send(commands.uncross(PLAIN, TradingState.CONTINUOUS))) <= EVENTS_PER_COMMAND_MAX


def test_an_auction_into_continuous_trading_wakes_the_stops_that_its_price_triggers(call):
    place(call, ALICE, Side.SELL, 110, 1)
    place(call, CAROL, Side.BUY, 110, 1, order_type=OrderType.STOP_LIMIT, stop_ticks=100)
    place_all(call, [(100, 1)], [(100, 1)])
    kinds = [event.kind for event in uncross(call)]
    assert kinds == [
        EventKind.TRADED,
        EventKind.AUCTION_UNCROSSED,
        EventKind.TRADING_STATE_SET,
        EventKind.ORDER_TRIGGERED,
        EventKind.TRADED,
    ]


@pytest.fixture
def licences() -> Market:
    """Return a market in which licences, of which few may be held, are called as instrument 3."""
    market = Market(Engine(TEST))
    market.do(
        commands.list_instrument(3, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=9),
        commands.issue(BOB, LICENCES, 9),
        commands.set_trading_state(3, TradingState.CALL_OPEN),
        commands.set_venue_rules(3, holders_max=1),
    )
    return market


def test_a_buyer_who_would_be_a_holder_too_many_ends_and_the_others_trade(licences):
    licences.do(
        commands.new_order(CAROL, 3, Side.BUY, 105, 1),
        commands.new_order(ALICE, 3, Side.BUY, 105, 2),
        commands.new_order(CAROL, 3, Side.BUY, 105, 1),
        commands.new_order(BOB, 3, Side.SELL, 105, 5),
    )
    told = licences.do(commands.uncross(3, TradingState.CLOSED))
    assert [(event.kind, event.fields.get("account"), event.fields.get("reason", 0)) for event in told[:3]] == [
        (EventKind.TRADED, CAROL, 0),
        (EventKind.ORDER_EXPIRED, ALICE, EndReason.HOLDER_LIMIT),
        (EventKind.TRADED, CAROL, 0),
    ]


def test_a_book_that_still_crosses_is_called_again(licences):
    licences.do(
        commands.new_order(CAROL, 3, Side.BUY, 105, 9),
        commands.new_order(ALICE, 3, Side.BUY, 104, 2),
        commands.new_order(BOB, 3, Side.SELL, 100, 2),
        commands.transfer(BOB, DAVE, LICENCES, 1, 1),
    )
    told = licences.do(commands.uncross(3, TradingState.CONTINUOUS))
    assert [event.fields.get("reason", 0) for event in told] == [EndReason.HOLDER_LIMIT, 0, 0]
    assert {event.fields["state"] for event in told[1:]} == {TradingState.VOLATILITY}


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"state": 12}, RejectReason.MALFORMED_COMMAND),
        ({"instrument": 9}, RejectReason.UNKNOWN_INSTRUMENT),
        ({"instrument": 0}, RejectReason.UNKNOWN_INSTRUMENT),
        ({"instrument": 2}, RejectReason.NOT_IN_THIS_PHASE),
        ({"state": TradingState.SUSPENDED}, RejectReason.INVALID_TRANSITION),
        ({"state": TradingState.UNCROSSING}, RejectReason.INVALID_TRANSITION),
        ({"state": TradingState.CONTINUOUS, "instrument": 3}, RejectReason.INVALID_TRANSITION),
        ({"state": TradingState.GATE_CLOSED, "instrument": 3}, RejectReason.NONE),
        ({"state": TradingState.PRE_OPEN}, RejectReason.NONE),
        ({"state": TradingState.CALL_OPEN}, RejectReason.NONE),
        ({"state": TradingState.HALTED}, RejectReason.NONE),
        ({"state": TradingState.CLOSED}, RejectReason.NONE),
    ],
)
def test_an_auction_is_refused_for_its_reason(call, fields, reason):
    call.do(
        commands.list_instrument(3, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=9),
        commands.set_mode(3, TradingMode.CALL),
        commands.set_trading_state(3, TradingState.CALL_OPEN),
    )
    told = call.do(altered(commands.uncross(PLAIN, TradingState.CONTINUOUS), **fields))
    assert reasons(told)[0] == reason


@pytest.mark.parametrize(
    ("instrument", "reason"), [(9, RejectReason.UNKNOWN_INSTRUMENT), (2, RejectReason.NOT_IN_THIS_PHASE)]
)
def test_only_a_call_of_a_book_that_is_there_is_indicated(call, instrument, reason):
    assert reasons(call.do(commands.indicate(instrument))) == [reason]
