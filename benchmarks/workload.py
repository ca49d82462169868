"""Order flows for one book, and the trades that price and time priority make of them, found in the plainest way.

A flow is an array of ROW: 0 places an order, 1 places one that does not rest, 2 cancels, 3 moves what is left of an
order to another price, behind all that wait there. Side is 0 to buy, 1 to sell. The trades are an array of TRADE.
"""

from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
from sortedcontainers import SortedDict

ROW = np.dtype([("op", "u1"), ("side", "u1"), ("id", "u4"), ("price", "i4"), ("qty", "i4"), ("acct", "u4")])
TRADE = np.dtype([("taker", "u4"), ("maker", "u4"), ("price", "i4"), ("qty", "i4")])
LIMIT, IMMEDIATE, CANCEL, MOVE = range(4)
BUY, SELL = 0, 1

ACCOUNTS = 1_000
MIDDLE_LOW, MIDDLE_HIGH = 40_000, 60_000  # the market wanders between these prices
MIDDLE_STEP = 0.8  # standard deviation, per command
PASSIVE_DEPTH = 120.0  # how far behind the middle orders rest, on average
AGGRESSIVE_DEPTH = 5.0  # how far beyond it immediate ones reach
LIMIT_LOTS_MAX, IMMEDIATE_LOTS_MAX = 100, 300


class Mix(NamedTuple):
    """Shares of the operations, and about how many orders rest."""

    name: str
    limit: float
    immediate: float
    cancel: float
    move: float
    resting: int
    seed: int


MIXES = (
    Mix("moves", 0.09, 0.03, 0.06, 0.82, 1_000, 1),
    Mix("mixed", 0.50, 0.05, 0.45, 0.00, 1_000, 2),
    Mix("deep", 0.50, 0.05, 0.45, 0.00, 100_000, 3),
    Mix("cross", 0.55, 0.30, 0.15, 0.00, 2_000, 4),
)


class Book:
    """The oracle: a side maps rank (best first) to the lots of its orders, oldest first."""

    def __init__(self) -> None:
        self.sides = (SortedDict(), SortedDict())
        self.places: dict[int, tuple[int, int]] = {}  # side and rank by order
        self.trades: list[tuple[int, int, int, int]] = []

    def apply(self, operation: int, side: int, order: int, price: int, lots: int) -> int:
        """Apply a row and return the lots that a move or a cancel found open."""
        if operation in {LIMIT, IMMEDIATE}:
            self._place(side, order, price, lots, rests=operation == LIMIT)
            return 0
        if order not in self.places:
            return 0
        side, left = self.places[order][0], self._remove(order)
        if operation == MOVE:
            self._place(side, order, price, left, rests=True)
        return left

    def levels(self, side: int) -> dict[int, tuple[int, int]]:
        """Return lots and number of orders by price."""
        return {abs(rank): (sum(level.values()), len(level)) for rank, level in self.sides[side].items()}

    def _place(self, side: int, order: int, price: int, lots: int, *, rests: bool) -> None:
        makers, limit = self.sides[1 - side], -_rank(side, price)
        while lots and makers and makers.peekitem(0)[0] <= limit:
            rank, level = makers.peekitem(0)
            maker, open_lots = next(iter(level.items()))
            traded = min(lots, open_lots)
            self.trades.append((order, maker, abs(rank), traded))
            lots -= traded
            level[maker] -= traded
            if not level[maker]:
                self._remove(maker)
        if lots and rests:
            rank = _rank(side, price)
            self.sides[side].setdefault(rank, {})[order] = lots
            self.places[order] = side, rank

    def _remove(self, order: int) -> int:
        side, rank = self.places.pop(order)
        level = self.sides[side][rank]
        lots: int = level.pop(order)
        if not level:
            del self.sides[side][rank]
        return lots


def _rank(side: int, price: int) -> int:
    return -price if side == BUY else price


class Workload(NamedTuple):
    """A flow, its trades, and by row the open lots that a move takes along."""

    name: str
    commands: np.ndarray
    trades: np.ndarray
    leaves: np.ndarray

    @classmethod
    def read(cls, folder: Path, name: str) -> Self:
        """Read a flow and its trades; raises ValueError when the oracle makes other trades of it."""
        commands = np.load(folder / f"{name}.commands.npy")
        found = cls(name, commands, *trades_of(commands))
        if found.trades.tolist() != np.load(folder / f"{name}.trades.npy").tolist():
            raise ValueError(f"{name}: the trades in {folder} are not those of price and time priority")
        return found

    def write(self, folder: Path) -> None:
        """Write what `read` and other interpreters read."""
        for part in ("commands", "trades", "leaves"):
            np.save(folder / f"{self.name}.{part}.npy", getattr(self, part))


