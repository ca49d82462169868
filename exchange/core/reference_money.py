"""Cash and units of the readable engine: how they come, go and change hands without an order."""

from collections import Counter

from exchange.core.reference_book import opposite
from exchange.core.reference_limits import mature, not_yet_transferable, too_many_holders
from exchange.core.reference_tables import Command, Tables
from exchange.core.types import (
    AMOUNT_MAX,
    EXCHANGE_ACCOUNT,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    AccountState,
    AssetKind,
    EventKind,
    RejectReason,
    Side,
    TransferPurpose,
)

# --- what comes into existence and goes out of it ---------------------------------------------------------------------


def refuse_movement(tables: Tables, command: Command, *, cash: bool) -> RejectReason:
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
    return refuse_movement(tables, command, cash=True) or add(tables, command, EventKind.DEPOSITED)


def issue(tables: Tables, command: Command) -> RejectReason:
    """Mint what the account issues."""
    if reason := refuse_movement(tables, command, cash=False):
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


def burn(tables: Tables, command: Command, amount: int) -> None:
    """Take an available amount out of existence."""
    tables.balance(command.account, command.asset).available -= amount
    tables.assets[command.asset].burned += amount
    mature(tables, command.account, command.asset)


def withdraw(tables: Tables, command: Command) -> RejectReason:
    """Take cash out."""
    if reason := refuse_movement(tables, command, cash=True) or refuse_burn(tables, command):
        return reason
    burn(tables, command, command.amount)
    tables.emit(EventKind.WITHDRAWN, account=command.account, asset=command.asset, amount=command.amount)
    return RejectReason.NONE


def redeem(tables: Tables, command: Command) -> RejectReason:
    """Burn what was used, once for each usage id."""
    if reason := refuse_movement(tables, command, cash=False):
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
    burn(tables, command, command.amount)
    tables.emit(
        EventKind.REDEEMED,
        account=command.account,
        asset=command.asset,
        amount=command.amount,
        order_id=usage_id[0],
        counter_order_id=usage_id[1],
    )
    return RejectReason.NONE


def expire_units(tables: Tables, command: Command) -> RejectReason:
    """Burn units whose time is over: an amount, or all that is available."""
    if not tables.knows_account(command.account):
        return RejectReason.UNKNOWN_ACCOUNT
    if command.asset not in tables.assets:
        return RejectReason.UNKNOWN_ASSET
    if tables.assets[command.asset].kind == AssetKind.CASH:
        return RejectReason.WRONG_ASSET_KIND
    if not 0 <= command.amount <= AMOUNT_MAX:
        return RejectReason.INVALID_PARAMETER
    available = tables.available(command.account, command.asset)
    amount = command.amount or available
    if not 0 < amount <= available:
        return RejectReason.INSUFFICIENT_BALANCE
    burn(tables, command, amount)
    tables.emit(EventKind.UNITS_EXPIRED, account=command.account, asset=command.asset, amount=amount)
    return RejectReason.NONE


# --- what changes hands -----------------------------------------------------------------------------------------------


def refuse_transfer(tables: Tables, command: Command) -> RejectReason:
    """Return why an amount may not pass from one account to another."""
    sender, receiver, asset = command.account, command.group, command.asset
    if command.state not in set(TransferPurpose) - {TransferPurpose.UNKNOWN}:
        return RejectReason.MALFORMED_COMMAND
    if not tables.knows_account(sender) or not tables.knows_account(receiver):
        return RejectReason.UNKNOWN_ACCOUNT
    if asset not in tables.assets:
        return RejectReason.UNKNOWN_ASSET
    if AccountState.CLOSED in {tables.accounts[sender].state, tables.accounts[receiver].state}:
        return RejectReason.ACCOUNT_NOT_ACTIVE
    named = any(command.words[:2])
    if named and tables.usage_ids.find(command.words[:2], command.time_ns) is not None:
        return RejectReason.DUPLICATE_ID
    if not 1 <= command.amount <= AMOUNT_MAX or sender == receiver:
        return RejectReason.INVALID_PARAMETER
    if too_many_holders(tables, receiver, asset):
        return RejectReason.HOLDER_LIMIT
    if command.amount > tables.available(sender, asset):
        return RejectReason.INSUFFICIENT_BALANCE
    if not_yet_transferable(tables, sender, asset, command.amount):
        return RejectReason.NOT_YET_TRANSFERABLE
    if tables.lacks_balance(receiver, asset):
        return RejectReason.BALANCES_FULL
    if named and tables.usage_ids.full(command.time_ns):
        return RejectReason.RECENT_IDS_FULL
    return RejectReason.NONE


