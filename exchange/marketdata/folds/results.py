"""What became of each of many commands, out of the events that they caused: compiled, for frames of a thousand."""

import numpy as np

from exchange.core.jit import ROW
from exchange.core.records import COMMAND
from exchange.core.types import CommandKind, EventKind, SelfTradePrevention
from exchange.marketdata.folds.compiled import Record, address, entry, event_at, int64, kernel, record_at, routine

TRADES_MAX = 0xFFFF  # that a result can tell
RESULT = np.dtype(
    [
        ("kind", "u1"),  # EventKind
        ("reason", "u1"),  # RejectReason of a rejection
        ("trades", "<u2"),
        ("spare", "<u4"),
        ("sequence", "<i8"),
        ("order_id", "<i8"),
        ("filled_lots", "<i8"),
        ("leaves_lots", "<i8"),
        ("amount", "<i8"),
        ("fee", "<i8"),
    ]
)
_COMMAND, _RESULT = np.dtype((ROW, COMMAND)), np.dtype((ROW, RESULT))
_COMMAND_BYTES, _RESULT_BYTES = COMMAND.itemsize, RESULT.itemsize


def results(commands: np.ndarray, events: np.ndarray) -> np.ndarray:
    """Return RESULT of each command, from the events of all, which stand together and in order."""
    found = np.zeros(len(commands), RESULT)
    done = _tell(address(commands), len(commands), address(events), len(events), address(found))
    assert done == len(events)
    return found


@entry
def _tell(commands_at: int, count: int, events_at: int, event_count: int, found_at: int) -> int:
    """Write the results of commands; return how many events belong to them."""
    begin = 0
    for index in range(count):
        if begin == event_count:
            return -1
        end, sequence = begin + 1, event_at(events_at, begin).sequence
        while end < event_count and event_at(events_at, end).sequence == sequence:
            end += 1
        command = record_at(commands_at + index * _COMMAND_BYTES, _COMMAND)
        result = record_at(found_at + index * _RESULT_BYTES, _RESULT)
        told = event_at(events_at, end - 1 if command.kind == CommandKind.MASS_CANCEL else begin)  # its sum is its last
        result.kind, result.sequence, result.order_id = told.kind, told.sequence, told.order_id
        if told.kind == EventKind.COMMAND_REJECTED:
            result.reason = told.reason
        elif told.kind == EventKind.MASS_CANCELED:
            result.leaves_lots = told.leaves_lots
        else:
            _sum_up(result, told, events_at, begin, end)
        begin = end
    return begin


@routine
def _sum_up(result: Record, told: Record, events_at: int, begin: int, end: int) -> None:
    """Sum up the trades of a command's own order; one that rested may be a maker of a stop that it woke."""
    own, less, trades, is_over = told.order_id, int64(0), 0, False
    for index in range(begin, end):
        event = event_at(events_at, index)
        is_maker, is_own = event.counter_order_id == own, event.order_id == own
        if event.kind == EventKind.TRADED and (is_maker or is_own):
            result.filled_lots += event.quantity_lots
            result.amount += event.amount
            result.fee += event.counter_fee if is_maker else event.fee
            trades += 1
        elif event.kind == EventKind.MATCH_PREVENTED and (is_maker or is_own):
            if event.self_trade_prevention == SelfTradePrevention.DECREMENT:
                less += event.quantity_lots
        elif event.kind == EventKind.ORDER_EXPIRED and is_own:
            is_over = True
    result.trades = min(trades, TRADES_MAX)
    if not is_over:
        result.leaves_lots = _begun(told) - int64(result.filled_lots) - less


@kernel
def _begun(told: Record) -> int:
    """Return what was open of a command's order before it traded, nothing if it neither came nor was replaced."""
    if told.kind == EventKind.ORDER_ACCEPTED:
        return int64(told.quantity_lots)
    return int64(told.leaves_lots) if told.kind == EventKind.ORDER_REPLACED else 0
