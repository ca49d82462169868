"""From metered records to commands: which units pay for which record, and what pays when there are none left.

A key's units stand on an account of its own, from which nothing but metering takes, so what is planned here is what
the engine will do. Units are used earliest expiry first, among equals in the order in which the key first got them.
A record is paid in full or not at all. Pure functions over arrays; records that one series covers never become Python
objects.
"""

from enum import IntEnum
from itertools import count
from typing import NamedTuple

import numpy as np

from exchange.core.records import COMMAND
from exchange.core.types import BPS, SECOND_NS, CommandKind, TransferPurpose
from exchange.registry.series import Direction, Factors
from exchange.usage.cascade import LOTS_MAX, TOTAL_MAX, cascade
from exchange.usage.ids import PARTS_MAX
from exchange.usage.stretch import Standing, stretch

MILLISECOND_NS = 1_000_000
LATE_MS_MAX = 72 * 3600 * 1000
AHEAD_MS_MAX = 60_000
FOREVER_MS = 1 << 62
TOKENS_MAX = 1 << 38  # of one sort in one record
STRETCH_MIN = 64  # records looked at together, at first
SINGLE_MAX = 8  # paid one by one where stretches are short
_Column = np.ndarray | int  # one number may stand for all rows
_SIDES = (frozenset((Direction.IN, Direction.BLEND)), frozenset((Direction.OUT, Direction.BLEND)))
_FACTORS = (("tokens_in", "cached", "image", "audio"), ("tokens_out", "reasoning"))


class Outcome(IntEnum):
    """What becomes of a record."""

    APPLIED = 0
    DUPLICATE = 1
    UNKNOWN_KEY = 2
    NO_ALLOWANCE = 3
    OUTSIDE_TIME = 4
    NOTHING_METERED = 5
    EXHAUSTED = 6
    NO_MEANS = 7
    REJECTED = 8  # by the engine, against what was planned
    KEY_ENDED = 9


class Lot(NamedTuple):
    """What a key has of one series, in the order in which its units are used up."""

    asset: int
    symbol: str
    grade: str
    direction: Direction
    start_ms: int
    end_ms: int
    units: int
    price: int  # of a million tokens used beyond, in units of cash; 0: none is known
    lot_units: int


class Purse(NamedTuple):
    """What stands behind a key."""

    account: int
    lots: tuple[Lot, ...]
    cash: int
    pays_overrun: bool
    until_ms: int = FOREVER_MS  # use from then on is not the key's: it was revoked or had expired


class Batch(NamedTuple):
    """The records of a batch as columns: `need` is tokens after the factors, input and output."""

    words: np.ndarray  # (n, 2)
    time_ms: np.ndarray
    need: np.ndarray  # (n, 2)
    group: np.ndarray  # index into the groups
    groups: list[tuple[str, str, str]]  # key, symbol or "", model or ""


class Planned(NamedTuple):
    """Commands, redemptions first, and what they make of each record."""

    commands: np.ndarray
    record: np.ndarray  # of each command
    outcome: np.ndarray  # of each record
    burned: np.ndarray  # tokens taken from units, of each record
    overrun: np.ndarray  # tokens paid for in cash
    cost: np.ndarray  # in units of cash
    left: dict[str, int]  # tokens, by key


