"""The engine: apply(commands) -> events, one dispatch over the kernels.

Python calls the kernel per batch, never per order. A batch stops early when the next command could need more room
for events than is left; the events are then taken and the rest goes on, so results do not depend on the split.
"""

from collections.abc import Callable
from functools import cache
from sys import getrefcount
from typing import Any

import numpy as np

from exchange.core import state as memory
from exchange.core.accounts import enter_all_balances
from exchange.core.admin import (
    create_account,
    create_asset,
    list_instrument,
    set_account_state,
    set_account_tier,
    set_fees,
    set_price_band,
)
from exchange.core.auction import indicate, uncross
from exchange.core.book import SLOT_MASK
from exchange.core.calling import EVENTS_START, Program, caller
from exchange.core.endings import clear_book, expire_order, fire_deadman, kill_switch, mass_cancel, set_deadman
from exchange.core.jit import ROW, Record, entry, kernel, prefetch, record_at, routine
from exchange.core.money import bring_in, bust_trade, expire_units, redeem, transfer, withdraw
from exchange.core.orders import cancel_order, new_order, reduce_order, replace_order
from exchange.core.quotes import begin_batch, continue_batch, quote
from exchange.core.recent import enter_all
from exchange.core.records import COMMAND, EVENT
from exchange.core.state import EVENTS_MAX, OUTPUT, PRODUCTION, Capacity
from exchange.core.telling import reject
from exchange.core.types import EVENTS_PER_COMMAND_MAX, NIL, SLOT_BITS, CommandKind, OrderFlag, RejectReason
from exchange.core.venue import (
    go_on_waking,
    set_account_limits,
    set_guards,
    set_instrument_limits,
    set_mode,
    set_trading_state,
    set_venue_rules,
)

