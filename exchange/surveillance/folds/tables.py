"""How what surveillance counts stands in memory: interests of groups, their levels, counts, and recent orders.

Interests and counts are rows of pools, found by their keys in chains. The interests make a list, the quietest first;
the levels of a side make one, the best first. The recent orders stand in a ring.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from exchange.core.jit import ROW, scatter
from exchange.marketdata.folds import compiled
from exchange.marketdata.folds.compiled import Record, int64, kernel, record_at, routine
from exchange.marketdata.folds.pool import POOL, WORD, give, row_at, take
from exchange.surveillance import thresholds

INTERESTS, LEVELS, COUNTS = range(3)  # pools
CHAIN_BITS = 16
CHAINS = 1 << CHAIN_BITS
NOBODY = -1  # for the id of an order that is recent no more
_WORD, _LINK = "<i8", "<u4"
_MIX = 1_000_003

INTEREST = np.dtype(
    (
        ROW,
        [
            ("free", _WORD),
            ("group", _WORD),
            ("instrument", _WORD),
            ("next", _LINK),  # of its chain
            ("quieter", _LINK),
            ("busier", _LINK),
            ("spare", _LINK),
            ("best", _LINK, (2,)),  # level of each side
            ("level_count", _LINK, (2,)),
            ("open_lots", _WORD, (2,)),
            ("wanted_lots", _WORD, (2,)),  # open on each side when it was added to last, less what was withdrawn since
            ("is_suspect", _WORD),  # there was a fill while the other side showed much:
            ("shown_side", _WORD),
            ("shown_ns", _WORD),
            ("shown_sequence", _WORD),  # the command that began to show it
            ("shown_lots", _WORD),
            ("shown_layers", _WORD),
            ("withdrawn_lots", _WORD),  # of it, since
            ("traded_lots", _WORD),  # on its side, since
            ("window", _WORD),  # in which what follows was counted
            ("incidents", _WORD),
            ("first_incident", _WORD),  # the command that began it
            ("quick_call", _WORD),  # when quick cancels were told last, and as which finding
            ("quick_finding", _WORD),
        ],
    )
)
LEVEL = np.dtype(
    (ROW, [("free", _WORD), ("price_ticks", _WORD), ("lots", _WORD), ("worse", _WORD), ("first_sequence", _WORD)])
)
COUNT = np.dtype(
    (
        ROW,
        [
            ("free", _WORD),
            ("group", _WORD),
            ("next", _WORD),  # of its chain
            ("first_sequence", _WORD),
            ("messages", _WORD),
            ("orders", _WORD),
            ("quick", _WORD),
            ("trades", _WORD),
            ("call", _WORD),  # when too many messages were told last, and as which finding
            ("finding", _WORD),
        ],
    )
)
RECENT = np.dtype(
    (ROW, [("order_id", _WORD), ("time_ns", _WORD), ("lots", _WORD), ("withdrawn_lots", _WORD), ("next", _WORD)])
)
FINDING = np.dtype(
    (
        ROW,
        [
            ("place", _WORD),  # of the event that showed it, among those of the call
            ("kind", _WORD),
            ("group", _WORD),
            ("instrument", _WORD),
            ("began_sequence", _WORD),
            ("found_count", _WORD),  # how often it was found again, with it
            ("first_ns", _WORD),
            ("last_ns", _WORD),
            ("last_sequence", _WORD),
            ("facts", _WORD, (3,)),
        ],
    )
)
STATE = np.dtype(
    (
        ROW,
        [
            ("pools", POOL, (3,)),
            ("chains", _WORD, (2,)),  # where the first of each chain stands: of interests, of counts
            ("groups", _WORD),  # where the group of each account stands
            ("group_count", _WORD),
            ("last_ticks", _WORD),  # where the price of each instrument's last trade stands
            ("instrument_count", _WORD),
            ("turn_ns", _WORD),  # when the window ends
            ("window", _WORD),
            ("interest_count", _WORD),
            ("interests_max", _WORD),
            ("levels_max", _WORD),
            ("quietest", _WORD),
            ("busiest", _WORD),
            ("recent", _WORD),  # where the ring stands
            ("recent_chains", _WORD),
            ("recent_first", _WORD),
            ("recent_count", _WORD),
            ("recent_max", _WORD),
            ("call", _WORD),
            ("is_merging", _WORD),  # what is found again is told once a call
            ("findings", _WORD),  # where they stand
            ("finding_count", _WORD),
            ("findings_max", _WORD),
            ("others", _WORD),  # where the places of the events stand that others count
            ("other_count", _WORD),
        ],
    )
)
_SOURCES = (Path(__file__).parent, *sorted(Path(compiled.__file__).parent.glob("*.py")), Path(thresholds.__file__))
_RECENT_BYTES, _FINDING_BYTES = RECENT.itemsize, FINDING.itemsize


def entry(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile what Python calls, with a cache for exactly the sources that go in."""
    return compiled.entry(function, *_SOURCES)


