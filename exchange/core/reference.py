"""The readable engine: the rules of the market in plain Python, the judge of the fast one.

It yields the same events for the same commands, one for one. It has no price trie, so it never reports LEVELS_FULL.
"""

from collections.abc import Callable

import numpy as np

from exchange.core.reference_orders import cancel_order, mass_cancel, new_order, replace_order
from exchange.core.reference_tables import Account, Asset, Command, Instrument, Rates, Tables
from exchange.core.state import PRODUCTION, Capacity
from exchange.core.types import (
    AMOUNT_MAX,
    BPS,
    EXCHANGE_ACCOUNT,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    TICK_VALUE_MAX,
    AccountState,
    AssetKind,
    CommandKind,
    EventKind,
    RejectReason,
    TradingState,
)

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
        for *fields, words in commands.tolist():
            self._apply_one(Command._make((*fields, tuple(words.tolist()))))
        return self.tables.take_events()

    def _apply_one(self, command: Command) -> None:
        self.tables.sequence, self.tables.time_ns = command.sequence, command.time_ns
        handle = HANDLERS.get(command.kind)
        reason = handle(self.tables, command) if handle else RejectReason.UNKNOWN_COMMAND
        if reason == RejectReason.NONE:
            return
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
                order.price_ticks,
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


# --- what comes into existence and goes out of it ---------------------------------------------------------------------


def refuse_transfer(tables: Tables, command: Command, *, cash: bool) -> RejectReason:
    """Return why nothing of an asset may come or go by this command, its amount aside."""
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if command.asset not in tables.assets:
        return RejectReason.UNKNOWN_ASSET
    if tables.accounts[command.account].state != AccountState.ACTIVE:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    if cash != (tables.assets[command.asset].kind == AssetKind.CASH):
        return RejectReason.WRONG_ASSET_KIND
    return RejectReason.NONE


def add(tables: Tables, command: Command, kind: EventKind) -> RejectReason:
    """Bring an amount into existence on an account."""
    asset = tables.assets[command.asset]
    if not 1 <= command.amount <= AMOUNT_MAX:
        return RejectReason.INVALID_PARAMETER
    if asset.issued + command.amount > AMOUNT_MAX:
        return RejectReason.ISSUED_TOO_MUCH
    if tables.lacks_balance(command.account, command.asset):
        return RejectReason.BALANCES_FULL
    asset.issued += command.amount
    tables.balance(command.account, command.asset).available += command.amount
    tables.emit(kind, account=command.account, asset=command.asset, amount=command.amount)
    return RejectReason.NONE


def deposit(tables: Tables, command: Command) -> RejectReason:
    """Bring cash in."""
    return refuse_transfer(tables, command, cash=True) or add(tables, command, EventKind.DEPOSITED)


def issue(tables: Tables, command: Command) -> RejectReason:
    """Mint what the account issues."""
    if reason := refuse_transfer(tables, command, cash=False):
        return reason
    if tables.assets[command.asset].issuer != command.account:
        return RejectReason.NOT_ISSUER
    return add(tables, command, EventKind.ISSUED)


def refuse_burn(tables: Tables, command: Command) -> RejectReason:
    """Return why an amount may not go out of existence."""
    if not 1 <= command.amount <= AMOUNT_MAX:
        return RejectReason.INVALID_PARAMETER
    if command.amount > tables.available(command.account, command.asset):
        return RejectReason.INSUFFICIENT_BALANCE
    return RejectReason.NONE


def burn(tables: Tables, command: Command) -> None:
    """Take an available amount out of existence."""
    tables.balance(command.account, command.asset).available -= command.amount
    tables.assets[command.asset].burned += command.amount


def withdraw(tables: Tables, command: Command) -> RejectReason:
    """Take cash out."""
    if reason := refuse_transfer(tables, command, cash=True) or refuse_burn(tables, command):
        return reason
    burn(tables, command)
    tables.emit(EventKind.WITHDRAWN, account=command.account, asset=command.asset, amount=command.amount)
    return RejectReason.NONE


def redeem(tables: Tables, command: Command) -> RejectReason:
    """Burn what was used, once for each usage id."""
    if reason := refuse_transfer(tables, command, cash=False):
        return reason
    usage_id = command.words[:2]
    if any(usage_id) and tables.usage_ids.find(usage_id, command.time_ns) is not None:
        return RejectReason.DUPLICATE_ID
    if reason := refuse_burn(tables, command):
        return reason
    if any(usage_id):
        if tables.usage_ids.full(command.time_ns):
            return RejectReason.RECENT_IDS_FULL
        tables.usage_ids.remember(usage_id, command.time_ns, command.amount)
    burn(tables, command)
    tables.emit(
        EventKind.REDEEMED,
        account=command.account,
        asset=command.asset,
        amount=command.amount,
        order_id=usage_id[0],
        counter_order_id=usage_id[1],
    )
    return RejectReason.NONE


# --- who and what there is --------------------------------------------------------------------------------------------


