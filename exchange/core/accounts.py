"""Balances and holds: find, open, reserve, release, settle a fill; and the arithmetic of fees.

A balance row is made when an account first needs an asset and stays for ever. Orders keep the rows they trade
through, so a fill looks nothing up.
"""

from exchange.core.jit import Record, int64, kernel, routine, scatter
from exchange.core.types import BPS, EXCHANGE_ACCOUNT, NIL, Side

_LINE_BITS = 4  # so many index entries share a cache line


@kernel
def fee(rate_bps: int, notional: int) -> int:
    """Return ceil(rate_bps * notional / 10_000), exact and without overflow; a negative rate is a rebate."""
    return rate_bps * (notional // BPS) - (-rate_bps * (notional % BPS)) // BPS


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
    places = len(state.balance_index) - 1
    place = _home(state, account, asset)
    while state.balance_index[place] != NIL:
        place = (place + 1) & places
    state.balance_index[place] = slot
    return slot


@kernel
def balances_free(state: Record) -> int:
    """Count the balance rows that may still be made."""
    return len(state.balances) - state.balance_count


@kernel
def hold_balance(state: Record, slot: int) -> Record:
    """Return the balance that the order in a slot reserves from: quote if it buys, base if it sells."""
    detail = state.details[slot]
    if state.orders[slot].side == Side.BUY:
        return state.balances[detail.quote_balance]
    return state.balances[detail.base_balance]


@kernel
def need(state: Record, slot: int) -> int:
    """Return what the leaves of an order need held: base units, or notional at its limit and the worst fee."""
    order = state.orders[slot]
    detail = state.details[slot]
    instrument = state.instruments[detail.instrument]
    if order.side == Side.SELL:
        return order.leaves * instrument.lot_units
    notional = order.price_ticks * order.leaves * instrument.tick_value
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
        before = int64(detail.taker_notional)
        detail.taker_notional = (before + notional) % BPS
        return fee(int64(detail.taker_bps), before + notional) - fee(int64(detail.taker_bps), before)
    before = int64(detail.maker_notional)
    detail.maker_notional = (before + notional) % BPS
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
