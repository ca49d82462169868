"""What limits orders beyond their terms in the readable engine: phases, messages, positions, holders, maturity.

Everything is counted anew from the tables whenever it is asked for.
"""

from exchange.core.reference_book import crosses, open_orders, opposite, resting
from exchange.core.reference_tables import Asset, Command, Instrument, Order, Tables
from exchange.core.types import (
    BPS,
    DAY_NS,
    DAY_OFFSET_NS,
    EXCHANGE_ACCOUNT,
    OPEN_ORDERS_MAX,
    SECOND_NS,
    AccountState,
    CommandKind,
    OrderType,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
)

COLLECTING = {
    TradingState.PRE_OPEN,
    TradingState.CALL_OPEN,
    TradingState.CALL_NO_CANCEL,
    TradingState.VOLATILITY,
    TradingState.CALL_CLOSE,
}
TAKING_ORDERS = COLLECTING | {TradingState.CONTINUOUS}
KEEPING_ORDERS = {
    TradingState.SUSPENDED,
    TradingState.CALL_NO_CANCEL,
    TradingState.UNCROSSING,
    TradingState.EXPIRED,
}

# --- messages ---------------------------------------------------------------------------------------------------------

ORDERS = {CommandKind.NEW_ORDER, CommandKind.REPLACE_ORDER, CommandKind.QUOTE}
MESSAGES = ORDERS | {CommandKind.CANCEL_ORDER, CommandKind.REDUCE_ORDER, CommandKind.MASS_CANCEL}


def count_message(tables: Tables, command: Command) -> None:
    """Count what an account that has limits sends in a second of the clock."""
    if command.kind not in MESSAGES or not tables.knows_account(command.account):
        return
    account = tables.accounts[command.account]
    if not any(account.limits):
        return
    second = command.time_ns // SECOND_NS
    if second != account.second:
        account.second, account.messages, account.orders = second, 0, 0
    account.messages += 1
    account.orders += command.kind in ORDERS


def too_fast(tables: Tables, account_index: int) -> bool:
    """Say whether an account has sent more in this second than it may."""
    account = tables.accounts[account_index]
    limits = account.limits
    return 0 < limits.message_rate_max < account.messages or 0 < limits.order_rate_max < account.orders


# --- accounts and phases ----------------------------------------------------------------------------------------------


def closed(tables: Tables, account: int) -> bool:
    """Say whether an account may not even cancel."""
    return tables.accounts[account].state == AccountState.CLOSED


def wrong_phase(order: Order) -> bool:
    """Say whether an instrument that takes orders takes none like this one now."""
    instrument = order.instrument
    if instrument.mode == TradingMode.LIST and order.side == Side.BUY and order.may_rest:
        return True
    if instrument.state == TradingState.CONTINUOUS:
        return order.time_in_force == TimeInForce.AT_AUCTION
    immediate = order.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}
    return (order.order_type == OrderType.MARKET and order.time_in_force != TimeInForce.AT_AUCTION) or (
        order.order_type == OrderType.LIMIT and immediate
    )


def crosses_own_group(tables: Tables, order: Order) -> bool:
    """Say whether an order could meet one of its own group that rests on the other side, whatever its prevention."""
    return any(
        tables.same_group(order.account, other.account) and crosses(order, other)
        for other in resting(order.instrument, opposite(order.side))
    )


# --- open orders and positions ----------------------------------------------------------------------------------------


def notional_too_large(tables: Tables, order: Order) -> bool:
    """Say whether an order is larger than its instrument or its account may have."""
    notional = order.instrument.notional(order.price_ticks, order.quantity_lots)
    limits = order.instrument.limits.notional_max, tables.accounts[order.account].limits.notional_max
    return any(0 < limit < notional for limit in limits)


def too_many_open_orders(tables: Tables, order: Order) -> bool:
    """Say whether an account may have no further open order."""
    account, here_max = tables.accounts[order.account], order.instrument.limits.open_orders_max
    return (
        account.open_orders >= OPEN_ORDERS_MAX
        or 0 < account.limits.open_orders_max <= account.open_orders
        or 0 < here_max <= sum(other.account == order.account for other in open_orders(tables, order.instrument))
    )


