"""The builders of commands: each sets its fields, and only those."""

import string

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.core import commands
from exchange.core.records import CLIENT_ORDER_ID_BYTES_MAX, COMMAND
from exchange.core.types import (
    AccountState,
    AssetKind,
    ClearScope,
    CommandKind,
    EndReason,
    OrderFlag,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
    TransferPurpose,
)

USAGE_ID = bytes(range(1, 17))
USAGE_WORDS = [0x0807060504030201, 0x100F0E0D0C0B0A09, 0, 0, 0]

CASES = [
    (
        commands.new_order(
            7,
            3,
            Side.SELL,
            101,
            5,
            order_type=OrderType.MARKET,
            time_in_force=TimeInForce.FOK,
            self_trade_prevention=SelfTradePrevention.DECREMENT,
            flags=OrderFlag.POST_ONLY,
            client_order_id="A",
        ),
        {
            "kind": CommandKind.NEW_ORDER,
            "account": 7,
            "instrument": 3,
            "side": Side.SELL,
            "price_ticks": 101,
            "quantity_lots": 5,
            "order_type": OrderType.MARKET,
            "time_in_force": TimeInForce.FOK,
            "self_trade_prevention": SelfTradePrevention.DECREMENT,
            "flags": OrderFlag.POST_ONLY,
            "words": [65, 0, 0, 0, 0],
        },
    ),
    (
        commands.new_order(7, 3, Side.BUY, 101, 5),
        {
            "kind": CommandKind.NEW_ORDER,
            "account": 7,
            "instrument": 3,
            "price_ticks": 101,
            "quantity_lots": 5,
            "self_trade_prevention": SelfTradePrevention.EXPIRE_TAKER,
        },
    ),
    (commands.cancel_order(7, 1 << 50), {"kind": CommandKind.CANCEL_ORDER, "account": 7, "order_id": 1 << 50}),
    (
        commands.replace_order(7, 9, 101, 5),
        {"kind": CommandKind.REPLACE_ORDER, "account": 7, "order_id": 9, "price_ticks": 101, "quantity_lots": 5},
    ),
    (commands.replace_order(7, 9), {"kind": CommandKind.REPLACE_ORDER, "account": 7, "order_id": 9}),
    (commands.mass_cancel(7), {"kind": CommandKind.MASS_CANCEL, "account": 7, "side": Side.BOTH}),
    (
        commands.mass_cancel(7, 3, Side.SELL),
        {"kind": CommandKind.MASS_CANCEL, "account": 7, "instrument": 3, "side": Side.SELL},
    ),
    (commands.deposit(7, 1, 50), {"kind": CommandKind.DEPOSIT, "account": 7, "asset": 1, "amount": 50}),
    (commands.withdraw(7, 1, 50), {"kind": CommandKind.WITHDRAW, "account": 7, "asset": 1, "amount": 50}),
    (commands.issue(7, 2, 50), {"kind": CommandKind.ISSUE, "account": 7, "asset": 2, "amount": 50}),
    (
        commands.redeem(7, 2, 50, USAGE_ID),
        {"kind": CommandKind.REDEEM, "account": 7, "asset": 2, "amount": 50, "words": USAGE_WORDS},
    ),
    (
        commands.create_asset(2, AssetKind.LICENCE, 7),
        {"kind": CommandKind.CREATE_ASSET, "asset": 2, "state": AssetKind.LICENCE, "account": 7},
    ),
    (commands.create_account(7, 5), {"kind": CommandKind.CREATE_ACCOUNT, "account": 7, "group": 5}),
    (
        commands.set_account_state(7, AccountState.CLOSED),
        {"kind": CommandKind.SET_ACCOUNT_STATE, "account": 7, "state": AccountState.CLOSED},
    ),
    (
        commands.list_instrument(3, 2, 1, lot_units=10, tick_value=5, quantity_min=4, quantity_max=6),
        {
            "kind": CommandKind.LIST_INSTRUMENT,
            "instrument": 3,
            "asset": 2,
            "group": 1,
            "amount": 10,
            "words": [5, 4, 6, 0, 0],
        },
    ),
    (
        commands.set_fees(3, maker_bps=-2, taker_bps=5),
        {"kind": CommandKind.SET_FEES, "instrument": 3, "words": [-2, 5, 0, 0, 0]},
    ),
    (
        commands.set_fees(3, 1, 2, tier=7),
        {"kind": CommandKind.SET_FEES, "instrument": 3, "state": 7, "words": [1, 2, 0, 0, 0]},
    ),
    (
        commands.set_account_tier(7, 3),
        {"kind": CommandKind.SET_ACCOUNT_TIER, "account": 7, "state": 3},
    ),
    (
        commands.set_price_band(3, 90, 110),
        {"kind": CommandKind.SET_PRICE_BAND, "instrument": 3, "words": [90, 110, 0, 0, 0]},
    ),
    (
        commands.set_trading_state(3, TradingState.HALTED),
        {"kind": CommandKind.SET_TRADING_STATE, "instrument": 3, "state": TradingState.HALTED},
    ),
    (
        commands.new_order(
            7, 3, Side.BUY, 101, 0, order_type=OrderType.STOP_LIMIT, time_in_force=TimeInForce.GTD,
            self_trade_prevention=SelfTradePrevention.NONE, amount=9, until_ns=1 << 60, stop_ticks=1 << 31,
            display_lots=(1 << 32) - 1,
        ),
        {
            "kind": CommandKind.NEW_ORDER, "account": 7, "instrument": 3, "price_ticks": 101,
            "order_type": OrderType.STOP_LIMIT, "time_in_force": TimeInForce.GTD, "amount": 9, "until_ns": 1 << 60,
            "stop_ticks": 1 << 31, "display_lots": (1 << 32) - 1,
        },
    ),
    (
        commands.replace_order(7, 9, flags=OrderFlag.REQUEUE),
        {"kind": CommandKind.REPLACE_ORDER, "account": 7, "order_id": 9, "flags": OrderFlag.REQUEUE},
    ),
    (
        commands.reduce_order(7, 9, 5),
        {"kind": CommandKind.REDUCE_ORDER, "account": 7, "order_id": 9, "quantity_lots": 5},
    ),
    (
        commands.mass_cancel(7, reason=EndReason.DISCONNECTED),
        {"kind": CommandKind.MASS_CANCEL, "account": 7, "side": Side.BOTH, "state": EndReason.DISCONNECTED},
    ),
    (
        commands.quote(7, 3, (99, 5), (101, 6), flags=OrderFlag.POST_ONLY),
        {
            "kind": CommandKind.QUOTE, "account": 7, "instrument": 3, "price_ticks": 99, "quantity_lots": 5,
            "words": [101, 6, 0, 0, 0], "flags": OrderFlag.POST_ONLY,
            "self_trade_prevention": SelfTradePrevention.EXPIRE_TAKER,
        },
    ),
    (commands.begin_batch(7, 5), {"kind": CommandKind.BEGIN_BATCH, "account": 7, "quantity_lots": 5}),
    (commands.kill_switch(7), {"kind": CommandKind.KILL_SWITCH, "account": 7}),
    (commands.set_deadman(7, 1 << 60), {"kind": CommandKind.SET_DEADMAN, "account": 7, "until_ns": 1 << 60}),
    (commands.fire_deadman(7), {"kind": CommandKind.FIRE_DEADMAN, "account": 7}),
    (commands.expire_order(9), {"kind": CommandKind.EXPIRE_ORDER, "order_id": 9}),
    (
        commands.clear_book(3, Side.SELL, ClearScope.DAY),
        {"kind": CommandKind.CLEAR_BOOK, "instrument": 3, "side": Side.SELL, "state": ClearScope.DAY},
    ),
    (commands.wake_stops(3), {"kind": CommandKind.WAKE_STOPS, "instrument": 3}),
    (commands.indicate(3), {"kind": CommandKind.INDICATE, "instrument": 3}),
    (
        commands.uncross(3, TradingState.CONTINUOUS),
        {"kind": CommandKind.UNCROSS, "instrument": 3, "state": TradingState.CONTINUOUS},
    ),
    (
        commands.set_mode(3, TradingMode.LIST),
        {"kind": CommandKind.SET_MODE, "instrument": 3, "state": TradingMode.LIST},
    ),
    (
        commands.set_guards(3, 500, 200, 100),
        {"kind": CommandKind.SET_GUARDS, "instrument": 3, "words": [500, 200, 0, 0, 0], "price_ticks": 100},
    ),
    (
        commands.set_instrument_limits(3, open_orders_max=1, notional_max=2, position_bps=4),
        {"kind": CommandKind.SET_INSTRUMENT_LIMITS, "instrument": 3, "words": [1, 2, 4, 0, 0]},
    ),
    (
        commands.set_account_limits(7, open_orders_max=1, order_rate_max=2, message_rate_max=4, notional_max=5),
        {"kind": CommandKind.SET_ACCOUNT_LIMITS, "account": 7, "words": [1, 2, 4, 5, 0]},
    ),
    (
        commands.set_venue_rules(3, anonymous=True, turnaround_days=2, holders_max=4),
        {"kind": CommandKind.SET_VENUE_RULES, "instrument": 3, "words": [1, 2, 4, 0, 0]},
    ),
    (
        commands.transfer(7, 8, 2, 50, TransferPurpose.ROYALTY, USAGE_ID),
        {
            "kind": CommandKind.TRANSFER, "account": 7, "group": 8, "asset": 2, "amount": 50,
            "state": TransferPurpose.ROYALTY, "words": USAGE_WORDS,
        },
    ),
    (
        commands.bust_trade(9, Side.SELL, (7, 8), 3, 101, 5, (4, -2)),
        {
            "kind": CommandKind.BUST_TRADE, "side": Side.SELL, "account": 7, "group": 8, "instrument": 3,
            "order_id": 9, "price_ticks": 101, "quantity_lots": 5, "words": [4, -2, 0, 0, 0],
        },
    ),
    (
        commands.expire_units(7, 2, 50),
        {"kind": CommandKind.EXPIRE_UNITS, "account": 7, "asset": 2, "amount": 50},
    ),
]  # fmt: skip


