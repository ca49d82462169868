"""Updates of 200 bytes told to many readers, beside a plain starlette application on uvicorn in the same run.

    python -m benchmarks.fanout [--readers 100 1000] [--seconds 4] [--runs 5] [--burst 20] [--stalled 0]

Each server is a process of its own; the readers are one asyncio process. A server tells so many updates a turn of its
loop, as fast as its readers read. Before anything is timed, every reader checks that no update is missing. With
`--stalled 1` one more reader reads nothing: how long after its line is full is it gone, and has nobody else missed an
update?
"""

import argparse
import asyncio
import json
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.stream.backlog import Message
from api.stream.config import StreamConfig
from api.stream.hub import Hub
from api.stream.server import server_settings
from api.stream.transport import line_of
from benchmarks.rest import Cpu
from benchmarks.websocket import Client
from exchange.clock import SystemClock

UPDATE_BYTES = 200
PADDING = "x" * (UPDATE_BYTES - 24)
FRAME_BYTES = UPDATE_BYTES + 4  # with its head
READ_BYTES = 1 << 20
WARM_UP_S = 0.5
CHECKED = 200
PATIENCE_S = 30
TOPIC = "bench"
NUMBER = slice(5, 15)  # of an update's JSON
STEADY_S = 0.05  # between two turns while somebody stalls
SETTLE_S = 1.0


def update(number: int) -> dict[str, object]:
    """Return an update whose JSON has 200 bytes."""
    return {"n": 1_000_000_000 + number, "update": PADDING[: UPDATE_BYTES - 28]}


class Ours:
    """The project's hub and lines, told to by nobody but the benchmark."""

    def __init__(self, readers: int, burst: int) -> None:
        """Tell so many updates a turn once so many readers are there."""
        self.config = StreamConfig(connections_max=readers + 10)
        self.hub = Hub(lambda callback: asyncio.get_running_loop().call_soon(callback), SystemClock(), self.config)
        self._readers = readers
        self._burst = burst
        self._number = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:  # noqa: ANN401 - ASGI
        """Serve one reader."""
        line = line_of(scope)
        assert line is not None
        await receive()
        await send({"type": "websocket.accept"})
        connection = self.hub.join(line)
        line.attach(connection, self.config.send_buffer_bytes)
        self.hub.subscribe(connection, TOPIC)
        while (await receive())["type"] != "websocket.disconnect":
            pass
        self.hub.leave(connection)

    async def tell(self, stop: asyncio.Event) -> None:
        """Tell updates while nobody is behind."""
        while not stop.is_set():
            if len(self.hub.connections) >= self._readers and not self.hub.blocked:
                self._tell_some()
                await asyncio.sleep(0)
            else:
                await asyncio.sleep(0.0005)

    async def tell_steadily(self, stop: asyncio.Event) -> None:
        """Tell updates whoever is behind, and say when somebody was cut, and how long that took."""
        blocked_s = 0.0
        while not stop.is_set():
            if blocked_s or len(self.hub.connections) > self._readers:
                self._tell_some()
            self.hub.cut_stalled()
            if self.hub.blocked and not blocked_s:
                blocked_s = time.perf_counter()
            if blocked_s and len(self.hub.connections) <= self._readers:
                print(json.dumps({"gone_after_s": round(time.perf_counter() - blocked_s, 2)}), flush=True)
                return
            await asyncio.sleep(STEADY_S)

    def _tell_some(self) -> None:
        topic = self.hub.topic(TOPIC)
        for _ in range(self._burst):
            self._number += 1
            topic.publish(Message(TOPIC, update(self._number)))


class Plain:
    """What people write: one `send_text` a reader and update."""

    def __init__(self, readers: int, burst: int) -> None:
        """Tell so many updates in a row once so many readers are there."""
        self._readers = readers
        self._burst = burst
        self._sockets: set[WebSocket] = set()
        self.application = Starlette(routes=[WebSocketRoute("/ws", self._serve)])

    async def _serve(self, websocket: WebSocket) -> None:
        await websocket.accept()
        self._sockets.add(websocket)
        try:
            await websocket.receive_text()
        except WebSocketDisconnect:
            self._sockets.discard(websocket)

    async def tell(self, stop: asyncio.Event) -> None:
        """Tell updates, each as text to each reader."""
        number = 0
        while not stop.is_set():
            if len(self._sockets) < self._readers:
                await asyncio.sleep(0.001)
                continue
            for _ in range(self._burst):
                number += 1
                text = json.dumps(update(number), separators=(",", ":"))
                for websocket in list(self._sockets):
                    try:
                        await websocket.send_text(text)
                    except (RuntimeError, WebSocketDisconnect):
                        self._sockets.discard(websocket)
            await asyncio.sleep(0)


