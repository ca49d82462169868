"""The compiled fold of what happens to orders: what groups show, what they withdraw, and how often.

What it finds it writes down; of the events that other detectors count it writes the places down. It stops before an
event of another window, and before one that it has no room for.
"""

from exchange.core.types import BPS, CommandKind, EndReason, EventKind, OrderFlag, SelfTradePrevention, Side
from exchange.marketdata.folds.compiled import Record, event_at, int64, kernel, record_at, routine
from exchange.marketdata.folds.pool import give, room_of, take
from exchange.surveillance.folds.tables import (
    COUNTS,
    INTERESTS,
    LEVELS,
    NOBODY,
    STATE,
    add_recent,
    counts_of,
    entry,
    finding_at,
    forget_recent,
    interest_of,
    level_row,
    take_recent,
    withdraw_recent,
    word_at,
)
from exchange.surveillance.thresholds import (
    INCIDENTS_MIN,
    MESSAGES_MIN,
    MESSAGES_PER_TRADE,
    NEAR_BPS,
    QUICK_BPS,
    QUICK_MIN,
    QUICK_NS,
    QUICK_PER_TRADE,
    SHOW_FACTOR,
    WITHDRAWN_BPS,
    WITHDRAWN_NS,
)

TOO_MANY, QUICK, WITHDRAWN = range(3)  # kinds of findings
FINDINGS_OF_EVENT = 3
ACCIDENT_PART = BPS // (BPS - WITHDRAWN_BPS)  # one in so many shown lots may trade by accident
_HALF_BITS = 32
_HALF = (1 << _HALF_BITS) - 1


# --- levels -----------------------------------------------------------------------------------------------------------


@routine
def _change(state: Record, interest: Record, side: int, price_ticks: int, lots: int, sequence: int) -> None:
    """Show more or less at a price, by a command."""
    sign = -1 if side == Side.BUY else 1
    before, row = int64(0), int64(interest.best[side])
    while row != 0 and sign * level_row(state, row).price_ticks < sign * price_ticks:
        before, row = row, int64(level_row(state, row).worse)
    if row != 0 and level_row(state, row).price_ticks == price_ticks:
        level = level_row(state, row)
        if level.lots + lots > 0:
            level.lots += lots
            interest.open_lots[side] += lots
            return
        interest.open_lots[side] -= level.lots
        interest.level_count[side] -= 1
        _link(state, interest, side, before, int64(level.worse))
        give(state.pools[LEVELS], row)
    elif lots > 0 and interest.level_count[side] < state.levels_max:
        made = take(state.pools[LEVELS])
        level = level_row(state, made)
        level.price_ticks, level.lots, level.worse, level.first_sequence = price_ticks, lots, row, sequence
        _link(state, interest, side, before, made)
        interest.level_count[side] += 1
        interest.open_lots[side] += lots


@kernel
def _link(state: Record, interest: Record, side: int, before: int, row: int) -> None:
    """Let a level follow another one, or be the best."""
    if before == 0:
        interest.best[side] = row
    else:
        level_row(state, before).worse = row


@kernel
def _has_level(state: Record, interest: Record, side: int, price_ticks: int) -> bool:
    row = int64(interest.best[side])
    while row != 0:
        level = level_row(state, row)
        if level.price_ticks == price_ticks:
            return True
        row = int64(level.worse)
    return False


@routine
def _add(state: Record, interest: Record, side: int, price_ticks: int, lots: int, sequence: int) -> None:
    _change(state, interest, side, price_ticks, lots, sequence)
    interest.wanted_lots[side] = interest.open_lots[side]


@kernel
def _want_less(interest: Record, side: int, lots: int) -> None:
    """Let what was taken back, unfilled, be wanted no more."""
    interest.wanted_lots[side] = max(int64(0), int64(interest.wanted_lots[side]) - lots)


@routine
def _fill(state: Record, interest: Record, side: int, event: Record, is_maker: bool) -> None:
    """Take a fill off: a maker's off its price, a taker's off the best, where the incoming order is."""
    price, best = int64(event.price_ticks), int64(interest.best[side])
    if best != 0 and not (is_maker and _has_level(state, interest, side, price)):
        price = int64(level_row(state, best).price_ticks)
    _change(state, interest, side, price, -int64(event.quantity_lots), int64(event.sequence))


@kernel
def _shown_since(state: Record, interest: Record, side: int, sequence: int) -> int:
    """Return the command that began to show what a side shows, but for levels that are less than a fifth together."""
    first, row = sequence, int64(interest.best[side])
    part = int64(interest.open_lots[side]) // (ACCIDENT_PART * int64(state.levels_max))
    while row != 0:
        level = level_row(state, row)
        if level.lots > part:
            first = min(first, int64(level.first_sequence))
        row = int64(level.worse)
    return first


