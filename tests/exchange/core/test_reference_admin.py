"""What the operator sets in the readable engine."""

import pytest

from exchange.core import commands
from exchange.core.reference import Reference
from exchange.core.types import (
    BPS,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    TICK_VALUE_MAX,
    AccountState,
    AssetKind,
    EventKind,
    RejectReason,
    TradingState,
)
from tests.exchange.core.builders import (
    BOB,
    CNY,
    LICENCES,
    NOBODY,
    PLAIN,
    TINY,
    TOKENS,
    Market,
    altered,
    fact,
    reasons,
)


@pytest.fixture
def market() -> Market:
    """Return a market of the readable engine."""
    return Market()


def test_what_was_set_up_is_told():
    market = Market(setup=())
    told = market.do(
        commands.create_account(1),
        commands.create_account(2, group=7),
        commands.create_asset(1, AssetKind.CASH),
        commands.create_asset(2, AssetKind.LICENCE, 2),
        commands.list_instrument(1, 2, 1, lot_units=10, tick_value=5, quantity_min=2, quantity_max=9),
        commands.set_fees(1, maker_bps=-3, taker_bps=4),
        commands.set_price_band(1, 90, 110),
        commands.set_trading_state(1, TradingState.HALTED),
        commands.set_account_state(2, AccountState.SUSPENDED),
    )
    assert told == [
        fact(EventKind.ACCOUNT_CREATED, account=1, counter_account=1, state=AccountState.ACTIVE),
        fact(EventKind.ACCOUNT_CREATED, account=2, counter_account=7, state=AccountState.ACTIVE),
        fact(EventKind.ASSET_CREATED, asset=1, state=AssetKind.CASH),
        fact(EventKind.ASSET_CREATED, asset=2, state=AssetKind.LICENCE, account=2),
        fact(
            EventKind.INSTRUMENT_LISTED,
            instrument=1,
            asset=2,
            counter_account=1,
            amount=10,
            price_ticks=5,
            quantity_lots=2,
            leaves_lots=9,
        ),
        fact(EventKind.FEES_SET, instrument=1, fee=4, counter_fee=-3),
        fact(EventKind.PRICE_BAND_SET, instrument=1, price_ticks=90, amount=110),
        fact(EventKind.TRADING_STATE_SET, instrument=1, state=TradingState.HALTED),
        fact(EventKind.ACCOUNT_STATE_SET, account=2, state=AccountState.SUSPENDED),
    ]
    assert market.engine.balance_rows().tolist() == [(0, 1, 0, 0)]


def test_accounts_assets_and_instruments_run_out():
    market = Market(Reference(TINY))
    listing = commands.list_instrument(3, TOKENS, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=1)
    told = market.do(
        commands.create_account(5),
        commands.create_account(6),
        commands.create_asset(4, AssetKind.CASH),
        commands.create_asset(5, AssetKind.CASH),
        listing,
        altered(listing, instrument=4),
    )
    assert [reason for reason in reasons(told) if reason] == [
        RejectReason.ACCOUNTS_FULL,
        RejectReason.ASSETS_FULL,
        RejectReason.INSTRUMENTS_FULL,
    ]


