"""Random streams of commands, dense enough that orders meet, ids repeat, pools fill and clocks jump.

A step may aim at an order that exists by the time it is sent; which one that is, only the run can tell.
"""

from typing import Any, NamedTuple

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
    FEE_TIERS,
    NOTIONAL_MAX,
    PRICE_TICKS_MAX,
    SECOND_NS,
    TICK_VALUE_MAX,
    USAGE_ID_WINDOW_NS,
    AccountState,
    AssetKind,
    ClearScope,
    CommandKind,
    EndReason,
    EventKind,
    OrderFlag,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingMode,
    TradingState,
    TransferPurpose,
)
from tests.exchange.core.builders import ALICE, BOB, CNY, COARSE, DAVE, LICENCES, PLAIN, SETUP, altered, batch

INT64_MAX = (1 << 63) - 1
HUGE = 3  # a book whose terms reach the limits of arithmetic

LICENSED = 4  # a book of another asset, with a regulator's rules
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
    commands.new_order(ALICE, PLAIN, Side.SELL, 100, 1),
    commands.new_order(BOB, PLAIN, Side.BUY, 100, 1),
)
RULED_PROLOGUE = (
    *PROLOGUE,
    commands.create_asset(4, AssetKind.LICENCE, DAVE),
    commands.list_instrument(LICENSED, 4, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=500),
    commands.set_trading_state(LICENSED, TradingState.CONTINUOUS),
    commands.issue(DAVE, 4, 500),
    commands.transfer(DAVE, ALICE, 4, 50, TransferPurpose.SUBACCOUNT),
    commands.set_venue_rules(LICENSED, turnaround_days=2, holders_max=2),
    commands.set_guards(PLAIN, 400, 200, 100),
    commands.set_instrument_limits(LICENSED, open_orders_max=6, position_bps=2_000),
)


class Step(NamedTuple):
    """A command to be sent some time after the one before; `aim` picks an order, -1 leaves the order id alone."""

    encoded: bytes
    delay_ns: int
    aim: int


def weighted(*choices: tuple[int, st.SearchStrategy[Any]]) -> st.SearchStrategy[Any]:
    """Draw from one of several strategies, each as often as its weight says: `one_of` would drop repetitions."""
    tickets = [strategy for weight, strategy in choices for _ in range(weight)]
    return st.integers(0, len(tickets) - 1).flatmap(tickets.__getitem__)


def mostly(usual: st.SearchStrategy[int], *unusual: int) -> st.SearchStrategy[int]:
    """Draw what is usual, and now and then what is not."""
    return weighted((30, usual), (1, st.sampled_from(unusual)))


ACCOUNTS = mostly(st.integers(1, 4), 0, 5, 99, (1 << 32) - 1)
INSTRUMENTS = mostly(st.sampled_from([PLAIN, PLAIN, PLAIN, COARSE, HUGE]), 0, LICENSED, (1 << 32) - 1)
MANY = mostly(st.sampled_from([PLAIN, PLAIN, PLAIN, LICENSED, LICENSED, COARSE]), 0, 5)
ASSETS = mostly(st.integers(1, 3), 0, 4, 5, (1 << 32) - 1)
PRICES = mostly(st.integers(97, 103), 0, -1, 1, 64, 128, 5_000, PRICE_TICKS_MAX, PRICE_TICKS_MAX + 1, INT64_MAX)
WIDE_PRICES = st.one_of(  # every height that the tries of prices can have, and neighbours across their pages
    st.integers(0, 30).map(lambda bit: 1 << bit),
    st.integers(0, 5).flatmap(lambda page: st.integers((1 << 6 * page) - 1, (1 << 6 * page) + 1)),
    st.sampled_from([PRICE_TICKS_MAX, PRICE_TICKS_MAX - 64]),
)
LOTS = mostly(st.integers(1, 9), 0, -1, 40, 700, 1_000, 1_001, NOTIONAL_MAX, INT64_MAX)
AMOUNTS = weighted(
    (12, st.integers(1, 400)),
    (1, st.sampled_from([0, -1, 99_000, 1 << 60, AMOUNT_MAX, AMOUNT_MAX + 1, INT64_MAX])),
)
NAMES = st.sampled_from(["", "", "", "", "a", "b", "c", "a-longer-name-of-thirty-six-letters-"])
USAGE_IDS = st.sampled_from([bytes(16), b"\1" * 16, b"\2" * 16, bytes(15) + b"\3", bytes(7) + b"\4" + bytes(8)])
JUMPS_NS = (
    CLIENT_ID_WINDOW_NS // 2,
    CLIENT_ID_WINDOW_NS - 1,
    CLIENT_ID_WINDOW_NS,
    USAGE_ID_WINDOW_NS - 1,
    USAGE_ID_WINDOW_NS,
)
DELAYS_NS = weighted((20, st.just(0)), (5, st.integers(1, 1_000)), (1, st.sampled_from(JUMPS_NS)))


