"""Money and units in and out, and the making of accounts, assets and instruments, on the kernel."""

import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.state import TEST
from exchange.core.types import AccountState, AssetKind, EventKind, RejectReason, TradingState
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CASH_EACH,
    CNY,
    LICENCES,
    NOBODY,
    PLAIN,
    TINY,
    TOKENS,
    TOKENS_EACH,
    Market,
    altered,
    fact,
    reasons,
)


@pytest.fixture
def market() -> Market:
    """Return a market of the kernel."""
    return Market(Engine(TEST))


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
        (altered(commands.set_trading_state(1, TradingState.HALTED), state=7), RejectReason.MALFORMED_COMMAND),
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
