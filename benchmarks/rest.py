"""Orders a second over REST: signed, named, durable, answered with their fills; beside what people ship.

    python -m benchmarks.rest [--rounds 5] [--seconds 1.5] [--connections 64] [--gateways N] [--settlement] [--json]
    python -m benchmarks.rest --peers fastapi matching-engine --peer-python ~/py312/bin/python

The exchange is a process of its own with the production capacity, its journal on the disk of --directory, and, with
--settlement, Postgres and the poster at work. Every order is another one: half of them bids and half asks within
forty prices, so that about every second trades. The peers take the same orders in the same rounds: `fastapi` is
`benchmarks.restpeers`; `matching-engine` is the gateway of that package with its own defaults, so with an fsync, and
needs an interpreter that has `matching-engine[gateway]` (Python 3.12 or later). Connections have one order in flight
each. Nothing is told before it is certain that what was acknowledged is what the server has.
"""

import argparse
import asyncio
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlencode

import structlog
import uvloop
from rich.console import Console
from rich.table import Table

from api import compose
from api.app import create_app
from api.auth import Signer
from api.door import Services
from api.gateways.fleet import serve_behind
from api.gateways.process import GatewayOptions
from api.limits import Limits
from api.serve import serve, stop_on_signals
from api.stream.config import StreamConfig
from api.stream.server import server_settings
from api.vault import Vault
from benchmarks.httpload import HttpLoad, Played
from benchmarks.machine import describe, fdatasync_us
from benchmarks.processes import Cpu, Spent, Tree, stolen
from exchange.config import EVENT_FOLDER
from exchange.core import commands
from exchange.core.types import AssetKind, EventKind, TradingState
from exchange.events import EventReader
from exchange.registry.documents import (
    AccountNamed,
    AssetNamed,
    Document,
    InstrumentNamed,
    KeyCreated,
    ParticipantCreated,
    Role,
    Scope,
    commands_of,
    encode,
)
from exchange.server import Exchange

__all__ = ["BUYER", "CNY", "KEYS", "SECRET", "SELLER", "SYMBOL", "TOKENS", "UNLIMITED", "Cpu", "documents", "stolen"]

SYMBOL = "TA.BENCH"
BUYER, SELLER = 1, 2
CNY, TOKENS = 1, 2
KEYS = {BUYER: "buyer00000000000000000000000000", SELLER: "seller0000000000000000000000000"}
SECRET = b"secret"
SCOPES = (Scope.TRADE, Scope.READ)
PRICE_TICKS, PRICES = 121_000, 40  # in the middle, and how many there are
RATE = 10_000.0  # orders a second that are made beforehand for the first round
SPARE = 2.5  # so many times the rate of the round before are made for the next
PEERS = ("fastapi", "matching-engine")
PATIENCE_S = 90
UNLIMITED = Limits(
    weight_per_minute=1 << 40,
    key_weight_per_minute=1 << 40,
    orders_per_10s=1 << 40,
    signatures_max=0,  # other benchmarks sign requests beforehand and send them again and again
)


class Order(NamedTuple):
    """One order of the flow."""

    account: int
    price: str
    quantity: int
    name: str


class Figure(NamedTuple):
    """One round with one server; microseconds of processors are per order."""

    orders_per_s: float
    server_cpu_us: float
    exchange_cpu_us: float
    of_which_event_loop_us: float
    gateways_cpu_us: float
    settlement_cpu_us: float
    load_cpu_us: float
    load_cpu_percent: float  # of one processor: at 100 the load is the limit
    p50_us: float
    p99_us: float
    stolen_percent: float


class Server(NamedTuple):
    """One server under load, and how to see what it has."""

    name: str
    process: subprocess.Popen[str]
    port: int
    request: Callable[[Order], bytes]
    deviation: Callable[[list[bytes]], str]  # from all answers, asked while the server runs
    deviation_after: Callable[[list[bytes]], str]  # asked when it has ended


def documents(vault: Vault) -> list[Document]:
    """Return two accounts, two assets, one instrument."""
    named: list[Document] = [
        ParticipantCreated("bench", Role.ISSUER),
        AccountNamed(BUYER, "buyer", "bench", Role.TRADER),
        AccountNamed(SELLER, "seller", "bench", Role.ISSUER),
        AssetNamed(CNY, "CNY", AssetKind.CASH, 6),
        AssetNamed(TOKENS, SYMBOL, AssetKind.ALLOWANCE, 6, SELLER),
        InstrumentNamed(
            index=1, symbol=SYMBOL, base=TOKENS, quote=CNY, tick_value=100, lot_units=10**6, price_decimals=4,
            quantity_decimals=0, quantity_min=1, quantity_max=10**6, band_low_ticks=1, band_high_ticks=10**9,
            taker_bps=5,
        ),
    ]  # fmt: skip
    named += [KeyCreated(key, vault.encrypt(SECRET), account, SCOPES) for account, key in KEYS.items()]
    return named


