"""From an order to its private report and to the public trade, at parts of the capacity; a lone REST order; its parts.

    python -m benchmarks.latency [--seconds 3] [--loads 10 50 90] [--rounds 5] [--json]

First two websocket sessions, which hear their reports, send as fast as answers come, beside a reader of the trades:
that is the capacity of this run. Then orders leave at a part of it, by the clock whether or not answers have come, and
every latency counts from the moment at which the order was due, so that waiting is not left out. A seller and a buyer
send in turn at one price: every second order trades. Each order's report, each trade's report and each public trade
must come, once. `rest` is one connection, one signed order at a time. `parts` is the processor time of authentication
and parsing alone, in this process, without sockets.
"""

import argparse
import asyncio
import json
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import orjson
import uvloop
from websockets.frames import Opcode

from api import auth, parameters
from api.auth import Credential, Signer
from api.limits import Limiter
from api.orders import decode
from api.shapes import Shapes
from benchmarks.entry import logon, masked
from benchmarks.httpload import HttpLoad
from benchmarks.machine import describe, fdatasync_us
from benchmarks.processes import Cpu
from benchmarks.rest import BUYER, KEYS, SCOPES, SECRET, SELLER, SYMBOL, UNLIMITED, flow, signed_request
from benchmarks.websocket import STREAM, Client, connected

IN_FLIGHT = 128  # of each session, while the capacity is measured
RATE_MAX = 20_000  # orders a second of each session that are made beforehand
TICK_S = 0.001  # orders that fall due within it leave together
PRICE = "12.1000"
PATIENCE_S, PAUSE_S = 20.0, 0.02
PARTS_ORDERS, STRETCH_ORDERS = 20_000, 50
_NAME = re.compile(rb'"c":"([^"]+)"').search
_TRADE = re.compile(rb'"t":([0-9]+)').search


class Latencies(NamedTuple):
    """What one load led to, in microseconds from the moment at which an order was due."""

    load_percent: int
    orders_per_s: float
    server_cpu_us: float
    report_p50_us: float
    report_p99_us: float
    trade_p50_us: float
    trade_p99_us: float


class Session(Client):
    """An account's session, logged on and told its own reports."""

    def __init__(self, account: int) -> None:
        """Speak for an account."""
        super().__init__("/ws-api/v3")
        self._account = account
        self._answered = asyncio.Event()
        self.answer_count = 0
        self.unanswered = 0  # of those that were pumped
        self._waiting: Iterator[bytes] = iter(())
        self.reported_s: dict[bytes, float] = {}  # by name
        self.traded: dict[int, bytes] = {}  # trade to the name of the order that came in

    async def open(self, port: int) -> None:
        """Connect, log on, subscribe."""
        await connected(port, self)
        subscribe = masked(Opcode.TEXT, orjson.dumps({"id": 1, "method": "userDataStream.subscribe"}))
        for request in (logon(self._account), subscribe):
            self._answered.clear()
            self.transport.write(request)
            await self._answered.wait()

    def order(self, name: str) -> bytes:
        """Return an order as a frame."""
        params = {
            "symbol": SYMBOL, "side": "BUY" if self._account == BUYER else "SELL", "type": "LIMIT", "price": PRICE,
            "timeInForce": "GTC", "quantity": "1", "newClientOrderId": name, "newOrderRespType": "ACK",
            "timestamp": int(time.time() * 1000), "recvWindow": 60000,
        }  # fmt: skip
        return masked(Opcode.TEXT, orjson.dumps({"id": name, "method": "order.place", "params": params}))

    def pump(self, frames: Iterable[bytes], in_flight: int) -> None:
        """Send frames, so many at once and then one for each answer."""
        self._waiting = iter(frames)
        self._send(in_flight)

    def data_received(self, data: bytes) -> None:
        """Take what came, and send one frame for each answer in it."""
        before = self.answer_count
        super().data_received(data)
        self.unanswered -= min(self.unanswered, self.answer_count - before)
        self._send(self.answer_count - before)

    def _send(self, count: int) -> None:
        frames = list(islice(self._waiting, count))
        if frames:
            self.unanswered += len(frames)
            self.transport.write(b"".join(frames))

    def hear(self, payload: bytes) -> None:
        """Note when a report came; answers are looked at only for refusals."""
        if b'"executionReport"' not in payload[:80]:
            assert b'"status":200' in payload or b'"subscriptionId"' in payload, payload
            self.answer_count += 1
            self._answered.set()
            return
        name = _NAME(payload)
        assert name is not None
        if b'"x":"NEW"' in payload:
            assert name[1] not in self.reported_s, "a report came twice"
            self.reported_s[name[1]] = time.perf_counter()
        elif b'"x":"TRADE"' in payload and b'"m":false' in payload:
            trade = _TRADE(payload)
            assert trade is not None
            self.traded[int(trade[1])] = name[1]


