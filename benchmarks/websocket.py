"""Orders over the websocket API, and trades told to many readers at once.

    python -m benchmarks.websocket [--seconds 10] [--readers 1000] [--trades 1 20] [--in-flight 1 64]

The server is a process of its own, with the production capacity and a journal on the disk of --directory; the client is
one asyncio process. Orders are signed beforehand and sent on one connection; each answer is awaited by its id. For the
fan-out the server trades with itself, so many trades a batch, as fast as its readers read. Before anything is timed,
every answer and every reader's trade ids are checked.
"""

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import cast

import orjson
import structlog
import uvloop

from api.app import create_app
from api.auth import Signer
from api.door import Services
from api.serve import serve, stop_on_signals
from api.stream.config import StreamConfig
from api.stream.server import WebsocketApp, server_settings, websocket_app
from api.vault import Vault
from benchmarks.machine import fdatasync_us
from benchmarks.rest import BUYER, CNY, KEYS, SECRET, SELLER, SYMBOL, TOKENS, UNLIMITED, Cpu, documents
from exchange.core import commands
from exchange.core.types import Side, TradingState
from exchange.registry.documents import commands_of, encode
from exchange.server import Exchange

Question = Callable[[int, float, Cpu, int], Coroutine[None, None, dict[str, object]]]
WARM_UP_S = 1.0
CHECKED_TRADES = 200
PATIENCE_S = 30
TRADE = b'"e":"trade"'
PRICE_TICKS = 121_000
STREAM = f"{SYMBOL.lower()}@trade"
ANY_KEY = "AAAAAAAAAAAAAAAAAAAAAA=="


async def run_server(directory: Path, trades: int, readers: int) -> None:
    """Serve a new exchange until told to stop; with readers, trade so many a batch while they are all there."""
    loop = asyncio.get_running_loop()
    vault, exchange = Vault.open(directory), Exchange.open(directory)
    exchange.start(loop)
    for document in documents(vault):
        await exchange.submit(commands_of(document), encode(document))
    await exchange.submit(
        commands.set_trading_state(1, TradingState.CONTINUOUS)
        + commands.deposit(BUYER, CNY, 1 << 60)
        + commands.issue(SELLER, TOKENS, 1 << 60)
    )
    stop = asyncio.Event()
    stop_on_signals(loop, stop)
    loop.add_reader(sys.stdin.fileno(), stop.set)  # it closes with the process that asks
    services, streams = Services.of(exchange, vault, UNLIMITED), StreamConfig()
    websockets = websocket_app(services, streams)
    trading = asyncio.create_task(trade(exchange, websockets, trades, readers, stop)) if readers else None
    application = create_app(services, websocket=websockets)
    settings = server_settings(streams)
    await serve(application, "127.0.0.1", 0, stop=stop, ready=lambda port: print(port, flush=True), **settings)
    if trading is not None:
        await trading


async def trade(exchange: Exchange, websockets: WebsocketApp, trades: int, readers: int, stop: asyncio.Event) -> None:
    """Trade while all readers are there and nobody is behind."""
    batch = b"".join(
        commands.new_order(account, 1, side, PRICE_TICKS, 1)
        for _ in range(trades)
        for account, side in ((SELLER, Side.SELL), (BUYER, Side.BUY))
    )
    while not stop.is_set():
        if len(websockets.hub.connections) == readers and not websockets.hub.blocked:
            await exchange.submit(batch)
        else:
            await asyncio.sleep(0.001)


