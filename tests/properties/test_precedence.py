"""Of all reasons to refuse a command, the one of highest precedence is told: every pair, on both engines."""

from collections.abc import Mapping
from itertools import combinations
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest

from exchange.core import commands
from exchange.core.types import (
    AMOUNT_MAX,
    PRICE_TICKS_MAX,
    AccountState,
    AssetKind,
    CommandKind,
    OrderFlag,
    RejectReason,
    Side,
    TimeInForce,
    TradingState,
)
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CNY,
    DAVE,
    ENGINES,
    LICENCES,
    NOBODY,
    SETUP,
    TINY,
    TOKENS,
    Market,
    altered,
    reasons,
)

pytestmark = pytest.mark.timeout(600)  # the first use of a capacity compiles the kernels for it

BOOK = 3  # whose notionals soon are too large
CASH = 1 << 50
HOME = (
    *SETUP,
    commands.list_instrument(BOOK, TOKENS, CNY, lot_units=1, tick_value=1 << 30, quantity_min=1, quantity_max=1 << 40),
    commands.set_trading_state(BOOK, TradingState.CONTINUOUS),
    commands.deposit(BOB, CNY, CASH - 100_000),
)
USAGE = bytes(range(16))


class Flaw(NamedTuple):
    """What makes a good command bad: circumstances, or fields."""

    reason: RejectReason
    before: tuple[bytes, ...] = ()
    fields: Mapping[str, Any] = MappingProxyType({})


class Case(NamedTuple):
    """A good command, what must have happened for it, and its flaws in an order in which they can be arranged."""

    good: bytes
    flaws: tuple[Flaw, ...]
    before: tuple[bytes, ...] = ()


SELL = commands.new_order(ALICE, BOOK, Side.SELL, 101, 1)
NOT_ACTIVE = Flaw(RejectReason.ACCOUNT_NOT_ACTIVE, (commands.set_account_state(BOB, AccountState.RESTRICTED),))
CLOSED = Flaw(RejectReason.ACCOUNT_NOT_ACTIVE, (commands.set_account_state(BOB, AccountState.CLOSED),))
HALTED = Flaw(RejectReason.INSTRUMENT_NOT_TRADING, (commands.set_trading_state(BOOK, TradingState.HALTED),))
SUSPENDED = Flaw(RejectReason.INSTRUMENT_NOT_TRADING, (commands.set_trading_state(BOOK, TradingState.SUSPENDED),))
STRANGER = Flaw(RejectReason.UNKNOWN_ACCOUNT, fields={"account": NOBODY})
NO_ASSET = Flaw(RejectReason.UNKNOWN_ASSET, fields={"asset": 9})
NO_INSTRUMENT = Flaw(RejectReason.UNKNOWN_INSTRUMENT, fields={"instrument": 9})
NO_AMOUNT = Flaw(RejectReason.INVALID_PARAMETER, fields={"amount": 0})
BAD_STATE = Flaw(RejectReason.MALFORMED_COMMAND, fields={"state": 9})
NARROW = Flaw(RejectReason.PRICE_OUTSIDE_BAND, (commands.set_price_band(BOOK, 1, 50),))
BALANCES_TAKEN = (
    commands.create_asset(4, AssetKind.CASH),
    commands.create_account(5),
    *(commands.deposit(account, asset, 1) for account in (0, 1, 3, 5) for asset in (4, 1)),
)