class Tape(Client):
    """A reader of the public trades."""

    def __init__(self) -> None:
        """Read one instrument's."""
        super().__init__(f"/ws/{STREAM}")
        self.heard_s: dict[int, float] = {}

    def hear(self, payload: bytes) -> None:
        """Note when a trade came."""
        trade = _TRADE(payload)
        assert trade is not None
        self.heard_s[int(trade[1])] = time.perf_counter()


async def capacity(port: int, seconds: float) -> float:
    """Return how many orders a second two sessions get answered that hear their reports, beside a reader of trades."""
    sessions, tape = [Session(SELLER), Session(BUYER)], Tape()
    for session in sessions:
        await session.open(port)
    await connected(port, tape)
    numbers = range(int(RATE_MAX * seconds))
    made = [[session.order(f"{place}-{n}") for n in numbers] for place, session in enumerate(sessions)]
    for session, frames in zip(sessions, made, strict=True):
        session.pump(frames, IN_FLIGHT)
    await asyncio.sleep(seconds / 3)
    begun, begin = sum(session.answer_count for session in sessions), time.perf_counter()
    await asyncio.sleep(seconds)
    count, elapsed = sum(session.answer_count for session in sessions) - begun, time.perf_counter() - begin
    for session in sessions:
        session.pump((), 0)
    for _ in range(int(PATIENCE_S / PAUSE_S)):
        if not any(session.unanswered for session in sessions):
            break
        await asyncio.sleep(PAUSE_S)
    for client in (*sessions, tape):
        client.transport.abort()
    return count / elapsed


async def at_load(port: int, cpu: Cpu, rate: float, percent: int, seconds: float) -> Latencies:
    """Send at a rate for a while; return what came of it."""
    sessions, tape = [Session(SELLER), Session(BUYER)], Tape()
    for session in sessions:
        await session.open(port)
    await connected(port, tape)
    count = int(rate * seconds) // 2 * 2
    names = [f"{percent}-{number}" for number in range(count)]
    frames = [sessions[number % 2].order(name) for number, name in enumerate(names)]
    cpu_begin = cpu.seconds()
    begin = await send_by_the_clock(sessions, frames, rate)
    await _all_heard(sessions, tape, count)
    cpu_s = cpu.seconds() - cpu_begin
    due_s = {name.encode(): begin + number / rate for number, name in enumerate(names)}
    told = [at - due_s[name] for session in sessions for name, at in session.reported_s.items()]
    takers = {trade: name for session in sessions for trade, name in session.traded.items()}
    assert takers.keys() == tape.heard_s.keys(), "reports and public trades differ"
    shown = [at - due_s[takers[trade]] for trade, at in tape.heard_s.items()]
    for client in (*sessions, tape):
        client.transport.abort()
    return Latencies(percent, rate, cpu_s / count * 1e6, *quantiles_us(told), *quantiles_us(shown))


async def send_by_the_clock(sessions: Sequence[Session], frames: Sequence[bytes], rate: float) -> float:
    """Send each frame when it is due, those of one moment together; return when the first was."""
    begin, sent = time.perf_counter(), 0
    while sent < len(frames):
        due = min(len(frames), int((time.perf_counter() - begin) * rate) + 1)
        for place, session in enumerate(sessions):
            mine = frames[sent + (place - sent) % 2 : due : 2]
            if mine:
                session.transport.write(b"".join(mine))
        sent = max(sent, due)
        await asyncio.sleep(TICK_S)
    return begin


async def _all_heard(sessions: Sequence[Session], tape: Tape, count: int) -> None:
    """Wait until every report is there, and every trade that a report tells of."""
    end = time.perf_counter() + PATIENCE_S
    while time.perf_counter() < end:
        reports = sum(len(session.reported_s) for session in sessions)
        trades = sum(len(session.traded) for session in sessions)
        if reports == count and trades == len(tape.heard_s) == count // 2:
            return
        await asyncio.sleep(PAUSE_S)
    raise SystemExit(f"{reports} reports of {count} orders, {len(tape.heard_s)} trades of {count // 2}")