class Client(asyncio.Protocol):
    """The least that a websocket client can be: a handshake, frames out, and the payloads of frames in."""

    def __init__(self, path: str) -> None:
        """Connect to a path."""
        self._path = path
        self._buffer = b""
        self.opened = asyncio.get_running_loop().create_future()
        self.messages: list[bytes] = []
        self.message_count = 0
        self.is_counting = False  # instead of taking apart what comes

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Shake hands."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's is none of that class
        self.transport.write(
            f"GET {self._path} HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {ANY_KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        """Take frames apart."""
        data = self._buffer + data if self._buffer else data
        if self.is_counting:
            self.message_count += data.count(TRADE)
            self._buffer = data[1 - len(TRADE) :]  # too short to hold one, long enough for the beginning of one
            return
        if not self.opened.done():
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = data
                return
            assert data.startswith(b"HTTP/1.1 101"), data
            data = data[end + 4 :]
            self.opened.set_result(None)
        self._buffer = self._take(data)

    def hear(self, payload: bytes) -> None:
        """Take one message."""
        self.messages.append(payload)

    def _take(self, data: bytes) -> bytes:
        begin, size_of = 0, len(data)
        while size_of - begin >= 4:
            size, start = data[begin + 1], begin + 2
            if size == 126:
                size, start = int.from_bytes(data[start : start + 2], "big"), start + 2
            if size_of < start + size:
                break
            if data[begin] == 0x81:
                self.hear(data[start : start + size])
            begin = start + size
        return data[begin:]


class Orders(Client):
    """Places orders, so many in flight at a time."""

    def __init__(self, in_flight: int) -> None:
        """Keep so many orders in flight."""
        super().__init__("/ws-api/v3")
        self._in_flight = in_flight
        self._requests: list[bytes] = []
        self._sent_s: dict[int, float] = {}
        self._sent_count = 0
        self.latencies_s: list[float] = []
        self.end_s = 0.0
        self.done = asyncio.get_running_loop().create_future()

    def start(self, requests: list[bytes], seconds: float) -> None:
        """Send for a while."""
        self._requests = requests
        self.end_s = time.perf_counter() + seconds
        for _ in range(self._in_flight):
            self._send()

    def hear(self, payload: bytes) -> None:
        """Take an answer, check it, and send the next order."""
        now = time.perf_counter()
        answer = orjson.loads(payload)
        assert answer["status"] == 200, answer
        assert answer["result"]["symbol"] == SYMBOL, answer
        self.latencies_s.append(now - self._sent_s.pop(answer["id"]))
        if now < self.end_s:
            self._send()
        elif not self._sent_s:
            self.done.set_result(None)

    def _send(self) -> None:
        number = self._sent_count = self._sent_count + 1
        self._sent_s[number] = time.perf_counter()
        self.transport.write(framed(b'{"id":%d,' % number + self._requests[number % len(self._requests)]))


def framed(payload: bytes) -> bytes:
    """Return a client's text frame, masked with zeros."""
    assert len(payload) > 125
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload


def signed_order(account: int, number: int) -> bytes:
    """Return an order as the rest of a request after its id."""
    params = {
        "apiKey": KEYS[account],
        "newOrderRespType": "RESULT",
        "price": f"12.{1000 + number % 5}",
        "quantity": 1 + number % 3,
        "recvWindow": 60000,
        "side": "BUY" if account == BUYER else "SELL",
        "symbol": SYMBOL,
        "timeInForce": "GTC",
        "timestamp": int(time.time() * 1000),
        "type": "LIMIT",
    }
    payload = "&".join(f"{name}={value}" for name, value in params.items())
    params["signature"] = Signer(SECRET).sign(payload.encode())
    return b'"method":"order.place","params":' + orjson.dumps(params) + b"}"


async def connected(port: int, client: Client) -> None:
    """Open a client's connection."""
    await asyncio.get_running_loop().create_connection(lambda: client, "127.0.0.1", port)
    await client.opened


async def measure_orders(port: int, seconds: float, cpu: Cpu, in_flight: int) -> dict[str, object]:
    """Send orders for a while, so many in flight."""
    requests = [signed_order((BUYER, SELLER)[number % 2], number) for number in range(100)]
    warm, client = Orders(in_flight), Orders(in_flight)
    for orders in (warm, client):
        await connected(port, orders)
    warm.start(requests, WARM_UP_S)
    await warm.done
    cpu_begin, begin = cpu.seconds(), time.perf_counter()
    client.start(requests, seconds)
    await client.done
    elapsed, cpu_s = time.perf_counter() - begin, cpu.seconds() - cpu_begin
    latencies = sorted(client.latencies_s)
    count = len(latencies)
    return {
        "in_flight": in_flight,
        "orders": count,
        "orders_per_s": round(count / elapsed),
        "server_cpu_us_per_order": round(cpu_s / count * 1e6, 1),
        "latency_us_p50": round(latencies[count // 2] * 1e6),
        "latency_us_p99": round(latencies[count * 99 // 100] * 1e6),
    }


async def measure_fan_out(port: int, seconds: float, cpu: Cpu, readers: int) -> dict[str, object]:
    """Read trades for a while."""
    clients = [Client(f"/ws/{STREAM}") for _ in range(readers)]
    for client in clients:
        await connected(port, client)
    for client in clients:
        await checked(client)
    await asyncio.sleep(WARM_UP_S)
    heard = sum(client.message_count for client in clients)
    cpu_begin, loop_begin, begin = cpu.seconds(), cpu.loop_seconds(), time.perf_counter()
    await asyncio.sleep(seconds)
    count = sum(client.message_count for client in clients) - heard
    elapsed, cpu_s, loop_s = time.perf_counter() - begin, cpu.seconds() - cpu_begin, cpu.loop_seconds() - loop_begin
    for client in clients:
        client.transport.abort()
    return {
        "readers": readers,
        "messages_per_s": round(count / elapsed),
        "server_cpu_us_per_message": round(cpu_s / count * 1e6, 2),
        "of_which_event_loop_us": round(loop_s / count * 1e6, 2),
    }


async def checked(client: Client) -> None:
    """Wait for some trades, see that none is missing, and from then on only count."""
    for _ in range(PATIENCE_S * 100):
        if len(client.messages) >= CHECKED_TRADES:
            break
        await asyncio.sleep(0.01)
    ids = [orjson.loads(message)["t"] for message in client.messages]
    assert len(ids) >= CHECKED_TRADES, f"{len(ids)} trades in {PATIENCE_S} s"
    assert ids == list(range(ids[0], ids[0] + len(ids))), "a trade is missing"
    client.messages.clear()
    client.is_counting = True


def measure(arguments: argparse.Namespace, directory: Path) -> None:
    """Start a server for each question, ask it, print what was measured."""
    probe = round(fdatasync_us(directory))
    for in_flight in arguments.in_flight:
        folder = directory / f"orders-{in_flight}"
        result = _served(folder, ["--readers"], measure_orders, arguments.seconds, in_flight)
        print(json.dumps({"benchmark": "websocket orders", **result, "fdatasync_us": probe}))
    for readers in arguments.readers:
        for trades in arguments.trades:
            folder = directory / f"readers-{readers}-{trades}"
            options = ["--trades", str(trades), "--readers", str(readers)]
            result = _served(folder, options, measure_fan_out, arguments.seconds, readers)
            print(json.dumps({"benchmark": "websocket fan-out", "trades_per_batch": trades, **result}))


def _served(directory: Path, options: list[str], question: Question, seconds: float, number: int) -> dict[str, object]:
    directory.mkdir()
    command = [sys.executable, "-m", "benchmarks.websocket", "--serve", str(directory), *options]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        try:
            return uvloop.run(question(port, seconds, Cpu(server.pid), number))
        finally:
            server.send_signal(signal.SIGTERM)
            server.stdout.read()


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--in-flight", type=int, nargs="*", default=[1, 64])
    parser.add_argument("--readers", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--trades", type=int, nargs="*", default=[1, 20], help="in one batch")
    parser.add_argument("--directory", type=Path, help="where the journal is written; a temporary one if not given")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        readers = arguments.readers[0] if arguments.readers else 0
        structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))  # the output is for the port
        uvloop.run(run_server(arguments.serve, arguments.trades[0], readers))
        return
    with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
        measure(arguments, Path(directory))


if __name__ == "__main__":
    main()
