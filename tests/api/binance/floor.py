"""A small market on one thread: the readable engine, the registry and the views, fed batch by batch by the test."""

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import orjson

from api.binance.channels import Sources
from api.binance.directory import Directory
from api.stream.config import StreamConfig
from api.stream.hub import Connection, Hub
from exchange.asked import AskedOrders
from exchange.clock import ManualClock
from exchange.core import commands
from exchange.core.records import COMMAND
from exchange.core.reference import Reference
from exchange.core.state import TEST
from exchange.core.types import AssetKind, EventKind, SelfTradePrevention, Side, TradingState
from exchange.events import Event, Events, rows
from exchange.marketdata.accountevents import AccountEvents
from exchange.marketdata.market import MarketData
from exchange.marketdata.notices import Notices
from exchange.marketdata.orders import OrderHistory
from exchange.registry.documents import (
    AccountNamed,
    AssetNamed,
    Document,
    InstrumentNamed,
    ParticipantCreated,
    Role,
    commands_of,
    encode,
)
from exchange.registry.registry import Registry
from exchange.sequencer import Batch

ALICE, BOB, CAROL = 1, 2, 3  # carol is of bob's group
CNY, ALLOWANCE, OTHER = 1, 2, 3
INSTRUMENT, SECOND = 1, 2
SYMBOL, SECOND_SYMBOL = "TA.CTEL.Q3.OUT.GZ.M2701.G80A", "TA.OTHER"
LOT = 1_000_000
MINUTE_MS = 60_000
START_MS = 1_700_000_040_000  # a whole minute