def exceeds_position(tables: Tables, order: Order) -> bool:
    """Say whether all that an account bids for would give it more than its share of what is outstanding."""
    asset = tables.assets[order.instrument.base_asset]
    bps = order.instrument.limits.position_bps
    if order.side == Side.SELL or not bps or order.account == asset.issuer:
        return False
    bid_lots = order.leaves_lots + sum(
        other.leaves_lots
        for other in tables.orders.values()
        if other.account == order.account
        and other.instrument is order.instrument
        and other.side == Side.BUY
        and other.order_id != order.order_id
    )
    owned = tables.owned(order.account, order.instrument.base_asset)
    return owned + order.instrument.units(bid_lots) > (asset.issued - asset.burned) * bps // BPS


# --- a regulator's rules ----------------------------------------------------------------------------------------------


def counts_as_holder(asset: Asset, account: int) -> bool:
    """Say whether an account is one of those of whom only so many may have units."""
    return account not in {EXCHANGE_ACCOUNT, asset.issuer}


def new_holder(tables: Tables, account: int, asset_index: int) -> bool:
    """Say whether units would make an account one more holder of an asset whose holders are counted."""
    asset = tables.assets[asset_index]
    return asset.holders_max > 0 and counts_as_holder(asset, account) and tables.owned(account, asset_index) == 0


def too_many_holders(tables: Tables, account: int, asset_index: int) -> bool:
    """Say whether an account may not be given units as enough others hold some."""
    if not new_holder(tables, account, asset_index):
        return False
    asset = tables.assets[asset_index]
    owners = [owner for (owner, owned), balance in tables.balances.items() if owned == asset_index and balance.total]
    return sum(counts_as_holder(asset, owner) for owner in owners) >= asset.holders_max


def day_of(time_ns: int) -> int:
    """Return the trading day."""
    return (time_ns + DAY_OFFSET_NS) // DAY_NS


def immature(tables: Tables, account: int, asset_index: int) -> int:
    """Return the units that were bought too lately to be passed on."""
    recent = _recent_days(tables, account, asset_index)
    acquired = tables.acquired.get((account, asset_index), {})
    return min(sum(acquired[day] for day in recent), tables.owned(account, asset_index))


def _recent_days(tables: Tables, account: int, asset_index: int) -> list[int]:
    """Return the days of which acquisitions have not matured, the oldest first."""
    first = day_of(tables.time_ns) - tables.assets[asset_index].turnaround_days + 1
    return sorted(day for day in tables.acquired.get((account, asset_index), {}) if day >= first)


def not_yet_transferable(tables: Tables, account: int, asset_index: int, units: int) -> bool:
    """Say whether an account would pass on more than has matured; an issuer's own units always have."""
    asset = tables.assets[asset_index]
    if not asset.turnaround_days or account == asset.issuer:
        return False
    return units > tables.available(account, asset_index) - immature(tables, account, asset_index)


def has_maturity(tables: Tables, account: int, asset_index: int) -> bool:
    """Say whether what an account buys of an asset must mature."""
    asset = tables.assets[asset_index]
    return asset.turnaround_days > 0 and account != asset.issuer


def lacks_acquisition(tables: Tables, order: Order) -> bool:
    """Say whether there is no room to note when units were bought."""
    key = order.account, order.instrument.base_asset
    return (
        order.side == Side.BUY
        and has_maturity(tables, *key)
        and key not in tables.acquired
        and len(tables.acquired) >= tables.capacity.acquisitions
    )


def acquire(tables: Tables, account: int, asset_index: int, units: int) -> None:
    """Note units bought today."""
    if has_maturity(tables, account, asset_index):
        days = tables.acquired[account, asset_index]
        today = day_of(tables.time_ns)
        days[today] = days.get(today, 0) + units


def mature(tables: Tables, account: int, asset_index: int) -> None:
    """After units went, see that no more are immature than there are: those bought first matured first."""
    excess = -tables.owned(account, asset_index)
    recent = _recent_days(tables, account, asset_index)
    excess += sum(tables.acquired[account, asset_index][day] for day in recent)
    for day in recent:
        taken = max(0, min(excess, tables.acquired[account, asset_index][day]))
        tables.acquired[account, asset_index][day] -= taken
        excess -= taken


def lists_only_this(tables: Tables, instrument: Instrument) -> bool:
    """Say whether no other instrument trades the same asset."""
    return [other for other in tables.instruments.values() if other.base_asset == instrument.base_asset] == [instrument]
