"""Where the time of a usage record goes: each part of metering by itself, and the poster behind it.

    python -m benchmarks.usageparts [--rounds 7] [--keys 100] [--posted 100000]

Parts are timed on one batch of 10,000 records, as CPU of this thread. The units of a key stand in three series: the
first covers all, or half, or every second key has too little. The poster runs against a Postgres of its own.
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np

from api.auth import Signer
from api.call import Call, encoded
from api.v1.metering import answered, batch_of, columns, decode, mentioned
from benchmarks.machine import describe
from benchmarks.settlement import market, run_poster
from benchmarks.usage import BATCH, SECRET, batch, holder_key
from exchange.core.records import EVENT
from exchange.core.types import EventKind
from exchange.events import Events
from exchange.marketdata.accountevents import AccountEvents
from exchange.marketdata.market import MarketData
from exchange.marketdata.orders import OrderHistory
from exchange.registry.series import Direction, Factors
from exchange.surveillance.watch import Watch
from exchange.usage.answers import pack, told
from exchange.usage.ids import UsageIndex
from exchange.usage.plan import Batch, Lot, Planned, Purse, in_order, plan
from settlement.embedded import Embedded

ISSUER, CASH, ACCOUNTS = 1, 1, 1_000
PLENTY, IDS_MAX = 1 << 50, 1 << 23


class Stopwatch:
    """Times parts, and hands on what they make."""

    def __init__(self, rounds: int) -> None:
        self.us: dict[str, float] = {}
        self._rounds = rounds

    def time(self, name: str, part: Callable[[], object]) -> None:
        """Do a part several times, and take the median down."""
        spent = []
        for _ in range(self._rounds):
            begin = time.thread_time()
            part()
            spent.append(time.thread_time() - begin)
        self.us[name] = round(statistics.median(spent) / BATCH * 1e6, 3)


def purses(keys: int, units: int) -> dict[str, Purse]:
    """Return what stands behind keys: three series with so many units each."""
    lots = [Lot(2 + n, f"TA.{n}", "Q3", Direction.BLEND, 0, (1 << 60) + n, units, 1, 10**6) for n in range(3)]
    return {holder_key(0, number): Purse(2 + number, in_order(lots), 0, False) for number in range(keys)}


def measure_parts(rounds: int, keys: int) -> dict[str, float]:
    """Return CPU microseconds a record of each part, in the order in which a batch passes them."""
    body, watch = batch(0, 1, keys), Stopwatch(rounds)
    call = Call("", b"", 0)
    call.body = body
    watch.time("signature", lambda: Signer(SECRET).sign(body))
    watch.time("digest", lambda: sha256(body).hexdigest())
    watch.time("decode", lambda: decode(call))
    records = decode(call).records
    watch.time("columns", lambda: columns(records, mentioned(body)))
    found = columns(records)
    watch.time("ids and factors", lambda: batch_of(found, ISSUER, Factors()))
    wanted, now_ns = batch_of(found, ISSUER, Factors()), time.time_ns()
    known = UsageIndex(IDS_MAX).known(wanted.words)

    def planned(units: int) -> Planned:
        return plan(wanted, purses(keys, units), known, now_ns, ISSUER, CASH)

    watch.time("plan", lambda: planned(PLENTY))
    third = int(wanted.need.sum()) // keys // 3
    watch.time("plan over several series", lambda: planned(2 * third))
    watch.time("plan of keys that run dry", lambda: planned(third))
    made = planned(PLENTY)
    watch.time("kept answer", lambda: pack(told(made), Factors(), [key for key, _, _ in wanted.groups]))
    _measure_views(watch, wanted, made)
    watch.time("answer", lambda: encoded(answered(1, found.ids, told(made), "0", {})))
    return watch.us


def _measure_views(watch: Stopwatch, wanted: Batch, made: Planned) -> None:
    events = redeemed(len(wanted.words), made.commands["account"])
    views, index, surveillance = (AccountEvents(), OrderHistory(), MarketData()), UsageIndex(IDS_MAX), Watch()
    watch.time("views", lambda: [view.apply(Events(events)) for view in views])
    watch.time("known ids", lambda: index.apply(events, 1))
    watch.time("surveillance", lambda: surveillance.apply_array(events))
    watch.time("rows, if anybody wants them", lambda: len(Events(events).rows))


def redeemed(count: int, accounts: np.ndarray) -> np.ndarray:
    """Return redemptions of different ids by these accounts, in turn."""
    events = np.zeros(count, EVENT)
    events["kind"], events["asset"], events["amount"] = EventKind.REDEEMED, 2, 5
    events["account"] = np.resize(accounts, count)
    events["order_id"] = np.random.default_rng(1).integers(1, 1 << 62, count)
    return events


def measure_poster(count: int) -> dict[str, float]:
    """Return what posting redemptions costs, in batches of 10,000."""
    with tempfile.TemporaryDirectory() as directory:
        server = Embedded(Path(directory))
        server.start()
        try:
            used = redeemed(count, np.arange(1, ACCOUNTS + 1))
            figure = asyncio.run(run_poster(server.dsn, market(ACCOUNTS), used, BATCH))
        finally:
            server.stop()
    return {
        "posted_per_s": round(figure.trades_per_second),
        "poster_cpu_us": round(figure.own_cpu_us, 2),
        "postgres_cpu_us": round(figure.server_cpu_us, 2),
    }


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--keys", type=int, default=100)
    parser.add_argument("--posted", type=int, default=100_000, help="redemptions; 0: leave the poster out")
    arguments = parser.parse_args()
    print(f"# {describe()}")
    print(json.dumps({"benchmark": "usage by part", "cpu_us": measure_parts(arguments.rounds, arguments.keys)}))
    if arguments.posted:
        print(json.dumps({"benchmark": "usage posted", **measure_poster(arguments.posted)}))


if __name__ == "__main__":
    main()