# --- findings ---------------------------------------------------------------------------------------------------------


@kernel
def is_share(part: int, whole: int, bps: int) -> bool:
    """Tell whether a part is at least so many basis points of the whole, exactly, however large they are."""
    part_low, whole_low = (part & _HALF) * BPS, (whole & _HALF) * bps
    part_high = (part >> _HALF_BITS) * BPS + (part_low >> _HALF_BITS)
    whole_high = (whole >> _HALF_BITS) * bps + (whole_low >> _HALF_BITS)
    if part_high != whole_high:
        return part_high > whole_high
    return part_low & _HALF >= whole_low & _HALF


@routine
def _find(state: Record, event: Record, place: int, index: int, one: int, other: int, third: int) -> bool:
    """Write down what was found, in the place of a finding; tell whether it is a new one."""
    is_new = index < 0
    finding = finding_at(state, int64(state.finding_count) if is_new else index)
    if is_new:
        finding.place, finding.first_ns, finding.found_count = place, event.time_ns, 0
        state.finding_count += 1
    finding.found_count += 1
    finding.last_ns, finding.last_sequence = event.time_ns, event.sequence
    finding.facts[0], finding.facts[1], finding.facts[2] = one, other, third
    return is_new


@routine
def _say_what(state: Record, kind: int, group: int, instrument: int, began_sequence: int) -> int:
    """Say whose the last finding is; return its index."""
    index = int64(state.finding_count) - 1
    finding = finding_at(state, index)
    finding.kind, finding.group, finding.instrument = kind, group, instrument
    finding.began_sequence = began_sequence
    return index


@routine
def _count_message(state: Record, counts: Record, event: Record, place: int) -> None:
    counts.messages += 1
    if counts.messages < MESSAGES_MIN or counts.messages <= MESSAGES_PER_TRADE * counts.trades:
        return
    known = int64(counts.finding) if counts.call == state.call and state.is_merging != 0 else int64(-1)
    if _find(state, event, place, known, int64(counts.messages), int64(counts.trades), 0):
        counts.finding = _say_what(state, TOO_MANY, int64(counts.group), 0, int64(counts.first_sequence))
        counts.call = state.call


@routine
def _count_quick(state: Record, interest: Record, counts: Record, event: Record, place: int) -> None:
    counts.quick += 1
    quick, orders, trades = int64(counts.quick), int64(counts.orders), int64(counts.trades)
    if quick < QUICK_MIN or quick <= QUICK_PER_TRADE * trades or quick * BPS < orders * QUICK_BPS:
        return
    known = int64(interest.quick_finding) if interest.quick_call == state.call and state.is_merging != 0 else int64(-1)
    if _find(state, event, place, known, quick, orders, trades):
        began = int64(counts.first_sequence)
        interest.quick_finding = _say_what(state, QUICK, int64(counts.group), int64(event.instrument), began)
        interest.quick_call = state.call


@routine
def _withdraw(state: Record, interest: Record, event: Record, side: int, lots: int, place: int) -> None:
    if interest.is_suspect == 0 or interest.shown_side != side:
        return
    if event.time_ns - interest.shown_ns > WITHDRAWN_NS:
        return
    interest.withdrawn_lots += lots
    if not is_share(int64(interest.withdrawn_lots), int64(interest.shown_lots), WITHDRAWN_BPS):
        return
    if interest.window != state.window:
        interest.incidents, interest.window = 0, state.window
    if interest.incidents == 0:
        interest.first_incident = interest.shown_sequence
    interest.incidents += 1
    interest.is_suspect = 0
    incidents, shown, layers = int64(interest.incidents), int64(interest.shown_lots), int64(interest.shown_layers)
    if incidents >= INCIDENTS_MIN:
        _find(state, event, place, int64(-1), incidents, shown, layers)
        instrument, began = int64(event.instrument), int64(interest.first_incident)
        _say_what(state, WITHDRAWN, int64(interest.group), instrument, began)


# --- what happens to orders -------------------------------------------------------------------------------------------


@routine
def _remember(state: Record, event: Record) -> bool:
    """Keep when an order came in, for as long as its end would be quick, if it is near the last price; tell if so."""
    forget_recent(state, int64(event.time_ns) - QUICK_NS)
    last = int64(word_at(state.last_ticks, int64(event.instrument)).value)
    if abs(int64(event.price_ticks) - last) * BPS > last * NEAR_BPS:
        return False
    add_recent(state, int64(event.order_id), int64(event.time_ns), int64(event.leaves_lots))
    return True


