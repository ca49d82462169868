"""The readable engine: assets, accounts and instruments come to be, amounts come and go, queries answer."""

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.records import COMMAND, EVENT
from exchange.core.reference import Reference
from exchange.core.state import TEST
from exchange.core.types import (
    AMOUNT_MAX,
    BPS,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    TICK_VALUE_MAX,
    USAGE_ID_WINDOW_NS,
    AccountState,
    AssetKind,
    CommandKind,
    EventKind,
    RejectReason,
    Side,
    TradingState,
)
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CAROL,
    CASH_EACH,
    CNY,
    COARSE,
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
    rejected,
)

USAGE = b"\1" * 16


@pytest.fixture
def market() -> Market:
    """Return a market of the readable engine."""
    return Market()


def test_nothing_in_nothing_out():
    reference = Reference()
    assert reference.apply(np.zeros(0, COMMAND)).dtype == EVENT
    assert (reference.event_count, reference.command_sequence) == (0, 0)
    for rows in (reference.balance_rows(), reference.open_order_rows(), reference.asset_rows()):
        assert len(rows) == 0


def test_events_carry_sequence_and_time_of_their_command():
    reference = Reference(TEST)
    commands_ = batch(commands.create_account(1), commands.create_account(1), sequence=40, time_ns=5)
    events = reference.apply(commands_)
    assert events[["sequence", "time_ns", "kind"]].tolist() == [
        (40, 5, EventKind.ACCOUNT_CREATED),
        (41, 5, EventKind.COMMAND_REJECTED),
    ]
    assert (reference.event_count, reference.command_sequence) == (2, 41)


def test_events_do_not_depend_on_batches():
    whole, parts = Reference(TEST), Reference(TEST)
    all_commands = batch(*SETUP)
    events = np.concatenate([parts.apply(all_commands[:7]), parts.apply(all_commands[7:])])
    assert whole.apply(all_commands).tobytes() == events.tobytes()


@pytest.mark.parametrize("kind", [0, 16, 255])
def test_an_unknown_command_is_refused_with_all_it_said(market, kind):
    fields = {
        "side": 1,
        "order_type": 2,
        "time_in_force": 3,
        "self_trade_prevention": 4,
        "flags": 5,
        "account": 6,
        "instrument": 7,
        "asset": 8,
        "order_id": 9,
        "price_ticks": 10,
        "quantity_lots": -11,
        "amount": 12,
    }
    command = altered(commands.mass_cancel(ALICE), kind=kind, state=13, group=14, words=[15] * 5, **fields)
    assert market.do(command) == [rejected(RejectReason.UNKNOWN_COMMAND, kind, **fields)]


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


def test_amounts_come_and_go(market):
    told = market.do(
        commands.deposit(BOB, CNY, 50),
        commands.withdraw(BOB, CNY, 20),
        commands.issue(BOB, LICENCES, 9),
        commands.redeem(BOB, LICENCES, 4, b"\1" + bytes(15)),
    )
    assert told == [
        fact(EventKind.DEPOSITED, account=BOB, asset=CNY, amount=50),
        fact(EventKind.WITHDRAWN, account=BOB, asset=CNY, amount=20),
        fact(EventKind.ISSUED, account=BOB, asset=LICENCES, amount=9),
        fact(EventKind.REDEEMED, account=BOB, asset=LICENCES, amount=4, order_id=1),
    ]
    assert market.engine.balances(BOB) == [(CNY, CASH_EACH + 30, 0), (TOKENS, TOKENS_EACH, 0), (LICENCES, 5, 0)]
    assert market.engine.asset_rows().tolist()[2] == (LICENCES, AssetKind.LICENCE, BOB, 9, 4)


TRANSFERS = [
    (commands.deposit(NOBODY, CNY, 1), RejectReason.UNKNOWN_ACCOUNT),
    (commands.deposit(BOB, 0, 1), RejectReason.UNKNOWN_ASSET),
    (commands.deposit(BOB, 4, 1), RejectReason.UNKNOWN_ASSET),
    (commands.deposit(CAROL, CNY, 1), RejectReason.ACCOUNT_NOT_ACTIVE),
    (commands.deposit(BOB, LICENCES, 1), RejectReason.WRONG_ASSET_KIND),
    (commands.withdraw(BOB, TOKENS, 1), RejectReason.WRONG_ASSET_KIND),
    (commands.issue(BOB, CNY, 1), RejectReason.WRONG_ASSET_KIND),
    (commands.redeem(BOB, CNY, 1, USAGE), RejectReason.WRONG_ASSET_KIND),
    (commands.issue(BOB, TOKENS, 1), RejectReason.NOT_ISSUER),
    (commands.deposit(BOB, CNY, 0), RejectReason.INVALID_PARAMETER),
    (commands.deposit(BOB, CNY, AMOUNT_MAX + 1), RejectReason.INVALID_PARAMETER),
    (commands.withdraw(BOB, CNY, -1), RejectReason.INVALID_PARAMETER),
    (commands.withdraw(BOB, CNY, CASH_EACH + 1), RejectReason.INSUFFICIENT_BALANCE),
    (commands.redeem(BOB, LICENCES, 1, USAGE), RejectReason.INSUFFICIENT_BALANCE),
    (commands.deposit(BOB, CNY, AMOUNT_MAX), RejectReason.ISSUED_TOO_MUCH),
]


