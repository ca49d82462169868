"""Commands a second through the whole matching core, beside other order books in Python.

The whole core: balances, holds, fees, self-trade prevention and every event, in batches of 4,096 commands, on one
thread. Every trade is compared with those of an oracle before anything is timed.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks import limit
from benchmarks.machine import describe
from benchmarks.peers import PEERS, Peer, Timing, has, timing
from benchmarks.workload import ACCOUNTS, IMMEDIATE, MIXES, MOVE, Workload, generate
from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.types import (
    AssetKind,
    CommandKind,
    EventKind,
    OrderFlag,
    SelfTradePrevention,
    Side,
    TimeInForce,
    TradingState,
)

EXAMPLES = """examples:
  python -m benchmarks.matching                                  four flows of a million commands, median of 5 runs
  python -m benchmarks.matching --commands 50000 --runs 1        a quick look
  python -m benchmarks.matching --workload deep --no-peers       one flow, this core alone
  python -m benchmarks.matching --workloads DIR                  ready-made DIR/deep.commands.npy, DIR/deep.trades.npy
  python -m benchmarks.matching --peer-python ../v312/bin/python peers that are installed for another interpreter
"""
OURS = "tokenbourse"
LIMIT = "the limit"
BATCH = 4_096
BUYERS = ACCOUNTS // 2  # accounts up to this buy, those above sell: nobody meets an own order
ISSUER = ACCOUNTS + 1
CASH, UNITS, BOOK = 1, 2, 1
CASH_EACH, LOTS_EACH = 10**15, 10**8
MAKER_BPS, TAKER_BPS = -1, 5
RESOLVED_AT_ONCE = 256
WIDTH = 120  # of the table in a file


# --- from a workload to commands --------------------------------------------------------------------------------------


def setup() -> Iterator[bytes]:
    """Yield what opens a book with fees to a thousand accounts, half of them with cash, half with something to sell."""
    yield commands.create_asset(CASH, AssetKind.CASH)
    yield from (commands.create_account(account) for account in range(1, ISSUER + 1))
    yield commands.create_asset(UNITS, AssetKind.ALLOWANCE, ISSUER)
    yield commands.list_instrument(BOOK, UNITS, CASH, lot_units=1, tick_value=1, quantity_min=1, quantity_max=LOTS_EACH)
    yield commands.set_trading_state(BOOK, TradingState.CONTINUOUS)
    yield commands.issue(ISSUER, UNITS, (ACCOUNTS - BUYERS) * LOTS_EACH)
    yield from (commands.deposit(account, CASH, CASH_EACH) for account in range(1, ISSUER))
    for account in range(BUYERS + 1, ISSUER):  # units reach those who sell them through the book
        yield commands.new_order(ISSUER, BOOK, Side.SELL, 1, LOTS_EACH)
        yield commands.new_order(account, BOOK, Side.BUY, 1, LOTS_EACH)
    yield commands.set_fees(BOOK, MAKER_BPS, TAKER_BPS)


def open_engine() -> Engine:
    """Return an engine after the setup."""
    engine = Engine()
    events = engine.apply(np.frombuffer(b"".join(setup()), COMMAND))
    assert not (events["kind"] == EventKind.COMMAND_REJECTED).any()
    return engine


def translate(workload: Workload) -> np.ndarray:
    """Return a flow as commands; cancels and moves still lack their order ids."""
    rows = workload.commands
    encoded = np.zeros(len(rows), COMMAND)
    kinds = [CommandKind.NEW_ORDER, CommandKind.NEW_ORDER, CommandKind.CANCEL_ORDER, CommandKind.REPLACE_ORDER]
    is_new, is_move = rows["op"] <= IMMEDIATE, rows["op"] == MOVE
    encoded["sequence"] = np.arange(len(rows))
    encoded["kind"] = np.array(kinds, "u1")[rows["op"]]
    encoded["time_in_force"][rows["op"] == IMMEDIATE] = TimeInForce.IOC
    encoded["self_trade_prevention"][is_new] = SelfTradePrevention.EXPIRE_TAKER
    encoded["flags"][is_move] = OrderFlag.REQUEUE
    encoded["side"][is_new] = rows["side"][is_new]
    encoded["instrument"][is_new] = BOOK
    encoded["price_ticks"] = rows["price"]
    encoded["quantity_lots"][is_new] = rows["qty"][is_new]
    owners = np.zeros(int(rows["id"].max()) + 1, "u4")
    new = rows[is_new]
    owners[new["id"]] = (new["acct"] - 1) % BUYERS + 1 + BUYERS * new["side"].astype("u4")
    encoded["account"] = owners[rows["id"]]
    return encoded


def resolve(workload: Workload) -> tuple[np.ndarray, list[np.ndarray]]:
    """Return a flow as commands with the order ids that the engine gave in a first pass, and that pass's events."""
    encoded, orders, is_new = translate(workload), workload.commands["id"], workload.commands["op"] <= IMMEDIATE
    placed_at = np.full(int(orders.max()) + 1, -1)
    placed_at[orders[is_new]] = np.flatnonzero(is_new)
    needs = np.where(is_new, -1, placed_at[orders])
    order_ids = np.zeros(len(placed_at), "i8")
    engine, told, start = open_engine(), [], 0
    while start < len(encoded):
        early = np.flatnonzero(needs[start : start + RESOLVED_AT_ONCE] >= start)
        end = start + (int(early[0]) if len(early) else RESOLVED_AT_ONCE)
        late = slice(start, end)
        encoded["order_id"][late] = np.where(is_new[late], 0, order_ids[orders[late]])
        events = engine.apply(encoded[late])
        accepted = events[events["kind"] == EventKind.ORDER_ACCEPTED]
        order_ids[orders[accepted["sequence"]]] = accepted["order_id"]
        told.append(events)
        start = end
    return encoded, told


