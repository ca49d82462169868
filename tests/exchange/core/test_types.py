"""The vocabulary: numbers that stand in journals never change meaning, and limits leave room for arithmetic."""

from enum import IntEnum
from itertools import pairwise

import pytest

from exchange.core import types
from exchange.core.book import UNPRICED_BUY_TICKS, UNPRICED_SELL_TICKS
from exchange.core.types import (
    AMOUNT_MAX,
    BATCH_MAX,
    BPS,
    CLIENT_ID_WINDOW_MIN_NS,
    CLIENT_ID_WINDOW_NS,
    DAY_NS,
    DAY_OFFSET_NS,
    EVENTS_PER_COMMAND_MAX,
    GENERATION_MAX,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    SLOT_BITS,
    USAGE_ID_WINDOW_NS,
    WORK_MAX,
    OrderFlag,
    RejectReason,
)

INT64_MAX = (1 << 63) - 1
ENUMERATIONS = [
    value
    for value in vars(types).values()
    if isinstance(value, type) and issubclass(value, IntEnum) and value not in {IntEnum, OrderFlag}
]

# asked in turn: is it well formed, who, what, may it, are its terms fair, can it be paid, is there room
PRECEDENCE = (
    "NONE",
    "UNKNOWN_COMMAND",
    "BATCH_REFUSED",
    "MALFORMED_COMMAND",
    "UNKNOWN_ACCOUNT",
    "UNKNOWN_ASSET",
    "UNKNOWN_INSTRUMENT",
    "ID_NOT_NEXT",
    "UNKNOWN_ORDER",
    "ACCOUNT_NOT_ACTIVE",
    "TOO_MANY_MESSAGES",
    "INSTRUMENT_NOT_TRADING",
    "NOT_IN_THIS_PHASE",
    "INVALID_TRANSITION",
    "NOT_REPLACEABLE",
    "TIMER_NOT_DUE",
    "WRONG_ASSET_KIND",
    "NOT_ISSUER",
    "DUPLICATE_ID",
    "INVALID_PARAMETER",
    "INVALID_QUANTITY",
    "INVALID_PRICE",
    "INVALID_EXPIRY",
    "PRICE_OUTSIDE_BAND",
    "NOTIONAL_TOO_LARGE",
    "AMOUNT_TOO_SMALL",
    "QUANTITY_BELOW_FILLED",
    "WOULD_TAKE",
    "WOULD_TRIGGER",
    "WOULD_CROSS_OWN_GROUP",
    "TOO_MANY_OPEN_ORDERS",
    "POSITION_LIMIT",
    "HOLDER_LIMIT",
    "INSUFFICIENT_BALANCE",
    "NOT_YET_TRANSFERABLE",
    "ISSUED_TOO_MUCH",
    "ORDERS_FULL",
    "LEVELS_FULL",
    "BALANCES_FULL",
    "CONDITIONS_FULL",
    "ACQUISITIONS_FULL",
    "RECENT_IDS_FULL",
    "ACCOUNTS_FULL",
    "ASSETS_FULL",
    "INSTRUMENTS_FULL",
)


def test_there_are_enumerations_to_check():
    assert len(ENUMERATIONS) == 14


@pytest.mark.parametrize("enumeration", ENUMERATIONS, ids=lambda enumeration: enumeration.__name__)
def test_members_count_up_from_zero_and_fit_a_byte(enumeration):
    assert [member.value for member in enumeration] == list(range(len(enumeration)))
    assert max(enumeration) < 256


def test_reject_reasons_are_numbered_by_precedence():
    assert tuple(RejectReason(number).name for number in range(len(RejectReason))) == PRECEDENCE


def test_zeroed_memory_means_nothing_has_happened():
    nothing = {enumeration.__name__: enumeration(0).name for enumeration in ENUMERATIONS}
    assert nothing == {
        "Side": "BUY",
        "OrderType": "LIMIT",
        "TimeInForce": "GTC",
        "SelfTradePrevention": "NONE",
        "CommandKind": "NONE",
        "EventKind": "NONE",
        "EndReason": "NONE",
        "RejectReason": "NONE",
        "AccountState": "UNKNOWN",
        "TransferPurpose": "UNKNOWN",
        "TradingState": "CLOSED",
        "TradingMode": "CONTINUOUS",
        "ClearScope": "ALL",
        "AssetKind": "UNKNOWN",
    }


def test_flags_are_single_bits():
    assert [flag.value for flag in OrderFlag] == [1 << bit for bit in range(len(OrderFlag))]


def test_an_order_id_is_exact_in_a_double():
    largest = GENERATION_MAX << SLOT_BITS | (1 << SLOT_BITS) - 1
    assert largest < 1 << 53
    assert int(float(largest)) == largest


def test_sums_and_fees_of_the_largest_amounts_fit_an_int64():
    assert AMOUNT_MAX + AMOUNT_MAX - 1 <= INT64_MAX
    assert (
        NOTIONAL_MAX + NOTIONAL_MAX * BPS // BPS + 1 <= AMOUNT_MAX + 1
    )  # a hold: the notional, and a fee of all of it


def test_every_price_and_the_places_of_market_orders_beside_them_fit_a_level():
    assert (UNPRICED_SELL_TICKS, UNPRICED_BUY_TICKS) == (0, PRICE_TICKS_MAX + 1)
    assert UNPRICED_BUY_TICKS + 1 < 1 << 32  # what is beyond everything, still a u4


def test_a_sweep_a_quote_and_the_stops_after_it_fit_the_room_kept_for_a_command():
    sweep = 3 + 2 * WORK_MAX + 1  # accepted, named, terms; each maker prevented and ended, or traded and replenished
    assert 2 * sweep + 4 <= EVENTS_PER_COMMAND_MAX  # a quote: two sweeps, two former orders, itself, stops waiting


def test_a_cleared_account_fits_the_room_kept_for_a_command():
    assert 1 + WORK_MAX + 1 <= EVENTS_PER_COMMAND_MAX  # killed, each order ended, the sum
    assert 4 + BATCH_MAX <= EVENTS_PER_COMMAND_MAX  # a batch that is taken back


def test_an_id_may_give_way_long_before_its_window_ends():
    assert 0 < CLIENT_ID_WINDOW_MIN_NS < CLIENT_ID_WINDOW_NS


def test_days_of_the_exchange_begin_at_midnight_in_china():
    assert (DAY_NS, DAY_OFFSET_NS) == (24 * 3600 * 10**9, 8 * 3600 * 10**9)


def test_ids_are_remembered_for_a_day_and_for_three():
    hour_ns = 3600 * 10**9
    assert (24 * hour_ns, 72 * hour_ns) == (CLIENT_ID_WINDOW_NS, USAGE_ID_WINDOW_NS)


def test_precedence_goes_from_form_to_room():
    stages = ("MALFORMED_COMMAND", "UNKNOWN_ACCOUNT", "ACCOUNT_NOT_ACTIVE", "INVALID_QUANTITY", "INSUFFICIENT_BALANCE")
    numbers = [RejectReason[name] for name in (*stages, "ORDERS_FULL")]
    assert all(earlier < later for earlier, later in pairwise(numbers))