async def run_server(kind: str, readers: int, burst: int) -> None:
    """Serve until told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), stop.set)
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    common: dict[str, Any] = {"log_level": "error", "lifespan": "off", "interface": "asgi3"}
    if kind != "starlette":
        server: Ours | Plain = Ours(readers, burst)
        settings = uvicorn.Config(cast("Any", server), **common, **server_settings(StreamConfig()))
    else:
        server = Plain(readers, burst)
        settings = uvicorn.Config(server.application, **common)
    served = uvicorn.Server(settings)
    running = asyncio.create_task(served.serve(sockets=[listener]))
    print(listener.getsockname()[1], flush=True)
    tell = server.tell_steadily if kind == "steady" and isinstance(server, Ours) else server.tell
    telling = asyncio.create_task(tell(stop))
    await stop.wait()
    telling.cancel()
    served.should_exit = served.force_exit = True
    await asyncio.wait([running], timeout=5)


class Reader(Client):
    """Takes updates apart, and counts those that are missing."""

    def __init__(self, path: str) -> None:
        """Connect to a path."""
        super().__init__(path)
        self._last = 0
        self.lost = 0

    def hear(self, payload: bytes) -> None:
        """Compare the number of an update with the one before."""
        number = int(payload[NUMBER])
        if self._last:
            self.lost += number - self._last - 1
        self._last = number
        self.message_count += 1


class Meter(asyncio.BufferedProtocol):
    """Counts the bytes of many connections, and looks at none: all frames have one size."""

    def __init__(self) -> None:
        """Read into one buffer."""
        self._buffer = bytearray(READ_BYTES)
        self.byte_count = 0

    def get_buffer(self, sizehint: int) -> bytearray:  # noqa: ARG002 - one size does for all
        """Return where to read to."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Count."""
        self.byte_count += nbytes


async def connected(port: int, reader: Reader) -> Reader:
    """Open a reader's connection."""
    await asyncio.get_running_loop().create_connection(lambda: reader, "127.0.0.1", port)
    await reader.opened
    return reader


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    for _ in range(PATIENCE_S * 100):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError(f"not within {PATIENCE_S} s")


async def measure(port: int, seconds: float, cpu: Cpu, readers: int) -> dict[str, float]:
    """Count what all readers hear for a while."""
    clients = [await connected(port, Reader("/ws")) for _ in range(readers)]
    await until(lambda: all(client.message_count >= CHECKED for client in clients))
    missing = sum(client.lost for client in clients)
    assert not missing, f"{missing} updates are missing"
    meter = Meter()
    for client in clients:
        client.transport.set_protocol(meter)
    await asyncio.sleep(WARM_UP_S)
    heard = meter.byte_count
    cpu_begin, begin = cpu.seconds(), time.perf_counter()
    await asyncio.sleep(seconds)
    count = (meter.byte_count - heard) / FRAME_BYTES
    elapsed, cpu_s = time.perf_counter() - begin, cpu.seconds() - cpu_begin
    for client in clients:
        client.transport.abort()
    return {"per_s": count / elapsed, "cpu_us": cpu_s / count * 1e6, "busy": cpu_s / elapsed}


async def stall(port: int, readers: int, say: Callable[[], str]) -> dict[str, object]:
    """Let one reader read nothing; see when it is gone, and that nobody else misses anything."""
    clients = [await connected(port, Reader("/ws")) for _ in range(readers)]
    stalled = socket.create_connection(("127.0.0.1", port))
    stalled.sendall(
        b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    said = await asyncio.to_thread(say)
    stalled.close()
    await asyncio.sleep(SETTLE_S)
    for client in clients:
        client.transport.abort()
    lost, heard = sum(client.lost for client in clients), [client.message_count for client in clients]
    return {
        "readers": readers,
        **json.loads(said),
        "others_missed": lost,
        "fewest_heard": min(heard),
        "most": max(heard),
    }


def stalled(arguments: argparse.Namespace, readers: int) -> dict[str, object]:
    """Start a server that tells steadily, ask it, stop it."""
    with served("steady", arguments, readers) as (server, port):
        output = server.stdout
        assert output is not None
        return uvloop.run(stall(port, readers, output.readline))


@contextmanager
def served(kind: str, arguments: argparse.Namespace, readers: int) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run a server as long as the block lasts; yield it and its port."""
    command = [sys.executable, "-m", "benchmarks.fanout", "--serve", kind, "--readers", str(readers)]
    command += ["--burst", str(arguments.burst)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            yield server, int(server.stdout.readline())
        finally:
            server.send_signal(signal.SIGTERM)


def asked(kind: str, arguments: argparse.Namespace, readers: int) -> dict[str, float]:
    """Start a server, measure it, stop it."""
    with served(kind, arguments, readers) as (server, port):
        return uvloop.run(measure(port, arguments.seconds, Cpu(server.pid), readers))


def main() -> None:
    """Read the arguments, measure, print medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--readers", type=int, nargs="*", default=[100, 1000])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--burst", type=int, default=20, help="updates told in one turn of the loop")
    parser.add_argument("--kinds", nargs="*", default=["ours", "starlette"])
    parser.add_argument("--stalled", type=int, choices=(0, 1), default=0)
    parser.add_argument("--serve", choices=("ours", "steady", "starlette"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        uvloop.run(run_server(arguments.serve, arguments.readers[0], arguments.burst))
        return
    for readers in arguments.readers:
        if arguments.stalled:
            print(json.dumps({"benchmark": "one stalled reader", **stalled(arguments, readers)}), flush=True)
            continue
        for kind in arguments.kinds:
            runs = [asked(kind, arguments, readers) for _ in range(arguments.runs)]
            medians = {name: statistics.median(run[name] for run in runs) for name in runs[0]}
            print(json.dumps({
                "benchmark": "fan-out",
                "server": kind,
                "readers": readers,
                "updates_per_s": round(medians["per_s"]),
                "server_cpu_us_per_update": round(medians["cpu_us"], 3),
                "server_cores_busy": round(medians["busy"], 2),
            }), flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