def create_asset(tables: Tables, command: Command) -> RejectReason:
    """Add the next asset."""
    if command.state not in set(AssetKind) - {AssetKind.UNKNOWN}:
        return RejectReason.MALFORMED_COMMAND
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if command.asset != len(tables.assets) + 1:
        return RejectReason.ID_NOT_NEXT
    if len(tables.assets) >= tables.capacity.assets:
        return RejectReason.ASSETS_FULL
    tables.assets[command.asset] = Asset(AssetKind(command.state), issuer=command.account)
    tables.emit(EventKind.ASSET_CREATED, account=command.account, asset=command.asset, state=command.state)
    return RejectReason.NONE


def create_account(tables: Tables, command: Command) -> RejectReason:
    """Add the next account."""
    if command.account != len(tables.accounts):
        return RejectReason.ID_NOT_NEXT
    if len(tables.accounts) >= tables.capacity.accounts:
        return RejectReason.ACCOUNTS_FULL
    account = Account(group=command.group or command.account)
    tables.accounts.append(account)
    tables.emit(EventKind.ACCOUNT_CREATED, account=command.account, counter_account=account.group, state=account.state)
    return RejectReason.NONE


def set_account_state(tables: Tables, command: Command) -> RejectReason:
    """Change what an account may do."""
    if command.state not in set(AccountState) - {AccountState.UNKNOWN}:
        return RejectReason.MALFORMED_COMMAND
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    tables.accounts[command.account].state = AccountState(command.state)
    tables.emit(EventKind.ACCOUNT_STATE_SET, account=command.account, state=command.state)
    return RejectReason.NONE


def refuse_listing(tables: Tables, command: Command) -> RejectReason:
    """Return why an instrument may not be listed."""
    base_asset, quote_asset = command.asset, command.group
    tick_value, quantity_min, quantity_max, _, _ = command.words
    if base_asset not in tables.assets or quote_asset not in tables.assets:
        return RejectReason.UNKNOWN_ASSET
    if command.instrument != len(tables.instruments) + 1:
        return RejectReason.ID_NOT_NEXT
    if tables.assets[base_asset].kind == AssetKind.CASH or tables.assets[quote_asset].kind != AssetKind.CASH:
        return RejectReason.WRONG_ASSET_KIND
    if not (
        1 <= command.amount <= NOTIONAL_MAX
        and 1 <= tick_value <= TICK_VALUE_MAX
        and 1 <= quantity_min <= quantity_max <= NOTIONAL_MAX
    ):
        return RejectReason.INVALID_PARAMETER
    if len(tables.balances) >= tables.capacity.balances:
        return RejectReason.BALANCES_FULL
    if len(tables.instruments) >= tables.capacity.instruments:
        return RejectReason.INSTRUMENTS_FULL
    return RejectReason.NONE


def list_instrument(tables: Tables, command: Command) -> RejectReason:
    """Add the next instrument."""
    if reason := refuse_listing(tables, command):
        return reason
    tick_value, quantity_min, quantity_max, _, _ = command.words
    tables.balance(EXCHANGE_ACCOUNT, command.group)
    tables.instruments[command.instrument] = Instrument(
        index=command.instrument,
        base_asset=command.asset,
        quote_asset=command.group,
        lot_units=command.amount,
        tick_value=tick_value,
        quantity_min=quantity_min,
        quantity_max=quantity_max,
    )
    tables.emit(
        EventKind.INSTRUMENT_LISTED,
        instrument=command.instrument,
        asset=command.asset,
        counter_account=command.group,
        amount=command.amount,
        price_ticks=tick_value,
        quantity_lots=quantity_min,
        leaves_lots=quantity_max,
    )
    return RejectReason.NONE


def set_fees(tables: Tables, command: Command) -> RejectReason:
    """Change what later orders pay: the exchange never pays a maker more than the taker pays."""
    maker_bps, taker_bps = command.words[:2]
    if command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    if not (0 <= taker_bps <= BPS and -taker_bps <= maker_bps <= BPS):
        return RejectReason.INVALID_PARAMETER
    tables.instruments[command.instrument].rates = Rates(maker_bps, taker_bps)
    tables.emit(EventKind.FEES_SET, instrument=command.instrument, fee=taker_bps, counter_fee=maker_bps)
    return RejectReason.NONE


def set_price_band(tables: Tables, command: Command) -> RejectReason:
    """Change what later orders may cost; resting ones stay."""
    low, high = command.words[:2]
    if command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    if not 1 <= low <= high <= PRICE_TICKS_MAX:
        return RejectReason.INVALID_PARAMETER
    instrument = tables.instruments[command.instrument]
    instrument.band_low, instrument.band_high = low, high
    tables.emit(EventKind.PRICE_BAND_SET, instrument=command.instrument, price_ticks=low, amount=high)
    return RejectReason.NONE


def set_trading_state(tables: Tables, command: Command) -> RejectReason:
    """Open, close, halt or suspend an instrument; resting orders stay."""
    if command.state not in set(TradingState):
        return RejectReason.MALFORMED_COMMAND
    if command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    tables.instruments[command.instrument].state = TradingState(command.state)
    tables.emit(EventKind.TRADING_STATE_SET, instrument=command.instrument, state=command.state)
    return RejectReason.NONE


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
    CommandKind.LIST_INSTRUMENT: list_instrument,
    CommandKind.SET_FEES: set_fees,
    CommandKind.SET_PRICE_BAND: set_price_band,
    CommandKind.SET_TRADING_STATE: set_trading_state,
}
