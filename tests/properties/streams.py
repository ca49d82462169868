"""Random streams of commands, dense enough that orders meet, ids repeat, pools fill and clocks jump.

A step may aim at an order that exists by the time it is sent; which one that is, only the run can tell.
"""

from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st

from exchange.core import commands
from exchange.core.records import COMMAND, EVENT
from exchange.core.reference import Reference
from exchange.core.state import Capacity
from exchange.core.types import (
    AMOUNT_MAX,
    BPS,
    CLIENT_ID_WINDOW_NS,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    TICK_VALUE_MAX,
    USAGE_ID_WINDOW_NS,
    AccountState,
    AssetKind,
    CommandKind,
    EventKind,
    OrderFlag,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)
from tests.exchange.core.builders import BOB, CNY, COARSE, LICENCES, PLAIN, SETUP, altered, batch

INT64_MAX = (1 << 63) - 1
HUGE = 3  # a book whose terms reach the limits of arithmetic

PROLOGUE = (
    *SETUP,
    commands.list_instrument(
        HUGE, LICENCES, CNY, lot_units=1 << 55, tick_value=TICK_VALUE_MAX, quantity_min=2, quantity_max=1 << 20
    ),
    commands.set_trading_state(HUGE, TradingState.CONTINUOUS),
    commands.issue(BOB, LICENCES, 1 << 61),
    commands.deposit(BOB, CNY, 1 << 50),
    commands.set_fees(PLAIN, maker_bps=-30, taker_bps=70),
    commands.set_fees(COARSE, maker_bps=15, taker_bps=5),
)


class Step(NamedTuple):
    """A command to be sent some time after the one before; `aim` picks an order, -1 leaves the order id alone."""

    encoded: bytes
    delay_ns: int
    aim: int


def mostly(usual: st.SearchStrategy[int], *unusual: int) -> st.SearchStrategy[int]:
    """Draw what is usual, and now and then what is not."""
    return st.one_of(*[usual] * 12, st.sampled_from(unusual))


ACCOUNTS = mostly(st.integers(1, 4), 0, 5, 99, (1 << 32) - 1)
INSTRUMENTS = mostly(st.sampled_from([PLAIN, PLAIN, PLAIN, COARSE, HUGE]), 0, 4, (1 << 32) - 1)
ASSETS = mostly(st.integers(1, 3), 0, 4, 5, (1 << 32) - 1)
PRICES = mostly(st.integers(97, 103), 0, -1, 1, 64, 128, 5_000, PRICE_TICKS_MAX, PRICE_TICKS_MAX + 1, INT64_MAX)
LOTS = mostly(st.integers(1, 9), 0, -1, 40, 700, 1_000, 1_001, NOTIONAL_MAX, INT64_MAX)
AMOUNTS = mostly(st.integers(1, 400), 0, -1, 99_000, 1 << 60, AMOUNT_MAX, AMOUNT_MAX + 1, INT64_MAX)
NAMES = st.sampled_from(["", "", "", "", "a", "b", "c", "a-longer-name-of-thirty-six-letters-"])
USAGE_IDS = st.sampled_from([bytes(16), b"\1" * 16, b"\2" * 16, bytes(15) + b"\3", bytes(7) + b"\4" + bytes(8)])
DELAYS_NS = st.one_of(
    *[st.just(0)] * 6,
    st.integers(1, 1_000),
    st.sampled_from(
        [
            CLIENT_ID_WINDOW_NS // 2,
            CLIENT_ID_WINDOW_NS - 1,
            CLIENT_ID_WINDOW_NS,
            USAGE_ID_WINDOW_NS - 1,
            USAGE_ID_WINDOW_NS,
        ]
    ),
)

