"""What an order would find on the opposite side, changing nothing: lots, cost, and what an amount of money buys."""

from exchange.core.book import crosses, head_of, next_level
from exchange.core.jit import Record, int64, kernel, routine
from exchange.core.limits import Extra, is_counted, total_of
from exchange.core.types import BPS, NIL, WORK_MAX, OrderFlag, SelfTradePrevention, Side


@kernel
def is_outside(instrument: Record, price: int, last: int) -> bool:
    """Tell whether a trade at a price would be too far from the reference, or from the last trade (0: none)."""
    reference = int64(instrument.reference_ticks)
    static, dynamic = int64(instrument.static_bps), int64(instrument.dynamic_bps)
    if static != 0 and reference != 0 and abs(price - reference) * BPS > reference * static:
        return True
    return dynamic != 0 and last != 0 and abs(price - last) * BPS > last * dynamic


@kernel
def _is_own(state: Record, order: Record, group: int, prevention: int) -> bool:
    return prevention != SelfTradePrevention.NONE and state.accounts[order.account].group == group


@routine
def _is_newcomer(state: Record, slot: int) -> bool:
    """Tell whether a trade could make the buyer of a resting order one holder more."""
    order = state.orders[slot]
    row = int64(state.details[slot].base_balance)
    return total_of(state, row) == 0 and is_counted(state.assets[state.balances[row].asset], int64(order.account))


@routine
def _displayed(
    state: Record, head: int, wanted: int, visits: int, group: int, prevention: int, stop_at_own: bool, settled: bool
) -> tuple[int, int, bool]:
    """Return displayed lots of a level up to `wanted`, visits so far, and whether an own order ended the walk."""
    found = 0
    slot = head
    while slot != NIL and found < wanted and visits < WORK_MAX:
        order = state.orders[slot]
        visits += 1
        if _is_own(state, order, group, prevention):
            if stop_at_own:
                return found, visits, True
        elif not settled or not _is_newcomer(state, slot):
            found += min(wanted - found, order.leaves)
        slot = int64(order.next)
    return found, visits, False


@routine
def _hidden(
    state: Record, head: int, wanted: int, visits: int, group: int, prevention: int, settled: bool
) -> tuple[int, int]:
    """Return hidden lots of a level up to `wanted`, and visits so far: one for each part that would be shown."""
    found = 0
    slot = head
    while slot != NIL and found < wanted and visits < WORK_MAX:
        order = state.orders[slot]
        if order.flags & OrderFlag.ICEBERG and not _is_own(state, order, group, prevention):
            condition = state.conditions[state.details[slot].condition]
            if not settled or not _is_newcomer(state, slot):
                found += min(wanted - found, condition.hidden)
            visits += -(-condition.hidden // int64(condition.display))
        slot = int64(order.next)
    return found, visits


@routine
def gather(
    state: Record,
    instrument: Record,
    side: int,
    price: int,
    wanted: int,
    group: int,
    prevention: int,
    stop_at_own: bool,
    extras: int,
) -> tuple[int, int]:
    """Return (lots, price_ticks times lots) that an order would find on the opposite side.

    Visits at most WORK_MAX orders. Orders of the own group are passed over, or end the walk when `stop_at_own`,
    unless self-trade prevention is NONE. Of the instrument's `extras` guards end the walk at the first trade that would
    be outside, and a limit of holders makes a seller pass over buyers who hold nothing yet.
    """
    found = cost_ticks = visits = 0
    last = int64(instrument.last_ticks)
    settled = side == Side.SELL and extras & Extra.HOLDERS != 0
    opposite = instrument.queues[1 - side]
    leaf, level_price = int64(opposite.best_node), int64(opposite.best_price)
    while crosses(side, price, level_price) and found < wanted and visits < WORK_MAX:
        outside = extras & Extra.GUARDS != 0 and is_outside(instrument, level_price, last)
        settles = settled and not outside
        head = head_of(state, leaf, level_price)
        lots, visits, stopped = _displayed(state, head, wanted - found, visits, group, prevention, stop_at_own, settles)
        if outside and lots > 0:
            break
        if not stopped:
            more, visits = _hidden(state, head, wanted - found - lots, visits, group, prevention, settled)
            lots += more
        found += lots
        cost_ticks += lots * level_price
        if lots > 0:
            last = level_price
        if stopped:
            break
        leaf, level_price = next_level(state, 1 - side, leaf, level_price)
    return found, cost_ticks


@routine
def _affordable(amount: int, worst_bps: int) -> int:
    """Return the largest notional that with the worst fee, and one unit for two roundings, stays within an amount."""
    if worst_bps <= 0 or amount == 0:
        return amount
    whole = BPS + worst_bps
    return (amount - 1) // whole * BPS + (amount - 1) % whole * BPS // whole


@routine
def buyable(
    state: Record, instrument: Record, rates: Record, side: int, price: int, amount: int, group: int, prevention: int
) -> tuple[int, int]:
    """Return (lots, notional) that an amount of quote units buys, fee included, or that earn no more than it.

    `rates` are the account's. Walks the book as `gather` does.
    """
    budget = amount
    if side == Side.BUY:
        budget = _affordable(amount, max(int64(rates.maker_bps), int64(rates.taker_bps)))
    found = spent = visits = 0
    opposite = instrument.queues[1 - side]
    leaf, level_price = int64(opposite.best_node), int64(opposite.best_price)
    while crosses(side, price, level_price) and visits < WORK_MAX:
        wanted = (budget - spent) // (level_price * instrument.tick_value)
        head = head_of(state, leaf, level_price)
        lots, visits, _ = _displayed(state, head, wanted + 1, visits, group, prevention, False, False)
        more, visits = _hidden(state, head, wanted + 1 - lots, visits, group, prevention, False)
        bought = min(lots + more, wanted)
        found += bought
        spent += bought * level_price * instrument.tick_value
        if bought < lots + more:
            break
        leaf, level_price = next_level(state, 1 - side, leaf, level_price)
    return found, spent
