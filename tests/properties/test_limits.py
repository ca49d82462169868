"""The outermost numbers, on both engines: nothing wraps around, nothing runs over, no command takes for ever."""

from collections import Counter

import pytest

from exchange.core import commands
from exchange.core.book import PAGES_PER_PRICE_MAX
from exchange.core.engine import Engine
from exchange.core.state import PRODUCTION, TEST
from exchange.core.types import (
    AMOUNT_MAX,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    TICK_VALUE_MAX,
    WORK_MAX,
    EndReason,
    EventKind,
    OrderType,
    RejectReason,
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
    ENGINES,
    LICENCES,
    TINY,
    TOKENS,
    Fact,
    Market,
    reasons,
)

DEAR, DEARER = 3, 4  # books where one lot may cost all the cash there is
CROWD = WORK_MAX + 1

pytestmark = pytest.mark.timeout(600)  # the first use of a capacity compiles the kernels for it


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.__name__)
def market(request) -> Market:
    """Return a market of either engine."""
    return Market(request.param(TEST))


def test_what_was_issued_never_wraps_around(market):
    told = market.do(*[commands.issue(BOB, LICENCES, AMOUNT_MAX)] * 3)
    assert reasons(told) == [0, RejectReason.ISSUED_TOO_MUCH, RejectReason.ISSUED_TOO_MUCH]
    assert market.available(BOB, LICENCES) == AMOUNT_MAX


def test_what_was_deposited_never_wraps_around(market):
    told = market.do(
        *[commands.deposit(BOB, CNY, AMOUNT_MAX - 5 * CASH_EACH)] * 3, commands.deposit(BOB, CNY, AMOUNT_MAX)
    )
    assert reasons(told) == [0, *[RejectReason.ISSUED_TOO_MUCH] * 3]


def dear_market(market: Market) -> None:
    """List books of the dearest ticks, and give Bob all the cash that may exist and Alice tokens enough."""
    terms = {"lot_units": 1, "tick_value": TICK_VALUE_MAX, "quantity_min": 1, "quantity_max": 1 << 40}
    for book in (DEAR, DEARER):
        market.do(
            commands.list_instrument(book, TOKENS, CNY, **terms),
            commands.set_trading_state(book, TradingState.CONTINUOUS),
        )
    market.do(commands.deposit(BOB, CNY, AMOUNT_MAX - 5 * CASH_EACH), commands.issue(ALICE, TOKENS, 1 << 50))


