"""Arrange a market and read what happened, alike for both engines.

Alice issues the tokens; Carol and Dave are of one group. Everybody starts with the same cash and tokens.
"""

from typing import Any, NamedTuple

import numpy as np
import pytest

from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.records import COMMAND, EVENT
from exchange.core.reference import Reference
from exchange.core.state import TEST, Capacity
from exchange.core.types import AssetKind, CommandKind, EventKind, RejectReason, Side, TradingState

ENGINES = (Reference, Engine)
both_engines = pytest.mark.parametrize("market", ENGINES, indirect=True)  # a test of what holds for either
each_engine = pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.__name__)  # of one made by the test
TINY = Capacity(
    accounts=6,
    assets=4,
    instruments=3,
    orders=6,
    nodes=24,
    balances=13,
    client_ids=3,
    usage_ids=3,
    conditions=2,
    acquisitions=1,
)

ALICE, BOB, CAROL, DAVE, NOBODY = 1, 2, 3, 4, 99
CNY, TOKENS, LICENCES = 1, 2, 3
PLAIN, COARSE = 1, 2  # books of tokens: a unit a lot and a unit a tick; ten units a lot and five a tick
CASH_EACH, TOKENS_EACH = 100_000, 1_000

SETUP = (
    commands.create_account(ALICE),
    commands.create_account(BOB),
    commands.create_account(CAROL),
    commands.create_account(DAVE, group=CAROL),
    commands.create_asset(CNY, AssetKind.CASH),
    commands.create_asset(TOKENS, AssetKind.ALLOWANCE, ALICE),
    commands.create_asset(LICENCES, AssetKind.LICENCE, BOB),
    commands.list_instrument(PLAIN, TOKENS, CNY, lot_units=1, tick_value=1, quantity_min=1, quantity_max=1_000),
    commands.list_instrument(COARSE, TOKENS, CNY, lot_units=10, tick_value=5, quantity_min=1, quantity_max=1_000),
    commands.set_trading_state(PLAIN, TradingState.CONTINUOUS),
    commands.set_trading_state(COARSE, TradingState.CONTINUOUS),
    commands.issue(ALICE, TOKENS, 4 * TOKENS_EACH),
    commands.deposit(ALICE, CNY, CASH_EACH - 3 * TOKENS_EACH),  # she sells the others theirs for a unit each
    commands.deposit(BOB, CNY, CASH_EACH + TOKENS_EACH),
    commands.deposit(CAROL, CNY, CASH_EACH + TOKENS_EACH),
    commands.deposit(DAVE, CNY, CASH_EACH + TOKENS_EACH),
    *(
        commands.new_order(account, PLAIN, side, 1, TOKENS_EACH)
        for buyer in (BOB, CAROL, DAVE)
        for account, side in ((ALICE, Side.SELL), (buyer, Side.BUY))
    ),
)


class Fact(NamedTuple):
    """An event without its sequence and time, and without the fields that are 0."""

    kind: EventKind
    fields: dict[str, int]


def fact(kind: EventKind, **fields: int) -> Fact:
    """Return what an event is expected to say."""
    return Fact(kind, {name: int(value) for name, value in fields.items() if value})


def facts(events: np.ndarray) -> list[Fact]:
    """Return what events say."""
    names = [name for name in EVENT.names or () if name not in {"sequence", "time_ns", "kind"}]
    return [fact(EventKind(int(event["kind"])), **{name: int(event[name]) for name in names}) for event in events]


def batch(*encoded: bytes, sequence: int = 1, time_ns: int = 0) -> np.ndarray:
    """Return commands as the sequencer would hand them over: numbered on, at one time."""
    array = np.frombuffer(b"".join(encoded), COMMAND).copy()
    array["sequence"] = np.arange(sequence, sequence + len(array))
    array["time_ns"] = time_ns
    return array


def altered(encoded: bytes, **fields: Any) -> bytes:
    """Return a command with some fields overwritten, as no well-behaved sender would."""
    array = np.frombuffer(encoded, COMMAND).copy()
    for name, value in fields.items():
        array[name] = value
    return array.tobytes()


class Market:
    """An engine with a sequence and a clock; orders are numbered from 1 as they are accepted."""

    def __init__(self, engine: Reference | Engine | None = None, setup: tuple[bytes, ...] = SETUP) -> None:
        self.engine = engine or Reference(TEST)
        self.sequence = 0
        self.time_ns = 0
        self.order_ids: list[int] = []
        self.events = np.zeros(0, EVENT)
        assert [told for told in self.do(*setup) if told.kind == EventKind.COMMAND_REJECTED] == []
        self.order_ids.clear()

    def send(self, *encoded: bytes) -> np.ndarray:
        """Apply commands in one batch and return the events."""
        events = self.engine.apply(batch(*encoded, sequence=self.sequence + 1, time_ns=self.time_ns))
        self.sequence += len(encoded)
        self.order_ids += events["order_id"][events["kind"] == EventKind.ORDER_ACCEPTED].tolist()
        self.events = np.concatenate([self.events, events])
        return events

    def do(self, *encoded: bytes) -> list[Fact]:
        """Apply commands and return what happened."""
        return facts(self.send(*encoded))

    def buy(self, account: int, quantity_lots: int, price_ticks: int, **options: Any) -> list[Fact]:
        """Place an order to buy."""
        instrument = options.pop("instrument", PLAIN)
        return self.do(commands.new_order(account, instrument, Side.BUY, price_ticks, quantity_lots, **options))

    def sell(self, account: int, quantity_lots: int, price_ticks: int, **options: Any) -> list[Fact]:
        """Place an order to sell."""
        instrument = options.pop("instrument", PLAIN)
        return self.do(commands.new_order(account, instrument, Side.SELL, price_ticks, quantity_lots, **options))

    def order_id(self, number: int) -> int:
        """Return the id of the order accepted as the given number since the setup."""
        return self.order_ids[number - 1]

    def available(self, account: int, asset: int = CNY) -> int:
        """Return what an account may use."""
        return {name: available for name, available, _ in self.engine.balances(account)}.get(asset, 0)

    def held(self, account: int, asset: int = CNY) -> int:
        """Return what an account's orders reserve."""
        return {name: held for name, _, held in self.engine.balances(account)}.get(asset, 0)


def reasons(told: list[Fact]) -> list[RejectReason]:
    """Return the reason of each event, NONE for those that refuse nothing."""
    return [
        RejectReason(event.fields["reason"]) if event.kind == EventKind.COMMAND_REJECTED else RejectReason.NONE
        for event in told
    ]


def rejected(reason: RejectReason, kind: CommandKind, **echo: int) -> Fact:
    """Return the refusal of a command, with what it repeats."""
    return fact(EventKind.COMMAND_REJECTED, reason=reason, state=kind, **echo)
