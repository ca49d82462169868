"""The demo's day: open the market, trade, kill the engine in the middle, go on, and prove that nothing was lost."""

import asyncio
import json
import sys
from collections.abc import Awaitable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Self

import httpx
from rich.console import Console

from api.demo import market as opening
from api.demo.actors import Buyer, Facts, MarketMaker, Meter, Tape
from api.demo.client import Key, Refused, Rest, open_http
from api.demo.report import PROOF, Check, show
from api.demo.server import Server
from api.demo.usage import Request, batches, generate, read_trace
from api.demo.world import MILLION, Listing, listings

GENERATED_REQUESTS = 20_000
_BATCH_RECORDS = 500
_CHECKED_ORDERS = 200  # of those acknowledged last before the kill


@dataclass(frozen=True)
class Plan:
    """How the day goes."""

    directory: Path
    trace: Path | None = None
    morning_s: float = 8.0  # of trading before the kill
    afternoon_s: float = 8.0  # and after it


@dataclass
class _Day:
    """What the parts of the day share."""

    http: httpx.AsyncClient
    market: opening.Market
    world: list[Listing]
    facts: Facts
    url: str


async def run_day(plan: Plan, console: Console) -> bool:
    """Run the whole day on a fresh directory; return whether every check held.

    Raises ServerError when the server does not start, TraceError for a trace that cannot be read.
    """
    requests = generate(GENERATED_REQUESTS) if plan.trace is None else read_trace(plan.trace)
    server = Server(plan.directory)
    try:
        with console.status("starting the exchange (the first start on a machine compiles the kernels)"):
            await server.start()
        console.print(f"the exchange listens on {server.url}, data under {plan.directory}")
        async with open_http(server.url) as http:
            checks, facts, world = await _trade(plan, console, server, http, requests)
        with console.status("stopping with grace"):
            await server.stop()
    finally:
        await server.stop()
    with console.status("reconciling: replaying the journal, comparing engine, ledger and tape"):
        checks.append(await reconcile(plan.directory))
    show(console, facts, world, checks)
    return all(check.holds for check in checks)


async def _trade(
    plan: Plan, console: Console, server: Server, http: httpx.AsyncClient, requests: list[Request]
) -> tuple[list[Check], Facts, list[Listing]]:
    world = listings()
    with console.status("opening the market"):
        market = await opening.set_up(http, opening.operator_key(plan.directory), world)
    day = _Day(http, market, world, Facts(), server.url)
    console.print(f"{len(world)} instruments listed, {len(market.keys)} participants")
    lots = await _buy_allowance(day, requests)
    with Crowd(day) as crowd:
        meter = asyncio.create_task(_meter(day).run(list(batches(requests, _BATCH_RECORDS)), _pause(plan, requests)))
        with console.status("trading; a usage trace redeems allowances"):
            await crowd.watch(asyncio.sleep(plan.morning_s))
        before = list(day.facts.acknowledged)
        console.print(f"kill -9 after {len(before):,} acknowledged orders", style="yellow")
        await server.kill()
        with console.status("starting again: snapshot, journal, ledger"):
            await crowd.watch(server.start())
        with console.status("trading on"):
            await crowd.watch(asyncio.sleep(plan.afternoon_s))
            await crowd.watch(meter)
        await crowd.finish()
        checks = [await _check_orders(day, before), await _check_usage(day, requests, lots)]
        checks.append(await _check_tape(day, crowd.tape))
    return checks, day.facts, world


def _pause(plan: Plan, requests: list[Request]) -> float:
    """Spread the batches over the day, so that the kill comes in the middle of them."""
    return (plan.morning_s + plan.afternoon_s) / 2 / max(1, len(requests) / _BATCH_RECORDS)


def _meter(day: _Day) -> Meter:
    metered = day.world[0]
    holder = day.market.keys[opening.METERED_BUYER]
    return Meter(day.market.keys[metered.issuer], metered.symbol, holder.key, day.http, day.facts)


