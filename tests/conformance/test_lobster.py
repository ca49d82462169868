"""A morning of NASDAQ: after each of 999 messages of AAPL the ten best levels are the published ones.

So are the fills of every marketable order. Prices are dollars x 10,000, taken as ticks. NASDAQ tells a sweep in as many
rows as it has fills. Its last row's book is compared whole; before that, the book less the fills so far must begin the
published one, whose far end already shows levels that the stream reveals with the last row.
"""

import csv
from collections.abc import Iterator
from itertools import groupby
from typing import NamedTuple

import pytest

from exchange.core.types import EventKind, Side, TimeInForce
from exchange.events import Event
from tests.conformance.venue import BOOK, ENGINES, Venue, new_venue

LEVELS = 10
SIDES = {1: Side.BUY, -1: Side.SELL}
SEED_ROW = -1  # these messages make the book of before the first row
ORDERS_CHECKED_EVERY = 50  # rows; adding up orders is slow

Levels = list[tuple[int, int]]
Fill = tuple[int, int, int]
Book = tuple[Levels, Levels]

pytestmark = [pytest.mark.real_data, pytest.mark.timeout(600)]  # the first use of a capacity compiles the kernels


class Message(NamedTuple):
    """One command of the stream, and the fills (maker, price, lots) it must make."""

    row: int
    operation: str
    order: int
    side: Side
    price: int
    quantity: int
    fills: list[Fill]


def parse_fills(text: str) -> list[Fill]:
    fills = [fill.split(":") for fill in text.split("|") if fill]
    return [(int(maker), int(price), int(quantity)) for maker, price, quantity in fills]


def parse_levels(row: list[str]) -> Book:
    """Return bids and asks of a row of the order book: ask, size, bid, size, and again one level deeper."""
    numbers = [int(field) for field in row]
    return list(zip(numbers[2::4], numbers[3::4], strict=True)), list(zip(numbers[0::4], numbers[1::4], strict=True))


def send(venue: Venue, message: Message) -> list[Event]:
    if message.operation == "CXL":
        return venue.cancel(message.order)
    time_in_force = {"ADD": TimeInForce.GTC, "IOC": TimeInForce.IOC}[message.operation]
    return venue.place(message.order, message.side, message.price, message.quantity, time_in_force=time_in_force)


def fills_of(venue: Venue, events: list[Event]) -> list[Fill]:
    trades = [event for event in events if event.kind == EventKind.TRADED]
    return [(venue.foreign_ids[trade.counter_order_id], trade.price_ticks, trade.quantity_lots) for trade in trades]


def less(levels: Levels, fills: list[Fill]) -> Levels:
    """Return what fills leave of one side of the book."""
    lots = dict(levels)
    for _, price, quantity in fills:
        lots[price] -= quantity
    return [level for level in lots.items() if level[1]]


def within_sweep(venue: Venue, message: Message) -> Iterator[tuple[int, Book]]:
    """Yield the rows that tell the first fills of an order that is about to be sent, with the book they must leave."""
    bids, asks = venue.depth(LEVELS)
    for count in range(1, len(message.fills)):
        fills = message.fills[:count]
        book = (bids, less(asks, fills)) if message.side == Side.BUY else (less(bids, fills), asks)
        yield message.row + count - 1, book


def begins(published: Book, book: Book) -> bool:
    return all(wide[: len(near)] == near for wide, near in zip(published, book, strict=True))


@pytest.fixture(scope="module")
def messages(data_dir):
    with (data_dir / "lob/AAPL_10_first999_stream.csv").open(newline="") as file:
        return [
            Message(
                int(line["row"]),
                line["op"],
                int(line["id"]),
                SIDES[int(line["side"])],
                int(line["price"]),
                int(line["qty"]),
                parse_fills(line["expect_fills"]),
            )
            for line in csv.DictReader(file)
        ]


@pytest.fixture(scope="module")
def order_book(data_dir):
    with (data_dir / "lob/AAPL_10_first999_orderbook.csv").open(newline="") as file:
        return [parse_levels(row) for row in csv.reader(file)]


@pytest.mark.parametrize("engine", ENGINES)
def test_ten_levels_are_the_published_ones_after_every_row(engine, messages, order_book):
    venue = new_venue(engine)
    by_row = {row: list(group) for row, group in groupby(messages, key=lambda message: message.row)}
    swept: dict[int, Book] = {}
    wrong = []
    for row in range(SEED_ROW, len(order_book)):
        for message in by_row.get(row, []):  # none where a hidden order traded: the book stays
            swept.update(within_sweep(venue, message))
            send(venue, message)
        if row in swept:
            wrong += [] if begins(order_book[row], swept[row]) else [row]
        elif row != SEED_ROW:
            wrong += [] if order_book[row] == venue.depth(LEVELS) else [row]
        if row % ORDERS_CHECKED_EVERY == 0:
            assert venue.depth() == venue.depth_of_orders()
    assert wrong == []
    assert (len(order_book), len(swept)) == (999, 32)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_marketable_order_fills_as_expected_and_no_other_does(engine, messages):
    venue = new_venue(engine)
    filled = [fills_of(venue, send(venue, message)) for message in messages]
    assert filled == [message.fills for message in messages]
    trades = venue.market.trades(BOOK, 10_000)
    published = [fill for message in messages for fill in message.fills]
    assert [(trade.price_ticks, trade.quantity_lots) for trade in trades] == [fill[1:] for fill in published]
    assert len(published) > 66 == sum(message.operation == "IOC" for message in messages)


@pytest.mark.parametrize("engine", ENGINES)
def test_every_order_is_accepted_and_every_cancel_finds_its_order(engine, messages):
    venue = new_venue(engine)
    told = {(message.operation, send(venue, message)[0].kind) for message in messages}
    assert told == {
        ("ADD", EventKind.ORDER_ACCEPTED),
        ("IOC", EventKind.ORDER_ACCEPTED),
        ("CXL", EventKind.ORDER_CANCELED),
    }