def cache_directory() -> str:
    """Return where the compiled functions are kept."""
    return compiled.cache_directory(*_SOURCES)


@kernel
def word_at(table: int, index: int) -> Record:
    """Return an element of an array of integers."""
    return record_at(int64(table) + index * 8, WORD)


@kernel
def interest_row(state: Record, row: int) -> Record:
    """Return an interest by its row."""
    return record_at(row_at(state.pools[INTERESTS], int64(row)), INTEREST)


@kernel
def level_row(state: Record, row: int) -> Record:
    """Return a level by its row."""
    return record_at(row_at(state.pools[LEVELS], int64(row)), LEVEL)


@kernel
def count_row(state: Record, row: int) -> Record:
    """Return counts by their row."""
    return record_at(row_at(state.pools[COUNTS], int64(row)), COUNT)


@kernel
def finding_at(state: Record, index: int) -> Record:
    """Return one of the findings of this call."""
    return record_at(int64(state.findings) + int64(index) * _FINDING_BYTES, FINDING)


# --- interests --------------------------------------------------------------------------------------------------------


@kernel
def _chain_of(state: Record, group: int, instrument: int) -> Record:
    return word_at(state.chains[INTERESTS], int64(scatter(group * _MIX + instrument, CHAIN_BITS)))


@kernel
def _unlist(state: Record, interest: Record) -> None:
    if interest.quieter != 0:
        interest_row(state, interest.quieter).busier = interest.busier
    else:
        state.quietest = interest.busier
    if interest.busier != 0:
        interest_row(state, interest.busier).quieter = interest.quieter
    else:
        state.busiest = interest.quieter


@kernel
def _list_busiest(state: Record, interest: Record, row: int) -> None:
    interest.quieter, interest.busier = state.busiest, 0
    if state.busiest != 0:
        interest_row(state, state.busiest).busier = row
    else:
        state.quietest = row
    state.busiest = row


@routine
def _forget_quietest(state: Record) -> None:
    row = int64(state.quietest)
    interest = interest_row(state, row)
    _unlist(state, interest)
    head = _chain_of(state, int64(interest.group), int64(interest.instrument))
    if head.value == row:
        head.value = interest.next
    else:
        before = interest_row(state, head.value)
        while before.next != row:
            before = interest_row(state, before.next)
        before.next = interest.next
    for side in range(2):
        level = int64(interest.best[side])
        while level != 0:
            worse = int64(level_row(state, level).worse)
            give(state.pools[LEVELS], level)
            level = worse
    give(state.pools[INTERESTS], row)
    state.interest_count -= 1


@routine
def _begin_interest(state: Record, group: int, instrument: int) -> int:
    row = take(state.pools[INTERESTS])
    interest, head = interest_row(state, row), _chain_of(state, group, instrument)
    interest.group, interest.instrument, interest.next = group, instrument, head.value
    head.value = row
    for side in range(2):
        interest.best[side] = interest.level_count[side] = 0
        interest.open_lots[side] = interest.wanted_lots[side] = 0
    interest.is_suspect = interest.withdrawn_lots = interest.traded_lots = 0
    interest.window = interest.incidents = interest.quick_call = 0
    _list_busiest(state, interest, row)
    state.interest_count += 1
    if state.interest_count > state.interests_max:
        _forget_quietest(state)
    return row