@pytest.mark.parametrize(("command", "reason"), TRANSFERS)
def test_a_transfer_is_refused_for_its_reason(market, command, reason):
    market.do(commands.set_account_state(CAROL, AccountState.RESTRICTED))
    before = market.engine.balance_rows().tolist()
    assert reasons(market.do(command)) == [reason]
    assert market.engine.balance_rows().tolist() == before


def test_all_that_was_ever_issued_counts(market):
    told = market.do(
        commands.issue(BOB, LICENCES, AMOUNT_MAX),
        commands.redeem(BOB, LICENCES, AMOUNT_MAX, bytes(16)),
        commands.issue(BOB, LICENCES, 1),
    )
    assert reasons(told) == [0, 0, RejectReason.ISSUED_TOO_MUCH]


def test_a_usage_id_is_applied_once_within_its_window_whoever_sends_it(market):
    redeem = commands.redeem(ALICE, TOKENS, 1, USAGE)
    told = market.do(redeem, redeem, altered(redeem, account=BOB), altered(redeem, words=[1, 2, 3, 4, 5]))
    assert reasons(told) == [0, RejectReason.DUPLICATE_ID, RejectReason.DUPLICATE_ID, 0]
    market.time_ns += USAGE_ID_WINDOW_NS - 1
    assert reasons(market.do(redeem)) == [RejectReason.DUPLICATE_ID]
    market.time_ns += 1
    assert reasons(market.do(redeem)) == [RejectReason.NONE]
    assert market.available(ALICE, TOKENS) == TOKENS_EACH - 3


def test_use_without_an_id_may_repeat(market):
    redeem = commands.redeem(ALICE, TOKENS, 1, bytes(16))
    assert reasons(market.do(redeem, redeem)) == [0, 0]


def test_a_refused_redemption_does_not_use_its_id_up(market):
    told = market.do(commands.redeem(ALICE, TOKENS, 10**9, USAGE), commands.redeem(ALICE, TOKENS, 1, USAGE))
    assert reasons(told) == [RejectReason.INSUFFICIENT_BALANCE, 0]


def test_usage_ids_and_balances_run_out():
    market = Market(Reference(TINY))
    redeem = commands.redeem(ALICE, TOKENS, 1, USAGE)
    told = market.do(*(altered(redeem, words=[number, 0, 0, 0, 0]) for number in range(1, 5)))
    assert reasons(told) == [0, 0, 0, RejectReason.RECENT_IDS_FULL]
    market.do(commands.create_asset(4, AssetKind.CASH))
    told = market.do(*(commands.deposit(account, 4, 1) for account in (0, 1, 2, 3, 4, 0)))
    assert reasons(told) == [0, 0, 0, 0, RejectReason.BALANCES_FULL, 0]
    assert reasons(market.do(commands.issue(BOB, LICENCES, 1))) == [RejectReason.BALANCES_FULL]
    again = commands.list_instrument(3, TOKENS, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=1)
    assert reasons(market.do(again)) == [RejectReason.BALANCES_FULL]


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
    (altered(commands.set_trading_state(PLAIN, TradingState.HALTED), state=4), RejectReason.MALFORMED_COMMAND),
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


def test_queries_tell_accounts_orders_and_assets(market):
    market.sell(BOB, 3, 100, instrument=COARSE)
    assert market.engine.balances(BOB) == [(CNY, CASH_EACH, 0), (TOKENS, TOKENS_EACH - 30, 30)]
    assert market.engine.balances(NOBODY) == []
    assert market.engine.open_order_rows().tolist() == [(market.order_id(1), BOB, COARSE, Side.SELL, 100, 3, 3, 30)]
    assert market.engine.asset_rows().tolist()[1] == (TOKENS, AssetKind.ALLOWANCE, ALICE, 4 * TOKENS_EACH, 0)
    assert market.engine.balance_rows()[["account", "asset"]].tolist()[:3] == [(0, CNY), (ALICE, TOKENS), (ALICE, CNY)]


def test_rejections_name_their_command(market):
    told = market.do(commands.withdraw(BOB, CNY, 10**9))
    assert told == [
        rejected(RejectReason.INSUFFICIENT_BALANCE, CommandKind.WITHDRAW, account=BOB, asset=CNY, amount=10**9)
    ]
