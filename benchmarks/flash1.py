"""Messages a second of a public benchmark of matching engines, its report stream built and compared.

The first 200,000 messages of the "normal" flow of flash1-dev/matching-engine-benchmark go through the whole core
(accounts, holds, fees, events) in batches; the time includes writing the benchmark's line for every event. No time is
told unless the SHA-256 of all lines is the published one. How its words map to ours: docs/conformance.md.
"""

import argparse
import hashlib
import json
import os
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.machine import describe
from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.types import AssetKind, EventKind, OrderFlag, Side, TimeInForce, TradingState

EXAMPLES = """examples:
  python -m benchmarks.flash1                    the folder of data sets is TOKENBOURSE_DATA, or ../shared/data
  python -m benchmarks.flash1 --data DIR --runs 9
"""
BATCH = 4_096
NEW, CANCEL = 0, 1
CASH, UNITS, BOOK = 1, 2, 1
OWNERS = (1, 2)  # one buys all, one sells all, each with plenty
PLENTY = 1 << 60
SETUP = (
    *(commands.create_account(owner) for owner in OWNERS),
    commands.create_asset(CASH, AssetKind.CASH),
    commands.create_asset(UNITS, AssetKind.ALLOWANCE, OWNERS[Side.SELL]),
    commands.deposit(OWNERS[Side.BUY], CASH, PLENTY),
    commands.issue(OWNERS[Side.SELL], UNITS, PLENTY),
    commands.list_instrument(BOOK, UNITS, CASH, lot_units=1, tick_value=1, quantity_min=1, quantity_max=1 << 20),
    commands.set_trading_state(BOOK, TradingState.CONTINUOUS),
)
_TOLD = ("kind", "sequence", "side", "order_id", "counter_order_id", "price_ticks", "quantity_lots", "leaves_lots")
Message = tuple[int, int, bool, int, int, int]  # kind, side, immediate, quantity, order, price


def open_engine() -> Engine:
    """Return an engine with one book and two rich accounts."""
    engine = Engine()
    engine.apply(np.frombuffer(b"".join(SETUP), COMMAND))
    return engine


def resolve(messages: list[Message]) -> np.ndarray:
    """Return the messages as commands, numbered from 0, with the order ids that the engine gives them one by one."""
    engine, made = open_engine(), []
    placed: dict[int, tuple[int, int]] = {}  # account and order id by the benchmark's number, which comes again
    filled: dict[int, int] = {}
    for number, (kind, side, immediate, lots, order, price) in enumerate(messages):
        account, order_id = placed.get(order, (OWNERS[0], 0))
        if kind == NEW:
            lifetime = TimeInForce.IOC if immediate else TimeInForce.GTC
            command = commands.new_order(OWNERS[side], BOOK, Side(side), price, lots, time_in_force=lifetime)
        elif kind == CANCEL:
            command = commands.cancel_order(account, order_id)
        else:
            total = filled.get(order_id, 0) + lots
            command = commands.replace_order(account, order_id, price, total, flags=OrderFlag.REQUEUE)
        row = np.frombuffer(command, COMMAND).copy()
        row["sequence"] = number
        events = engine.apply(row)
        made.append(row)
        if kind == NEW:
            placed[order] = OWNERS[side], int(events[0]["order_id"])
        for trade in events[events["kind"] == EventKind.TRADED]:
            for name in ("order_id", "counter_order_id"):
                filled[int(trade[name])] = filled.get(int(trade[name]), 0) + int(trade["quantity_lots"])
    return np.concatenate(made)


def report(events: np.ndarray, messages: list[Message], names: dict[int, int]) -> list[str]:
    """Return the benchmark's lines; what changes an order is told after the trades that the change leads to."""
    late = events["kind"] == EventKind.ORDER_REPLACED
    if late.any():
        events = events[np.lexsort((late, events["sequence"]))]
    accepted = events[events["kind"] == EventKind.ORDER_ACCEPTED]
    numbers = accepted["sequence"].tolist()
    names.update(zip(accepted["order_id"].tolist(), [messages[number][4] for number in numbers], strict=True))
    columns = [events[name].tolist() for name in _TOLD]
    lines = []
    for kind, number, side, order, other, price, lots, leaves in zip(*columns, strict=True):
        if kind == EventKind.ORDER_ACCEPTED:
            lines.append(f"0,{number},{side},{names[order]},{price},{lots}")
        elif kind == EventKind.TRADED:
            lines.append(f"1,{number},{price},{lots},{names[other]},{names[order]}")
        elif kind == EventKind.ORDER_REPLACED:
            lines.append(f"3,{number},{side},{names[order]},{price},{leaves}")
        elif kind == EventKind.COMMAND_REJECTED:
            refused = messages[number]
            lines.append(f"{4 if refused[0] == CANCEL else 5},{number},{refused[4]}")
        else:
            lines.append(f"2,{number},{side},{names[order]},{price}")
    return lines


def run(encoded: np.ndarray, messages: list[Message]) -> tuple[float, float, str]:
    """Apply all and write the reports; return seconds, those of them in the core, and the SHA-256 of the lines."""
    engine, names = open_engine(), dict[int, int]()
    lines: list[str] = []
    inside = 0.0
    start = time.perf_counter()
    for first in range(0, len(encoded), BATCH):
        before = time.perf_counter()
        events = engine.apply(encoded[first : first + BATCH])
        inside += time.perf_counter() - before
        lines += report(events, messages, names)
    seconds = time.perf_counter() - start
    return seconds, inside, hashlib.sha256("\n".join(lines).encode()).hexdigest()


def read(folder: Path) -> tuple[list[Message], str]:
    """Return the messages and the published SHA-256; raises FileNotFoundError where they are not."""
    with np.load(folder / "conformance/flash1_normal_first200000.npz") as arrays:
        columns = [arrays[name].tolist() for name in ("kind", "side", "ioc", "qty", "oid", "px")]
    hashes = json.loads((folder / "conformance/flash1_hashes.json").read_text())
    return list(zip(*columns, strict=True)), hashes["normal_first200000"]["sha256"]


def parse(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.flash1",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Path(os.environ.get("TOKENBOURSE_DATA", "../shared/data"))
    parser.add_argument("--data", type=Path, default=default, metavar="DIR", help="the folder of public data sets")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="the median of so many is told (5)")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    """Compare, measure and print."""
    arguments = parse(words)
    console = Console(highlight=False)
    console.print(describe(), soft_wrap=True)
    try:
        messages, published = read(arguments.data)
    except FileNotFoundError as error:
        sys.exit(f"{error.filename} is not there: name the folder of data sets with --data")
    encoded = resolve(messages)
    timed = [run(encoded, messages) for _ in range(arguments.runs)]
    if {digest for *_, digest in timed} != {published}:
        sys.exit("the reports are not the published ones: nothing is told of their time")
    seconds, inside = (statistics.median(column) for column in zip(*[row[:2] for row in timed], strict=True))
    console.print(f"{len(messages):,} messages, the reports are the published ones, median of {arguments.runs}:")
    console.print(f"  {len(messages) / seconds / 1e6:.2f} M messages/s with reports as text")
    console.print(f"  {len(messages) / inside / 1e6:.2f} M messages/s in the core, events included")


if __name__ == "__main__":
    main()