def quantiles_us(seconds: Sequence[float]) -> tuple[float, float]:
    """Return median and 99th percentile in microseconds."""
    ordered = sorted(seconds)
    return ordered[len(ordered) // 2] * 1e6, ordered[len(ordered) * 99 // 100] * 1e6


def alone(port: int, seconds: float) -> tuple[float, float]:
    """Return median and 99th percentile of a lone REST order, one at a time on one connection."""
    load = HttpLoad(port, 1)
    requests = [signed_request(order) for order in flow(int(seconds * 4_000), 7)]
    load.play(requests[:50], seconds)
    result = load.play(requests[50:], seconds)
    load.close()
    return quantiles_us(result.latencies_s)


def parts() -> dict[str, float]:
    """Return the processor time of each part of authentication and parsing, in microseconds an order.

    An order is read by the shape of one before it; `in general` is what the first of its shape takes instead.
    """
    now_ns = time.time_ns()
    bodies = [signed_request(order).partition(b"\r\n\r\n")[2] for order in flow(PARTS_ORDERS, 11)]
    texts = [parameters.parse(b"", body) for body in bodies]
    payloads = [parameters.signed(b"", body) for body in bodies]
    shapes = Shapes("signature")
    for body, read in zip(bodies, texts, strict=True):
        shapes.learn_body(body, read, decode(read))
    credential = Credential(KEYS[BUYER], BUYER, Signer(SECRET), frozenset(SCOPES), (), 0)
    limiter, timestamp, address = Limiter(UNLIMITED), int(texts[0]["timestamp"]), "127.0.0.1"
    each = {
        "order read by its shape": _each_us(lambda n: shapes.read(bodies[n])),
        "signature checked": _each_us(lambda n: auth.check_signature(credential, *payloads[n])),
        "time checked": _each_us(lambda _: auth.good_until_ns(timestamp, "60000", now_ns)),
    }
    together = sum(each.values())
    general = _each_us(lambda n: (parameters.signed(b"", bodies[n]), decode(parameters.parse(b"", bodies[n]))))
    limits = _each_us(
        lambda n: (
            limiter.take_weight(address, 1, now_ns + n),
            limiter.take_key_weight(credential.key, address, 1, now_ns + n),
            limiter.take_orders(BUYER, 1, now_ns + n),
        )
    )
    return {**each, "together": together, "order read in general": general, "three limits counted": limits}


def _each_us(function: Callable[[int], object]) -> float:
    """Return what a call takes when nothing disturbs it: the quickest tenth of short stretches, an empty call less."""
    return max(0.0, _stretch_us(function) - _stretch_us(lambda _: None))


def _stretch_us(function: Callable[[int], object]) -> float:
    found = []
    for begin in range(0, PARTS_ORDERS, STRETCH_ORDERS):
        began_ns = time.thread_time_ns()
        for number in range(begin, begin + STRETCH_ORDERS):
            function(number)
        found.append((time.thread_time_ns() - began_ns) / STRETCH_ORDERS / 1_000)
    return sorted(found)[len(found) // 10]


async def loaded(port: int, cpu: Cpu, arguments: argparse.Namespace) -> list[dict[str, object]]:
    """Measure the capacity, and latencies at parts of it."""
    most = await capacity(port, arguments.seconds)
    rows: list[dict[str, object]] = [{"benchmark": "capacity", "orders_per_s": round(most)}]
    for percent in arguments.loads:
        rounds = [
            await at_load(port, cpu, most * percent / 100, percent * 100 + number, arguments.seconds / arguments.rounds)
            for number in range(arguments.rounds)
        ]
        median = Latencies(*map(statistics.median, zip(*rounds, strict=True)))._replace(load_percent=percent)
        rows.append({"benchmark": "latency", **{name: round(value) for name, value in median._asdict().items()}})
    return rows


def measure(arguments: argparse.Namespace, folder: Path) -> list[dict[str, object]]:
    """Start a server, ask it, and return what was found."""
    line = [sys.executable, "-m", "benchmarks.websocket", "--serve", str(folder), "--readers"]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        try:
            rows = uvloop.run(loaded(port, Cpu(server.pid), arguments))
            lone = zip(("p50_us", "p99_us"), map(round, alone(port, arguments.seconds)), strict=True)
            rows.append({"benchmark": "rest", "connections": 1, **dict(lone)})
        finally:
            server.send_signal(signal.SIGTERM)
            server.stdout.read()
    each = {name: round(us, 2) for name, us in parts().items()}
    return [*rows, {"benchmark": "parts", "unit": "us", **each}]


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each load, all rounds together")
    parser.add_argument("--loads", type=int, nargs="*", default=[10, 50, 90], help="per cent of the capacity")
    parser.add_argument("--rounds", type=int, default=5, help="the median of so many is told")
    parser.add_argument("--directory", type=Path, help="where the journal is written; a temporary one if not given")
    parser.add_argument("--json", action="store_true", help="lines of JSON")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> None:
    """Measure and print."""
    chosen = parse(arguments)
    with tempfile.TemporaryDirectory(dir=chosen.directory) as folder:
        print(f"# {describe()}; fdatasync {fdatasync_us(Path(folder)):.0f} us", file=sys.stderr)
        rows = measure(chosen, Path(folder))
    for row in rows:
        if chosen.json:
            print(json.dumps(row))
        else:
            print(f"{row.pop('benchmark')}: " + ", ".join(f"{name} {value}" for name, value in row.items()))


if __name__ == "__main__":
    main()
