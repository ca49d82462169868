"""Cash and units in the readable engine: they come, go, pass on, are taken back, and expire."""

import pytest

from exchange.core import commands
from exchange.core.reference import Reference
from exchange.core.types import (
    AMOUNT_MAX,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    AssetKind,
    RejectReason,
    Side,
    TradingState,
    TransferPurpose,
)
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CAROL,
    CASH_EACH,
    CNY,
    DAVE,
    LICENCES,
    NOBODY,
    PLAIN,
    TINY,
    TOKENS,
    TOKENS_EACH,
    Market,
    altered,
    reasons,
)

USAGE = b"\1" * 16


@pytest.fixture
def market() -> Market:
    """Return a market of the readable engine."""
    return Market()


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


def test_all_that_was_ever_issued_counts(market):
    told = market.do(
        commands.issue(BOB, LICENCES, AMOUNT_MAX),
        commands.redeem(BOB, LICENCES, AMOUNT_MAX, bytes(16)),
        commands.issue(BOB, LICENCES, 1),
    )
    assert reasons(told) == [0, 0, RejectReason.ISSUED_TOO_MUCH]


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


HALF = commands.transfer(BOB, CAROL, CNY, CASH_EACH // 2, TransferPurpose.ROYALTY, USAGE)
HANDOVERS = [
    (altered(HALF, state=0), RejectReason.MALFORMED_COMMAND),
    (altered(HALF, state=12), RejectReason.MALFORMED_COMMAND),
    (altered(HALF, account=NOBODY), RejectReason.UNKNOWN_ACCOUNT),
    (altered(HALF, group=NOBODY), RejectReason.UNKNOWN_ACCOUNT),
    (altered(HALF, asset=9), RejectReason.UNKNOWN_ASSET),
    (altered(HALF, group=DAVE), RejectReason.ACCOUNT_NOT_ACTIVE),
    (altered(HALF, account=DAVE), RejectReason.ACCOUNT_NOT_ACTIVE),
    (altered(HALF, amount=0), RejectReason.INVALID_PARAMETER),
    (altered(HALF, amount=AMOUNT_MAX + 1), RejectReason.INVALID_PARAMETER),
    (altered(HALF, group=BOB), RejectReason.INVALID_PARAMETER),
    (altered(HALF, amount=CASH_EACH + 1), RejectReason.INSUFFICIENT_BALANCE),
    (commands.expire_units(NOBODY, TOKENS), RejectReason.UNKNOWN_ACCOUNT),
    (commands.expire_units(BOB, 9), RejectReason.UNKNOWN_ASSET),
    (commands.expire_units(BOB, CNY), RejectReason.WRONG_ASSET_KIND),
    (commands.expire_units(BOB, TOKENS, -1), RejectReason.INVALID_PARAMETER),
    (commands.expire_units(BOB, TOKENS, TOKENS_EACH + 1), RejectReason.INSUFFICIENT_BALANCE),
    (commands.expire_units(BOB, LICENCES), RejectReason.INSUFFICIENT_BALANCE),
]


def test_a_transfer_needs_room_for_a_balance_and_for_its_id():
    market = Market(Reference(TINY))
    names = [commands.transfer(BOB, CAROL, CNY, 1, TransferPurpose.ROYALTY, bytes([1] * 15 + [i])) for i in range(4)]
    assert reasons(market.do(*names)) == [0, 0, 0, RejectReason.RECENT_IDS_FULL]
    market.do(commands.create_asset(4, AssetKind.CASH), *(commands.deposit(account, 4, 1) for account in (0, 1, 2, 3)))
    no_room = commands.transfer(ALICE, DAVE, 4, 1, TransferPurpose.ROYALTY)
    assert reasons(market.do(no_room)) == [RejectReason.BALANCES_FULL]


BUST = commands.bust_trade(1, Side.BUY, (BOB, ALICE), PLAIN, 1, 10, (0, 0))
BUSTS = [
    ({"side": 2}, RejectReason.MALFORMED_COMMAND),
    ({"account": NOBODY}, RejectReason.UNKNOWN_ACCOUNT),
    ({"group": NOBODY}, RejectReason.UNKNOWN_ACCOUNT),
    ({"instrument": 9}, RejectReason.UNKNOWN_INSTRUMENT),
    ({"order_id": 0}, RejectReason.INVALID_PARAMETER),
    ({"order_id": 4}, RejectReason.INVALID_PARAMETER),
    ({"price_ticks": 0}, RejectReason.INVALID_PARAMETER),
    ({"price_ticks": PRICE_TICKS_MAX + 1}, RejectReason.INVALID_PARAMETER),
    ({"quantity_lots": 0}, RejectReason.INVALID_PARAMETER),
    ({"quantity_lots": NOTIONAL_MAX + 1}, RejectReason.INVALID_PARAMETER),
    ({"group": BOB}, RejectReason.INVALID_PARAMETER),
    ({"words": [11, 0, 0, 0, 0]}, RejectReason.INVALID_PARAMETER),
    ({"words": [0, -11, 0, 0, 0]}, RejectReason.INVALID_PARAMETER),
    ({"quantity_lots": TOKENS_EACH + 1}, RejectReason.INSUFFICIENT_BALANCE),
    ({"price_ticks": CASH_EACH}, RejectReason.INSUFFICIENT_BALANCE),
    ({"account": 0}, RejectReason.INSUFFICIENT_BALANCE),
]


def test_a_bust_needs_room_for_its_id():
    market = Market(Reference(TINY))
    market.do(*(commands.redeem(ALICE, TOKENS, 1, bytes([1] * 15 + [i])) for i in range(3)))
    assert reasons(market.do(BUST)) == [RejectReason.RECENT_IDS_FULL]


def test_a_transfer_obeys_the_rules_on_holders_and_days(market):
    market.do(
        commands.list_instrument(3, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=9),
        commands.issue(BOB, LICENCES, 9),
        commands.set_trading_state(3, TradingState.CONTINUOUS),
        commands.set_venue_rules(3, turnaround_days=1, holders_max=1),
        commands.new_order(BOB, 3, Side.SELL, 10, 2),
        commands.new_order(CAROL, 3, Side.BUY, 10, 2),
    )
    to_dave = commands.transfer(BOB, DAVE, LICENCES, 1, TransferPurpose.SUBACCOUNT)
    back = commands.transfer(CAROL, BOB, LICENCES, 1, TransferPurpose.SUBACCOUNT)
    assert reasons(market.do(to_dave, back)) == [RejectReason.HOLDER_LIMIT, RejectReason.NOT_YET_TRANSFERABLE]