async def prepare(directory: Path) -> None:
    """Leave an exchange with a market in a directory."""
    vault, exchange = Vault.open(directory), Exchange.open(directory)
    exchange.start(asyncio.get_running_loop())
    for document in documents(vault):
        await exchange.submit(commands_of(document), encode(document))
    await exchange.submit(
        commands.set_trading_state(1, TradingState.CONTINUOUS)
        + commands.deposit(BUYER, CNY, 1 << 60)
        + commands.issue(SELLER, TOKENS, 1 << 60)
    )
    await exchange.stop()


async def serve_exchange(directory: Path, gateways: int) -> None:
    """Serve the exchange of a directory, without a ledger, until told to stop."""
    exchange = Exchange.open(directory)
    exchange.start(asyncio.get_running_loop())
    stop = asyncio.Event()
    stop_on_signals(asyncio.get_running_loop(), stop)
    application = create_app(Services.of(exchange, Vault.open(directory), UNLIMITED))
    if gateways:
        place = GatewayOptions(str(directory), "127.0.0.1", 0, UNLIMITED, {})
        settings = server_settings(StreamConfig())
        await serve_behind(application, place, gateways, stop=stop, ready=tell_port, settings=settings)
    else:
        await serve(application, "127.0.0.1", 0, stop=stop, ready=tell_port)


def run_server(directory: Path, gateways: int, *, settlement: bool) -> None:
    """Serve a new exchange until told to stop; the port is the first line of the output."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # the output is for the port
    uvloop.run(prepare(directory))
    if not settlement:
        uvloop.run(serve_exchange(directory, gateways))
        return
    options = compose.Options(directory, "127.0.0.1", 0, limits=UNLIMITED, gateways=gateways)
    port = compose.Observer(lambda _: None, lambda started: tell_port(int(started.url.rpartition(":")[2])))
    compose.run(options, port)


def tell_port(port: int) -> None:
    """Say where the server is."""
    print(port, flush=True)


def flow(count: int, seed: int) -> Iterator[Order]:
    """Yield orders, each with a name of its own."""
    chance = random.Random(seed)
    for number in range(count):
        account = (BUYER, SELLER)[number % 2]
        ticks = PRICE_TICKS + chance.randrange(PRICES) - PRICES // 2
        yield Order(
            account, f"{ticks // 10_000}.{ticks % 10_000:04}", chance.randrange(1, 50), f"{seed:x}-{number:06x}"
        )


def signed_request(order: Order) -> bytes:
    """Return an order as the bytes of a signed HTTP request."""
    body = urlencode(
        {
            "symbol": SYMBOL,
            "side": "BUY" if order.account == BUYER else "SELL",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": order.quantity,
            "price": order.price,
            "newClientOrderId": order.name,
            "recvWindow": 60000,
            "timestamp": int(time.time() * 1000),
        }
    )
    body += f"&signature={Signer(SECRET).sign(body.encode())}"
    head = (
        f"POST /api/v3/order HTTP/1.1\r\nhost: 127.0.0.1\r\nx-mbx-apikey: {KEYS[order.account]}\r\n"
        f"content-type: application/x-www-form-urlencoded\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def fastapi_request(order: Order) -> bytes:
    """Return an order as `benchmarks.restpeers` takes it."""
    fields = {
        "symbol": SYMBOL,
        "side": "BUY" if order.account == BUYER else "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": str(order.quantity),
        "price": order.price,
        "newClientOrderId": order.name,
    }
    return json_request("/api/v3/order", fields)


def matching_engine_request(order: Order) -> bytes:
    """Return an order as the gateway of matching-engine takes it."""
    side = "buy" if order.account == BUYER else "sell"
    fields = {"account": order.account, "side": side, "price": order.price, "quantity": str(order.quantity)}
    return json_request(f"/markets/{SYMBOL}/orders", fields)


def json_request(path: str, fields: Mapping[str, object]) -> bytes:
    """Return an HTTP request with a JSON body."""
    body = json.dumps(fields)
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()


def numbers(answers: list[bytes], name: str) -> list[int]:
    """Return a whole number that stands in every answer."""
    pattern = re.compile(rb'"%s":"?([0-9]+)' % name.encode())
    found = [pattern.search(answer) for answer in answers]
    return [int(match[1]) for match in found if match is not None]


def exchange_deviation(directory: Path, answers: list[bytes]) -> str:
    """Compare answers with the event log that the exchange has left: each order once, each lot traded once."""
    reader = EventReader(directory / EVENT_FOLDER)
    events = reader.read(0, reader.count)
    reader.close()
    accepted = events["order_id"][events["kind"] == EventKind.ORDER_ACCEPTED].tolist()
    told = numbers(answers, "orderId")
    if sorted(accepted) != sorted(told):
        return f"{len(told)} orders acknowledged, {len(accepted)} accepted"
    lots = int(events["quantity_lots"][events["kind"] == EventKind.TRADED].sum())
    executed = sum(numbers(answers, "executedQty"))
    return "" if lots == executed else f"{executed} lots told as traded, {lots} traded"


def ledger_deviation(port: int, answers: list[bytes]) -> str:
    """Wait until the ledger has all that happened."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        gauges = asked(port, "/metrics")
        waiting = re.search(r"^tokenbourse_ledger_waiting_events ([0-9.e+]+)", gauges, re.MULTILINE)
        if waiting is not None and float(waiting[1]) == 0 and "tokenbourse_ledger_up 1" in gauges:
            return ""
        time.sleep(0.1)
    return f"the ledger did not follow {len(answers)} orders"