def transfer(tables: Tables, command: Command) -> RejectReason:
    """Move an available amount from one account to another, once for each id."""
    if reason := refuse_transfer(tables, command):
        return reason
    transfer_id = command.words[:2]
    if any(transfer_id):
        tables.usage_ids.remember(transfer_id, command.time_ns, command.amount)
    tables.balance(command.account, command.asset).available -= command.amount
    tables.balance(command.group, command.asset).available += command.amount
    mature(tables, command.account, command.asset)
    tables.emit(
        EventKind.TRANSFERRED,
        account=command.account,
        counter_account=command.group,
        asset=command.asset,
        amount=command.amount,
        state=command.state,
        order_id=transfer_id[0],
        counter_order_id=transfer_id[1],
    )
    return RejectReason.NONE


def refuse_bust(tables: Tables, command: Command) -> RejectReason:
    """Return why a trade cannot be taken back, what its parties own aside."""
    if command.side not in {Side.BUY, Side.SELL}:
        return RejectReason.MALFORMED_COMMAND
    if not tables.knows_account(command.account) or not tables.knows_account(command.group):
        return RejectReason.UNKNOWN_ACCOUNT
    if command.instrument not in tables.instruments:
        return RejectReason.UNKNOWN_INSTRUMENT
    if tables.usage_ids.find((command.order_id, -1), command.time_ns) is not None:
        return RejectReason.DUPLICATE_ID
    instrument = tables.instruments[command.instrument]
    notional = instrument.notional(command.price_ticks, command.quantity_lots)
    if not (
        1 <= command.order_id <= tables.trade_count
        and 1 <= command.price_ticks <= PRICE_TICKS_MAX
        and command.quantity_lots >= 1
        and max(notional, instrument.units(command.quantity_lots)) <= NOTIONAL_MAX
        and max(map(abs, command.words[:2])) <= notional
    ):
        return RejectReason.INVALID_PARAMETER
    return RejectReason.NONE


def bust_trade(tables: Tables, command: Command) -> RejectReason:
    """Take a trade back: units to the seller, money to the buyer, fees to both; once for each trade."""
    if reason := refuse_bust(tables, command):
        return reason
    instrument = tables.instruments[command.instrument]
    base, quote = instrument.base_asset, instrument.quote_asset
    parties = {command.side: command.account, opposite(Side(command.side)): command.group}
    fees = {command.side: command.words[0], opposite(Side(command.side)): command.words[1]}
    buyer, seller = parties[Side.BUY], parties[Side.SELL]
    units = instrument.units(command.quantity_lots)
    notional = instrument.notional(command.price_ticks, command.quantity_lots)
    changes = Counter({(buyer, base): -units})
    changes[seller, base] += units
    changes[buyer, quote] += notional + fees[Side.BUY]
    changes[seller, quote] -= notional - fees[Side.SELL]
    if any(owned not in tables.balances or tables.available(*owned) + change < 0 for owned, change in changes.items()):
        return RejectReason.INSUFFICIENT_BALANCE
    if tables.usage_ids.full(command.time_ns):
        return RejectReason.RECENT_IDS_FULL
    tables.usage_ids.remember((command.order_id, -1), command.time_ns, notional)
    for owned, change in changes.items():
        tables.balance(*owned).available += change
    tables.balance(EXCHANGE_ACCOUNT, quote).available -= sum(fees.values())
    mature(tables, buyer, base)
    tell_busted(tables, command, base, notional)
    return RejectReason.NONE


def tell_busted(tables: Tables, command: Command, base_asset: int, notional: int) -> None:
    """Tell what was taken back."""
    tables.emit(
        EventKind.TRADE_BUSTED,
        side=command.side,
        account=command.account,
        counter_account=command.group,
        instrument=command.instrument,
        asset=base_asset,
        trade_id=command.order_id,
        price_ticks=command.price_ticks,
        quantity_lots=command.quantity_lots,
        amount=notional,
        fee=command.words[0],
        counter_fee=command.words[1],
    )
