"""Other order books in Python under the same flows; each runs in a process of its own, in an interpreter that has it.

python -m benchmarks.peers NAME FOLDER WORKLOAD RUNS: one line of JSON about one peer and one workload.

What a peer needs is prepared before the clock starts: rows as tuples, commands as its own objects. A peer that cannot
move an order cancels it and places what was left of it, which it is told. The interpreter needs numpy and
sortedcontainers besides.
"""

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from importlib import import_module
from importlib.util import find_spec
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.workload import BUY, CANCEL, IMMEDIATE, LIMIT, MOVE, SELL, TRADE, Book, Workload

ROOT = Path(__file__).resolve().parents[1]
Foreign = Any  # what packages without types return
COMPARED_EVERY = 1_000  # rows; how often the book of a peer that tells no trades is compared
Row = tuple[int, int, int, int, int, int]  # operation, side, order, price, lots, lots left


class Timing(NamedTuple):
    """Medians over the runs for one workload, and what is wrong with the trades, if anything."""

    commands_per_second: float
    cpu_ns_per_command: float
    deviation: str


class Peer(NamedTuple):
    """How to use one package: prepare a flow, play it, and compare what it led to."""

    package: str
    module: str
    does: str
    prepare: Callable[[Workload], list[Foreign]]
    play: Callable[[list[Foreign]], Foreign]
    deviation: Callable[[Foreign, Workload], str]


def rows(workload: Workload) -> list[Row]:
    """Return a flow as tuples."""
    columns = [workload.commands[name].tolist() for name in ("op", "side", "id", "price", "qty")]
    return list(zip(*columns, workload.leaves.tolist(), strict=True))


def same_trades(found: list[tuple[int, int, int, int]], workload: Workload) -> str:
    """Return where trades (taker, maker, price, lots) differ first, or nothing."""
    expected = workload.trades
    trades = np.array(found, TRADE)
    count = min(len(trades), len(expected))
    wrong = np.flatnonzero(trades[:count] != expected[:count])
    if len(wrong):
        return f"trade {wrong[0] + 1} of {len(expected)} differs"
    return "" if len(trades) == len(expected) else f"{len(trades)} trades instead of {len(expected)}"


# --- limit-order-book: C++ behind ctypes ------------------------------------------------------------------------------


def play_limit_order_book(plan: list[Row]) -> Foreign:
    """Send a flow to limit-order-book."""
    book = import_module("limit_order_book").LimitOrderBook()
    for row in plan:
        send_limit_order_book(book, row)
    return book


def send_limit_order_book(book: Foreign, row: Row) -> None:
    """Send one row: an immediate order is cancelled if it rests, a moved one cancelled and placed."""
    operation, side, order, price, lots, left = row
    if operation == CANCEL:
        book.cancel(order)
    elif operation == MOVE:
        book.cancel(order)
        (book.limit_buy if side == BUY else book.limit_sell)(order, left, price)
    else:
        (book.limit_buy if side == BUY else book.limit_sell)(order, lots, price)
        if operation == IMMEDIATE and book.has(order):
            book.cancel(order)


def books_differ(_: Foreign, workload: Workload) -> str:
    """Compare the books row by row where a peer tells no trades: best prices, lots and orders."""
    theirs, oracle = import_module("limit_order_book").LimitOrderBook(), Book()
    for number, row in enumerate(rows(workload), 1):
        send_limit_order_book(theirs, row)
        oracle.apply(*row[:5])
        if number % COMPARED_EVERY == 0 or number == len(workload.commands):
            expected = _summary(oracle)
            found = (theirs.best_buy(), theirs.best_sell(), theirs.count_buy(), theirs.count_sell(), theirs.volume())
            if found != expected:
                return f"tells no trades; after row {number} its book is {found} instead of {expected}"
    return "tells no trades; its book is right"


def _summary(book: Book) -> tuple[int, int, int, int, int]:
    """Return best bid and ask, orders of each side, lots of both."""
    bids, asks = (book.levels(side) for side in (BUY, SELL))
    lots = sum(level[0] for side in (bids, asks) for level in side.values())
    bid_count, ask_count = (sum(level[1] for level in side.values()) for side in (bids, asks))
    return max(bids, default=0), min(asks, default=0), bid_count, ask_count, lots


# --- bourse: Rust -----------------------------------------------------------------------------------------------------


def play_bourse(plan: list[Row]) -> Foreign:
    """Send a flow to bourse, which numbers orders itself; an immediate order is cancelled if anything is left.

    It must be told a new time before each order: among orders of one time its priority is not that of arrival.
    """
    book = import_module("bourse").core.OrderBook(0, True)
    place, modify, cancel, set_time = book.place_order, book.modify_order, book.cancel_order, book.set_time
    numbers: dict[int, int] = {}
    for now, (operation, side, order, price, lots, _) in enumerate(plan):
        if operation == CANCEL:
            cancel(numbers[order])
            continue
        set_time(now)
        if operation == MOVE:
            modify(numbers[order], price)
            continue
        numbers[order] = number = place(side == BUY, lots, 0, price)
        if operation == IMMEDIATE:
            cancel(number)
    return book, numbers