def new_orders(prices: st.SearchStrategy[int]) -> st.SearchStrategy[bytes]:
    """Draw orders to buy and to sell of all types."""
    return st.builds(
        commands.new_order,
        ACCOUNTS,
        INSTRUMENTS,
        st.sampled_from([Side.BUY, Side.SELL]),
        prices,
        LOTS,
        order_type=st.sampled_from([OrderType.LIMIT] * 5 + [OrderType.MARKET]),
        time_in_force=st.sampled_from([TimeInForce.GTC] * 4 + [TimeInForce.IOC, TimeInForce.FOK]),
        self_trade_prevention=st.sampled_from(SelfTradePrevention),
        flags=st.sampled_from([0] * 6 + [OrderFlag.POST_ONLY]),
        client_order_id=NAMES,
    )


def replaces(prices: st.SearchStrategy[int]) -> st.SearchStrategy[bytes]:
    """Draw replaces that have yet to be aimed."""
    return st.builds(
        commands.replace_order,
        ACCOUNTS,
        st.just(0),
        weighted((1, st.just(0)), (2, prices)),
        weighted((1, st.just(0)), (1, LOTS)),
        flags=st.sampled_from([0, 0, 0, OrderFlag.REQUEUE, OrderFlag.POST_ONLY, 255]),
    )


NEW_ORDERS, REPLACES = new_orders(PRICES), replaces(PRICES)
MALFORMED_ORDERS = st.builds(
    lambda encoded, name, value: altered(encoded, **{name: value}),
    NEW_ORDERS,
    st.sampled_from(
        ["side", "order_type", "time_in_force", "self_trade_prevention", "flags", "kind", "state", "spare"]
    ),
    st.integers(0, 255),
)
CANCELS = st.builds(commands.cancel_order, ACCOUNTS, st.sampled_from([0, -1, 1, 1 << 22, 1 << 22 | 1, INT64_MAX]))
MASS_CANCELS = st.builds(
    commands.mass_cancel, ACCOUNTS, weighted((1, st.just(0)), (1, INSTRUMENTS)), mostly(st.sampled_from(Side), 3, 255)
)
TRANSFERS = weighted(
    (1, st.builds(commands.deposit, ACCOUNTS, ASSETS, AMOUNTS)),
    (1, st.builds(commands.withdraw, ACCOUNTS, ASSETS, AMOUNTS)),
    (1, st.builds(commands.issue, ACCOUNTS, ASSETS, AMOUNTS)),
    (2, st.builds(commands.redeem, ACCOUNTS, ASSETS, AMOUNTS, USAGE_IDS)),
)
LISTINGS = st.builds(
    commands.list_instrument,
    st.integers(3, 5),
    ASSETS,
    ASSETS,
    lot_units=mostly(st.integers(1, 9), 0, -1, NOTIONAL_MAX, NOTIONAL_MAX + 1),
    tick_value=mostly(st.integers(1, 9), 0, -1, TICK_VALUE_MAX, TICK_VALUE_MAX + 1),
    quantity_min=mostly(st.integers(1, 9), 0, -1, NOTIONAL_MAX),
    quantity_max=mostly(st.integers(5, 500), 0, NOTIONAL_MAX, NOTIONAL_MAX + 1, INT64_MAX),
)
MAKER_BPS = mostly(st.integers(-60, 60), -BPS, BPS, BPS + 1)
TAKER_BPS = mostly(st.integers(0, 90), -1, BPS, BPS + 1)
TIERS = mostly(st.integers(0, 2), FEE_TIERS - 1, FEE_TIERS, 255)
LOWS = mostly(st.sampled_from([1, 95, 98, 99]), 0, -1)
HIGHS = mostly(st.sampled_from([PRICE_TICKS_MAX, 101, 102, 105]), 0, 50, PRICE_TICKS_MAX + 1)
OPERATIONS = weighted(
    (1, st.builds(commands.create_asset, st.integers(3, 5), mostly(st.sampled_from(AssetKind), 4, 255), ACCOUNTS)),
    (1, st.builds(commands.create_account, st.integers(4, 6), st.integers(0, 5))),
    (1, st.builds(commands.set_account_state, ACCOUNTS, mostly(st.sampled_from(AccountState), 5, 255))),
    (3, st.builds(commands.set_account_state, ACCOUNTS, st.just(AccountState.ACTIVE))),
    (1, LISTINGS),
    (2, st.builds(commands.set_fees, INSTRUMENTS, MAKER_BPS, TAKER_BPS, TIERS)),
    (1, st.builds(commands.set_account_tier, ACCOUNTS, TIERS)),
    (2, st.builds(commands.set_price_band, INSTRUMENTS, LOWS, HIGHS)),
    (1, st.builds(commands.set_trading_state, INSTRUMENTS, mostly(st.sampled_from(TradingState), 4, 255))),
    (3, st.builds(commands.set_trading_state, INSTRUMENTS, st.just(TradingState.CONTINUOUS))),
)