@routine
def _accept(state: Record, interest: Record, group: int, event: Record, place: int) -> None:
    price, lots = int64(event.price_ticks), int64(event.quantity_lots)
    _add(state, interest, int64(event.side), price, lots, int64(event.sequence))
    if int64(event.flags) & OrderFlag.QUOTE != 0:
        return
    _remember(state, event)
    counts = counts_of(state, group, int64(event.sequence))
    counts.orders += 1
    _count_message(state, counts, event, place)


@routine
def _replace(state: Record, interest: Record, group: int, event: Record, place: int) -> None:
    side, previous_ticks, previous_lots = int64(event.side), int64(event.counter_fee), int64(event.fee)
    price, leaves, sequence = int64(event.price_ticks), int64(event.leaves_lots), int64(event.sequence)
    _change(state, interest, side, previous_ticks, -previous_lots, sequence)
    is_worse = price < previous_ticks if side == Side.BUY else price > previous_ticks
    lots = previous_lots if is_worse else max(int64(0), previous_lots - leaves)
    counts = counts_of(state, group, sequence)
    _count_message(state, counts, event, place)
    _withdraw_recent(state, interest, counts, event, lots, is_worse, place)
    if price != previous_ticks or leaves > previous_lots:
        take_recent(state, int64(event.order_id))
        if _remember(state, event):
            counts.orders += 1  # it stands near the price anew
    _withdraw(state, interest, event, side, lots, place)
    _change(state, interest, side, price, leaves, sequence)
    if leaves > previous_lots:
        interest.wanted_lots[side] = interest.open_lots[side]
    else:
        _want_less(interest, side, previous_lots - leaves)


@routine
def _withdraw_recent(
    state: Record, interest: Record, counts: Record, event: Record, lots: int, is_worse: bool, place: int
) -> None:
    """Count a recent order as withdrawn if it was moved away, or once most of it was taken off."""
    came, gone = withdraw_recent(state, int64(event.order_id), lots)
    if lots != 0 and (is_worse or is_share(gone, came, WITHDRAWN_BPS)):
        _count_if_quick(state, interest, counts, event, take_recent(state, int64(event.order_id)), place)


@routine
def _count_if_quick(
    state: Record, interest: Record, counts: Record, event: Record, accepted_ns: int, place: int
) -> None:
    if accepted_ns != NOBODY and event.time_ns - accepted_ns <= QUICK_NS:
        _count_quick(state, interest, counts, event, place)


@kernel
def _is_own_doing(event: Record) -> bool:
    """Tell whether an order that rested ended as its owner had arranged, without being asked for just then."""
    reason = event.reason
    return int64(event.flags) & OrderFlag.RESTING != 0 and (
        reason == EndReason.SELF_TRADE
        or reason == EndReason.TIME_OVER
        or reason == EndReason.DISCONNECTED
        or reason == EndReason.DEADMAN
    )


@routine
def _end(state: Record, interest: Record, group: int, event: Record, place: int) -> None:
    side, leaves = int64(event.side), int64(event.leaves_lots)
    _change(state, interest, side, int64(event.price_ticks), -leaves, int64(event.sequence))
    _want_less(interest, side, leaves)
    accepted_ns = take_recent(state, int64(event.order_id))
    is_asked = event.reason == EndReason.REQUESTED or event.reason == EndReason.MASS_CANCEL
    if not (is_asked or _is_own_doing(event)) or int64(event.flags) & OrderFlag.QUOTE != 0:
        return
    counts = counts_of(state, group, int64(event.sequence))
    if is_asked:
        _count_message(state, counts, event, place)
    _count_if_quick(state, interest, counts, event, accepted_ns, place)
    _withdraw(state, interest, event, side, leaves, place)


@routine
def _prevent(state: Record, interest: Record, event: Record, place: int) -> None:
    """Take off both sides what a group kept itself from trading; its resting order is withdrawn by so much."""
    side, lots = int64(event.side), int64(event.quantity_lots)
    _fill(state, interest, side, event, False)
    _fill(state, interest, 1 - side, event, True)
    _want_less(interest, side, lots)
    _want_less(interest, 1 - side, lots)
    _withdraw(state, interest, event, 1 - side, lots, place)


@routine
def _apply(state: Record, event: Record, place: int) -> None:
    """Apply an event about an order that somebody sees."""
    group = _group(state, event.account)
    interest = interest_of(state, group, int64(event.instrument))
    if event.kind == EventKind.ORDER_ACCEPTED:
        _accept(state, interest, group, event, place)
    elif event.kind == EventKind.ORDER_TRIGGERED:
        price, lots = int64(event.price_ticks), int64(event.leaves_lots)
        _add(state, interest, int64(event.side), price, lots, int64(event.sequence))
    elif event.kind == EventKind.ORDER_REPLACED:
        _replace(state, interest, group, event, place)
    elif event.kind == EventKind.MATCH_PREVENTED:
        _prevent(state, interest, event, place)
    else:
        _end(state, interest, group, event, place)