_FAR, _NEAR = 12, 6  # how many commands ahead memory is asked for
_CACHED_ORDERS = 1 << 14  # so many orders mostly are in the processor's own memory
_COMMAND = np.dtype((ROW, COMMAND))
_COMMAND_BYTES, _EVENT_BYTES = COMMAND.itemsize, EVENT.itemsize
_OUTPUTS_MAX = 4  # so many batches of events may be in use before they are copied
_INPUT_BYTES = 64 * _COMMAND_BYTES  # up to this it is quicker to copy commands than to ask where they are
_OPEN_ORDER = np.dtype(
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
_BALANCE_ROW = np.dtype([("account", "<u4"), ("asset", "<u4"), ("available", "<i8"), ("held", "<i8")])
_ASSET_ROW = np.dtype([("asset", "<u4"), ("kind", "<u4"), ("issuer", "<u4"), ("issued", "<i8"), ("burned", "<i8")])


@routine
def _change_orders(state: Record, command: Record, output: Record) -> bool:
    """Apply a command about orders that is not one of the three common ones; tell whether it was one."""
    kind = command.kind
    if kind == CommandKind.MASS_CANCEL:
        mass_cancel(state, command, output)
    elif kind == CommandKind.REDUCE_ORDER:
        reduce_order(state, command, output)
    elif kind == CommandKind.BEGIN_BATCH:
        begin_batch(state, command, output)
    elif kind == CommandKind.KILL_SWITCH:
        kill_switch(state, command, output)
    elif kind == CommandKind.SET_DEADMAN:
        set_deadman(state, command, output)
    elif kind == CommandKind.FIRE_DEADMAN:
        fire_deadman(state, command, output)
    elif kind == CommandKind.EXPIRE_ORDER:
        expire_order(state, command, output)
    elif kind == CommandKind.CLEAR_BOOK:
        clear_book(state, command, output)
    elif kind == CommandKind.WAKE_STOPS:
        go_on_waking(state, command, output)
    else:
        return False
    return True


@routine
def _move_money(state: Record, command: Record, output: Record) -> bool:
    """Apply a command about money or units; tell whether it was one."""
    kind = command.kind
    if kind == CommandKind.DEPOSIT or kind == CommandKind.ISSUE:
        bring_in(state, command, output)
    elif kind == CommandKind.WITHDRAW:
        withdraw(state, command, output)
    elif kind == CommandKind.REDEEM:
        redeem(state, command, output)
    elif kind == CommandKind.TRANSFER:
        transfer(state, command, output)
    elif kind == CommandKind.BUST_TRADE:
        bust_trade(state, command, output)
    elif kind == CommandKind.EXPIRE_UNITS:
        expire_units(state, command, output)
    else:
        return False
    return True


@routine
def _run_market(state: Record, command: Record, output: Record) -> bool:
    """Apply a command about how an instrument or account trades; tell whether it was one."""
    kind = command.kind
    if kind == CommandKind.INDICATE:
        indicate(state, command, output)
    elif kind == CommandKind.UNCROSS:
        uncross(state, command, output)
    elif kind == CommandKind.SET_TRADING_STATE:
        set_trading_state(state, command, output)
    elif kind == CommandKind.SET_MODE:
        set_mode(state, command, output)
    elif kind == CommandKind.SET_GUARDS:
        set_guards(state, command, output)
    elif kind == CommandKind.SET_INSTRUMENT_LIMITS:
        set_instrument_limits(state, command, output)
    elif kind == CommandKind.SET_ACCOUNT_LIMITS:
        set_account_limits(state, command, output)
    elif kind == CommandKind.SET_VENUE_RULES:
        set_venue_rules(state, command, output)
    else:
        return False
    return True


@routine
def _administer(state: Record, command: Record, output: Record) -> None:
    kind = command.kind
    if kind == CommandKind.CREATE_ASSET:
        create_asset(state, command, output)
    elif kind == CommandKind.CREATE_ACCOUNT:
        create_account(state, command, output)
    elif kind == CommandKind.SET_ACCOUNT_STATE:
        set_account_state(state, command, output)
    elif kind == CommandKind.SET_ACCOUNT_TIER:
        set_account_tier(state, command, output)
    elif kind == CommandKind.LIST_INSTRUMENT:
        list_instrument(state, command, output)
    elif kind == CommandKind.SET_FEES:
        set_fees(state, command, output)
    elif kind == CommandKind.SET_PRICE_BAND:
        set_price_band(state, command, output)
    else:
        reject(command, output, RejectReason.UNKNOWN_COMMAND)


@routine
def _apply_rare(state: Record, command: Record, output: Record) -> None:
    if _change_orders(state, command, output) or _move_money(state, command, output):
        return
    if not _run_market(state, command, output):
        _administer(state, command, output)


@kernel
def _dispatch(state: Record, command: Record, output: Record) -> None:
    kind = command.kind
    if state.batch_left > 0:
        continue_batch(state, command, output)
    elif kind == CommandKind.NEW_ORDER:
        new_order(state, command, output)
    elif kind == CommandKind.CANCEL_ORDER:
        cancel_order(state, command, output)
    elif kind == CommandKind.REPLACE_ORDER:
        replace_order(state, command, output)
    elif kind == CommandKind.QUOTE:
        quote(state, command, output)
    else:
        _apply_rare(state, command, output)


@kernel
def _named_slot(state: Record, command: Record) -> int:
    """Return the slot of the order id that a command bears, checked or not; NIL where no order has ever been."""
    slot = command.order_id & SLOT_MASK
    return slot if slot < state.order_count else NIL


@kernel
def _fetch_order(state: Record, command: Record) -> None:
    """Ask for the order that a command names, some time before it is applied."""
    slot = _named_slot(state, command)
    prefetch(state.orders[slot])
    prefetch(state.details[slot])


@kernel
def _fetch_neighbours(state: Record, command: Record) -> None:
    """Ask for the orders beside it, in its level and in its account's list."""
    slot = _named_slot(state, command)
    order, detail = state.orders[slot], state.details[slot]
    prefetch(state.orders[order.prev])
    prefetch(state.orders[order.next])
    prefetch(state.details[detail.own_prev])
    prefetch(state.details[detail.own_next])


@cache
def _program(capacity: Capacity) -> Program:
    """Return what applies commands to states of a capacity; it takes addresses, for numba looks long at an array."""
    layout = memory.state_dtype(capacity)

    @entry
    def run(state_at: int, commands_at: int, start: int, end: int, output_at: int) -> int:
        """Apply commands from `start` while there is room for their events; return the first one not applied."""
        state, output = record_at(state_at, layout), record_at(output_at, OUTPUT)
        output.count = 0
        index = start
        while index < end and output.count + EVENTS_PER_COMMAND_MAX <= EVENTS_MAX:
            if state.order_count > _CACHED_ORDERS and index + _FAR < end:
                _fetch_order(state, record_at(commands_at + (index + _FAR) * _COMMAND_BYTES, _COMMAND))
                _fetch_neighbours(state, record_at(commands_at + (index + _NEAR) * _COMMAND_BYTES, _COMMAND))
            command = record_at(commands_at + index * _COMMAND_BYTES, _COMMAND)
            _dispatch(state, command, output)
            state.sequence = command.sequence
            index += 1
        state.event_count += output.count
        return index

    program: Program = run
    return program


@cache
def _indexer(capacity: Capacity) -> Callable[[int], None]:
    """Return what makes the indexes of a restored state of a capacity."""
    layout = memory.state_dtype(capacity)

    @entry
    def index(state_at: int) -> None:
        """Find out again where everything is."""
        state = record_at(state_at, layout)
        enter_all_balances(state)
        enter_all(state.client_ids)
        enter_all(state.usage_ids)

    indexer: Callable[[int], None] = index
    return indexer


class _Output:
    """Where the kernel writes events, and what Python needs to read them there."""

    __slots__ = ("at", "bytes", "count", "memory", "references", "rows")

    def __init__(self) -> None:
        self.bytes = bytearray(OUTPUT.itemsize)  # the quickest to copy a few events from
        self.memory = np.frombuffer(self.bytes, np.uint8)
        self.rows = self.memory[EVENTS_START:].view(EVENT)
        self.count = self.memory[:4].view(np.uint32)
        self.at = self.memory.ctypes.data
        self.references = getrefcount(self.memory)  # whoever has events has one more


class Engine:
    """One shard: every book, balance and order, and the events that commands cause.

    Deterministic: equal commands give equal events and equal state, however they are split into batches.
    """

    def __init__(self, capacity: Capacity = PRODUCTION) -> None:
        """Start empty; capacity that is not used costs no memory."""
        self._take_over(memory.allocate(capacity), capacity)

    def _take_over(self, states: np.ndarray, capacity: Capacity) -> None:
        self.capacity = capacity
        self._states = states
        self._run = _program(capacity)
        self._output = _Output()
        self._outputs: list[_Output] = []
        self._input = np.zeros(_INPUT_BYTES, np.uint8)
        self._taken = self._input.data
        self._state_at, self._input_at = self._states.ctypes.data, self._input.ctypes.data
        self._apply_one: Callable[[bytes], bytes] | None = None  # until it is needed: the kernel must be there for it

    @classmethod
    def restore(cls, data: bytes | memoryview) -> "Engine":
        """Continue from a snapshot; raises ValueError when the bytes are none of this version."""
        engine = cls.__new__(cls)
        states, capacity = memory.restore(data)
        _indexer(capacity)(states.ctypes.data)
        engine._take_over(states, capacity)  # noqa: SLF001 - its own
        return engine

    def snapshot(self) -> memoryview:
        """Return a copy of the whole state, as bytes."""
        return memory.snapshot(self._states, self.capacity)

    def digest(self) -> bytes:
        """Return the SHA-256 of the whole state: 32 bytes, equal for engines in equal state."""
        return memory.digest(self._states)

    def apply(self, commands: np.ndarray) -> np.ndarray:
        """Apply commands (COMMAND, shape (n,)) in order; return their events (EVENT, shape (m,)), m >= n."""
        if commands.nbytes <= _INPUT_BYTES:
            return np.frombuffer(self.apply_bytes(commands.tobytes()), EVENT)
        commands = np.ascontiguousarray(commands)
        output = self._idle_output()
        done = self._run(self._state_at, commands.ctypes.data, 0, len(commands), output.at)
        events = output.rows[: output.count.item()]
        if done == len(commands) and output is not self._output:
            return events
        rest = self._apply(commands.ctypes.data, done, len(commands)) if done < len(commands) else b""
        return np.concatenate([events, np.frombuffer(rest, EVENT)])

    def apply_bytes(self, commands: bytes) -> bytes | bytearray:
        """Do what `apply` does with commands and events as bytes: the quickest for one or a few."""
        size = len(commands)
        if size == _COMMAND_BYTES and type(commands) is bytes:  # nothing else stands in memory as the call expects it
            return (self._apply_one or self._one_caller())(commands)
        if size > _INPUT_BYTES:
            return self.apply(np.frombuffer(commands, COMMAND)).tobytes()
        self._taken[:size] = commands
        return self._apply(self._input_at, 0, size // _COMMAND_BYTES)

    def _one_caller(self) -> Callable[[bytes], bytes]:
        self._apply_one = caller(self._run, self._state_at, self._output.at, self._output.bytes)
        return self._apply_one

    def _apply(self, commands_at: int, done: int, count: int) -> bytearray:
        output = self._output
        done = self._run(self._state_at, commands_at, done, count, output.at)
        events = output.bytes[EVENTS_START : EVENTS_START + output.count.item() * _EVENT_BYTES]
        while done < count:
            done = self._run(self._state_at, commands_at, done, count, output.at)
            events += output.bytes[EVENTS_START : EVENTS_START + output.count.item() * _EVENT_BYTES]
        return events

    def _idle_output(self) -> "_Output":
        """Return an output whose events nobody has any more, so that they need no copy; the common one at the worst."""
        for output in self._outputs:
            if getrefcount(output.memory) == output.references:
                return output
        if len(self._outputs) == _OUTPUTS_MAX:
            return self._output
        self._outputs.append(_Output())
        return self._outputs[-1]

    @property
    def event_count(self) -> int:
        """How many events there have been: the number of the latest."""
        return int(self._states[0]["event_count"])

    @property
    def command_sequence(self) -> int:
        """The sequence number of the latest command."""
        return int(self._states[0]["sequence"])

    def balances(self, account: int) -> list[tuple[int, int, int]]:
        """Return (asset, available, held) for every asset the account has ever had, oldest first."""
        state = self._states[0]
        found: list[tuple[int, int, int]] = []
        if account >= state["account_count"]:
            return found
        slot = int(state["accounts"][account]["first_balance"])
        while slot:
            row = state["balances"][slot]
            found.append((int(row["asset"]), int(row["available"]), int(row["held"])))
            slot = int(row["next"])
        return found[::-1]

    def balance_rows(self) -> np.ndarray:
        """Return every balance: fields account, asset, available, held."""
        state = self._states[0]
        return _columns(state["balances"][1 : state["balance_count"]], _BALANCE_ROW)

    def asset_rows(self) -> np.ndarray:
        """Return every asset: fields asset, kind, issuer, issued, burned."""
        state = self._states[0]
        rows = _columns(state["assets"][1 : state["asset_count"]], _ASSET_ROW)
        rows["asset"] = np.arange(1, state["asset_count"])
        return rows

    def open_order_rows(self) -> np.ndarray:
        """Return every open order in slot order: ids, limits (0: none), lots displayed or hidden, and holds."""
        state = self._states[0]
        slots = np.flatnonzero(state["orders"]["node"][: state["order_count"]])
        rows = _columns(state["orders"][slots], _OPEN_ORDER)
        details = state["details"][slots]
        rows["order_id"] = details["generation"].astype(np.int64) << SLOT_BITS | slots
        rows["instrument"] = details["instrument"]
        rows["quantity_lots"] = details["quantity"]
        flags, conditions = state["orders"]["flags"][slots], state["conditions"][details["condition"]]
        hidden = np.where(flags & OrderFlag.ICEBERG, conditions["hidden"], 0)
        rows["leaves_lots"] = state["orders"]["leaves"][slots] + hidden
        rows["price_ticks"] = np.where(flags & OrderFlag.SLEEPING, conditions["limit_ticks"], rows["price_ticks"])
        rows["price_ticks"][flags & OrderFlag.UNPRICED != 0] = 0
        rows["held"] = details["held"]
        return rows


def _columns(source: np.ndarray, shape: np.dtype[Any]) -> np.ndarray:
    """Copy the fields that two record arrays have in common."""
    rows = np.zeros(len(source), shape)
    for name in set(shape.names or ()) & set(source.dtype.names or ()):
        rows[name] = source[name]
    return rows