# --- what is asked besides --------------------------------------------------------------------------------------------

SIDES = st.sampled_from([Side.BUY, Side.SELL])
FEW = mostly(st.integers(1, 9), 0, -1, 40, 1_000)
NEAR = mostly(st.integers(97, 103), 0, 1, 130)
POLICIES = st.sampled_from(SelfTradePrevention)
WAITING_LIVES = st.sampled_from([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.DAY])
LIMITS = mostly(st.sampled_from([0, 0, 1, 2, 5]), -1, 1 << 31)

STOP_ORDERS = st.builds(
    commands.new_order,
    ACCOUNTS,
    MANY,
    SIDES,
    NEAR,
    FEW,
    order_type=st.sampled_from([OrderType.STOP, OrderType.STOP_LIMIT]),
    time_in_force=st.sampled_from([TimeInForce.GTC, TimeInForce.DAY, TimeInForce.FOK, TimeInForce.IOC]),
    self_trade_prevention=POLICIES,
    stop_ticks=st.integers(97, 103),
)
ICEBERGS = st.builds(
    commands.new_order,
    ACCOUNTS,
    MANY,
    SIDES,
    NEAR,
    mostly(st.integers(4, 30), 0, 1_001),
    time_in_force=WAITING_LIVES,
    self_trade_prevention=POLICIES,
    display_lots=mostly(st.integers(1, 4), 40),
)
AUCTION_ORDERS = st.builds(
    commands.new_order,
    ACCOUNTS,
    MANY,
    SIDES,
    NEAR,
    FEW,
    order_type=st.sampled_from([OrderType.LIMIT, OrderType.MARKET]),
    time_in_force=st.just(TimeInForce.AT_AUCTION),
)
ORDERS_BY_AMOUNT = st.builds(
    commands.new_order,
    ACCOUNTS,
    MANY,
    SIDES,
    st.just(0),
    mostly(st.just(0), 1),
    order_type=st.just(OrderType.MARKET),
    time_in_force=st.sampled_from([TimeInForce.IOC, TimeInForce.IOC, TimeInForce.FOK]),
    self_trade_prevention=POLICIES,
    amount=mostly(st.integers(90, 3_000), 1, -1, NOTIONAL_MAX + 1, INT64_MAX),
)
POST_ONLY_ORDERS = st.builds(
    commands.new_order, ACCOUNTS, MANY, SIDES, NEAR, FEW, flags=st.just(OrderFlag.POST_ONLY), client_order_id=NAMES
)
PLAIN_ORDERS = st.builds(
    commands.new_order,
    ACCOUNTS,
    MANY,
    SIDES,
    NEAR,
    FEW,
    time_in_force=st.sampled_from([*[TimeInForce.GTC] * 4, TimeInForce.DAY, TimeInForce.IOC, TimeInForce.FOK]),
    self_trade_prevention=POLICIES,
)
ENDING_ORDERS = st.builds(
    lambda encoded, until_ns: altered(encoded, time_in_force=TimeInForce.GTD, until_ns=until_ns),
    PLAIN_ORDERS,
    mostly(st.sampled_from([1, SECOND_NS, 3_000 * SECOND_NS]), 0, -1),
)
QUOTES = st.builds(
    commands.quote,
    ACCOUNTS,
    MANY,
    st.tuples(st.integers(96, 100), mostly(st.integers(0, 5), -1, 2_000)),
    st.tuples(st.integers(100, 104), mostly(st.integers(0, 5), -1, 2_000)),
    self_trade_prevention=POLICIES,
    flags=mostly(st.sampled_from([0, OrderFlag.POST_ONLY]), OrderFlag.QUOTE),
)
STATES = weighted(
    (4, st.just(TradingState.CONTINUOUS)),
    (3, st.sampled_from([TradingState.PRE_OPEN, TradingState.CALL_OPEN, TradingState.VOLATILITY])),
    (1, st.sampled_from(TradingState)),
)
MARKET_PHASES = weighted(
    (3, st.builds(commands.set_trading_state, MANY, STATES)),
    (4, st.builds(commands.uncross, MANY, STATES)),
    (2, st.builds(commands.indicate, MANY)),
    (1, st.builds(commands.wake_stops, MANY)),
    (1, st.builds(commands.clear_book, MANY, st.sampled_from(Side), st.sampled_from(ClearScope))),
    (1, st.builds(commands.set_mode, MANY, st.sampled_from(TradingMode))),
    (1, st.builds(commands.set_price_band, MANY, LOWS, HIGHS)),
)
SETTINGS = weighted(
    (2, st.builds(commands.set_guards, MANY, *[mostly(st.sampled_from([0, 100, 200, 400]), -1)] * 2, NEAR)),
    (
        2,
        st.builds(
            commands.set_instrument_limits,
            MANY,
            open_orders_max=LIMITS,
            notional_max=mostly(st.sampled_from([0, 0, 900]), -1, NOTIONAL_MAX + 1),
            position_bps=mostly(st.sampled_from([0, 0, 2_600, 5_000]), -1, BPS + 1),
        ),
    ),
    (
        2,
        st.builds(
            commands.set_account_limits,
            ACCOUNTS,
            open_orders_max=LIMITS,
            order_rate_max=LIMITS,
            message_rate_max=LIMITS,
            notional_max=mostly(st.sampled_from([0, 0, 900]), -1),
        ),
    ),
    (
        2,
        st.builds(
            commands.set_venue_rules,
            MANY,
            anonymous=st.booleans(),
            turnaround_days=mostly(st.integers(0, 3), 32, -1),
            holders_max=mostly(st.integers(0, 3), -1),
        ),
    ),
    (1, st.builds(commands.begin_batch, ACCOUNTS, mostly(st.integers(1, 4), 0, 257))),
    (1, st.builds(commands.set_deadman, ACCOUNTS, mostly(st.sampled_from([0, 1, SECOND_NS]), -1))),
    (1, st.builds(commands.fire_deadman, ACCOUNTS)),
    (1, st.builds(commands.kill_switch, ACCOUNTS)),
    (2, st.builds(commands.set_account_state, ACCOUNTS, st.just(AccountState.ACTIVE))),
)
MOVES = weighted(
    (
        2,
        st.builds(
            commands.transfer,
            ACCOUNTS,
            ACCOUNTS,
            mostly(st.sampled_from([1, 2, 4]), 0, 5),
            AMOUNTS,
            st.sampled_from(TransferPurpose),
            USAGE_IDS,
        ),
    ),
    (1, st.builds(commands.expire_units, ACCOUNTS, mostly(st.sampled_from([2, 4]), 1), mostly(AMOUNTS, 0))),
    (1, st.builds(commands.redeem, ACCOUNTS, st.just(4), AMOUNTS, USAGE_IDS)),
    (
        2,
        st.builds(
            commands.bust_trade,
            st.integers(0, 9),
            SIDES,
            st.tuples(ACCOUNTS, ACCOUNTS),
            MANY,
            NEAR,
            FEW,
            st.tuples(st.integers(-2, 5), st.integers(-5, 5)),
        ),
    ),
)
REDUCTIONS = st.builds(commands.reduce_order, ACCOUNTS, st.just(0), FEW)
TIMERS = st.builds(commands.expire_order, st.just(0))
DISCONNECTS = st.builds(
    commands.mass_cancel,
    ACCOUNTS,
    st.sampled_from([0, PLAIN, LICENSED]),
    st.sampled_from(Side),
    st.just(EndReason.DISCONNECTED),
)

