"""Commands a second through the sequencer, durable, and one million commands replayed; one JSON line a claim.

    python benchmarks/sequencer.py [--directory DIR] [--commands 400000]

The exchange is the real one: production capacity, journal with a sync a group, event log, registry and views. A burst
of single-command submissions waits for its last answer before the next; about every second order trades.
"""

import argparse
import asyncio
import json
import logging
import os
import tempfile
import time
from collections.abc import Callable
from itertools import cycle
from pathlib import Path

import structlog
import uvloop

from exchange.config import JOURNAL_FOLDER, SNAPSHOT_FOLDER, Config
from exchange.core import commands
from exchange.core.types import AssetKind, Side, TradingState
from exchange.events import EventLog
from exchange.journal.file import FileJournal
from exchange.recovery import recover
from exchange.registry.registry import Registry
from exchange.server import Exchange
from exchange.snapshots import Snapshots

SELLER, BUYER = 1, 2
CASH, BASE, INSTRUMENT = 1, 2, 1
REPLAYED = 1_000_000
SUBMITTED_AT_ONCE = 1_000


def market() -> bytes:
    """Return the commands that open one instrument to two rich accounts."""
    listing = {"lot_units": 1000, "tick_value": 10, "quantity_min": 1, "quantity_max": 10**6}
    return b"".join([
        commands.create_asset(CASH, AssetKind.CASH),
        commands.create_account(SELLER),
        commands.create_account(BUYER),
        commands.create_asset(BASE, AssetKind.ALLOWANCE, SELLER),
        commands.list_instrument(INSTRUMENT, BASE, CASH, **listing),
        commands.set_trading_state(INSTRUMENT, TradingState.CONTINUOUS),
        commands.deposit(BUYER, CASH, 1 << 50),
        commands.issue(SELLER, BASE, 1 << 50),
    ])  # fmt: skip


def orders(count: int) -> list[bytes]:
    """Return orders of which every second one trades, at prices that move."""
    pairs = [
        [commands.new_order(account, INSTRUMENT, side, 100 + number % 7, 2) for account, side in sides]
        for number in range(count // 2)
        for sides in [((SELLER, Side.SELL), (BUYER, Side.BUY))]
    ]
    return [order for pair in pairs for order in pair]


def sync_us(directory: Path) -> dict[str, int]:
    """Return how long the disk takes to sync a block of 4 KiB."""
    took = []
    with (directory / "probe").open("wb", buffering=0) as file:
        file.write(bytes(1 << 22))
        os.fsync(file.fileno())
        for place in range(500):
            os.pwrite(file.fileno(), b"x" * 4096, place * 4096)
            begin = time.perf_counter_ns()
            os.fdatasync(file.fileno())
            took.append((time.perf_counter_ns() - begin) // 1000)
    (directory / "probe").unlink()
    took.sort()
    return {"p50": took[250], "p99": took[495]}


async def burst(exchange: Exchange, count: int, width: int) -> dict[str, float]:
    """Submit `count` orders in bursts of `width`."""
    made = cycle(orders(4096))
    cpu, begin = time.process_time(), time.perf_counter()
    for _ in range(count // width):
        futures = [exchange.submit(next(made)) for _ in range(width)]
        await futures[-1]
    wall = time.perf_counter() - begin
    return {
        "commands_per_s": round(count / wall),
        "cpu_us_per_command": round((time.process_time() - cpu) / count * 1e6, 2),
    }


async def submit_all(directory: Path, count: int) -> None:
    """Measure bursts of several widths, then leave a million commands behind the last snapshot."""
    exchange = Exchange.open(directory)
    exchange.start(asyncio.get_running_loop())
    await exchange.submit(market())
    for width in (1, 16, 256, 4096):
        result = await burst(exchange, min(count, width * 2000), width)
        print(json.dumps({"benchmark": "sequencer", "burst": width, **result, "fdatasync_us": sync_us(directory)}))
    await exchange.stop()


def fill(directory: Path, config: Config) -> None:
    """Write a million commands that no snapshot holds."""

    async def run() -> None:
        exchange = Exchange.open(directory, config)
        exchange.start(asyncio.get_running_loop())
        await exchange.submit(market())
        made = b"".join(orders(SUBMITTED_AT_ONCE))
        for _ in range(REPLAYED // SUBMITTED_AT_ONCE):
            await exchange.submit(made)
        await exchange.stop()

    uvloop.run(run())
    for path in (directory / SNAPSHOT_FOLDER).iterdir():
        path.unlink()


def timed(work: Callable[[], object]) -> dict[str, float]:
    """Return what a piece of work takes."""
    cpu, begin = time.process_time(), time.perf_counter()
    work()
    return {"s": round(time.perf_counter() - begin, 3), "cpu_s": round(time.process_time() - cpu, 3)}


def replay(directory: Path, config: Config) -> None:
    """Measure the recovery of a million commands, without and with an event log to compare with."""
    for log in ("written anew", "compared"):
        journal = FileJournal.open(directory / JOURNAL_FOLDER, config.journal_segment_bytes)
        events = EventLog.open(directory / "events-anew")
        snapshots = Snapshots(directory / SNAPSHOT_FOLDER, config.snapshots_kept)
        result = timed(lambda: recover(journal, events, snapshots, Registry(), config, lambda *_: None))  # noqa: B023
        print(json.dumps({"benchmark": "replay", "commands": REPLAYED, "event_log": log, **result}))
        journal.close()
        events.close()


def main() -> None:
    """Print one line a claim."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--directory", type=Path, default=None, help="where the data goes: the disk to measure")
    parser.add_argument("--commands", type=int, default=400_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.directory) as folder:
        config = Config()
        uvloop.run(submit_all(Path(folder) / "submit", options.commands))
        fill(Path(folder) / "replay", config)
        replay(Path(folder) / "replay", config)


if __name__ == "__main__":
    main()