def give_back(market: Market) -> None:
    """Let Bob earn what Alice has, at a token a trade."""
    while price := min(PRICE_TICKS_MAX, market.available(ALICE) // TICK_VALUE_MAX):
        market.sell(BOB, 1, price, instrument=DEARER)
        market.buy(ALICE, 1, price, instrument=DEARER)


def test_fees_stay_exact_when_an_order_has_traded_more_than_63_bits_hold(market):
    dear_market(market)
    market.do(commands.set_fees(DEAR, maker_bps=0, taker_bps=10))
    market.buy(BOB, 1, PRICE_TICKS_MAX, instrument=DEAR)
    market.buy(BOB, 1, PRICE_TICKS_MAX * 99 // 100, instrument=DEAR)
    told = market.sell(ALICE, 3, 1, instrument=DEAR)
    order_id, filled = market.order_ids[-1], 2
    for lots in (10**3, 10**6, 5 * 10**8):
        price = (1 << 31) // (filled + lots + 1)  # as much as an order of that quantity may ask
        market.do(commands.replace_order(ALICE, order_id, price, filled + lots + 1))
        give_back(market)
        market.buy(BOB, lots, price - 1, instrument=DEAR)
        told += market.do(commands.replace_order(ALICE, order_id, 1))
        filled += lots
    trades = [fields for kind, fields in told if kind == EventKind.TRADED]
    notional = sum(fields["amount"] for fields in trades)
    assert notional > 1 << 63
    assert sum(fields["fee"] for fields in trades) == -(-notional * 10 // 10_000)


def test_the_dearest_order_with_the_highest_fee_is_held_and_paid(market):
    dear_market(market)
    market.do(commands.set_fees(DEAR, maker_bps=0, taker_bps=10_000))
    price = NOTIONAL_MAX // TICK_VALUE_MAX // 2
    market.sell(ALICE, 1, price, instrument=DEAR)
    (accepted, traded) = market.buy(BOB, 1, price, instrument=DEAR)
    assert accepted.fields["amount"] == NOTIONAL_MAX + 1
    assert (traded.fields["amount"], traded.fields["fee"]) == (NOTIONAL_MAX // 2, NOTIONAL_MAX // 2)


def pages_left(market: Market) -> int:
    """Return how many pages of prices are free."""
    state = market.engine._states[0]
    return TINY.nodes + 1 - int(state["node_count"]) + int(state["free_node_count"])


def spread_out(*prices: int) -> Market:
    """Return a fast market where Bob rests a bid at 64, and elsewhere asks at distant prices that use pages up."""
    market = Market(Engine(TINY))
    market.do(commands.deposit(BOB, CNY, 1 << 40))
    for price in prices:
        market.sell(BOB, 1, price, instrument=COARSE)
    market.buy(BOB, 1, 64)
    return market


def test_a_price_may_need_five_pages_above_the_one_there_is_and_five_below():
    assert PAGES_PER_PRICE_MAX == 10
    market = spread_out()
    before = pages_left(market)
    market.buy(BOB, 1, PRICE_TICKS_MAX)
    assert before - pages_left(market) == PAGES_PER_PRICE_MAX


@pytest.mark.parametrize(("price", "free"), [(1 << 12, 10), (1 << 18, 9)])
def test_pages_of_prices_never_run_over(price, free):
    assert PAGES_PER_PRICE_MAX == 10  # with less, what follows would write outside of the state
    market = spread_out(PRICE_TICKS_MAX, 1, price)
    assert pages_left(market) == free
    (told, *_) = market.buy(BOB, 1, PRICE_TICKS_MAX)
    assert reasons([told]) == [RejectReason.NONE if free == 10 else RejectReason.LEVELS_FULL]


def test_orders_that_never_rest_need_no_pages():
    market = spread_out(PRICE_TICKS_MAX, 1, 1 << 24)
    assert pages_left(market) < PAGES_PER_PRICE_MAX
    told = [
        market.buy(BOB, 1, 64),
        market.buy(BOB, 1, 64, time_in_force=TimeInForce.IOC),
        market.buy(BOB, 1, 64, time_in_force=TimeInForce.FOK),
        market.buy(BOB, 1, 0, order_type=OrderType.MARKET),
    ]
    assert [reasons(events)[0] for events in told] == [RejectReason.LEVELS_FULL, 0, 0, 0]


@pytest.fixture(scope="module", params=ENGINES, ids=lambda engine: engine.__name__)
def crowd(request) -> Market:
    """Return a market where a book has one maker more than a command may meet."""
    market = Market(request.param(PRODUCTION))
    market.do(
        commands.list_instrument(3, TOKENS, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=1 << 40),
        commands.set_trading_state(3, TradingState.CONTINUOUS),
        commands.issue(ALICE, TOKENS, 10 * CROWD),
        commands.deposit(BOB, CNY, 1 << 40),
        commands.deposit(CAROL, CNY, 1 << 40),
    )
    return market


def place(market: Market, account: int, side: Side, count: int) -> None:
    """Let an account rest so many orders of a lot, all at a price."""
    market.send(*[commands.new_order(account, 3, side, 1, 1)] * count)


def count(told: list[Fact]) -> dict[EventKind, int]:
    """Return how often what happened."""
    return dict(Counter(event.kind for event in told))


def test_a_taker_meets_so_many_makers_and_no_more(crowd):
    place(crowd, ALICE, Side.SELL, CROWD)
    told = crowd.buy(BOB, CROWD, 1, instrument=3, time_in_force=TimeInForce.FOK)
    assert told[-1].fields["reason"] == EndReason.FILL_OR_KILL
    told = crowd.buy(BOB, CROWD, 1, instrument=3)
    assert count(told) == {EventKind.ORDER_ACCEPTED: 1, EventKind.TRADED: WORK_MAX, EventKind.ORDER_EXPIRED: 1}
    assert (told[-1].fields["reason"], told[-1].fields["leaves_lots"]) == (EndReason.WORK_LIMIT, 1)
    assert count(crowd.buy(BOB, 2, 1, instrument=3)) == {EventKind.ORDER_ACCEPTED: 1, EventKind.TRADED: 1}
    crowd.do(commands.mass_cancel(BOB))


def test_a_market_order_holds_the_cost_of_so_many_makers(crowd):
    place(crowd, ALICE, Side.SELL, CROWD)
    told = crowd.buy(BOB, CROWD, 0, instrument=3, order_type=OrderType.MARKET)
    assert told[0].fields["amount"] == WORK_MAX
    assert told[-1].fields["reason"] == EndReason.WORK_LIMIT
    crowd.do(commands.mass_cancel(ALICE))


def test_makers_of_the_own_group_count_too(crowd):
    place(crowd, CAROL, Side.BUY, CROWD)
    policy = SelfTradePrevention.EXPIRE_MAKER
    told = crowd.sell(DAVE, 1, 1, instrument=3, self_trade_prevention=policy)
    assert count(told) == {
        EventKind.ORDER_ACCEPTED: 1,
        EventKind.MATCH_PREVENTED: WORK_MAX,
        EventKind.ORDER_EXPIRED: WORK_MAX + 1,
    }
    assert told[-1].fields["reason"] == EndReason.WORK_LIMIT
    crowd.do(commands.mass_cancel(CAROL))


def test_a_mass_cancel_ends_so_many_orders_and_tells_how_many_are_left(crowd):
    place(crowd, CAROL, Side.BUY, CROWD)
    told = crowd.do(commands.mass_cancel(CAROL))
    assert count(told) == {EventKind.ORDER_CANCELED: WORK_MAX, EventKind.MASS_CANCELED: 1}
    assert (told[-1].fields["quantity_lots"], told[-1].fields["leaves_lots"]) == (WORK_MAX, 1)
    assert crowd.do(commands.mass_cancel(CAROL))[-1].fields["quantity_lots"] == 1


def test_a_batch_of_the_longest_commands_is_taken_in_parts(crowd):
    for account in (CAROL, DAVE, CAROL):
        place(crowd, account, Side.BUY, WORK_MAX)
    cancels = [commands.mass_cancel(account) for account in (CAROL, DAVE, CAROL)]
    told = crowd.do(*cancels)
    ends = [event.fields["quantity_lots"] for event in told if event.kind == EventKind.MASS_CANCELED]
    assert (ends, len(told)) == ([WORK_MAX] * 3, 3 * WORK_MAX + 3)


def test_stops_wait_when_work_is_done_and_go_on_when_told(crowd):
    crowd.sell(ALICE, 1, 5, instrument=3)
    crowd.buy(BOB, 1, 5, instrument=3)
    stop = commands.new_order(BOB, 3, Side.BUY, 1, 1, order_type=OrderType.STOP_LIMIT, stop_ticks=7)
    crowd.send(*[stop] * CROWD)
    crowd.sell(ALICE, 1, 7, instrument=3)
    told = crowd.buy(CAROL, 1, 7, instrument=3)
    assert count(told) == {
        EventKind.ORDER_ACCEPTED: 1,
        EventKind.TRADED: 1,
        EventKind.ORDER_TRIGGERED: WORK_MAX - 1,
        EventKind.STOPS_WAITING: 1,
    }
    told = crowd.do(commands.wake_stops(3))
    assert count(told) == {EventKind.ORDER_TRIGGERED: 2, EventKind.STOPS_WOKEN: 1}
    crowd.do(*[commands.mass_cancel(BOB)] * 2)


def test_an_auction_takes_as_many_commands_as_it_needs(crowd):
    crowd.do(commands.set_trading_state(3, TradingState.CALL_OPEN))
    place(crowd, ALICE, Side.SELL, CROWD)
    crowd.buy(BOB, CROWD, 1, instrument=3)
    uncross = commands.uncross(3, TradingState.CONTINUOUS)
    told = crowd.do(uncross)
    assert count(told) == {EventKind.TRADED: WORK_MAX, EventKind.AUCTION_UNCROSSED: 1}
    assert told[-1].fields["state"] == TradingState.UNCROSSING
    assert reasons(crowd.sell(ALICE, 1, 1, instrument=3)) == [RejectReason.INSTRUMENT_NOT_TRADING]
    told = crowd.do(uncross)
    assert count(told) == {EventKind.TRADED: 1, EventKind.AUCTION_UNCROSSED: 1, EventKind.TRADING_STATE_SET: 1}
