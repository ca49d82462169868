"""Orders a second over REST: signed, durable, answered with their fills, by many connections at once.

    python -m benchmarks.rest [--connections 64] [--seconds 10] [--ask order|ping] [--profile]

The server is a process of its own, with the production capacity and a journal on the disk of --directory; the load is
one asyncio process with requests signed beforehand, one in flight on each connection, half of them bids and half asks
at one price, so that about every second order trades. `--ask ping` sends empty requests instead: what is left of an
order's cost without them is the exchange. `stolen_percent` is what the hypervisor kept of the machine meanwhile.
"""

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast
from urllib.parse import urlencode

import uvloop

from api.app import create_app
from api.auth import Signer
from api.door import Services
from api.limits import Limits
from api.serve import serve, stop_on_signals
from api.vault import Vault
from benchmarks.machine import describe, fdatasync_us
from exchange.core import commands
from exchange.core.types import AssetKind, TradingState
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

SYMBOL = "TA.BENCH"
BUYER, SELLER = 1, 2
CNY, TOKENS = 1, 2
KEYS = {BUYER: "buyer00000000000000000000000000", SELLER: "seller0000000000000000000000000"}
SECRET = b"secret"
WARM_UP_S = 2.0
UNLIMITED = Limits(
    weight_per_minute=1 << 40,
    key_weight_per_minute=1 << 40,
    orders_per_10s=1 << 40,
    signatures_max=0,  # requests are signed beforehand and sent again and again
)


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
    named += [KeyCreated(key, vault.encrypt(SECRET), account, (Scope.TRADE,)) for account, key in KEYS.items()]
    return named


async def run_server(directory: Path, profile: Path | None) -> None:
    """Serve a new exchange until told to stop; the port is the first line of the output."""
    vault = Vault.open(directory)
    exchange = Exchange.open(directory)
    exchange.start(asyncio.get_running_loop())
    for document in documents(vault):
        await exchange.submit(commands_of(document), encode(document))
    await exchange.submit(
        commands.set_trading_state(1, TradingState.CONTINUOUS)
        + commands.deposit(BUYER, CNY, 1 << 60)
        + commands.issue(SELLER, TOKENS, 1 << 60)
    )
    stop = asyncio.Event()
    stop_on_signals(asyncio.get_running_loop(), stop)
    profiler = cProfile.Profile(time.thread_time) if profile else None
    if profiler:
        profiler.enable()
    application = create_app(Services.of(exchange, vault, UNLIMITED))
    await serve(application, "127.0.0.1", 0, stop=stop, ready=lambda port: print(port, flush=True))
    if profiler:
        profiler.disable()
        pstats.Stats(profiler).dump_stats(profile)


class Load:
    """What all connections share: when to stop, and what was measured."""

    def __init__(self, end_s: float) -> None:
        """Stop sending at a time."""
        self.end_s = end_s
        self.counting = False
        self.latencies_s: list[float] = []
        self.failures: list[bytes] = []