CASES = {
    CommandKind.NEW_ORDER: Case(
        commands.new_order(BOB, BOOK, Side.BUY, 101, 1),
        (
            Flaw(
                RejectReason.RECENT_IDS_FULL,
                tuple(
                    commands.new_order(
                        ALICE, BOOK, Side.SELL, 102, 1, time_in_force=TimeInForce.IOC, client_order_id=name
                    )
                    for name in "abc"
                ),
                {"words": [7, 0, 0, 0, 0]},
            ),
            Flaw(RejectReason.WOULD_TAKE, (SELL,), {"flags": OrderFlag.POST_ONLY}),
            Flaw(RejectReason.ORDERS_FULL, (SELL,) * TINY.orders),
            Flaw(RejectReason.BALANCES_FULL, BALANCES_TAKEN),
            Flaw(RejectReason.INSUFFICIENT_BALANCE, (commands.withdraw(BOB, CNY, CASH),)),
            Flaw(RejectReason.NOTIONAL_TOO_LARGE, fields={"quantity_lots": 1 << 40}),
            NARROW,
            Flaw(RejectReason.INVALID_PRICE, fields={"price_ticks": -1}),
            Flaw(RejectReason.INVALID_QUANTITY, fields={"quantity_lots": 0}),
            HALTED,
            NOT_ACTIVE,
            NO_INSTRUMENT,
            STRANGER,
            Flaw(RejectReason.MALFORMED_COMMAND, fields={"self_trade_prevention": 5}),
        ),
    ),
    CommandKind.REPLACE_ORDER: Case(
        commands.replace_order(BOB, 0, 101, 6),
        (
            Flaw(RejectReason.WOULD_TAKE, (SELL,)),
            Flaw(RejectReason.INSUFFICIENT_BALANCE, (commands.withdraw(BOB, CNY, CASH - (500 << 30)),)),
            Flaw(RejectReason.QUANTITY_BELOW_FILLED, fields={"quantity_lots": 2}),
            Flaw(RejectReason.NOTIONAL_TOO_LARGE, fields={"price_ticks": PRICE_TICKS_MAX}),
            NARROW,
            Flaw(RejectReason.INVALID_PRICE, fields={"price_ticks": -1}),
            Flaw(RejectReason.INVALID_QUANTITY, fields={"quantity_lots": -1}),
            HALTED,
            NOT_ACTIVE,
            Flaw(RejectReason.UNKNOWN_ORDER, fields={"order_id": 1}),
            STRANGER,
        ),
        (
            commands.new_order(BOB, BOOK, Side.BUY, 100, 5, flags=OrderFlag.POST_ONLY),
            commands.new_order(ALICE, BOOK, Side.SELL, 100, 2),
        ),
    ),
    CommandKind.CANCEL_ORDER: Case(
        commands.cancel_order(BOB, 0),
        (SUSPENDED, CLOSED, Flaw(RejectReason.UNKNOWN_ORDER, fields={"order_id": 1}), STRANGER),
        (commands.new_order(BOB, BOOK, Side.BUY, 100, 5),),
    ),
    CommandKind.MASS_CANCEL: Case(
        commands.mass_cancel(BOB, BOOK),
        (CLOSED, NO_INSTRUMENT, STRANGER, Flaw(RejectReason.MALFORMED_COMMAND, fields={"side": 3})),
    ),
    CommandKind.DEPOSIT: Case(
        commands.deposit(BOB, 4, 1),
        (
            Flaw(RejectReason.BALANCES_FULL, BALANCES_TAKEN[1:]),
            Flaw(RejectReason.ISSUED_TOO_MUCH, (commands.deposit(0, 4, 5),), {"amount": AMOUNT_MAX}),
            NO_AMOUNT,
            Flaw(RejectReason.WRONG_ASSET_KIND, fields={"asset": TOKENS}),
            NOT_ACTIVE,
            NO_ASSET,
            STRANGER,
        ),
        (commands.create_asset(4, AssetKind.CASH),),
    ),
    CommandKind.WITHDRAW: Case(
        commands.withdraw(BOB, CNY, 1),
        (
            Flaw(RejectReason.INSUFFICIENT_BALANCE, (commands.withdraw(BOB, CNY, CASH),)),
            NO_AMOUNT,
            Flaw(RejectReason.WRONG_ASSET_KIND, fields={"asset": TOKENS}),
            NOT_ACTIVE,
            NO_ASSET,
            STRANGER,
        ),
    ),
    CommandKind.ISSUE: Case(
        commands.issue(BOB, LICENCES, 1),
        (
            Flaw(
                RejectReason.ISSUED_TOO_MUCH,
                (commands.issue(BOB, LICENCES, 5), commands.redeem(BOB, LICENCES, 5, USAGE)),
                {"amount": AMOUNT_MAX},
            ),
            Flaw(RejectReason.BALANCES_FULL, BALANCES_TAKEN),
            NO_AMOUNT,
            Flaw(RejectReason.NOT_ISSUER, fields={"asset": TOKENS}),
            Flaw(RejectReason.WRONG_ASSET_KIND, fields={"asset": CNY}),
            NOT_ACTIVE,
            NO_ASSET,
            STRANGER,
        ),
    ),
    CommandKind.REDEEM: Case(
        commands.redeem(BOB, TOKENS, 1, USAGE),
        (
            Flaw(RejectReason.DUPLICATE_ID, (commands.redeem(ALICE, TOKENS, 1, USAGE),)),
            Flaw(
                RejectReason.RECENT_IDS_FULL,
                tuple(commands.redeem(ALICE, TOKENS, 1, bytes(15) + bytes([number])) for number in (1, 2, 3)),
            ),
            Flaw(RejectReason.INSUFFICIENT_BALANCE, (commands.redeem(BOB, TOKENS, 1_000, bytes(16)),)),
            NO_AMOUNT,
            Flaw(RejectReason.WRONG_ASSET_KIND, fields={"asset": CNY}),
            NOT_ACTIVE,
            NO_ASSET,
            STRANGER,
        ),
    ),
    CommandKind.CREATE_ASSET: Case(
        commands.create_asset(4, AssetKind.LICENCE, BOB),
        (
            Flaw(RejectReason.ASSETS_FULL, (commands.create_asset(4, AssetKind.CASH),), {"asset": 5}),
            Flaw(RejectReason.ID_NOT_NEXT, fields={"asset": 1}),
            STRANGER,
            BAD_STATE,
        ),
    ),
    CommandKind.CREATE_ACCOUNT: Case(
        commands.create_account(5),
        (
            Flaw(RejectReason.ACCOUNTS_FULL, (commands.create_account(5),), {"account": 6}),
            Flaw(RejectReason.ID_NOT_NEXT, fields={"account": DAVE}),
        ),
    ),
    CommandKind.SET_ACCOUNT_STATE: Case(commands.set_account_state(BOB, AccountState.CLOSED), (STRANGER, BAD_STATE)),
    CommandKind.LIST_INSTRUMENT: Case(
        commands.list_instrument(4, TOKENS, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=9),
        (
            Flaw(RejectReason.BALANCES_FULL, (*BALANCES_TAKEN, commands.issue(BOB, LICENCES, 1))),
            Flaw(RejectReason.INSTRUMENTS_FULL),
            NO_AMOUNT,
            Flaw(RejectReason.WRONG_ASSET_KIND, fields={"group": LICENCES}),
            Flaw(RejectReason.ID_NOT_NEXT, fields={"instrument": 1}),
            NO_ASSET,
        ),
    ),
    CommandKind.SET_FEES: Case(
        commands.set_fees(BOOK, 1, 2),
        (Flaw(RejectReason.INVALID_PARAMETER, fields={"words": [1, -1, 0, 0, 0]}), NO_INSTRUMENT),
    ),
    CommandKind.SET_PRICE_BAND: Case(
        commands.set_price_band(BOOK, 1, 2),
        (Flaw(RejectReason.INVALID_PARAMETER, fields={"words": [2, 1, 0, 0, 0]}), NO_INSTRUMENT),
    ),
    CommandKind.SET_TRADING_STATE: Case(
        commands.set_trading_state(BOOK, TradingState.CLOSED),
        (NO_INSTRUMENT, BAD_STATE),
    ),
}
ALONE = [(kind, flaw) for kind, case in CASES.items() for flaw in case.flaws]
PAIRS = [(kind, *pair) for kind, case in CASES.items() for pair in combinations(case.flaws, 2)]


