"""Balances and holds: find, open, reserve, release, settle a fill; and the arithmetic of fees.

A balance row is made when an account first needs an asset and stays for ever. Orders keep the rows they trade
through, so a fill looks nothing up.
"""

import numpy as np

from exchange.core.jit import Record, int64, kernel, routine, scatter
from exchange.core.types import BPS, EXCHANGE_ACCOUNT, NIL, OrderFlag, Side

_LINE_BITS = 4  # so many index entries share a cache line
_COMMON_NOTIONAL_MAX = 1 << 45  # times any rate it is less than _LIFT * BPS, and their sum than 2**63
_LIFT = 1 << 47  # lets a rebate be divided without a sign, which is twice as fast
_BPS = np.uint64(BPS)


@kernel
def fee(rate_bps: int, notional: int) -> int:
    """Return ceil(rate_bps * notional / 10_000), exact and without overflow; a negative rate is a rebate."""
    if notional < _COMMON_NOTIONAL_MAX:
        return int64(np.uint64(rate_bps * notional + _LIFT * BPS + BPS - 1) // _BPS) - _LIFT
    return _large_fee(rate_bps, notional)


@routine
def _large_fee(rate_bps: int, notional: int) -> int:
    return rate_bps * (notional // BPS) - (-rate_bps * (notional % BPS)) // BPS


@kernel
def rates_of(state: Record, instrument: Record, account: int) -> Record:
    """Return what an account pays on an instrument: the rates of its tier."""
    return instrument.rates[int64(state.accounts[account].tier)]


@kernel
def worst_fee(maker_bps: int, taker_bps: int, notional: int) -> int:
    """Return the most that fills of `notional` may cost, in whichever roles, with one unit for two roundings."""
    worst = max(maker_bps, taker_bps, 0)
    if worst == 0 or notional == 0:
        return 0
    return fee(worst, notional) + 1


@kernel
def _home(state: Record, account: int, asset: int) -> int:
    """Return where the index begins to look: accounts of one asset side by side, as traders come in dense numbers."""
    line = scatter(asset << 32 | account >> _LINE_BITS, state.balance_index_bits - _LINE_BITS)
    return line << _LINE_BITS | account & ((1 << _LINE_BITS) - 1)


@routine
def find_balance(state: Record, account: int, asset: int) -> int:
    """Return the row of an account's balance in an asset, NIL if it has never had one."""
    places = len(state.balance_index) - 1
    place = _home(state, account, asset)
    while state.balance_index[place] != NIL:
        slot = int64(state.balance_index[place])
        if state.balances[slot].account == account and state.balances[slot].asset == asset:
            return slot
        place = (place + 1) & places
    return NIL


@routine
def open_balance(state: Record, account: int, asset: int) -> int:
    """Return the row of an account's balance in an asset, made if need be; there must be room."""
    slot = find_balance(state, account, asset)
    if slot != NIL:
        return slot
    slot = state.balance_count
    state.balance_count += 1
    balance = state.balances[slot]
    balance.account = account
    balance.asset = asset
    balance.next = state.accounts[account].first_balance
    state.accounts[account].first_balance = slot
    _enter(state, slot)
    return slot


@kernel
def _enter(state: Record, slot: int) -> None:
    """Put a balance into the index."""
    places = len(state.balance_index) - 1
    place = _home(state, int64(state.balances[slot].account), int64(state.balances[slot].asset))
    while state.balance_index[place] != NIL:
        place = (place + 1) & places
    state.balance_index[place] = slot


@kernel
def enter_all_balances(state: Record) -> None:
    """Make the index again, which is empty: every balance comes to stand where it stood."""
    for slot in range(1, state.balance_count):
        _enter(state, slot)


@kernel
def balances_free(state: Record) -> int:
    """Count the balance rows that may still be made."""
    return len(state.balances) - state.balance_count


@kernel
def list_order(state: Record, slot: int) -> None:
    """Put an order that stays at the head of its account's list of orders on the base asset."""
    order = state.orders[slot]
    detail = state.details[slot]
    balance = state.balances[detail.base_balance]
    detail.own_prev = NIL
    detail.own_next = balance.first_order
    state.details[balance.first_order].own_prev = slot  # row NIL takes what is for no order: no branch to foretell
    balance.first_order = slot
    order.flags |= OrderFlag.RESTING
    state.accounts[order.account].open_orders += 1


@kernel
def unlist_order(state: Record, slot: int) -> None:
    """Take an order off its account's list, if it is there."""
    order = state.orders[slot]
    if order.flags & OrderFlag.RESTING == 0:
        return
    detail = state.details[slot]
    balance = state.balances[detail.base_balance]
    before, after = int64(detail.own_prev), int64(detail.own_next)
    balance.first_order = after if before == NIL else int64(balance.first_order)
    state.details[before].own_next = after
    state.details[after].own_prev = before
    state.accounts[order.account].open_orders -= 1


@kernel
def open_lots(state: Record, slot: int) -> int:
    """Return what is still open of an order, displayed or hidden."""
    order = state.orders[slot]
    if order.flags & OrderFlag.ICEBERG:
        return order.leaves + state.conditions[state.details[slot].condition].hidden
    return order.leaves


@kernel
def limit_price(state: Record, slot: int) -> int:
    """Return the worst price an order accepts, for one that stands elsewhere on the book too."""
    order = state.orders[slot]
    if order.flags & (OrderFlag.SLEEPING | OrderFlag.UNPRICED):
        return int64(state.conditions[state.details[slot].condition].limit_ticks)
    return int64(order.price_ticks)


@kernel
def hold_balance(state: Record, slot: int) -> Record:
    """Return the balance that the order in a slot reserves from: quote if it buys, base if it sells."""
    detail = state.details[slot]
    return state.balances[detail.quote_balance if state.orders[slot].side == Side.BUY else detail.base_balance]


@kernel
def need(state: Record, slot: int) -> int:
    """Return what the open lots of an order need held: base units, or notional at its limit and the worst fee."""
    detail = state.details[slot]
    instrument = state.instruments[detail.instrument]
    if state.orders[slot].side == Side.SELL:
        return open_lots(state, slot) * instrument.lot_units
    notional = limit_price(state, slot) * open_lots(state, slot) * instrument.tick_value
    return notional + worst_fee(int64(detail.maker_bps), int64(detail.taker_bps), notional)


@kernel
def set_hold(state: Record, slot: int, held: int) -> int:
    """Make an order's hold `held`, from or to what is available; return what that released."""
    detail = state.details[slot]
    balance = hold_balance(state, slot)
    released = detail.held - held
    balance.available += released
    balance.held -= released
    detail.held = held
    return released


@kernel
def trim_hold(state: Record, slot: int) -> None:
    """Release what an order's leaves no longer need; a hold never grows by this."""
    set_hold(state, slot, min(state.details[slot].held, need(state, slot)))


@kernel
def charge(detail: Record, notional: int, taker: bool) -> int:
    """Add a fill to an order's cumulative notional in a role; return the fee of that fill.

    Of the cumulative notional only the part below 10,000 is kept: whole ten thousands cost the same before and after.
    """
    if taker:
        before = int64(detail.taker_part)
        detail.taker_part = np.uint64(before + notional) % _BPS
        return fee(int64(detail.taker_bps), before + notional) - fee(int64(detail.taker_bps), before)
    before = int64(detail.maker_part)
    detail.maker_part = np.uint64(before + notional) % _BPS
    return fee(int64(detail.maker_bps), before + notional) - fee(int64(detail.maker_bps), before)


@kernel
def settle_buy(state: Record, detail: Record, notional: int, units: int, charged: int) -> None:
    """Spend a buyer's hold on a fill and its fee, and hand over the units."""
    state.balances[detail.quote_balance].held -= notional + charged
    detail.held -= notional + charged
    state.balances[detail.base_balance].available += units


@kernel
def settle_sell(state: Record, detail: Record, notional: int, units: int, charged: int) -> None:
    """Spend a seller's hold on a fill, and hand over the proceeds less the fee."""
    state.balances[detail.base_balance].held -= units
    detail.held -= units
    state.balances[detail.quote_balance].available += notional - charged


@kernel
def earn_fees(state: Record, instrument: Record, charged: int) -> None:
    """Credit the exchange with both fees of a trade; a rebate above the taker's fee debits it."""
    assert state.balances[instrument.fee_balance].account == EXCHANGE_ACCOUNT
    state.balances[instrument.fee_balance].available += charged