# --- measuring --------------------------------------------------------------------------------------------------------


def deviation(workload: Workload, told: list[np.ndarray]) -> str:
    """Return what is wrong with the trades of a flow, or nothing."""
    events = np.concatenate(told)
    if (events["kind"] == EventKind.COMMAND_REJECTED).any():
        return "a command was refused"
    accepted = events[events["kind"] == EventKind.ORDER_ACCEPTED]
    names = dict(
        zip(accepted["order_id"].tolist(), workload.commands["id"][accepted["sequence"]].tolist(), strict=True)
    )
    trades = events[events["kind"] == EventKind.TRADED]
    columns = [trades[name].tolist() for name in ("order_id", "counter_order_id", "price_ticks", "quantity_lots")]
    found = [(names[taker], names[maker], price, lots) for taker, maker, price, lots in zip(*columns, strict=True)]
    return "" if found == workload.trades.tolist() else "the trades differ from the oracle's"


def run(encoded: np.ndarray) -> tuple[float, float, int]:
    """Apply commands in batches to a new engine; return seconds, seconds of processor time, and events."""
    engine = open_engine()
    before = engine.event_count
    start, start_cpu = time.perf_counter(), time.thread_time()
    for first in range(0, len(encoded), BATCH):
        engine.apply(encoded[first : first + BATCH])
    cpu, seconds = time.thread_time() - start_cpu, time.perf_counter() - start
    return seconds, cpu, engine.event_count - before


def measure(workload: Workload, runs: int) -> Timing:
    """Compare the trades, then time; refuses to time what trades wrongly."""
    encoded, told = resolve(workload)
    wrong = deviation(workload, told)
    if wrong:
        sys.exit(f"{workload.name}: {wrong}")
    expected = sum(map(len, told))
    seconds, cpu, events = zip(*(run(encoded) for _ in range(runs)), strict=True)
    assert set(events) == {expected}, "batches of another size made other events"
    return Timing(len(encoded) / statistics.median(seconds), statistics.median(cpu) / len(encoded) * 1e9, "")


