"""Fees and holds to the unit: what is reserved, what is spent, what comes back."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from exchange.core import accounts, commands
from exchange.core.engine import Engine
from exchange.core.jit import entry
from exchange.core.state import TEST
from exchange.core.types import BPS, EXCHANGE_ACCOUNT, NOTIONAL_MAX
from tests.exchange.core.builders import ALICE, BOB, CASH_EACH, CNY, COARSE, PLAIN, TOKENS, TOKENS_EACH, Market

RATES = st.integers(min_value=-BPS, max_value=BPS)
AMOUNTS = st.integers(min_value=0, max_value=NOTIONAL_MAX)


@entry
def fee(rate, notional):
    """Ask the kernel."""
    return accounts.fee(rate, notional)


@given(RATES, AMOUNTS)
@example(BPS, (1 << 45) - 1)  # the largest that is common
@example(-BPS, (1 << 45) - 1)
@example(-BPS, 1 << 45)
def test_a_fee_is_rounded_up_without_overflow(rate, notional):
    charged = fee(rate, notional)
    assert (charged - 1) * BPS < rate * notional <= charged * BPS


@given(st.integers(min_value=0, max_value=BPS), st.lists(st.integers(min_value=1, max_value=10**12), min_size=1))
def test_the_sum_of_fees_does_not_depend_on_the_split(rate, fills):
    total, charged = 0, 0
    for fill in fills:
        charged += fee(rate, total + fill) - fee(rate, total)
        total += fill
    assert charged == fee(rate, sum(fills))


@pytest.fixture
def market() -> Market:
    """Return a market that charges."""
    market = Market(Engine(TEST))
    market.do(commands.set_fees(PLAIN, -2, 30), commands.set_fees(COARSE, 10, 30))
    return market


def test_a_buy_holds_notional_and_the_worst_fee_and_a_sell_its_units(market):
    market.buy(BOB, 10, 33)
    assert market.held(BOB) == 330 + 1 + 1  # ceil(0.99) and one for two roundings
    assert market.available(BOB) == CASH_EACH - 332
    market.sell(BOB, 4, 90, instrument=COARSE)
    assert (market.held(BOB, TOKENS), market.available(BOB, TOKENS)) == (40, TOKENS_EACH - 40)


def test_a_trade_moves_exact_amounts_and_releases_what_is_left(market):
    market.sell(ALICE, 10, 20, instrument=COARSE)
    before = {account: market.available(account) for account in (ALICE, BOB, EXCHANGE_ACCOUNT)}
    market.buy(BOB, 10, 25, instrument=COARSE)
    notional, taker, maker = 10 * 20 * 5, 3, 1
    assert market.available(BOB) == before[BOB] - notional - taker
    assert market.available(ALICE) == before[ALICE] + notional - maker
    assert market.available(EXCHANGE_ACCOUNT) == before[EXCHANGE_ACCOUNT] + taker + maker
    assert market.held(BOB) == market.held(ALICE, TOKENS) == 0


def test_a_rebate_is_paid_out_of_the_takers_fee(market):
    market.sell(ALICE, 100, 90)
    before = market.available(ALICE), market.available(EXCHANGE_ACCOUNT)
    market.buy(BOB, 100, 90)
    assert market.available(ALICE) == before[0] + 9_000 + 1  # -2 bps of 9,000, rounded up to -1
    assert market.available(EXCHANGE_ACCOUNT) == before[1] + 27 - 1


def test_an_order_pays_the_rates_of_the_moment_it_was_accepted(market):
    market.buy(BOB, 100, 50, instrument=COARSE)
    held = market.held(BOB)
    market.do(commands.set_fees(COARSE, 9_000, 9_000))
    before = market.available(BOB)
    market.sell(ALICE, 50, 50, instrument=COARSE)
    assert market.held(BOB) == held - 12_500 - 13  # its own 10 bps
    market.do(commands.mass_cancel(BOB))
    assert market.available(BOB) == before + held - 12_500 - 13


def test_a_cancelled_order_gives_back_all_it_held(market):
    market.buy(BOB, 17, 41)
    market.do(commands.cancel_order(BOB, market.order_id(1)))
    assert (market.available(BOB), market.held(BOB)) == (CASH_EACH, 0)


def test_balances_are_found_for_many_accounts_and_assets():
    engine = Engine(TEST)
    market = Market(engine)
    for account in range(5, TEST.accounts):
        market.do(commands.create_account(account), commands.deposit(account, CNY, account))
    assert [market.available(account) for account in range(5, TEST.accounts)] == list(range(5, TEST.accounts))