class Connection(asyncio.Protocol):
    """One connection with one order in flight: the next leaves when the answer is there."""

    def __init__(self, load: Load, requests: list[bytes]) -> None:
        """Send these requests, again and again."""
        self._load = load
        self._requests = requests
        self._next = 0
        self._buffer = b""
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Send the first order."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none of that class
        self._send()

    def data_received(self, data: bytes) -> None:
        """Take an answer, and send the next order."""
        data = self._buffer + data
        head = data.find(b"\r\n\r\n")
        length = data.find(b"content-length: ")
        if head < 0 or len(data) < head + 4 + int(data[length + 16 : data.index(b"\r", length)]):
            self._buffer = data
            return
        self._buffer = b""
        load = self._load
        now = time.perf_counter()
        if load.counting:
            load.latencies_s.append(now - self._sent_s)
        if not data.startswith(b"HTTP/1.1 200"):
            load.failures.append(data)
        if now < load.end_s:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Be done."""
        self.closed.set_result(exc)

    def _send(self) -> None:
        self._sent_s = time.perf_counter()
        self._transport.write(self._requests[self._next])
        self._next = (self._next + 1) % len(self._requests)


def signed_request(account: int, number: int) -> bytes:
    """Return an order as the bytes of an HTTP request."""
    body = urlencode(
        {
            "symbol": SYMBOL,
            "side": "BUY" if account == BUYER else "SELL",
            "type": "LIMIT",
            "timeInForce": "GTC",
            "quantity": 1 + number % 3,
            "price": f"12.{1000 + number % 5}",
            "recvWindow": 60000,
            "timestamp": int(time.time() * 1000),
        }
    )
    body += f"&signature={Signer(SECRET).sign(body.encode())}"
    head = (
        f"POST /api/v3/order HTTP/1.1\r\nhost: 127.0.0.1\r\nx-mbx-apikey: {KEYS[account]}\r\n"
        f"content-type: application/x-www-form-urlencoded\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def ping(_account: int, _number: int) -> bytes:
    """Return a request that asks for nothing."""
    return b"GET /api/v3/ping HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n"


async def run_load(
    port: int, connections: int, seconds: float, cpu: "Cpu", request: Callable[[int, int], bytes]
) -> dict[str, object]:
    """Send requests for a while; return what was measured once the server was warm."""
    loop = asyncio.get_running_loop()
    load = Load(time.perf_counter() + WARM_UP_S + seconds)
    requests = {account: [request(account, number) for number in range(100)] for account in KEYS}
    opened = [
        (await loop.create_connection(lambda n=n: Connection(load, requests[1 + n % 2]), "127.0.0.1", port))[1]
        for n in range(connections)
    ]
    await asyncio.sleep(WARM_UP_S)
    cpu_begin, loop_begin, begin = cpu.seconds(), cpu.loop_seconds(), time.perf_counter()
    stolen_begin, ticks_begin = stolen()
    load.counting = True
    await asyncio.sleep(seconds)
    load.counting = False
    stolen_end, ticks_end = stolen()
    cpu_s, loop_s = cpu.seconds() - cpu_begin, cpu.loop_seconds() - loop_begin
    elapsed = time.perf_counter() - begin
    await asyncio.gather(*[connection.closed for connection in opened])
    if load.failures:
        raise SystemExit(f"{len(load.failures)} requests failed, the first with {load.failures[0].decode()}")
    latencies = sorted(load.latencies_s)
    count = len(latencies)
    return {
        "connections": connections,
        "requests": count,
        "requests_per_s": round(count / elapsed),
        "server_cpu_us_each": round(cpu_s / count * 1e6, 1),
        "of_which_event_loop_us": round(loop_s / count * 1e6, 1),
        "latency_us_p50": round(latencies[count // 2] * 1e6),
        "latency_us_p99": round(latencies[count * 99 // 100] * 1e6),
        "stolen_percent": round(100 * (stolen_end - stolen_begin) / (ticks_end - ticks_begin)),
    }


class Cpu:
    """The processor time of another process."""

    def __init__(self, process: int) -> None:
        """Watch a process."""
        self._process = process

    def seconds(self) -> float:
        """Return user and system time of all its threads so far."""
        return self._read(Path(f"/proc/{self._process}/stat"))

    def loop_seconds(self) -> float:
        """Return those of its first thread, which runs the event loop."""
        return self._read(Path(f"/proc/{self._process}/task/{self._process}/stat"))

    @staticmethod
    def _read(path: Path) -> float:
        fields = path.read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def stolen() -> tuple[int, int]:
    """Return ticks of the processors that the hypervisor kept for others, and all ticks, so far."""
    ticks = [int(text) for text in Path("/proc/stat").read_text(encoding="ascii").split("\n", 1)[0].split()[1:]]
    return ticks[7], sum(ticks)


def measure(arguments: argparse.Namespace, directory: Path) -> None:
    """Start a server, load it, print what was measured."""
    command = [sys.executable, "-m", "benchmarks.rest", "--serve", str(directory)]
    profile = directory / "profile"
    if arguments.profile:
        command += ["--profile-to", str(profile)]
    print(f"# {describe()}; fdatasync {fdatasync_us(directory):.0f} us")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        while not line.strip().isdigit():  # the log comes first
            line = server.stdout.readline()
        requests = {"order": signed_request, "ping": ping}[arguments.ask]
        load = run_load(int(line), arguments.connections, arguments.seconds, Cpu(server.pid), requests)
        try:
            result = uvloop.run(load)
        finally:
            server.send_signal(signal.SIGTERM)
            server.stdout.read()
    print(json.dumps({"benchmark": "rest", "ask": arguments.ask, **result}))
    if arguments.profile:
        pstats.Stats(str(profile)).sort_stats("tottime").print_stats(45)


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--ask", choices=("order", "ping"), default="order")
    parser.add_argument("--directory", type=Path, help="where the journal is written; a temporary one if not given")
    parser.add_argument("--profile", action="store_true", help="profile the event loop's thread, which slows it")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--profile-to", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(run_server(arguments.serve, arguments.profile_to))
        return
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        measure(arguments, Path(directory))


if __name__ == "__main__":
    main()
