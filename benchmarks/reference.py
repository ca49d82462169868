"""What reference data and tickers of very many instruments cost, in processor time of one thread.

    python -m benchmarks.reference [--instruments 100000] [--runs 5]

Without sockets: the list of exchangeInfo when nothing was asked before, when one instrument changed, when none did; the
changes behind a command; and one beat of the tickers of all instruments, of which every one has changed.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

from api.binance.directory import Directory
from api.binance.instruments import InstrumentBodies
from api.binance.reference import INSTRUMENTS_PER_TURN
from api.binance.streams import parse
from api.binance.tickers import TICKERS_PER_BEAT, AllTickers, Tickers
from api.stream.backlog import Message
from api.terms import instrument_answer
from exchange.core.types import AssetKind, EventKind, Side
from exchange.events import Event
from exchange.marketdata.market import MarketData
from exchange.registry.documents import AccountNamed, AssetNamed, InstrumentNamed, ParticipantCreated, Role, encode
from exchange.registry.registry import Registry

CNY, FIRST_BASE = 1, 2
CHANGED = 1_000
NOTHING = Event(*(0,) * len(Event._fields))
LOT = 1_000_000


def named(count: int) -> Registry:
    """Return a registry of so many listed allowances."""
    registry = Registry()
    registry.apply(encode(ParticipantCreated("house", Role.ISSUER)))
    registry.apply(encode(AccountNamed(1, "house", "house", Role.ISSUER)))
    registry.apply(encode(AssetNamed(CNY, "CNY", AssetKind.CASH, 6)))
    for index in range(1, count + 1):
        symbol = f"TA.CTEL.Q3.BLEND.GZ.M{index:06d}.G80A"
        registry.apply(encode(AssetNamed(index + 1, symbol, AssetKind.ALLOWANCE, 6, 1)))
        registry.apply(encode(listing(index, symbol)))
        listed = NOTHING._replace(kind=int(EventKind.INSTRUMENT_LISTED), instrument=index, sequence=index)
        registry.apply_events([listed])
    return registry


def listing(index: int, symbol: str) -> InstrumentNamed:
    """Return the terms of an instrument."""
    return InstrumentNamed(
        index=index, symbol=symbol, base=FIRST_BASE + index - 1, quote=CNY, tick_value=100, lot_units=LOT,
        price_decimals=4, quantity_decimals=0, quantity_min=1, quantity_max=10**6, band_low_ticks=1,
        band_high_ticks=10**6,
    )  # fmt: skip


def whole(registry: Registry, bodies: InstrumentBodies) -> int:
    """Make the list of all instruments; return its size."""
    found, step = list(registry.instruments), INSTRUMENTS_PER_TURN
    pages = [bodies.page(begin // step, found[begin : begin + step])[0] for begin in range(0, len(found), step)]
    return len(b",".join(page.text for page in pages))


def traded(count: int) -> tuple[MarketData, list[Event]]:
    """Return a market in which every instrument traded once, and the trades."""
    market = MarketData()
    trades = []
    for index in range(1, count + 1):
        order = NOTHING._replace(
            kind=int(EventKind.ORDER_ACCEPTED), sequence=2 * index, instrument=index, order_id=2 * index,
            side=int(Side.SELL), price_ticks=100, quantity_lots=2, leaves_lots=2,
        )  # fmt: skip
        taker = order._replace(sequence=2 * index + 1, order_id=2 * index + 1, side=int(Side.BUY), quantity_lots=1)
        trade = NOTHING._replace(
            kind=int(EventKind.TRADED), sequence=2 * index + 1, instrument=index, order_id=2 * index + 1,
            counter_order_id=2 * index, trade_id=index, price_ticks=100, quantity_lots=1, amount=10_000,
        )  # fmt: skip
        market.apply([order])
        market.apply([taker, trade])
        trades.append(trade)
    return market, trades


def milliseconds(runs: int, action: Callable[[], object], before: Callable[[], object] = lambda: None) -> float:
    """Return the median of the processor time of an action."""
    took = []
    for _ in range(runs):
        before()
        begin = time.process_time()
        action()
        took.append(time.process_time() - begin)
    return round(statistics.median(took) * 1_000, 2)


def measure(count: int, runs: int) -> None:
    """Print what each question costs."""
    registry = named(count)
    directory = Directory(registry)
    bodies = InstrumentBodies(directory)
    first_ms = milliseconds(1, lambda: whole(registry, bodies))
    fees = NOTHING._replace(kind=int(EventKind.FEES_SET), instrument=count // 2)

    def change() -> None:
        registry.apply_events([fees._replace(sequence=registry.instruments_sequence + 1)])

    def changes() -> bytes:
        found = registry.instruments_changed(registry.instruments_sequence - CHANGED)
        return b"".join([instrument_answer(registry, one).model_dump_json().encode() for one in found])

    print(json.dumps({
        "benchmark": "reference data",
        "instruments": count,
        "exchange_info_bytes": whole(registry, bodies),
        "exchange_info_first_ms": first_ms,
        "exchange_info_one_changed_ms": milliseconds(runs, lambda: whole(registry, bodies), change),
        "exchange_info_unchanged_ms": milliseconds(runs, lambda: whole(registry, bodies)),
        "tag_ms": milliseconds(runs, lambda: registry.instruments_sequence),
        f"{CHANGED}_changes_ms": milliseconds(runs, changes),
    }))  # fmt: skip
    tell(count, directory)


def tell(count: int, directory: Directory) -> None:
    """Print what the tickers of all cost, each of which has changed."""
    market, trades = traded(count)
    stream = parse("!ticker@arr", directory.find)
    assert stream is not None
    said: list[Message] = []
    tickers = AllTickers(stream, said.append, Tickers(market, directory), directory)
    heard_ms = milliseconds(1, lambda: tickers.on_batch(trades))
    beats = []
    goes_on = True
    while goes_on:
        begin = time.process_time()
        goes_on = tickers.on_beat(0)
        beats.append(time.process_time() - begin)
    encode_ms = milliseconds(1, lambda: [message.payload for message in said])
    print(json.dumps({
        "benchmark": "tickers of all",
        "instruments": count,
        "trades_heard_ms": heard_ms,
        "beats": len(beats),
        "tickers_per_beat": TICKERS_PER_BEAT,
        "beat_ms": round(statistics.median(beats) * 1_000, 1),
        "joining_all_ms": encode_ms,
        "bytes": sum(len(message.payload) for message in said),
    }))  # fmt: skip


def main() -> None:
    """Read the arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--instruments", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    measure(arguments.instruments, arguments.runs)


if __name__ == "__main__":
    main()
