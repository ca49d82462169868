"""Cash and units on the kernel: they come, go, pass on, are taken back, and expire."""

import pytest

from exchange.core import commands
from exchange.core.types import (
    AMOUNT_MAX,
    DAY_NS,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    USAGE_ID_WINDOW_NS,
    AccountState,
    AssetKind,
    EventKind,
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
    COARSE,
    DAVE,
    LICENCES,
    NOBODY,
    PLAIN,
    TINY,
    TOKENS,
    TOKENS_EACH,
    Market,
    altered,
    both_engines,
    each_engine,
    fact,
    reasons,
)

USAGE = b"\1" * 16


@both_engines
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


@both_engines
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
    assert market.available(BOB, LICENCES) == 0


@both_engines
def test_a_usage_id_is_applied_once_within_its_window_whoever_sends_it(market):
    redeem = commands.redeem(ALICE, TOKENS, 1, USAGE)
    told = market.do(redeem, redeem, altered(redeem, account=BOB), altered(redeem, words=[1, 2, 3, 4, 5]))
    assert reasons(told) == [0, RejectReason.DUPLICATE_ID, RejectReason.DUPLICATE_ID, 0]
    market.time_ns += USAGE_ID_WINDOW_NS - 1
    assert reasons(market.do(redeem)) == [RejectReason.DUPLICATE_ID]
    market.time_ns += 1
    assert reasons(market.do(redeem)) == [RejectReason.NONE]
    assert market.available(ALICE, TOKENS) == TOKENS_EACH - 3


@both_engines
def test_use_without_an_id_may_repeat(market):
    redeem = commands.redeem(ALICE, TOKENS, 1, bytes(16))
    assert reasons(market.do(redeem, redeem)) == [0, 0]


@both_engines
def test_a_refused_redemption_does_not_use_its_id_up(market):
    told = market.do(commands.redeem(ALICE, TOKENS, 10**9, USAGE), commands.redeem(ALICE, TOKENS, 1, USAGE))
    assert reasons(told) == [RejectReason.INSUFFICIENT_BALANCE, 0]


@each_engine
def test_usage_ids_and_balances_run_out(engine):
    market = Market(engine(TINY))
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


@both_engines
@pytest.mark.parametrize(("command", "reason"), HANDOVERS)
def test_what_may_not_change_hands_or_expire_stays(market, command, reason):
    market.do(commands.set_account_state(DAVE, AccountState.CLOSED))
    before = market.engine.balance_rows().tolist()
    assert reasons(market.do(command)) == [reason]
    assert market.engine.balance_rows().tolist() == before


@both_engines
def test_a_transfer_tells_whose_what_and_why_and_happens_once_for_its_id(market):
    told = market.do(HALF, HALF, altered(HALF, words=[0] * 5))
    ids = dict.fromkeys(("order_id", "counter_order_id"), int.from_bytes(USAGE[:8], "little"))
    common = {"account": BOB, "counter_account": CAROL, "asset": CNY, "amount": CASH_EACH // 2}
    assert told[0] == fact(EventKind.TRANSFERRED, state=TransferPurpose.ROYALTY, **common, **ids)
    assert reasons(told) == [0, RejectReason.DUPLICATE_ID, 0]
    assert (market.available(BOB), market.available(CAROL)) == (0, 2 * CASH_EACH)


@each_engine
def test_a_transfer_needs_room_for_a_balance_and_for_its_id(engine):
    market = Market(engine(TINY))
    names = [commands.transfer(BOB, CAROL, CNY, 1, TransferPurpose.ROYALTY, bytes([1] * 15 + [i])) for i in range(4)]
    assert reasons(market.do(*names)) == [0, 0, 0, RejectReason.RECENT_IDS_FULL]
    market.do(commands.create_asset(4, AssetKind.CASH), *(commands.deposit(account, 4, 1) for account in (0, 1, 2, 3)))
    no_room = commands.transfer(ALICE, DAVE, 4, 1, TransferPurpose.ROYALTY)
    assert reasons(market.do(no_room)) == [RejectReason.BALANCES_FULL]


@both_engines
@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_bust_gives_both_back_what_they_gave(market, side):
    market.do(commands.set_fees(COARSE, maker_bps=-10, taker_bps=30))
    before = market.engine.balance_rows().tolist()
    market.do(commands.new_order(ALICE, COARSE, Side.SELL if side == Side.BUY else Side.BUY, 20, 3))
    traded = market.do(commands.new_order(BOB, COARSE, side, 20, 3))[1].fields
    bust = commands.bust_trade(
        traded["trade_id"], side, (BOB, ALICE), COARSE, 20, 3, (traded["fee"], traded.get("counter_fee", 0))
    )
    (told,) = market.do(bust)
    assert (told.kind, told.fields["amount"], told.fields["fee"]) == (EventKind.TRADE_BUSTED, 300, traded["fee"])
    assert market.engine.balance_rows().tolist() == before
    assert reasons(market.do(bust)) == [RejectReason.DUPLICATE_ID]


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
    ({"words": [11, 0, 0, 0, 0]}, RejectReason.INVALID_PARAMETER),
    ({"words": [0, -11, 0, 0, 0]}, RejectReason.INVALID_PARAMETER),
    ({"quantity_lots": TOKENS_EACH + 1}, RejectReason.INSUFFICIENT_BALANCE),
    ({"price_ticks": CASH_EACH}, RejectReason.INSUFFICIENT_BALANCE),
    ({"account": 0}, RejectReason.INSUFFICIENT_BALANCE),
]


