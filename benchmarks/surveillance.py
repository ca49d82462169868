"""How often surveillance speaks of flows in which nobody means harm: alerts for a million commands, by pattern.

    python -m benchmarks.surveillance [--commands 100000] [--data DIR]

The flows are those of `benchmarks.matching`, of a thousand accounts that buy or sell by chance; a recorded morning of
AAPL, dealt out to fifty accounts by the number of the order, again and again at the same hour of other days; and market
makers who quote two hundred books while others take from them. Every alert among them is one too many.
"""

import argparse
import csv
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.machine import describe
from benchmarks.matching import resolve, setup
from benchmarks.workload import MIXES, generate
from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.types import AssetKind, EventKind, Side, TimeInForce, TradingState
from exchange.surveillance.watch import Watch

START_NS = 1_700_000_000 * 10**9
STEP_NS = 1_000_000  # between two commands: a thousand a second on one book
DAY_NS = 86_400 * 10**9
CASH, ISSUER = 1, 1
RICH = 10**15
STREAM, MESSAGES = "lob/AAPL_10_first999_stream.csv", "lob/AAPL_10_first999_message.csv"
AAPL_ACCOUNTS, MORNINGS = 50, 20
MAKERS, TAKERS, BOOKS, SPREAD, MIDDLE, QUOTED = 2, 40, 200, 2, 10_000, 100
TAKEN = 0.1  # of the quotes made of single orders, by somebody


class Told(NamedTuple):
    """What the watch said of a flow."""

    commands: int
    refused: int
    alerts: dict[str, int]

    def as_row(self) -> dict[str, object]:
        """Return it as it is printed: alerts for a million commands."""
        rate = {kind: round(count * 1e6 / self.commands, 1) for kind, count in sorted(self.alerts.items())}
        told = {"commands": self.commands, "refused": self.refused}
        return told | {"alerts": dict(sorted(self.alerts.items())), "per_million": rate}


class Floor:
    """An engine, a watch behind it, and the clock."""

    def __init__(self) -> None:
        self.engine, self.watch = Engine(), Watch()
        self.time_ns, self.sent, self.refused = START_NS, 0, 0

    def send(self, *made: bytes) -> np.ndarray:
        """Apply commands that come together."""
        batch = np.frombuffer(b"".join(made), COMMAND).copy()
        first = self.engine.command_sequence + 1
        batch["sequence"], batch["time_ns"] = np.arange(first, first + len(batch)), self.time_ns
        events = self.engine.apply(batch)
        self.watch.apply_array(events)
        self.sent += len(batch)
        self.refused += int((events["kind"] == EventKind.COMMAND_REJECTED).sum())
        return events

    def open(self, people: int, books: int, tick_value: int) -> None:
        """Open books to people with cash and units, all bought from an issuer long before."""
        self.send(commands.create_asset(CASH, AssetKind.CASH), *map(commands.create_account, range(1, people + 2)))
        for book in range(1, books + 1):
            self.send(
                commands.create_asset(book + 1, AssetKind.ALLOWANCE, ISSUER),
                commands.list_instrument(
                    book, book + 1, CASH, lot_units=1, tick_value=tick_value, quantity_min=1, quantity_max=10**7
                ),
                commands.set_trading_state(book, TradingState.CONTINUOUS),
                commands.issue(ISSUER, book + 1, people * 10**6),
            )
        for account in range(1, people + 2):
            self.send(commands.deposit(account, CASH, RICH))
        for account in range(2, people + 2):
            for book in range(1, books + 1):
                self.send(
                    commands.new_order(ISSUER, book, Side.SELL, 1, 10**5),
                    commands.new_order(account, book, Side.BUY, 1, 10**5),
                )
        assert not self.refused
        self.time_ns += 3 * DAY_NS
        self.sent = 0

    def told(self, before: int) -> Told:
        """Return the alerts behind a number."""
        return Told(self.sent, self.refused, Counter(alert.kind for alert in self.watch.alerts.after(before, 10**6)))


def chance(name: str, count: int) -> Told:
    """Return what the watch says of a flow made by chance."""
    mix = next(mix for mix in MIXES if mix.name == name)
    encoded = resolve(generate(mix, count))[0].copy()
    opening = np.frombuffer(b"".join(setup()), COMMAND).copy()
    opening["sequence"], opening["time_ns"] = np.arange(1, len(opening) + 1), START_NS
    encoded["sequence"] = np.arange(len(opening) + 1, len(opening) + len(encoded) + 1)
    encoded["time_ns"] = START_NS + 3 * DAY_NS + np.arange(len(encoded)) * STEP_NS
    engine, watch = Engine(), Watch()
    watch.apply_array(engine.apply(opening))
    before = watch.alerts.count
    events = engine.apply(encoded)
    watch.apply_array(events)
    refused = int((events["kind"] == EventKind.COMMAND_REJECTED).sum())
    return Told(count, refused, Counter(alert.kind for alert in watch.alerts.after(before, 10**6)))


