"""What the views take of the event loop's time for an event, by view and by how many events come at once.

    python -m benchmarks.views [--commands 100000] [--batches 1 8 64 1024] [--runs 3]

The events are those of the flow of orders of `benchmarks.matching` with a thousand accounts, made by the engine. The
views get them as the exchange hands them on, nobody reads them meanwhile, and the processor's time is measured.
"""

import argparse
import gc
import json
import statistics
import time
from collections.abc import Callable

import numpy as np

from benchmarks.machine import describe
from benchmarks.matching import resolve, setup
from benchmarks.workload import MIXES, generate
from exchange.config import Config
from exchange.core.engine import Engine
from exchange.core.records import COMMAND
from exchange.core.types import SECOND_NS
from exchange.events import Events
from exchange.marketdata.accountevents import AccountEvents
from exchange.marketdata.market import MarketData
from exchange.marketdata.notices import Notices
from exchange.marketdata.orders import OrderHistory
from exchange.marketdata.prices import DailyPrices
from exchange.registry.registry import Registry
from exchange.surveillance.watch import Watch
from exchange.timers import Timers
from exchange.usage.ids import UsageIndex

START_NS = 1_700_000_000 * SECOND_NS
COMMAND_NS = 5_000  # between two commands: 200,000 a second
SYMBOL = "TA.OPENAI.Q3.OUT.NAT.2601.G0"
EVENTS_MIN = 20_000  # measured with small batches, which take longer
Views = dict[str, Callable[[Events], object]]


def recorded(name: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the events that open a market, and those of a flow of orders on it."""
    mix = next(mix for mix in MIXES if mix.name == name)
    encoded = resolve(generate(mix, count))[0].copy()
    opening = np.frombuffer(b"".join(setup()), COMMAND).copy()
    first = len(opening) + 1
    opening["sequence"], opening["time_ns"] = np.arange(1, first), START_NS
    encoded["sequence"] = np.arange(first, first + len(encoded))
    encoded["time_ns"] = START_NS + np.arange(1, len(encoded) + 1) * COMMAND_NS
    engine = Engine()
    return engine.apply(opening), engine.apply(encoded)


def made_views() -> Views:
    """Return new views, in the order in which the exchange brings them up to date."""
    market, usage, watch = MarketData(), UsageIndex(Config().capacity.usage_ids), Watch()
    prices = DailyPrices(market, lambda _: SYMBOL)

    def by_day(events: Events) -> None:
        for part in prices.parts(events):
            prices.apply(part)

    return {
        "registry": Registry().apply_events,
        "market": market.apply,
        "prices": by_day,
        "orders": OrderHistory().apply,
        "notices": Notices().apply,
        "accounts": AccountEvents(Config().closed_orders_max).apply,
        "timers": Timers(lambda _: False).apply,
        "usage": lambda events: usage.apply(events.array, 1),
        "surveillance (behind)": watch.apply,
    }


def measure(opening: np.ndarray, events: np.ndarray, size: int) -> dict[str, float]:
    """Return the nanoseconds that each view takes for an event when so many come at once."""
    views = made_views()
    for apply in views.values():
        apply(Events(opening))
    spent = dict.fromkeys(views, 0)
    gc.collect()
    for begin in range(0, len(events), size):
        batch = Events(events[begin : begin + size])
        for name, apply in views.items():
            began = time.thread_time_ns()
            apply(batch)
            spent[name] += time.thread_time_ns() - began
    return {name: ns / len(events) for name, ns in spent.items()}


def main() -> None:
    """Read the arguments, and print a line for each size of batch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=100_000)
    parser.add_argument("--mix", default="mixed", choices=[mix.name for mix in MIXES])
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 8, 64, 1024])
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    print(f"# {describe()}")
    gc.set_threshold(Config().collector_objects, 20, 100)
    opening, events = recorded(arguments.mix, arguments.commands)
    for size in arguments.batches:
        part = events[: max(EVENTS_MIN, len(events) * min(size, 8) // 8)]
        runs = [measure(opening, part, size) for _ in range(arguments.runs)]
        found = {name: round(statistics.median(run[name] for run in runs)) for name in runs[0]}
        total = sum(ns for name, ns in found.items() if "behind" not in name)
        print(json.dumps({"events_at_once": size, "ns_per_event": {"all": total, **found}}), flush=True)


if __name__ == "__main__":
    main()