# --- trades -----------------------------------------------------------------------------------------------------------


@routine
def _suspect(state: Record, interest: Record, side: int, event: Record) -> None:
    """Note a fill of one side if the other shows several times what is wanted here."""
    shown, other = int64(interest.open_lots[1 - side]), 1 - side
    if shown // SHOW_FACTOR >= max(int64(interest.wanted_lots[side]), int64(event.quantity_lots)):
        interest.is_suspect, interest.shown_side = 1, other
        interest.shown_ns, interest.shown_lots = event.time_ns, shown
        interest.shown_sequence = _shown_since(state, interest, other, int64(event.sequence))
        interest.shown_layers = interest.level_count[other]
        interest.withdrawn_lots = interest.traded_lots = 0
    elif interest.is_suspect != 0 and interest.shown_side == side:
        interest.traded_lots += int64(event.quantity_lots)
        if interest.traded_lots > int64(interest.shown_lots) // ACCIDENT_PART:
            interest.is_suspect = 0  # what was shown was meant: it traded


@routine
def _fill_one(state: Record, event: Record, account: int, side: int, is_maker: bool) -> None:
    group = _group(state, account)
    interest = interest_of(state, group, int64(event.instrument))
    _fill(state, interest, side, event, is_maker)
    _suspect(state, interest, side, event)
    counts_of(state, group, int64(event.sequence)).trades += 1


@routine
def _trade(state: Record, event: Record) -> None:
    side = int64(event.side)
    word_at(state.last_ticks, int64(event.instrument)).value = event.price_ticks
    _fill_one(state, event, int64(event.account), side, False)
    _fill_one(state, event, int64(event.counter_account), 1 - side, True)


# --- all --------------------------------------------------------------------------------------------------------------


@kernel
def _group(state: Record, account: int) -> int:
    return int64(word_at(state.groups, int64(account)).value)


@kernel
def _has_room(state: Record, event: Record) -> bool:
    accounts = int64(state.group_count)
    return (
        int64(event.account) < accounts
        and (event.kind != EventKind.TRADED or int64(event.counter_account) < accounts)
        and int64(event.instrument) < int64(state.instrument_count)
        and room_of(state.pools[INTERESTS]) > 1
        and room_of(state.pools[LEVELS]) > 1
        and room_of(state.pools[COUNTS]) > 1
        and int64(state.finding_count) + FINDINGS_OF_EVENT <= int64(state.findings_max)
    )


@kernel
def _is_of_order(event: Record) -> bool:
    kind = event.kind
    return (
        kind == EventKind.ORDER_ACCEPTED
        or kind == EventKind.ORDER_TRIGGERED
        or kind == EventKind.ORDER_REPLACED
        or kind == EventKind.ORDER_CANCELED
        or kind == EventKind.ORDER_EXPIRED
        or (kind == EventKind.MATCH_PREVENTED and event.self_trade_prevention == SelfTradePrevention.DECREMENT)
    )


@kernel
def _is_of_others(event: Record) -> bool:
    kind = event.kind
    return (
        kind == EventKind.TRADED
        or kind == EventKind.REDEEMED
        or (kind == EventKind.COMMAND_REJECTED and event.state == CommandKind.REDEEM)
        or kind == EventKind.ASSET_CREATED
        or kind == EventKind.INSTRUMENT_LISTED
        or kind == EventKind.ISSUED
        or kind == EventKind.UNITS_EXPIRED
        or kind == EventKind.ACCOUNT_CREATED
        or kind == EventKind.TRADING_STATE_SET
    )


@entry
def fold(state_at: int, events_at: int, start: int, end: int) -> int:
    """Count the events from `start` on, while they are of this window and there is room; return the first left over."""
    state = record_at(state_at, STATE)
    state.call += 1
    state.finding_count = state.other_count = 0
    for index in range(start, end):
        event = event_at(events_at, index)
        kind, is_of_order = event.kind, _is_of_order(event)
        if event.time_ns >= state.turn_ns:
            return index
        if is_of_order or kind == EventKind.TRADED:
            if not _has_room(state, event):
                return index
            if kind == EventKind.TRADED:
                _trade(state, event)
            elif int64(event.flags) & OrderFlag.SLEEPING == 0:  # else nobody sees it
                _apply(state, event, index)
        elif kind == EventKind.ACCOUNT_CREATED:
            if int64(event.account) >= int64(state.group_count):
                return index
            word_at(state.groups, int64(event.account)).value = event.counter_account
        if _is_of_others(event):
            word_at(state.others, int64(state.other_count)).value = index
            state.other_count += 1
    return end
