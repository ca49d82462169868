"""Orders over the websocket API as fast as two sessions' connections take them: JSON pipelined, and binary frames.

    python -m benchmarks.entry [--seconds 5] [--in-flight 128] [--frames 100 1000]

The server is that of `benchmarks.websocket`. A buyer and a seller log on and trade at one price. Their requests are
made beforehand and written together; of the answers only status and number are read, so the client is not the limit:
`client_cpu_us` says what it took. An order counts when its answer has come, which is after the disk has it.
"""

import argparse
import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

import numpy as np
import orjson
import uvloop
from websockets.frames import Frame, Opcode

from api.auth import Signer
from api.batches import REQUEST
from benchmarks.machine import describe, fdatasync_us
from benchmarks.rest import BUYER, SECRET, SELLER, Cpu
from benchmarks.websocket import PRICE_TICKS, Client, signed_order
from exchange.core import commands
from exchange.core.types import Side

WARM_UP_S = 1.0
ORDERS = 200  # made beforehand
SIDES = {BUYER: Side.BUY, SELLER: Side.SELL}


class Entry(Client):
    """One session with so many requests in flight: answers that came together let as many go together."""

    def __init__(self, account: int, requests: list[bytes], in_flight: int) -> None:
        """Send these frames in turn."""
        super().__init__("/ws-api/v3")
        self._logon = logon(account)
        self._requests = requests
        self._free = in_flight
        self._in_flight = in_flight
        self._next = 0
        self._end_s = 0.0
        self._heard = asyncio.Event()
        self._sent_s: deque[float] = deque()
        self.latencies_s: list[float] = []
        self.done = asyncio.get_running_loop().create_future()

    async def open(self, port: int) -> None:
        """Connect and log on."""
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)
        await self.opened
        self._sent_s.append(0.0)
        self.transport.write(self._logon)
        await self._heard.wait()
        self._free = self._in_flight

    async def run(self, seconds: float) -> None:
        """Send for a while, and wait for the last answer."""
        self.done = asyncio.get_running_loop().create_future()
        self.latencies_s = []
        self._end_s = time.perf_counter() + seconds
        self._fill()
        await self.done

    def data_received(self, data: bytes) -> None:
        """Count answers, then send as many requests."""
        if not self.opened.done():
            super().data_received(data)
            return
        data = self._buffer + data if self._buffer else data
        begin = 0
        while (end := end_of_frame(data, begin)) <= len(data):
            self._hear(data, begin)
            begin = end
        self._buffer = data[begin:]
        if self._free and self._end_s:
            self._fill()

    def _hear(self, data: bytes, begin: int) -> None:
        place = data.find(b'"status":200', begin, begin + 60) if data[begin] == 0x81 else data.find(b"\xc8", begin + 16)
        assert begin < place < begin + 60, data[begin : begin + 300]
        self.latencies_s.append(time.perf_counter() - self._sent_s.popleft())
        self._free += 1
        self._heard.set()

    def _fill(self) -> None:
        now, count = time.perf_counter(), self._free
        if now >= self._end_s:
            if count == self._in_flight and not self.done.done():
                self.done.set_result(None)
            return
        requests = self._requests
        sent = [requests[(self._next + n) % len(requests)] for n in range(count)]
        self._next += count
        self._sent_s.extend([now] * count)
        self._free = 0
        self.transport.write(b"".join(sent))


def end_of_frame(data: bytes, begin: int) -> int:
    """Return where a frame of the server ends, beyond the data if that is not known yet."""
    if len(data) < begin + 10:  # too short for the longest head; no answer is so short
        return len(data) + 1
    size = data[begin + 1]
    if size < 126:
        return begin + 2 + size
    width = 2 if size == 126 else 8
    return begin + 2 + width + int.from_bytes(data[begin + 2 : begin + 2 + width], "big")


def masked(opcode: Opcode, payload: bytes) -> bytes:
    """Return a client's frame."""
    return bytes(Frame(opcode, payload).serialize(mask=True))