async def _buy_allowance(day: _Day, requests: list[Request]) -> int:
    """Let the metered user buy the lots that its requests will need and nominate them to its key; return how many."""
    tokens = sum(request.tokens_in + request.tokens_out for request in requests)
    lots = -(-tokens // MILLION)
    metered = day.world[0]
    holder = day.market.keys[opening.METERED_BUYER]
    await opening.sell(day.http, day.market.keys[metered.issuer], holder, metered, lots)
    await opening.nominate(day.http, holder, metered, lots)
    return lots


class Crowd:
    """Everybody who trades, as tasks; leaving the context cancels those who are left."""

    def __init__(self, day: _Day) -> None:
        self._stop = asyncio.Event()
        keys, facts = day.market.keys, day.facts
        self.tape = Tape(day.world, day.url, day.http, facts)
        self._makers = [MarketMaker(name, keys[name], day.world, day.url, facts) for name in opening.MAKERS]
        self._buyers = [Buyer(name, keys[name], day.world, day.http, facts) for name in opening.BUYERS]

    def __enter__(self) -> Self:
        self._reader = asyncio.create_task(self.tape.run())
        runs = [maker.run(self._stop) for maker in self._makers] + [buyer.run(self._stop) for buyer in self._buyers]
        self._traders = [asyncio.create_task(run) for run in runs]
        return self

    def __exit__(self, *_: object) -> None:
        for task in (self._reader, *self._traders):
            task.cancel()

    async def watch(self, work: Awaitable[Any]) -> None:
        """Wait for something, or for the first of the crowd that fails, whose error is then raised."""
        task = asyncio.ensure_future(work)
        done, _ = await asyncio.wait([task, self._reader, *self._traders], return_when=asyncio.FIRST_COMPLETED)
        for finished in done:
            finished.result()
        await task

    async def finish(self) -> None:
        """Let everybody finish what they are at."""
        self._stop.set()
        await asyncio.gather(*self._traders)


async def _check_orders(day: _Day, before: list[tuple[Key, str, str, int]]) -> Check:
    """Ask for the orders acknowledged last before the kill, by their client order ids."""
    asked = before[-_CHECKED_ORDERS:]
    found = 0
    for key, symbol, name, order_id in asked:
        try:
            order = await Rest(day.http, key).signed("GET", "/api/v3/order", symbol=symbol, origClientOrderId=name)
        except Refused:
            continue
        found += order["orderId"] == order_id
    ids = [(key.account, order_id) for key, _, _, order_id in day.facts.acknowledged]
    once = len(set(ids)) == len(ids)
    return Check("acknowledged orders survive the kill, once", found == len(asked) and once, f"{found} of {len(asked)}")


async def _check_usage(day: _Day, requests: list[Request], lots: int) -> Check:
    """Compare what is left of the allowance with what the trace used."""
    tokens = sum(request.tokens_in + request.tokens_out for request in requests)
    holder = day.market.keys[opening.METERED_BUYER]
    answer = await Rest(day.http, holder).signed("GET", "/v1/nominations", key=holder.key)
    shown = {row["asset"]: Decimal(row["available"]) for row in answer["assets"]}
    left = int(shown[day.world[0].symbol] * MILLION)
    expected = lots * MILLION - tokens
    return Check("every usage record burned its tokens once", left == expected, f"{left:,} left of {lots} M tokens")


async def _check_tape(day: _Day, tape: Tape) -> Check:
    """Compare the stream's trades, and those fetched after the interruption, with their numbering."""
    await tape.catch_up()
    numbers = sorted(day.facts.trades)
    missing = numbers[-1] - numbers[0] + 1 - len(numbers) if numbers else 0
    return Check("the tape has no gap", bool(numbers) and missing == 0, f"{len(numbers):,} trades, {missing} missing")


async def reconcile(directory: Path) -> Check:
    """Run `tokenbourse reconcile` on a data directory."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.commandline", "reconcile", "--data", str(directory), "--json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    output, errors = await process.communicate()
    if process.returncode != 0:
        return Check(PROOF, holds=False, detail=(output or errors).decode(errors="replace")[-500:])
    report = json.loads(output)
    return Check(
        PROOF, holds=True, detail=", ".join(f"{name} {report[name]:,}" for name in report if type(report[name]) is int)
    )


async def keep_market(url: str, directory: Path, stop: asyncio.Event) -> None:
    """Keep a market running on a server that somebody else started, until told to stop."""
    world = listings()
    async with open_http(url) as http:
        market = await opening.set_up(http, opening.operator_key(directory), world)
        with Crowd(_Day(http, market, world, Facts(), url)) as crowd:
            await crowd.watch(stop.wait())
            await crowd.finish()
