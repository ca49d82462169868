"""Metered use: redemptions a second in the kernel; records a second over HTTP, signed, durable, answered each.

    python -m benchmarks.usage kernel [--records 1000000] [--accounts 1000]
    python -m benchmarks.usage http [--batches 40] [--gateways 2] [--keys 100] [--profile]

`http` starts a server with the production capacity and a journal on the disk of --directory. Each gateway is an issuer
of its own that sends batches of 10,000 records, made and signed beforehand, one in flight. The engine remembers four
million ids for 72 hours, which bounds how long a run may be.
"""

import argparse
import asyncio
import cProfile
import json
import os
import pstats
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import uvloop

from api.app import create_app
from api.auth import Signer
from api.door import Services
from api.serve import serve, stop_on_signals
from api.v1.desk import Desk
from api.v1.purses import account_name
from api.v1.router import routes
from api.vault import Vault
from benchmarks.machine import describe, fdatasync_us
from benchmarks.rest import UNLIMITED, Cpu
from exchange.core import commands
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.types import AssetKind, CommandKind, EventKind, TransferPurpose
from exchange.registry.documents import (
    AccountNamed,
    AssetNamed,
    Document,
    KeyCreated,
    ParticipantCreated,
    Role,
    Scope,
    commands_of,
    encode,
)
from exchange.server import Exchange

CNY, SECRET = 1, b"secret"
BATCH, CHUNK, ROUNDS, WARM_UP = 10_000, 65_536, 3, 4
PLENTY = 1 << 50


def issuer_key(gateway: int) -> str:
    """Return the API key of a gateway."""
    return f"issuer{gateway:026}"


def holder_key(gateway: int, number: int) -> str:
    """Return one of the keys whose use a gateway reports."""
    return f"holder{gateway:03}{number:055}"


# --- the kernel ---


def redemptions(records: int, accounts: int) -> np.ndarray:
    """Return redemptions of different ids, by accounts in no order."""
    chance = np.random.default_rng(20231116)
    made = np.zeros(records, COMMAND)
    made["sequence"] = np.arange(3 + 2 * accounts, 3 + 2 * accounts + records)
    made["kind"], made["asset"] = CommandKind.REDEEM, 2
    made["account"] = chance.integers(2, accounts + 2, records)
    made["amount"] = chance.integers(1, 4_000, records)
    made["words"][:, :2] = chance.integers(1, 1 << 62, (records, 2))
    return made