NEW_ORDERS = st.builds(
    commands.new_order,
    ACCOUNTS,
    INSTRUMENTS,
    st.sampled_from([Side.BUY, Side.SELL]),
    PRICES,
    LOTS,
    order_type=st.sampled_from([OrderType.LIMIT] * 5 + [OrderType.MARKET]),
    time_in_force=st.sampled_from([TimeInForce.GTC] * 4 + [TimeInForce.IOC, TimeInForce.FOK]),
    self_trade_prevention=st.sampled_from(SelfTradePrevention),
    flags=st.sampled_from([0] * 6 + [OrderFlag.POST_ONLY]),
    client_order_id=NAMES,
)
MALFORMED_ORDERS = st.builds(
    lambda encoded, name, value: altered(encoded, **{name: value}),
    NEW_ORDERS,
    st.sampled_from(
        ["side", "order_type", "time_in_force", "self_trade_prevention", "flags", "kind", "state", "spare"]
    ),
    st.integers(0, 255),
)
CANCELS = st.builds(commands.cancel_order, ACCOUNTS, st.sampled_from([0, -1, 1, 1 << 22, 1 << 22 | 1, INT64_MAX]))
REPLACES = st.builds(
    commands.replace_order,
    ACCOUNTS,
    st.just(0),
    st.one_of(st.just(0), PRICES),
    st.one_of(st.just(0), LOTS),
    flags=st.sampled_from([0, 0, 0, OrderFlag.REQUEUE, OrderFlag.POST_ONLY, 255]),
)
MASS_CANCELS = st.builds(
    commands.mass_cancel, ACCOUNTS, st.one_of(st.just(0), INSTRUMENTS), mostly(st.sampled_from(Side), 3, 255)
)
TRANSFERS = st.one_of(
    st.builds(commands.deposit, ACCOUNTS, ASSETS, AMOUNTS),
    st.builds(commands.withdraw, ACCOUNTS, ASSETS, AMOUNTS),
    st.builds(commands.issue, ACCOUNTS, ASSETS, AMOUNTS),
    st.builds(commands.redeem, ACCOUNTS, ASSETS, AMOUNTS, USAGE_IDS),
    st.builds(commands.redeem, ACCOUNTS, ASSETS, AMOUNTS, USAGE_IDS),
)
OPERATIONS = st.one_of(
    st.builds(commands.create_asset, ASSETS, mostly(st.sampled_from(AssetKind), 4, 255), ACCOUNTS),
    st.builds(commands.create_account, st.integers(3, 8), st.integers(0, 5)),
    st.builds(commands.set_account_state, ACCOUNTS, mostly(st.sampled_from(AccountState), 5, 255)),
    st.builds(commands.set_account_state, ACCOUNTS, st.just(AccountState.ACTIVE)),
    st.builds(commands.set_account_state, ACCOUNTS, st.just(AccountState.ACTIVE)),
    st.builds(
        commands.list_instrument,
        st.integers(2, 6),
        ASSETS,
        ASSETS,
        lot_units=mostly(st.integers(1, 9), 0, -1, NOTIONAL_MAX, NOTIONAL_MAX + 1),
        tick_value=mostly(st.integers(1, 9), 0, -1, TICK_VALUE_MAX, TICK_VALUE_MAX + 1),
        quantity_min=mostly(st.integers(1, 9), 0, -1, NOTIONAL_MAX),
        quantity_max=mostly(st.integers(5, 500), 0, NOTIONAL_MAX, NOTIONAL_MAX + 1, INT64_MAX),
    ),
    st.builds(commands.set_fees, INSTRUMENTS, mostly(st.integers(-60, 60), -BPS, BPS, BPS + 1), mostly(st.integers(0, 90), -1, BPS, BPS + 1)),
    st.builds(commands.set_price_band, INSTRUMENTS, mostly(st.integers(95, 101), 0, 1, -1), mostly(st.integers(99, 105), 0, PRICE_TICKS_MAX, PRICE_TICKS_MAX + 1)),
    st.builds(commands.set_trading_state, INSTRUMENTS, mostly(st.sampled_from(TradingState), 4, 255)),
    st.builds(commands.set_trading_state, INSTRUMENTS, st.just(TradingState.CONTINUOUS)),
    st.builds(commands.set_trading_state, INSTRUMENTS, st.just(TradingState.CONTINUOUS)),
)  # fmt: skip

AIMS = st.integers(0, 40)
NO_AIM = st.just(-1)
NO_DELAY = st.just(0)
PLAIN_STEPS = st.builds(Step, st.one_of(*[NEW_ORDERS] * 5, MALFORMED_ORDERS, CANCELS, MASS_CANCELS, TRANSFERS, TRANSFERS, OPERATIONS, OPERATIONS), DELAYS_NS, NO_AIM)  # fmt: skip
AIMED_STEPS = st.builds(Step, st.one_of(CANCELS, REPLACES, REPLACES, REPLACES), DELAYS_NS, AIMS)
STEPS = st.one_of(PLAIN_STEPS, PLAIN_STEPS, PLAIN_STEPS, AIMED_STEPS)
STREAMS = st.lists(STEPS, min_size=1, max_size=70)

TRADING_STEPS = st.one_of(
    st.builds(Step, NEW_ORDERS, NO_DELAY, NO_AIM),
    st.builds(Step, NEW_ORDERS, NO_DELAY, NO_AIM),
    st.builds(Step, REPLACES, NO_DELAY, AIMS),
)
TRADING_STREAMS = st.lists(TRADING_STEPS, min_size=5, max_size=70)


class Run:
    """A stream as it went through the readable engine: the commands as sent, and what they caused."""

    def __init__(self, capacity: Capacity, steps: list[Step], prologue: tuple[bytes, ...] = PROLOGUE) -> None:
        self.reference = Reference(capacity)
        self.time_ns = 0
        self.known: dict[int, int] = {}  # order id -> account, as accepted
        self.commands: list[np.ndarray] = []
        self.events: list[np.ndarray] = []
        for step in (*(Step(encoded, 0, -1) for encoded in prologue), *steps):
            self.send(step)

    def send(self, step: Step) -> np.ndarray:
        """Apply one command, aimed at an order that is known by now, and return its events."""
        self.time_ns += step.delay_ns
        command = batch(self._aimed(step), sequence=len(self.commands) + 1, time_ns=self.time_ns)
        events = self.reference.apply(command)
        accepted = events[events["kind"] == EventKind.ORDER_ACCEPTED]
        self.known.update(zip(accepted["order_id"].tolist(), accepted["account"].tolist(), strict=True))
        self.commands.append(command)
        self.events.append(events)
        return events

    def _aimed(self, step: Step) -> bytes:
        if step.aim < 0 or not self.known:
            return step.encoded
        open_ids = self.reference.open_order_rows()["order_id"].tolist()
        choice = [*open_ids * 4, *list(self.known)[-4:]]  # mostly open ones, and some that may have ended
        order_id = choice[step.aim % len(choice)]
        if step.aim % 8 == 7:
            return altered(step.encoded, order_id=order_id)
        return altered(step.encoded, order_id=order_id, account=self.known[order_id])

    def all_commands(self) -> np.ndarray:
        """Return every command of the run as COMMAND[n]."""
        return np.concatenate([np.zeros(0, COMMAND), *self.commands])

    def all_events(self) -> np.ndarray:
        """Return every event of the run as EVENT[m]."""
        return np.concatenate([np.zeros(0, EVENT), *self.events])


def kinds(run: Run) -> list[CommandKind]:
    """Return the kind of each command that has a known one."""
    known = set(CommandKind)
    return [CommandKind(kind) for kind in run.all_commands()["kind"].tolist() if kind in known]
