"""The readable engine: the rules of the market in plain Python, the judge of the fast one.

It yields the same events for the same commands, one for one. It has no price trie, so it never reports LEVELS_FULL.
"""

from collections.abc import Callable

import numpy as np

from exchange.core.reference_admin import (
    create_account,
    create_asset,
    list_instrument,
    set_account_limits,
    set_account_state,
    set_account_tier,
    set_fees,
    set_guards,
    set_instrument_limits,
    set_mode,
    set_price_band,
    set_trading_state,
    set_venue_rules,
)
from exchange.core.reference_auction import indicate, uncross
from exchange.core.reference_bundles import advance_batch, begin_batch, quote, refuse_in_batch
from exchange.core.reference_ends import (
    clear_book,
    expire_order,
    fire_deadman,
    kill_switch,
    mass_cancel,
    set_deadman,
)
from exchange.core.reference_limits import count_message
from exchange.core.reference_money import bust_trade, deposit, expire_units, issue, redeem, transfer, withdraw
from exchange.core.reference_orders import cancel_order, new_order, reduce_order, replace_order
from exchange.core.reference_stops import wake_stops
from exchange.core.reference_tables import Command, Tables
from exchange.core.state import PRODUCTION, Capacity
from exchange.core.types import CommandKind, EventKind, RejectReason

BALANCE_ROW = np.dtype([("account", "<u4"), ("asset", "<u4"), ("available", "<i8"), ("held", "<i8")])
OPEN_ORDER_ROW = np.dtype(
    [
        ("order_id", "<i8"),
        ("account", "<u4"),
        ("instrument", "<u4"),
        ("side", "u1"),
        ("price_ticks", "<i8"),
        ("quantity_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("held", "<i8"),
    ]
)
ASSET_ROW = np.dtype(
    [("asset", "<u4"), ("kind", "<u4"), ("issuer", "<u4"), ("issued", "<i8"), ("burned", "<i8")],
)


class Reference:
    """An engine of the same methods and the same results, readable instead of fast."""

    def __init__(self, capacity: Capacity = PRODUCTION) -> None:
        self.tables = Tables(capacity)

    def apply(self, commands: np.ndarray) -> np.ndarray:
        """Apply COMMAND[n] one after the other, and return all they caused as EVENT[m]."""
        for fields in commands.tolist():
            command = Command._make(fields)
            self._apply_one(command._replace(words=tuple(command.words.tolist())))  # type: ignore[attr-defined]
        return self.tables.take_events()

    def _apply_one(self, command: Command) -> None:
        self.tables.sequence, self.tables.time_ns = command.sequence, command.time_ns
        batch = self.tables.all_or_none
        reason = self._judge(command)
        if reason:
            self._reject(command, reason)
        if batch:
            advance_batch(self.tables, batch, reason)

    def _judge(self, command: Command) -> RejectReason:
        handle = HANDLERS.get(command.kind)
        if handle is None:
            return RejectReason.UNKNOWN_COMMAND
        if reason := refuse_in_batch(self.tables.all_or_none, command):
            return reason
        count_message(self.tables, command)
        return handle(self.tables, command)

    def _reject(self, command: Command, reason: RejectReason) -> None:
        self.tables.emit(
            EventKind.COMMAND_REJECTED,
            side=command.side,
            reason=reason,
            order_type=command.order_type,
            time_in_force=command.time_in_force,
            self_trade_prevention=command.self_trade_prevention,
            flags=command.flags,
            state=command.kind,
            account=command.account,
            instrument=command.instrument,
            asset=command.asset,
            order_id=command.order_id,
            price_ticks=command.price_ticks,
            quantity_lots=command.quantity_lots,
            amount=command.amount,
        )

    @property
    def event_count(self) -> int:
        """Return how many events were yielded so far."""
        return self.tables.event_count

    @property
    def command_sequence(self) -> int:
        """Return the sequence number of the last command."""
        return self.tables.sequence

    def balances(self, account: int) -> list[tuple[int, int, int]]:
        """Return (asset, available, held) for every balance of an account."""
        return [
            (asset, balance.available, balance.held)
            for (owner, asset), balance in self.tables.balances.items()
            if owner == account
        ]

    def balance_rows(self) -> np.ndarray:
        """Return every balance, in order of creation."""
        rows = [(*key, balance.available, balance.held) for key, balance in self.tables.balances.items()]
        return np.array(rows, BALANCE_ROW)

    def open_order_rows(self) -> np.ndarray:
        """Return every open order, by slot."""
        rows = [
            (
                order.order_id,
                order.account,
                order.instrument.index,
                order.side,
                order.told_price_ticks,
                order.quantity_lots,
                order.leaves_lots,
                order.held,
            )
            for order in sorted(self.tables.orders.values(), key=lambda order: order.slot)
        ]
        return np.array(rows, OPEN_ORDER_ROW)

    def asset_rows(self) -> np.ndarray:
        """Return every asset, by index."""
        rows = [
            (index, asset.kind, asset.issuer, asset.issued, asset.burned) for index, asset in self.tables.assets.items()
        ]
        return np.array(rows, ASSET_ROW)


HANDLERS: dict[int, Callable[[Tables, Command], RejectReason]] = {
    CommandKind.NEW_ORDER: new_order,
    CommandKind.CANCEL_ORDER: cancel_order,
    CommandKind.REPLACE_ORDER: replace_order,
    CommandKind.MASS_CANCEL: mass_cancel,
    CommandKind.DEPOSIT: deposit,
    CommandKind.WITHDRAW: withdraw,
    CommandKind.ISSUE: issue,
    CommandKind.REDEEM: redeem,
    CommandKind.CREATE_ASSET: create_asset,
    CommandKind.CREATE_ACCOUNT: create_account,
    CommandKind.SET_ACCOUNT_STATE: set_account_state,
    CommandKind.SET_ACCOUNT_TIER: set_account_tier,
    CommandKind.LIST_INSTRUMENT: list_instrument,
    CommandKind.SET_FEES: set_fees,
    CommandKind.SET_PRICE_BAND: set_price_band,
    CommandKind.SET_TRADING_STATE: set_trading_state,
    CommandKind.TRANSFER: transfer,
    CommandKind.BUST_TRADE: bust_trade,
    CommandKind.EXPIRE_UNITS: expire_units,
    CommandKind.REDUCE_ORDER: reduce_order,
    CommandKind.QUOTE: quote,
    CommandKind.BEGIN_BATCH: begin_batch,
    CommandKind.KILL_SWITCH: kill_switch,
    CommandKind.SET_DEADMAN: set_deadman,
    CommandKind.FIRE_DEADMAN: fire_deadman,
    CommandKind.EXPIRE_ORDER: expire_order,
    CommandKind.CLEAR_BOOK: clear_book,
    CommandKind.WAKE_STOPS: wake_stops,
    CommandKind.INDICATE: indicate,
    CommandKind.UNCROSS: uncross,
    CommandKind.SET_MODE: set_mode,
    CommandKind.SET_GUARDS: set_guards,
    CommandKind.SET_INSTRUMENT_LIMITS: set_instrument_limits,
    CommandKind.SET_ACCOUNT_LIMITS: set_account_limits,
    CommandKind.SET_VENUE_RULES: set_venue_rules,
}