def measure_peers(workload: Workload, runs: int, interpreters: list[str]) -> dict[str, Timing | str]:
    """Time every peer that one of the interpreters has."""
    with tempfile.TemporaryDirectory() as folder:
        workload.write(Path(folder))
        return {
            peer.package: timing(python, peer, Path(folder), workload.name, runs)
            for peer, python in found(interpreters)
        }


def found(interpreters: list[str]) -> Iterator[tuple[Peer, str]]:
    """Yield peers with the first interpreter that has them."""
    for peer in PEERS:
        python = next((python for python in interpreters if has(python, peer)), None)
        if python is not None:
            yield peer, python


# --- telling ----------------------------------------------------------------------------------------------------------


def cell(timed: Timing | str, ours: Timing) -> str:
    """Return commands a second, processor time a command, and how much of ours that is."""
    if isinstance(timed, str):
        return f"[red]{timed}[/]"
    ratio = timed.cpu_ns_per_command / ours.cpu_ns_per_command
    return f"{timed.commands_per_second / 1e6:.2f} M/s\n{timed.cpu_ns_per_command:,.0f} ns\n{ratio:.2f} of ours"


def verdict(timings: Iterable[Timing | str]) -> str:
    """Return what is to be said of the trades of all flows."""
    said = {timed.deviation or "those of the oracle" for timed in timings if isinstance(timed, Timing)}
    return "; ".join(sorted(said))


def table(ours: dict[str, Timing], others: dict[str, dict[str, Timing | str]]) -> Table:
    """Return one row a book, one column a flow."""
    does = {peer.package: peer.does for peer in PEERS} | {
        OURS: "balances, holds, fees, self-trade prevention, events",
        LIMIT: "a compiled book and nothing else: trades",
    }
    shown = Table(title="commands a second by the clock, processor time a command", show_lines=True)
    shown.add_column("order book")
    for flow in ours:
        shown.add_column(flow, justify="right", no_wrap=True)
    shown.add_column("trades")
    books: dict[str, Mapping[str, Timing | str]] = {OURS: ours, **others}
    for package, timings in books.items():
        cells = [cell(timings[flow], mine) if flow in timings else "" for flow, mine in ours.items()]
        shown.add_row(f"[bold]{package}[/]\n{does[package]}", *cells, verdict(timings.values()))
    return shown


def chosen(arguments: argparse.Namespace) -> Iterator[Workload]:
    """Yield the flows to measure, generated or ready-made."""
    for mix in MIXES:
        if arguments.workload in {None, mix.name}:
            yield (
                Workload.read(arguments.workloads, mix.name)
                if arguments.workloads
                else generate(mix, arguments.commands)
            )


def parse(words: list[str] | None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.matching",
        description=__doc__,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--workload", choices=[mix.name for mix in MIXES], help="only this flow")
    parser.add_argument("--workloads", type=Path, metavar="DIR", help="read flows and trades instead of making them")
    parser.add_argument("--commands", type=int, default=1_000_000, metavar="N", help="length of a flow (1,000,000)")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="the median of so many is told (5)")
    parser.add_argument("--no-peers", action="store_true", help="this core alone")
    parser.add_argument("--peer-python", action="append", default=[], metavar="PATH", help="also look for peers there")
    return parser.parse_args(words)


def main(words: list[str] | None = None) -> None:
    """Measure and print one table."""
    arguments = parse(words)
    console = Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)
    console.print(describe(), soft_wrap=True)
    ours: dict[str, Timing] = {}
    others: dict[str, dict[str, Timing | str]] = {LIMIT: {}}
    for workload in chosen(arguments):
        console.print(f"{workload.name}: {len(workload.commands):,} commands, {len(workload.trades):,} trades")
        ours[workload.name] = measure(workload, arguments.runs)
        others[LIMIT][workload.name] = limit.measure(workload, arguments.runs)
        if not arguments.no_peers:
            peers = measure_peers(workload, arguments.runs, [sys.executable, *arguments.peer_python])
            for package, timed in peers.items():
                others.setdefault(package, {})[workload.name] = timed
    console.print(table(ours, others))


if __name__ == "__main__":
    main()