def opened(accounts: int) -> Engine:
    """Return an engine in which each account has units of one allowance."""
    made = [commands.create_account(1), commands.create_asset(1, AssetKind.CASH)]
    made.append(commands.create_asset(2, AssetKind.ALLOWANCE, 1))
    made += [commands.create_account(number) for number in range(2, accounts + 2)]
    made.append(commands.issue(1, 2, 1 << 60))
    made += [
        commands.transfer(1, number, 2, (1 << 59) // accounts, TransferPurpose.SUBACCOUNT)
        for number in range(2, accounts + 2)
    ]
    engine = Engine()
    engine.apply(np.frombuffer(bytearray(b"".join(made)), COMMAND))
    return engine


def measure_kernel(records: int, accounts: int) -> dict[str, object]:
    """Apply redemptions in large batches, several times from the start; return the median."""
    made = redemptions(records, accounts)
    rates = []
    for _ in range(ROUNDS):
        engine, redeemed = opened(accounts), 0
        begin = time.thread_time()
        for start in range(0, records, CHUNK):
            events = engine.apply(made[start : start + CHUNK])
            redeemed += int(np.count_nonzero(events["kind"] == EventKind.REDEEMED))
        rates.append(records / (time.thread_time() - begin))
        assert redeemed == records, f"{redeemed} of {records}"
    return {"records": records, "accounts": accounts, "records_per_cpu_s": round(statistics.median(rates))}


# --- over HTTP ---


def documents(vault: Vault, gateways: int, keys: int) -> list[Document]:
    """Return for each gateway an issuer, its allowance, and keys with an account behind each."""
    named: list[Document] = [ParticipantCreated("bench", Role.ISSUER)]
    scopes = (Scope.METER,)
    for gateway in range(gateways):
        issuer = 1 + gateway * (keys + 1)
        named.append(AccountNamed(issuer, f"issuer-{gateway}", "bench", Role.ISSUER))
        named.append(KeyCreated(issuer_key(gateway), vault.encrypt(SECRET), issuer, scopes))
        for number in range(keys):
            name = account_name(holder_key(gateway, number))
            named.append(AccountNamed(issuer + 1 + number, name, "bench", Role.ISSUER))
    named.append(AssetNamed(CNY, "CNY", AssetKind.CASH, 6))
    for gateway in range(gateways):
        issuer = 1 + gateway * (keys + 1)
        named.append(AssetNamed(2 + gateway, f"TA.G{gateway}", AssetKind.ALLOWANCE, 6, issuer))
    return named


async def run_server(directory: Path, gateways: int, keys: int, profile: Path | None) -> None:
    """Serve a new exchange until told to stop; the port is the first line of the output."""
    vault = Vault.open(directory)
    exchange = Exchange.open(directory)
    exchange.start(asyncio.get_running_loop())
    for document in documents(vault, gateways, keys):
        await exchange.submit(commands_of(document), encode(document))
    for gateway in range(gateways):
        issuer, asset = 1 + gateway * (keys + 1), 2 + gateway
        made = [commands.issue(issuer, asset, PLENTY * keys)]
        made += [
            commands.transfer(issuer, issuer + 1 + number, asset, PLENTY, TransferPurpose.SUBACCOUNT)
            for number in range(keys)
        ]
        await exchange.submit(b"".join(made))
    stop = asyncio.Event()
    stop_on_signals(asyncio.get_running_loop(), stop)
    services = Services.of(exchange, vault, UNLIMITED)
    desk = Desk.of(exchange, None, services.keys, vault, services.limiter)
    application = create_app(services, [routes(desk)])
    profiler = cProfile.Profile(time.thread_time)
    if profile:
        profiler.enable()
    await serve(application, "127.0.0.1", 0, stop=stop, ready=lambda port: print(port, flush=True))
    if profile:
        profiler.disable()
        pstats.Stats(profiler).dump_stats(profile)


def batch(gateway: int, number: int, keys: int) -> bytes:
    """Return the body of a batch."""
    now_ms = time.time_ns() // 1_000_000
    chance = np.random.default_rng(number)
    read, written = chance.integers(1, 3_000, BATCH).tolist(), chance.integers(1, 500, BATCH).tolist()
    records = [
        {
            "id": f"request-{gateway}-{number}-{row}",
            "key": holder_key(gateway, row % keys),
            "time": now_ms,
            "tokens_in": read[row],
            "tokens_out": written[row],
        }
        for row in range(BATCH)
    ]
    return json.dumps({"batch": number, "records": records}).encode()


async def report(port: int, gateway: int, bodies: list[bytes], begun: asyncio.Event) -> None:
    """Send batches, the next when the one before is answered."""
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        for number, body in enumerate(bodies):
            query = f"timestamp={time.time_ns() // 1_000_000}&recvWindow=60000"
            signature = Signer(SECRET).sign(query.encode() + body)
            headers = {"X-MBX-APIKEY": issuer_key(gateway), "Content-Type": "application/json"}
            answer = await http.post(f"/v1/usage?{query}&signature={signature}", content=body, headers=headers)
            if answer.status_code != 200 or b'"applied":%d,' % BATCH not in answer.content:
                raise SystemExit(f"batch {number} failed with {answer.text[:500]}")
            if number + 1 == WARM_UP:
                begun.set()


async def run_load(port: int, arguments: argparse.Namespace, cpu: Cpu) -> dict[str, object]:
    """Let all gateways report; return what was measured once the server was warm."""
    counts = range(1, WARM_UP + arguments.batches + 1)
    bodies = [[batch(gateway, n, arguments.keys) for n in counts] for gateway in range(arguments.gateways)]
    begun = [asyncio.Event() for _ in bodies]
    sending = [asyncio.create_task(report(port, n, bodies[n], begun[n])) for n in range(arguments.gateways)]
    await asyncio.gather(*[event.wait() for event in begun])
    cpu_begin, loop_begin, begin = cpu.seconds(), cpu.loop_seconds(), time.perf_counter()
    await asyncio.gather(*sending)
    elapsed, count = time.perf_counter() - begin, arguments.batches * BATCH * arguments.gateways
    return {
        "gateways": arguments.gateways,
        "keys": arguments.keys,
        "records": count,
        "records_per_s": round(count / elapsed),
        "server_cpu_us_each": round((cpu.seconds() - cpu_begin) / count * 1e6, 2),
        "of_which_event_loop_us": round((cpu.loop_seconds() - loop_begin) / count * 1e6, 2),
    }


def measure_http(arguments: argparse.Namespace, directory: Path) -> None:
    """Start a server, load it, print what was measured."""
    command = [sys.executable, "-m", "benchmarks.usage", "http", "--serve", str(directory)]
    command += ["--gateways", str(arguments.gateways), "--keys", str(arguments.keys)]
    profile = directory / "profile"
    if arguments.profile:
        command += ["--profile-to", str(profile)]
    print(f"# {describe()}; fdatasync {fdatasync_us(directory):.0f} us")
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as server:
        assert server.stdout is not None
        line = server.stdout.readline()
        while not line.strip().isdigit():  # the log comes first
            line = server.stdout.readline()
        try:
            result = uvloop.run(run_load(int(line), arguments, Cpu(server.pid)))
        finally:
            server.send_signal(signal.SIGTERM)
            server.stdout.read()
    print(json.dumps({"benchmark": "usage over http", **result}))
    if arguments.profile:
        pstats.Stats(str(profile)).sort_stats("tottime").print_stats(30)


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("kernel", "http"))
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--gateways", type=int, default=2)
    parser.add_argument("--keys", type=int, default=100)
    parser.add_argument("--directory", type=Path, help="where the journal is written; a temporary one if not given")
    parser.add_argument("--profile", action="store_true", help="profile the event loop's thread, which slows it")
    parser.add_argument("--serve", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--profile-to", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.what == "kernel":
        print(f"# {describe()}")
        print(json.dumps({"benchmark": "redeem", **measure_kernel(arguments.records, arguments.accounts)}))
    elif arguments.serve:
        uvloop.run(run_server(arguments.serve, arguments.gateways, arguments.keys, arguments.profile_to))
    else:
        with tempfile.TemporaryDirectory(dir=arguments.directory) as directory:
            measure_http(arguments, Path(directory))


if __name__ == "__main__":
    main()
