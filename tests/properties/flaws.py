"""What makes a good command bad: circumstances and fields, for the table of precedence_cases.py."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from exchange.core import commands
from exchange.core.types import (
    AccountState,
    AssetKind,
    RejectReason,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
    TransferPurpose,
)
from tests.exchange.core.builders import (
    ALICE,
    BOB,
    CNY,
    LICENCES,
    NOBODY,
    SETUP,
    TINY,
    TOKENS,
)

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
    home: tuple[bytes, ...] = HOME
    wait_ns: int = 0


SELL = commands.new_order(ALICE, BOOK, Side.SELL, 101, 1)
NOT_ACTIVE = Flaw(RejectReason.ACCOUNT_NOT_ACTIVE, (commands.set_account_state(BOB, AccountState.RESTRICTED),))
CLOSED = Flaw(RejectReason.ACCOUNT_NOT_ACTIVE, (commands.set_account_state(BOB, AccountState.CLOSED),))
HALTED = Flaw(RejectReason.INSTRUMENT_NOT_TRADING, (commands.set_trading_state(BOOK, TradingState.HALTED),))
SUSPENDED = Flaw(RejectReason.INSTRUMENT_NOT_TRADING, (commands.set_trading_state(BOOK, TradingState.SUSPENDED),))
STRANGER = Flaw(RejectReason.UNKNOWN_ACCOUNT, fields={"account": NOBODY})
NO_ASSET = Flaw(RejectReason.UNKNOWN_ASSET, fields={"asset": 9})
NO_INSTRUMENT = Flaw(RejectReason.UNKNOWN_INSTRUMENT, fields={"instrument": 9})
NO_AMOUNT = Flaw(RejectReason.INVALID_PARAMETER, fields={"amount": 0})
BAD_STATE = Flaw(RejectReason.MALFORMED_COMMAND, fields={"state": 99})
NARROW = Flaw(RejectReason.PRICE_OUTSIDE_BAND, (commands.set_price_band(BOOK, 1, 50),))
BALANCES_TAKEN = (
    commands.create_asset(4, AssetKind.CASH),
    commands.create_account(5),
    *(commands.deposit(account, asset, 1) for account in (0, 1, 3, 5) for asset in (4, 1)),
)

TOO_FAST = Flaw(
    RejectReason.TOO_MANY_MESSAGES,
    (commands.set_account_limits(BOB, message_rate_max=1), commands.cancel_order(BOB, 1)),
)
POSTED = Flaw(  # only sellers rest
    RejectReason.NOT_IN_THIS_PHASE,
    (
        commands.set_trading_state(BOOK, TradingState.CLOSED),
        commands.set_mode(BOOK, TradingMode.LIST),
        commands.set_trading_state(BOOK, TradingState.CONTINUOUS),
    ),
)
POSITION = Flaw(RejectReason.POSITION_LIMIT, (commands.set_instrument_limits(BOOK, position_bps=1),))
CROWDED = Flaw(  # after POSITION, whose setting it replaces
    RejectReason.TOO_MANY_OPEN_ORDERS,
    (commands.set_instrument_limits(BOOK, open_orders_max=1), commands.new_order(BOB, BOOK, Side.BUY, 1, 1)),
)
CONDITIONS_TAKEN = Flaw(
    RejectReason.CONDITIONS_FULL,
    (commands.new_order(ALICE, BOOK, Side.SELL, 102, 1, display_lots=1),) * TINY.conditions,
    {"display_lots": 1},
)
BATCH_FAILED = Flaw(RejectReason.BATCH_REFUSED, (commands.begin_batch(BOB, 9), commands.cancel_order(BOB, 1)))
NO_COMMAND = Flaw(RejectReason.UNKNOWN_COMMAND, fields={"kind": 0})
NO_MONEY = Flaw(RejectReason.INSUFFICIENT_BALANCE, (commands.withdraw(BOB, CNY, CASH),))
NO_LOTS = Flaw(RejectReason.INVALID_QUANTITY, fields={"quantity_lots": 0})
NO_END = Flaw(RejectReason.INVALID_EXPIRY, fields={"time_in_force": TimeInForce.GTD})
NO_ORDER = Flaw(RejectReason.UNKNOWN_ORDER, fields={"order_id": 1})
BAD_POLICY = Flaw(RejectReason.MALFORMED_COMMAND, fields={"self_trade_prevention": 5})
BAD_SIDE = Flaw(RejectReason.MALFORMED_COMMAND, fields={"side": 3})
BAD_WORDS = Flaw(RejectReason.INVALID_PARAMETER, fields={"words": [-1, 0, 0, 0, 0]})
TO_CALL = commands.set_trading_state(BOOK, TradingState.CALL_OPEN)

RULED = (  # Bob issues the licences, and Alice has ten
    *SETUP,
    commands.list_instrument(BOOK, LICENCES, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=99),
    commands.set_trading_state(BOOK, TradingState.CONTINUOUS),
    commands.issue(BOB, LICENCES, 50),
    commands.transfer(BOB, ALICE, LICENCES, 10, TransferPurpose.SUBACCOUNT),
    commands.set_venue_rules(BOOK, turnaround_days=1, holders_max=9),
)
FEW_HOLDERS = Flaw(  # before any order, under which rules do not change
    RejectReason.HOLDER_LIMIT, (commands.set_venue_rules(BOOK, turnaround_days=1, holders_max=1),)
)
BOUGHT = (commands.new_order(BOB, BOOK, Side.SELL, 10, 5), commands.new_order(ALICE, BOOK, Side.BUY, 10, 5))
IDS_TAKEN = Flaw(
    RejectReason.RECENT_IDS_FULL,
    tuple(commands.redeem(ALICE, TOKENS, 1, bytes(15) + bytes([number])) for number in (1, 2, 3)),
)
ID_TAKEN = Flaw(RejectReason.DUPLICATE_ID, (commands.redeem(ALICE, TOKENS, 1, USAGE),))
