"""How the matching core behaves with size: one command a call, latency at a pace, many books, many orders, auctions.

Every part checks what the commands did before it tells how long they took.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.machine import describe
from benchmarks.matching import open_engine, resolve
from benchmarks.workload import MIXES, generate
from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.types import AssetKind, CommandKind, EventKind, SelfTradePrevention, Side, TradingState

EXAMPLES = """examples:
  python -m benchmarks.scale                                  sizes that take about a minute
  python -m benchmarks.scale --instruments 1000000 --orders 4000000 --auctions 100000
  python -m benchmarks.scale --part latency                   one part alone
  python -m benchmarks.scale --part memory --instruments 1000000 --orders 4000000 --spread 32
"""
CASH, MAKER, TAKER = 1, 1, 2
BUYERS = np.arange(3, 11)  # enough that none meets its limit of open orders
LEVELS = 10
MIDDLE = 1_000
WIDTH = 110
FIRST_MATCH = """
import time
start = time.perf_counter()
from benchmarks.matching import open_engine
open_engine()
print(time.perf_counter() - start)
"""


class Row(NamedTuple):
    """What was measured, on how much, and the figure."""

    what: str
    size: str
    figure: str


def orders(count: int, kind: CommandKind) -> np.ndarray:
    """Return `count` commands of a kind, all else zero."""
    rows = np.zeros(count, COMMAND)
    rows["kind"] = kind
    return rows


def list_books(engine: Engine, count: int) -> None:
    """Open `count` books of allowances that one maker may sell and another account buy."""
    opening = [commands.create_asset(CASH, AssetKind.CASH)]
    accounts = [MAKER, TAKER, *BUYERS.tolist()]
    opening += [commands.create_account(account) for account in accounts]
    opening += [commands.deposit(account, CASH, 10**17) for account in accounts]
    must(engine, np.frombuffer(b"".join(opening), COMMAND))
    assets = orders(count, CommandKind.CREATE_ASSET)
    assets["asset"] = np.arange(2, count + 2)
    assets["state"] = AssetKind.ALLOWANCE
    assets["account"] = MAKER
    must(engine, assets)
    issues = orders(count, CommandKind.ISSUE)
    issues["asset"], issues["account"], issues["amount"] = assets["asset"], MAKER, 10**9
    must(engine, issues)
    listings = orders(count, CommandKind.LIST_INSTRUMENT)
    listings["instrument"], listings["asset"] = np.arange(1, count + 1), assets["asset"]
    listings["group"], listings["amount"] = CASH, 1
    listings["words"][:, :3] = (1, 1, 10**9)
    must(engine, listings)
    set_state(engine, count, TradingState.CONTINUOUS)


def set_state(engine: Engine, count: int, state: TradingState) -> None:
    """Bring the first `count` books to a trading state."""
    states = orders(count, CommandKind.SET_TRADING_STATE)
    states["instrument"], states["state"] = np.arange(1, count + 1), state
    must(engine, states)


def must(engine: Engine, rows: np.ndarray) -> np.ndarray:
    """Apply commands of which none may be refused; return their events."""
    events = engine.apply(rows)
    assert not (events["kind"] == EventKind.COMMAND_REJECTED).any(), "a command was refused"
    return events


def placed(instruments: np.ndarray, prices: np.ndarray, side: Side) -> np.ndarray:
    """Return limit orders of one lot each."""
    rows = orders(len(instruments), CommandKind.NEW_ORDER)
    rows["account"], rows["side"] = MAKER if side == Side.SELL else TAKER, side
    rows["instrument"], rows["price_ticks"], rows["quantity_lots"] = instruments, prices, 1
    rows["self_trade_prevention"] = SelfTradePrevention.EXPIRE_TAKER
    return rows


# --- the parts --------------------------------------------------------------------------------------------------------


def one_at_a_time(arguments: argparse.Namespace) -> list[Row]:
    """Measure a call of the engine for every single command."""
    encoded, told = resolve(generate(MIXES[1], arguments.commands))
    engine = open_engine()
    before = engine.event_count
    commands = [row.tobytes() for row in encoded]  # as they come
    start = time.perf_counter()
    for command in commands:
        engine.apply_bytes(command)
    seconds = time.perf_counter() - start
    assert engine.event_count - before == sum(map(len, told))
    return [Row("one command a call", f"{len(encoded):,} commands", f"{len(encoded) / seconds / 1e6:.2f} M/s")]


def latency(arguments: argparse.Namespace) -> list[Row]:
    """Measure from when a command was due to when its events were there, at a steady pace."""
    encoded, told = resolve(generate(MIXES[1], arguments.commands))
    engine = open_engine()
    gap_ns = 1e9 / arguments.pace
    waits, done, before = np.zeros(len(encoded)), 0, engine.event_count
    start = time.perf_counter_ns()
    while done < len(encoded):
        due = min(int((time.perf_counter_ns() - start) / gap_ns), len(encoded))
        if due > done:
            engine.apply(encoded[done:due])
            waits[done:due] = time.perf_counter_ns() - start - np.arange(done, due) * gap_ns
            done = due
    assert engine.event_count - before == sum(map(len, told))
    p50, p99, p999 = np.percentile(waits / 1_000, [50, 99, 99.9])
    size = f"{arguments.pace:,} commands/s"
    return [Row("latency a command, p50 / p99 / p99.9", size, f"{p50:,.0f} / {p99:,.0f} / {p999:,.0f} us")]


def books(arguments: argparse.Namespace) -> list[Row]:
    """Measure placing and cancelling an order with ever more books and ever more resting orders."""
    found = []
    for count in sizes(arguments.instruments):
        engine = Engine()
        list_books(engine, count)
        found.append(Row("place and cancel", f"{count:,} books", f"{churn(engine, count, arguments):,.0f} ns each"))
    for resting in sizes(arguments.orders, 1_000):
        engine = Engine()
        list_books(engine, 1_000)
        fill(engine, 1_000, resting, arguments.spread)
        text = f"{churn(engine, 1_000, arguments):,.0f} ns each"
        found.append(Row("place and cancel", f"{resting:,} resting orders in 1,000 books", text))
    return found


def sizes(most: int, least: int = 1) -> list[int]:
    """Return sizes from `least` to `most`, a hundred times larger each but for the last."""
    found = [least]
    while found[-1] * 100 < most:
        found.append(found[-1] * 100)
    return [*found, most] if most > found[-1] else found


def fill(engine: Engine, count: int, resting: int, spread: int) -> None:
    """Rest orders to buy, over all books, each with one account, at `spread` prices."""
    drawn = np.random.default_rng(1)
    for first in range(0, resting, 100_000):
        many = min(100_000, resting - first)
        instruments = drawn.integers(1, count + 1, many)
        rows = placed(instruments, MIDDLE - 1 - drawn.integers(0, spread, many), Side.BUY)
        rows["account"] = BUYERS[instruments % len(BUYERS)]
        must(engine, rows)


def churn(engine: Engine, count: int, arguments: argparse.Namespace) -> float:
    """Place orders at random books and cancel them; return the median processor time of one command, in ns."""
    drawn, costs = np.random.default_rng(2), []
    for _ in range(arguments.runs):
        instruments = drawn.integers(1, count + 1, arguments.batch)
        rows = placed(instruments, MIDDLE + drawn.integers(0, 200, arguments.batch), Side.SELL)
        start = time.thread_time_ns()
        events = must(engine, rows)
        spent = time.thread_time_ns() - start
        cancels = orders(len(rows), CommandKind.CANCEL_ORDER)
        cancels["account"], cancels["order_id"] = MAKER, events["order_id"]
        start = time.thread_time_ns()
        must(engine, cancels)
        costs.append((spent + time.thread_time_ns() - start) / (2 * len(rows)))
    return statistics.median(costs)


def auctions(arguments: argparse.Namespace) -> list[Row]:
    """Measure finding the price of many auctions, and trading them, ten levels a side each."""
    count, engine = arguments.auctions, Engine()
    list_books(engine, count)
    set_state(engine, count, TradingState.CALL_OPEN)
    for level in range(LEVELS):
        for side, price in ((Side.BUY, MIDDLE - LEVELS // 2 + level), (Side.SELL, MIDDLE + LEVELS // 2 - level)):
            must(engine, placed(np.arange(1, count + 1), np.full(count, price), side))
    found = []
    for name, kind, told in (
        ("indicate", CommandKind.INDICATE, EventKind.AUCTION_INDICATED),
        ("uncross", CommandKind.UNCROSS, EventKind.AUCTION_UNCROSSED),
    ):
        rows = orders(count, kind)
        rows["instrument"], rows["state"] = np.arange(1, count + 1), TradingState.CONTINUOUS
        start = time.perf_counter()
        events = must(engine, rows)
        seconds = time.perf_counter() - start
        outcomes = events[events["kind"] == told]
        assert len(outcomes) == count
        assert (outcomes["quantity_lots"] == outcomes["quantity_lots"][0]).all()
        assert outcomes["quantity_lots"][0] > 0
        found.append(
            Row(f"auction: {name}", f"{count:,} books, {LEVELS} + {LEVELS} levels", f"{seconds * 1e3:,.0f} ms")
        )
    return found


def memory(arguments: argparse.Namespace) -> list[Row]:
    """Measure what books without orders cost, and books with many."""
    engine, before = Engine(), resident_mib()
    list_books(engine, arguments.instruments)
    idle = resident_mib()
    fill(engine, arguments.instruments, arguments.orders, arguments.spread)
    full = resident_mib()
    each = (idle - before) * 2**20 / arguments.instruments
    size = f"{arguments.instruments:,} books"
    return [
        Row(
            "memory of idle books, assets and balances with them", size, f"{idle - before:,.0f} MiB, {each:,.0f} B each"
        ),
        Row("memory with orders", f"{size}, {arguments.orders:,} orders", f"{full - before:,.0f} MiB"),
    ]


def resident_mib() -> float:
    """Return the memory this process has in use."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 2**20


