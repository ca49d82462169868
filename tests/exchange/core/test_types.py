"""The vocabulary: numbers that stand in journals never change meaning, and limits leave room for arithmetic."""

from enum import IntEnum
from itertools import pairwise

import pytest

from exchange.core import types
from exchange.core.types import (
    AMOUNT_MAX,
    BPS,
    CLIENT_ID_WINDOW_NS,
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
    "MALFORMED_COMMAND",
    "UNKNOWN_ACCOUNT",
    "UNKNOWN_ASSET",
    "UNKNOWN_INSTRUMENT",
    "ID_NOT_NEXT",
    "UNKNOWN_ORDER",
    "ACCOUNT_NOT_ACTIVE",
    "INSTRUMENT_NOT_TRADING",
    "WRONG_ASSET_KIND",
    "NOT_ISSUER",
    "DUPLICATE_ID",
    "INVALID_PARAMETER",
    "INVALID_QUANTITY",
    "INVALID_PRICE",
    "PRICE_OUTSIDE_BAND",
    "NOTIONAL_TOO_LARGE",
    "QUANTITY_BELOW_FILLED",
    "WOULD_TAKE",
    "TOO_MANY_OPEN_ORDERS",
    "INSUFFICIENT_BALANCE",
    "ISSUED_TOO_MUCH",
    "ORDERS_FULL",
    "LEVELS_FULL",
    "BALANCES_FULL",
    "RECENT_IDS_FULL",
    "ACCOUNTS_FULL",
    "ASSETS_FULL",
    "INSTRUMENTS_FULL",
)


def test_there_are_enumerations_to_check():
    assert len(ENUMERATIONS) == 11


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
        "TradingState": "CLOSED",
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
    assert PRICE_TICKS_MAX < 1 << 31


def test_a_batch_has_room_for_the_longest_command():
    longest_sweep = 2 + 2 * WORK_MAX + 2  # accepted, named; each maker prevented and expired; the taker expired
    assert longest_sweep <= EVENTS_PER_COMMAND_MAX


def test_ids_are_remembered_for_a_day_and_for_three():
    hour_ns = 3600 * 10**9
    assert (24 * hour_ns, 72 * hour_ns) == (CLIENT_ID_WINDOW_NS, USAGE_ID_WINDOW_NS)


def test_precedence_goes_from_form_to_room():
    stages = ("MALFORMED_COMMAND", "UNKNOWN_ACCOUNT", "ACCOUNT_NOT_ACTIVE", "INVALID_QUANTITY", "INSUFFICIENT_BALANCE")
    numbers = [RejectReason[name] for name in (*stages, "ORDERS_FULL")]
    assert all(earlier < later for earlier, later in pairwise(numbers))