def fastapi_deviation(port: int, answers: list[bytes]) -> str:
    """Compare answers with the peer's counters."""
    count = json.loads(asked(port, "/count"))["orders"]
    told = len(set(numbers(answers, "orderId")))
    return "" if told == count == len(answers) else f"{told} orders acknowledged, {count} accepted"


def matching_engine_deviation(port: int, answers: list[bytes]) -> str:
    """Compare answers with the sequence number of the peer's journal."""
    last = json.loads(asked(port, "/markets"))[0]["last_seq"]
    told = len(set(numbers(answers, "order_id")))
    return "" if told == last == len(answers) else f"{told} orders acknowledged, {last} in the journal"


def asked(port: int, path: str) -> str:
    """Return what a server says."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=PATIENCE_S) as answer:
        return str(answer.read(), "utf-8")


def fine(_: list[bytes]) -> str:
    """Say that there is nothing to compare."""
    return ""


@contextmanager
def started(name: str, folder: Path, arguments: argparse.Namespace) -> Iterator[Server]:
    """Start a server, and stop it at the end."""
    folder.mkdir()
    line, environment = [sys.executable, "-m", "benchmarks.restpeers"], dict(os.environ)
    if name == "tokenbourse":
        line = [sys.executable, "-m", "benchmarks.rest", "--serve", str(folder), "--gateways", str(arguments.gateways)]
        line += ["--settlement"] * arguments.settlement
    elif name == "matching-engine":
        line = [arguments.peer_python, str(Path(__file__).with_name("restgateway.py"))]
        environment = {"ME_DATA_DIR": str(folder), "ME_MARKETS": f"{SYMBOL}:0.0001:1", "PATH": os.environ["PATH"]}
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            yield _served(name, process, folder, settlement=arguments.settlement)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)


def _served(name: str, process: subprocess.Popen[str], folder: Path, *, settlement: bool) -> Server:
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.strip().isdigit(), f"{name} does not start: {line!r}"
    port = int(line)
    if name == "fastapi":
        return Server(name, process, port, fastapi_request, lambda told: fastapi_deviation(port, told), fine)
    if name == "matching-engine":
        deviation = matching_engine_deviation
        return Server(name, process, port, matching_engine_request, lambda told: deviation(port, told), fine)
    followed = (lambda told: ledger_deviation(port, told)) if settlement else fine
    return Server(name, process, port, signed_request, followed, lambda told: exchange_deviation(folder, told))


def played(server: Server, connections: int, seed: int, seconds: float, rate: float) -> tuple[Figure, Played]:
    """Play one round, over connections of its own: the peers hang up on those that rest."""
    requests = [server.request(order) for order in flow(int(SPARE * rate * seconds), seed)]
    load, tree = HttpLoad(server.port, connections), Tree(server.process.pid)
    before, (stolen_before, ticks_before) = tree.spent(), stolen()
    result = load.play(requests, seconds)
    spent, (stolen_after, ticks_after) = tree.spent().since(before), stolen()
    load.close()
    share = 100 * (stolen_after - stolen_before) / max(1, ticks_after - ticks_before)
    return figure(result, spent, share), result


def figure(result: Played, spent: Spent, stolen_percent: float) -> Figure:
    """Return what a round says."""
    count, latencies = len(result.latencies_s), sorted(result.latencies_s)
    each = [seconds / count * 1e6 for seconds in (spent.total, *spent, result.cpu_s)]
    load_percent, p50, p99 = 100 * result.cpu_s / result.seconds, latencies[count // 2], latencies[count * 99 // 100]
    return Figure._make([count / result.seconds, *each, load_percent, p50 * 1e6, p99 * 1e6, stolen_percent])


def measure(arguments: argparse.Namespace, folder: Path) -> dict[str, Figure]:
    """Play all rounds with all servers in turn, compare what they have with what they said, return medians."""
    with ExitStack() as stack:
        figures: dict[str, list[Figure]] = {}
        answers: dict[str, list[bytes]] = {}
        rates = dict.fromkeys(names(arguments), RATE)
        servers = [stack.enter_context(started(name, folder / name, arguments)) for name in rates]
        for number in range(arguments.rounds + 1):
            for server in servers:
                seconds = arguments.seconds if number else arguments.seconds / 2
                told, result = played(server, arguments.connections, number + 1, seconds, rates[server.name])
                rates[server.name] = told.orders_per_s
                answers.setdefault(server.name, []).extend(result.answers)
                figures.setdefault(server.name, []).extend([told] * bool(number))  # the first warms up
        for server in servers:
            check(server.name, server.deviation(answers[server.name]))
    for server in servers:
        check(server.name, server.deviation_after(answers[server.name]))
    return {name: Figure(*map(statistics.median, zip(*rows, strict=True))) for name, rows in figures.items()}


def names(arguments: argparse.Namespace) -> list[str]:
    """Return who is measured, and say why one is not."""
    found = ["tokenbourse", *arguments.peers]
    if "matching-engine" in found and not can_import(arguments.peer_python):
        print(f"# matching-engine is left out: {arguments.peer_python} cannot import its gateway", file=sys.stderr)
        found.remove("matching-engine")
    return found


def can_import(python: str) -> bool:
    """Say whether an interpreter has the gateway of matching-engine."""
    line = [python, "-c", "import matching_engine.gateway, uvicorn"]
    return subprocess.run(line, check=False, capture_output=True).returncode == 0


def check(name: str, deviation: str) -> None:
    """Stop if a server does not have what it said."""
    if deviation:
        raise SystemExit(f"{name}: {deviation}")


def show(medians: dict[str, Figure], *, as_json: bool) -> None:
    """Print what was measured."""
    if as_json:
        for name, row in medians.items():
            print(
                json.dumps({"benchmark": "rest", "server": name, **{k: round(v, 1) for k, v in row._asdict().items()}})
            )
        return
    table = Table("medians of the rounds", *medians)
    for field in Figure._fields:
        table.add_row(field, *[f"{getattr(row, field):,.1f}" for row in medians.values()])
    Console(width=110).print(table)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=1.5, help="of one round with one server")
    parser.add_argument("--rounds", type=int, default=5, help="medians of so many, after one to warm up")
    parser.add_argument("--gateways", type=int, default=0, help="processes in front of the exchange's")
    parser.add_argument("--settlement", action="store_true", help="with Postgres and the poster, all posted at the end")
    parser.add_argument("--peers", nargs="*", choices=PEERS, default=list(PEERS))
    parser.add_argument("--peer-python", default=sys.executable, help="interpreter that has matching-engine")
    parser.add_argument("--directory", type=Path, help="where the journal is written; a temporary one if not given")
    parser.add_argument("--json", action="store_true", help="one line of JSON a server instead of a table")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print, or serve for one who measures."""
    chosen = parse(arguments)
    if chosen.serve:
        run_server(chosen.serve, chosen.gateways, settlement=chosen.settlement)
        return
    with tempfile.TemporaryDirectory(dir=chosen.directory) as folder:
        print(f"# {describe()}; fdatasync {fdatasync_us(Path(folder)):.0f} us", file=sys.stderr)
        medians = measure(chosen, Path(folder))
    show(medians, as_json=chosen.json)


if __name__ == "__main__":
    main()