@routine
def interest_of(state: Record, group: int, instrument: int) -> Record:
    """Return what a group has open in an instrument, now the busiest of all."""
    row = int64(_chain_of(state, group, instrument).value)
    while row != 0:
        interest = interest_row(state, row)
        if interest.group == group and interest.instrument == instrument:
            if state.busiest != row:
                _unlist(state, interest)
                _list_busiest(state, interest, row)
            return interest
        row = int64(interest.next)
    return interest_row(state, _begin_interest(state, group, instrument))


# --- counts -----------------------------------------------------------------------------------------------------------


@routine
def counts_of(state: Record, group: int, sequence: int) -> Record:
    """Return what a group did in this window, which begins with a command if it did nothing yet."""
    head = word_at(state.chains[1], int64(scatter(group, CHAIN_BITS)))
    row = int64(head.value)
    while row != 0:
        counts = count_row(state, row)
        if counts.group == group:
            return counts
        row = int64(counts.next)
    row = take(state.pools[COUNTS])
    counts = count_row(state, row)
    counts.group, counts.next, counts.first_sequence = group, head.value, sequence
    counts.messages = counts.orders = counts.quick = counts.trades = counts.call = 0
    head.value = row
    return counts


# --- recent orders ----------------------------------------------------------------------------------------------------


@kernel
def _recent_at(state: Record, place: int) -> Record:
    return record_at(int64(state.recent) + int64(place) * _RECENT_BYTES, RECENT)


@routine
def take_recent(state: Record, order_id: int) -> int:
    """Return when a recent order was accepted, and remember it no more; NOBODY if it is not recent."""
    head = word_at(state.recent_chains, int64(scatter(order_id, CHAIN_BITS)))
    place, before = int64(head.value) - 1, int64(-1)
    while place >= 0:
        recent = _recent_at(state, place)
        if recent.order_id == order_id:
            if before < 0:
                head.value = recent.next
            else:
                _recent_at(state, before).next = recent.next
            recent.order_id = NOBODY
            return int64(recent.time_ns)
        before, place = place, int64(recent.next) - 1
    return NOBODY


@routine
def withdraw_recent(state: Record, order_id: int, lots: int) -> tuple[int, int]:
    """Take lots off a recent order; return with how many it came and how many were taken off, 0 if it is not recent."""
    place = int64(word_at(state.recent_chains, int64(scatter(order_id, CHAIN_BITS))).value) - 1
    while place >= 0:
        recent = _recent_at(state, place)
        if recent.order_id == order_id:
            recent.withdrawn_lots += lots
            return int64(recent.lots), int64(recent.withdrawn_lots)
        place = int64(recent.next) - 1
    return int64(0), int64(0)


@routine
def forget_recent(state: Record, before_ns: int) -> None:
    """Remember orders no more that came before a time, nor the oldest one if there is no room for another."""
    while state.recent_count != 0:
        oldest = _recent_at(state, state.recent_first)
        if oldest.time_ns >= before_ns and state.recent_count < state.recent_max:
            return
        if oldest.order_id != NOBODY:
            take_recent(state, int64(oldest.order_id))
        state.recent_first = (int64(state.recent_first) + 1) % int64(state.recent_max)
        state.recent_count -= 1


@routine
def add_recent(state: Record, order_id: int, time_ns: int, lots: int) -> None:
    """Remember when an order was accepted, and with how many lots."""
    place = (int64(state.recent_first) + int64(state.recent_count)) % int64(state.recent_max)
    recent, head = _recent_at(state, place), word_at(state.recent_chains, int64(scatter(order_id, CHAIN_BITS)))
    recent.order_id, recent.time_ns, recent.next = order_id, time_ns, head.value
    recent.lots, recent.withdrawn_lots = lots, 0
    head.value = place + 1
    state.recent_count += 1
