"""What is counted per account and instrument: messages, own orders, positions, holders, and when units were acquired.

All of it is optional. An instrument's `extras` and an account's `limited` say whether anything is set, so that a market
without limits pays one look.
"""

from enum import IntEnum

from exchange.core.accounts import find_balance, open_lots
from exchange.core.jit import Record, int64, kernel, routine
from exchange.core.types import (
    BPS,
    DAY_NS,
    DAY_OFFSET_NS,
    EXCHANGE_ACCOUNT,
    NIL,
    OPEN_ORDERS_MAX,
    SECOND_NS,
    TURNAROUND_DAYS_MAX,
    CommandKind,
    OrderFlag,
    Side,
)

_DAYS = TURNAROUND_DAYS_MAX + 1


class Extra(IntEnum):
    """Bits of an instrument's `extras`: which rules beyond the common ones it has."""

    GUARDS = 1
    HOLDERS = 2
    TURNAROUND = 4
    POSITION = 8
    OPEN_ORDERS = 16


@routine
def set_extra(instrument: Record, extra: int, wanted: bool) -> None:
    """Say whether an instrument has a rule."""
    if wanted:
        instrument.extras |= extra
    else:
        instrument.extras = int64(instrument.extras) & ~extra


# --- messages ---------------------------------------------------------------------------------------------------------


@routine
def count_message(state: Record, command: Record) -> None:
    """Count a message of an account that has limits, and the order it asks for."""
    limits = state.account_limits[command.account]
    second = command.time_ns // SECOND_NS
    if second != limits.second:
        limits.second = second
        limits.messages = limits.orders = 0
    limits.messages += 1
    kind = command.kind
    if kind == CommandKind.NEW_ORDER or kind == CommandKind.REPLACE_ORDER or kind == CommandKind.QUOTE:
        limits.orders += 1


@routine
def is_too_fast(state: Record, account: int) -> bool:
    """Tell whether an account has sent more this second than it may."""
    limits = state.account_limits[account]
    return (limits.message_rate_max != 0 and limits.messages > limits.message_rate_max) or (
        limits.order_rate_max != 0 and limits.orders > limits.order_rate_max
    )


# --- open orders and positions ----------------------------------------------------------------------------------------


@kernel
def has_too_many_orders(state: Record, account: int, instrument: Record, index: int, base: int) -> bool:
    """Tell whether an account may have no further open order; `base` is its row in the base asset."""
    count = int64(state.accounts[account].open_orders)
    if state.accounts[account].limited and 0 < state.account_limits[account].open_orders_max <= count:
        return True
    if instrument.extras & Extra.OPEN_ORDERS and count >= instrument.open_orders_max:  # fewer in all: none to count
        return count >= OPEN_ORDERS_MAX or _own_orders(state, index, base) >= instrument.open_orders_max
    return count >= OPEN_ORDERS_MAX


@routine
def _own_orders(state: Record, instrument: int, base: int) -> int:
    """Count an account's open orders on an instrument."""
    count = 0
    slot = int64(state.balances[base].first_order)
    while slot != NIL:
        if state.details[slot].instrument == instrument:
            count += 1
        slot = int64(state.details[slot].own_next)
    return count


@routine
def exceeds_position(state: Record, index: int, account: int, base: int, replaced: int, lots: int) -> bool:
    """Tell whether buying lots could give an account more than its share of what is outstanding.

    `base` is its balance row (NIL: none), `replaced` the slot of an order that the lots take the place of.
    """
    instrument = state.instruments[index]
    asset = state.assets[instrument.base_asset]
    if instrument.extras & Extra.POSITION == 0 or account == asset.issuer:
        return False
    outstanding = asset.issued - asset.burned
    bps = int64(instrument.position_bps)
    share = outstanding // BPS * bps + outstanding % BPS * bps // BPS
    total = state.balances[base].available + state.balances[base].held
    room = (share - total) // instrument.lot_units - lots
    slot = int64(state.balances[base].first_order)
    while slot != NIL and room >= 0:
        if slot != replaced and state.details[slot].instrument == index and state.orders[slot].side == Side.BUY:
            room -= open_lots(state, slot)
        slot = int64(state.details[slot].own_next)
    return room < 0


@routine
def crosses_own_group(state: Record, index: int, account: int, side: int, price: int) -> bool:
    """Tell whether the account's group has an order on the opposite side that this price would meet."""
    base_asset = int64(state.instruments[index].base_asset)
    member = account
    while True:
        slot = int64(state.balances[find_balance(state, member, base_asset)].first_order)
        while slot != NIL:
            order = state.orders[slot]
            mine = state.details[slot].instrument == index and order.node != NIL
            if mine and order.side != side and order.flags & OrderFlag.SLEEPING == 0:
                opposite = int64(order.price_ticks)
                if (price >= opposite) if side == Side.BUY else (price <= opposite):
                    return True
            slot = int64(state.details[slot].own_next)
        member = int64(state.accounts[member].next_in_group)
        if member == account:
            return False