def start_up(arguments: argparse.Namespace) -> list[Row]:
    """Measure a new process from its first import to its first match, compiled code in the cache."""
    times = []
    for _ in range(arguments.runs):
        told = subprocess.run([sys.executable, "-c", FIRST_MATCH], check=True, capture_output=True, text=True).stdout
        times.append(float(told))
    return [Row("import to first match, compiled before", "", f"{statistics.median(times):.2f} s")]


PARTS: dict[str, Callable[[argparse.Namespace], list[Row]]] = {
    "start": start_up,
    "single": one_at_a_time,
    "latency": latency,
    "books": books,
    "auctions": auctions,
    "memory": memory,
}


def parse(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.scale",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--part", choices=list(PARTS), help="only this part")
    for name, value in (
        ("commands", 200_000),
        ("pace", 1_000_000),
        ("instruments", 100_000),
        ("orders", 1_000_000),
        ("spread", 200),
        ("auctions", 20_000),
        ("batch", 10_000),
        ("runs", 5),
    ):
        parser.add_argument(f"--{name}", type=int, default=value, metavar="N", help=f"{value:,}")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    """Measure and print one table."""
    arguments = parse(words)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    console.print(describe(), soft_wrap=True)
    shown = Table("what", "size", "measured")
    for name, part in PARTS.items():
        if arguments.part in {None, name}:
            with console.status(name):
                for row in part(arguments):
                    shown.add_row(*row)
    console.print(shown)


if __name__ == "__main__":
    main()