LISTING = commands.list_instrument(3, TOKENS, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=9)
OPERATIONS = [
    (commands.create_asset(4, AssetKind.UNKNOWN), RejectReason.MALFORMED_COMMAND),
    (altered(commands.create_asset(4, AssetKind.CASH), state=4), RejectReason.MALFORMED_COMMAND),
    (commands.create_asset(4, AssetKind.LICENCE, NOBODY), RejectReason.UNKNOWN_ACCOUNT),
    (commands.create_asset(3, AssetKind.CASH), RejectReason.ID_NOT_NEXT),
    (commands.create_asset(5, AssetKind.CASH), RejectReason.ID_NOT_NEXT),
    (commands.create_account(4), RejectReason.ID_NOT_NEXT),
    (commands.create_account(6), RejectReason.ID_NOT_NEXT),
    (commands.set_account_state(BOB, AccountState.UNKNOWN), RejectReason.MALFORMED_COMMAND),
    (altered(commands.set_account_state(BOB, AccountState.CLOSED), state=5), RejectReason.MALFORMED_COMMAND),
    (commands.set_account_state(NOBODY, AccountState.ACTIVE), RejectReason.UNKNOWN_ACCOUNT),
    (altered(LISTING, asset=0), RejectReason.UNKNOWN_ASSET),
    (altered(LISTING, group=4), RejectReason.UNKNOWN_ASSET),
    (altered(LISTING, instrument=2), RejectReason.ID_NOT_NEXT),
    (altered(LISTING, instrument=4), RejectReason.ID_NOT_NEXT),
    (altered(LISTING, asset=CNY), RejectReason.WRONG_ASSET_KIND),
    (altered(LISTING, group=LICENCES), RejectReason.WRONG_ASSET_KIND),
    (altered(LISTING, amount=0), RejectReason.INVALID_PARAMETER),
    (altered(LISTING, amount=NOTIONAL_MAX + 1), RejectReason.INVALID_PARAMETER),
    (altered(LISTING, words=[0, 1, 9, 0, 0]), RejectReason.INVALID_PARAMETER),
    (altered(LISTING, words=[TICK_VALUE_MAX + 1, 1, 9, 0, 0]), RejectReason.INVALID_PARAMETER),
    (altered(LISTING, words=[1, 0, 9, 0, 0]), RejectReason.INVALID_PARAMETER),
    (altered(LISTING, words=[1, 9, 8, 0, 0]), RejectReason.INVALID_PARAMETER),
    (altered(LISTING, words=[1, 1, NOTIONAL_MAX + 1, 0, 0]), RejectReason.INVALID_PARAMETER),
    (commands.set_fees(3, 0, 0), RejectReason.UNKNOWN_INSTRUMENT),
    (commands.set_fees(PLAIN, 0, -1), RejectReason.INVALID_PARAMETER),
    (commands.set_fees(PLAIN, -6, 5), RejectReason.INVALID_PARAMETER),
    (commands.set_fees(PLAIN, 0, BPS + 1), RejectReason.INVALID_PARAMETER),
    (commands.set_fees(PLAIN, BPS + 1, 0), RejectReason.INVALID_PARAMETER),
    (commands.set_price_band(0, 1, 2), RejectReason.UNKNOWN_INSTRUMENT),
    (commands.set_price_band(PLAIN, 0, 2), RejectReason.INVALID_PARAMETER),
    (commands.set_price_band(PLAIN, 3, 2), RejectReason.INVALID_PARAMETER),
    (commands.set_price_band(PLAIN, 1, PRICE_TICKS_MAX + 1), RejectReason.INVALID_PARAMETER),
    (altered(commands.set_trading_state(PLAIN, TradingState.HALTED), state=12), RejectReason.MALFORMED_COMMAND),
    (commands.set_trading_state(3, TradingState.HALTED), RejectReason.UNKNOWN_INSTRUMENT),
]


@pytest.mark.parametrize(("command", "reason"), OPERATIONS)
def test_an_operation_is_refused_for_its_reason(market, command, reason):
    assert reasons(market.do(command)) == [reason]


@pytest.mark.parametrize(
    "command",
    [
        altered(LISTING, amount=NOTIONAL_MAX, words=[TICK_VALUE_MAX, NOTIONAL_MAX, NOTIONAL_MAX, 0, 0]),
        commands.set_fees(PLAIN, -BPS, BPS),
        commands.set_fees(PLAIN, BPS, 0),
        commands.set_price_band(PLAIN, PRICE_TICKS_MAX, PRICE_TICKS_MAX),
    ],
)
def test_the_outermost_values_are_admitted(market, command):
    assert reasons(market.do(command)) == [RejectReason.NONE]