NO_DELAY = st.just(0)
NO_AIM = st.just(-1)
AIMS = st.integers(0, 40)
STEPS = weighted(
    (30, st.builds(Step, NEW_ORDERS, DELAYS_NS, NO_AIM)),
    (2, st.builds(Step, MALFORMED_ORDERS, DELAYS_NS, NO_AIM)),
    (1, st.builds(Step, MASS_CANCELS, DELAYS_NS, NO_AIM)),
    (6, st.builds(Step, TRANSFERS, DELAYS_NS, NO_AIM)),
    (5, st.builds(Step, OPERATIONS, DELAYS_NS, NO_AIM)),
    (1, st.builds(Step, CANCELS, DELAYS_NS, NO_AIM)),
    (3, st.builds(Step, CANCELS, DELAYS_NS, AIMS)),
    (8, st.builds(Step, REPLACES, DELAYS_NS, AIMS)),
)
TRADING_STEPS = weighted(
    (3, st.builds(Step, NEW_ORDERS, NO_DELAY, NO_AIM)),
    (1, st.builds(Step, REPLACES, NO_DELAY, AIMS)),
)
WIDE_STEPS = weighted(
    (4, st.builds(Step, new_orders(WIDE_PRICES), NO_DELAY, NO_AIM)),
    (1, st.builds(Step, replaces(WIDE_PRICES), NO_DELAY, AIMS)),
    (1, st.builds(Step, CANCELS, NO_DELAY, AIMS)),
)
LATER_NS = weighted((20, st.just(0)), (2, st.just(SECOND_NS)), (1, st.just(CLIENT_ID_WINDOW_NS)))
RULED_STEPS = weighted(
    (12, st.builds(Step, PLAIN_ORDERS, LATER_NS, NO_AIM)),
    (6, st.builds(Step, ICEBERGS, NO_DELAY, NO_AIM)),
    (6, st.builds(Step, STOP_ORDERS, NO_DELAY, NO_AIM)),
    (4, st.builds(Step, AUCTION_ORDERS, NO_DELAY, NO_AIM)),
    (3, st.builds(Step, ORDERS_BY_AMOUNT, NO_DELAY, NO_AIM)),
    (4, st.builds(Step, POST_ONLY_ORDERS, NO_DELAY, NO_AIM)),
    (2, st.builds(Step, ENDING_ORDERS, NO_DELAY, NO_AIM)),
    (4, st.builds(Step, QUOTES, NO_DELAY, NO_AIM)),
    (6, st.builds(Step, MARKET_PHASES, LATER_NS, NO_AIM)),
    (4, st.builds(Step, SETTINGS, LATER_NS, NO_AIM)),
    (3, st.builds(Step, MOVES, LATER_NS, NO_AIM)),
    (1, st.builds(Step, DISCONNECTS, NO_DELAY, NO_AIM)),
    (3, st.builds(Step, REDUCTIONS, NO_DELAY, AIMS)),
    (2, st.builds(Step, TIMERS, LATER_NS, AIMS)),
    (2, st.builds(Step, CANCELS, NO_DELAY, AIMS)),
    (4, st.builds(Step, replaces(NEAR), NO_DELAY, AIMS)),
    (1, st.builds(Step, MALFORMED_ORDERS, NO_DELAY, NO_AIM)),
)
CALL_STEPS = weighted(
    (6, st.builds(Step, st.builds(commands.new_order, ACCOUNTS, st.just(PLAIN), SIDES, NEAR, FEW), NO_DELAY, NO_AIM)),
    (2, st.builds(Step, AUCTION_ORDERS, NO_DELAY, NO_AIM)),
    (2, st.builds(Step, ICEBERGS, NO_DELAY, NO_AIM)),
    (1, st.builds(Step, replaces(NEAR), NO_DELAY, AIMS)),
    (1, st.builds(Step, st.builds(commands.indicate, st.just(PLAIN)), NO_DELAY, NO_AIM)),
)
CALL_PROLOGUE = (
    *RULED_PROLOGUE,
    commands.set_price_band(PLAIN, 90, 110),
    commands.set_trading_state(PLAIN, TradingState.CALL_OPEN),
)
CALLS = st.lists(CALL_STEPS, min_size=10, max_size=40)
RULED_STREAMS = st.lists(RULED_STEPS, min_size=25, max_size=100)
STREAMS = st.lists(STEPS, min_size=25, max_size=100)  # a longer minimum makes longer streams usual
TRADING_STREAMS = st.lists(TRADING_STEPS, min_size=25, max_size=100)
WIDE_STREAMS = st.lists(WIDE_STEPS, min_size=25, max_size=100)


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