class Wire:
    """A line that decodes what it is given."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.finished: tuple[int, str, float] | None = None

    def write(self, frames: bytes) -> None:
        self.frames.append(frames)

    def finish(self, code: int, reason: str, within_s: float) -> None:
        self.finished = (code, reason, within_s)

    def take(self) -> list[Any]:
        """Return what was said since the last time."""
        said, self.frames = unframed(b"".join(self.frames)), []
        return said


def unframed(data: bytes) -> list[Any]:
    """Return the JSON of a run of text frames."""
    said = []
    while data:
        size, start = data[1], 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(data[2:10], "big"), 10
        payload, data = data[start : start + size], data[start + size :]
        said.append(orjson.loads(payload))
    return said


class Log:
    """In the place of the event log: all of it in memory."""

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []

    def append(self, events: np.ndarray) -> None:
        self.parts.append(events.copy())

    def read(self, after: int, limit: int) -> np.ndarray:
        return np.concatenate(self.parts)[after : after + limit]


class Floor:
    """Two instruments, three accounts, and a hub whose turns end when the test says so."""

    are_refusals_failures = True

    def __init__(self, config: StreamConfig | None = None) -> None:
        self.clock = ManualClock(START_MS * 1_000_000)
        self.engine = Reference(TEST)
        self.registry = Registry()
        self.market = MarketData()
        self.orders = OrderHistory()
        self.notices = Notices()
        self.account_events = AccountEvents()
        self.events = Log()
        self.commands: list[bytes] = []
        self.asked = AskedOrders(self, 100)  # type: ignore[arg-type]  # all that is asked of a journal
        self.event_count = 0
        self.sequence = 0
        self.listeners: list[Callable[[Batch], None]] = []
        self.turns: list[Callable[[], None]] = []
        self.hub = Hub(self.turns.append, self.clock, config or StreamConfig())
        self._open()

    def _open(self) -> None:
        self.name(ParticipantCreated("house", Role.TRADER))
        for index, group in ((ALICE, 0), (BOB, 0), (CAROL, BOB)):
            self.name(AccountNamed(index, f"account-{index}", "house", Role.TRADER, group))
        self.name(AssetNamed(CNY, "CNY", AssetKind.CASH, 6))
        for asset, instrument, symbol in ((ALLOWANCE, INSTRUMENT, SYMBOL), (OTHER, SECOND, SECOND_SYMBOL)):
            self.name(AssetNamed(asset, symbol, AssetKind.ALLOWANCE, 6, issuer_account=BOB))
            self.name(listing(instrument, symbol, asset))
            self.act(commands.set_trading_state(instrument, TradingState.CONTINUOUS))
            self.act(commands.issue(BOB, asset, 1_000_000 * LOT))
        self.act(commands.deposit(ALICE, CNY, 10**15), commands.deposit(CAROL, CNY, 10**15))

    def name(self, document: Document) -> None:
        """Register a name, and make it true."""
        self.registry.check(encode(document))
        self.registry.apply(encode(document))
        made = commands_of(document)
        if made:
            self.act(*(made[i : i + COMMAND.itemsize] for i in range(0, len(made), COMMAND.itemsize)))

    def act(self, *made: bytes) -> Batch:
        """Apply commands as one batch, and let everybody hear of it."""
        batch = np.frombuffer(bytearray(b"".join(made)), COMMAND)
        for row in batch:
            self.sequence += 1
            row["sequence"], row["time_ns"] = self.sequence, self.clock.now_ns()
        events = self.engine.apply(batch)
        found = rows(events)
        refused = [row for row in found if row.kind == EventKind.COMMAND_REJECTED]
        assert not (refused and self.are_refusals_failures), refused
        self.registry.apply_events(found)
        self.market.apply(found)
        self.orders.apply(found)
        self.notices.apply(found)
        self.account_events.apply(found)
        self.events.append(events)
        self.commands += [row.tobytes() for row in batch]
        self.asked.hear(batch)
        heard = Batch(batch, events, Events(events), self.event_count + 1, ())
        self.event_count += len(found)
        for listener in self.listeners:
            listener(heard)
        return heard

    def command(self, sequence: int) -> bytes | None:
        """Return a command as the journal does."""
        return self.commands[sequence - 1] if 0 < sequence <= len(self.commands) else None

    @property
    def sources(self) -> Sources:
        """Return what the streams read."""
        return Sources.of(self.market, self.notices, Directory(self.registry))

    @staticmethod
    def event(events: np.ndarray, number: int) -> Event:
        """Return the event of a number out of all of them."""
        return rows(events[number - 1 : number])[0]

    def connect(self) -> tuple[Connection, Wire]:
        """Add a reader."""
        wire = Wire()
        return self.hub.join(wire), wire

    def turn(self) -> None:
        """End the turns of the loop that wait."""
        while self.turns:
            self.turns.pop(0)()

    def pass_ms(self, time_ms: int) -> None:
        """Let time pass."""
        self.clock.time_ns += time_ms * 1_000_000

    def query(self, function: Callable[[Reference], Any]) -> "asyncio.Future[Any]":
        """Ask the engine as the sequencer does."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        future.set_result(function(self.engine))
        return future


def listing(instrument: int, symbol: str, base: int) -> InstrumentNamed:
    """Return the terms of an instrument: a lot of a million units, a tick of one fen, fees of 10 and 20 bps."""
    return InstrumentNamed(
        index=instrument, symbol=symbol, base=base, quote=CNY, tick_value=10_000, lot_units=LOT, price_decimals=2,
        quantity_decimals=0, quantity_min=1, quantity_max=10**6, band_low_ticks=1, band_high_ticks=1_000_000,
        maker_bps=10, taker_bps=20,
    )  # fmt: skip


def buy(price: int, lots: int, *, account: int = ALICE, instrument: int = INSTRUMENT, **terms: Any) -> bytes:
    """Return an order to buy."""
    return commands.new_order(account, instrument, Side.BUY, price, lots, **terms)


def sell(price: int, lots: int, *, account: int = BOB, instrument: int = INSTRUMENT, **terms: Any) -> bytes:
    """Return an order to sell."""
    terms.setdefault("self_trade_prevention", SelfTradePrevention.EXPIRE_TAKER)
    return commands.new_order(account, instrument, Side.SELL, price, lots, **terms)


def in_place_of(order_id: int, order: bytes) -> bytes:
    """Return an order that is to take the place of one that was cancelled for it."""
    made = np.frombuffer(bytearray(order), COMMAND)
    made["order_id"] = order_id
    return made.tobytes()
