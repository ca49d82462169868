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
    """Limit, market (immediate, priced at the instrument's band), or one of them asleep until its stop price trades."""

    LIMIT = 0
    MARKET = 1
    STOP = 2
    STOP_LIMIT = 3


class TimeInForce(IntEnum):
    """How long an order lives.

    Until cancelled; what trades at once; all of it at once or nothing; until a time; until the day is cleared; until
    the next auction is over.
    """

    GTC = 0
    IOC = 1
    FOK = 2
    GTD = 3
    DAY = 4
    AT_AUCTION = 5


class SelfTradePrevention(IntEnum):
    """What happens when the incoming order meets a resting one of its own account group."""

    NONE = 0
    EXPIRE_TAKER = 1
    EXPIRE_MAKER = 2
    EXPIRE_BOTH = 3
    DECREMENT = 4


class OrderFlag(IntEnum):
    """Bits of `flags`: POST_ONLY of a new order, REQUEUE of a replace, the others of orders and events."""

    POST_ONLY = 1
    RESTING = 2
    KEPT_PRIORITY = 4
    REQUEUE = 8  # lose priority even if price and quantity would let the order keep it
    ICEBERG = 16  # shows a part of its quantity at a time
    SLEEPING = 32  # a stop that no trade has woken
    QUOTE = 64  # one side of a quote
    UNPRICED = 128  # a market order waiting for an auction


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
    REDUCE_ORDER = 19
    QUOTE = 20
    BEGIN_BATCH = 21
    KILL_SWITCH = 22
    SET_DEADMAN = 23
    FIRE_DEADMAN = 24
    EXPIRE_ORDER = 25
    CLEAR_BOOK = 26
    WAKE_STOPS = 27
    INDICATE = 28
    UNCROSS = 29
    SET_MODE = 30
    SET_GUARDS = 31
    SET_INSTRUMENT_LIMITS = 32
    SET_ACCOUNT_LIMITS = 33
    SET_VENUE_RULES = 34
    SET_ACCOUNT_TIER = 35


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
    ORDER_TERMS = 25
    ORDER_TRIGGERED = 26
    ORDER_REPLENISHED = 27
    QUOTED = 28
    BATCH_BEGUN = 29
    DEADMAN_SET = 30
    BOOK_CLEARED = 31
    STOPS_WAITING = 32
    STOPS_WOKEN = 33
    AUCTION_INDICATED = 34
    AUCTION_UNCROSSED = 35
    MODE_SET = 36
    GUARDS_SET = 37
    INSTRUMENT_LIMITS_SET = 38
    ACCOUNT_LIMITS_SET = 39
    VENUE_RULES_SET = 40
    ACCOUNT_TIER_SET = 41


class EndReason(IntEnum):
    """Why an order ended other than by being filled: `reason` of ORDER_CANCELED and ORDER_EXPIRED."""

    NONE = 0
    REQUESTED = 1
    MASS_CANCEL = 2
    IMMEDIATE_REMAINDER = 3
    FILL_OR_KILL = 4
    SELF_TRADE = 5
    WORK_LIMIT = 6
    TIME_OVER = 7
    AUCTION_OVER = 8
    REQUOTED = 9
    DISCONNECTED = 10
    DEADMAN = 11
    KILLED = 12
    BATCH = 13
    HOLDER_LIMIT = 14
    BOOK_CLEARED = 15
    VOLATILITY_HALT = 16
    INSUFFICIENT_HOLD = 17
    BOOK_FULL = 18


