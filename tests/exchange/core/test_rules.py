"""Admission: limits at their edges, and pools that are full, each with its own refusal."""

import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.state import TEST
from exchange.core.types import (
    AMOUNT_MAX,
    BPS,
    NOTIONAL_MAX,
    OPEN_ORDERS_MAX,
    PRICE_TICKS_MAX,
    TICK_VALUE_MAX,
    OrderFlag,
    RejectReason,
    TimeInForce,
)
from tests.exchange.core.builders import ALICE, BOB, CNY, PLAIN, TINY, TOKENS, Market, reasons


@pytest.fixture
def market() -> Market:
    """Return a market of the kernel."""
    return Market(Engine(TEST))


@pytest.mark.parametrize(
    ("quantity", "price", "reason"),
    [
        (0, 10, RejectReason.INVALID_QUANTITY),
        (-1, 10, RejectReason.INVALID_QUANTITY),
        (1_001, 10, RejectReason.INVALID_QUANTITY),
        (1, 0, RejectReason.INVALID_PRICE),
        (1, -5, RejectReason.INVALID_PRICE),
        (1, PRICE_TICKS_MAX + 1, RejectReason.INVALID_PRICE),
        (1, 4, RejectReason.PRICE_OUTSIDE_BAND),
        (1, 91, RejectReason.PRICE_OUTSIDE_BAND),
        (1, 5, RejectReason.NONE),
        (1_000, 90, RejectReason.NONE),
    ],
)
def test_quantity_price_and_band_at_their_edges(market, quantity, price, reason):
    market.do(commands.set_price_band(PLAIN, 5, 90))
    assert reasons(market.buy(BOB, quantity, price))[0] == reason


def test_an_order_too_large_for_an_int64_is_refused_not_wrapped(market):
    listed = commands.list_instrument(
        3, TOKENS, CNY, lot_units=1, tick_value=TICK_VALUE_MAX, quantity_min=1, quantity_max=NOTIONAL_MAX
    )
    market.do(listed, commands.set_trading_state(3, 1))
    largest = NOTIONAL_MAX // (TICK_VALUE_MAX * PRICE_TICKS_MAX)
    told = [market.buy(BOB, lots, PRICE_TICKS_MAX, instrument=3) for lots in (largest + 1, largest, NOTIONAL_MAX)]
    assert [reasons(each)[0] for each in told] == [
        RejectReason.NOTIONAL_TOO_LARGE,
        RejectReason.INSUFFICIENT_BALANCE,
        RejectReason.NOTIONAL_TOO_LARGE,
    ]


def test_post_only_refuses_to_take_but_joins_a_level(market):
    market.sell(ALICE, 1, 50)
    post_only = {"flags": OrderFlag.POST_ONLY}
    assert reasons(market.buy(BOB, 1, 50, **post_only)) == [RejectReason.WOULD_TAKE]
    assert reasons(market.buy(BOB, 1, 49, **post_only)) == [RejectReason.NONE]
    assert reasons(market.buy(BOB, 1, 49, time_in_force=TimeInForce.IOC, **post_only)) == [
        RejectReason.MALFORMED_COMMAND
    ]


def test_an_account_has_a_limit_of_open_orders(market):
    market.engine._states[0]["accounts"][BOB]["open_orders"] = OPEN_ORDERS_MAX - 1
    assert reasons(market.buy(BOB, 1, 10)) == [RejectReason.NONE]
    assert reasons(market.buy(BOB, 1, 10)) == [RejectReason.TOO_MANY_OPEN_ORDERS]


def test_full_pools_refuse_and_lose_nothing():
    market = Market(Engine(TINY))
    for _ in range(TINY.orders):
        assert reasons(market.buy(BOB, 1, 10)) == [RejectReason.NONE]
    digest = market.engine.digest()
    told = market.buy(BOB, 1, 10)
    assert reasons(told) == [RejectReason.ORDERS_FULL]
    market.do(commands.cancel_order(BOB, market.order_id(2)))
    assert reasons(market.buy(BOB, 1, 10)) == [RejectReason.NONE]
    assert market.engine.digest() != digest


def test_a_price_that_needs_more_pages_than_are_left_is_refused():
    market = Market(Engine(TINY))
    market.do(commands.deposit(BOB, CNY, 1 << 40))
    prices = [1 << 24, 1 << 30, 1 << 18, 1 << 12, 1 << 6, 3]
    told = [reasons(market.buy(BOB, 1, price))[0] for price in prices]
    assert RejectReason.LEVELS_FULL in told
    assert told[0] == RejectReason.NONE


@pytest.mark.parametrize(
    ("terms", "reason"),
    [
        ({"lot_units": 0}, RejectReason.INVALID_PARAMETER),
        ({"lot_units": NOTIONAL_MAX + 1}, RejectReason.INVALID_PARAMETER),
        ({"tick_value": 0}, RejectReason.INVALID_PARAMETER),
        ({"tick_value": TICK_VALUE_MAX + 1}, RejectReason.INVALID_PARAMETER),
        ({"quantity_min": 0}, RejectReason.INVALID_PARAMETER),
        ({"quantity_min": 11}, RejectReason.INVALID_PARAMETER),
        ({"base_asset": CNY}, RejectReason.WRONG_ASSET_KIND),
        ({"quote_asset": TOKENS}, RejectReason.WRONG_ASSET_KIND),
        ({"base_asset": 9}, RejectReason.UNKNOWN_ASSET),
        ({"instrument": 9}, RejectReason.ID_NOT_NEXT),
        ({}, RejectReason.NONE),
    ],
)
def test_a_listing_is_checked_term_by_term(market, terms, reason):
    usual = {"instrument": 3, "base_asset": TOKENS, "quote_asset": CNY}
    usual |= {"lot_units": 1, "tick_value": 1, "quantity_min": 1, "quantity_max": 10}
    assert reasons(market.do(commands.list_instrument(**(usual | terms)))) == [reason]


@pytest.mark.parametrize(
    ("maker", "taker", "reason"),
    [
        (0, -1, RejectReason.INVALID_PARAMETER),
        (0, BPS + 1, RejectReason.INVALID_PARAMETER),
        (-6, 5, RejectReason.INVALID_PARAMETER),
        (BPS + 1, 5, RejectReason.INVALID_PARAMETER),
        (-5, 5, RejectReason.NONE),
        (BPS, BPS, RejectReason.NONE),
    ],
)
def test_a_rebate_is_never_more_than_the_taker_pays(market, maker, taker, reason):
    assert reasons(market.do(commands.set_fees(PLAIN, maker, taker))) == [reason]


@pytest.mark.parametrize(("low", "high"), [(0, 5), (6, 5), (1, PRICE_TICKS_MAX + 1)])
def test_a_band_that_is_none_is_refused(market, low, high):
    assert reasons(market.do(commands.set_price_band(PLAIN, low, high))) == [RejectReason.INVALID_PARAMETER]


def test_nothing_overflows_what_an_asset_may_ever_be(market):
    assert reasons(market.do(commands.deposit(BOB, CNY, AMOUNT_MAX + 1))) == [RejectReason.INVALID_PARAMETER]
    assert reasons(market.do(commands.deposit(BOB, CNY, AMOUNT_MAX))) == [RejectReason.ISSUED_TOO_MUCH]