def logon(account: int) -> bytes:
    """Return the request that logs an account's key on."""
    params = json.loads(b"{" + signed_order(account, 0))["params"]
    params = {name: params[name] for name in ("apiKey", "timestamp", "recvWindow")}
    payload = "&".join(f"{name}={params[name]}" for name in sorted(params))
    params["signature"] = signer(payload)
    return masked(Opcode.TEXT, orjson.dumps({"id": 0, "method": "session.logon", "params": params}))


def signer(payload: str) -> str:
    """Return the signature of every key of the benchmark."""
    return Signer(SECRET).sign(payload.encode())


def json_requests(account: int) -> list[bytes]:
    """Return orders of a session that has logged on."""
    found = []
    for number in range(ORDERS):
        order = orjson.loads(b"{" + signed_order(account, number))
        del order["params"]["apiKey"], order["params"]["signature"]
        found.append(masked(Opcode.TEXT, orjson.dumps({"id": number, **order})))
    return found


def binary_requests(account: int, size: int) -> list[bytes]:
    """Return a frame of so many orders."""
    made = [commands.new_order(0, 1, SIDES[account], PRICE_TICKS, 1 + number % 3) for number in range(size)]
    head = np.array([(b"TBB1", size, 1)], REQUEST).tobytes()
    return [masked(Opcode.BINARY, head + b"".join(made))]


async def measure(port: int, cpu: Cpu, seconds: float, in_flight: int, size: int) -> dict[str, object]:
    """Trade for a while, with frames of a size or (0) with JSON."""
    clients = [
        Entry(account, binary_requests(account, size) if size else json_requests(account), in_flight)
        for account in (BUYER, SELLER)
    ]
    for client in clients:
        await client.open(port)
    await asyncio.gather(*[client.run(WARM_UP_S) for client in clients])
    cpu_s, loop_s, own_s, begin = cpu.seconds(), cpu.loop_seconds(), time.process_time(), time.perf_counter()
    await asyncio.gather(*[client.run(seconds) for client in clients])
    elapsed, own_s = time.perf_counter() - begin, time.process_time() - own_s
    cpu_s, loop_s = cpu.seconds() - cpu_s, cpu.loop_seconds() - loop_s
    latencies = sorted(latency for client in clients for latency in client.latencies_s)
    orders = len(latencies) * (size or 1)
    return {
        "orders_a_frame": size or "json",
        "in_flight": in_flight * len(clients),
        "orders_per_s": round(orders / elapsed),
        "server_cpu_us_per_order": round(cpu_s / orders * 1e6, 2),
        "of_which_event_loop_us": round(loop_s / orders * 1e6, 2),
        "client_cpu_us": round(own_s / orders * 1e6, 2),
        "latency_us_p50": round(latencies[len(latencies) // 2] * 1e6),
        "latency_us_p99": round(latencies[len(latencies) * 99 // 100] * 1e6),
    }


def main() -> None:
    """Read the arguments, start a server for each size of frame, and print what was measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--in-flight", type=int, default=128, help="JSON requests of each of the two connections")
    parser.add_argument("--frames", type=int, nargs="*", default=[100, 1000], help="orders in a binary frame")
    parser.add_argument("--directory", type=Path, help="where the journal is written; a temporary one if not given")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.directory) as folder:
        print(f"# {describe()}; fdatasync {fdatasync_us(Path(folder)):.0f} us")
        for size in (0, *arguments.frames):
            in_flight = max(1, min(8, 16_384 // size)) if size else arguments.in_flight
            served(Path(folder) / f"frames-{size}", arguments.seconds, in_flight, size)


def served(directory: Path, seconds: float, in_flight: int, size: int) -> None:
    """Measure with a server of its own."""
    directory.mkdir()
    command = [sys.executable, "-m", "benchmarks.websocket", "--serve", str(directory), "--readers"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        try:
            result = uvloop.run(measure(port, Cpu(server.pid), seconds, in_flight, size))
        finally:
            server.send_signal(signal.SIGTERM)
            server.stdout.read()
    print(json.dumps({"benchmark": "websocket entry", **result}), flush=True)


if __name__ == "__main__":
    main()