def bourse_differs(outcome: Foreign, workload: Workload) -> str:
    """Compare its record of trades."""
    book, numbers = outcome
    orders = {number: order for order, number in numbers.items()}
    trades = [(orders[taker], orders[maker], price, lots) for _, _, price, lots, taker, maker in book.get_trades()]
    return same_trades(trades, workload)


# --- matching-engine: Python ------------------------------------------------------------------------------------------


def prepare_matching_engine(workload: Workload) -> list[Foreign]:
    """Return commands of matching-engine, numbered; a move is a cancel and a new order under the same number."""
    domain = import_module("matching_engine.domain")
    sides = {BUY: domain.Side.BUY, SELL: domain.Side.SELL}
    lifetimes = {LIMIT: domain.TimeInForce.GTC, IMMEDIATE: domain.TimeInForce.IOC, MOVE: domain.TimeInForce.GTC}
    plan: list[Foreign] = []
    owners: dict[int, int] = {}
    for operation, side, order, price, lots, left in rows(workload):
        account = owners.setdefault(order, side + 1)
        if operation in {CANCEL, MOVE}:
            plan.append(domain.CancelOrder(order, account))
        if operation != CANCEL:
            quantity = left if operation == MOVE else lots
            plan.append(domain.NewOrder(order, account, sides[side], price, quantity, tif=lifetimes[operation]))
    return [domain.SequencedCommand(number, 0, command) for number, command in enumerate(plan, 1)]


def play_matching_engine(plan: list[Foreign]) -> Foreign:
    """Send a flow to matching-engine and keep its events."""
    engine = import_module("matching_engine.engine").MatchingEngine()
    process = engine.process
    events: list[Foreign] = []
    for command in plan:
        events += process(command)
    return events


def matching_engine_differs(outcome: Foreign, workload: Workload) -> str:
    """Compare the trades among its events."""
    kind = import_module("matching_engine.events").Trade
    trades = [
        (event.taker_order_id, event.maker_order_id, event.price, event.qty) for event in outcome if type(event) is kind
    ]
    return same_trades(trades, workload)


# --- liquibook: C++ behind SWIG -------------------------------------------------------------------------------------


def play_liquibook(plan: list[Row]) -> Foreign:
    """Send a flow to liquibook, which numbers orders itself and tells fills to a listener; a move is cancel and add."""
    module = import_module("liquibook")
    book, told = module.DepthOrderBook(), _listener(module)
    book.set_order_listener(told)
    orders: dict[int, Foreign] = {}
    numbers: dict[int, int] = {}
    for operation, side, order, price, lots, left in plan:
        if operation in {CANCEL, MOVE}:
            book.cancel(orders[order])
        if operation == CANCEL:
            continue
        conditions = module.oc_immediate_or_cancel if operation == IMMEDIATE else module.oc_no_conditions
        orders[order] = made = module.SimpleOrder(side == BUY, price, left if operation == MOVE else lots)
        numbers[made.order_id_] = order
        book.add(made, conditions)
    return told.fills, numbers


def _listener(module: Foreign) -> Foreign:
    """Return a listener of liquibook that keeps the fills."""

    class Listener(module.OrderListener):  # type: ignore[misc]  # it has no types
        """Hears of every change of an order."""

        def __init__(self) -> None:
            super().__init__()
            self.fills: list[tuple[int, int, int, int]] = []

        def on_fill(self, order: Foreign, matched: Foreign, lots: int, price: int) -> None:
            """Keep a fill."""
            self.fills.append((order.order_id_, matched.order_id_, price, lots))

        def _pass(self, *_: Foreign) -> None:
            """Hear of what is not compared."""

        on_accept = on_reject = on_cancel = on_cancel_reject = _pass
        on_replace = on_replace_reject = on_trigger_stop = _pass

    return Listener()


def liquibook_differs(outcome: Foreign, workload: Workload) -> str:
    """Compare the fills that its listener heard of."""
    fills, numbers = outcome
    return same_trades([(numbers[taker], numbers[maker], *rest) for taker, maker, *rest in fills], workload)


# --- cython-orderbook: Cython -----------------------------------------------------------------------------------------


def play_cython_orderbook(plan: list[Row]) -> Foreign:
    """Send a flow to cython-orderbook; what is left of an immediate order is cancelled, a move is cancel and add."""
    module = import_module("cython_orderbook")
    book, sides = module.OrderBook(), {BUY: module.OrderSide.BID, SELL: module.OrderSide.ASK}
    open_orders: dict[int, Foreign] = {}
    numbers: dict[str, int] = {}
    for operation, side, order, price, lots, left in plan:
        if operation in {CANCEL, MOVE}:
            book.cancel_order(open_orders[order].order_id)
        if operation == CANCEL:
            continue
        open_orders[order] = made = module.Order(sides[side], left if operation == MOVE else lots, price)
        numbers[made.order_id] = order
        book.add_limit_order(made)
        if operation == IMMEDIATE and made.remaining_quantity:
            book.cancel_order(made.order_id)
    return book, numbers