def used(encoded: bytes) -> dict[str, int | list[int]]:
    """Return the fields of a command that are not 0."""
    row = np.frombuffer(encoded, COMMAND)[0]
    return {name: row[name].tolist() for name in COMMAND.names or () if np.any(row[name])}


@pytest.mark.parametrize(("encoded", "expected"), CASES)
def test_a_builder_sets_its_fields_and_no_others(encoded, expected):
    assert used(encoded) == expected


def test_every_kind_has_a_builder():
    assert {used(encoded)["kind"] for encoded, _ in CASES} == set(CommandKind) - {CommandKind.NONE}


def test_commands_follow_each_other_in_a_batch():
    rows = np.frombuffer(commands.deposit(7, 1, 50) + commands.cancel_order(8, 9), COMMAND)
    assert rows["account"].tolist() == [7, 8]


@given(st.text(string.printable, max_size=CLIENT_ORDER_ID_BYTES_MAX))
def test_a_client_order_id_survives_its_words(text):
    assert commands.client_text(commands.client_words(text)) == text


@given(st.lists(st.text(string.ascii_letters, max_size=CLIENT_ORDER_ID_BYTES_MAX), min_size=2, unique=True))
def test_different_ids_have_different_words(texts):
    assert len({commands.client_words(text) for text in texts}) == len(texts)


def test_words_are_the_text_as_little_endian_bytes():
    assert commands.client_words("ABCDEFGHI") == (0x4847464544434241, 0x49, 0, 0, 0)


def test_a_client_order_id_must_be_ascii():
    with pytest.raises(UnicodeEncodeError):
        commands.client_words("订单")
