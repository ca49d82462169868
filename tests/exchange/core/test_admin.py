"""Money and units in and out, and the making of accounts, assets and instruments, on the kernel."""

import time

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.jit import JIT_ENABLED
from exchange.core.records import COMMAND
from exchange.core.state import PRODUCTION, TEST
from exchange.core.types import AccountState, AssetKind, EventKind, RejectReason, TradingState
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CASH_EACH,
    CNY,
    LICENCES,
    NOBODY,
    PLAIN,
    SETUP,
    TINY,
    TOKENS,
    TOKENS_EACH,
    Market,
    altered,
    batch,
    fact,
    reasons,
)


def totals(market: Market, asset: int) -> tuple[int, int]:
    """Return what was ever issued and burned of an asset."""
    row = market.engine.asset_rows()[asset - 1]
    return int(row["issued"]), int(row["burned"])


def test_cash_comes_and_goes_and_the_totals_know(market):
    issued, burned = totals(market, CNY)
    assert market.do(commands.deposit(BOB, CNY, 5)) == [fact(EventKind.DEPOSITED, account=BOB, asset=CNY, amount=5)]
    assert market.do(commands.withdraw(BOB, CNY, 3)) == [fact(EventKind.WITHDRAWN, account=BOB, asset=CNY, amount=3)]
    assert totals(market, CNY) == (issued + 5, burned + 3)
    assert market.available(BOB) == CASH_EACH + 2


def test_what_an_order_holds_cannot_be_withdrawn(market):
    market.buy(BOB, 1, CASH_EACH - 10)
    assert reasons(market.do(commands.withdraw(BOB, CNY, 11))) == [RejectReason.INSUFFICIENT_BALANCE]
    assert reasons(market.do(commands.withdraw(BOB, CNY, 10))) == [RejectReason.NONE]


def test_redemption_burns_units_to_the_token(market):
    told = market.do(commands.redeem(BOB, TOKENS, 7, b"\1" + bytes(15)))
    assert told == [fact(EventKind.REDEEMED, account=BOB, asset=TOKENS, amount=7, order_id=1)]
    assert market.available(BOB, TOKENS) == TOKENS_EACH - 7
    assert totals(market, TOKENS) == (4 * TOKENS_EACH, 7)


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        (commands.deposit(NOBODY, CNY, 1), RejectReason.UNKNOWN_ACCOUNT),
        (commands.deposit(BOB, 9, 1), RejectReason.UNKNOWN_ASSET),
        (commands.deposit(BOB, TOKENS, 1), RejectReason.WRONG_ASSET_KIND),
        (commands.withdraw(BOB, TOKENS, 1), RejectReason.WRONG_ASSET_KIND),
        (commands.issue(ALICE, CNY, 1), RejectReason.WRONG_ASSET_KIND),
        (commands.issue(BOB, TOKENS, 1), RejectReason.NOT_ISSUER),
        (commands.redeem(BOB, CNY, 1, bytes(16)), RejectReason.WRONG_ASSET_KIND),
        (commands.redeem(BOB, TOKENS, TOKENS_EACH + 1, bytes(16)), RejectReason.INSUFFICIENT_BALANCE),
        (commands.deposit(BOB, CNY, 0), RejectReason.INVALID_PARAMETER),
        (commands.withdraw(BOB, CNY, -1), RejectReason.INVALID_PARAMETER),
        (commands.create_account(3), RejectReason.ID_NOT_NEXT),
        (commands.create_asset(9, AssetKind.CASH), RejectReason.ID_NOT_NEXT),
        (commands.create_asset(4, AssetKind.CASH, NOBODY), RejectReason.UNKNOWN_ACCOUNT),
        (commands.create_asset(4, AssetKind.UNKNOWN), RejectReason.MALFORMED_COMMAND),
        (altered(commands.create_asset(4, AssetKind.CASH), state=9), RejectReason.MALFORMED_COMMAND),
        (commands.set_account_state(BOB, AccountState.UNKNOWN), RejectReason.MALFORMED_COMMAND),
        (commands.set_account_state(NOBODY, AccountState.ACTIVE), RejectReason.UNKNOWN_ACCOUNT),
        (commands.set_trading_state(9, TradingState.HALTED), RejectReason.UNKNOWN_INSTRUMENT),
        (altered(commands.set_trading_state(1, TradingState.HALTED), state=12), RejectReason.MALFORMED_COMMAND),
        (commands.set_fees(9, 0, 0), RejectReason.UNKNOWN_INSTRUMENT),
        (commands.set_price_band(9, 1, 2), RejectReason.UNKNOWN_INSTRUMENT),
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(market, command, reason):
    before = market.engine.balance_rows().tolist(), market.engine.asset_rows().tolist()
    assert reasons(market.do(command)) == [reason]
    assert (market.engine.balance_rows().tolist(), market.engine.asset_rows().tolist()) == before


def test_licences_are_issued_by_their_own_issuer(market):
    assert reasons(market.do(commands.issue(BOB, LICENCES, 40))) == [RejectReason.NONE]
    assert market.available(BOB, LICENCES) == 40