def needs(counts: dict[str, np.ndarray], factors: Factors) -> np.ndarray:
    """Return input and output tokens as they are charged, rounded up: shape (n, 2)."""
    sides = [sum(counts[name] * getattr(factors, name) for name in names if name in counts) for names in _FACTORS]
    columns = np.broadcast_arrays(*[np.asarray(side, np.int64) for side in sides])
    return -(-np.stack(columns, axis=1) // BPS)


def plan(
    batch: Batch, purses: dict[str, Purse], known: np.ndarray, now_ns: int, issuer: int, cash_asset: int
) -> Planned:
    """Say what each record burns and pays."""
    return _Planner(batch, purses, issuer, cash_asset).run(known, now_ns // MILLISECOND_NS)


class _Series(NamedTuple):
    """The lots of all keys side by side, row 0 being none; which of them each group uses first on each side."""

    account: np.ndarray
    asset: np.ndarray
    units: np.ndarray
    start_ms: np.ndarray
    end_ms: np.ndarray
    first: np.ndarray  # (groups, 2)


class _Planner:
    def __init__(self, batch: Batch, purses: dict[str, Purse], issuer: int, cash_asset: int) -> None:
        size = len(batch.words)
        self.batch = batch
        self.purses = purses
        self.issuer = issuer
        self.cash_asset = cash_asset
        self.outcome = np.zeros(size, np.uint8)
        self.burned, self.overrun, self.cost = (np.zeros(size, np.int64) for _ in range(3))
        self.parts: list[_Part] = []
        self.left: dict[str, int] = {}
        names = list(dict.fromkeys(key for key, _, _ in batch.groups))
        numbers = {name: number for number, name in enumerate(names)}
        self.keys = names
        self.key = np.array([numbers[key] for key, _, _ in batch.groups])[batch.group]

    def run(self, known: np.ndarray, now_ms: int) -> Planned:
        self._sift(known, now_ms)
        series = self._series()
        hard = self._pay_at_once(series)
        hard[self._pay_across(np.flatnonzero(hard))] = False
        for number in np.flatnonzero(hard).tolist():
            self._pay_in_turn(self.keys[number], np.flatnonzero((self.key == number) & (self.outcome == 0)))
        made, record = self._commands()
        return Planned(made, record, self.outcome, self.burned, self.overrun, self.cost, self.left)

    def _mark(self, rows: np.ndarray, outcome: Outcome) -> None:
        self.outcome[rows & (self.outcome == Outcome.APPLIED)] = outcome

    def _sift(self, known: np.ndarray, now_ms: int) -> None:
        """Put aside what cannot be counted, whoever pays; of two records of one id the first stays."""
        time_ms = self.batch.time_ms
        self._mark(known, Outcome.DUPLICATE)
        _, first = np.unique(self.batch.words[:, 0], return_index=True)
        twins = np.ones(len(known), bool)
        twins[first] = False
        self._mark(twins, Outcome.DUPLICATE)
        self._mark(np.array([name not in self.purses for name in self.keys])[self.key], Outcome.UNKNOWN_KEY)
        self._mark((time_ms < now_ms - LATE_MS_MAX) | (time_ms > now_ms + AHEAD_MS_MAX), Outcome.OUTSIDE_TIME)
        until_ms = [self.purses[name].until_ms if name in self.purses else FOREVER_MS for name in self.keys]
        self._mark(time_ms >= np.array(until_ms)[self.key], Outcome.KEY_ENDED)
        self._mark(self.batch.need.sum(axis=1) == 0, Outcome.NOTHING_METERED)

    def _series(self) -> _Series:
        rows = [(0, 0, 0, 0, 0)]
        begins: dict[str, int] = {}
        for key, purse in self.purses.items():
            begins[key] = len(rows)
            rows += [(purse.account, lot.asset, lot.units, lot.start_ms, lot.end_ms) for lot in purse.lots]
        first = np.zeros((len(self.batch.groups), 2), np.int64)
        for number, group in enumerate(self.batch.groups):
            if group[0] in begins:
                first[number] = _first_rows(self.purses[group[0]].lots, group, begins[group[0]])
        account, asset, units, start_ms, end_ms = np.array(rows, np.int64).T
        return _Series(account, asset, units, start_ms, end_ms, first)

    def _pay_at_once(self, series: _Series) -> np.ndarray:
        """Pay every key whose first series on each side cover all its records; tell which keys are left."""
        live = self.outcome == Outcome.APPLIED
        need = self.batch.need * live[:, None]
        used = series.first[self.batch.group]
        time_ms = self.batch.time_ms[:, None]
        fits = (used > 0) & (series.start_ms[used] <= time_ms) & (time_ms < series.end_ms[used])
        wanted = np.zeros(len(series.units), np.int64)
        np.add.at(wanted, used, need)
        short = (need > 0) & ~(fits & (wanted <= series.units)[used])
        hard = np.bincount(self.key, short.any(axis=1), len(self.keys)) > 0
        rows = np.flatnonzero(live & ~hard[self.key])
        self._burn_at_once(rows, need[rows], used[rows], series.account, series.asset)
        self._count_left(hard, wanted, series)
        return hard

    def _burn_at_once(
        self, rows: np.ndarray, need: np.ndarray, used: np.ndarray, account: np.ndarray, asset: np.ndarray
    ) -> None:
        """Burn what records need of one series a side; `used` are places in `account` and `asset`."""
        same = (used[:, 0] == used[:, 1]) | (need[:, 0] == 0)
        first = np.where(need[:, 0] > 0, used[:, 0], used[:, 1])
        amount = np.where(same, need.sum(axis=1), need[:, 0])
        self._burn(rows, account[first], asset[first], amount, 0)
        more = ~same & (need[:, 1] > 0)
        second = used[more, 1]
        if len(second):
            self._burn(rows[more], account[second], asset[second], need[more, 1], 1)

    def _burn(
        self,
        rows: np.ndarray,
        account: np.ndarray | int,
        asset: np.ndarray | int,
        amount: np.ndarray,
        part: np.ndarray | int,
    ) -> None:
        np.add.at(self.burned, rows, amount)
        self.parts.append(_Part(rows, CommandKind.REDEEM, account, asset, amount, part))

    def _count_left(self, hard: np.ndarray, wanted: np.ndarray, series: _Series) -> None:
        row = 1
        for key, purse in self.purses.items():
            end = row + len(purse.lots)
            self.left[key] = int(series.units[row:end].sum() - wanted[row:end].sum())
            row = end
        for number in np.flatnonzero(hard).tolist():
            self.left[self.keys[number]] = 0  # counted where it is paid

    def _pay_across(self, keys: np.ndarray) -> list[int]:
        """Pay those keys that have enough and whose records draw on their series alike; return which."""
        rows = np.flatnonzero(np.isin(self.key, keys) & (self.outcome == Outcome.APPLIED))
        if not len(rows):
            return []
        rows = rows[self.key[rows].argsort(kind="stable")]
        numbers, begins = np.unique(self.key[rows], return_index=True)
        time_ms = self.batch.time_ms[rows]
        needed = np.add.reduceat(self.batch.need[rows], begins, axis=0).tolist()
        earliest, latest = (one.reduceat(time_ms, begins).tolist() for one in (np.minimum, np.maximum))
        groups: dict[str, list[tuple[str, str, str]]] = {}
        for group in self.batch.groups:
            groups.setdefault(group[0], []).append(group)
        pools: list[_Pool] = []
        for number, need, first_ms, last_ms in zip(numbers.tolist(), needed, earliest, latest, strict=True):
            name = self.keys[number]
            lots = [lot for lot in self.purses[name].lots if lot.units]
            alike = all(lot.start_ms <= first_ms and last_ms < lot.end_ms for lot in lots)
            if alike and all(_fits(lot, group) for lot in lots for group in groups[name]):
                pools += _pools(number, lots, need)
        self._draw(rows, pools)
        return list(dict.fromkeys(pool.key for pool in pools))

    def _draw(self, rows: np.ndarray, pools: list["_Pool"]) -> None:
        """Pay the records of those keys out of their pools."""
        if not pools:
            return
        place = np.full((len(self.keys), 2), -1)
        for number, pool in enumerate(pools):
            place[pool.key, list(pool.sides)] = number
        need, pool_of = self.batch.need[rows], place[self.key[rows]]
        one = pool_of[:, 0] == pool_of[:, 1]  # both sides draw on it
        need = np.stack([np.where(one, need.sum(axis=1), need[:, 0]), np.where(one, 0, need[:, 1])], axis=1)
        entries = np.flatnonzero((need > 0) & (pool_of >= 0))  # two a record: input, output
        entries = entries[pool_of.ravel()[entries].argsort(kind="stable")]
        lot_pool = np.repeat(np.arange(len(pools)), [len(pool.lots) for pool in pools])
        lots = [lot for pool in pools for lot in pool.lots]
        units = np.array([lot.units for lot in lots], np.int64)
        drawn = cascade(pool_of.ravel()[entries], need.ravel()[entries], lot_pool, units)
        record, side = rows[entries[drawn.entry] // 2], entries[drawn.entry] % 2
        order = np.lexsort((drawn.lot, side, record))
        record, lot, amount = record[order], drawn.lot[order], drawn.amount[order]
        part = np.arange(len(record)) - record.searchsorted(record)
        account = np.array([self.purses[self.keys[pool.key]].account for pool in pools])[lot_pool]
        asset = np.array([one.asset for one in lots])
        self._burn(record, account[lot], asset[lot], amount, part)
        for pool in pools:
            name = self.keys[pool.key]
            self.left[name] = sum(one.units for one in self.purses[name].lots)
        spent = np.zeros(len(self.keys), np.int64)
        np.add.at(spent, self.key[record], amount)
        for number in np.flatnonzero(spent).tolist():
            self.left[self.keys[number]] -= int(spent[number])

    def _pay_in_turn(self, key: str, rows: np.ndarray) -> None:
        """Pay the records of a key one after the other, as many as possible at a time."""
        purse = self.purses[key]
        left = {lot.asset: lot.units for lot in purse.lots}
        cash, begin, width = purse.cash, 0, STRETCH_MIN
        if not purse.lots:
            self.outcome[rows] = Outcome.NO_ALLOWANCE
            begin = len(rows)
        usable = self._usable(purse.lots, rows)
        while begin < len(rows):
            part = rows[begin : begin + width]
            length, price = self._pay_stretch(part, usable[begin : begin + width], purse, left, cash)
            begin, cash = begin + length, cash - price
            width = 4 * width if length == len(part) else STRETCH_MIN
            single = rows[begin : begin + (0 if length == len(part) else SINGLE_MAX if length < SINGLE_MAX else 1)]
            for row in single.tolist():
                lots = _eligible(purse.lots, self.batch.groups[int(self.batch.group[row])])
                cash = self._pay_one(row, lots, left, purse, cash)
            begin += len(single)
        self.left[key] = sum(left.values())

    def _usable(self, lots: tuple[Lot, ...], rows: np.ndarray) -> np.ndarray:
        """Tell which series may pay for which record."""
        time_ms, group = self.batch.time_ms[rows, None], self.batch.group[rows]
        start_ms, end_ms = np.array([[lot.start_ms for lot in lots], [lot.end_ms for lot in lots]], np.int64)
        numbers, places = np.unique(group, return_inverse=True)
        fits = [[_fits(lot, self.batch.groups[number]) for lot in lots] for number in numbers.tolist()]
        found = np.array(fits, bool).reshape(len(numbers), len(lots))[places]
        found &= (start_ms <= time_ms) & (time_ms < end_ms)
        return found

    def _pay_stretch(
        self, rows: np.ndarray, usable: np.ndarray, purse: Purse, left: dict[int, int], cash: int
    ) -> tuple[int, int]:
        """Pay records from the first on as far as that needs no second series; return how many, and what they cost."""
        lots = purse.lots
        found = stretch(self.batch.need[rows], usable, _standing(lots, left, cash, pays_overrun=purse.pays_overrun))
        end = found.length
        rows, covered, bought = rows[:end], found.covered[:end], found.bought[:end]
        assets = np.array([lot.asset for lot in lots])
        need, used = self.batch.need[rows[covered]], found.first[:end][covered]
        self._burn_at_once(rows[covered], need, used, np.full(len(lots), purse.account), assets)
        for side in (0, 1):
            for place in np.unique(used[:, side]).tolist():
                left[lots[place].asset] -= int(need[used[:, side] == place, side].sum())
        paid, price = rows[bought], found.price[:end][bought]
        if len(paid):
            self.overrun[paid], self.cost[paid] = self.batch.need[paid].sum(axis=1), price
            self.parts.append(_Part(paid, CommandKind.TRANSFER, purse.account, self.cash_asset, price, 0))
        refused = ~(covered | bought)
        means = Outcome.NO_MEANS if purse.pays_overrun else Outcome.EXHAUSTED
        self.outcome[rows[refused]] = np.where(usable[:end][refused].any(axis=1), means, Outcome.NO_ALLOWANCE)
        return end, int(price.sum())

    def _pay_one(self, row: int, lots: tuple[Lot, ...], left: dict[int, int], purse: Purse, cash: int) -> int:
        """Pay one record from as many series as it takes, then in cash; return what cash is left."""
        time_ms = int(self.batch.time_ms[row])
        lots = tuple(lot for lot in lots if lot.start_ms <= time_ms < lot.end_ms)
        taken: dict[int, int] = {}
        short = price = 0
        payable = bool(lots)
        for side in (0, 1):
            need = int(self.batch.need[row, side])
            usable = [lot for lot in lots if lot.direction in _SIDES[side]]
            for lot in usable:
                part = min(need, left[lot.asset] - taken.get(lot.asset, 0))
                taken[lot.asset] = taken.get(lot.asset, 0) + part
                need -= part
            if need:
                short += need
                payable = payable and bool(usable) and usable[-1].price > 0
                price += -(-need * usable[-1].price // usable[-1].lot_units) if usable else 0
        if short and not (payable and purse.pays_overrun and price <= cash):
            means = Outcome.NO_MEANS if purse.pays_overrun else Outcome.EXHAUSTED
            self.outcome[row] = means if lots else Outcome.NO_ALLOWANCE
            return cash
        self._settle_one(row, taken, left, purse.account, (short, price))
        return cash - price

    def _settle_one(
        self, row: int, taken: dict[int, int], left: dict[int, int], account: int, overrun: tuple[int, int]
    ) -> None:
        at, parts = np.array([row]), count()
        for asset, tokens in taken.items():
            if tokens:
                left[asset] -= tokens
                self._burn(at, account, asset, np.array([tokens]), next(parts))
        self.overrun[row], self.cost[row] = overrun
        if overrun[0]:
            price = np.array([overrun[1]])
            self.parts.append(_Part(at, CommandKind.TRANSFER, account, self.cash_asset, price, next(parts)))
        assert next(parts) <= PARTS_MAX

    def _commands(self) -> tuple[np.ndarray, np.ndarray]:
        """Return all commands, redemptions first, each in the order of their records and, within one, of their parts.

        The number of a command is that of its record; what a record burns and what it pays touch different balances.
        """
        if not self.parts:
            return np.zeros(0, COMMAND), np.zeros(0, np.int64)
        columns = [np.concatenate(column) for column in zip(*[_spread(part) for part in self.parts], strict=True)]
        if len(self.parts) > 1:
            order = np.lexsort((columns[5], columns[0], columns[1] == CommandKind.TRANSFER))
            columns = [column[order] for column in columns]
        record, kind, account, asset, amount, part = columns
        made = np.zeros(len(record), COMMAND)
        made["kind"], made["account"], made["asset"], made["amount"] = kind, account, asset, amount
        made["words"][:, 0] = self.batch.words[record, 0]
        made["words"][:, 1] = self.batch.words[record, 1] + part
        paid = kind == CommandKind.TRANSFER
        if paid.any():
            made["group"][paid], made["state"][paid] = self.issuer, TransferPurpose.OVERRUN
        return made, record


class _Part(NamedTuple):
    """Commands of one sort, one a record."""

    rows: np.ndarray
    kind: int
    account: _Column
    asset: _Column
    amount: np.ndarray
    part: _Column


class _Pool(NamedTuple):
    """What the records of a key draw on for one side, or for both."""

    key: int
    sides: tuple[int, ...]
    lots: list[Lot]


def _pools(key: int, lots: list[Lot], need: list[int]) -> list[_Pool]:
    """Return the pools of a key if they are apart from each other and hold enough, else none."""
    if all(lot.direction is Direction.BLEND for lot in lots):
        found = [(_Pool(key, (0, 1), lots), sum(need))]
    elif any(lot.direction is Direction.BLEND for lot in lots):
        return []
    else:
        sided = [[lot for lot in lots if lot.direction in side] for side in _SIDES]
        found = [(_Pool(key, (side,), sided[side]), need[side]) for side in (0, 1) if need[side]]
    enough = all(
        total <= sum(lot.units for lot in pool.lots) and total < TOTAL_MAX and len(pool.lots) <= LOTS_MAX
        for pool, total in found
    )
    return [pool for pool, _ in found] if enough else []


def _spread(part: _Part) -> tuple[np.ndarray, ...]:
    size = len(part.rows)
    columns = (part.rows, part.kind, part.account, part.asset, part.amount, part.part)
    return tuple(np.broadcast_to(np.asarray(column, np.int64), size) for column in columns)


def _first_rows(lots: tuple[Lot, ...], group: tuple[str, str, str], begin: int) -> tuple[int, int]:
    """Return the row of the first lot that a group uses on each side, 0 for none."""
    found = [0, 0]
    for number, lot in enumerate(lots):
        if lot.units and _fits(lot, group):
            for side in (0, 1):
                if not found[side] and lot.direction in _SIDES[side]:
                    found[side] = begin + number
    return found[0], found[1]


def _eligible(lots: tuple[Lot, ...], group: tuple[str, str, str]) -> tuple[Lot, ...]:
    return tuple(lot for lot in lots if _fits(lot, group))


def _fits(lot: Lot, group: tuple[str, str, str]) -> bool:
    """Tell whether a series is what the records of a group ask for."""
    _, symbol, model = group
    return (not symbol or symbol == lot.symbol) and (not model or model == lot.grade)


def _standing(lots: tuple[Lot, ...], left: dict[int, int], cash: int, *, pays_overrun: bool) -> Standing:
    return Standing(
        np.array([left[lot.asset] for lot in lots], np.int64),
        np.array([[lot.direction in side for lot in lots] for side in _SIDES], bool),
        np.array([lot.price for lot in lots], np.int64),
        np.array([lot.lot_units for lot in lots], np.int64),
        cash,
        pays_overrun,
    )


def in_order(lots: list[Lot]) -> tuple[Lot, ...]:
    """Return what a key has in the order of use; `lots` come in the order in which it first got them."""
    return tuple(sorted(lots, key=lambda lot: lot.end_ms))


assert LATE_MS_MAX * MILLISECOND_NS == 72 * 3600 * SECOND_NS
