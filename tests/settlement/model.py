"""A ledger in a few lines of Python, and a machine that does to it at random what it does to the one in Postgres."""

import asyncio
from collections import defaultdict
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from exchange.core.types import EventKind, Side
from settlement.batch import State, prepare
from settlement.connect import POSTER_ROLE, connect
from settlement.posting import CursorMovedError, SupersededError, post
from tests.settlement.builders import CASH, CASH_AT_START, LOT_UNITS, UNITS_AT_START, event, market, stream, trade
from tests.settlement.posting import stand

ACCOUNTS = st.integers(1, 4)
AMOUNTS = st.integers(1, 10**6)
BASE = 2
Entry = list[tuple[int, int, int]]  # account, asset, amount


class Model:
    """Every entry ever made, and nothing else: a balance is a sum."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []  # of each event, in order

    def balances(self, seq: int) -> dict[tuple[int, int], int]:
        """Return all balances behind an event that were ever touched."""
        found: dict[tuple[int, int], int] = defaultdict(int)
        for entry in self.entries[:seq]:
            for account, asset, amount in entry:
                found[account, asset] += amount
        return dict(found)

    def opened(self) -> list[Entry]:
        """Return the entries of `market()`."""
        entries: list[Entry] = []
        for row in market():
            account, asset, amount = int(row["account"]), int(row["asset"]), int(row["amount"])
            contra = {EventKind.DEPOSITED: -1, EventKind.ISSUED: -2}.get(row["kind"])
            entries.append([] if contra is None else [(account, asset, amount), (contra, asset, -amount)])
        return entries


def traded(buyer: int, seller: int, cash: int, units: int, buyer_fee: int, seller_fee: int, sign: int = 1) -> Entry:
    """Return the five lines of a trade, or with -1 those of its bust."""
    lines = [
        (buyer, CASH, -cash - buyer_fee),
        (seller, CASH, cash - seller_fee),
        (0, CASH, buyer_fee + seller_fee),
        (buyer, BASE, units),
        (seller, BASE, -units),
    ]
    return [(account, asset, sign * amount) for account, asset, amount in lines]


class LedgerMachine(RuleBasedStateMachine):
    """Events of every kind, posted in batches of any size, twice, by others, after restarts."""

    dsn = ""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.model = Model()
        self.events = [market()]
        self.undoable: list[tuple[np.ndarray, Entry]] = []
        self.connection: asyncpg.Connection | None = None
        self.state: State | None = None
        self.epoch = 0
        self.trade_count = 0

    @initialize()
    def begin(self) -> None:
        self.connection = self._wait(self._fresh())
        self.model.entries += self.model.opened()
        self.restart()

    def teardown(self) -> None:
        if self.connection is not None:
            self._wait(self.connection.close())
        self.loop.close()

    async def _fresh(self) -> asyncpg.Connection:
        admin = await asyncpg.connect(self.dsn)
        name = "ledger_machine"
        await admin.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        await admin.execute(f"CREATE DATABASE {name} TEMPLATE ledger_template")
        await admin.close()
        own = urlunsplit(urlsplit(self.dsn)._replace(path=f"/{name}"))
        return await connect(own, POSTER_ROLE)

    def _wait(self, task: Any) -> Any:
        return self.loop.run_until_complete(task)

    def _add(self, happened: np.ndarray, entry: Entry) -> None:
        self.events.append(happened)
        self.model.entries.append(entry)

    @property
    def tape(self) -> np.ndarray:
        return stream(*self.events)

    @rule(account=ACCOUNTS, amount=AMOUNTS, kind=st.sampled_from([EventKind.DEPOSITED, EventKind.WITHDRAWN]))
    def cash(self, account: int, amount: int, kind: EventKind) -> None:
        sign = 1 if kind == EventKind.DEPOSITED else -1
        lines = [(account, CASH, sign * amount), (-1, CASH, -sign * amount)]
        self._add(event(kind, account=account, asset=CASH, amount=amount), lines)

    @rule(account=ACCOUNTS, amount=AMOUNTS, kind=st.sampled_from(["ISSUED", "REDEEMED", "UNITS_EXPIRED"]))
    def units(self, account: int, amount: int, kind: str) -> None:
        sign = 1 if kind == "ISSUED" else -1
        lines = [(account, BASE, sign * amount), (-2, BASE, -sign * amount)]
        self._add(event(EventKind[kind], account=account, asset=BASE, amount=amount), lines)

    @rule(giver=ACCOUNTS, taker=ACCOUNTS, amount=AMOUNTS, asset=st.sampled_from([CASH, BASE]), why=st.integers(1, 11))
    def transfer(self, giver: int, taker: int, amount: int, asset: int, why: int) -> None:
        terms = {"account": giver, "counter_account": taker, "asset": asset, "amount": amount, "state": why}
        self._add(event(EventKind.TRANSFERRED, **terms), [(giver, asset, -amount), (taker, asset, amount)])

    @rule(
        taker=ACCOUNTS,
        maker=ACCOUNTS,
        side=st.sampled_from([Side.BUY, Side.SELL]),
        price=st.integers(1, 100),
        lots=st.integers(1, 9),
        fees=st.tuples(st.integers(-5, 50), st.integers(-5, 50)),
    )
    def trade(self, taker: int, maker: int, side: Side, price: int, lots: int, fees: tuple[int, int]) -> None:
        self.trade_count += 1
        done = trade(taker, maker, side, price, lots, fee=fees[0], counter_fee=fees[1], trade_id=self.trade_count)
        sides = ((taker, fees[0]), (maker, fees[1]))
        (buyer, buyer_fee), (seller, seller_fee) = sides if side == Side.BUY else sides[::-1]
        terms = (buyer, seller, price * lots * 100, lots * LOT_UNITS, buyer_fee, seller_fee)
        self._add(done, traded(*terms))
        undone = done.copy()
        undone["kind"] = EventKind.TRADE_BUSTED
        self.undoable.append((undone, traded(*terms, sign=-1)))

    @precondition(lambda self: self.undoable)
    @rule(which=st.integers(0, 10**6))
    def bust(self, which: int) -> None:
        self._add(*self.undoable.pop(which % len(self.undoable)))

    @rule(count=st.integers(1, 5))
    def quiet(self, count: int) -> None:
        for _ in range(count):
            self._add(event(EventKind.ORDER_CANCELED, order_id=7), [])

    @rule(size=st.integers(1, 40), again=st.booleans())
    def post(self, size: int, again: bool) -> None:
        """Post the next events; what is posted twice counts once."""
        assert self.state is not None
        tape = self.tape
        if self.state.position == len(tape):
            return
        batch, after = prepare(self.state, tape[self.state.position : self.state.position + size])
        self._wait(post(self.connection, batch, self.epoch))
        self.state = after
        if again:
            with pytest.raises(CursorMovedError):
                self._wait(post(self.connection, batch, self.epoch))
        self.compare()

    @rule()
    def restart(self) -> None:
        """Another poster takes over: it knows what the first one knew, which may post no more."""
        assert self.connection is not None
        self.epoch = self._wait(self.connection.fetchval("SELECT ledger.claim(0)"))
        self.state = self._wait(stand(self.connection, self.tape))

    @rule(size=st.integers(1, 40))
    def fence(self, size: int) -> None:
        assert self.state is not None
        tape = self.tape
        if self.state.position < len(tape):
            batch, _ = prepare(self.state, tape[self.state.position : self.state.position + size])
            with pytest.raises(SupersededError):
                self._wait(post(self.connection, batch, self.epoch - 1))

    @rule(share=st.floats(0, 1))
    def look_back(self, share: float) -> None:
        """See the balances of any past event."""
        assert self.state is not None
        self._compare_at(int(share * self.state.position))

    def compare(self) -> None:
        assert self.state is not None
        self._compare_at(self.state.position)

    def _compare_at(self, seq: int) -> None:
        assert self.connection is not None
        rows = self._wait(self.connection.fetch("SELECT * FROM ledger.balances_at($1)", seq))
        assert {(row[0], row[1]): row[2] for row in rows} == self.model.balances(seq)


assert min(CASH_AT_START, UNITS_AT_START) > 10**12, "nobody is overdrawn by what the rules do"