def test_tables_that_are_full_say_so():
    market = Market(Engine(TINY))
    told = market.do(
        commands.create_account(5),
        commands.create_account(6),
        commands.create_asset(4, AssetKind.CASH),
        commands.create_asset(5, AssetKind.CASH),
    )
    assert reasons(told) == [
        RejectReason.NONE,
        RejectReason.ACCOUNTS_FULL,
        RejectReason.NONE,
        RejectReason.ASSETS_FULL,
    ]


def test_a_closed_book_takes_no_orders_until_it_opens(market):
    market.do(commands.set_trading_state(PLAIN, TradingState.CLOSED))
    assert reasons(market.buy(BOB, 1, 1)) == [RejectReason.INSTRUMENT_NOT_TRADING]
    market.do(commands.set_trading_state(PLAIN, TradingState.CONTINUOUS))
    assert reasons(market.buy(BOB, 1, 1)) == [RejectReason.NONE]


def test_what_was_set_up_is_told():
    market = Market(Engine(TEST), setup=())
    told = market.do(
        commands.create_account(1),
        commands.create_account(2, group=7),
        commands.create_asset(1, AssetKind.CASH),
        commands.create_asset(2, AssetKind.LICENCE, 2),
        commands.list_instrument(1, 2, 1, lot_units=10, tick_value=5, quantity_min=2, quantity_max=9),
        commands.set_fees(1, maker_bps=-3, taker_bps=4),
        commands.set_price_band(1, 90, 110),
        commands.set_account_state(2, AccountState.SUSPENDED),
    )
    terms = {"amount": 10, "price_ticks": 5, "quantity_lots": 2, "leaves_lots": 9}
    assert told == [
        fact(EventKind.ACCOUNT_CREATED, account=1, counter_account=1, state=AccountState.ACTIVE),
        fact(EventKind.ACCOUNT_CREATED, account=2, counter_account=7, state=AccountState.ACTIVE),
        fact(EventKind.ASSET_CREATED, asset=1, state=AssetKind.CASH),
        fact(EventKind.ASSET_CREATED, asset=2, state=AssetKind.LICENCE, account=2),
        fact(EventKind.INSTRUMENT_LISTED, instrument=1, asset=2, counter_account=1, **terms),
        fact(EventKind.FEES_SET, instrument=1, fee=4, counter_fee=-3),
        fact(EventKind.PRICE_BAND_SET, instrument=1, price_ticks=90, amount=110),
        fact(EventKind.ACCOUNT_STATE_SET, account=2, state=AccountState.SUSPENDED),
    ]
    assert market.engine.balance_rows().tolist() == [(0, 1, 0, 0)]  # the exchange's own, for its fees


LISTING = commands.list_instrument(3, TOKENS, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=9)


def test_an_asset_under_rules_gets_no_further_book(market):
    second = altered(LISTING, instrument=4, asset=LICENCES)
    for rules in ({"turnaround_days": 1}, {"holders_max": 1}):
        other = Market(Engine(TEST))
        told = other.do(altered(LISTING, asset=LICENCES), commands.set_venue_rules(3, **rules), second)
        assert reasons(told) == [0, 0, RejectReason.INVALID_PARAMETER]
    assert reasons(market.do(altered(LISTING, asset=LICENCES), second)) == [0, 0]


def test_instruments_and_the_rows_of_their_fees_run_out():
    market = Market(Engine(TINY))
    told = market.do(LISTING, altered(LISTING, instrument=4))
    assert reasons(told) == [RejectReason.NONE, RejectReason.INSTRUMENTS_FULL]
    market = Market(Engine(TINY))
    market.do(commands.create_asset(4, AssetKind.CASH), *(commands.deposit(account, 4, 1) for account in range(5)))
    assert reasons(market.do(LISTING)) == [RejectReason.BALANCES_FULL]


def test_accounts_of_a_group_stand_in_a_ring(market):
    for account, group in ((5, 3), (6, 6), (7, 3), (8, 6)):
        market.do(commands.create_account(account, group))
    following = market.engine._states[0]["accounts"]["next_in_group"]

    def ring(account: int) -> set[int]:
        members = {account}
        while (account := int(following[account])) not in members:
            members.add(account)
        return members

    assert [ring(account) for account in (3, 4, 5, 7)] == [{3, 4, 5, 7}] * 4
    assert (ring(6), ring(8), ring(1), ring(0)) == ({6, 8}, {6, 8}, {1}, {0})


@pytest.mark.skipif(not JIT_ENABLED, reason="a statement about the compiled core")
def test_a_million_instruments_are_listed_in_one_state():
    engine = Engine(PRODUCTION)
    engine.apply(batch(*SETUP[:7]))
    count = 1_000_000
    rows = np.frombuffer(LISTING * count, COMMAND).copy()
    rows["instrument"] = np.arange(1, count + 1)
    begun = time.thread_time()
    events = np.concatenate([engine.apply(rows[start : start + 50_000]) for start in range(0, count, 50_000)])
    assert (events["kind"] == EventKind.INSTRUMENT_LISTED).all()
    assert events["instrument"][-1] == count
    assert time.thread_time() - begun < 20
    opened = engine.apply(batch(commands.set_trading_state(count, TradingState.CONTINUOUS)))
    assert opened["instrument"].tolist() == [count]