class RejectReason(IntEnum):
    """Why a command was refused, in order of precedence: the lowest that applies is the one reported."""

    NONE = 0
    UNKNOWN_COMMAND = 1
    BATCH_REFUSED = 2
    MALFORMED_COMMAND = 3
    UNKNOWN_ACCOUNT = 4
    UNKNOWN_ASSET = 5
    UNKNOWN_INSTRUMENT = 6
    ID_NOT_NEXT = 7
    UNKNOWN_ORDER = 8
    ACCOUNT_NOT_ACTIVE = 9
    TOO_MANY_MESSAGES = 10
    INSTRUMENT_NOT_TRADING = 11
    NOT_IN_THIS_PHASE = 12
    INVALID_TRANSITION = 13
    NOT_REPLACEABLE = 14
    TIMER_NOT_DUE = 15
    WRONG_ASSET_KIND = 16
    NOT_ISSUER = 17
    DUPLICATE_ID = 18
    INVALID_PARAMETER = 19
    INVALID_QUANTITY = 20
    INVALID_PRICE = 21
    INVALID_EXPIRY = 22
    PRICE_OUTSIDE_BAND = 23
    NOTIONAL_TOO_LARGE = 24
    AMOUNT_TOO_SMALL = 25
    QUANTITY_BELOW_FILLED = 26
    WOULD_TAKE = 27
    WOULD_TRIGGER = 28
    WOULD_CROSS_OWN_GROUP = 29
    TOO_MANY_OPEN_ORDERS = 30
    POSITION_LIMIT = 31
    HOLDER_LIMIT = 32
    INSUFFICIENT_BALANCE = 33
    NOT_YET_TRANSFERABLE = 34
    ISSUED_TOO_MUCH = 35
    ORDERS_FULL = 36
    LEVELS_FULL = 37
    BALANCES_FULL = 38
    CONDITIONS_FULL = 39
    ACQUISITIONS_FULL = 40
    RECENT_IDS_FULL = 41
    ACCOUNTS_FULL = 42
    ASSETS_FULL = 43
    INSTRUMENTS_FULL = 44


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
    """What an instrument's market does now.

    CONTINUOUS matches. PRE_OPEN, the two calls, VOLATILITY and CALL_CLOSE collect orders for an auction; in
    CALL_NO_CANCEL none is taken back. UNCROSSING is an auction that one command could not finish. CLOSED, HALTED and
    GATE_CLOSED only cancel; SUSPENDED does nothing; EXPIRED is the end.
    """

    CLOSED = 0
    CONTINUOUS = 1
    HALTED = 2
    SUSPENDED = 3
    PRE_OPEN = 4
    CALL_OPEN = 5
    CALL_NO_CANCEL = 6
    VOLATILITY = 7
    CALL_CLOSE = 8
    UNCROSSING = 9
    GATE_CLOSED = 10
    EXPIRED = 11


class TradingMode(IntEnum):
    """How an instrument trades: continuously, only in call auctions, or from posted offers where only sellers rest."""

    CONTINUOUS = 0
    CALL = 1
    LIST = 2


class ClearScope(IntEnum):
    """Which orders a book is cleared of: all, or those whose day or time is over."""

    ALL = 0
    DAY = 1


class AssetKind(IntEnum):
    """CASH comes by deposit; an ALLOWANCE or a LICENCE only by its issuer's issuance."""

    UNKNOWN = 0
    CASH = 1
    ALLOWANCE = 2
    LICENCE = 3


NIL = 0  # no slot: every table starts at 1, so zeroed memory is an empty state
EXCHANGE_ACCOUNT = 0  # earns fees and pays rebates; exists from the start
BPS = 10_000
FEE_TIERS = 8  # an instrument has rates for so many tiers of accounts
SLOT_BITS = 22  # low bits of an order id; the rest, up to 2**31 - 1, is the slot's generation
GENERATION_MAX = (1 << 31) - 1  # order ids stay below 2**53, exact in every JSON reader
PRICE_TICKS_MAX = 1 << 31
TICK_VALUE_MAX = 1 << 30
COUNT_MAX = (1 << 31) - 1  # of a limit that counts something
AMOUNT_MAX = 1 << 62  # of an asset ever issued; half of what an int64 holds
NOTIONAL_MAX = 1 << 61  # of one order, in quote units as in base units, so that a hold stays below AMOUNT_MAX
OPEN_ORDERS_MAX = 1 << 20  # of one account
BATCH_MAX = 256  # orders of an all-or-none batch
TURNAROUND_DAYS_MAX = 31
WORK_MAX = 8_192  # makers one taker may meet, orders one mass cancel may end, trades of one uncrossing
EVENTS_PER_COMMAND_MAX = 5 * WORK_MAX + BATCH_MAX + 64  # a batch stops before a command that could need more room
SECOND_NS = 1_000_000_000
DAY_NS = 24 * 3600 * SECOND_NS
DAY_OFFSET_NS = 8 * 3600 * SECOND_NS  # trading days are China Standard Time's
CLIENT_ID_WINDOW_NS = DAY_NS
CLIENT_ID_WINDOW_MIN_NS = 10 * SECOND_NS  # an id may give way to newer ones after this
USAGE_ID_WINDOW_NS = 3 * DAY_NS
