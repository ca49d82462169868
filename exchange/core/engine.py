"""The engine: apply(commands) -> events, one dispatch over the kernels.

Python calls the kernel per batch, never per order. A batch stops early when the next command could need more room
for events than is left; the events are then taken and the rest goes on, so results do not depend on the split.
"""

from typing import Any

import numpy as np

from exchange.core import state as memory
from exchange.core.admin import (
    bring_in,
    create_account,
    create_asset,
    list_instrument,
    redeem,
    set_account_state,
    set_fees,
    set_price_band,
    set_trading_state,
    withdraw,
)
from exchange.core.jit import ROW, Record, entry, kernel, routine
from exchange.core.orders import cancel_order, mass_cancel, new_order, reject, replace_order
from exchange.core.records import COMMAND, EVENT
from exchange.core.state import EVENTS_MAX, OUTPUT, PRODUCTION, Capacity
from exchange.core.types import EVENTS_PER_COMMAND_MAX, SLOT_BITS, CommandKind, RejectReason

_COMMAND_RECORD = np.dtype((ROW, COMMAND))
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
def _administer(state: Record, command: Record, output: Record) -> None:
    kind = command.kind
    if kind == CommandKind.MASS_CANCEL:
        mass_cancel(state, command, output)
    elif kind == CommandKind.DEPOSIT or kind == CommandKind.ISSUE:
        bring_in(state, command, output)
    elif kind == CommandKind.WITHDRAW:
        withdraw(state, command, output)
    elif kind == CommandKind.REDEEM:
        redeem(state, command, output)
    elif kind == CommandKind.CREATE_ASSET:
        create_asset(state, command, output)
    elif kind == CommandKind.CREATE_ACCOUNT:
        create_account(state, command, output)
    elif kind == CommandKind.SET_ACCOUNT_STATE:
        set_account_state(state, command, output)
    elif kind == CommandKind.LIST_INSTRUMENT:
        list_instrument(state, command, output)
    elif kind == CommandKind.SET_FEES:
        set_fees(state, command, output)
    elif kind == CommandKind.SET_PRICE_BAND:
        set_price_band(state, command, output)
    elif kind == CommandKind.SET_TRADING_STATE:
        set_trading_state(state, command, output)
    else:
        reject(command, output, RejectReason.UNKNOWN_COMMAND)


@kernel
def _dispatch(state: Record, command: Record, output: Record) -> None:
    if command.kind == CommandKind.NEW_ORDER:
        new_order(state, command, output)
    elif command.kind == CommandKind.CANCEL_ORDER:
        cancel_order(state, command, output)
    elif command.kind == CommandKind.REPLACE_ORDER:
        replace_order(state, command, output)
    else:
        _administer(state, command, output)


@entry
def _run(states: Record, commands: Record, outputs: Record, start: int) -> int:
    """Apply commands from `start` while there is room for their events; return the first one not applied."""
    state = states[0]
    output = outputs[0]
    output.count = 0
    index = start
    while index < len(commands) and output.count + EVENTS_PER_COMMAND_MAX <= EVENTS_MAX:
        command = commands[index]
        _dispatch(state, command, output)
        state.sequence = command.sequence
        index += 1
    state.event_count += output.count
    return index


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
        self._outputs = np.zeros(1, OUTPUT)
        self._count = self._outputs["count"].view(np.ndarray)
        self._rows = self._outputs[0]["rows"].view(np.ndarray).view(np.uint8).reshape(-1)

    @classmethod
    def restore(cls, data: bytes) -> "Engine":
        """Continue from a snapshot; raises ValueError when the bytes are none of this version."""
        engine = cls.__new__(cls)
        engine._take_over(*memory.restore(data))  # noqa: SLF001 - its own
        return engine

    def snapshot(self) -> bytes:
        """Return the whole state as bytes."""
        return memory.snapshot(self._states, self.capacity)

    def digest(self) -> bytes:
        """Return the SHA-256 of the whole state: 32 bytes, equal for engines in equal state."""
        return memory.digest(self._states)

    def apply(self, commands: np.ndarray) -> np.ndarray:
        """Apply commands (COMMAND, shape (n,)) in order; return their events (EVENT, shape (m,)), m >= n."""
        commands = commands.view(_COMMAND_RECORD)
        parts = []  # as bytes: numpy copies records field by field, 30 times slower
        done = 0
        while True:
            done = _run(self._states, commands, self._outputs, done)
            parts.append(self._rows[: int(self._count[0]) * EVENT.itemsize].copy())
            if done >= len(commands):
                return (parts[0] if len(parts) == 1 else np.concatenate(parts)).view(EVENT)

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
        """Return every resting order in slot order: ids, terms and holds."""
        state = self._states[0]
        slots = np.flatnonzero(state["orders"]["node"][: state["order_count"]])
        rows = _columns(state["orders"][slots], _OPEN_ORDER)
        details = state["details"][slots]
        rows["order_id"] = details["generation"].astype(np.int64) << SLOT_BITS | slots
        rows["instrument"] = details["instrument"]
        rows["quantity_lots"] = details["quantity"]
        rows["leaves_lots"] = state["orders"]["leaves"][slots]
        rows["held"] = details["held"]
        return rows


def _columns(source: np.ndarray, shape: np.dtype[Any]) -> np.ndarray:
    """Copy the fields that two record arrays have in common."""
    rows = np.zeros(len(source), shape)
    for name in set(shape.names or ()) & set(source.dtype.names or ()):
        rows[name] = source[name]
    return rows