# --- holders ----------------------------------------------------------------------------------------------------------


@kernel
def is_counted(asset: Record, account: int) -> bool:
    """Tell whether an account counts as a holder when it has units."""
    return account != asset.issuer and account != EXCHANGE_ACCOUNT


@kernel
def total_of(state: Record, row: int) -> int:
    """Return a balance, available and held; row NIL has nothing."""
    return state.balances[row].available + state.balances[row].held


@routine
def may_not_hold(state: Record, asset: Record, account: int, row: int) -> bool:
    """Tell whether units would make an account one holder too many."""
    return (
        asset.holders_max != 0
        and asset.holders >= asset.holders_max
        and is_counted(asset, account)
        and total_of(state, row) == 0
    )


@routine
def count_holder(state: Record, row: int, before: int) -> None:
    """Count a balance that had `before` units as a holder, or no longer."""
    balance = state.balances[row]
    asset = state.assets[balance.asset]
    if asset.holders_max == 0 or not is_counted(asset, int64(balance.account)):
        return
    after = balance.available + balance.held
    if before == 0 and after > 0:
        asset.holders += 1
    elif before > 0 and after == 0:
        asset.holders -= 1


@routine
def count_holders(state: Record, asset: int) -> int:
    """Return how many accounts hold units of an asset."""
    count = 0
    for row in range(1, state.balance_count):
        balance = state.balances[row]
        if balance.asset == asset and balance.available + balance.held > 0:
            count += is_counted(state.assets[asset], int64(balance.account))
    return count


# --- when units were acquired -----------------------------------------------------------------------------------------


@routine
def _day(time_ns: int) -> int:
    return (time_ns + DAY_OFFSET_NS) // DAY_NS


@routine
def acquisitions_free(state: Record) -> int:
    """Count the rows for acquisitions that may still be made."""
    return len(state.acquisitions) - state.acquisition_count


@routine
def is_dated(asset: Record, account: int) -> bool:
    """Tell whether what an account buys of an asset may be sold only later."""
    return asset.turnaround_days != 0 and account != asset.issuer


@routine
def date_balance(state: Record, row: int) -> None:
    """Give a balance a row for its acquisitions; there must be room."""
    if state.balance_acquisitions[row] == NIL:
        state.balance_acquisitions[row] = state.acquisition_count
        state.acquisition_count += 1


@routine
def immature(state: Record, row: int, time_ns: int) -> int:
    """Return how many units of a balance were bought too lately to be sold."""
    number = int64(state.balance_acquisitions[row])
    days = int64(state.assets[state.balances[row].asset].turnaround_days)
    if number == NIL or days == 0:
        return 0
    acquisition = state.acquisitions[number]
    today = _day(time_ns)
    units = 0
    for day in range(today - days + 1, min(today, acquisition.day) + 1):
        units += acquisition.units[day % _DAYS]
    return units


@routine
def acquire(state: Record, row: int, units: int, time_ns: int) -> None:
    """Note that units were bought now."""
    number = int64(state.balance_acquisitions[row])
    if number == NIL:
        return
    acquisition = state.acquisitions[number]
    today = _day(time_ns)
    for day in range(max(acquisition.day, today - _DAYS) + 1, today + 1):
        acquisition.units[day % _DAYS] = 0
    acquisition.day = today
    acquisition.units[today % _DAYS] += units


@routine
def give_up(state: Record, row: int, time_ns: int) -> None:
    """Take what a balance no longer has from its oldest acquisitions, so that no more is immature than there is."""
    excess = immature(state, row, time_ns) - total_of(state, row)
    if excess <= 0:
        return
    acquisition = state.acquisitions[int64(state.balance_acquisitions[row])]
    day = _day(time_ns) - int64(state.assets[state.balances[row].asset].turnaround_days) + 1
    while excess > 0:
        taken = min(excess, acquisition.units[day % _DAYS])
        acquisition.units[day % _DAYS] -= taken
        excess -= taken
        day += 1


@routine
def note_trade(state: Record, buyer_row: int, seller_row: int, units: int, time_ns: int) -> None:
    """Count holders and acquisitions after units have changed hands."""
    if buyer_row != seller_row:
        count_holder(state, buyer_row, total_of(state, buyer_row) - units)
        count_holder(state, seller_row, total_of(state, seller_row) + units)
    asset = state.assets[state.balances[buyer_row].asset]
    if is_dated(asset, int64(state.balances[buyer_row].account)):
        acquire(state, buyer_row, units, time_ns)
    give_up(state, seller_row, time_ns)