def cython_orderbook_differs(outcome: Foreign, workload: Workload) -> str:
    """Compare the trades of its log, which it prints and does not give otherwise."""
    book, numbers = outcome
    with redirect_stdout(StringIO()) as printed:
        book.print_trade_log()
    found = re.findall(r"Price: (\d+) \| Qty: (\d+) \| aggressor_id: (\d+) \| filler_id: (\d+)", printed.getvalue())
    trades = [(numbers[taker], numbers[maker], int(price), int(lots)) for price, lots, taker, maker in found]
    return same_trades(trades, workload)


# --- lightmatchingengine: Python --------------------------------------------------------------------------------------


def play_lightmatchingengine(plan: list[Row]) -> Foreign:
    """Send a flow to lightmatchingengine; what is left of an immediate order is cancelled, a move is cancel and add."""
    engine = import_module("lightmatchingengine.lightmatchingengine").LightMatchingEngine()
    numbers: dict[int, int] = {}
    orders: dict[int, int] = {}
    told: list[tuple[int, list[Foreign]]] = []
    for operation, side, order, price, lots, left in plan:
        if operation in {CANCEL, MOVE}:
            engine.cancel_order(numbers[order], "")
        if operation == CANCEL:
            continue
        made, trades = engine.add_order("", price, left if operation == MOVE else lots, side + 1)
        numbers[order], orders[made.order_id] = made.order_id, order
        told.append((made.order_id, trades))
        if operation == IMMEDIATE and made.leaves_qty:
            engine.cancel_order(made.order_id, "")
    return told, orders


def lightmatchingengine_differs(outcome: Foreign, workload: Workload) -> str:
    """Compare the makers' sides of its trades."""
    told, orders = outcome
    trades = [
        (orders[taker], orders[side.order_id], side.trade_price, side.trade_qty)
        for taker, sides in told
        for side in sides
        if side.order_id != taker
    ]
    return same_trades(trades, workload)


# --- running them -----------------------------------------------------------------------------------------------------

PEERS = (
    Peer(
        "limit-order-book",
        "limit_order_book",
        "book in C++, called through ctypes",
        rows,
        play_limit_order_book,
        books_differ,
    ),
    Peer("bourse", "bourse", "book in Rust", rows, play_bourse, bourse_differs),
    Peer(
        "matching-engine",
        "matching_engine",
        "book in Python, self-trade prevention, events",
        prepare_matching_engine,
        play_matching_engine,
        matching_engine_differs,
    ),
    Peer(
        "liquibook",
        "liquibook",
        "book in C++, called through SWIG",
        rows,
        play_liquibook,
        liquibook_differs,
    ),
    Peer(
        "cython-orderbook",
        "cython_orderbook",
        "book in Cython",
        rows,
        play_cython_orderbook,
        cython_orderbook_differs,
    ),
    Peer(
        "lightmatchingengine",
        "lightmatchingengine",
        "book in Python",
        rows,
        play_lightmatchingengine,
        lightmatchingengine_differs,
    ),
)


def has(python: str, peer: Peer) -> bool:
    """Say whether an interpreter can import a peer."""
    probe = f"import importlib.util, sys; sys.exit(importlib.util.find_spec({peer.module!r}) is None)"
    return subprocess.run([python, "-c", probe], check=False).returncode == 0


def timing(python: str, peer: Peer, folder: Path, workload: str, runs: int) -> Timing | str:
    """Time a peer in a process of its own; return why not, if it does not get to the end."""
    command = [python, "-m", "benchmarks.peers", peer.package, str(folder), workload, str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [""])[-1]
        return f"exit {done.returncode}: {last}"
    return Timing(**json.loads(done.stdout.splitlines()[-1]))


def measure(peer: Peer, workload: Workload, runs: int) -> Timing:
    """Check a peer's trades once, then time it."""
    plan = peer.prepare(workload)
    deviation = peer.deviation(peer.play(plan), workload)
    seconds, cpu = [], []
    for _ in range(runs):
        start, start_cpu = time.perf_counter(), time.thread_time()
        peer.play(plan)
        cpu.append(time.thread_time() - start_cpu)
        seconds.append(time.perf_counter() - start)
    count = len(workload.commands)
    return Timing(count / statistics.median(seconds), statistics.median(cpu) / count * 1e9, deviation)


def main(name: str, folder: str, workload: str, runs: str) -> None:
    """Print the timing of a peer."""
    peer = next(peer for peer in PEERS if peer.package == name)
    if find_spec(peer.module) is None:
        sys.exit(f"{name} is not installed here")
    parts = [np.load(Path(folder) / f"{workload}.{part}.npy") for part in ("commands", "trades", "leaves")]
    print(json.dumps(measure(peer, Workload(workload, *parts), int(runs))._asdict()))


if __name__ == "__main__":
    main(*sys.argv[1:])