def morning(folder: Path) -> Told:
    """Return what the watch says of a recorded morning."""
    with (folder / MESSAGES).open(newline="") as file:
        times = [int(float(row[0]) * 1e9) for row in csv.reader(file)]
    with (folder / STREAM).open(newline="") as file:
        rows = [(int(row["row"]), row["op"], int(row["id"]), row["side"], row) for row in csv.DictReader(file)]
    floor = Floor()
    floor.open(AAPL_ACCOUNTS, 1, 1)
    before = floor.watch.alerts.count
    for _ in range(MORNINGS):
        begin_ns, known = floor.time_ns, dict[int, int]()
        for number, operation, order, side, row in rows:
            floor.time_ns = begin_ns + times[max(number, 0)] - times[0]
            account = order * 2_654_435_761 % 2**32 % AAPL_ACCOUNTS + 2
            if operation == "CXL":
                floor.send(commands.cancel_order(account, known.get(order, 0)))
                continue
            lives = TimeInForce.GTC if operation == "ADD" else TimeInForce.IOC
            way = Side.BUY if side == "1" else Side.SELL
            told = floor.send(
                commands.new_order(account, 1, way, int(row["price"]), int(row["qty"]), time_in_force=lives)
            )
            known[order] = int(told["order_id"][0]) if told["kind"][0] == EventKind.ORDER_ACCEPTED else 0
        floor.send(commands.clear_book(1))
        floor.time_ns = begin_ns + DAY_NS
    return floor.told(before)


def makers(count: int) -> Told:
    """Return what the watch says of market makers on many books, and of those who take from them."""
    floor = Floor()
    floor.open(MAKERS + TAKERS, BOOKS, 1)
    before, random = floor.watch.alerts.count, np.random.default_rng(5)
    for made in _quoting(random, count):
        floor.time_ns += STEP_NS
        floor.send(made)
    return floor.told(before)


def orders(count: int) -> Told:
    """Return what the watch says of makers who quote with single orders: they take both back, and place both anew."""
    floor = Floor()
    floor.open(MAKERS + TAKERS, BOOKS, 1)
    before, random = floor.watch.alerts.count, np.random.default_rng(6)
    resting: dict[tuple[int, int], list[int]] = {}
    while floor.sent < count:
        floor.time_ns += STEP_NS
        book, maker = int(random.integers(1, BOOKS + 1)), 2 + int(random.integers(MAKERS))
        floor.send(*[commands.cancel_order(maker, order) for order in resting.get((book, maker), [])], b"")
        middle = MIDDLE + int(random.integers(-5, 6))
        told = floor.send(
            *[
                commands.new_order(maker, book, side, middle + away, QUOTED)
                for side, away in ((Side.BUY, -SPREAD - 5), (Side.SELL, SPREAD + 5))
            ]
        )
        accepted = told[told["kind"] == EventKind.ORDER_ACCEPTED]
        resting[book, maker] = accepted["order_id"].tolist()
        if random.random() < TAKEN:
            floor.send(_taking(random, book, MIDDLE))
    return floor.told(before)


def _taking(random: np.random.Generator, book: int, middle: int) -> bytes:
    """Return an order that takes a few lots."""
    taker, side = 2 + MAKERS + int(random.integers(TAKERS)), Side(int(random.integers(2)))
    price = middle + 10 * SPREAD * (1 if side is Side.BUY else -1)
    return commands.new_order(taker, book, side, price, int(random.integers(1, 20)), time_in_force=TimeInForce.IOC)


def _quoting(random: np.random.Generator, count: int) -> Iterator[bytes]:
    """Yield quotes and orders; each book's middle walks, and every tenth command takes a few lots at once."""
    middles = [MIDDLE] * (BOOKS + 1)
    for number in range(count):
        book = int(random.integers(1, BOOKS + 1))
        if number % 10:
            maker = 2 + number % MAKERS
            middles[book] += int(random.integers(-1, 2))
            middle = middles[book]
            yield commands.quote(maker, book, (middle - SPREAD, QUOTED), (middle + SPREAD, QUOTED))
        else:
            yield _taking(random, book, middles[book])


def main() -> None:
    """Print what the watch says of each flow."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=100_000)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("TOKENBOURSE_DATA", "../shared/data")))
    chosen = parser.parse_args()
    found = {mix.name: chance(mix.name, chosen.commands).as_row() for mix in MIXES}
    if (chosen.data / STREAM).exists():
        found["AAPL"] = morning(chosen.data).as_row()
    found["market makers, single orders"] = orders(chosen.commands).as_row()
    found["market makers"] = makers(chosen.commands).as_row()
    print(json.dumps({"machine": describe(), "flows": found}, indent=2, default=str))


if __name__ == "__main__":
    main()