def refused(engine: type, kind: CommandKind, *flaws: Flaw) -> list[RejectReason]:
    """Send a command with some flaws, of equal fields the one of higher precedence, and return the first answer."""
    case = CASES[kind]
    market = Market(engine(TINY), HOME)
    market.do(*case.before)
    for flaw in flaws:
        market.do(*flaw.before)
    command = case.good
    if market.order_ids and kind in {CommandKind.REPLACE_ORDER, CommandKind.CANCEL_ORDER}:
        command = altered(command, order_id=market.order_id(1))
    for flaw in sorted(flaws, reverse=True, key=lambda flaw: flaw.reason):
        command = altered(command, **flaw.fields)
    return reasons(market.do(command))[:1]


def name(value: object) -> str:
    """Return what a test's id shows."""
    return value.reason.name if isinstance(value, Flaw) else getattr(value, "name", None) or value.__name__


def test_every_kind_has_its_flaws():
    assert set(CASES) == set(CommandKind) - {CommandKind.NONE}


@pytest.mark.parametrize("engine", ENGINES, ids=name)
@pytest.mark.parametrize("kind", [kind for kind in CASES if kind != CommandKind.LIST_INSTRUMENT], ids=name)
def test_without_a_flaw_a_command_is_good(engine, kind):
    assert refused(engine, kind) == [RejectReason.NONE]


@pytest.mark.parametrize("engine", ENGINES, ids=name)
@pytest.mark.parametrize(("kind", "flaw"), ALONE, ids=name)
def test_one_flaw_is_enough(engine, kind, flaw):
    assert refused(engine, kind, flaw) == [flaw.reason]


@pytest.mark.parametrize("engine", ENGINES, ids=name)
@pytest.mark.parametrize(("kind", "one", "other"), PAIRS, ids=name)
def test_of_two_flaws_the_first_by_precedence_is_told(engine, kind, one, other):
    assert refused(engine, kind, one, other) == [min(one.reason, other.reason)]