def trades_of(commands: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the trades of a flow, and by row the open lots that a move takes along."""
    book = Book()
    rows = commands[["op", "side", "id", "price", "qty"]].tolist()
    leaves = [book.apply(*row) for row in rows]
    return np.array(book.trades, TRADE), np.array(leaves, "i4")


def generate(mix: Mix, count: int) -> Workload:
    """Return a flow of `count` rows, always the same for the same mix and count."""
    book = Book()
    open_orders: list[int] = []
    rows, leaves = [], []
    for draw in _draws(mix, count):
        row = _row(mix, draw, book, open_orders)
        rows.append(row)
        leaves.append(book.apply(*row[:-1]))
    return Workload(mix.name, np.array(rows, ROW), np.array(book.trades, TRADE), np.array(leaves, "i4"))


class _Draw(NamedTuple):
    """What chance decides about a row, whatever the row turns out to be."""

    order: int  # the number it gets if it places one
    choice: float
    aim: float
    middle: float
    side: int
    passive: int
    aggressive: int
    limit_lots: int
    immediate_lots: int
    account: int


def _draws(mix: Mix, count: int) -> Iterator[_Draw]:
    random = np.random.default_rng(mix.seed)
    span = MIDDLE_HIGH - MIDDLE_LOW
    steps = accumulate(random.normal(0, MIDDLE_STEP, count).tolist(), initial=1.5 * span)
    columns: list[Any] = [
        range(1, count + 1),
        random.random(count).tolist(),
        random.random(count).tolist(),
        (MIDDLE_LOW + abs(step % (2 * span) - span) for step in steps),  # reflected at both ends
        random.integers(0, 2, count).tolist(),
        (random.exponential(PASSIVE_DEPTH, count).astype(int) - 2).tolist(),
        random.exponential(AGGRESSIVE_DEPTH, count).astype(int).tolist(),
        random.integers(1, LIMIT_LOTS_MAX + 1, count).tolist(),
        random.integers(1, IMMEDIATE_LOTS_MAX + 1, count).tolist(),
        random.integers(1, ACCOUNTS + 1, count).tolist(),
    ]
    return (_Draw(*draw) for draw in zip(*columns, strict=False))


def _row(mix: Mix, draw: _Draw, book: Book, open_orders: list[int]) -> tuple[int, int, int, int, int, int]:
    operation = _operation(mix, draw.choice, len(book.places))
    away = draw.aggressive if operation == IMMEDIATE else -draw.passive
    if operation in {LIMIT, IMMEDIATE}:
        if operation == LIMIT:
            open_orders.append(draw.order)
        lots = draw.limit_lots if operation == LIMIT else draw.immediate_lots
        return operation, draw.side, draw.order, _price(draw.side, draw.middle, away), lots, draw.account
    index = _aim(draw.aim, book, open_orders)
    order = open_orders[index]
    if operation == MOVE:
        side = book.places[order][0]
        return MOVE, side, order, _price(side, draw.middle, away), 0, 0
    open_orders[index] = open_orders[-1]
    open_orders.pop()
    return CANCEL, BUY, order, 0, 0, 0


def _operation(mix: Mix, choice: float, resting: int) -> int:
    """Choose by the shares, but keep the number of resting orders within a fifth of what the mix wants."""
    if resting < 0.8 * mix.resting or resting == 0:
        return LIMIT if choice >= mix.immediate or resting == 0 else IMMEDIATE
    if choice < mix.limit:
        return CANCEL if resting > 1.2 * mix.resting else LIMIT
    if choice < mix.limit + mix.immediate:
        return IMMEDIATE
    return CANCEL if choice < mix.limit + mix.immediate + mix.cancel else MOVE


def _aim(aim: float, book: Book, open_orders: list[int]) -> int:
    """Return where an open order stands, any with the same chance; filled ones are dropped when they are met."""
    while open_orders[index := int(aim * len(open_orders))] not in book.places:
        open_orders[index] = open_orders[-1]
        open_orders.pop()
    return index


def _price(side: int, middle: float, away: int) -> int:
    return int(middle) + away if side == BUY else int(middle) - away
