"""The vocabulary of the market: every enumeration and limit that commands, events and state share.

Members are frozen at compile time inside kernels, so a name costs nothing there.
"""

from enum import IntEnum


class Side(IntEnum):
    """Which way an order trades; `BOTH` is only a filter of a mass cancel."""

    BUY = 0
    SELL = 1
    BOTH = 2


class OrderType(IntEnum):
    """Limit, or market: an immediate order priced at the instrument's band."""

    LIMIT = 0
    MARKET = 1


class TimeInForce(IntEnum):
    """How long an order lives: until cancelled, at once or not at all, all of it at once or nothing."""

    GTC = 0
    IOC = 1
    FOK = 2


class SelfTradePrevention(IntEnum):
    """What happens when the incoming order meets a resting one of its own account group."""

    NONE = 0
    EXPIRE_TAKER = 1
    EXPIRE_MAKER = 2
    EXPIRE_BOTH = 3
    DECREMENT = 4


class OrderFlag(IntEnum):
    """Bits of `flags`: POST_ONLY of a new order, REQUEUE of a replace, the others of events."""

    POST_ONLY = 1
    RESTING = 2
    KEPT_PRIORITY = 4
    REQUEUE = 8  # lose priority even if price and quantity would let the order keep it


class CommandKind(IntEnum):
    """What a command asks."""

    NONE = 0
    NEW_ORDER = 1
    CANCEL_ORDER = 2
    REPLACE_ORDER = 3
    MASS_CANCEL = 4
    DEPOSIT = 5
    WITHDRAW = 6
    ISSUE = 7
    REDEEM = 8
    CREATE_ASSET = 9
    CREATE_ACCOUNT = 10
    SET_ACCOUNT_STATE = 11
    LIST_INSTRUMENT = 12
    SET_FEES = 13
    SET_PRICE_BAND = 14
    SET_TRADING_STATE = 15
    TRANSFER = 16
    BUST_TRADE = 17
    EXPIRE_UNITS = 18


class EventKind(IntEnum):
    """What happened."""

    NONE = 0
    COMMAND_REJECTED = 1
    ORDER_ACCEPTED = 2
    ORDER_NAMED = 3
    ORDER_DUPLICATED = 4
    TRADED = 5
    ORDER_CANCELED = 6
    ORDER_EXPIRED = 7
    ORDER_REPLACED = 8
    MATCH_PREVENTED = 9
    MASS_CANCELED = 10
    DEPOSITED = 11
    WITHDRAWN = 12
    ISSUED = 13
    REDEEMED = 14
    ASSET_CREATED = 15
    ACCOUNT_CREATED = 16
    ACCOUNT_STATE_SET = 17
    INSTRUMENT_LISTED = 18
    FEES_SET = 19
    PRICE_BAND_SET = 20
    TRADING_STATE_SET = 21
    TRANSFERRED = 22
    TRADE_BUSTED = 23
    UNITS_EXPIRED = 24


class EndReason(IntEnum):
    """Why an order ended other than by being filled: `reason` of ORDER_CANCELED and ORDER_EXPIRED."""

    NONE = 0
    REQUESTED = 1
    MASS_CANCEL = 2
    IMMEDIATE_REMAINDER = 3
    FILL_OR_KILL = 4
    SELF_TRADE = 5
    WORK_LIMIT = 6


class RejectReason(IntEnum):
    """Why a command was refused, in order of precedence: the lowest that applies is the one reported."""

    NONE = 0
    UNKNOWN_COMMAND = 1
    MALFORMED_COMMAND = 2
    UNKNOWN_ACCOUNT = 3
    UNKNOWN_ASSET = 4
    UNKNOWN_INSTRUMENT = 5
    ID_NOT_NEXT = 6
    UNKNOWN_ORDER = 7
    ACCOUNT_NOT_ACTIVE = 8
    INSTRUMENT_NOT_TRADING = 9
    WRONG_ASSET_KIND = 10
    NOT_ISSUER = 11
    DUPLICATE_USAGE = 12
    INVALID_PARAMETER = 13
    INVALID_QUANTITY = 14
    INVALID_PRICE = 15
    PRICE_OUTSIDE_BAND = 16
    NOTIONAL_TOO_LARGE = 17
    QUANTITY_BELOW_FILLED = 18
    WOULD_TAKE = 19
    TOO_MANY_OPEN_ORDERS = 20
    INSUFFICIENT_BALANCE = 21
    ISSUED_TOO_MUCH = 22
    ORDERS_FULL = 23
    LEVELS_FULL = 24
    BALANCES_FULL = 25
    RECENT_IDS_FULL = 26
    ACCOUNTS_FULL = 27
    ASSETS_FULL = 28
    INSTRUMENTS_FULL = 29


class AccountState(IntEnum):
    """ACTIVE may do all; RESTRICTED and SUSPENDED may only cancel; CLOSED nothing."""

    UNKNOWN = 0
    ACTIVE = 1
    RESTRICTED = 2
    SUSPENDED = 3
    CLOSED = 4


class TransferPurpose(IntEnum):
    """Why units or cash pass between two accounts without a trade."""

    UNKNOWN = 0
    SUBACCOUNT = 1
    WITHDRAWAL_REQUESTED = 2
    WITHDRAWAL_RETURNED = 3
    COLLATERAL_HELD = 4
    COLLATERAL_RELEASED = 5
    ESCROW_HELD = 6
    ESCROW_RELEASED = 7
    CORRECTION = 8
    ROYALTY = 9
    COMPENSATION = 10
    OVERRUN = 11


class TradingState(IntEnum):
    """CONTINUOUS trades; CLOSED and HALTED only cancel; SUSPENDED does nothing."""

    CLOSED = 0
    CONTINUOUS = 1
    HALTED = 2
    SUSPENDED = 3


class AssetKind(IntEnum):
    """CASH comes by deposit; an ALLOWANCE or a LICENCE only by its issuer's issuance."""

    UNKNOWN = 0
    CASH = 1
    ALLOWANCE = 2
    LICENCE = 3


NIL = 0  # no slot: every table starts at 1, so zeroed memory is an empty state
EXCHANGE_ACCOUNT = 0  # earns fees and pays rebates; exists from the start
BPS = 10_000
SLOT_BITS = 22  # low bits of an order id; the rest, up to 2**31 - 1, is the slot's generation
GENERATION_MAX = (1 << 31) - 1  # order ids stay below 2**53, exact in every JSON reader
PRICE_TICKS_MAX = (1 << 31) - 1
TICK_VALUE_MAX = 1 << 30
AMOUNT_MAX = 1 << 62  # of an asset ever issued; half of what an int64 holds
NOTIONAL_MAX = 1 << 61  # of one order, in quote units as in base units, so that a hold stays below AMOUNT_MAX
OPEN_ORDERS_MAX = 1 << 20  # of one account
WORK_MAX = 16_384  # makers one taker may meet, and orders one mass cancel may end
EVENTS_PER_COMMAND_MAX = 2 * WORK_MAX + 8  # a batch stops before a command that could need more room
CLIENT_ID_WINDOW_NS = 24 * 3600 * 1_000_000_000
USAGE_ID_WINDOW_NS = 72 * 3600 * 1_000_000_000