@both_engines
@pytest.mark.parametrize(("fields", "reason"), BUSTS)
def test_a_bust_is_refused_for_its_reason(market, fields, reason):
    before = market.engine.balance_rows().tolist()
    assert reasons(market.do(altered(BUST, **fields))) == [reason]
    assert market.engine.balance_rows().tolist() == before


@each_engine
def test_a_bust_needs_room_for_its_id(engine):
    market = Market(engine(TINY))
    market.do(*(commands.redeem(ALICE, TOKENS, 1, bytes([1] * 15 + [i])) for i in range(3)))
    assert reasons(market.do(BUST)) == [RejectReason.RECENT_IDS_FULL]


@both_engines
def test_units_expire_by_amount_or_all_that_is_available(market):
    market.sell(BOB, 100, 200)
    told = market.do(*[commands.expire_units(BOB, TOKENS, amount) for amount in (300, 0)])
    assert told == [fact(EventKind.UNITS_EXPIRED, account=BOB, asset=TOKENS, amount=amount) for amount in (300, 600)]
    assert market.engine.asset_rows().tolist()[1][-1] == 900


def test_what_was_bought_lately_is_not_transferred_but_by_its_issuer(market):
    rules = commands.set_venue_rules(3, turnaround_days=1)
    listing = commands.list_instrument(3, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=99)
    market.do(listing, commands.issue(BOB, LICENCES, 9), rules)
    market.do(commands.set_trading_state(3, TradingState.CONTINUOUS))
    market.sell(BOB, 5, 10, instrument=3)
    market.buy(ALICE, 5, 10, instrument=3)
    passed_on = commands.transfer(ALICE, CAROL, LICENCES, 5, TransferPurpose.CORRECTION)
    told = market.do(passed_on, commands.transfer(BOB, CAROL, LICENCES, 4, TransferPurpose.CORRECTION))
    assert reasons(told) == [RejectReason.NOT_YET_TRANSFERABLE, 0]
    market.time_ns = DAY_NS
    assert reasons(market.do(passed_on)) == [0]
    assert market.available(CAROL, LICENCES) == 9


def test_a_transfer_makes_no_holder_too_many_though_the_sender_keeps_nothing(market):
    market.do(
        commands.list_instrument(3, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=99),
        commands.issue(BOB, LICENCES, 9),
        commands.transfer(BOB, ALICE, LICENCES, 1, TransferPurpose.CORRECTION),
        commands.set_venue_rules(3, holders_max=1),
    )
    told = market.do(
        commands.transfer(ALICE, CAROL, LICENCES, 1, TransferPurpose.CORRECTION),
        commands.transfer(ALICE, BOB, LICENCES, 1, TransferPurpose.CORRECTION),
        commands.transfer(BOB, CAROL, LICENCES, 1, TransferPurpose.CORRECTION),
        commands.redeem(CAROL, LICENCES, 1, bytes(16)),
        commands.transfer(BOB, ALICE, LICENCES, 1, TransferPurpose.CORRECTION),
        commands.transfer(BOB, 0, LICENCES, 1, TransferPurpose.CORRECTION),
    )
    assert reasons(told) == [RejectReason.HOLDER_LIMIT, 0, 0, 0, 0, 0]


def test_a_bust_counts_holders_anew(market):
    market.do(
        commands.list_instrument(3, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=99),
        commands.issue(BOB, LICENCES, 9),
        commands.set_trading_state(3, TradingState.CONTINUOUS),
        commands.set_venue_rules(3, holders_max=1),
    )
    market.sell(BOB, 1, 10, instrument=3)
    traded = market.buy(ALICE, 1, 10, instrument=3)[1].fields
    holders = market.engine._states[0]["assets"]["holders"]
    assert holders[LICENCES] == 1
    market.do(commands.bust_trade(traded["trade_id"], Side.BUY, (ALICE, BOB), 3, 10, 1, (0, 0)))
    assert holders[LICENCES] == 0
